/* ANY: The segments and the identity of a loaded ELF module.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "config.h"

#include "module/elf_module.h"

#include "base/hash.h"
#include "module/path_status.h"
#include "os/memory_probe.h"

#include <errno.h>
#include <string.h>
#ifdef HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

#define NOTE_BUILD_ID 3 /* NT_GNU_BUILD_ID, which not every elf.h has */

/* Shorter ids were chosen by a person, and may occur twice. */
#define BUILD_ID_MIN 8

#define PAGE 4096U /* a page, or a part of one */

bool fc_elf_can_read(uintptr_t address, size_t size)
{
    if (size == 0)
        return true;
    if (size - 1 > UINTPTR_MAX - address)
        return false;
    const uintptr_t last = (address + (size - 1)) / PAGE;
    for (uintptr_t page = address / PAGE; page <= last; page++)
        if (!fc_memory_is_readable(fc_elf_at(page * PAGE)))
            return false;
    return true;
}

/* The address at which the kernel, or a loader that was called directly, starts the program; 0: not
 * known. */
static uintptr_t program_entry(void)
{
#ifdef HAVE_GETAUXVAL
    return (uintptr_t)getauxval(AT_ENTRY);
#else
    return 0;
#endif
}

static bool has_segment(const struct fc_elf_module *module, ElfW(Word) type)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++)
        if (module->segments[i].p_type == type && module->segments[i].p_memsz > 0)
            return true;
    return false;
}

/* True: the table of segments was cut with the file. The rest of the file's last page then reads as
 * zero, and so may a part of the table. Every loaded library has a dynamic section, and linkers put
 * its entry behind the loaded segments: if it is left, those are, too. Only a program may have
 * none. */
static bool has_lost_segments(const struct fc_elf_module *module, bool is_first)
{
    return !has_segment(module, PT_LOAD) || !(is_first || has_segment(module, PT_DYNAMIC));
}

struct fc_elf_module fc_elf_module(const struct dl_phdr_info *info, bool is_first)
{
    const uintptr_t entry = program_entry();
    struct fc_elf_module module = {info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum, is_first};
    if (!fc_elf_can_read((uintptr_t)info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr) ||
        has_lost_segments(&module, is_first))
        module.segment_count = 0;
    if (entry != 0)
        module.is_program = fc_elf_find_segment(&module, entry) != NULL;
    return module;
}

const ElfW(Phdr) * fc_elf_find_segment(const struct fc_elf_module *module, uintptr_t address)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *segment = &module->segments[i];
        if (segment->p_type == PT_LOAD && address - (module->bias + segment->p_vaddr) < segment->p_memsz)
            return segment;
    }
    return NULL;
}

const ElfW(Phdr) * fc_elf_find_code(const struct fc_elf_module *module, uintptr_t address)
{
    const ElfW(Phdr) *segment = fc_elf_find_segment(module, address);
    return segment != NULL && (segment->p_flags & PF_X) != 0 ? segment : NULL;
}

/* ---- Identity -------------------------------------------------------------------------------- */

uint64_t fc_elf_layout(const struct fc_elf_module *module)
{
    uint64_t hash = FC_HASH_START;
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *segment = &module->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        const uint64_t values[] = {segment->p_offset, segment->p_vaddr, segment->p_filesz, segment->p_memsz,
                                   segment->p_flags};
        hash = fc_hash(hash, values, sizeof values);
    }
    return hash;
}

static size_t round_up(size_t size, size_t alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

static bool append_build_id(const unsigned char *notes, size_t size, size_t alignment, struct fc_module_id *id)
{
    ElfW(Nhdr) note;
    while (size >= sizeof note) {
        memcpy(&note, notes, sizeof note);
        const size_t name = sizeof note;
        const size_t content = round_up(name + note.n_namesz, alignment);
        const size_t end = content + note.n_descsz;
        if (note.n_namesz > size || note.n_descsz > size || end > size)
            return false;
        if (note.n_type == NOTE_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0 &&
            note.n_descsz >= BUILD_ID_MIN && note.n_descsz <= sizeof id->bytes - id->size) {
            fc_module_id_append(id, notes + content, note.n_descsz);
            return true;
        }
        const size_t next = round_up(end, alignment);
        if (next > size)
            return false;
        notes += next;
        size -= next;
    }
    return false;
}

/* The content of a part of the module; NULL: it does not lie completely in a segment that can be
 * read. */
static const void *find_content(const struct fc_elf_module *module, const ElfW(Phdr) * part)
{
    const uintptr_t start = module->bias + part->p_vaddr;
    const ElfW(Phdr) *segment = fc_elf_find_segment(module, start);
    if (segment == NULL || (segment->p_flags & PF_R) == 0 ||
        part->p_memsz > segment->p_memsz - (part->p_vaddr - segment->p_vaddr) || !fc_elf_can_read(start, part->p_memsz))
        return NULL;
    return fc_elf_at(start);
}

static bool find_build_id(const struct fc_elf_module *module, struct fc_module_id *id)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *notes = &module->segments[i];
        const void *content = notes->p_type == PT_NOTE ? find_content(module, notes) : NULL;
        if (content != NULL && append_build_id(content, notes->p_memsz, notes->p_align == 8 ? 8 : 4, id))
            return true;
    }
    return false;
}

static bool has_text_relocation(const unsigned char *entries, size_t size)
{
    ElfW(Dyn) entry;
    for (; size >= sizeof entry; entries += sizeof entry, size -= sizeof entry) {
        memcpy(&entry, entries, sizeof entry);
        if (entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL) != 0))
            return true;
    }
    return false;
}

/* True: the loader has relocated the code, so it differs between processes. What cannot be read
 * counts as relocated. */
static bool relocates_code(const struct fc_elf_module *module)
{
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *part = &module->segments[i];
        if (part->p_type != PT_DYNAMIC)
            continue;
        const void *content = find_content(module, part);
        if (content == NULL || has_text_relocation(content, part->p_memsz))
            return true;
    }
    return false;
}

/* Hashes everything that the module does not write to. A debugger's breakpoints change the hash. */
static bool hash_content(const struct fc_elf_module *module, uint64_t *hash)
{
    *hash = FC_HASH_START;
    if (relocates_code(module))
        return false;
    for (ElfW(Half) i = 0; i < module->segment_count; i++) {
        const ElfW(Phdr) *segment = &module->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        const bool is_writable = (segment->p_flags & PF_W) != 0;
        const bool is_code = (segment->p_flags & PF_X) != 0;
        if (is_writable ? is_code : (segment->p_flags & PF_R) == 0)
            return false;
        if (!is_writable && !fc_elf_can_read(module->bias + segment->p_vaddr, segment->p_filesz))
            return false;
        if (!is_writable)
            *hash = fc_hash(*hash, fc_elf_at(module->bias + segment->p_vaddr), segment->p_filesz);
    }
    return true;
}

int fc_elf_find_mapping(const struct fc_elf_module *module, struct fc_mapping *mapping)
{
    int r = -ENOENT;
    for (ElfW(Half) i = 0; i < module->segment_count && r == -ENOENT; i++)
        if (module->segments[i].p_type == PT_LOAD)
            r = fc_mapping_find(module->bias + module->segments[i].p_vaddr, mapping);
    return r;
}

bool fc_is_mapped_file(const char *path, const struct fc_mapping *mapping, struct stat *status)
{
    return fc_path_status(path, mapping->device, status) == 0 && status->st_ino == mapping->inode;
}

/* The system's own link to the program leads through no folder. */
static bool is_mapped_program(const struct fc_mapping *mapping, struct stat *status)
{
    return stat("/proc/self/exe", status) == 0 && status->st_ino == mapping->inode;
}

int fc_elf_identify_file(const struct fc_elf_module *module, const struct fc_mapping *mapping, struct fc_module_id *id)
{
    struct stat status;
    if (mapping == NULL || (!fc_is_mapped_file(mapping->path, mapping, &status) &&
                            !(module->is_program && is_mapped_program(mapping, &status))))
        return -ESTALE;
    if (status.st_dev != mapping->device)
        return -ESTALE;
    const uint64_t values[] = {(uint64_t)status.st_dev, (uint64_t)status.st_ino, (uint64_t)status.st_size,
                               (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};
    id->kind = FC_MODULE_ID_FILE;
    fc_module_id_append(id, values, sizeof values);
    return 0;
}

bool fc_elf_identify_build(const struct fc_elf_module *module, struct fc_module_id *id)
{
    const uint64_t layout = fc_elf_layout(module);
    *id = (struct fc_module_id){.kind = FC_MODULE_ID_BUILD};
    fc_module_id_append(id, &layout, sizeof layout);
    return find_build_id(module, id);
}

int fc_elf_identify_memory(const struct fc_elf_module *module, struct fc_module_id *id)
{
    uint64_t hash;
    if (fc_elf_identify_build(module, id))
        return 0;
    if (!hash_content(module, &hash))
        return -ENODATA;
    id->kind = FC_MODULE_ID_CONTENT;
    fc_module_id_append(id, &hash, sizeof hash);
    return 0;
}

bool fc_module_id_is_equal(const struct fc_module_id *a, const struct fc_module_id *b)
{
    return a->kind == b->kind && a->size == b->size && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
