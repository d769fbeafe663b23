/* Tests that a child of SPAWN has what the host has at the moment of the call, and nothing else.
 * Argument: the path of a plugin. */
#include "process_attributes.h"
#include "servers.h"

#include "exec/exec_self.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *plugin_path;

static const enum forkcall_method methods[] = {FORKCALL_SPAWN, FORKCALL_SERVER};

/* ---- Of the moment --------------------------------------------------------------------------- */

static bool spawned_child_is_like_host(void)
{
    struct state here, there;
    state_fill(&here);
    return ask(FORKCALL_SPAWN, child_tells_state, NULL, 0, &there, sizeof there) && state_is(&here, &there);
}

static int change_state(void *context)
{
    const struct rlimit limit = {150, 300};
    (void)context;
    CHECK(spawned_child_is_like_host());
    umask(0135);
    CHECK(spawned_child_is_like_host());
    CHECK(chdir("/usr") == 0 && spawned_child_is_like_host());
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && spawned_child_is_like_host());
    if (geteuid() == 0) {
        CHECK(setgid(65534) == 0 && spawned_child_is_like_host());
        CHECK(setuid(65534) == 0 && spawned_child_is_like_host());
    }
    CHECK(close(0) == 0 && spawned_child_is_like_host());
    return 0;
}

static void directory_umask_limits_and_user_of_the_moment(void **state)
{
    (void)state;
    assert_int_equal(host_run(change_state, NULL), 0);
}

static int child_tells_program(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[4096];
    FILE *file = fopen("/proc/self/cmdline", "re");
    (void)args;
    (void)args_size;
    if (file == NULL)
        return errno;
    const size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    return forkcall_buf_append(result, text, n);
}

static int compare_names(void *context)
{
    char here[4096] = "", there[4096];
    FILE *file = fopen("/proc/self/cmdline", "re");
    (void)context;
    CHECK(file != NULL && fread(here, 1, sizeof here - 1, file) > 0);
    fclose(file);
    for (size_t i = 0; i < 2; i++) {
        CHECK(ask_text(methods[i], child_tells_program, NULL, 0, there, sizeof there));
        CHECK(strcmp(here, there) == 0); /* the first word, argv[0] */
    }
    return 0;
}

static void name_of_the_program(void **state)
{
    (void)state;
    if (under_emulator() || under_valgrind())
        SKIP("the command line is that of a tool");
    assert_int_equal(host_run(compare_names, NULL), 0);
}

/* args: a pid, or 0 for the child itself. Returns the name that ps shows. */
static int child_tells_short_name(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char path[64], name[64] = "";
    const pid_t pid = *(const int *)args == 0 ? getpid() : getppid();
    (void)args_size;
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(name, sizeof name, file) == NULL)
        return errno;
    fclose(file);
    return forkcall_buf_append(result, name, strcspn(name, "\n"));
}

static bool short_name_is(enum forkcall_method method, int of_parent, const char *wanted)
{
    char name[64];
    if (!ask_text(method, child_tells_short_name, &of_parent, sizeof of_parent, name, sizeof name))
        return false;
    if (strcmp(name, wanted) == 0)
        return true;
    fprintf(stderr, "it is called \"%s\", not \"%s\"\n", name, wanted);
    return false;
}

static int compare_short_names(void *context)
{
    const struct forkcall_server_options by_exec = {.exec_spares = true};
    (void)context;
    CHECK(short_name_is(FORKCALL_SPAWN, 0, "test_spaw:child"));
    CHECK(short_name_is(FORKCALL_SERVER, 0, "test_spaw:child"));
    CHECK(short_name_is(FORKCALL_SERVER, 1, "test_spa:server"));
    CHECK(forkcall_server_stop() == 0 && forkcall_server_start(&by_exec) == 0);
    CHECK(short_name_is(FORKCALL_SERVER, 0, "test_spaw:child"));
    return 0;
}

static void short_names_tell_program_and_role(void **state)
{
    (void)state;
    if (under_emulator() || under_valgrind())
        SKIP("the name is that of a tool");
    assert_int_equal(host_run(compare_short_names, NULL), 0);
}

static int child_tells_variable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const char *value = getenv(args);
    (void)args_size;
    return value == NULL ? 0 : forkcall_buf_append(result, value, strlen(value));
}

static int change_variables(void *context)
{
    static const char name[] = "FORKCALL_TEST_VARIABLE";
    static const char *const values[] = {"one", "two", ""};
    char text[64];
    (void)context;
    for (size_t i = 0; i < 3; i++) {
        CHECK(setenv(name, values[i], 1) == 0);
        CHECK(ask_text(FORKCALL_SPAWN, child_tells_variable, name, sizeof name, text, sizeof text));
        CHECK(strcmp(text, values[i]) == 0);
    }
    return 0;
}

static void environment_of_the_moment(void **state)
{
    (void)state;
    assert_int_equal(host_run(change_variables, NULL), 0);
}

static int child_counts_variables(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int count = 0;
    (void)args;
    (void)args_size;
    for (; environ != NULL && environ[count] != NULL; count++)
        ;
    return forkcall_buf_append(result, &count, sizeof count);
}

static int clear_environment(void *context)
{
    static char *empty[] = {NULL};
    (void)context;
    for (int k = 0; k < 2; k++) {
        environ = k == 0 ? empty : NULL;
        for (size_t i = 0; i < 2; i++) {
            int count = -1;
            CHECK(ask(methods[i], child_counts_variables, NULL, 0, &count, sizeof count));
            CHECK(count == 0);
        }
        CHECK(forkcall_server_stop() == 0);
    }
    return 0;
}

static void empty_environment(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator() || getenv("LD_LIBRARY_PATH") != NULL)
        SKIP("the program needs its environment here");
    assert_int_equal(host_run(clear_environment, NULL), 0);
}

/* ---- Signals --------------------------------------------------------------------------------- */

/* Sets of signals as bits. */
struct signals {
    uint64_t ignored, caught, blocked, pending;
};

static int child_tells_signals(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct signals signals = {0, 0, 0, 0};
    sigset_t blocked, pending;
    (void)args;
    (void)args_size;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    sigpending(&pending);
    for (int i = 1; i < 32; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) < 0)
            continue;
        const uint64_t bit = (uint64_t)1 << i;
        signals.ignored |= action.sa_handler == SIG_IGN ? bit : 0;
        signals.caught |= action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL ? bit : 0;
        signals.blocked |= sigismember(&blocked, i) == 1 ? bit : 0;
        signals.pending |= sigismember(&pending, i) == 1 ? bit : 0;
    }
    return forkcall_buf_append(result, &signals, sizeof signals);
}

static void on_signal(int signal)
{
    (void)signal;
}

#define BIT(signal) ((uint64_t)1 << (signal))

static int change_signals(void *context)
{
    sigset_t all;
    struct signals before, after;
    (void)context;
    for (size_t i = 0; i < 2; i++) {
        CHECK(ask(methods[i], child_tells_signals, NULL, 0, &before, sizeof before));
        /* The child catches crash signals for the report. The header says that it ignores SIGTTIN
         * and SIGTTOU. */
        CHECK((before.ignored & ~(BIT(SIGTTIN) | BIT(SIGTTOU))) == 0 && before.blocked == 0);
        CHECK((before.caught & (BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGCHLD) | BIT(SIGTERM) | BIT(SIGHUP))) == 0);
        CHECK(forkcall_server_stop() == 0);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGUSR2, on_signal);
        sigfillset(&all);
        CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
        raise(SIGTERM); /* stays pending in this process */
        CHECK(ask(methods[i], child_tells_signals, NULL, 0, &after, sizeof after));
        CHECK(memcmp(&before, &after, sizeof before) == 0);
        CHECK(forkcall_server_stop() == 0);
    }
    return 0;
}

static void signals_are_at_their_default(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind())
        SKIP("tools catch signals of their own");
    assert_int_equal(host_run(change_signals, NULL), 0);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct found {
    int total, above, same_file;
    int at; /* the last descriptor of the same file */
};

/* args: the file's device and inode. */
static int child_finds_descriptors(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct stat *wanted = args;
    struct found found = {0, 0, 0, -1};
    (void)args_size;
    for (int fd = 0; fd < 3000; fd++) {
        struct stat file;
        if (fstat(fd, &file) < 0)
            continue;
        found.total++;
        found.above += fd > 2;
        if (file.st_dev != wanted->st_dev || file.st_ino != wanted->st_ino)
            continue;
        found.same_file++;
        found.at = fd;
    }
    return forkcall_buf_append(result, &found, sizeof found);
}

#define KEPT 777

static bool find_descriptors(enum forkcall_method method, const struct stat *file, bool keep, struct found *found)
{
    const int kept = KEPT;
    struct forkcall_buf result = forkcall_buf_fixed(found, sizeof *found);
    const struct forkcall_options options = {
        .method = method, .timeout_ms = PLENTY_MS, .keep_fds = &kept, .keep_fds_count = keep};
    const struct forkcall_report report = forkcall_run(child_finds_descriptors, file, sizeof *file, &result, &options);
    return ended(&report, FORKCALL_OK, FORKCALL_RAN_YES);
}

static int open_a_thousand(void *context)
{
    char path[64] = "/tmp/forkcall-server-XXXXXX";
    struct stat file;
    struct found few, many;
    const struct rlimit limit = {2048, 2048};
    (void)context;
    const int first = mkstemp(path);
    CHECK(first >= 0 && unlink(path) == 0 && fstat(first, &file) == 0);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    for (size_t i = 0; i < 2; i++)
        CHECK(find_descriptors(methods[i], &file, false, &few) && few.same_file == 0);
    for (int i = 0; i < 1000; i++)
        CHECK(dup(first) >= 0); /* the duplicate is not close-on-exec */
    CHECK(dup2(first, KEPT) == KEPT);
    for (size_t i = 0; i < 2; i++) {
        CHECK(find_descriptors(methods[i], &file, false, &few));
        CHECK(few.same_file == 0 && few.above <= 4); /* the call's channel */
        CHECK(find_descriptors(methods[i], &file, true, &many));
        CHECK(many.same_file == 1 && many.at == KEPT && many.above <= 1 + 4);
    }
    CHECK(forkcall_server_stop() == 0); /* a server that is started now has none of them either */
    CHECK(find_descriptors(FORKCALL_SERVER, &file, false, &few) && few.same_file == 0);
    return 0;
}

static void host_with_a_thousand_open_descriptors(void **state)
{
    (void)state;
    assert_int_equal(host_run(open_a_thousand, NULL), 0);
}

/* ---- Descriptors that other threads close ---------------------------------------------------- */

/* How many times posix_spawn() fails with EBADF, as if an action named a descriptor that another
 * thread has closed. */
static int outdated;

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attrp,
                char *const *argv, char *const *envp)
{
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *,
                char *const *);
    if (outdated > 0) {
        outdated--;
        return EBADF;
    }
    *(void **)&next = dlsym(RTLD_NEXT, "posix_spawn");
    return next(pid, path, actions, attrp, argv, envp);
}

static int close_while_it_spawns(void *context)
{
    const struct forkcall_options options = {.method = FORKCALL_SPAWN};
    int answer = 0;
    (void)context;
    for (size_t i = 0; i < 2; i++) {
        outdated = 2;
        CHECK(ask(methods[i], child_answers_42, NULL, 0, &answer, sizeof answer) && answer == 42);
        CHECK(outdated == 0);
    }
    outdated = 1000000; /* as if a descriptor of the library's own were closed */
    const struct forkcall_report report = forkcall_run(child_answers_42, NULL, 0, NULL, &options);
    CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == EBADF);
    CHECK(outdated > 999000);
    return 0;
}

static void host_whose_threads_close_descriptors_while_it_spawns(void **state)
{
    (void)state;
    assert_int_equal(host_run(close_while_it_spawns, NULL), 0);
}

/* ---- Plugins --------------------------------------------------------------------------------- */

static int call_plugin(void *context)
{
    (void)context;
    CHECK(server_pid() > 0); /* a server that does not know the plugin */
    void *plugin = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    forkcall_fn *const *fn = dlsym(plugin, "plugin_function");
    CHECK(fn != NULL);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 2; i++) {
            char text[64];
            CHECK(ask_text(methods[i], *fn, "abc", 3, text, sizeof text));
            CHECK(strcmp(text, "plugin: abc, call 1") == 0);
        }
    }
    return 0;
}

static void function_of_a_plugin(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_plugin, NULL), 0);
}

/* ---- Re-executed programs that fail ---------------------------------------------------------- */

static int exited(int status)
{
    return status << 8; /* as wait(2) encodes it */
}

/* Checks that failures of one kind never make the library give up. */
static int fail_in_vain(int wait_status, int times, const char *reason)
{
    char why[400];
    const char *last;
    for (int i = 0; i < times; i++) {
        fc_exec_self_failed(wait_status);
        fc_exec_self_describe_end(wait_status, why, sizeof why);
        CHECK(fc_exec_self_error_of_end(wait_status) == ENOEXEC && strstr(why, reason) != NULL);
        CHECK(fc_exec_self_gave_up(&last) == 0);
    }
    return 0;
}

static int fail_and_serve(void *context)
{
    char why[400];
    const char *last = NULL;
    (void)context;
    /* The next start may succeed after such a failure. */
    CHECK(fail_in_vain(SIGKILL, 20, "SIGKILL") == 0);
    CHECK(fail_in_vain(exited(127), 20, "loader") == 0);
    CHECK(fail_in_vain(exited(3), 20, "exit status 3") == 0);
    CHECK(fail_in_vain(exited(FC_EXIT_REFUSED), 20, "could not take over") == 0);
    for (int round = 0; round < 3; round++) {
        CHECK(fail_in_vain(exited(FC_EXIT_NO_SOCKET), 5, "descriptor 3") == 0);
        fc_exec_self_served();
    }
    for (int i = 0; i < 20; i++)
        fc_exec_self_failed(exited(FC_EXIT_REPLACED));
    CHECK(fc_exec_self_error_of_end(exited(FC_EXIT_REPLACED)) == ESTALE);
    fc_exec_self_describe_end(exited(FC_EXIT_REPLACED), why, sizeof why);
    CHECK(fc_exec_self_gave_up(&last) == -ESTALE && strcmp(last, why) == 0);
    fc_exec_self_served();
    CHECK(fc_exec_self_gave_up(&last) == 0);
    return 0;
}

static void only_copies_that_fail_in_a_row_by_their_own_word_are_given_up(void **state)
{
    (void)state;
    assert_int_equal(host_run(fail_and_serve, NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directory_umask_limits_and_user_of_the_moment),
        cmocka_unit_test(name_of_the_program),
        cmocka_unit_test(short_names_tell_program_and_role),
        cmocka_unit_test(environment_of_the_moment),
        cmocka_unit_test(empty_environment),
        cmocka_unit_test(signals_are_at_their_default),
        cmocka_unit_test(host_with_a_thousand_open_descriptors),
        cmocka_unit_test(host_whose_threads_close_descriptors_while_it_spawns),
        cmocka_unit_test(function_of_a_plugin),
        cmocka_unit_test(only_copies_that_fail_in_a_row_by_their_own_word_are_given_up),
    };
    forkcall_init();
    plugin_path = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
