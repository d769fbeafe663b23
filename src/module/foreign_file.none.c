/* HOST: Opens no file of a foreign module: this system cannot look a path up without waiting.
 *
 * SPDX-License-Identifier: MIT */
#include "module/foreign_file.h"

int64_t fc_foreign_believed_before = 0;

int fc_foreign_open(const struct fc_foreign *module)
{
    (void)module;
    return -1;
}

bool fc_foreign_check(struct fc_mapped_file *file)
{
    (void)file;
    return false;
}

int fc_foreign_open_copy(const struct fc_foreign *module, uint64_t *room)
{
    (void)module;
    (void)room;
    return -1;
}
