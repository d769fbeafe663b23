/* HOST: The last lines that children whose calls have failed have written to a captured
 * standard_error. They are kept beside the reports, which have no room for them: those of the last
 * FC_LAST_WORDS_MAX calls.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CALL_LAST_WORDS_H
#define FC_CALL_LAST_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define FC_LAST_WORDS_MAX 16U
#define FC_LAST_WORDS_SIZE 1024U /* with a terminating 0 */

/* Keeps the end of the text. Returns the number to ask for it; 0: it cannot be kept.
 * Thread-safe. */
uint64_t fc_last_words_keep(const void *text, size_t size);

/* Copies the text of that number: no more than FC_LAST_WORDS_SIZE bytes, with a terminating 0; ""
 * if it is not kept any more. Thread-safe. */
void fc_last_words_get(uint64_t number, char text[FC_LAST_WORDS_SIZE]);

#endif
