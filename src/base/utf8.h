/* ANY: Text that is cut is cut between characters of UTF-8. Pure functions, async-signal-safe. */
#ifndef FC_BASE_UTF8_H
#define FC_BASE_UTF8_H

#include <stddef.h>

/* The bytes of the character that begins at text, of which there are size bytes; 0: what is there
 * is none, or not whole. */
size_t fc_utf8_character(const void *text, size_t size);

/* How many bytes of text to keep so that there are at most max, and none of a character without the
 * rest of it. What is not UTF-8 is cut at max. */
size_t fc_utf8_cut(const void *text, size_t size, size_t max);

/* The same for the other side: how many bytes to leave out at the beginning, at least min, so that
 * what follows does not begin inside a character. */
size_t fc_utf8_skip(const void *text, size_t size, size_t min);

/* How many bytes of text, whose end was cut off, to keep so that it does not end inside a
 * character. */
size_t fc_utf8_whole(const void *text, size_t size);

#endif
