/* How do I make calls in an sd-event loop (systemd's services)?
 *
 * An IO source watches the descriptor of forkcall_fd. The source must be dropped before
 * forkcall_finish closes the descriptor. */
#include "jobs.h"

#include <systemd/sd-event.h>

#include <sys/epoll.h>
#include <time.h>

static unsigned running, ticks;

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct job *job = data;
    (void)fd, (void)events;
    if (forkcall_wait(job->call, 0) == 0)
        return 0;
    sd_event *loop = sd_event_source_get_event(source);
    sd_event_source_disable_unref(source);
    job_has_ended(job);
    return --running == 0 ? sd_event_exit(loop, 0) : 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
    (void)usec, (void)data;
    ticks++;
    sd_event_source_set_time_relative(source, 20000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int main(void)
{
    sd_event *loop = NULL;
    sd_event_source *timer = NULL;
    forkcall_init(); /* first thing in main() */
    if (sd_event_new(&loop) < 0 ||
        sd_event_add_time_relative(loop, &timer, CLOCK_MONOTONIC, 20000, 0, on_tick, NULL) < 0)
        return 1;
    for (int i = 0; i < JOBS; i++) {
        sd_event_source *source = NULL;
        if (job_start(&jobs[i]) < 0)
            return 1;
        running++;
        if (sd_event_add_io(loop, &source, forkcall_fd(jobs[i].call), EPOLLIN, on_readable, &jobs[i]) < 0)
            return 1;
    }
    sd_event_loop(loop);
    sd_event_source_unref(timer);
    sd_event_unref(loop);
    return jobs_exit_status(ticks);
}
