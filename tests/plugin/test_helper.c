/* Tests forkcall_use_helper: a program with threads that does not call forkcall_init() calls the
 * functions of a plugin. This program uses the shared library, as the helper does, so it cannot use
 * the helpers of other tests, which have a copy of the library of their own. */
#include "time_factor.h"

#include <forkcall.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#elif defined __SANITIZE_ADDRESS__
#define HAS_ADDRESS_SANITIZER
#endif

#define PLENTY_MS (60000 * time_factor())
#define PATH_SIZE 4096

static const char *helper, *plugin_path, *needy_path, *early_path, *other_build, *program_path;
static void *plugin;
static char folder[] = "/tmp/forkcall-helper-XXXXXX";

extern int only_in_the_program(void);
int only_in_the_program(void)
{
    return 0;
}

static forkcall_fn *function(void *module, const char *name)
{
    forkcall_fn *fn = NULL;
    *(void **)&fn = dlsym(module, name);
    assert_non_null(fn);
    return fn;
}

static struct forkcall_report call(forkcall_fn *fn, enum forkcall_method method, int number, int *answer)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    struct forkcall_buf result = forkcall_buf_fixed(answer, sizeof *answer);
    return forkcall_run(fn, &number, sizeof number, &result, &options);
}

static void assert_status(struct forkcall_report report, enum forkcall_status status)
{
    if (report.status != status)
        fail_msg("%s: %s", forkcall_status_name(report.status), report.message);
}

static void assert_refused(struct forkcall_report report, int code, const char *words)
{
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_int_equal(report.code, code);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    if (strstr(report.message, words) == NULL)
        fail_msg("'%s' is not told: %s", words, report.message);
}

static int count_entries(const char *path)
{
    int n = 0;
    DIR *list = opendir(path);
    if (list == NULL)
        return 0;
    while (readdir(list) != NULL) // NOLINT(concurrency-mt-unsafe): a list of its own
        n++;
    closedir(list);
    return n;
}

/* Copies a file into this test's folder. */
static const char *copy(const char *from, const char *name, mode_t mode, char path[PATH_SIZE])
{
    static char bytes[65536];
    ssize_t n;
    snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    assert_int_equal(fchmod(out, mode), 0);
    close(in);
    close(out);
    return path;
}

/* ---- Which files are taken ------------------------------------------------------------------- */

/* First, because a helper that was noted stays. */
static void a_file_that_others_can_change_is_no_helper(void **state)
{
    char path[PATH_SIZE];
    int answer;
    (void)state;
    assert_int_equal(forkcall_use_helper("forkcall-helper"), -EINVAL);
    assert_int_equal(forkcall_use_helper(""), -EINVAL);
    assert_int_equal(forkcall_use_helper(folder), -EINVAL);
    assert_int_equal(forkcall_use_helper("/dev/null"), -EINVAL);
    assert_int_equal(forkcall_use_helper("/nowhere/forkcall-helper"), -ENOENT);
    assert_int_equal(forkcall_use_helper(copy(helper, "by_group", 0770, path)), -EACCES);
    assert_int_equal(forkcall_use_helper(copy(helper, "by_others", 0707, path)), -EACCES);
    assert_int_equal(forkcall_use_helper(copy(helper, "not_executable", 0600, path)), -EACCES);
    copy(helper, "good", 0700, path);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
        assert_int_equal(forkcall_use_helper(path), -EACCES);
        assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    }
    assert_int_equal(chmod(folder, 0777), 0); /* others could put another file in its place */
    assert_int_equal(forkcall_use_helper(path), -EACCES);
    assert_int_equal(chmod(folder, 0700), 0);
    /* Nothing was changed. */
    assert_status(call(function(plugin, "twice"), FORKCALL_AUTO, 21, &answer), FORKCALL_UNSAFE);
    assert_refused(call(function(plugin, "twice"), FORKCALL_SERVER, 21, &answer), ENOTSUP, "forkcall_use_helper");
    assert_int_equal(forkcall_server_start(NULL), -ENOTSUP);
}

static void a_helper_that_others_can_change_by_now_is_not_started(void **state)
{
    char path[PATH_SIZE];
    int answer;
    (void)state;
    copy(helper, "good", 0700, path);
    assert_int_equal(forkcall_use_helper(path), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_refused(call(function(plugin, "twice"), FORKCALL_SERVER, 21, &answer), EACCES, "the helper's file");
    assert_refused(call(function(plugin, "twice"), FORKCALL_SPAWN, 21, &answer), EACCES, "the helper's file");
    assert_int_equal(unlink(path), 0);
    assert_refused(call(function(plugin, "twice"), FORKCALL_SPAWN, 21, &answer), ENOENT, "the helper's file");
}

/* The helper would be started with the real user. */
static void a_file_of_a_user_whose_rights_are_taken_on_for_a_while_is_no_helper(void **state)
{
    char path[PATH_SIZE];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped %s: only root can take on the rights of another user\n", __func__);
        skip();
    }
    copy(helper, "of_nobody", 0755, path);
    assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    const int r = forkcall_use_helper(path);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(r, -EACCES);
}

static void a_file_of_its_own_user_is_a_helper(void **state)
{
    char path[PATH_SIZE];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped %s: only root can become another user\n", __func__);
        skip();
    }
    copy(helper, "own", 0700, path);
    assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0 || access(path, X_OK) != 0)
            _exit(77);
        _exit(-forkcall_use_helper(path));
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(folder, 0700), 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped %s: another user does not reach the folder of the test\n", __func__);
        skip();
    }
    assert_int_equal(status, 0);
}

static void a_link_in_the_place_of_a_directory_is_not_followed(void **state)
{
    char directory[PATH_SIZE], moved[PATH_SIZE + 8], path[PATH_SIZE];
    int answer;
    (void)state;
    snprintf(directory, sizeof directory, "%s/directory", folder);
    snprintf(moved, sizeof moved, "%s.moved", directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(forkcall_use_helper(copy(helper, "directory/helper", 0700, path)), 0);
    assert_int_equal(rename(directory, moved), 0);
    assert_int_equal(symlink(moved, directory), 0);
    assert_refused(call(function(plugin, "twice"), FORKCALL_SPAWN, 21, &answer), EACCES, "the helper's file");
}

/* A wrapper that starts its caller would be started by it again, and so on. */
static void a_process_that_a_helper_has_started_starts_none(void **state)
{
    int status = -1;
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        setenv("FORKCALL_COPY", "1-0000000000000000", 1);
        _exit(forkcall_use_helper(helper) == -ENOEXEC ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_program_that_is_no_helper_is_told(void **state)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    char script[PATH_SIZE];
    int answer;
    (void)state;
    snprintf(script, sizeof script, "%s/script", folder);
    FILE *file = fopen(script, "we");
    assert_non_null(file);
    fputs("#!/bin/sh\nexit 3\n", file);
    fclose(file);
    assert_int_equal(chmod(script, 0700), 0);
    assert_int_equal(forkcall_use_helper(script), 0);
    for (int i = 0; i < 2; i++)
        assert_refused(call(function(plugin, "twice"), methods[i], 21, &answer), ENOEXEC, "is no forkcall-helper");
}

static void a_helper_with_another_build_of_the_library_is_told(void **state)
{
    int answer;
    (void)state;
    assert_int_equal(forkcall_use_helper(other_build), 0);
    assert_refused(call(function(plugin, "twice"), FORKCALL_SPAWN, 21, &answer), ESTALE,
                   "another build of libforkcall");
    assert_refused(call(function(plugin, "twice"), FORKCALL_AUTO, 21, &answer), ESTALE, "another build of libforkcall");
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static int use_helper(void **state)
{
    (void)state;
    return forkcall_use_helper(helper);
}

static int stop_server(void **state)
{
    (void)state;
    return forkcall_server_stop();
}

static void functions_of_a_plugin_run_in_the_helper(void **state)
{
    static const enum forkcall_method methods[] = {FORKCALL_AUTO, FORKCALL_SERVER, FORKCALL_SPAWN};
    forkcall_fn *(*static_function)(void) = NULL;
    (void)state;
    *(void **)&static_function = dlsym(plugin, "static_function");
    for (int i = 0; i < 3; i++) {
        int answer = 0;
        const struct forkcall_report report = call(function(plugin, "twice"), methods[i], 21, &answer);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(answer, 42);
        assert_int_not_equal(report.method, FORKCALL_FORK);
        assert_status(call(static_function(), methods[i], 21, &answer), FORKCALL_OK);
        assert_int_equal(answer, 63);
    }
}

static void a_crash_in_the_helper_names_function_and_a_hang_ends(void **state)
{
    struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    char text[4096];
    (void)state;
    const struct forkcall_report report = forkcall_run(function(plugin, "crashes"), NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_SIGNALED);
    forkcall_explain(&report, text, sizeof text);
    if (strstr(text, "crashes was killed by SIGABRT") == NULL)
        fail_msg("%s", text);
    options.timeout_ms = 100;
    assert_status(forkcall_run(function(plugin, "hangs"), NULL, 0, NULL, &options), FORKCALL_TIMED_OUT);
}

static void what_prepare_of_a_plugin_leaves_is_there(void **state)
{
    const int number = 7;
    const struct forkcall_server_options options = {
        .prepare = function(plugin, "prepares"), .prepare_args = &number, .prepare_args_size = sizeof number};
    int answer = 0;
    (void)state;
    assert_int_equal(forkcall_server_start(&options), 0);
    assert_status(call(function(plugin, "tells_prepared"), FORKCALL_SERVER, 0, &answer), FORKCALL_OK);
    assert_int_equal(answer, 7);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&(struct forkcall_server_options){.spares = 0}), 0);
}

static void maps_and_reused_children_work_in_the_helper(void **state)
{
    enum { COUNT = 50 };
    int number[COUNT];
    struct forkcall_buf results[COUNT];
    struct forkcall_map_options options = {.call = {.timeout_ms = PLENTY_MS}, .items_per_child = 10};
    int answer;
    (void)state;
    memset(results, 0, sizeof results);
    for (int i = 0; i < COUNT; i++)
        number[i] = i;
    assert_status(forkcall_map(function(plugin, "twice"), number, sizeof *number, COUNT, results, NULL, &options),
                  FORKCALL_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(*(int *)results[i].data, 2 * i);
        forkcall_buf_free(&results[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        const struct forkcall_options reuse = {.reuse_child = true, .timeout_ms = PLENTY_MS};
        assert_status(forkcall_run(function(plugin, "twice"), &i, sizeof i, &result, &reuse), FORKCALL_OK);
        assert_int_equal(answer, 2 * i);
    }
}

static int is_of_the_program(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 0;
}

static void a_function_of_the_program_itself_is_refused(void **state)
{
    const struct forkcall_server_options options = {.prepare = is_of_the_program};
    int answer;
    (void)state;
    assert_refused(call(is_of_the_program, FORKCALL_AUTO, 0, &answer), ENOTSUP, "lies in the program itself");
    assert_refused(call(is_of_the_program, FORKCALL_SPAWN, 0, &answer), ENOTSUP, "lies in the program itself");
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(forkcall_server_start(&options), -ENOTSUP);
}

static void a_module_that_needs_the_program_is_refused_with_what_it_needs(void **state)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    void *needy = dlopen(needy_path, RTLD_LAZY | RTLD_LOCAL);
    int answer;
    (void)state;
    assert_non_null(needy);
    for (int i = 0; i < 2; i++) {
        assert_refused(call(function(needy, "twice"), methods[i], 0, &answer), ENOENT, "only_in_the_program");
        assert_refused(call(function(needy, "asks_the_program"), methods[i], 0, &answer), ENOENT,
                       "only_in_the_program");
    }
    dlclose(needy);
}

static void a_module_that_was_replaced_or_deleted_is_refused(void **state)
{
    char path[PATH_SIZE];
    int answer;
    (void)state;
    void *module = dlopen(copy(plugin_path, "plugin.so", 0700, path), RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    assert_status(call(function(module, "twice"), FORKCALL_SERVER, 4, &answer), FORKCALL_OK);
    assert_int_equal(unlink(path), 0);
    const struct forkcall_report deleted = call(function(module, "twice"), FORKCALL_SERVER, 4, &answer);
    assert_status(deleted, FORKCALL_NOT_STARTED);
    assert_non_null(strstr(deleted.message, "plugin.so"));
    copy(needy_path, "plugin.so", 0700, path);
    const struct forkcall_report replaced = call(function(module, "twice"), FORKCALL_SERVER, 4, &answer);
    assert_status(replaced, FORKCALL_NOT_STARTED);
    assert_int_equal(replaced.code, ESTALE);
    dlclose(module);
    unlink(path);
}

static void nothing_is_left_in_the_host(void **state)
{
    int answer;
    (void)state;
    assert_int_equal(forkcall_server_stop(), 0);
    const int before = count_entries("/dev/fd");
    for (int i = 0; i < 30; i++)
        assert_status(call(function(plugin, "twice"), i % 10 == 0 ? FORKCALL_SPAWN : FORKCALL_AUTO, i, &answer),
                      FORKCALL_OK);
    assert_int_equal(forkcall_use_helper(helper), 0); /* the same: nothing is stopped */
    assert_int_equal(forkcall_server_start(NULL), -EALREADY);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_int_equal(count_entries("/dev/fd"), before);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Runs this program again for one of the modes of main. */
static int run_again(const char *mode)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        execl(program_path, program_path, helper, plugin_path, needy_path, early_path, other_build, mode, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In a process of its own: descriptor 3 is a socket of the program's. */
static int keep_an_error_of_a_socket(void)
{
    const struct sockaddr_in nobody = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int error = 0;
    socklen_t size = sizeof error;
    const int made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0 || (made != 3 && dup2(made, 3) < 0) || fcntl(3, F_SETFL, O_NONBLOCK) < 0)
        return 2;
    if (connect(3, (const struct sockaddr *)&nobody, sizeof nobody) == 0 || errno != EINPROGRESS)
        return 77; /* refused at once, or somebody listens there */
    struct pollfd end = {.fd = 3, .events = POLLOUT};
    if (poll(&end, 1, PLENTY_MS) != 1 || forkcall_use_helper(helper) != 0)
        return 3;
    return getsockopt(3, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNREFUSED ? 0 : 4;
}

static void an_error_of_the_programs_socket_stays_the_programs(void **state)
{
    (void)state;
    const int r = run_again("socket");
    if (r == 77) {
        print_message("skipped %s: a connection to nobody does not fail later here\n", __func__);
        skip();
    }
    assert_int_equal(r, 0);
}

static int call_init_late(void)
{
    int answer;
    if (forkcall_use_helper(helper) != 0 ||
        call(function(plugin, "twice"), FORKCALL_AUTO, 4, &answer).status != FORKCALL_OK)
        return 2;
    forkcall_init();
    const struct forkcall_report report = call(is_of_the_program, FORKCALL_AUTO, 4, &answer);
    if (report.status != FORKCALL_OK)
        fprintf(stderr, "%s\n", report.message);
    return report.status == FORKCALL_OK && forkcall_server_stop() == 0 ? 0 : 3;
}

static void a_program_that_calls_forkcall_init_later_gets_instances_of_itself(void **state)
{
    (void)state;
    assert_int_equal(run_again("late"), 0);
}

/* The helper has the environment of this process. */
static void a_plugin_that_wants_a_helper_when_it_is_loaded_does_not_end_the_helper(void **state)
{
    int answer;
    (void)state;
#ifdef HAS_ADDRESS_SANITIZER
    print_message("skipped %s: the sanitizer wants to be the first library\n", __func__);
    skip();
#endif
    assert_int_equal(setenv("LD_PRELOAD", early_path, 1), 0);
    const struct forkcall_report report = call(function(plugin, "twice"), FORKCALL_SPAWN, 21, &answer);
    unsetenv("LD_PRELOAD");
    assert_status(report, FORKCALL_OK);
}

/* ---- By hand --------------------------------------------------------------------------------- */

/* Runs the helper with an argument. Returns its exit status, and what it has written. */
static int run_by_hand(const char *argument, char *text, size_t size)
{
    char command[PATH_SIZE + 64];
    snprintf(command, sizeof command, "'%s' %s 2>&1", helper, argument);
    FILE *output = popen(command, "r"); // NOLINT(cert-env33-c): a test's own command
    assert_non_null(output);
    text[fread(text, 1, size - 1, output)] = '\0';
    const int status = pclose(output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_helper_says_what_it_is(void **state)
{
    char text[1000], version[64];
    (void)state;
    const int v = forkcall_version();
    snprintf(version, sizeof version, "%d.%d.%d\n", v / 1000000, v / 1000 % 1000, v % 1000);
    assert_int_equal(run_by_hand("--version", text, sizeof text), 0);
    assert_non_null(strstr(text, version));
    assert_int_equal(run_by_hand("", text, sizeof text), 2);
    assert_non_null(strstr(text, "forkcall_use_helper()"));
}

static void *waits(void *lock)
{
    pthread_mutex_lock(lock);
    return NULL;
}

static int clean_up(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own command
}

int main(int argc, char **argv)
{
    if (argc == 1) { /* an instance of this program */
        forkcall_init();
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, use_helper, stop_server)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_others_can_change_is_no_helper),
        cmocka_unit_test(a_helper_that_others_can_change_by_now_is_not_started),
        cmocka_unit_test(a_file_of_a_user_whose_rights_are_taken_on_for_a_while_is_no_helper),
        cmocka_unit_test(a_file_of_its_own_user_is_a_helper),
        cmocka_unit_test(a_link_in_the_place_of_a_directory_is_not_followed),
        cmocka_unit_test(a_process_that_a_helper_has_started_starts_none),
        cmocka_unit_test(an_error_of_the_programs_socket_stays_the_programs),
        cmocka_unit_test(a_program_that_calls_forkcall_init_later_gets_instances_of_itself),
        cmocka_unit_test(a_program_that_is_no_helper_is_told),
        cmocka_unit_test(a_helper_with_another_build_of_the_library_is_told),
        TEST(functions_of_a_plugin_run_in_the_helper),
        TEST(a_crash_in_the_helper_names_function_and_a_hang_ends),
        TEST(what_prepare_of_a_plugin_leaves_is_there),
        TEST(maps_and_reused_children_work_in_the_helper),
        TEST(a_function_of_the_program_itself_is_refused),
        TEST(a_module_that_needs_the_program_is_refused_with_what_it_needs),
        TEST(a_module_that_was_replaced_or_deleted_is_refused),
        TEST(a_plugin_that_wants_a_helper_when_it_is_loaded_does_not_end_the_helper),
        TEST(nothing_is_left_in_the_host),
        cmocka_unit_test(the_helper_says_what_it_is),
    };
#undef TEST
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    if (argc < 6 || mkdtemp(folder) == NULL)
        return 1;
    helper = realpath(argv[1], NULL);
    plugin_path = realpath(argv[2], NULL);
    needy_path = realpath(argv[3], NULL);
    early_path = realpath(argv[4], NULL);
    other_build = realpath(argv[5], NULL);
    program_path = realpath(argv[0], NULL);
    plugin = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
    if (argc == 7) {
        rmdir(folder);
        return strcmp(argv[6], "late") == 0 ? call_init_late() : keep_an_error_of_a_socket();
    }
    /* The host has another thread, so that no fork is safe. */
    if (plugin == NULL || pthread_mutex_lock(&lock) != 0 || pthread_create(&thread, NULL, waits, &lock) != 0)
        return 1;
    const int r = cmocka_run_group_tests(tests, NULL, clean_up);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    return r;
}
