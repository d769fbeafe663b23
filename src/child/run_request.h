/* CHILD: A child that waits for its call: of SPAWN, for which it was made, and of a server, which
 * makes some ahead. */
#ifndef FC_CHILD_RUN_REQUEST_H
#define FC_CHILD_RUN_REQUEST_H

#include "wire/fd_list.h"

/* In an exec'ed copy: takes its descriptors from the socket, waits for the request and runs it. */
_Noreturn void fc_run_request_main(int socket);

/* Waits for the request and runs it; own: by use, as in wire/fd_list.h. execed: exec'ed; else it
 * was forked by the server, which has called fc_child_arm. failed: why it can run nothing; NULL: it
 * can. */
_Noreturn void fc_run_request(const int own[FC_FD_USES], bool execed, const char *failed);

#endif
