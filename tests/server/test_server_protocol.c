/* Tests what calls and their server send each other: every call that asks for a child gets one or
 * learns at once why not, and no call is ended in place of another. */
#include "servers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- A server with room for few children ----------------------------------------------------- */

/* The server's limit on its children, zombies included: beyond it fork(2) fails as at a limit on
 * processes. 0: no limit. */
static int room;

static int prepare_room(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    room = *(const int *)args;
    return 0;
}

#ifdef SANITIZED
#define CAN_LIMIT false
#else
#define CAN_LIMIT true
static pid_t (*real_fork)(void);

__attribute__((constructor)) static void find_fork(void)
{
    *(void **)&real_fork = dlsym(RTLD_NEXT, "fork");
}

pid_t fork(void)
{
    if (room > 0 && children_of(getpid(), NULL, 0) >= room) {
        errno = EAGAIN;
        return -1;
    }
    return real_fork();
}
#endif

/* Starts a server with room for this number of children. Returns its pid. */
static pid_t start_with_room(int children)
{
    const struct forkcall_server_options options = {
        .prepare = prepare_room, .prepare_args = &children, .prepare_args_size = sizeof children};
    return forkcall_server_start(&options) == 0 ? server_pid() : -1;
}

static struct forkcall_options patient = {.method = FORKCALL_SERVER}; /* main() sets timeout_ms */

static bool is_refused(const struct forkcall_report *report)
{
    return ended(report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report->code == EAGAIN &&
           strstr(report->message, "limit of processes") != NULL;
}

static int refuse_the_fourth(void *unused)
{
    struct forkcall_call *calls[3];
    (void)unused;
    const pid_t server = start_with_room(3);
    CHECK(server > 0 && spares_are(server, 2));
    for (int i = 0; i < 3; i++)
        CHECK(forkcall_start(&calls[i], child_hangs, NULL, 0, NULL, &patient) == 0);
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
        CHECK(is_refused(&report));
    }
    CHECK(forkcall_server_start(NULL) == -EALREADY && process_lives(server));
    for (int i = 0; i < 3; i++) {
        CHECK(forkcall_wait(calls[i], 0) == 0);
        forkcall_cancel(calls[i]);
        const struct forkcall_report report = forkcall_finish(calls[i]);
        CHECK(report.status == FORKCALL_CANCELED);
    }
    CHECK(spares_are(server, 2)); /* the server has not given up making spares */
    CHECK(server_pid() == server);
    return 0;
}

static void call_without_room_is_refused_at_once_and_the_others_go_on(void **state)
{
    (void)state;
    if (!CAN_LIMIT)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(refuse_the_fourth, NULL), 0);
}

static int child_naps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    usleep(5000);
    return 0;
}

static int map_with_little_room(void *unused)
{
    static const int items[24];
    const struct forkcall_map_options options = {.call = patient, .processes = 24};
    (void)unused;
    for (int children = 1; children <= 3; children++) {
        const pid_t server = start_with_room(children);
        CHECK(server > 0);
        const struct forkcall_report report = forkcall_map(child_naps, items, sizeof *items, 24, NULL, NULL, &options);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
        CHECK(server_pid() == server);
        CHECK(forkcall_server_stop() == 0);
    }
    return 0;
}

static void map_goes_on_with_little_room(void **state)
{
    (void)state;
    if (!CAN_LIMIT)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(map_with_little_room, NULL), 0);
}

static int take_room_of_spares(void *unused)
{
    const int kept = STDERR_FILENO + 1;
    (void)unused;
    CHECK(dup2(STDERR_FILENO, kept) == kept);
    struct forkcall_options options = patient;
    options.keep_fds = &kept;
    options.keep_fds_count = 1;
    const pid_t server = start_with_room(2);
    CHECK(server > 0);
    for (int i = 0; i < 5; i++) {
        CHECK(spares_are(server, 2));
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    }
    CHECK(spares_are(server, 2));
    return 0;
}

static void spares_make_room_for_a_call_that_cannot_use_them(void **state)
{
    (void)state;
    if (!CAN_LIMIT)
        SKIP("the tool interposes the same function");
    assert_int_equal(host_run(take_room_of_spares, NULL), 0);
}

/* ---- Many calls ------------------------------------------------------------------------------ */

#define CROWD 24

/* args: the path of a file. Returns 0 if CROWD children run at the same time. */
static int child_waits_for_the_crowd(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct stat status;
    (void)args_size;
    (void)result;
    const int fd = open(args, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return errno;
    for (int i = 0; i < DEADLINE_S * 200; i++, usleep(5000))
        if (fstat(fd, &status) == 0 && status.st_size >= CROWD)
            return 0;
    return ETIMEDOUT;
}

struct member {
    const char *path;
    pthread_barrier_t *start;
    struct forkcall_report report;
};

static void *call_in_crowd(void *context)
{
    struct member *member = context;
    pthread_barrier_wait(member->start);
    member->report = forkcall_run(child_waits_for_the_crowd, member->path, strlen(member->path) + 1, NULL, &patient);
    return NULL;
}

static int gather(const char *path)
{
    pthread_t threads[CROWD];
    struct member members[CROWD];
    pthread_barrier_t start;
    CHECK(truncate(path, 0) == 0);
    CHECK(pthread_barrier_init(&start, NULL, CROWD) == 0);
    for (int i = 0; i < CROWD; i++) {
        members[i] = (struct member){.path = path, .start = &start};
        CHECK(pthread_create(&threads[i], NULL, call_in_crowd, &members[i]) == 0);
    }
    for (int i = 0; i < CROWD; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < CROWD; i++)
        CHECK(ended(&members[i].report, FORKCALL_OK, FORKCALL_RAN_YES));
    return 0;
}

static int gather_often(void *context)
{
    const char *path = context;
#ifdef __linux__ /* on a single processor the threads overtake each other at any point */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
#endif
    const pid_t server = server_pid();
    int failed = 0;
    for (int i = 0; failed == 0 && i < 12; i++)
        failed = gather(path);
    CHECK(failed == 0 && server_pid() == server && spares_are(server, 2));
    return 0;
}

static void no_call_waits_for_the_end_of_another(void **state)
{
    char path[] = "/tmp/forkcall-crowd-XXXXXX";
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const int status = host_run(gather_often, path);
    unlink(path);
    assert_int_equal(status, 0);
}

/* ---- A host that inherits orphans ------------------------------------------------------------ */

#ifdef PR_SET_CHILD_SUBREAPER
static bool has_one_child(void *unused)
{
    (void)unused;
    struct forkcall_options options = {.method = FORKCALL_FORK};
    /* Each call reaps what earlier ones left. */
    forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    return children_of(getpid(), NULL, 0) == 1;
}

static int child_leaves_a_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    if (fork() == 0) {
        usleep(10000);
        _exit(0);
    }
    return 0;
}

static int kill_servers_of_a_subreaper(void *unused)
{
    (void)unused;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    CHECK(server_pid() > 0 && forkcall_server_stop() == 0);
    const struct traces before = traces_now();
    for (int i = 0; i < 5; i++) {
        int server = server_pid();
        struct waiter waiter;
        CHECK(spares_are(server, 2) && waiter_begin(&waiter) == 0);
        CHECK(kill(server, SIGKILL) == 0);
        const struct forkcall_report report = forkcall_finish(waiter.call);
        CHECK(report.status == FORKCALL_SIGNALED || report.status == FORKCALL_LOST);
        for (int j = 0; j < 2; j++)
            CHECK(close(waiter.go[j]) == 0 && close(waiter.told[j]) == 0);
        CHECK(server_pid() > 0);
    }
    CHECK(wait_until(has_one_child, NULL)); /* the remaining child is the last server */
    const pid_t last = server_pid();
    for (int i = 0; i < 5; i++)
        CHECK(ask(FORKCALL_SERVER, child_leaves_a_child, NULL, 0, NULL, 0));
    /* The server inherits the processes that the functions left, and releases them. */
    CHECK(spares_are(last, 2));
    CHECK(forkcall_server_stop() == 0);
    CHECK(children_of(getpid(), NULL, 0) == 0);
    CHECK(traces_now().descriptors == before.descriptors);
    return 0;
}

static void subreaper_keeps_nothing_of_killed_and_stopped_servers(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("without a descriptor for it no process is reaped that may be the host's");
#endif
    assert_int_equal(host_run(kill_servers_of_a_subreaper, NULL), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_without_room_is_refused_at_once_and_the_others_go_on),
        cmocka_unit_test(map_goes_on_with_little_room),
        cmocka_unit_test(spares_make_room_for_a_call_that_cannot_use_them),
        cmocka_unit_test(no_call_waits_for_the_end_of_another),
#ifdef PR_SET_CHILD_SUBREAPER
        cmocka_unit_test(subreaper_keeps_nothing_of_killed_and_stopped_servers),
#endif
    };
    forkcall_init();
    patient.timeout_ms = PLENTY_MS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
