/* A crash by hand: the child's handler writes a frame for its parent. */
#include "handmade.h"

#include "measure.h"
#include "workload.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* What a handler can report without walking the stack: signal, code, address, registers. */
struct crash_frame {
    siginfo_t signal;
    mcontext_t registers;
};

static int crash_fd = -1;
static max_align_t alternate_stack[16384 / sizeof(max_align_t)];

static void report_crash(int number, siginfo_t *info, void *context)
{
    const struct crash_frame frame = {*info, ((ucontext_t *)context)->uc_mcontext};
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    write_whole(crash_fd, &frame, sizeof frame);
    /* The instruction faults again and ends the process by the signal's default action. */
    sigaction(number, &by_default, NULL);
}

bool handmade_catch_crashes(int fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    const stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
    struct sigaction action = {.sa_sigaction = report_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    crash_fd = fd;
    if (sigaltstack(&stack, NULL) != 0)
        return false;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &action, NULL) != 0)
            return false;
    return true;
}

int64_t handmade_crash(volatile uint64_t *fault_ns, bool until_status)
{
    int reply[2];
    if (pipe2(reply, O_CLOEXEC) != 0)
        return RUN_FAILED;
    const pid_t child = fork();
    if (child == 0) {
        if (handmade_catch_crashes(reply[1]))
            crash_when_awaited(fault_ns);
        _exit(1);
    }
    close(reply[1]);
    struct pollfd watched = {.fd = reply[0], .events = POLLIN};
    struct crash_frame frame = {.signal = {.si_signo = 0}};
    int64_t elapsed = RUN_FAILED;
    int how = 0;
    bool good = child > 0 && poll(&watched, 1, -1) == 1;
    if (good && !until_status)
        elapsed = elapsed_since(*fault_ns);
    good = good && read_whole(reply[0], &frame, sizeof frame) && frame.signal.si_signo == SIGSEGV;
    good = child > 0 && waitpid(child, &how, 0) == child && WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV && good;
    if (good && until_status)
        elapsed = elapsed_since(*fault_ns);
    close(reply[0]);
    return good ? elapsed : RUN_FAILED;
}
