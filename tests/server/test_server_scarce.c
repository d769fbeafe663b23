/* Want of descriptors, of room in a socket, of what else a server and its host need: it costs nobody a server or a child. */
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct forkcall_options patient = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_that_found_no_descriptor_in_its_host_is_there_when_it_does),
        cmocka_unit_test(more_keep_fds_than_a_socket_holds),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
