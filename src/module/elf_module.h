/* ANY: A module as dl_iterate_phdr() tells of it: its segments, and what it is known by. Valid
 * while it is loaded.
 *
 * Headers and content lie in the module's file, which somebody may have cut short or written to
 * since it was loaded. So nothing is read that was not found to be readable, and of a module that
 * cannot be read nothing is known. */
#ifndef FC_MODULE_ELF_MODULE_H
#define FC_MODULE_ELF_MODULE_H

#include "module/lookup.h"
#include "module/proc_maps.h"

#include <link.h>
#include <sys/stat.h>

#ifndef ElfW /* BSD has it under the name of its own */
#define ElfW(type) Elf_##type
#endif

/* A pointer for an address that dl_iterate_phdr() tells as a number. */
static inline const void *fc_elf_at(uintptr_t address)
{
    return (const void *)address;
}

struct fc_elf_module {
    uintptr_t bias;
    const ElfW(Phdr) * segments;
    ElfW(Half) segment_count; /* 0: they cannot be read */
    bool is_program;
};

/* is_first: dl_iterate_phdr() tells of it first. In a namespace of dlmopen(3) that is not the
 * program. */
struct fc_elf_module fc_elf_module(const struct dl_phdr_info *info, bool is_first);

/* Can these bytes be read? For a file that was cut short this is known on Linux only. */
bool fc_elf_can_read(uintptr_t address, size_t size);

/* The loaded segment that holds the address, and that which holds it as code. NULL: none. */
const ElfW(Phdr) * fc_elf_find_segment(const struct fc_elf_module *module, uintptr_t address);
const ElfW(Phdr) * fc_elf_find_code(const struct fc_elf_module *module, uintptr_t address);

/* A hash of where its segments lie. Every identity begins with it: it is cheap, and tells most
 * modules apart. */
uint64_t fc_elf_layout(const struct fc_elf_module *module);

/* From the headers alone: the layout, and what the linker gave it for this purpose. False: it gave
 * nothing. */
bool fc_elf_identify_build(const struct fc_elf_module *module, struct fc_module_id *id);

/* By that, or by its content. -ENODATA: only the file can tell. */
int fc_elf_identify_memory(const struct fc_elf_module *module, struct fc_module_id *id);

/* After that: by the file. mapping NULL: not known. 0 or -ESTALE. */
int fc_elf_identify_file(const struct fc_elf_module *module, const struct fc_mapping *mapping, struct fc_module_id *id);

/* The file that is mapped for one of its segments: some programs move their code into other memory.
 * As fc_mapping_find. */
int fc_elf_find_mapping(const struct fc_elf_module *module, struct fc_mapping *mapping);

bool fc_module_id_is_equal(const struct fc_module_id *a, const struct fc_module_id *b);

/* Is this the file that is mapped, and not another that has taken its place? */
bool fc_is_mapped_file(const char *path, const struct fc_mapping *mapping, struct stat *status);

#endif
