/* What calls and their server say to each other: whoever asks for a child gets one or learns why not, at once, and nobody's call is
 * ended for another's. */
#include "servers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A server with room for few children --------------------------------------------------------------------- */

/* In the server: so many children, zombies too, and fork(2) fails as where a limit of processes is reached; 0: no limit. */
static int room;

static int prepare_room(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    room = *(const int *)args;
    return 0;
}

#ifdef __has_feature
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define SANITIZED
#endif

#ifdef SANITIZED /* which interposes the same function */
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

/* Starts a server with so much room. Its number. */
static pid_t start_with_room(int children)
{
    const struct forkcall_server_options options = {
        .prepare = prepare_room, .prepare_args = &children, .prepare_args_size = sizeof children};
    return forkcall_server_start(&options) == 0 ? server_pid() : -1;
}

static const struct forkcall_options patient = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};

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
    CHECK(spares_are(server, 2)); /* it has not given up making them */
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

/* ---- Many calls ---------------------------------------------------------------------------------------------- */

#define CROWD 24

/* args: the path of a file. 0: so many run at the same time. */
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

static int gather_often(void *unused)
{
    char path[] = "/tmp/forkcall-crowd-XXXXXX";
    (void)unused;
#ifdef __linux__ /* on one processor the threads overtake each other at any point */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
#endif
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    const pid_t server = server_pid();
    int failed = 0;
    for (int i = 0; failed == 0 && i < 12; i++)
        failed = gather(path);
    unlink(path);
    CHECK(failed == 0 && server_pid() == server && spares_are(server, 2));
    return 0;
}

static void no_call_waits_for_the_end_of_another(void **state)
{
    (void)state;
    assert_int_equal(host_run(gather_often, NULL), 0);
}

/* ---- A server that answers nobody ---------------------------------------------------------------------------- */

static bool is_stopped(void *pid)
{
    return state_of(*(pid_t *)pid) == 'T';
}

static bool is_zombie(void *pid)
{
    return state_of(*(pid_t *)pid) == 'Z';
}

/* args: two kept descriptors. Tells its number, waits for a byte, and ends with status 3 where that is an x. */
static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    const pid_t self = getpid();
    char byte;
    (void)args_size;
    (void)result;
    if (write(fds[0], &self, sizeof self) != (ssize_t)sizeof self || read(fds[1], &byte, 1) != 1)
        return errno;
    if (byte == 'x')
        _exit(3);
    return 0;
}

struct running {
    int told[2], go[2];
    pid_t child;
    struct forkcall_call *call;
};

static int begin(struct running *running)
{
    CHECK(pipe(running->told) == 0 && pipe(running->go) == 0);
    const int fds[] = {running->told[1], running->go[0]};
    struct forkcall_options options = patient;
    options.keep_fds = fds;
    options.keep_fds_count = 2;
    CHECK(forkcall_start(&running->call, child_waits_for_a_byte, fds, sizeof fds, NULL, &options) == 0);
    CHECK(read(running->told[0], &running->child, sizeof running->child) == (ssize_t)sizeof running->child);
    return 0;
}

static int call_beside_a_stopped_server(void *unused)
{
    struct running running;
    struct forkcall_report report;
    (void)unused;
    int server = server_pid();
    CHECK(server > 0 && begin(&running) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    /* Until another serves. Those that find a spare of the old one are well. */
    const struct forkcall_options hasty = {.method = FORKCALL_SERVER, .timeout_ms = 200};
    struct who who = {.parent = server};
    for (int i = 0; who.parent == server && i < DEADLINE_S * 10; i++) {
        struct forkcall_buf result = forkcall_buf_fixed(&who, sizeof who);
        report = forkcall_run(child_tells_who, NULL, 0, &result, &hasty);
        CHECK(report.status == FORKCALL_OK || report.status == FORKCALL_TIMED_OUT);
        if (report.status != FORKCALL_OK)
            who.parent = server;
    }
    CHECK(who.parent != server);
    CHECK(process_lives(server) && forkcall_wait(running.call, 0) == 0);
    CHECK(write(running.go[1], "g", 1) == 1);
    report = forkcall_finish(running.call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(wait_until(process_is_gone, &server)); /* it has no call any more */
    return 0;
}

static void stopped_server_keeps_its_calls_and_gets_no_others(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("without a descriptor for it a stopped server cannot be ended");
#endif
    assert_int_equal(host_run(call_beside_a_stopped_server, NULL), 0);
}

static int wait_for_nothing(void *unused)
{
    struct running running;
    (void)unused;
    int server = server_pid();
    CHECK(server > 0 && begin(&running) == 0);
    CHECK(kill(server, SIGSTOP) == 0 && wait_until(is_stopped, &server));
    CHECK(write(running.go[1], "x", 1) == 1 && wait_until(is_zombie, &running.child));
    /* Only the server can tell how it has ended. */
    CHECK(forkcall_wait(running.call, 0) == 0);
    CHECK(kill(server, SIGCONT) == 0);
    const struct forkcall_report report = forkcall_finish(running.call);
    CHECK(ended(&report, FORKCALL_EXITED, FORKCALL_RAN_YES) && report.code == 3);
    return 0;
}

static void wait_with_0_does_not_wait_for_a_stopped_server(void **state)
{
    (void)state;
    assert_int_equal(host_run(wait_for_nothing, NULL), 0);
}

/* ---- Scarce descriptors -------------------------------------------------------------------------------------- */

/* args: the path of a file. It takes so long that the first call does not wait for it. */
static int prepare_slowly(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    const int fd = open(args, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, "p", 1) != 1)
        return errno;
    while (access(args, F_OK) == 0) /* until it is removed */
        usleep(2000);
    return 0;
}

static int lack_a_descriptor_for_the_server(void *unused)
{
    char path[] = "/tmp/forkcall-slow-XXXXXX";
    const struct rlimit few = {64, 64};
    struct stat status;
    int taken[64];
    int count = 0;
    (void)unused;
    const int file = mkstemp(path);
    const struct forkcall_server_options options = {
        .prepare = prepare_slowly, .prepare_args = path, .prepare_args_size = sizeof path, .timeout_ms = 1};
    CHECK(file >= 0 && setrlimit(RLIMIT_NOFILE, &few) == 0);
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    const struct forkcall_options hasty = {.method = FORKCALL_SERVER, .timeout_ms = 100};
    struct forkcall_report report;
    do { /* this one starts a server, and that one waits for it */
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &hasty);
        CHECK(report.status == FORKCALL_TIMED_OUT);
    } while (forkcall_server_start(NULL) != -EALREADY);
    while (count < 64 && (taken[count] = dup(file)) >= 0)
        count++;
    CHECK(unlink(path) == 0);
    for (int i = 0; i < 3; i++) {
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &patient);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == EMFILE);
    }
    while (count > 0)
        close(taken[--count]);
    CHECK(ask(FORKCALL_SERVER, child_returns_0, NULL, 0, NULL, 0));
    CHECK(fstat(file, &status) == 0 && status.st_size <= 2); /* the one that was given up, and this one */
    return 0;
}

static void server_that_found_no_descriptor_in_its_host_is_there_when_it_does(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("the server sends no descriptor of its own");
#endif
    assert_int_equal(host_run(lack_a_descriptor_for_the_server, NULL), 0);
}

#define MANY 14000

static int child_has_the_last(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return fcntl(*(const int *)args, F_GETFD) < 0 ? errno : 0;
}

static int keep_many(void *unused)
{
    static int list[MANY];
    const struct rlimit many = {MANY + 200, MANY + 200};
    (void)unused;
    if (setrlimit(RLIMIT_NOFILE, &many) < 0)
        return 77;
    const pid_t server = server_pid();
    for (int i = 0; i < MANY; i++)
        CHECK((list[i] = fcntl(STDERR_FILENO, F_DUPFD, 10)) >= 0);
    struct forkcall_options options = patient;
    options.keep_fds = list;
    options.keep_fds_count = MANY;
    const struct forkcall_report report =
        forkcall_run(child_has_the_last, &list[MANY - 1], sizeof list[MANY - 1], NULL, &options);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    for (int i = 0; i < MANY; i++)
        close(list[i]);
    CHECK(server_pid() == server);
    return 0;
}

static void more_keep_fds_than_a_socket_holds(void **state)
{
    (void)state;
    const int status = host_run(keep_many, NULL);
    if (status == 77)
        SKIP("so many descriptors are not allowed here");
    assert_int_equal(status, 0);
}

/* ---- A host that orphans are given to ------------------------------------------------------------------------ */

#ifdef PR_SET_CHILD_SUBREAPER
static bool has_one_child(void *unused)
{
    (void)unused;
    struct forkcall_options options = {.method = FORKCALL_FORK};
    forkcall_run(child_returns_0, NULL, 0, NULL, &options); /* a call reaps what was left */
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
        struct running running;
        CHECK(spares_are(server, 2) && begin(&running) == 0);
        CHECK(kill(server, SIGKILL) == 0);
        const struct forkcall_report report = forkcall_finish(running.call);
        CHECK(report.status == FORKCALL_SIGNALED || report.status == FORKCALL_LOST);
        for (int j = 0; j < 2; j++)
            CHECK(close(running.go[j]) == 0 && close(running.told[j]) == 0);
        CHECK(server_pid() > 0);
    }
    CHECK(wait_until(has_one_child, NULL)); /* the last server */
    const pid_t last = server_pid();
    for (int i = 0; i < 5; i++)
        CHECK(ask(FORKCALL_SERVER, child_leaves_a_child, NULL, 0, NULL, 0));
    CHECK(spares_are(last, 2)); /* it has what the functions left, and lets go of it */
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
        cmocka_unit_test(stopped_server_keeps_its_calls_and_gets_no_others),
        cmocka_unit_test(wait_with_0_does_not_wait_for_a_stopped_server),
        cmocka_unit_test(server_that_found_no_descriptor_in_its_host_is_there_when_it_does),
        cmocka_unit_test(more_keep_fds_than_a_socket_holds),
#ifdef PR_SET_CHILD_SUBREAPER
        cmocka_unit_test(subreaper_keeps_nothing_of_killed_and_stopped_servers),
#endif
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
