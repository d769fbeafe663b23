/* ANY: Walks the load commands in the header of a Mach-O module. */
#ifndef FC_MODULE_MACHO_H
#define FC_MODULE_MACHO_H

#include <mach-o/loader.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline const struct load_command *fc_macho_first(const struct mach_header_64 *header)
{
    return (const struct load_command *)(header + 1);
}

static inline const struct load_command *fc_macho_next(const struct load_command *command)
{
    return (const struct load_command *)((const unsigned char *)command + command->cmdsize);
}

/* The segment that the command describes; NULL: it describes none. */
static inline const struct segment_command_64 *fc_macho_segment(const struct load_command *command)
{
    return command->cmd == LC_SEGMENT_64 ? (const struct segment_command_64 *)command : NULL;
}

/* The segment that begins with the header; NULL: there is none. */
static inline const struct segment_command_64 *fc_macho_text(const struct mach_header_64 *header)
{
    const struct load_command *command = fc_macho_first(header);
    for (uint32_t i = 0; i < header->ncmds; i++, command = fc_macho_next(command)) {
        const struct segment_command_64 *segment = fc_macho_segment(command);
        if (segment != NULL && strncmp(segment->segname, SEG_TEXT, sizeof segment->segname) == 0)
            return segment;
    }
    return NULL;
}

/* The UUID that the linker has written; NULL: it has written none. */
static inline const struct uuid_command *fc_macho_uuid(const struct mach_header_64 *header)
{
    const struct load_command *command = fc_macho_first(header);
    for (uint32_t i = 0; i < header->ncmds; i++, command = fc_macho_next(command))
        if (command->cmd == LC_UUID)
            return (const struct uuid_command *)command;
    return NULL;
}

#endif
