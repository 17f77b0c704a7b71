/* Arithmetic that C11 has no word for. */
#ifndef MAREY_BASE_BITS_H
#define MAREY_BASE_BITS_H

#include <stdint.h>

/* How many low bits are zero; `value` must not be 0. */
static inline unsigned
marey_low_zeros(uint64_t value)
{
    return (unsigned)__builtin_ctzll(value);
}

/* How many high bits are zero; `value` must not be 0. */
static inline unsigned
marey_high_zeros(uint64_t value)
{
    return (unsigned)__builtin_clzll(value);
}

/* The high half of a product of 128 bits. Where the machine has no such product (wasm),
 * from four small ones. */
static inline uint64_t
marey_product_high(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b >> 64);
#else
    uint64_t a_low = (uint32_t)a, a_high = a >> 32;
    uint64_t b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t other = a_low * b_high + (uint32_t)middle;
    return a_high * b_high + (middle >> 32) + (other >> 32);
#endif
}

/* All bits of the result hang on all bits of the value (the end of MurmurHash3). */
static inline uint64_t
marey_mix(uint64_t value)
{
    value ^= value >> 33;
    value *= UINT64_C(0xff51afd7ed558ccd);
    value ^= value >> 33;
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ (value >> 33);
}

#endif
