/* ANY: Mach-O: Names and finds functions by the headers of modules and what dyld tells.
 *
 * Nothing is kept from one call to the next: dyld does not tell cheaply whether a module was
 * unloaded, and starting a process takes a thousand times as long.
 *
 * SPDX-License-Identifier: MIT */
#include "module/lookup.h"

#include "base/code_pointer.h"
#include "base/hash.h"
#include "module/macho.h"
#include "module/ranges.h"

#include <dlfcn.h>
#include <errno.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>
#include <mach/vm_prot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* True: code lies at this offset from the header. */
static bool is_code(const struct mach_header_64 *header, uint64_t offset)
{
    const struct segment_command_64 *text = fc_macho_text(header);
    const struct load_command *command = fc_macho_first(header);
    for (uint32_t i = 0; i < header->ncmds && text != NULL; i++, command = fc_macho_next(command)) {
        const struct segment_command_64 *segment = fc_macho_segment(command);
        if (segment != NULL && (segment->initprot & VM_PROT_EXECUTE) != 0 &&
            offset - (segment->vmaddr - text->vmaddr) < segment->vmsize)
            return true;
    }
    return false;
}

/* Identifies a module by the layout of its segments, and by the linker's UUID or a hash of the
 * code. */
static bool identify(const struct mach_header_64 *header, struct fc_module_id *id)
{
    const struct segment_command_64 *text = fc_macho_text(header);
    const struct load_command *command = fc_macho_first(header);
    const struct uuid_command *uuid = fc_macho_uuid(header);
    uint64_t hash = FC_HASH_START;
    if (text == NULL)
        return false;
    for (uint32_t i = 0; i < header->ncmds; i++, command = fc_macho_next(command)) {
        const struct segment_command_64 *segment = fc_macho_segment(command);
        if (segment == NULL)
            continue;
        const uint64_t values[] = {segment->vmaddr - text->vmaddr, segment->vmsize, (uint64_t)segment->initprot};
        hash = fc_hash(hash, values, sizeof values);
    }
    *id = (struct fc_module_id){.kind = uuid != NULL ? FC_MODULE_ID_BUILD : FC_MODULE_ID_CONTENT};
    fc_module_id_append(id, &hash, sizeof hash);
    if (uuid != NULL) {
        fc_module_id_append(id, uuid->uuid, sizeof uuid->uuid);
    } else {
        hash = fc_hash(FC_HASH_START, header, text->vmsize);
        fc_module_id_append(id, &hash, sizeof hash);
    }
    return true;
}

/* Sets the path. dyld has made most paths absolute when it loaded the modules. */
static int set_absolute_path(struct fc_module_function *name, const char *path)
{
    char *absolute = path[0] == '/' ? NULL : realpath(path, NULL);
    const int r = fc_module_set_path(name, absolute != NULL ? absolute : path);
    free(absolute);
    return r;
}

/* Notes the module's file. The system's libraries have no file: they lie in the cache of dyld,
 * which is the same until the system starts again. */
static void note_file(struct fc_module_function *name)
{
    struct stat status;
    if (name->is_program || stat(name->path, &status) < 0)
        return;
    name->file.device = (uint64_t)status.st_dev;
    name->file.inode = (uint64_t)status.st_ino;
}

void fc_module_note_program(void)
{
    /* Nothing is kept here: dyld is asked each time. */
}

int fc_module_name(forkcall_fn *fn, struct fc_module_function *name)
{
    Dl_info info;
    const uintptr_t address = fc_code_address(fn);
    if (fn == NULL || dladdr((const void *)address, &info) == 0 || info.dli_fbase == NULL)
        return -ENOENT;
    const struct mach_header_64 *header = info.dli_fbase;
    if (header->magic != MH_MAGIC_64)
        return -ENOENT;
    name->offset = address - (uintptr_t)header;
    name->is_program = header->filetype == MH_EXECUTE;
    name->must_be_complete = false;
    if (!is_code(header, name->offset) || !identify(header, &name->id))
        return -ENOENT;
    const int r = name->is_program || info.dli_fname == NULL ? fc_module_set_path(name, "")
                                                             : set_absolute_path(name, info.dli_fname);
    name->file = (struct fc_module_file){0};
    if (r == 0)
        note_file(name);
    return r;
}

void fc_module_warm_up(void)
{
}

void fc_module_prefault(void)
{
}

static bool is_module(const struct mach_header_64 *header, const struct fc_module_function *name)
{
    struct fc_module_id id;
    return header != NULL && header->magic == MH_MAGIC_64 && (header->filetype == MH_EXECUTE) == name->is_program &&
           is_code(header, name->offset) && identify(header, &id) && id.kind == name->id.kind &&
           id.size == name->id.size && memcmp(id.bytes, name->id.bytes, sizeof id.bytes) == 0;
}

/* True: the module was loaded from the named file. Another file with the same content is another
 * module, with its own data. */
static bool is_file(const char *path, const struct fc_module_function *name)
{
    struct stat status;
    if (path == NULL)
        return false;
    if (name->file.inode == 0)
        return strcmp(path, name->path) == 0;
    return stat(path, &status) == 0 && (uint64_t)status.st_ino == name->file.inode &&
           (uint64_t)status.st_dev == name->file.device;
}

bool fc_module_search(const struct fc_module_function *name, forkcall_fn **fn)
{
    *fn = NULL;
    for (uint32_t i = 0; i < _dyld_image_count(); i++) {
        const struct mach_header_64 *header = (const struct mach_header_64 *)_dyld_get_image_header(i);
        if (!is_module(header, name) || !(name->is_program || is_file(_dyld_get_image_name(i), name)))
            continue;
        *fn = fc_code_pointer((uintptr_t)header + (uintptr_t)name->offset);
        return true;
    }
    return false;
}

/* ---- Where modules lie ----------------------------------------------------------------------- */

/* Describes where a module's code lies. Only the code, because the data of the system's libraries
 * lies far from it, between the data of others. */
static bool place(const struct mach_header_64 *header, const char *path, struct fc_module_range *range)
{
    const struct segment_command_64 *text = fc_macho_text(header);
    const struct uuid_command *build = fc_macho_uuid(header);
    if (text == NULL || text->vmsize == 0)
        return false;
    range->start = (uintptr_t)header;
    range->size = text->vmsize;
    range->path = header->filetype == MH_EXECUTE ? 0 : fc_hash(FC_HASH_START, path, strlen(path));
    range->key = fc_hash(FC_HASH_START, &header->filetype, sizeof header->filetype);
    range->key = build != NULL ? fc_hash(range->key, build->uuid, sizeof build->uuid) : range->key ^ range->path;
    return true;
}

size_t fc_module_ranges_list(struct fc_module_range *ranges, size_t max)
{
    size_t count = 0;
    for (uint32_t i = 0; i < _dyld_image_count() && count < max; i++) {
        const struct mach_header_64 *header = (const struct mach_header_64 *)_dyld_get_image_header(i);
        const char *path = _dyld_get_image_name(i);
        if (header != NULL && header->magic == MH_MAGIC_64 && place(header, path != NULL ? path : "", &ranges[count]))
            count++;
    }
    return count;
}
