/* HOST: A child as the kernel sees it: has it ended, how, and signals to it that never reach
 * another process.
 *
 * The host may ignore SIGCHLD or reap every child it sees, so a status can be gone, and a pid may
 * belong to somebody else once the child was reaped. */
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
    /* Readable when the process has ended; -1: to be asked again and again. Belongs to the
     * call's table. */
    int fd;
    bool own_group;
    /* The descriptor is a socket, through which the server says how the process has ended. */
    bool fd_tells;
    /* A child of the server, which reaps it; NULL: of this process. */
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

/* What is asked of the server about a child of its own. */
struct fc_remote {
    /* The server serves no more: its child's number may be another process's. */
    bool (*is_gone)(const struct fc_server *server);
    /* Asks the server how the child has ended, which it has: the server will tell through the
     * descriptor that is entered as answer. 0; -EPIPE: it is gone; or another negative errno: not
     * now. Does not wait. */
    int (*ask_ending)(const struct fc_process *process, struct fc_fds *fds, enum fc_fd answer);
    /* What the descriptor tells. 1: ending is set; 0: nothing yet; -1: nobody tells. Does not
     * wait. */
    int (*hear_ending)(int fd, struct fc_ending *ending);
};

/* To be called before the child can end, so that fd is surely its own. Cannot fail: without a
 * descriptor to be had the process is polled. */
void fc_process_open(struct fc_process *process, pid_t pid, struct fc_fds *fds);

/* It has ended; a look that reaps nothing. */
bool fc_process_is_over(const struct fc_process *process);

/* Of a process that is not remote. True: it has ended, was reaped (by us or by somebody else), and
 * ending tells how. Does not wait. */
bool fc_process_has_ended(const struct fc_process *process, struct fc_ending *ending);

/* Sends a signal to the process itself. */
void fc_process_signal(const struct fc_process *process, int signal);

/* Sends a signal to its process group, if it has one of its own. To be called before
 * fc_process_has_ended returned true; where the leader was reaped by somebody else and the kernel
 * cannot signal the group safely, nothing is sent. */
void fc_process_signal_group(const struct fc_process *process, int signal);

/* After SIGKILL for its group, and once it was reaped here: reaps the others of the group, which
 * have become children of this process where that is PID 1 or a subreaper. Waits for them for a
 * moment, so those stay that do not end. held_ns: a time, of fc_now_ns, at which the process was
 * not reaped yet. */
void fc_process_reap_group(const struct fc_process *process, uint64_t held_ns);

/* How long to wait before asking again, in ms, where fd is -1; tries: how often it was asked. */
int fc_process_backoff_ms(unsigned tries);

/* ---- What the platform's file (process_watch.*.c) gives ------------------------------------- */

/* A descriptor that is readable when the process has ended, or a negative errno. */
int fc_process_watch_open(pid_t pid);

/* As fc_process_has_ended and so on, with a descriptor from fc_process_watch_open. */
bool fc_process_watch_is_over(const struct fc_process *process);
bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending);
void fc_process_watch_signal(const struct fc_process *process, int signal);
void fc_process_watch_signal_group(const struct fc_process *process, int signal);

/* Another process can be given such a descriptor (unix(7)). */
bool fc_process_watch_is_passable(void);

/* In the parent: pid has ended, in this way, and is not reaped. False: it lives. */
bool fc_process_watch_peek(pid_t pid, struct fc_ending *ending);

/* ---- The portable way, by waitpid, for any system (os/process_watch.posix.c) ----------------- */

bool fc_waitpid_is_over(const struct fc_process *process);
bool fc_waitpid_has_ended(const struct fc_process *process, struct fc_ending *ending);
void fc_waitpid_signal(const struct fc_process *process, int signal);
void fc_waitpid_signal_group(const struct fc_process *process, int signal);
bool fc_waitpid_peek(pid_t pid, struct fc_ending *ending);
/* The wait status that a siginfo_t of waitid(2) tells of. */
int fc_waitpid_status(const siginfo_t *info);

#endif
