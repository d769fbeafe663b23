/* ANY: The tables of descriptors. A fork handler closes in the child what is not the child's. */
#include "base/descriptors.h"

#include "base/io.h"
#include "base/pipe.h"
#include "base/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static FC_FORK_STORAGE pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static FC_FORK_STORAGE struct fc_fds *tables; /* protected by mutex */
static FC_FORK_STORAGE unsigned forks;        /* since the program was started */
/* The table of the child that is being forked; NULL: the host forks a child of its own. */
static FC_FORK_STORAGE struct fc_fds *own_of_fork;

/* ---- Forks ----------------------------------------------------------------------------------- */

/* A lock of the C library that another thread holds at a fork stays locked in the child for ever.
 * So what the library does under such a lock is kept apart from the library's own forks by
 * fork_mutex, and from the host's by in_lists, for which a fork waits.
 *
 * The mutex of the tables cannot be used for that. In glibc 2.28 to 2.35 fork() holds a lock of its
 * own while before_fork runs, and __cxa_finalize() and pthread_atfork() take that lock. A thread
 * that called these with the mutex would wait for the fork, and the fork for the mutex. For the
 * same reason a fork by the host does not wait for ever: a thread that waits for that very lock has
 * left the list. */
/* Taken before the C library's locks and before mutex. */
static FC_FORK_STORAGE pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER;
static FC_FORK_STORAGE atomic_bool in_lists;
#define IN_LISTS_NS 10000000U

void fc_fds_fork_lock(void)
{
    pthread_mutex_lock(&fork_mutex);
}

void fc_fds_fork_unlock(void)
{
    pthread_mutex_unlock(&fork_mutex);
}

void fc_fds_enter_lists(void)
{
    atomic_store(&in_lists, true);
}

void fc_fds_leave_lists(void)
{
    atomic_store(&in_lists, false);
}

static void await_lists(void)
{
    if (!atomic_load(&in_lists))
        return;
    const uint64_t until_ns = fc_now_ns() + IN_LISTS_NS;
    while (atomic_load(&in_lists) && fc_now_ns() < until_ns)
        sched_yield();
}

static void before_fork(void)
{
    const pthread_t self = pthread_self();
    await_lists();
    pthread_mutex_lock(&mutex);
    own_of_fork = NULL;
    for (struct fc_fds *fds = tables; fds != NULL; fds = fds->next)
        if (fds->forking && pthread_equal(fds->forker, self))
            own_of_fork = fds;
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

/* True: the host has closed the descriptor, and its number now stands for something else. */
static FC_FORK_CODE bool stands_for_another(const struct fc_fds *fds, int which)
{
    const struct fc_fd_identity *mark = &fds->mark[which];
    return (mark->in_description || mark->inode != 0) && !fc_fd_identity_holds_any(fds->fd[which], mark);
}

/* Closes in a forked child what is not its own. Uses only fstat(2), close(2) and this process's
 * memory, because the host may have threads. The first write to a page costs the child a page
 * fault, so little memory is touched. */
static FC_FORK_CODE void after_fork_in_child(void)
{
    struct fc_fds *own = own_of_fork;
    forks++;
    for (struct fc_fds *fds = tables; fds != NULL; fds = fds->next) {
        const int end = fds == own ? FC_FD_CALLER_COUNT : FC_FD_COUNT;
        for (int i = 0; i < end; i++) {
            if (fds->fd[i] >= 0 && !stands_for_another(fds, i))
                close(fds->fd[i]);
            if (fds == own)
                fds->fd[i] = -1; /* other tables are left alone: a write would copy their pages */
        }
    }
    /* The child's own ends are closed in turn in processes that the child forks. */
    tables = own;
    if (tables != NULL) {
        tables->next = NULL;
        tables->link = &tables;
        tables->forking = false;
    }
    /* This thread holds mutex since before_fork. Another thread may have held fork_mutex. */
    pthread_mutex_unlock(&mutex);
    fork_mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    in_lists = false;
}

/* Positive: the handlers are not registered yet; negative: they could not be. */
static atomic_int register_result = 1;

unsigned fc_fds_generation(void)
{
    return forks + 1;
}

/* In a static program a constructor of the program may make a call before this one runs. If
 * pthread_atfork(3) has failed (ENOMEM), it is tried again. */
__attribute__((constructor)) static void register_handlers(void)
{
    fc_fds_fork_lock();
    if (register_result != 0)
        register_result = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    fc_fds_fork_unlock();
}

void fc_fds_init(struct fc_fds *fds)
{
    memset(fds, 0, sizeof *fds);
    for (int i = 0; i < FC_FD_COUNT; i++)
        fds->fd[i] = -1;
    fds->fresh = true;
}

int fc_fds_open(struct fc_fds *fds)
{
    fc_fds_init(fds);
    if (register_result != 0)
        register_handlers();
    if (register_result != 0)
        return register_result;
    fc_fds_lock();
    fds->next = tables;
    fds->link = &tables;
    if (tables != NULL)
        tables->link = &fds->next;
    tables = fds;
    fc_fds_unlock();
    fds->listed = true;
    return 0;
}

static void close_one(struct fc_fds *fds, int which)
{
    if (fds->fd[which] >= 0 && (fds->fresh || !stands_for_another(fds, which)))
        close(fds->fd[which]);
    fds->fd[which] = -1;
    fds->mark[which] = (struct fc_fd_identity){.inode = 0};
}

void fc_fds_close_all(struct fc_fds *fds)
{
    if (!fds->listed)
        return;
    fc_fds_lock();
    for (int i = 0; i < FC_FD_COUNT; i++)
        if (fds->fd[i] >= 0)
            close_one(fds, i);
    *fds->link = fds->next;
    if (fds->next != NULL)
        fds->next->link = fds->link;
    fds->listed = false;
    fc_fds_unlock();
}

void fc_fds_forget(struct fc_fds *fds)
{
    fc_fds_lock();
    if (tables == fds) /* this process is the child of that call */
        tables = NULL;
    fc_fds_unlock();
    fds->listed = false;
}

void fc_fds_lock(void)
{
    pthread_mutex_lock(&mutex);
}

void fc_fds_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

int fc_fds_pipe(struct fc_fds *fds, enum fc_fd read_end, enum fc_fd write_end)
{
    int ends[2];
    fc_fds_lock();
    int r = fc_pipe(ends);
    if (r == 0) {
        ends[0] = fc_fd_above_streams(ends[0]);
        ends[1] = fc_fd_above_streams(ends[1]);
        r = ends[0] < 0 ? ends[0] : ends[1] < 0 ? ends[1] : 0;
        fds->fd[read_end] = ends[0];
        fds->fd[write_end] = ends[1];
    }
    fc_fds_unlock();
    return r;
}

void fc_fds_close(struct fc_fds *fds, enum fc_fd which)
{
    fc_fds_lock();
    close_one(fds, (int)which);
    fc_fds_unlock();
}

/* ---- What a number stands for ---------------------------------------------------------------- */

void fc_fds_remember(struct fc_fds *fds, enum fc_fd first, enum fc_fd end)
{
    fc_fds_lock();
    for (int i = (int)first; i < (int)end; i++)
        if (fds->fd[i] >= 0 && !fds->mark[i].in_description && fds->mark[i].inode == 0)
            fds->mark[i] = fc_fd_identity_take_any(fds->fd[i]);
    fc_fds_unlock();
}

void fc_fds_expire(struct fc_fds *fds)
{
    fds->fresh = false;
}

bool fc_fds_look(struct fc_fds *fds)
{
    bool lost = false;
    if (fds->fresh || !fds->listed)
        return false;
    fc_fds_lock();
    for (int i = 0; i < FC_FD_COUNT; i++) {
        if (fds->fd[i] < 0 || !stands_for_another(fds, i))
            continue;
        fds->fd[i] = -1;
        /* Another descriptor may be entered here. */
        fds->mark[i] = (struct fc_fd_identity){.inode = 0};
        lost = true;
    }
    fds->fresh = true;
    fc_fds_unlock();
    return lost;
}

bool fc_fds_has(const struct fc_fds *fds, enum fc_fd which)
{
    return fds->fd[which] >= 0 && !stands_for_another(fds, (int)which);
}

bool fc_fds_child_has(int fd)
{
    for (const struct fc_fds *fds = tables; fds != NULL; fds = fds->next)
        for (int i = FC_FD_CALLER_COUNT; i < FC_FD_COUNT; i++)
            if (fds->fd[i] == fd)
                return !stands_for_another(fds, i);
    return true;
}

void fc_fds_child_close(int fd)
{
    for (struct fc_fds *fds = tables; fds != NULL; fds = fds->next)
        for (int i = FC_FD_CALLER_COUNT; i < FC_FD_COUNT; i++)
            if (fds->fd[i] == fd)
                fds->fd[i] = -1;
    close(fd);
}

pid_t fc_fds_fork(struct fc_fds *own)
{
    fc_fds_lock();
    own->forker = pthread_self();
    own->forking = true;
    fc_fds_unlock();
    const pid_t pid = fork();
    if (pid == 0)
        return 0;
    const int error = errno;
    fc_fds_lock();
    own->forking = false;
    fc_fds_unlock();
    return pid < 0 ? -error : pid;
}

int fc_fd_above_streams(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int error = errno;
    close(fd);
    return above < 0 ? -error : above;
}
