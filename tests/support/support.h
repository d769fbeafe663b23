/* What the tests share. A test that runs in a host process of its own (host_run) may do to that
 * process what it likes. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "not_here.h"

#include <forkcall.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The most that anything here is waited for, in seconds. Passing takes milliseconds; only failing
 * takes so long. */
#define DEADLINE_S 30
/* For calls that must succeed, on a machine that does a hundred other things. */
#define PLENTY_MS 60000

/* The time since some moment, in seconds; never set back. */
double now_s(void);

/* Polls condition(context) until it is true. False: the deadline has passed. */
bool wait_until(bool (*condition)(void *), void *context);

/* What a call must leave as it was. Children: also zombies. */
struct traces {
    int descriptors;
    int children;
    int mappings;
};
struct traces traces_now(void);
/* Fails the test where the process has other descriptors or children than before (mappings: where
 * check_mappings). */
void assert_no_traces(struct traces before, bool check_mappings);

/* 'R', 'S', 'T' (stopped), 'Z' (zombie), …, as proc(5) has it; '-': there is no such process. */
char process_state(int pid);
/* Does the process exist, and is it no zombie? */
bool process_lives(int pid);
bool process_is_gone(void *pid); /* for wait_until: pointer to an int */

/* Runs body in a fresh fork of the test, which may break its own process: signal dispositions,
 * limits, descriptors. body returns 0 for success; it must not use cmocka's assertions, but CHECK.
 * Returns the exit status, or 1000 + signal. Ends it by SIGKILL at the deadline (1009). */
int host_run(int (*body)(void *), void *context);

/* In such a body: prints the place and returns 1 from it. */
#define CHECK(condition)                                  \
    do {                                                  \
        if (!(condition)) {                               \
            check_failed(__FILE__, __LINE__, #condition); \
            return 1;                                     \
        }                                                 \
    } while (0)
void check_failed(const char *file, int line, const char *condition);

/* Functions for children, of general use. */
/* result: none. */
int child_returns_0(const void *args, size_t args_size, struct forkcall_buf *result);
/* result: int 42. */
int child_answers_42(const void *args, size_t args_size, struct forkcall_buf *result);
/* result: the args. */
int child_echoes(const void *args, size_t args_size, struct forkcall_buf *result);
/* Returns 7. */
int child_fails_7(const void *args, size_t args_size, struct forkcall_buf *result);
/* Never returns. */
int child_hangs(const void *args, size_t args_size, struct forkcall_buf *result);
/* SIGKILL. */
int child_kills_itself(const void *args, size_t args_size, struct forkcall_buf *result);

/* The method that this run of the program tests: FORKCALL_TEST_METHOD in the environment is fork
 * (also where it is not set), server or spawn. main() of a program that is run so calls
 * forkcall_init() first. */
enum forkcall_method tested_method(void);
/* By that method the function sees the caller's memory: pointers, variables, MAP_SHARED. */
bool method_shares_memory(void);
/* forkcall_run and forkcall_start by that method, where options do not name one. */
struct forkcall_report run_tested(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                  const struct forkcall_options *options);
int start_tested(struct forkcall_call **call, forkcall_fn *fn, const void *args, size_t args_size,
                 struct forkcall_buf *result, const struct forkcall_options *options);
/* One call by that method, before traces are counted: a server of this process is there from its
 * first call on. */
bool warm_up(void);
/* What wait_status is where the child has told its own end: by SERVER it was not waited for. */
int wait_status_of_told_end(int as_waitpid_gives_it);

/* A call has ended as it should, or the test fails with its explanation. */
#define assert_status(report, wanted) assert_status_at(&(report), wanted, __FILE__, __LINE__)
void assert_status_at(const struct forkcall_report *report, enum forkcall_status wanted, const char *file, int line);

/* A signal that a process has sent is told as such, but only where the kernel tells it. */
void assert_told_as_sent(const struct forkcall_report *report);

/* In kB; 0: not known. */
unsigned long memory_available(void);

/* Built with -Db_sanitize, run by valgrind, or by qemu-user: some kernel features and limits do not
 * work there. */
bool under_sanitizer(void);
bool under_valgrind(void);
bool under_emulator(void);
/* The C library is musl: its dlclose(3) unloads nothing, it is not told the status of exit(), and
 * its malloc keeps pages as it likes. */
bool has_musl(void);
/* The tool has threads of its own in this process, for which a plain fork is refused. */
bool may_seem_threaded(void);
/* How a call ends whose function has closed the descriptor that its answer goes through. The child
 * tells it by ending itself with the last real-time signal, which qemu-user keeps for itself. */
enum forkcall_status status_of_closed_channel(void);
/* The kernel tells the exit status of a child that somebody else has reaped (Linux 6.15). */
bool kernel_keeps_exit_codes(void);

/* cmocka's skip(), with the reason printed. */
#define SKIP(reason)                                         \
    do {                                                     \
        print_message("skipped %s: %s\n", __func__, reason); \
        skip();                                              \
        return;                                              \
    } while (0)

#endif
