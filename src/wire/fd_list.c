/* HOST, SERVER, CHILD: Sends a list of descriptors, and puts each at its number in the child. */
#include "wire/fd_list.h"

#include "base/fd_message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MAGIC 0x664c4346U /* "FCLf" */

struct message {
    uint32_t magic;
    uint32_t count;
    uint32_t more; /* not 0: another message follows */
    struct {
        int32_t use;
        int32_t close_on_exec;
    } item[FC_FD_MESSAGE_MAX];
};

int fc_fd_list_send_from(int socket, const struct fc_fd_list_item *list, size_t count, size_t *done)
{
    do {
        struct message message = {.magic = MAGIC};
        int fds[FC_FD_MESSAGE_MAX];
        size_t next = *done;
        for (; message.count < FC_FD_MESSAGE_MAX && next < count; message.count++, next++) {
            const int flags = fcntl(list[next].fd, F_GETFD);
            fds[message.count] = list[next].fd;
            message.item[message.count].use = list[next].use;
            /* A captured stream is an end of one of the library's pipes here, and close-on-exec. In
             * the child it is a standard stream, which programs inherit. */
            message.item[message.count].close_on_exec =
                list[next].use > STDERR_FILENO && flags > 0 && (flags & FD_CLOEXEC) != 0;
        }
        message.more = next < count;
        const int r = fc_fd_message_send(socket, &message, sizeof message, fds, message.count);
        if (r < 0)
            return r;
        *done = next;
    } while (*done < count);
    return 0;
}

int fc_fd_list_send(int socket, const struct fc_fd_list_item *list, size_t count)
{
    size_t done = 0;
    return fc_fd_list_send_from(socket, list, count, &done);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

struct arrived {
    int use;
    int fd;
    bool close_on_exec;
};

struct arrivals {
    struct arrived *list;
    size_t count;
};

static int receive(int socket, struct arrivals *all, int *more)
{
    struct message message;
    *more = -1;
    do {
        int fds[FC_FD_MESSAGE_MAX];
        size_t count;
        const int r = fc_fd_message_receive(socket, &message, sizeof message, fds, FC_FD_MESSAGE_MAX, &count, 1);
        if (r < 0)
            return r;
        if (message.magic != MAGIC || message.count != count)
            return -EPROTO;
        struct arrived *longer = realloc(all->list, (all->count + count + 1) * sizeof *longer);
        if (longer == NULL)
            return -ENOMEM;
        all->list = longer;
        for (size_t i = 0; i < count; i++)
            if (message.item[i].use == FC_FD_USE_MORE)
                *more = fds[i];
            else
                all->list[all->count++] =
                    (struct arrived){message.item[i].use, fds[i], message.item[i].close_on_exec != 0};
    } while (message.more != 0);
    return 0;
}

/* For each descriptor number, the variable that holds it: so a descriptor that is in the way can be
 * moved. */
struct places {
    int **owner; /* by number; NULL: no descriptor of the library's has it */
    int size;
};

static int *occupant(const struct places *places, int fd)
{
    return fd < places->size ? places->owner[fd] : NULL;
}

static int enter(struct places *places, int fd, int *owner)
{
    if (fd >= places->size) {
        const int size = fd + 64;
        int **longer = realloc(places->owner, (size_t)size * sizeof *longer);
        if (longer == NULL)
            return -ENOMEM;
        for (int i = places->size; i < size; i++)
            longer[i] = NULL;
        places->owner = longer;
        places->size = size;
    }
    places->owner[fd] = owner;
    return 0;
}

/* Moves away the descriptor that has this number, if there is one. */
static int clear(struct places *places, int fd)
{
    int *owner = occupant(places, fd);
    if (owner == NULL)
        return 0;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (moved < 0)
        return -errno;
    *owner = moved;
    places->owner[fd] = NULL;
    return enter(places, moved, owner);
}

static int put(struct places *places, struct arrived *one)
{
    if (one->fd == one->use)
        return fcntl(one->fd, F_SETFD, one->close_on_exec ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
    const int r = clear(places, one->use);
    if (r < 0)
        return r;
    if (dup2(one->fd, one->use) < 0)
        return -errno;
    places->owner[one->fd] = NULL;
    close(one->fd);
    one->fd = one->use;
    if (one->close_on_exec)
        fcntl(one->use, F_SETFD, FD_CLOEXEC);
    return enter(places, one->use, &one->fd);
}

static int place_all(struct places *places, const struct arrivals *all, int own[FC_OWN_COUNT])
{
    int r = 0;
    for (int i = 0; r == 0 && i < FC_OWN_COUNT; i++)
        if (own[i] >= 0)
            r = enter(places, own[i], &own[i]);
    for (size_t i = 0; r == 0 && i < all->count; i++) {
        struct arrived *one = &all->list[i];
        if (one->use >= 0) {
            r = enter(places, one->fd, &one->fd);
        } else if (one->use >= -FC_OWN_COUNT) {
            own[-1 - one->use] = one->fd;
            r = enter(places, one->fd, &own[-1 - one->use]);
        } else {
            r = -EPROTO;
        }
    }
    for (size_t i = 0; r == 0 && i < all->count; i++)
        if (all->list[i].use >= 0)
            r = put(places, &all->list[i]);
    return r;
}

void fc_own_fds_clear(int own[FC_OWN_COUNT])
{
    for (int i = 0; i < FC_OWN_COUNT; i++)
        own[i] = -1;
}

int fc_fd_list_receive(int socket, int own[FC_OWN_COUNT])
{
    struct arrivals all = {NULL, 0};
    struct places places = {NULL, 0};
    int r = 0;
    for (int more = -1; r == 0 && socket >= 0; socket = more) {
        r = receive(socket, &all, &more);
        close(socket); /* a descriptor of the list may have to get its number */
    }
    if (r == 0)
        r = place_all(&places, &all, own);
    free(places.owner);
    free(all.list);
    return r;
}
