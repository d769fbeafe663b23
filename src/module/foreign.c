/* HOST: Modules that a child has loaded, and this process has not.
 *
 * SPDX-License-Identifier: MIT */
#include "module/foreign.h"

#include "base/descriptors.h"
#include "base/sections.h"
#include "module/foreign_file.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The addresses that all modules of one table get together: a child may say what it likes. */
#define ROOM ((size_t)(sizeof(void *) > 4 ? 256 : 32) << 20)

/* Modules whose files are what the child has told of them have a table of their own, so that
 * nothing that a child makes up can take a place from one. Places are given in turn, in both
 * tables: when all are taken, those that were given first are forgotten. So no child can take them
 * for good. Protected by the lock of descriptors, which no fork finds locked. */
struct table {
    struct fc_foreign *modules;
    size_t max, count;  /* of the entries: count were used already */
    size_t next;        /* the entry that is given next */
    uint64_t start;     /* of the addresses, which are never given to anything else */
    size_t size, given; /* of the addresses: how many there are, and were given in this turn */
};

static FC_LARGE_STORAGE struct fc_foreign of_true_files[FC_FOREIGN_TRUE_MAX];
static FC_LARGE_STORAGE struct fc_foreign others[FC_FOREIGN_OTHERS_MAX];
static struct table tables[] = {{.modules = of_true_files, .max = FC_FOREIGN_TRUE_MAX},
                                {.modules = others, .max = FC_FOREIGN_OTHERS_MAX}};
enum { TRUE_FILES, OTHERS };

static atomic_size_t places_given;

size_t fc_foreign_count(void)
{
    return atomic_load(&places_given);
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

/* False: there are no addresses, under a limit (RLIMIT_AS). */
static bool reserve(struct table *table)
{
    for (size_t size = ROOM; table->size == 0 && size >= ROOM / 16; size /= 2) {
        void *start = mmap(NULL, size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS
#ifdef MAP_NORESERVE
                               | MAP_NORESERVE
#endif
                           ,
                           -1, 0);
        if (start == MAP_FAILED)
            continue;
        table->start = (uintptr_t)start;
        table->size = size;
    }
    return table->size != 0;
}

/* Takes addresses for a module, from the start again if there are not enough behind those that were
 * given last, and forgets the modules that had them. */
static uint64_t take_addresses(struct table *table, size_t size)
{
    if (size > table->size - table->given)
        table->given = 0;
    const uint64_t here = table->start + table->given;
    table->given += size;
    for (size_t i = 0; i < table->count; i++) {
        struct fc_foreign *module = &table->modules[i];
        if (module->here < here + size && here < module->here + module->size)
            module->size = 0;
    }
    return here;
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
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t size = ((size_t)(file->end - file->base) + page - 1) / page * page;
    for (size_t i = 0; i < table->count; i++)
        if (table->modules[i].size != 0 && is_same(table, &table->modules[i].file, file))
            return table->modules[i].here;
    if (!reserve(table) || size > table->size)
        return 0;
    const uint64_t here = take_addresses(table, size);
    if (table->next == table->max)
        table->next = 0;
    table->modules[table->next++] = (struct fc_foreign){
        .here = here, .size = size, .number = atomic_fetch_add(&places_given, 1) + 1, .file = *file};
    table->count = table->count < table->next ? table->next : table->count;
    return here;
}

/* The place of a true file that is known by this path. Its device may have been told otherwise. */
static uint64_t find_true_file(const struct fc_mapped_file *file)
{
    const struct table *table = &tables[TRUE_FILES];
    for (size_t i = 0; i < table->count; i++) {
        const struct fc_foreign *module = &table->modules[i];
        if (module->size != 0 && is_same_code(&module->file, file) && strcmp(module->file.path, file->path) == 0)
            return module->here;
    }
    return 0;
}

uint64_t fc_foreign_place(const struct fc_mapped_file *file)
{
    struct fc_mapped_file whole = *file;
    if (!is_possible(file))
        return 0;
    fc_fds_lock(); /* a file is open meanwhile, which no child is to have */
    uint64_t place = find_true_file(file);
    if (place == 0)
        place = fc_foreign_check(&whole) && is_possible(&whole) ? place_in(&tables[TRUE_FILES], &whole)
                                                                : place_in(&tables[OTHERS], file);
    fc_fds_unlock();
    return place;
}

bool fc_foreign_get(size_t i, struct fc_foreign *module)
{
    if (fc_foreign_count() == 0)
        return false;
    fc_fds_lock();
    *module = i < FC_FOREIGN_TRUE_MAX ? of_true_files[i] : others[i - FC_FOREIGN_TRUE_MAX];
    fc_fds_unlock();
    return module->size != 0;
}

static const struct fc_foreign *find_in(const struct table *table, uint64_t address)
{
    for (size_t i = 0; address - table->start < table->size && i < table->count; i++)
        if (address - table->modules[i].here < table->modules[i].size)
            return &table->modules[i];
    return NULL;
}

bool fc_foreign_find(uint64_t address, struct fc_foreign *module)
{
    if (fc_foreign_count() == 0)
        return false;
    fc_fds_lock();
    const struct fc_foreign *found = find_in(&tables[TRUE_FILES], address);
    if (found == NULL)
        found = find_in(&tables[OTHERS], address);
    if (found != NULL)
        *module = *found;
    fc_fds_unlock();
    return found != NULL;
}

bool fc_foreign_is_code(uint64_t address)
{
    struct fc_foreign module;
    return fc_foreign_find(address, &module) && address - module.here >= module.file.start - module.file.base;
}

bool fc_foreign_is_later(uint64_t address, uint64_t count)
{
    struct fc_foreign module;
    return fc_foreign_find(address, &module) && module.number > count;
}
