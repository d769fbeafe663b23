/* sd-event: an event loop belongs to the process that made it, and refuses all others with ECHILD.
 * It has no thread by which the library could recognise the danger. */
#include "unsafe_library.h"

#include <errno.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#define ANSWER 4711

static int answer(sd_event_source *source, void *context)
{
    (void)source;
    *(int *)context = ANSWER;
    return 0;
}

/* Uses the thread's default loop, which stays open, as in a program that is built around it. */
static int defer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static sd_event *loop;
    sd_event_source *source = NULL;
    int value = 0;
    (void)args;
    (void)args_size;
    int r = loop == NULL ? sd_event_default(&loop) : 0;
    if (r >= 0)
        r = sd_event_add_defer(loop, &source, answer, &value);
    if (r >= 0)
        r = sd_event_run(loop, UINT64_MAX);
    sd_event_source_unref(source);
    if (r < 0)
        return forkcall_fail(-r, "sd-event refuses");
    return forkcall_buf_append(result, &value, sizeof value);
}

static const struct unsafe_library event = {
    .name = "sd-event",
    .use = defer,
    .answer = ANSWER,
    .is_listed = true,
    .status = FORKCALL_FAILED,
    .code = ECHILD,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&event);
}
