/* HOST, SERVER, CHILD: The descriptors that a child gets by messages, if it is no fork of the
 * host. */
#ifndef FC_WIRE_FD_LIST_H
#define FC_WIRE_FD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The descriptors that a child needs to talk to its host: indices of an array. -1 in the array:
 * none. */
enum fc_own_fd {
    FC_OWN_REQUEST, /* the child's end */
    FC_OWN_REPLY,
    FC_OWN_REGION,
    FC_OWN_ARGS,     /* a file that holds the arguments */
    FC_OWN_LIFELINE, /* for fc_lifeline_own */
    FC_OWN_SHARED,   /* the file of a shared buffer for the result */
    FC_OWN_COUNT
};

/* Fills in that there are none yet. */
void fc_own_fds_clear(int own[FC_OWN_COUNT]);

/* What a descriptor of a list is for: the number that it gets in the child, or one of these. */
enum fc_fd_use {
    FC_FD_USE_REQUEST = -1 - FC_OWN_REQUEST,
    FC_FD_USE_REPLY = -1 - FC_OWN_REPLY,
    FC_FD_USE_REGION = -1 - FC_OWN_REGION,
    FC_FD_USE_ARGS = -1 - FC_OWN_ARGS,
    FC_FD_USE_LIFELINE = -1 - FC_OWN_LIFELINE,
    FC_FD_USE_SHARED = -1 - FC_OWN_SHARED,
    FC_FD_USE_MORE = -1 - FC_OWN_COUNT, /* a socket from which the list continues */
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
 * that number. own gets the others. Before the call own holds descriptors that the child has
 * already, or -1; they move away from numbers that the list needs. 0 or a negative errno. After an
 * error some descriptors stay open, because the child ends then. */
int fc_fd_list_receive(int socket, int own[FC_OWN_COUNT]);

#endif
