/* SERVER: A spare that a server makes: its channel and its process. */
#ifndef FC_SERVER_MAKE_CHILD_H
#define FC_SERVER_MAKE_CHILD_H

#include "child/prepare.h"

#include <sys/types.h>

struct fc_new_child {
    pid_t pid;
    int request[2], reply[2], region; /* -1: none */
};

/* Makes one by fork; or, where prepare is not NULL, by exec, and that is what it prepares. extra: a
 * socket that holds what it is to have besides; -1: nothing. leave_in_child is called in a forked
 * one, with extra. 0 or a negative errno. */
int fc_make_child(struct fc_new_child *child, const struct fc_prepare *prepare, int extra, void (*leave_in_child)(int));

/* The server has no more to do with the channel. */
void fc_new_child_close_channel(const struct fc_new_child *child);

#endif
