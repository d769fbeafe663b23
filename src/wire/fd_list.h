/* HOST, SERVER, CHILD: The descriptors that a child gets by messages, if it is no fork of the
 * host. */
#ifndef FC_WIRE_FD_LIST_H
#define FC_WIRE_FD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* What a descriptor is for: the number that it gets in the child, or one of these. */
enum fc_fd_use {
    FC_FD_USE_REQUEST = -1, /* the child's end */
    FC_FD_USE_REPLY = -2,
    FC_FD_USE_REGION = -3,
    FC_FD_USE_ARGS = -4,     /* a file that holds the arguments */
    FC_FD_USE_LIFELINE = -5, /* for fc_lifeline_join */
    FC_FD_USES = 5,
    FC_FD_USE_MORE = -6, /* a socket from which the list continues */
};

struct fc_fd_list_item {
    int use;
    int fd;
};

/* Sends the whole list and the close-on-exec flags, without waiting. 0 or a negative errno. */
int fc_fd_list_send(int socket, const struct fc_fd_list_item *list, size_t count);

/* The same from item *done on; *done is then the number of items sent. -EAGAIN: the socket has no
 * room for the others before the reader has taken some. */
int fc_fd_list_send_from(int socket, const struct fc_fd_list_item *list, size_t count, size_t *done);

/* In the child: receives the list, closes the socket, and puts each descriptor with a number at
 * that number. own[-use - 1] is set for each of the other uses. Before the call it holds the
 * child's descriptor for that use, or -1; these descriptors move away from numbers that the list
 * needs. 0 or a negative errno. */
int fc_fd_list_receive(int socket, int own[FC_FD_USES]);

#endif
