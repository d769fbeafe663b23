/* ANY: Starts this program again by exec. The children of SPAWN and the server are made so: they
 * have nothing of this process's memory.
 *
 * A re-executed program finds out what it is by four different marks. A tool that takes some of
 * them away (a preloaded library that resolves paths, a tracer, a wrapper that cleans up) leaves
 * others, and each of them ends the process in forkcall_init() at the latest:
 *
 *  - the socket of its maker as descriptor 3 with the hello in it, made by its own parent. Only
 *    with this mark it serves;
 *  - the path that it was started by (Linux);
 *  - a variable of the environment that names its parent;
 *  - a mark that the kernel keeps over exec (exec/exec_mark.h).
 *
 * A process that finds a mark which may be another's goes on as an ordinary program, but does not
 * re-execute itself. So no endless chain can arise in which no process knows what it is. */
#ifndef FC_EXEC_EXEC_SELF_H
#define FC_EXEC_EXEC_SELF_H

#include "module/lookup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses of a re-executed program that must not reach main(). They mean the same in all
 * versions of the library. */
enum fc_exec_self_exit {
    FC_EXIT_WRAPPED = 119,     /* its maker is not its parent: another program stands between */
    FC_EXIT_PRIVILEGED = 120,  /* it has more rights than its maker */
    FC_EXIT_REPLACED = 121,    /* it has another build of the library */
    FC_EXIT_NO_SOCKET = 122,   /* its socket is gone, or empty */
    FC_EXIT_BEFORE_INIT = 123, /* its program called the library before forkcall_init() */
    FC_EXIT_REFUSED = 124,     /* it cannot take over what its maker has sent */
};

/* How long a re-executed program may take to reach forkcall_init(). */
#define FC_READY_NS 30000000000U

/* What a report says when that time is over. */
#define FC_EXEC_SELF_LATE "the re-executed program did not reach forkcall_init() in time"

enum fc_exec_self_role { FC_ROLE_CHILD = 1, FC_ROLE_SERVER = 2, FC_ROLE_SERVERS_CHILD = 3 };

/* Finds out in forkcall_init() whether this process is a re-executed program. True: it is; *fd is
 * the socket to its maker. False: it is not. Does not return if it is one that must not reach
 * main(). */
bool fc_exec_self_is_this(enum fc_exec_self_role *role, int *fd);

/* True: this process is a re-executed program that has not reached forkcall_init(). It may not use
 * the library yet. */
bool fc_exec_self_is_unfinished(void);

/* True: forkcall_init() or forkcall_use_helper() was called, so a clean process can be started. */
bool fc_exec_self_is_possible(void);

/* Names a function for a re-executed program, as fc_module_name does, with one error more:
 * -ENOTSUP: fn lies in this program, which the helper does not have. */
int fc_exec_self_name_function(forkcall_fn *fn, struct fc_module_function *name);

/* True: this process has a mark of a re-executed program, but did not become one. So the file that
 * is used as a helper starts this program, which must not start that file again. */
bool fc_exec_self_is_started_by_helper(void);

/* Starts this program again, or the helper (exec/helper.h). fd: its end of a socket pair; the hello
 * was written to the other end.
 *
 * Returns 0, or a negative errno with *why: the step that failed. -EPERM: the new process would
 * have other rights. -ENOEXEC, -ESTALE: re-executed programs have failed so often that no more is
 * started. Thread-safe. */
int fc_exec_self_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why);

/* True: for this error *why is a complete sentence that says more than strerror(3). */
bool fc_exec_self_error_is_told(int error);

/* Writes the hello to the maker's end of a socket pair. nonce: gets the number that
 * fc_exec_self_start needs. 0 or a negative errno. */
int fc_exec_self_hello(int fd, enum fc_exec_self_role role, uint64_t *nonce);

/* Describes, for a report, why a re-executed program ended before it reached forkcall_init(). */
void fc_exec_self_describe_end(int wait_status, char *why, size_t why_size);
/* The error for it: ENOEXEC, ESTALE or EPERM. */
int fc_exec_self_error_of_end(int wait_status);
/* Counts a re-executed program that ended before it reached forkcall_init(): if several in a row
 * give a reason that the next would give again, no more is started. Thread-safe. */
void fc_exec_self_failed(int wait_status);
/* Notes that a re-executed program has worked, so the failures before it do not count. */
void fc_exec_self_served(void);
/* 0; or a negative errno with *why, the reason of the last failure: there were so many that no more
 * is started. */
int fc_exec_self_gave_up(const char **why);

/* ---- What the platform's file (executable.*.c) gives ----------------------------------------- */

struct fc_executable {
    char *path;          /* to be freed */
    const char *instead; /* the path to use if the system refuses path; NULL: none; static */
    const char *why;     /* the reason after an error; NULL: no memory; static */
};

/* Called first in forkcall_init(): notes what only the start of the program can tell. */
void fc_executable_note(void);
/* Finds a path of the executable that runs, even if its file was replaced or deleted. 0 or a
 * negative errno. Free the path in both cases. */
int fc_executable_get(struct fc_executable *executable);
/* True: this process was started by a path that only re-executed programs are started by. */
bool fc_executable_is_this(void);
/* True: the parent runs the same executable. False also if that is not known. */
bool fc_executable_is_of_parent(void);
/* Clears that path, so that another copy of this library, in a plugin, takes this process for an
 * ordinary program. */
void fc_executable_forget(void);
/* True: this process has more rights than its user (AT_SECURE). */
bool fc_executable_is_privileged(void);
/* Why starting the executable again would give rights that this process has not, in words; NULL: it
 * would not. */
const char *fc_executable_raises(const struct fc_executable *executable);

#endif
