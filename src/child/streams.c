/* CHILD: Redirects standard streams and drops what stdio holds of the host's. */
#include "child/streams.h"

#include "base/descriptors.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#ifdef HAVE_FPURGE_EXT
#include <stdio_ext.h>
#endif

static int replace(int fd, int with)
{
    int r;
    do
        r = dup2(with, fd);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

/* Opens /dev/null as fd. If fd is closed, open() may return that very number. Else the number that
 * open() returns is closed again. */
static int replace_by_null(int fd)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -errno;
    if (null == fd)
        return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
    const int r = replace(fd, null);
    close(null);
    return r;
}

int fc_streams_redirect(const struct fc_task *task)
{
    const int captured[3] = {-1, task->out_fd, task->err_fd};
    int r = 0;
    for (int fd = 0; r == 0 && fd < 3; fd++) {
        if (task->stream[fd] == FORKCALL_STREAM_CAPTURE) {
            r = replace(fd, captured[fd]);
            /* The function may get this number for a file of its own. */
            fc_fds_child_close(captured[fd]);
        } else if (task->stream[fd] == FORKCALL_STREAM_NULL) {
            r = replace_by_null(fd);
        } else if (task->stream[fd] == FORKCALL_STREAM_JOIN) {
            r = replace(fd, STDOUT_FILENO); /* stdout is in place by now */
        }
    }
    return r;
}

bool fc_streams_are_pending(void)
{
#ifdef HAVE_FPURGE_EXT
    return __fpending(stdout) != 0 || __fpending(stderr) != 0;
#else
    return true; /* this system does not tell */
#endif
}

/* Neither function takes the stream's lock, which another thread of the host may have held. */
void fc_streams_purge(void)
{
#ifdef HAVE_FPURGE_EXT
    __fpurge(stdout);
    __fpurge(stderr);
#else
    fpurge(stdout);
    fpurge(stderr);
#endif
}

/* Does not take the stream's lock. setvbuf(3) without a buffer allocates nothing here. */
void fc_streams_buffer_by_line(bool threaded)
{
#ifdef HAVE_FPURGE_EXT
    (void)threaded;
    /* glibc: a stream without a buffer already writes each line at once. */
    if (__fbufsize(stdout) == 1)
        return;
    const int locking = __fsetlocking(stdout, FSETLOCKING_BYCALLER);
    setvbuf(stdout, NULL, _IOLBF, 0);
    __fsetlocking(stdout, locking);
#ifdef HAVE_FILE_WRITE_END
    /* If the host has used the stream, glibc still has room for bytes in which it does not look for
     * a newline. */
    if (__fpending(stdout) == 0)
        stdout->_IO_write_end = stdout->_IO_write_base;
#endif
#else
    if (!threaded) /* the stream's lock may be held for ever, and setvbuf(3) may allocate */
        setvbuf(stdout, NULL, _IOLBF, 0);
#endif
}

static void flush(FILE *stream)
{
#ifdef HAVE_FPURGE_EXT
    /* Does not take the stream's lock. If nothing is pending, another thread of the host may have
     * held the lock at the fork, for ever. */
    if (__fpending(stream) == 0)
        return;
#endif
    fflush(stream);
}

void fc_streams_flush(void)
{
    flush(stdout);
    flush(stderr);
}
