/* Makes a child crash, and gets its registers and a copy of its stack. */
#include "crashed_child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct crash crash;
static uintptr_t stack_end; /* in the child: only the stack below is copied */
static int crash_pipe = -1;

static void write_all(const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(crash_pipe, (const char *)bytes + done, size - done);
        if (n <= 0)
            _exit(2);
        done += (size_t)n;
    }
}

/* Most of a stack belongs to no variable, so AddressSanitizer would report reads of it. */
__attribute__((no_sanitize_address)) NOINLINE static void copy_stack(uintptr_t start, size_t size)
{
    const volatile unsigned char *bytes =
        (const volatile unsigned char *)start; // NOLINT(performance-no-int-to-ptr): an address, as a number
    for (size_t i = 0; i < size; i++)
        crash.stack[i] = bytes[i];
}

static void on_crash(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    fc_registers_get(&crash.registers, context);
    const uintptr_t start = (uintptr_t)crash.registers.sp - 128;
    if (crash.registers.sp == 0 || start >= stack_end)
        _exit(3);
    crash.stack_address = start;
    crash.stack_size = stack_end - start < STACK_MAX ? stack_end - start : STACK_MAX;
    copy_stack(start, (size_t)crash.stack_size);
    write_all(&crash, offsetof(struct crash, stack) + (size_t)crash.stack_size);
    _exit(0);
}

/* A chain of functions. The compiler can neither merge nor drop them, nor replace their calls by
 * jumps. */

static void (*volatile innermost)(void);
static int *volatile nowhere;
static volatile int after;

/* Notes the return address before the crash. The stores are volatile, because a compiler may move
 * other stores behind the access that crashes. */
#define NOTE_RETURN_ADDRESS(level) \
    (*(volatile uint64_t *)&crash.returns[level] = (uint64_t)(uintptr_t)__builtin_return_address(0))

__attribute__((no_sanitize("undefined"))) NOINLINE void read_null(void)
{
    NOTE_RETURN_ADDRESS(0);
    after = *nowhere;
}

NOINLINE void level_1(void)
{
    NOTE_RETURN_ADDRESS(1);
    innermost();
    after = 1;
}

NOINLINE static void level_2(void)
{
    NOTE_RETURN_ADDRESS(2);
    level_1();
    after = 2;
}

NOINLINE static void level_3(void)
{
    NOTE_RETURN_ADDRESS(3);
    level_2();
    after = 3;
}

NOINLINE static void crash_in_child(const void *callers_frame)
{
    static unsigned char signal_stack[65536];
    const stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction action;
    /* The address of a variable would not do, because sanitizers move variables off the stack. */
    stack_end = (uintptr_t)callers_frame;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    if (sigaltstack(&alternate, NULL) != 0 || sigaction(SIGSEGV, &action, NULL) != 0 ||
        sigaction(SIGBUS, &action, NULL) != 0)
        _exit(4);
    level_3();
    _exit(5);
}

void take_crash(void (*function)(void))
{
    int ends[2];
    int status = 0;
    size_t size = 0;
    memset(&crash, 0, sizeof crash);
    innermost = function;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        crash_pipe = ends[1];
        crash_in_child(__builtin_frame_address(0));
    }
    (void)close(ends[1]);
    for (ssize_t n = 1; n > 0; size += n > 0 ? (size_t)n : 0)
        n = read(ends[0], (char *)&crash + size, sizeof crash - size);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(size, offsetof(struct crash, stack) + crash.stack_size);
}
