/* HOST: The last lines of children whose calls have failed.
 *
 * SPDX-License-Identifier: MIT */
#include "call/last_words.h"

#include "base/brief_lock.h"
#include "base/sections.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static FC_LARGE_STORAGE struct words {
    uint64_t number;
    char text[FC_LAST_WORDS_SIZE];
} kept[FC_LAST_WORDS_MAX];

static uint64_t last_number;
static atomic_flag is_locked = ATOMIC_FLAG_INIT;

uint64_t fc_last_words_keep(const void *text, size_t size)
{
    const size_t n = size < FC_LAST_WORDS_SIZE ? size : FC_LAST_WORDS_SIZE - 1;
    if (n == 0 || !fc_brief_lock(&is_locked))
        return 0;
    const uint64_t number = ++last_number;
    struct words *words = &kept[number % FC_LAST_WORDS_MAX];
    words->number = number;
    memcpy(words->text, (const char *)text + (size - n), n);
    words->text[n] = 0;
    atomic_flag_clear(&is_locked);
    return number;
}

void fc_last_words_get(uint64_t number, char text[FC_LAST_WORDS_SIZE])
{
    const struct words *words = &kept[number % FC_LAST_WORDS_MAX];
    text[0] = 0;
    if (number == 0 || !fc_brief_lock(&is_locked))
        return;
    if (words->number == number)
        memcpy(text, words->text, FC_LAST_WORDS_SIZE);
    atomic_flag_clear(&is_locked);
}
