/* HOST: Opens the files of modules, above all of those that only a child had loaded.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_FOREIGN_FILE_H
#define FC_MODULE_FOREIGN_FILE_H

#include "module/foreign.h"

/* Files that have changed in this second or later (CLOCK_REALTIME) are not believed. The time when
 * this process has loaded the library; only tests change it. */
extern int64_t fc_foreign_believed_before;

/* Opens the file for reading, if it may be believed: it is the very file that the child has told
 * of, it is regular, it belongs to root or to this process's user, not everybody may write to it,
 * and it has not changed since this process has loaded the library, so that no child of this
 * process has written it. (Debug information is read by a library that was not made for files of an
 * enemy.) The path comes from the child, so it is only followed as far as the kernel can do that
 * without asking a device or another process, which may never answer; a device, a FIFO and the like
 * are not opened; and the file system must be one on a disk of this machine's. Returns a
 * descriptor that is closed on exec, or -1. Thread-safe; called with the lock of descriptors. */
int fc_foreign_open(const struct fc_foreign *module);

/* Opens for reading what lies by now at the path of a module of this process, which was mapped from
 * that device. Where the system can do that (Linux 5.12), follows no symbolic link, and waits for
 * no process that may never answer, as those behind FUSE. Sets *fd, which stands in a table, with
 * the lock of descriptors. May wait for a file system, but not with the lock. A negative *fd, or
 * none: there is no file, or it may not be opened. */
void fc_own_file_open(const char *path, uint64_t device, int *fd);

/* True: the file may be believed, and is a module that has such code at such a place. Replaces what
 * the child has told by what the file says: its device and inode, and the range of all its code.
 * Called with the lock of descriptors (base/descriptors.h). */
bool fc_foreign_check(struct fc_mapped_file *file);

#endif
