/* HOST: Describes addresses by the names and lines that are to be had.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "crash/symbol.h"

#include "base/path.h"
#include "base/text.h"
#include "module/address.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct fc_symbols fc_symbols_tables = {.has_libdw = false};

#ifdef HAVE_LIBDW

void fc_symbols_open(struct fc_symbols *symbols)
{
    symbols->has_libdw = fc_libdw_open(&symbols->libdw, FC_LIBDW_NAME) == 0;
}

void fc_symbols_close(struct fc_symbols *symbols)
{
    if (symbols->has_libdw)
        fc_libdw_close(&symbols->libdw);
}

bool fc_symbols_lack_libdw(void)
{
    return fc_libdw_is_missing();
}

static size_t find_by_libdw(const struct fc_symbols *symbols, uint64_t address, struct fc_symbol *found)
{
    return symbols->has_libdw ? fc_symbol_find_by_libdw(&symbols->libdw, address, found) : 0;
}

#else

void fc_symbols_open(struct fc_symbols *symbols)
{
    symbols->has_libdw = false;
}

void fc_symbols_close(struct fc_symbols *symbols)
{
    (void)symbols;
}

bool fc_symbols_lack_libdw(void)
{
    return false;
}

static size_t find_by_libdw(const struct fc_symbols *symbols, uint64_t address, struct fc_symbol *found)
{
    (void)symbols;
    (void)address;
    (void)found;
    return 0;
}

#endif

bool fc_symbol_find_exported(uint64_t address, struct fc_symbol *symbol)
{
    Dl_info info;
    memset(&info, 0, sizeof info);
    const void *place = (const void *)(uintptr_t)address;
    if (!fc_address_can_be_asked(address) || dladdr(place, &info) == 0 || info.dli_sname == NULL ||
        info.dli_sname[0] == 0)
        return false;
    *symbol = (struct fc_symbol){.start = (uintptr_t)info.dli_saddr};
    fc_symbol_set_name(symbol, info.dli_sname);
    return true;
}

size_t fc_symbols_find(const struct fc_symbols *symbols, uint64_t address, struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    const size_t count = find_by_libdw(symbols, address, found);
    if (count > 0)
        return count;
    return fc_symbol_find_in_file(address, &found[0]) || fc_symbol_find_exported(address, &found[0]) ? 1 : 0;
}

/* ---- Descriptions ---------------------------------------------------------------------------- */

/* "x.so+0x1234". */
static int describe_offset(uint64_t address, const struct fc_module_at *module, char *text, size_t size)
{
    return snprintf(text, size, "%s+0x%" PRIx64, fc_path_last_part(module->path), address - module->bias);
}

static void add_symbol(struct fc_text *text, const struct fc_symbol *symbol, uint64_t address, const char *path)
{
    if (symbol->is_inlined)
        fc_text_add(text, "%s (inlined)", symbol->name);
    else
        fc_text_add(text, "%s+0x%" PRIx64, symbol->name, address - symbol->start);
    if (symbol->line > 0)
        fc_text_add(text, " at %s:%d", symbol->file, symbol->line);
    else if (!symbol->is_inlined)
        fc_text_add(text, " (in %s)", path);
}

int fc_symbols_describe(const struct fc_symbols *symbols, uint64_t address, bool is_return_address, char *to,
                        size_t size)
{
    /* A call can be the last instruction of its function. Its return address then lies in the next
     * function. */
    const uint64_t inside = is_return_address && address > 0 ? address - 1 : address;
    struct fc_text text = {.to = to, .size = size};
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    struct fc_module_at module;
    if (!fc_address_find_module(inside, &module))
        return snprintf(to, size, "0x%" PRIx64, address);
    const size_t count = fc_symbols_find(symbols, inside, found);
    if (count == 0)
        return describe_offset(address, &module, to, size);
    for (size_t i = 0; i < count; i++) {
        add_symbol(&text, &found[i], address, module.path);
        if (i + 1 < count)
            fc_text_add(&text, "\n");
    }
    return (int)text.length;
}

/* The length of a name without its parameters: those of the function of a call are always the
 * same. */
static int name_length(const char *name)
{
    size_t length = strlen(name);
    int depth = 0;
    if (length == 0 || name[length - 1] != ')')
        return (int)length;
    do {
        length--;
        depth += name[length] == ')' ? 1 : name[length] == '(' ? -1 : 0;
    } while (length > 0 && depth > 0);
    return (int)length;
}

void fc_symbols_function_name(const struct fc_symbols *symbols, uint64_t address, char *text, size_t size)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    struct fc_module_at module;
    char place[FC_MODULE_AT_PATH_MAX + 32];
    const size_t count = fc_symbols_find(symbols, address, found);
    /* A symbol that starts elsewhere belongs to a neighbour: the function's own is not known. */
    if (count > 0 && found[count - 1].start == address) {
        (void)snprintf(text, size, "%.*s", name_length(found[count - 1].name), found[count - 1].name);
        return;
    }
    if (fc_address_find_module(address, &module))
        (void)describe_offset(address, &module, place, sizeof place);
    else
        (void)snprintf(place, sizeof place, "0x%" PRIx64, address);
    (void)snprintf(text, size, "function at %s", place);
}
