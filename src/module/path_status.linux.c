/* ANY: Linux: Looks at what lies at a path, and asks no process that answers for a file system.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, statx */
#endif
#include "module/path_status.h"

#include "base/descriptors.h"
#include "base/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

#define PATH_SIZE 1024U /* of the longest path that is walked */
#define LINKS_MAX 40

/* ---- Mounts ---------------------------------------------------------------------------------- */

/* A process answers for it, which may be a child of this one. */
static bool is_of_a_process(const char *type)
{
    return strncmp(type, "fuse", 4) == 0;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Reads a character of a mount point, or three octal digits for one. */
static char next_of_point(const char **point)
{
    const char *p = *point;
    if (p[0] != '\\' || !is_octal(p[1]) || !is_octal(p[2]) || !is_octal(p[3])) {
        *point = p + 1;
        return p[0];
    }
    *point = p + 4;
    return (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
}

bool fc_path_leads_through(const char *path, const char *point)
{
    char last = 0;
    while (*point != ' ' && *point != 0) {
        last = next_of_point(&point);
        if (*path == 0 || *path++ != last)
            return false;
    }
    return last != 0 && (last == '/' || *path == '/' || *path == 0);
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

/* True: the line, which begins with the mount's number, is one of those that are looked for. */
static bool is_it(const struct fc_mount *mount, const char *line, const char *point)
{
    return mount->path == NULL ? strtoull(line, NULL, 10) == mount->id : fc_path_leads_through(mount->path, point);
}

/* Looks at a line of mountinfo: "id parent device root point … - type source options". */
static bool visit_mount(char *line, void *arg)
{
    struct fc_mount *mount = arg;
    char *type = strstr(line, " - ");
    const char *point = skip_fields(line, 4);
    if (type == NULL || point == NULL || !is_it(mount, line, point))
        return true;
    type += 3;
    type[strcspn(type, " ")] = 0;
    mount->was_listed = true;
    /* The root was mounted before this process began, and has answered. */
    const bool is_trusted = mount->is_wanted == is_of_a_process && point[1] == ' ';
    mount->was_wanted |= !is_trusted && mount->is_wanted(type) && device_of(line) != mount->unwanted_device;
    return mount->path != NULL && !mount->was_wanted;
}

bool fc_mounts_read(struct fc_mount *mount)
{
    char buffer[4096];
    return fc_lines_read("/proc/self/mountinfo", buffer, sizeof buffer, visit_mount, mount);
}

static bool leads_to_a_process(const char *path, uint64_t trusted_device)
{
    struct fc_mount mount = {.path = path, .is_wanted = is_of_a_process, .unwanted_device = trusted_device};
    fc_fds_lock();
    const bool is_read = fc_mounts_read(&mount);
    fc_fds_unlock();
    return is_read && mount.was_wanted;
}

bool fc_path_is_of_a_process(const struct statx *status, uint64_t trusted_device)
{
    struct fc_mount mount = {.id = status->stx_mnt_id, .is_wanted = is_of_a_process, .unwanted_device = trusted_device};
    return status->stx_dev_major == 0 && fc_mounts_read(&mount) && mount.was_wanted;
}

/* ---- At once --------------------------------------------------------------------------------- */

int fc_path_name(const char *path, unsigned flags)
{
    const bool follow = (flags & FC_PATH_FOLLOW) != 0;
    const struct how how = {.flags = O_PATH | O_CLOEXEC | (follow ? 0U : (unsigned)O_NOFOLLOW),
                            .resolve = CACHED | (follow ? 0U : NO_SYMLINKS)};
    /* A tool that does not know the call says so each time (valgrind 3.19). */
    static atomic_bool is_unknown;
    if (atomic_load(&is_unknown))
        return -ENOSYS;
    const int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0 && errno == ENOSYS)
        atomic_store(&is_unknown, true);
    return fd < 0 ? -errno : fd;
}

/* The latter three: a kernel before 5.12, or a filter of system calls. */
bool fc_path_must_walk(int error)
{
    return error == -EAGAIN || error == -EINVAL || error == -ENOSYS || error == -EPERM;
}

static void translate(const struct statx *from, struct stat *to)
{
    *to = (struct stat){.st_mode = from->stx_mode, .st_size = (off_t)from->stx_size};
    to->st_dev = makedev(from->stx_dev_major, from->stx_dev_minor);
    to->st_ino = (ino_t)from->stx_ino;
    to->st_mtim.tv_sec = (time_t)from->stx_mtime.tv_sec;
    to->st_mtim.tv_nsec = (long)from->stx_mtime.tv_nsec;
}

/* Not by the C library, which asks the file system in place of a kernel that has no such call. */
int fc_path_ask(int folder, const char *path, int flags, struct statx *status)
{
    flags |= AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC;
    return syscall(SYS_statx, folder, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, status) == 0 ? 0 : -errno;
}

/* Takes the status of what fd names. */
static int take_status(int fd, uint64_t trusted_device, struct stat *status)
{
    struct statx told;
    const int r = fc_path_ask(fd, "", AT_EMPTY_PATH, &told);
    if (r < 0)
        return r;
    translate(&told, status);
    return (uint64_t)status->st_dev != trusted_device && fc_path_is_of_a_process(&told, trusted_device) ? -EREMOTE : 0;
}

/* ---- Step by step ---------------------------------------------------------------------------- */

struct walk {
    uint64_t trusted_device, device; /* of the folder that was looked at last */
    int links;
    char done[PATH_SIZE]; /* has no symbolic link in it */
    char rest[PATH_SIZE];
};

/* Looks at what done leads to. The folder that it lies in has been looked at. */
static int look(struct walk *walk, struct stat *status)
{
    struct statx told;
    const int r = fc_path_ask(AT_FDCWD, walk->done, 0, &told);
    if (r == 0) {
        translate(&told, status);
        const bool is_new = (uint64_t)status->st_dev != walk->device && told.stx_dev_major == 0;
        walk->device = (uint64_t)status->st_dev;
        return is_new && leads_to_a_process(walk->done, walk->trusted_device) ? -EREMOTE : 0;
    }
    if (r != -ENOSYS && r != -EPERM)
        return r;
    if (leads_to_a_process(walk->done, walk->trusted_device))
        return -EREMOTE;
    return lstat(walk->done, status) == 0 ? 0 : -errno;
}

/* Puts what a symbolic link says in the place of its name, which ends done. */
static int follow_link(struct walk *walk)
{
    char link[PATH_SIZE], rest[PATH_SIZE];
    const ssize_t size = readlink(walk->done, link, sizeof link - 1);
    if (size <= 0 || ++walk->links > LINKS_MAX)
        return size < 0 ? -errno : -ELOOP;
    link[size] = 0;
    memcpy(rest, walk->rest, sizeof rest);
    const int length = snprintf(walk->rest, sizeof walk->rest, "%s/%s", link, rest);
    if (length < 0 || (size_t)length >= sizeof walk->rest)
        return -ENAMETOOLONG;
    *(link[0] == '/' ? walk->done : strrchr(walk->done, '/')) = 0;
    return 0;
}

/* Moves the first name of rest to the end of done. Returns 1; 0: there is none; -ENAMETOOLONG. */
static int take_name(struct walk *walk)
{
    const size_t start = strspn(walk->rest, "/");
    const size_t length = strcspn(walk->rest + start, "/");
    const size_t before = strlen(walk->done);
    if (length == 0)
        return 0;
    if (before + 1 + length >= sizeof walk->done)
        return -ENAMETOOLONG;
    walk->done[before] = '/';
    memcpy(walk->done + before + 1, walk->rest + start, length);
    walk->done[before + 1 + length] = 0;
    memmove(walk->rest, walk->rest + start + length, strlen(walk->rest + start + length) + 1);
    return 1;
}

/* For a path that is longer than those that are walked: looks at the mounts that it names. */
static int look_at_once(const char *path, unsigned flags, uint64_t trusted_device, struct stat *status)
{
    if (leads_to_a_process(path, trusted_device))
        return -EREMOTE;
    if (((flags & FC_PATH_FOLLOW) != 0 ? stat(path, status) : lstat(path, status)) < 0)
        return -errno;
    return S_ISLNK(status->st_mode) ? -ELOOP : 0;
}

int fc_path_walk(const char *path, unsigned flags, uint64_t trusted_device, struct stat *status)
{
    struct walk walk = {.trusted_device = trusted_device};
    int r = path[0] == '/' ? 1 : -ENOENT;
    if (r > 0 && strlen(path) >= sizeof walk.rest)
        return look_at_once(path, flags, trusted_device, status);
    memcpy(walk.rest, path, strlen(path) + 1);
    *status = (struct stat){0};
    while (r >= 0 && (r = take_name(&walk)) > 0) {
        r = look(&walk, status);
        if (r == 0 && S_ISLNK(status->st_mode))
            r = (flags & FC_PATH_FOLLOW) != 0 ? follow_link(&walk) : -ELOOP;
    }
    return r;
}

int fc_path_status(const char *path, uint64_t trusted_device, struct stat *status)
{
    fc_fds_lock();
    const int fd = fc_path_name(path, FC_PATH_FOLLOW);
    const int r = fd < 0 ? fd : take_status(fd, trusted_device, status);
    if (fd >= 0)
        close(fd);
    fc_fds_unlock();
    return fc_path_must_walk(r) ? fc_path_walk(path, FC_PATH_FOLLOW, trusted_device, status) : r;
}
