/** @file
 * libforkcall: run a C function in another process and bring its result back.
 *
 * @code
 * static int twice(const void *args, size_t args_size, struct forkcall_buf *result)
 * {
 *     const int n = *(const int *)args * 2;
 *     (void)args_size;
 *     return forkcall_buf_append(result, &n, sizeof n);
 * }
 *
 * int n = 21;
 * struct forkcall_buf result = FORKCALL_BUF_INIT;
 * struct forkcall_report report = forkcall_run(twice, &n, sizeof n, &result, NULL);
 * if (report.status == FORKCALL_OK)
 *     printf("%d\n", *(int *)result.data);
 * else
 *     fprintf(stderr, "%s\n", report.message);
 * forkcall_buf_free(&result);
 * @endcode
 *
 * Whatever the function does (return, exit, crash or, with timeout_ms, hang), the call ends in
 * exactly one outcome of enum forkcall_status, and the calling process stays as it was, but for the
 * server that is kept for later calls (struct forkcall_server_options).
 *
 * Contents
 *  1. The function and its result   forkcall_fn, struct forkcall_buf
 *  2. The outcome of a call         struct forkcall_report, enum forkcall_status, forkcall_explain
 *  3. The call                      run_in_forked_process, forkcall_run, FORKCALL_WRAP,
 *                                   FORKCALL_WRAP_WITH
 *  4. Inside the function           forkcall_fail, forkcall_throw, forkcall_progress
 *  5. Options                       struct forkcall_options: deadline, streams, limits, callbacks
 *  6. Calls that are safe anywhere  forkcall_init, forkcall_use_helper, forkcall_server_start,
 *                                   forkcall_hazards
 *  7. Several calls at once         forkcall_start, forkcall_fd, forkcall_wait, forkcall_wait_any,
 *                                   forkcall_finish
 *  8. One function over many items  forkcall_map
 *  9. Watching calls                forkcall_set_trace
 *
 * Rare details stand in docs/outcomes.md, docs/what-the-function-sees.md and docs/limits.md; what
 * debuggers, sanitizers, valgrind and coverage do in children, in docs/debugging.md.
 *
 * Words
 *  - Host: the process that makes a call. Child: the process that runs the function.
 *  - Method: how a child is made: FORK, SERVER, SPAWN or INLINE (enum forkcall_method).
 *  - Instance: a process that the library has started from the host's own executable (messages:
 *    "the re-executed program"). Server: the instance that makes children for SERVER. Spare: a
 *    fresh child that was made before a call. Kept child: one that has served a call with
 *    reuse_child and waits for another.
 *  - Module: a program, shared library or plugin that is loaded. Deadline: when timeout_ms is over.
 *
 * Conventions
 *  - A function that returns int returns 0 or a negative errno, unless its comment says otherwise.
 *  - Sizes are in bytes. Times are in the unit that the name ends with.
 *  - An all-zero struct is a good default. Reserved fields of options must be 0.
 *  - Every function may run in several threads at once on different objects; what one object allows
 *    is said beside it. Signal handlers may call only functions whose comments say so.
 *  - The caller owns what it passes. The library uses a pointer only during the function that gets
 *    the pointer, except in forkcall_start.
 *  - Functions that make, drive or end a call, map or server, forkcall_explain and forkcall_hazards
 *    leave errno as it was.
 *  - A pthread_cancel(3) of a thread that is in a function of this library takes effect after it.
 *  - No function installs a signal handler, changes a signal disposition, starts a thread or leaves
 *    a child in the host. docs/limits.md has the two exceptions for children.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FORKCALL_H
#define FORKCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
#if __cplusplus >= 201103L
extern "C++" { /* also where this header is included inside extern "C" */
#include <type_traits>
}
#endif
extern "C" {
#endif

#define FORKCALL_VERSION_MAJOR 0 /**< This header's version, first number. */
#define FORKCALL_VERSION_MINOR 2 /**< This header's version, second number. */
#define FORKCALL_VERSION_PATCH 0 /**< This header's version, third number. */
/** The version as one number to compare: (major * 1000 + minor) * 1000 + patch. */
#define FORKCALL_VERSION 2000

/** @cond private */
#if defined(__GNUC__) || defined(__clang__)
#define FORKCALL_PUBLIC __attribute__((visibility("default")))
#define FORKCALL_NORETURN __attribute__((noreturn))
#define FORKCALL_PRINTF(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#define FORKCALL_UNUSED __attribute__((unused))
#else
#define FORKCALL_PUBLIC
#define FORKCALL_NORETURN
#define FORKCALL_PRINTF(format_index, first_index)
#define FORKCALL_UNUSED
#endif
/** @endcond */

/** Tells the version of the library that the program runs with. Safe in signal handlers.
 * @return the version in the form of FORKCALL_VERSION */
FORKCALL_PUBLIC int forkcall_version(void);

/* ---- 1. The function and its result ---------------------------------------------------------- */

/** Bytes that grow. Only one thread at a time may use a buffer. A buffer that is in use must not be
 * copied as a struct. Only forkcall_buf_free frees its memory.
 *
 * As the result of a call: the call replaces what the buffer held. Unless the outcome is
 * FORKCALL_OK, size is 0 afterwards, and the storage of a fixed buffer is indeterminate. Bad
 * options (FORKCALL_NOT_STARTED, EINVAL) change nothing. */
struct forkcall_buf {
    /** The bytes, to be read. Aligned for any type, unless the storage of a fixed buffer is not. */
    void *data;
    /** The number of bytes, to be read. */
    size_t size;
    /** @cond private */
    size_t capacity_private;
    size_t limit_private;
    uint32_t kind_private;
    int32_t error_private;
    uint64_t reserved[8];
    /** @endcond */
};

/** Initialises an empty buffer that owns no memory yet. */
#define FORKCALL_BUF_INIT          \
    {                              \
        NULL, 0, 0, 0, 0, 0,       \
        {                          \
            0, 0, 0, 0, 0, 0, 0, 0 \
        }                          \
    }

/** Makes an empty buffer over the caller's own storage: the result of a call goes into a variable.
 * Such a buffer never allocates, and forkcall_buf_free does not touch the storage. A result of more
 * than capacity bytes ends the call as FORKCALL_TOO_BIG.
 * @param storage,capacity where the bytes go; must live as long as the buffer is used
 * @return the buffer */
FORKCALL_PUBLIC struct forkcall_buf forkcall_buf_fixed(void *storage, size_t capacity);

/** Makes an empty buffer whose memory children fill in place and whose pages are kept from call to
 * call, as huge pages where the system has them: for large results, again and again. Nothing is
 * copied, and after the first calls no page is made anew. By SERVER the child is made for the call,
 * because a spare cannot be given the memory, and is not kept. Otherwise as a fixed buffer: data
 * stays where it is, and a result of more than capacity bytes ends the call as FORKCALL_TOO_BIG.
 *
 * For functions that are trusted. A process that the function leaves behind can change the bytes
 * later, those of the next result, too; and so can every FORK child and every fork of the host,
 * which all have the memory. A function sees what earlier calls have left there. What holds for any
 * function: the outcome is true, size is at most capacity, and all of data can be read
 * (docs/limits.md names the systems where a child could cut the memory short).
 *
 * One call at a time may use the buffer; another one is FORKCALL_NOT_STARTED, EINVAL. While the
 * call runs the bytes are indeterminate, also those of args that lie there; if the buffer is freed
 * meanwhile, the call ends as FORKCALL_TOO_BIG. The items of a map need a buffer each. By INLINE,
 * and in a map with items_per_child above 1, the result is copied.
 * @param capacity how many bytes at most. Memory comes with use and stays until forkcall_buf_free,
 *                 and so does one descriptor. A call that finds no memory is FORKCALL_NOT_STARTED,
 *                 ENOMEM
 * @return the buffer */
FORKCALL_PUBLIC struct forkcall_buf forkcall_buf_shared(size_t capacity);

/** Appends a copy of bytes. After an error the buffer holds what it held before. Inside a call
 * -ENOMEM and -EFBIG also stick to the result: a function that returns 0 in spite of the error does
 * not end as FORKCALL_OK. forkcall_buf_truncate takes the error back.
 * @param buf       the buffer
 * @param data,size the bytes, which must not lie inside the buffer; NULL is allowed for 0 bytes
 * @return 0; -ENOMEM: no memory; -EFBIG: more than the fixed storage or the call's max_result
 *         allows; -EINVAL: NULL, or a buffer that was not initialised */
FORKCALL_PUBLIC int forkcall_buf_append(struct forkcall_buf *buf, const void *data, size_t size);

/** Makes the buffer longer by bytes that are indeterminate and that the caller fills in. Inside a
 * call, a result of more than 16 KiB that is written there reaches the host without a copy, unless
 * result is a fixed buffer or the child serves several calls or items. Growth moves data:
 * pointers into the old data are no longer valid.
 * @param buf  the buffer
 * @param size how many bytes to add
 * @return the place of the new bytes; NULL after any error of forkcall_buf_append */
FORKCALL_PUBLIC void *forkcall_buf_extend(struct forkcall_buf *buf, size_t size);

/** Makes the buffer shorter, and takes back an earlier failure to make it longer.
 * @param buf  the buffer
 * @param size its new size
 * @return 0; -EINVAL: buf is NULL, or size is more than buf->size */
FORKCALL_PUBLIC int forkcall_buf_truncate(struct forkcall_buf *buf, size_t size);

/** Frees the memory of a buffer. The buffer is then empty and may be used again.
 * @param buf the buffer; may be NULL */
FORKCALL_PUBLIC void forkcall_buf_free(struct forkcall_buf *buf);

/** The function to run. The function reads args, which are aligned for any type unless they are the
 * caller's own pointer, writes its answer to result, and returns 0, or any other number (the code)
 * for failure. result is never NULL in a call. The function may also be called directly, in the
 * host: fn(args, args_size, &result).
 *
 *  - A FORK child has the host's memory as it was at the call, the host's descriptors, and one
 *    thread. A SERVER or SPAWN child has no memory of the host but args: variables are as they were
 *    at forkcall_init(). Of the host's descriptors such a child has 0 to 2 and keep_fds.
 *  - The function may end by return, forkcall_throw, exit(), _exit(), quick_exit(), pthread_exit()
 *    or a signal. None of these runs code or atexit handlers of the host, or flushes the host's
 *    streams. longjmp() to a frame of the host is undefined.
 *  - What the function changes in its memory and settings stays in the child. What a child shares
 *    with the host does not: files, file positions, terminals, shared memory.
 *  - The child is killed when the host dies. Processes that the function has started go on after
 *    FORKCALL_OK and FORKCALL_FAILED, and else are killed if they are in the child's process group.
 *
 * docs/what-the-function-sees.md tells all of it: signals, terminals, streams, atexit handlers, C++
 * exceptions, seccomp, random numbers, descendants. */
typedef int forkcall_fn(const void *args, size_t args_size, struct forkcall_buf *result);

/* ---- 2. The outcome of a call ---------------------------------------------------------------- */

/** How a child is made. SERVER and SPAWN need forkcall_init() or forkcall_use_helper(). */
enum forkcall_method {
    /** After forkcall_init() or forkcall_use_helper(): SERVER (on macOS SPAWN), but FORK with
     * FORKCALL_BY_POINTER and in a child of this library. Elsewhere: FORK. */
    FORKCALL_AUTO = 0,
    /** fork(2) of the host: the function sees the host's memory. Refused as FORKCALL_UNSAFE where a
     * fork is not safe, see forkcall_hazards. The cost grows with the memory of the host. */
    FORKCALL_FORK = 1,
    /** A child that the server has made ahead: safe in any host, and the cost does not depend on
     * the host. See struct forkcall_server_options. */
    FORKCALL_SERVER = 2,
    /** A new instance of the program, or of the helper, by posix_spawn(3), for each call. */
    FORKCALL_SPAWN = 3,
    /** A direct call in the host, for debuggers. Result, code, message, progress,
     * max_result, details and allow_env work as in a child; other options are checked and have no
     * effect. An exit(), a crash or a hang is then the host's own. */
    FORKCALL_INLINE = 4,
};

/** How a call has ended. A value that is not listed here means failure. docs/outcomes.md has more
 * about each. */
enum forkcall_status {
    /** The function returned 0, and the result is complete. */
    FORKCALL_OK = 0,
    /** The function returned another number or called forkcall_throw; code and message are its own.
     * Or the function returned 0 after an append had found no memory: code ENOMEM. */
    FORKCALL_FAILED = 1,
    /** The child ended by exit(), _exit(), quick_exit() or pthread_exit() before the function
     * returned (SERVER, SPAWN: or in an atexit handler at its return). code: the exit status, -1
     * where the system does not tell it, 0 for pthread_exit(). */
    FORKCALL_EXITED = 2,
    /** A signal killed the child. code: the signal; crash has the details. */
    FORKCALL_SIGNALED = 3,
    /** The deadline came first, and the child was killed. */
    FORKCALL_TIMED_OUT = 4,
    /** A callback, cancel_fd_plus_one or forkcall_cancel has canceled the call. */
    FORKCALL_CANCELED = 5,
    /** The result is larger than the fixed buffer or max_result allows (code EFBIG), or than the
     * host has memory for (code ENOMEM). */
    FORKCALL_TOO_BIG = 6,
    /** Refused: a fork would not be safe now. hazards and message say why, and what to do. */
    FORKCALL_UNSAFE = 7,
    /** The call could not start, or its arguments or options are bad. code: a positive errno;
     * message names the step or field. docs/outcomes.md tells what to do for each errno. */
    FORKCALL_NOT_STARTED = 8,
    /** The child is gone and nothing on this system can tell how; or the host, or the function, has
     * closed the descriptors of the call; or the call is finished in another process than it was
     * started in; or the child has taken its result back. */
    FORKCALL_LOST = 9,
};

/** Whether the function has run. A function that sets out to deceive can deny having run. */
enum forkcall_ran {
    /** Nothing on this system can tell. */
    FORKCALL_RAN_UNKNOWN = 0,
    /** The function has not run: a retry is safe. */
    FORKCALL_RAN_NO = 1,
    /** The first instruction of the function was reached, or the child was one step before it. */
    FORKCALL_RAN_YES = 2,
};

/** Bits of forkcall_crash.flags. */
enum forkcall_crash_flag {
    /** The address lies at the stack pointer or just below: the stack has run out. */
    FORKCALL_CRASH_STACK_OVERFLOW = 1,
    /** FORK only: the address is mapped in the host and not in the child, because the memory is
     * marked MADV_DONTFORK or was mapped since. */
    FORKCALL_CRASH_MAPPED_IN_CALLER = 2,
};

/** The largest number of frames that a crash report holds. */
#define FORKCALL_CRASH_FRAMES 32
/** The largest number of registers in it. */
#define FORKCALL_CRASH_REGISTERS 33

/** What a child could still say that was killed by SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
 * SIGSYS, SIGABRT, SIGXCPU, SIGXFSZ, SIGPIPE or SIGALRM, which children catch for this. By every
 * method, an address in a module is the address that the module has in the host; docs/outcomes.md
 * has the exceptions.
 *
 * For FORKCALL_TIMED_OUT and FORKCALL_CANCELED it says where the function was before SIGKILL:
 * program_counter, frames, thread, registers and thread_count are set, as far as the child answered
 * (it is asked by SIGURG, and has 50 ms), and signal is 0. In a host that has, or has had, other
 * threads, only thread and thread_count are: forkcall_explain reads the rest, as long as the call
 * is one of the last 4 that were ended. In any host it also tells that long where up to 8 other
 * threads of the child were (Linux). */
struct forkcall_crash {
    /** The signal; 0 where the child could say nothing, or was ended by the library. */
    int32_t signal;
    /** As in siginfo_t, see sigaction(2). macOS: 0 for all but faults, whoever sent the signal. */
    int32_t si_code;
    /** The address of the fault (s390x: of a memory access, its page); 0 where there is none. */
    uint64_t address;
    /** The instruction; 0 where not known for this processor, or where only the child has it. */
    uint64_t program_counter;
    /** Bits of enum forkcall_crash_flag. */
    uint32_t flags;
    /** The number of frames. */
    uint32_t frame_count;
    /** Return addresses, innermost first; frames[0] is program_counter. A hint and no evidence:
     * found by unwind tables on x86-64 and arm64 and where libdw is to be had, else by frame
     * pointers. */
    uint64_t frames[FORKCALL_CRASH_FRAMES];
    /** The process that sent the signal, as the child numbers it; pid itself for raise() and
     * abort(). 0: none, or the system does not tell. */
    int32_t sender_pid;
    /** The user of that process; 0 also where there is none. */
    uint32_t sender_uid;
    /** The thread that crashed, by gettid(2); pid for the function's own. 0: not known. */
    int32_t thread;
    /** How many of registers are known. */
    uint32_t register_count;
    /** The registers of the thread, by their DWARF numbers. */
    uint64_t registers[FORKCALL_CRASH_REGISTERS];
    /** How many threads the child had when it was ended for a timeout or a cancel; 0: not known. */
    uint32_t thread_count;
    uint32_t reserved_small; /**< Not used. */
    uint64_t reserved[7];    /**< For forkcall_explain. */
};

/** Bits of forkcall_report.hints: signs that a library was used on both sides of a fork, or that a
 * tool has found an error, whatever the outcome. forkcall_explain tells the cure. See
 * docs/outcomes.md. */
enum forkcall_hint {
    /** macOS: CoreFoundation's warning stands in standard_error; seen only where captured. */
    FORKCALL_HINT_COREFOUNDATION = 1,
    /** A crash in libdispatch, at the address that it leaves in a forked child for this case. */
    FORKCALL_HINT_DISPATCH = 2,
    /** A sanitizer or valgrind, under which the child ran, has probably found an error: it counts
     * one, or the child has not ended as the library ends it (wait_status). Also where the status
     * is OK: then message says so. See docs/debugging.md. */
    FORKCALL_HINT_TOOL = 4,
};

/** What the host learns of a call: a plain value, which may be copied and needs no freeing. */
struct forkcall_report {
    /** How the call has ended. */
    enum forkcall_status status;
    /** Whether the function has run, and so whether a retry is safe. */
    enum forkcall_ran ran;
    /** See enum forkcall_status; else 0. */
    int code;
    /** As waitpid(2) gives it; -1 where not known or not waited for. */
    int wait_status;
    /** The child; 0 where there was none. Do not signal it: the child has ended, or (SERVER) is
     * about to, and the number may be another process's. */
    pid_t pid;
    /** The method that was used. */
    enum forkcall_method method;
    /** FORKCALL_HAZARD_ bits at the start; FORKCALL_HAZARD_LIBRARY is looked for only if the status
     * is not OK. */
    unsigned hazards;
    /** Whether user_ns, system_ns and max_rss_bytes are known. elapsed_ns always is. */
    bool usage_known;
    /** FORKCALL_HINT_ bits. */
    uint16_t hints;
    /** From the start of the call to the end of the child. */
    uint64_t elapsed_ns;
    /** Processor time of the child and of the descendants that it has waited for, in user mode. */
    uint64_t user_ns;
    /** The same, in the kernel. */
    uint64_t system_ns;
    /** The peak of the child's memory, by FORK counted with the pages of the host, which in a large
     * host hide the rest. 0 where not known (SPAWN): see docs/outcomes.md. */
    uint64_t max_rss_bytes;
    /** The function of the call. */
    forkcall_fn *fn;
    /** For FORKCALL_SIGNALED, FORKCALL_TIMED_OUT and FORKCALL_CANCELED. */
    struct forkcall_crash crash;
    /** One line for a person, without control characters. Never empty unless the status is OK; then
     * it is, but for FORKCALL_HINT_TOOL. docs/messages.md has them all. */
    char message[256];
    /** The name of the function, if options.name gave it, without control characters; else "". */
    char name[64];
    uint64_t reserved[8]; /**< For forkcall_explain. */
};

/** Names a status. Safe in signal handlers.
 * @param status any value
 * @return "OK", "FAILED" …; "unknown" for a value that is not in the enum; never NULL */
FORKCALL_PUBLIC const char *forkcall_status_name(enum forkcall_status status);

/** Writes the whole story in a few lines: "parse_image was killed by SIGSEGV (address not mapped)
 * at 0x0 …", and the frames of a crash with function, file and line, found by libdw (elfutils);
 * then the last lines of a captured standard_error, the child's own words. The first call whose
 * child crashes has loaded libdw, by dlopen(3); docs/outcomes.md says what is told without it.
 * Thread-safe.
 * @param report    the report of a call
 * @param text,size where the story goes, cut to this size with its terminating 0; NULL for size 0
 * @return the length of the whole story, as snprintf(3) does; -EINVAL: NULL */
FORKCALL_PUBLIC int forkcall_explain(const struct forkcall_report *report, char *text, size_t size);

/* ---- 3. The call ----------------------------------------------------------------------------- */

struct forkcall_options;

/** In place of args_size: the function gets the caller's pointer itself, and this number as its
 * args_size. For FORK and INLINE, where pointers into the host stay valid. */
#define FORKCALL_BY_POINTER SIZE_MAX

/** Runs a function in a fork of the host: forkcall_run with FORKCALL_BY_POINTER, FORKCALL_FORK and
 * otherwise default options, so without a deadline. Thread-safe; not for signal handlers.
 * @param fn     the function
 * @param args   the pointer that the function gets
 * @param result gets the answer; NULL: the answer is dropped
 * @return the outcome */
FORKCALL_PUBLIC struct forkcall_report run_in_forked_process(forkcall_fn *fn, const void *args,
                                                             struct forkcall_buf *result);

/** Runs a function in a child and waits for the child's end. With timeout_ms the call returns in
 * bounded time whatever the child does: at most 1 s after SIGKILL. A child in uninterruptible sleep
 * is then reported with wait_status -1, and a later call reaps the child. No deadline ends a
 * callback, or another thread's hold on the lock of the dynamic loader (docs/limits.md).
 *
 * Errors are outcomes, see enum forkcall_status. Thread-safe; not for signal handlers. A
 * pthread_cancel(3) of the thread takes effect after the call. docs/limits.md tells how many
 * descriptors and how much stack a call needs, and what a sandbox must allow.
 * @param fn             the function
 * @param args,args_size the arguments, of which the child gets a copy that is aligned for any type
 *                       (FORK: memory of MAP_SHARED is not copied); or FORKCALL_BY_POINTER
 * @param result         gets the answer; NULL: the answer is dropped
 * @param options        NULL: the defaults
 * @return the outcome */
FORKCALL_PUBLIC struct forkcall_report forkcall_run(forkcall_fn *fn, const void *args,
                                                    size_t args_size, struct forkcall_buf *result,
                                                    const struct forkcall_options *options);

/** The decorator. With its semicolon, FORKCALL_WRAP(name, fn, args_type, result_type); defines
 * static struct forkcall_report name(const args_type *args, result_type *result), which runs
 * int fn(const args_type *, result_type *) in a child with default options, so without a deadline.
 * Both types must be complete, trivially copyable and free of pointers; C++ refuses the others, but
 * for pointers inside a type. *result changes only on FORKCALL_OK; NULL: the answer is dropped. fn
 * finds its own *result all zero. Messages name the function fn. */
#define FORKCALL_WRAP(name, fn, args_type, result_type)                                        \
    FORKCALL_WRAP_CHILD_PRIVATE(name, fn, args_type, result_type)                              \
    FORKCALL_UNUSED static inline struct forkcall_report name(const args_type *args,           \
                                                              result_type *result)             \
    {                                                                                          \
        return forkcall_run_typed_private(name##_forkcall_child, #fn, args, sizeof(args_type), \
                                          result, sizeof(result_type), NULL);                  \
    }                                                                                          \
    struct forkcall_report name(const args_type *args, result_type *result)

/** As FORKCALL_WRAP, but with a third parameter: name(args, result, options). The options are those
 * of forkcall_run: a deadline, a method, allow_env, a name in place of fn's; NULL: the defaults. */
#define FORKCALL_WRAP_WITH(name, fn, args_type, result_type)                                   \
    FORKCALL_WRAP_CHILD_PRIVATE(name, fn, args_type, result_type)                              \
    FORKCALL_UNUSED static inline struct forkcall_report name(                                 \
        const args_type *args, result_type *result, const struct forkcall_options *options)    \
    {                                                                                          \
        return forkcall_run_typed_private(name##_forkcall_child, #fn, args, sizeof(args_type), \
                                          result, sizeof(result_type), options);               \
    }                                                                                          \
    struct forkcall_report name(const args_type *args, result_type *result,                    \
                                const struct forkcall_options *options)

/** @cond private */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define FORKCALL_CHECK_TYPE_PRIVATE(type)                                                     \
    static_assert(std::is_trivially_copyable<type>::value && !std::is_pointer<type>::value && \
                      !std::is_reference<type>::value,                                        \
                  "forkcall: " #type " must be trivially copyable and no pointer")
#else
#define FORKCALL_CHECK_TYPE_PRIVATE(type) (void)sizeof(type)
#endif

/* What the child runs. */
#define FORKCALL_WRAP_CHILD_PRIVATE(name, fn, args_type, result_type)                         \
    static int name##_forkcall_child(const void *args, size_t args_size,                      \
                                     struct forkcall_buf *result)                             \
    {                                                                                         \
        result_type *value = (result_type *)forkcall_buf_extend(result, sizeof(result_type)); \
        FORKCALL_CHECK_TYPE_PRIVATE(args_type);                                               \
        FORKCALL_CHECK_TYPE_PRIVATE(result_type);                                             \
        (void)args_size;                                                                      \
        if (value == NULL)                                                                    \
            return 12; /* ENOMEM: sticks to the result in any case */                         \
        memset((void *)value, 0, sizeof *value);                                              \
        return fn((const args_type *)args, value);                                            \
    }
/** @endcond */

/* ---- 4. Inside the function, from any depth and any of its threads --------------------------- */

/** Records why the function fails, as in: return forkcall_fail(ENOENT, "no locale %s", name); What
 * the function returns decides: after a return of 0 the message is dropped. The last message
 * counts, cut at 65,535 bytes. Outside any call forkcall_fail only returns the code.
 * @param code       the code of the failure; 0 becomes EINVAL
 * @param format,... the message, as in printf(3)
 * @return code */
FORKCALL_PUBLIC int forkcall_fail(int code, const char *format, ...) FORKCALL_PRINTF(2, 3);

/** Ends the call at once as FORKCALL_FAILED. In a child no atexit handler runs. By INLINE
 * forkcall_throw is a longjmp() to the caller, and what the function has not freed leaks. Outside
 * any call, and by INLINE in another thread than the call's, forkcall_throw aborts the process.
 * @param code       the code of the failure; 0 becomes EINVAL
 * @param format,... the message, as in printf(3) */
FORKCALL_NORETURN FORKCALL_PUBLIC void forkcall_throw(int code, const char *format, ...)
    FORKCALL_PRINTF(2, 3);

/** Tells the host's progress callback, if there is one, how far the function is. message has the
 * last report if the function does not return: ", at 37 %: parsing chunk 12". Never waits: a report
 * for which the channel has no room is dropped, as is one that is not a finite number.
 * @param done,total how much is done, and how much there is, in any unit; total 0: not known
 * @param note       a text for people, cut at 255 bytes; may be NULL */
FORKCALL_PUBLIC void forkcall_progress(double done, double total, const char *note);

/** Tells whether this process is a child of this library. Safe in signal handlers.
 * @return true in a child and in its descendants by fork */
FORKCALL_PUBLIC bool forkcall_in_child(void);

/* ---- 5. Options ------------------------------------------------------------------------------ */

/** Where a standard stream of the child leads to. */
enum forkcall_stream {
    /** To where the host's leads. */
    FORKCALL_STREAM_INHERIT = 0,
    /** To /dev/null. */
    FORKCALL_STREAM_NULL = 1,
    /** To the output callback; of standard_error the last 8 KiB also to details. stdout is then
     * line-buffered, so that the whole lines of a function that crashes come, too; a function that
     * prints much may choose otherwise by setvbuf(3). */
    FORKCALL_STREAM_CAPTURE = 2,
    /** standard_error only: into the captured standard_output, in the order of writing, as 2>&1
     * does. The last 8 KiB of both go to details. */
    FORKCALL_STREAM_JOIN = 3,
};

/** Called in the host with what the function gives to forkcall_progress. done and total are finite;
 * note is never NULL. Returns 0; any other value cancels the call.
 *
 * For all callbacks: the thread that is inside forkcall_run, forkcall_wait, forkcall_wait_any,
 * forkcall_finish or forkcall_map calls them (INLINE: the thread that reports). A callback may call
 * every function of this library except those on the same call, where only forkcall_cancel is
 * allowed. A callback must return, and not end by longjmp(), an exception or forkcall_throw. What a
 * callback gets is valid until the callback returns. The deadline does not end a callback:
 * docs/limits.md. */
typedef int forkcall_progress_fn(void *user, double done, double total, const char *note);

/** Called in the host with size > 0 bytes of a captured stream as they come, not by lines. fd: 1
 * for standard_output and what joins it, 2 for standard_error. Returns 0; any other value cancels
 * the call. The rules are those of forkcall_progress_fn. */
typedef int forkcall_output_fn(void *user, int fd, const char *data, size_t size);

/** For a field of struct forkcall_limits: a limit of 0. */
#define FORKCALL_LIMIT_ZERO UINT64_MAX

/** Resource limits of the child, soft and hard, see getrlimit(2). 0: as the host's. A limit above
 * the host's own hard limit ends the call as FORKCALL_NOT_STARTED, EPERM, unless the host has
 * CAP_SYS_RESOURCE. */
struct forkcall_limits {
    /** RLIMIT_AS, counted with all that the child has of the host. The function sees ENOMEM. */
    uint64_t address_space_bytes;
    /** RLIMIT_CPU: SIGXCPU, and SIGKILL one second later. message names the limit. */
    uint64_t cpu_seconds;
    /** RLIMIT_NOFILE, the highest descriptor plus one. The function sees EMFILE. */
    uint64_t open_files;
    /** RLIMIT_FSIZE: SIGXFSZ. message names the limit. Results do not count. */
    uint64_t file_size_bytes;
    /** RLIMIT_CORE. */
    uint64_t core_bytes;
    /** RLIMIT_NPROC, of all processes of the user. The function sees EAGAIN. Does not bind root. */
    uint64_t processes;
};

/** The options of a call; all zero: the defaults. A field out of range or a contradiction ends the
 * call as FORKCALL_NOT_STARTED, EINVAL, with a message that begins with the name of the field. */
struct forkcall_options {
    /** How the child is made. */
    enum forkcall_method method;
    /** The deadline, from the start of the call, by the monotonic clock; 0: none. At the deadline
     * the child's process group gets SIGKILL, at most 50 ms later (struct forkcall_crash says why).
     * Nothing else ends a function that never ends. While gdb, lldb or rr debugs the program, the
     * deadline waits: see docs/debugging.md. */
    int timeout_ms;
    /** Not 0: at the deadline or a cancel the group gets SIGTERM (and SIGCONT), and SIGKILL this
     * much later. A function that still answers in between has answered. */
    int grace_ms;
    /** 0: none; else a descriptor plus one (so that 0 can be the default). The call is canceled
     * when the descriptor is readable, at end of file or in error (POLLHUP, POLLERR); nobody reads
     * it. A host that ends its work early (statement timeout, interrupt) makes the descriptor
     * readable: nothing else reaches a thread that is inside forkcall_run. */
    int cancel_fd_plus_one;
    /** The largest size of the result; 0: no limit. A fixed buffer is a limit of its own. */
    size_t max_result;
    /** Fork although other threads run, see forkcall_hazards. Locks that other threads hold at that
     * moment are held for ever in the child, where POSIX allows only async-signal-safe functions,
     * see fork(2): setlocale, localtime, dlopen and exit() are known to hang. Set timeout_ms. */
    bool allow_unsafe_fork;
    /** Let the environment override, read by secure_getenv(3). FORKCALL_METHOD: fork, server, spawn
     * or inline. FORKCALL_TIMEOUT=off: no timeout_ms counts, for debuggers. FORKCALL_DEBUG=1: a
     * line on stderr for each event in the life of the call (forkcall_set_trace), and every outcome
     * but OK is explained there. An empty value counts as unset. Another value of the first two
     * ends the call as FORKCALL_NOT_STARTED, EINVAL; of FORKCALL_DEBUG it does nothing. Never makes
     * an unsafe fork allowed. */
    bool allow_env;
    /** FORK: the child has only descriptors 0 to 2 and keep_fds. By SERVER and SPAWN every child
     * has only these of the host's. */
    bool close_fds;
    /** Leave the child in the host's process group: the child may read the terminal, and Ctrl-C and
     * Ctrl-Z reach the child. Only the child itself is then killed, not its descendants. */
    bool share_group;
    /** FORKCALL_STREAM_INHERIT or _NULL. */
    enum forkcall_stream standard_input;
    /** FORKCALL_STREAM_INHERIT, _NULL or _CAPTURE. */
    enum forkcall_stream standard_output;
    /** Any; FORKCALL_STREAM_JOIN only where standard_output is captured. */
    enum forkcall_stream standard_error;
    /** Resource limits of the child. */
    struct forkcall_limits limits;
    /** Gets what captured streams carry. Needed to capture standard_output; for standard_error
     * alone details is enough. Must be NULL where no stream is captured. */
    forkcall_output_fn *output;
    /** Gets what the function reports. NULL: of many reports only some are sent, so that
     * forkcall_progress costs next to nothing. */
    forkcall_progress_fn *progress;
    /** Handed to output and progress. */
    void *user;
    /** Open descriptors that the child has, too, at the same numbers, in spite of close_fds and by
     * SERVER and SPAWN; at most 65536. */
    const int *keep_fds;
    /** The number of keep_fds. */
    size_t keep_fds_count;
    /** NULL, or a buffer, not the result, that gets the whole message of the function and, where
     * standard_error is captured, its last 8 KiB: text without a terminating 0. Every call replaces
     * what the buffer held. What does not fit is left out. */
    struct forkcall_buf *details;
    /** For functions that are trusted: the function leaves its process fit for another call. By
     * SERVER such a call may then get a kept child, which has served such calls before (and only
     * such). That saves the making of a process: much where calls follow each other, little where
     * a spare is ready anyway. This is a permission, not a request: where no kept child waits the
     * child is fresh, and so it always is by the other methods, and where the C library is not
     * glibc on Linux. A call without reuse_child always has a fresh child.
     *
     * A child is kept only where the function returned (FORKCALL_OK, FORKCALL_FAILED) and the
     * process then is as it was before: one thread, no child process; the same signals caught and
     * ignored, no signal blocked or pending, the library's handlers of crashes, no interval timer;
     * the same number of descriptors, with the same files behind the first 32; root, directory,
     * process group, session, umask, users, groups, capabilities, no_new_privs, seccomp,
     * processors, memory nodes, and the limits AS, CPU, NOFILE, FSIZE, NPROC, STACK, CORE, DATA.
     * Nor is it kept where the caller's scheduling was not the server's, or the call had limits,
     * redirected or captured streams, keep_fds, share_group, more than 32 KiB of arguments, a
     * result of more than 128 KiB, or a buffer of forkcall_buf_shared. It serves at most
     * calls_per_child calls (struct forkcall_server_options).
     *
     * Not looked at, and so seen by later calls: all memory (variables, environment, locale,
     * random state, what a library keeps, unread bytes of stdin), POSIX timers, scheduling and
     * other settings of prctl(2), namespaces, keyrings and Landlock, file positions and flags of
     * descriptors. Descendants
     * whose parent has ended are not noticed: they go on, and are killed if a later call in that
     * child ends otherwise than OK or FAILED. Everything else in this header holds for such a
     * call, except: max_rss_bytes is the peak of the process, and pid the same for several calls.
     *
     * A function that is not trusted can harm later calls of the same host that set reuse_child
     * too, and no others. Where the host has given up rights for good, or has another directory or
     * other limits, its server is replaced, and kept children end with it. A change that a thread
     * can take back (seteuid, setfsuid, setgroups) does not end them: a child then serves calls of
     * different rights, one after another. Kept children end with the host, the server and
     * forkcall_server_stop. There are at most as many as the server has spares; each holds five
     * descriptors of the host's. */
    bool reuse_child;
    /** The child catches no crash: the signals have their default effect, but for handlers of
     * SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS and SIGABRT that the host itself has
     * installed, which a FORK child keeps with their alternate stack. The report has the signal,
     * and crash is all 0. For functions with a crash reporter of their own (breakpad, crashpad),
     * for a core file that shows a signal where it was raised, or where a handler that sends parts
     * of the stack to the host is not wanted. */
    bool no_crash_capture;
    uint8_t reserved_small[6]; /**< Must be 0. */
    /** The name of the function, for explanations, or NULL: then the name is looked up, which a
     * stripped program does not have. Copied at the start of the call, cut at 63 bytes. */
    const char *name;
    uint64_t reserved[6]; /**< Must be 0. */
};

/** @cond private */
/* For FORKCALL_WRAP and FORKCALL_WRAP_WITH. */
FORKCALL_UNUSED static inline struct forkcall_report
forkcall_run_typed_private(forkcall_fn *fn, const char *name, const void *args, size_t args_size,
                           void *result, size_t result_size, const struct forkcall_options *options)
{
    static const char other_size[] = "the child sent a result of another size than its type has";
    struct forkcall_buf answer = FORKCALL_BUF_INIT;
    struct forkcall_options named;
    struct forkcall_report report;
    memset(&named, 0, sizeof named);
    if (options != NULL)
        named = *options;
    if (named.name == NULL)
        named.name = name;
    report = forkcall_run(fn, args, args_size, &answer, &named);
    if (report.status == FORKCALL_OK && answer.size != result_size) {
        report.status = FORKCALL_LOST; /* only a child that sets out to deceive does so */
        memcpy(report.message, other_size, sizeof other_size);
    } else if (report.status == FORKCALL_OK && result != NULL) {
        memcpy(result, answer.data, result_size);
    }
    forkcall_buf_free(&answer);
    return report;
}
/** @endcond */

/* ---- 6. Calls that are safe anywhere --------------------------------------------------------- */

/** Lets the library start instances of this program, for SERVER and SPAWN, and makes SERVER (macOS:
 * SPAWN) what AUTO means. Call it first thing in main(). In an instance forkcall_init serves calls
 * and never returns; elsewhere it returns within microseconds.
 *
 * main() must reach forkcall_init whatever its arguments are: an instance gets argv[0] and no
 * other, because the program's own would act again in the instance. After
 * "if (argc > 1) forkcall_init();" every SERVER and SPAWN call ends as FORKCALL_NOT_STARTED.
 * Constructors run in an instance, too; one that makes a call or a map or starts a server ends the
 * instance.
 *
 * A function of a library or plugin runs in an instance from the very file that the host has
 * loaded; all other libraries are those on disk when the instance is started. docs/limits.md tells
 * what that means for upgrades, where no instance can be started, and what an instance needs.
 *
 * Does nothing in a program with more rights than its user (set-user-id, file capabilities).
 * Thread-safe; once is enough. */
FORKCALL_PUBLIC void forkcall_init(void);

/** For a plugin, or any code whose program does not call forkcall_init() (a Python module, a JNI
 * library): lets the library start forkcall-helper, a small installed program, in place of
 * instances of this program, and makes SERVER (macOS: SPAWN) what AUTO means. Does nothing where
 * the program itself has called forkcall_init(), because its instances can do more.
 *
 * A function then runs in a process that has nothing of this program but the environment, the
 * arguments and descriptors 0 to 2. The function must lie in a shared library or plugin, which the
 * process loads by its path with the libraries that it names. FORKCALL_NOT_STARTED says so where
 * the function lies in the program itself (ENOTSUP), or its module needs symbols of the program.
 * The module is loaded for each call, when the call has come (unless load_early is set in struct
 * forkcall_server_options, or prepare lies in the module, too, and so has loaded it once). This
 * process must use libforkcall as a shared library: the helper's.
 *
 * The helper is trusted with all that this process may do. So neither the helper nor a directory on
 * its path may belong to another user than root and the real one (if that is the effective one,
 * too), or be writable for others or a group; the file is looked at again before each start. A
 * process has one helper: another path than before stops the server. Thread-safe.
 * @param path absolute; NULL: the helper that is installed with the library
 * @return 0. -EINVAL: no absolute path, or no regular file. -EACCES: others may change the file, or
 *         this user may not execute it. -EPERM: the program has more rights than its user.
 *         -ENOEXEC: this process was itself started by a file that was used as a helper. -ENOENT
 *         and others of lstat(2); -ENOMEM */
FORKCALL_PUBLIC int forkcall_use_helper(const char *path);

/** The server: an instance that keeps spares ready. All zero: the defaults. A host has one server,
 * which costs two descriptors, leads a process group of its own and ends with the host, and at
 * exec. A fork of the host starts its own server. Descriptors 0 to 2 of the host stay open as long
 * as the server lives.
 *
 * A function never has more rights than the thread that called: what a thread has given up since
 * the server was started, no child of a later call has (unless fixed_identity is set). The
 * environment is that of the server's start; forkcall_server_stop refreshes it.
 * docs/what-the-function-sees.md tells what is compared, docs/limits.md how long a call waits
 * for a server that does not answer. */
struct forkcall_server_options {
    /** How many spares are kept ready, and besides how many kept children there may be; at most
     * 200; 0: 2. */
    uint32_t spares;
    /** How long forkcall_server_start may take; 0: as long as prepare takes, which may be for ever.
     * A call that starts the server waits for prepare until the call's deadline or cancel. */
    int timeout_ms;
    /** Runs once in the server, before the first call: every child has what prepare has left in
     * memory (a table, a warm library). The result of prepare is dropped. After any other code than
     * 0 the server does not serve; forkcall_fail says why. Where children are exec'ed (see
     * exec_spares) prepare runs in each of them. NULL: nothing to prepare. */
    forkcall_fn *prepare;
    /** Copied for prepare; NULL where prepare is. */
    const void *prepare_args;
    /** The size of prepare_args; at most 32 KiB. */
    size_t prepare_args_size;
    /** The server does not fork its children: each is exec'ed as a new instance. Always so on
     * macOS, and where the server has threads (of a constructor, or of prepare), because threads do
     * not survive a fork. */
    bool exec_spares;
    /** A promise of the program: from the start of the server on, no thread of it, and no other
     * process, changes what a call else compares with the server each time: users, groups and
     * capabilities, sandboxes and namespaces, root, directory and umask, resource limits, session,
     * and the files behind descriptors 0 to 2. Then nothing is compared, which makes a call to a
     * child that waits some 10 µs cheaper. **A program that breaks the promise is not told**: its
     * calls run with what the server had at its start, so also with rights that the program has
     * given up since. Not for a program that drops privileges after the start of the server, or
     * whose threads differ in any of this. false: what was given up stays given up. */
    bool fixed_identity;
    /** A child that has served calls with reuse_child is ended once its resident memory has
     * grown by more than this since its first call. 0: no bound but calls_per_child. */
    uint64_t child_memory_bytes;
    /** How many calls with reuse_child one child serves at most; 0: 1,000; 1: none is used
     * again. */
    uint32_t calls_per_child;
    /** Speed for modules whose constructors do nothing but set up their own memory. While calls are
     * for functions of one plugin or library that the server has not loaded (with the helper: of
     * any), spares load it before the next call comes, which saves more than half of the call's
     * time. **Its constructors then run before the call, in a process that waits, perhaps for
     * hours, and more often than there are calls**: a lock that they take is held meanwhile, so
     * that others wait for it as long, or the function of another call does not get it; a file, a
     * clock or an environment that they read is old when the function runs; threads, timers and
     * processes that they start run on meanwhile. No spare runs functions of another module than it
     * has loaded. Where spares are exec'ed they load nothing early. false: a module is loaded once
     * its call has come. */
    bool load_early;
    uint8_t reserved_small[3]; /**< Must be 0. */
    uint64_t reserved[6];      /**< Must be 0. */
};

/** Starts the server now rather than at the first call that needs one. A server that is started
 * again (after forkcall_server_stop, or because it was killed or has what the host has given up)
 * has the options of the last start. Thread-safe; not for signal handlers.
 * @param options NULL: the defaults
 * @return 0. -EINVAL: spares above 200, timeout_ms below 0, prepare_args_size above 32 KiB,
 *         prepare_args without prepare, prepare_args_size without prepare_args, or a reserved field
 *         that is not 0. -ENOTSUP: neither forkcall_init() nor forkcall_use_helper(); or prepare
 *         lies in this program, which the helper does not have. -EALREADY: there is a server, or a
 *         thread starts one. -ECANCELED: prepare failed. -ECONNRESET: prepare has ended the server.
 *         -ETIMEDOUT: the server is given up; the next call that needs one starts another with the
 *         same options (until a later start has others), and so runs prepare again. -EPERM: the
 *         program is set-user-id or would be, or the server would have more rights than the calling
 *         thread. -ENOEXEC: the instance did not come to forkcall_init(). -ESTALE: libforkcall's
 *         file, or prepare's, was replaced: restart the program. -ENOENT, -EXDEV, -ENAMETOOLONG: an
 *         instance cannot find prepare, or the executable is gone. -EAGAIN: a limit on processes.
 *         -ENOMEM, -EMFILE, -ENFILE: no memory, no descriptor left */
FORKCALL_PUBLIC int forkcall_server_start(const struct forkcall_server_options *options);

/** Ends the server and its spares; calls that run go on, and the server ends with the last of them.
 * A suspended server (SIGSTOP) is continued, so that it can end; one that does not end within a
 * second is killed. The next call that needs a server starts one. Thread-safe; not for signal
 * handlers.
 * @return 0, also where there is no server */
FORKCALL_PUBLIC int forkcall_server_stop(void);

/** Bits of forkcall_hazards() and of forkcall_report.hazards. */
enum forkcall_hazard {
    /** Other threads run here (macOS, FreeBSD: or have run). Not set where nothing can tell. */
    FORKCALL_HAZARD_THREADS = 1,
    /** macOS: this process is a fork child that has not exec'ed. */
    FORKCALL_HAZARD_FORKED = 2,
    /** A library is loaded that is known not to survive a fork once it was used: a hint (loaded is
     * not used), and never a reason to refuse. */
    FORKCALL_HAZARD_LIBRARY = 4,
};
/** The bits for which AUTO and FORK refuse, unless allow_unsafe_fork is set. */
#define FORKCALL_HAZARDS_REFUSE \
    ((unsigned)FORKCALL_HAZARD_THREADS | (unsigned)FORKCALL_HAZARD_FORKED)

/** Tells what makes a plain fork unsafe in this process right now. Takes about 1 µs, and the lock
 * of the dynamic loader. Thread-safe; not for signal handlers.
 * @return bits of enum forkcall_hazard */
FORKCALL_PUBLIC unsigned forkcall_hazards(void);

/* ---- 7. Several calls at once, or inside an event loop --------------------------------------- */

/** A call that was started. One thread at a time may use a call; forkcall_cancel may come from any
 * thread, but not during forkcall_finish. result and what options points to stay the caller's, must
 * live until forkcall_finish and are not touched before. options itself and args may be reused at
 * once. The deadline acts inside forkcall_wait, forkcall_wait_any and forkcall_finish, and makes
 * the descriptor of forkcall_fd readable.
 *
 * Every call must be finished, in the process that started it. A fork child of the host may only
 * finish the call, to free the memory (FORKCALL_LOST). A host that closes all descriptors
 * (closefrom(3)) loses its calls: docs/limits.md. */
struct forkcall_call;

/** Starts a call. SERVER may have to wait for the server to start or to make a child, not longer
 * than timeout_ms; INLINE runs the function. The call uses one descriptor more than forkcall_run,
 * and two more from forkcall_fd on. Thread-safe; not for signal handlers.
 * @param call                             gets the call
 * @param fn,args,args_size,result,options as in forkcall_run
 * @return 0: *call must be finished, and its report tells every problem, bad options too. -EINVAL:
 *         call is NULL. -ENOMEM: no memory for the call */
FORKCALL_PUBLIC int forkcall_start(struct forkcall_call **call, forkcall_fn *fn, const void *args,
                                   size_t args_size, struct forkcall_buf *result,
                                   const struct forkcall_options *options);

/** Gives a descriptor to poll for POLLIN, the same each time, which forkcall_finish closes. When it
 * is readable, call forkcall_wait with timeout 0, which delivers progress and output and tells
 * whether the call is done; then it stays readable. Do not read it.
 * @param call the call
 * @return the descriptor. -ENOTSUP: this system has neither epoll nor kqueue; use forkcall_wait
 *         with a timeout. -EMFILE, -ENFILE, -ENOMEM: try again later. -EPERM: started in another
 *         process. -EINVAL: NULL */
FORKCALL_PUBLIC int forkcall_fd(struct forkcall_call *call);

/** Waits for the end of a call, and delivers its progress and output meanwhile.
 * @param call       the call
 * @param timeout_ms how long at most; -1: for ever
 * @return 1: done; 0: not yet. -EINVAL: NULL, or timeout_ms below -1. -EPERM: started in another
 *         process */
FORKCALL_PUBLIC int forkcall_wait(struct forkcall_call *call, int timeout_ms);

/** Waits until one of several calls is done, and moves all of them on meanwhile: delivers their
 * progress and output, and acts at their deadlines. Works on every system, by every method, and
 * needs no descriptor of forkcall_fd. Finish the call that is done, and put NULL or another call in
 * its place; else the next forkcall_wait_any tells the same index. Of several that are done, the
 * one that was done first is told. Like forkcall_wait, signals do not interrupt it. A callback of
 * one of the calls may only cancel them all: not wait for any of them, and not finish any.
 * @param calls,count the calls, which no other thread uses meanwhile; NULL elements are left out
 * @param timeout_ms  how long at most; 0: only look; -1: for ever
 * @return the index of a call that is done. -ETIMEDOUT: none yet. -ECHILD: there is no call: count
 *         is 0, or all elements are NULL. -EINVAL: calls is NULL, count above INT_MAX, or
 *         timeout_ms below -1. -EPERM: one was started in another process. -ENOMEM: no memory, for
 *         more than 8 elements */
FORKCALL_PUBLIC int forkcall_wait_any(struct forkcall_call *const *calls, size_t count,
                                      int timeout_ms);

/** Asks for the call to end as FORKCALL_CANCELED, with the grace of its options. The thread that
 * waits carries the cancel out, or the next forkcall_wait, forkcall_wait_any or forkcall_finish.
 * Has no effect on a call that is done or canceled. Safe in signal handlers.
 * @param call the call
 * @return 0. -EINVAL: NULL. -EPERM: started in another process */
FORKCALL_PUBLIC int forkcall_cancel(struct forkcall_call *call);

/** Waits for the end of a call, frees the call and gives its report.
 * @param call the call; NULL gives FORKCALL_NOT_STARTED, EINVAL
 * @return the outcome */
FORKCALL_PUBLIC struct forkcall_report forkcall_finish(struct forkcall_call *call);

/* ---- 8. One function over many items --------------------------------------------------------- */

/** Called when an item of a map has ended and its report is final, once for each item that was
 * tried; done of count items have ended. The rules are those of forkcall_progress_fn. A value other
 * than 0 cancels the map, and no callback of the map is called any more. */
typedef int forkcall_map_done_fn(void *user, size_t index, const struct forkcall_report *report,
                                 size_t done, size_t count);
/** As forkcall_progress_fn, with the index of the item. A value other than 0 cancels the map. */
typedef int forkcall_map_progress_fn(void *user, size_t index, double done, double total,
                                     const char *note);
/** As forkcall_output_fn, with the index of the item. A value other than 0 cancels the map. */
typedef int forkcall_map_output_fn(void *user, size_t index, int fd, const char *data, size_t size);

/** The options of a map; all zero: the defaults. */
struct forkcall_map_options {
    /** Of every item's call: timeout_ms, for example, is each item's own. cancel_fd_plus_one
     * cancels the map. output, progress, user and details must be NULL: the map has its own. */
    struct forkcall_options call;
    /** How many items run at once; at most 65536. 0: as many as the processors that this process
     * may use, by affinity and, rounded up, by the CPU quota of its control groups (a container's
     * limit). */
    size_t processes;
    /** The first outcome but OK cancels the items that run, with the grace of call, and starts no
     * more. */
    bool stop_at_failure;
    /** Hears of each item that has ended; or NULL. */
    forkcall_map_done_fn *item_done;
    /** Gets what functions report; or NULL. */
    forkcall_map_progress_fn *progress;
    /** Gets what is captured; or NULL. */
    forkcall_map_output_fn *output;
    /** Handed to item_done, progress and output. */
    void *user;
    /** NULL, or count buffers of the caller's: details of each item. */
    struct forkcall_buf *details;
    /** How many items a process runs at most, one after another; 0 or 1: a process for each item.
     * With more, an item costs a fraction of a microsecond, and finds what the items before it have
     * left behind in their process: memory, variables, descriptors, handlers, threads. Else all is
     * as with a process for each item, but for this:
     *  - The function sees the host (FORK: its memory) as it was when the process was made. Limits
     *    are those of the process. By SERVER and SPAWN atexit() handlers run once, when the process
     *    has no more items; by FORK, and where an item ends its process, never. They concern no
     *    item.
     *  - Whatever ends the process ends the item that is at work, whose report tells the end, and
     *    no other: those that have ended keep their results, the others run in a new process. So
     *    forkcall_throw, exit(), a crash or a timeout costs a new process.
     *  - A process is given several items ahead, more of them the shorter they are, and these are
     *    given to others that have nothing to do. So items are begun in their order only as far as
     *    one process runs them, and item_done may come some 10 ms after the end.
     *  - With a captured stream each process is given one item at a time, because only so it is
     *    known which item has written what: some 50 µs an item.
     *  - Reports: elapsed_ns is what the process says; of an item that ended its process it is
     *    right to 1 ms. pid is that of the process. wait_status is -1 and usage_known false, but
     *    for an item that ended its process; the map's report has the usage of all. The start of a
     *    process counts towards the timeout_ms of its first item.
     *  - call.reuse_child has no effect. Results are copied, also those for a buffer of
     *    forkcall_buf_shared.
     * Where no memory can be shared with a process, each item has its own. By INLINE it has no
     * effect. docs/performance.md tells what is gained. */
    uint64_t items_per_child;
    uint64_t reserved[7]; /**< Must be 0. */
};

/** Runs a function on each of count items, some at once, each in a process of its own unless
 * items_per_child is set, and waits for all. Each item runs at most once. Items are begun in their
 * order (with items_per_child: see there); INLINE runs them one after another. An item that finds
 * no room (EMFILE, ENFILE, EAGAIN, ENOMEM) while others run is tried again when one of them has
 * ended; so fewer than processes may run. An item that was not tried, because the map was stopped
 * or canceled, is reported as FORKCALL_NOT_STARTED, ECANCELED. Descriptors: for each process those
 * of forkcall_start. Thread-safe; not for signal handlers.
 * @param fn              the function
 * @param items,item_size item i is the item_size bytes at (char *)items + i * item_size; NULL is
 *                        allowed for size 0. With FORKCALL_BY_POINTER items is an array of count
 *                        pointers, each of which is handed over itself
 * @param count           how many items there are
 * @param results,reports arrays of count elements, for item i at index i; either may be NULL
 * @param options         NULL: the defaults
 * @return OK: every item ended so, or there was none. CANCELED: a callback or the descriptor has
 *         canceled the map. NOT_STARTED with a message that begins with the name of an argument or
 *         field (EINVAL) or with "memory for the map" (ENOMEM): nothing was done or changed. Else
 *         the outcome of the item that was the first, in time, not to end as OK; message ends with
 *         its index. docs/outcomes.md tells the other fields */
FORKCALL_PUBLIC struct forkcall_report forkcall_map(forkcall_fn *fn, const void *items,
                                                    size_t item_size, size_t count,
                                                    struct forkcall_buf *results,
                                                    struct forkcall_report *reports,
                                                    const struct forkcall_map_options *options);

/* ---- 9. Watching calls ----------------------------------------------------------------------- */

/** The events in the life of a call, in their order. START and END come once for each call, also
 * for one that could not start; the others at most once, and only as far as the host has seen
 * them. */
enum forkcall_trace_event {
    /** The call begins, and its method is chosen. */
    FORKCALL_TRACE_START = 1,
    /** The call has a child, which was told to begin. Not by INLINE. */
    FORKCALL_TRACE_READY = 2,
    /** The child has said that it is one step before the function. */
    FORKCALL_TRACE_RUNNING = 3,
    /** The child has said how the function has ended. Not after a crash, a timeout, or _exit(). */
    FORKCALL_TRACE_RESULT = 4,
    /** The outcome stands: at the end of forkcall_run or forkcall_finish. */
    FORKCALL_TRACE_END = 5,
};

/** An event of a call. */
struct forkcall_trace {
    /** What has happened. Later versions may have other events. */
    enum forkcall_trace_event event;
    /** The method of the call. By SERVER, SPAWN is used for a thread that has other rights than the
     * server, from READY on. */
    enum forkcall_method method;
    /** The number of the call in this process, from 1. */
    uint64_t call;
    /** When the host has seen the event, by CLOCK_MONOTONIC. */
    uint64_t time_ns;
    /** The time of START. */
    uint64_t start_ns;
    /** The child; 0 before READY, and where there is none. */
    pid_t pid;
    uint32_t reserved_small; /**< Not used. */
    /** The function of the call. */
    forkcall_fn *fn;
    /** As options.name gave it, cut at 63 bytes; else "". */
    const char *name;
    /** With END the outcome; else NULL. */
    const struct forkcall_report *report;
    uint64_t reserved[8]; /**< Not used. */
};

/** Called for each event, in the thread that is inside forkcall_run, forkcall_start, forkcall_wait,
 * forkcall_wait_any, forkcall_finish or forkcall_map. The rules are those of forkcall_progress_fn:
 * it may make calls, which are not traced themselves, and must return. What trace points to is
 * valid until then. */
typedef void forkcall_trace_fn(void *user, const struct forkcall_trace *trace);

/** Has a function called for each event of all calls that this process starts from now on, in all
 * threads. There is one fn in a process: another one replaces it, also where other code has set it.
 * Of calls that run already, and were told to an earlier fn, nobody hears any more. A map
 * with items_per_child makes a call for each process that serves items; else each item is a call.
 * Forks of the process, children too, are not traced until they call this themselves. Without an
 * fn a call costs one look at a variable more; with one the child writes one message more.
 * docs/tracing.md tells of probes for bpftrace and perf.
 *
 * When forkcall_set_trace returns, no earlier fn runs or will run, and its user may be freed; so it
 * waits for those that run. Hold no lock here that fn takes: each would wait for the other.
 * Within fn itself it does not wait: fn may go on in other threads then.
 * Leaves errno as it was. Thread-safe; not for signal handlers.
 * @param fn   the function; NULL: none
 * @param user handed to fn */
FORKCALL_PUBLIC void forkcall_set_trace(forkcall_trace_fn *fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
