/* ANY: Starts this program again, and finds out whether this process was started in this way. */
#include "exec/exec_self.h"

#include "base/fd_message.h"
#include "exec/exec_mark.h"
#include "exec/helper.h"
#include "exec/init_called.h"
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
/* Its value is the maker's pid, "-", and the nonce of the hello. */
#define MARKER "FORKCALL_COPY"
#define MARKER_SIZE (sizeof MARKER "=" + 40)

/* The hello. It is the same in all versions of the library, so that a process with another version
 * can say so. */
struct hello {
    uint32_t magic;
    uint32_t role;
    uint64_t nonce;
    int64_t maker;    /* the maker's pid, for systems whose sockets do not tell it */
    uint64_t library; /* fc_library_id() of the maker */
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

/* This process has found a mark of a re-executed program, but not enough to be one. Written by
 * forkcall_init(). */
static atomic_bool is_lost;

bool fc_exec_self_is_possible(void)
{
    return fc_init_was_called() || fc_helper_is_used();
}

int fc_exec_self_name_function(forkcall_fn *fn, struct fc_module_function *name)
{
    const bool helper = fc_helper_is_used();
    const int r = fc_module_name(fn, name);
    name->must_be_complete = helper;
    return r == 0 && helper && name->is_program ? -ENOTSUP : r;
}

bool fc_exec_self_is_started_by_helper(void)
{
    if (!fc_init_was_called() && (getenv(MARKER) != NULL || fc_exec_mark_take()))
        atomic_store(&is_lost, true);
    return atomic_load(&is_lost);
}

static int may_start(const char **why)
{
    if (!atomic_load(&is_lost))
        return fc_exec_self_gave_up(why);
    *why = "this process was itself re-executed by the library, through a tool that has taken away what tells it so: "
           "it does not re-execute this program";
    return -ENOEXEC;
}

static int spawn(const struct fc_executable *executable, uint64_t nonce, int fd, bool own_group, pid_t *pid)
{
    char marker[MARKER_SIZE];
    snprintf(marker, sizeof marker, MARKER "=%ld-%016llx", (long)getpid(), (unsigned long long)nonce);
    const char *name = fc_helper_is_used() ? executable->path : NULL;
    int r = fc_spawn_self(executable->path, name, marker, fd, own_group, pid);
    if (executable->instead != NULL && (r == -EACCES || r == -EPERM || r == -ENOENT))
        r = fc_spawn_self(executable->instead, name, marker, fd, own_group, pid);
    return r;
}

int fc_exec_self_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why)
{
    struct fc_executable executable;
    int r = may_start(why);
    if (r < 0)
        return r;
    const bool helper = fc_helper_is_used();
    r = helper ? fc_helper_get(&executable) : fc_executable_get(&executable);
    if (r < 0) {
        *why = executable.why != NULL ? executable.why : "memory for the path of the program";
        free(executable.path);
        return r;
    }
    *why = fc_executable_is_privileged()
               ? "SERVER and SPAWN are not for set-user-id programs, nor for those whose file has capabilities"
               : fc_executable_raises(&executable);
    if (*why != NULL) {
        r = -EPERM;
        if (helper && !fc_executable_is_privileged())
            *why = "the helper's file is set-user-id or has capabilities: a process of it would have other rights";
    } else {
        *why = helper ? "posix_spawn of the helper" : "posix_spawn of this program";
        r = spawn(&executable, nonce, fd, own_group, pid);
    }
    free(executable.path);
    return r;
}

/* ---- In the copy ----------------------------------------------------------------------------- */

/* True: the environment's marker was made for this hello. An inherited marker belongs to another
 * process. */
static bool marker_is(const struct hello *hello)
{
    char wanted[MARKER_SIZE];
    const char *value = getenv(MARKER);
    snprintf(wanted, sizeof wanted, "-%016llx", (unsigned long long)hello->nonce);
    const char *nonce = value != NULL ? strchr(value, '-') : NULL;
    return nonce != NULL && strcmp(nonce, wanted) == 0;
}

/* True: this process was started by the path, or with a marker naming its parent, that only
 * re-executed programs have. If it has no hello, something has closed or emptied its socket. */
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

/* Looks for the hello. The maker has sent it before exec, so this does not wait. It is only looked
 * at, because descriptor 3 may be some other socket. */
static bool has_hello(struct hello *hello)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    /* The error of a connection of the program's own would be taken away by recv(2). */
    if (getsockname(FC_EXEC_SELF_FD, (struct sockaddr *)&address, &size) < 0 || address.ss_family != AF_UNIX)
        return false;
    return recv(FC_EXEC_SELF_FD, hello, sizeof *hello, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof *hello &&
           hello->magic == HELLO_MAGIC;
}

/* True: the hello comes from the parent. No other process can have it, because only this one has
 * the other end of the parent's socket. */
static bool has_hello_of_parent(void)
{
    struct hello hello;
    return has_hello(&hello) && maker_of(&hello) == getppid();
}

bool fc_exec_self_is_unfinished(void)
{
    static atomic_int known; /* 1: no; 2: yes. All threads write the same. */
    if (atomic_load(&known) == 0)
        atomic_store(&known, !fc_init_was_called() && (is_marked() || has_hello_of_parent()) ? 2 : 1);
    return atomic_load(&known) == 2;
}

/* Makes this process a re-executed program, which must not reach main(). */
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
    const bool branded = fc_exec_mark_take();
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
