#include "copy.h"

#include "config.h"
#include "copy_spawn.h"
#include "init.h"
#include "report.h"
#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO_MAGIC 0x684c4346U /* "FCLh" */
/* Where the program's path tells nothing. Its value: the maker's pid, "-" and the nonce of the hello. */
#define MARKER "FORKCALL_COPY"
#define MARKER_SIZE (sizeof MARKER "=" + 40)

struct hello {
    uint32_t magic;
    uint32_t role;
    uint64_t nonce;
    int64_t maker; /* its pid, where sockets do not tell */
};

/* ---- In the maker -------------------------------------------------------------------------------------------- */

int fc_copy_hello(int fd, enum fc_copy_role role, uint64_t *nonce)
{
    struct hello hello = {.magic = HELLO_MAGIC, .role = (uint32_t)role, .maker = getpid()};
    if (getentropy(&hello.nonce, sizeof hello.nonce) < 0)
        return -errno;
    *nonce = hello.nonce;
    return fc_rights_send(fd, &hello, sizeof hello, NULL, 0);
}

int fc_copy_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why)
{
    struct fc_image_path image;
    char marker[MARKER_SIZE];
    const int r = fc_image_path_get(&image);
    if (r < 0) {
        *why = "the file of this program cannot be found (no /proc, and it was started by a relative path)";
        return r;
    }
    *why =
        fc_image_is_privileged() ? "SERVER and SPAWN are not for set-user-id programs" : fc_image_path_raises(&image);
    if (*why != NULL)
        return -EPERM;
    *why = "posix_spawn of this program";
    snprintf(marker, sizeof marker, MARKER "=%ld-%016llx", (long)getpid(), (unsigned long long)nonce);
    return fc_spawn(image.path, image.tells ? NULL : marker, fd, own_group, pid);
}

void fc_copy_explain_ending(int wait_status, char *why, size_t why_size)
{
    char number[32];
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == FC_COPY_UNFINISHED)
        snprintf(why, why_size, "the copy of this program called the library before forkcall_init()");
    else if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == FC_COPY_PRIVILEGED)
        snprintf(why, why_size,
                 "the kernel gives a new process of this program more rights than its user has (AT_SECURE): its "
                 "file is set-user-id or set-group-id, or has capabilities");
    else if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == FC_COPY_ROBBED)
        snprintf(why, why_size, "the copy of this program has lost its descriptor %d before forkcall_init()",
                 FC_COPY_FD);
    else if (WIFEXITED(wait_status))
        snprintf(why, why_size, "the copy of this program ended with exit status %d before it came to forkcall_init()",
                 WEXITSTATUS(wait_status));
    else
        snprintf(why, why_size, "the copy of this program was killed by %s before it came to forkcall_init()",
                 fc_signal_name(WTERMSIG(wait_status), number));
}

/* ---- In the copy --------------------------------------------------------------------------------------------- */

static bool marker_is(uint64_t nonce)
{
    char wanted[MARKER_SIZE];
    const char *value = getenv(MARKER);
    snprintf(wanted, sizeof wanted, "%ld-%016llx", (long)getppid(), (unsigned long long)nonce);
    return value != NULL && strcmp(value, wanted) == 0;
}

/* Nobody else is started by that path, or with a marker that names its parent: without a hello this is a copy all the same, whose
 * socket a constructor has closed or emptied. */
static bool is_marked_as_copy(void)
{
    const char *value = getenv(MARKER);
    return fc_image_path_is_this() || (value != NULL && strtol(value, NULL, 10) == (long)getppid());
}

/* The hello lies in the socket before the copy is started, so nothing is waited for. It is looked at and not taken: the socket
 * may be a stranger's. */
static bool has_hello(struct hello *hello)
{
    if (!fc_image_path_is_this() && getenv(MARKER) == NULL)
        return false;
    if (recv(FC_COPY_FD, hello, sizeof *hello, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)sizeof *hello)
        return false;
    return hello->magic == HELLO_MAGIC && (fc_image_path_is_this() || marker_is(hello->nonce));
}

static bool maker_is_parent(const struct hello *hello)
{
    const pid_t told = fc_rights_maker(FC_COPY_FD);
    return getppid() == (told >= 0 ? told : (pid_t)hello->maker);
}

bool fc_copy_is_unfinished(void)
{
    static atomic_int known; /* 1 no, 2 yes; the same for every thread */
    struct hello hello;
    if (atomic_load(&known) == 0)
        atomic_store(&known, !fc_init_was_called() && (is_marked_as_copy() || has_hello(&hello)) ? 2 : 1);
    return atomic_load(&known) == 2;
}

bool fc_copy_is_this(enum fc_copy_role *role, int *fd)
{
    struct hello hello;
    size_t count;
    if (!has_hello(&hello)) {
        if (is_marked_as_copy())
            _exit(FC_COPY_ROBBED);
        return false;
    }
    /* From here on this is a copy, and the host's main is not for it. */
    if (fc_image_is_privileged())
        _exit(FC_COPY_PRIVILEGED);
    if (!maker_is_parent(&hello) || hello.role < FC_COPY_SPARE || hello.role > FC_COPY_SPARE_OF_SERVER ||
        fc_rights_receive(FC_COPY_FD, &hello, sizeof hello, NULL, 0, &count, 0) < 0)
        _exit(FC_COPY_REFUSED);
    unsetenv(MARKER);
    fc_image_path_forget();
    fcntl(FC_COPY_FD, F_SETFD, FD_CLOEXEC);
    *role = (enum fc_copy_role)hello.role;
    *fd = FC_COPY_FD;
    return true;
}
