/* Opens files of every kind at the numbers that were the library's descriptors. */
#include "own_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/timerfd.h>
#endif

void close_everything(void)
{
    for (int fd = FIRST; fd < END; fd++)
        close(fd);
}

/* Opens a descriptor of a different kind at each turn. */
static int open_some(int turn)
{
#if defined(__linux__)
    if (turn % 4 == 1)
        return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (turn % 4 == 2)
        return epoll_create1(EPOLL_CLOEXEC);
#endif
    if (turn % 4 == 3) {
        int ends[2];
        return pipe(ends) < 0 ? -1 : ends[0];
    }
    FILE *file = tmpfile();
    return file == NULL ? -1 : fileno(file);
}

bool open_everything(struct files *files, int turn)
{
    int fd;
    do
        fd = open_some(turn++);
    while (fd >= 0 && fd < END - 8);
    memset(files, 0, sizeof *files);
    for (int i = FIRST; fd >= 0 && i < END; i++)
        if (fstat(i, &files->stat[i]) < 0)
            files->stat[i].st_nlink = 0xdead;
    return fd >= 0;
}

static bool is_armed(int fd)
{
#if defined(__linux__)
    struct itimerspec when;
    return timerfd_gettime(fd, &when) == 0 && (when.it_value.tv_sec != 0 || when.it_value.tv_nsec != 0);
#else
    (void)fd;
    return false;
#endif
}

bool are_untouched(const struct files *files)
{
    for (int fd = FIRST; fd < END; fd++) {
        struct stat now;
        if (files->stat[fd].st_nlink == 0xdead)
            continue;
        if (fstat(fd, &now) < 0 || now.st_ino != files->stat[fd].st_ino || now.st_dev != files->stat[fd].st_dev ||
            now.st_mode != files->stat[fd].st_mode || now.st_size != files->stat[fd].st_size || is_armed(fd) ||
            (S_ISREG(now.st_mode) && lseek(fd, 0, SEEK_CUR) > 0)) {
            fprintf(stderr, "descriptor %d is not what it was\n", fd);
            return false;
        }
    }
    return true;
}

bool are_all(const struct files *files)
{
    bool all = true;
    for (int fd = FIRST; fd < 2 * END; fd++)
        if ((fd >= END || files->stat[fd].st_nlink == 0xdead) && fcntl(fd, F_GETFD) >= 0) {
            fprintf(stderr, "descriptor %d is left behind\n", fd);
            all = false;
        }
    return all;
}

bool fork_has(const struct files *files)
{
    int status;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(are_untouched(files) ? 0 : 1);
    return waitpid(pid, &status, 0) == pid && status == 0;
}
