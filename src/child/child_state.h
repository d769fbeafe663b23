/* CHILD: What a child of the library knows of itself, from when it has its task. For the files of
 * the child alone. */
#ifndef FC_CHILD_CHILD_STATE_H
#define FC_CHILD_CHILD_STATE_H

#include "wire/task.h"

#include <forkcall.h>

#include <pthread.h>
#include <sys/types.h>

struct fc_child {
    pid_t pid; /* 0: this process is no child of the library */
    /* fc_fds_generation() in it: other in a process that it has forked. */
    unsigned generation;
    struct fc_task task; /* what it points to may be gone */
    /* Those that the function has left, when it returns; NULL: they are not run. */
    void (*run_handlers)(int status);
    bool has_returned; /* with code: they are being run */
    int code;
    const void *entry;
    struct forkcall_buf result;
    size_t message_size; /* of fc_message */
};

extern struct fc_child fc_child;

/* This process is such a child, and not one that it has forked; as fc_child_is_running, but without
 * a system call, which the function may have had forbidden. A process that was made by clone(2) or
 * _Fork(3), past the handlers of pthread_atfork(3), is not told apart. */
bool fc_child_has_not_forked(void);

#endif
