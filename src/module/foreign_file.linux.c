/* HOST: Linux 5.12 and later: Opens the file of a module that only a child had loaded.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, statx, memfd_create */
#endif
#include "module/foreign_file.h"

#include "base/io.h"
#include "base/lines.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* As in linux/openat2.h, which not every C library brings. */
struct how {
    uint64_t flags, mode, resolve;
};
#define NO_SYMLINKS 0x04U /* /proc tells the path without any */
#define CACHED 0x20U      /* fails where a file system would have to be asked */

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

struct mount {
    uint64_t id;
    bool is_local;
};

/* Looks at a line of mountinfo: "id parent … - type source options". */
static bool visit_mount(char *line, void *arg)
{
    struct mount *mount = arg;
    if (strtoull(line, NULL, 10) != mount->id)
        return true;
    char *type = strstr(line, " - ");
    if (type != NULL) {
        type += 3;
        type[strcspn(type, " ")] = 0;
        mount->is_local = is_local(type);
    }
    return false;
}

static bool is_on_local_file_system(uint64_t mount_id)
{
    char buffer[4096];
    struct mount mount = {.id = mount_id};
    return fc_lines_read("/proc/self/mountinfo", buffer, sizeof buffer, visit_mount, &mount) && mount.is_local;
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
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID, status) == 0;
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
    const struct how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = CACHED | NO_SYMLINKS};
    const int named = (int)syscall(SYS_openat2, AT_FDCWD, file->path, &how, sizeof how);
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

/* ---- A copy ---------------------------------------------------------------------------------- */

static bool copy(int from, int to, uint64_t size)
{
    char bytes[4096];
    while (size > 0) {
        const ssize_t n = fc_read(from, bytes, size < sizeof bytes ? (size_t)size : sizeof bytes);
        struct iovec part = fc_part(bytes, n > 0 ? (size_t)n : 0);
        if (n <= 0 || fc_write_all(to, &part, 1) < 0)
            return false;
        size -= (uint64_t)n;
    }
    return true;
}

/* True: a file of this size can be made without SIGXFSZ. */
static bool is_within_limits(uint64_t size, uint64_t room)
{
    struct rlimit limit;
    return size <= room && getrlimit(RLIMIT_FSIZE, &limit) == 0 && size <= limit.rlim_cur;
}

static bool is_unchanged(const struct statx *before, const struct statx *after)
{
    return before->stx_size == after->stx_size && before->stx_ctime.tv_sec == after->stx_ctime.tv_sec &&
           before->stx_ctime.tv_nsec == after->stx_ctime.tv_nsec;
}

int fc_foreign_open_copy(const struct fc_foreign *module, uint64_t *room)
{
    struct statx before;
    struct statx after;
    const int fd = fc_foreign_open(module);
    int made = -1;
    if (fd < 0)
        return -1;
    if (get_status(fd, &before) && is_within_limits(before.stx_size, *room))
        made = memfd_create("forkcall-module", MFD_CLOEXEC);
    const bool is_whole =
        made >= 0 && copy(fd, made, before.stx_size) && get_status(fd, &after) && is_unchanged(&before, &after);
    close(fd);
    if (made >= 0 && !is_whole) {
        close(made);
        made = -1;
    }
    if (made >= 0)
        *room -= before.stx_size;
    return made;
}
