/* HOST: Relocates addresses by the modules that both processes have. */
#include "crash/relocate.h"

#include <stdlib.h>
#include <string.h>

/* A range of a module that both processes have. */
struct pair {
    uint64_t start, size; /* in the child */
    uint64_t here;
};

struct fc_relocation {
    struct pair pairs[FC_MODULE_RANGES_MAX]; /* sorted by start */
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

static struct fc_module_range get(const void *ranges, size_t i)
{
    struct fc_module_range range;
    memcpy(&range, (const unsigned char *)ranges + i * sizeof range, sizeof range);
    return range;
}

static bool is_same_build(const struct fc_module_range *one, const struct fc_module_range *other)
{
    return one->key == other->key && one->size == other->size;
}

/* True: the child has this module, loaded from the same path. */
static bool has_counterpart(const struct fc_module_range *ours, const void *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct fc_module_range theirs = get(ranges, i);
        if (is_same_build(&theirs, ours) && theirs.path == ours->path)
            return true;
    }
    return false;
}

/* Finds the range here for one of the child's. A module that was loaded from another path may be
 * the same (by a relative path, or after a move) if there is only one candidate. NULL: it is not
 * loaded here, or it is not clear which one it is. */
static const struct fc_module_range *find_ours(const struct fc_relocation *relocation,
                                               const struct fc_module_range *theirs, const void *ranges, size_t count)
{
    const struct fc_module_range *found = NULL;
    for (size_t i = 0; i < relocation->our_count; i++)
        if (is_same_build(&relocation->ours[i], theirs) && relocation->ours[i].path == theirs->path)
            return &relocation->ours[i];
    for (size_t i = 0; i < relocation->our_count; i++) {
        const struct fc_module_range *ours = &relocation->ours[i];
        if (!is_same_build(ours, theirs) || has_counterpart(ours, ranges, count))
            continue;
        if (found != NULL)
            return NULL;
        found = ours;
    }
    return found;
}

static void pair_up(struct fc_relocation *relocation, const void *ranges, size_t count)
{
    relocation->pair_count = 0;
    count = count < FC_MODULE_RANGES_MAX ? count : FC_MODULE_RANGES_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct fc_module_range theirs = get(ranges, i);
        const struct fc_module_range *ours = find_ours(relocation, &theirs, ranges, count);
        if (ours != NULL)
            relocation->pairs[relocation->pair_count++] = (struct pair){theirs.start, theirs.size, ours->start};
    }
    qsort(relocation->pairs, relocation->pair_count, sizeof *relocation->pairs, compare_pairs);
}

struct fc_relocation *fc_relocation_make(const void *ranges, size_t count)
{
    struct fc_relocation *relocation = malloc(sizeof *relocation);
    if (relocation == NULL)
        return NULL;
    relocation->our_count = fc_module_ranges_list(relocation->ours, FC_MODULE_RANGES_MAX);
    pair_up(relocation, ranges, count);
    return relocation;
}

struct fc_relocation *fc_relocation_between(const void *ranges, size_t count, const struct fc_module_range *ours,
                                            size_t our_count)
{
    struct fc_relocation *relocation = malloc(sizeof *relocation);
    if (relocation == NULL)
        return NULL;
    relocation->our_count = our_count < FC_MODULE_RANGES_MAX ? our_count : FC_MODULE_RANGES_MAX;
    memcpy(relocation->ours, ours, relocation->our_count * sizeof *ours);
    pair_up(relocation, ranges, count);
    return relocation;
}

void fc_relocation_free(struct fc_relocation *relocation)
{
    free(relocation);
}

bool fc_relocate(const struct fc_relocation *relocation, uint64_t *address)
{
    size_t low = 0;
    size_t high = relocation->pair_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (relocation->pairs[middle].start <= *address)
            low = middle + 1;
        else
            high = middle;
    }
    /* The last range that begins at or below the address. Forged ranges may overlap, which does no
     * harm. */
    if (low == 0 || *address - relocation->pairs[low - 1].start >= relocation->pairs[low - 1].size)
        return false;
    *address += relocation->pairs[low - 1].here - relocation->pairs[low - 1].start;
    return true;
}

bool fc_relocation_is_ours(const struct fc_relocation *relocation, uint64_t address)
{
    for (size_t i = 0; i < relocation->our_count; i++)
        if (address - relocation->ours[i].start < relocation->ours[i].size)
            return true;
    return false;
}
