/* HOST: Turns what a child has sent when it crashed into what the report tells. */
#ifndef FC_CRASH_CRASH_DECODE_H
#define FC_CRASH_CRASH_DECODE_H

#include "wire/crash_notice.h"

#include <forkcall.h>

#include <stdbool.h>

/* Decodes a notice of size bytes, which is not trusted. by_fork: the child had this process's
 * modules at the same addresses. Otherwise the addresses in the notice's stack are changed to those
 * of this process. Not async-signal-safe; thread-safe. */
void fc_crash_decode(struct forkcall_crash *crash, void *notice, size_t size, bool by_fork);

/* Why the child has aborted, as far as its libraries have noted a reason: "double free or
 * corruption (fasttop)", "C++ exception app::error: no chunk 4"; "" where there is none. tail: the
 * end of what it has written to standard_error, as far as it was captured. */
void fc_crash_abort_reason(const void *notice, const char *tail, size_t tail_size, char *text, size_t size);

/* The system call that a filter has refused by SIGSYS; -1: none, or not known. */
int32_t fc_crash_system_call(const void *notice);

/* The thread that has sent the notice; 0: not known. */
int32_t fc_crash_thread(const void *notice);

/* The name of that thread, if it is not the function's; "": not known. */
#define FC_THREAD_NAME_SIZE 16U
void fc_crash_thread_name(const void *notice, char name[FC_THREAD_NAME_SIZE]);

#endif
