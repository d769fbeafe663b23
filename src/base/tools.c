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
 * are variables, which the counters of gcc and of clang bring. None is a name that programs define
 * for a tool that may be there (__asan_default_options and the like). */
#define FOR_EACH_NAME(DO)                                     \
    DO(FC_TOOL_ADDRESS, __asan_init)                          \
    DO(FC_TOOL_LEAK, __lsan_do_recoverable_leak_check)        \
    DO(FC_TOOL_THREAD, __tsan_init)                           \
    DO(FC_TOOL_MEMORY, __msan_init)                           \
    DO(FC_TOOL_UNDEFINED, __ubsan_handle_builtin_unreachable) \
    DO(FC_TOOL_VALGRIND, _vgnU_freeres)                       \
    DO(FC_TOOL_COVERAGE, __gcov_dump)                         \
    DO(FC_TOOL_COVERAGE, __gcov_master)                       \
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

/* A text of which the front is taken off. */
struct rest {
    const char *at, *end;
};

static bool take_text(struct rest *rest, const char *what)
{
    const size_t length = strlen(what);
    if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, what, length) != 0)
        return false;
    rest->at += length;
    return true;
}

static bool take_digits(struct rest *rest)
{
    const char *const first = rest->at;
    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9')
        rest->at++;
    return rest->at > first;
}

/* "file.c:7:13: runtime error: ": other programs have runtime errors, too. */
static bool is_undefined_behaviour(struct rest line)
{
    for (; line.at < line.end; line.at++) {
        struct rest rest = line;
        if (take_text(&rest, ":") && take_digits(&rest) && take_text(&rest, ":") && take_digits(&rest) &&
            take_text(&rest, ": runtime error: "))
            return true;
    }
    return false;
}

/* "SUMMARY: NAME: ", "==7==ERROR: NAME: ", "==7==WARNING: NAME: " */
static bool is_summary(struct rest line)
{
    static const char *const names[] = {"AddressSanitizer: ", "LeakSanitizer: ", "ThreadSanitizer: ",
                                        "MemorySanitizer: ", "UndefinedBehaviorSanitizer: "};
    if (!take_text(&line, "SUMMARY: ")) {
        if (!take_text(&line, "==") || !take_digits(&line) || !take_text(&line, "=="))
            return false;
        if (!take_text(&line, "ERROR: "))
            (void)take_text(&line, "WARNING: ");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (take_text(&line, names[i]))
            return true;
    return false;
}

const char *fc_tools_find_report(const char *text, size_t size, size_t *line_size)
{
    const char *found = NULL;
    bool found_undefined = false;
    for (const char *at = text; size > 0 && at < text + size;) {
        const char *newline = memchr(at, '\n', (size_t)(text + size - at));
        const struct rest line = {.at = at, .end = newline == NULL ? text + size : newline};
        const bool is_undefined = is_undefined_behaviour(line);
        if (is_undefined || (!found_undefined && is_summary(line))) {
            found = line.at;
            found_undefined = is_undefined;
            *line_size = (size_t)(line.end - line.at);
        }
        at = line.end + 1;
    }
    return found;
}
