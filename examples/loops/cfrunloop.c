/* How do I make calls in a run loop of CoreFoundation (macOS)?
 *
 * A CFFileDescriptor watches the descriptor of forkcall_fd, once each time that it is enabled. It
 * must be invalidated before forkcall_finish closes the descriptor. */
#include "jobs.h"

#include <CoreFoundation/CoreFoundation.h>

#define TICK_S 0.02

static unsigned running, ticks;

static void on_readable(CFFileDescriptorRef watch, CFOptionFlags kinds, void *info)
{
    struct job *job = info;
    (void)kinds;
    if (forkcall_wait(job->call, 0) == 0) {
        CFFileDescriptorEnableCallBacks(watch, kCFFileDescriptorReadCallBack);
        return;
    }
    CFFileDescriptorInvalidate(watch); /* the run loop drops its source, too */
    CFRelease(watch);
    job_has_ended(job);
    if (--running == 0)
        CFRunLoopStop(CFRunLoopGetCurrent());
}

static void on_tick(CFRunLoopTimerRef timer, void *info)
{
    (void)timer, (void)info;
    ticks++;
}

/* Returns 0, or -1. */
static int watch_job(struct job *job)
{
    const CFFileDescriptorContext context = {.info = job};
    CFFileDescriptorRef watch =
        CFFileDescriptorCreate(kCFAllocatorDefault, forkcall_fd(job->call), false, on_readable, &context);
    if (watch == NULL)
        return -1;
    CFRunLoopSourceRef source = CFFileDescriptorCreateRunLoopSource(kCFAllocatorDefault, watch, 0);
    if (source == NULL)
        return -1;
    CFFileDescriptorEnableCallBacks(watch, kCFFileDescriptorReadCallBack);
    CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
    CFRelease(source);
    return 0;
}

int main(void)
{
    forkcall_init(); /* first thing in main() */
    CFRunLoopTimerRef timer =
        CFRunLoopTimerCreate(kCFAllocatorDefault, CFAbsoluteTimeGetCurrent() + TICK_S, TICK_S, 0, 0, on_tick, NULL);
    if (timer == NULL)
        return 1;
    CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer, kCFRunLoopDefaultMode);
    for (int i = 0; i < JOBS; i++) {
        if (job_start(&jobs[i]) < 0)
            return 1;
        running++;
        if (watch_job(&jobs[i]) < 0)
            return 1;
    }
    CFRunLoopRun();
    CFRunLoopTimerInvalidate(timer);
    CFRelease(timer);
    return jobs_exit_status(ticks);
}
