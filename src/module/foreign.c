/* HOST: Modules that a child has loaded, and this process has not.
 *
 * SPDX-License-Identifier: MIT */
#include "module/foreign.h"

#include "base/descriptors.h"
#include "module/foreign_file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The addresses that all modules of one table get together, for good: a child may say what it
 * likes. */
#define ROOM ((size_t)(sizeof(void *) > 4 ? 256 : 32) << 20)

/* Modules whose files are what the child has told of them have places of their own, one for each
 * file, so that nothing that a child makes up can take one. Entries are added and never change. No
 * lock: a fork may find it locked. */
struct table {
    _Atomic(struct fc_foreign *) *modules;
    size_t max;
    _Atomic(size_t) taken;
};

static _Atomic(struct fc_foreign *) of_true_files[FC_FOREIGN_TRUE_MAX];
static _Atomic(struct fc_foreign *) others[FC_FOREIGN_OTHERS_MAX];
static struct table tables[] = {{.modules = of_true_files, .max = FC_FOREIGN_TRUE_MAX},
                                {.modules = others, .max = FC_FOREIGN_OTHERS_MAX}};
enum { TRUE_FILES, OTHERS };

const struct fc_foreign *fc_foreign_get(size_t i)
{
    if (i < FC_FOREIGN_TRUE_MAX)
        return atomic_load(&of_true_files[i]);
    return i < FC_FOREIGN_MAX ? atomic_load(&others[i - FC_FOREIGN_TRUE_MAX]) : NULL;
}

bool fc_foreign_is_any(void)
{
    return atomic_load(&of_true_files[0]) != NULL || atomic_load(&others[0]) != NULL;
}

static bool is_possible(const struct fc_mapped_file *file)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return file->base <= file->start && file->start < file->end && file->end - file->base <= ROOM &&
           file->base % page == 0 && file->path[0] == '/' && memchr(file->path, 0, sizeof file->path) != NULL;
}

/* The same code, wherever a child has it. */
static bool is_same_code(const struct fc_mapped_file *one, const struct fc_mapped_file *other)
{
    return one->inode == other->inode && one->offset == other->offset &&
           one->start - one->base == other->start - other->base && one->end - one->base == other->end - other->base;
}

static bool take_room(struct table *table, size_t size)
{
    size_t before = atomic_load(&table->taken);
    while (size <= ROOM - before)
        if (atomic_compare_exchange_weak(&table->taken, &before, before + size))
            return true;
    return false;
}

static struct fc_foreign *make(struct table *table, const struct fc_mapped_file *file)
{
    const uint64_t size = file->end - file->base;
    struct fc_foreign *module = size <= ROOM ? malloc(sizeof *module) : NULL;
    if (module == NULL || !take_room(table, (size_t)size)) {
        free(module);
        return NULL;
    }
    module->file = *file;
    module->size = size;
    void *here = mmap(NULL, (size_t)module->size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS
#ifdef MAP_NORESERVE
                          | MAP_NORESERVE
#endif
                      ,
                      -1, 0);
    if (here == MAP_FAILED) {
        atomic_fetch_sub(&table->taken, (size_t)module->size);
        free(module);
        return NULL;
    }
    module->here = (uintptr_t)here;
    return module;
}

static void drop(struct table *table, struct fc_foreign *module)
{
    if (module == NULL)
        return;
    munmap((void *)(uintptr_t)module->here, (size_t)module->size);
    atomic_fetch_sub(&table->taken, (size_t)module->size);
    free(module);
}

/* The same module of a table. A true file is the same by whatever path a child tells of it. */
static bool is_same(const struct table *table, const struct fc_mapped_file *one, const struct fc_mapped_file *other)
{
    return one->device == other->device && is_same_code(one, other) &&
           (table == &tables[TRUE_FILES] || strcmp(one->path, other->path) == 0);
}

/* The place of a module in the table, where it is added unless it is there. 0: there is no room. */
static uint64_t place_in(struct table *table, const struct fc_mapped_file *file)
{
    struct fc_foreign *made = NULL;
    for (size_t i = 0; i < table->max; i++) {
        struct fc_foreign *there = atomic_load(&table->modules[i]);
        if (there == NULL && made == NULL && (made = make(table, file)) == NULL)
            return 0;
        if (there == NULL && atomic_compare_exchange_strong(&table->modules[i], &there, made))
            return made->here;
        if (is_same(table, &there->file, file)) {
            drop(table, made); /* another thread was faster */
            return there->here;
        }
    }
    drop(table, made);
    return 0;
}

/* The place of a true file that is known by this path. Its device may have been told otherwise. */
static uint64_t find_true_file(const struct fc_mapped_file *file)
{
    for (size_t i = 0; i < FC_FOREIGN_TRUE_MAX; i++) {
        const struct fc_foreign *module = atomic_load(&of_true_files[i]);
        if (module == NULL)
            break;
        if (is_same_code(&module->file, file) && strcmp(module->file.path, file->path) == 0)
            return module->here;
    }
    return 0;
}

uint64_t fc_foreign_place(const struct fc_mapped_file *file)
{
    struct fc_mapped_file whole = *file;
    if (!is_possible(file))
        return 0;
    const uint64_t known = find_true_file(file);
    if (known != 0)
        return known;
    fc_fds_lock(); /* a file is open meanwhile, which no child is to have */
    const bool is_true = fc_foreign_check(&whole) && is_possible(&whole);
    fc_fds_unlock();
    return is_true ? place_in(&tables[TRUE_FILES], &whole) : place_in(&tables[OTHERS], file);
}

static const struct fc_foreign *find_in(const struct table *table, uint64_t address)
{
    for (size_t i = 0; i < table->max; i++) {
        const struct fc_foreign *module = atomic_load(&table->modules[i]);
        if (module == NULL)
            break;
        if (address - module->here < module->size)
            return module;
    }
    return NULL;
}

const struct fc_foreign *fc_foreign_find(uint64_t address)
{
    const struct fc_foreign *module = find_in(&tables[TRUE_FILES], address);
    return module != NULL ? module : find_in(&tables[OTHERS], address);
}

bool fc_foreign_is_code(uint64_t address)
{
    const struct fc_foreign *module = fc_foreign_find(address);
    return module != NULL && address - module->here >= module->file.start - module->file.base;
}
