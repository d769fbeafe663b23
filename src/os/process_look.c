/* HOST: Looks at a process by /proc/PID/status and /proc/PID/syscall (proc(5) of Linux), where
 * there are such files and they can be read. */
#include "config.h"

#include "os/process_look.h"

#include "base/descriptors.h"
#include "base/io.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_RAW_SYSCALLS
#include <sys/syscall.h>
#endif

#ifdef HAVE_RAW_SYSCALLS

/* The calls that a function may hang in. */
static const char *name_of(long number)
{
    static const struct {
        int number;
        char name[16]; /* not a pointer, which would need a relocation */
    } calls[] = {
#ifdef SYS_read
        {SYS_read, "read"},
#endif
#ifdef SYS_readv
        {SYS_readv, "readv"},
#endif
#ifdef SYS_write
        {SYS_write, "write"},
#endif
#ifdef SYS_openat
        {SYS_openat, "openat"},
#endif
#ifdef SYS_flock
        {SYS_flock, "flock"},
#endif
#ifdef SYS_fcntl
        {SYS_fcntl, "fcntl"},
#endif
#ifdef SYS_fsync
        {SYS_fsync, "fsync"},
#endif
#ifdef SYS_poll
        {SYS_poll, "poll"},
#endif
#ifdef SYS_ppoll
        {SYS_ppoll, "ppoll"},
#endif
#ifdef SYS_select
        {SYS_select, "select"},
#endif
#ifdef SYS_pselect6
        {SYS_pselect6, "pselect"},
#endif
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, "epoll_wait"},
#endif
#ifdef SYS_epoll_pwait
        {SYS_epoll_pwait, "epoll_pwait"},
#endif
#ifdef SYS_futex
        {SYS_futex, "futex"},
#endif
#ifdef SYS_nanosleep
        {SYS_nanosleep, "nanosleep"},
#endif
#ifdef SYS_clock_nanosleep
        {SYS_clock_nanosleep, "clock_nanosleep"},
#endif
#ifdef SYS_pause
        {SYS_pause, "pause"},
#endif
#ifdef SYS_rt_sigsuspend
        {SYS_rt_sigsuspend, "sigsuspend"},
#endif
#ifdef SYS_wait4
        {SYS_wait4, "wait4"},
#endif
#ifdef SYS_waitid
        {SYS_waitid, "waitid"},
#endif
#ifdef SYS_accept
        {SYS_accept, "accept"},
#endif
#ifdef SYS_accept4
        {SYS_accept4, "accept"},
#endif
#ifdef SYS_connect
        {SYS_connect, "connect"},
#endif
#ifdef SYS_recvfrom
        {SYS_recvfrom, "recv"},
#endif
#ifdef SYS_recvmsg
        {SYS_recvmsg, "recvmsg"},
#endif
#ifdef SYS_sendto
        {SYS_sendto, "send"},
#endif
#ifdef SYS_sendmsg
        {SYS_sendmsg, "sendmsg"},
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == number)
            return calls[i].name;
    return NULL;
}

#else

static const char *name_of(long number)
{
    (void)number;
    return NULL;
}

#endif

/* Reads the start of a file into a string. The descriptor lives only under the lock, so that no
 * child of another thread has it. */
static bool read_file(const char *path, char *text, size_t size)
{
    ssize_t n = -1;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open(path, O_RDONLY | O_CLOEXEC));
    if (fd >= 0) {
        n = fc_read(fd, text, size - 1);
        close(fd);
    }
    fc_fds_unlock();
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* What stands behind the name of a line; NULL: there is no such line. */
static const char *find(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line == NULL ? NULL : line + strlen(name) + strspn(line + strlen(name), " \t");
}

static bool has_signal(const char *text, const char *name, int signal)
{
    const char *mask = find(text, name);
    return mask != NULL && signal <= 64 && (strtoull(mask, NULL, 16) >> (signal - 1) & 1) != 0;
}

static void look_at_status(struct fc_process_look *look, pid_t pid, int signal)
{
    char path[40], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    if (!read_file(path, text, sizeof text))
        return;
    const char *state = find(text, "\nState:");
    const char *threads = find(text, "\nThreads:");
    if (state == NULL || threads == NULL || strstr(text, "\nSigCgt:") == NULL)
        return;
    look->state = *state;
    look->threads = (unsigned)strtoul(threads, NULL, 10);
    look->catches = has_signal(text, "\nSigCgt:", signal);
    look->blocks = has_signal(text, "\nSigBlk:", signal);
}

static void look_at_system_call(struct fc_process_look *look, pid_t pid)
{
    char path[40], text[64], *end;
    (void)snprintf(path, sizeof path, "/proc/%ld/syscall", (long)pid);
    if (!read_file(path, text, sizeof text))
        return;
    const long number = strtol(text, &end, 10);
    if (end != text && *end == ' ') /* not "running" */
        look->system_call = name_of(number);
}

struct fc_process_look fc_process_look_at(const struct fc_process *process, int signal)
{
    static const struct fc_process_look nothing = {.state = 0};
    struct fc_process_look look = nothing;
    look_at_status(&look, process->pid, signal);
    if (look.state != 0)
        look_at_system_call(&look, process->pid);
    /* As long as it has not ended, its number is its own. */
    return fc_process_is_over(process) ? nothing : look;
}
