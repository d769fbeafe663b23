/* HOST: Describes what lies at an address of this process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_SYMBOL_H
#define FC_CRASH_SYMBOL_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef HAVE_LIBDW
#include "crash/libdw.h"
#endif

/* The most functions that are told for one address: those that the compiler has put into another,
 * and this other one. */
#define FC_SYMBOLS_AT_MAX 8

/* Where names come from. One explanation opens them once, because libdw first looks at all modules
 * of the process. */
struct fc_symbols {
    bool has_libdw;
#ifdef HAVE_LIBDW
    struct fc_libdw_view libdw;
#endif
};

/* Opens libdw where it is to be had. Without libdw names come from the tables of the modules, and
 * there are no lines. No other thread can open symbols until fc_symbols_close, but for the first
 * second. */
void fc_symbols_open(struct fc_symbols *symbols);
void fc_symbols_close(struct fc_symbols *symbols);

/* The tables of the modules alone, for a name that is not worth loading libdw. Needs no closing. */
extern const struct fc_symbols fc_symbols_tables;

/* True: lines are missing because this machine has no libdw. */
bool fc_symbols_lack_libdw(void);

/* Describes an address: "parse_image+0x1c (in /usr/lib/x.so)"; with debug information
 * "parse_image+0x1c at img.c:42"; without a known name "x.so+0x1234" (as addr2line takes it);
 * outside of all modules "0x1234". Where the compiler has put functions into another, a line for
 * each stands before the other's: "get_pixel (inlined) at img.c:7\nparse_image+0x1c at img.c:42".
 * For a return address the calling function is described. Returns and writes as snprintf.
 * Thread-safe; not async-signal-safe. */
int fc_symbols_describe(const struct fc_symbols *symbols, uint64_t address, bool is_return_address, char *to,
                        size_t size);

/* The name of the function that starts at the address, for a sentence: "parse_image", or "function
 * at x.so+0x1234". */
void fc_symbols_function_name(const struct fc_symbols *symbols, uint64_t address, char *text, size_t size);

/* ---- Between the files of this folder -------------------------------------------------------- */

struct fc_symbol {
    uint64_t start;  /* not known if is_inlined */
    int line;        /* 0: not known */
    bool is_inlined; /* into the next symbol of the list */
    char name[256];
    char file[128];
};

/* Finds the functions that the address lies in, the innermost first; returns how many. The last one
 * is no inlined function. */
size_t fc_symbols_find(const struct fc_symbols *symbols, uint64_t address, struct fc_symbol found[FC_SYMBOLS_AT_MAX]);

#ifdef HAVE_LIBDW
size_t fc_symbol_find_by_libdw(const struct fc_libdw_view *view, uint64_t address,
                               struct fc_symbol found[FC_SYMBOLS_AT_MAX]);
#endif

/* Finds the function in the symbol table of the module's file, which has static functions, too, and
 * which strip(1) removes. */
bool fc_symbol_find_in_file(uint64_t address, struct fc_symbol *symbol);

/* Looks for functions of those names in the tables of the files of all modules that are loaded, and
 * calls found for each one, with the number of its name and with its address. */
void fc_symbols_find_named(const char *const *names, size_t count, void (*found)(size_t name, uint64_t address));

/* Finds the function by dladdr(3), which knows exported functions. */
bool fc_symbol_find_exported(uint64_t address, struct fc_symbol *symbol);

/* Room for the longest name of a C++ function that is translated. */
#define FC_MANGLED_MAX 2048

/* Sets the name of a symbol as its programmer has written it: without what compilers append
 * (".constprop.0", ".isra.0", ".cold"), and as C++ where the program has the means. */
void fc_symbol_set_name(struct fc_symbol *symbol, const char *name);

/* Writes the name of a C++ type, as std::type_info::name() gives it, in the same way. The name may
 * come from a child that means harm. */
void fc_symbol_type_name(const char *name, char *to, size_t size);

#endif
