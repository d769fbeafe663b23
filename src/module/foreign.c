/* HOST: Modules that a child has loaded, and this process has not.
 *
 * SPDX-License-Identifier: MIT */
#include "module/foreign.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The addresses that all modules get together, for good: a child may say what it likes. */
#define ROOM ((size_t)(sizeof(void *) > 4 ? 256 : 32) << 20)

/* Entries are added and never change. No lock: a fork may find it locked. */
static _Atomic(struct fc_foreign *) modules[FC_FOREIGN_MAX];

const struct fc_foreign *fc_foreign_get(size_t i)
{
    return i < FC_FOREIGN_MAX ? atomic_load(&modules[i]) : NULL;
}

static bool is_possible(const struct fc_mapped_file *file)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return file->base <= file->start && file->start < file->end && file->end - file->base <= ROOM &&
           file->base % page == 0 && file->path[0] == '/' && memchr(file->path, 0, sizeof file->path) != NULL;
}

/* The same code of the same file, wherever a child has it. */
static bool is_same(const struct fc_foreign *one, const struct fc_mapped_file *other)
{
    return one->file.device == other->device && one->file.inode == other->inode && one->file.offset == other->offset &&
           one->file.start - one->file.base == other->start - other->base && one->size == other->end - other->base &&
           strcmp(one->file.path, other->path) == 0;
}

static _Atomic(size_t) taken;

static bool take_room(size_t size)
{
    size_t before = atomic_load(&taken);
    while (size <= ROOM - before)
        if (atomic_compare_exchange_weak(&taken, &before, before + size))
            return true;
    return false;
}

static struct fc_foreign *make(const struct fc_mapped_file *file)
{
    struct fc_foreign *module = malloc(sizeof *module);
    if (module == NULL || !take_room((size_t)(file->end - file->base))) {
        free(module);
        return NULL;
    }
    module->file = *file;
    module->size = file->end - file->base;
    void *here = mmap(NULL, (size_t)module->size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS
#ifdef MAP_NORESERVE
                          | MAP_NORESERVE
#endif
                      ,
                      -1, 0);
    if (here == MAP_FAILED) {
        atomic_fetch_sub(&taken, (size_t)module->size);
        free(module);
        return NULL;
    }
    module->here = (uintptr_t)here;
    return module;
}

static void drop(struct fc_foreign *module)
{
    munmap((void *)(uintptr_t)module->here, (size_t)module->size);
    atomic_fetch_sub(&taken, (size_t)module->size);
    free(module);
}

uint64_t fc_foreign_place(const struct fc_mapped_file *file)
{
    struct fc_foreign *made = NULL;
    if (!is_possible(file))
        return 0;
    for (size_t i = 0; i < FC_FOREIGN_MAX; i++) {
        struct fc_foreign *there = atomic_load(&modules[i]);
        if (there == NULL && made == NULL && (made = make(file)) == NULL)
            return 0;
        if (there == NULL && atomic_compare_exchange_strong(&modules[i], &there, made))
            return made->here;
        if (is_same(there, file)) {
            if (made != NULL)
                drop(made); /* another thread was faster */
            return there->here;
        }
    }
    if (made != NULL)
        drop(made);
    return 0;
}

const struct fc_foreign *fc_foreign_find(uint64_t address)
{
    for (size_t i = 0; i < FC_FOREIGN_MAX; i++) {
        const struct fc_foreign *module = atomic_load(&modules[i]);
        if (module == NULL)
            break;
        if (address - module->here < module->size)
            return module;
    }
    return NULL;
}

bool fc_foreign_is_code(uint64_t address)
{
    const struct fc_foreign *module = fc_foreign_find(address);
    return module != NULL && address - module->here >= module->file.start - module->file.base;
}
