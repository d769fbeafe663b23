/* PulseAudio: a threaded main loop, which runs what is deferred to it. No sound server is
 * needed. */
#include "more.h"

#include <pulse/mainloop-api.h>
#include <pulse/thread-mainloop.h>

#define ANSWER 17

struct deferred {
    pa_threaded_mainloop *loop;
    int answer;
};

static void answers(pa_mainloop_api *api, pa_defer_event *event, void *context)
{
    struct deferred *deferred = context;
    api->defer_free(event);
    deferred->answer = ANSWER;
    pa_threaded_mainloop_signal(deferred->loop, 0);
}

static int defers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static pa_threaded_mainloop *loop;
    (void)args;
    (void)args_size;
    if (loop == NULL) {
        loop = pa_threaded_mainloop_new();
        if (loop == NULL || pa_threaded_mainloop_start(loop) < 0)
            return forkcall_fail(1, "no main loop");
    }
    struct deferred deferred = {.loop = loop};
    pa_threaded_mainloop_lock(loop);
    pa_mainloop_api *api = pa_threaded_mainloop_get_api(loop);
    api->defer_new(api, answers, &deferred);
    while (deferred.answer == 0)
        pa_threaded_mainloop_wait(loop);
    pa_threaded_mainloop_unlock(loop);
    return forkcall_buf_append(result, &deferred.answer, sizeof deferred.answer);
}

const struct unsafe_library the_library = {
    .name = "PulseAudio's main loop",
    .use = defers,
    .answer = ANSWER,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};
