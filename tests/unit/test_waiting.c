/* Reading, writing and waiting, also where the system refuses poll(2). */
#include "base/io.h"
#include "base/poll_fds.h"
#include "base/time_limit.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static struct rlimit files; /* as they were */

static int open_pipe(void **state)
{
    (void)state;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? pipe(ends) : -1;
}

static int close_pipe(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static void all_parts_are_written_in_order(void **state)
{
    struct iovec parts[] = {fc_part("one", 3), fc_part(NULL, 0), fc_part("two", 3), fc_part("", 0), fc_part("3", 1)};
    char text[16] = "";
    (void)state;
    assert_int_equal(fc_write_all(ends[1], parts, 5), 0);
    assert_int_equal(fc_read(ends[0], text, sizeof text), 7);
    assert_string_equal(text, "onetwo3");
}

static void errors_are_told(void **state)
{
    struct iovec part = fc_part("x", 1);
    char byte;
    (void)state;
    assert_int_equal(fc_read(-1, &byte, 1), -EBADF);
    assert_int_equal(fc_write_all(-1, &part, 1), -EBADF);
    close(ends[1]);
    assert_int_equal(fc_read(ends[0], &byte, 1), 0);
    ends[1] = -1;
}

static void parts_advance_by_what_was_written(void **state)
{
    struct iovec parts[] = {fc_part("abc", 3), fc_part("", 0), fc_part("def", 3)};
    struct iovec *at = parts;
    int count = 3;
    (void)state;
    fc_iovec_advance(&at, &count, 2);
    assert_int_equal(count, 3);
    assert_memory_equal(at->iov_base, "c", 1);
    assert_int_equal(at->iov_len, 1);
    fc_iovec_advance(&at, &count, 1); /* the empty part is done with */
    assert_int_equal(count, 1);
    assert_memory_equal(at->iov_base, "def", 3);
    fc_iovec_advance(&at, &count, 3);
    assert_int_equal(count, 0);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void check_poll(void)
{
    struct pollfd fds[] = {{.fd = ends[0], .events = POLLIN},
                           {.fd = -1, .events = POLLIN},
                           {.fd = ends[1], .events = POLLOUT},
                           {.fd = ends[0], .events = 0}};
    assert_int_equal(fc_poll(fds, 4, 0), 1);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, 0);
    assert_int_equal(fds[2].revents, POLLOUT);
    assert_int_equal(fc_poll(fds, 2, 1), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fc_poll(fds, 4, 1000), 2);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(fds[3].revents, 0);
    assert_int_equal(fc_poll(fds, 2, -1), 1);
    assert_int_equal(fc_poll_now(ends[0], POLLIN), POLLIN);
    assert_true(fc_poll_says(ends[0], POLLIN));
    assert_false(fc_poll_says(ends[0], POLLOUT));
}

static void check_closed_and_hung_up(void)
{
    char byte;
    const int closed = dup(ends[0]);
    struct pollfd fds[] = {{.fd = closed, .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    close(closed);
    assert_int_equal(fc_poll(fds, 2, 0), 1);
    assert_int_equal(fds[0].revents, POLLNVAL);
    assert_int_equal(fds[1].revents, 0);
    assert_true(fc_poll_says(closed, POLLIN));
    assert_int_equal(fc_poll_now(ends[0], POLLIN), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fc_poll_now(ends[0], POLLIN) & POLLHUP, 0);
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(fc_poll_now(ends[0], POLLIN) & POLLIN, POLLIN);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(fc_poll_now(ends[0], POLLIN) & POLLHUP, POLLHUP);
}

static void check_socket(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fc_poll_now(pair[0], POLLIN), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(fc_poll_now(pair[0], POLLIN), POLLIN);
    char byte;
    assert_int_equal(read(pair[0], &byte, 1), 1);
    close(pair[1]);
    assert_int_equal(fc_poll_now(pair[0], POLLIN) & POLLHUP, POLLHUP);
    close(pair[0]);
}

static void poll_tells_what_is_ready(void **state)
{
    (void)state;
    check_poll();
}

static void poll_tells_what_is_closed_or_at_its_end(void **state)
{
    (void)state;
    check_closed_and_hung_up();
    check_socket();
}

/* With RLIMIT_NOFILE 0 poll(2) refuses every array. No descriptor can be opened meanwhile. */
static void without_poll(void (*check)(void))
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = files.rlim_max};
    struct pollfd probe = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    if (poll(&probe, 1, 0) >= 0)
        SKIP("this system's poll(2) does not heed RLIMIT_NOFILE");
    check();
}

static int pair[2]; /* opened while descriptors can be */

static void check_socket_without_poll(void)
{
    char byte;
    assert_int_equal(fc_poll_now(pair[0], POLLIN), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(fc_poll_now(pair[0], POLLIN), POLLIN);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    close(pair[1]);
    assert_int_equal(fc_poll_now(pair[0], POLLIN), POLLIN | POLLHUP);
    close(pair[0]);
}

static void check_hung_up_without_poll(void)
{
    char byte;
    assert_int_equal(fc_poll_now(ends[0], POLLIN), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fc_poll_now(ends[0], POLLIN), POLLIN);
    close(ends[1]);
    assert_int_equal(fc_poll_now(ends[0], POLLIN), POLLIN); /* a byte is left to be read */
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(fc_poll_now(ends[0], POLLIN), POLLIN | POLLHUP);
    struct pollfd fds[] = {{.fd = ends[1], .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    assert_int_equal(fc_poll(fds, 2, 0), 1);
    assert_int_equal(fds[0].revents, POLLNVAL);
    assert_int_equal(fds[1].revents, 0);
    ends[1] = -1;
}

static void select_does_the_same_where_poll_is_refused(void **state)
{
    (void)state;
    without_poll(check_poll);
}

static void end_is_seen_where_poll_is_refused(void **state)
{
    (void)state;
    without_poll(check_hung_up_without_poll);
}

static void end_of_a_socket_is_seen_where_poll_is_refused(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    without_poll(check_socket_without_poll);
}

static void check_standard_input(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    assert_int_equal(fc_poll(&input, 1, 0), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fc_poll(&input, 1, 0), 1);
    assert_int_equal(input.revents, POLLIN);
}

static void descriptor_0_is_watched_as_well(void **state)
{
    (void)state;
    const int saved = dup(STDIN_FILENO);
    dup2(ends[0], STDIN_FILENO);
    without_poll(check_standard_input);
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void check_high_number(void)
{
    struct pollfd high = {.fd = FD_SETSIZE, .events = POLLIN};
    assert_int_equal(fc_poll(&high, 1, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(fc_poll_now(FD_SETSIZE, POLLIN), POLLIN); /* not known: a look costs nothing */
    assert_false(fc_poll_says(FD_SETSIZE, POLLIN));            /* and it counts as no event */
}

static void number_above_what_select_knows_is_not_known(void **state)
{
    (void)state;
    without_poll(check_high_number);
}

/* ---- Time limits ----------------------------------------------------------------------------- */

static void limit_ends_at_the_deadline_or_when_canceled(void **state)
{
    atomic_bool canceled = false;
    struct fc_time_limit limit = {.deadline_ns = UINT64_MAX, .cancel_fd = -1};
    (void)state;
    assert_int_equal(fc_time_limit_left(&limit), 0);
    limit.cancel_requested = &canceled;
    limit.cancel_fd = ends[0];
    assert_int_equal(fc_time_limit_left(&limit), 0);
    atomic_store(&canceled, true);
    assert_int_equal(fc_time_limit_left(&limit), -EINTR);
    atomic_store(&canceled, false);
    limit.deadline_ns = fc_now_ns();
    assert_int_equal(fc_time_limit_left(&limit), -ETIMEDOUT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fc_time_limit_left(&limit), -EINTR); /* who cancels is told so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_parts_are_written_in_order, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(errors_are_told, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(parts_advance_by_what_was_written, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(poll_tells_what_is_ready, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(poll_tells_what_is_closed_or_at_its_end, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(select_does_the_same_where_poll_is_refused, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(end_is_seen_where_poll_is_refused, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(end_of_a_socket_is_seen_where_poll_is_refused, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(descriptor_0_is_watched_as_well, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(number_above_what_select_knows_is_not_known, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(limit_ends_at_the_deadline_or_when_canceled, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
