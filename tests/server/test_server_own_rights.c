/* Tests rights that a server has, or that exec gives, but the host lacks: a host can look at its
 * server, and neither prepare nor a child has more rights than the thread that called. */
#include "host_changes.h"
#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

/* kcmp(2) needs the rights of a debugger. Without them a host sees by the refusal that a sandbox
 * has taken rights away. */
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

/* A host has fewer capabilities than exec gives (root that has dropped some): it has no more of
 * them after a server has ended. */
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

/* The permitted capabilities that prepare had. -1: they could not be read. */
static int prepared_uid_and_capabilities;

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

/* A process that is being started shares the host's memory for a moment, and takes on another user
 * there. */
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

/* Taking on another user clears the signal that kills a child at its server's death. */
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
/* A child that exec has given more rights than the calling thread has, and that cannot drop them
 * again, does not run the function. */
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
        CHECK(strstr(report.message, "users, groups and capabilities of the ") != NULL);
    }
    return 0;
}
#else
static int check_refused_drop(void *context)
{
    (void)context;
    return NOT_HERE; /* no program can be written for it here */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_may_look_at_its_server_whatever_user_started_it),
        cmocka_unit_test(bounding_set_that_shrinks_costs_no_server),
        cmocka_unit_test(host_that_has_dropped_capabilities_before_its_first_call),
        cmocka_unit_test(prepare_has_no_more_than_the_thread_that_started_the_server),
        cmocka_unit_test(host_with_another_effective_user_stays_as_dumpable_as_it_was),
        cmocka_unit_test(host_whose_threads_start_copies_stays_as_dumpable_as_it_was),
        cmocka_unit_test(child_with_another_file_user_dies_with_its_server),
        cmocka_unit_test(child_that_cannot_drop_what_exec_gave_does_not_run_the_function),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
