/* In every test program: FORKCALL_TEST_CASE in the environment, a pattern with * and ?, chooses the
 * cases that are run. */
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
