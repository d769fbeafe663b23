/* HOST: Opens the file of a module that is loaded here, or that a child has told of.
 *
 * SPDX-License-Identifier: MIT */
#include "module/module_file.h"

#include "module/foreign_file.h"
#include "module/proc_maps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens the program's own file, if that is what is mapped. No path is followed, and the kernel lets
 * nobody write to the file of a program that runs. */
static int open_program(const struct fc_mapping *mapping)
{
    char path[FC_MAPPING_PATH_MAX];
    const size_t length = strlen(mapping->path);
    const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    /* A deleted file has a mark behind its path. */
    if (size < (ssize_t)length || memcmp(path, mapping->path, length) != 0)
        return -1;
    return open("/proc/self/exe", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* True: the descriptor is that file. Notes what is known of it. The device is not compared: file
 * systems with several layers tell different ones. */
static bool is_file(struct fc_opened_file *file, int fd, uint64_t inode, bool is_program)
{
    struct stat status;
    file->fd = fd;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_ino != inode)
        return false;
    const bool is_roots = status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    file->size = (uint64_t)status.st_size;
    file->changed_s = status.st_ctim.tv_sec;
    file->changed_ns = status.st_ctim.tv_nsec;
    file->may_be_cut = !is_program && (!is_roots || geteuid() == 0);
    file->may_be_forged = file->may_be_cut && file->changed_s >= fc_foreign_believed_before;
    return true;
}

bool fc_module_file_open(uint64_t address, struct fc_fds *fds, enum fc_fd entry, struct fc_opened_file *file)
{
    struct fc_mapping mapping;
    struct fc_foreign foreign;
    int *fd = &fds->fd[entry];
    *file = (struct fc_opened_file){.is_foreign = fc_foreign_find(address, &foreign)};
    if (file->is_foreign) {
        fc_fds_lock();
        *fd = fc_foreign_open(&foreign);
        fc_fds_unlock();
        if (is_file(file, *fd, foreign.file.inode, false))
            return true;
    } else if (fc_mapping_find(address, &mapping) == 0) {
        fc_fds_lock();
        *fd = open_program(&mapping);
        fc_fds_unlock();
        if (is_file(file, *fd, mapping.inode, true))
            return true;
        fc_fds_close(fds, entry);
        fc_own_file_open(mapping.path, mapping.device, fd);
        if (is_file(file, *fd, mapping.inode, false))
            return true;
    }
    fc_fds_close(fds, entry);
    return false;
}

bool fc_module_file_is_unchanged(const struct fc_opened_file *file)
{
    struct stat status;
    return fstat(file->fd, &status) == 0 && (uint64_t)status.st_size == file->size &&
           status.st_ctim.tv_sec == file->changed_s && status.st_ctim.tv_nsec == file->changed_ns;
}
