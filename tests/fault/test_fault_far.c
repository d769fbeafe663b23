/* Makes each function of the C library fail in turn in the other processes of a call: in the
 * re-executed program, in the server, in the server's child. Each time the call ends in bounded
 * time, its outcome is definite and true, nothing is left behind, and the next call works. */
#include "fault.h"

#include "outcomes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DID_NOT_HAPPEN 76
#define AT_MOST 300 /* more uses of one function than one role has */

struct kind {
    enum fault fault;
    const char *name;
    int error;
    int stride; /* every stride-th use is made to fail */
};

struct trial {
    const struct kind *kind;
    enum fault_role role;
    int n;
    bool async; /* async calls also have a large result and captured streams */
};

static int answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    fault_note_run();
    return child_answers_42(args, args_size, result);
}

static int answers_large(const void *args, size_t args_size, struct forkcall_buf *result)
{
    fault_note_run();
    return child_answers_large(args, args_size, result);
}

/* A handler of the program's own: no child runs it, whatever fails. */
static void programs_handler(void)
{
    if (forkcall_in_child())
        abort();
}

__attribute__((constructor)) static void register_for_the_program(void)
{
    if (atexit(programs_handler) != 0)
        fprintf(stderr, "there is no handler of the program's to be run\n");
}

static int take_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static struct forkcall_report call(bool async, struct forkcall_buf *result)
{
    static const char args[40000];
    struct forkcall_options options = {.timeout_ms = BOUND_MS};
    struct forkcall_call *handle = NULL;
    struct forkcall_report none = {.status = FORKCALL_NOT_STARTED, .code = ENOMEM};
    if (!async)
        return run_tested(answers, args, 3, result, &options);
    options.standard_output = FORKCALL_STREAM_CAPTURE;
    options.output = take_output;
    if (start_tested(&handle, answers_large, args, sizeof args, result, &options) < 0)
        return none;
    forkcall_wait(handle, -1);
    return forkcall_finish(handle);
}

static const char *what_is_wrong(const struct forkcall_report *report, const struct forkcall_buf *result, bool async)
{
    const unsigned runs = fault_runs();
    if (runs > 1)
        return "the function ran twice";
    if (report->ran == FORKCALL_RAN_NO && runs != 0)
        return "it is said not to have run, and did";
    if (report->ran == FORKCALL_RAN_YES && runs == 0)
        return "it is said to have run, and did not";
    if (report->status != FORKCALL_OK && (report->message[0] == '\0' || result->size != 0))
        return "no message, or a result all the same";
    switch (report->status) {
    case FORKCALL_OK:
        return async ? (is_large_answer(result) ? NULL : "wrong answer")
                     : (*(int *)result->data == 42 ? NULL : "wrong answer");
    case FORKCALL_NOT_STARTED:
        return report->code > 0 ? NULL : "no code";
    case FORKCALL_FAILED:
    case FORKCALL_TOO_BIG:
        return report->code == ENOMEM ? NULL : "not for want of memory";
    /* The child could not report how it ended: the kernel's ending is reported. */
    case FORKCALL_EXITED:
        return runs == 1 && report->ran == FORKCALL_RAN_NO ? "exited" : NULL;
    default:
        return "an end that this cannot have led to";
    }
}

static bool all_are_gone(void *none)
{
    (void)none;
    return fault_processes() == 0;
}

/* One failure must not make later calls fail. The fault may happen in a server's child that is
 * kept for the next call. */
static bool next_call_is_ok(const struct trial *trial)
{
    for (int tries = trial->role == FAULT_IN_SERVER_CHILD ? 2 : 1; tries > 0; tries--) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = call(trial->async, &result);
        forkcall_buf_free(&result);
        if (report.status == FORKCALL_OK)
            return true;
        fprintf(stderr, "the next call: %s: %s\n", forkcall_status_name(report.status), report.message);
    }
    return false;
}

static int try_it(void *context)
{
    const struct trial *trial = context;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    CHECK(fault_begin_host());
    const struct traces before = traces_now();
    fault_arm_in(trial->role, trial->kind->fault, trial->n, trial->kind->error);
    const struct forkcall_report report = call(trial->async, &result);
    const bool happened = fault_disarm();
    const char *wrong = what_is_wrong(&report, &result, trial->async);
    if (wrong != NULL)
        fprintf(stderr, "%s: %s, ran %d (seen %u), code %d: %s\n", wrong, forkcall_status_name(report.status),
                (int)report.ran, fault_runs(), report.code, report.message);
    CHECK(wrong == NULL);
    forkcall_buf_free(&result);
    fault_arm_in(0, FAULT_COUNT, 0, 0);
    CHECK(next_call_is_ok(trial));
    forkcall_server_stop();
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    CHECK(wait_until(all_are_gone, NULL));
    return happened ? 0 : DID_NOT_HAPPEN;
}

#define KIND(name, error, stride)          \
    {                                      \
        FAULT_##name, #name, error, stride \
    }
static const struct kind kinds[] = {
    KIND(PIPE, EMFILE, 1),
    KIND(FCNTL, EMFILE, 1),
    KIND(MEMFD, EMFILE, 1),
    KIND(FORK, EAGAIN, 1),
    KIND(PIDFD, EMFILE, 1),
    KIND(SETPGID, EACCES, 1),
    KIND(MALLOC, ENOMEM, 1),
    KIND(MMAP, ENOMEM, 1),
    KIND(FTRUNCATE, ENOMEM, 1),
    KIND(DUP2, EBUSY, 1),
    KIND(DUP2, EINTR, 1),
    KIND(OPEN, EMFILE, 1),
    KIND(SETRLIMIT, EPERM, 1),
    KIND(SIGACTION, EINVAL, 11),
    KIND(READ, EINTR, 1),
    KIND(READ, EIO, 1),
    KIND(WRITEV, EINTR, 1),
    KIND(WRITEV, ENOMEM, 1),
    KIND(WRITE, EINTR, 1),
    KIND(WRITE, EIO, 1),
    KIND(POLL, EINTR, 1),
    KIND(POLL, ENOMEM, 1),
    KIND(SOCKETPAIR, EMFILE, 1),
    KIND(SENDMSG, EINTR, 1),
    KIND(SENDMSG, EAGAIN, 1),
    KIND(SENDMSG, ENOBUFS, 1),
    KIND(RECVMSG, EINTR, 1),
    KIND(RECVMSG, ENOBUFS, 1),
    KIND(SPAWN, EAGAIN, 1),
    KIND(PRCTL, EPERM, 1),
    KIND(SIGALTSTACK, ENOMEM, 1),
    KIND(GETSOCKOPT, EACCES, 1),
    KIND(READLINK, EACCES, 1),
    KIND(STAT, EACCES, 1),
    KIND(FOPEN, EMFILE, 1),
    KIND(WAITID, EINTR, 1),
    KIND(WAITID, ECHILD, 1),
    KIND(WAITPID, EINTR, 1),
    KIND(GETRLIMIT, EPERM, 1),
    KIND(PREAD, EIO, 1),
    KIND(EXECUTABLE_PATH, ENOMEM, 1),
    KIND(ATEXIT, ENOMEM, 1),
};

/* Fails if this role uses none of the functions: the test would test nothing. */
static int try_all(enum fault_role role)
{
    int found = 0;
    int failures = 0;
    const char *only = getenv("FORKCALL_TEST_ONLY"); /* a name in kinds: only this one is tried */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (only != NULL && strcmp(only, kinds[i].name) != 0)
            continue;
        for (int async = 0; async < 2; async++) {
            int r = 0;
            for (int n = 1; r != DID_NOT_HAPPEN && n < AT_MOST; n += kinds[i].stride) {
                struct trial trial = {&kinds[i], role, n, async != 0};
                r = host_run(try_it, &trial);
                found += r == 0;
                if (r == 0 || r == DID_NOT_HAPPEN)
                    continue;
                print_error("%s (errno %d), number %d, %s: %d\n", kinds[i].name, kinds[i].error, n,
                            async != 0 ? "async" : "sync", r);
                failures++;
            }
            assert_int_equal(r, DID_NOT_HAPPEN);
        }
    }
    assert_int_equal(failures, 0);
    return found;
}

static void each_call_fails_in_the_program_started_again(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer itself ends a process whose calls fail");
    assert_true(try_all(FAULT_IN_EXECED) > 20);
}

static void each_call_fails_in_the_server(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer itself ends a process whose calls fail");
    if (tested_method() != FORKCALL_SERVER)
        return;
    assert_true(try_all(FAULT_IN_SERVER) > 20);
}

static void each_call_fails_in_the_child_of_the_server(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer itself ends a process whose calls fail");
    if (tested_method() != FORKCALL_SERVER)
        return;
    assert_true(try_all(FAULT_IN_SERVER_CHILD) > 10);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_in_the_program_started_again),
        cmocka_unit_test(each_call_fails_in_the_server),
        cmocka_unit_test(each_call_fails_in_the_child_of_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
