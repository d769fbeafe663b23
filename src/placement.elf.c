/* Modules by dl_iterate_phdr().
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "placement.h"

#include "elf_module.h"
#include "hash.h"

#include <string.h>

struct list {
    struct fc_placement *placements;
    size_t count, max;
    unsigned modules;
};

/* From the first segment to the end of the last. Size 0: there is none. */
static void find_extent(const struct fc_elf_module *module, struct fc_placement *placement)
{
    uintptr_t first = UINTPTR_MAX;
    uintptr_t end = 0;
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *segment = &module->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        first = segment->p_vaddr < first ? segment->p_vaddr : first;
        end = segment->p_vaddr + segment->p_memsz > end ? segment->p_vaddr + segment->p_memsz : end;
    }
    placement->start = module->bias + first;
    placement->size = end > first ? end - first : 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void identify(const struct fc_elf_module *module, const char *path, struct fc_placement *placement)
{
    struct fc_module_id id;
    const bool has_build = fc_elf_identify_build(module, &id);
    placement->key = fc_hash(FC_HASH_START, &module->is_program, sizeof module->is_program);
    placement->key = fc_hash(placement->key, id.bytes, id.size);
    placement->path = 0;
    if (module->is_program) /* it may be called by any name */
        return;
    if (!has_build)
        placement->key = fc_hash(placement->key, last_part(path), strlen(last_part(path)));
    placement->path = fc_hash(FC_HASH_START, path, strlen(path));
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct list *list = arg;
    (void)size;
    if (list->count == list->max)
        return 1;
    const struct fc_elf_module module = fc_elf_module(info, list->modules++ == 0);
    struct fc_placement *placement = &list->placements[list->count];
    find_extent(&module, placement);
    if (placement->size == 0)
        return 0;
    identify(&module, info->dlpi_name != NULL ? info->dlpi_name : "", placement);
    list->count++;
    return 0;
}

size_t fc_placements_list(struct fc_placement *placements, size_t max)
{
    struct list list = {.placements = placements, .max = max};
    (void)dl_iterate_phdr(visit, &list);
    return list.count;
}
