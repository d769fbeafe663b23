/* HOST: What an address in a child means in this process.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/child_address.h"

#include "crash/unwind.h"
#include "module/newest.h"
#include "module/proc_maps.h"

#include <string.h>

static struct fc_mapped_file get(const void *files, size_t i)
{
    struct fc_mapped_file file;
    memcpy(&file, (const unsigned char *)files + i * sizeof file, sizeof file);
    return file;
}

/* True: this process has loaded that module, too. mapped: what it has at the child's address. */
static bool is_here(const struct fc_relocation *relocation, const struct fc_mapped_file *file,
                    const struct fc_mapped *mapped)
{
    uint64_t address = file->start;
    if (relocation != NULL)
        return fc_relocate(relocation, &address);
    return mapped->inode == file->inode && mapped->device == file->device;
}

void fc_child_addresses_init(struct fc_child_addresses *addresses, struct fc_relocation *relocation, const void *files,
                             size_t count)
{
    struct fc_mapped mapped[FC_MAPPED_FILES_MAX] = {0};
    count = count < FC_MAPPED_FILES_MAX ? count : FC_MAPPED_FILES_MAX;
    for (size_t i = 0; i < count; i++)
        mapped[i].address = get(files, i).start;
    if (relocation == NULL && count > 0) {
        fc_mapping_list(mapped, count);
        /* A child by FORK has looked for a new module, and there may be one of this process's
         * own. */
        fc_newest_module_note();
    }
    addresses->relocation = relocation;
    addresses->code_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fc_mapped_file file = get(files, i);
        const uint64_t place = is_here(relocation, &file, &mapped[i]) ? 0 : fc_foreign_place(&file);
        if (place != 0)
            addresses->code[addresses->code_count++] =
                (struct fc_foreign_code){file.start, file.end - file.start, place + (file.start - file.base)};
    }
}

bool fc_child_addresses_differ(const struct fc_child_addresses *addresses)
{
    return addresses->relocation != NULL || fc_foreign_count() != 0;
}

bool fc_child_address_find(const struct fc_child_addresses *addresses, uint64_t *address)
{
    if (addresses->relocation != NULL && fc_relocate(addresses->relocation, address))
        return true;
    /* The return address of a call that is the last instruction stands just behind the code. */
    for (size_t i = 0; i < addresses->code_count; i++)
        if (*address - addresses->code[i].start <= addresses->code[i].size) {
            *address += addresses->code[i].here - addresses->code[i].start;
            return true;
        }
    return false;
}

uint64_t fc_child_address_of_code(const struct fc_child_addresses *addresses, uint64_t address)
{
    uint64_t stripped = fc_unwind_strip(address);
    struct fc_foreign foreign;
    if (fc_child_address_find(addresses, &stripped))
        return stripped;
    if (fc_foreign_find(stripped, &foreign))
        return 0;
    return addresses->relocation != NULL && fc_relocation_is_ours(addresses->relocation, stripped) ? 0 : address;
}
