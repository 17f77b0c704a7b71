/* LEB128: seven bits a byte, least significant first; the high bit says that more
 * follow.
 *
 * put writes at most MAREY_VARINT_SIZE_MAX bytes and returns how many. get returns how
 * many bytes it took, or 0 when the number does not end within `size_bytes`, is longer
 * than ten bytes, or does not fit 64 bits; *out is then untouched.
 */
#ifndef MAREY_BASE_VARINT_H
#define MAREY_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define MAREY_VARINT_SIZE_MAX 10

static inline size_t
marey_varint_put(uint8_t *bytes, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    return size;
}

static inline size_t
marey_varint_get(const uint8_t *bytes, size_t size_bytes, uint64_t *out)
{
    uint64_t value = 0;
    size_t limit =
        size_bytes < MAREY_VARINT_SIZE_MAX ? size_bytes : MAREY_VARINT_SIZE_MAX;

    for (size_t i = 0; i < limit; i++) {
        uint64_t seven = bytes[i] & 0x7f;
        if (i == 9 && seven > 1)
            return 0;
        value |= seven << (7 * i);
        if (bytes[i] < 0x80) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

static inline uint64_t
marey_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t
marey_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
