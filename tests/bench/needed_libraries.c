/* Makes the program need all of its additional libraries. */
#include "needed_libraries.h"

#ifdef BENCH_LIBRARIES
/* Uses one function of each library, so that no linker leaves a library out. */
#define TEN(use, tens)                                                                                      \
    use(tens##0) use(tens##1) use(tens##2) use(tens##3) use(tens##4) use(tens##5) use(tens##6) use(tens##7) \
        use(tens##8) use(tens##9)
#define FIFTY(use) TEN(use, ) TEN(use, 1) TEN(use, 2) TEN(use, 3) TEN(use, 4)
#define DECLARE(number) int needed_##number(int n);
#define LIST(number) needed_##number,

FIFTY(DECLARE)

int (*const bench_needed[])(int) = {FIFTY(LIST)};
const size_t bench_libraries = sizeof bench_needed / sizeof *bench_needed;
#else
const size_t bench_libraries = 0;
#endif
