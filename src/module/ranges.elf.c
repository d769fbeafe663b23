/* ANY: ELF: Lists where modules lie, by dl_iterate_phdr().
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "module/ranges.h"

#include "base/hash.h"
#include "base/path.h"
#include "module/elf_module.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
    struct fc_module_range *ranges;
    size_t count, max;
    unsigned modules;
};

/* A part of a module without a hole. The addresses are those in the file. */
struct part {
    uintptr_t start, last;
};

static bool is_loaded(const ElfW(Phdr) * segment)
{
    return segment->p_type == PT_LOAD && segment->p_memsz > 0 &&
           segment->p_memsz - 1 <= (uintptr_t)UINTPTR_MAX - segment->p_vaddr;
}

/* Joins the segments from *next on that lie page on page. Modules that are linked for larger pages
 * than this system's have holes between their segments, where other memory may lie. False: no
 * segment is left. */
static bool next_part(const struct fc_elf_module *module, ElfW(Half) * next, struct part *part)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    bool found = false;
    for (; *next < module->segment_count; ++*next) {
        const ElfW(Phdr) *segment = &module->segments[*next];
        if (!is_loaded(segment))
            continue;
        const uintptr_t last = segment->p_vaddr + (segment->p_memsz - 1);
        if (found && (segment->p_vaddr < part->start || segment->p_vaddr / page > part->last / page + 1))
            return true;
        if (!found)
            part->start = part->last = segment->p_vaddr;
        part->last = last > part->last ? last : part->last;
        found = true;
    }
    return found;
}

/* Hashes a module's path, made absolute. The loader has a relative path if the module was loaded by
 * one, and the other process may have an absolute one. */
static uint64_t hash_path(const char *path)
{
    char *absolute = path[0] != '/' && strchr(path, '/') != NULL ? realpath(path, NULL) : NULL;
    const char *told = absolute != NULL ? absolute : path;
    const uint64_t hash = fc_hash(FC_HASH_START, told, strlen(told));
    free(absolute);
    return hash;
}

/* What all ranges of a module have in common. */
static struct fc_module_range identify(const struct fc_elf_module *module, const char *path)
{
    struct fc_module_range range = {0};
    struct fc_module_id id;
    const bool has_build = fc_elf_identify_build(module, &id);
    range.key = fc_hash(FC_HASH_START, &module->is_program, sizeof module->is_program);
    range.key = fc_hash(range.key, id.bytes, id.size);
    if (module->is_program) /* the program may be called by any name */
        return range;
    if (!has_build)
        range.key = fc_hash(range.key, fc_path_last_part(path), strlen(fc_path_last_part(path)));
    range.path = hash_path(path);
    return range;
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct list *list = arg;
    (void)size;
    const struct fc_elf_module module = fc_elf_module(info, list->modules++ == 0);
    const struct fc_module_range whole = identify(&module, info->dlpi_name != NULL ? info->dlpi_name : "");
    struct part part = {0, 0};
    for (ElfW(Half) next = 0; list->count < list->max && next_part(&module, &next, &part);) {
        const uint64_t start = part.start;
        struct fc_module_range *range = &list->ranges[list->count++];
        *range = whole;
        range->start = module.bias + part.start;
        range->size = part.last - part.start + 1;
        range->key = fc_hash(whole.key, &start, sizeof start);
    }
    return list->count == list->max;
}

size_t fc_module_ranges_list(struct fc_module_range *ranges, size_t max)
{
    struct list list = {.ranges = ranges, .max = max};
    (void)dl_iterate_phdr(visit, &list);
    return list.count;
}
