/* HOST, CHILD: What a process that runs a call's function must know: nothing in it, but for args
 * with FORKCALL_BY_POINTER, supposes that the process shares the caller's memory. */
#ifndef FC_WIRE_TASK_H
#define FC_WIRE_TASK_H

#include "base/fd_identity.h"
#include "wire/caller.h"

#include <forkcall.h>

#include <pthread.h>

#define FC_TASK_OWN_FDS 3

struct fc_module_function;

struct fc_task {
    forkcall_fn *fn;
    /* In place of fn, in a child that must find it; else NULL. */
    const struct fc_module_function *name;
    const void *args;
    size_t args_size;
    uint64_t nonce;
    /* Of options, and the capacity of a fixed buffer. */
    size_t max_result;
    struct fc_fd_identity mark;                     /* of reply_fd */
    int reply_fd, go_fd, region_fd, out_fd, err_fd; /* -1: none */
    bool drop_result;
    bool want_progress;
    const char *failed; /* why it cannot be run, which is known already; NULL: it can */
    bool armed;         /* fc_child_arm was called */
    bool own_group;
    pid_t group;   /* to join this one; 0: stay */
    bool lifeline; /* fc_lifeline_prepare */
    bool purge;    /* the caller's streams hold what it has not flushed */
    /* The child's resource usage goes into its trailer: the kernel's may be taken by somebody
     * else. */
    bool measure;
    bool execed; /* the process began by exec, in one that may have been larger: see os/usage.h */
    bool close_fds;
    bool no_args;     /* they could not be had */
    pthread_t thread; /* that forks: the child's only one has the same identity */
    bool threaded;    /* the caller was: some of libc's locks may be held for ever */
    enum forkcall_stream stream[3];
    bool line_buffered; /* stdout, because it is captured */
    struct forkcall_limits limits;
    const struct fc_caller *caller; /* where name is not NULL: to be taken on before the function */
    int *keep_fds;                  /* sorted, with room for FC_TASK_OWN_FDS more */
    size_t keep_fds_count;
};

#endif
