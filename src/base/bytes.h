/* Numbers in bytes, little endian, at any alignment. */
#ifndef MAREY_BASE_BYTES_H
#define MAREY_BASE_BYTES_H

#include <assert.h>
#include <stdint.h>

#include "base/memory.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a trace is little endian");

static inline uint32_t
marey_u32_get(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t
marey_u64_get(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline double
marey_f64_get(const uint8_t *bytes)
{
    double value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

#endif
