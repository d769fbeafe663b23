/* ANY: The tools that watch this process: sanitizers, valgrind, and what counts coverage. They are
 * found by the names that their runtimes bring into the process, so that nothing of them is needed
 * to build the library. */
#ifndef FC_BASE_TOOLS_H
#define FC_BASE_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#define FC_TOOL_ADDRESS 1U    /* AddressSanitizer */
#define FC_TOOL_LEAK 2U       /* LeakSanitizer, which AddressSanitizer brings along */
#define FC_TOOL_THREAD 4U     /* ThreadSanitizer */
#define FC_TOOL_MEMORY 8U     /* MemorySanitizer */
#define FC_TOOL_UNDEFINED 16U /* UndefinedBehaviorSanitizer */
#define FC_TOOL_VALGRIND 32U
#define FC_TOOL_COVERAGE 64U /* gcov, or clang's counters */

#define FC_TOOL_HAS_FOUND 32768U /* not a tool: valgrind has found an error in this call */

/* They look for errors. */
#define FC_TOOLS_CHECKING \
    (FC_TOOL_ADDRESS | FC_TOOL_LEAK | FC_TOOL_THREAD | FC_TOOL_MEMORY | FC_TOOL_UNDEFINED | FC_TOOL_VALGRIND)
/* They speak, or write, when the process ends. */
#define FC_TOOLS_AT_END (FC_TOOL_LEAK | FC_TOOL_THREAD | FC_TOOL_VALGRIND | FC_TOOL_COVERAGE)
/* They do so only then: the process must end for it. */
#define FC_TOOLS_AT_END_ALONE (FC_TOOL_THREAD | FC_TOOL_VALGRIND | FC_TOOL_COVERAGE)
#define FC_TOOLS_SANITIZERS (FC_TOOLS_CHECKING & ~FC_TOOL_VALGRIND)

/* The exit status by which LeakSanitizer tells that it has found leaks. */
#define FC_EXIT_LEAKS 23

/* Which tools watch this process. The same in its forks, but for LeakSanitizer, which asks the
 * program whether it is turned off. */
unsigned fc_tools(void);

/* Writes the names of those that look for errors: "ThreadSanitizer"; of none: "a tool".
 * Returns to. */
const char *fc_tools_name(unsigned tools, char *to, size_t size);

/* Finds the line in which a sanitizer tells its finding, in a text from standard error: what
 * UndefinedBehaviorSanitizer says, or the summary of another. NULL: there is none. */
const char *fc_tools_find_report(const char *text, size_t size, size_t *line_size);

/* Looks for memory that nothing points to any more, and reports it on standard error. False also
 * where LeakSanitizer is not there or turned off. */
bool fc_tools_find_leaks(void);

#endif
