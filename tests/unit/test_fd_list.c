/* A list of descriptors: each arrives at its number in the child, whatever has that number
 * there. */
#include "wire/fd_list.h"

#include "base/fd_message.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH 450 /* of a list that needs three messages */
#define FIRST 500  /* numbers from here on are free in this program, and below the usual limit */

static int ends[2];

static int open_pair(void **state)
{
    (void)state;
    return fc_fd_message_pair(ends);
}

static int close_pair(void **state)
{
    (void)state;
    return close(ends[0]); /* the other end was closed by who received from it */
}

/* A descriptor that no other has the inode of. */
static int new_file(void)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    close(pipes[1]);
    return pipes[0];
}

static ino_t inode_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void no_own(int own[FC_OWN_COUNT])
{
    for (int i = 0; i < FC_OWN_COUNT; i++)
        own[i] = -1;
}

static void each_arrives_at_its_number_or_in_own(void **state)
{
    int own[FC_OWN_COUNT];
    const int file[] = {new_file(), new_file(), new_file()};
    const struct fc_fd_list_item list[] = {{FIRST, file[0]}, {FC_FD_USE_ARGS, file[1]}, {FC_FD_USE_REPLY, file[2]}};
    (void)state;
    no_own(own);
    assert_int_equal(fc_fd_list_send(ends[0], list, 3), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), 0);
    assert_int_equal(inode_of(FIRST), inode_of(file[0]));
    assert_int_equal(inode_of(own[FC_OWN_ARGS]), inode_of(file[1]));
    assert_int_equal(inode_of(own[FC_OWN_REPLY]), inode_of(file[2]));
    assert_int_equal(own[FC_OWN_REQUEST], -1);
    assert_int_equal(own[FC_OWN_REGION], -1);
    assert_false(is_open(ends[1]));
    close(FIRST);
    close(own[FC_OWN_ARGS]);
    close(own[FC_OWN_REPLY]);
    for (int i = 0; i < 3; i++)
        close(file[i]);
}

static void close_on_exec_arrives_but_for_standard_streams(void **state)
{
    int own[FC_OWN_COUNT];
    const int kept = new_file(), closed = new_file(), saved = dup(STDERR_FILENO);
    const struct fc_fd_list_item list[] = {{FIRST, kept}, {FIRST + 1, closed}, {STDERR_FILENO, closed}};
    (void)state;
    no_own(own);
    fcntl(closed, F_SETFD, FD_CLOEXEC);
    assert_int_equal(fc_fd_list_send(ends[0], list, 3), 0);
    const int r = fc_fd_list_receive(ends[1], own);
    const int flags = fcntl(STDERR_FILENO, F_GETFD);
    const ino_t inode = inode_of(STDERR_FILENO);
    dup2(saved, STDERR_FILENO);
    assert_int_equal(r, 0);
    assert_int_equal(flags, 0);
    assert_int_equal(inode, inode_of(closed));
    assert_int_equal(fcntl(FIRST, F_GETFD), 0);
    assert_int_equal(fcntl(FIRST + 1, F_GETFD), FD_CLOEXEC);
    close(FIRST);
    close(FIRST + 1);
    close(saved);
    close(kept);
    close(closed);
}

static void long_list_arrives_whole(void **state)
{
    enum { FILES = 7 };
    static struct fc_fd_list_item list[LENGTH];
    int own[FC_OWN_COUNT], file[FILES];
    (void)state;
    no_own(own);
    for (int i = 0; i < FILES; i++)
        file[i] = new_file();
    for (int i = 0; i < LENGTH; i++)
        list[i] = (struct fc_fd_list_item){FIRST + i, file[i % FILES]};
    assert_int_equal(fc_fd_list_send(ends[0], list, LENGTH), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), 0);
    for (int i = 0; i < LENGTH; i++) {
        assert_int_equal(inode_of(FIRST + i), inode_of(file[i % FILES]));
        close(FIRST + i);
    }
    assert_false(is_open(FIRST + LENGTH));
    for (int i = 0; i < FILES; i++)
        close(file[i]);
}

/* The numbers at which the descriptors arrive first are the ones that others of the list need. */
static void what_is_in_the_way_moves(void **state)
{
    enum { COUNT = 8 };
    struct fc_fd_list_item list[COUNT + 1];
    ino_t inodes[COUNT + 1], inode_of_own;
    int own[FC_OWN_COUNT], next = new_file();
    (void)state;
    no_own(own);
    close(next); /* the lowest free number: the first to arrive gets it */
    own[FC_OWN_REQUEST] = fcntl(ends[0], F_DUPFD, FIRST);
    assert_int_equal(own[FC_OWN_REQUEST], FIRST);
    inode_of_own = inode_of(FIRST);
    for (int i = 0; i < COUNT; i++) {
        const int file = new_file();
        list[i] = (struct fc_fd_list_item){next + COUNT - 1 - i, fcntl(file, F_DUPFD, FIRST + 1)};
        inodes[i] = inode_of(list[i].fd);
        close(file);
    }
    list[COUNT] = (struct fc_fd_list_item){FIRST, fcntl(list[0].fd, F_DUPFD, FIRST + 1)};
    inodes[COUNT] = inodes[0];
    assert_int_equal(fc_fd_list_send(ends[0], list, COUNT + 1), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), 0);
    for (int i = 0; i <= COUNT; i++) {
        assert_int_equal(inode_of(list[i].use), inodes[i]);
        close(list[i].fd);
    }
    assert_int_not_equal(own[FC_OWN_REQUEST], FIRST);
    assert_int_equal(inode_of(own[FC_OWN_REQUEST]), inode_of_own);
    close(own[FC_OWN_REQUEST]);
    for (int i = 0; i <= COUNT; i++)
        close(list[i].use);
}

static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 2 * FIRST; fd++)
        count += is_open(fd);
    return count;
}

/* The lowest free number, which the first descriptor to arrive gets. */
static int next_number(void)
{
    const int fd = new_file();
    close(fd);
    return fd;
}

static void descriptor_that_arrives_at_its_own_number_stays(void **state)
{
    int own[FC_OWN_COUNT];
    (void)state;
    no_own(own);
    for (int flag = 0; flag <= FD_CLOEXEC; flag++) {
        const int file = new_file();
        const int high = fcntl(file, F_DUPFD, FIRST);
        close(file);
        fcntl(high, F_SETFD, flag);
        const struct fc_fd_list_item list = {next_number(), high};
        assert_int_equal(fc_fd_list_send(ends[0], &list, 1), 0);
        assert_int_equal(fc_fd_list_receive(ends[1], own), 0);
        assert_int_equal(inode_of(list.use), inode_of(high));
        assert_int_equal(fcntl(list.use, F_GETFD), flag);
        close(list.use);
        close(high);
        close(ends[0]);
        assert_int_equal(fc_fd_message_pair(ends), 0);
    }
    close(ends[1]);
}

static void own_descriptors_of_the_list_move_too(void **state)
{
    int own[FC_OWN_COUNT];
    const int saved = dup(STDIN_FILENO), first = new_file(), second = new_file(), before = count_open();
    const int next = next_number();
    const struct fc_fd_list_item list[] = {
        {FC_FD_USE_LIFELINE, first}, {FC_FD_USE_ARGS, second}, {next, second}, {next + 1, first}, {0, second}};
    (void)state;
    no_own(own);
    assert_int_equal(fc_fd_list_send(ends[0], list, 5), 0);
    const int r = fc_fd_list_receive(ends[1], own);
    const ino_t standard_input = inode_of(STDIN_FILENO);
    dup2(saved, STDIN_FILENO);
    assert_int_equal(r, 0);
    assert_int_equal(standard_input, inode_of(second));
    assert_int_equal(inode_of(own[FC_OWN_LIFELINE]), inode_of(first));
    assert_int_equal(inode_of(own[FC_OWN_ARGS]), inode_of(second));
    assert_int_equal(inode_of(next), inode_of(second));
    assert_int_equal(inode_of(next + 1), inode_of(first));
    /* Four are new, and the socket is closed. */
    assert_int_equal(count_open(), before + 4 - 1);
    close(own[FC_OWN_LIFELINE]);
    close(own[FC_OWN_ARGS]);
    close(next);
    close(next + 1);
    close(saved);
    close(first);
    close(second);
}

static void list_goes_on_in_another_socket(void **state)
{
    int own[FC_OWN_COUNT], more[2];
    const int file = new_file();
    (void)state;
    no_own(own);
    assert_int_equal(fc_fd_message_pair(more), 0);
    const struct fc_fd_list_item first[] = {{FC_FD_USE_MORE, more[1]}, {FC_FD_USE_REGION, file}};
    const struct fc_fd_list_item second[] = {{FIRST, file}};
    assert_int_equal(fc_fd_list_send(ends[0], first, 2), 0);
    assert_int_equal(fc_fd_list_send(more[0], second, 1), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), 0);
    assert_int_equal(inode_of(FIRST), inode_of(file));
    assert_int_equal(inode_of(own[FC_OWN_REGION]), inode_of(file));
    close(FIRST);
    close(own[FC_OWN_REGION]);
    close(more[0]);
    close(more[1]);
    close(file);
}

static void sending_goes_on_when_there_is_room(void **state)
{
    static struct fc_fd_list_item list[LENGTH];
    const int file = new_file();
    size_t done = 0;
    int size = 1, rounds = 0, r;
    (void)state;
    for (int i = 0; i < LENGTH; i++)
        list[i] = (struct fc_fd_list_item){FIRST + i, file};
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    r = fc_fd_list_send_from(ends[0], list, LENGTH, &done);
    if (r == 0)
        SKIP("this kernel has room for all, whatever SO_SNDBUF says");
    assert_int_equal(r, -EAGAIN);
    assert_in_range(done, 0, LENGTH - 1);
    /* A reader takes message by message. */
    for (; r == -EAGAIN && rounds < 10000; rounds++) {
        unsigned char bytes[8192];
        int fds[FC_FD_MESSAGE_MAX];
        struct msghdr message = {.msg_iov = &(struct iovec){bytes, sizeof bytes}, .msg_iovlen = 1};
        union {
            struct cmsghdr align;
            char control[CMSG_SPACE(sizeof fds)];
        } control;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        if (recvmsg(ends[1], &message, MSG_DONTWAIT) > 0 && CMSG_FIRSTHDR(&message) != NULL) {
            const size_t count = (CMSG_FIRSTHDR(&message)->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), count * sizeof(int));
            for (size_t i = 0; i < count; i++)
                close(fds[i]);
        }
        r = fc_fd_list_send_from(ends[0], list, LENGTH, &done);
    }
    assert_int_equal(r, 0);
    assert_int_equal(done, LENGTH);
    close(ends[1]);
    close(file);
}

static void what_is_no_list_is_refused(void **state)
{
    int own[FC_OWN_COUNT];
    const int file = new_file();
    const struct fc_fd_list_item unknown = {FC_FD_USE_MORE - 1, file};
    uint32_t message[3 + 2 * FC_FD_MESSAGE_MAX];
    (void)state;
    no_own(own);
    assert_int_equal(fc_fd_list_send(ends[0], &unknown, 1), 0);
    const int arrived = next_number();
    assert_int_equal(fc_fd_list_receive(ends[1], own), -EPROTO);
    assert_int_equal(inode_of(arrived), inode_of(file));
    close(arrived); /* the child, for which the call ends here, would exit */
    close(ends[0]);
    assert_int_equal(fc_fd_message_pair(ends), 0);
    memset(message, 0, sizeof message);
    /* No magic. */
    assert_int_equal(fc_fd_message_send(ends[0], message, sizeof message, NULL, 0), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), -EPROTO);
    close(ends[0]);
    assert_int_equal(fc_fd_message_pair(ends), 0);
    message[0] = 0x664c4346U;
    message[1] = 1; /* a descriptor that did not come */
    assert_int_equal(fc_fd_message_send(ends[0], message, sizeof message, NULL, 0), 0);
    assert_int_equal(fc_fd_list_receive(ends[1], own), -EPROTO);
    close(ends[0]);
    assert_int_equal(fc_fd_message_pair(ends), 0);
    shutdown(ends[0], SHUT_WR);
    assert_int_equal(fc_fd_list_receive(ends[1], own), -ECONNRESET);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_arrives_at_its_number_or_in_own, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(close_on_exec_arrives_but_for_standard_streams, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(long_list_arrives_whole, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(what_is_in_the_way_moves, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(descriptor_that_arrives_at_its_own_number_stays, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(own_descriptors_of_the_list_move_too, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(list_goes_on_in_another_socket, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(sending_goes_on_when_there_is_room, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(what_is_no_list_is_refused, open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
