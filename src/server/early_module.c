/* HOST: Which module spares load early, and whether a spare has loaded it: only if the program has
 * set load_early. Else nothing is noted, nothing is sent, and every spare fits every call.
 *
 * A constructor may crash, hang, end the process, or wait for what another process of the module
 * has. So a spare is used only once it has said that it is ready. If one is not, or if a call needs
 * another kind of child, the call asks for a child, and gives back all spares that the server has
 * made before it answers, so that none keeps from calls what it has. More calls must follow each
 * other then before spares load a module again. */
#include "server/early_module.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "server/send_order.h"
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How many calls for one module in a row let spares load it, at first. Twice as many are needed
 * each time that this was of no use. */
#define IN_ROW 2U
#define IN_ROW_MAX 1024U
/* How long a call of forkcall_run waits for a spare to be ready. */
#define READY_MS 100

/* A copy without what lies behind the path, which is not initialised. NULL: there is no memory. */
static struct fc_module_function *copy_name(const struct fc_module_function *function)
{
    struct fc_module_function *copy = calloc(1, sizeof *copy);
    if (copy != NULL)
        memcpy(copy, function, offsetof(struct fc_module_function, path) + function->path_size);
    return copy;
}

static bool is_noted(const struct fc_early *early, const struct fc_module_function *function)
{
    return function != NULL && early->function != NULL && fc_module_is_same(early->function, function);
}

/* Enters the module of a call, of which *copy is a copy, and puts the last one in the place of
 * that. function NULL: the call takes no spare. False: there is no memory. The caller holds
 * fc_fds_lock. */
static bool enter(struct fc_early *early, const struct fc_module_function *function, struct fc_module_function **copy)
{
    early->in_row = 0;
    if (function == NULL)
        return true;
    if (*copy == NULL)
        return false;
    struct fc_module_function *const last = early->function;
    early->function = *copy;
    *copy = last;
    do
        early->number++;
    while (early->number == 0);
    return true;
}

/* The caller holds fc_fds_lock. */
static void want_more(struct fc_early *early)
{
    early->in_row = 0;
    if (early->more < IN_ROW_MAX)
        early->more = early->more * 2 + IN_ROW;
}

/* Tells the server the module of that number; 0: none. False: there is no room for that now. */
static bool tell(struct forkcall_call *call, const struct fc_module_function *function, uint32_t number)
{
    struct fc_server_order order = fc_order_make(FC_ORDER_LOAD, 0);
    order.ask = number;
    if (number == 0)
        return fc_order_send(call->process.server, &order, -1) == 0;
    struct fc_module_function *copy = copy_name(function);
    int r = copy != NULL ? fc_fd_message_pair_in(&call->fds) : -ENOMEM;
    if (r == 0)
        r = fc_fd_message_send(call->fds.fd[FC_FD_SOCKET], copy, sizeof *copy, NULL, 0);
    free(copy);
    if (r == 0)
        r = fc_order_send(call->process.server, &order, call->fds.fd[FC_FD_PEER_SOCKET]);
    fc_fds_close(&call->fds, FC_FD_PEER_SOCKET);
    fc_fds_close(&call->fds, FC_FD_SOCKET);
    return r == 0;
}

/* True: the calling thread is to tell the server something else, and no other thread does so until
 * this one has noted it. So what is noted last is what the server was told last. Without that,
 * spares might load what the host believes to be off. The caller holds fc_fds_lock. */
static bool begin_to_tell(struct fc_early *early)
{
    const bool begins = !early->is_telling;
    early->is_telling = true;
    return begins;
}

/* Tells the server the module that spares load from now on, and notes it if there was room to tell
 * it. number 0: none, because it was of no use. */
static void tell_and_note(struct forkcall_call *call, const struct fc_module_function *function, uint32_t number)
{
    struct fc_server *server = call->process.server;
    const bool is_told = tell(call, function, number);
    fc_fds_lock();
    server->early.is_telling = false;
    if (is_told) {
        server->early.told = number;
        server->early.plain = server->spares;
    }
    if (is_told != (number != 0))
        want_more(&server->early);
    fc_fds_unlock();
}

/* Lets spares load nothing from now on. */
static void stop(struct forkcall_call *call)
{
    struct fc_early *early = &call->process.server->early;
    fc_fds_lock();
    const bool tells = begin_to_tell(early);
    fc_fds_unlock();
    call->drops_spares = true;
    if (tells)
        tell_and_note(call, NULL, 0);
}

void fc_early_note(struct forkcall_call *call, const struct fc_module_function *function)
{
    struct fc_early *early = &call->process.server->early;
    call->drops_spares = false;
    call->module = 0;
    if (!early->is_on)
        return;
    /* No memory of the heap is asked for or given back under the lock: a thread that forks may hold
     * the lock of the heap and wait for this one. */
    struct fc_module_function *copy = NULL;
    fc_fds_lock();
    if (function != NULL && !is_noted(early, function)) {
        fc_fds_unlock();
        copy = copy_name(function);
        fc_fds_lock();
    }
    const bool is_known = is_noted(early, function) || enter(early, function, &copy);
    call->module = is_known && function != NULL ? early->number : 0;
    if (early->in_row <= 2 * IN_ROW_MAX + IN_ROW)
        early->in_row++;
    const bool is_wanted =
        call->module != 0 && !function->is_program && early->told == 0 && early->in_row >= IN_ROW + early->more;
    const bool is_unwanted = early->told != 0 && early->told != call->module;
    const bool tells = (is_wanted || is_unwanted) && begin_to_tell(early);
    fc_fds_unlock();
    free(copy);
    call->drops_spares = is_unwanted;
    if (tells)
        tell_and_note(call, function, is_wanted ? call->module : 0);
}

/* How long the call waits for the spare to be ready. forkcall_start() does not wait for what a
 * constructor does. */
static uint64_t ready_until_ns(const struct forkcall_call *call)
{
    const uint64_t until_ns = fc_now_ns() + READY_MS * (uint64_t)1000000;
    return call->async ? 0 : call->deadline_ns < until_ns ? call->deadline_ns : until_ns;
}

/* As fc_poll, until then, also if a signal comes. */
static int poll_until(struct pollfd *fds, nfds_t count, uint64_t until_ns)
{
    int r;
    do {
        const uint64_t now = fc_now_ns();
        r = fc_poll(fds, count, until_ns > now ? (int)((until_ns - now) / 1000000) : 0);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* True: the spare lives and has said that it is ready, and nothing else. */
static bool is_ready(const struct forkcall_call *call)
{
    const struct fc_frame_header ready = fc_frame_header_make(FC_FRAME_READY, 0);
    struct fc_frame_header said;
    struct pollfd fds[] = {{.fd = call->fds.fd[FC_FD_REPLY], .events = POLLIN},
                           {.fd = call->process.fd, .events = POLLIN},
                           {.fd = call->process.server->fds.fd[FC_FD_PROCESS], .events = POLLIN},
                           {.fd = call->options.cancel_fd_plus_one - 1, .events = POLLIN}};
    return poll_until(fds, 4, ready_until_ns(call)) > 0 && fds[0].revents == POLLIN && fds[1].revents == 0 &&
           fds[2].revents == 0 && fc_read(fds[0].fd, &said, sizeof said) == (ssize_t)sizeof said &&
           memcmp(&said, &ready, sizeof said) == 0;
}

/* False: the spare was made before the server was told of the module that spares load. */
static bool plain_fits(struct forkcall_call *call)
{
    struct fc_early *early = &call->process.server->early;
    if (!early->is_on)
        return true;
    fc_fds_lock();
    const bool fits = early->told == 0 || early->plain == 0;
    if (!fits)
        early->plain--;
    fc_fds_unlock();
    return fits;
}

bool fc_early_fits(struct forkcall_call *call, uint32_t module)
{
    if (module == 0)
        return plain_fits(call);
    if (module == call->module && is_ready(call))
        return true;
    stop(call);
    return false;
}
