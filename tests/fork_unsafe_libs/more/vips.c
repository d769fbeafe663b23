/* libvips: threads that compute a part of a picture each are kept for the next one. */
#include "more.h"

#include <vips/vips.h>

#define SIDE 1000
#define ANSWER 42

static int averages(const void *args, size_t args_size, struct forkcall_buf *result)
{
    VipsImage *black = NULL, *grey = NULL;
    double average = -1;
    (void)args;
    (void)args_size;
    if (vips_init("test") != 0)
        return forkcall_fail(1, "vips_init");
    vips_concurrency_set(2);
    vips_cache_set_max(0);
    if (vips_black(&black, SIDE, SIDE, NULL) != 0 || vips_linear1(black, &grey, 1, ANSWER, NULL) != 0 ||
        vips_avg(grey, &average, NULL) != 0)
        return forkcall_fail(1, "%s", vips_error_buffer());
    g_object_unref(grey);
    g_object_unref(black);
    const int answer = (int)(average + 0.5);
    return forkcall_buf_append(result, &answer, sizeof answer);
}

const struct unsafe_library the_library = {
    .name = "libvips",
    .use = averages,
    .answer = ANSWER,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};
