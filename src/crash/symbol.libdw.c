/* HOST: Finds symbols by libdw: static functions from the symbol table; lines, and functions that
 * the compiler has put into others, from the debug information.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol.h"

#include "base/hash.h"
#include "base/path.h"
#include "crash/symbol_cache.h"

#include <stdio.h>
#include <stdlib.h>

/* What is asked, and what it is asked of. */
struct question {
    const struct fc_libdw *libdw;
    Dwfl_Module *module;
    uint64_t address;
    Dwarf_Addr bias; /* between the address and those of the debug information */
};

static void set_place(struct fc_symbol *symbol, const char *file, int line)
{
    if (file == NULL || line <= 0)
        return;
    (void)snprintf(symbol->file, sizeof symbol->file, "%s", fc_path_last_part(file));
    symbol->line = line;
}

/* Finds the compilation unit that holds the address. libdw's own search needs .debug_aranges, which
 * clang does not write, so units are then asked one by one. */
static Dwarf_Die *find_unit(struct question *question)
{
    Dwarf_Die *unit = question->libdw->dwfl_module_addrdie(question->module, question->address, &question->bias);
    if (unit != NULL)
        return unit;
    while ((unit = question->libdw->dwfl_module_nextcu(question->module, unit, &question->bias)) != NULL)
        if (question->libdw->dwarf_haspc(unit, question->address - question->bias) > 0)
            return unit;
    return NULL;
}

static void find_line(const struct question *question, Dwarf_Die *unit, struct fc_symbol *symbol)
{
    int number = 0;
    Dwarf_Line *line = question->libdw->dwarf_getsrc_die(unit, question->address - question->bias);
    if (line != NULL && question->libdw->dwarf_lineno(line, &number) == 0)
        set_place(symbol, question->libdw->dwarf_linesrc(line, NULL, NULL), number);
}

/* ---- Inlined functions ----------------------------------------------------------------------- */

/* Finds the scopes that hold the address, the innermost first, each inside the next one. Returns
 * how many; the caller frees them. */
static int find_scopes(const struct question *question, Dwarf_Die *unit, Dwarf_Die **scopes)
{
    Dwarf_Die innermost;
    Dwarf_Addr bias;
    *scopes = NULL;
    if (question->libdw->dwarf_getscopes(unit, question->address - question->bias, scopes) <= 0)
        return 0;
    /* Behind an inlined function stand here the scopes of where it is written, not of where it was
     * put. The scopes of its entry are the latter. */
    Dwarf *dwarf = question->libdw->dwfl_module_getdwarf(question->module, &bias);
    Dwarf_Die *found =
        question->libdw->dwarf_offdie(dwarf, question->libdw->dwarf_dieoffset(&(*scopes)[0]), &innermost);
    free(*scopes);
    *scopes = NULL;
    return found == NULL ? 0 : question->libdw->dwarf_getscopes_die(&innermost, scopes);
}

static const char *name_of(const struct fc_libdw *libdw, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *linkage = libdw->dwarf_formstring(libdw->dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    return linkage != NULL ? linkage : libdw->dwarf_diename(die);
}

static int number_of(const struct fc_libdw *libdw, Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    return libdw->dwarf_formudata(libdw->dwarf_attr(die, name, &attribute), &value) == 0 && value <= INT32_MAX
               ? (int)value
               : 0;
}

/* Sets the place where an inlined function is called. */
static void set_call_place(const struct fc_libdw *libdw, Dwarf_Die *unit, Dwarf_Die *inlined, struct fc_symbol *caller)
{
    Dwarf_Files *files = NULL;
    size_t count = 0;
    const int file = number_of(libdw, inlined, DW_AT_call_file);
    if (libdw->dwarf_getsrcfiles(unit, &files, &count) == 0 && (size_t)file < count)
        set_place(caller, libdw->dwarf_filesrc(files, (size_t)file, NULL, NULL),
                  number_of(libdw, inlined, DW_AT_call_line));
}

/* Puts the inlined functions that hold the address in front of found[0], the function that holds
 * their code. found[0] has the line of the address, which is that of the innermost function.
 * Returns how many symbols there are. */
static size_t add_inlined(const struct question *question, Dwarf_Die *unit, struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    const struct fc_libdw *libdw = question->libdw;
    struct fc_symbol outer = found[0];
    size_t count = 0;
    Dwarf_Die *scopes = NULL;
    const int scope_count = find_scopes(question, unit, &scopes);
    for (int i = 0; i < scope_count && libdw->dwarf_tag(&scopes[i]) != DW_TAG_subprogram; i++) {
        const char *name = NULL;
        if (libdw->dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine)
            name = name_of(libdw, &scopes[i]);
        if (name == NULL || count == FC_SYMBOLS_AT_MAX - 1)
            continue;
        struct fc_symbol *inlined = &found[count++];
        *inlined = (struct fc_symbol){.is_inlined = true, .line = outer.line};
        fc_symbol_set_name(inlined, name);
        (void)snprintf(inlined->file, sizeof inlined->file, "%s", outer.file);
        outer.line = 0;
        set_call_place(libdw, unit, &scopes[i], &outer);
    }
    free(scopes);
    found[count] = outer;
    return count + 1;
}

static size_t ask(struct question *question, struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    GElf_Off offset = 0;
    GElf_Sym entry;
    const char *name =
        question->libdw->dwfl_module_addrinfo(question->module, question->address, &offset, &entry, NULL, NULL, NULL);
    if (name == NULL || name[0] == 0)
        return 0;
    found[0] = (struct fc_symbol){.start = question->address - offset};
    fc_symbol_set_name(&found[0], name);
    Dwarf_Die *unit = find_unit(question);
    if (unit == NULL)
        return 1;
    find_line(question, unit, &found[0]);
    return add_inlined(question, unit, found);
}

/* ---- Places that are asked for again --------------------------------------------------------- */

/* False: the module has no build-id. */
static bool find_place(const struct question *question, struct fc_symbol_place *place, Dwarf_Addr *base)
{
    const unsigned char *id = NULL;
    GElf_Addr where;
    (void)question->libdw->dwfl_module_getelf(question->module, &where); /* has the build-id */
    const int size = question->libdw->dwfl_module_build_id(question->module, &id, &where);
    if (size <= 0 ||
        question->libdw->dwfl_module_info(question->module, NULL, base, NULL, NULL, NULL, NULL, NULL) == NULL)
        return false;
    *place = (struct fc_symbol_place){fc_hash(FC_HASH_START, id, (size_t)size), question->address - *base};
    return true;
}

/* Inlined functions have no start. */
static void move_starts(struct fc_symbol *found, size_t count, uint64_t by)
{
    for (size_t i = 0; i < count; i++)
        found[i].start += found[i].is_inlined ? 0 : by;
}

size_t fc_symbol_find_by_libdw(const struct fc_libdw_view *view, uint64_t address,
                               struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    struct question question = {
        .libdw = view->libdw, .module = view->libdw->dwfl_addrmodule(view->dwfl, address), .address = address};
    struct fc_symbol_place place;
    Dwarf_Addr base = 0;
    if (question.module == NULL)
        return 0;
    const bool has_place = find_place(&question, &place, &base);
    size_t count = has_place ? fc_symbol_cache_find(place, found) : 0;
    if (count > 0) {
        move_starts(found, count, base);
        return count;
    }
    count = ask(&question, found);
    if (has_place && count > 0 && fc_libdw_has_separate_debuginfo(question.module)) {
        move_starts(found, count, -base);
        fc_symbol_cache_add(place, found, count);
        move_starts(found, count, base);
    }
    return count;
}
