/* ANY: Cuts text between characters of UTF-8. Pure functions, async-signal-safe. */
#ifndef FC_BASE_UTF8_H
#define FC_BASE_UTF8_H

#include <stddef.h>

/* How many bytes the character at text has, of which size bytes are there; 0: there is no
 * character, or it is not complete. */
size_t fc_utf8_character(const void *text, size_t size);

/* How many bytes of text to keep, at most max, so that no character is cut. Text that is not UTF-8
 * is cut at max. */
size_t fc_utf8_cut(const void *text, size_t size, size_t max);

/* How many bytes of text to leave out at the beginning, at least min, so that what follows does not
 * begin inside a character. */
size_t fc_utf8_skip(const void *text, size_t size, size_t min);

/* How many bytes to keep of a text whose end was cut off, so that it does not end inside a
 * character. */
size_t fc_utf8_whole(const void *text, size_t size);

#endif
