#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line, and no sequences that a terminal would act on; a character of UTF-8 that was cut is left out. */
static void clean(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
    while (n > 0 && text[n - 1] == ' ')
        text[--n] = '\0';
    size_t lead = n;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0 || (unsigned char)text[lead - 1] < 0xc0)
        return;
    const unsigned char first = (unsigned char)text[lead - 1];
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (n - (lead - 1) < length)
        text[lead - 1] = '\0';
}

void fc_report_message(struct forkcall_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->message, sizeof report->message, format, arguments);
    va_end(arguments);
    clean(report->message);
}

void fc_report_message_bytes(struct forkcall_report *report, const void *text, size_t size)
{
    const size_t n = size < sizeof report->message ? size : sizeof report->message - 1;
    if (n > 0)
        memcpy(report->message, text, n);
    for (size_t i = 0; i < n; i++)
        if (report->message[i] == '\0')
            report->message[i] = ' ';
    report->message[n] = '\0';
    clean(report->message);
}

const char *forkcall_status_name(enum forkcall_status status)
{
    switch (status) {
    case FORKCALL_OK:
        return "OK";
    case FORKCALL_FAILED:
        return "FAILED";
    case FORKCALL_EXITED:
        return "EXITED";
    case FORKCALL_SIGNALED:
        return "SIGNALED";
    case FORKCALL_TIMED_OUT:
        return "TIMED_OUT";
    case FORKCALL_CANCELED:
        return "CANCELED";
    case FORKCALL_TOO_BIG:
        return "TOO_BIG";
    case FORKCALL_UNSAFE:
        return "UNSAFE";
    case FORKCALL_NOT_STARTED:
        return "NOT_STARTED";
    case FORKCALL_LOST:
        return "LOST";
    }
    return "unknown";
}
