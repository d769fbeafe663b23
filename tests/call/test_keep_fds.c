/* Tests that the function gets the descriptors of option keep_fds, whatever their numbers are and
 * by every method. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 600    /* more than a message between processes carries */
#define HIGHEST 700 /* A child looks at all descriptors below this. */

/* What is open under a number. */
struct place {
    bool open, close_on_exec;
    dev_t device;
    ino_t inode;
    off_t offset;
};

static struct place look_at(int fd)
{
    struct place place;
    struct stat file;
    memset(&place, 0, sizeof place);
    place.open = fstat(fd, &file) == 0;
    if (!place.open)
        return place;
    place.close_on_exec = (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
    place.device = file.st_dev;
    place.inode = file.st_ino;
    place.offset = lseek(fd, 0, SEEK_CUR);
    return place;
}

static bool is_same(const struct place *a, const struct place *b)
{
    return a->open == b->open && a->close_on_exec == b->close_on_exec && a->device == b->device &&
           a->inode == b->inode && a->offset == b->offset;
}

/* Answers with what it finds under each number. */
static int child_looks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    for (int fd = 0; fd < HIGHEST; fd++) {
        const struct place place = look_at(fd);
        if (forkcall_buf_append(result, &place, sizeof place) != 0)
            return ENOMEM;
    }
    return 0;
}

struct set {
    size_t count;
    int fds[MANY];
    bool captured, large_args;
};

/* Opens a file under each number of the set, each at another offset, and closes everything else
 * above 2. */
static bool open_files(const struct set *set)
{
    for (int fd = 3; fd < HIGHEST + 10; fd++)
        close(fd);
    for (size_t i = 0; i < set->count; i++) {
        FILE *file = tmpfile();
        const int fd = set->fds[i];
        if (file == NULL)
            return false;
        const int high = fcntl(fileno(file), F_DUPFD, HIGHEST + 1);
        fclose(file);
        if (high < 0 || lseek(high, (off_t)i + 1, SEEK_SET) < 0 || dup2(high, fd) != fd ||
            fcntl(fd, F_SETFD, i % 3 == 0 ? FD_CLOEXEC : 0) < 0)
            return false;
        close(high);
    }
    return true;
}

static bool raise_limit(void)
{
    const rlim_t wanted = (rlim_t)2 * HIGHEST;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    if (limit.rlim_cur > wanted)
        return true;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int drop_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static bool contains(const struct set *set, int fd)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->fds[i] == fd)
            return true;
    return false;
}

static int check_found(const struct set *set, const struct place found[HIGHEST])
{
    int others = 0;
    for (int fd = 3; fd < HIGHEST; fd++) {
        const struct place own = look_at(fd);
        if (contains(set, fd) && !is_same(&found[fd], &own)) {
            fprintf(stderr, "%d is another for the child\n", fd);
            return 1;
        }
        others += found[fd].open && !contains(set, fd);
    }
    /* The child also has descriptors of the library: for its request, its reply and the memory of
     * its result, and by SERVER the one that tells that the server has ended. */
    CHECK(others <= (tested_method() == FORKCALL_SERVER ? 4 : 3));
    return 0;
}

static int keep(void *context)
{
    const struct set *set = context;
    static char large[100000];
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_options options = {
        .close_fds = true, .keep_fds = set->fds, .keep_fds_count = set->count, .timeout_ms = DEADLINE_S * 1000};
    if (set->captured) {
        options.standard_output = options.standard_error = FORKCALL_STREAM_CAPTURE;
        options.output = drop_output;
    }
    CHECK(raise_limit() && open_files(set));
    for (int turn = 0; turn < 2; turn++) {
        const struct forkcall_report report =
            run_tested(child_looks, large, set->large_args ? sizeof large : 0, &result, &options);
        if (report.status != FORKCALL_OK)
            fprintf(stderr, "%s\n", report.message);
        CHECK(report.status == FORKCALL_OK);
        CHECK(result.size == HIGHEST * sizeof(struct place));
        CHECK(check_found(set, result.data) == 0);
    }
    forkcall_buf_free(&result);
    return 0;
}

static void assert_kept(struct set set)
{
    for (int i = 0; i < 4; i++) {
        set.captured = (i & 1) != 0;
        set.large_args = (i & 2) != 0;
        assert_int_equal(host_run(keep, &set), 0);
    }
}

static void numbers_in_every_order(void **state)
{
    static const struct set sets[] = {
        {.count = 1, .fds = {3}},
        {.count = 1, .fds = {200}},
        {.count = 2, .fds = {200, 3}},
        {.count = 10, .fds = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
        {.count = 10, .fds = {12, 11, 10, 9, 8, 7, 6, 5, 4, 3}},
        {.count = 9, .fds = {4, 6, 8, 10, 12, 14, 16, 5, 3}},
        {.count = 6, .fds = {20, 19, 3, 699, 4, 18}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        assert_kept(sets[i]);
}

/* Descriptors arrive under the lowest free numbers. These sets take some of those numbers in many
 * different ways. */
static void numbers_that_cross_those_under_which_they_arrive(void **state)
{
    uint32_t random = 12345;
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct set set = {.count = 0};
        for (int fd = 3; fd < 24; fd++) {
            random = random * 1103515245U + 12345U;
            if ((random >> 16) % 2 == 0)
                set.fds[set.count++] = fd;
        }
        assert_kept(set);
    }
}

static void more_than_one_message_carries(void **state)
{
    static struct set set;
    (void)state;
    if (!raise_limit())
        SKIP("so many descriptors are not allowed");
    set.count = 0;
    for (int fd = 3 + MANY - 1; fd >= 3; fd--)
        set.fds[set.count++] = fd;
    assert_kept(set);
}

/* ---- Duplicates, standard streams, shared files ---------------------------------------------- */

static int child_reads_from_all(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    for (size_t i = 0; i < args_size / sizeof *fds; i++) {
        char byte;
        if (read(fds[i], &byte, 1) != 1)
            return forkcall_fail(errno, "nothing from %d", fds[i]);
        forkcall_buf_append(result, &byte, 1);
    }
    return 0;
}

static void descriptor_that_is_named_twice(void **state)
{
    int ends[2];
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    const int fds[] = {ends[0], 1, ends[0], 0, 2, ends[0]};
    const struct forkcall_options options = {.close_fds = true, .keep_fds = fds, .keep_fds_count = 6};
    assert_int_equal(write(ends[1], "abc", 3), 3);
    const struct forkcall_report report =
        run_tested(child_reads_from_all, (const int[]){ends[0], ends[0]}, 2 * sizeof(int), &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 2);
    assert_memory_equal(result.data, "ab", 2);
    forkcall_buf_free(&result);
    close(ends[0]);
    close(ends[1]);
}

/* The list has the largest size that is allowed, although it names only one descriptor. */
static void the_longest_list_that_is_allowed(void **state)
{
    static int fds[65536];
    int ends[2];
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        fds[i] = ends[0];
    const struct forkcall_options options = {
        .close_fds = true, .keep_fds = fds, .keep_fds_count = sizeof fds / sizeof *fds};
    const struct forkcall_report report = run_tested(child_reads_from_all, ends, sizeof *ends, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_memory_equal(result.data, "a", 1);
    forkcall_buf_free(&result);
    close(ends[0]);
    close(ends[1]);
}

static int child_looks_at_its_streams(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct place places[3];
    (void)args;
    (void)args_size;
    for (int fd = 0; fd < 3; fd++)
        places[fd] = look_at(fd);
    return forkcall_buf_append(result, places, sizeof places);
}

/* The options for standard streams decide. Their numbers in keep_fds change nothing. */
static void standard_streams_in_the_list(void **state)
{
    static const int fds[] = {0, 1, 2};
    static const enum forkcall_stream streams[] = {FORKCALL_STREAM_INHERIT, FORKCALL_STREAM_NULL,
                                                   FORKCALL_STREAM_CAPTURE};
    struct stat null;
    (void)state;
    assert_int_equal(stat("/dev/null", &null), 0);
    for (int i = 0; i < 6; i++) {
        const enum forkcall_stream stream = streams[i / 2];
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const bool captured = stream == FORKCALL_STREAM_CAPTURE;
        const struct forkcall_options options = {.close_fds = i % 2 == 1,
                                                 .keep_fds = fds,
                                                 .keep_fds_count = 3,
                                                 .standard_input = captured ? FORKCALL_STREAM_NULL : stream,
                                                 .standard_output = stream,
                                                 .standard_error = stream,
                                                 .output = captured ? drop_output : NULL};
        const struct forkcall_report report = run_tested(child_looks_at_its_streams, NULL, 0, &result, &options);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, 3 * sizeof(struct place));
        for (int fd = 0; fd < 3; fd++) {
            const struct place *found = &((const struct place *)result.data)[fd];
            const struct place here = look_at(fd);
            const bool is_null = found->inode == null.st_ino && found->device == null.st_dev;
            assert_true(found->open && !found->close_on_exec);
            if (stream == FORKCALL_STREAM_INHERIT)
                assert_true(found->inode == here.inode && found->device == here.device);
            else
                assert_true(is_null == (stream == FORKCALL_STREAM_NULL || fd == 0));
            if (captured && fd > 0)
                assert_true(found->inode != here.inode || found->device != here.device);
        }
        forkcall_buf_free(&result);
    }
}

/* The child has the caller's open file description, and not another one of the same file, so both
 * share one offset. */
static void file_that_both_read(void **state)
{
    char byte = 0;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    const int fd = fileno(file);
    const struct forkcall_options options = {.close_fds = true, .keep_fds = &fd, .keep_fds_count = 1};
    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
    const struct forkcall_report report = run_tested(child_reads_from_all, &fd, sizeof fd, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_memory_equal(result.data, "b", 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'c');
    forkcall_buf_free(&result);
    fclose(file);
}

/* The library must close all its duplicates of a descriptor when the call ends. Otherwise the other
 * end would see no end of file. */
static void descriptors_are_let_go_with_the_call(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    const struct forkcall_options options = {.close_fds = true, .keep_fds = &ends[1], .keep_fds_count = 1};
    assert_true(warm_up());
    const struct traces before = traces_now();
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_OK);
    assert_no_traces(before, false);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* The child had the last open writing end. */
    close(ends[0]);
}

/* The library's own descriptors of a call must not stay open in a program that the function starts
 * by exec. */
static void no_descriptor_of_the_call_goes_on_over_exec(void **state)
{
    (void)state;
    const struct forkcall_options options = {.close_fds = true};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_looks, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    const struct place *places = result.data;
    int of_the_call = 0;
    for (int fd = 3; fd < HIGHEST; fd++) {
        if (places[fd].open && !places[fd].close_on_exec)
            fail_msg("descriptor %d would stay open", fd);
        of_the_call += places[fd].open;
    }
    assert_true(of_the_call >= 2);
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_every_order),
        cmocka_unit_test(numbers_that_cross_those_under_which_they_arrive),
        cmocka_unit_test(more_than_one_message_carries),
        cmocka_unit_test(descriptor_that_is_named_twice),
        cmocka_unit_test(the_longest_list_that_is_allowed),
        cmocka_unit_test(standard_streams_in_the_list),
        cmocka_unit_test(file_that_both_read),
        cmocka_unit_test(descriptors_are_let_go_with_the_call),
        cmocka_unit_test(no_descriptor_of_the_call_goes_on_over_exec),
    };
    return cmocka_run_group_tests_name("keep_fds", tests, NULL, NULL);
}
