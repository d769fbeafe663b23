/* CHILD: Finds the functions that write counters, and calls them. */
#include "child/coverage.h"

#include "base/tools.h"
#include "crash/symbol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each module that is compiled for coverage has a runtime of its own. */
#define MODULES_MAX 16

/* The runtimes hide these functions in their modules, and only the tables of the files know them.
 * gcc's __gcov_exit writes as __gcov_dump does, which is there only if the program calls it. */
static const char *const names[] = {"__gcov_dump",
                                    "__gcov_exit",
                                    "__llvm_profile_write_file",
                                    "__gcov_reset",
                                    "__llvm_profile_reset_counters",
                                    "__llvm_profile_initialize_file"};
#define WRITERS 3
#define NAMER 5 /* reads the variable again, in which %p stands for the process */
#define NAMES (sizeof names / sizeof *names)

static void (*writer[MODULES_MAX])(void);
static void (*beginner[MODULES_MAX])(void);
static size_t writers, beginners;

static void add(size_t name, uint64_t address)
{
    const uintptr_t place = (uintptr_t)address;
    const char *file = getenv("LLVM_PROFILE_FILE");
    if (name == NAMER && (file == NULL || strstr(file, "%p") == NULL))
        return;
    if (name < WRITERS && writers < MODULES_MAX)
        memcpy(&writer[writers++], &place, sizeof place);
    else if (name >= WRITERS && beginners < MODULES_MAX)
        memcpy(&beginner[beginners++], &place, sizeof place);
}

/* Before main(), because in a child of a threaded host locks may be taken for ever. */
__attribute__((constructor)) static void find_runtimes(void)
{
    if ((fc_tools() & FC_TOOL_COVERAGE) != 0)
        fc_symbols_find_named(names, NAMES, add);
}

void fc_coverage_begin(void)
{
    for (size_t i = 0; i < beginners; i++)
        beginner[i]();
}

void fc_coverage_write(void)
{
    for (size_t i = 0; i < writers; i++)
        writer[i]();
}
