/* GIO: a pool of threads does blocking work, and a forked child waits for threads that it does not
 * have. */
#include "unsafe_library.h"

#include <gio/gio.h>

#define ANSWER 815

static void work(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)data;
    (void)cancellable;
    g_task_return_int(task, ANSWER);
}

static int work_in_pool(const void *args, size_t args_size, struct forkcall_buf *result)
{
    GTask *task = g_task_new(NULL, NULL, NULL, NULL);
    (void)args;
    (void)args_size;
    g_task_run_in_thread_sync(task, work);
    const int value = (int)g_task_propagate_int(task, NULL);
    g_object_unref(task);
    return forkcall_buf_append(result, &value, sizeof value);
}

static const struct unsafe_library pool = {
    .name = "GIO's thread pool",
    .use = work_in_pool,
    .answer = ANSWER,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&pool);
}
