/* CHILD: What a child knows of itself, once it has its task. */
#ifndef FC_CHILD_CHILD_STATE_H
#define FC_CHILD_CHILD_STATE_H

#include "child/owner_lock.h"
#include "wire/frame.h"
#include "wire/task.h"

#include <forkcall.h>

#include <pthread.h>
#include <sys/types.h>

/* The reports of progress, beside the texts of the last two (child/storage.h). */
struct fc_reports {
    struct fc_owner_lock lock;
    /* Which of the two is the last. Changes when that is whole. */
    volatile unsigned last;
    volatile bool unsent;
    uint64_t next_ns;
};

struct fc_child {
    pid_t pid; /* 0: this process is no child of the library */
    /* fc_fds_generation() in the child. A process that it has forked has another. */
    unsigned generation;
    struct fc_task task; /* what it points to may be gone */
    /* Runs the exit handlers that the function has registered, when it returns; NULL: they do not
     * run. */
    void (*run_handlers)(int status);
    bool has_returned; /* the function has returned code, and the handlers run */
    int code;
    const void *entry;
    struct forkcall_buf result;
    uint64_t item;        /* the number of the item that is run, plus one; 0: no items */
    unsigned tool_errors; /* that valgrind had found before the function */
    size_t message_size;  /* how much of fc_message is the failure's message */
    struct fc_reports reports;
};

extern struct fc_child fc_child;

/* A header for a frame of the call that this process runs. */
struct fc_frame_header fc_child_frame_header(enum fc_frame_type type, size_t size);

/* True: this process is a child, and was not forked by one. As fc_child_is_running, but without a
 * system call, which the function may have forbidden. A process made by clone(2) or _Fork(3), which
 * pass over the handlers of pthread_atfork(3), counts as the child itself. */
bool fc_child_has_not_forked(void);

#endif
