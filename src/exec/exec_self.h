/* ANY: Another process with this program's image, made by exec and so without a trace of this one's
 * memory: the children of SPAWN, and the server.
 *
 * A copy is told what it is by marks of different kinds, so that a tool that takes or changes some
 * of them (a preloaded library that resolves paths, a tracer, a wrapper that cleans up) leaves
 * others, and each of them ends the process at the latest in forkcall_init:
 *  - the socket of its maker as descriptor 3, with the hello in it, made by its very parent: by
 *    this alone it serves;
 *  - the path that it was started by (Linux);
 *  - a variable of the environment that names its parent;
 *  - what the kernel alone keeps (exec/kernel_mark.h).
 * A process that finds a mark which may be another's goes on as a program like any other, but makes
 * no copies itself: so no chain of copies comes about where none of them knows what it is. */
#ifndef FC_EXEC_EXEC_SELF_H
#define FC_EXEC_EXEC_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses of an instance that must not reach main(). Other versions of the library give them
 * the same meaning. */
enum fc_exec_self_exit {
    FC_EXIT_WRAPPED = 119,     /* its maker is not its parent: something stands between */
    FC_EXIT_PRIVILEGED = 120,  /* it has more rights than its maker */
    FC_EXIT_REPLACED = 121,    /* it has another build of the library */
    FC_EXIT_NO_SOCKET = 122,   /* its socket is gone, or empty */
    FC_EXIT_BEFORE_INIT = 123, /* its program called the library before forkcall_init */
    FC_EXIT_REFUSED = 124,     /* what it was given cannot be taken over */
};

/* How long a copy may take to come to forkcall_init. */
#define FC_READY_NS 30000000000U

enum fc_exec_self_role { FC_ROLE_CHILD = 1, FC_ROLE_SERVER = 2, FC_ROLE_SERVERS_CHILD = 3 };

/* In every program, by forkcall_init: is this process such a copy? False: no. Else *fd is the
 * socket to its maker. Ends the process where it is one that must not go on. */
bool fc_exec_self_is_this(enum fc_exec_self_role *role, int *fd);

/* This process is a copy that has not come to forkcall_init yet: it may not call anything of the
 * library. */
bool fc_exec_self_is_unfinished(void);

/* Starts a copy. fd: the maker's hello was written to the other end of it. 0 or a negative errno;
 * *why is what could not be done. -EPERM: it would have other rights. -ENOEXEC, -ESTALE: copies
 * have failed so often that no more is made. */
int fc_exec_self_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why);

/* *why is then a whole sentence, and says more than strerror(3) would. */
bool fc_exec_self_error_is_told(int error);

/* Writes the hello that a copy looks for into a pair's end of the maker. nonce: for
 * fc_exec_self_start. */
int fc_exec_self_hello(int fd, enum fc_exec_self_role role, uint64_t *nonce);

/* For the maker: the copy ended in this way and did not come to forkcall_init. Why, in words, and
 * -ENOEXEC or -ESTALE. Counts: a maker whose copies all fail by their own word makes only so many.
 * Thread-safe. */
int fc_exec_self_failed(int wait_status, char *why, size_t why_size);
/* One has served. */
void fc_exec_self_served(void);
/* Copies have failed so often that no more is to be made: 0, or the error and the reason of the
 * last. */
int fc_exec_self_gave_up(const char **why);

/* ---- What the platform's file (executable.*.c) gives ----------------------------------------- */

struct fc_executable {
    char *path;          /* malloc */
    const char *instead; /* where the system refuses path; NULL: none. Static */
    const char *why;     /* after an error; NULL: no memory. Static */
};

/* By forkcall_init, at once: what only the start of the program tells. */
void fc_executable_note(void);
/* The path of the image that runs, also where its file was replaced or deleted. 0 or a negative
 * errno; path is to be freed in any case. */
int fc_executable_get(struct fc_executable *executable);
/* This process was started by a path that only copies are started by. */
bool fc_executable_is_this(void);
/* The parent runs this process's program. False also where this is not known. */
bool fc_executable_is_of_parent(void);
/* It has served its purpose: for another instance of this library, in a plugin, this is a program
 * like any other. */
void fc_executable_forget(void);
/* This process has more rights than its user (AT_SECURE). */
bool fc_executable_is_privileged(void);
/* Starting the image's file again gives rights that this process has not, and why so, in words;
 * NULL: no. */
const char *fc_executable_raises(const struct fc_executable *executable);

#endif
