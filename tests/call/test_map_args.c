/* Tests which items, results, reports and options forkcall_map() takes, and which it refuses. */
#include "map_methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT 5

static struct forkcall_map_options options_of(enum forkcall_method method)
{
    return (struct forkcall_map_options){
        .call = {.method = method, .timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = under_sanitizer()}};
}

/* ---- Items ----------------------------------------------------------------------------------- */

static void assert_explained(const struct forkcall_report *report, const char *words)
{
    char text[1024];
    assert_in_range(forkcall_explain(report, text, sizeof text), 1, sizeof text - 1);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void no_items(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = options_of(methods[m]);
        const struct traces before = traces_now();
        struct forkcall_report report = forkcall_map(child_fails_7, NULL, 8, 0, NULL, NULL, &options);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(report.ran, FORKCALL_RAN_NO);
        assert_string_equal(report.message, "");
        assert_explained(&report, " had no items");
        report = forkcall_map(child_fails_7, NULL, FORKCALL_BY_POINTER, 0, NULL, NULL, NULL);
        assert_status(report, FORKCALL_OK);
        assert_explained(&report, " had no items");
        assert_no_traces(before, !under_sanitizer());
    }
}

static int child_has_no_args(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return args != NULL || args_size != 0 ? 1 : child_answers_42(args, args_size, result);
}

static void items_without_bytes(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = options_of(methods[m]);
        struct forkcall_buf results[COUNT];
        memset(results, 0, sizeof results);
        struct forkcall_report report = forkcall_map(child_has_no_args, NULL, 0, COUNT, results, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(*(int *)results[i].data, 42);
            forkcall_buf_free(&results[i]);
        }
        /* NULL: the answers are dropped. */
        report = forkcall_map(child_has_no_args, NULL, 0, COUNT, NULL, NULL, &options);
        assert_status(report, FORKCALL_OK);
    }
}

/* Checks the bytes of an item: the first is the item's index, and each of the others is one more
 * than the byte before it. */
static int child_checks_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const unsigned char *bytes = args;
    if ((uintptr_t)args % _Alignof(max_align_t) != 0)
        return 1;
    for (size_t i = 0; i < args_size; i++)
        if (bytes[i] != (unsigned char)(bytes[0] + i))
            return 2;
    return forkcall_buf_append(result, bytes, args_size);
}

static void items_of_every_size_are_aligned_for_any_type(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 3, 16, 127, 129, 1001, 100003};
    static unsigned char bytes[COUNT * 100003];
    for (size_t m = 0; m < method_count; m++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const struct forkcall_map_options options = options_of(methods[m]);
            struct forkcall_buf results[COUNT];
            memset(results, 0, sizeof results);
            for (size_t i = 0; i < COUNT * sizes[s]; i++)
                bytes[i] = (unsigned char)(i / sizes[s] + i % sizes[s]);
            const struct forkcall_report report =
                forkcall_map(child_checks_bytes, bytes, sizes[s], COUNT, results, NULL, &options);
            assert_status(report, FORKCALL_OK);
            for (size_t i = 0; i < COUNT; i++) {
                assert_int_equal(results[i].size, sizes[s]);
                assert_memory_equal(results[i].data, bytes + i * sizes[s], sizes[s]);
                forkcall_buf_free(&results[i]);
            }
        }
}

static int child_follows_its_pointer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return args_size == FORKCALL_BY_POINTER ? forkcall_buf_append(result, args, sizeof(long)) : 1;
}

static void items_by_pointer(void **state)
{
    (void)state;
    long values[COUNT];
    const long *pointers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        values[COUNT - 1 - i] = i;
        pointers[i] = &values[COUNT - 1 - i];
    }
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = options_of(methods[m]);
        long answers[COUNT];
        struct forkcall_buf results[COUNT];
        if (methods[m] == FORKCALL_SERVER || methods[m] == FORKCALL_SPAWN)
            continue;
        for (int i = 0; i < COUNT; i++)
            results[i] = forkcall_buf_fixed(&answers[i], sizeof answers[i]);
        const struct forkcall_report report = forkcall_map(child_follows_its_pointer, (const void *)pointers,
                                                           FORKCALL_BY_POINTER, COUNT, results, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (int i = 0; i < COUNT; i++)
            assert_true(results[i].size == sizeof(long) && answers[i] == i);
    }
}

static void limits_of_results_are_each_items_own(void **state)
{
    (void)state;
    static const char items[COUNT][40] = {"a", "b", "c", "d", "e"};
    for (size_t m = 0; m < method_count; m++) {
        struct forkcall_map_options options = options_of(methods[m]);
        char storage[39];
        struct forkcall_buf results[COUNT];
        struct forkcall_report reports[COUNT];
        memset(results, 0, sizeof results);
        results[3] = forkcall_buf_fixed(storage, sizeof storage);
        struct forkcall_report report =
            forkcall_map(child_echoes, items, sizeof *items, COUNT, results, reports, &options);
        assert_status(report, FORKCALL_TOO_BIG);
        for (int i = 0; i < COUNT; i++) {
            assert_status(reports[i], i == 3 ? FORKCALL_TOO_BIG : FORKCALL_OK);
            assert_int_equal(results[i].size, i == 3 ? 0 : sizeof *items);
            forkcall_buf_free(&results[i]);
        }
        options.call.max_result = 39;
        report = forkcall_map(child_echoes, items, sizeof *items, COUNT, results, reports, &options);
        for (int i = 0; i < COUNT; i++) {
            assert_status(reports[i], FORKCALL_TOO_BIG);
            forkcall_buf_free(&results[i]);
        }
    }
}

/* ---- What is refused ------------------------------------------------------------------------- */

static int calls;

static int count_call(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    calls++;
    return 0;
}

static int never_heard(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)done;
    (void)count;
    calls++;
    return 0;
}

static int any_progress(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 0;
}

static int any_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static int any_map_output(void *user, size_t index, int fd, const char *data, size_t size)
{
    (void)index;
    return any_output(user, fd, data, size);
}

/* The arguments of a map. A test makes one of them wrong. */
struct bad {
    forkcall_fn *fn;
    const void *items;
    size_t item_size, count;
    struct forkcall_buf *results;
    struct forkcall_map_options options;
};

static int items[COUNT];
static struct forkcall_buf results[COUNT];
static struct forkcall_report reports[COUNT];

static struct bad good(void)
{
    struct bad bad = {count_call, items, sizeof *items, COUNT, results, options_of(FORKCALL_INLINE)};
    bad.options.item_done = never_heard;
    return bad;
}

static void assert_refused_at(const struct bad *bad, const char *field, int line)
{
    static struct forkcall_report reports_before[COUNT];
    static struct forkcall_buf results_before[COUNT];
    const struct traces before = traces_now();
    memset(reports, 0x5a, sizeof reports);
    memcpy(reports_before, reports, sizeof reports);
    memcpy(results_before, results, sizeof results);
    calls = 0;
    const struct forkcall_report report =
        forkcall_map(bad->fn, bad->items, bad->item_size, bad->count, bad->results, reports, &bad->options);
    if (report.status != FORKCALL_NOT_STARTED || strncmp(report.message, field, strlen(field)) != 0)
        print_error("line %d: %s: %s\n", line, forkcall_status_name(report.status), report.message);
    assert_int_equal(report.status, FORKCALL_NOT_STARTED);
    assert_int_equal(report.code, EINVAL);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_int_equal(strncmp(report.message, field, strlen(field)), 0);
    assert_int_equal(report.message[strlen(field)], ':');
    assert_int_equal(calls, 0);
    assert_memory_equal(reports, reports_before, sizeof reports);
    assert_memory_equal(results, results_before, sizeof results);
    assert_no_traces(before, false);
}
#define assert_refused(bad, field) assert_refused_at(&(bad), field, __LINE__)

static void bad_arguments_change_nothing(void **state)
{
    (void)state;
    struct bad bad = good();
    bad.fn = NULL;
    assert_refused(bad, "fn");
    bad = good();
    bad.items = NULL;
    assert_refused(bad, "items");
    bad.item_size = FORKCALL_BY_POINTER;
    assert_refused(bad, "items");
    bad = good();
    bad.item_size = (size_t)PTRDIFF_MAX + 1;
    bad.count = 0;
    assert_refused(bad, "item_size");
    bad = good();
    bad.count = PTRDIFF_MAX / sizeof *items + 1; /* The product is larger than any object. */
    assert_refused(bad, "count");
    /* The product overflows. */
    bad.count = SIZE_MAX / sizeof *items + 2;
    assert_refused(bad, "count");
    bad.item_size = 4096; /* larger than a report */
    bad.count = PTRDIFF_MAX / 4096 + 1;
    assert_refused(bad, "count");
    bad.item_size = 1; /* smaller than a report */
    bad.count = PTRDIFF_MAX;
    assert_refused(bad, "count");
    bad = good();
    bad.item_size = 0;
    bad.count = SIZE_MAX; /* perhaps a negative number of the caller */
    assert_refused(bad, "count");
    bad = good();
    bad.item_size = FORKCALL_BY_POINTER;
    bad.options.call.method = FORKCALL_SERVER;
    assert_refused(bad, "item_size");
    bad.options.call.method = FORKCALL_SPAWN;
    assert_refused(bad, "item_size");
}

static void bad_buffers_change_nothing(void **state)
{
    (void)state;
    struct bad bad = good();
    struct forkcall_buf details[COUNT];
    memset(details, 0, sizeof details);
    results[COUNT - 1].kind_private = 77; /* as if never initialised */
    assert_refused(bad, "results");
    results[COUNT - 1].kind_private = 0;
    results[2].size = 1; /* a size, but no storage */
    assert_refused(bad, "results");
    results[2].size = 0;
    bad.options.details = results;
    assert_refused(bad, "details");
    bad.options.details = details;
    details[COUNT - 1].kind_private = 77;
    assert_refused(bad, "details");
}

static void bad_options_change_nothing(void **state)
{
    (void)state;
    struct forkcall_buf any = FORKCALL_BUF_INIT;
    struct bad bad = good();
    for (size_t i = 0; i < sizeof bad.options.reserved / sizeof *bad.options.reserved; i++) {
        bad = good();
        bad.options.reserved[i] = 1;
        assert_refused(bad, "reserved");
    }
    bad = good();
    bad.options.processes = 65537;
    assert_refused(bad, "processes");
    bad.options.processes = (size_t)-1;
    assert_refused(bad, "processes");
    bad = good();
    bad.options.call.reserved[5] = 1;
    assert_refused(bad, "call.reserved");
    bad = good();
    bad.options.call.reserved_small[0] = 1;
    assert_refused(bad, "call.reserved_small");
    bad = good();
    bad.options.call.timeout_ms = -1;
    assert_refused(bad, "call.timeout_ms");
    bad = good();
    bad.options.call.method = (enum forkcall_method)99;
    assert_refused(bad, "call.method");
    bad = good();
    bad.options.call.cancel_fd_plus_one = 987654;
    assert_refused(bad, "call.cancel_fd_plus_one");
    bad = good();
    bad.options.call.progress = any_progress;
    assert_refused(bad, "call.progress");
    bad = good();
    bad.options.call.output = any_output;
    assert_refused(bad, "call.output");
    bad = good();
    bad.options.call.user = &bad;
    assert_refused(bad, "call.user");
    bad = good();
    bad.options.call.details = &any;
    assert_refused(bad, "call.details");
    bad = good();
    bad.options.call.standard_output = FORKCALL_STREAM_CAPTURE; /* no callback for the output */
    assert_refused(bad, "call.standard_output");
    bad.options.call.standard_output = FORKCALL_STREAM_INHERIT;
    bad.options.output = any_map_output; /* no stream for the callback */
    assert_refused(bad, "output");
}

static void bad_environment_changes_nothing(void **state)
{
    (void)state;
    struct bad bad = good();
    bad.options.call.allow_env = true;
    assert_int_equal(setenv("FORKCALL_METHOD", "nonsense", 1), 0);
    assert_refused(bad, "FORKCALL_METHOD");
    assert_int_equal(unsetenv("FORKCALL_METHOD"), 0);
}

/* The arguments that the tests above change are good otherwise. */
static void good_arguments_are_taken(void **state)
{
    (void)state;
    const struct bad bad = good();
    calls = 0;
    const struct forkcall_report report =
        forkcall_map(bad.fn, bad.items, bad.item_size, bad.count, bad.results, reports, &bad.options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(calls, 2 * COUNT);
    char words[40];
    snprintf(words, sizeof words, " ended OK (%d)", (int)COUNT);
    assert_explained(&report, words);
    for (int i = 0; i < COUNT; i++)
        assert_explained(&reports[i], " returned its result");
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_items),
        cmocka_unit_test(items_without_bytes),
        cmocka_unit_test(items_of_every_size_are_aligned_for_any_type),
        cmocka_unit_test(items_by_pointer),
        cmocka_unit_test(limits_of_results_are_each_items_own),
        cmocka_unit_test(bad_arguments_change_nothing),
        cmocka_unit_test(bad_buffers_change_nothing),
        cmocka_unit_test(bad_options_change_nothing),
        cmocka_unit_test(bad_environment_changes_nothing),
        cmocka_unit_test(good_arguments_are_taken),
    };
    return cmocka_run_group_tests_name("map_args", tests, NULL, stop_server);
}
