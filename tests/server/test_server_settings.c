/* Tests that the settings of the calling thread, besides its rights, are the same in a child of
 * every method, and do not cost a new server. */
#include "host_changes.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Scheduling ------------------------------------------------------------------------------ */

static int be_nice(void)
{
    return done(setpriority(PRIO_PROCESS, 0, 7));
}

static void nice_value(void **state)
{
    CHECK_CHANGE(be_nice, .stays = true);
    CHECK_CHANGE(be_nice, .stays = true, .threaded = true);
}

static int set_policy(int policy, int priority)
{
    const struct sched_param scheduler = {.sched_priority = priority};
    return syscall(SYS_sched_setscheduler, 0, policy, &scheduler) < 0 ? NOT_HERE : 0;
}

static int be_batch(void)
{
    return set_policy(SCHED_BATCH, 0);
}

static int be_real_time(void)
{
    return set_policy(SCHED_RR, 3);
}

static void scheduling_policy(void **state)
{
    CHECK_CHANGE(be_batch, .stays = true);
    CHECK_CHANGE(be_real_time, .stays = true);
}

static int child_tells_policy(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct sched_param scheduler;
    (void)args;
    (void)args_size;
    /* Uses system calls, because musl's functions of these names work for whole processes, and
     * fail. */
    const int told[] = {(int)syscall(SYS_sched_getscheduler, 0),
                        syscall(SYS_sched_getparam, 0, &scheduler) == 0 ? scheduler.sched_priority : -1,
                        getpriority(PRIO_PROCESS, 0)};
    return forkcall_buf_append(result, told, sizeof told);
}

/* A fork of a thread with SCHED_RESET_ON_FORK has neither its policy nor its priority
 * (sched(7)). */
static int check_reset_on_fork(void *context)
{
    int told[3];
    (void)context;
    CHECK(ask(FORKCALL_SERVER, child_tells_policy, NULL, 0, told, sizeof told));
    for (int i = 0; i < 2; i++) {
        const int policy = (i == 0 ? SCHED_OTHER : SCHED_FIFO) | SCHED_RESET_ON_FORK;
        if (setpriority(PRIO_PROCESS, 0, -3) < 0 || set_policy(policy, i == 0 ? 0 : 2) != 0)
            return NOT_HERE;
        for (enum forkcall_method method = FORKCALL_FORK; method <= FORKCALL_SPAWN; method++) {
            CHECK(ask(method, child_tells_policy, NULL, 0, told, sizeof told));
            CHECK(told[0] == SCHED_OTHER && told[1] == 0 && told[2] == 0);
        }
    }
    return 0;
}

static void scheduling_policy_that_is_not_for_forks(void **state)
{
    (void)state;
    const int status = host_run(check_reset_on_fork, NULL);
    if (status == NOT_HERE)
        SKIP("not permitted here");
    assert_int_equal(status, 0);
}

static int use_one_processor(void)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) < 0 || CPU_COUNT(&all) < 2)
        return NOT_HERE;
    CPU_ZERO(&one);
    for (size_t i = CPU_SETSIZE; i-- > 0 && CPU_COUNT(&one) == 0;)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    return done(sched_setaffinity(0, sizeof one, &one));
}

static void processors(void **state)
{
    CHECK_CHANGE(use_one_processor, .stays = true);
}

static int be_idle_at_io(void)
{
    return syscall(SYS_ioprio_set, 1, 0, 3 << 13) < 0 ? NOT_HERE : 0; /* IOPRIO_CLASS_IDLE */
}

static void io_priority(void **state)
{
    CHECK_CHANGE(be_idle_at_io, .stays = true);
}

static int be_slack(void)
{
    return done(prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0));
}

static void timer_slack(void **state)
{
    CHECK_CHANGE(be_slack, .stays = true);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static int change_personality(void)
{
    const int now = personality(0xffffffff);
    return now < 0 || personality((unsigned long)now | SHORT_INODE) < 0 ? NOT_HERE : 0;
}

static void personality_of_the_process(void **state)
{
    CHECK_CHANGE(change_personality, .stays = true);
}

static int refuse_huge_pages(void)
{
    return done(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
}

static void huge_pages(void **state)
{
    CHECK_CHANGE(refuse_huge_pages, .stays = true);
}

static int change_memory_policy(void)
{
    const unsigned long first = 1;
    return syscall(SYS_set_mempolicy, 2, &first, 64UL) < 0 ? NOT_HERE : 0; /* MPOL_BIND */
}

static void memory_policy(void **state)
{
    CHECK_CHANGE(change_memory_policy, .stays = true);
}

static int be_secret(void)
{
    return done(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/* Says by stdout that it runs, and goes on when stdin says so. */
static int wait_for_the_host(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char go;
    (void)args;
    (void)args_size;
    (void)result;
    return write(STDOUT_FILENO, "r", 1) == 1 && read(STDIN_FILENO, &go, 1) == 1 ? 0 : EIO;
}

static int child_tells_dumpable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int told = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &told, sizeof told);
}

struct ends {
    int told, answers;
};

/* Lets each prepare go on, and makes the process secret before the second goes on. */
static void *answer_prepare(void *context)
{
    const struct ends *ends = context;
    char byte;
    for (int i = 1; read(ends->told, &byte, 1) == 1; i++) {
        if (i == 2)
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        if (write(ends->answers, &byte, 1) != 1)
            break;
    }
    return NULL;
}

static int change_while_the_server_starts(void *context)
{
    static struct ends ends;
    const struct forkcall_server_options options = {.prepare = wait_for_the_host};
    int told[2], answers[2], dumpable = -1;
    pthread_t thread;
    (void)context;
    CHECK(pipe(told) == 0 && pipe(answers) == 0);
    CHECK(dup2(told[1], STDOUT_FILENO) >= 0 && dup2(answers[0], STDIN_FILENO) >= 0);
    ends = (struct ends){.told = told[0], .answers = answers[1]};
    CHECK(pthread_create(&thread, NULL, answer_prepare, &ends) == 0);
    CHECK(forkcall_server_start(&options) == 0);
    forkcall_server_stop(); /* The next call starts a server like that one. */
    CHECK(ask(FORKCALL_SERVER, child_tells_dumpable, NULL, 0, &dumpable, sizeof dumpable));
    CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && dumpable == 0);
    return 0;
}

/* The call waits for the server to start. What the child has is of the moment after that. */
static void settings_that_change_while_the_server_starts(void **state)
{
    (void)state;
    assert_int_equal(host_run(change_while_the_server_starts, NULL), 0);
}

static void memory_that_nobody_may_look_at(void **state)
{
    CHECK_CHANGE(be_secret, .stays = true);
}

/* ---- Floating point -------------------------------------------------------------------------- */

struct arithmetic {
    double third, tiny;
    long double long_third;
};

/* The results are volatile, too: otherwise gcc moves a calculation to the place where its result
 * is used, across a change of the floating-point environment (GCC bug 34678). */
static struct arithmetic calculate(void)
{
    volatile double one = 1, three = 3, smallest = 0x1p-1060, half = 0.5;
    volatile long double long_one = 1, long_three = 3;
    volatile double third = one / three;
    volatile double tiny = smallest * half;
    volatile long double long_third = long_one / long_three;
    struct arithmetic answer;
    memset(&answer, 0, sizeof answer);
    answer.third = third;
    answer.tiny = tiny;
    answer.long_third = long_third;
    return answer;
}

static int child_calculates(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct arithmetic answer = calculate();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* Compares bits, because a value that is flushed to zero compares equal to zero. */
static bool is_same(const struct arithmetic *a, const struct arithmetic *b)
{
    return bits_of(a->third) == bits_of(b->third) && bits_of(a->tiny) == bits_of(b->tiny) &&
           a->long_third == b->long_third;
}

static bool calculates_as_the_caller(enum forkcall_method method)
{
    const struct arithmetic here = calculate();
    struct arithmetic there;
    return ask(method, child_calculates, NULL, 0, &there, sizeof there) && is_same(&here, &there);
}

#if defined(__x86_64__)
static void set_rounding_up(void)
{
    const uint16_t x87 = 0x0b7f;
    __builtin_ia32_ldmxcsr(0x5f80);
    __asm__ volatile("fldcw %0" : : "m"(x87));
}

static void set_flush_to_zero(void)
{
    __builtin_ia32_ldmxcsr(0x9fc0); /* flushes to zero, and takes denormals for zero */
}

static void set_trap(void)
{
    __builtin_ia32_ldmxcsr(0x1d80); /* unmasks division by zero */
}
#define HAS_CONTROL true
#elif defined(__aarch64__)
static void set_control(uint64_t control)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

static void set_rounding_up(void)
{
    set_control((uint64_t)1 << 22);
}

static void set_flush_to_zero(void)
{
    set_control((uint64_t)1 << 24);
}

static void set_trap(void)
{
    set_control((uint64_t)1 << 9); /* few of these processors have this bit */
}
#define HAS_CONTROL true
#else
static void set_rounding_up(void)
{
}
#define set_flush_to_zero set_rounding_up
#define set_trap set_rounding_up
#define HAS_CONTROL false
#endif

static int check_arithmetic(void *context)
{
    void (*const set)(void) = *(void (**)(void))context;
    const struct arithmetic usual = calculate();
    struct arithmetic here;
    for (enum forkcall_method method = FORKCALL_FORK; method <= FORKCALL_SPAWN; method++)
        CHECK(calculates_as_the_caller(method));
    set();
    here = calculate();
    CHECK(!is_same(&here, &usual));
    for (enum forkcall_method method = FORKCALL_FORK; method <= FORKCALL_SPAWN; method++)
        CHECK(calculates_as_the_caller(method));
    return 0;
}

static void check_set(void (*set)(void))
{
    if (!HAS_CONTROL)
        SKIP("not known for this processor");
    if (under_valgrind() || under_emulator())
        SKIP("it has one rounding mode");
    assert_int_equal(host_run(check_arithmetic, &set), 0);
}

static void rounding_mode(void **state)
{
    (void)state;
    check_set(set_rounding_up);
}

static void flush_to_zero(void **state)
{
    (void)state;
    check_set(set_flush_to_zero);
}

static int child_divides_by_zero(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile double one = 1, zero = 0;
    const double quotient = one / zero;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &quotient, sizeof quotient);
}

static int check_trap(void *context)
{
    struct rlimit no_core = {0, 0};
    (void)context;
    setrlimit(RLIMIT_CORE, &no_core);
    set_trap();
    for (enum forkcall_method method = FORKCALL_SERVER; method <= FORKCALL_SPAWN; method++) {
        struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
        const enum forkcall_status wanted =
            (options.method = FORKCALL_FORK, forkcall_run(child_divides_by_zero, NULL, 0, NULL, &options)).status;
        options.method = method;
        const struct forkcall_report report = forkcall_run(child_divides_by_zero, NULL, 0, NULL, &options);
        CHECK(report.status == wanted);
    }
    return 0;
}

static void floating_point_traps(void **state)
{
    (void)state;
    if (under_valgrind() || under_emulator())
        SKIP("it has no such traps");
    assert_int_equal(host_run(check_trap, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nice_value),
        cmocka_unit_test(scheduling_policy),
        cmocka_unit_test(scheduling_policy_that_is_not_for_forks),
        cmocka_unit_test(processors),
        cmocka_unit_test(io_priority),
        cmocka_unit_test(timer_slack),
        cmocka_unit_test(personality_of_the_process),
        cmocka_unit_test(huge_pages),
        cmocka_unit_test(memory_policy),
        cmocka_unit_test(settings_that_change_while_the_server_starts),
        cmocka_unit_test(memory_that_nobody_may_look_at),
        cmocka_unit_test(rounding_mode),
        cmocka_unit_test(flush_to_zero),
        cmocka_unit_test(floating_point_traps),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
