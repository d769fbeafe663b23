/* ANY: ELF: The identity of the module that holds this code. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "exec/library_id.h"

#include "module/elf_module.h"

#include <stddef.h>

static const char here; /* an address in the module that holds this code */

struct search {
    struct fc_module_id *id;
    bool first, found;
};

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct search *search = context;
    const struct fc_elf_module module = fc_elf_module(info, search->first);
    (void)size;
    search->first = false;
    if (fc_elf_find_segment(&module, (uintptr_t)&here) == NULL)
        return 0;
    /* At least the layout gets into id. The content of a program is not hashed: it may be large,
     * and the re-executed program is started from the same file. */
    search->found = true;
    if (module.is_program)
        fc_elf_identify_build(&module, search->id);
    else
        (void)fc_elf_identify_memory(&module, search->id);
    return 1;
}

bool fc_library_module_id(struct fc_module_id *id)
{
    struct search search = {.id = id, .first = true};
    dl_iterate_phdr(visit, &search);
    return search.found;
}
