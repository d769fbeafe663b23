/* ANY: Looks at what lies at a path that a child may have led to a process of its own, as those
 * behind FUSE, which never answers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_PATH_STATUS_H
#define FC_MODULE_PATH_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* As stat(2), but where the system can do that (Linux 4.11), does not ask a process that answers
 * for a file system: -EREMOTE. trusted_device: the device that a module was mapped from, whose file
 * system has answered before; 0: none. Thread-safe. The lock of descriptors (base/descriptors.h) is
 * held only for what does not wait. Returns 0 or -errno. */
int fc_path_status(const char *path, uint64_t trusted_device, struct stat *status);

/* What follows is in path_status.linux.c only. */

struct statx;

struct fc_mount {
    uint64_t id;      /* it is this one */
    const char *path; /* or one that the path leads through; NULL: the number counts */
    bool (*is_wanted)(const char *type);
    uint64_t unwanted_device;
    bool was_wanted, was_listed;
};

/* Looks whether such a mount is of a wanted type. False: the system does not tell. Called with the
 * lock of descriptors. */
bool fc_mounts_read(struct fc_mount *mount);

/* True: the path leads through the mount point, which is written with \040 for a space, and has a
 * space or nothing behind it. */
bool fc_path_leads_through(const char *path, const char *point);

#define FC_PATH_FOLLOW 1U /* symbolic links, too */

/* Opens a descriptor that only names the file (O_PATH), without waiting. Returns -errno. Called
 * with the lock of descriptors. */
int fc_path_name(const char *path, unsigned flags);

/* True: the error of fc_path_name says that the file system would have to be asked, or that this
 * system does not know such a descriptor. */
bool fc_path_must_walk(int error);

/* As statx(2), from what the kernel has in memory where the file system allows that. Follows no
 * symbolic link, and mounts nothing. Returns 0 or -errno. */
int fc_path_ask(int folder, const char *path, int flags, struct statx *status);

/* Looks at each folder of the path before it looks into it. May wait for a file system, so it is
 * called without the lock of descriptors. */
int fc_path_walk(const char *path, unsigned flags, uint64_t trusted_device, struct stat *status);

/* True: a process answers for the file. One with a device (fuseblk) needs root, and counts as none.
 * Called with the lock of descriptors. */
bool fc_path_is_of_a_process(const struct statx *status, uint64_t trusted_device);

#endif
