/* CHILD: The files whose code a crashed child was in. */
#include "child/mapped_files.h"

#include "child/storage.h"
#include "module/newest.h"
#include "module/proc_maps.h"

#include <string.h>

/* What is looked for, and what was found. */
struct listing {
    const struct fc_crash_notice *notice;
    const uintptr_t *words;
    size_t word_count;
    struct fc_mapped_file file; /* the last one whose start was seen */
    size_t count;
};

/* The stack is read as it is, and not as the compiler knows it. */
__attribute__((no_sanitize("address", "undefined"))) static bool leads_to(const struct listing *listing, uint64_t start,
                                                                          uint64_t end)
{
    /* A return address may stand just behind the code. */
    if (listing->notice->registers.pc - start <= end - start)
        return true;
    for (size_t i = 0; i < listing->word_count; i++)
        if (listing->words[i] - start <= end - start)
            return true;
    return false;
}

static bool visit(const struct fc_maps_line *line, void *arg)
{
    struct listing *listing = arg;
    struct fc_mapped_file *file = &listing->file;
    if (line->inode == 0 || line->path[0] != '/')
        return true;
    if (line->offset == 0) {
        file->base = line->start;
        file->device = line->device;
        file->inode = line->inode;
    }
    if (!line->is_code || file->device != line->device || file->inode != line->inode ||
        !leads_to(listing, line->start, line->end))
        return true;
    file->start = line->start;
    file->end = line->end;
    file->offset = line->offset;
    const size_t length = strnlen(line->path, sizeof file->path);
    memset(file->path, 0, sizeof file->path);
    if (length < sizeof file->path)
        memcpy(file->path, line->path, length);
    fc_mapped_files[listing->count++] = *file;
    return listing->count < FC_MAPPED_FILES_MAX;
}

size_t fc_mapped_files_list(const struct fc_crash_notice *notice, size_t stack_size)
{
    struct listing listing = {.notice = notice};
    if (!fc_newest_module_changed()) /* reading the list takes half as long as a whole crash */
        return 0;
    const uint64_t skipped = -notice->stack_address % sizeof(uintptr_t);
    if (stack_size > skipped) {
        listing.words = (const uintptr_t *)(uintptr_t)(notice->stack_address + skipped);
        listing.word_count = (size_t)(stack_size - skipped) / sizeof(uintptr_t);
    }
    (void)fc_maps_read(fc_line, sizeof fc_line, (struct fc_maps_visitor){.visit = visit, .arg = &listing});
    return listing.count;
}
