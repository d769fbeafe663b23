/* ANY: Starts this program once more, and tells whether this process was started so. */
#include "exec/exec_self.h"

#include "base/fd_message.h"
#include "exec/init_state.h"
#include "exec/kernel_mark.h"
#include "exec/library_id.h"
#include "exec/spawn_self.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO_MAGIC 0x694c4346U /* "FCLi" */
/* Its value: the maker's pid, "-" and the nonce of the hello. */
#define MARKER "FORKCALL_COPY"
#define MARKER_SIZE (sizeof MARKER "=" + 40)

/* The same in all versions of the library: a copy that has another one must be able to say so. */
struct hello {
    uint32_t magic;
    uint32_t role;
    uint64_t nonce;
    int64_t maker;    /* its pid, where sockets do not tell */
    uint64_t library; /* fc_library_id */
};

/* ---- In the maker ---------------------------------------------------------------------------- */

int fc_exec_self_hello(int fd, enum fc_exec_self_role role, uint64_t *nonce)
{
    struct hello hello = {.magic = HELLO_MAGIC, .role = (uint32_t)role, .maker = getpid(), .library = fc_library_id()};
    if (getentropy(&hello.nonce, sizeof hello.nonce) < 0)
        return -errno;
    *nonce = hello.nonce;
    return fc_fd_message_send(fd, &hello, sizeof hello, NULL, 0);
}

/* This process has found a mark of a copy, and not enough to be one. Written by forkcall_init. */
static atomic_bool is_lost;

static int may_start(const char **why)
{
    if (!atomic_load(&is_lost))
        return fc_exec_self_gave_up(why);
    *why =
        "this process was itself started as a copy of a program, through something that took from it what tells it so: "
        "it starts no copies";
    return -ENOEXEC;
}

static int spawn(const struct fc_executable *executable, uint64_t nonce, int fd, bool own_group, pid_t *pid)
{
    char marker[MARKER_SIZE];
    snprintf(marker, sizeof marker, MARKER "=%ld-%016llx", (long)getpid(), (unsigned long long)nonce);
    int r = fc_spawn_self(executable->path, marker, fd, own_group, pid);
    if (executable->instead != NULL && (r == -EACCES || r == -EPERM || r == -ENOENT))
        r = fc_spawn_self(executable->instead, marker, fd, own_group, pid);
    return r;
}

int fc_exec_self_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why)
{
    struct fc_executable executable;
    int r = may_start(why);
    if (r < 0)
        return r;
    r = fc_executable_get(&executable);
    if (r < 0) {
        *why = executable.why != NULL ? executable.why : "memory for the path of this program";
        free(executable.path);
        return r;
    }
    *why = fc_executable_is_privileged()
               ? "SERVER and SPAWN are not for set-user-id programs, nor for those whose file has capabilities"
               : fc_executable_raises(&executable);
    if (*why != NULL) {
        r = -EPERM;
    } else {
        *why = "posix_spawn of this program";
        r = spawn(&executable, nonce, fd, own_group, pid);
    }
    free(executable.path);
    return r;
}

/* ---- In the copy ----------------------------------------------------------------------------- */

/* Made for this hello. One that was inherited is another's. */
static bool marker_is(const struct hello *hello)
{
    char wanted[MARKER_SIZE];
    const char *value = getenv(MARKER);
    snprintf(wanted, sizeof wanted, "-%016llx", (unsigned long long)hello->nonce);
    const char *nonce = value != NULL ? strchr(value, '-') : NULL;
    return nonce != NULL && strcmp(nonce, wanted) == 0;
}

/* Nobody else is started by that path, or with a marker that names its parent. */
static bool is_marked(void)
{
    const char *value = getenv(MARKER);
    return fc_executable_is_this() || (value != NULL && strtol(value, NULL, 10) == (long)getppid());
}

static pid_t maker_of(const struct hello *hello)
{
    const pid_t told = fc_fd_message_maker(FC_EXEC_SELF_FD);
    return told >= 0 ? told : (pid_t)hello->maker;
}

/* The hello lies in the socket before the copy is started, so nothing is waited for. It is looked
 * at and not taken: the socket may be a stranger's. */
static bool has_hello(struct hello *hello)
{
    return recv(FC_EXEC_SELF_FD, hello, sizeof *hello, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof *hello &&
           hello->magic == HELLO_MAGIC;
}

/* One that the parent has made can have come to nobody else: its end of the socket is the copy's
 * alone. */
static bool has_hello_of_parent(void)
{
    struct hello hello;
    return has_hello(&hello) && maker_of(&hello) == getppid();
}

bool fc_exec_self_is_unfinished(void)
{
    static atomic_int known; /* 1 no, 2 yes; the same for every thread */
    if (atomic_load(&known) == 0)
        atomic_store(&known, !fc_init_was_called() && (is_marked() || has_hello_of_parent()) ? 2 : 1);
    return atomic_load(&known) == 2;
}

/* From here on this is a copy, and the host's main is not for it. */
static void become_exec_self(struct hello *hello)
{
    size_t count;
    if (hello->library != fc_library_id())
        _exit(FC_EXIT_REPLACED);
    if (fc_executable_is_privileged())
        _exit(FC_EXIT_PRIVILEGED);
    if (hello->role < FC_ROLE_CHILD || hello->role > FC_ROLE_SERVERS_CHILD ||
        fc_fd_message_receive(FC_EXEC_SELF_FD, hello, sizeof *hello, NULL, 0, &count, 0) < 0)
        _exit(FC_EXIT_REFUSED);
    unsetenv(MARKER);
    fc_executable_forget();
    fcntl(FC_EXEC_SELF_FD, F_SETFD, FD_CLOEXEC);
}

bool fc_exec_self_is_this(enum fc_exec_self_role *role, int *fd)
{
    struct hello hello;
    const bool branded = fc_kernel_mark_take();
    const bool has = has_hello(&hello);
    if (!has || maker_of(&hello) != getppid()) {
        if (has && (is_marked() || marker_is(&hello) || branded))
            _exit(FC_EXIT_WRAPPED);
        if (is_marked() || (branded && fc_executable_is_of_parent()))
            _exit(FC_EXIT_NO_SOCKET);
        if (has || branded)
            atomic_store(&is_lost, true);
        return false;
    }
    become_exec_self(&hello);
    *role = (enum fc_exec_self_role)hello.role;
    *fd = FC_EXEC_SELF_FD;
    return true;
}
