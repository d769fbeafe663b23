/* HOST: Opens the file of a module that is loaded here, or that a child has told of.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_MODULE_FILE_H
#define FC_MODULE_MODULE_FILE_H

#include "base/descriptors.h"
#include "module/foreign.h"

struct fc_opened_file {
    int fd;
    uint64_t size;
    int64_t changed_s, changed_ns;
    bool is_foreign; /* only a child has loaded the module */
    /* Somebody but root may cut the file short: who has mapped it then may be ended by SIGBUS. */
    bool may_be_cut;
    /* A child of this process may have written it. */
    bool may_be_forged;
};

/* Opens for reading the very file that is mapped at the address. Children of the same user may have
 * put anything in its place: a device, a FIFO and the like are not opened, no symbolic link is
 * followed (Linux 5.12), and no process is waited for (FUSE). The descriptor stands in the table,
 * at an entry that was empty, from the moment when it is opened, so no child keeps it. False:
 * another file has taken its place, or the system does not tell; the entry is empty. Called without
 * the lock of descriptors, because the file system of the host's own module may keep it waiting. */
bool fc_module_file_open(uint64_t address, struct fc_fds *fds, enum fc_fd entry, struct fc_opened_file *file);

/* True: nobody has changed it since it was opened. */
bool fc_module_file_is_unchanged(const struct fc_opened_file *file);

#endif
