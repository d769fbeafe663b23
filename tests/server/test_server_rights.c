/* A function has what the thread has that called it, and no more: rights that the thread can
 * take back by itself are the child's as they are the thread's, and do not cost a server. */
#include "host_changes.h"
#include "process_attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

#define SETUID_ 7
#define DAC_OVERRIDE_ 1

struct capabilities {
    uint32_t effective, permitted, inheritable;
};

struct header {
    uint32_t version;
    int pid;
};

static int get_capabilities(struct capabilities has[2])
{
    struct header header = {0x20080522U, 0};
    return (int)syscall(SYS_capget, &header, has);
}

static int set_capabilities(const struct capabilities wanted[2])
{
    struct header header = {0x20080522U, 0};
    return (int)syscall(SYS_capset, &header, wanted);
}

static bool is_root(void)
{
    struct capabilities has[2];
    return geteuid() == 0 && get_capabilities(has) == 0 && (has[0].effective & (1U << SETUID_)) != 0;
}

/* ---- One thread ------------------------------------------------------------------------------ */

static int take_file_user(void)
{
    if (!is_root())
        return NOT_HERE;
    setfsuid(NOBODY);
    return setfsuid((uid_t)-1) == NOBODY ? 0 : NOT_HERE;
}

static void thread_with_another_file_user(void **state)
{
    CHECK_CHANGE(take_file_user, .stays = true);
    CHECK_CHANGE(take_file_user, .stays = true, .threaded = true);
}

/* No group of the thread's: the kernel takes a program for set-group-id that such a thread
 * starts. */
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

/* As a file server does it for a request. */
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

/* With the capability to set users gone, another effective user is not to be taken back. */
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

/* Without any capability. The server has begun as the real user, root, to which the host can go
 * back. */
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

/* No root, but with capabilities, of which exec leaves nothing: a child of the server cannot
 * take on other groups, and the next server has them. */
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

/* kcmp(2) asks what a debugger may: by that a host learns what a sandbox has taken from it. */
static int check_look(void *context)
{
    struct capabilities has[2];
    (void)context;
    if (!is_root() || get_capabilities(has) < 0)
        return NOT_HERE;
    for (int i = 0; i < 2; i++) /* CAP_SYS_PTRACE */
        has[i] = (struct capabilities){.effective = has[i].effective & ~(i == 0 ? 1U << 19 : 0),
                                       .permitted = has[i].permitted & ~(i == 0 ? 1U << 19 : 0)};
    CHECK(set_capabilities(has) == 0 && take_file_user() == 0);
    const pid_t server = server_pid();
    CHECK(server > 0);
    setfsuid(0);
    if (syscall(SYS_kcmp, getpid(), getpid(), 3, 0, 0) < 0) /* KCMP_FS */
        return NOT_HERE;
    CHECK(syscall(SYS_kcmp, getpid(), server, 3, 0, 0) >= 0);
    return 0;
}

static void host_may_look_at_its_server_whatever_user_started_it(void **state)
{
    (void)state;
    const int status = host_run(check_look, NULL);
    if (status == NOT_HERE)
        SKIP("not root, or no kcmp(2)");
    assert_int_equal(status, 0);
}

static int check_bounding_set(void *context)
{
    (void)context;
    const pid_t before = server_pid();
    CHECK(before > 0);
    if (prctl(PR_CAPBSET_READ, 5, 0, 0, 0) != 1 || prctl(PR_CAPBSET_DROP, 5, 0, 0, 0) < 0)
        return NOT_HERE;
    CHECK(server_pid() == before);
    return 0;
}

static void bounding_set_that_shrinks_costs_no_server(void **state)
{
    (void)state;
    const int status = host_run(check_bounding_set, NULL);
    if (status == NOT_HERE)
        SKIP("only root can take a capability out of its bounding set");
    assert_int_equal(status, 0);
}

/* A host that is told of fewer capabilities than exec gives (root that has dropped some) has no
 * more after a server is gone. */
static int check_started_with_fewer(void *context)
{
    struct capabilities has[2];
    (void)context;
    if (!is_root() || get_capabilities(has) < 0)
        return NOT_HERE;
    for (int i = 0; i < 2; i++)
        has[i] = (struct capabilities){.effective = i == 0 ? 1U << 10 : 0, .permitted = i == 0 ? 1U << 10 : 0};
    CHECK(set_capabilities(has) == 0);
    CHECK(child_has_what_the_host_has(FORKCALL_SPAWN));
    CHECK(child_has_what_the_host_has(FORKCALL_SERVER));
    CHECK(child_has_what_the_host_has(FORKCALL_AUTO));
    return 0;
}

static int prepared_uid_and_capabilities; /* of prepare: the effective capabilities' lowest bits */

static int prepare_notes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct capabilities has[2];
    (void)args;
    (void)args_size;
    (void)result;
    prepared_uid_and_capabilities = get_capabilities(has) < 0 ? -1 : (int)(has[0].permitted | has[1].permitted);
    return 0;
}

static int child_tells_prepared(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &prepared_uid_and_capabilities, sizeof prepared_uid_and_capabilities);
}

static int check_prepare_with_fewer(void *context)
{
    const struct forkcall_server_options options = {.prepare = prepare_notes, .exec_spares = *(bool *)context};
    struct capabilities has[2];
    int seen = 0;
    if (!is_root() || get_capabilities(has) < 0)
        return NOT_HERE;
    for (int i = 0; i < 2; i++)
        has[i] = (struct capabilities){.effective = i == 0 ? 1U << 10 : 0, .permitted = i == 0 ? 1U << 10 : 0};
    CHECK(set_capabilities(has) == 0);
    CHECK(forkcall_server_start(&options) == 0);
    CHECK(ask(FORKCALL_SERVER, child_tells_prepared, NULL, 0, &seen, sizeof seen));
    CHECK(seen == 1 << 10);
    return 0;
}

static void host_that_has_dropped_capabilities_before_its_first_call(void **state)
{
    (void)state;
    const int status = host_run(check_started_with_fewer, NULL);
    if (status == NOT_HERE)
        SKIP("only root gets capabilities back");
    assert_int_equal(status, 0);
}

static void prepare_has_no_more_than_the_thread_that_started_the_server(void **state)
{
    bool exec_spares = false;
    (void)state;
    int status = host_run(check_prepare_with_fewer, &exec_spares);
    if (status == NOT_HERE)
        SKIP("only root gets capabilities back");
    assert_int_equal(status, 0);
    exec_spares = true;
    status = host_run(check_prepare_with_fewer, &exec_spares);
    assert_int_equal(status, 0);
}

static int child_tells_dumpable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int dumpable = prctl(PR_GET_DUMPABLE);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &dumpable, sizeof dumpable);
}

/* A process that is being started shares the host's memory for a moment, and takes on another
 * user in it. */
static int check_dumpable(void *context)
{
    int dumpable = -1;
    (void)context;
    if (!is_root() || seteuid(NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return NOT_HERE;
    CHECK(ask(FORKCALL_SPAWN, child_tells_dumpable, NULL, 0, &dumpable, sizeof dumpable));
    CHECK(dumpable == 1 && prctl(PR_GET_DUMPABLE) == 1);
    return 0;
}

static void *spawn_some(void *unused)
{
    int dumpable;
    (void)unused;
    for (int i = 0; i < 6; i++)
        (void)ask(FORKCALL_SPAWN, child_tells_dumpable, NULL, 0, &dumpable, sizeof dumpable);
    return NULL;
}

static int check_dumpable_by_threads(void *context)
{
    pthread_t threads[4];
    (void)context;
    if (!is_root() || seteuid(NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return NOT_HERE;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, spawn_some, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(prctl(PR_GET_DUMPABLE) == 1);
    return 0;
}

static void host_whose_threads_start_copies_stays_as_dumpable_as_it_was(void **state)
{
    (void)state;
    const int status = host_run(check_dumpable_by_threads, NULL);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

static void host_with_another_effective_user_stays_as_dumpable_as_it_was(void **state)
{
    (void)state;
    const int status = host_run(check_dumpable, NULL);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

static int child_tells_death_signal(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int death_signal = 0;
    (void)args;
    (void)args_size;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    return forkcall_buf_append(result, &death_signal, sizeof death_signal);
}

/* What a child is to be killed by at its server's death is taken away with its user. */
static int check_death(void *context)
{
    struct forkcall_call *call;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    pid_t children[8];
    int ends[2], usual, here;
    char started;
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0 && pipe(ends) == 0);
    const struct forkcall_options hangs = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = &ends[1], .keep_fds_count = 1};
    CHECK(ask(FORKCALL_SERVER, child_tells_death_signal, NULL, 0, &usual, sizeof usual));
    if (!is_root() || usual == 0 || take_file_user() != 0)
        return NOT_HERE;
    CHECK(ask(FORKCALL_SERVER, child_tells_death_signal, NULL, 0, &here, sizeof here) && here == usual);
    CHECK(forkcall_start(&call, child_writes_and_hangs, &ends[1], sizeof ends[1], &result, &hangs) == 0);
    CHECK(read(ends[0], &started, 1) == 1);
    const int count = children_of(server, children, 8);
    CHECK(count >= 1 && count <= 8);
    setfsuid(0);
    CHECK(kill(server, SIGKILL) == 0);
    CHECK(all_gone(children, count));
    CHECK(forkcall_finish(call).status != FORKCALL_OK);
    forkcall_buf_free(&result);
    return 0;
}

static void child_with_another_file_user_dies_with_its_server(void **state)
{
    (void)state;
    const int status = host_run(check_death, NULL);
    if (status == NOT_HERE)
        SKIP("only root can be another user");
    assert_int_equal(status, 0);
}

#ifdef SECCOMP_RET_ERRNO
/* A child that exec has given more than the thread has, and that cannot drop it again, does not
 * run the function. */
static int check_refused_drop(void *context)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_capset, 0, 1),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    struct capabilities has[2];
    (void)context;
    if (!is_root() || prctl(PR_CAPBSET_READ, DAC_OVERRIDE_, 0, 0, 0) != 1 || get_capabilities(has) < 0 ||
        (has[0].permitted & (1U << DAC_OVERRIDE_)) == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return NOT_HERE;
    has[0].effective &= ~(1U << DAC_OVERRIDE_);
    has[0].permitted &= ~(1U << DAC_OVERRIDE_);
    CHECK(set_capabilities(has) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return NOT_HERE;
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = PLENTY_MS};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == EPERM);
        CHECK(strstr(report.message, "capabilities of the thread") != NULL);
    }
    return 0;
}
#else
static int check_refused_drop(void *context)
{
    (void)context;
    return NOT_HERE; /* it cannot be written down */
}
#endif

static void child_that_cannot_drop_what_exec_gave_does_not_run_the_function(void **state)
{
    (void)state;
    const int status = host_run(check_refused_drop, NULL);
    if (status == NOT_HERE)
        SKIP("only root gets capabilities back");
    assert_int_equal(status, 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, CALLS = 40 };

struct answer {
    int error; /* of opening what only the owner may read */
    uid_t file_user;
    pid_t server;
};

static char secret[65536]; /* its path, in arguments that travel in a file */

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

/* setfsuid(2), which is for the calling thread alone. */
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

/* By the system call: the C library's would be for all threads. For good. */
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

/* They cannot take it back: they are served each by a process of its own, and the server stays
 * the others'. */
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
    /* KEYCTL_READ. */
    return syscall(SYS_keyctl, 11, *(const int32_t *)args, text, sizeof text) < 0 ? errno : 0;
}

static int code_of(enum forkcall_method method)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    return forkcall_run(child_reads_key, &key, sizeof key, NULL, &options).code;
}

/* KEYCTL_JOIN_SESSION_KEYRING: a new one, without a name. */
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
    /* KEYCTL_SETPERM: who possesses it. */
    CHECK(key > 0 && syscall(SYS_keyctl, 5, key, 0x3f000000) == 0);
    const pid_t before = server_pid();
    CHECK(before > 0 && code_of(FORKCALL_SERVER) == 0 && code_of(FORKCALL_SPAWN) == 0);
    CHECK(server_pid() == before);
    CHECK(joins_keyring());
    CHECK(code_of(FORKCALL_SERVER) == EACCES && code_of(FORKCALL_SPAWN) == EACCES);
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

/* ---- What others say of this process's rights ------------------------------------------------ */

static const char *init_program, *preload_credentials;

static int become_nobody(void *context)
{
    (void)context;
    if (geteuid() != 0)
        return 0;
    return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0;
}

/* The programs may lie where nobody may look. */
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
        cmocka_unit_test(thread_without_effective_capabilities),
        cmocka_unit_test(thread_with_an_ambient_capability),
        cmocka_unit_test(thread_that_keeps_capabilities),
        cmocka_unit_test(host_that_sets_secure_bits),
        cmocka_unit_test(host_that_gives_up_its_user_for_good),
        cmocka_unit_test(host_that_gives_up_its_real_user_without_a_capability),
        cmocka_unit_test(user_with_capabilities_that_exec_takes),
        cmocka_unit_test(host_may_look_at_its_server_whatever_user_started_it),
        cmocka_unit_test(bounding_set_that_shrinks_costs_no_server),
        cmocka_unit_test(host_that_has_dropped_capabilities_before_its_first_call),
        cmocka_unit_test(prepare_has_no_more_than_the_thread_that_started_the_server),
        cmocka_unit_test(host_with_another_effective_user_stays_as_dumpable_as_it_was),
        cmocka_unit_test(host_whose_threads_start_copies_stays_as_dumpable_as_it_was),
        cmocka_unit_test(child_with_another_file_user_dies_with_its_server),
        cmocka_unit_test(child_that_cannot_drop_what_exec_gave_does_not_run_the_function),
        cmocka_unit_test(threads_that_change_their_file_user_share_one_server),
        cmocka_unit_test(threads_that_drop_their_rights_for_good_leave_the_server_to_others),
        cmocka_unit_test(host_that_leaves_its_session_keyring),
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
