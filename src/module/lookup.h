/* ANY: The name by which another process of the same program finds a function: module, offset, file
 * and build identity. Static functions and those of static programs have such a name, too.
 *
 * A name is never taken for a function of another module, even if that is another file of the same
 * build: if the module is not surely the same, the name is refused. */
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

/* How a module is identified. Each kind also contains the layout of the segments. */
enum fc_module_id_kind {
    FC_MODULE_ID_BUILD = 1, /* the id that the linker has written for this purpose */
    /* A hash of everything that the module does not write to. Its initial data is not included. */
    FC_MODULE_ID_CONTENT = 2,
    /* Device, inode, size and time of change, for a module whose code is relocated or cannot be
     * read. */
    FC_MODULE_ID_FILE = 3,
};

/* The identity of a module. Two are equal if kind, size and all bytes are. The bytes behind size
 * are 0. */
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

/* The file that a module was loaded from. Two files of one build are two modules, each with its own
 * data. The kernel's list of mappings and stat(2) can give one file two devices (file systems with
 * several layers), so both are kept. */
struct fc_module_file {
    uint64_t mapped_device, mapped_inode; /* of what is mapped; inode 0: the kernel does not tell */
    /* Of path. Inode 0: the module's file is not there any more, or not known. */
    uint64_t device, inode;
};

/* The name of a function. There is no padding before path, and only path_size bytes of path count,
 * so offsetof(…, path) + path_size bytes are the whole name. */
struct fc_module_function {
    /* The address inside the file, as addr2line takes it. */
    uint64_t offset;
    struct fc_module_id id;
    struct fc_module_file file; /* all 0 for the program */
    uint32_t path_size;         /* with the terminating 0, so at least 1 */
    /* The function lies in the program itself, which is found without path; path is then empty. */
    bool is_program;
    /* The module is refused if a symbol is missing that it refers to. Else the loader fails only
     * where the function needs that symbol, and ends the process. False, until exec/exec_self.c
     * says otherwise. */
    bool must_be_complete;
    /* An absolute path; or only a name, if the module's file is not known. */
    char path[FC_MODULE_PATH_MAX];
};

/* In the host, called by forkcall_init(): notes the program, so that its own functions are named
 * later without the loader's lock. */
void fc_module_note_program(void);

/* In the host: names a function. Takes about 1 µs if something in the same module was named before.
 * Thread-safe; not async-signal-safe; takes no lock that a fork could leave locked, except the
 * loader's.
 *
 * Returns 0; -ENOENT: fn lies in no code of a module (generated code, NULL); -ENAMETOOLONG: the
 * module's path does not fit; -EXDEV: the module lies in a namespace of dlmopen(3), which no other
 * process has; -ESTALE: only its file could identify the module, and the file was deleted, replaced
 * or cut short, or cannot be looked up. */
int fc_module_name(forkcall_fn *fn, struct fc_module_function *name);

/* In a server, and in its exec'ed children: prepares, so that fc_module_find is fast, there and in
 * forked children, for functions of the program and of the modules that are loaded now. */
void fc_module_warm_up(void);

/* In such a child: touches the memory that the first fc_module_find needs, so that it is faulted in
 * before there is a call. */
void fc_module_prefault(void);

/* In the new process: finds the function in a module that was loaded from the caller's file,
 * whatever path led to the file; or loads that file by the caller's path. name may have any
 * content.
 *
 * Returns 0; -EINVAL: this is no name; -ENOENT: the module cannot be loaded; -ESTALE: it is another
 * file or build. After an error why is a text for a person, cut to why_size bytes. */
int fc_module_find(const struct fc_module_function *name, forkcall_fn **fn, char *why, size_t why_size);

/* True: the function's module is loaded, so that fc_module_find loads nothing for it. name may have
 * any content. */
bool fc_module_is_loaded(const struct fc_module_function *name);

/* True: both are functions of the same module. */
static inline bool fc_module_is_same(const struct fc_module_function *a, const struct fc_module_function *b)
{
    const size_t start = offsetof(struct fc_module_function, id);
    return a->path_size == b->path_size &&
           memcmp((const char *)a + start, (const char *)b + start,
                  offsetof(struct fc_module_function, path) - start + a->path_size) == 0;
}

/* Sets the path. 0 or -ENAMETOOLONG. */
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

/* Finds the function in the modules that are loaded. False: it is in none of them, or only in
 * another file or build. */
bool fc_module_search(const struct fc_module_function *name, forkcall_fn **fn);

#endif
