/* CHILD: Linux: One read of /proc/self/status tells most of what a process has, for the price of
 * twenty system calls. It does not tell limits, timers, places, descriptors and children. */
#include "child/fitness.h"

#include "base/descriptors.h"
#include "base/dirent64.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/rlimits.h"
#include "child/child_state.h"
#include "child/crash_handler.h"
#include "child/run.h"
#include "child/tool_handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A status is longer than that only with hundreds of groups. Such a process is not kept. */
#define STATUS_MAX 4096
/* How many descriptors are compared one by one; of more, only the number is. */
#define FILES_MAX 32
/* How often the status is read again if it tells of another thread. */
#define THREAD_TRIES 50

static const fc_resource resources[] = {RLIMIT_AS,    RLIMIT_CPU,   RLIMIT_NOFILE, RLIMIT_FSIZE,
                                        RLIMIT_NPROC, RLIMIT_STACK, RLIMIT_CORE,   RLIMIT_DATA};
#define RESOURCES (sizeof resources / sizeof *resources)

struct file {
    int fd;
    dev_t device;
    ino_t inode;
};

struct place {
    dev_t device;
    ino_t inode;
};

static struct {
    bool is_noted;
    int status_fd, list_fd;
    struct fc_credentials credentials;
    struct fc_settings settings;
    uint64_t status_hash, caught, ignored;
    uint64_t first_kib; /* resident memory at the first note */
    struct rlimit limit[RESOURCES];
    struct place root, directory;
    struct file file[FILES_MAX];
    size_t files; /* of those in file */
    long open;    /* how many descriptors are open */
    struct file region;
} noted;

/* ---- The status ------------------------------------------------------------------------------ */

/* True: the line tells what must stay: users, groups, umask, pending signals and their actions,
 * process group and session, capabilities, no_new_privs, seccomp, processors, memory nodes. Not the
 * name, the state, the tracer, nor numbers of memory and of the whole user. */
static bool must_stay(const char *line)
{
    switch (line[0]) {
    case 'U': /* Umask, Uid */
    case 'G': /* Gid, Groups */
    case 'C': /* CapInh …, Cpus_allowed */
        return true;
    case 'S': /* ShdPnd, Seccomp; not State and Sig… */
        return line[1] != 't' && line[1] != 'i';
    case 'N': /* NoNewPrivs, NSpgid, NSsid; not Name and Ngid */
        return line[1] == 'o' || line[1] == 'S';
    case 'M': /* Mems_allowed */
        return true;
    default:
        return false;
    }
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return n;
}

/* The C library keeps two signals for itself, and catches one of them once there was a thread. */
#define OWN_SIGNALS ((uint64_t)3 << 31)

/* A mask of signals, as hexadecimal digits. */
static uint64_t mask(const char *text)
{
    uint64_t bits = 0;
    for (text += strspn(text, "\t "); *text > ' '; text++)
        bits = bits << 4 | (uint64_t)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
    return bits & ~OWN_SIGNALS;
}

struct status {
    uint64_t hash; /* over the lines that must stay */
    uint64_t resident_kib;
    uint64_t caught, ignored, blocked, pending; /* signals */
    uint64_t threads;
};

/* False: the status cannot be read. */
static bool read_status(struct status *status)
{
    char text[STATUS_MAX + 1];
    const ssize_t size = pread(noted.status_fd, text, STATUS_MAX, 0);
    if (size <= 0 || size == STATUS_MAX)
        return false;
    text[size] = '\0';
    *status = (struct status){.hash = FC_HASH_START};
    for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        if (must_stay(line))
            status->hash = fc_hash(status->hash, line, (size_t)(end - line));
        else if (strncmp(line, "Threads:", 8) == 0)
            status->threads = number(line + 8);
        else if (strncmp(line, "VmRSS:", 6) == 0)
            status->resident_kib = number(line + 6);
        else if (strncmp(line, "SigBlk:", 7) == 0)
            status->blocked = mask(line + 7);
        else if (strncmp(line, "SigIgn:", 7) == 0)
            status->ignored = mask(line + 7);
        else if (strncmp(line, "SigPnd:", 7) == 0)
            status->pending = mask(line + 7);
        else if (strncmp(line, "SigCgt:", 7) == 0)
            status->caught = mask(line + 7);
    }
    return status->threads > 0;
}

/* ---- Signals, timers and limits -------------------------------------------------------------- */

/* The status tells which signals are caught, and not by whom. */
static bool crashes_are_caught(void)
{
    for (int signal = 1; signal < NSIG; signal++)
        if (fc_crash_has_handler(signal) && !fc_crash_is_ours(signal) && !fc_tool_has_signal(signal))
            return false;
    return fc_crash_has_its_stack();
}

static bool no_timer_runs(void)
{
    static const enum __itimer_which timers[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    struct itimerval timer;
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
        if (getitimer(timers[i], &timer) < 0 || timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0)
            return false;
    return true;
}

static bool has_no_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD;
}

static bool note_limits(void)
{
    for (size_t i = 0; i < RESOURCES; i++)
        if (getrlimit(resources[i], &noted.limit[i]) < 0)
            return false;
    return true;
}

static bool limits_stay(void)
{
    struct rlimit now;
    for (size_t i = 0; i < RESOURCES; i++)
        if (getrlimit(resources[i], &now) < 0 || now.rlim_cur != noted.limit[i].rlim_cur ||
            now.rlim_max != noted.limit[i].rlim_max)
            return false;
    return true;
}

/* ---- Places and descriptors ------------------------------------------------------------------ */

static bool take_place(struct place *place, const char *path)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return false;
    place->device = file.st_dev;
    place->inode = file.st_ino;
    return true;
}

static bool is_place(const struct place *then, const char *path)
{
    struct place now;
    return take_place(&now, path) && now.device == then->device && now.inode == then->inode;
}

/* The descriptors of the channel are checked where the trailer is written, those of this file by
 * what they tell, and the region by itself. */
static bool is_checked_otherwise(int fd)
{
    return fd == noted.list_fd || fd == noted.status_fd || fd == fc_child.task.reply_fd || fd == fc_child.task.go_fd ||
           fd == fc_child.task.region_fd;
}

/* Lists what is open, and notes the files behind the first FILES_MAX. Returns how many there are,
 * or -1. */
static long list_files(struct file *files, size_t *count)
{
    _Alignas(struct fc_dirent64) char entries[1024];
    long open = 0;
    long n = lseek(noted.list_fd, 0, SEEK_SET) < 0 ? -1 : 0;
    while (n >= 0 && (n = syscall(SYS_getdents64, noted.list_fd, entries, sizeof entries)) > 0)
        for (long at = 0; at < n;) {
            const struct fc_dirent64 *e = (const struct fc_dirent64 *)(const void *)(entries + at);
            struct stat file;
            at += e->size;
            if (e->name[0] == '.')
                continue;
            open++;
            const int fd = (int)number(e->name);
            if (files != NULL && *count < FILES_MAX && !is_checked_otherwise(fd) && fstat(fd, &file) == 0)
                files[(*count)++] = (struct file){fd, file.st_dev, file.st_ino};
        }
    return n < 0 ? -1 : open;
}

/* How many descriptors are open; -1: not known. Linux 6.2 tells it as the size of the directory. */
static long count_files(void)
{
    struct stat list;
    if (fstat(noted.list_fd, &list) < 0 || !S_ISDIR(list.st_mode))
        return -1;
    return list.st_size > 0 ? (long)list.st_size : list_files(NULL, NULL);
}

static bool note_region(void)
{
    struct stat file = {.st_ino = 0};
    const int fd = fc_child.task.region_fd;
    if (fd >= 0 && fstat(fd, &file) < 0)
        return false;
    noted.region = (struct file){fd, file.st_dev, file.st_ino};
    return true;
}

/* It is the same file, and does not hold what a call has left there. */
static bool region_stays(void)
{
    const struct file *then = &noted.region;
    struct stat now;
    return then->fd < 0 ||
           (fstat(then->fd, &now) == 0 && now.st_dev == then->device && now.st_ino == then->inode && now.st_size == 0);
}

static bool files_stay(void)
{
    struct stat now;
    if (count_files() != noted.open)
        return false;
    for (size_t i = 0; i < noted.files; i++) {
        const struct file *then = &noted.file[i];
        if (fstat(then->fd, &now) < 0 || now.st_dev != then->device || now.st_ino != then->inode)
            return false;
    }
    return region_stays();
}

/* The two descriptors stay open, and stand in a table: processes that the function forks do not get
 * them. */
static bool open_files(void)
{
    static struct fc_fds fds;
    if (fc_fds_open(&fds) < 0)
        return false;
    fds.fd[FC_FD_CHILD_STATUS] = fc_fd_above_streams(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    fds.fd[FC_FD_CHILD_LIST] = fc_fd_above_streams(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    noted.status_fd = fds.fd[FC_FD_CHILD_STATUS];
    noted.list_fd = fds.fd[FC_FD_CHILD_LIST];
    fc_fds_remember(&fds, FC_FD_CHILD_STATUS, FC_FD_REGION);
    return noted.status_fd >= 0 && noted.list_fd >= 0;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The status can only be compared between processes that are alike, so what else the caller has
 * given the child is noted anew. */
static bool note(void)
{
    struct status status;
    noted.files = 0;
    noted.open = list_files(noted.file, &noted.files);
    if (noted.open < 0 || noted.open != count_files() || !read_status(&status) || status.threads != 1)
        return false;
    noted.status_hash = status.hash;
    noted.caught = status.caught;
    noted.ignored = status.ignored;
    if (noted.first_kib == 0)
        noted.first_kib = status.resident_kib;
    return note_region() && note_limits() && take_place(&noted.root, "/") && take_place(&noted.directory, ".");
}

bool fc_fitness_note(const struct fc_caller *caller)
{
    const void *then = &noted.settings; /* compared as bytes, see os/settings.h */
    const void *now = &caller->settings;
    if (noted.is_noted && memcmp(&noted.credentials, &caller->credentials, sizeof noted.credentials) == 0 &&
        memcmp(then, now, sizeof noted.settings) == 0)
        return true;
    noted.credentials = caller->credentials;
    noted.settings = caller->settings;
    noted.is_noted = (noted.is_noted || open_files()) && note();
    return noted.is_noted;
}

/* A thread that was joined is counted until the kernel has done with it, a moment later. */
static bool read_status_of_one_thread(struct status *status)
{
    for (int i = 0; i < THREAD_TRIES; i++) {
        const bool is_read = read_status(status);
        if (!is_read || status->threads == 1)
            return is_read;
        sched_yield();
    }
    return false;
}

bool fc_fitness_holds(uint64_t may_grow)
{
    struct status now;
    if (!fc_child_is_running() || fc_settings_rescheduled() || !read_status_of_one_thread(&now))
        return false;
    if (now.hash != noted.status_hash || now.caught != noted.caught || now.ignored != noted.ignored)
        return false;
    if (now.blocked != 0 || now.pending != 0)
        return false;
    if (now.resident_kib > noted.first_kib && (now.resident_kib - noted.first_kib) * 1024U > may_grow)
        return false;
    return has_no_children() && files_stay() && crashes_are_caught() && no_timer_runs() && limits_stay() &&
           is_place(&noted.root, "/") && is_place(&noted.directory, ".");
}
