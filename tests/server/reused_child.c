#include "reused_child.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct forkcall_options reuse = {.method = FORKCALL_SERVER, .reuse_child = true};
struct forkcall_options fresh = {.method = FORKCALL_SERVER};

__attribute__((constructor)) static void set_time_limits(void)
{
    reuse.timeout_ms = fresh.timeout_ms = PLENTY_MS;
}

static bool has_settled(void *pid)
{
    const char state = process_state(*(pid_t *)pid);
    return state != 'R' && state != 'D';
}

struct forkcall_report run_settled(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                   const struct forkcall_options *options)
{
    const struct forkcall_report report = forkcall_run(fn, args, args_size, result, options);
    pid_t pid = report.pid;
    if (pid > 0 && !wait_until(has_settled, &pid))
        fprintf(stderr, "a child runs on after its call\n");
    return report;
}

pid_t call_reusing(forkcall_fn *fn)
{
    const struct forkcall_report report = run_settled(fn, NULL, 0, NULL, &reuse);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    return report.pid;
}

bool children_are_kept(void)
{
    const pid_t first = call_reusing(child_returns_0);
    return call_reusing(child_returns_0) == first;
}

bool may_keep_no_children(void)
{
#ifdef TEST_PORTABLE
    return true;
#endif
    return has_musl() || under_sanitizer() || under_valgrind() || under_emulator();
}

int reply_fd(void)
{
    struct stat file;
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
            return fd;
    return -1;
}

int begin_reuse_test(void **state)
{
    clear_shared_memory();
    (void)state;
    return 0;
}

int end_reuse_test(void **state)
{
    (void)state;
    return forkcall_server_stop();
}

static int counts_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static int calls;
    (void)args;
    (void)args_size;
    calls++;
    return forkcall_buf_append(result, &calls, sizeof calls);
}

int count_calls(const struct forkcall_options *options)
{
    int calls = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&calls, sizeof calls);
    const struct forkcall_report report = run_settled(counts_calls, NULL, 0, &result, options);
    assert_status(report, FORKCALL_OK);
    return calls;
}
