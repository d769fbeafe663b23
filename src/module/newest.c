/* ANY: Whether a module was loaded since this process, or the one that has forked it, last looked.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* link.h */
#endif
#include "module/newest.h"

#include "config.h"

#ifdef HAVE_R_DEBUG

#include "os/memory_probe.h"

#include <link.h>
#include <stdatomic.h>
#include <stddef.h>

#pragma weak _r_debug /* the loader's list, made for debuggers; absent in a static program */

static _Atomic(struct link_map *) newest;

/* Called while the loader holds its lock, so that no module is unloaded. */
static int find_newest(struct dl_phdr_info *info, size_t size, void *unused)
{
    struct link_map *module = _r_debug.r_map;
    (void)info;
    (void)size;
    (void)unused;
    while (module != NULL && module->l_next != NULL)
        module = module->l_next;
    atomic_store(&newest, module);
    return 1;
}

__attribute__((constructor)) void fc_newest_module_note(void)
{
    if (&_r_debug != NULL)
        (void)dl_iterate_phdr(find_newest, NULL);
}

/* The function may have unloaded the module, so its entry may be gone: what is read then may be
 * anything, and at worst a new module is not told. */
__attribute__((no_sanitize("address"))) bool fc_newest_module_changed(void)
{
    struct link_map *const module = atomic_load(&newest);
    return module == NULL || !fc_memory_is_readable(module) || module->l_next != NULL;
}

#else

void fc_newest_module_note(void)
{
}

bool fc_newest_module_changed(void)
{
    return true;
}

#endif
