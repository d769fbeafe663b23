#include "child.h"

#include "arena.h"
#include "buf.h"
#include "closefds.h"
#include "config.h"
#include "crash.h"
#include "exit_guard.h"
#include "frame.h"
#include "go.h"
#include "io.h"
#include "lifeline.h"
#include "mark.h"
#include "module.h"
#include "region.h"
#include "rlimits.h"
#include "streams.h"
#include "utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* How far from its beginning a first thread's stack is taken to reach: twice the usual limit. */
#define FIRST_STACK_MAX ((uintptr_t)16 << 20)

/* What fits here, on the child's stack, costs no page. */
#define FIRST_RESULT 1024U

/* The exit status of a child that could not say anything: its function has closed the reply. */
#define EXIT_MUTE 125

#ifdef HAVE_GCOV_DUMP
extern void __gcov_dump(void) __attribute__((weak));
#endif

static struct {
    pid_t pid; /* 0: this process is no child of the library */
    int reply_fd, region_fd;
    struct fc_mark mark;
    uint64_t nonce;
    bool drop_result, want_progress, threaded, measure, yields;
    pthread_t thread; /* the function's */
    const void *entry;
    struct forkcall_buf result;
    size_t message_size;
    bool ended; /* protected by writing */
} child;

/* A spinlock that its owner cannot wait for: a signal handler may have interrupted it. */
struct lock {
    atomic_flag taken;
    _Atomic(uintptr_t) owner; /* pthread_self; 0 where it is not kept, because the owner ends the process */
};
static struct lock writing = {.taken = ATOMIC_FLAG_INIT};
static struct lock messaging = {.taken = ATOMIC_FLAG_INIT}; /* for fc_message and child.message_size */

bool fc_child_is_running(void)
{
    return child.pid != 0 && child.pid == getpid();
}

bool fc_is_child(void)
{
    return child.pid != 0;
}

void fc_child_set_entry(const void *frame)
{
    child.entry = frame;
}

const void *fc_child_entry_frame(void)
{
    return child.entry;
}

/* ---- Writing ------------------------------------------------------------------------------------------------- */

/* For good: the process ends next. False: this very thread has it. */
static bool lock_for_good(struct lock *lock)
{
    while (atomic_flag_test_and_set_explicit(&lock->taken, memory_order_acquire)) {
        if (atomic_load(&lock->owner) == (uintptr_t)pthread_self())
            return false;
        sched_yield();
    }
    return true;
}

static bool lock(struct lock *lock, bool wait)
{
    while (atomic_flag_test_and_set_explicit(&lock->taken, memory_order_acquire)) {
        if (!wait || atomic_load(&lock->owner) == (uintptr_t)pthread_self())
            return false;
        sched_yield();
    }
    atomic_store(&lock->owner, (uintptr_t)pthread_self());
    return true;
}

static void unlock(struct lock *lock)
{
    atomic_store(&lock->owner, 0);
    atomic_flag_clear_explicit(&lock->taken, memory_order_release);
}

static void reset(struct lock *lock)
{
    atomic_store(&lock->owner, 0);
    atomic_flag_clear(&lock->taken);
}

static bool write_locked(struct iovec *parts, int count)
{
    return !child.ended && fc_is_marked(child.reply_fd, &child.mark) && fc_write_all(child.reply_fd, parts, count) == 0;
}

bool fc_child_write(struct iovec *parts, int count, bool wait)
{
    if (!lock(&writing, wait))
        return false;
    const bool written = write_locked(parts, count);
    unlock(&writing);
    return written;
}

static struct iovec part(const void *data, size_t size)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
}

_Noreturn static void leave(int status)
{
#ifdef HAVE_GCOV_DUMP
    if (__gcov_dump != NULL)
        __gcov_dump();
#endif
    _exit(status);
}

static uint64_t to_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_usec * 1000U;
}

static void measure(struct fc_trailer *trailer)
{
    struct rusage usage, others;
    if (getrusage(RUSAGE_SELF, &usage) < 0 || getrusage(RUSAGE_CHILDREN, &others) < 0)
        return;
    if (others.ru_maxrss > usage.ru_maxrss)
        usage.ru_maxrss = others.ru_maxrss;
    trailer->user_ns = to_ns(usage.ru_utime) + to_ns(others.ru_utime);
    trailer->system_ns = to_ns(usage.ru_stime) + to_ns(others.ru_stime);
#ifdef __APPLE__
    trailer->max_rss_bytes = (uint64_t)usage.ru_maxrss; /* getrusage(2) there: in bytes */
#else
    trailer->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024U;
#endif
}

/* The last words: at most a message, a result and the trailer, in one write. */
_Noreturn static void end(enum fc_end how, int code, int exit_status)
{
    struct fc_trailer trailer = {.nonce = child.nonce, .end = (uint32_t)how, .code = code};
    struct fc_frame_header headers[2];
    struct iovec parts[4];
    int count = 0;
    if (!lock_for_good(&messaging)) /* another thread may be in forkcall_fail */
        leave(EXIT_MUTE);
    if (how == FC_END_RETURNED && code == 0 && !child.drop_result) {
        trailer.result_size = child.result.size;
        trailer.transport = child.result.kind_private == FC_BUF_REGION ? FC_TRANSPORT_REGION : FC_TRANSPORT_PIPE;
    }
    if (trailer.transport == FC_TRANSPORT_PIPE) {
        headers[0] = fc_frame_header_make(FC_FRAME_RESULT, child.result.size);
        parts[count++] = part(&headers[0], sizeof headers[0]);
        parts[count++] = part(child.result.data, child.result.size);
    } else if (how == FC_END_RETURNED && code != 0 && child.message_size > 0) {
        headers[0] = fc_frame_header_make(FC_FRAME_MESSAGE, child.message_size);
        parts[count++] = part(&headers[0], sizeof headers[0]);
        parts[count++] = part(fc_message, child.message_size);
    }
    if (child.result.kind_private == FC_BUF_REGION)
        fc_region_finish(child.region_fd, child.result.size);
    if (child.measure)
        measure(&trailer);
    headers[1] = fc_frame_header_make(FC_FRAME_DONE, sizeof trailer);
    parts[count++] = part(&headers[1], sizeof headers[1]);
    parts[count++] = part(&trailer, sizeof trailer);
    /* Nothing comes after the trailer, and none comes into the middle of a frame. */
    const bool told = lock_for_good(&writing) && write_locked(parts, count);
    child.ended = true;
    /* The caller does not wait for the end of this process: it is to have the processor first. Else, where both are on the
     * same, its answer comes after the teardown, which takes several times as long as all before it. */
    if (child.yields)
        sched_yield();
    leave(told ? exit_status : EXIT_MUTE);
}

/* ---- The ends of the function -------------------------------------------------------------------------------- */

_Noreturn static void end_with_code(int code)
{
    const int error = fc_buf_error(&child.result);
    fc_streams_flush();
    if (error == -EFBIG)
        end(FC_END_TOO_BIG, EFBIG, 1);
    if (error != 0 && code == 0)
        end(FC_END_NO_MEMORY, -error, 1);
    end(FC_END_RETURNED, code, code == 0 ? 0 : 1);
}

_Noreturn void fc_child_returned(int code)
{
    if (!fc_child_is_running()) { /* the function has forked, and this is the other process */
        fc_streams_flush();
        leave(code == 0 ? 0 : 1);
    }
    end_with_code(code);
}

_Noreturn void fc_child_throw(int code)
{
    fc_child_returned(code);
}

/* exit(), after the handlers that the function itself has registered, or from one of them. */
_Noreturn static void exited(enum fc_end how, int code, int exit_status)
{
    fc_streams_flush();
    if (!fc_child_is_running())
        leave(exit_status);
    fc_child_check_escape(__builtin_frame_address(0));
    end(how, code, exit_status);
}

_Noreturn void fc_child_exited(int status)
{
    exited(FC_END_EXITED, status, status & 0xff);
}

_Noreturn void fc_child_exited_unknown(void)
{
    exited(FC_END_EXITED_UNKNOWN, -1, 1);
}

void fc_child_thread_exit(void *unused)
{
    (void)unused;
    exited(FC_END_THREAD_EXIT, 0, 0);
}

/* The stack that the library was loaded on: the first thread's, in all but odd programs. */
static const char *first_stack;

__attribute__((constructor)) static void note_first_stack(void)
{
    first_stack = __builtin_frame_address(0);
}

static bool is_on_first_stack(const void *frame)
{
    const uintptr_t a = (uintptr_t)frame;
    const uintptr_t b = (uintptr_t)first_stack;
    return (a < b ? b - a : a - b) < FIRST_STACK_MAX;
}

void fc_child_check_escape(const void *frame)
{
    static const char text[] = "the function was left by longjmp() to a frame of its caller";
    const uintptr_t entry = (uintptr_t)child.entry;
    /* Stacks grow down on every system this is for. Above the stack of a process's first thread there is no other; above
     * that of a thread or a coroutine there may be. */
    if (!fc_child_is_running() || child.threaded || entry == 0 || !pthread_equal(pthread_self(), child.thread))
        return;
    if ((uintptr_t)frame <= entry || !is_on_first_stack(frame) || !is_on_first_stack(child.entry))
        return;
    struct fc_frame_header header = fc_frame_header_make(FC_FRAME_MESSAGE, sizeof text - 1);
    struct iovec parts[] = {part(&header, sizeof header), part(text, sizeof text - 1)};
    fc_child_write(parts, 2, true);
    abort();
}

/* ---- What the function calls --------------------------------------------------------------------------------- */

void fc_child_fail(const char *format, va_list arguments)
{
    if (!lock(&messaging, true))
        return; /* from a signal handler that interrupted this very function */
    const int n = vsnprintf(fc_message, sizeof fc_message, format, arguments);
    child.message_size = n < 0 ? 0 : (size_t)n < sizeof fc_message ? (size_t)n : sizeof fc_message - 1;
    unlock(&messaging);
}

void fc_child_progress(double done, double total, const char *note)
{
    struct fc_progress progress = {.done = done, .total = total};
    if (!child.want_progress || (fc_poll_now(child.reply_fd, POLLOUT) & POLLOUT) == 0)
        return;
    const size_t note_size = note == NULL ? 0 : fc_utf8_cut(note, strnlen(note, FC_NOTE_MAX + 4), FC_NOTE_MAX);
    struct fc_frame_header header = fc_frame_header_make(FC_FRAME_PROGRESS, sizeof progress + note_size);
    struct iovec parts[] = {part(&header, sizeof header), part(&progress, sizeof progress), part(note, note_size)};
    fc_child_write(parts, 3, true);
}

/* ---- Making ready -------------------------------------------------------------------------------------------- */

/* Catches a signal that a crash raises, unless it is to stay ignored: what the caller ignores a function may be sent, while a
 * crash kills it in any case. */
static void catch_crash(int signal, bool keep_ignored)
{
    struct sigaction old;
    fc_crash_catch(signal, &old);
    if (keep_ignored && (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_IGN)
        sigaction(signal, &old, NULL);
}

/* The caller's handlers are the caller's code. What it ignores stays ignored, as over exec, but for SIGCHLD: where that is
 * ignored, or has SA_NOCLDWAIT, the kernel reaps the function's own children, and system(3) and pclose(3) fail. All signals
 * are still blocked. */
static void set_signals(bool keep_ignored)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction old;
        if (fc_crash_is_caught(signal))
            catch_crash(signal, keep_ignored);
        else if (signal == SIGKILL || signal == SIGSTOP || sigaction(signal, NULL, &old) < 0)
            continue;
        else if ((old.sa_flags & SA_SIGINFO) != 0 || signal == SIGCHLD ||
                 (old.sa_handler != SIG_DFL && !(keep_ignored && old.sa_handler == SIG_IGN)))
            sigaction(signal, &action, NULL);
    }
}

/* In the background of a terminal these would stop the process for ever; ignored, reading gives EIO. */
static void set_terminal_signals(bool background)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = background ? SIG_IGN : SIG_DFL;
    sigaction(SIGTTIN, &action, NULL);
    sigaction(SIGTTOU, &action, NULL);
}

static void insert(int *sorted, size_t *count, int fd)
{
    size_t i = *count;
    if (fd < 0)
        return;
    for (; i > 0 && sorted[i - 1] > fd; i--)
        sorted[i] = sorted[i - 1];
    sorted[i] = fd;
    ++*count;
}

/* task->keep_fds has room for the channel's own: see options.c. */
static int close_others(const struct fc_task *task)
{
    size_t count = task->keep_fds_count;
    insert(task->keep_fds, &count, task->reply_fd);
    insert(task->keep_fds, &count, task->go_fd);
    insert(task->keep_fds, &count, task->region_fd);
    return fc_close_all_but(task->keep_fds, count);
}

static void tell_why(const char *why)
{
    struct fc_frame_header header = fc_frame_header_make(FC_FRAME_MESSAGE, strlen(why));
    struct iovec parts[] = {part(&header, sizeof header), part(why, strlen(why))};
    fc_child_write(parts, 2, true);
}

static int find_function(struct fc_task *task)
{
    char why[512] = "";
    const int r = fc_module_find(task->name, &task->fn, why, sizeof why);
    if (r < 0)
        tell_why(why);
    else
        fc_crash_note_function(task->fn);
    return r;
}

static int take_on(const struct fc_caller *caller)
{
    fc_settings_set(&caller->settings);
    const int r = fc_credentials_take_on(&caller->credentials);
    if (r < 0)
        tell_why("the child cannot have the users, groups and capabilities of the thread that called, and no others");
    fc_settings_set_secret(caller->settings.is_secret);
    return r;
}

/* What a child must have from another process that a fork has by itself. */
static int make_like_fork(struct fc_task *task, enum fc_setup_step *step)
{
    *step = FC_SETUP_PREPARE;
    if (task->failed != NULL) {
        tell_why(task->failed);
        return -ECANCELED;
    }
    *step = FC_SETUP_CREDENTIALS; /* before a module is loaded for the function, whose constructors run */
    int r = take_on(task->caller);
    if (r < 0)
        return r;
    *step = FC_SETUP_GROUP;
    r = task->group != 0 && setpgid(0, task->group) < 0 ? -errno : 0;
    if (r == 0) {
        *step = FC_SETUP_ARGS;
        r = task->no_args ? -ENOMEM : 0;
    }
    if (r == 0) {
        *step = FC_SETUP_FUNCTION;
        r = find_function(task);
    }
    return r;
}

static int make_ready(struct fc_task *task, enum fc_setup_step *step)
{
    int r = task->name != NULL ? make_like_fork(task, step) : 0;
    if (r == 0) {
        *step = FC_SETUP_STREAMS;
        r = fc_streams_redirect(task);
    }
    if (r == 0 && task->close_fds) {
        *step = FC_SETUP_CLOSE_FDS;
        r = close_others(task);
    }
    if (r == 0) {
        *step = FC_SETUP_LIMITS;
        r = fc_limits_set(&task->limits);
    }
    return r;
}

static void become_child(const struct fc_task *task, void *storage)
{
    const bool nested = child.pid != 0; /* the outer call's result, which args may lie in, keeps its place */
    memset(&child, 0, sizeof child);
    if (nested)
        fc_region_forget();
    reset(&writing);
    reset(&messaging);
    child.pid = getpid();
    child.thread = task->thread;
    child.reply_fd = task->reply_fd;
    child.region_fd = task->region_fd;
    child.mark = task->mark;
    child.nonce = task->nonce;
    child.drop_result = task->drop_result;
    child.want_progress = task->want_progress;
    child.threaded = task->threaded;
    child.measure = task->measure;
    child.yields = task->armed;
    child.result = fc_buf_in_child(storage, FIRST_RESULT, task->region_fd, !nested);
    fc_buf_set_limit(&child.result, task->max_result);
}

static void tell_setup_failure(enum fc_setup_step step, int error)
{
    const struct fc_setup_failure failure = {.step = (uint32_t)step, .error = error};
    struct fc_frame_header header = fc_frame_header_make(FC_FRAME_SETUP, sizeof failure);
    struct iovec parts[] = {part(&header, sizeof header), part(&failure, sizeof failure)};
    fc_child_write(parts, 2, true);
}

/* Until the caller has a hold on this process it must not end. */
static void await_go(int fd)
{
    struct pollfd go = {.fd = fd, .events = POLLIN};
    while (poll(&go, 1, -1) < 0 && errno == EINTR) {
    }
}

/* The last step before the function: that the byte is gone tells that it was reached. False: the caller is gone. */
static bool take_go(int fd)
{
    char byte;
    return fc_read(fd, &byte, 1) == 1;
}

void fc_child_arm(void)
{
    fc_crash_arm(false);
    set_signals(false);         /* what a constructor, or prepare, ignores is not what the caller does */
    set_terminal_signals(true); /* it has a group of its own, as a rule */
    fc_exit_guard_arm(false);
}

void fc_child_touch(const struct fc_task *task)
{
    struct fc_trailer trailer;
    struct iovec none = {.iov_base = &trailer, .iov_len = 0};
    measure(&trailer);
    (void)fc_now_ns();
    (void)fc_poll_now(task->reply_fd, 0);
    (void)fc_write_all(task->reply_fd, &none, 1);
    fc_streams_flush();
    memset(&child, 0, sizeof child);
}

/* The same, in a child that has its task from the beginning. */
static void arm(const struct fc_task *task)
{
    fc_crash_arm(task->name == NULL);
    set_signals(true);
    if (task->own_group)
        set_terminal_signals(true);
}

_Noreturn void fc_child_run(struct fc_task *task)
{
    _Alignas(max_align_t) unsigned char first_result[FIRST_RESULT];
    enum fc_setup_step step;
    sigset_t none;
    become_child(task, first_result);
    if (!task->armed)
        arm(task);
    else if (!task->own_group)
        set_terminal_signals(false);
    const int r = make_ready(task, &step);
    if (r < 0) {
        tell_setup_failure(step, -r);
        await_go(task->go_fd); /* and leave the byte: the function has not run */
        _exit(1);
    }
    if (task->purge)
        fc_streams_purge();
    if (!task->armed)
        fc_exit_guard_arm(task->threaded);
    if (!take_go(task->go_fd))
        _exit(1);
    if (task->lifeline || !task->armed) /* a server ends its children itself */
        fc_lifeline_hold(task->go_fd, task->lifeline);
    if (!fc_go_tells()) {
        struct fc_frame_header header = fc_frame_header_make(FC_FRAME_STARTED, 0);
        struct iovec started = part(&header, sizeof header);
        fc_child_write(&started, 1, true);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    if (task->caller != NULL)
        fc_fpu_set(&task->caller->fpu); /* last: only the function is to have it */
    fc_child_enter(task, &child.result);
}
