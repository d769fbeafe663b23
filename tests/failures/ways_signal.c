/* Functions that a signal ends which is no fault of an instruction. */
#include "config.h"

#include "ways.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
/* musl's own headers have none of the kernel's. */
#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#endif
#endif

LEAF(raised)
{
    return raise(SIGSEGV) + n;
}
CALLS(raised)

LEAF(terminated)
{
    return kill(getpid(), SIGTERM) + n;
}
CALLS(terminated)

LEAF(killed)
{
    return kill(getpid(), SIGKILL) + n;
}
CALLS(killed)

/* It is no abort(3). */
LEAF(abort_from_outside)
{
    const pid_t function = getpid();
    if (fork() == 0) {
        kill(function, SIGABRT);
        _exit(0);
    }
    while (zero == 0)
        pause();
    return n;
}
CALLS(abort_from_outside)

LEAF(broken_pipe)
{
    int ends[2];
    if (pipe(ends) < 0)
        return 1;
    close(ends[0]);
    return (int)write(ends[1], &n, sizeof n) + 1;
}
CALLS(broken_pipe)

LEAF(alarm)
{
    ualarm(1000, 0);
    while (zero == 0)
        sink = n;
    return n;
}
CALLS(alarm)

static void limit_processor_time(struct forkcall_options *options)
{
    options->limits.cpu_seconds = 1;
}

LEAF(processor_time)
{
    while (zero == 0)
        sink = n;
    return n;
}
CALLS(processor_time)

static void limit_file(struct forkcall_options *options)
{
    options->limits.file_size_bytes = 1;
}

LEAF(file_size)
{
    char path[] = "/tmp/forkcall-ways-XXXXXX";
    const int fd = mkstemp(path);
    unlink(path);
    (void)!write(fd, path, 1);
    return (int)write(fd, path, sizeof path) + n;
}
CALLS(file_size)

#if defined(__x86_64__)
LEAF(breakpoint)
{
    __asm__ volatile("int3");
    return n;
}
CALLS(breakpoint)
#endif

#ifdef SECCOMP_RET_TRAP
/* A filter that raises SIGSYS for getppid. */
static int refuse_getppid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

LEAF(refused_system_call)
{
    if (refuse_getppid() < 0)
        return 1;
    return (int)syscall(SYS_getppid) + n;
}
CALLS(refused_system_call)
#endif

#ifdef FC_SENDER_IS_TOLD
#define BY_ITSELF " (sent by the function itself)"
#define BY_ANOTHER " (sent by process "
#else
#define BY_ANOTHER ""
#define BY_ITSELF ""
#endif

const struct way signal_ways[] = {
    WAY(raised, SIGNALED, "killed by SIGSEGV" BY_ITSELF, NAMES),
    WAY(terminated, SIGNALED, "killed by SIGTERM", 0),
    WAY(killed, SIGNALED, "killed by SIGKILL (by a process, or by the system", BEGINS),
    WAY(abort_from_outside, SIGNALED, "killed by SIGABRT" BY_ANOTHER, NAMES | BEGINS),
    WAY(broken_pipe, SIGNALED, "killed by SIGPIPE" BY_ITSELF, NAMES),
    WAY(alarm, SIGNALED, "killed by SIGALRM", NAMES | DIRECT),
    WAY_WITH(processor_time, SIGNALED, "killed by SIGXCPU: limits.cpu_seconds was reached", NAMES | DIRECT,
             limit_processor_time),
    WAY_WITH(file_size, SIGNALED, "killed by SIGXFSZ: limits.file_size_bytes was reached", NAMES, limit_file),
#if defined(__x86_64__)
    WAY(breakpoint, SIGNALED, "killed by SIGTRAP (breakpoint or trap instruction)", NAMES | DIRECT),
#endif
#ifdef SECCOMP_RET_TRAP
    WAY(refused_system_call, SIGNALED, "killed by SIGSYS (system call 110 is not allowed)", NAMES),
#endif
};
const unsigned signal_way_count = COUNT_OF(signal_ways);
