/* Tests that the host believes that spares load what it has told the server last, whichever of its
 * threads has told that. The linker puts sendmsg() of this file in the place of the C library's.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "base/fd_message.h"
#include "server/early_module.h"
#include "wire/server_message.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

static struct fc_server server;
static int server_end;
static uint32_t told_last;

static _Thread_local bool is_slow;
static atomic_bool has_sent, may_go_on;

static bool is_set(void *flag)
{
    return *(atomic_bool *)flag;
}

/* A slow thread is not scheduled for a while behind what it sends to the server. */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    const ssize_t sent = __real_sendmsg(fd, message, flags);
    if (is_slow && fd == server.fds.fd[FC_FD_SOCKET]) {
        has_sent = true;
        (void)wait_until(is_set, &may_go_on);
    }
    return sent;
}

static void start_server(void)
{
    memset(&server, 0, sizeof server);
    server.early.is_on = true;
    told_last = 0;
    assert_int_equal(fc_fds_open(&server.fds), 0);
    assert_int_equal(fc_fd_message_pair_in(&server.fds), 0);
    server_end = server.fds.fd[FC_FD_PEER_SOCKET];
}

static void end_server(void)
{
    fc_fds_close_all(&server.fds);
    free(server.early.function);
}

/* Takes what the server was told. */
static void hear(void)
{
    struct fc_server_order order;
    while (recv(server_end, &order, sizeof order, MSG_DONTWAIT) == (ssize_t)sizeof order)
        told_last = order.kind == FC_ORDER_LOAD ? order.ask : told_last;
}

/* A call for a function of that module comes. */
static uint32_t note(char module)
{
    struct fc_module_function function;
    struct forkcall_call call;
    memset(&function, 0, sizeof function);
    function.path[0] = module;
    function.path_size = 2;
    memset(&call, 0, sizeof call);
    call.process.server = &server;
    assert_int_equal(fc_fds_open(&call.fds), 0);
    fc_early_note(&call, &function);
    fc_fds_close_all(&call.fds);
    return call.module;
}

static void *note_slowly(void *unused)
{
    is_slow = true;
    (void)note('a');
    return unused;
}

static void host_knows_what_it_has_told_last(void **state)
{
    pthread_t thread;
    (void)state;
    start_server();
    (void)note('a');
    assert_int_equal(pthread_create(&thread, NULL, note_slowly, NULL), 0);
    assert_true(wait_until(is_set, &has_sent));
    for (int i = 0; i < 4; i++)
        (void)note('b');
    may_go_on = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    hear();
    assert_int_not_equal(told_last, 0);
    assert_int_equal(server.early.told, told_last);
    /* The next call finds out that another module is loaded, and others may be told of again. */
    (void)note('b');
    hear();
    assert_int_equal(told_last, 0);
    assert_int_equal(server.early.told, 0);
    uint32_t number = 0;
    for (int i = 0; i < 16; i++)
        number = note('b');
    hear();
    assert_int_equal(told_last, number);
    assert_int_equal(server.early.told, number);
    end_server();
}

static void host_knows_that_it_could_not_tell(void **state)
{
    (void)state;
    start_server();
    const uint32_t number = note('a');
    (void)note('a');
    hear();
    assert_int_equal(told_last, number);
    fc_fds_close(&server.fds, FC_FD_SOCKET);
    (void)note('b');
    assert_int_equal(server.early.told, number);
    end_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_knows_what_it_has_told_last),
        cmocka_unit_test(host_knows_that_it_could_not_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
