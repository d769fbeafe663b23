/* HOST, CHILD: What a child sends when it crashes. */
#ifndef FC_WIRE_CRASH_NOTICE_H
#define FC_WIRE_CRASH_NOTICE_H

#include "module/foreign.h"
#include "module/ranges.h"
#include "os/registers.h"
#include "wire/frame.h"

#include <signal.h>

/* With its terminating 0. A multiple of 8, so that the notice has no padding. */
#define FC_ABORT_TEXT_SIZE 192U
#define FC_EXCEPTION_TEXT_SIZE 128U

/* What is known of an abort(3). */
enum fc_abort_kind {
    FC_ABORT_UNKNOWN = 0,
    FC_ABORT_TEXT = 1,      /* abort_text is what the C library has said */
    FC_ABORT_EXCEPTION = 2, /* abort_text is the mangled type of the current C++ exception */
};

/* The host asks a child by this signal, with the lower bits of the call's nonce as its value, where
 * the function is. Processes ignore it by default, so it does no harm to a program that the
 * function has become by exec, and whoever catches it for urgent data (socket(7)) must expect one
 * too many. */
#define FC_WHERE_SIGNAL SIGURG
#define FC_WHERE_VALUE(nonce) ((int)((nonce)&0x7fffffffU))

/* Once the function's thread has answered, the host asks at most so many other threads of the
 * child, of whose stacks less is sent. */
#define FC_WHERE_OTHERS_MAX 8U
#define FC_WHERE_OTHER_STACK_MAX 16384U

/* The payload of the frames CRASH and WHERE begins with this struct; in WHERE, signal is 0, and
 * abort_text is the name of the thread if that is not the first to answer. Then come range_count
 * times struct fc_module_range, if the child is no fork of the host, and file_count times struct
 * fc_mapped_file, for the files that the addresses in registers and stack may lie in. The rest is
 * the bytes of the stack from stack_address on. The host unwinds this part of the stack, because a
 * signal handler cannot. */
struct fc_crash_notice {
    int32_t signal;
    int32_t si_code;
    uint64_t address;
    uint64_t stack_address;
    /* The frame that has called the function lies here. */
    uint64_t entry_address;
    uint32_t range_count;
    int32_t thread;     /* the number of the thread that has crashed; 0: not known */
    int32_t sender_pid; /* of a signal that a process has sent; 0: not known */
    uint32_t sender_uid;
    int32_t system_call; /* SIGSYS: its number; else -1 */
    uint32_t abort_kind; /* enum fc_abort_kind */
    uint32_t file_count;
    uint32_t unused;
    char abort_text[FC_ABORT_TEXT_SIZE];
    char exception_text[FC_EXCEPTION_TEXT_SIZE]; /* what() of the exception; "": not known */
    struct fc_registers registers;
};

#define FC_CRASH_NOTICE_MAX                                                                   \
    (sizeof(struct fc_crash_notice) + FC_MODULE_RANGES_MAX * sizeof(struct fc_module_range) + \
     FC_MAPPED_FILES_MAX * sizeof(struct fc_mapped_file) + FC_CRASH_STACK_MAX)

#endif
