/* How much longer than elsewhere the tests wait: on a machine that is emulated or slow. */
#ifndef TIME_FACTOR_H
#define TIME_FACTOR_H

#include <stdlib.h>

/* From FORKCALL_TEST_TIME_FACTOR in the environment, 1 to 100. Default: 1. */
static inline int time_factor(void)
{
    const char *text = getenv("FORKCALL_TEST_TIME_FACTOR");
    const long factor = text == NULL ? 1 : strtol(text, NULL, 10);
    return factor >= 1 && factor <= 100 ? (int)factor : 1;
}

#endif
