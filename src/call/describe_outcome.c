/* HOST: Says in words what became of a call. */
#include "call/outcome.h"

#include "base/report_message.h"
#include "base/rlimits.h"
#include "base/tools.h"
#include "child/run.h"
#include "config.h"
#include "crash/crash_decode.h"
#include "exec/exec_self.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *step_name(uint32_t step)
{
    switch (step) {
    case FC_SETUP_STREAMS:
        return "standard streams";
    case FC_SETUP_CLOSE_FDS:
        return "close_fds";
    case FC_SETUP_LIMITS:
        return "limits";
    case FC_SETUP_GO:
        return "telling the child to begin";
    case FC_SETUP_FUNCTION:
        return "finding the function in the child";
    case FC_SETUP_ARGS:
        return "memory for the arguments";
    case FC_SETUP_PREPARE:
        return "prepare";
    case FC_SETUP_CREDENTIALS:
        return "credentials";
    case FC_SETUP_GROUP:
        return "share_group";
    default:
        return "making the child ready";
    }
}

/* The function's own words. False: there are none, or only characters that no report has. */
static bool say_its_own(const struct forkcall_buf *message, struct forkcall_report *report)
{
    fc_report_message_bytes(report, message->data, message->size);
    return report->message[0] != '\0';
}

static void describe_failed(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (facts->reply->done && facts->reply->trailer.end == FC_END_NO_MEMORY)
        fc_report_message(report, FC_NO_MEMORY_MESSAGE);
    else if (!say_its_own(&facts->reply->message, report))
        fc_report_message(report, "the function returned %d", report->code);
}

/* What is added to a sentence about an end that a tool may have caused. */
static void say_tool(const struct fc_facts *facts, unsigned tools, char *to, size_t size)
{
    char name[80];
    if (facts->tool_line != NULL)
        snprintf(to, size, ": %.*s", (int)facts->tool_line_size, facts->tool_line);
    else
        snprintf(to, size, " (perhaps %s has found an error: see its report)",
                 fc_tools_name(tools & FC_TOOLS_CHECKING, name, sizeof name));
}

/* The only message of a call that has succeeded. */
static void describe_ok(const struct fc_facts *facts, struct forkcall_report *report)
{
    unsigned tools = facts->reply->trailer.tools;
    const int status = facts->ending->wait_status;
    char tool[256], number[32];
    if ((report->hints & FORKCALL_HINT_TOOL) == 0)
        return;
    if ((tools & FC_TOOL_LEAK) != 0 && WIFEXITED(status) && WEXITSTATUS(status) == FC_EXIT_LEAKS)
        tools &= FC_TOOL_LEAK | FC_TOOL_HAS_FOUND;
    say_tool(facts, tools, tool, sizeof tool);
    if (facts->tool_line != NULL)
        fc_report_message_bytes(report, facts->tool_line, facts->tool_line_size);
    else if ((tools & FC_TOOL_HAS_FOUND) != 0)
        fc_report_message(report, "valgrind has found an error while the function ran: see its report");
    else if (WIFEXITED(status))
        fc_report_message(report, "the child ended with exit status %d after its result%s", WEXITSTATUS(status), tool);
    else
        fc_report_message(report, "the child was killed by %s after its result%s",
                          fc_signal_name(WTERMSIG(status), number), tool);
}

static void describe_exited(const struct fc_facts *facts, struct forkcall_report *report)
{
    const struct fc_reply *reply = facts->reply;
    const bool runs_handlers = !facts->shares_addresses;
    char tool[256] = "";
    if ((report->hints & FORKCALL_HINT_TOOL) != 0)
        say_tool(facts, facts->tools, tool, sizeof tool);
    if (!reply->done)
        fc_report_message(report, "the child ended with exit status %d before the function %s%s%s", report->code,
                          report->ran == FORKCALL_RAN_NO ? "was called"
                          : runs_handlers                ? "and its handlers of atexit() returned"
                                                         : "returned",
                          fc_outcome_reply_is_malformed(facts, report->ran) ? "; its reply was malformed" : "", tool);
    else if (say_its_own(&reply->message, report))
        return;
    else if (reply->trailer.end == FC_END_EXITED)
        fc_report_message(report, "the function called exit(%d)", report->code);
    else if (reply->trailer.end == FC_END_THREAD_EXIT)
        fc_report_message(report, "the function's thread ended by pthread_exit()");
    else
        fc_report_message(report, "the function called exit() or quick_exit(); the status is not known");
}

/* ---- Signals --------------------------------------------------------------------------------- */

#define REASON_SIZE 224

static void say_sender(const struct forkcall_report *report, char reason[REASON_SIZE])
{
    const struct forkcall_crash *crash = &report->crash;
    if (crash->sender_pid == 0)
        snprintf(reason, REASON_SIZE, "sent by a process");
    else if (crash->sender_pid == report->pid)
        snprintf(reason, REASON_SIZE, report->code == SIGABRT ? "" : "sent by the function itself");
    else
        snprintf(reason, REASON_SIZE, "sent by process %d of user %u", (int)crash->sender_pid, crash->sender_uid);
}

/* A fault of the instruction that the program counter stands at. */
static bool is_jump(const struct forkcall_report *report)
{
    return report->code == SIGSEGV && fc_signal_is_fault(report->crash.si_code) &&
           report->crash.program_counter == report->crash.address && report->crash.register_count > 0;
}

static void say_fault(const struct fc_facts *facts, const struct forkcall_report *report, char reason[REASON_SIZE])
{
    const char *why = fc_signal_reason(report->code, report->crash.si_code);
    const int system_call =
        report->code == SIGSYS && facts->reply->has_crash ? fc_crash_system_call(facts->reply->crash.data) : -1;
    if (system_call >= 0)
        snprintf(reason, REASON_SIZE, "system call %d is not allowed", system_call);
    else if (is_jump(report))
        snprintf(reason, REASON_SIZE, "jump to %s",
                 report->crash.si_code == SEGV_MAPERR ? "an address that is not mapped" : "memory that is no code");
    else
        snprintf(reason, REASON_SIZE, "%s", why == NULL ? "" : why);
}

/* False: another process has sent the signal, whatever the function was doing. */
static bool may_be_abort(const struct forkcall_report *report)
{
    return report->crash.sender_pid == 0 || report->crash.sender_pid == report->pid;
}

/* Finds out why the signal came, as far as the child could tell; "": no more is known. */
static void find_reason(const struct fc_facts *facts, const struct forkcall_report *report, char reason[REASON_SIZE])
{
    const struct forkcall_crash *crash = &report->crash;
    reason[0] = 0;
    if (crash->signal == 0)
        return;
    if (crash->signal == SIGABRT && facts->reply->has_crash && may_be_abort(report))
        fc_crash_abort_reason(facts->reply->crash.data, facts->stderr_tail, facts->stderr_tail_size, reason,
                              REASON_SIZE);
    if (reason[0] != 0)
        return;
    if (fc_signal_is_sent(crash->si_code))
        say_sender(report, reason);
    else
        say_fault(facts, report, reason);
}

/* The address means something: a memory access or an instruction has failed there. */
static bool has_address(const struct forkcall_report *report)
{
    const struct forkcall_crash *crash = &report->crash;
    switch (report->code) {
    case SIGSEGV:
#ifdef SI_KERNEL
        return fc_signal_is_fault(crash->si_code) && crash->si_code != SI_KERNEL;
#endif
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return fc_signal_is_fault(crash->si_code);
    default:
        return false;
    }
}

/* Nobody tells why a process gets SIGKILL. The control group counts the processes that were killed
 * for lack of memory, of which this one may be one. */
static const char *possible_killer(const struct fc_facts *facts, const struct forkcall_report *report,
                                   char text[REASON_SIZE])
{
    char peak[64] = "";
    if (facts->oom_kills < 0)
        return "by a process, or by the system, perhaps for want of memory";
    if (facts->oom_kills == 0)
        return "by a process, or by the system";
    if (report->usage_known && report->max_rss_bytes > 0)
        snprintf(peak, sizeof peak, "; its peak was %llu MiB", (unsigned long long)(report->max_rss_bytes >> 20));
    snprintf(text, REASON_SIZE,
             "possibly for lack of memory, for which its cgroup has lost %lld process%s since an earlier call%s",
             (long long)facts->oom_kills, facts->oom_kills == 1 ? "" : "es", peak);
    return text;
}

/* What a child could not tell, or nothing in the child can. */
static const char *possible_reason(const struct fc_facts *facts, const struct forkcall_report *report,
                                   char text[REASON_SIZE])
{
    if (report->crash.signal != 0 || facts->cause != FC_CAUSE_NONE)
        return NULL;
    if (report->code == SIGKILL)
        return possible_killer(facts, report, text);
    if (report->code == SIGSEGV && report->ran == FORKCALL_RAN_YES && !facts->options->no_crash_capture)
        return "perhaps the stack of a thread has run out";
    return NULL;
}

static void describe_crash(const struct fc_facts *facts, const char *name, struct forkcall_report *report)
{
    const struct forkcall_crash *crash = &report->crash;
    const bool is_page = FC_FAULT_TELLS_PAGE_ONLY && (report->code == SIGSEGV || report->code == SIGBUS);
    const char *at = is_page ? "in the page at" : "at";
    const unsigned long long address = (unsigned long long)crash->address;
    char reason[REASON_SIZE];
    char killer[REASON_SIZE];
    const char *possible = possible_reason(facts, report, killer);
    find_reason(facts, report, reason);
    if ((crash->flags & FORKCALL_CRASH_STACK_OVERFLOW) != 0)
        fc_report_message(report, "killed by %s (stack overflow) %s 0x%llx", name, at, address);
    else if ((crash->flags & FORKCALL_CRASH_MAPPED_IN_CALLER) != 0)
        fc_report_message(report,
                          "killed by %s %s 0x%llx, which is mapped in the caller but not in the child (MADV_DONTFORK)",
                          name, at, address);
    else if (reason[0] != 0 && has_address(report))
        fc_report_message(report, "killed by %s (%s) %s 0x%llx", name, reason, at, address);
    else if (reason[0] != 0)
        fc_report_message(report, "killed by %s (%s)", name, reason);
    else if (possible != NULL)
        fc_report_message(report, "killed by %s (%s)", name, possible);
    else
        fc_report_message(report, "killed by %s", name);
}

/* True: a process has sent the signal, and no limit was reached. Linux sends SIGXFSZ for a limit in
 * the name of the process itself (fs/read_write.c, generic_write_check_limits). */
static bool was_sent(const struct forkcall_report *report)
{
    const struct forkcall_crash *crash = &report->crash;
    return crash->signal == report->code && fc_signal_is_sent(crash->si_code) &&
           (report->code != SIGXFSZ || crash->sender_pid != report->pid);
}

static void describe_signaled(const struct fc_facts *facts, struct forkcall_report *report)
{
    const struct forkcall_buf *message = &facts->reply->message;
    char number[32];
    const char *name = fc_signal_name(report->code, number);
    const uint64_t cpu_ns = facts->ending->user_ns + facts->ending->system_ns;
    const char *limit = was_sent(report) ? NULL : fc_limits_reason(&facts->options->limits, report->code, cpu_ns);
    if (fc_outcome_reply_is_malformed(facts, report->ran))
        fc_report_message(report, "the child sent a malformed reply and was killed by %s", name);
    else if (message->size > 0)
        fc_report_message(report, "%.*s (killed by %s)", (int)message->size, (const char *)message->data, name);
    else if (limit != NULL)
        fc_report_message(report, "killed by %s: %s", name, limit);
    else
        describe_crash(facts, name, report);
}

static void describe_too_big(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (report->code == ENOMEM)
        fc_report_message(report, "no memory for the result");
    else
        fc_report_message(report, "the result is larger than %zu bytes", facts->max_result);
}

static void describe_lost(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (facts->reply->done)
        fc_report_message(report, "the child has taken its result back");
    else if (facts->cause == FC_CAUSE_CLOSED)
        fc_report_message(report, "this process has closed the descriptors of the call while it ran");
    else if (fc_outcome_reply_was_closed(facts, report->ran))
        fc_report_message(report, "the function has closed the descriptor that its answer goes through");
    else
        fc_report_message(report, "the child is gone, and %s%s",
                          facts->has_server ? "its server does not tell how" : "its end was seen by somebody else",
                          fc_outcome_reply_is_malformed(facts, report->ran) ? "; its reply was malformed" : "");
}

static void describe_not_ready(const struct fc_facts *facts, struct forkcall_report *report)
{
    char why[200];
    if (facts->cause == FC_CAUSE_NOT_READY)
        snprintf(why, sizeof why, FC_EXEC_SELF_LATE);
    else if (facts->ending->status_known)
        fc_exec_self_describe_end(facts->ending->wait_status, why, sizeof why);
    else
        snprintf(why, sizeof why, "the re-executed program ended before it reached forkcall_init()");
    fc_report_message(report, "%s", why);
}

static void describe_not_started(const struct fc_facts *facts, enum fc_decided_by by, struct forkcall_report *report)
{
    const uint32_t step = facts->start_error != 0 ? FC_SETUP_GO : facts->reply->setup.step;
    char limit[160];
    if (by == FC_DECIDED_BY_NOT_READY)
        describe_not_ready(facts, report);
    else if (say_its_own(&facts->reply->message, report))
        return;
    else if (step == FC_SETUP_LIMITS && *fc_limits_refused(&facts->options->limits, limit, sizeof limit) != '\0')
        fc_report_message(report, "%s", limit);
    else
        fc_report_message(report, "%s: %s", step_name(step), strerror(report->code));
}

void fc_outcome_describe(const struct fc_facts *facts, enum fc_decided_by by, struct forkcall_report *report)
{
    switch (report->status) {
    case FORKCALL_FAILED:
        describe_failed(facts, report);
        break;
    case FORKCALL_EXITED:
        describe_exited(facts, report);
        break;
    case FORKCALL_SIGNALED:
        describe_signaled(facts, report);
        break;
    case FORKCALL_TIMED_OUT:
        fc_report_message(report, "no answer within %d ms", facts->options->timeout_ms);
        break;
    case FORKCALL_CANCELED:
        fc_report_message(report, "canceled by the caller");
        break;
    case FORKCALL_TOO_BIG:
        describe_too_big(facts, report);
        break;
    case FORKCALL_NOT_STARTED:
        describe_not_started(facts, by, report);
        break;
    case FORKCALL_LOST:
        describe_lost(facts, report);
        break;
    case FORKCALL_OK:
        describe_ok(facts, report);
        break;
    case FORKCALL_UNSAFE:
        break;
    }
    fc_outcome_describe_progress(facts->progress, report);
    fc_outcome_describe_where(facts->look, report);
}
