/* CHILD: Makes the child ready and calls the function. */
#include "child/run.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/memcheck.h"
#include "base/poll_fds.h"
#include "base/rlimits.h"
#include "base/tools.h"
#include "child/child_state.h"
#include "child/close_fds.h"
#include "child/coverage.h"
#include "child/crash_handler.h"
#include "child/exit_hooks.h"
#include "child/finish.h"
#include "child/fitness.h"
#include "child/inline.h"
#include "child/reply_writer.h"
#include "child/storage.h"
#include "child/streams.h"
#include "child/tool_handlers.h"
#include "module/lookup.h"
#include "os/lifeline.h"
#include "os/start_gate.h"
#include "os/usage.h"
#include "result/buf.h"
#include "result/region.h"
#include "result/small_result.h"
#include "wire/frame.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Results up to this size lie on the child's stack, whose pages are faulted in already. */
#define FIRST_RESULT 1024U

/* ---- What the function calls ----------------------------------------------------------------- */

void fc_child_fail(const char *format, va_list arguments)
{
    if (fc_child_has_not_forked())
        fc_reply_set_message(format, arguments);
}

/* ---- Making ready ---------------------------------------------------------------------------- */

/* Catches a signal that a crash raises, unless the host ignores it and keep_ignored is set. The
 * function may be sent such a signal and expect nothing. A crash ends the process even if its
 * signal is ignored. */
static void catch_crash(int signal, bool keep_ignored)
{
    struct sigaction old;
    fc_crash_catch(signal, &old);
    if (keep_ignored && (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_IGN)
        sigaction(signal, &old, NULL);
}

/* Removes the host's signal handlers, which are code of the host. Those of a sanitizer stay.
 * Signals that the host ignores stay ignored, as over exec, but for SIGCHLD: if SIGCHLD is ignored,
 * or has SA_NOCLDWAIT, the kernel reaps the function's own children, and system(3) and pclose(3)
 * fail. All signals are still blocked. captures: false where crashes are left to the host's own
 * handlers. */
static void set_signals(bool keep_ignored, bool captures)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction old;
        if (fc_tool_has_signal(signal))
            continue;
        if (captures && fc_crash_has_handler(signal))
            catch_crash(signal, keep_ignored);
        else if (fc_crash_is_fatal(signal) || signal == SIGKILL || signal == SIGSTOP ||
                 sigaction(signal, NULL, &old) < 0)
            continue;
        else if ((old.sa_flags & SA_SIGINFO) != 0 || signal == SIGCHLD ||
                 (old.sa_handler != SIG_DFL && !(keep_ignored && old.sa_handler == SIG_IGN)))
            sigaction(signal, &action, NULL);
    }
}

/* Ignores the signals of a terminal if this process is not in its foreground. They would stop the
 * process for ever; if they are ignored, reading fails with EIO. */
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

/* task->keep_fds has room for these three: see copy_keep_fds in api/call.c. */
static int close_others(const struct fc_task *task)
{
    size_t count = task->keep_fds_count;
    insert(task->keep_fds, &count, task->reply_fd);
    insert(task->keep_fds, &count, task->go_fd);
    insert(task->keep_fds, &count, task->region_fd);
    return fc_close_fds_except(task->keep_fds, count);
}

static void send_why(const char *why)
{
    fc_reply_send_frame(FC_FRAME_MESSAGE, why, strlen(why));
}

static int find_function(struct fc_task *task)
{
    char why[512] = "";
    const int r = fc_module_find(task->name, &task->fn, why, sizeof why);
    if (r < 0)
        send_why(why);
    else
        fc_crash_note_function(task->fn);
    return r;
}

static int take_on(const struct fc_caller *caller)
{
    fc_settings_set(&caller->settings);
    const int r = fc_credentials_take_on(&caller->credentials);
    if (r < 0)
        send_why("the child cannot take on exactly the users, groups and capabilities of the calling thread");
    fc_settings_set_secret(caller->settings.is_secret);
    return r;
}

/* Makes a child that is no fork of the host as like one as the function expects: credentials,
 * settings, process group, arguments, function. */
static int make_like_fork(struct fc_task *task, enum fc_setup_step *step)
{
    *step = FC_SETUP_PREPARE;
    if (task->failed != NULL) {
        send_why(task->failed);
        return -ECANCELED;
    }
    /* Before the function's module is loaded, because its constructors run then. */
    *step = FC_SETUP_CREDENTIALS;
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

/* The function's own exit handlers run when it returns. Written by fc_child_prefault, before
 * fc_child is filled in. */
static bool return_is_guarded;

static void become_child(const struct fc_task *task, void *storage)
{
    /* In a nested call args may point into the outer call's result, so that result keeps its
     * place. */
    const bool nested = fc_child.pid != 0;
    memset(&fc_child, 0, sizeof fc_child);
    fc_region_begin(task->expected);
    fc_reply_writer_reset();
    fc_child.pid = getpid();
    fc_child.generation = fc_fds_generation();
    fc_child.task = *task;
    fc_child.tool_errors = fc_memcheck_errors();
    fc_child.run_handlers = task->has_handlers && return_is_guarded ? fc_exit_hooks_run_handlers : NULL;
    const size_t small = nested ? 0 : task->keep ? FC_KEPT_RESULT : FC_SMALL_RESULT;
    fc_child.result = task->shared.data != NULL ? fc_shared_buf_in_child(&task->shared)
                                                : fc_buf_in_child(storage, FIRST_RESULT, task->region_fd, small);
    fc_buf_set_limit(&fc_child.result, task->max_result);
}

static void send_setup_failure(enum fc_setup_step step, int error)
{
    const struct fc_setup_failure failure = {.step = (uint32_t)step, .error = error};
    fc_reply_send_frame(FC_FRAME_SETUP, &failure, sizeof failure);
}

/* Waits for the go byte without taking it. This process must not end before the host can wait for
 * it. */
static void await_go(int fd)
{
    struct pollfd go = {.fd = fd, .events = POLLIN};
    while (fc_poll(&go, 1, -1) < 0 && errno == EINTR) {
    }
}

/* Takes the go byte: the last step before the function. The host sees from the missing byte that
 * the function was reached. False: the host is gone. */
static bool take_go(int fd)
{
    char byte;
    return fc_read(fd, &byte, 1) == 1;
}

void fc_child_install_handlers(void)
{
    fc_crash_prepare(false);
    /* What a constructor, or prepare, ignores is not what the caller ignores. */
    set_signals(false, true);
    set_terminal_signals(true); /* it has a process group of its own, unless share_group is set */
    fc_exit_hooks_install(false);
}

/* Calls what lies on pages of its own and is needed between the request and the end of the call. */
static void touch_code(void)
{
    jmp_buf here;
    volatile int unused = memcmp(fc_request_bytes, fc_request_bytes + 256, 256);
    (void)unused;
    (void)setjmp(here);
    (void)fc_inline_current(); /* thread-local data */
}

static void touch_memory(const struct fc_task *task)
{
    struct fc_usage used;
    struct iovec none = {.iov_base = &used, .iov_len = 0};
    /* An exec'ed child looks into /proc for its usage. The kernel makes the files of a process
     * there at its first look, which takes longer than the call. */
    (void)fc_usage_measure(&used, task->execed);
    (void)fc_poll_now(task->reply_fd, 0);
    (void)fc_write_all(task->reply_fd, &none, 1);
    touch_code();
}

void fc_child_prefault(const struct fc_task *task, bool waits)
{
    if (waits)
        touch_memory(task);
    fc_streams_flush();
    /* In each process, because registering touches the page of the C library's list, too. */
    return_is_guarded = fc_exit_hooks_install_at_return();
    memset(&fc_child, 0, sizeof fc_child);
}

/* As fc_child_install_handlers, in a FORK child, whose task is known before the fork. */
static void install_handlers(const struct fc_task *task)
{
    if (!task->no_crash_capture)
        fc_crash_prepare(task->name == NULL);
    set_signals(true, !task->no_crash_capture);
    if (task->own_group)
        set_terminal_signals(true);
}

/* Notes what this process has, to see after the call whether it is as it was. */
static void prepare_to_keep(const struct fc_task *task)
{
    fc_child.task.keep = (fc_tools() & FC_TOOLS_AT_END_ALONE) == 0 && fc_fitness_note(task->caller);
    if (fc_child.task.keep && fc_child.run_handlers != NULL)
        fc_child.run_handlers = fc_exit_hooks_run_handlers_and_return;
}

static void leave(void *unused)
{
    (void)unused;
    fc_child_leave(0);
}

/* A thread that the function has canceled is not fit for another call. */
static void end_if_canceled(void)
{
    pthread_cleanup_push(leave, NULL);
    pthread_testcancel();
    pthread_cleanup_pop(0);
}

/* The host has the trailer, and does not wait for this. Makes the process ready for another call
 * and tells the host so; or ends the process, if it is not as it was. */
static void keep_process(void)
{
    const struct fc_task task = fc_child.task;
    const int status = fc_child_check_leaks(0);
    int unused;
    if (task.no_crash_capture)
        fc_crash_take_back();
    if (status != 0 || !fc_fitness_holds(task.may_grow))
        fc_child_leave(status);
    if (fc_child.result.kind_private == FC_BUF_HEAP)
        forkcall_buf_free(&fc_child.result);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &unused);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &unused);
    end_if_canceled();
    return_is_guarded = fc_exit_hooks_install_at_return();
    struct fc_frame_header fit = fc_child_frame_header(FC_FRAME_FIT, 0);
    struct iovec part = fc_part(&fit, sizeof fit);
    memset(&fc_child, 0, sizeof fc_child); /* this process runs no call now */
    if (fc_write_all(task.reply_fd, &part, 1) < 0)
        fc_child_leave(0);
}

/* The module's constructors find what they find when the module is loaded for a call. What they
 * send or break shows to the host, which then takes another child. The process that a constructor
 * has forked ends here. */
void fc_child_load_early(const struct fc_task *ready, const struct fc_module_function *name)
{
    _Alignas(max_align_t) unsigned char unused[FC_REPLY_HEAD + FIRST_RESULT + FC_REPLY_TAIL];
    const struct fc_fd_identity request = fc_fd_identity_take(ready->go_fd);
    forkcall_fn *fn;
    char why[512];
    become_child(ready, unused + FC_REPLY_HEAD);
    if (fc_module_find(name, &fn, why, sizeof why) == 0)
        fc_crash_note_function(fn);
    if (!fc_child_is_running() || !fc_fd_identity_holds(ready->reply_fd, &ready->mark) ||
        !fc_fd_identity_holds(ready->go_fd, &request))
        _exit(1);
    memset(&fc_child, 0, sizeof fc_child);
}

FC_ENTRY_CODE void fc_child_run_or_keep(struct fc_task *task)
{
    _Alignas(max_align_t) unsigned char first_result[FC_REPLY_HEAD + FIRST_RESULT + FC_REPLY_TAIL];
    enum fc_setup_step step;
    sigset_t none;
    become_child(task, first_result + FC_REPLY_HEAD);
    if (!task->execed)
        fc_coverage_begin();
    if (!task->has_handlers)
        install_handlers(task);
    else if (!task->own_group)
        set_terminal_signals(false);
    const int r = make_ready(task, &step);
    if (r < 0) {
        send_setup_failure(step, -r);
        /* The go byte stays in the pipe, which tells the host that the function has not run. */
        await_go(task->go_fd);
        _exit(1);
    }
    if (task->purge)
        fc_streams_purge();
    if (task->line_buffered)
        fc_streams_buffer_by_line(task->threaded);
    if (!task->has_handlers)
        fc_exit_hooks_install(task->threaded);
    if (task->keep)
        prepare_to_keep(task);
    if (task->no_crash_capture)
        fc_crash_release(); /* what a server has installed, or the call that this one is made in */
    if (!take_go(task->go_fd))
        _exit(1);
    if (task->lifeline || !task->has_handlers) /* the server ends its other children itself */
        fc_lifeline_await_owner(task->go_fd, task->lifeline);
    if (task->tell_started || !fc_start_gate_tells())
        fc_reply_send_frame(FC_FRAME_STARTED, NULL, 0);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    if (task->caller != NULL)
        fc_fpu_set(&task->caller->fpu); /* last, so that only the function runs with it */
    fc_child_enter(task, &fc_child.result);
    keep_process();
}

FC_ENTRY_CODE _Noreturn void fc_child_run(struct fc_task *task)
{
    task->keep = false;
    fc_child_run_or_keep(task);
    _exit(1); /* not reached */
}
