/* CHILD: The handler of fatal signals: it sends the registers and a part of the stack. */
#include "child/crash_handler.h"

#include "base/code_pointer.h"
#include "base/memcheck.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "base/sections.h"
#include "child/abort_reason.h"
#include "child/child_state.h"
#include "child/mapped_files.h"
#include "child/progress.h"
#include "child/reply_writer.h"
#include "child/run.h"
#include "child/storage.h"
#include "config.h"
#include "os/memory_probe.h"
#include "wire/frame.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef HAVE_RAW_SYSCALLS
#include <sys/syscall.h>
#endif
#ifdef HAVE_PR_SET_NAME
#include <sys/prctl.h>
#endif

#define PAGE 4096U    /* a page, or a part of one */
#define RED_ZONE 128U /* x86-64 keeps variables below the stack pointer */
/* How many bytes above the function's frames are sent: the innermost frames of the library may help
 * an unwinder. */
#define ABOVE_ENTRY 256U

static FC_FORK_STORAGE atomic_flag crashing = ATOMIC_FLAG_INIT;
static FC_FORK_STORAGE atomic_bool was_sent;
static FC_FORK_STORAGE atomic_flag telling = ATOMIC_FLAG_INIT;
static FC_FORK_STORAGE bool has_told; /* protected by telling */

static size_t range_count;
static FC_FORK_STORAGE bool sends_ranges;

bool fc_crash_is_caught(int signal)
{
    switch (signal) { /* not a table, whose page every child would have to fault in */
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGPIPE:
    case SIGALRM:
        return true;
    default:
        return false;
    }
}

bool fc_crash_is_fatal(int signal)
{
    return fc_crash_is_caught(signal) && signal != SIGXCPU && signal != SIGXFSZ && signal != SIGPIPE &&
           signal != SIGALRM;
}

bool fc_crash_has_handler(int signal)
{
    return signal == FC_WHERE_SIGNAL || fc_crash_is_caught(signal);
}

void fc_crash_note_modules(void)
{
    range_count = 0; /* a module's constructor may crash while the list is made */
    range_count = fc_module_ranges_list(fc_module_ranges, FC_MODULE_RANGES_MAX);
}

void fc_crash_note_function(forkcall_fn *fn)
{
    for (size_t i = 0; i < range_count; i++)
        if (fc_code_address(fn) - fc_module_ranges[i].start < fc_module_ranges[i].size)
            return;
    fc_crash_note_modules();
}

static uint64_t page_after(uint64_t address)
{
    return (address / PAGE + 1) * PAGE;
}

/* The part of the stack to send: from `from` upwards to the entry, as far as it can be read, and at
 * most max bytes. After an overflow the stack pointer lies in the guard page or below it, so the
 * part begins at the first page that can be read. */
static size_t stack_part(uint64_t from, size_t max, uint64_t *start)
{
    const uint64_t entry = (uint64_t)(uintptr_t)fc_child_entry_frame();
    /* The stack of a 32-bit process of a 64-bit system ends here. The page behind belongs to
     * nobody. */
    const uint64_t last = UINTPTR_MAX / PAGE * PAGE;
    if (from >= last)
        return 0;
    uint64_t end = last - from > max ? from + max : last;
    if (from < entry && entry - from < max)
        end = entry + ABOVE_ENTRY < last ? entry + ABOVE_ENTRY : last;
    while (from < end && !fc_memory_is_readable((const void *)(uintptr_t)from))
        from = page_after(from);
    uint64_t to = from;
    while (to < end && fc_memory_is_readable((const void *)(uintptr_t)to))
        to = page_after(to);
    *start = from;
    to = to < end ? to : end;
    return to > from ? (size_t)(to - from < max ? to - from : max) : 0;
}

/* True: the signal is that of an instruction that cannot be executed, and comes again if it is
 * tried again. */
static bool is_of_instruction(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

static int32_t thread_number(void)
{
#ifdef SYS_gettid
    return (int32_t)syscall(SYS_gettid);
#else
    return 0;
#endif
}

static void note_name(struct fc_crash_notice *notice)
{
#ifdef HAVE_PR_SET_NAME
    (void)prctl(PR_GET_NAME, notice->abort_text, 0, 0, 0);
#else
    (void)notice;
#endif
}

/* Notes what the kernel tells of the sender of a signal. */
static void note_sender(struct fc_crash_notice *notice, const siginfo_t *info)
{
#ifdef FC_SENDER_IS_TOLD
    if (fc_signal_is_sent(info->si_code)) {
        notice->sender_pid = info->si_pid;
        notice->sender_uid = info->si_uid;
    }
#else
    (void)notice;
    (void)info;
#endif
}

static void note_system_call(struct fc_crash_notice *notice, const siginfo_t *info)
{
    notice->system_call = -1;
#ifdef si_syscall /* siginfo_t has this member where seccomp(2) raises SIGSYS */
    if (notice->signal == SIGSYS && fc_signal_is_fault(info->si_code))
        notice->system_call = info->si_syscall;
#else
    (void)info;
#endif
}

static void fill_reason(struct fc_crash_notice *notice, int signal, const siginfo_t *info)
{
    notice->signal = signal;
    notice->si_code = info->si_code;
    if (fc_signal_is_fault(info->si_code) && (is_of_instruction(signal) || signal == SIGTRAP || signal == SIGSYS))
        notice->address = (uint64_t)(uintptr_t)info->si_addr;
    note_sender(notice, info);
    note_system_call(notice, info);
    if (signal == SIGABRT)
        fc_abort_reason_get(notice);
}

/* Sends a notice whose head is filled in, but for what the context tells. */
static void send_notice(enum fc_frame_type type, struct fc_crash_notice *notice, size_t stack_max, const void *context)
{
    notice->thread = thread_number();
    notice->entry_address = (uint64_t)(uintptr_t)fc_child_entry_frame();
    fc_registers_get(&notice->registers, context);
    const uint64_t sp = notice->registers.sp;
    const size_t size = sp > RED_ZONE ? stack_part(sp - RED_ZONE, stack_max, &notice->stack_address) : 0;
    notice->range_count = sends_ranges ? (uint32_t)range_count : 0;
    const size_t ranges_size = notice->range_count * sizeof *fc_module_ranges;
    fc_memcheck_define((const void *)(uintptr_t)notice->stack_address, size);
    notice->file_count = (uint32_t)fc_mapped_files_list(notice, size);
    const size_t files_size = notice->file_count * sizeof *fc_mapped_files;
    struct fc_frame_header header = fc_child_frame_header(type, sizeof *notice + ranges_size + files_size + size);
    struct iovec parts[] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_base = notice, .iov_len = sizeof *notice},
        {.iov_base = fc_module_ranges, .iov_len = ranges_size},
        {.iov_base = fc_mapped_files, .iov_len = files_size},
        {.iov_base = (void *)(uintptr_t)notice->stack_address, .iov_len = size},
    };
    fc_reply_write(parts, 5, type == FC_FRAME_WHERE);
}

/* True: the instruction is executed again when the handler returns, and raises the signal again,
 * with its own siginfo for the core file. False if the kernel does not tell who sent a signal: one
 * that was sent may look like a fault, and the function would go on after it. */
static bool comes_again(int signal, int si_code)
{
#ifdef FC_SENDER_IS_TOLD
    if (fc_runs_on_valgrind()) /* valgrind goes on after the instruction */
        return false;
    return fc_signal_is_fault(si_code) && is_of_instruction(signal);
#else
    (void)signal;
    (void)si_code;
    return false;
#endif
}

static void handler(int signal, siginfo_t *info, void *context)
{
    if (fc_child_is_running()) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* as in where_handler */
        if (!atomic_flag_test_and_set(&crashing)) {
            struct fc_crash_notice notice;
            memset(&notice, 0, sizeof notice);
            fill_reason(&notice, signal, info);
            fc_child_progress_flush();
            send_notice(FC_FRAME_CRASH, &notice, FC_CRASH_STACK_MAX, context);
            atomic_store(&was_sent, true);
        }
        while (!atomic_load(&was_sent)) /* another thread has crashed, and sends */
            fc_pause();
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, NULL);
    if (!comes_again(signal, info->si_code))
        raise(signal); /* it is delivered when the handler returns */
}

/* True: the signal comes from the host of the call. */
static bool is_question(const siginfo_t *info)
{
#ifdef HAVE_SIGQUEUE
    return info->si_code == SI_QUEUE && info->si_value.sival_int == FC_WHERE_VALUE(fc_child.task.nonce);
#else
    (void)info;
    return true;
#endif
}

#define LAST_WAIT_MS 1000

/* How often a thread looks whether it may tell where it is: for longer than the host listens. */
#define TURN_TRIES 1000

/* Waits for SIGKILL, or for the death of the host: the end of the go pipe. If the function has
 * closed the pipe, nothing tells of that death, so the wait is short. */
_Noreturn static void await_the_end(void)
{
    struct pollfd go = {.fd = fc_child.task.go_fd, .events = 0};
    for (;;) {
        fc_poll_or_pause(&go, 1, go.fd >= 0 ? -1 : LAST_WAIT_MS);
        if ((go.revents & POLLHUP) != 0 || go.fd < 0)
            _exit(1);
        go.fd = -1; /* the function has closed the pipe */
    }
}

/* Waits until no other thread tells where it is. False: one still does, whose words the host does
 * not read any more. */
static bool take_turn(void)
{
    for (int i = 0; i < TURN_TRIES; i++) {
        if (!atomic_flag_test_and_set(&telling))
            return true;
        fc_pause();
    }
    return false;
}

/* The other threads, which the host asks next, may have too little stack for the handler. The
 * kernel then kills the process, which is to leave no core dump for that. The limit 1 also keeps
 * the kernel from a dump into a pipe. A filter of the function may kill for these calls, so the
 * first thread has told before. */
static void leave_no_core(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur > 1) {
        limit.rlim_cur = 1;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

/* Tells where this thread is. The first one that tells is the function's, if that does not block
 * the signal. A crash of another thread uses the same memory: after it nobody tells, which is
 * false, and after the first one that tells it waits for ever. */
static bool tell_where(const void *context)
{
    struct fc_crash_notice no_crash;
    memset(&no_crash, 0, sizeof no_crash);
    if (!take_turn())
        return true; /* the end is near */
    if (has_told) {
        note_name(&no_crash);
        send_notice(FC_FRAME_WHERE, &no_crash, FC_WHERE_OTHER_STACK_MAX, context);
    } else if (!atomic_flag_test_and_set(&crashing)) {
        has_told = true;
        fc_child_progress_flush();
        send_notice(FC_FRAME_WHERE, &no_crash, FC_CRASH_STACK_MAX, context);
        leave_no_core();
    }
    const bool told = has_told;
    atomic_flag_clear(&telling);
    return told;
}

/* Tells where the function is, which does not go on: else a sleep that the signal has cut short
 * would let it return before SIGKILL comes, with a wrong answer. A thread that is just about to
 * write the answer goes on. */
static void where_handler(int signal, siginfo_t *info, void *context)
{
    const int error = errno;
    int state;
    (void)signal;
    /* In a thread that was canceled, to write and to wait would run its cleanup handlers. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    if (is_question(info) && fc_child_is_running() && !fc_reply_is_interrupted() && tell_where(context))
        await_the_end();
    pthread_setcancelstate(state, NULL);
    errno = error;
}

static void use_own_stack(void)
{
    const stack_t stack = {.ss_sp = fc_alternate_stack, .ss_size = sizeof fc_alternate_stack};
    sigaltstack(&stack, NULL);
}

void fc_crash_prepare(bool by_fork)
{
    use_own_stack();
    atomic_flag_clear(&crashing);
    atomic_store(&was_sent, false);
    atomic_flag_clear(&telling);
    has_told = false;
    sends_ranges = !by_fork;
}

static void (*handler_of(int signal))(int, siginfo_t *, void *)
{
    return signal == FC_WHERE_SIGNAL ? where_handler : handler;
}

void fc_crash_catch(int signal, struct sigaction *old)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler_of(signal);
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (signal == FC_WHERE_SIGNAL ? SA_RESTART : 0);
    sigfillset(&action.sa_mask); /* other signals wait: the handler must not run twice */
    sigaction(signal, &action, old);
}

bool fc_crash_is_ours(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
           now.sa_sigaction == handler_of(signal);
}

bool fc_crash_has_its_stack(void)
{
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && now.ss_sp == (void *)fc_alternate_stack && (now.ss_flags & SS_DISABLE) == 0;
}

void fc_crash_release(void)
{
    static const stack_t none = {.ss_flags = SS_DISABLE};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; signal++)
        if (fc_crash_has_handler(signal) && fc_crash_is_ours(signal))
            sigaction(signal, &action, NULL);
    if (fc_crash_has_its_stack())
        sigaltstack(&none, NULL);
}

void fc_crash_take_back(void)
{
    struct sigaction old;
    stack_t stack;
    for (int signal = 1; signal < NSIG; signal++) {
        if (!fc_crash_has_handler(signal))
            continue;
        fc_crash_catch(signal, &old);
        if ((old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_DFL)
            sigaction(signal, &old, NULL);
    }
    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) != 0)
        use_own_stack();
}
