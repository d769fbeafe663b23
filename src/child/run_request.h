/* CHILD: A child that waits for a request: by SPAWN, made for one call; or of a server, which makes
 * some ahead. */
#ifndef FC_CHILD_RUN_REQUEST_H
#define FC_CHILD_RUN_REQUEST_H

#include "module/lookup.h"
#include "wire/fd_list.h"

/* What a report says if the list of descriptors cannot be received. */
#define FC_KEEP_FDS_FAILED \
    "keep_fds: a descriptor cannot be put at its number in the child (no memory, or no free descriptor)"

/* In a re-executed program, called by forkcall_init(): receives its descriptors from the socket,
 * waits for the request and runs it. */
_Noreturn void fc_run_request_main(int socket);

/* Waits for the request and runs it. own: see wire/fd_list.h. execed: this process was exec'ed;
 * else a server that has called fc_child_install_handlers has forked it. waits: it may be made
 * before its call. failed: why it can run nothing, in words; NULL: it can. early: a function whose
 * module is loaded before the request comes; NULL: none. */
_Noreturn void fc_run_request(const int own[FC_OWN_COUNT], bool execed, bool waits, const char *failed,
                              const struct fc_module_function *early);

#endif
