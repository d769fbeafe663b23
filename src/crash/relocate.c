/* HOST: Translates addresses of a child by the modules that both have. */
#include "crash/relocate.h"

#include <stdlib.h>
#include <string.h>

/* A module that both have. */
struct pair {
    uint64_t start, size; /* in the child */
    uint64_t here;
};

struct fc_relocation {
    struct pair pairs[FC_MODULE_RANGES_MAX]; /* by start */
    size_t pair_count;
    struct fc_module_range ours[FC_MODULE_RANGES_MAX];
    size_t our_count;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *first = a;
    const struct pair *second = b;
    return first->start < second->start ? -1 : first->start > second->start;
}

static struct fc_module_range get(const void *placements, size_t i)
{
    struct fc_module_range placement;
    memcpy(&placement, (const unsigned char *)placements + i * sizeof placement, sizeof placement);
    return placement;
}

static bool is_same_build(const struct fc_module_range *one, const struct fc_module_range *other)
{
    return one->key == other->key && one->size == other->size;
}

/* Whether the child has the very module, from the same path. */
static bool has_counterpart(const struct fc_module_range *ours, const void *placements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct fc_module_range theirs = get(placements, i);
        if (is_same_build(&theirs, ours) && theirs.path == ours->path)
            return true;
    }
    return false;
}

/* What was loaded from another path may be the same module, by a relative path or after it was
 * moved: where there is only one that it can be. NULL: it is not loaded here, or it cannot be told
 * which it is. */
static const struct fc_module_range *find_ours(const struct fc_relocation *translation,
                                               const struct fc_module_range *theirs, const void *placements,
                                               size_t count)
{
    const struct fc_module_range *found = NULL;
    for (size_t i = 0; i < translation->our_count; i++)
        if (is_same_build(&translation->ours[i], theirs) && translation->ours[i].path == theirs->path)
            return &translation->ours[i];
    for (size_t i = 0; i < translation->our_count; i++) {
        const struct fc_module_range *ours = &translation->ours[i];
        if (!is_same_build(ours, theirs) || has_counterpart(ours, placements, count))
            continue;
        if (found != NULL)
            return NULL;
        found = ours;
    }
    return found;
}

static void pair_up(struct fc_relocation *translation, const void *placements, size_t count)
{
    translation->pair_count = 0;
    count = count < FC_MODULE_RANGES_MAX ? count : FC_MODULE_RANGES_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct fc_module_range theirs = get(placements, i);
        const struct fc_module_range *ours = find_ours(translation, &theirs, placements, count);
        if (ours != NULL)
            translation->pairs[translation->pair_count++] = (struct pair){theirs.start, theirs.size, ours->start};
    }
    qsort(translation->pairs, translation->pair_count, sizeof *translation->pairs, compare_pairs);
}

struct fc_relocation *fc_relocation_make(const void *placements, size_t count)
{
    struct fc_relocation *translation = malloc(sizeof *translation);
    if (translation == NULL)
        return NULL;
    translation->our_count = fc_module_ranges_list(translation->ours, FC_MODULE_RANGES_MAX);
    pair_up(translation, placements, count);
    return translation;
}

struct fc_relocation *fc_relocation_between(const void *placements, size_t count, const struct fc_module_range *ours,
                                            size_t our_count)
{
    struct fc_relocation *translation = malloc(sizeof *translation);
    if (translation == NULL)
        return NULL;
    translation->our_count = our_count < FC_MODULE_RANGES_MAX ? our_count : FC_MODULE_RANGES_MAX;
    memcpy(translation->ours, ours, translation->our_count * sizeof *ours);
    pair_up(translation, placements, count);
    return translation;
}

void fc_relocation_free(struct fc_relocation *translation)
{
    free(translation);
}

bool fc_relocate(const struct fc_relocation *translation, uint64_t *address)
{
    size_t low = 0;
    size_t high = translation->pair_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (translation->pairs[middle].start <= *address)
            low = middle + 1;
        else
            high = middle;
    }
    /* The last that begins at or below it: that forged ones overlap does not matter. */
    if (low == 0 || *address - translation->pairs[low - 1].start >= translation->pairs[low - 1].size)
        return false;
    *address += translation->pairs[low - 1].here - translation->pairs[low - 1].start;
    return true;
}

bool fc_relocation_is_ours(const struct fc_relocation *translation, uint64_t address)
{
    for (size_t i = 0; i < translation->our_count; i++)
        if (address - translation->ours[i].start < translation->ours[i].size)
            return true;
    return false;
}
