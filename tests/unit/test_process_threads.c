/* Tests that of the threads of a child only those are asked that can answer at once, and that a
 * list of threads ends where there is no room for more. */
#include "os/process_threads.h"

#include "os/process_look.h"
#include "os/thread_list.h"

#include "not_here.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLEEPERS 5
#define VALUE 12345

/* In memory that the children share with the test. */
static struct shared {
    atomic_int begun, heard;
} * shared;

static void hear(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (info->si_code == SI_QUEUE && info->si_value.sival_int == VALUE)
        atomic_fetch_add(&shared->heard, 1);
}

static void *sleep_for_ever(void *unused)
{
    atomic_fetch_add(&shared->begun, 1);
    for (;;)
        pause();
    return unused;
}

static void *block_all(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return sleep_for_ever(unused);
}

/* Cannot be interrupted meanwhile. */
static void *wait_for_a_vforked_child(void *unused)
{
    // NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): the subject
    if (vfork() == 0) {
        alarm((unsigned)DEADLINE_S);
        sleep_for_ever(NULL);
    }
    // NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork)
    return unused;
}

static void begin(void *(*function)(void *), int count)
{
    pthread_t thread;
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, function, NULL) != 0)
            _exit(1);
}

/* The first thread ends alone, and is a zombie then. */
static void run_threads(void)
{
    const struct sigaction action = {.sa_sigaction = hear, .sa_flags = SA_SIGINFO};
    setpgid(0, 0);
    alarm((unsigned)DEADLINE_S);
    sigaction(SIGURG, &action, NULL);
    begin(sleep_for_ever, SLEEPERS);
    begin(block_all, 1);
    begin(wait_for_a_vforked_child, 1);
    syscall(SYS_exit, 0);
}

/* The threads of the child, with which each test begins. */
static struct fc_process child = {.fd = -1};
static long ids[SLEEPERS + 3];

static unsigned count_in_state(char state)
{
    unsigned count = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        count += fc_process_look_at_thread(child.pid, ids[i], SIGURG).state == state;
    return count;
}

static bool all_are_as_they_stay(void *unused)
{
    (void)unused;
    return fc_thread_list_of(child.pid, 0, ids, sizeof ids / sizeof *ids) == SLEEPERS + 3 &&
           atomic_load(&shared->begun) == SLEEPERS + 2 && count_in_state('Z') == 1 && count_in_state('D') == 1 &&
           count_in_state('S') == SLEEPERS + 1;
}

static bool all_have_heard(void *wanted)
{
    return atomic_load(&shared->heard) == *(const int *)wanted;
}

static int begin_child(void **state)
{
    (void)state;
    atomic_store(&shared->begun, 0);
    atomic_store(&shared->heard, 0);
    child.pid = fork();
    if (child.pid == 0)
        run_threads();
    return child.pid > 0 && wait_until(all_are_as_they_stay, NULL) ? 0 : -1;
}

static int end_child(void **state)
{
    (void)state;
    kill(-child.pid, SIGKILL);
    return waitpid(child.pid, NULL, 0) == child.pid ? 0 : -1;
}

static void threads_that_cannot_answer_are_not_asked(void **state)
{
    int wanted = SLEEPERS;
    (void)state;
    assert_int_equal(fc_process_queue_to_threads(&child, 0, SIGURG, VALUE, 100), SLEEPERS);
    assert_true(wait_until(all_have_heard, &wanted));
}

static void threads_are_asked_up_to_a_number(void **state)
{
    int wanted = 2;
    (void)state;
    assert_int_equal(fc_process_queue_to_threads(&child, 0, SIGURG, VALUE, 2), 2);
    assert_true(wait_until(all_have_heard, &wanted));
}

static void thread_that_has_answered_is_not_asked_again(void **state)
{
    int wanted = SLEEPERS - 1;
    long sleeper = 0;
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct fc_process_look look = fc_process_look_at_thread(child.pid, ids[i], SIGURG);
        if (look.state == 'S' && !look.blocks)
            sleeper = ids[i];
    }
    assert_int_equal(fc_process_queue_to_threads(&child, sleeper, SIGURG, VALUE, 100), wanted);
    assert_true(wait_until(all_have_heard, &wanted));
}

static void child_that_has_ended_is_not_asked(void **state)
{
    siginfo_t info;
    (void)state;
    kill(child.pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(fc_process_queue_to_threads(&child, 0, SIGURG, VALUE, 100), 0);
}

static bool is_gone(const struct fc_server *server)
{
    (void)server;
    return true;
}

/* The number of its child may be another process's. */
static void child_of_a_server_that_is_gone_is_not_asked(void **state)
{
    static const struct fc_remote remote = {.is_gone = is_gone};
    static int stand_in;
    struct fc_process process = child;
    (void)state;
    process.remote = &remote;
    process.server = (struct fc_server *)&stand_in;
    assert_int_equal(fc_process_queue_to_threads(&process, 0, SIGURG, VALUE, 100), 0);
}

static void list_ends_where_there_is_no_room_for_more(void **state)
{
    long few[SLEEPERS + 3] = {0};
    (void)state;
    for (long room = 0; room < SLEEPERS + 3; room++) {
        assert_int_equal(fc_thread_list_of(child.pid, 0, few, (size_t)room), room + 1);
        assert_int_equal(few[room], 0);
    }
    assert_int_equal(fc_thread_list_of(child.pid, 0, few, SLEEPERS + 3), SLEEPERS + 3);
    assert_int_equal(fc_thread_list_of(child.pid, few[2], few, SLEEPERS + 3), SLEEPERS + 2);
    assert_int_equal(fc_thread_list_of(0x7fffffff, 0, few, SLEEPERS + 3), -1);
}

int main(void)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    shared = memory;
#ifdef __SANITIZE_THREAD__
    print_message("skipped: ThreadSanitizer has a thread of its own, and no vfork(2)\n");
    return NOT_HERE;
#endif
    if (under_emulator() || access("/proc/self/task", R_OK) < 0) {
        print_message("skipped: the states of a child's threads are not told here\n");
        return NOT_HERE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_that_cannot_answer_are_not_asked, begin_child, end_child),
        cmocka_unit_test_setup_teardown(threads_are_asked_up_to_a_number, begin_child, end_child),
        cmocka_unit_test_setup_teardown(thread_that_has_answered_is_not_asked_again, begin_child, end_child),
        cmocka_unit_test_setup_teardown(child_that_has_ended_is_not_asked, begin_child, end_child),
        cmocka_unit_test_setup_teardown(child_of_a_server_that_is_gone_is_not_asked, begin_child, end_child),
        cmocka_unit_test_setup_teardown(list_ends_where_there_is_no_room_for_more, begin_child, end_child),
    };
    return cmocka_run_group_tests_name("process threads", tests, NULL, NULL);
}
