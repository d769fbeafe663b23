/* HOST: An outcome in a few lines. */
#include "base/code_pointer.h"
#include "base/report_message.h"
#include "crash/symbol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* A text of any length in a buffer of limited size, as by snprintf. */
struct text {
    char *to;
    size_t size, length;
};

FORKCALL_PRINTF(2, 3)
static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    const size_t used = text->length < text->size ? text->length : text->size;
    va_start(arguments, format);
    const int n = vsnprintf(text->size == 0 ? NULL : text->to + used, text->size - used, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->length += (size_t)n;
}

static void add_verdict(struct text *text, const struct forkcall_report *report, const char *name)
{
    char number[32];
    switch (report->status) {
    case FORKCALL_OK:
        add(text, "%s returned its result", name);
        break;
    case FORKCALL_FAILED:
        add(text, "%s failed with code %d: %s", name, report->code, report->message);
        break;
    case FORKCALL_SIGNALED:
        add(text, "%s was %s", name, report->message[0] != '\0' ? report->message : "killed by ");
        if (report->message[0] == '\0')
            add(text, "%s", fc_signal_name(report->code, number));
        break;
    case FORKCALL_TIMED_OUT:
        add(text, "%s was ended: %s", name, report->message);
        break;
    case FORKCALL_EXITED:
    case FORKCALL_CANCELED:
    case FORKCALL_TOO_BIG:
    case FORKCALL_UNSAFE:
    case FORKCALL_NOT_STARTED:
    case FORKCALL_LOST:
    default:
        add(text, "%s: %s: %s", name, forkcall_status_name(report->status), report->message);
        break;
    }
}

static void add_frames(struct text *text, const struct forkcall_crash *crash)
{
    const uint32_t count = crash->frame_count < FORKCALL_CRASH_FRAMES ? crash->frame_count : FORKCALL_CRASH_FRAMES;
    for (uint32_t i = 0; i < count; i++) {
        char where[512];
        fc_symbol_describe(crash->frames[i], i > 0, where, sizeof where);
        add(text, "\n  #%u %s", i, where);
    }
}

static void add_hazards(struct text *text, unsigned hazards)
{
    if ((hazards & FORKCALL_HAZARD_THREADS) != 0)
        add(text, "\nOther threads ran in the caller at the start of the call.");
    if ((hazards & FORKCALL_HAZARD_FORKED) != 0)
        add(text, "\nThe caller was itself forked and had not exec'ed.");
    if ((hazards & FORKCALL_HAZARD_LIBRARY) != 0)
        add(text, "\nA library that may not be used on both sides of a fork is loaded in the caller.");
}

static void add_hints(struct text *text, unsigned hints)
{
    if ((hints & FORKCALL_HINT_COREFOUNDATION) != 0)
        add(text, "\nCoreFoundation warned that it was used on both sides of a fork: its answers cannot be relied on.");
    if ((hints & FORKCALL_HINT_DISPATCH) != 0)
        add(text, "\nThe crash is how libdispatch ends a forked child that uses a queue of its parent's.");
    if ((hints & (unsigned)(FORKCALL_HINT_COREFOUNDATION | FORKCALL_HINT_DISPATCH)) != 0)
        add(text,
            "\nThe cure: call forkcall_init() first thing in main() and use FORKCALL_SERVER or FORKCALL_SPAWN, or use "
            "that library in children alone.");
}

static void add_circumstances(struct text *text, const struct forkcall_report *report)
{
    add_frames(text, &report->crash);
    if (report->ran == FORKCALL_RAN_NO)
        add(text, "\nThe function did not run: a retry is safe.");
    else if (report->ran == FORKCALL_RAN_UNKNOWN)
        add(text, "\nWhether the function ran is not known.");
    if (report->status != FORKCALL_FAILED)
        add_hazards(text, report->hazards);
}

int forkcall_explain(const struct forkcall_report *report, char *to, size_t size)
{
    struct text text = {.to = to, .size = size};
    char name[256] = "the call";
    if (report == NULL || (to == NULL && size > 0))
        return -EINVAL;
    const int error = errno;
    if (size > 0)
        to[0] = '\0';
    if (report->fn != NULL)
        fc_symbol_function_name(fc_code_address(report->fn), name, sizeof name);
    add_verdict(&text, report, name);
    if (report->status != FORKCALL_OK)
        add_circumstances(&text, report);
    add_hints(&text, report->hints);
    errno = error;
    return (int)text.length;
}
