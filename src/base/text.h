/* ANY: A text of any length in a buffer of limited size, as by snprintf(3). */
#ifndef FC_BASE_TEXT_H
#define FC_BASE_TEXT_H

#include <forkcall.h>

#include <stddef.h>

struct fc_text {
    char *to; /* may be NULL if size is 0 */
    size_t size;
    size_t length; /* of the whole text, without its terminating 0 */
};

/* Appends. What does not fit only counts. */
void fc_text_add(struct fc_text *text, const char *format, ...) FORKCALL_PRINTF(2, 3);

#endif
