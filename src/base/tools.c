/* ANY: Finds tools by the names that they bring into the process. */
#include "base/tools.h"

#include "base/memcheck.h"
#include "base/text.h"
#include "config.h"

#include <string.h>
#ifndef HAVE_WEAK_REFERENCES
#include <dlfcn.h>
#endif

/* Each function is one that the tool's documentation offers, or that compilers call. The last two
 * are variables, which the counters of gcc and of clang bring. */
#define FOR_EACH_NAME(DO)                              \
    DO(FC_TOOL_ADDRESS, __asan_init)                   \
    DO(FC_TOOL_LEAK, __lsan_do_recoverable_leak_check) \
    DO(FC_TOOL_THREAD, __tsan_init)                    \
    DO(FC_TOOL_MEMORY, __msan_init)                    \
    DO(FC_TOOL_UNDEFINED, __ubsan_default_options)     \
    DO(FC_TOOL_VALGRIND, _vgnU_freeres)                \
    DO(FC_TOOL_COVERAGE, __gcov_dump)                  \
    DO(FC_TOOL_COVERAGE, __gcov_master)                \
    DO(FC_TOOL_COVERAGE, __llvm_profile_filename)

#ifdef HAVE_WEAK_REFERENCES
#define DECLARE(tool, name) extern char name[] __attribute__((weak));
#define ADDRESS(name) ((void *)name)
FOR_EACH_NAME(DECLARE)
DECLARE(0, __lsan_is_turned_off)
#else
#define ADDRESS(name) dlsym(RTLD_DEFAULT, #name)
#endif

static bool looked;
static unsigned known;
static int (*find_leaks)(void);
static int (*leaks_are_off)(void); /* LeakSanitizer's own question to the program */

static void look(void)
{
#define NOTE(tool, name)       \
    if (ADDRESS(name) != NULL) \
        known |= (tool);
    FOR_EACH_NAME(NOTE)
    /* Others bring the functions of UndefinedBehaviorSanitizer along (clang). */
    if ((known & (FC_TOOL_ADDRESS | FC_TOOL_THREAD | FC_TOOL_MEMORY)) != 0)
        known &= ~FC_TOOL_UNDEFINED;
    if (fc_runs_on_valgrind())
        known |= FC_TOOL_VALGRIND;
    void *const leak_check = ADDRESS(__lsan_do_recoverable_leak_check);
    memcpy(&find_leaks, &leak_check, sizeof find_leaks);
    void *const is_off = ADDRESS(__lsan_is_turned_off);
    memcpy(&leaks_are_off, &is_off, sizeof leaks_are_off);
    looked = true;
}

/* Before main(): in a child of a threaded host dlsym(3) might wait for a lock. */
__attribute__((constructor)) static void look_at_load(void)
{
    if (!looked)
        look();
}

unsigned fc_tools(void)
{
    if (!looked) /* another constructor asks */
        look();
    if ((known & FC_TOOL_LEAK) != 0 && leaks_are_off != NULL && leaks_are_off() != 0)
        return known & ~FC_TOOL_LEAK;
    return known;
}

const char *fc_tools_name(unsigned tools, char *to, size_t size)
{
    static const struct {
        unsigned tool;
        const char *name;
    } names[] = {
        {FC_TOOL_ADDRESS, "AddressSanitizer"}, {FC_TOOL_THREAD, "ThreadSanitizer"},
        {FC_TOOL_MEMORY, "MemorySanitizer"},   {FC_TOOL_UNDEFINED, "UndefinedBehaviorSanitizer"},
        {FC_TOOL_LEAK, "LeakSanitizer"},       {FC_TOOL_VALGRIND, "valgrind"},
    };
    struct fc_text text = {.to = to, .size = size};
    if (size > 0)
        to[0] = '\0';
    if ((tools & FC_TOOL_ADDRESS) != 0)
        tools &= ~FC_TOOL_LEAK; /* a part of it */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((tools & names[i].tool) != 0)
            fc_text_add(&text, "%s%s", text.length == 0 ? "" : " or ", names[i].name);
    if (text.length == 0)
        fc_text_add(&text, "a tool");
    return to;
}

bool fc_tools_find_leaks(void)
{
    return find_leaks != NULL && find_leaks() != 0;
}

/* Finds the last place of what in the text. */
static const char *find_last(const char *text, size_t size, const char *what)
{
    const size_t length = strlen(what);
    for (const char *at = text + size; at-- > text;)
        if ((size_t)(text + size - at) >= length && memcmp(at, what, length) == 0)
            return at;
    return NULL;
}

const char *fc_tools_find_report(const char *text, size_t size, size_t *line_size)
{
    const char *line = size == 0 ? NULL : find_last(text, size, ": runtime error: ");
    if (line == NULL && size > 0)
        line = find_last(text, size, "Sanitizer: ");
    if (line == NULL)
        return NULL;
    while (line > text && line[-1] != '\n')
        line--;
    const char *end = memchr(line, '\n', (size_t)(text + size - line));
    *line_size = (size_t)((end == NULL ? text + size : end) - line);
    return line;
}
