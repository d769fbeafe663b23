/* Functions that fail by an instruction that the processor cannot execute. */
#include "ways.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int *volatile null_pointer;

LEAF(null)
{
    *null_pointer = n;
    return n;
}
CALLS(null)

/* The compiler puts these into one another. */
enum { inlined_line = __LINE__ + 1 };
__attribute__((always_inline)) static inline int leaf_inlined(int n)
{
    sink = n;
    *null_pointer = n;
    return n;
}
CALLS(inlined)

LEAF(overflow)
{
    volatile char pad[200];
    pad[0] = (char)n;
    if (n < 0)
        return 0;
    const int answer = leaf_overflow(n + 1);
    sink = sink + pad[0];
    return answer + 1;
}
CALLS(overflow)

LEAF(large_frame)
{
    volatile char large[16 << 20];
    large[0] = (char)n;
    sink = large[n];
    return sink;
}
CALLS(large_frame)

LEAF(division)
{
    return n / zero;
}
CALLS(division)

LEAF(past_the_file)
{
    char path[] = "/tmp/forkcall-ways-XXXXXX";
    const int fd = mkstemp(path);
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unlink(path);
    page[n] = 1;
    return fd;
}
CALLS(past_the_file)

static int (*volatile no_function)(int);

LEAF(jump_to_null)
{
    return no_function(n) + 1;
}
CALLS(jump_to_null)

static int data_word;
static int *volatile data_pointer = &data_word;

LEAF(jump_to_data)
{
    int (*function)(int);
    int *data = data_pointer;
    memcpy(&function, &data, sizeof function);
    return function(n) + 1;
}
CALLS(jump_to_data)

static const int constant[64] = {1};
static const int *volatile constant_pointer = constant;

LEAF(write_to_constant)
{
    memcpy((void *)(uintptr_t)(constant_pointer + n), &n, sizeof n);
    *(volatile int *)(uintptr_t)constant_pointer = n;
    return n;
}
CALLS(write_to_constant)

#if defined(__x86_64__)
static int *volatile no_address = (int *)(uintptr_t)0xdeadbeef00000000U;

LEAF(non_canonical)
{
    *no_address = n;
    return n;
}
CALLS(non_canonical)

LEAF(illegal_instruction)
{
    sink = n;
    __builtin_trap();
}
CALLS(illegal_instruction)

/* The function's caller cannot be found again. */
LEAF(lost_stack_pointer)
{
    __asm__ volatile("movq $0x1234, %%rsp\n\tpushq %%rax" ::: "memory");
    return n;
}
CALLS(lost_stack_pointer)
#endif

static void *worker(void *unused)
{
    (void)unused;
    sink = mid_null(1);
    return NULL;
}

enum { thread_line = null_line };
static int call_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    pthread_create(&thread, NULL, worker, NULL);
    pthread_join(thread, NULL);
    return 0;
}

static void *overflowing_worker(void *unused)
{
    (void)unused;
    sink = mid_overflow(1);
    return NULL;
}

enum { thread_overflow_line = overflow_line };
static int call_thread_overflow(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    pthread_create(&thread, NULL, overflowing_worker, NULL);
    pthread_join(thread, NULL);
    return 0;
}

static void crashing_handler(int signal)
{
    *null_pointer = signal;
}

LEAF(signal_handler)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = crashing_handler;
    sigaction(SIGUSR1, &action, NULL);
    return raise(SIGUSR1) + n;
}
CALLS(signal_handler)

LEAF(strlen_of_null)
{
    return (int)strlen((const char *)null_pointer) + n;
}
CALLS(strlen_of_null)

static int compare(const void *a, const void *b)
{
    (void)a;
    (void)b;
    *null_pointer = 1;
    return 0;
}

LEAF(qsort_callback)
{
    int numbers[] = {3, n, 1};
    qsort(numbers, 3, sizeof numbers[0], compare);
    return numbers[0];
}
CALLS(qsort_callback)

static void limit_memory(struct forkcall_options *options)
{
    options->limits.address_space_bytes = UINT64_C(400) << 20;
}

LEAF(no_memory)
{
    volatile char *memory = malloc(UINT64_C(600) << 20);
    memory[0] = (char)n;
    return memory[0];
}
CALLS(no_memory)

const struct way memory_ways[] = {
    WAY(null, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES | DIRECT),
    WAY(inlined, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES | INLINED),
    WAY(overflow, SIGNALED, "killed by SIGSEGV (stack overflow) at 0x", NAMES | DIRECT | BEGINS),
    WAY(large_frame, SIGNALED, "killed by SIGSEGV (stack overflow) at 0x", NAMES | DIRECT | BEGINS),
#if defined(__x86_64__) || defined(__i386__)
    WAY(division, SIGNALED, "killed by SIGFPE (integer division by zero) at 0x", NAMES | DIRECT | BEGINS),
#endif
    WAY(past_the_file, SIGNALED, "killed by SIGBUS (no memory or file behind the address) at 0x",
        NAMES | DIRECT | BEGINS),
    WAY(jump_to_null, SIGNALED, "killed by SIGSEGV (jump to an address that is not mapped) at 0x0", NAMES),
    WAY(jump_to_data, SIGNALED, "killed by SIGSEGV (jump to memory that is no code) at 0x", NAMES | BEGINS),
    WAY(write_to_constant, SIGNALED, "killed by SIGSEGV (access not allowed) at 0x", NAMES | BEGINS),
#if defined(__x86_64__)
    WAY(non_canonical, SIGNALED, "killed by SIGSEGV (no valid address)", NAMES | DIRECT),
    WAY(illegal_instruction, SIGNALED, "killed by SIGILL (illegal instruction) at 0x", NAMES | DIRECT | BEGINS),
    WAY(lost_stack_pointer, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x122c", NAMES | DIRECT),
#endif
    WAY(thread, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", 0),
    WAY(thread_overflow, SIGNALED, "killed by SIGSEGV (perhaps the stack of a thread has run out)", 0),
    WAY(signal_handler, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES),
    WAY(strlen_of_null, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES),
    WAY(qsort_callback, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES),
    WAY_WITH(no_memory, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES | DIRECT, limit_memory),
};
const unsigned memory_way_count = COUNT_OF(memory_ways);
