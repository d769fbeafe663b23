/* Tests children that attack their host: they write anything to their reply, and do anything to the
 * memory that they share with their caller. The call must have a definite outcome, and the host
 * must go on. */
#include "forging_child.h"

#include "config.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIB ((uint64_t)1 << 40)

static struct forkcall_report call_hostile(forkcall_fn *fn, const void *args, size_t args_size,
                                           struct forkcall_buf *result, const struct forkcall_options *options)
{
    const struct forkcall_report report = forge_run(fn, args, args_size, result, options);
    assert_true(report.status <= FORKCALL_LOST);
    assert_true(report.status == FORKCALL_OK || result->size == 0);
    assert_true(report.status == FORKCALL_OK || report.message[0] != '\0');
    return report;
}

static struct forkcall_options patient; /* set in main() */

static size_t peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* ---- The reply ------------------------------------------------------------------------------- */

static int child_says_random_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    const uint32_t seed = *(const uint32_t *)args;
    uint32_t random = seed;
    (void)args_size;
    (void)result;
    for (uint32_t n = forge_random(&random) % 5000; n > 0; n--) {
        const uint32_t word = forge_random(&random);
        forge_bytes(&bytes, &word, sizeof word);
    }
    if (seed % 2 == 0) { /* A valid header comes before the random bytes. */
        struct forkcall_buf more = FORKCALL_BUF_INIT;
        const struct fc_frame_header header = {
            .magic = FC_FRAME_MAGIC, .type = forge_random(&random) % 9, .size = forge_random(&random) % 3000};
        forge_bytes(&more, &header, sizeof header);
        forge_bytes(&more, bytes.data, bytes.size);
        forge_say(&more);
    } else {
        forge_say(&bytes);
    }
    _exit(0);
}

static void random_bytes_as_a_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct traces before = traces_now();
    for (uint32_t seed = 1; seed <= 150; seed++) {
        const struct forkcall_report report =
            call_hostile(child_says_random_bytes, &seed, sizeof seed, &result, &patient);
        assert_int_not_equal(report.status, FORKCALL_OK);
        assert_int_not_equal(report.status, FORKCALL_TIMED_OUT);
        assert_int_not_equal(report.status, FORKCALL_NOT_STARTED);
    }
    assert_no_traces(before, false);
}

static int child_forges_another_trailer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_ok(&bytes, forge_nonce() + 1, "forged", 6);
    forge_say(&bytes);
    _exit(0);
}

static void trailer_of_another_call(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_forges_another_trailer, NULL, 0, &result, &patient);
    assert_true(report.status == FORKCALL_SIGNALED || report.status == FORKCALL_EXITED);
    assert_non_null(strstr(report.message, "malformed"));
}

static int child_announces_a_tebibyte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static unsigned char zeroes[1 << 16];
    const struct fc_frame_header header = {.magic = FC_FRAME_MAGIC, .type = FC_FRAME_RESULT, .size = TIB};
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_bytes(&bytes, &header, sizeof header);
    forge_bytes(&bytes, zeroes, sizeof zeroes);
    forge_say(&bytes);
    _exit(0);
}

static void announced_result_of_a_tebibyte(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const size_t before = peak_rss();
    for (size_t max_result = 0; max_result <= 1 << 20; max_result += 1 << 20) {
        const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .max_result = max_result};
        const struct forkcall_report report = call_hostile(child_announces_a_tebibyte, NULL, 0, &result, &options);
        assert_int_not_equal(report.status, FORKCALL_OK);
        assert_int_not_equal(report.status, FORKCALL_TIMED_OUT);
    }
    assert_true(peak_rss() - before < (size_t)64 << 20);
    forkcall_buf_free(&result);
}

static int child_reports_progress_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 1000; i++)
        forge_progress(&bytes, i, 1000, "and on and on");
    for (;;)
        forge_say(&bytes);
    return 0;
}

static void endless_progress_frames(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_options options = {.timeout_ms = 100 + short_timeout_ms()};
    struct forkcall_report report = call_hostile(child_reports_progress_for_ever, NULL, 0, &result, &options);
    /* On a busy machine the function has not begun so soon. */
    for (; report.ran != FORKCALL_RAN_YES && options.timeout_ms < 5000 * time_factor(); options.timeout_ms *= 2) {
        assert_status(report, FORKCALL_TIMED_OUT);
        report = call_hostile(child_reports_progress_for_ever, NULL, 0, &result, &options);
    }
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
}

/* Reports by hand that are no numbers or of no item, with a note that would clear the screen. */
static int child_forges_its_last_progress(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_progress(&bytes, 1, 2, "\033[2J\x9b\n of two");
    forge_progress(&bytes, NAN, 2, "not a number");
    forge_progress(&bytes, 1, INFINITY, "endless");
    struct fc_progress of_item = {.done = 1, .total = 1, .item = UINT64_MAX};
    if (*(const char *)args == 'i')
        forge_frame(&bytes, FC_FRAME_PROGRESS, &of_item, sizeof of_item);
    forge_say(&bytes);
    return kill(getpid(), SIGKILL);
}

static void forged_progress_is_told_as_what_it_is_or_not_at_all(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = call_hostile(child_forges_its_last_progress, "n", 1, &result, &patient);
    assert_status(report, FORKCALL_SIGNALED);
    const char *told = strstr(report.message, ", at ");
    assert_string_equal(told == NULL ? report.message : told, ", at 50 %:  [2J?  of two");
    report = call_hostile(child_forges_its_last_progress, "i", 1, &result, &patient);
    assert_status(report, FORKCALL_SIGNALED);
    assert_null(strstr(report.message, ", at "));
}

_Noreturn static void flood(int fd, const void *data, size_t size)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        const ssize_t n = write(fd, data, size);
        (void)n;
    }
}

static int child_goes_on_after_its_trailer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_ok(&bytes, forge_nonce(), "answer", 6);
    forge_say(&bytes);
    forge_ok(&bytes, forge_nonce(), "second", 6);
    flood(forge_reply_fd(), bytes.data, bytes.size);
}

static void child_that_writes_after_its_trailer_and_stays(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_goes_on_after_its_trailer, NULL, 0, &result, &patient);
    /* The trailer decides, and the child is killed because it does not end. */
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.wait_status, wait_status_of_told_end(SIGKILL));
    int pid = report.pid;
    assert_true(wait_until(process_is_gone, &pid));
    assert_int_equal(result.size, 6);
    assert_memory_equal(result.data, "answer", 6);
    forkcall_buf_free(&result);
}

static int child_pretends_that_a_tool_speaks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    struct fc_trailer trailer = forge_trailer(forge_nonce(), FC_END_RETURNED, 0, FC_TRANSPORT_NONE, 0);
    (void)args;
    (void)args_size;
    (void)result;
    trailer.tools = 0xffff;
    forge_done(&bytes, &trailer);
    forge_say(&bytes);
    for (;;)
        pause();
    return 0; /* not reached */
}

static void child_that_pretends_to_be_watched_by_a_tool_has_until_the_deadline(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_options options = {.timeout_ms = short_timeout_ms()};
    struct forkcall_report report = call_hostile(child_pretends_that_a_tool_speaks, NULL, 0, &result, &options);
    for (int i = 0; i < 5 && report.status == FORKCALL_TIMED_OUT; i++) { /* too slow a machine */
        options.timeout_ms *= 3;
        report = call_hostile(child_pretends_that_a_tool_speaks, NULL, 0, &result, &options);
    }
    assert_status(report, FORKCALL_OK);
    assert_true(report.elapsed_ns < 25000000000U); /* a tool has 30 s where there is no deadline */
    int pid = report.pid;
    assert_true(wait_until(process_is_gone, &pid));
    forkcall_buf_free(&result);
}

static int child_closes_everything(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    return forkcall_buf_append(result, "lost", 4);
}

static int child_puts_a_file_in_place_of_its_reply(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    const int reply = forge_reply_fd();
    dup2(*(const int *)args, reply);
    return forkcall_buf_append(result, "lost", 4);
}

static void child_that_closes_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_closes_everything, NULL, 0, &result, &patient);
    assert_status(report, status_of_closed_channel());
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
}

static void child_that_puts_a_file_in_place_of_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct stat file;
    FILE *other = tmpfile();
    assert_non_null(other);
    const int fd = fileno(other);
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .keep_fds = &fd, .keep_fds_count = 1};
    const struct forkcall_report report =
        call_hostile(child_puts_a_file_in_place_of_its_reply, &fd, sizeof fd, &result, &options);
    assert_status(report, status_of_closed_channel());
    assert_int_equal(result.size, 0);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, 0); /* Nothing was written to the host's file. */
    fclose(other);
}

/* ---- After the child's end ------------------------------------------------------------------- */

static int child_leaves_a_flood(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    /* The library closes the reply in processes that the child forks, but not a duplicate of it. */
    const int fd = dup(forge_reply_fd());
    for (int i = 0; i < 1000; i++)
        forge_progress(&bytes, i, 1000, "and on and on");
    if (forge_leave_behind())
        flood(fd, bytes.data, bytes.size);
    raise(SIGKILL);
    return 0;
}

static void grandchild_that_floods_the_reply_after_the_end(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct traces before = traces_now();
    const struct forkcall_report report = call_hostile(child_leaves_a_flood, NULL, 0, &result, &patient);
    kill_the_one_left_behind();
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGKILL);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    assert_no_traces(before, false);
}

static uint64_t inode_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* Claims a crash by one signal, and ends by another. */
static int child_claims_a_crash(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct fc_crash_notice notice = {.signal = *(const int *)args, .si_code = 1, .address = 42};
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args_size;
    (void)result;
    forge_frame(&bytes, FC_FRAME_CRASH, &notice, sizeof notice);
    forge_say(&bytes);
    raise(SIGKILL);
    return 0;
}

static void crash_that_is_only_claimed(void **state)
{
    static const int signals[] = {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, 0, -1, INT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            call_hostile(child_claims_a_crash, &signals[i], sizeof signals[i], &result, &patient);
        assert_status(report, FORKCALL_SIGNALED);
        assert_int_equal(report.code, SIGKILL);
        assert_int_equal(report.crash.signal, 0);
        assert_true(report.crash.address == 0 && report.crash.frame_count == 0);
        assert_memory_equal(report.message, "killed by SIGKILL", strlen("killed by SIGKILL"));
    }
}

/* Tells that it has crashed in modules whose files may keep a reader for ever, or lie. */
static int child_crashes_in_files_of_its_own(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct {
        struct fc_crash_notice notice;
        struct fc_mapped_file files[3];
    } forged;
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    const char *const fifo = args;
    (void)args_size;
    (void)result;
    memset(&forged, 0, sizeof forged);
    forged.notice = (struct fc_crash_notice){.signal = SIGSEGV, .si_code = 1, .file_count = 3};
    for (unsigned i = 0; i < 3; i++) {
        struct fc_mapped_file *file = &forged.files[i];
        *file = (struct fc_mapped_file){.base = 0x70000000U + i * 0x1000000U};
        file->start = file->base;
        file->end = file->base + 0x10000;
    }
    (void)snprintf(forged.files[0].path, sizeof forged.files[0].path, "%s", fifo);
    (void)snprintf(forged.files[1].path, sizeof forged.files[1].path, "/dev/zero");
    (void)snprintf(forged.files[2].path, sizeof forged.files[2].path, "/\033[2J\n/x");
    forged.files[0].inode = inode_of(fifo);
    forged.files[1].inode = inode_of("/dev/zero");
    forged.files[2].inode = 1;
    forged.notice.registers.pc = forged.files[0].start + 0x1234;
    forge_frame(&bytes, FC_FRAME_CRASH, &forged, sizeof forged);
    forge_say(&bytes);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 0;
}

static void crash_in_files_that_keep_a_reader_for_ever(void **state)
{
    char path[] = "/tmp/forkcall-hostile-XXXXXX";
    char text[4096];
    char frame[64];
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    assert_true(mkdtemp(path) != NULL);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    const struct forkcall_report report =
        call_hostile(child_crashes_in_files_of_its_own, path, sizeof path, &result, &patient);
    forkcall_explain(&report, text, sizeof text);
    unlink(path);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGSEGV);
    assert_int_equal(report.crash.frame_count, 1);
    (void)snprintf(frame, sizeof frame, "\n  #0 %s+0x1234", path + strlen("/tmp/"));
#ifdef __ELF__
    assert_non_null(strstr(text, frame));
#endif
}

/* A place that the child has made up. kind: what is wrong with it; of 3, all: it is full of 'o'. */
static void forge_place(struct forkcall_buf *bytes, int kind)
{
    unsigned char notice[sizeof(struct fc_crash_notice) + 4000];
    struct fc_crash_notice head = {.signal = SIGSEGV, .si_code = 1, .address = 42, .sender_pid = 1, .thread = 1};
    memset(notice, kind * 37, sizeof notice);
    if (kind == 1)
        head.range_count = UINT32_MAX;
    if (kind == 2) { /* code of the host, and a stack that leads in a circle */
        head.registers.pc = (uint64_t)(uintptr_t)forkcall_explain;
        head.registers.sp = head.registers.fp = head.stack_address = 0x10000;
        head.registers.count = FC_REGISTERS_MAX;
        memcpy(notice + sizeof head, &head.registers.fp, sizeof head.registers.fp);
    }
    if (kind < 3)
        memcpy(notice, &head, sizeof head);
    forge_frame(bytes, FC_FRAME_WHERE, notice, kind == 0 ? sizeof head : sizeof notice);
}

static int kind_of_place;

static void tell_a_made_up_place(int signal)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)signal;
    forge_place(&bytes, kind_of_place);
    forge_say(&bytes);
    for (;;)
        pause();
}

/* Kinds from 10 on are told when nobody has asked. */
static int child_makes_up_where_it_is(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    kind_of_place = *(const int *)args;
    (void)args_size;
    (void)result;
    (void)forge_nonce();
    signal(FC_WHERE_SIGNAL, tell_a_made_up_place);
    if (kind_of_place >= 10) {
        signal(FC_WHERE_SIGNAL, SIG_IGN);
        for (int i = 0; i < 1000; i++)
            forge_place(&bytes, kind_of_place % 10);
        forge_say(&bytes);
    }
    if (kind_of_place >= 20)
        raise(SIGKILL);
    for (;;)
        pause();
    return 0;
}

static void place_that_is_made_up_is_no_crash(void **state)
{
    (void)state;
    for (int kind = 0; kind <= 3; kind++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = short_timeout_ms()};
        const struct forkcall_report report =
            call_hostile(child_makes_up_where_it_is, &kind, sizeof kind, &result, &options);
        char text[4096];
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_true(report.crash.signal == 0 && report.crash.si_code == 0 && report.crash.sender_pid == 0);
        assert_true(report.crash.address == 0 && report.crash.flags == 0);
        assert_in_range(report.crash.frame_count, 0, FORKCALL_CRASH_FRAMES);
        assert_true(forkcall_explain(&report, text, sizeof text) > 0);
    }
}

static atomic_int asked;

#define OTHER_THREADS 3
#define MANY_PLACES 200

/* The host asks the other threads once the first one has answered. Then one of them tells more
 * places than there are threads (kind 5: none), and the rest tell nothing. */
static void tell_many_made_up_places(int signal)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    const int before = atomic_fetch_add(&asked, 1);
    const int count = before == 0 ? 1 : before == 1 && kind_of_place < 5 ? MANY_PLACES : 0;
    (void)signal;
    for (int i = 0; i < count; i++)
        forge_place(&bytes, kind_of_place >= 4 ? i % 4 : kind_of_place);
    forge_say(&bytes);
    for (;;)
        pause();
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int child_makes_up_where_its_threads_are(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    kind_of_place = *(const int *)args;
    (void)args_size;
    (void)result;
    (void)forge_nonce();
    signal(FC_WHERE_SIGNAL, tell_many_made_up_places);
    for (int i = 0; i < OTHER_THREADS; i++)
        pthread_create(&thread, NULL, wait_for_ever, NULL);
    return wait_for_ever(NULL) != NULL;
}

static size_t count_threads_told(const char *text)
{
    size_t count = 0;
    while ((text = strstr(text, "\nThread ")) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* Not known where nothing lists the threads of a child, a tool's threads answer first, or a slow
 * machine needs longer than the 50 ms in which threads may answer. */
static bool threads_are_asked(void)
{
#ifdef HAVE_PROCESS_THREADS
    return time_factor() == 1 && !under_valgrind() && !under_emulator() && !under_sanitizer() &&
           access("/proc/self/task", R_OK) == 0;
#else
    return false;
#endif
}

/* Ends a call with a deadline that is longer each time until its threads have told something: on a
 * busy machine they may come to it too late. */
static size_t tell_made_up_places(int kind, char *text, size_t size)
{
    for (struct forkcall_options options = {.timeout_ms = short_timeout_ms()};; options.timeout_ms *= 2) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            call_hostile(child_makes_up_where_its_threads_are, &kind, sizeof kind, &result, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_true(report.crash.signal == 0 && report.crash.address == 0);
        assert_in_range(forkcall_explain(&report, text, size), 1, size - 1);
        const size_t told = count_threads_told(text);
        if (told > 0 || kind == 5 || !threads_are_asked() || options.timeout_ms > 5000)
            return told;
    }
}

static void places_that_are_made_up_for_threads_are_bounded(void **state)
{
    static char text[65536];
    (void)state;
    for (int kind = 0; kind <= 5; kind++) {
        const size_t told = tell_made_up_places(kind, text, sizeof text);
        assert_in_range(told, kind < 5 && threads_are_asked() ? 1 : 0, kind < 5 ? OTHER_THREADS : 0);
        /* A name that has no end is cut. */
        assert_null(strstr(text, "oooooooooooooooo"));
        assert_true(kind != 3 || told == 0 || strstr(text, " (ooooooooooooooo)") != NULL);
    }
}

static void place_that_nobody_has_asked_for_is_not_told(void **state)
{
    (void)state;
    for (int kind = 10; kind < 30; kind += kind % 10 < 3 ? 1 : 7) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        /* Where the child has not told all before the deadline, it tells what it was asked for. */
        const int deadline_ms = (under_emulator() ? 10 : 2) * short_timeout_ms();
        const struct forkcall_options options = {.timeout_ms = kind < 20 ? deadline_ms : PLENTY_MS};
        const struct forkcall_report report =
            call_hostile(child_makes_up_where_it_is, &kind, sizeof kind, &result, &options);
        assert_status(report, kind < 20 ? FORKCALL_TIMED_OUT : FORKCALL_SIGNALED);
        assert_true(report.crash.signal == 0 && report.crash.frame_count == 0);
    }
}

int main(void)
{
    forkcall_init();
    patient.timeout_ms = PLENTY_MS;
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(random_bytes_as_a_reply),
        TEST(trailer_of_another_call),
        TEST(announced_result_of_a_tebibyte),
        TEST(endless_progress_frames),
        TEST(forged_progress_is_told_as_what_it_is_or_not_at_all),
        TEST(child_that_writes_after_its_trailer_and_stays),
        TEST(child_that_pretends_to_be_watched_by_a_tool_has_until_the_deadline),
        TEST(child_that_closes_its_reply),
        TEST(child_that_puts_a_file_in_place_of_its_reply),
        TEST(grandchild_that_floods_the_reply_after_the_end),
        TEST(crash_that_is_only_claimed),
        TEST(crash_in_files_that_keep_a_reader_for_ever),
        TEST(place_that_is_made_up_is_no_crash),
        TEST(place_that_nobody_has_asked_for_is_not_told),
        TEST(places_that_are_made_up_for_threads_are_bounded),
    };
    return cmocka_run_group_tests_name("hostile", tests, set_up_group, tear_down_group);
}
