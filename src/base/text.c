/* ANY: A text of any length in a buffer of limited size. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void fc_text_add(struct fc_text *text, const char *format, ...)
{
    va_list arguments;
    const size_t used = text->length < text->size ? text->length : text->size;
    va_start(arguments, format);
    const int n = vsnprintf(text->size == 0 ? NULL : text->to + used, text->size - used, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->length += (size_t)n;
}
