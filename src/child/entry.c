/* CHILD: The frame that calls the function. This file is compiled without unwind tables, so a C++
 * exception that leaves the function does not reach a catch of the caller, and ends in
 * std::terminate. */
#include "child/finish.h"
#include "child/inline.h"
#include "child/run.h"

#include <pthread.h>

#ifdef __ELF__
extern const char entry_start[] __asm__("__start_fc_entry") __attribute__((visibility("hidden")));
extern const char entry_end[] __asm__("__stop_fc_entry") __attribute__((visibility("hidden")));
#else
extern const char entry_start[] __asm__("section$start$__TEXT$fc_entry");
extern const char entry_end[] __asm__("section$end$__TEXT$fc_entry");
#endif

bool fc_child_entry_holds(uint64_t address)
{
    return address >= (uintptr_t)entry_start && address <= (uintptr_t)entry_end;
}

FC_ENTRY_CODE int fc_function_enter(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result)
{
    /* Volatile, so that the compiler makes no tail call, which would have no frame. */
    volatile int code = fn(args, args_size, result);
    return code;
}

FC_ENTRY_CODE void fc_child_enter(const struct fc_task *task, struct forkcall_buf *result)
{
    fc_child_set_entry(__builtin_frame_address(0));
    /* pthread_exit runs the handlers of the thread, the last one first. So this handler runs before
     * the caller's, and ends the process. */
    pthread_cleanup_push(fc_child_thread_exit, NULL);
    fc_child_returned(task->fn(task->args, task->args_size, result));
    pthread_cleanup_pop(0);
}
