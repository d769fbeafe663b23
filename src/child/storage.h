/* CHILD: The child's large memory: zero pages, which cost nothing until they are written to. It
 * lies in one file, and last in the library's data, so that the few bytes that every child writes
 * to share a page. */
#ifndef FC_CHILD_STORAGE_H
#define FC_CHILD_STORAGE_H

#include "child/reply_writer.h"
#include "module/foreign.h"
#include "module/ranges.h"
#include "wire/frame.h"
#include "wire/request.h"

/* MINSIGSTKSZ is too small where the processor's registers are large (AVX-512, AMX). */
#define FC_ALTERNATE_STACK 65536U

extern unsigned char fc_alternate_stack[FC_ALTERNATE_STACK];
extern unsigned char fc_request_bytes[FC_REQUEST_REMAINING_MAX]; /* what follows a request's head */
extern char fc_message[FC_MESSAGE_MAX];                          /* the message of forkcall_fail */
/* The last reports of progress: one is whole while the other is written. */
struct fc_last_report {
    struct fc_progress progress;
    size_t note_size;
    char note[FC_NOTE_MAX + 1];
};
extern struct fc_last_report fc_last_reports[2];
/* Where this process's modules lie: see child/crash_handler.h. */
extern struct fc_module_range fc_module_ranges[FC_MODULE_RANGES_MAX];
/* For child/mapped_files.c. */
#define FC_LINE_MAX 8192U
extern struct fc_mapped_file fc_mapped_files[FC_MAPPED_FILES_MAX];
extern char fc_line[FC_LINE_MAX];

#endif
