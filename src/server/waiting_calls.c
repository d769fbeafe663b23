/* SERVER: Answers each waiting call through the socket that came with its ASK. */
#include "server/waiting_calls.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "server/children.h"
#include "wire/server_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a call may wait for room. Children that were released are killed after a second, and
 * their room is free soon after. */
#define ROOM_NS (2 * (uint64_t)FC_CHILD_END_NS)

struct ask {
    int socket;
    uint32_t number;
    bool has_fds;
    uint64_t until_ns; /* until when it may wait for room */
};

static struct {
    struct ask *list;
    size_t count, room;
    bool waits;      /* the first call found no room */
    unsigned reaped; /* fc_children_reaped() at that time */
} asks;

static void answer(int socket, int error)
{
    struct fc_server_handover none;
    memset(&none, 0, sizeof none); /* the padding is sent to another process, too */
    none.error = error;
    fc_fd_message_send(socket, &none, sizeof none, NULL, 0);
}

void fc_waiting_calls_add(int socket, uint32_t ask, bool has_fds)
{
    if (asks.count == asks.room) {
        const size_t room = asks.room * 2 + 8;
        struct ask *list = realloc(asks.list, room * sizeof *list);
        if (list == NULL) {
            answer(socket, ENOMEM);
            close(socket);
            return;
        }
        asks.list = list;
        asks.room = room;
    }
    asks.list[asks.count++] =
        (struct ask){.socket = socket, .number = ask, .has_fds = has_fds, .until_ns = fc_now_ns() + ROOM_NS};
}

static void take_out(size_t i)
{
    close(asks.list[i].socket);
    asks.count--;
    memmove(&asks.list[i], &asks.list[i + 1], (asks.count - i) * sizeof *asks.list);
    if (i == 0)
        asks.waits = false;
}

void fc_waiting_calls_drop(uint32_t ask)
{
    for (size_t i = asks.count; i-- > 0;)
        if (asks.list[i].number == ask) {
            take_out(i);
            return;
        }
}

bool fc_waiting_calls_can_be_tried(void)
{
    if (asks.count == 0)
        return false;
    return !asks.waits || asks.reaped != fc_children_reaped() || !fc_children_are_ending() ||
           fc_now_ns() >= asks.list[0].until_ns;
}

/* The host has closed its end of the socket. If another process that the host has forked holds that
 * end open, the order DROP tells the same. */
static bool was_given_up(const struct ask *ask)
{
    return (fc_poll_now(ask->socket, POLLIN) & POLLHUP) != 0;
}

static bool is_want_of_room(int r)
{
    return r == -EAGAIN || r == -ENOMEM;
}

void fc_waiting_calls_try(void)
{
    const struct ask *first = &asks.list[0];
    int r = -EPIPE;
    if (!was_given_up(first))
        r = fc_children_make_for(first->socket, first->number, first->has_fds);
    if (is_want_of_room(r) && fc_children_are_ending() && fc_now_ns() < first->until_ns) {
        asks.waits = true;
        asks.reaped = fc_children_reaped();
        return;
    }
    if (r < 0 && r != -EPIPE)
        answer(first->socket, -r);
    take_out(0);
}

uint64_t fc_waiting_calls_next_ns(void)
{
    return asks.count > 0 ? asks.list[0].until_ns : UINT64_MAX;
}

void fc_waiting_calls_forget(int except)
{
    for (size_t i = 0; i < asks.count; i++)
        if (asks.list[i].socket != except)
            close(asks.list[i].socket);
    asks.count = 0;
}
