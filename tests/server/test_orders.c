/* Tests orders for which the control socket had no room: they are kept, sent later in their order,
 * and freed. A server stands in for its own end of the control socket. */
#include "base/descriptors.h"
#include "base/fd_message.h"
#include "server/launch.h"
#include "server/send_order.h"
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define KEPT 3

static struct fc_server server;

static void start_server(void)
{
    memset(&server, 0, sizeof server);
    server.owner = fc_fds_generation();
    assert_int_equal(fc_fds_open(&server.fds), 0);
    assert_int_equal(fc_fd_message_pair_in(&server.fds), 0);
    for (int i = 1; i <= KEPT; i++) {
        struct fc_server_order order = fc_order_make(FC_ORDER_DONE, i);
        assert_int_equal(fc_order_keep(&server, &order), 0);
    }
}

/* Takes orders for the children 1 to last. */
static void expect_orders_up_to(int last)
{
    struct fc_server_order order;
    for (int i = 1; i <= last; i++) {
        assert_int_equal(recv(server.fds.fd[FC_FD_PEER_SOCKET], &order, sizeof order, MSG_DONTWAIT), sizeof order);
        assert_int_equal(order.pid, i);
    }
    assert_true(recv(server.fds.fd[FC_FD_PEER_SOCKET], &order, sizeof order, MSG_DONTWAIT) < 0);
}

static void kept_orders_go_before_the_next(void **state)
{
    (void)state;
    start_server();
    struct fc_server_order next = fc_order_make(FC_ORDER_DONE, KEPT + 1);
    assert_int_equal(fc_order_send(&server, &next, -1), 0);
    expect_orders_up_to(KEPT + 1);
    fc_orders_end(&server);
    expect_orders_up_to(0);
    fc_fds_close_all(&server.fds);
}

static void kept_orders_go_at_the_end(void **state)
{
    (void)state;
    start_server();
    fc_orders_end(&server);
    expect_orders_up_to(KEPT);
    fc_fds_close_all(&server.fds);
}

static void kept_orders_stay_without_room(void **state)
{
    static const char filling[4096];
    (void)state;
    start_server();
    const int socket = server.fds.fd[FC_FD_SOCKET];
    size_t filled = 0;
    for (ssize_t n; (n = send(socket, filling, sizeof filling, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;)
        filled += (size_t)n;
    while (send(socket, filling, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        filled++;
    struct fc_server_order next = fc_order_make(FC_ORDER_DONE, KEPT + 1);
    assert_int_equal(fc_order_send(&server, &next, -1), -EAGAIN);
    for (char taken[4096]; filled > 0;) {
        const ssize_t n = recv(server.fds.fd[FC_FD_PEER_SOCKET], taken, filled < 4096 ? filled : 4096, 0);
        assert_true(n > 0);
        filled -= (size_t)n;
    }
    assert_int_equal(fc_order_send(&server, &next, -1), 0);
    expect_orders_up_to(KEPT + 1);
    fc_orders_end(&server);
    fc_fds_close_all(&server.fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_orders_go_before_the_next),
        cmocka_unit_test(kept_orders_go_at_the_end),
        cmocka_unit_test(kept_orders_stay_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
