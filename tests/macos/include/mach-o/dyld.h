/* The part of macOS's <mach-o/dyld.h> that the library uses. The test defines the functions. */
#ifndef SHIM_DYLD_H
#define SHIM_DYLD_H

#include <stdint.h>

struct mach_header;

uint32_t _dyld_image_count(void);
const struct mach_header *_dyld_get_image_header(uint32_t index);
const char *_dyld_get_image_name(uint32_t index);

#endif
