/* HOST, CHILD: Everything a child needs to run one call. It does not point into the host's memory,
 * except for args under FORKCALL_BY_POINTER, and except in a fork of the host, which has that
 * memory. */
#ifndef FC_WIRE_TASK_H
#define FC_WIRE_TASK_H

#include "base/fd_identity.h"
#include "result/shared_buf.h"
#include "wire/caller.h"

#include <forkcall.h>

#include <pthread.h>

#define FC_TASK_OWN_FDS 3

struct fc_module_function;

struct fc_task {
    forkcall_fn *fn;
    /* The name of the function, for a child that must find it; else NULL, and fn is set. */
    const struct fc_module_function *name;
    const void *args;
    size_t args_size;
    uint64_t nonce;
    /* From the options, or the capacity of a fixed buffer if that is less. */
    size_t max_result;
    size_t expected;                                /* see fc_region_expected */
    struct fc_shared_place shared;                  /* where a result for a shared buffer goes */
    struct fc_fd_identity mark;                     /* of reply_fd */
    int reply_fd, go_fd, region_fd, out_fd, err_fd; /* -1: none */
    bool drop_result;
    bool want_progress; /* each report, and not only one now and then */
    const char *failed; /* why the call cannot be run, in words; NULL: it can */
    bool has_handlers;  /* fc_child_install_handlers was called */
    bool own_group;
    pid_t group;   /* the process group to join; 0: none */
    bool lifeline; /* what fc_lifeline_prepare returned */
    bool purge;    /* the host's streams hold bytes that are not flushed */
    /* The child sends its resource usage in the trailer, because another part of the host may take
     * the kernel's. */
    bool measure;
    /* The process began by exec, in a process that may have been larger: see os/usage.h. */
    bool execed;
    bool close_fds;
    bool tell_started;     /* by a frame, also where the go byte tells it */
    bool no_crash_capture; /* crashes are left to the system, and to the function's own handlers */
    bool no_args;          /* the arguments could not be mapped */
    /* The child may serve another call after this one, if it is as it was before, and its memory
     * has grown by less than may_grow bytes. */
    bool keep;
    uint32_t frame_mark; /* see fc_frame_magic */
    uint64_t may_grow;
    pthread_t thread; /* the thread that forks; the child's only thread has the same id */
    bool threaded;    /* the host had threads: locks of the C library may be held for ever */
    enum forkcall_stream stream[3];
    bool line_buffered; /* stdout is flushed at each newline, because it is captured */
    struct forkcall_limits limits;
    /* What the child takes on before it runs the function; NULL in a fork of the host. */
    const struct fc_caller *caller;
    int *keep_fds; /* sorted, with room for FC_TASK_OWN_FDS more */
    size_t keep_fds_count;
};

#endif
