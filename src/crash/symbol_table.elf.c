/* HOST: ELF: Finds a function in the symbol table of its module's file.
 *
 * The loader maps only the exported names. The file is read, not mapped: somebody may cut it short
 * meanwhile, which would end this process by SIGBUS. Nothing in the file is trusted.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol.h"

#include "base/descriptors.h"
#include "module/address.h"
#include "module/elf_module.h"
#include "module/module_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most bytes of a section. A file may have holes, so that a section of terabytes takes no room
 * on the disk, and reading it takes for ever. */
#define SECTION_MAX ((uint64_t)256 << 20)

/* Symbols that are read at once. */
#define SYMBOLS_AT_ONCE 128U

struct table {
    int fd;
    ElfW(Shdr) symbols, names;
};

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* Opens the very file that is mapped at the address, into an empty table. False: it cannot be
 * opened. */
static bool open_mapped_file(uint64_t address, struct fc_fds *fds)
{
    struct fc_opened_file file;
    if (fc_fds_open(fds) < 0)
        return false;
    if (fc_module_file_open(address, fds, FC_FD_ARGS, &file))
        return true;
    fc_fds_close_all(fds);
    return false;
}

static bool read_section(int fd, const ElfW(Ehdr) * header, uint32_t index, ElfW(Shdr) * section)
{
    return index < header->e_shnum &&
           read_at(fd, section, sizeof *section, header->e_shoff + (uint64_t)index * sizeof *section);
}

/* False: the section is too large, or goes beyond the end of the file. */
static bool is_modest(const ElfW(Shdr) * section, const struct stat *file)
{
    const uint64_t size = (uint64_t)file->st_size;
    return section->sh_size <= SECTION_MAX && section->sh_offset <= size &&
           section->sh_size <= size - section->sh_offset;
}

static bool find_names(struct table *table, const ElfW(Ehdr) * header)
{
    struct stat file;
    return read_section(table->fd, header, table->symbols.sh_link, &table->names) && fstat(table->fd, &file) == 0 &&
           is_modest(&table->symbols, &file) && is_modest(&table->names, &file);
}

/* Finds the two sections. False: the file has no table, as after strip(1), or one that cannot
 * be. */
static bool find_table(struct table *table)
{
    ElfW(Ehdr) header;
    if (!read_at(table->fd, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_shentsize != sizeof table->symbols)
        return false;
    for (uint32_t i = 0; read_section(table->fd, &header, i, &table->symbols); i++)
        if (table->symbols.sh_type == SHT_SYMTAB)
            return find_names(table, &header);
    return false;
}

/* Where a function starts. ARM marks Thumb code in the lowest bit. */
static uint64_t start_of(const ElfW(Sym) * symbol)
{
#if defined(__arm__)
    return symbol->st_value & ~(uint64_t)1;
#else
    return symbol->st_value;
#endif
}

static bool holds(const ElfW(Sym) * symbol, uint64_t place)
{
    const uint64_t start = start_of(symbol);
    const uint64_t size = symbol->st_size > 0 ? symbol->st_size : 1;
    return (symbol->st_info & 0xf) == STT_FUNC && symbol->st_shndx != SHN_UNDEF && place >= start &&
           place - start < size;
}

/* The name of a global symbol is the one that others know the function by. */
static bool is_better(const ElfW(Sym) * symbol, const ElfW(Sym) * best)
{
    return best->st_name == 0 || (symbol->st_info >> 4 == STB_GLOBAL && best->st_info >> 4 != STB_GLOBAL);
}

/* Finds the symbol that holds a place, as the file counts addresses. False: there is none. */
static bool find_symbol(const struct table *table, uint64_t place, ElfW(Sym) * best)
{
    ElfW(Sym) symbols[SYMBOLS_AT_ONCE];
    const uint64_t count = table->symbols.sh_size / sizeof symbols[0];
    memset(best, 0, sizeof *best);
    for (uint64_t first = 0; first < count; first += SYMBOLS_AT_ONCE) {
        const size_t n = count - first < SYMBOLS_AT_ONCE ? (size_t)(count - first) : SYMBOLS_AT_ONCE;
        if (!read_at(table->fd, symbols, n * sizeof symbols[0], table->symbols.sh_offset + first * sizeof symbols[0]))
            break;
        for (size_t i = 0; i < n; i++)
            if (holds(&symbols[i], place) && is_better(&symbols[i], best))
                *best = symbols[i];
    }
    return best->st_name != 0;
}

/* Reads a name, which ends within the section. False: it cannot be read, or is too long. */
static bool read_name(const struct table *table, uint32_t offset, char name[FC_MANGLED_MAX])
{
    const uint64_t size = table->names.sh_size;
    if (offset >= size)
        return false;
    const size_t length = size - offset < FC_MANGLED_MAX ? (size_t)(size - offset) : FC_MANGLED_MAX;
    return read_at(table->fd, name, length, table->names.sh_offset + offset) && memchr(name, 0, length) != NULL &&
           name[0] != 0;
}

static bool find_in_table(struct table *table, uint64_t address, uint64_t bias, struct fc_symbol *symbol)
{
    char name[FC_MANGLED_MAX];
    ElfW(Sym) best;
    if (!find_table(table) || !find_symbol(table, address - bias, &best) || !read_name(table, best.st_name, name))
        return false;
    *symbol = (struct fc_symbol){.start = start_of(&best) + bias};
    fc_symbol_set_name(symbol, name);
    return true;
}

/* ---- By name --------------------------------------------------------------------------------- */

struct search {
    const char *const *names;
    size_t count;
    void (*found)(size_t name, uint64_t address);
};

static char *read_names(const struct table *table)
{
    const uint64_t size = table->names.sh_size;
    char *names = size > 0 ? malloc((size_t)size) : NULL;
    if (names == NULL || (read_at(table->fd, names, (size_t)size, table->names.sh_offset) && names[size - 1] == '\0'))
        return names;
    free(names);
    return NULL;
}

static void compare(const struct search *search, const ElfW(Sym) * symbol, const char *name, uint64_t bias)
{
    if ((symbol->st_info & 0xf) != STT_FUNC || symbol->st_shndx == SHN_UNDEF)
        return;
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(name, search->names[i]) == 0)
            search->found(i, symbol->st_value + bias);
}

static void search_table(const struct search *search, const struct table *table, const char *names, uint64_t bias)
{
    ElfW(Sym) symbols[SYMBOLS_AT_ONCE];
    const uint64_t count = table->symbols.sh_size / sizeof symbols[0];
    for (uint64_t first = 0; first < count; first += SYMBOLS_AT_ONCE) {
        const size_t n = count - first < SYMBOLS_AT_ONCE ? (size_t)(count - first) : SYMBOLS_AT_ONCE;
        if (!read_at(table->fd, symbols, n * sizeof symbols[0], table->symbols.sh_offset + first * sizeof symbols[0]))
            return;
        for (size_t i = 0; i < n; i++)
            if (symbols[i].st_name < table->names.sh_size)
                compare(search, &symbols[i], names + symbols[i].st_name, bias);
    }
}

static int search_module(struct dl_phdr_info *info, size_t size, void *search)
{
    struct fc_fds fds = {.listed = false};
    bool is_open = false;
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum && !is_open; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            is_open = open_mapped_file(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, &fds);
    if (!is_open)
        return 0;
    struct table table = {.fd = fds.fd[FC_FD_ARGS]};
    char *names = find_table(&table) ? read_names(&table) : NULL;
    if (names != NULL)
        search_table(search, &table, names, info->dlpi_addr);
    free(names);
    fc_fds_close_all(&fds);
    return 0;
}

void fc_symbols_find_named(const char *const *names, size_t count, void (*found)(size_t name, uint64_t address))
{
    struct search search = {.names = names, .count = count, .found = found};
    dl_iterate_phdr(search_module, &search);
}

bool fc_symbol_find_in_file(uint64_t address, struct fc_symbol *symbol)
{
    struct fc_module_at module;
    struct fc_fds fds;
    if (!fc_address_find_module(address, &module) || !open_mapped_file(address, &fds))
        return false;
    struct table table = {.fd = fds.fd[FC_FD_ARGS]};
    const bool found = find_in_table(&table, address, module.bias, symbol);
    fc_fds_close_all(&fds);
    return found;
}
