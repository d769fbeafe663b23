/* Makes each function of the C library fail in turn at each of its uses in a call: the call's
 * outcome names the step, or the call succeeds by another way; and nothing is left behind. */
#include "fault.h"
#include "outcomes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DID_NOT_HAPPEN 76
#define REFUSED 75
#define AT_MOST 400        /* more uses of one function than one call has */
#define ERROR_OF_HOST 4711 /* errno before a call; the same after it */

/* The outcomes that a call may have when a function has failed; bits. */
enum ending {
    WELL = 1,        /* the call succeeds by another way */
    NOT_STARTED = 2, /* with the errno, and the step in its message */
    NO_MEMORY = 4,   /* FAILED or TOO_BIG, ENOMEM */
    MUTE = 8,        /* the child could not say how it ended */
};

struct kind {
    enum fault fault;
    int error;
    unsigned endings;
    const char *step; /* the step that NOT_STARTED names; NULL: any */
    int stride;       /* every stride-th use is made to fail */
    /* Some variant of a call must use the function at least this often, or the test tests
     * nothing. */
    int least;
};

struct trial {
    const struct kind *kind;
    int n;
    unsigned variant;
};
enum variant {
    ASYNC = 1,
    LARGE = 2,
    STREAMS = 4,
    CLOSED = 8,
    VARIANTS = 16, /* the number of combinations of these bits */
    /* A server runs. */
    WARM = 16
};

static int take_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

/* Every second trial is traced, so that both ways are tried. */
struct lives {
    int starts, ends;
};

static void count_lives(void *user, const struct forkcall_trace *trace)
{
    struct lives *lives = user;
    lives->starts += trace->event == FORKCALL_TRACE_START;
    lives->ends += trace->event == FORKCALL_TRACE_END;
}

static struct forkcall_options options_of(unsigned variant)
{
    static const int keep[] = {2};
    struct forkcall_options options = {.timeout_ms = BOUND_MS};
    if ((variant & STREAMS) == 0)
        return options;
    options.close_fds = true;
    options.keep_fds = keep;
    options.keep_fds_count = 1;
    options.standard_input = FORKCALL_STREAM_NULL;
    options.standard_output = options.standard_error = FORKCALL_STREAM_CAPTURE;
    options.output = take_output;
    options.limits.core_bytes = FORKCALL_LIMIT_ZERO;
    return options;
}

/* The event loop's descriptor may be refused: the call goes on without it. */
static struct forkcall_report call(unsigned variant, int error, struct forkcall_buf *result, int *started)
{
    static const char args[] = " not aligned";
    const struct forkcall_options options = options_of(variant);
    forkcall_fn *fn = (variant & LARGE) != 0 ? child_answers_large : child_answers_42;
    struct forkcall_call *handle = NULL;
    *started = 0;
    if ((variant & ASYNC) == 0)
        return run_tested(fn, args + 1, 3, result, &options);
    *started = start_tested(&handle, fn, args + 1, 3, result, &options);
    if (*started == 0) {
        const int fd = forkcall_fd(handle);
        if (fd < 0 && fd != -ENOTSUP && fd != -error)
            *started = fd;
        forkcall_wait(handle, -1);
    }
    return forkcall_finish(handle);
}

/* If another process is started first, the failure may be reported in other words: the process did
 * not start, or was lost again. */
static bool is_told_elsewhere(const struct forkcall_report *report)
{
    return !method_shares_memory() && report->message[0] != '\0' &&
           (report->code == ENOEXEC || report->code == ECONNRESET);
}

static bool is_allowed(const struct trial *trial, bool happened, const struct forkcall_report *report,
                       const struct forkcall_buf *result)
{
    const struct kind *kind = trial->kind;
    const bool large = (trial->variant & LARGE) != 0;
    const char *step = method_shares_memory() && kind->step != NULL ? kind->step : "";
    switch (report->status) {
    case FORKCALL_OK:
        return (!happened || (kind->endings & WELL) != 0) &&
               (large ? is_large_answer(result) : *(int *)result->data == 42);
    case FORKCALL_NOT_STARTED:
        return (kind->endings & NOT_STARTED) != 0 && happened && report->ran == FORKCALL_RAN_NO &&
               (report->code == kind->error || is_told_elsewhere(report)) && strstr(report->message, step) != NULL &&
               result->size == 0;
    case FORKCALL_FAILED:
    case FORKCALL_TOO_BIG:
        return (kind->endings & NO_MEMORY) != 0 && report->code == ENOMEM && result->size == 0;
    case FORKCALL_EXITED:
        return (kind->endings & MUTE) != 0 && report->message[0] != '\0' && result->size == 0;
    default:
        return false;
    }
}

static int check(const struct trial *trial, bool happened, const struct forkcall_report *report,
                 const struct forkcall_buf *result)
{
    if (!is_allowed(trial, happened, report, result)) {
        fprintf(stderr, "fault %d, number %d, variant %u: %s, code %d: %s\n", (int)trial->kind->fault, trial->n,
                trial->variant, forkcall_status_name(report->status), report->code, report->message);
        return 1;
    }
    return 0;
}

static int try_it(void *context)
{
    const struct trial *trial = context;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report;
    sigset_t mask_before;
    sigset_t mask_after;
    struct lives lives = {0, 0};
    int started;
    if ((trial->variant & CLOSED) != 0) {
        close(0);
        close(1);
    }
    fault_arm(FAULT_COUNT, 0, 0); /* maps its memory beforehand */
    const struct traces before = traces_now();
    CHECK((trial->variant & WARM) == 0 || warm_up());
    pthread_sigmask(SIG_BLOCK, NULL, &mask_before);
    fault_arm(trial->kind->fault, trial->n, trial->kind->error);
    if (trial->n % 2 == 0)
        forkcall_set_trace(count_lives, &lives);
    errno = ERROR_OF_HOST;
    report = call(trial->variant, trial->kind->error, &result, &started);
    const int error_after = errno;
    const bool happened = fault_disarm();
    forkcall_set_trace(NULL, NULL);
    CHECK(lives.starts == lives.ends && lives.starts == (trial->n % 2 == 0 && started == 0));
    pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
    if (started == -ENOMEM && happened)
        CHECK(trial->kind->fault == FAULT_MALLOC);
    else
        CHECK(started == 0 && check(trial, happened, &report, &result) == 0);
    CHECK(error_after == ERROR_OF_HOST);
    forkcall_buf_free(&result);
    for (int signal = 1; signal < 65; signal++)
        CHECK(sigismember(&mask_before, signal) == sigismember(&mask_after, signal));
    forkcall_server_stop();
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    CHECK(after.mappings <= before.mappings + 3 || under_sanitizer()); /* the heap may map more */
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    /* One failure must not make later calls fail. */
    report = call(trial->variant, 0, &result, &started);
    CHECK(started == 0 && report.status == FORKCALL_OK);
    forkcall_buf_free(&result);
    forkcall_server_stop();
    CHECK(traces_now().descriptors == before.descriptors);
    return happened ? 0 : DID_NOT_HAPPEN;
}

static const struct kind kinds[] = {
    {FAULT_PIPE, EMFILE, NOT_STARTED, "pipe", 1, 2},
    {FAULT_PIPE, ENFILE, NOT_STARTED, "pipe", 1, 2},
    {FAULT_FCNTL, EMFILE, WELL | NOT_STARTED | MUTE, NULL, 1, 2},
    {FAULT_FCNTL, EINVAL, WELL | NOT_STARTED | MUTE, NULL, 1, 2},
    {FAULT_MEMFD, EMFILE, WELL, NULL, 1, 1},
    {FAULT_MEMFD, ENOSYS, WELL, NULL, 1, 1},
    {FAULT_FORK, EAGAIN, NOT_STARTED, "fork", 1, 1},
    {FAULT_FORK, ENOMEM, NOT_STARTED, "fork", 1, 1},
    {FAULT_PIDFD, EMFILE, WELL, NULL, 1, 1},
    {FAULT_PIDFD, ENOMEM, WELL, NULL, 1, 1},
    {FAULT_SETPGID, EACCES, WELL, NULL, 1, 1},
    {FAULT_MALLOC, ENOMEM, WELL | NOT_STARTED | NO_MEMORY, "memory", 1, 1},
    {FAULT_MMAP, ENOMEM, WELL | NO_MEMORY, NULL, 1, 1},
    {FAULT_FTRUNCATE, ENOMEM, WELL | NO_MEMORY, NULL, 1, 1},
    {FAULT_TIMERFD, EMFILE, WELL, NULL, 1, 1}, /* forkcall_fd() reports it */
    {FAULT_EVENTFD, EMFILE, NOT_STARTED, "descriptor", 1, 1},
    {FAULT_EPOLL_CREATE, EMFILE, WELL, NULL, 1, 1},
    {FAULT_EPOLL_CTL, ENOMEM, WELL, NULL, 1, 1},
    {FAULT_EPOLL_CTL, ENOSPC, WELL, NULL, 1, 1},
    {FAULT_DUP2, EBUSY, NOT_STARTED, "standard streams", 1, 3},
    {FAULT_DUP2, EINTR, WELL, NULL, 1, 3},
    {FAULT_OPEN, EMFILE, WELL | NOT_STARTED, "standard streams", 1, 1},
    {FAULT_SETRLIMIT, EPERM, NOT_STARTED, "limits", 1, 1},
    {FAULT_SIGACTION, EINVAL, WELL, NULL, 7, 10},
    {FAULT_READ, EINTR, WELL, NULL, 1, 2},
    {FAULT_WRITEV, EINTR, WELL, NULL, 1, 1},
    {FAULT_WRITEV, ENOMEM, NOT_STARTED | MUTE, NULL, 1, 1},
    {FAULT_POLL, EINTR, WELL, NULL, 1, 1},
    {FAULT_SOCKETPAIR, EMFILE, NOT_STARTED, NULL, 1, 1},
    {FAULT_SOCKETPAIR, ENOBUFS, NOT_STARTED, NULL, 1, 1},
    {FAULT_SENDMSG, EINTR, WELL, NULL, 1, 2},
    {FAULT_SENDMSG, EAGAIN, WELL | NOT_STARTED, NULL, 1, 2},
    {FAULT_SENDMSG, ENOBUFS, WELL | NOT_STARTED, NULL, 1, 2},
    {FAULT_RECVMSG, EINTR, WELL, NULL, 1, 1},
    {FAULT_RECVMSG, ENOBUFS, WELL | NOT_STARTED, NULL, 1, 1},
    {FAULT_SPAWN, EAGAIN, NOT_STARTED, NULL, 1, 1},
    {FAULT_SPAWN, ENOMEM, NOT_STARTED, NULL, 1, 1},
    {FAULT_SPAWN, EPERM, WELL | NOT_STARTED, NULL, 1, 1},
};

static bool opens_descriptors(enum fault fault)
{
    switch (fault) {
    case FAULT_PIPE:
    case FAULT_FCNTL:
    case FAULT_MEMFD:
    case FAULT_PIDFD:
    case FAULT_TIMERFD:
    case FAULT_EVENTFD:
    case FAULT_EPOLL_CREATE:
    case FAULT_DUP2:
    case FAULT_OPEN:
    case FAULT_SOCKETPAIR:
    case FAULT_RECVMSG:
        return true;
    default:
        return false;
    }
}

/* By the other methods most of a call's work is done in other processes, where this test arms no
 * faults: a few variants are enough. */
static bool is_tried(enum fault fault, unsigned variant)
{
    const unsigned kind = variant & ~(unsigned)WARM;
    /* Closed standard streams only change the steps that open descriptors. */
    if ((variant & CLOSED) != 0 && !opens_descriptors(fault))
        return false;
    if (method_shares_memory())
        return (variant & WARM) == 0;
    if ((variant & WARM) != 0 && tested_method() != FORKCALL_SERVER)
        return false;
    return kind == 0 || kind == (ASYNC | LARGE) || kind == (ASYNC | STREAMS) || kind == (LARGE | STREAMS | CLOSED);
}

/* True: a call by this method uses the function in some variant. */
static bool is_on_the_way(enum fault fault)
{
    if (fault == FAULT_RECVMSG)
        return tested_method() == FORKCALL_SERVER;
    if (fault == FAULT_SOCKETPAIR || fault == FAULT_SENDMSG || fault == FAULT_SPAWN)
        return !method_shares_memory();
    return method_shares_memory();
}

static void run_kind(const struct kind *kind)
{
    int most = 0;
    int failures = 0;
    for (unsigned variant = 0; variant < 2 * WARM; variant++) {
        int r = 0;
        int n = 1;
        if (!is_tried(kind->fault, variant))
            continue;
        for (; r != DID_NOT_HAPPEN && n < AT_MOST; n += kind->stride) {
            struct trial trial = {.kind = kind, .n = n, .variant = variant};
            r = host_run(try_it, &trial);
            if (r != 0 && r != DID_NOT_HAPPEN) {
                print_error("fault %d (errno %d), number %d, variant %u: %d\n", (int)kind->fault, kind->error, n,
                            variant, r);
                failures++;
            }
        }
        assert_int_equal(r, DID_NOT_HAPPEN);
        most = n - kind->stride > most ? n - kind->stride : most;
    }
    assert_int_equal(failures, 0);
    assert_true(most > kind->least || !is_on_the_way(kind->fault));
}

static void run_kinds(enum fault fault)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].fault == fault)
            run_kind(&kinds[i]);
}

#define FAILS(name, fault)                 \
    static void name##_fails(void **state) \
    {                                      \
        (void)state;                       \
        run_kinds(fault);                  \
    }

FAILS(pipe2, FAULT_PIPE)
FAILS(fcntl, FAULT_FCNTL)
FAILS(memfd_create, FAULT_MEMFD)
FAILS(fork, FAULT_FORK)
FAILS(pidfd_open, FAULT_PIDFD)
FAILS(setpgid, FAULT_SETPGID)
FAILS(malloc, FAULT_MALLOC)
FAILS(mmap, FAULT_MMAP)
FAILS(ftruncate, FAULT_FTRUNCATE)
FAILS(timerfd_create, FAULT_TIMERFD)
FAILS(eventfd, FAULT_EVENTFD)
FAILS(epoll_create1, FAULT_EPOLL_CREATE)
FAILS(epoll_ctl, FAULT_EPOLL_CTL)
FAILS(dup2, FAULT_DUP2)
FAILS(open, FAULT_OPEN)
FAILS(setrlimit, FAULT_SETRLIMIT)
FAILS(sigaction, FAULT_SIGACTION)
FAILS(read, FAULT_READ)
FAILS(writev, FAULT_WRITEV)
FAILS(poll, FAULT_POLL)
FAILS(socketpair, FAULT_SOCKETPAIR)
FAILS(sendmsg, FAULT_SENDMSG)
FAILS(recvmsg, FAULT_RECVMSG)
FAILS(posix_spawn, FAULT_SPAWN)

/* ---- Shared buffers -------------------------------------------------------------------------- */

#define SHARED_CAPACITY ((size_t)3 << 20)

/* The result is whole; or the call has not begun, for want of memory. */
static int fill_shared(struct forkcall_buf *result, bool may_fail)
{
    const struct forkcall_options options = {.timeout_ms = BOUND_MS};
    const struct forkcall_report report = run_tested(child_answers_large, NULL, 0, result, &options);
    if (may_fail && report.status == FORKCALL_NOT_STARTED) {
        CHECK(report.code == ENOMEM && strstr(report.message, "result") != NULL && result->size == 0);
        return 0;
    }
    CHECK(report.status == FORKCALL_OK && is_large_answer(result));
    return 0;
}

static int try_shared(void *context)
{
    const struct trial *trial = context;
    CHECK(fault_begin_host() && warm_up());
    const struct traces before = traces_now();
    struct forkcall_buf result = forkcall_buf_shared(SHARED_CAPACITY);
    fault_arm_in(trial->variant, trial->kind->fault, trial->n, trial->kind->error);
    int r = fill_shared(&result, true);
    const bool happened = fault_disarm();
    for (int i = 0; r == 0 && i < 2; i++)
        r = fill_shared(&result, false);
    forkcall_buf_free(&result);
    CHECK(r == 0);
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.mappings <= before.mappings + 3 || under_sanitizer());
    return happened ? 0 : DID_NOT_HAPPEN;
}

/* In the host: the memory, and its descriptor. In a child: the mapping. */
static void memory_of_a_shared_buffer_is_refused(void **state)
{
    static const struct kind shared_kinds[] = {
        {FAULT_MEMFD, EMFILE, 0, NULL, 1, 1},     {FAULT_MEMFD, ENOSYS, 0, NULL, 1, 1},
        {FAULT_MMAP, ENOMEM, 0, NULL, 1, 1},      {FAULT_FTRUNCATE, ENOMEM, 0, NULL, 1, 1},
        {FAULT_GETRLIMIT, EINVAL, 0, NULL, 1, 1},
    };
    (void)state;
    const unsigned child = method_shares_memory()               ? FAULT_IN_FORK_CHILD
                           : tested_method() == FORKCALL_SERVER ? FAULT_IN_SERVER_CHILD
                                                                : FAULT_IN_EXECED;
    for (size_t i = 0; i < sizeof shared_kinds / sizeof *shared_kinds; i++)
        for (int in_child = 0; in_child < 2; in_child++) {
            int r = 0;
            int n = 1;
            for (; r != DID_NOT_HAPPEN && n < 20; n++) {
                struct trial trial = {&shared_kinds[i], n, in_child ? child : FAULT_IN_HOST};
                r = host_run(try_shared, &trial);
                assert_true(r == 0 || r == DID_NOT_HAPPEN);
            }
            assert_true(n > 2 || in_child || shared_kinds[i].fault == FAULT_GETRLIMIT);
        }
}

/* ---- Large arguments ------------------------------------------------------------------------- */

#define LARGE_ARGS 100000

/* The child has all the arguments, or it has not begun and the message says why. */
static int try_large_args(void *context)
{
    const struct trial *trial = context;
    const struct forkcall_options options = {.timeout_ms = BOUND_MS};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    static char args[LARGE_ARGS];
    memset(args, 'a', sizeof args);
    CHECK(fault_begin_host() && warm_up());
    const struct traces before = traces_now();
    fault_arm_in(FAULT_IN_HOST, trial->kind->fault, trial->n, trial->kind->error);
    const struct forkcall_report report = run_tested(child_echoes, args, sizeof args, &result, &options);
    const bool happened = fault_disarm();
    const bool refused = report.status == FORKCALL_NOT_STARTED;
    if (refused)
        CHECK(report.code == trial->kind->error && strstr(report.message, "memory for the arguments") != NULL);
    else
        CHECK(report.status == FORKCALL_OK && result.size == sizeof args &&
              memcmp(result.data, args, sizeof args) == 0);
    forkcall_buf_free(&result);
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    return !happened ? DID_NOT_HAPPEN : refused ? REFUSED : 0;
}

static void memory_for_large_arguments_is_refused(void **state)
{
    static const struct kind kind = {FAULT_MEMFD, EMFILE, 0, NULL, 1, 1};
    int refused = 0;
    int r = 0;
    (void)state;
    for (int n = 1; r != DID_NOT_HAPPEN && n < 20; n++) {
        struct trial trial = {&kind, n, 0};
        r = host_run(try_large_args, &trial);
        assert_true(r == 0 || r == DID_NOT_HAPPEN || r == REFUSED);
        refused += r == REFUSED;
    }
    assert_int_equal(refused, method_shares_memory() ? 0 : 1);
}

/* A kernel that lacks a function once always lacks it. Scarcity of descriptors passes. */
static int ask_for_a_descriptor_of_the_process(void *context)
{
    const int error = *(const int *)context;
    for (int i = 0; i < 3; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        int started;
        fault_arm(FAULT_PIDFD, 1, error);
        const struct forkcall_report report = call(0, error, &result, &started);
        const bool asked = fault_disarm();
        forkcall_buf_free(&result);
        CHECK(report.status == FORKCALL_OK);
        CHECK(asked == (i == 0 || error != ENOSYS));
        forkcall_server_stop();
    }
    return 0;
}

static void system_call_that_the_kernel_does_not_have_is_not_tried_again(void **state)
{
    static int errors[] = {ENOSYS, EMFILE};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        assert_int_equal(host_run(ask_for_a_descriptor_of_the_process, &errors[i]), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipe2_fails),
        cmocka_unit_test(fcntl_fails),
        cmocka_unit_test(memfd_create_fails),
        cmocka_unit_test(fork_fails),
        cmocka_unit_test(pidfd_open_fails),
        cmocka_unit_test(setpgid_fails),
        cmocka_unit_test(malloc_fails),
        cmocka_unit_test(mmap_fails),
        cmocka_unit_test(ftruncate_fails),
        cmocka_unit_test(timerfd_create_fails),
        cmocka_unit_test(eventfd_fails),
        cmocka_unit_test(epoll_create1_fails),
        cmocka_unit_test(epoll_ctl_fails),
        cmocka_unit_test(dup2_fails),
        cmocka_unit_test(open_fails),
        cmocka_unit_test(setrlimit_fails),
        cmocka_unit_test(sigaction_fails),
        cmocka_unit_test(read_fails),
        cmocka_unit_test(writev_fails),
        cmocka_unit_test(poll_fails),
        cmocka_unit_test(system_call_that_the_kernel_does_not_have_is_not_tried_again),
        cmocka_unit_test(memory_of_a_shared_buffer_is_refused),
        cmocka_unit_test(memory_for_large_arguments_is_refused),
        cmocka_unit_test(socketpair_fails),
        cmocka_unit_test(sendmsg_fails),
        cmocka_unit_test(recvmsg_fails),
        cmocka_unit_test(posix_spawn_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
