/* Makes one call, or map, whose function does something that a tool finds, and prints what the
 * report says: watched METHOD WAY [run|reuse|map|capture]. */
#include <forkcall.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
/* The library is not built for MemorySanitizer, so what it writes counts as not initialised. */
void __msan_unpoison(const volatile void *, size_t);
#define WRITTEN_BY_LIBRARY(data, size) __msan_unpoison(data, size)
#endif
#endif
#ifndef WRITTEN_BY_LIBRARY
#define WRITTEN_BY_LIBRARY(data, size) ((void)(data), (void)(size))
#endif

static int shared;

static void *write_shared(void *unused)
{
    shared++;
    return unused;
}

/* Two threads write to a variable, and nothing orders them. */
static int race(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_shared, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void *volatile lost;

/* Many blocks: a pointer to the last may still lie in a register or in a dead part of the stack. */
static int leak(void)
{
    for (int i = 0; i < 100; i++)
        lost = malloc(1000);
    lost = NULL;
    return 0;
}

static int use_after_free(void)
{
    char *volatile memory = malloc(100);
    free(memory);
    return memory[5] & 1;
}

static int depend_on_nothing(void)
{
    int *volatile memory = malloc(sizeof *memory);
    if (*memory == 7)
        shared++;
    free(memory);
    return shared & 0;
}

static int overflow(void)
{
    volatile int large = 0x7fffffff;
    large = large + 1;
    return 0;
}

static int null(void)
{
    int *volatile nowhere = NULL;
    return *nowhere;
}

static int recurse(void)
{
    volatile char large[2000];
    large[0] = (char)recurse();
    return large[0] + 1;
}

/* For coverage: a function that only children run. */
static int run_in_child(void)
{
    return getppid() == 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} ways[] = {{"race", race},         {"leak", leak}, {"use", use_after_free}, {"nothing", depend_on_nothing},
            {"overflow", overflow}, {"null", null}, {"recurse", recurse},    {"fine", run_in_child}};

static int function(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(args, ways[i].name) == 0)
            return ways[i].run() + forkcall_buf_append(result, "done", 4);
    return 1;
}

static const char *const methods[] = {"auto", "fork", "server", "spawn"};

static struct forkcall_options options;

static void print(const struct forkcall_report *report)
{
    char text[2048];
    WRITTEN_BY_LIBRARY(report, sizeof *report);
    forkcall_explain(report, text, sizeof text);
    WRITTEN_BY_LIBRARY(text, sizeof text);
    printf("%s code %d tool %d wait %#x: %s\n", forkcall_status_name(report->status), report->code,
           (report->hints & FORKCALL_HINT_TOOL) != 0, (unsigned)report->wait_status, text);
    fflush(stdout);
}

static struct forkcall_report run(const char *way, const char *how)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    char items[3][16] = {"fine", "fine", "fine"};
    struct forkcall_map_options map = {.call = options, .processes = 1, .items_per_child = 3};
    if (strcmp(how, "map") == 0) {
        snprintf(items[1], sizeof items[1], "%s", way);
        return forkcall_map(function, items, sizeof items[0], 3, NULL, NULL, &map);
    }
    options.reuse_child = strcmp(how, "reuse") == 0;
    if (strcmp(how, "capture") == 0) {
        options.standard_error = FORKCALL_STREAM_CAPTURE;
        options.details = &details;
    }
    const struct forkcall_report report = forkcall_run(function, way, strlen(way) + 1, &result, &options);
    forkcall_buf_free(&result);
    forkcall_buf_free(&details);
    return report;
}

int main(int argc, char **argv)
{
    forkcall_init();
    const char *const way = argc > 2 ? argv[2] : "fine";
    const char *const how = argc > 3 ? argv[3] : "run";
    for (unsigned i = 0; argc > 1 && i < sizeof methods / sizeof *methods; i++)
        if (strcmp(argv[1], methods[i]) == 0)
            options.method = (enum forkcall_method)i;
    options.name = "watched";
    options.allow_unsafe_fork = true;
    const struct forkcall_report report = run(way, how);
    print(&report);
    return 0;
}
