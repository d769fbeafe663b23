/* ANY: The name of a function that another process of the same program finds it by: module, offset,
 * file and build identity. Static functions and those of static programs have such a name, too.
 *
 * A name is never taken for a function of another module, be it a copy of the same build: where the
 * module is not surely the same, the name is refused. */
#ifndef FC_MODULE_LOOKUP_H
#define FC_MODULE_LOOKUP_H

#include <forkcall.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef PATH_MAX
#define FC_MODULE_PATH_MAX PATH_MAX
#else
#define FC_MODULE_PATH_MAX 4096
#endif
#define FC_MODULE_ID_MAX 64

/* All of them hold the layout of the segments, too. */
enum fc_module_id_kind {
    FC_MODULE_ID_BUILD = 1, /* what the linker gave it for this purpose */
    /* A hash of all that it does not write to; what it has for initial data is not in it. */
    FC_MODULE_ID_CONTENT = 2,
    /* Device, inode, size and time of change: for code that is relocated, or not readable. */
    FC_MODULE_ID_FILE = 3,
};

/* Equal where kind, size and all the bytes are; those after size are 0. */
struct fc_module_id {
    uint32_t kind;
    uint32_t size;
    unsigned char bytes[FC_MODULE_ID_MAX];
};

/* Appends bytes to an id, which must have room for them. */
static inline void fc_module_id_append(struct fc_module_id *id, const void *data, size_t size)
{
    memcpy(id->bytes + id->size, data, size);
    id->size += (uint32_t)size;
}

/* Which file a module was loaded from. Two files of one build are two modules, each with data of
 * its own. The kernel's list of mappings and stat(2) can give one file two devices (file systems of
 * several layers), so both are kept. */
struct fc_module_file {
    uint64_t mapped_device, mapped_inode; /* of what is mapped. Inode 0: the kernel does not tell */
    /* Of path. Inode 0: the module's file is not there any more, or not known. */
    uint64_t device, inode;
};

/* Without padding before path. Of path only path_size bytes count, so offsetof(…, path) + path_size
 * bytes are all. */
struct fc_module_function {
    /* From where the module was moved to: the address inside the file, as addr2line takes it. */
    uint64_t offset;
    struct fc_module_id id;
    struct fc_module_file file; /* all 0 for the program */
    uint32_t path_size;         /* with the terminating 0: at least 1 */
    bool is_program;            /* in the program itself: found without path, which is empty */
    /* absolute; or just a name, where the module's file is not known. */
    char path[FC_MODULE_PATH_MAX];
};

/* In the caller, early: so that the program's own functions are named later without the loader's
 * lock. */
void fc_module_note_program(void);

/* In the caller. Some 1 µs from the second time on that something in this module is named.
 * Thread-safe; not async-signal-safe; takes no lock that a fork could leave locked, but the
 * loader's. 0; -ENOENT: fn lies in no code of a module (generated code, NULL); -ENAMETOOLONG: the
 * path does; -EXDEV: the module lies in a namespace of dlmopen(3), which no other process has;
 * -ESTALE: only its file could tell the module, and that has been deleted, replaced or cut short,
 * or cannot be looked up. */
int fc_module_name(forkcall_fn *fn, struct fc_module_function *name);

/* In a process from which children are forked that will call fc_module_find: makes that fast for
 * functions of the program and of the modules that are loaded now. */
void fc_module_prepare(void);

/* In such a child: touches the memory that the first fc_module_find needs. */
void fc_module_touch(void);

/* In the copy: finds the function, in a module that is loaded from the caller's file, whatever path
 * led to the file, or by loading that file by the caller's path. name may have any content. 0 or a
 * negative errno: -EINVAL: no name at all; -ENOENT: the module cannot be loaded; -ESTALE: it is
 * another file or build. Then why is a text for a person, cut to why_size bytes. */
int fc_module_find(const struct fc_module_function *name, forkcall_fn **fn, char *why, size_t why_size);

/* 0 or -ENAMETOOLONG. */
static inline int fc_module_set_path(struct fc_module_function *name, const char *path)
{
    const size_t length = strlen(path);
    if (length >= sizeof name->path)
        return -ENAMETOOLONG;
    memcpy(name->path, path, length + 1);
    name->path_size = (uint32_t)length + 1;
    return 0;
}

/* ---- What module/lookup.c needs of a platform ------------------------------------------------ */

/* Finds the function in the modules that are loaded. False: in none, or in another file or build
 * only. */
bool fc_module_search(const struct fc_module_function *name, forkcall_fn **fn);

#endif
