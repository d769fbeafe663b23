/* Tests what the report tells of a function that crashes.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#undef NDEBUG
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
/* The access itself must fail, and not a sanitizer's check before it. */
#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("undefined")))
#define FUNCTION_MAX 1024 /* bytes; every function here is smaller */

static const uint64_t page = 4096;

/* What the child tells in shared_memory(). */
struct evidence {
    atomic_uintptr_t memory; /* address of the memory in which the child crashes */
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

static struct forkcall_report run(forkcall_fn *fn, const void *args, size_t args_size)
{
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    return run_tested(fn, args, args_size, NULL, &options);
}

static void assert_crash(const struct forkcall_report *report, int signal)
{
    assert_status(*report, FORKCALL_SIGNALED);
    assert_int_equal(report->code, signal);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    assert_int_equal(report->crash.signal, signal);
    assert_true(WIFSIGNALED(report->wait_status) && WTERMSIG(report->wait_status) == signal);
}

static void assert_inside(const struct forkcall_report *report, forkcall_fn *fn)
{
    const uint64_t start = (uint64_t)(uintptr_t)fn;
    if (report->crash.program_counter == 0 && under_emulator())
        return; /* The registers of this processor are unknown. */
    assert_in_range(report->crash.program_counter, start, start + FUNCTION_MAX);
    assert_true(report->crash.frame_count >= 1);
    assert_int_equal(report->crash.frames[0], report->crash.program_counter);
}

static void assert_explained(const struct forkcall_report *report, const char *text)
{
    char whole[4096];
    const int length = forkcall_explain(report, whole, sizeof whole);
    assert_in_range(length, 1, sizeof whole - 1);
    if (strstr(whole, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, whole);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* These functions are exported, so that their names are known. */
forkcall_fn stores_at_its_argument, loads_from_its_argument;

/* The argument is an address in the child's memory, as a uintptr_t. */
UNCHECKED NOINLINE int stores_at_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    **(volatile char *const *)args = 1; // NOLINT(clang-analyzer-core.NullDereference): the crash that is wanted
    return 0;
}

UNCHECKED NOINLINE int loads_from_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return **(const volatile char *const *)args;
}

static void null_pointer(void **state)
{
    const uintptr_t nowhere = 0;
    (void)state;
    const struct forkcall_report r = run(stores_at_its_argument, &nowhere, sizeof nowhere);
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.si_code, SEGV_MAPERR);
    assert_int_equal(r.crash.address, 0);
    assert_int_equal(r.crash.flags, 0);
    assert_inside(&r, stores_at_its_argument);
    assert_string_equal(r.message, "killed by SIGSEGV (address not mapped) at 0x0");
    assert_explained(&r, "stores_at_its_argument was killed by SIGSEGV (address not mapped) at 0x0");
    assert_explained(&r, "\n  #0 stores_at_its_argument");
}

/* The child makes memory of this kind, and accesses it at OFFSET. */
#define OFFSET 7
enum memory { UNMAPPED, READ_ONLY, PAST_THE_END };

static char *map(enum memory kind)
{
    char name[] = "/tmp/forkcall-test-XXXXXX";
    /* Shared memory is mapped first. Mapped later, it could take the place of the unmapped page. */
    struct evidence *seen = evidence();
    char *memory;
    if (kind == PAST_THE_END) {
        const int fd = mkstemp(name);
        unlink(name);
        memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    } else {
        /* No mapping is placed at this address by chance before the access. */
        void *far = kind == UNMAPPED ? (void *)(uintptr_t)0x50000000U : NULL;
        memory = mmap(far, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (kind == UNMAPPED && memory != MAP_FAILED)
            munmap(memory, page);
    }
    if (memory == MAP_FAILED)
        _exit(91);
    seen->memory = (uintptr_t)memory;
    return memory;
}

static int uses_memory_of_a_kind(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum memory kind = *(const enum memory *)args;
    /* A volatile pointer makes the compiler call the function itself, and not a copy of it made for
     * this call. */
    forkcall_fn *volatile crash = kind == UNMAPPED ? loads_from_its_argument : stores_at_its_argument;
    const char *address = map(kind) + OFFSET;
    (void)args_size;
    return crash(&address, sizeof address, result);
}

static void wild_pointer(void **state)
{
    const enum memory kind = UNMAPPED;
    char expected[64];
    (void)state;
    const struct forkcall_report r = run(uses_memory_of_a_kind, &kind, sizeof kind);
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.si_code, SEGV_MAPERR);
    if (!under_emulator()) {
#if defined(__s390__) /* The processor tells only the page. */
        assert_int_equal(r.crash.address, evidence()->memory);
        snprintf(expected, sizeof expected, "in the page at 0x%llx", (unsigned long long)r.crash.address);
#else
        assert_int_equal(r.crash.address, evidence()->memory + OFFSET);
        snprintf(expected, sizeof expected, "at 0x%llx", (unsigned long long)r.crash.address);
#endif
        assert_non_null(strstr(r.message, expected));
    }
    assert_int_equal(r.crash.flags, 0);
    assert_inside(&r, loads_from_its_argument);
}

static void write_to_read_only_memory(void **state)
{
    const enum memory kind = READ_ONLY;
    (void)state;
    const struct forkcall_report r = run(uses_memory_of_a_kind, &kind, sizeof kind);
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.si_code, SEGV_ACCERR);
    assert_int_equal(r.crash.address & ~(page - 1), evidence()->memory);
    assert_int_equal(r.crash.flags, 0);
    assert_non_null(strstr(r.message, "access not allowed"));
}

#ifdef __x86_64__
static void address_that_no_process_can_have(void **state)
{
    const uintptr_t address = 0xdead000000000000U;
    (void)state;
    const struct forkcall_report r = run(stores_at_its_argument, &address, sizeof address);
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.flags & FORKCALL_CRASH_MAPPED_IN_CALLER, 0);
    assert_inside(&r, stores_at_its_argument);
}
#endif

static void mapping_past_the_end_of_its_file(void **state)
{
    const enum memory kind = PAST_THE_END;
    (void)state;
    const struct forkcall_report r = run(uses_memory_of_a_kind, &kind, sizeof kind);
    assert_crash(&r, SIGBUS);
    assert_int_equal(r.crash.si_code, BUS_ADRERR);
    assert_int_equal(r.crash.address & ~(page - 1), evidence()->memory);
    assert_inside(&r, stores_at_its_argument);
    assert_non_null(strstr(r.message, "SIGBUS"));
}

static void memory_that_is_mapped_in_the_caller_alone(void **state)
{
    const unsigned expected = method_shares_memory() ? FORKCALL_CRASH_MAPPED_IN_CALLER : 0;
    (void)state;
    if (under_emulator())
        SKIP("qemu-user does not pass on MADV_DONTFORK");
    char *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(madvise(memory, page, MADV_DONTFORK), 0);
    const char *address = memory + 8;
    const struct forkcall_report r = run(stores_at_its_argument, &address, sizeof address);
    munmap(memory, page);
    if (r.status == FORKCALL_OK && !method_shares_memory())
        SKIP("chance has given the child memory of its own there");
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.flags & FORKCALL_CRASH_MAPPED_IN_CALLER, expected);
    if (expected != 0) {
        assert_non_null(strstr(r.message, "mapped in the caller but not in the child (MADV_DONTFORK)"));
        assert_explained(&r, "MADV_DONTFORK");
    }
}

/* ---- Instructions ---------------------------------------------------------------------------- */

static int traps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    __builtin_trap();
}

static void trap_instruction(void **state)
{
    (void)state;
    const struct forkcall_report r = run(traps, NULL, 0);
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.crash.signal, r.code);
#if defined(__x86_64__) || defined(__i386__)
    assert_int_equal(r.code, SIGILL);
    assert_int_equal(r.crash.address, r.crash.program_counter);
    assert_non_null(strstr(r.message, "SIGILL (illegal instruction)"));
#else
    assert_true(r.code == SIGILL || r.code == SIGTRAP || r.code == SIGFPE);
#endif
    assert_inside(&r, traps);
}

#if defined(__x86_64__) || defined(__i386__)
UNCHECKED NOINLINE static int divides(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile int divisor = *(const int *)args;
    (void)args_size;
    (void)result;
    return 42 / divisor; // NOLINT(clang-analyzer-core.DivideZero): the crash that is wanted
}

static void division_by_zero(void **state)
{
    const int zero = 0;
    (void)state;
    const struct forkcall_report r = run(divides, &zero, sizeof zero);
    assert_crash(&r, SIGFPE);
    assert_int_equal(r.crash.si_code, FPE_INTDIV);
    assert_inside(&r, divides);
    assert_non_null(strstr(r.message, "SIGFPE (integer division by zero)"));
}
#endif

#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
UNCHECKED NOINLINE static int meets_a_breakpoint(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
#ifdef __aarch64__
    __asm__ volatile("brk #1");
#else
    __asm__ volatile("int3");
#endif
    return 0;
}

/* A breakpoint, by which some runtimes end the process after a failed check. The message must not
 * say that a process has sent SIGTRAP. */
static void breakpoint_instruction(void **state)
{
    (void)state;
    const struct forkcall_report r = run(meets_a_breakpoint, NULL, 0);
    assert_crash(&r, SIGTRAP);
    assert_inside(&r, meets_a_breakpoint);
    /* XNU tells 0, as of any signal. */
    assert_string_equal(r.message, r.crash.si_code > 0 ? "killed by SIGTRAP (breakpoint or trap instruction)"
                                                       : "killed by SIGTRAP");
}
#endif

static int aborts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

static void call_of_abort(void **state)
{
    (void)state;
    const struct forkcall_report r = run(aborts, NULL, 0);
    assert_crash(&r, SIGABRT);
    assert_int_equal(r.crash.address, 0);
    assert_string_equal(r.message, "killed by SIGABRT");
    assert_true(r.crash.frame_count >= 1);
}

/* glibc keeps what it says before it aborts; other libraries and static programs do not. */
static int fails_an_assertion(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)result;
    assert(args_size == 17 && "chunk order");
    return 0;
}

#ifdef __GLIBC__
static int frees_twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char *volatile memory = malloc(100);
    (void)args;
    (void)args_size;
    (void)result;
    free(memory);
    free(memory); // NOLINT(clang-analyzer-unix.Malloc): this is tested
    return 0;
}

static void message_tells_what_the_c_library_has_said(void **state)
{
    (void)state;
    if (dlsym(RTLD_DEFAULT, "__abort_msg") == NULL)
        SKIP("a static program cannot look for what the C library keeps");
    struct forkcall_report r = run(fails_an_assertion, NULL, 0);
    assert_crash(&r, SIGABRT);
    assert_non_null(strstr(r.message, "killed by SIGABRT ("));
    /* clang gives the whole prototype of the function. */
    assert_non_null(strstr(r.message, "fails_an_assertion"));
    assert_non_null(strstr(r.message, ": Assertion `args_size == 17"));
    assert_null(strstr(r.message, "perhaps"));
    if (under_sanitizer())
        return; /* it has an allocator of its own */
    r = run(frees_twice, NULL, 0);
    assert_crash(&r, SIGABRT);
    assert_non_null(strstr(r.message, "double free"));
}
#else
static void message_tells_what_the_c_library_has_said(void **state)
{
    (void)state;
    const struct forkcall_report r = run(fails_an_assertion, NULL, 0);
    assert_crash(&r, SIGABRT);
    /* The library keeps nothing of what it says. */
    assert_string_equal(r.message, "killed by SIGABRT");
}
#endif

static int raises(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    raise(*(const int *)args);
    return 0;
}

static void crash_signal_that_was_sent(void **state)
{
    static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ, SIGPIPE, SIGALRM};
    (void)state;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        const struct forkcall_report r = run(raises, &caught[i], sizeof caught[i]);
        assert_crash(&r, caught[i]);
        assert_true(r.crash.si_code <= 0);
        assert_int_equal(r.crash.address, 0);
        assert_told_as_sent(&r);
    }
}

static void signal_that_is_no_crash(void **state)
{
    static const int others[] = {SIGTERM, SIGUSR1, SIGVTALRM, SIGQUIT, SIGKILL};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        /* A shell starts a command in the background with SIGQUIT ignored. */
        (void)signal(others[i], SIG_DFL);
        const struct forkcall_report r = run(raises, &others[i], sizeof others[i]);
        assert_status(r, FORKCALL_SIGNALED);
        assert_int_equal(r.code, others[i]);
        assert_int_equal(r.ran, FORKCALL_RAN_YES);
        assert_int_equal(r.crash.signal, 0);
        assert_int_equal(r.crash.frame_count, 0);
    }
}

/* ---- Stacks and threads ---------------------------------------------------------------------- */

static int recurse(int depth);
static int (*volatile recurse_further)(int) = recurse;
static volatile int depth_max = INT32_MAX;

UNCHECKED static int recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth < depth_max ? recurse_further(depth + 1) + frame[0] : 0;
}

static int overflows_its_stack(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return recurse(0);
}

static void stack_overflow(void **state)
{
    (void)state;
    const struct forkcall_report r = run(overflows_its_stack, NULL, 0);
    assert_crash(&r, SIGSEGV);
    assert_int_equal(r.crash.flags & FORKCALL_CRASH_STACK_OVERFLOW, FORKCALL_CRASH_STACK_OVERFLOW);
    assert_non_null(strstr(r.message, "(stack overflow)"));
    assert_explained(&r, "(stack overflow)");
}

static pthread_barrier_t barrier;

UNCHECKED static void *thread_that_crashes(void *address)
{
    pthread_barrier_wait(&barrier);
    *(volatile char *)address = 1;
    return NULL;
}

/* Starts as many threads as the argument says. All write to address 0 at the same moment. */
static int crashes_in_threads(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const unsigned count = *(const unsigned *)args;
    pthread_t threads[8];
    (void)args_size;
    (void)result;
    pthread_barrier_init(&barrier, NULL, count);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, thread_that_crashes, NULL) != 0)
            return 1;
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return 2;
}

static void crash_in_another_thread_and_in_several_at_once(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 8; count++) {
        const struct forkcall_report r = run(crashes_in_threads, &count, sizeof count);
        assert_status(r, FORKCALL_SIGNALED);
        assert_int_equal(r.code, SIGSEGV);
/* In a portable build the guard page beside a thread's stack is taken for readable, and the report
 * is lost. */
#ifndef TEST_PORTABLE
        assert_crash(&r, SIGSEGV);
        assert_int_equal(r.crash.address, 0);
        assert_int_equal(r.crash.si_code, SEGV_MAPERR);
#endif
    }
}

/* ---- States in which little works ------------------------------------------------------------ */

UNCHECKED static int breaks_the_heap(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile size_t too_much = *(const size_t *)args;
    volatile unsigned char *block = malloc(64);
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < too_much; i++)
        block[i] = 0xff;
    for (size_t size = 16; size < 1 << 20; size *= 2) {
        void *volatile more = malloc(size);
        free(more);
    }
    free((void *)(uintptr_t)block);
    /* Ends a child in which no later use of the heap has failed, which depends on chance and on
     * MALLOC_PERTURB_. */
    abort();
}

static void crash_in_a_broken_heap(void **state)
{
    const size_t too_much = 4096;
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizer's heap is checked otherwise");
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000, .standard_error = FORKCALL_STREAM_NULL};
    const struct forkcall_report r = run_tested(breaks_the_heap, &too_much, sizeof too_much, NULL, &options);
    assert_status(r, FORKCALL_SIGNALED);
    assert_int_equal(r.crash.signal, r.code);
    assert_true(r.code == SIGABRT || r.code == SIGSEGV || r.code == SIGILL);
}

static int crashes_undumpable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_fn *volatile crash = stores_at_its_argument;
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        return 1;
    return crash(args, args_size, result);
}

static void crash_with_PR_SET_DUMPABLE_0(void **state)
{
    const uintptr_t nowhere = 0;
    (void)state;
    const struct forkcall_report r = run(crashes_undumpable, &nowhere, sizeof nowhere);
    assert_crash(&r, SIGSEGV);
    assert_inside(&r, stores_at_its_argument);
    assert_false(WCOREDUMP(r.wait_status));
}

/* ---- Grandchildren --------------------------------------------------------------------------- */

/* fork() without its handlers. One of the handlers would close the reply in the grandchild. */
extern pid_t _Fork(void) __attribute__((weak)); // NOLINT: the C library's name

struct family {
    bool without_handlers;
    bool child_crashes; /* at another address than the grandchild */
};

static int crashes_after_its_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum memory kind = READ_ONLY;
    const uintptr_t nowhere = 0;
    const struct family *family = args;
    int status;
    (void)args_size;
    const pid_t pid = family->without_handlers && _Fork != NULL ? _Fork() : fork();
    if (pid == 0)
        return stores_at_its_argument(&nowhere, sizeof nowhere, NULL);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
        return 1;
    return family->child_crashes ? uses_memory_of_a_kind(&kind, sizeof kind, result) : 0;
}

static void crash_of_a_grandchild_is_not_the_childs(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct family family = {i == 1, true};
        struct forkcall_report r = run(crashes_after_its_child, &family, sizeof family);
        assert_crash(&r, SIGSEGV);
        assert_int_equal(r.crash.address & ~(page - 1), evidence()->memory);
        assert_int_equal(r.crash.si_code, SEGV_ACCERR);
        family.child_crashes = false;
        r = run(crashes_after_its_child, &family, sizeof family);
        assert_status(r, FORKCALL_OK);
        assert_int_equal(r.crash.signal, 0);
    }
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(null_pointer),
        TEST(wild_pointer),
        TEST(write_to_read_only_memory),
#ifdef __x86_64__
        TEST(address_that_no_process_can_have),
#endif
        TEST(mapping_past_the_end_of_its_file),
        TEST(memory_that_is_mapped_in_the_caller_alone),
        TEST(trap_instruction),
#if defined(__x86_64__) || defined(__i386__)
        TEST(division_by_zero),
#endif
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
        TEST(breakpoint_instruction),
#endif
        TEST(call_of_abort),
        TEST(message_tells_what_the_c_library_has_said),
        TEST(crash_signal_that_was_sent),
        TEST(signal_that_is_no_crash),
        TEST(stack_overflow),
        TEST(crash_in_another_thread_and_in_several_at_once),
        TEST(crash_in_a_broken_heap),
        TEST(crash_with_PR_SET_DUMPABLE_0),
        TEST(crash_of_a_grandchild_is_not_the_childs),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
