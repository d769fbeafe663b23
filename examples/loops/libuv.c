/* How do I make calls in a libuv loop (Node's, for example)?
 *
 * A poll handle watches the descriptor of forkcall_fd. The handle must be stopped before
 * forkcall_finish closes the descriptor. */
#include "jobs.h"

#include <uv.h>

static unsigned running, ticks;
static uv_timer_t timer;
static uv_poll_t handles[JOBS];

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct job *job = handle->data;
    (void)status, (void)events;
    if (forkcall_wait(job->call, 0) == 0)
        return;
    uv_poll_stop(handle);
    uv_close((uv_handle_t *)handle, NULL);
    job_has_ended(job);
    if (--running == 0)
        uv_close((uv_handle_t *)&timer, NULL);
}

static void on_tick(uv_timer_t *unused)
{
    (void)unused;
    ticks++;
}

int main(void)
{
    forkcall_init(); /* first thing in main(), because libuv has threads */
    uv_loop_t *loop = uv_default_loop();
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_tick, 0, 20);
    for (int i = 0; i < JOBS; i++) {
        if (job_start(&jobs[i]) < 0)
            return 1;
        running++;
        handles[i].data = &jobs[i];
        if (uv_poll_init(loop, &handles[i], forkcall_fd(jobs[i].call)) != 0 ||
            uv_poll_start(&handles[i], UV_READABLE, on_readable) != 0)
            return 1;
    }
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return jobs_exit_status(ticks);
}
