/* POSIX asynchronous input and output: the C library uses threads for it, and keeps one for the
 * next request. */
#include "unsafe_library.h"

#include <aio.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static char text[] = "asynchronous";

static int write_to(FILE *file, int *value)
{
    struct aiocb request;
    const struct aiocb *const requests[] = {&request};
    memset(&request, 0, sizeof request);
    request.aio_fildes = fileno(file);
    request.aio_buf = text;
    request.aio_nbytes = sizeof text;
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    if (aio_write(&request) < 0)
        return errno;
    while (aio_error(&request) == EINPROGRESS)
        aio_suspend(requests, 1, NULL);
    const int r = aio_error(&request);
    *value = (int)aio_return(&request);
    return r;
}

static int write_asynchronously(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int value = 0;
    (void)args;
    (void)args_size;
#ifdef HAVE_AIO_INIT
    /* By default the thread ends after one second without work, and a busy machine may need
     * longer. */
    const struct aioinit patient = {.aio_threads = 2, .aio_num = 2, .aio_idle_time = 3600};
    aio_init(&patient);
#endif
    FILE *file = tmpfile();
    if (file == NULL)
        return forkcall_fail(errno, "tmpfile");
    const int r = write_to(file, &value);
    fclose(file);
    if (r != 0)
        return forkcall_fail(r, "aio_write");
    return forkcall_buf_append(result, &value, sizeof value);
}

static const struct unsafe_library posix_aio = {
    .name = "POSIX AIO",
    .use = write_asynchronously,
    .answer = sizeof text,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&posix_aio);
}
