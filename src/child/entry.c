/* CHILD: The frame that calls the function. This file is compiled without unwind tables, so a C++
 * exception that leaves the function does not reach a catch of the caller, and ends in
 * std::terminate. */
#include "child/finish.h"
#include "child/inline.h"
#include "child/run.h"

#include <pthread.h>

int fc_function_enter(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result)
{
    /* Volatile, so that the compiler makes no tail call, which would have no frame. */
    volatile int code = fn(args, args_size, result);
    return code;
}

_Noreturn void fc_child_enter(const struct fc_task *task, struct forkcall_buf *result)
{
    fc_child_set_entry(__builtin_frame_address(0));
    /* pthread_exit runs the handlers of the thread, the last one first. So this handler runs before
     * the caller's, and ends the process. */
    pthread_cleanup_push(fc_child_thread_exit, NULL);
    fc_child_returned(task->fn(task->args, task->args_size, result));
    pthread_cleanup_pop(0);
}
