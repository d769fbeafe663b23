/* HOST: The last lines of children whose calls have failed.
 *
 * SPDX-License-Identifier: MIT */
#include "call/last_words.h"

#include "base/io.h"
#include "base/large_storage.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* How often a thread tries to get the lock: in a process that was forked while another thread had
 * it, it stays locked. */
#define TRIES 1000

static FC_LARGE_STORAGE struct words {
    uint64_t number;
    char text[FC_LAST_WORDS_SIZE];
} kept[FC_LAST_WORDS_MAX];

static uint64_t last_number;
static atomic_flag is_locked = ATOMIC_FLAG_INIT;

static bool lock(void)
{
    for (int i = 0; i < TRIES; i++) {
        if (!atomic_flag_test_and_set(&is_locked))
            return true;
        fc_yield();
    }
    return false;
}

uint64_t fc_last_words_keep(const void *text, size_t size)
{
    const size_t n = size < FC_LAST_WORDS_SIZE ? size : FC_LAST_WORDS_SIZE - 1;
    if (n == 0 || !lock())
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
    if (number == 0 || !lock())
        return;
    if (words->number == number)
        memcpy(text, words->text, FC_LAST_WORDS_SIZE);
    atomic_flag_clear(&is_locked);
}
