/* Functions that the C library aborts. */
#undef NDEBUG
#include "ways.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

LEAF(assertion)
{
    assert(n == 17 && "chunk order");
    return n;
}
CALLS(assertion)

LEAF(abort)
{
    sink = n;
    abort();
}
CALLS(abort)

LEAF(smashed_stack)
{
    char small[8];
    memset(small + zero, 'A', 64 + (size_t)zero);
    sink = small[n & 7];
    return small[0];
}
CALLS(smashed_stack)

LEAF(double_free)
{
    char *volatile memory = malloc(100);
    free(memory);
    free(memory); // NOLINT(clang-analyzer-unix.Malloc): this is tested
    sink = n;
    return n;
}
CALLS(double_free)

LEAF(invalid_free)
{
    char *volatile memory = (char *)&sink + sizeof sink;
    free(memory);
    sink = n;
    return n;
}
CALLS(invalid_free)

LEAF(fortify)
{
    char small[16];
    const char *volatile text = "far more than sixteen bytes of text";
    strcpy(small, text); // NOLINT: the overflow is tested
    sink = small[n];
    return sink;
}
CALLS(fortify)

const struct way abort_ways[] = {
    WAY(assertion, SIGNALED, "killed by SIGABRT (", NAMES | BEGINS | GLIBC_SAYS),
    WAY(abort, SIGNALED, "killed by SIGABRT", NAMES),
    WAY(smashed_stack, SIGNALED, "killed by SIGABRT (*** stack smashing detected ***: terminated)",
        NAMES | NO_LINE | GLIBC_SAYS),
    WAY(double_free, SIGNALED, "killed by SIGABRT (free(): double free", NAMES | BEGINS | GLIBC_SAYS),
    WAY(invalid_free, SIGNALED, "killed by SIGABRT (free(): invalid pointer)", NAMES | GLIBC_SAYS),
    WAY(fortify, SIGNALED, "killed by SIGABRT (*** buffer overflow detected ***: terminated)",
        NAMES | GLIBC_SAYS | OPTIMISED),
};
const unsigned abort_way_count = COUNT_OF(abort_ways);
