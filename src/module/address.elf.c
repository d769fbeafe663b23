/* HOST: ELF: Finds modules by dl_iterate_phdr(), which knows static programs, too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "config.h"

#include "module/address.h"

#include "module/elf_module.h"
#include "module/foreign.h"

#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct search {
    uintptr_t address;
    struct fc_elf_module module;
    const char *path;           /* the loader's name of the module */
    const ElfW(Phdr) * segment; /* the segment that holds the address */
    uintptr_t start;            /* where the segment starts */
    /* Called while the loader holds its lock, so the module cannot be unloaded. */
    void (*visit)(const struct search *search, void *out);
    void *out;
    unsigned modules;
};

static int search_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    search->module = fc_elf_module(info, search->modules++ == 0);
    search->segment = fc_elf_find_segment(&search->module, search->address);
    if (search->segment == NULL)
        return 0;
    search->path = info->dlpi_name;
    search->start = search->module.bias + search->segment->p_vaddr;
    search->visit(search, search->out);
    return 1;
}

/* Calls visit if the address lies in a module. True: it does. */
static bool search_modules(uint64_t address, void (*visit)(const struct search *, void *), void *out)
{
    struct search search = {.address = (uintptr_t)address, .visit = visit, .out = out};
    return address <= UINTPTR_MAX && dl_iterate_phdr(search_module, &search) == 1;
}

static void set_path(struct fc_module_at *module, const char *path)
{
    (void)snprintf(module->path, sizeof module->path, "%s", path == NULL || path[0] == 0 ? "[unnamed]" : path);
    for (char *c = module->path; *c != 0; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

/* Sets the path of the program. The loader's name of the program is empty, or what it was called
 * by. */
static void set_program_path(struct fc_module_at *module, const char *name)
{
    char path[FC_MODULE_AT_PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        name = path;
    }
    set_path(module, name == NULL || name[0] == 0 ? "[program]" : name);
}

static void visit_find(const struct search *search, void *out)
{
    struct fc_module_at *module = out;
    module->bias = search->module.bias;
    if (search->module.is_program)
        set_program_path(module, search->path);
    else
        set_path(module, search->path);
}

static bool find_foreign(uint64_t address, struct fc_module_at *module)
{
    struct fc_foreign foreign;
    if (!fc_foreign_find(address, &foreign))
        return false;
    module->bias = foreign.here;
    set_path(module, foreign.file.path);
    return true;
}

bool fc_address_find_module(uint64_t address, struct fc_module_at *module)
{
    return search_modules(address, visit_find, module) || find_foreign(address, module);
}

static void visit_is_code(const struct search *search, void *out)
{
    *(bool *)out = (search->segment->p_flags & PF_X) != 0;
}

bool fc_address_is_code(uint64_t address)
{
    bool is_code = false;
    return search_modules(address, visit_is_code, &is_code) ? is_code : fc_foreign_is_code(address);
}

/* ---- What can be read ------------------------------------------------------------------------ */

struct question {
    uintptr_t address;
    bool can_be_asked;
    unsigned modules;
};

static int visit_question(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct question *question = arg;
    const struct fc_elf_module module = fc_elf_module(info, question->modules++ == 0);
    (void)size;
    if (module.segment_count == 0) /* this module may hold the address */
        question->can_be_asked = false;
    if (fc_elf_find_segment(&module, question->address) == NULL)
        return 0;
    question->can_be_asked = true;
    for (ElfW(Half) i = 0; i < module.segment_count && question->can_be_asked; i++) {
        const ElfW(Phdr) *segment = &module.segments[i];
        /* A file that was cut short has lost its end first, so only the last page is checked. */
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_R) != 0 && segment->p_filesz > 0)
            question->can_be_asked = fc_elf_can_read(module.bias + segment->p_vaddr + segment->p_filesz - 1, 1);
    }
    return 1;
}

bool fc_address_can_be_asked(uint64_t address)
{
    struct question question = {.address = (uintptr_t)address, .can_be_asked = true};
    (void)dl_iterate_phdr(visit_question, &question);
    return address <= UINTPTR_MAX && question.can_be_asked;
}

/* ---- Where calls come from, and functions start ---------------------------------------------- */

#if defined(__x86_64__) || defined(__i386__)

/* True: a call instruction stands before code. code[-7] to code[-1] can be read. */
static bool follows_call(const unsigned char *code)
{
    /* Calls by register, and by memory in all forms of an address. */
    static const int indirect_sizes[] = {2, 3, 4, 6, 7};
    if (code[-5] == 0xe8)
        return true;
    for (size_t i = 0; i < sizeof indirect_sizes / sizeof indirect_sizes[0]; i++)
        if (code[-indirect_sizes[i]] == 0xff && ((code[1 - indirect_sizes[i]] >> 3) & 7) == 2)
            return true;
    return false;
}

static bool can_return_to(const struct search *search)
{
    if ((search->segment->p_flags & PF_R) == 0)
        return true;
    return search->address - search->start >= 7 && fc_elf_can_read(search->address - 7, 7) &&
           follows_call(fc_elf_at(search->address));
}

#else

static bool can_return_to(const struct search *search)
{
    (void)search;
    return true;
}

#endif

static void visit_is_return_address(const struct search *search, void *out)
{
    *(bool *)out = (search->segment->p_flags & PF_X) != 0 && can_return_to(search);
}

bool fc_address_is_return_address(uint64_t address)
{
    bool is_return_address = false;
    return search_modules(address, visit_is_return_address, &is_return_address) ? is_return_address
                                                                                : fc_foreign_is_code(address);
}

#if defined(__arm__)

/* An entry of the exception table, which has two words for each function, in order of address. */
struct exidx {
    uint32_t function; /* relative to its own address, in 31 bits */
    uint32_t description;
};

static uintptr_t exidx_function(const struct exidx *entry)
{
    return (uintptr_t)&entry->function + ((entry->function & 0x7fffffff) | (entry->function & 0x40000000) << 1);
}

/* The last function that starts at or below address. */
static uint64_t find_function(const void *table, size_t size, uintptr_t address)
{
    const struct exidx *entries = table;
    size_t low = 0;
    size_t high = size / sizeof *entries;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (exidx_function(&entries[middle]) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : exidx_function(&entries[low - 1]);
}

static const ElfW(Word) function_table = PT_ARM_EXIDX;

#else

/* The header of the unwind tables, with a sorted table of where functions start. */
struct eh_frame_hdr {
    unsigned char version;
    unsigned char eh_frame_encoding, count_encoding, table_encoding;
    int32_t eh_frame;
    uint32_t count;
    struct {
        int32_t function, description; /* relative to this header */
    } table[];
};

enum {
    ENCODING_UDATA4 = 0x03,
    ENCODING_SDATA4 = 0x0b,
    ENCODING_DATAREL = 0x30,
};

static bool is_known_header(const struct eh_frame_hdr *header, size_t size)
{
    const unsigned char format = header->eh_frame_encoding & 0x0f;
    return size >= sizeof *header && header->version == 1 && (format == ENCODING_UDATA4 || format == ENCODING_SDATA4) &&
           header->count_encoding == ENCODING_UDATA4 &&
           header->table_encoding == (ENCODING_DATAREL | ENCODING_SDATA4) &&
           header->count <= (size - sizeof *header) / sizeof header->table[0];
}

/* The number behind that of the last function that starts at or below address; 0: there is none. */
static uint32_t find_entry(const struct eh_frame_hdr *header, size_t size, uintptr_t address)
{
    const uintptr_t base = (uintptr_t)header;
    if (!is_known_header(header, size))
        return 0;
    uint32_t low = 0;
    uint32_t high = header->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (base + (uintptr_t)header->table[middle].function <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last function that starts at or below address. */
static uint64_t find_function(const void *table, size_t size, uintptr_t address)
{
    const struct eh_frame_hdr *header = table;
    const uint32_t found = find_entry(header, size, address);
    return found == 0 ? 0 : (uintptr_t)header + (uintptr_t)header->table[found - 1].function;
}

static const ElfW(Word) function_table = PT_GNU_EH_FRAME;

#endif

/* The table of functions of a module that can be read. NULL: it has none. */
static const void *find_table(const struct fc_elf_module *module, size_t *size)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *table = &module->segments[i];
        const uintptr_t start = module->bias + table->p_vaddr;
        *size = table->p_memsz;
        if (table->p_type == function_table && start % sizeof(int32_t) == 0 && fc_elf_can_read(start, table->p_memsz))
            return fc_elf_at(start);
    }
    return NULL;
}

static void visit_function_start(const struct search *search, void *out)
{
    size_t size;
    const void *table = find_table(&search->module, &size);
    if (table != NULL)
        *(uint64_t *)out = find_function(table, size, search->address);
}

uint64_t fc_address_function_start(uint64_t address)
{
    uint64_t start = 0;
    return search_modules(address, visit_function_start, &start) ? start : 0;
}

#ifdef HAVE_EH_FRAME

struct table_visit {
    void (*visit)(const struct fc_table_entry *entry, void *out);
    void *out;
    bool found;
};

static void visit_table(const struct search *search, void *out)
{
    struct table_visit *visit = out;
    size_t size;
    const struct eh_frame_hdr *header = find_table(&search->module, &size);
    const uint32_t found = header == NULL ? 0 : find_entry(header, size, search->address);
    if (found == 0)
        return;
    const uintptr_t description = (uintptr_t)header + (uintptr_t)header->table[found - 1].description;
    const ElfW(Phdr) *segment = fc_elf_find_segment(&search->module, description);
    if (segment == NULL || (segment->p_flags & PF_R) == 0)
        return;
    const unsigned char *start = fc_elf_at(search->module.bias + segment->p_vaddr);
    const struct fc_table_entry entry = {fc_elf_at(description), start, start + segment->p_memsz};
    visit->visit(&entry, visit->out);
    visit->found = true;
}

bool fc_address_visit_table(uint64_t address, void (*visit)(const struct fc_table_entry *entry, void *out), void *out)
{
    struct table_visit both = {visit, out, false};
    return search_modules(address, visit_table, &both) && both.found;
}

#endif
