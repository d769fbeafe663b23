/* A chain of calls that ends in a crash, for the test program and for a plugin. */
#include "crash_chain.h"

#include <pthread.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))
/* The access itself must fail, and not a sanitizer's check before it. */
#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("undefined")))

const char CHAIN(constant)[] = "constant";

static char *volatile nowhere;
static const char *volatile constant = CHAIN(constant);
static void (*volatile no_function)(void);
/* Changed after each call, so that no call is the last action of its function, which a compiler
 * would turn into a jump. */
static volatile int after;

UNCHECKED static int compare(const void *a, const void *b)
{
    *nowhere = *(const char *)a;
    return *(const char *)a - *(const char *)b;
}

UNCHECKED NOINLINE void CHAIN(store)(void)
{
    *nowhere = 1;
    after = 4;
}

void *CHAIN(start)(void *unused)
{
    CHAIN(store)();
    after = 5;
    return unused;
}

static int run_on_static_stack(void)
{
    static _Alignas(65536) char stack[262144];
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stack, sizeof stack) != 0 ||
        pthread_create(&thread, &attributes, CHAIN(start), NULL) != 0)
        return 1;
    return pthread_join(thread, NULL);
}

UNCHECKED NOINLINE int CHAIN(inner)(enum chain_end end)
{
    char letters[] = "cab";
    switch (end) {
    case CHAIN_NULL_POINTER:
        *nowhere = 1;
        break;
    case CHAIN_NULL_FUNCTION:
        no_function();
        break;
    case CHAIN_TRAP:
        __builtin_trap();
    case CHAIN_IN_CALLBACK:
        qsort(letters, 3, 1, compare);
        break;
    case CHAIN_ON_STATIC_STACK:
        return run_on_static_stack();
    case CHAIN_WRITE_TO_CONSTANT:
        *(char *)(uintptr_t)constant = 1;
        break;
    case CHAIN_ENDS:
        break;
    }
    after = 1;
    return letters[0];
}

NOINLINE int CHAIN(middle)(enum chain_end end)
{
    const int r = CHAIN(inner)(end);
    after = 2;
    return r;
}

NOINLINE int CHAIN(outer)(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    const int r = CHAIN(middle)(*(const enum chain_end *)args);
    after = 3;
    return r;
}
