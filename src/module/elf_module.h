/* ANY: A module as dl_iterate_phdr() describes it: its segments, and its identity. Valid while the
 * module is loaded.
 *
 * Headers and content lie in the module's file, which somebody may have cut short or changed since
 * it was loaded. So only memory that was found readable is read, and nothing is known of a module
 * that cannot be read. */
#ifndef FC_MODULE_ELF_MODULE_H
#define FC_MODULE_ELF_MODULE_H

#include "module/lookup.h"
#include "module/proc_maps.h"

#include <link.h>
#include <sys/stat.h>

#ifndef ElfW /* BSD has this under another name */
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
    ElfW(Half) segment_count; /* 0: the segments cannot be read */
    bool is_program;
};

/* Makes the description. is_first: dl_iterate_phdr() has listed this module first; in a namespace
 * of dlmopen(3) the first module is not the program. */
struct fc_elf_module fc_elf_module(const struct dl_phdr_info *info, bool is_first);

/* True: these bytes can be read. Whether a file was cut short is known on Linux only. */
bool fc_elf_can_read(uintptr_t address, size_t size);

/* Finds the loaded segment that holds the address; and the one that holds it as code. NULL: there
 * is none. */
const ElfW(Phdr) * fc_elf_find_segment(const struct fc_elf_module *module, uintptr_t address);
const ElfW(Phdr) * fc_elf_find_code(const struct fc_elf_module *module, uintptr_t address);

/* A hash of where the module's segments lie. Every identity begins with it: it is cheap, and
 * distinguishes most modules. */
uint64_t fc_elf_layout(const struct fc_elf_module *module);

/* Fills in the layout and the id that the linker has written, from the headers alone. False: the
 * linker has written none. */
bool fc_elf_identify_build(const struct fc_elf_module *module, struct fc_module_id *id);

/* Identifies the module by the linker's id, or by its content. 0; -ENODATA: only the file can
 * identify it. */
int fc_elf_identify_memory(const struct fc_elf_module *module, struct fc_module_id *id);

/* Continues, after -ENODATA, with the file. mapping NULL: not known. 0 or -ESTALE. */
int fc_elf_identify_file(const struct fc_elf_module *module, const struct fc_mapping *mapping, struct fc_module_id *id);

/* Finds the file that is mapped for one of the module's segments; some programs move their code
 * into other memory. Returns as fc_mapping_find. */
int fc_elf_find_mapping(const struct fc_elf_module *module, struct fc_mapping *mapping);

bool fc_module_id_is_equal(const struct fc_module_id *a, const struct fc_module_id *b);

/* True: path leads to the mapped file, and not to another that has taken its place. Asks no process
 * that may never answer. Opens a descriptor for a moment. */
bool fc_is_mapped_file(const char *path, const struct fc_mapping *mapping, struct stat *status);

#endif
