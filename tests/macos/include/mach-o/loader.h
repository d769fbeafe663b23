/* The part of macOS's <mach-o/loader.h> that the library uses, in the same layout. The test
 * defines dladdr(3) as macOS has it. */
#ifndef SHIM_LOADER_H
#define SHIM_LOADER_H

#include <dlfcn.h>
#include <stdint.h>

int mach_dladdr(const void *address, Dl_info *info);
#define dladdr mach_dladdr

#define MH_MAGIC_64 0xfeedfacfU
#define MH_EXECUTE 2
#define MH_DYLIB 6
#define LC_SEGMENT_64 0x19
#define LC_UUID 0x1b
#define SEG_TEXT "__TEXT"

struct mach_header_64 {
    uint32_t magic;
    int32_t cputype, cpusubtype;
    uint32_t filetype, ncmds, sizeofcmds, flags, reserved;
};

struct load_command {
    uint32_t cmd, cmdsize;
};

struct segment_command_64 {
    uint32_t cmd, cmdsize;
    char segname[16];
    uint64_t vmaddr, vmsize, fileoff, filesize;
    int32_t maxprot, initprot;
    uint32_t nsects, flags;
};

struct uuid_command {
    uint32_t cmd, cmdsize;
    uint8_t uuid[16];
};

#endif
