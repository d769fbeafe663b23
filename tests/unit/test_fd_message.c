/* Tests messages that carry descriptors: each arrives whole, or an error says why it does not. */
#include "base/fd_message.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 8

static int ends[2];

static int open_pair(void **state)
{
    (void)state;
    return fc_fd_message_pair(ends);
}

static int close_pair(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int send_text(const char *text, const int *fds, size_t count)
{
    return fc_fd_message_send(ends[0], text, SIZE, fds, count);
}

static void message_comes_with_its_descriptors_in_order(void **state)
{
    char text[SIZE];
    int pipes[2], got[2];
    size_t count = 0;
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(send_text("message", pipes, 2), 0);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, got, 2, &count, 0), 0);
    assert_string_equal(text, "message");
    assert_int_equal(count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(got[i] > STDERR_FILENO);
        assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
    }
    assert_int_equal(write(got[1], "x", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    for (int i = 0; i < 2; i++) {
        close(got[i]);
        close(pipes[i]);
    }
}

static void message_without_descriptors_comes(void **state)
{
    char text[SIZE];
    size_t count = 7;
    (void)state;
    assert_int_equal(send_text("message", NULL, 0), 0);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, NULL, 0, &count, 1), 0);
    assert_string_equal(text, "message");
    assert_int_equal(count, 0);
}

static void no_message_is_told_as_such(void **state)
{
    char text[SIZE];
    size_t count = 7;
    (void)state;
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, NULL, 0, &count, 0), -EAGAIN);
    assert_int_equal(count, 0);
}

static void closed_end_is_told_as_such(void **state)
{
    char text[SIZE] = "";
    size_t count = 7;
    (void)state;
    assert_int_equal(send_text("message", NULL, 0), 0);
    close(ends[0]);
    ends[0] = -1;
    assert_int_equal(fc_fd_message_send(ends[1], text, SIZE, NULL, 0), -EPIPE);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, NULL, 0, &count, 1), 0);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, NULL, 0, &count, 0), -ECONNRESET);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, NULL, 0, &count, 1), -ECONNRESET);
    assert_int_equal(count, 0);
}

/* A descriptor that is no socket can bring no message, so the receiver must not wait for one. */
static void what_is_no_socket_is_told_as_such(void **state)
{
    char text[SIZE] = "";
    int pipes[2];
    size_t count = 7;
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(fc_fd_message_receive(pipes[0], text, SIZE, NULL, 0, &count, 0), -ENOTSOCK);
    assert_int_equal(fc_fd_message_send(pipes[1], text, SIZE, NULL, 0), -ENOTSOCK);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(fc_fd_message_receive(pipes[0], text, SIZE, NULL, 0, &count, 0), -EBADF);
    assert_int_equal(fc_fd_message_send(pipes[1], text, SIZE, NULL, 0), -EBADF);
}

static void full_socket_is_told_as_such(void **state)
{
    int r = 0;
    (void)state;
    for (int i = 0; r == 0 && i < 1000000; i++)
        r = send_text("message", NULL, 0);
    assert_int_equal(r, -EAGAIN);
}

static void more_descriptors_than_there_may_be_are_refused(void **state)
{
    int fds[FC_FD_MESSAGE_MAX + 1], got[FC_FD_MESSAGE_MAX];
    char text[SIZE];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        fds[i] = STDERR_FILENO;
    assert_int_equal(send_text("message", fds, FC_FD_MESSAGE_MAX + 1), -EINVAL);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, got, FC_FD_MESSAGE_MAX, &count, 0), -EAGAIN);
    assert_int_equal(send_text("message", fds, FC_FD_MESSAGE_MAX), 0);
    assert_int_equal(fc_fd_message_receive(ends[1], text, SIZE, got, FC_FD_MESSAGE_MAX, &count, 0), 0);
    assert_int_equal(count, FC_FD_MESSAGE_MAX);
    for (size_t i = 0; i < count; i++)
        close(got[i]);
}

#ifdef __linux__
static void message_that_was_looked_at_is_still_there(void **state)
{
    const int fd = STDERR_FILENO;
    char text[SIZE] = "";
    (void)state;
    assert_int_equal(send_text("message", &fd, 1), 0);
    for (int i = 0; i < 3; i++) {
        int got = -1;
        size_t count = 0;
        const int r = i < 2 ? fc_fd_message_peek(ends[1], text, SIZE, &got, 1, &count)
                            : fc_fd_message_receive(ends[1], text, SIZE, &got, 1, &count, 0);
        assert_int_equal(r, 0);
        assert_string_equal(text, "message");
        assert_int_equal(count, 1);
        close(got);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_comes_with_its_descriptors_in_order),
        TEST(message_without_descriptors_comes),
        TEST(no_message_is_told_as_such),
        TEST(closed_end_is_told_as_such),
        TEST(what_is_no_socket_is_told_as_such),
        TEST(full_socket_is_told_as_such),
        TEST(more_descriptors_than_there_may_be_are_refused),
#ifdef __linux__
        TEST(message_that_was_looked_at_is_still_there),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
