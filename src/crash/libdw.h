/* HOST: A view of this process by libdw (elfutils), held by one thread at a time.
 *
 * libdw is not linked: the first crash that is to be told loads it by dlopen(3), so that a program
 * whose calls succeed pays nothing for it, and a machine without libdw can run the program.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_LIBDW_H
#define FC_CRASH_LIBDW_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

/* The functions of libdw, and of libelf, which it brings with it, that the library calls. */
#define FC_LIBDW_FUNCTIONS(X)        \
    X(dwarf_attr)                    \
    X(dwarf_attr_integrate)          \
    X(dwarf_diecu)                   \
    X(dwarf_diename)                 \
    X(dwarf_dieoffset)               \
    X(dwarf_filesrc)                 \
    X(dwarf_formstring)              \
    X(dwarf_formudata)               \
    X(dwarf_getscopes)               \
    X(dwarf_getscopes_die)           \
    X(dwarf_getsrc_die)              \
    X(dwarf_getsrcfiles)             \
    X(dwarf_haspc)                   \
    X(dwarf_lineno)                  \
    X(dwarf_linesrc)                 \
    X(dwarf_offdie)                  \
    X(dwarf_tag)                     \
    X(dwfl_addrmodule)               \
    X(dwfl_attach_state)             \
    X(dwfl_begin)                    \
    X(dwfl_build_id_find_debuginfo)  \
    X(dwfl_end)                      \
    X(dwfl_frame_pc)                 \
    X(dwfl_getthread_frames)         \
    X(dwfl_linux_proc_find_elf)      \
    X(dwfl_linux_proc_report)        \
    X(dwfl_module_addrdie)           \
    X(dwfl_module_addrinfo)          \
    X(dwfl_module_build_id)          \
    X(dwfl_module_getdwarf)          \
    X(dwfl_module_getelf)            \
    X(dwfl_module_info)              \
    X(dwfl_module_nextcu)            \
    X(dwfl_pid)                      \
    X(dwfl_report_end)               \
    X(dwfl_report_module)            \
    X(dwfl_thread_state_register_pc) \
    X(dwfl_thread_state_registers)   \
    X(elf_begin)                     \
    X(elf_cntl)                      \
    X(elf_end)                       \
    X(elf_getshdrstrndx)             \
    X(elf_nextscn)                   \
    X(elf_strptr)                    \
    X(elf_version)                   \
    X(gelf_getshdr)

/* libdw as it was loaded: libdw->dwfl_begin(…). */
struct fc_libdw {
#define FC_LIBDW_MEMBER(name) __typeof__(&name) name;
    FC_LIBDW_FUNCTIONS(FC_LIBDW_MEMBER)
#undef FC_LIBDW_MEMBER
};

struct fc_libdw_view {
    const struct fc_libdw *libdw;
    Dwfl *dwfl;
    int cancel_state;
};

enum fc_libdw_use {
    FC_LIBDW_UNWIND, /* without debug information that lies in files of its own */
    FC_LIBDW_NAME,
};

/* Opens a view. 0: it is open, and fc_libdw_close closes it. -1: libdw is not on this machine, or
 * cannot be used at the moment, and the caller uses something else. No memory and no descriptor
 * stays after the view is closed, but libdw stays loaded. */
int fc_libdw_open(struct fc_libdw_view *view, enum fc_libdw_use use);
void fc_libdw_close(struct fc_libdw_view *view);

/* True: debug information of the module was read from a file of its own. */
bool fc_libdw_has_separate_debuginfo(Dwfl_Module *module);

/* True: this machine has no libdw that the process can load. */
bool fc_libdw_is_missing(void);

#endif
