/* HOST: Writes the message of a report: one line, without what a terminal acts on. */
#include "base/report_message.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* True: a character that a terminal or a log viewer acts on: C0 and C1 controls, the separators of
 * lines and paragraphs, and those that change the direction of writing, with which a text can be
 * made to look like another. */
static bool is_control(const unsigned char *text, size_t size)
{
    if (size == 1)
        return *text < ' ' || *text == 0x7f;
    if (size == 2)
        return (*text == 0xc2 && text[1] < 0xa0) || (*text == 0xd8 && text[1] == 0x9c);
    if (size != 3 || *text != 0xe2)
        return false;
    return text[1] == 0x80 ? (text[2] >= 0xa8 && text[2] <= 0xae) || text[2] == 0x8e || text[2] == 0x8f
                           : text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9;
}

/* Makes the text one line without anything that a terminal would act on: control characters become
 * spaces, what is not UTF-8 becomes '?', a character that is cut at the end is left out. room: the
 * bytes that the line has room for; a line that fills them may have been cut. */
void fc_report_clean(char *line, size_t room)
{
    unsigned char *text = (unsigned char *)line;
    const size_t n = strlen(line);
    for (size_t i = 0; i < n;) {
        const size_t size = fc_utf8_character(text + i, n - i);
        if (size == 0 && n - i < 4 && text[i] >= 0xc2 && n == room - 1)
            text[i] = '\0';
        else if (size == 0)
            text[i] = '?';
        else if (is_control(text + i, size))
            memset(text + i, ' ', size);
        if (text[i] == '\0')
            break;
        i += size == 0 ? 1 : size;
    }
    size_t end = strlen(line);
    while (end > 0 && line[end - 1] == ' ')
        line[--end] = '\0';
}

void fc_report_vmessage(struct forkcall_report *report, const char *format, va_list arguments)
{
    vsnprintf(report->message, sizeof report->message, format, arguments);
    fc_report_clean(report->message, sizeof report->message);
}

void fc_report_name(struct forkcall_report *report, const char *name)
{
    report->name[0] = '\0';
    if (name == NULL)
        return;
    snprintf(report->name, sizeof report->name, "%s", name);
    fc_report_clean(report->name, sizeof report->name);
}

void fc_report_message(struct forkcall_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fc_report_vmessage(report, format, arguments);
    va_end(arguments);
}

bool fc_report_wrong(struct forkcall_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fc_report_vmessage(report, format, arguments);
    va_end(arguments);
    return false;
}

void fc_report_append(struct forkcall_report *report, const char *format, ...)
{
    const size_t length = strlen(report->message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->message + length, sizeof report->message - length, format, arguments);
    va_end(arguments);
    fc_report_clean(report->message, sizeof report->message);
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
    fc_report_clean(report->message, sizeof report->message);
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
