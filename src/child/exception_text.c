/* CHILD: What the C++ exception says that has ended the function: its text is read from memory
 * where what() is that of std::runtime_error or std::logic_error, from which most derive.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include "child/exception_text.h"

#include "os/memory_probe.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma weak dlsym /* absent in a static program */

/* The Itanium C++ ABI: what stands before the object that was thrown, as libstdc++ has it. */
struct thrown {
    const void *type;
    void (*destructor)(void *);
    void (*unexpected)(void);
    void (*terminate)(void);
    struct thrown *next;
    int handler_count, handler_switch;
    const void *action, *table;
    const void *landing_pad;
    const void *adjusted; /* the object, as the handler sees it */
    _Alignas(max_align_t) struct {
        uint64_t class; /* "GNUCC++" and 0 */
        void (*cleanup)(void);
        uintptr_t private[2];
    } unwinder;
};

struct globals {
    const struct thrown *caught; /* the exception that is being handled, or has found no handler */
    unsigned uncaught_count;
};

#define CLASS_OF_LIBSTDCXX UINT64_C(0x474e5543432b2b00)

/* The start of an object of std::runtime_error or std::logic_error in libstdc++. */
struct error {
    const void *const *functions; /* two destructors, and what() */
    const char *text;
};

static struct globals *(*get_globals)(void);
static const void *known_what[2];

/* Runs when the library is loaded, because in a child another thread may have left the loader
 * locked. */
__attribute__((constructor)) static void find_runtime(void)
{
    if (dlsym == NULL)
        return;
    void *symbol = dlsym(RTLD_DEFAULT, "__cxa_get_globals_fast");
    memcpy(&get_globals, &symbol, sizeof symbol);
    known_what[0] = dlsym(RTLD_DEFAULT, "_ZNKSt13runtime_error4whatEv");
    known_what[1] = dlsym(RTLD_DEFAULT, "_ZNKSt11logic_error4whatEv");
}

/* True: all of it can be read. It is smaller than a page. */
static bool can_read(const void *data, size_t size)
{
    return data != NULL && fc_memory_is_readable(data) && fc_memory_is_readable((const char *)data + size - 1);
}

/* The object that was thrown; NULL: none, or another runtime's, or one that was thrown again from a
 * std::exception_ptr. */
static const struct error *find_object(void)
{
    const struct globals *globals = get_globals == NULL ? NULL : get_globals();
    if (!can_read(globals, sizeof *globals) || !can_read(globals->caught, sizeof *globals->caught) ||
        globals->caught->unwinder.class != CLASS_OF_LIBSTDCXX)
        return NULL;
    return (const void *)(globals->caught + 1);
}

/* What was thrown may be smaller than an error (an int), so the bytes behind it are read, too. */
__attribute__((no_sanitize("address"))) const char *fc_exception_text(void)
{
    const struct error *error = find_object();
    if (!can_read(error, sizeof *error) || !can_read(error->functions, 3 * sizeof *error->functions))
        return NULL;
    const void *what = error->functions[2];
    return what != NULL && (what == known_what[0] || what == known_what[1]) ? error->text : NULL;
}
