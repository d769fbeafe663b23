/* CHILD: Tells the host how the function ended, and ends the process. */
#include "child/finish.h"

#include "base/fd_identity.h"
#include "base/io.h"
#include "base/memcheck.h"
#include "base/tools.h"
#include "child/child_state.h"
#include "child/coverage.h"
#include "child/exit_hooks.h"
#include "child/progress.h"
#include "child/reply_writer.h"
#include "child/run.h"
#include "child/streams.h"
#include "config.h"
#include "result/buf.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How large the stack of the first thread is assumed to be: twice the usual limit. */
#define FIRST_STACK_MAX ((uintptr_t)16 << 20)

/* The exit status of a child that could not write its reply. */
#define EXIT_MUTE 125

_Noreturn void fc_child_leave(int status)
{
    fc_coverage_write();
    _exit(status);
}

/* Of LeakSanitizer's two checks, the one that can be repeated returns its verdict, whatever the
 * user's options make of it, and a kept child is checked after each call. A fork of a process with
 * threads is not checked: it does not have their stacks, so what these alone point to would look
 * like a leak. */
int fc_child_check_leaks(int status)
{
    return !fc_child.task.threaded && fc_child_has_not_forked() && fc_tools_find_leaks() ? FC_EXIT_LEAKS : status;
}

/* Ends this process, whose function has closed the reply, by a signal that nobody sends. No exit
 * status could tell that, because the function may end by each of them itself. */
_Noreturn static void leave_without_reply(void)
{
    struct sigaction action;
    sigset_t mute;
    fc_coverage_write();
    memset(&action, 0, sizeof action);
    sigaction(FC_MUTE_SIGNAL, &action, NULL);
    sigemptyset(&mute);
    sigaddset(&mute, FC_MUTE_SIGNAL);
    kill(getpid(), FC_MUTE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &mute, NULL);
    fc_child_leave(EXIT_MUTE);
}

/* The call is over for this thread, whatever it was asked before. A thread that was canceled in the
 * middle of its last words would leave the locks of the reply taken for ever. */
static void end_cancellation(void)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

/* Writes the end of the reply. False: it could not be written. */
static bool tell(enum fc_end how, int code)
{
    struct fc_trailer trailer = {.nonce = fc_child.task.nonce, .end = (uint32_t)how, .code = code};
    const bool has_found = (fc_tools() & FC_TOOL_VALGRIND) != 0 && fc_memcheck_errors() != fc_child.tool_errors;
    trailer.tools = (uint16_t)(fc_tools() | (has_found ? FC_TOOL_HAS_FOUND : 0));
    if (how == FC_END_RETURNED && code == 0 && !fc_child.task.drop_result) {
        trailer.result_size = fc_child.result.size;
        trailer.transport = fc_child.result.kind_private == FC_BUF_SHARED   ? FC_TRANSPORT_SHARED
                            : fc_child.result.kind_private == FC_BUF_REGION ? FC_TRANSPORT_REGION
                                                                            : FC_TRANSPORT_PIPE;
    }
    return fc_reply_finish(&trailer, how == FC_END_RETURNED && code != 0);
}

/* Ends the process. told: what tell() has returned. */
_Noreturn static void end_told(bool told, enum fc_end how, int exit_status)
{
    /* The host does not wait for the end of this process. If both run on the same processor the
     * host goes first here. Else it would get the answer only after the kernel has torn down this
     * process, which takes several times as long as the whole call. */
    if (fc_child.task.has_handlers)
        fc_yield();
    if (told || how == FC_END_EXITED) /* the kernel tells the exit status as well */
        fc_child_leave(fc_child_check_leaks(exit_status));
    if (!fc_fd_identity_holds(fc_child.task.reply_fd, &fc_child.task.mark))
        leave_without_reply();
    fc_child_leave(EXIT_MUTE);
}

/* Writes the end of the reply, and ends the process. */
_Noreturn static void end(enum fc_end how, int code, int exit_status)
{
    end_told(tell(how, code), how, exit_status);
}

/* Ends a call whose function returned code or threw it. A result that is too big is reported rather
 * than the code, which usually only repeats what forkcall_buf_append has returned. A failure for
 * which the function has words is reported rather than the result. Returns only if the process may
 * be kept. */
static void end_with_code(int code, bool threw)
{
    const int error = fc_buf_error(&fc_child.result);
    const bool in_its_own_words = code != 0 && (threw || fc_child.message_size > 0);
    fc_streams_flush();
    if (error == -EFBIG && !in_its_own_words)
        end(FC_END_TOO_BIG, EFBIG, 1);
    if (error != 0 && code == 0)
        end(FC_END_NO_MEMORY, -error, 1);
    const bool told = tell(FC_END_RETURNED, code);
    if (!told || threw || !fc_child.task.keep)
        end_told(told, FC_END_RETURNED, code == 0 ? 0 : 1);
}

static void returned(int code, bool threw)
{
    if (!fc_child_has_not_forked()) { /* the function has forked, and this is the other process */
        fc_streams_flush();
        fc_child_leave(code == 0 ? 0 : 1);
    }
    end_with_code(code, threw);
}

/* Runs the exit handlers that the function has left before the host is told that it returned. They
 * are the function's code and may finish files that the caller reads next, and if one of them fails
 * the call fails. What the function has printed is written before that. */
void fc_child_returned(int code)
{
    end_cancellation();
    if (fc_child.run_handlers != NULL && fc_child_has_not_forked()) {
        fc_streams_flush();
        fc_child.code = code;
        fc_child.has_returned = true;
        fc_child.run_handlers(code == 0 ? 0 : 1); /* returns in a child that may be kept */
    }
    returned(code, false);
}

_Noreturn void fc_child_throw(int code)
{
    end_cancellation();
    returned(code, true);
    fc_child_leave(1); /* not reached: a child whose function throws is not kept */
}

static void send_text(const char *text)
{
    fc_reply_send_frame(FC_FRAME_MESSAGE, text, strlen(text));
}

/* The function called exit(). The handlers that it has registered have run, or one of them called
 * exit(). */
_Noreturn static void exited(enum fc_end how, int code, int exit_status)
{
    end_cancellation();
    fc_streams_flush();
    if (!fc_child_has_not_forked())
        fc_child_leave(exit_status);
    fc_child_check_escape(__builtin_frame_address(0));
    fc_child_progress_flush();
    if (fc_child.has_returned && how != FC_END_THREAD_EXIT)
        send_text(
            "exit() or quick_exit() was called after the function had returned, while its handlers of atexit() ran");
    end(how, code, exit_status);
}

_Noreturn void fc_child_handlers_have_run(void)
{
    /* Else another thread has called exit(). */
    if (fc_child.has_returned && pthread_equal(pthread_self(), fc_child.task.thread)) {
        fc_child.task.keep = false; /* this process is inside exit() */
        returned(fc_child.code, false);
    }
    fc_child_exited_unknown();
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

/* An address on the stack that the library was loaded on: the first thread's, in nearly all
 * programs. */
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
    const uintptr_t entry = (uintptr_t)fc_child.entry;
    /* Stacks grow down on every system that this is for. Above the stack of a process's first
     * thread there is no other stack. Above that of another thread or of a coroutine there may be
     * one. */
    if (!fc_child_has_not_forked() || fc_child.task.threaded || entry == 0 ||
        !pthread_equal(pthread_self(), fc_child.task.thread))
        return;
    if ((uintptr_t)frame <= entry || !is_on_first_stack(frame) || !is_on_first_stack(fc_child.entry))
        return;
    if (!fc_child_is_running())
        abort();
    send_text("the function was left by longjmp() to a frame of its caller");
    abort();
}
