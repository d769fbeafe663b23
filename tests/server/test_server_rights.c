/* Tests that a function has the rights of the calling thread, and no more: the child shares rights
 * that the thread can take back by itself, and these do not cost a new server. */
#include "host_changes.h"
#include "process_attributes.h"
#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- One thread ------------------------------------------------------------------------------ */

static void thread_with_another_file_user(void **state)
{
    CHECK_CHANGE(take_file_user, .stays = true);
    CHECK_CHANGE(take_file_user, .stays = true, .threaded = true);
}

/* Takes a file group that is none of the thread's groups: when such a thread starts a program, the
 * kernel treats the program as set-group-id. */
static int take_file_group(void)
{
    if (!is_root())
        return NOT_HERE;
    setfsgid(NOBODY);
    return setfsgid((gid_t)-1) == NOBODY ? 0 : NOT_HERE;
}

static void thread_with_another_file_group(void **state)
{
    CHECK_CHANGE(take_file_group, .stays = true);
}

static int take_effective_user(void)
{
    return is_root() ? done(seteuid(NOBODY)) : NOT_HERE;
}

static void host_with_another_effective_user(void **state)
{
    CHECK_CHANGE(take_effective_user, .stays = true);
}

static int take_effective_group(void)
{
    return is_root() ? done(setegid(NOBODY)) : NOT_HERE;
}

static void host_with_another_effective_group(void **state)
{
    CHECK_CHANGE(take_effective_group, .stays = true);
}

/* Becomes another user as a file server does for one request. */
static int take_user_of_request(void)
{
    static const gid_t groups[] = {100, 200, 300};
    if (!is_root())
        return NOT_HERE;
    return done(setgroups(3, groups) < 0 || setegid(NOBODY) < 0 || seteuid(NOBODY) < 0 ? -1 : 0);
}

static void host_that_takes_on_the_user_of_a_request(void **state)
{
    CHECK_CHANGE(take_user_of_request, .stays = true);
}

/* An order to the server has room for 32 groups (FC_GROUPS_MAX). */
static int take_groups(size_t count)
{
    gid_t groups[33];
    if (!is_root())
        return NOT_HERE;
    for (size_t i = 0; i < count; i++)
        groups[i] = (gid_t)(1000 + i);
    return done(setgroups(count, groups));
}

static int take_32_groups(void)
{
    return take_groups(32);
}

static void host_with_as_many_groups_as_are_told(void **state)
{
    CHECK_CHANGE(take_32_groups, .stays = true);
}

static int take_33_groups(void)
{
    return take_groups(33);
}

static void host_with_more_groups_than_are_told(void **state)
{
    CHECK_CHANGE(take_33_groups, .stays = false);
}

static int take_no_groups(void)
{
    return take_groups(0);
}

static void host_with_no_groups(void **state)
{
    CHECK_CHANGE(take_no_groups, .stays = true);
}

static int lower_effective(void)
{
    struct capabilities has[2];
    if (get_capabilities(has) < 0 || has[0].effective == 0)
        return NOT_HERE;
    has[0].effective = has[1].effective = 0;
    return done(set_capabilities(has));
}

static void thread_without_effective_capabilities(void **state)
{
    CHECK_CHANGE(lower_effective, .stays = true);
}

static int raise_ambient(void)
{
    struct capabilities has[2];
    if (get_capabilities(has) < 0 || (has[0].permitted & (1U << DAC_OVERRIDE_)) == 0)
        return NOT_HERE;
    has[0].inheritable |= 1U << DAC_OVERRIDE_;
    if (set_capabilities(has) < 0)
        return NOT_HERE;
    return done(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, DAC_OVERRIDE_, 0, 0));
}

static void thread_with_an_ambient_capability(void **state)
{
    CHECK_CHANGE(raise_ambient, .stays = true);
}

static int keep_capabilities(void)
{
    return done(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

static void thread_that_keeps_capabilities(void **state)
{
    CHECK_CHANGE(keep_capabilities, .stays = true);
}

static int set_secure_bits(void)
{
    return done(prctl(PR_SET_SECUREBITS, 4, 0, 0, 0)); /* SECBIT_NO_SETUID_FIXUP */
}

static void host_that_sets_secure_bits(void **state)
{
    CHECK_CHANGE(set_secure_bits);
}

/* Without the capability to set users, another effective user cannot be taken back. */
static int give_up_users(void)
{
    struct capabilities has[2];
    if (!is_root() || get_capabilities(has) < 0)
        return NOT_HERE;
    if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return NOT_HERE;
    return 0;
}

static void host_that_gives_up_its_user_for_good(void **state)
{
    CHECK_CHANGE(give_up_users);
}

/* Becomes another user without any capability. The server has started with root as its real user,
 * to whom the host could go back. */
static int give_up_real_user(void)
{
    return done(setresuid(NOBODY, NOBODY, NOBODY));
}

static int check_users_without_capabilities(void *context)
{
    struct change change = {.make = give_up_real_user};
    struct capabilities none[2] = {{0, 0, 0}, {0, 0, 0}};
    (void)context;
    if (!is_root() || setresuid(0, NOBODY, 0) < 0)
        return NOT_HERE;
    CHECK(set_capabilities(none) == 0);
    return check_change(&change);
}

static void host_that_gives_up_its_real_user_without_a_capability(void **state)
{
    (void)state;
    const int status = host_run(check_users_without_capabilities, NULL);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

/* The host is not root but has capabilities, none of which remain after exec: a child of the
 * server cannot take on other groups, but the next server inherits them. */
static int change_groups_of_user(void)
{
    static const gid_t groups[] = {100, 200};
    return done((int)syscall(SYS_setgroups, 2, groups));
}

static int check_user_with_capabilities(void *context)
{
    struct change change = {.make = change_groups_of_user, .exec_loses = true};
    struct capabilities has[2];
    (void)context;
    if (!is_root() || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return NOT_HERE;
    CHECK(get_capabilities(has) == 0);
    for (int i = 0; i < 2; i++)
        has[i].effective = has[i].permitted;
    CHECK(set_capabilities(has) == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    change.loses_from_the_start = true;
    return check_change(&change);
}

static void user_with_capabilities_that_exec_takes(void **state)
{
    (void)state;
    const int status = host_run(check_user_with_capabilities, NULL);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, CALLS = 40 };

struct answer {
    int error; /* of opening a file that only its owner may read */
    uid_t file_user;
    pid_t server;
};

static char secret[65536]; /* the path of the file, in arguments that travel in a file */

static int child_opens(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct answer answer = {.file_user = (uid_t)setfsuid((uid_t)-1), .server = getppid()};
    (void)args_size;
    const int fd = open(args, O_RDONLY | O_CLOEXEC);
    answer.error = fd < 0 ? errno : 0;
    fputs("opened", stderr);
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static bool asks_as(uid_t user, struct answer *answer, enum forkcall_method *method)
{
    struct forkcall_buf told = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.method = FORKCALL_SERVER,
                                             .timeout_ms = PLENTY_MS,
                                             .standard_error = FORKCALL_STREAM_CAPTURE,
                                             .details = &told};
    struct forkcall_buf result = forkcall_buf_fixed(answer, sizeof *answer);
    const struct forkcall_report report = forkcall_run(child_opens, secret, sizeof secret, &result, &options);
    *method = report.method;
    const bool heard = told.size == 6 && memcmp(told.data, "opened", 6) == 0;
    forkcall_buf_free(&told);
    if (!ended(&report, FORKCALL_OK, FORKCALL_RAN_YES))
        return false;
    if (heard && answer->file_user == user && answer->error == (user == 0 ? 0 : EACCES))
        return true;
    fprintf(stderr, "as %d: file user %d, error %d\n", (int)user, (int)answer->file_user, answer->error);
    return false;
}

static _Atomic pid_t only_server;
static atomic_int wrong, other_servers;

/* Calls setfsuid(2), which changes the calling thread only. */
static void *flips(void *number)
{
    for (int i = 0; i < CALLS; i++) {
        const uid_t user = (i + *(int *)number) % 2 == 0 ? 0 : NOBODY;
        struct answer answer;
        enum forkcall_method method;
        setfsuid(user);
        if (!asks_as(user, &answer, &method) || method != FORKCALL_SERVER)
            wrong++;
        else if (answer.server != only_server)
            other_servers++;
    }
    return NULL;
}

/* Drops rights for good by the system call: the C library's function would drop them for all
 * threads. */
static void *drops(void *number)
{
    if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 ||
        syscall(SYS_setresuid, NOBODY - *(int *)number, NOBODY - *(int *)number, NOBODY - *(int *)number) < 0)
        wrong++;
    for (int i = 0; i < CALLS / 8; i++) {
        struct answer answer;
        enum forkcall_method method;
        if (!asks_as((uid_t)(NOBODY - *(int *)number), &answer, &method) || method != FORKCALL_SPAWN)
            wrong++;
    }
    return NULL;
}

static bool make_secret(void)
{
    snprintf(secret, sizeof secret, "/tmp/forkcall-secret-XXXXXX");
    const int fd = mkstemp(secret);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static int run_threads(void *(*body)(void *))
{
    static int numbers[THREADS];
    pthread_t threads[THREADS];
    only_server = server_pid();
    CHECK(only_server > 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, body, &numbers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}

static int check_threads(void *body)
{
    if (!is_root())
        return NOT_HERE;
    CHECK(run_threads(*(void *(**)(void *))body) == 0);
    CHECK(wrong == 0 && other_servers == 0);
    CHECK(server_pid() == only_server);
    return 0;
}

static void run_with(void *(*body)(void *))
{
    assert_true(make_secret());
    const int status = host_run(check_threads, &body);
    unlink(secret);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

static void threads_that_change_their_file_user_share_one_server(void **state)
{
    (void)state;
    run_with(flips);
}

/* These threads cannot take their rights back: each is served by a process of its own, and the
 * server stays with the other threads. */
static void threads_that_drop_their_rights_for_good_leave_the_server_to_others(void **state)
{
    (void)state;
    run_with(drops);
}

/* ---- The session's keyring ------------------------------------------------------------------- */

static int32_t key;

static int child_reads_key(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[64];
    (void)args_size;
    (void)result;
    /* KEYCTL_READ */
    return syscall(SYS_keyctl, 11, *(const int32_t *)args, text, sizeof text) < 0 ? errno : 0;
}

static int code_of(enum forkcall_method method)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    return forkcall_run(child_reads_key, &key, sizeof key, NULL, &options).code;
}

/* The key is gone when the last process has left its keyring: the server that ends. */
static bool is_kept_out(int code)
{
    return code == EACCES || code == ENOKEY;
}

/* KEYCTL_JOIN_SESSION_KEYRING: joins a new keyring without a name. */
static bool joins_keyring(void)
{
    return syscall(SYS_keyctl, 1, NULL) > 0;
}

static int check_keyring(void *context)
{
    (void)context;
    if (!joins_keyring())
        return NOT_HERE;
    key = (int32_t)syscall(SYS_add_key, "user", "forkcall", "secret", 6, -3);
    /* KEYCTL_SETPERM: the permissions of the possessor. */
    CHECK(key > 0 && syscall(SYS_keyctl, 5, key, 0x3f000000) == 0);
    const pid_t before = server_pid();
    CHECK(before > 0 && code_of(FORKCALL_SERVER) == 0 && code_of(FORKCALL_SPAWN) == 0);
    CHECK(server_pid() == before);
    CHECK(joins_keyring());
    CHECK(is_kept_out(code_of(FORKCALL_SERVER)) && is_kept_out(code_of(FORKCALL_SPAWN)));
    CHECK(server_pid() != before);
    return 0;
}

static void host_that_leaves_its_session_keyring(void **state)
{
    (void)state;
    const int status = host_run(check_keyring, NULL);
    if (status == NOT_HERE)
        SKIP("no keyrings here");
    assert_int_equal(status, 0);
}

/* If a thread has no session keyring, the kernel names the keyring of its user instead. A child
 * that becomes another user therefore sees whether the library has given it a session keyring. */
static int child_becomes_another_user(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return NOT_HERE;
    const long session = syscall(SYS_keyctl, 0, -3, 0), of_user = syscall(SYS_keyctl, 0, -5, 0);
    return session < 0 || of_user < 0 ? NOT_HERE : session != of_user;
}

static int call_without_session_keyring(void *unused)
{
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SPAWN, FORKCALL_SERVER};
    (void)unused;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = PLENTY_MS};
        const int code = forkcall_run(child_becomes_another_user, NULL, 0, NULL, &options).code;
        if (i == 0 && code != 0)
            return NOT_HERE;
        CHECK(code == 0);
    }
    return 0;
}

static void host_without_a_session_keyring(void **state)
{
    (void)state;
    if (!is_root() || may_seem_threaded())
        SKIP("only root becomes another user, and this process is forked");
    const int status = host_run(call_without_session_keyring, NULL);
    if (status == NOT_HERE)
        SKIP("no keyrings here, or this process has a session keyring");
    assert_int_equal(status, 0);
}

/* ---- False answers about this process's rights ----------------------------------------------- */

static const char *init_program, *preload_credentials;

static int become_nobody(void *context)
{
    (void)context;
    if (geteuid() != 0)
        return 0;
    return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0;
}

/* Copies the programs to a directory that the user nobody can reach. */
static void run_with_false_credentials(const char *entry, int (*before)(void *), char *output, size_t size)
{
    static const char *const args[] = {"init", "server", "spawn", "auto", NULL};
    char directory[64], path[96], library[96], preload[128];
    if (under_sanitizer() || under_emulator())
        SKIP("the tool wants to be the first library");
    assert_true(directory_make(directory));
    snprintf(path, sizeof path, "%s/init_program", directory);
    snprintf(library, sizeof library, "%s/preload_credentials.so", directory);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
    assert_true(file_copy(init_program, path, 0755) && file_copy(preload_credentials, library, 0755));
    const char *const environment[] = {preload, entry, NULL};
    const struct program program = {.path = path, .args = args, .environment = environment, .before = before};
    const int status = program_run(&program, output, size);
    directory_remove(directory);
    if (status != 0)
        fprintf(stderr, "%s\n", output);
    assert_int_equal(status, 0);
}

static void assert_all_serve(const char *output)
{
    static const char *const wanted[] = {"server: OK method 2", "spawn: OK method 3", "auto: OK method 2"};
    for (size_t i = 0; i < 3; i++) {
        if (strstr(output, wanted[i]) == NULL)
            fprintf(stderr, "not in it: %s\n%s\n", wanted[i], output);
        assert_non_null(strstr(output, wanted[i]));
    }
}

static void user_who_is_told_to_be_root(void **state)
{
    char output[4096];
    (void)state;
    run_with_false_credentials("FALSE_CREDENTIALS=root", become_nobody, output, sizeof output);
    assert_all_serve(output);
}

static void root_who_is_told_to_have_fewer_capabilities_than_exec_gives(void **state)
{
    char output[4096];
    (void)state;
    if (!is_root())
        SKIP("only root has capabilities");
    run_with_false_credentials("FALSE_CREDENTIALS=capabilities", NULL, output, sizeof output);
    assert_all_serve(output);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_with_another_file_user),
        cmocka_unit_test(thread_with_another_file_group),
        cmocka_unit_test(host_with_another_effective_user),
        cmocka_unit_test(host_with_another_effective_group),
        cmocka_unit_test(host_that_takes_on_the_user_of_a_request),
        cmocka_unit_test(host_with_as_many_groups_as_are_told),
        cmocka_unit_test(host_with_more_groups_than_are_told),
        cmocka_unit_test(host_with_no_groups),
        cmocka_unit_test(thread_without_effective_capabilities),
        cmocka_unit_test(thread_with_an_ambient_capability),
        cmocka_unit_test(thread_that_keeps_capabilities),
        cmocka_unit_test(host_that_sets_secure_bits),
        cmocka_unit_test(host_that_gives_up_its_user_for_good),
        cmocka_unit_test(host_that_gives_up_its_real_user_without_a_capability),
        cmocka_unit_test(user_with_capabilities_that_exec_takes),
        cmocka_unit_test(threads_that_change_their_file_user_share_one_server),
        cmocka_unit_test(threads_that_drop_their_rights_for_good_leave_the_server_to_others),
        cmocka_unit_test(host_that_leaves_its_session_keyring),
        cmocka_unit_test(host_without_a_session_keyring),
        cmocka_unit_test(user_who_is_told_to_be_root),
        cmocka_unit_test(root_who_is_told_to_have_fewer_capabilities_than_exec_gives),
    };
    forkcall_init();
    if (argc < 3) {
        fprintf(stderr, "arguments: init_program, preload_credentials\n");
        return 2;
    }
    init_program = argv[1];
    preload_credentials = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
