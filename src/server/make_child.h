/* SERVER: Makes one child of the server: its channel and its process. */
#ifndef FC_SERVER_MAKE_CHILD_H
#define FC_SERVER_MAKE_CHILD_H

#include "child/prepare.h"

#include <sys/types.h>

struct fc_new_child {
    pid_t pid;
    int request[2], reply[2], region, lifeline, pidfd; /* -1: none */
};

/* Makes a child by fork. If prepare is not NULL, makes it by exec instead, and the child prepares
 * itself with that. extra: a socket with the call's descriptors for the child; -1: none.
 * leave_in_child is called in a forked child, with extra. early: a function whose module a forked
 * child loads at once; NULL: none. 0 or a negative errno. */
int fc_make_child(struct fc_new_child *child, const struct fc_prepare *prepare, int extra, void (*leave_in_child)(int),
                  const struct fc_module_function *early);

/* Closes the server's descriptors of the child: its channel and its pidfd. */
void fc_new_child_close(const struct fc_new_child *child);

#endif
