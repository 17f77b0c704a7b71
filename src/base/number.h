/* Numbers as text. Written by hand: a million events a second each have three numbers,
 * and printf costs more than all else about them.
 *
 * Each function writes at dst, not terminated, and returns the end of what it wrote.
 * The constants say how much room it needs.
 */
#ifndef MAREY_BASE_NUMBER_H
#define MAREY_BASE_NUMBER_H

#include <stdint.h>

#define MAREY_NUMBER_SIZE_MAX 24 /* of an integer, or of microseconds */
#define MAREY_DOUBLE_SIZE_MAX 32

uint8_t *marey_number_unsigned(uint8_t *dst, uint64_t value);
uint8_t *marey_number_signed(uint8_t *dst, int64_t value);

/* 0x and digits. */
uint8_t *marey_number_hex(uint8_t *dst, uint64_t value);

/* Nanoseconds as microseconds with three decimals: exact. */
uint8_t *marey_number_micros(uint8_t *dst, int64_t value_ns);

/* The digits that read back as the same number, as few as can be found fast; always
 * with a point or an exponent. `value` is finite. */
uint8_t *marey_number_double(uint8_t *dst, double value);

#endif
