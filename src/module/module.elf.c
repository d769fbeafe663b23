/* ANY: ELF: Names and finds functions by dl_iterate_phdr(), which knows static programs, too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "module/lookup.h"

#include "base/sections.h"
#include "module/elf_module.h"
#include "module/path_status.h"
#include "module/proc_maps.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#pragma weak dladdr /* weak: see module/lookup.c */

/* ---- What was named lately ------------------------------------------------------------------- */

struct known {
    uintptr_t bias, start, size; /* the segment with the code; size 0: this entry is empty */
    unsigned long long unloads;  /* count_unloads() when it was named */
    struct fc_module_function name;
};

/* Protects the cache. Nobody waits for it long: in a process that was forked while another thread
 * had it, it stays taken, and the cache is not used. */
static atomic_flag cache_taken = ATOMIC_FLAG_INIT;
static FC_LARGE_STORAGE struct known cache[8];
static unsigned cache_next;

/* Entries are filled in turn, so none is in use behind one that is not. Each takes a page, which a
 * new process has to fault in first. */
static bool has_entry(size_t i)
{
    return i < sizeof cache / sizeof *cache && cache[i].size != 0;
}

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

/* How many modules have been unloaded. If another module has taken the place of one, this number
 * has grown. ULLONG_MAX: not known. */
static unsigned long long count_unloads(void)
{
    unsigned long long unloads = ULLONG_MAX;
    (void)dl_iterate_phdr(visit_unloads, &unloads);
    return unloads;
}

/* True: the entry still describes what lies at its address. The program is never unloaded. */
static bool is_valid(const struct known *known, unsigned long long unloads)
{
    return known->size != 0 && (known->name.is_program || (known->unloads == unloads && unloads != ULLONG_MAX));
}

/* Copies a name except its offset. */
static void copy_name(struct fc_module_function *to, const struct fc_module_function *from)
{
    memcpy(to, from, offsetof(struct fc_module_function, path) + from->path_size);
}

static bool recall_name(uintptr_t address, unsigned long long unloads, struct fc_module_function *name)
{
    bool found = false;
    if (!lock_cache())
        return false;
    for (size_t i = 0; has_entry(i) && !found; i++) {
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

/* The address of the named function in the program, from the cache; 0: not known. */
static uintptr_t recall_program(const struct fc_module_function *name)
{
    uintptr_t found = 0;
    if (!name->is_program || !lock_cache())
        return 0;
    for (size_t i = 0; has_entry(i) && found == 0; i++) {
        const struct known *known = &cache[i];
        const uintptr_t address = known->bias + (uintptr_t)name->offset;
        if (known->name.is_program && address - known->start < known->size &&
            fc_module_id_is_equal(&known->name.id, &name->id))
            found = address;
    }
    unlock_cache();
    return found;
}

/* The cache's entry for this address, or the oldest one. The program's entry stays, because without
 * it each function of the program would wait for the loader's lock: see look_up. */
static struct known *find_place(uintptr_t start)
{
    for (size_t i = 0; has_entry(i); i++)
        if (cache[i].start == start)
            return &cache[i];
    const size_t count = sizeof cache / sizeof *cache;
    struct known *oldest = &cache[cache_next++ % count];
    for (size_t i = 1; i < count && oldest->size != 0 && oldest->name.is_program; i++)
        oldest = &cache[cache_next++ % count];
    return oldest;
}

static void remember(const struct fc_elf_module *module, const ElfW(Phdr) * code, unsigned long long unloads,
                     const struct fc_module_function *name)
{
    if (!lock_cache())
        return;
    struct known *known = find_place(module->bias + code->p_vaddr);
    known->bias = module->bias;
    known->start = module->bias + code->p_vaddr;
    known->size = code->p_memsz;
    known->unloads = unloads;
    copy_name(&known->name, name);
    unlock_cache();
}

/* ---- From address to name -------------------------------------------------------------------- */

struct lookup {
    uintptr_t address; /* 0: the program's first code */
    struct fc_module_function *name;
    struct fc_elf_module module;
    const ElfW(Phdr) * code;
    unsigned modules;
    bool is_blind; /* a module's segments cannot be read */
    /* The program is among the modules seen. It is the first one in its own namespace. */
    bool has_program;
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
    lookup->is_blind = lookup->is_blind || lookup->module.segment_count == 0;
    lookup->has_program = lookup->has_program || lookup->module.is_program;
    lookup->code =
        lookup->address == 0 ? find_first_code(&lookup->module) : fc_elf_find_code(&lookup->module, lookup->address);
    if (lookup->code == NULL)
        return lookup->address == 0 || fc_elf_find_segment(&lookup->module, lookup->address) != NULL ? 1 : 0;
    if (!lookup->has_program) {
        lookup->result = -EXDEV;
        return 1;
    }
    const bool has_name = !lookup->module.is_program && info->dlpi_name != NULL;
    lookup->result = fc_module_set_path(lookup->name, has_name ? info->dlpi_name : "");
    return 1;
}

/* Chooses the path. The loader's name of the file is the best, because the file may look for others
 * beside it. But it may be relative to a directory that is not the current one any more, or another
 * file may have it by now. */
static int improve_path(struct fc_module_function *name, const struct fc_mapping *mapping)
{
    struct stat status;
    if (name->path[0] == '/' && strncmp(name->path, "/proc/", 6) != 0 && strncmp(name->path, "/dev/", 5) != 0 &&
        fc_is_mapped_file(name->path, mapping, &status))
        return 0;
    return fc_module_set_path(name, mapping->path);
}

/* Makes the path absolute if the kernel does not tell the file. Right as long as the directory has
 * not changed. */
static void improve_path_unmapped(struct fc_module_function *name)
{
    if (name->path[0] == '/' || strchr(name->path, '/') == NULL)
        return;
    char *path = realpath(name->path, NULL);
    if (path != NULL)
        (void)fc_module_set_path(name, path);
    free(path);
}

/* Notes the file of the module. mapping NULL: the kernel does not tell it, and the file of that
 * name is assumed to be the module's. */
static void note_file(struct fc_module_function *name, const struct fc_mapping *mapping)
{
    struct stat status;
    name->file = (struct fc_module_file){0};
    if (mapping != NULL) {
        name->file.mapped_device = mapping->device;
        name->file.mapped_inode = mapping->inode;
    }
    if (mapping != NULL ? !fc_is_mapped_file(name->path, mapping, &status) : fc_path_status(name->path, 0, &status) < 0)
        return;
    name->file.device = (uint64_t)status.st_dev;
    name->file.inode = (uint64_t)status.st_ino;
}

/* Chooses the path, and notes the file. mapped: what fc_elf_find_mapping has returned. */
static int choose_file(struct fc_module_function *name, int mapped, const struct fc_mapping *mapping)
{
    const int r = mapped == 0 ? improve_path(name, mapping) : mapped == -ENOENT ? 0 : mapped;
    if (r == 0)
        note_file(name, mapped == 0 ? mapping : NULL);
    return r;
}

static int complete(struct lookup *lookup)
{
    struct fc_module_function *name = lookup->name;
    struct fc_mapping mapping;
    int r = fc_elf_identify_memory(&lookup->module, &name->id);
    name->is_program = lookup->module.is_program;
    name->must_be_complete = false;
    name->file = (struct fc_module_file){0};
    if (name->is_program && r == 0)
        return 0;
    const int mapped = fc_elf_find_mapping(&lookup->module, &mapping);
    if (mapped == -ENOENT && !name->is_program)
        improve_path_unmapped(name);
    if (r == -ENODATA)
        r = fc_elf_identify_file(&lookup->module, mapped == 0 ? &mapping : NULL, &name->id);
    if (r == 0 && !name->is_program)
        r = choose_file(name, mapped, &mapping);
    return r;
}

/* True: the address lies in a module of another namespace. The loader lists the modules of one
 * namespace only, but knows addresses in all. */
static bool is_in_other_namespace(uintptr_t address)
{
    Dl_info info;
    const void *const place = (const void *)address; // NOLINT(performance-no-int-to-ptr): an address, as a number
    return dladdr != NULL && dladdr(place, &info) != 0;
}

/* Why no listed module holds the address. dladdr(3) is not called if a module cannot be read,
 * because it would read the module's tables. */
static int explain_nowhere(const struct lookup *lookup)
{
    if (lookup->is_blind)
        return -ESTALE;
    return is_in_other_namespace(lookup->address) ? -EXDEV : -ENOENT;
}

/* True: the module's path still leads to its file. Otherwise the module is named again. Here a
 * child may have led the path to a process that never answers. */
static bool is_still_there(const struct fc_module_function *name)
{
    struct stat status;
    if (name->is_program || name->file.inode == 0)
        return true;
    return fc_path_status(name->path, name->file.device, &status) == 0 && (uint64_t)status.st_ino == name->file.inode &&
           (uint64_t)status.st_dev == name->file.device;
}

static int look_up(uintptr_t address, struct fc_module_function *name)
{
    struct lookup lookup = {.address = address, .name = name, .result = -ENOENT};
    /* The program's own functions are looked up first, without the loader's lock: another thread of
     * the host may hold that lock for any time, in a callback of dl_iterate_phdr(). The program is
     * never unloaded, so the number of unloads does not matter. */
    if (address != 0 && recall_name(address, ULLONG_MAX, name))
        return 0;
    const unsigned long long unloads = count_unloads();
    if (address != 0 && recall_name(address, unloads, name) && is_still_there(name))
        return 0;
    if (dl_iterate_phdr(visit_lookup, &lookup) == 0)
        lookup.result = explain_nowhere(&lookup);
    if (lookup.result == 0)
        lookup.result = complete(&lookup);
    if (lookup.result < 0)
        return lookup.result;
    name->offset = address - lookup.module.bias;
    /* Otherwise the kernel may tell it the next time. */
    if (name->is_program || name->file.mapped_inode != 0)
        remember(&lookup.module, lookup.code, unloads, name);
    return 0;
}

void fc_module_note_program(void)
{
    struct fc_module_function name;
    (void)look_up(0, &name);
}

int fc_module_name(forkcall_fn *fn, struct fc_module_function *name)
{
    return fn == NULL ? -ENOENT : look_up((uintptr_t)fn, name);
}

/* ---- From name to address -------------------------------------------------------------------- */

struct search {
    const struct fc_module_function *name;
    uintptr_t address; /* 0: not found */
    unsigned modules;
};

/* The files of the modules that were loaded at fc_module_warm_up, as the kernel tells them. */
static FC_LARGE_STORAGE struct fc_mapped noted[256];
static FC_LARGE_STORAGE uintptr_t noted_bias[sizeof noted / sizeof *noted];
static size_t noted_count;

static const ElfW(Phdr) * find_first_segment(const struct fc_elf_module *module)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++)
        if (module->segments[i].p_type == PT_LOAD)
            return &module->segments[i];
    return NULL;
}

static int visit_note(struct dl_phdr_info *info, size_t size, void *modules)
{
    const struct fc_elf_module module = fc_elf_module(info, (*(unsigned *)modules)++ == 0);
    const ElfW(Phdr) *segment = find_first_segment(&module);
    (void)size;
    if (segment == NULL) /* nothing of its file is in memory */
        return 0;
    if (!module.is_program)
        noted_bias[noted_count] = module.bias;
    noted[noted_count++].address = module.bias + segment->p_vaddr;
    return noted_count == sizeof noted / sizeof *noted;
}

static void note_files(void)
{
    unsigned modules = 0;
    noted_count = 0;
    (void)dl_iterate_phdr(visit_note, &modules);
    fc_mapping_list(noted, noted_count);
}

/* Finds device and inode as the kernel tells them. False: it does not. */
static bool find_mapped(const struct fc_elf_module *module, struct fc_mapped *mapped)
{
    const ElfW(Phdr) *segment = find_first_segment(module);
    struct fc_mapping mapping;
    for (size_t i = 0; segment != NULL && i < noted_count; i++) {
        *mapped = noted[i];
        if (mapped->address == module->bias + segment->p_vaddr && mapped->inode != 0)
            return true;
    }
    if (fc_elf_find_mapping(module, &mapping) < 0)
        return false;
    mapped->device = mapping.device;
    mapped->inode = mapping.inode;
    return true;
}

/* True: the module at this address is known to be another one. Does not look at the module's
 * headers, whose pages a child would be the first to touch. */
static bool is_noted_as_other(uintptr_t bias, const struct fc_module_file *wanted)
{
    bool is_other = false;
    for (size_t i = 0; i < noted_count; i++) {
        if (noted_bias[i] != bias) /* modules that were not moved have the same bias */
            continue;
        is_other = noted[i].inode != 0 && wanted->mapped_inode != 0 &&
                   (noted[i].inode != wanted->mapped_inode || noted[i].device != wanted->mapped_device);
        if (!is_other)
            return false;
    }
    return is_other;
}

/* True: the module was loaded from the wanted file. path: the loader's name of the module. */
static bool is_file(const struct fc_elf_module *module, const char *path, const struct fc_module_file *wanted)
{
    struct fc_mapped mapped;
    struct stat status;
    const bool is_mapped_known = wanted->mapped_inode != 0 && find_mapped(module, &mapped);
    const bool is_path_known = wanted->inode != 0 && path != NULL && stat(path, &status) == 0;
    if (!is_mapped_known)
        return is_path_known && (uint64_t)status.st_ino == wanted->inode && (uint64_t)status.st_dev == wanted->device;
    if (mapped.inode != wanted->mapped_inode || mapped.device != wanted->mapped_device)
        return false;
    /* On some file systems two files can have the same inode number on what the list of mappings
     * calls one device (snapshots of btrfs). */
    return !is_path_known || (uint64_t)status.st_ino != wanted->inode || (uint64_t)status.st_dev == wanted->device;
}

static bool is_build(const struct fc_elf_module *module, const struct fc_module_id *wanted)
{
    const uint64_t layout_hash = fc_elf_layout(module);
    struct fc_module_id id;
    struct fc_mapping mapping;
    if (memcmp(&layout_hash, wanted->bytes, sizeof layout_hash) != 0)
        return false;
    int r = fc_elf_identify_memory(module, &id);
    if (r == -ENODATA && fc_elf_find_mapping(module, &mapping) == 0)
        r = fc_elf_identify_file(module, &mapping, &id);
    return r == 0 && fc_module_id_is_equal(&id, wanted);
}

static int visit_search(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    const struct fc_module_function *name = search->name;
    const bool is_first = search->modules++ == 0;
    if (!name->is_program && is_noted_as_other(info->dlpi_addr, &name->file))
        return 0;
    const struct fc_elf_module module = fc_elf_module(info, is_first);
    const uintptr_t address = module.bias + (uintptr_t)name->offset;
    if (module.is_program != name->is_program || fc_elf_find_code(&module, address) == NULL ||
        !is_build(&module, &name->id) || !(name->is_program || is_file(&module, info->dlpi_name, &name->file)))
        return 0;
    search->address = address;
    return 1;
}

bool fc_module_search(const struct fc_module_function *name, forkcall_fn **fn)
{
    struct search search = {.name = name, .address = recall_program(name)};
    if (search.address == 0)
        (void)dl_iterate_phdr(visit_search, &search);
    *fn = (forkcall_fn *)search.address;
    return search.address != 0;
}

/* ---- In the server --------------------------------------------------------------------------- */

void fc_module_warm_up(void)
{
    struct fc_module_function name;
    (void)look_up(0, &name);
    note_files();
}

/* Makes a search that ends at the program's entry of the cache, which fc_module_warm_up has written
 * first. */
void fc_module_prefault(void)
{
    struct fc_module_function name;
    forkcall_fn *fn;
    if (!cache[0].name.is_program)
        return;
    copy_name(&name, &cache[0].name);
    name.offset = cache[0].start - cache[0].bias;
    (void)fc_module_search(&name, &fn);
}
