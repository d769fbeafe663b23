/* Chooses the cases that a test program runs: FORKCALL_TEST_CASE in the environment is a pattern
 * with * and ?. Linked into every test program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void choose_cases(void)
{
    const char *pattern = getenv("FORKCALL_TEST_CASE");
    if (pattern != NULL)
        cmocka_set_test_filter(pattern);
}
