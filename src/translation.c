#include "translation.h"

#include <stdlib.h>
#include <string.h>

/* A module that both have. */
struct pair {
    uint64_t start, size; /* in the child */
    uint64_t here;
};

struct fc_translation {
    struct pair pairs[FC_PLACEMENTS_MAX]; /* by start */
    size_t pair_count;
    struct fc_placement ours[FC_PLACEMENTS_MAX];
    size_t our_count;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *first = a;
    const struct pair *second = b;
    return first->start < second->start ? -1 : first->start > second->start;
}

/* NULL: it is not loaded here. */
static const struct fc_placement *find_ours(const struct fc_translation *translation, const struct fc_placement *theirs)
{
    const struct fc_placement *found = NULL;
    for (size_t i = 0; i < translation->our_count; i++) {
        const struct fc_placement *ours = &translation->ours[i];
        if (ours->key != theirs->key || ours->size != theirs->size)
            continue;
        if (ours->path == theirs->path)
            return ours;
        found = found != NULL ? found : ours;
    }
    return found;
}

static void pair_up(struct fc_translation *translation, const void *placements, size_t count)
{
    translation->pair_count = 0;
    for (size_t i = 0; i < count && i < FC_PLACEMENTS_MAX; i++) {
        struct fc_placement theirs;
        memcpy(&theirs, (const unsigned char *)placements + i * sizeof theirs, sizeof theirs);
        const struct fc_placement *ours = find_ours(translation, &theirs);
        if (ours != NULL)
            translation->pairs[translation->pair_count++] = (struct pair){theirs.start, theirs.size, ours->start};
    }
    qsort(translation->pairs, translation->pair_count, sizeof *translation->pairs, compare_pairs);
}

struct fc_translation *fc_translation_make(const void *placements, size_t count)
{
    struct fc_translation *translation = malloc(sizeof *translation);
    if (translation == NULL)
        return NULL;
    translation->our_count = fc_placements_list(translation->ours, FC_PLACEMENTS_MAX);
    pair_up(translation, placements, count);
    return translation;
}

struct fc_translation *fc_translation_between(const void *placements, size_t count, const struct fc_placement *ours,
                                              size_t our_count)
{
    struct fc_translation *translation = malloc(sizeof *translation);
    if (translation == NULL)
        return NULL;
    translation->our_count = our_count < FC_PLACEMENTS_MAX ? our_count : FC_PLACEMENTS_MAX;
    memcpy(translation->ours, ours, translation->our_count * sizeof *ours);
    pair_up(translation, placements, count);
    return translation;
}

void fc_translation_free(struct fc_translation *translation)
{
    free(translation);
}

bool fc_translate(const struct fc_translation *translation, uint64_t *address)
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

bool fc_translation_is_ours(const struct fc_translation *translation, uint64_t address)
{
    for (size_t i = 0; i < translation->our_count; i++)
        if (address - translation->ours[i].start < translation->ours[i].size)
            return true;
    return false;
}
