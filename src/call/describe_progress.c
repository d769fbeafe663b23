/* HOST: Says in words how far a function was that has not returned. */
#include "call/outcome.h"

#include "base/report_message.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* How much of a note a message has room for, beside what else it must say. */
#define NOTE_MAX 100U

#define NUMBER_SIZE 24
#define WHOLE_MAX 9007199254740992.0 /* 2^53: up to it, a double can count */

/* A count of bytes is not rounded, nor is it written as 1.5e+06. */
static const char *say_number(char text[NUMBER_SIZE], double number)
{
    const bool fits = number >= -WHOLE_MAX && number <= WHOLE_MAX; /* false for NAN */
    const long long whole = fits ? (long long)number : 0;
    if (fits && number >= (double)whole && number <= (double)whole)
        snprintf(text, NUMBER_SIZE, "%lld", whole); /* -0 becomes 0 */
    else
        snprintf(text, NUMBER_SIZE, "%g", number);
    return text;
}

static void say_numbers(char text[64], double done, double total)
{
    char number[NUMBER_SIZE], of[NUMBER_SIZE];
    if (total > 0 && done >= 0 && done <= total)
        snprintf(text, 64, "%d %%", (int)(done / total * 100));
    else if (total != 0)
        snprintf(text, 64, "%s of %s", say_number(number, done), say_number(of, total));
    else
        snprintf(text, 64, "%s", say_number(number, done));
}

static bool has_not_returned(enum forkcall_status status)
{
    return status == FORKCALL_TIMED_OUT || status == FORKCALL_CANCELED || status == FORKCALL_SIGNALED ||
           status == FORKCALL_EXITED || status == FORKCALL_LOST;
}

void fc_outcome_describe_progress(const struct fc_last_progress *progress, struct forkcall_report *report)
{
    char numbers[64];
    if (progress == NULL || !has_not_returned(report->status))
        return;
    const size_t size = strlen(progress->note);
    const size_t shown = fc_utf8_cut(progress->note, size, NOTE_MAX);
    say_numbers(numbers, progress->numbers.done, progress->numbers.total);
    fc_report_append(report, ", at %s%s%.*s%s", numbers, size > 0 ? ": " : "", (int)shown, progress->note,
                     shown < size ? "…" : "");
}
