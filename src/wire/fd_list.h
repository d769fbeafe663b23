/* HOST, SERVER, CHILD: Descriptors that travel from a caller to a child that is no fork of it. */
#ifndef FC_WIRE_FD_LIST_H
#define FC_WIRE_FD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* What a descriptor is for: a number, which the child gets it as, or one of these. */
enum fc_fd_use {
    FC_FD_USE_REQUEST = -1, /* the child's end */
    FC_FD_USE_REPLY = -2,
    FC_FD_USE_REGION = -3,
    FC_FD_USE_ARGS = -4,     /* a file that holds the arguments */
    FC_FD_USE_LIFELINE = -5, /* fc_lifeline_join */
    FC_FD_USES = 5,
    FC_FD_USE_MORE = -6, /* a socket with more of them */
};

struct fc_fd_list_item {
    int use;
    int fd;
};

/* Sends all of them, never waiting. Their close-on-exec flags come along. 0 or a negative errno. */
int fc_fd_list_send(int socket, const struct fc_fd_list_item *list, size_t count);

/* The same, beginning at *done, which is then how many were sent. -EAGAIN: the others find no room
 * before some were received. */
int fc_fd_list_send_from(int socket, const struct fc_fd_list_item *list, size_t count, size_t *done);

/* In the child: takes them, closes the socket, and puts every one that is for a number at it.
 * own[-use - 1] is set for the others; before, it holds those that the child has already, or -1.
 * None of them stays at a number that is taken by another. 0 or a negative errno. */
int fc_fd_list_receive(int socket, int own[FC_FD_USES]);

#endif
