/* Tests that a server does not keep its host's old directory, root, limits and standard streams
 * when the host changes them. */
#include "host_changes.h"
#include "process_attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Directories ----------------------------------------------------------------------------- */

static int change_directory(void)
{
    return done(chdir("/usr"));
}

static void host_that_changes_its_directory(void **state)
{
    CHECK_CHANGE(change_directory);
}

static int enter_and_remove(void)
{
    char own[64];
    if (!directory_make(own))
        return 1;
    const int r = chdir(own);
    rmdir(own); /* the next directory may get the same inode number */
    return r;
}

static void host_in_a_directory_that_is_no_more(void **state)
{
    CHECK_CHANGE(enter_and_remove);
}

static char directory[64]; /* made by the test for the host's use */

/* Changes to the same root by another mount, where later mounts are not visible. */
static int change_root(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("/", directory, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/") < 0)
        return NOT_HERE;
    /* A server from before unshare() would differ for another reason. */
    const pid_t before = server_pid();
    return before < 0 || chroot(directory) < 0 || server_pid() == before ? 1 : 0;
}

static void host_that_changes_its_root(void **state)
{
    struct change change = {.make = change_root};
    (void)state;
    assert_true(directory_make(directory));
    const int status = host_run(check_change, &change);
    rmdir(directory);
    if (status == NOT_HERE)
        SKIP("only root can change its root");
    assert_int_equal(status, 0);
}

static int check_empty_root(void *context)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    (void)context;
    if (geteuid() != 0)
        return NOT_HERE;
    CHECK(server_pid() > 0);
    CHECK(chroot(directory) == 0 && chdir("/") == 0);
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = PLENTY_MS};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO));
        CHECK(report.code == ENOENT && strstr(report.message, "/proc") != NULL);
    }
    return 0;
}

static void host_in_an_empty_root(void **state)
{
    (void)state;
    assert_true(directory_make(directory));
    const int status = host_run(check_empty_root, NULL);
    rmdir(directory);
    if (status == NOT_HERE)
        SKIP("only root can change its root");
    assert_int_equal(status, 0);
}

static int change_umask(void)
{
    umask(0123);
    return 0;
}

static void host_that_changes_its_umask(void **state)
{
    CHECK_CHANGE(change_umask);
}

static void threaded_host_that_changes_its_umask(void **state)
{
    CHECK_CHANGE(change_umask, .threaded = true);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static int lower(resource_t which, rlim_t to)
{
    const struct rlimit limit = {to, to};
    return done(setrlimit(which, &limit));
}

static int lower_files(void)
{
    return lower(RLIMIT_NOFILE, 200);
}

static int lower_cpu(void)
{
    return lower(RLIMIT_CPU, 1000);
}

static int lower_stack(void)
{
    return lower(RLIMIT_STACK, (rlim_t)3 << 20);
}

static int lower_priority(void)
{
    return getpriority(PRIO_PROCESS, 0) > 5 ? NOT_HERE : lower(RLIMIT_MSGQUEUE, 4096);
}

static int lower_to(resource_t which, rlim_t to)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) < 0 || limit.rlim_max < to)
        return NOT_HERE;
    return lower(which, to);
}

#define LOWERS(name, which, to)     \
    static int name(void)           \
    {                               \
        return lower_to(which, to); \
    }
LOWERS(lower_file_size, RLIMIT_FSIZE, (rlim_t)1 << 40)
LOWERS(lower_data, RLIMIT_DATA, (rlim_t)1 << 40)
LOWERS(lower_core, RLIMIT_CORE, 4096)
LOWERS(lower_address_space, RLIMIT_AS, (rlim_t)1 << 46)
LOWERS(lower_processes, RLIMIT_NPROC, 3000)
LOWERS(lower_locked, RLIMIT_MEMLOCK, 32768)
LOWERS(lower_signals, RLIMIT_SIGPENDING, 2000)
LOWERS(lower_run_time, RLIMIT_RTTIME, 1000000000)

static void host_that_lowers_its_limits(void **state)
{
    CHECK_CHANGE(lower_file_size);
    /* Sanitizers need more memory, and set the limit of core files themselves. */
    if (!under_sanitizer()) {
        CHECK_CHANGE(lower_core);
        CHECK_CHANGE(lower_data);
        CHECK_CHANGE(lower_address_space);
    }
    CHECK_CHANGE(lower_processes);
    CHECK_CHANGE(lower_locked);
    CHECK_CHANGE(lower_signals);
    CHECK_CHANGE(lower_run_time);
    CHECK_CHANGE(lower_files);
    CHECK_CHANGE(lower_cpu);
    CHECK_CHANGE(lower_stack);
    CHECK_CHANGE(lower_priority);
}

/* ---- Standard streams ------------------------------------------------------------------------ */

static int replace_stream(int fd, int flags)
{
    const int other = open("/dev/null", flags | O_CLOEXEC);
    const int r = other < 0 ? -1 : dup2(other, fd);
    close(other);
    return r == fd ? 0 : 1;
}

static int make_pipe_of(int fd, int end)
{
    int ends[2];
    if (pipe(ends) < 0 || dup2(ends[end], fd) != fd)
        return 1;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int replace_stdin(void)
{
    return make_pipe_of(0, 0);
}

static int replace_stdout(void)
{
    return make_pipe_of(1, 1);
}

static int replace_stderr(void)
{
    return replace_stream(2, O_RDWR);
}

/* Opens the same device, but for writing. */
static int replace_null(void)
{
    return replace_stream(0, O_RDONLY) != 0 || server_pid() < 0 ? 1 : replace_stream(0, O_WRONLY);
}

static int close_stdin(void)
{
    return close(0);
}

/* Opens the same file again, which gives it another position. */
static int reopen_stdout(void)
{
    char path[64] = "/tmp/forkcall-server-XXXXXX";
    const int first = mkstemp(path);
    const int second = open(path, O_RDWR | O_CLOEXEC);
    unlink(path);
    if (first < 0 || second < 0 || dup2(first, 1) != 1 || server_pid() < 0)
        return 1;
    const pid_t before = server_pid();
    /* The server shares the file position. */
    if (write(1, "some text", 9) != 9 || server_pid() != before)
        return 1;
    if (dup2(second, 1) != 1)
        return 1;
    close(first);
    close(second);
    return 0;
}

static void host_that_replaces_a_standard_stream(void **state)
{
    CHECK_CHANGE(replace_stdin);
    CHECK_CHANGE(replace_stdout);
    CHECK_CHANGE(replace_stderr);
    CHECK_CHANGE(replace_null);
    CHECK_CHANGE(close_stdin);
}

static void host_that_opens_the_file_of_its_stdout_again(void **state)
{
#ifdef SYS_kcmp
    if (syscall(SYS_kcmp, getpid(), getpid(), 0, 1, 1) < 0)
        SKIP("the kernel does not compare open files");
#endif
    CHECK_CHANGE(reopen_stdout);
}

/* ---- One thread ------------------------------------------------------------------------------ */

static void *differ_alone(void *result)
{
    int *good = result;
    struct state here;
    /* Only this thread has another directory; also another user, if permitted. */
    if (unshare(CLONE_FS) < 0 || chdir("/usr") < 0)
        return NULL;
    if (geteuid() == 0 && syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
        return NULL;
    state_fill(&here);
    *good = strcmp(here.directory, "/usr") == 0 && child_has_what_the_host_has(FORKCALL_SERVER) &&
            child_has_what_the_host_has(FORKCALL_SPAWN);
    return NULL;
}

static int check_thread(void *context)
{
    pthread_t thread;
    int good = 0;
    (void)context;
    CHECK(chdir("/") == 0);
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER));
    CHECK(pthread_create(&thread, NULL, differ_alone, &good) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(good);
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER));
    return 0;
}

static void thread_with_a_directory_and_a_user_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(host_run(check_thread, NULL), 0);
}

/* ---- A promise not to change ----------------------------------------------------------------- */

static bool server_survives_a_change(const char *to)
{
    const pid_t server = server_pid();
    return server > 0 && chdir(to) == 0 && server_pid() == server;
}

/* Children of a dead server are LOST, or are in the directory that it had. */
static bool another_server_is_there(void *unused)
{
    (void)unused;
    return child_has_what_the_host_has(FORKCALL_SERVER);
}

static int check_promise(void *unused)
{
    const struct forkcall_server_options promise = {.fixed_identity = true};
    (void)unused;
    CHECK(chdir("/") == 0 && forkcall_server_start(&promise) == 0);
    CHECK(server_survives_a_change("/usr"));
    CHECK(child_has_what_the_host_has(FORKCALL_SPAWN) && !child_has_what_the_host_has(FORKCALL_SERVER));
    /* The next server is started with the same options; without the promise changes count again. */
    const pid_t server = server_pid();
    CHECK(kill(server, SIGKILL) == 0 && wait_until(another_server_is_there, NULL));
    CHECK(server_survives_a_change("/"));
    CHECK(forkcall_server_stop() == 0 && forkcall_server_start(NULL) == 0);
    CHECK(!server_survives_a_change("/usr") && child_has_what_the_host_has(FORKCALL_SERVER));
    return 0;
}

static void host_that_has_promised_not_to_change_is_believed(void **state)
{
    (void)state;
    assert_int_equal(host_run(check_promise, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_changes_its_directory),
        cmocka_unit_test(host_in_a_directory_that_is_no_more),
        cmocka_unit_test(host_that_changes_its_root),
        cmocka_unit_test(host_in_an_empty_root),
        cmocka_unit_test(host_that_changes_its_umask),
        cmocka_unit_test(threaded_host_that_changes_its_umask),
        cmocka_unit_test(host_that_lowers_its_limits),
        cmocka_unit_test(host_that_replaces_a_standard_stream),
        cmocka_unit_test(host_that_opens_the_file_of_its_stdout_again),
        cmocka_unit_test(thread_with_a_directory_and_a_user_of_its_own),
        cmocka_unit_test(host_that_has_promised_not_to_change_is_believed),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
