/* ANY: Finds where characters of UTF-8 begin and end. */
#include "base/utf8.h"

#include <stdbool.h>

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* How many bytes the character has that begins with this byte; 0: no character does. */
static size_t announced(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t fc_utf8_character(const void *text, size_t size)
{
    const unsigned char *bytes = text;
    const size_t length = size > 0 ? announced(bytes[0]) : 0;
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!continues(bytes[i]))
            return 0;
    return length;
}

size_t fc_utf8_cut(const void *text, size_t size, size_t max)
{
    const unsigned char *bytes = text;
    if (size <= max)
        return size;
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        const size_t length = announced(bytes[max - back]);
        if (length > back && fc_utf8_character(bytes + max - back, size - max + back) != 0)
            return max - back;
        if (length != 0)
            break; /* a character that ends before the cut */
    }
    return max;
}

size_t fc_utf8_skip(const void *text, size_t size, size_t min)
{
    const size_t before = fc_utf8_cut(text, size, min);
    return before == min ? min : before + fc_utf8_character((const unsigned char *)text + before, size - before);
}

size_t fc_utf8_whole(const void *text, size_t size)
{
    const unsigned char *bytes = text;
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        const size_t length = announced(bytes[size - back]);
        if (length != 0)
            return length > back ? size - back : size;
    }
    return size;
}
