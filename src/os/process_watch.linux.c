/* HOST, SERVER: Linux: A pidfd (5.3; waitid on it 5.4). If a kernel, sandbox or emulator does not
 * have it, os/process_watch.posix.c takes its place. */
#include "base/poll_fds.h"
#include "os/process.h"
#include "os/queued_info.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From the kernel's include/uapi/linux/pidfd.h, whose newer parts few systems have yet. */
#define INFO_EXIT ((uint64_t)1 << 3)            /* PIDFD_INFO_EXIT, Linux 6.15 */
#define SIGNAL_PROCESS_GROUP ((unsigned)1 << 2) /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */

struct info { /* struct pidfd_info, first version (64 bytes) */
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};

/* The C libraries disagree whether the request of ioctl(2) is an int or a long, so the system call
 * is made directly. */
#define GET_INFO _IOWR(0xFF, 11, struct info)

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#define P_PIDFD_ ((idtype_t)3) /* P_PIDFD, not in every libc */

/* The kernel's struct rusage. Its fields are long on every system, whatever the C library uses for
 * time_t. */
struct kernel_usage {
    long user_s, user_us, system_s, system_us, max_rss_kib, rest[13];
};

static long wait_on(idtype_t type, int id, siginfo_t *info, int options, struct kernel_usage *usage)
{
    long r;
    memset(info, 0, sizeof *info);
    do
        r = syscall(SYS_waitid, type, id, info, options, usage);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

/* Once the kernel has said that it has no pidfds, it is not asked again: valgrind prints a warning
 * for each system call that it does not know. */
int fc_process_watch_open(pid_t pid)
{
    static atomic_bool missing;
    if (atomic_load_explicit(&missing, memory_order_relaxed))
        return -ENOSYS;
    const long fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno == ENOSYS)
        atomic_store_explicit(&missing, true, memory_order_relaxed);
    return fd < 0 ? -errno : (int)fd;
}

/* Asks for the exit code of a child that another part of the host has reaped. The kernel keeps it
 * for holders of a pidfd, from the moment at which the process is released (POLLHUP). False: that
 * moment is about to come, so ask again. */
static bool ask_for_exit_code(int fd, struct fc_ending *ending)
{
    /* Must be looked at before the question: the release may come between the two. */
    const bool let_go = (fc_poll_now(fd, POLLIN) & POLLHUP) != 0;
    struct info info = {.mask = INFO_EXIT};
    const bool answered = syscall(SYS_ioctl, fd, GET_INFO, &info) == 0;
    if (!answered && errno != ESRCH)
        return true; /* Linux before 6.13 does not tell */
    /* Without an answer the mask is still that of the question. */
    if (answered && (info.mask & INFO_EXIT) != 0) {
        ending->status_known = true;
        ending->wait_status = info.exit_code;
        return true;
    }
    return let_go; /* released, and still no code: Linux before 6.15 */
}

static void fill(struct fc_ending *ending, const siginfo_t *info, const struct kernel_usage *usage)
{
    ending->status_known = true;
    ending->wait_status = fc_waitpid_status(info);
    ending->usage_known = true;
    ending->user_ns = (uint64_t)usage->user_s * 1000000000U + (uint64_t)usage->user_us * 1000U;
    ending->system_ns = (uint64_t)usage->system_s * 1000000000U + (uint64_t)usage->system_us * 1000U;
    ending->max_rss_bytes = (uint64_t)usage->max_rss_kib * 1024U;
}

bool fc_process_watch_is_over(const struct fc_process *process)
{
    siginfo_t info;
    const long r = wait_on(P_PIDFD_, process->fd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    if (r < 0 && r != -ECHILD)
        return fc_waitpid_is_over(process);
    return r < 0 || info.si_pid != 0;
}

bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    struct kernel_usage usage;
    siginfo_t info;
    const long r = wait_on(P_PIDFD_, process->fd, &info, WEXITED | WNOHANG, &usage);
    if (r == 0 && info.si_pid == 0)
        return false;
    if (r < 0 && r != -ECHILD) /* a kernel or sandbox that has pidfd_open and not this */
        return fc_waitpid_has_ended(process, ending);
    *ending = (struct fc_ending){.wait_status = -1};
    if (r < 0)
        return ask_for_exit_code(process->fd, ending);
    fill(ending, &info, &usage);
    return true;
}

void fc_process_watch_signal(const struct fc_process *process, int signal)
{
    if (syscall(SYS_pidfd_send_signal, process->fd, signal, NULL, 0) < 0 && errno != ESRCH)
        fc_waitpid_signal(process, signal);
}

void fc_queued_info(siginfo_t *info, int signal, int value)
{
    memset(info, 0, sizeof *info);
    info->si_signo = signal;
    info->si_code = SI_QUEUE;
    info->si_pid = getpid();
    info->si_uid = getuid();
    info->si_value.sival_int = value;
}

int fc_process_watch_queue(const struct fc_process *process, int signal, int value)
{
    siginfo_t info;
    fc_queued_info(&info, signal, value);
    if (syscall(SYS_pidfd_send_signal, process->fd, signal, &info, 0) == 0)
        return 0;
    return errno == ESRCH ? -ESRCH : fc_waitpid_queue(process, signal, value);
}

void fc_process_watch_signal_group(const struct fc_process *process, int signal)
{
    if (syscall(SYS_pidfd_send_signal, process->fd, signal, NULL, SIGNAL_PROCESS_GROUP) == 0 || errno == ESRCH)
        return;
    /* Linux before 6.9, or a sandbox: by number, while the child is this process's, so the number
     * is still its own. */
    fc_waitpid_signal_group(process, signal);
}

bool fc_process_watch_is_passable(void)
{
    return true;
}

bool fc_process_watch_peek(pid_t pid, struct fc_ending *ending)
{
    struct kernel_usage usage;
    siginfo_t info;
    if (wait_on(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 || info.si_pid == 0)
        return false;
    memset(ending, 0, sizeof *ending);
    fill(ending, &info, &usage);
    return true;
}
