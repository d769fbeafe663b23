/* Helpers for a child that writes its reply by hand, by every method. Its caller tells it what it
 * needs, in shared memory, after the call has begun. */
#ifndef FORGING_CHILD_H
#define FORGING_CHILD_H

#include "children.h"

#include "call/call.h"
#include "forged_reply.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the caller tells the child, in shared_memory(). */
struct forged_call {
    uint64_t nonce;
    int reply_fd, region_fd; /* the caller's numbers, which are the child's only by FORK */
    atomic_int is_told;
    /* The pid of a process, in a group of its own, that the child leaves behind; 0: none. */
    atomic_int left_behind;
};

static inline struct forged_call *forged_call(void)
{
    return shared_memory();
}

/* ---- In the caller --------------------------------------------------------------------------- */

/* Starts a call, and tells the child what it needs for its reply. */
static inline struct forkcall_call *forge_start(forkcall_fn *fn, const void *args, size_t args_size,
                                                struct forkcall_buf *result, const struct forkcall_options *options)
{
    struct forkcall_call *call;
    clear_shared_memory();
    assert_int_equal(start_tested(&call, fn, args, args_size, result, options), 0);
    forged_call()->nonce = call->task.nonce;
    forged_call()->reply_fd = call->task.reply_fd;
    forged_call()->region_fd = call->task.region_fd;
    forged_call()->is_told = 1;
    return call;
}

static inline struct forkcall_report forge_run(forkcall_fn *fn, const void *args, size_t args_size,
                                               struct forkcall_buf *result, const struct forkcall_options *options)
{
    return forkcall_finish(forge_start(fn, args, args_size, result, options));
}

/* Kills the process that the child has left behind. The process must still live, because a call
 * does not wait for processes that its function leaves. */
static inline void kill_the_one_left_behind(void)
{
    const int pid = forged_call()->left_behind;
    assert_true(pid > 0 && process_lives(pid));
    kill(pid, SIGKILL);
}

/* ---- In the child ---------------------------------------------------------------------------- */

static inline const struct forged_call *forge_told(void)
{
    if (!wait_until(is_set, &forged_call()->is_told))
        _exit(92);
    return forged_call();
}

static inline uint64_t forge_nonce(void)
{
    return forge_told()->nonce;
}

/* The number of the reply's descriptor. A child that is no fork of its caller has only the standard
 * streams and descriptors of the library, and only the reply among these is the writing end of a
 * pipe. */
static inline int forge_reply_fd(void)
{
    struct stat file;
    if (method_shares_memory())
        return forge_told()->reply_fd;
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            return fd;
    _exit(99);
}

/* The number of the descriptor of the memory file for a large result; -1: there is none. Among the
 * library's descriptors no other one is a regular file. */
static inline int forge_region_fd(void)
{
    struct stat file;
    if (method_shares_memory())
        return forge_told()->region_fd;
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode))
            return fd;
    return -1;
}

/* Writes to the reply. Ends the process if it cannot write all, so that the library adds nothing to
 * the reply. */
static inline void forge_write(const void *bytes, size_t size)
{
    const unsigned char *data = bytes;
    const int fd = forge_reply_fd();
    while (size > 0) {
        const ssize_t n = write(fd, data, size);
        if (n < 0)
            _exit(98);
        data += n;
        size -= (size_t)n;
    }
}

static inline void forge_say(const struct forkcall_buf *bytes)
{
    forge_write(bytes->data, bytes->size);
}

/* Forks a process that outlives the call. True: this is the new process. */
static inline bool forge_leave_behind(void)
{
    const pid_t pid = fork();
    if (pid != 0) {
        setpgid(pid, pid);
        forged_call()->left_behind = pid;
        return false;
    }
    setpgid(0, 0);
    return true;
}

#endif
