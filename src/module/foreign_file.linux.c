/* HOST: Linux: Opens the files of modules, above all (Linux 5.12) of those that only a child had
 * loaded.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, statx */
#endif
#include "module/foreign_file.h"

#include "base/descriptors.h"
#include "module/path_status.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif

int64_t fc_foreign_believed_before = 0;

__attribute__((constructor)) static void note_time(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0)
        fc_foreign_believed_before = now.tv_sec;
}

/* ---- The file system ------------------------------------------------------------------------- */

/* Those that answer by themselves, without a server or a process of a user, and note the time of a
 * change: those in memory (tmpfs, ramfs) do not, where the file is mapped and written there. */
static bool is_local(const char *type)
{
    static const char locals[] = " ext2 ext3 ext4 xfs btrfs f2fs bcachefs zfs jfs overlay squashfs erofs ";
    const char *found = strstr(locals, type);
    const size_t length = strlen(type);
    return length > 0 && found != NULL && found > locals && found[-1] == ' ' && found[length] == ' ';
}

/* After chroot(2) to a folder, the mount that the folder lies in is not listed: the numbers of the
 * same types (statfs(2)). Asking does not wait for anybody who did not have to answer for "/"
 * before. */
static bool is_in_root_and_local(uint64_t mount_id)
{
    static const uint32_t locals[] = {
        0x0000EF53, /* ext2, ext3, ext4 */
        0x58465342, /* xfs */
        0x9123683E, /* btrfs */
        0xF2F52010, /* f2fs */
        0x794C7630, /* overlay */
        0x73717368, /* squashfs */
        0xE0F5E1E2, /* erofs */
    };
    struct statx root;
    struct statfs system;
    if (fc_path_ask(AT_FDCWD, "/", 0, &root) < 0 || (root.stx_mask & STATX_MNT_ID) == 0 ||
        root.stx_mnt_id != mount_id || statfs("/", &system) < 0)
        return false;
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++)
        if ((uint32_t)system.f_type == locals[i])
            return true;
    return false;
}

static bool is_on_local_file_system(uint64_t mount_id)
{
    struct fc_mount mount = {.id = mount_id, .is_wanted = is_local};
    return fc_mounts_read(&mount) && (mount.was_wanted || (!mount.was_listed && is_in_root_and_local(mount_id)));
}

/* ---- The file -------------------------------------------------------------------------------- */

/* The device is not compared: file systems with several layers tell different ones. */
static bool may_be_believed(const struct statx *status, const struct fc_mapped_file *file)
{
    const unsigned wanted = STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO | STATX_SIZE | STATX_CTIME | STATX_MNT_ID;
    return (status->stx_mask & wanted) == wanted && S_ISREG(status->stx_mode) && status->stx_ino == file->inode &&
           (status->stx_mode & S_IWOTH) == 0 && (status->stx_uid == 0 || status->stx_uid == geteuid()) &&
           status->stx_ctime.tv_sec < fc_foreign_believed_before && is_on_local_file_system(status->stx_mnt_id);
}

static bool get_status(int fd, struct statx *status)
{
    return fc_path_ask(fd, "", AT_EMPTY_PATH, status) == 0;
}

/* Opens for reading what fd only names. */
static int open_again(int fd)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_believed(const struct fc_mapped_file *file, struct statx *status)
{
    const int named = fc_path_name(file->path, 0);
    if (named < 0)
        return -1;
    const int fd = get_status(named, status) && may_be_believed(status, file) ? open_again(named) : -1;
    close(named);
    return fd;
}

int fc_foreign_open(const struct fc_foreign *module)
{
    struct statx status;
    return open_believed(&module->file, &status);
}

/* ---- A file of this process's own ------------------------------------------------------------ */

static int open_at_once(const char *path, uint64_t device)
{
    struct statx status;
    const int named = fc_path_name(path, 0);
    if (named < 0)
        return named;
    const bool is_safe =
        get_status(named, &status) && S_ISREG(status.stx_mode) && !fc_path_is_of_a_process(&status, device);
    const int fd = is_safe ? open_again(named) : -ENOENT;
    close(named);
    return fd;
}

/* False: the path must be walked first, which may wait. */
static bool is_decided_at_once(const char *path, uint64_t device, int *fd)
{
    fc_fds_lock();
    *fd = open_at_once(path, device);
    fc_fds_unlock();
    return !fc_path_must_walk(*fd);
}

void fc_own_file_open(const char *path, uint64_t device, int *fd)
{
    struct stat walked;
    if (is_decided_at_once(path, device, fd) || fc_path_walk(path, 0, device, &walked) < 0 ||
        !S_ISREG(walked.st_mode) || is_decided_at_once(path, device, fd))
        return; /* what the walk has met is in the kernel's memory the second time */
    /* A kernel that cannot do without waiting. (A process that takes the place of a folder after
     * the walk is not noticed.) */
    fc_fds_lock();
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
    fc_fds_unlock();
}

/* ---- Its code -------------------------------------------------------------------------------- */

#define SEGMENTS_MAX 32U /* linkers make a dozen */

static size_t read_segments(int fd, ElfW(Phdr) segments[SEGMENTS_MAX])
{
    ElfW(Ehdr) header;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof segments[0] ||
        header.e_phnum > SEGMENTS_MAX || header.e_phoff > INT32_MAX)
        return 0;
    const size_t size = header.e_phnum * sizeof segments[0];
    return pread(fd, segments, size, (off_t)header.e_phoff) == (ssize_t)size ? header.e_phnum : 0;
}

/* Widens the range that a child has told of to that of all the code. False: the module has no such
 * code there. */
static bool widen(struct fc_mapped_file *file, const ElfW(Phdr) * segments, size_t count)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const ElfW(Phdr) *first = NULL;
    struct fc_mapped_file whole = *file;
    bool is_there = false;
    whole.end = 0;
    for (size_t i = 0; i < count; i++) {
        const ElfW(Phdr) *segment = &segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        first = first == NULL ? segment : first;
        if ((segment->p_flags & PF_X) == 0 || segment->p_vaddr < first->p_vaddr || first->p_offset >= page)
            continue;
        const uint64_t offset = segment->p_offset / page * page;
        const uint64_t start = file->base + (segment->p_vaddr / page - first->p_vaddr / page) * page;
        const uint64_t end = start + (segment->p_vaddr % page + segment->p_filesz + page - 1) / page * page;
        if (whole.end == 0) {
            whole.start = start;
            whole.offset = offset;
        }
        whole.end = end > whole.end ? end : whole.end;
        is_there |= file->start >= start && file->end <= end && file->offset - offset == file->start - start;
    }
    *file = is_there ? whole : *file;
    return is_there;
}

bool fc_foreign_check(struct fc_mapped_file *file)
{
    ElfW(Phdr) segments[SEGMENTS_MAX];
    struct statx status;
    const int fd = open_believed(file, &status);
    if (fd < 0)
        return false;
    const bool is_true = widen(file, segments, read_segments(fd, segments));
    close(fd);
    if (is_true)
        file->device = (uint64_t)makedev(status.stx_dev_major, status.stx_dev_minor);
    return is_true;
}
