/* Ways to fail, and what a caller must be told of each. */
#ifndef FORKCALL_TEST_WAYS_H
#define FORKCALL_TEST_WAYS_H

#include <forkcall.h>

#include <stdbool.h>

enum way_flag {
    /* The explanation has the function that fails, by name, with its line. */
    NAMES = 1,
    /* The same also without unwind tables: it is the function's own instruction that fails. */
    DIRECT = 2,
    /* The line is not that of the function, or the compiler has left none. */
    NO_LINE = 4,
    /* Only with glibc, whose words are expected. */
    GLIBC_SAYS = 8,
    /* Only as the compiler optimises. */
    OPTIMISED = 16,
    /* The message begins so, and goes on. */
    BEGINS = 32,
    /* It is a module that fails which only the child has loaded. */
    MODULE = 64,
    /* The function that fails was inlined, which only debug information tells. */
    INLINED = 128,
    /* The function does not end. The message has these words behind its beginning, and goes on. */
    HANGS = 256,
};

struct way {
    const char *name;
    forkcall_fn *fn;
    enum forkcall_status status;
    const char *message; /* of the report */
    unsigned flags;
    int line; /* where the function that fails begins */
    void (*set)(struct forkcall_options *options);
};

extern const struct way memory_ways[], abort_ways[], signal_ways[], ending_ways[], module_ways[], hanging_ways[];
extern const unsigned memory_way_count, abort_way_count, signal_way_count, ending_way_count, module_way_count,
    hanging_way_count;
#ifdef HAS_CPLUSPLUS
extern const struct way cplusplus_ways[];
extern const unsigned cplusplus_way_count;
#endif

#define COUNT_OF(ways) ((unsigned)(sizeof(ways) / sizeof *(ways)))

/* What the compiler does not know. */
extern volatile int sink, zero;

#define NOINLINE __attribute__((noinline))

/* call_X calls mid_X, which calls leaf_X, which fails. The use of each answer keeps the compiler
 * from making a jump of the call, which would leave no frame. */
#define LEAF(name)                   \
    enum { name##_line = __LINE__ }; \
    NOINLINE static int leaf_##name(int n)
#define CALLS(name)                                                                         \
    NOINLINE static int mid_##name(int n)                                                   \
    {                                                                                       \
        const int answer = leaf_##name(n + 1);                                              \
        sink = sink + 1;                                                                    \
        return answer + 1;                                                                  \
    }                                                                                       \
    static int call_##name(const void *args, size_t args_size, struct forkcall_buf *result) \
    {                                                                                       \
        (void)args;                                                                         \
        (void)result;                                                                       \
        const int answer = mid_##name((int)args_size + 3);                                  \
        sink = sink + 1;                                                                    \
        return answer;                                                                      \
    }

#define WAY(name, status, message, flags)                                        \
    {                                                                            \
#name, call_##name, FORKCALL_##status, message, flags, name##_line, NULL \
    }
#define WAY_WITH(name, status, message, flags, set)                             \
    {                                                                           \
#name, call_##name, FORKCALL_##status, message, flags, name##_line, set \
    }

#endif
