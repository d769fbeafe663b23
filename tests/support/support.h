/* Helpers that all tests share. A test that changes its own process runs in a host of its own
 * (host_run). */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "not_here.h"
#include "time_factor.h"

#include <forkcall.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The longest time that a test waits, in seconds. A test that passes takes milliseconds, and only
 * one that fails takes this long. */
#define DEADLINE_S (30 * time_factor())
/* A time limit for calls that must succeed even on a very busy machine. */
#define PLENTY_MS (60000 * time_factor())

/* A monotonic time in seconds. */
double now_s(void);

/* Polls condition(context) until it is true. False: the deadline has passed. */
bool wait_until(bool (*condition)(void *), void *context);

/* What a call must leave unchanged. Zombies count as children. */
struct traces {
    int descriptors;
    int children;
    int mappings;
};
struct traces traces_now(void);
/* Fails the test if the process has other descriptors or children than before. check_mappings:
 * other mappings count, too. */
void assert_no_traces(struct traces before, bool check_mappings);

/* The state of a process as in proc(5): 'R', 'S', 'T' (stopped), 'Z' (zombie), and others. '-':
 * there is no such process. */
char process_state(int pid);
/* True: the process exists and is not a zombie. */
bool process_lives(int pid);
bool process_is_gone(void *pid); /* For wait_until: pid points to an int. */

/* A user and group that other processes hardly have: those of another run of the tests have others.
 * So limits of a user's processes count this one's alone. */
unsigned lonely_user(void);

/* Runs body in a fork of the test. The body may change its process as it likes: signal
 * dispositions, limits, descriptors. It returns 0 for success, and must use CHECK instead of
 * cmocka's assertions. After DEADLINE_S the fork is killed. Returns its exit status, or 1000 +
 * signal (1009 at the deadline). */
int host_run(int (*body)(void *), void *context);
/* Called in a host of host_run when its body is done, successfully or not. NULL: nothing is. */
extern void (*host_ends)(void);

/* For a body of host_run: if the condition is false, prints the place and returns 1. */
#define CHECK(condition)                                  \
    do {                                                  \
        if (!(condition)) {                               \
            check_failed(__FILE__, __LINE__, #condition); \
            return 1;                                     \
        }                                                 \
    } while (0)
void check_failed(const char *file, int line, const char *condition);

/* Functions for children. The comment tells the result. */
/* no result */
int child_returns_0(const void *args, size_t args_size, struct forkcall_buf *result);
/* int 42 */
int child_answers_42(const void *args, size_t args_size, struct forkcall_buf *result);
/* a copy of the arguments */
int child_echoes(const void *args, size_t args_size, struct forkcall_buf *result);
/* no result; returns 7 */
int child_fails_7(const void *args, size_t args_size, struct forkcall_buf *result);
/* does not return */
int child_hangs(const void *args, size_t args_size, struct forkcall_buf *result);
/* ends by SIGKILL */
int child_kills_itself(const void *args, size_t args_size, struct forkcall_buf *result);

/* The method that this run of the program tests: fork, server or spawn, from FORKCALL_TEST_METHOD
 * in the environment. Default: fork. For server and spawn, main() must call forkcall_init()
 * first. reuse there means SERVER, with reuse_child in every call of run_tested and
 * start_tested. */
enum forkcall_method tested_method(void);
bool tested_calls_reuse_children(void);
/* True: by the tested method the function sees the caller's memory: pointers, variables,
 * MAP_SHARED. */
bool method_shares_memory(void);
/* Make a call by the tested method, unless the options name a method. */
struct forkcall_report run_tested(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                  const struct forkcall_options *options);
int start_tested(struct forkcall_call **call, forkcall_fn *fn, const void *args, size_t args_size,
                 struct forkcall_buf *result, const struct forkcall_options *options);
/* Makes one call by the tested method. The first call of a process starts its server, so tests call
 * this before they count traces. */
bool warm_up(void);
/* The wait_status of a child that has reported its own end. By SERVER it is -1, because the host
 * does not reap the child. */
int wait_status_of_told_end(int as_waitpid_gives_it);

/* Fails the test, with the explanation of the report, if the call has another status. */
#define assert_status(report, wanted) assert_status_at(&(report), wanted, __FILE__, __LINE__)
void assert_status_at(const struct forkcall_report *report, enum forkcall_status wanted, const char *file, int line);

/* Checks that the report says that a process has sent the signal, if the kernel tells this. */
void assert_told_as_sent(const struct forkcall_report *report);

/* The available memory in kB; 0: unknown. */
unsigned long memory_available(void);

/* True: this program was built with -Db_sanitize, or is run by valgrind, or by qemu-user. Some
 * kernel features and limits do not work there. */
bool under_sanitizer(void);
bool under_valgrind(void);
bool under_emulator(void);
/* True: the C library is musl. Its dlclose(3) unloads nothing, its exit handlers do not get the
 * status, and its malloc keeps freed pages as it likes. */
bool has_musl(void);
/* True: a tool has threads of its own in this process, so a plain fork is refused. */
bool may_seem_threaded(void);
/* The outcome of a call whose function has closed the descriptor of its reply. The child tells this
 * by ending itself with the last real-time signal, which qemu-user keeps for itself. */
enum forkcall_status status_of_closed_channel(void);
/* True: the kernel tells the exit status of a child that another part of the host has reaped (Linux
 * 6.15). */
bool kernel_keeps_exit_codes(void);

/* Skips the test, and prints the reason. */
#define SKIP(reason)                                         \
    do {                                                     \
        print_message("skipped %s: %s\n", __func__, reason); \
        skip();                                              \
        return;                                              \
    } while (0)

#endif
