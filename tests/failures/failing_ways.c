/* Tests what a caller is told of some fifty ways to fail: the status, the message, and in the
 * explanation the function that was called and the one that failed, with its line. The program is
 * built as users build theirs, with and without optimisation, and is run by every method. */
#include "config.h"

#include "children.h"
#include "crash/symbol.h"
#include "module/address.h"
#include "support.h"
#include "ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

volatile int sink, zero;

/* A function is at most so many lines long. */
#define LINES_MAX 12
/* And an explanation so many bytes. */
#define TEXT_MAX 8192

static bool has_libdw;

/* The library reads only files of root and of its own user, older ones than the process, and not
 * those in a file system that is in memory. */
static bool module_is_trusted;

static bool is_in_memory(const char *path)
{
#ifdef __linux__
    struct statfs system;
    if (statfs(path, &system) < 0)
        return false;
    const uint32_t type = (uint32_t)system.f_type;
    return type == 0x858458f6 || type == 0x01021994; /* ramfs, tmpfs */
#else
    (void)path;
    return false;
#endif
}

static void look_at_module(time_t loaded)
{
    struct stat status;
    module_is_trusted = stat(FAILING_MODULE, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
                        (status.st_mode & S_IWOTH) == 0 && status.st_ctime < loaded - 1 &&
                        !is_in_memory(FAILING_MODULE);
    if (!module_is_trusted)
        print_message("[  SKIPPED ] names in a loaded module: its file is new, somebody else's, or in memory\n");
}

static bool is_expected(const struct way *way)
{
    (void)way;
#ifndef __GLIBC__
    if ((way->flags & GLIBC_SAYS) != 0)
        return false;
#endif
#ifndef BUILT_OPTIMISED
    if ((way->flags & OPTIMISED) != 0)
        return false;
#endif
    return true;
}

#ifndef BUILT_STRIPPED

/* Where the explanation has the function that fails. */
static const char *find_frame(const struct way *way, const char *text)
{
    char name[80];
    (void)snprintf(name, sizeof name, " leaf_%s", way->name);
    const size_t length = strlen(name);
    const char *frames = strchr(text, '\n');
    for (const char *at = frames == NULL ? NULL : strstr(frames, name); at != NULL; at = strstr(at + 1, name))
        if (at[length] == '+' || at[length] == ' ' || at[length] == '(')
            return at;
    return NULL;
}

static bool has_line(const struct way *way, const char *frame)
{
    const char *end = strchr(frame, '\n');
    const char *colon = strstr(frame, ".c:");
    if (colon == NULL)
        colon = strstr(frame, ".cc:");
    if (colon == NULL || (end != NULL && colon > end))
        return false;
    const long line = strtol(strchr(colon, ':') + 1, NULL, 10);
    return line >= way->line && line <= way->line + LINES_MAX;
}

/* True: the file of the module is one that the library reads: its owner is trusted, and it is older
 * than this process. */
static bool module_is_read(void)
{
#ifdef HAVE_FOREIGN_FILES
    return module_is_trusted;
#else
    return false;
#endif
}

/* True: unwinding needs no frame pointers. musl has no tables, nor have programs of musl-gcc. */
static bool has_tables(void)
{
#ifdef HAVE_EH_FRAME
    if (fc_address_function_start((uintptr_t)find_frame) != 0 && fc_address_function_start((uintptr_t)qsort) != 0)
        return true;
#endif
    return has_libdw;
}

/* The first line has the function that hangs, and its line. */
static bool has_place(const struct way *way, const char *text)
{
    char name[80];
    (void)snprintf(name, sizeof name, ", in leaf_%s at ", way->name);
    const char *place = strstr(text, name);
    return place != NULL && place < strchr(text, '\n') && has_line(way, place);
}

/* What of the names is missing in the explanation; NULL: nothing that this build can tell. */
static const char *missing_name(const struct way *way, const char *text)
{
    const bool names = (way->flags & (has_tables() ? NAMES : DIRECT)) != 0 &&
                       (has_libdw || (way->flags & INLINED) == 0) && ((way->flags & MODULE) == 0 || module_is_read());
    char called[80];
    (void)snprintf(called, sizeof called, "call_%s", way->name);
    const size_t length = strlen(called);
    if (strncmp(text, called, length) != 0 || (text[length] != ' ' && text[length] != ':'))
        return "the function that was called";
    const char *frame = find_frame(way, text);
    if (names && frame == NULL)
        return "the function that failed";
    if (names && has_libdw && (way->flags & NO_LINE) == 0 && !has_line(way, frame))
        return "its line";
    if ((way->flags & MODULE) != 0 && !names && strstr(text, "\n  #0 " MODULE_NAME "+0x") == NULL)
        return "the module that failed";
    if (names && has_libdw && (way->flags & HANGS) != 0 && !has_place(way, text))
        return "the place in its first line";
    if (strstr(text, "fc_child_") != NULL)
        return "that the library is no business of the caller's";
    return NULL;
}

#else

/* A stripped program has no names but the one that the caller gives. */
static const char *missing_name(const struct way *way, const char *text)
{
    char called[80];
    (void)snprintf(called, sizeof called, "call_%s", way->name);
    return strncmp(text, called, strlen(called)) == 0 ? NULL : "the name that the caller gave";
}

#endif

static bool is_told(const struct way *way, const struct forkcall_report *report)
{
    const size_t length = strlen(way->message);
    if ((way->flags & HANGS) != 0)
        return report->status == way->status && strncmp(report->message, "no answer within ", 17) == 0 &&
               strstr(report->message, way->message) != NULL;
    return report->status == way->status && strncmp(report->message, way->message, length) == 0 &&
           ((way->flags & BEGINS) != 0 || report->message[length] == 0);
}

/* Makes the call. Returns what of the names is missing in the explanation. */
static const char *fail_so(const struct way *way, int more_ms, struct forkcall_report *report, char text[TEXT_MAX])
{
    struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000,
                                       .standard_error = FORKCALL_STREAM_NULL,
                                       .limits.core_bytes = FORKCALL_LIMIT_ZERO};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
#ifdef BUILT_STRIPPED
    char called[80];
    (void)snprintf(called, sizeof called, "call_%s", way->name);
    options.name = called;
#endif
    if (way->set != NULL)
        way->set(&options);
    options.timeout_ms += more_ms;
    *report = run_tested(way->fn, NULL, 0, &result, &options);
    forkcall_buf_free(&result);
    static char again[TEXT_MAX];
    assert_in_range(forkcall_explain(report, text, TEXT_MAX), 1, TEXT_MAX - 1);
    (void)forkcall_explain(report, again, sizeof again);
    return strcmp(text, again) != 0 ? "that it says the same each time" : missing_name(way, text);
}

/* Returns whether the failure is told as it must be, and prints what is not. On a busy machine a
 * function may not come to where it hangs in time, or not answer in time where it is. */
static bool fails_as_told(const struct way *way)
{
    static char text[TEXT_MAX];
    struct forkcall_report report;
    const char *missing = fail_so(way, 0, &report, text);
    for (int ms = 100;
         (way->flags & HANGS) != 0 && (missing != NULL || !is_told(way, &report)) && ms < 4000 * time_factor(); ms *= 2)
        missing = fail_so(way, ms, &report, text);
    if (!is_told(way, &report))
        print_error("%s: %s: %s\n  wanted: %s\n", way->name, forkcall_status_name(report.status), report.message,
                    way->message);
    else if (missing != NULL)
        print_error("%s: the explanation lacks %s:\n%s\n", way->name, missing, text);
    return is_told(way, &report) && missing == NULL;
}

static void check_ways(const struct way *ways, unsigned count)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < count; i++)
        if (is_expected(&ways[i]))
            wrong += fails_as_told(&ways[i]) ? 0 : 1;
    assert_int_equal(wrong, 0);
}

static void faults_of_an_instruction(void **state)
{
    (void)state;
    check_ways(memory_ways, memory_way_count);
}

static void aborts_of_the_c_library(void **state)
{
    (void)state;
    check_ways(abort_ways, abort_way_count);
}

static void signals(void **state)
{
    (void)state;
    check_ways(signal_ways, signal_way_count);
}

static void modules_that_the_function_loads(void **state)
{
    (void)state;
    check_ways(module_ways, module_way_count);
}

static void orderly_ends(void **state)
{
    (void)state;
    check_ways(ending_ways, ending_way_count);
}

static void functions_that_do_not_end(void **state)
{
    (void)state;
    check_ways(hanging_ways, hanging_way_count);
}

#ifdef HAS_CPLUSPLUS
static void exceptions_of_cplusplus(void **state)
{
    (void)state;
    check_ways(cplusplus_ways, cplusplus_way_count);
}
#endif

int main(void)
{
    struct fc_symbols symbols;
    const time_t loaded = time(NULL);
    forkcall_init();
    look_at_module(loaded);
    fc_symbols_open(&symbols);
    has_libdw = symbols.has_libdw;
    fc_symbols_close(&symbols);
    print_message("lines are %s\n", has_libdw ? "looked for" : "not to be had: there is no libdw");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_an_instruction),
        cmocka_unit_test(aborts_of_the_c_library),
        cmocka_unit_test(signals),
        cmocka_unit_test(modules_that_the_function_loads),
        cmocka_unit_test(orderly_ends),
        cmocka_unit_test(functions_that_do_not_end),
#ifdef HAS_CPLUSPLUS
        cmocka_unit_test(exceptions_of_cplusplus),
#endif
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
