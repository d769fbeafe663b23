/* HOST: The name of a function as its programmer has written it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include "crash/symbol.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma weak dlsym /* absent in a static program */

/* The translator of the C++ runtime (Itanium C++ ABI): returns memory of malloc(3), or NULL. */
typedef char *demangle_fn(const char *mangled, char *buffer, size_t *size, int *status);

/* Finds the translator if a C++ runtime is loaded; a program in C has none. */
static demangle_fn *find_demangle(void)
{
    demangle_fn *function = NULL;
    void *symbol = dlsym == NULL ? NULL : dlsym(RTLD_DEFAULT, "__cxa_demangle");
    memcpy(&function, &symbol, sizeof symbol);
    return function;
}

static char *demangle(const char *name)
{
    int status = 0;
    demangle_fn *function = find_demangle();
    return function == NULL ? NULL : function(name, NULL, NULL, &status);
}

/* How many references to earlier parts of itself a name may have. Each may double what is
 * translated, and a child that means harm may send a name of two gigabytes. */
#define REFERENCES_MAX 8U

/* "S_", "S0_" and "T_", "T0_" refer to what stands before; "St", "Sa" and the like are names. */
static bool is_modest(const char *name)
{
    unsigned references = 0;
    for (const char *c = name; *c != 0; c++)
        if ((c[0] == 'S' || c[0] == 'T') &&
            (c[1] == '_' || (c[1] >= '0' && c[1] <= '9') || (c[1] >= 'A' && c[1] <= 'Z')))
            references++;
    return references <= REFERENCES_MAX;
}

void fc_symbol_type_name(const char *name, char *to, size_t size)
{
    char *translated = is_modest(name) ? demangle(name) : NULL;
    (void)snprintf(to, size, "%s", translated != NULL ? translated : name);
    free(translated);
}

/* The length without what a compiler ('.') or a linker ('@') has appended. */
static size_t written_length(const char *name)
{
    const size_t first = name[0] == '.' || name[0] == '@';
    return first + strcspn(name + first, ".@");
}

void fc_symbol_set_name(struct fc_symbol *symbol, const char *name)
{
    char written[FC_MANGLED_MAX];
    (void)snprintf(written, sizeof written, "%.*s", (int)written_length(name), name);
    char *translated = strncmp(written, "_Z", 2) == 0 ? demangle(written) : NULL;
    (void)snprintf(symbol->name, sizeof symbol->name, "%.*s", (int)sizeof symbol->name - 1,
                   translated != NULL ? translated : written);
    free(translated);
}
