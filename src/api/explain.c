/* HOST: An outcome in a few lines. */
#include "api/explain_frames.h"
#include "api/explain_threads.h"

#include "base/code_pointer.h"
#include "base/kept.h"
#include "base/report_message.h"
#include "base/text.h"
#include "base/tools.h"
#include "call/last_words.h"
#include "call/where.h"
#include "crash/symbol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* The message of a call that was ended, with its place where that was read only now, and with file
 * and line of the place. */
static void add_ended(struct fc_text *text, const struct fc_symbols *symbols, const struct forkcall_report *report)
{
    char words[300];
    struct fc_symbol symbol;
    fc_where_words(report, words, sizeof words);
    const size_t length = strlen(report->message);
    const size_t size = strlen(words);
    const bool is_read_now = report->reserved[1] != 0;
    const bool names_place = size > 0 && length > size && strcmp(report->message + length - size, words) == 0;
    fc_text_add(text, "%s%s", report->message, is_read_now ? words : "");
    if ((names_place || is_read_now) && fc_where_symbol(symbols, &report->crash, &symbol) && symbol.line > 0)
        fc_text_add(text, " at %s:%d", symbol.file, symbol.line);
}

static void add_ok(struct fc_text *text, const struct forkcall_report *report, const char *name)
{
    const uint64_t items = report->reserved[2]; /* of a map, plus one; 0: of no map */
    if (items == 0)
        fc_text_add(text, "%s returned its result", name);
    else if (items == 1)
        fc_text_add(text, "%s had no items", name);
    else
        fc_text_add(text, "all items of %s ended OK (%llu)", name, (unsigned long long)items - 1);
    fc_text_add(text, "%s%s", report->message[0] != '\0' ? ", but: " : "", report->message);
}

static void add_verdict(struct fc_text *text, const struct fc_symbols *symbols, const struct forkcall_report *report,
                        const char *name)
{
    char number[32];
    switch (report->status) {
    case FORKCALL_OK:
        add_ok(text, report, name);
        break;
    case FORKCALL_FAILED:
        fc_text_add(text, "%s failed with code %d: %s", name, report->code, report->message);
        break;
    case FORKCALL_SIGNALED:
        fc_text_add(text, "%s was %s", name, report->message[0] != '\0' ? report->message : "killed by ");
        if (report->message[0] == '\0')
            fc_text_add(text, "%s", fc_signal_name(report->code, number));
        break;
    case FORKCALL_TIMED_OUT:
        fc_text_add(text, "%s was ended: ", name);
        add_ended(text, symbols, report);
        break;
    case FORKCALL_CANCELED:
        fc_text_add(text, "%s: CANCELED: ", name);
        add_ended(text, symbols, report);
        break;
    case FORKCALL_EXITED:
    case FORKCALL_TOO_BIG:
    case FORKCALL_UNSAFE:
    case FORKCALL_NOT_STARTED:
    case FORKCALL_LOST:
    default:
        fc_text_add(text, "%s: %s: %s", name, forkcall_status_name(report->status), report->message);
        break;
    }
}

static void add_hazards(struct fc_text *text, unsigned hazards)
{
    if ((hazards & FORKCALL_HAZARD_THREADS) != 0)
        fc_text_add(text, "\nOther threads ran in the caller at the start of the call.");
    if ((hazards & FORKCALL_HAZARD_FORKED) != 0)
        fc_text_add(text, "\nThe caller was itself forked and had not exec'ed.");
    if ((hazards & FORKCALL_HAZARD_LIBRARY) != 0)
        fc_text_add(text, "\nA library that may not be used on both sides of a fork is loaded in the caller.");
}

/* The message of a call that has succeeded says it already, and perhaps that of another. */
static void add_tool(struct fc_text *text, const struct forkcall_report *report)
{
    char name[80];
    const int status = report->wait_status;
    if ((report->hints & FORKCALL_HINT_TOOL) == 0 || report->status == FORKCALL_OK ||
        strstr(report->message, "Sanitizer") != NULL)
        return;
    fc_text_add(text, "\nPerhaps %s has found an error in the child: see its report.",
                fc_tools_name(fc_tools() & FC_TOOLS_CHECKING, name, sizeof name));
    if (status != -1 && WIFEXITED(status))
        fc_text_add(text, " The exit status was %d.", WEXITSTATUS(status));
}

static void add_hints(struct fc_text *text, unsigned hints)
{
    if ((hints & FORKCALL_HINT_COREFOUNDATION) != 0)
        fc_text_add(
            text, "\nCoreFoundation warned that it was used on both sides of a fork: its answers cannot be relied on.");
    if ((hints & FORKCALL_HINT_DISPATCH) != 0)
        fc_text_add(text, "\nThe crash is how libdispatch ends a forked child that uses a queue of its parent's.");
    if ((hints & (unsigned)(FORKCALL_HINT_COREFOUNDATION | FORKCALL_HINT_DISPATCH)) != 0)
        fc_text_add(
            text,
            "\nThe cure: call forkcall_init() first thing in main() and use FORKCALL_SERVER or FORKCALL_SPAWN, or use "
            "that library in children alone.");
}

static void add_circumstances(struct fc_text *text, const struct forkcall_report *report)
{
    const bool is_other_thread = report->crash.thread != 0 && report->crash.thread != report->pid;
    if (is_other_thread && report->crash.signal != 0)
        fc_text_add(text, "\nThe crash was in another thread than the function's.");
    else if (is_other_thread && report->crash.frame_count > 0)
        fc_text_add(text, "\nThese are the calls of another thread than the function's.");
    if (report->crash.thread_count > 1)
        fc_text_add(text, "\nThe child had %u threads.", report->crash.thread_count);
#ifdef WCOREDUMP
    if (report->status == FORKCALL_SIGNALED && report->wait_status != -1 && WCOREDUMP(report->wait_status))
        fc_text_add(text, "\nThe system has written a core dump.");
#endif
    if (report->ran == FORKCALL_RAN_NO && report->status == FORKCALL_NOT_STARTED && report->code == EINVAL)
        fc_text_add(text, "\nThe function did not run.");
    else if (report->ran == FORKCALL_RAN_NO)
        fc_text_add(text, "\nThe function did not run: a retry is safe.");
    else if (report->ran == FORKCALL_RAN_UNKNOWN)
        fc_text_add(text, "\nWhether the function ran is not known.");
    if (report->status != FORKCALL_FAILED)
        add_hazards(text, report->hazards);
}

#define SHOWN_LINES 6
#define SHOWN_LINE_SIZE 160U

/* The start of the last lines, as many as are shown. */
static char *find_last_lines(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        text[--length] = 0;
    char *start = text + length;
    for (int lines = 0; start > text; start--)
        if (start[-1] == '\n' && ++lines == SHOWN_LINES)
            break;
    return start;
}

/* Adds the end of standard_error, marked as what the child has said: it may say what it likes. */
static void add_last_words(struct fc_text *text, const struct forkcall_report *report)
{
    char words[FC_LAST_WORDS_SIZE];
    char shown[SHOWN_LINE_SIZE];
    fc_last_words_get(report->reserved[0], words);
    char *rest = find_last_lines(words);
    if (rest[0] == 0)
        return;
    fc_text_add(text, "\nThe child's last words on standard_error:");
    for (const char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        (void)snprintf(shown, sizeof shown, "%s", line);
        fc_report_clean(shown, sizeof shown);
        fc_text_add(text, "\n  | %s", shown);
    }
}

/* Writes the explanation with the names that are to be had. */
static void explain(struct fc_text *text, const struct fc_symbols *symbols, const struct forkcall_report *report,
                    struct fc_thread_places *places)
{
    char name[256] = "the call";
    if (report->name[0] != '\0')
        (void)snprintf(name, sizeof name, "%.*s", (int)sizeof report->name, report->name);
    else if (report->fn != NULL)
        fc_symbols_function_name(symbols, fc_code_address(report->fn), name, sizeof name);
    add_verdict(text, symbols, report, name);
    if (report->status != FORKCALL_OK) {
        fc_explain_frames(text, symbols, &report->crash, name);
        add_circumstances(text, report);
        fc_explain_threads(text, symbols, places, report);
    }
    add_tool(text, report);
    add_hints(text, report->hints);
    if (report->status != FORKCALL_OK)
        add_last_words(text, report);
}

static bool was_ended(const struct forkcall_report *report)
{
    return report->status == FORKCALL_TIMED_OUT || report->status == FORKCALL_CANCELED;
}

int forkcall_explain(const struct forkcall_report *report, char *to, size_t size)
{
    struct fc_text text = {.to = to, .size = size};
    struct forkcall_report whole;
    struct fc_symbols symbols;
    struct fc_thread_places places;
    if (report == NULL || (to == NULL && size > 0))
        return -EINVAL;
    const struct fc_kept kept = fc_keep();
    if (size > 0)
        to[0] = '\0';
    places.count = 0;
    if (was_ended(report) && report->reserved[3] != 0) {
        whole = *report;
        fc_thread_places_read(&places, &whole);
        report = &whole;
    }
    if (report->status != FORKCALL_OK && (report->crash.frame_count > 0 || places.count > 0)) {
        fc_symbols_open(&symbols);
        explain(&text, &symbols, report, &places);
        fc_symbols_close(&symbols);
    } else {
        explain(&text, &fc_symbols_tables, report, &places);
    }
    fc_restore(kept);
    return (int)text.length;
}
