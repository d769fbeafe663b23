/* HOST: Linux: Lists the threads of a child by /proc. */
#include "os/process_threads.h"

#include "os/process_look.h"
#include "os/queued_info.h"
#include "os/thread_list.h"

#include <sys/syscall.h>
#include <unistd.h>

/* How many threads are looked at, for the first ones may all block the signal. */
#define LOOKED_AT_MAX 32U

/* True: the thread runs the handler now. In any other state than these it is stopped, has ended, or
 * cannot be interrupted. */
static bool handles(const struct fc_process_look *look)
{
    return look->catches && !look->blocks && (look->state == 'R' || look->state == 'S');
}

unsigned fc_process_queue_to_threads(const struct fc_process *process, long without, int signal, int value,
                                     unsigned max)
{
    long ids[LOOKED_AT_MAX];
    siginfo_t info;
    unsigned sent = 0;
    fc_queued_info(&info, signal, value);
    long count = fc_thread_list_of(process->pid, without, ids, LOOKED_AT_MAX);
    count = count > (long)LOOKED_AT_MAX ? (long)LOOKED_AT_MAX : count;
    for (long i = 0; i < count && sent < max; i++) {
        const struct fc_process_look look = fc_process_look_at_thread(process->pid, ids[i], signal);
        /* Signal 0 tells whether the number was still that of the process a moment before. */
        if (handles(&look) && fc_process_queue(process, 0, 0) == 0)
            /* The kernel compares both numbers, so a thread of another process gets nothing. */
            sent += syscall(SYS_rt_tgsigqueueinfo, process->pid, ids[i], signal, &info) == 0;
    }
    return sent;
}
