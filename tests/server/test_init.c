/* Tests of forkcall_init(): what it needs, what it leaves behind, and which marks it does not
 * believe. Arguments: the paths of init_program, impostor and wrapper. */
#include "host_changes.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define REMEDY "need forkcall_init() as the first thing in this program's main()"

static const char *init_program, *impostor, *wrapper;

static char output[16384];

#define RUN(variables, ...)                                                               \
    program_run(&(const struct program){.path = init_program,                             \
                                        .args = (const char *const[]){__VA_ARGS__, NULL}, \
                                        .environment = (variables)},                      \
                output, sizeof output)

static void assert_says(const char *text)
{
    if (strstr(output, text) != NULL)
        return;
    print_error("\"%s\" is not in:\n%s", text, output);
    fail();
}

static void assert_silent_about(const char *text)
{
    if (strstr(output, text) == NULL)
        return;
    print_error("\"%s\" is in:\n%s", text, output);
    fail();
}

/* ---- With and without ------------------------------------------------------------------------ */

static void main_without_forkcall_init(void **state)
{
    (void)state;
    assert_int_equal(RUN(NULL, "bare", "server", "spawn", "start", "auto"), 0);
    assert_says("server: NOT_STARTED method 2 ran 1 code 95: method: SERVER and SPAWN " REMEDY);
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 95: method: SERVER and SPAWN " REMEDY);
    assert_says("start: -95");
    assert_says("auto: OK method 1 ran 2");
}

static void main_with_forkcall_init(void **state)
{
    (void)state;
    assert_int_equal(RUN(NULL, "init", "auto", "server", "spawn", "fork"), 0);
    assert_says("auto: OK method 2 ran 2");
    assert_says("server: OK method 2 ran 2");
    assert_says("spawn: OK method 3 ran 2");
    assert_says("fork: OK method 1 ran 2");
}

/* ---- Re-executed programs -------------------------------------------------------------------- */

struct log {
    char directory[64];
    char path[96];
    char entry[128]; /* the entry of the environment */
};

static void log_open(struct log *log)
{
    assert_true(directory_make(log->directory));
    snprintf(log->path, sizeof log->path, "%s/log", log->directory);
    snprintf(log->entry, sizeof log->entry, "SUBJECT_LOG=%s", log->path);
}

/* Checks how many processes have run main, and how many passed forkcall_init(). */
static void log_close(struct log *log, int started, int went_on)
{
    const int mains = count_in_file(log->path, "main");
    const int after = count_in_file(log->path, "after") + count_in_file(log->path, "went on");
    directory_remove(log->directory);
    assert_int_equal(mains, started);
    assert_int_equal(after, went_on);
}

static void copy_never_runs_a_line_of_main_after_it(void **state)
{
    struct log log;
    (void)state;
    log_open(&log);
    const char *const environment[] = {log.entry, NULL};
    assert_int_equal(RUN(environment, "init", "spawn", "spawn", "server", "server", "server", "auto"), 0);
    /* Main was run by the host, by a re-executed program for each SPAWN, and by the server. */
    log_close(&log, 1 + 2 + 1, 1);
}

/* Checks the outcome of a SPAWN and of a SERVER whose re-executed program does what in place of
 * forkcall_init(). */
static void check_copies(const char *what, const char *why, int code)
{
    char copy[64], wanted[256];
    struct log log;
    log_open(&log);
    snprintf(copy, sizeof copy, "SUBJECT_COPY=%s", what);
    const char *const environment[] = {log.entry, copy, NULL};
    assert_int_equal(RUN(environment, "init", "spawn", "server", "auto", "fork"), 0);
    snprintf(wanted, sizeof wanted, "spawn: NOT_STARTED method 3 ran 1 code %d: %s", code, why);
    assert_says(wanted);
    snprintf(wanted, sizeof wanted, "server: NOT_STARTED method 2 ran 1 code %d: server: %s", code, why);
    assert_says(wanted);
    snprintf(wanted, sizeof wanted, "auto: NOT_STARTED method 2 ran 1 code %d: server: %s", code, why);
    assert_says(wanted);
    assert_says("fork: OK");
    log_close(&log, 1 + 3, 1); /* no re-executed program has re-executed itself */
}

static void copy_that_calls_the_library_before_forkcall_init(void **state)
{
    (void)state;
    check_copies("calls", "the re-executed program called the library before forkcall_init()", 8);
}

static void copy_that_makes_copies_before_forkcall_init(void **state)
{
    (void)state;
    check_copies("recurses", "the re-executed program called the library before forkcall_init()", 8);
}

static void copy_that_starts_a_server_before_forkcall_init(void **state)
{
    (void)state;
    check_copies("starts", "the re-executed program called the library before forkcall_init()", 8);
}

static void copy_that_exits_before_forkcall_init(void **state)
{
    (void)state;
    check_copies("exits", "the re-executed program ended with exit status 3 before it reached forkcall_init()", 8);
}

static void copy_that_crashes_before_forkcall_init(void **state)
{
    (void)state;
    check_copies("crashes", "the re-executed program was killed by SIGTRAP before it reached forkcall_init()", 8);
}

static void copy_that_never_comes_to_forkcall_init(void **state)
{
    struct log log;
    (void)state;
    log_open(&log);
    const char *const environment[] = {log.entry, "SUBJECT_COPY=hangs", "SUBJECT_TIMEOUT=200", NULL};
    assert_int_equal(RUN(environment, "init", "spawn", "server"), 0);
    assert_says("spawn: TIMED_OUT method 3 ran 1");
    assert_says("server: TIMED_OUT method 2 ran 1");
    log_close(&log, 1 + 2, 1);
}

/* ---- What is inherited ----------------------------------------------------------------------- */

static void run_stranger(const char *how)
{
    const char *const args[] = {how, wrapper, NULL};
    const struct program program = {.path = impostor, .args = args};
    print_message("%s\n", how);
    const int status = program_run(&program, output, sizeof output);
    if (status != 0)
        print_error("%s", output);
    assert_int_equal(status, 0);
}

/* Starts an impostor in each of these ways. comes_to_main: it has no mark of this library's, and
 * reaches main. Else it may be a re-executed program, and does not. */
static void run_strangers(const char *const *hows, bool comes_to_main)
{
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    for (; *hows != NULL; hows++) {
        run_stranger(*hows);
        if (comes_to_main)
            assert_says("main\n");
        else
            assert_silent_about("main");
    }
}

static void inherited_marks_are_ignored(void **state)
{
    static const char *const hows[] = {"marker", "marker_and_socket", "marker_and_data", NULL};
    (void)state;
    run_strangers(hows, true);
}

/* Only re-executed programs are started by that path, with that kernel mark, or with a marker that
 * names their parent. */
static void copy_without_its_socket_never_comes_to_main(void **state)
{
    static const char *const hows[] = {
        "odd_path", "odd_path_and_socket", "odd_path_and_data", "odd_path_and_marker", "brand", "right_marker", NULL};
    (void)state;
    run_strangers(hows, false);
}

static void copy_of_a_stranger_serves_nobody(void **state)
{
    static const char *const hows[] = {"hello_of_a_stranger", "odd_path_and_hello_of_a_stranger",
                                       "brand_and_hello_of_a_stranger", NULL};
    (void)state;
    run_strangers(hows, false);
}

static void process_that_may_be_a_copy_starts_none(void **state)
{
    static const char *const hows[] = {"brand_and_another_parent", "hello_of_a_stranger_alone",
                                       "hello_of_a_stranger_and_an_inherited_marker", NULL};
    (void)state;
    run_strangers(hows, true);
}

/* The process takes its place as a re-executed program, and ends because its maker has hung up. */
static void hello_of_the_parent_is_enough(void **state)
{
    static const char *const hows[] = {"hello_alone", "wrong_nonce", "true_copy", "true_copy_by_odd_path", NULL};
    (void)state;
    run_strangers(hows, false);
}

/* Checks what a program finds that was started by this command. */
static void check_environment(const char *command, const char *method)
{
    static const char *const environment[] = {"SUBJECT_OWN=1", NULL};
    assert_int_equal(RUN(environment, "init", "spawn", "server", command, method), 0);
    assert_says("SUBJECT_OWN=1\n");
    assert_says("done\n");
    assert_silent_about("FORKCALL");
    assert_silent_about("memfd:");
    assert_silent_about("[eventpoll]");
    assert_silent_about("[pidfd]");
}

static int count_in_output(const char *text)
{
    return count_in_text(output, text);
}

static void programs_that_the_host_starts_find_nothing_of_ours(void **state)
{
    static const char *const environment[] = {"SUBJECT_OWN=1", NULL};
    (void)state;
    assert_int_equal(RUN(environment, "init", "environ"), 0);
    const int sockets = count_in_output("socket:"), pipes = count_in_output("pipe:");
    check_environment("environ", "environ"); /* the second round finds what the first found */
    assert_int_equal(count_in_output("socket:"), 2 * sockets);
    assert_int_equal(count_in_output("pipe:"), 2 * pipes);
}

static void programs_that_a_child_starts_find_nothing_of_ours(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        check_environment("child_environ", i == 0 ? "spawn" : "server");
        assert_int_equal(count_in_output("OK"), 3);
        assert_silent_about("socket:");
        assert_silent_about("pipe:");
    }
}

/* ---- Rights ---------------------------------------------------------------------------------- */

struct user {
    uid_t uid, euid;
};

static int become(void *context)
{
    const struct user *user = context;
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0)
        return 1;
    return setresuid(user->uid, user->euid, user->uid == 0 ? 0 : (uid_t)-1);
}

/* Runs a copy of init_program as nobody. The copy belongs to root and has this mode. */
static void run_as_nobody(mode_t mode, const char *const *args, void (*change)(const char *))
{
    char directory[64], path[96];
    struct statvfs mount;
    program_make(init_program, mode, directory, path);
    if (change != NULL)
        change(path);
    struct user nobody = {NOBODY, NOBODY};
    const struct program program = {.path = path, .args = args, .before = become, .context = &nobody};
    const bool no_suid = statvfs(path, &mount) < 0 || (mount.f_flag & ST_NOSUID) != 0;
    const int status = program_run(&program, output, sizeof output);
    directory_remove(directory);
    if (no_suid)
        SKIP("the file system knows no set-user-id programs");
    assert_int_equal(status, 0);
}

#define SKIP_UNLESS_ROOT                                     \
    do {                                                     \
        if (geteuid() != 0)                                  \
            SKIP("only root can make set-user-id programs"); \
        if (under_emulator())                                \
            SKIP("the emulator is no set-user-id program");  \
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)     \
            SKIP("no_new_privs is set");                     \
    } while (0)

static void set_user_id_program(void **state)
{
    static const char *const args[] = {"init", "helper", "server", "spawn", "start", "auto", NULL};
    (void)state;
    SKIP_UNLESS_ROOT;
    run_as_nobody(04755, args, NULL);
    assert_says("server: NOT_STARTED method 2 ran 1 code 1: method: SERVER and SPAWN are not for set-user-id programs");
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 1: method: SERVER and SPAWN are not for set-user-id programs");
    assert_says("start: -1\n");
    assert_says("helper: -1\n");
    assert_says("auto: OK method 1 ran 2");
}

/* Sets CAP_NET_BIND_SERVICE as setcap(8) does: version 2, effective. */
static void give_capabilities(const char *path)
{
    static const unsigned char attribute[20] = {1, 0, 0, 2, 0, 4};
    if (setxattr(path, "security.capability", attribute, sizeof attribute, 0) < 0)
        perror("setxattr");
}

static void program_with_file_capabilities_run_by_a_user(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "auto", "thread", "auto", NULL};
    (void)state;
    SKIP_UNLESS_ROOT;
    run_as_nobody(0755, args, give_capabilities);
    if (strstr(output, "server: OK") != NULL)
        SKIP("the file system knows no file capabilities");
    assert_says(
        "server: NOT_STARTED method 2 ran 1 code 1: method: SERVER and SPAWN are not for set-user-id programs, nor "
        "for those whose file has capabilities");
    assert_says("auto: OK method 1 ran 2");
    assert_says("auto: UNSAFE method 1 ran 1 code 0: a fork is not safe now: other threads run in this process, and no "
                "clean process can");
    assert_null(strstr(output, "forkcall_init()"));
}

/* The file's capabilities give root nothing at exec. */
static void program_with_file_capabilities_run_by_root(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "thread", "auto", NULL};
    char directory[64], path[96];
    (void)state;
    SKIP_UNLESS_ROOT;
    program_make(init_program, 0755, directory, path);
    give_capabilities(path);
    const struct program program = {.path = path, .args = args};
    const int status = program_run(&program, output, sizeof output);
    directory_remove(directory);
    assert_int_equal(status, 0);
    assert_says("server: OK method 2");
    assert_says("spawn: OK method 3");
    assert_says("auto: OK method 2");
}

/* A re-executed program would begin as the real user, to whom exec gives the file's capabilities:
 * it is not started at all. */
static void program_with_file_capabilities_and_another_real_user(void **state)
{
    static const char *const args[] = {"init", "real_user", "65534", "server", "spawn", "start", NULL};
    char directory[64], path[96];
    (void)state;
    SKIP_UNLESS_ROOT;
    program_make(init_program, 0755, directory, path);
    give_capabilities(path);
    const struct program program = {.path = path, .args = args};
    const int status = program_run(&program, output, sizeof output);
    directory_remove(directory);
    assert_int_equal(status, 0);
    assert_says("setresuid: 0\n");
    if (strstr(output, "server: OK") != NULL)
        SKIP("the file system knows no file capabilities");
    assert_says("server: NOT_STARTED method 2 ran 1 code 1: server: this program's file has capabilities (setcap)");
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 1: this program's file has capabilities (setcap)");
    assert_says("start: -1\n");
}

static void same_program_without_the_bit(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "start", "auto", NULL};
    (void)state;
    SKIP_UNLESS_ROOT;
    run_as_nobody(0755, args, NULL);
    assert_says("server: OK");
    assert_says("spawn: OK");
    assert_says("auto: OK method 2 ran 2");
}

static void host_with_another_effective_user(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "start", "fork", NULL};
    struct user user = {0, NOBODY};
    (void)state;
    SKIP_UNLESS_ROOT;
    if (under_sanitizer())
        SKIP("the leak checker cannot look into such a process");
    /* The user was changed before exec, so AT_SECURE is set, too. host_that_calls_seteuid changes
     * it while the program runs. */
    const struct program program = {.path = init_program, .args = args, .before = become, .context = &user};
    assert_int_equal(program_run(&program, output, sizeof output), 0);
    assert_says("server: NOT_STARTED method 2 ran 1 code 1");
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 1");
    assert_says("start: -1\n");
    assert_says("fork: OK");
}

static int call_after_seteuid(void *context)
{
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0);
    CHECK(seteuid(NOBODY) == 0);
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER) && server_pid() == server);
    CHECK(child_has_what_the_host_has(FORKCALL_SPAWN));
    CHECK(forkcall_server_stop() == 0);
    CHECK(forkcall_server_start(NULL) == 0);
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER));
    CHECK(seteuid(0) == 0);
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER));
    CHECK(child_has_what_the_host_has(FORKCALL_SPAWN));
    return 0;
}

static void host_that_calls_seteuid(void **state)
{
    (void)state;
    SKIP_UNLESS_ROOT;
    assert_int_equal(host_run(call_after_seteuid, NULL), 0);
}

/* Leaves room for one process beside the program: the re-executed program, which cannot fork the
 * server. */
static int become_limited(void *unused)
{
    const struct rlimit limit = {2, 2};
    const unsigned lonely = lonely_user();
    (void)unused;
    return setgroups(0, NULL) < 0 || setresgid(lonely, lonely, lonely) < 0 || setresuid(lonely, lonely, lonely) < 0 ||
           setrlimit(RLIMIT_NPROC, &limit) < 0;
}

static void server_that_cannot_be_forked(void **state)
{
    static const char *const args[] = {"init", "server", "spawn", "auto", "start", NULL};
    (void)state;
    SKIP_UNLESS_ROOT;
    if (under_sanitizer() || under_valgrind())
        SKIP("tools make processes of their own");
    const struct program program = {.path = init_program, .args = args, .before = become_limited};
    assert_int_equal(program_run(&program, output, sizeof output), 0);
    assert_says("server: NOT_STARTED method 2 ran 1 code 11: server: no room for another process: a limit of");
    assert_says("auto: NOT_STARTED method 2 ran 1 code 11: server: no room for another process: a limit of");
    assert_says("spawn: OK");
    assert_says("start: -11\n");
}

static int leave_namespace(void *unused)
{
    (void)unused;
    return unshare(CLONE_NEWPID);
}

static void server_that_would_be_the_first_process_of_a_namespace(void **state)
{
    static const char *const args[] = {"init", "server", NULL};
    (void)state;
    SKIP_UNLESS_ROOT;
    if (under_sanitizer() || under_valgrind())
        SKIP("tools make processes of their own, which such a process cannot");
    const struct program program = {.path = init_program, .args = args, .before = leave_namespace};
    const int status = program_run(&program, output, sizeof output);
    if (status == 98)
        SKIP("no process namespaces here");
    assert_int_equal(status, 0);
    assert_says("server: NOT_STARTED method 2 ran 1 code 95: server: the children of this process are in a process");
}

/* Runs a program whose file becomes set-user-id meanwhile. */
static void run_and_become_set_user_id(uid_t owner)
{
    const char *args[] = {"init", "set_user_id", "", "server", "spawn", "start", "auto", NULL};
    char directory[64], path[96];
    program_make(init_program, 0755, directory, path);
    args[2] = path;
    assert_true(geteuid() != 0 || chown(path, owner, (gid_t)-1) == 0);
    const struct program program = {.path = path, .args = args};
    const int status = program_run(&program, output, sizeof output);
    directory_remove(directory);
    assert_int_equal(status, 0);
}

static void program_file_that_became_set_user_id(void **state)
{
    struct statvfs mount;
    (void)state;
    SKIP_UNLESS_ROOT;
    if (statvfs("/tmp", &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0)
        SKIP("the file system knows no set-user-id programs");
    run_and_become_set_user_id(NOBODY);
    assert_says("server: NOT_STARTED method 2 ran 1 code 1: ");
    assert_says("spawn: NOT_STARTED method 3 ran 1 code 1: this program's file is set-user-id or set-group-id");
    assert_says("start: -1\n");
}

/* The set-user-id bit gives the file's own user no other rights at exec. */
static void program_file_that_became_set_user_id_of_its_own_user(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator is no set-user-id program");
    run_and_become_set_user_id(geteuid());
    assert_says("server: OK method 2");
    assert_says("spawn: OK method 3");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_without_forkcall_init),
        cmocka_unit_test(main_with_forkcall_init),
        cmocka_unit_test(copy_never_runs_a_line_of_main_after_it),
        cmocka_unit_test(copy_that_calls_the_library_before_forkcall_init),
        cmocka_unit_test(copy_that_makes_copies_before_forkcall_init),
        cmocka_unit_test(copy_that_starts_a_server_before_forkcall_init),
        cmocka_unit_test(copy_that_exits_before_forkcall_init),
        cmocka_unit_test(copy_that_crashes_before_forkcall_init),
        cmocka_unit_test(copy_that_never_comes_to_forkcall_init),
        cmocka_unit_test(inherited_marks_are_ignored),
        cmocka_unit_test(copy_without_its_socket_never_comes_to_main),
        cmocka_unit_test(copy_of_a_stranger_serves_nobody),
        cmocka_unit_test(process_that_may_be_a_copy_starts_none),
        cmocka_unit_test(hello_of_the_parent_is_enough),
        cmocka_unit_test(programs_that_the_host_starts_find_nothing_of_ours),
        cmocka_unit_test(programs_that_a_child_starts_find_nothing_of_ours),
        cmocka_unit_test(set_user_id_program),
        cmocka_unit_test(program_with_file_capabilities_run_by_a_user),
        cmocka_unit_test(program_with_file_capabilities_run_by_root),
        cmocka_unit_test(program_with_file_capabilities_and_another_real_user),
        cmocka_unit_test(same_program_without_the_bit),
        cmocka_unit_test(host_with_another_effective_user),
        cmocka_unit_test(host_that_calls_seteuid),
        cmocka_unit_test(server_that_cannot_be_forked),
        cmocka_unit_test(server_that_would_be_the_first_process_of_a_namespace),
        cmocka_unit_test(program_file_that_became_set_user_id),
        cmocka_unit_test(program_file_that_became_set_user_id_of_its_own_user),
    };
    forkcall_init();
    if (argc < 4) {
        fprintf(stderr, "arguments: init_program, impostor, wrapper\n");
        return 2;
    }
    init_program = argv[1];
    impostor = argv[2];
    wrapper = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
