/* Well-formed UTF-8, by the table of the Unicode standard (3-7). */
#include "export/utf8.h"

#include <stdbool.h>

/* How many bytes the first one announces; 0: it begins nothing. */
static size_t
announced(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

/* The second byte is where overlong forms, surrogates and too large ones show. */
static bool
second_fits(uint8_t first, uint8_t second)
{
    uint8_t low = 0x80, high = 0xBF;

    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    return second >= low && second <= high;
}

/* How many bytes at the start belong to one character, whole or not. */
static size_t
well_begun(const uint8_t *bytes, size_t size_bytes, size_t wanted)
{
    size_t size = 1;

    while (size < wanted && size < size_bytes &&
           (size == 1 ? second_fits(bytes[0], bytes[1]) : bytes[size] >> 6 == 2))
        size++;
    return size;
}

size_t
marey_utf8_size(const uint8_t *bytes, size_t size_bytes)
{
    size_t wanted = announced(bytes[0]);

    return wanted != 0 && well_begun(bytes, size_bytes, wanted) == wanted ? wanted : 0;
}

size_t
marey_utf8_skip(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes >= 3 && bytes[0] == 0xED && bytes[1] >= 0xA0 && bytes[1] <= 0xBF &&
        bytes[2] >> 6 == 2)
        return 3;
    return well_begun(bytes, size_bytes, announced(bytes[0]));
}
