/* Modules by dl_iterate_phdr(), which knows static programs, too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "module.h"

#include "elf_module.h"
#include "fds.h"
#include "mapping.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- What was named lately ----------------------------------------------------------------------------------- */

struct known {
    uintptr_t bias, start, size; /* the code: a segment. Size 0: nothing is known */
    unsigned long long unloads;  /* as there were when it was named */
    struct fc_module_function name;
};

/* Never waited for: a process that was forked while another thread had it does without. */
static atomic_flag cache_taken = ATOMIC_FLAG_INIT;
static struct known cache[8];
static unsigned cache_next;

static bool lock_cache(void)
{
    for (int tries = 0; tries < 20; tries++) {
        if (!atomic_flag_test_and_set_explicit(&cache_taken, memory_order_acquire))
            return true;
        sched_yield();
    }
    return false;
}

static void unlock_cache(void)
{
    atomic_flag_clear_explicit(&cache_taken, memory_order_release);
}

static int visit_unloads(struct dl_phdr_info *info, size_t size, void *unloads)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
        *(unsigned long long *)unloads = info->dlpi_subs;
    return 1;
}

/* How many modules have been unloaded: where another has taken the place of one, this has grown. ULLONG_MAX: not known. */
static unsigned long long count_unloads(void)
{
    unsigned long long unloads = ULLONG_MAX;
    (void)dl_iterate_phdr(visit_unloads, &unloads);
    return unloads;
}

/* The program is never unloaded. */
static bool is_valid(const struct known *known, unsigned long long unloads)
{
    return known->size != 0 && (known->name.is_program || (known->unloads == unloads && unloads != ULLONG_MAX));
}

/* All of a name but its offset. */
static void copy_name(struct fc_module_function *to, const struct fc_module_function *from)
{
    memcpy(to, from, offsetof(struct fc_module_function, path) + from->path_size);
}

static bool recall_name(uintptr_t address, unsigned long long unloads, struct fc_module_function *name)
{
    bool found = false;
    if (!lock_cache())
        return false;
    for (size_t i = 0; i < sizeof cache / sizeof *cache && !found; i++) {
        const struct known *known = &cache[i];
        if (!is_valid(known, unloads) || address - known->start >= known->size)
            continue;
        copy_name(name, &known->name);
        name->offset = address - known->bias;
        found = true;
    }
    unlock_cache();
    return found;
}

/* 0: not known. */
static uintptr_t recall_program(const struct fc_module_function *name)
{
    uintptr_t found = 0;
    if (!name->is_program || !lock_cache())
        return 0;
    for (size_t i = 0; i < sizeof cache / sizeof *cache && found == 0; i++) {
        const struct known *known = &cache[i];
        const uintptr_t address = known->bias + (uintptr_t)name->offset;
        if (known->name.is_program && address - known->start < known->size &&
            fc_module_id_is_equal(&known->name.id, &name->id))
            found = address;
    }
    unlock_cache();
    return found;
}

static void remember(const struct fc_elf_module *module, const ElfW(Phdr) * code, unsigned long long unloads,
                     const struct fc_module_function *name)
{
    if (!lock_cache())
        return;
    struct known *known = &cache[cache_next++ % (sizeof cache / sizeof *cache)];
    known->bias = module->bias;
    known->start = module->bias + code->p_vaddr;
    known->size = code->p_memsz;
    known->unloads = unloads;
    copy_name(&known->name, name);
    unlock_cache();
}

/* ---- From address to name ------------------------------------------------------------------------------------ */

struct lookup {
    uintptr_t address; /* 0: the program's first code */
    struct fc_module_function *name;
    struct fc_elf_module module;
    const ElfW(Phdr) * code;
    unsigned modules;
    int result;
};

static const ElfW(Phdr) * find_first_code(const struct fc_elf_module *module)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++)
        if (module->segments[i].p_type == PT_LOAD && (module->segments[i].p_flags & PF_X) != 0)
            return &module->segments[i];
    return NULL;
}

static int visit_lookup(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct lookup *lookup = arg;
    (void)size;
    lookup->module = fc_elf_module(info, lookup->modules++ == 0);
    lookup->code =
        lookup->address == 0 ? find_first_code(&lookup->module) : fc_elf_find_code(&lookup->module, lookup->address);
    if (lookup->code == NULL)
        return lookup->address == 0 ? 1 : 0;
    const bool has_name = !lookup->module.is_program && info->dlpi_name != NULL;
    lookup->result = fc_module_set_path(lookup->name, has_name ? info->dlpi_name : "");
    return 1;
}

/* The loader's name of the file is the best, as the file's neighbours may be looked for beside it; but it may be relative
 * to a directory that is no more the current one, or another file's by now. */
static int improve_path(struct fc_module_function *name, const struct fc_mapping *mapping)
{
    struct stat status;
    if (name->path[0] == '/' && strncmp(name->path, "/proc/", 6) != 0 && strncmp(name->path, "/dev/", 5) != 0 &&
        fc_is_mapped_file(name->path, mapping, &status))
        return 0;
    return fc_module_set_path(name, mapping->path);
}

/* Where the kernel does not tell: right as long as the directory has not been changed. */
static void improve_path_unmapped(struct fc_module_function *name)
{
    if (name->path[0] == '/' || strchr(name->path, '/') == NULL)
        return;
    char *path = realpath(name->path, NULL);
    if (path != NULL)
        (void)fc_module_set_path(name, path);
    free(path);
}

static int complete(struct lookup *lookup)
{
    struct fc_module_function *name = lookup->name;
    struct fc_mapping mapping;
    int r = fc_elf_identify_memory(&lookup->module, &name->id);
    name->is_program = lookup->module.is_program;
    if (name->is_program && r == 0)
        return 0;
    fc_fds_lock();
    const int mapped = fc_mapping_find(lookup->module.bias + lookup->code->p_vaddr, &mapping);
    fc_fds_unlock();
    if (r == -ENODATA)
        r = fc_elf_identify_file(&lookup->module, mapped == 0 ? &mapping : NULL, &name->id);
    if (r < 0 || name->is_program)
        return r;
    if (mapped == -ENOENT)
        improve_path_unmapped(name);
    return mapped == -ENOENT ? 0 : mapped < 0 ? mapped : improve_path(name, &mapping);
}

static int look_up(uintptr_t address, struct fc_module_function *name)
{
    const unsigned long long unloads = count_unloads();
    struct lookup lookup = {.address = address, .name = name, .result = -ENOENT};
    if (address != 0 && recall_name(address, unloads, name))
        return 0;
    (void)dl_iterate_phdr(visit_lookup, &lookup);
    if (lookup.result == 0)
        lookup.result = complete(&lookup);
    if (lookup.result < 0)
        return lookup.result;
    name->offset = address - lookup.module.bias;
    remember(&lookup.module, lookup.code, unloads, name);
    return 0;
}

int fc_module_name(forkcall_fn *fn, struct fc_module_function *name)
{
    return fn == NULL ? -ENOENT : look_up((uintptr_t)fn, name);
}

void fc_module_prepare(void)
{
    struct fc_module_function name;
    (void)look_up(0, &name);
}

/* A search that ends at the program's own entry, which fc_module_prepare has put first. */
void fc_module_touch(void)
{
    struct fc_module_function name;
    forkcall_fn *fn;
    char why[64];
    if (!cache[0].name.is_program)
        return;
    copy_name(&name, &cache[0].name);
    name.offset = cache[0].start - cache[0].bias;
    (void)fc_module_find(&name, &fn, why, sizeof why);
}

/* ---- From name to address ------------------------------------------------------------------------------------ */

struct search {
    const struct fc_module_function *name;
    uintptr_t address; /* 0: not found */
    unsigned modules;
};

static bool is_module(const struct fc_elf_module *module, const ElfW(Phdr) * code, const struct fc_module_id *wanted)
{
    const uint64_t layout_hash = fc_elf_layout(module);
    struct fc_module_id id;
    struct fc_mapping mapping;
    if (memcmp(&layout_hash, wanted->bytes, sizeof layout_hash) != 0)
        return false;
    int r = fc_elf_identify_memory(module, &id);
    if (r == -ENODATA && fc_mapping_find(module->bias + code->p_vaddr, &mapping) == 0)
        r = fc_elf_identify_file(module, &mapping, &id);
    return r == 0 && fc_module_id_is_equal(&id, wanted);
}

static int visit_search(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    const struct fc_elf_module module = fc_elf_module(info, search->modules++ == 0);
    if (module.is_program != search->name->is_program)
        return search->name->is_program ? 1 : 0;
    const uintptr_t address = module.bias + (uintptr_t)search->name->offset;
    const ElfW(Phdr) *code = fc_elf_find_code(&module, address);
    if (code == NULL || !is_module(&module, code, &search->name->id))
        return 0;
    /* One file may be loaded several times, by copies of it, each with data of its own. */
    const bool has_path =
        module.is_program || (info->dlpi_name != NULL && strcmp(info->dlpi_name, search->name->path) == 0);
    if (has_path || search->address == 0)
        search->address = address;
    return has_path ? 1 : 0;
}

bool fc_module_search(const struct fc_module_function *name, forkcall_fn **fn)
{
    struct search search = {.name = name, .address = recall_program(name)};
    if (search.address == 0)
        (void)dl_iterate_phdr(visit_search, &search);
    *fn = (forkcall_fn *)search.address;
    return search.address != 0;
}
