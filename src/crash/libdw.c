/* HOST: Loads libdw, and opens a view of this process by it, for one thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "crash/libdw.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "config.h"
#include "module/module_file.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

/* A static program that loads nothing has no loader. */
#pragma weak dlopen
#pragma weak dlsym

static struct fc_libdw libdw;

/* What the copies of files may still take in the view that is open: a child may tell of one file as
 * many modules. */
#define COPIES_MAX ((uint64_t)64 << 20)
static uint64_t room_for_copies;

/* The descriptors of the view that is open, so that no child of another thread keeps any. Those
 * from FIRST_OF_LIBDW on are libdw's, which closes them. */
static struct fc_fds files;
#define FIRST_OF_LIBDW (FC_FD_COUNT - 4)

/* Guards libdw and what it does: libdw is not thread-safe. */
static pthread_mutex_t libdw_mutex = PTHREAD_MUTEX_INITIALIZER;

static enum { NOT_TRIED, LOADED, MISSING } state;

/* How long a thread waits for the mutex. In a process that was forked while another thread had it,
 * it stays locked for ever, and reading a file from a dead file server may take long. */
#define TURN_NS 1000000000U

static int find_entry(int first, int end)
{
    while (first < end && files.fd[first] >= 0)
        first++;
    return first < end ? first : -1;
}

/* Finds nothing: unwinding needs only the tables in the modules themselves, and unpacking the
 * debug information of a C library takes tens of milliseconds. */
static int find_no_debuginfo(Dwfl_Module *module, void **user, const char *module_name, Dwarf_Addr base,
                             const char *file_name, const char *link_file, GElf_Word link_crc, char **found)
{
    (void)module;
    (void)user;
    (void)module_name;
    (void)base;
    (void)file_name;
    (void)link_file;
    (void)link_crc;
    (void)found;
    return -1;
}

/* Looks for separate debug information only by build-id, below /usr/lib/debug. libdw's own search
 * would end in downloads. */
static int find_debuginfo(Dwfl_Module *module, void **user, const char *module_name, Dwarf_Addr base,
                          const char *file_name, const char *link_file, GElf_Word link_crc, char **found)
{
    fc_fds_lock();
    const int fd =
        libdw.dwfl_build_id_find_debuginfo(module, user, module_name, base, file_name, link_file, link_crc, found);
    const int entry = find_entry(FIRST_OF_LIBDW, FC_FD_COUNT);
    if (fd >= 0 && entry >= 0)
        files.fd[entry] = fd;
    fc_fds_unlock();
    if (fd >= 0)
        *user = &libdw; /* see fc_libdw_has_separate_debuginfo */
    return fd;
}

/* ---- The files of modules -------------------------------------------------------------------- */

/* Opens the file of the module at the address. Returns its entry in the table; -1: there is
 * none. */
static int open_file(uint64_t address, struct fc_opened_file *file)
{
    const int entry = find_entry(0, FIRST_OF_LIBDW);
    return entry >= 0 && fc_module_file_open(address, &files, (enum fc_fd)entry, file) ? entry : -1;
}

/* True: nothing in the file makes libdw open another one by its path, or unpack more than there
 * is. */
static bool is_harmless(Elf *elf)
{
    size_t names;
    GElf_Shdr section;
    if (libdw.elf_getshdrstrndx(elf, &names) != 0)
        return false;
    for (Elf_Scn *at = libdw.elf_nextscn(elf, NULL); at != NULL; at = libdw.elf_nextscn(elf, at)) {
        const char *name =
            libdw.gelf_getshdr(at, &section) == NULL ? NULL : libdw.elf_strptr(elf, names, section.sh_name);
        if (name == NULL || (section.sh_flags & SHF_COMPRESSED) != 0 || strncmp(name, ".zdebug", 7) == 0 ||
            strcmp(name, ".gnu_debugaltlink") == 0)
            return false;
    }
    return true;
}

/* True: libdw reads the file while it looks at it. One that nobody can change is mapped instead,
 * and one that a child may write to is copied before anything in it is looked at. */
static bool is_read_later(const struct fc_opened_file *file)
{
    return file->may_be_cut && !file->may_be_forged && !file->is_foreign;
}

static Elf *read_file(const struct fc_opened_file *file)
{
    const bool is_copied = file->may_be_cut && !is_read_later(file);
    if (is_copied && file->size > room_for_copies)
        return NULL;
    Elf *elf = libdw.elf_begin(file->fd, file->may_be_cut ? ELF_C_READ : ELF_C_READ_MMAP_PRIVATE, NULL);
    if (elf == NULL || is_read_later(file))
        return elf;
    room_for_copies -= is_copied ? file->size : 0;
    if (libdw.elf_cntl(elf, ELF_C_FDREAD) == 0 && (!is_copied || fc_module_file_is_unchanged(file)) &&
        (!file->may_be_forged || is_harmless(elf)))
        return elf;
    (void)libdw.elf_end(elf);
    return NULL;
}

static int find_elf(Dwfl_Module *module, void **user, const char *module_name, Dwarf_Addr base, char **file_name,
                    Elf **elf)
{
    struct fc_opened_file file;
    if (module_name[0] != '/') { /* it lies in memory alone, as the kernel's part of each process */
        fc_fds_lock();
        const int fd = libdw.dwfl_linux_proc_find_elf(module, user, module_name, base, file_name, elf);
        fc_fds_unlock();
        return fd;
    }
    const int entry = open_file(base, &file);
    *elf = entry < 0 ? NULL : read_file(&file);
    *file_name = *elf == NULL ? NULL : strdup(module_name); /* libdw opens a name without a file */
    if (entry >= 0 && (*elf == NULL || !is_read_later(&file)))
        fc_fds_close(&files, (enum fc_fd)entry);
    return -1;
}

static const Dwfl_Callbacks for_unwinding = {.find_elf = find_elf, .find_debuginfo = find_no_debuginfo};
static const Dwfl_Callbacks for_names = {.find_elf = find_elf, .find_debuginfo = find_debuginfo};

/* True: /proc shows this process. In another process namespace than that of /proc, this process's
 * number is another process's. */
static bool proc_shows_us(void)
{
    char link[32];
    const ssize_t length = readlink("/proc/self", link, sizeof link - 1);
    if (length <= 0)
        return false;
    link[length] = 0;
    return strtol(link, NULL, 10) == getpid();
}

/* Not by pthread_mutex_timedlock(3), which goes by the clock of the system: where that is set back
 * meanwhile, the wait would be as much longer. */
static bool lock(void)
{
    const uint64_t until_ns = fc_now_ns() + TURN_NS;
    while (pthread_mutex_trylock(&libdw_mutex) != 0) {
        if (fc_now_ns() >= until_ns)
            return false;
        fc_pause();
    }
    return true;
}

/* Finds one function. ISO C has no conversion from void * to a pointer to a function. */
static bool find_function(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* The first module is the program, unless this library lies in a namespace of dlmopen(3), where no
 * static program can have put it. */
static int is_static_program(struct dl_phdr_info *first, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    for (ElfW(Half) i = 0; i < first->dlpi_phnum; i++)
        if (first->dlpi_phdr[i].p_type == PT_INTERP)
            return -1;
#ifdef HAVE_GETAUXVAL
    return (uintptr_t)first->dlpi_phdr == getauxval(AT_PHDR) ? 1 : -1;
#else
    return 1;
#endif
}

/* A static program would load another C library with libdw. */
static bool is_static(void)
{
    return dlopen == NULL || dlsym == NULL || dl_iterate_phdr(is_static_program, NULL) == 1;
}

static bool load(void)
{
    if (is_static())
        return false;
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return false;
    bool all = true;
#define FIND(name) all = find_function(library, #name, &libdw.name) && all;
    FC_LIBDW_FUNCTIONS(FIND)
#undef FIND
    if (!all || libdw.elf_version(EV_CURRENT) == EV_NONE) {
        dlclose(library);
        return false;
    }
    return true;
}

/* Called with the mutex. */
static bool is_loaded(void)
{
    if (state == NOT_TRIED)
        state = load() ? LOADED : MISSING;
    return state == LOADED;
}

/* Adds the modules that only a child had loaded. Their files are opened when they are asked for. */
static bool report_foreign(Dwfl *dwfl)
{
    for (size_t i = 0; i < FC_FOREIGN_MAX; i++) {
        struct fc_foreign module;
        if (fc_foreign_get(i, &module) &&
            libdw.dwfl_report_module(dwfl, module.file.path, module.here, module.here + module.size) == NULL)
            return false;
    }
    return true;
}

static bool report_process(struct fc_libdw_view *view, enum fc_libdw_use use)
{
    room_for_copies = COPIES_MAX;
    view->libdw = &libdw;
    view->dwfl = libdw.dwfl_begin(use == FC_LIBDW_UNWIND ? &for_unwinding : &for_names);
    if (view->dwfl == NULL)
        return false;
    fc_fds_lock(); /* it opens files of /proc for a moment */
    const bool is_reported = libdw.dwfl_linux_proc_report(view->dwfl, getpid()) == 0;
    fc_fds_unlock();
    return is_reported && report_foreign(view->dwfl) && libdw.dwfl_report_end(view->dwfl, NULL, NULL) == 0;
}

static void end_report(const struct fc_libdw_view *view)
{
    fc_fds_lock();
    for (int i = FIRST_OF_LIBDW; i < FC_FD_COUNT; i++)
        files.fd[i] = -1; /* libdw closes them now */
    if (view->dwfl != NULL)
        libdw.dwfl_end(view->dwfl);
    fc_fds_unlock();
    fc_fds_close_all(&files);
}

static void unlock(const struct fc_libdw_view *view)
{
    (void)pthread_mutex_unlock(&libdw_mutex);
    (void)pthread_setcancelstate(view->cancel_state, NULL);
}

int fc_libdw_open(struct fc_libdw_view *view, enum fc_libdw_use use)
{
    view->dwfl = NULL;
    if (!proc_shows_us())
        return -1;
    /* A thread that was canceled in between would leave mutex, memory and descriptors behind. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &view->cancel_state);
    if (!lock()) {
        (void)pthread_setcancelstate(view->cancel_state, NULL);
        return -1;
    }
    if (is_loaded() && fc_fds_open(&files) == 0) {
        if (report_process(view, use))
            return 0;
        end_report(view);
    }
    unlock(view);
    return -1;
}

void fc_libdw_close(struct fc_libdw_view *view)
{
    end_report(view);
    unlock(view);
}

bool fc_libdw_has_separate_debuginfo(Dwfl_Module *module)
{
    void **user = NULL;
    (void)libdw.dwfl_module_info(module, &user, NULL, NULL, NULL, NULL, NULL, NULL);
    return user != NULL && *user != NULL;
}

bool fc_libdw_is_missing(void)
{
    if (!lock())
        return false;
    const bool is_missing = !is_loaded() && !is_static(); /* a static program cannot use it */
    (void)pthread_mutex_unlock(&libdw_mutex);
    return is_missing;
}
