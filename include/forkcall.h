/* libforkcall: run a C function in another process and bring its result back.
 *
 *     static int answer(const void *args, size_t args_size, struct forkcall_buf *result)
 *     {
 *         const int n = *(const int *)args * 2;
 *         (void)args_size;
 *         return forkcall_buf_append(result, &n, sizeof n);
 *     }
 *
 *     int n = 21;
 *     struct forkcall_buf result = FORKCALL_BUF_INIT;
 *     struct forkcall_report report = forkcall_run(answer, &n, sizeof n, &result, NULL);
 *     if (report.status == FORKCALL_OK)
 *         printf("%d\n", *(int *)result.data);
 *     else
 *         fprintf(stderr, "%s\n", report.message);
 *     forkcall_buf_free(&result);
 *
 * Whatever the function does (returns, exits, crashes, hangs), the call ends in exactly one of the outcomes of
 * enum forkcall_status, and the caller's process is as it was.
 *
 * Conventions. Functions that return int return 0 or a negative errno, unless they say otherwise.
 * Sizes are in bytes. A struct that is all zero is a good default. Functions are thread-safe on
 * different objects; what one object allows is said beside it. Calls leave errno as it was. No
 * function here installs a signal handler, changes a disposition, starts a thread or leaves a child
 * in the calling process (but for what struct forkcall_server_options says of PID 1 and subreapers,
 * and forkcall_run of uninterruptible sleep).
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
extern "C" {
#endif

#define FORKCALL_VERSION_MAJOR 0
#define FORKCALL_VERSION_MINOR 1
#define FORKCALL_VERSION_PATCH 0
/* Comparable: (major * 1000 + minor) * 1000 + patch. */
#define FORKCALL_VERSION 1000

#if defined(__GNUC__) || defined(__clang__)
#define FORKCALL_PUBLIC __attribute__((visibility("default")))
#define FORKCALL_NORETURN __attribute__((noreturn))
#define FORKCALL_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define FORKCALL_UNUSED __attribute__((unused))
#else
#define FORKCALL_PUBLIC
#define FORKCALL_NORETURN
#define FORKCALL_PRINTF(format_index, first_index)
#define FORKCALL_UNUSED
#endif

/* The version of the library that is linked, in the form of FORKCALL_VERSION. */
FORKCALL_PUBLIC int forkcall_version(void);

/* ---- Result bytes -------------------------------------------------------------------------------------------- */

/* Bytes that grow. data and size may be read; the rest is private. data is aligned for any type while size > 0.
 *
 * As the result of a call: the call replaces what was there. Unless the outcome is FORKCALL_OK, size is 0 afterwards
 * (and the storage of a fixed buffer is indeterminate); after bad options all is as before.
 *
 * Free only with forkcall_buf_free; do not copy the struct while it is in use. One thread at a time. */
struct forkcall_buf {
    void *data;
    size_t size;
    size_t capacity_private;
    size_t limit_private;
    uint32_t kind_private;
    int32_t error_private;
    uint64_t reserved[8];
};
/* An empty buffer that owns no memory yet. */
#define FORKCALL_BUF_INIT          \
    {                              \
        NULL, 0, 0, 0, 0, 0,       \
        {                          \
            0, 0, 0, 0, 0, 0, 0, 0 \
        }                          \
    }

/* An empty buffer over the caller's own storage: the answer goes into my variable. It never allocates; an answer of
 * more than capacity bytes ends the call as FORKCALL_TOO_BIG. forkcall_buf_free does not touch the storage. */
FORKCALL_PUBLIC struct forkcall_buf forkcall_buf_fixed(void *storage, size_t capacity);

/* Appends a copy of size bytes. data may be NULL where size is 0; data must not lie inside the buffer.
 * -ENOMEM: no memory. -EFBIG: more than the fixed storage, or the call's max_result, allows. -EINVAL: NULL arguments.
 * After any of these the buffer holds what it held before. Inside a call -ENOMEM and -EFBIG also stick to the result: a
 * function that returns 0 all the same does not end as FORKCALL_OK (forkcall_buf_truncate forgives it). */
FORKCALL_PUBLIC int forkcall_buf_append(struct forkcall_buf *buf, const void *data, size_t size);

/* Makes the buffer size bytes longer and returns the place of the new bytes, which are indeterminate, to be filled in
 * place: inside a call, a large result written there reaches the caller without a copy. NULL: as the errors of
 * forkcall_buf_append. Growth moves data: earlier pointers into it are void. */
FORKCALL_PUBLIC void *forkcall_buf_extend(struct forkcall_buf *buf, size_t size);

/* Makes the buffer shorter and forgives an earlier failure to make it longer. -EINVAL: size is more than buf->size. */
FORKCALL_PUBLIC int forkcall_buf_truncate(struct forkcall_buf *buf, size_t size);

/* Gives the memory back; the buffer is empty and may be used again. NULL is allowed. */
FORKCALL_PUBLIC void forkcall_buf_free(struct forkcall_buf *buf);

/* ---- The function -------------------------------------------------------------------------------------------- */

/* The function to run: reads args, writes its answer to result, returns 0, or a non-zero code of its own for failure.
 * It may be called directly as well, in this process: fn(args, args_size, &result). result is never NULL in a call.
 *
 * What it finds in a FORK child: the caller's memory as it was at the call; one thread, its own; the caller's
 * descriptors (but see close_fds) and standard streams, whose unwritten bytes are the caller's and
 * stay so (but fflush(NULL) in the function writes those of the caller's other streams, too, and
 * the caller writes them again); no signal blocked, every handler of the caller's set back to the
 * default, ignored signals still ignored but for SIGCHLD, which is at its default, so that
 * system(3), pclose(3) and waitpid(2) work; a process group of its own, in the background of the
 * terminal: reading the terminal gives EIO and SIGTTOU is ignored (but see share_group); thread
 * cancellation disabled, as pthread_setcancelstate(3) does it.
 *
 * What it finds in a SERVER or SPAWN child: nothing of the caller's memory but args; the program's
 * variables as they were at forkcall_init() (SERVER: as prepare has left them); of the caller's
 * descriptors 0 to 2 (captured or null where the options say so) and keep_fds, at their numbers;
 * every signal at its default and none blocked; thread cancellation enabled; process group and
 * terminal as above. SPAWN: the caller's environment, directory, umask, limits and credentials of
 * the moment. SERVER: the same but for the environment, which is that of the server's start
 * (forkcall_server_stop refreshes it); see struct forkcall_server_options.
 *
 * In every child this library itself catches SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS and
 * SIGABRT, for the report of a crash (FORK: but those that the caller ignores). With close_fds, and
 * by SERVER and SPAWN, two or three descriptors of this library's own are open besides,
 * close-on-exec.
 *
 * How it may end: by return, forkcall_throw, exit(), _exit(), quick_exit(), pthread_exit(), a signal. None of these
 * lets it run the caller's code, the caller's atexit handlers, or flush the caller's streams; what it wrote itself to
 * stdout and stderr is flushed at return, throw and exit(). A C++ exception that leaves it ends in std::terminate.
 * longjmp() to a frame of the caller is undefined (it is told where the escaped child next calls this library or
 * exit()). What cannot be kept from running at exit() under glibc: destructors of the calling
 * thread's own C++ thread_local objects. Where the status of exit() is not known (see
 * FORKCALL_EXITED), a process that the function itself has forked ends with status 1 at exit();
 * _exit() is told right everywhere.
 *
 * What runs at its return in a SERVER or SPAWN child: the handlers of atexit() that it, or a library
 * that it calls, has registered, the last first, and so the destructors of the C++ static objects
 * that it has made; but none that the program or prepare has registered before. The caller hears of
 * the return when they are through, so the deadline holds for them, and where one crashes, exits or
 * calls forkcall_throw, the call ends so. In a FORK child (where another thread of the caller may
 * have held the C library's lock), at forkcall_throw, and in a process that the function has forked
 * none runs at return. Never run then: handlers of on_exit(), destructors of C++ thread_local
 * objects and of libraries. What only these would clean up outside the process (LLVM's OpenMP: a
 * file in /dev/shm) is left, unless the function does it itself (omp_pause_resource_all).
 *
 * It may confine itself, by seccomp(2) or what other systems have. To tell the caller how it ended
 * then takes read(2), write(2) and exit_group(2) alone, and munmap(2) where the result is larger
 * than 128 KiB; forkcall_fail and forkcall_throw need no other. Without more, usage_known is false
 * by SERVER. While it runs: to make a result larger than 128 KiB takes getrlimit(2), ftruncate(2),
 * mmap(2), munmap(2) and madvise(2) (so make it first, and fill it after); forkcall_progress takes
 * getpid(2), poll(2) and fcntl(2), and so does the report of a crash (where limits.open_files is
 * 0: select(2), too); text that is left in stdout takes what the C library needs to write it.
 *
 * It is killed when the caller dies (Linux, FreeBSD; macOS: by a handler of SIGIO, which the
 * function must not take), unless it execs or closes every descriptor (SERVER: and changes its user
 * as well; where there is no /proc, changing its user is enough). A child of a process without
 * root's rights that changes its user all the same (CAP_SETUID) may go on, too. Threads that it
 * started end with its return. Processes that it started go on after FORKCALL_OK and
 * FORKCALL_FAILED and are killed on any other outcome, as far as they are in its process group (but
 * see share_group). A descendant that left the group is not followed. Where the caller is PID 1 or
 * a subreaper (PR_SET_CHILD_SUBREAPER, see prctl(2)), processes that the function started become
 * the caller's children when their parent ends (SERVER: the server's, as long as it lives). What
 * is killed with the call, and what the library itself starts, the library reaps, but for what
 * takes longer than 0.1 s to end after SIGKILL. What goes on, has left the group, or has ended
 * unwaited before FORKCALL_OK and FORKCALL_FAILED the caller reaps, as it must any orphan.
 *
 * What it changes in its own memory and settings stays in the child. What it shares with the caller
 * does not: the file position, O_NONBLOCK and O_APPEND of an inherited descriptor (they are the
 * open file's, see open(2)), the state of a terminal (one left in raw mode stays so), files, shared
 * memory. Where the caller's standard output is O_NONBLOCK, what the function prints is lost once
 * it is full: write(2) gives EAGAIN, and stdio drops it.
 *
 * Random numbers: by FORK every child has the generator as the caller has it at the call, by SERVER
 * and SPAWN as it was at forkcall_init() (or as prepare has left it): rand() gives the same in all
 * items of a map. Seed by the item, as examples/map.c shows, or use arc4random(3) or
 * getrandom(2). */
typedef int forkcall_fn(const void *args, size_t args_size, struct forkcall_buf *result);

/* In place of args_size: hand over the pointer itself; the function gets the same pointer and the same
 * args_size. For FORK and INLINE, where pointers into the caller stay valid. */
#define FORKCALL_BY_POINTER SIZE_MAX

/* Inside the function, from any depth and any of its threads.
 *
 * Under INLINE, another thread than the one that the call runs in is taken for the function's while
 * only one thread of the process is in an INLINE call. Where several are, nobody can tell whose
 * call is meant: forkcall_fail then only returns the code, and forkcall_progress does nothing. The
 * progress callback runs in the thread that reports (one at a time), and if it cancels, the
 * function ends where its own thread next comes to forkcall_progress, or returns. */

/* Records a message and returns code (EINVAL where code is 0): return forkcall_fail(ENOENT, "no locale %s", name);
 * What the function returns decides: after forkcall_fail, returning 0 is success and the message is dropped. The last
 * message counts. It is cut at 32,767 bytes. Called outside any call it does nothing but return the
 * code. */
FORKCALL_PUBLIC int forkcall_fail(int code, const char *format, ...) FORKCALL_PRINTF(2, 3);

/* Ends the call at once as FORKCALL_FAILED with code (EINVAL where code is 0) and message. In a child no handler of
 * atexit() runs; under INLINE it is a longjmp() to the caller, and what the function had not yet freed leaks.
 * Called outside any call (under INLINE: from a thread that the call does not run in) it aborts. */
FORKCALL_NORETURN FORKCALL_PUBLIC void forkcall_throw(int code, const char *format, ...) FORKCALL_PRINTF(2, 3);

/* Tells the caller's progress callback, if it has one. done and total are in any unit; total 0: not known; note may be
 * NULL and is cut at 255 bytes. Never waits: a report for which the channel has no room is dropped, and so is one that
 * is not a finite number. */
FORKCALL_PUBLIC void forkcall_progress(double done, double total, const char *note);

/* True in a child of this library and in its descendants by fork. */
FORKCALL_PUBLIC bool forkcall_in_child(void);

/* ---- Options ------------------------------------------------------------------------------------------------- */

enum forkcall_method {
    FORKCALL_AUTO = 0, /* where the program has called forkcall_init(): SERVER (on macOS: SPAWN), but FORK with
                            FORKCALL_BY_POINTER and in a child of this library. Else FORK */
    FORKCALL_FORK = 1, /* fork() of the caller: the function sees the caller's memory. Refused (FORKCALL_UNSAFE) where
                            that is not safe, see forkcall_hazards. Costs more the more memory the caller has */
    FORKCALL_SERVER =
        2, /* a child that a clean copy of this program has made ahead: safe in any process, and the cost does
                            not depend on it. Needs forkcall_init(). See struct forkcall_server_options */
    FORKCALL_SPAWN = 3,  /* a fresh copy of this program by posix_spawn(3), for each call. Needs forkcall_init() */
    FORKCALL_INLINE = 4, /* a direct call in this process, for debuggers and coverage: result, code,
                            message, progress, max_result and details work as in a child; exit(), a
                            crash and a hang are then the caller's own. The other options are
                            checked and have no effect. */
};

enum forkcall_stream {
    FORKCALL_STREAM_INHERIT = 0, /* the caller's */
    FORKCALL_STREAM_NULL = 1,    /* /dev/null */
    FORKCALL_STREAM_CAPTURE = 2, /* standard_output and standard_error: to the output callback, and
                                    for standard_error the last 8 KiB to details. stdout is
                                    line-buffered then, as on a terminal, so that whole lines that
                                    the function printed come even if it crashes or is killed; where
                                    it prints much it may choose otherwise by setvbuf(3) */
    FORKCALL_STREAM_JOIN = 3,    /* standard_error alone: into the captured standard_output, in the
                                    order of writing (2>&1); the last 8 KiB of both go to details */
};

/* Called in the caller's process, by the thread that is inside forkcall_run, forkcall_wait or forkcall_finish. Each may
 * call any function of this library but those on the same call (forkcall_cancel is allowed), and must return: not end
 * by longjmp, an exception or forkcall_throw. A return value other than 0 cancels the call. The
 * time that a callback takes is the caller's: after the deadline the return waits for the callback
 * that then runs, and for one more with the rest of each captured stream. No other callback begins
 * after the deadline or a cancel (with grace_ms: after the end of the grace, but one that has
 * cancelled the call by its return value is not called again). */
typedef int forkcall_progress_fn(void *user, double done, double total, const char *note);

/* fd is 1 or 2: which stream (1 for one that joins it). data holds size > 0 bytes, as they come,
 * not lines. */
typedef int forkcall_output_fn(void *user, int fd, const char *data, size_t size);

/* For a field of struct forkcall_limits: a limit of 0 (0 itself means: as the caller's). */
#define FORKCALL_LIMIT_ZERO UINT64_MAX

/* Resource limits of the child, soft and hard (getrlimit(2)). 0: as the caller's. A limit above the caller's own hard
 * limit ends the call as FORKCALL_NOT_STARTED, EPERM, unless the caller is privileged. */
struct forkcall_limits {
    uint64_t address_space_bytes; /* RLIMIT_AS, counted with all that the child has from the caller. Seen as ENOMEM */
    uint64_t cpu_seconds;         /* RLIMIT_CPU: SIGXCPU, and SIGKILL one second later. Named in the message */
    uint64_t open_files;          /* RLIMIT_NOFILE, the highest descriptor plus one. Seen as EMFILE */
    uint64_t file_size_bytes;     /* RLIMIT_FSIZE: SIGXFSZ. Named in the message. Results are not counted */
    uint64_t core_bytes;          /* RLIMIT_CORE */
    uint64_t processes;           /* RLIMIT_NPROC, all of this user's. Seen as EAGAIN. Does not bind root */
};

/* All zero: the defaults. A field out of range or a contradiction ends the call as FORKCALL_NOT_STARTED with code
 * EINVAL and a message that begins with the name of the field. */
struct forkcall_options {
    enum forkcall_method method;
    /* The deadline, from the start of the call, in milliseconds of the monotonic clock; 0: none. At the deadline the
     * child's process group gets SIGKILL; with grace_ms it gets SIGTERM (and SIGCONT), and SIGKILL grace_ms later. The
     * grace holds for cancelling, too. A function that still answers within the grace has answered. */
    int timeout_ms;
    int grace_ms;
    /* 0: none; else a descriptor plus one: when it is readable, at end of file or in error
     * (POLLHUP, POLLERR) the call is cancelled. It is not read. A host that ends its own work early
     * (a statement timeout, an interrupt) makes it readable: nothing else reaches a thread that is
     * inside forkcall_run. */
    int cancel_fd_plus_one;
    size_t max_result; /* the most bytes that the result may have; 0: no limit. A fixed buffer is a limit of its own */
    /* Fork although other threads run (see forkcall_hazards). The child then has one thread, and locks that others held
     * at that moment are held for ever: setlocale, localtime, dlopen and exit() are known to hang. Set a timeout. */
    bool allow_unsafe_fork;
    /* Let the environment override: FORKCALL_METHOD=fork|server|spawn|inline sets method; FORKCALL_DEBUG=1 writes the explanation of
     * every outcome but OK to stderr. Read by secure_getenv(3); never makes an unsafe fork allowed. */
    bool allow_env;
    bool
        close_fds; /* FORK: the child has only descriptors 0, 1, 2 and keep_fds. SERVER and SPAWN children have no others of the
                       caller's in any case */
    /* Leave the child in the caller's process group: it may read the terminal, and Ctrl-C and Ctrl-Z reach it. Only the
     * child itself is then killed, not its descendants. */
    bool share_group;
    enum forkcall_stream standard_input; /* not CAPTURE */
    enum forkcall_stream standard_output, standard_error;
    struct forkcall_limits limits;
    forkcall_output_fn *output;     /* needed to capture standard_output; only with a captured stream */
    forkcall_progress_fn *progress; /* NULL: forkcall_progress costs nothing */
    void *user;                     /* for output and progress */
    const int *keep_fds;            /* open descriptors that the child keeps in spite of close_fds */
    size_t keep_fds_count;
    /* The caller's own buffer, not the result: the whole message of the function and, where standard_error is captured,
     * the last 8 KiB of it, as text (no terminating 0). Replaced by every call. What does not fit is left out. */
    struct forkcall_buf *details;
    uint64_t reserved[8]; /* must be 0 */
};

/* ---- Clean copies of this program ---------------------------------------------------------------------------- */

/* First thing in main(), before anything else of the program: lets the library start clean copies of this program, for the
 * start methods SERVER and SPAWN, and makes SERVER (macOS: SPAWN) what AUTO means. In such a copy it serves and never
 * returns; in every other process it returns at once, after some microseconds. What the program's constructors do, a copy
 * does, too; where one of them makes a call or a map, or starts a server, the copy ends there.
 *
 * A copy gets argv[0] and no other argument: with the program's own, what stands before
 * forkcall_init() would act on them once more in every copy. So main() must come to forkcall_init()
 * whatever its arguments are: after "if (argc > 1) forkcall_init();" every SERVER and SPAWN call
 * ends as FORKCALL_NOT_STARTED.
 *
 * ps, top and the kernel's log call the server "program:server" and a child "program:child" (Linux;
 * 15 bytes: the program's name is cut). argv[0] is the program's.
 *
 * A copy is the image that runs, also where its file was replaced or deleted (Linux, by
 * /proc/PID/exe; without /proc the program must have been started by an absolute path, and
 * elsewhere its file must be in place). Where the file of libforkcall itself was replaced, by an
 * upgrade, SPAWN and a new server end as FORKCALL_NOT_STARTED with code ESTALE until the program is
 * started again; a server that runs goes on. A copy cannot be made where the kernel runs another
 * program in this one's place: an explicit dynamic linker, an emulator in user mode. macOS: the App
 * Sandbox ends a copy at once if the program has entitlements besides
 * com.apple.security.app-sandbox and com.apple.security.inherit.
 *
 * A copy needs descriptor 3, by which it talks to its parent. Where a constructor, a preloaded
 * library or a wrapper has taken it away, the copy knows by other marks (the path that it was
 * started by, a variable that it takes out of its environment, and settings that outlive exec) what
 * it is, and ends; a process that cannot tell whether such a mark is its own goes on, and starts no
 * copies. So a tool that changes paths (fakechroot, proot) does no harm, and with
 * one that puts a process of its own in between (bear) each SERVER and SPAWN call ends as
 * FORKCALL_NOT_STARTED.
 *
 * A function of a library or plugin runs in a copy from the very file that the caller has loaded,
 * and from no other of its name or build: the copy loads the file where it does not have it. Where
 * that file was deleted or replaced since, or has another build by now, the call ends as
 * NOT_STARTED (ESTALE, ENOENT); so does one of a function that lies in a namespace of dlmopen(3)
 * (EXDEV). All other libraries are those that are on disk when the copy, or its server, is started:
 * after an upgrade under a running program what a function calls in them, and thinks of their
 * structs, is the new library's.
 *
 * Does nothing in a program that runs with more rights than its user (set-user-id). Thread-safe; once is enough. */
FORKCALL_PUBLIC void forkcall_init(void);

/* The server of SERVER: a clean copy of this program, which keeps children ready. All zero: the defaults.
 *
 * There is one for each process, with a process group of its own. It is no child of the process
 * (but where that is PID 1 or a subreaper), ends with it, and with exec; a fork of the process
 * starts its own. It holds no descriptor of the process but 0 to 2: who reads this process's closed
 * standard output sees its end when the server has ended, too. Its cost for the process: two
 * descriptors. A process that closes these (closefrom(3), as daemons do) has no server any more,
 * and the next call starts another.
 *
 * Rights. The function never has more of them than the thread that called, by any method: what a
 * SERVER or SPAWN child has by exec it takes on anew before the function, as the calling thread
 * has it at the call (real, effective, saved and file users and groups, the list of groups,
 * effective, permitted, inheritable and ambient capabilities, keeping them), and looks. Fewer it
 * has where exec takes something for good: without root, capabilities that are not ambient, and
 * saved users and groups. Where it could not be so, the call is NOT_STARTED, EPERM. The same
 * holds for prepare and the thread that starts the server. Constructors, and main() before
 * forkcall_init(), run with what exec gives.
 *
 * A call compares what the calling thread has with what the thread had that started the server:
 * the above, securebits, no_new_privs, seccomp filters, the session keyring, the right to look
 * at the server (which Landlock and other security modules take away), root, directory, umask,
 * and the user, mount, network, IPC, cgroup and UTS namespaces; and what the process has:
 * session, resource limits (but RLIMIT_RSS and RLIMIT_LOCKS, which Linux ignores), the files
 * behind 0 to 2. Then
 * - what the thread can take back by itself (setfsuid(2), seteuid(2), setgroups(2) with the
 *   capability for it, effective capabilities) costs nothing: the server stays, and its child
 *   takes on what the thread has (groups: up to 32);
 * - what this thread has not, but another thread of the process has, leaves the server to that
 *   one: the call is made by SPAWN, and report.method says so;
 * - what no thread has any more is given up: the server is retired, and another is started.
 * Scheduling policy, nice value, processors, I/O priority, timer slack, memory policy,
 * personality, transparent huge pages, PR_SET_DUMPABLE, and (x86, ARM64, RISC-V) rounding mode
 * and floating-point traps are the calling thread's in SERVER and SPAWN children, too, where the
 * system lets them be set. Not compared, and so those of the server's start: the environment,
 * the cgroup, oom_score_adj, coredump_filter, what only a later exec would gain (the bounding
 * set), process and time namespaces. For all this the caller uses capget, kcmp, keyctl,
 * personality, sched_getattr, sched_getaffinity, ioprio_get, get_mempolicy and setfsuid(2),
 * which a seccomp filter may refuse, but must not answer by killing.
 *
 * Where a limit of processes leaves no room for a child the call is NOT_STARTED, EAGAIN, at once;
 * spares, and children that have given their answer but not ended, make room first.
 *
 * What is sent between processes and not yet received counts against RLIMIT_NOFILE of a user without
 * privileges, over all processes of that user (Linux, unix(7)): five descriptors for each spare, and
 * keep_fds. Where that is used up a call that finds no spare is NOT_STARTED, ETOOMANYREFS; the
 * server goes on, and makes spares again when there is room.
 *
 * A call waits for a server that does not answer, because it was stopped, until its deadline, 30 s
 * at most. A server that calls have by then waited for in vain for 5 s in all, since it answered
 * one, gets no more calls; those that have a child of it go on, and it is killed when the last of
 * them is over. (Time in which no call waits for it does not count.)
 *
 * Before it answers a server has to start: the program is started again and comes to
 * forkcall_init(), for which it has 30 s, and prepare runs, for which nothing but the call's own
 * deadline sets a limit, since prepare may load much. A call without timeout_ms waits for a prepare
 * that never returns for ever, as forkcall_server_start does without its timeout_ms;
 * cancel_fd_plus_one ends that wait, too.
 *
 * Where the process is PID 1 or a subreaper (prctl(2), Linux) the server takes and reaps what its
 * functions leave behind, as long as it lives; what a killed server leaves, a zombie for itself and
 * for each of its own children, a later call reaps. */
struct forkcall_server_options {
    uint32_t spares; /* children that wait for a call, at most 200; 0: 2 */
    int timeout_ms;  /* how long forkcall_server_start may take, in milliseconds; 0: as long as prepare takes */
    /* Runs once in the server, before the first call; every call's child then has what it has left in memory (a table that
     * is loaded, a library that is warm). Its result is dropped. Non-zero: the server does not serve; forkcall_fail
     * says why. NULL: nothing to prepare. Where children are exec'ed (see exec_spares) it runs in each of them. */
    forkcall_fn *prepare;
    const void *prepare_args; /* copied; at most 32 KiB */
    size_t prepare_args_size;
    /* Children are not forked by the server but exec'ed, each a fresh copy of the program. They
     * always are on macOS, and where the server has threads (of a constructor, or of prepare),
     * which do not survive a fork. */
    bool exec_spares;
    uint64_t reserved[8]; /* must be 0 */
};

/* Starts the server now rather than at the first call that needs it; options NULL: defaults. A
 * server that is started again (after forkcall_server_stop, or because it was killed, or does not
 * have what this process has now) has the options of the last start. Thread-safe.
 * -EINVAL: options. -ENOTSUP: no forkcall_init(). -EALREADY: there is one.
 * -ECANCELED: prepare failed. -ECONNRESET: prepare has ended the server.
 * -ETIMEDOUT: the server is given up; the next call that needs one starts another, with the same
 * options, and so runs prepare again, until a later start has others.
 * -EPERM: this is, or would be, a set-user-id program, or the server would have more rights than
 * the calling thread. -ENOEXEC: the copy did not come to forkcall_init(). -ESTALE: libforkcall's
 * file was replaced. -EAGAIN: a limit on processes was met. */
FORKCALL_PUBLIC int forkcall_server_start(const struct forkcall_server_options *options);

/* Ends the server and the children that wait; calls that are running go on, and it ends with the
 * last of them. One that was suspended (SIGSTOP) is continued, so that it can end; one that does
 * not end within a second is killed. 0, also where there is none. The next call that needs a server starts one.
 * Thread-safe. */
FORKCALL_PUBLIC int forkcall_server_stop(void);

/* ---- Outcomes ------------------------------------------------------------------------------------------------ */

enum forkcall_status {                      /* treat an unknown value as failure */
                       FORKCALL_OK = 0,     /* the function returned 0; result is whole */
                       FORKCALL_FAILED = 1, /* it returned non-zero, or called forkcall_throw; code and message are its
                                               own. Or it returned 0 after an append had found no memory: code ENOMEM */
                       FORKCALL_EXITED =
                           2, /* the child ended by exit(), _exit(), quick_exit() or pthread_exit() before the function
                                 returned (SERVER, SPAWN: or in a handler of atexit() at its return); code = exit
                                 status: the whole int where the C library tells it (glibc's exit()), else its low 8
                                 bits, else -1 (quick_exit(), and exit() outside glibc: there an atexit handler cannot
                                 learn it); 0 for pthread_exit() */
                       FORKCALL_SIGNALED = 3, /* killed by a signal; code = signal number; details in crash */
                       FORKCALL_TIMED_OUT = 4,
                       FORKCALL_CANCELED = 5,
                       FORKCALL_TOO_BIG = 6, /* the result is larger than the fixed buffer or
                                                max_result allow (code EFBIG), or than the caller
                                                has memory for (code ENOMEM). In place of EFBIG
                                                comes FAILED, which says more, where the function
                                                has called forkcall_throw, or has failed with a
                                                message and a code */
                       FORKCALL_UNSAFE = 7,  /* refused: a fork would not be safe now; hazards and message say why */
                       FORKCALL_NOT_STARTED = 8, /* could not start, or bad options; code = errno (positive); message
                                                    names step or field */
                       FORKCALL_LOST = 9,        /* the child is gone and nothing on this system can
                                                    tell how; or the call was finished in another
                                                    process than it was started in; or the caller,
                                                    or the function, has closed the descriptors of
                                                    the call */
};

/* Did the function run? NO: a retry is safe. YES: its first instruction was reached, or the child was one step before.
 * A function that sets out to deceive can deny having run. */
enum forkcall_ran { FORKCALL_RAN_UNKNOWN = 0, FORKCALL_RAN_NO = 1, FORKCALL_RAN_YES = 2 };

/* Bits of hazards. */
enum forkcall_hazard {
    FORKCALL_HAZARD_THREADS = 1, /* other threads run here (macOS, FreeBSD: or have run) */
    FORKCALL_HAZARD_FORKED = 2,  /* macOS: this process is a fork child that has not exec'ed */
    FORKCALL_HAZARD_LIBRARY = 4, /* a library that is known not to survive a fork once it was used is loaded: a hint
                                    (loaded is not used), never a reason to refuse */
};
/* The bits for which AUTO and FORK refuse, unless allow_unsafe_fork. */
#define FORKCALL_HAZARDS_REFUSE ((unsigned)FORKCALL_HAZARD_THREADS | (unsigned)FORKCALL_HAZARD_FORKED)

/* What makes a plain fork unsafe in this process right now. Under 1 µs. Thread-safe. */
FORKCALL_PUBLIC unsigned forkcall_hazards(void);

enum forkcall_crash_flag {
    FORKCALL_CRASH_STACK_OVERFLOW = 1,   /* the fault address lies just below the stack pointer */
    FORKCALL_CRASH_MAPPED_IN_CALLER = 2, /* FORK only: the faulting address is mapped in the caller, not in the child:
                                            memory marked MADV_DONTFORK, or mapped since */
};

#define FORKCALL_CRASH_FRAMES 32

/* What a child that was killed by SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS or SIGABRT could still say. signal
 * is 0 where it could not.
 *
 * By SERVER and SPAWN the program and its libraries lie elsewhere in the child than in the caller. What lies in them
 * (address, program_counter, frames) is told as the address that it has in the caller, so that it means the same by
 * every method. For this a module must be loaded in both when the function is called (its own
 * always is): what the function itself has loaded by dlopen() has no name here, and frames may end
 * there. All other addresses are the child's own. */
struct forkcall_crash {
    int32_t signal;
    /* As sigaction(2) has it; macOS: 0 unless it is a fault, whoever sent the signal. */
    int32_t si_code;
    /* The fault address (s390x: of a memory access only its page); 0 where the signal has none. */
    uint64_t address;
    uint64_t program_counter; /* 0 where not known: for this processor, or, see above, in the caller */
    uint32_t flags;           /* enum forkcall_crash_flag */
    uint32_t frame_count;
    /* Return addresses, innermost first; frames[0] is program_counter. How far they reach depends on the build: with
     * the libdw feature by unwind tables, else by frame pointers (-fno-omit-frame-pointer). A hint, not evidence. */
    uint64_t frames[FORKCALL_CRASH_FRAMES];
    uint64_t reserved[8];
};

/* Bits of hints: signs in the child of a library that was used on both sides of a fork. forkcall_explain tells the cure.
 * An outcome that is OK does not rule them out: some of CoreFoundation's functions warn and go on. */
enum forkcall_hint {
    FORKCALL_HINT_COREFOUNDATION = 1, /* macOS's "The process has forked and you cannot use this CoreFoundation
                                         functionality safely" in standard_error; seen only where that is captured */
    FORKCALL_HINT_DISPATCH = 2,       /* a crash in libdispatch, at the address that it leaves in the queues of a
                                         forked child for that purpose */
};

struct forkcall_report {
    enum forkcall_status status;
    enum forkcall_ran ran;
    int code;
    int wait_status; /* as waitpid() gives it; -1 where unknown or not waited for */
    /* Of the child; 0 where there was none. Not to be signalled: it is gone, or (SERVER) about to
     * be, and the number may be another's. */
    pid_t pid;
    enum forkcall_method method; /* the one that was used */
    unsigned hazards;            /* FORKCALL_HAZARD_ bits seen at the start; _LIBRARY unless OK */
    bool usage_known;            /* user_ns, system_ns and max_rss_bytes are; elapsed_ns always is */
    uint16_t hints;              /* FORKCALL_HINT_ bits, whatever the outcome */
    uint64_t elapsed_ns;         /* from start to the end of the child */
    uint64_t user_ns, system_ns; /* of the child and those of its descendants that it waited for */
    /* The peak of the child's memory; 0: not known (by SPAWN, where the child did not say it itself
     * and it was not above the caller's). By FORK the pages that the child has of the caller count,
     * in a large caller so much that they hide the rest. */
    uint64_t max_rss_bytes;
    forkcall_fn *fn;
    struct forkcall_crash crash;
    char message[256]; /* one line for a person, without control characters; never empty unless OK */
    uint64_t reserved[8];
};

/* "OK", "FAILED", …; "unknown" for any other value. Never NULL. */
FORKCALL_PUBLIC const char *forkcall_status_name(enum forkcall_status status);

/* The whole story in a few lines: "parse_image was killed by SIGSEGV (address not mapped) at 0x0 …", and the crash's
 * frames by name. Returns the length of the whole text and writes at most size bytes of it, the terminating 0 included,
 * as snprintf does. text may be NULL where size is 0. Names are known for exported functions, or for all with the libdw
 * feature; else module+offset is given. Negative errno: -EINVAL. */
FORKCALL_PUBLIC int forkcall_explain(const struct forkcall_report *report, char *text, size_t size);

/* ---- Calls --------------------------------------------------------------------------------------------------- */

/* The full call. args_size bytes of args travel to the child, whose copy is aligned for any type (FORK: there is no copy
 * of memory that processes share, MAP_SHARED); or FORKCALL_BY_POINTER. result NULL: the answer is dropped. options NULL:
 * defaults. Thread-safe; not for signal handlers.
 *
 * Descriptors while it runs: at most 4, and 1 per captured stream, and 1 for large arguments. While
 * it starts it needs more of them free: 6 by FORK, 9 by SERVER (which may have to start its server,
 * and then has 2 for good), 11 by SPAWN, and 2 per captured stream. With fewer it may still work,
 * or ends as NOT_STARTED, EMFILE.
 *
 * Stack: 32 KiB are enough for every function here, beside what callbacks need (16 KiB are not, for
 * SERVER and SPAWN).
 *
 * Arguments of more than 32 KiB travel to SERVER and SPAWN children in a memory file, which this
 * process's RLIMIT_FSIZE counts: where they are larger than that limit, the call ends as
 * NOT_STARTED, EFBIG.
 *
 * System calls that this kernel does not have, or that a seccomp filter of this process refuses
 * with an error, are done without. A filter that kills in place of refusing must allow those that
 * the library uses: kcmp(2), unshare(2), pidfd_open(2) and those that struct
 * forkcall_server_options names are the rarer ones.
 *
 * Outcomes that the caller can act on: see enum forkcall_status; ran says whether a retry is safe.
 *
 * With timeout_ms it returns in bounded time whatever the child does: after SIGKILL it waits at
 * most 1 s more. A process in uninterruptible sleep is then reported with wait_status -1 and reaped
 * by a later call.
 *
 * What no deadline ends: a callback, and the loader's lock, which another thread may hold
 * (dl_iterate_phdr(3), dlopen(3)). It is taken to name a function of a shared library for SERVER
 * and SPAWN, to read a crash and in forkcall_explain; not for the functions of a program that has
 * called forkcall_init(). */
FORKCALL_PUBLIC struct forkcall_report forkcall_run(forkcall_fn *fn, const void *args, size_t args_size,
                                                    struct forkcall_buf *result,
                                                    const struct forkcall_options *options);

/* The short call: forkcall_run with FORKCALL_BY_POINTER, FORKCALL_FORK and otherwise default options. */
FORKCALL_PUBLIC struct forkcall_report run_in_forked_process(forkcall_fn *fn, const void *args,
                                                             struct forkcall_buf *result);

/* Many at once, or inside an event loop. One thread per call at a time, but forkcall_cancel may come from any thread
 * (not concurrently with forkcall_finish). result and what options points to stay the caller's and are not touched
 * until forkcall_finish; they must live until then. options itself and args may be reused at once. A deadline acts
 * inside forkcall_wait and forkcall_finish, and makes the descriptor readable.
 *
 * Where the caller closes descriptors that it has not opened (closefrom(3), as daemons do), a
 * running call loses its own: it ends as LOST, its child is killed, and files that the caller opens
 * by the same numbers are left alone. Another thread must not do that while this one is in the
 * library.
 *
 * Every call that was started must be finished, in the process that started it. A fork child of the caller may only
 * finish it, to free the memory (outcome LOST). */
struct forkcall_call;

/* With SERVER it may have to wait for the server to start, or to make a child: not longer than timeout_ms.
 * 0: *call is to be finished; every problem, bad options too, is told by its report. -EINVAL: call is NULL.
 * -ENOMEM: no memory for the call. It uses one descriptor more than forkcall_run, and two more from
 * forkcall_fd on. */
FORKCALL_PUBLIC int forkcall_start(struct forkcall_call **call, forkcall_fn *fn, const void *args, size_t args_size,
                                   struct forkcall_buf *result, const struct forkcall_options *options);

/* A descriptor to poll for POLLIN, the same each time, closed by forkcall_finish: when readable, call forkcall_wait
 * with timeout 0, which delivers progress and output and tells whether the call is done; then it stays readable. Do not
 * read it. -ENOTSUP: this system has neither epoll nor kqueue; use forkcall_wait with a timeout. -EMFILE, -ENFILE,
 * -ENOMEM: try again later. -EPERM: started in another process. */
FORKCALL_PUBLIC int forkcall_fd(struct forkcall_call *call);

/* Waits at most timeout_ms milliseconds (-1: for ever): 1 done, 0 not yet. -EINVAL: NULL, or timeout_ms below -1.
 * -EPERM: started in another process. */
FORKCALL_PUBLIC int forkcall_wait(struct forkcall_call *call, int timeout_ms);

/* Asks for the call to end as FORKCALL_CANCELED, with the grace of its options; carried out by the thread that waits,
 * or by the next wait or finish. Too late, or once more: no effect. May be called in a signal
 * handler. 0; -EINVAL: NULL; -EPERM: started in another process. */
FORKCALL_PUBLIC int forkcall_cancel(struct forkcall_call *call);

/* Waits for the end, frees the call and returns its report. NULL gives NOT_STARTED, EINVAL. */
FORKCALL_PUBLIC struct forkcall_report forkcall_finish(struct forkcall_call *call);

/* ---- Many items ---------------------------------------------------------------------------------------------- */

/* Called in the caller's process, by the thread that is inside forkcall_map, under the rules of forkcall_progress_fn,
 * with the index of the item. A return value other than 0 cancels the map; then none of them is called any more.
 *
 * item_done: an item has ended and its report stands; done of count items have. Once for each item that was tried. */
typedef int forkcall_map_done_fn(void *user, size_t index, const struct forkcall_report *report, size_t done,
                                 size_t count);
typedef int forkcall_map_progress_fn(void *user, size_t index, double done, double total, const char *note);
typedef int forkcall_map_output_fn(void *user, size_t index, int fd, const char *data, size_t size);

/* All zero: the defaults. */
struct forkcall_map_options {
    /* Of every item's call: timeout_ms, for example, is each item's own. cancel_fd_plus_one cancels the map. output,
     * progress, user and details must be NULL here: the map has its own. */
    struct forkcall_options call;
    /* So many items at once, at most; up to 65536. 0: the processors that this process may use, by
     * its affinity and, rounded up, by the CPU quota of its control groups (a container's
     * limit). */
    size_t processes;
    /* The first outcome but OK cancels the items that run, with the grace of call, and starts no more. */
    bool stop_at_failure;
    forkcall_map_done_fn *item_done;
    forkcall_map_progress_fn *progress;
    forkcall_map_output_fn *output;
    void *user;                   /* for item_done, progress and output */
    struct forkcall_buf *details; /* NULL, or count buffers of the caller's: details of each item */
    uint64_t reserved[8];         /* must be 0 */
};

/* Runs fn on each of count items, in processes of their own, some at once, and waits for all. Item i has the item_size
 * bytes at (char *)items + i * item_size; items may be NULL where item_size is 0. With FORKCALL_BY_POINTER as item_size,
 * items is an array of count pointers, each of which is handed over itself. options NULL: defaults. Under INLINE the
 * items run one after another.
 *
 * results and reports: arrays of count elements of the caller's, for item i at index i; either may be NULL. Items are
 * begun in their order. An item that was not tried, because the map was stopped or canceled, is reported as NOT_STARTED,
 * ECANCELED. An item that finds no room (EMFILE, ENFILE, EAGAIN, ENOMEM) while others run is tried again when one of them
 * has ended; so fewer than processes may run.
 *
 * Its own report: OK: every item ended so (or there was none). CANCELED: a callback or the descriptor has canceled it
 * before all were done. Else the outcome of the item that was the first, in time, to end otherwise than OK, whose index
 * the message ends with; an item that is refused (UNSAFE) is one, too. NOT_STARTED with a message that begins with the
 * name of an argument or field (EINVAL), or with "memory for the map" (ENOMEM): nothing was done or changed. ran is NO
 * where no item has run; elapsed_ns is that of the map, user_ns and system_ns are sums, max_rss_bytes is the largest.
 *
 * Thread-safe; not for signal handlers. Descriptors while it runs: for each process those of forkcall_start. */
FORKCALL_PUBLIC struct forkcall_report forkcall_map(forkcall_fn *fn, const void *items, size_t item_size, size_t count,
                                                    struct forkcall_buf *results, struct forkcall_report *reports,
                                                    const struct forkcall_map_options *options);

/* ---- The decorator ------------------------------------------------------------------------------------------- */

/* Defines  static struct forkcall_report name(const args_type *args, result_type *result)  that runs
 * int fn(const args_type *, result_type *)  in a child with default options. Both types are complete, trivially
 * copyable and free of pointers. *result changes only on FORKCALL_OK; the function finds its own all zero. To be
 * followed by a semicolon. */
#define FORKCALL_WRAP(name, fn, args_type, result_type)                                                   \
    static int name##_forkcall_child(const void *args, size_t args_size, struct forkcall_buf *result)     \
    {                                                                                                     \
        result_type *value = (result_type *)forkcall_buf_extend(result, sizeof(result_type));             \
        (void)args_size;                                                                                  \
        if (value == NULL)                                                                                \
            return 12; /* ENOMEM: sticks to the result in any case */                                     \
        memset((void *)value, 0, sizeof *value);                                                          \
        return fn((const args_type *)args, value);                                                        \
    }                                                                                                     \
    FORKCALL_UNUSED static inline struct forkcall_report name(const args_type *args, result_type *result) \
    {                                                                                                     \
        struct forkcall_buf forkcall_answer = FORKCALL_BUF_INIT;                                          \
        struct forkcall_report forkcall_outcome =                                                         \
            forkcall_run(name##_forkcall_child, args, sizeof(args_type), &forkcall_answer, NULL);         \
        if (forkcall_outcome.status == FORKCALL_OK && result != NULL)                                     \
            memcpy((void *)result, forkcall_answer.data, sizeof(result_type));                            \
        forkcall_buf_free(&forkcall_answer);                                                              \
        return forkcall_outcome;                                                                          \
    }                                                                                                     \
    struct forkcall_report name(const args_type *args, result_type *result)

#ifdef __cplusplus
}
#endif

#endif
