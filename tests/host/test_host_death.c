/* Tests that the children of a host's calls die when the host dies, even by SIGKILL, and that no
 * other process does. */
#include "outcomes.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 8

/* ---- Hosts that the test kills --------------------------------------------------------------- */

/* What host and test share. Each child that runs its function writes a word to ready. */
struct stage {
    int (*body)(struct stage *);
    struct watch watch; /* held by all processes that must end */
    int ready[2], go[2];
    int children; /* how many words arrive on ready */
};

/* By SERVER the parent is a server, which must end as well. */
struct word {
    pid_t process, parent;
};

static int tell(int fd)
{
    const struct word word = {getpid(), getppid()};
    return write(fd, &word, sizeof word) == sizeof word ? 0 : errno;
}

/* args: the stage. */
static int child_stays(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct stage *stage = args;
    (void)args_size;
    (void)result;
    if (tell(stage->ready[1]) != 0)
        return 1;
    hang();
    return 0;
}

/* The descriptors that a child keeps: one to write to ready, and one that shows that the child
 * lives. */
struct kept {
    int fds[2];
};

static struct forkcall_options options_for(const struct stage *stage, struct kept *kept)
{
    *kept = (struct kept){{stage->ready[1], stage->watch.write_end}};
    return (struct forkcall_options){.keep_fds = kept->fds, .keep_fds_count = 2, .allow_unsafe_fork = true};
}

static pid_t start_host(struct stage *stage)
{
    assert_true(watch_open(&stage->watch));
    assert_int_equal(pipe(stage->ready), 0);
    const pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0) {
        signal(SIGSEGV, SIG_DFL);
        alarm((unsigned)(4 * DEADLINE_S));
        close(stage->ready[0]);
        const int r = stage->body(stage);
        fflush(NULL);
        _exit(r);
    }
    close(stage->ready[1]);
    return host;
}

#define KIN_MAX 200

struct kin {
    int count;
    pid_t pids[KIN_MAX];
};

/* Adds a process and its children; for a server also those that wait for calls. */
static void add_family(struct kin *kin, pid_t parent)
{
    char path[64];
    long pid;
    kin->pids[kin->count++] = parent;
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)parent, (long)parent);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (kin->count < KIN_MAX && fscanf(file, "%ld", &pid) == 1) // NOLINT(cert-err34-c): the kernel wrote it
        kin->pids[kin->count++] = (pid_t)pid;
    fclose(file);
}

static void assert_gone(const struct kin *kin)
{
    for (int i = 0; i < kin->count; i++) {
        int pid = (int)kin->pids[i];
        assert_true(wait_until(process_is_gone, &pid));
    }
}

/* Waits until all children run their function, kills the host, and checks that all children and
 * their servers end. */
static void kill_host_and_see(struct stage *stage)
{
    int status = 0;
    struct kin kin = {.count = 0};
    const pid_t host = start_host(stage);
    for (int i = 0; i < stage->children; i++) {
        struct word word;
        assert_int_equal(read(stage->ready[0], &word, sizeof word), sizeof word);
        if (tested_method() == FORKCALL_SERVER && word.process != host && kin.count < KIN_MAX / 2)
            add_family(&kin, word.parent);
    }
    assert_true(process_lives(host));
    kill(host, SIGKILL);
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(watch_all_gone(&stage->watch));
    assert_gone(&kin);
    close(stage->ready[0]);
}

/* ---- One call -------------------------------------------------------------------------------- */

static int call_and_wait(struct stage *stage)
{
    struct kept kept;
    const struct forkcall_options options = options_for(stage, &kept);
    run_tested(child_stays, stage, sizeof *stage, NULL, &options);
    return 1; /* not reached */
}

static void host_killed_in_a_synchronous_call(void **state)
{
    struct stage stage = {.body = call_and_wait, .children = 1};
    (void)state;
    kill_host_and_see(&stage);
}

static int child_becomes_another_user(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 1;
    return child_stays(args, args_size, result);
}

static int call_and_wait_for_another_user(struct stage *stage)
{
    struct kept kept;
    const struct forkcall_options options = options_for(stage, &kept);
    run_tested(child_becomes_another_user, stage, sizeof *stage, NULL, &options);
    return 1;
}

/* The kernel forgets PR_SET_PDEATHSIG when a process becomes another user. */
static void host_killed_while_the_child_is_another_user(void **state)
{
    struct stage stage = {.body = call_and_wait_for_another_user, .children = 1};
    (void)state;
    if (getuid() != 0)
        SKIP("only root can become somebody else");
    kill_host_and_see(&stage);
}

static int call_a_server_of_copies(struct stage *stage)
{
    const struct forkcall_server_options options = {.exec_spares = true};
    CHECK(forkcall_server_start(&options) == 0);
    return call_and_wait_for_another_user(stage);
}

/* Only the server is killed: no other process would end its child. */
static void server_killed_while_the_child_is_another_user(void **state)
{
    static int (*const bodies[])(struct stage *) = {call_and_wait_for_another_user, call_a_server_of_copies};
    (void)state;
#if defined(TEST_PORTABLE) || !defined(__linux__)
    SKIP("there a child is told of the end of its server by PR_SET_PDEATHSIG alone, or not at all");
#endif
    if (getuid() != 0 || tested_method() != FORKCALL_SERVER)
        SKIP("only root can become somebody else, and only SERVER has a server");
    for (int i = 0; i < 2; i++) {
        struct stage stage = {.body = bodies[i], .children = 1};
        struct word word;
        const pid_t host = start_host(&stage);
        assert_int_equal(read(stage.ready[0], &word, sizeof word), sizeof word);
        int child = (int)word.process;
        assert_true(process_lives(child));
        kill(word.parent, SIGKILL);
        const bool gone = wait_until(process_is_gone, &child);
        kill(child, SIGKILL);
        kill(host, SIGKILL);
        assert_int_equal(waitpid(host, NULL, 0), host);
        assert_true(gone);
        assert_true(watch_all_gone(&stage.watch));
        close(stage.ready[0]);
    }
}

/* ---- A thread that ends before its call ------------------------------------------------------ */

struct starter {
    forkcall_fn *fn;
    const void *args;
    size_t args_size;
    struct forkcall_options options;
    struct forkcall_buf *result;
    struct forkcall_call *call;
    int running; /* a byte arrives here when the function runs; -1: it is not waited for */
};

static void *start_call(void *context)
{
    struct starter *starter = context;
    char byte;
    start_tested(&starter->call, starter->fn, starter->args, starter->args_size, starter->result, &starter->options);
    /* The function runs, so anything that could bind the child to this thread has been done. */
    if (starter->running >= 0 && read(starter->running, &byte, 1) != 1)
        abort();
    return NULL;
}

static bool is_alone(void *unused)
{
    int tasks = 0;
    DIR *list = opendir("/proc/self/task");
    (void)unused;
    if (list == NULL)
        return false;
    for (const struct dirent *e = readdir(list); e != NULL;
         e = readdir(list)) // NOLINT(concurrency-mt-unsafe): each has its own
        tasks += e->d_name[0] != '.';
    closedir(list);
    return tasks == 1;
}

/* Returns after the kernel has released the thread, not only the C library. */
static bool start_in_a_thread_that_ends(struct starter *starter)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, start_call, starter) == 0 && pthread_join(thread, NULL) == 0 &&
           wait_until(is_alone, NULL);
}

struct pipes {
    int running[2], go[2];
};

/* args: struct pipes. */
static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct pipes *pipes = args;
    char byte;
    if (write(pipes->running[1], "r", 1) != 1 || read(pipes->go[0], &byte, 1) != 1)
        return 1;
    return child_answers_42(NULL, args_size, result);
}

static int outlive_the_starting_thread(void *unused)
{
    int answer = 0;
    struct pipes pipes;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)unused;
    CHECK(pipe(pipes.running) == 0 && pipe(pipes.go) == 0);
    const int keep[] = {pipes.running[1], pipes.go[0]};
    struct starter starter = {.fn = child_waits_for_a_byte,
                              .args = &pipes,
                              .args_size = sizeof pipes,
                              .options = {.keep_fds = keep, .keep_fds_count = 2, .allow_unsafe_fork = true},
                              .result = &result,
                              .running = pipes.running[0]};
    CHECK(start_in_a_thread_that_ends(&starter));
    CHECK(write(pipes.go[1], "g", 1) == 1);
    const struct forkcall_report report = forkcall_finish(starter.call);
    CHECK(report.status == FORKCALL_OK && answer == 42);
    return 0;
}

static void thread_that_started_the_call_ends(void **state)
{
    (void)state;
    assert_int_equal(host_run(outlive_the_starting_thread, NULL), 0);
}

static int start_in_a_thread_and_stay(struct stage *stage)
{
    struct kept kept;
    struct starter starter = {.fn = child_stays,
                              .args = stage,
                              .args_size = sizeof *stage,
                              .options = options_for(stage, &kept),
                              .running = -1};
    CHECK(start_in_a_thread_that_ends(&starter));
    CHECK(tell(stage->ready[1]) == 0);
    hang();
    return 0;
}

static void host_killed_after_the_starting_thread_has_ended(void **state)
{
    struct stage stage = {.body = start_in_a_thread_and_stay, .children = 2};
    (void)state;
    kill_host_and_see(&stage);
}

/* ---- Many ------------------------------------------------------------------------------------ */

static void *call_in_a_thread(void *stage)
{
    struct kept kept;
    const struct forkcall_options options = options_for(stage, &kept);
    run_tested(child_stays, stage, sizeof(struct stage), NULL, &options);
    return NULL;
}

static int call_in_many_threads(struct stage *stage)
{
    pthread_t threads[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        CHECK(pthread_create(&threads[i], NULL, call_in_a_thread, stage) == 0);
    for (int i = 0; i < CHILDREN; i++)
        pthread_join(threads[i], NULL);
    return 1;
}

/* A child that inherits the writing end of another child's lifeline keeps that child alive, and
 * may be kept alive by it. */
static void host_killed_with_calls_in_many_threads(void **state)
{
    struct stage stage = {.body = call_in_many_threads, .children = CHILDREN};
    (void)state;
    kill_host_and_see(&stage);
}

static int start_many(struct stage *stage)
{
    struct forkcall_call *calls[CHILDREN];
    struct kept kept;
    const struct forkcall_options options = options_for(stage, &kept);
    for (int i = 0; i < CHILDREN; i++)
        CHECK(start_tested(&calls[i], child_stays, stage, sizeof *stage, NULL, &options) == 0);
    hang();
    return 0;
}

static void host_killed_with_many_calls_started(void **state)
{
    struct stage stage = {.body = start_many, .children = CHILDREN};
    (void)state;
    kill_host_and_see(&stage);
}

/* ---- Other processes ------------------------------------------------------------------------- */

/* go: the foreign child's pid. That child holds neither watch nor ready. */
static int fork_a_foreign_child(struct stage *stage)
{
    struct forkcall_call *call = NULL;
    struct kept kept;
    const struct forkcall_options options = options_for(stage, &kept);
    CHECK(start_tested(&call, child_stays, stage, sizeof *stage, NULL, &options) == 0);
    const pid_t foreign = fork();
    if (foreign == 0) {
        watch_release(&stage->watch);
        close(stage->ready[1]);
        hang();
    }
    CHECK(write(stage->go[1], &foreign, sizeof foreign) == sizeof foreign);
    CHECK(tell(stage->ready[1]) == 0);
    hang();
    return 0;
}

/* A fork of the host must not keep the writing end of the lifeline. */
static void host_killed_whose_own_child_lives_on(void **state)
{
    struct stage stage = {.body = fork_a_foreign_child, .children = 2};
    pid_t foreign = 0;
    (void)state;
    assert_int_equal(pipe(stage.go), 0);
    kill_host_and_see(&stage);
    assert_int_equal(read(stage.go[0], &foreign, sizeof foreign), sizeof foreign);
    const bool lives = process_lives(foreign);
    kill(foreign, SIGKILL);
    assert_true(lives);
    close(stage.go[0]);
    close(stage.go[1]);
}

/* Makes calls down to the third generation. args: the stage; children: how many generations are
 * left. */
static int child_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct stage stage = *(const struct stage *)args;
    struct kept kept;
    const struct forkcall_options options = options_for(&stage, &kept);
    if (--stage.children == 0)
        return child_stays(args, args_size, result);
    tell(stage.ready[1]);
    return (int)run_tested(child_calls, &stage, sizeof stage, NULL, &options).status;
}

static int call_nested(struct stage *stage)
{
    return child_calls(stage, sizeof *stage, NULL);
}

static void host_killed_in_nested_calls(void **state)
{
    struct stage stage = {.body = call_nested, .children = 4};
    (void)state;
    kill_host_and_see(&stage);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_killed_in_a_synchronous_call),
        cmocka_unit_test(host_killed_while_the_child_is_another_user),
        cmocka_unit_test(server_killed_while_the_child_is_another_user),
        cmocka_unit_test(thread_that_started_the_call_ends),
        cmocka_unit_test(host_killed_after_the_starting_thread_has_ended),
        cmocka_unit_test(host_killed_with_calls_in_many_threads),
        cmocka_unit_test(host_killed_with_many_calls_started),
        cmocka_unit_test(host_killed_whose_own_child_lives_on),
        cmocka_unit_test(host_killed_in_nested_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
