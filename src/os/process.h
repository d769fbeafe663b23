/* HOST: A child as the kernel sees it: whether and how it has ended, and signals that never reach
 * another process.
 *
 * The host may ignore SIGCHLD or reap every child it sees. So the status of a child may be gone,
 * and its number may be another process's once the child was reaped. */
#ifndef FC_OS_PROCESS_H
#define FC_OS_PROCESS_H

#include "base/descriptors.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fc_server;
struct fc_remote;

struct fc_process {
    pid_t pid;
    /* Readable when the process has ended; -1: there is none, and the process must be asked again
     * and again. Belongs to the call's table of descriptors. */
    int fd;
    bool own_group;
    /* fd is a socket, through which the server tells how the process has ended. */
    bool fd_is_socket;
    /* For a child of the server, which reaps it; NULL: a child of this process. */
    const struct fc_remote *remote;
    struct fc_server *server;
};

/* How a process ended, as far as the kernel tells. */
struct fc_ending {
    bool status_known;
    bool usage_known;
    int wait_status;
    uint64_t user_ns, system_ns, max_rss_bytes;
};

/* The functions that ask the server about a child of its own. */
struct fc_remote {
    /* True: the server is gone, and its child's number may be another process's. */
    bool (*is_gone)(const struct fc_server *server);
    /* True: the server was stopped, and nobody knows when it goes on. */
    bool (*is_stopped)(const struct fc_server *server);
    /* Asks the server how the child has ended. It will tell through the descriptor that is entered
     * as `answer`. Does not wait. 0; -EPIPE: the server is gone; or another negative errno: it
     * cannot be asked now. */
    int (*ask_ending)(const struct fc_process *process, struct fc_fds *fds, enum fc_fd answer);
    /* Reads what has come through that descriptor. Does not wait. 1: ending is set; 0: nothing has
     * come; -1: nobody will tell. */
    int (*receive_ending)(int fd, struct fc_ending *ending);
};

/* Opens a descriptor for a child. Must be called before the child can end, so that the descriptor
 * is surely the child's. Cannot fail: without a descriptor the process is polled. */
void fc_process_open(struct fc_process *process, pid_t pid, struct fc_fds *fds);

/* True: the process has ended. Does not reap it. */
bool fc_process_is_over(const struct fc_process *process);

/* Reaps a child of this process if it has ended. True: it has ended and was reaped, here or by
 * another part of the host; ending tells how it ended. Does not wait. */
bool fc_process_has_ended(const struct fc_process *process, struct fc_ending *ending);

/* Sends a signal to the process itself. */
void fc_process_signal(const struct fc_process *process, int signal);

/* Sends a signal to the process itself, with a value where the system has sigqueue(3). Returns 0 or
 * a negative errno. */
int fc_process_queue(const struct fc_process *process, int signal, int value);

/* Sends a signal to the process's group, if it has one of its own. Must be called before
 * fc_process_has_ended returned true. Nothing is sent if another part of the host has reaped the
 * leader and the kernel cannot signal the group safely. */
void fc_process_signal_group(const struct fc_process *process, int signal);

/* Reaps the other processes of a killed group, which have become children of this process if it is
 * PID 1 or a subreaper. Called after the process itself was reaped here. Waits a moment at most, so
 * processes that do not end stay. held_ns: a time of fc_now_ns() at which the process was not
 * reaped yet. */
void fc_process_reap_group(const struct fc_process *process, uint64_t held_ns);

/* How many ms to wait before the next question if fd is -1. tries: how often it was asked. */
int fc_process_backoff_ms(unsigned tries);

/* ---- What the platform's file (process_watch.*.c) gives ------------------------------------- */

/* Opens a descriptor that is readable when the process has ended, or returns a negative errno. */
int fc_process_watch_open(pid_t pid);

/* As the functions fc_process_… of the same names, with a descriptor from fc_process_watch_open. */
bool fc_process_watch_is_over(const struct fc_process *process);
bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending);
void fc_process_watch_signal(const struct fc_process *process, int signal);
int fc_process_watch_queue(const struct fc_process *process, int signal, int value);
void fc_process_watch_signal_group(const struct fc_process *process, int signal);

/* True: such a descriptor can be sent to another process (unix(7)). */
bool fc_process_watch_is_passable(void);

/* In the parent: true if pid has ended and is not reaped; ending tells how it ended. False: it
 * lives. */
bool fc_process_watch_peek(pid_t pid, struct fc_ending *ending);

/* ---- The portable way, by waitpid, for any system (os/process_watch.posix.c) ----------------- */

bool fc_waitpid_is_over(const struct fc_process *process);
bool fc_waitpid_has_ended(const struct fc_process *process, struct fc_ending *ending);
void fc_waitpid_signal(const struct fc_process *process, int signal);
int fc_waitpid_queue(const struct fc_process *process, int signal, int value);
void fc_waitpid_signal_group(const struct fc_process *process, int signal);
bool fc_waitpid_peek(pid_t pid, struct fc_ending *ending);
/* The wait status for what waitid(2) has filled in. */
int fc_waitpid_status(const siginfo_t *info);

#endif
