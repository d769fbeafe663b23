/* HOST: Linux: Opens the files of modules, above all (Linux 5.12) of those that only a child had
 * loaded.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, statx */
#endif
#include "module/foreign_file.h"

#include "base/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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

/* A process answers for it, which may be a child of this one. */
static bool is_of_a_process(const char *type)
{
    return strncmp(type, "fuse", 4) == 0;
}

struct mount {
    uint64_t id;      /* it is this one */
    const char *path; /* or one that the path may lead through; NULL: the number counts */
    bool (*is_wanted)(const char *type);
    uint64_t unwanted_device;
    bool was_wanted, was_listed;
};

/* True: the path leads through the mount point, which is written with \040 for a space. */
static bool leads_through(const char *path, const char *point)
{
    while (*point != ' ' && *point != 0) {
        if (*point != '\\' && *point != *path)
            return false;
        point += *point == '\\' ? strnlen(point, 4) : 1;
        path++;
    }
    return path[-1] == '/' || *path == '/' || *path == 0;
}

/* The text behind count spaces. */
static const char *skip_fields(const char *line, int count)
{
    for (; count > 0 && line != NULL; count--) {
        line = strchr(line, ' ');
        line = line == NULL ? NULL : line + 1;
    }
    return line;
}

/* The device of a line, "98:0". */
static uint64_t device_of(const char *line)
{
    const char *device = skip_fields(line, 2);
    char *end = NULL;
    const unsigned long first = device == NULL ? 0 : strtoul(device, &end, 10);
    return end == NULL || *end != ':' ? 0 : (uint64_t)makedev((unsigned)first, (unsigned)strtoul(end + 1, NULL, 10));
}

/* Looks at a line of mountinfo: "id parent device root point … - type source options". */
static bool visit_mount(char *line, void *arg)
{
    struct mount *mount = arg;
    char *type = strstr(line, " - ");
    const char *point = skip_fields(line, 4);
    if (type == NULL || point == NULL ||
        (mount->path == NULL ? strtoull(line, NULL, 10) != mount->id : !leads_through(mount->path, point)))
        return true;
    type += 3;
    type[strcspn(type, " ")] = 0;
    mount->was_listed = true;
    mount->was_wanted |= mount->is_wanted(type) && device_of(line) != mount->unwanted_device;
    return mount->path != NULL && !mount->was_wanted;
}

static bool read_mounts(struct mount *mount)
{
    char buffer[4096];
    return fc_lines_read("/proc/self/mountinfo", buffer, sizeof buffer, visit_mount, mount);
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
    if (statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC, STATX_MNT_ID, &root) < 0 || (root.stx_mask & STATX_MNT_ID) == 0 ||
        root.stx_mnt_id != mount_id || statfs("/", &system) < 0)
        return false;
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++)
        if ((uint32_t)system.f_type == locals[i])
            return true;
    return false;
}

static bool is_on_local_file_system(uint64_t mount_id)
{
    struct mount mount = {.id = mount_id, .is_wanted = is_local};
    return read_mounts(&mount) && (mount.was_wanted || (!mount.was_listed && is_in_root_and_local(mount_id)));
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

/* Opens a descriptor that only names the file, without waiting. */
static int name(const char *path)
{
    const struct how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = CACHED | NO_SYMLINKS};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static int open_believed(const struct fc_mapped_file *file, struct statx *status)
{
    const int named = name(file->path);
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

/* A path may lead to a process by now, for whose answer the host would wait for ever. The file
 * system of the device that the module was mapped from has answered before. */

/* Where the kernel would have to ask a file system, or cannot do without. (A process that takes the
 * place of one in between is not noticed.) */
static int open_after_waiting(const char *path, uint64_t device)
{
    struct mount mount = {.path = path, .is_wanted = is_of_a_process, .unwanted_device = device};
    if (!read_mounts(&mount) || mount.was_wanted)
        return -1;
    return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
}

/* Only a file system without a device is a process's: one with a device (fuseblk) needs root. */
static bool is_answered_by_a_process(const struct statx *status, uint64_t device)
{
    struct mount mount = {.id = status->stx_mnt_id, .is_wanted = is_of_a_process, .unwanted_device = device};
    return status->stx_dev_major == 0 && (!read_mounts(&mount) || mount.was_wanted);
}

int fc_own_file_open(const char *path, uint64_t device)
{
    struct statx status;
    const int named = name(path);
    if (named < 0)
        return errno == ENOENT || errno == ELOOP || errno == EACCES ? -1 : open_after_waiting(path, device);
    const bool is_safe =
        get_status(named, &status) && S_ISREG(status.stx_mode) && !is_answered_by_a_process(&status, device);
    const int fd = is_safe ? open_again(named) : -1;
    close(named);
    return fd;
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
