/* CHILD: Waits for a request, and runs it. */
#include "child/run_request.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/shared_args.h"
#include "child/crash_handler.h"
#include "child/finish.h"
#include "child/run.h"
#include "child/storage.h"
#include "exec/exec_self.h"
#include "os/start_gate.h"
#include "wire/request.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096U
/* How many bytes of stack the way to the function needs, and how much of a small request's memory
 * is touched before it comes. */
#define PREFAULTED_STACK 4096U
#define PREFAULTED_REQUEST 4096U

/* False: the host is gone, or does not need this child. */
static bool read_exactly(int fd, void *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        const ssize_t n = fc_read(fd, (char *)to + have, size - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

/* Enters the descriptors in a table: the library then closes them in processes that the function
 * forks. */
static void list_descriptors(const int own[FC_OWN_COUNT])
{
    static struct fc_fds fds;
    if (fc_fds_open(&fds) < 0)
        _exit(FC_EXIT_REFUSED);
    fds.fd[FC_FD_CHILD_GO] = own[FC_OWN_REQUEST];
    fds.fd[FC_FD_CHILD_REPLY] = own[FC_OWN_REPLY];
    fds.fd[FC_FD_CHILD_LIFELINE] = own[FC_OWN_LIFELINE];
    fds.fd[FC_FD_REGION] = own[FC_OWN_REGION];
    /* The function may close them, and get their numbers for its own files. */
    fc_fds_remember(&fds, FC_FD_CHILD_REPLY, FC_FD_COUNT);
}

static void send_ready(int fd)
{
    struct fc_frame_header header = fc_frame_header_make(FC_FRAME_READY, 0);
    struct iovec part = {.iov_base = &header, .iov_len = sizeof header};
    if (fc_write_all(fd, &part, 1) < 0)
        _exit(0);
}

/* Touches the memory that a call needs, before there is a call. The first touch of a page after a
 * fork costs a microsecond, and the way to the function needs some twenty pages. Has no other
 * effect. */
static void touch_memory(void)
{
    volatile unsigned char deep[PREFAULTED_STACK];
    const struct fc_request none = {.magic = 0};
    for (size_t i = 0; i < sizeof deep; i += PAGE)
        deep[i] = 0;
    for (size_t i = 0; i < PREFAULTED_REQUEST; i += PAGE)
        *(volatile unsigned char *)(fc_request_bytes + i) = 0;
    (void)fc_request_remaining(&none);
    fc_module_prefault();
}

static void prefault(const struct fc_task *task, bool waits)
{
    if (waits)
        touch_memory();
    if (task->execed) {
        fc_settings_note();
        fc_credentials_note();
    } else { /* the server has noted before the fork */
        fc_settings_note_again();
    }
    fc_child_prefault(task, waits);
}

static void map_args(struct fc_task *task, int fd)
{
    if (fd < 0)
        return;
    task->args = fc_shared_args_map(fd, task->args_size);
    task->no_args = task->args == NULL;
    close(fd);
}

/* Without the mapping the result travels as any other. */
static void map_shared(struct fc_task *task, int fd)
{
    if (fd < 0)
        return;
    task->shared.data = fc_shared_buf_map(fd, task->shared.capacity);
    close(fd);
}

/* Waits for a request and runs it. Returns if this process may serve another. ready: what holds for
 * each request; args_fd, shared_fd: files that came with the first one; -1: none. */
static void run_one(const struct fc_task *ready, int args_fd, int shared_fd)
{
    struct fc_request head;
    struct fc_task task = *ready;
    if (!read_exactly(task.go_fd, &head, sizeof head))
        fc_child_leave(0);
    const long rest = fc_request_remaining(&head);
    if (rest < 0 || !read_exactly(task.go_fd, fc_request_bytes, (size_t)rest))
        fc_child_leave(0);
    task.name = fc_request_read(&head, fc_request_bytes, &task);
    if (task.name == NULL)
        fc_child_leave(FC_EXIT_REFUSED);
    map_args(&task, args_fd);
    map_shared(&task, shared_fd);
    fc_child_run_or_keep(&task);
}

_Noreturn void fc_run_request(const int own[FC_OWN_COUNT], bool execed, bool waits, const char *failed,
                              const struct fc_module_function *early)
{
    struct fc_task task = {.reply_fd = own[FC_OWN_REPLY],
                           .go_fd = own[FC_OWN_REQUEST],
                           .region_fd = own[FC_OWN_REGION],
                           .out_fd = -1,
                           .err_fd = -1,
                           .measure = true,
                           .has_handlers = true,
                           .execed = execed,
                           .failed = failed,
                           .thread = pthread_self()};
    list_descriptors(own);
    task.mark = fc_fd_identity_take(task.reply_fd);
    if (execed)
        fc_child_install_handlers();
    prefault(&task, waits);
    if (execed) {
        if (!fc_start_gate_tells()) /* else the host sees that the request is being read */
            send_ready(task.reply_fd);
        fc_crash_note_modules(); /* a fork of the server has the server's notes */
    }
    if (early != NULL) {
        fc_child_load_early(&task, early);
        send_ready(task.reply_fd);
    }
    run_one(&task, own[FC_OWN_ARGS], own[FC_OWN_SHARED]);
    for (;;)
        run_one(&task, -1, -1);
}

_Noreturn void fc_run_request_main(int socket)
{
    int own[FC_OWN_COUNT];
    fc_own_fds_clear(own);
    const int r = fc_fd_list_receive(socket, own);
    if (own[FC_OWN_REQUEST] < 0 || own[FC_OWN_REPLY] < 0)
        _exit(FC_EXIT_REFUSED);
    fc_run_request(own, true, false, r < 0 ? FC_KEEP_FDS_FAILED : NULL, NULL);
}
