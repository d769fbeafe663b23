/* HOST: The message of a report: what is said about a call to a person, in one line. */
#ifndef FC_BASE_REPORT_MESSAGE_H
#define FC_BASE_REPORT_MESSAGE_H

#include <forkcall.h>

#include <stdarg.h>
#include <stdbool.h>

#define FC_NO_MEMORY_MESSAGE "the function returned 0 after there had been no memory for its result"

void fc_report_vmessage(struct forkcall_report *report, const char *format, va_list arguments) FORKCALL_PRINTF(2, 0);
void fc_report_message(struct forkcall_report *report, const char *format, ...) FORKCALL_PRINTF(2, 3);

/* The same. Returns false: what is checked is wrong, and the message says why. */
bool fc_report_wrong(struct forkcall_report *report, const char *format, ...) FORKCALL_PRINTF(2, 3);

/* Adds to the message. */
void fc_report_append(struct forkcall_report *report, const char *format, ...) FORKCALL_PRINTF(2, 3);

/* Sets the message from bytes that a child has sent. Unprintable characters become spaces. */
void fc_report_message_bytes(struct forkcall_report *report, const void *text, size_t size);

/* Makes the text one line without anything that a terminal would act on. room: the size of its
 * buffer, in which it may have been cut. */
void fc_report_clean(char *line, size_t room);

/* Sets the name of the report's function, cut. NULL: none. */
void fc_report_name(struct forkcall_report *report, const char *name);

/* "SIGSEGV"; or "signal 35" in buffer for signals without a name. */
const char *fc_signal_name(int signal, char buffer[32]);

/* True: si_code says that the kernel raised the signal because of an instruction, and that nobody
 * sent it. False also if si_code does not tell. */
bool fc_signal_is_fault(int si_code);

/* True: si_code says that a process sent the signal, this one itself perhaps. Async-signal-safe. */
bool fc_signal_is_sent(int si_code);

/* What si_code says about a fault ("address not mapped"); NULL: nothing of use. */
const char *fc_signal_reason(int signal, int si_code);

#endif
