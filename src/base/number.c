/* Numbers as text: two digits a division, and exact arithmetic for the rare double.
 *
 * Doubles: nearly all that programs count with are short decimals (12.5, 0.1, 3e6).
 * Such a number is n / 10^k with n below 2^53 and k at most 22; both are exact as
 * doubles, so their quotient is the double nearest to that decimal, and comparing it
 * with the value proves that the decimal reads back. For the rest the exact decimal
 * expansion is made with a long integer and cut to 17 digits, which always suffice.
 */
#include "base/number.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

uint8_t *
marey_number_unsigned(uint8_t *dst, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);

    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + value * 2, 2);
    } else {
        digits[--at] = (uint8_t)('0' + value);
    }
    memcpy(dst, digits + at, sizeof(digits) - at);
    return dst + (sizeof(digits) - at);
}

static uint64_t
magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

uint8_t *
marey_number_signed(uint8_t *dst, int64_t value)
{
    if (value < 0)
        *dst++ = '-';
    return marey_number_unsigned(dst, magnitude(value));
}

uint8_t *
marey_number_hex(uint8_t *dst, uint64_t value)
{
    int shift = 60;

    *dst++ = '0';
    *dst++ = 'x';
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *dst++ = (uint8_t) "0123456789abcdef"[value >> shift & 15];
    return dst;
}

/* The last `count` digits of value, zeros in front. */
static uint8_t *
put_decimals(uint8_t *dst, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        dst[i] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    return dst + count;
}

uint8_t *
marey_number_micros(uint8_t *dst, int64_t value_ns)
{
    uint64_t ns = magnitude(value_ns);

    if (value_ns < 0)
        *dst++ = '-';
    dst = marey_number_unsigned(dst, ns / 1000);
    *dst++ = '.';
    return put_decimals(dst, ns % 1000, 3);
}

/* ---- doubles ---- */

#define EXACT_MAX 9007199254740992.0 /* 2^53: integers up to here are doubles */
#define EXACT_POWERS 23              /* 10^0 to 10^22 are doubles */
#define SHORT_DECIMALS 17            /* beyond, exponents read better */

static const double powers[EXACT_POWERS] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* n / 10^decimals, where that is `value` exactly. NULL: it is no short decimal. */
static uint8_t *
put_short_decimal(uint8_t *dst, double value)
{
    for (int decimals = 1; decimals <= SHORT_DECIMALS; decimals++) {
        double scaled = value * powers[decimals] + 0.5;
        uint64_t digits, unit = 1;

        if (scaled >= EXACT_MAX)
            return NULL;
        digits = (uint64_t)scaled;
        if ((double)digits / powers[decimals] != value)
            continue;
        for (int i = 0; i < decimals; i++)
            unit *= 10;
        dst = marey_number_unsigned(dst, digits / unit);
        *dst++ = '.';
        return put_decimals(dst, digits % unit, decimals);
    }
    return NULL;
}

/* A long integer in base 10^9, so that digits come out without dividing; least
 * significant limb first. The largest is 2^53 * 5^1074: 767 digits. */
#define LIMBS_MAX 88
#define LIMB_BASE UINT32_C(1000000000)
#define DIGITS_MAX ((size_t)LIMBS_MAX * 9)

struct big {
    uint32_t limbs[LIMBS_MAX];
    size_t count;
};

static void
multiply(struct big *b, uint32_t factor)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < b->count; i++) {
        carry += (uint64_t)b->limbs[i] * factor;
        b->limbs[i] = (uint32_t)(carry % LIMB_BASE);
        carry /= LIMB_BASE;
    }
    if (carry != 0)
        b->limbs[b->count++] = (uint32_t)carry;
}

/* All digits of value = 0.d1d2d3… * 10^*point; returns how many there are. `value` is
 * positive: mantissa * 2^exponent, and for negative exponents mantissa * 5^n / 10^n. */
static size_t
expand(double value, uint8_t *digits, int *point)
{
    struct big b = {{0}, 2};
    uint8_t *end = digits;
    uint64_t bits, mantissa;
    int exponent;

    memcpy(&bits, &value, sizeof(bits));
    mantissa = bits & ((UINT64_C(1) << 52) - 1);
    exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0)
        exponent = 1; /* subnormal */
    else
        mantissa |= UINT64_C(1) << 52;
    exponent -= 1075;
    b.limbs[0] = (uint32_t)(mantissa % LIMB_BASE);
    b.limbs[1] = (uint32_t)(mantissa / LIMB_BASE);

    *point = exponent < 0 ? exponent : 0;
    for (; exponent > 0; exponent--)
        multiply(&b, 2);
    for (; exponent < 0; exponent++)
        multiply(&b, 5);
    for (size_t i = b.count; i-- > 0;)
        end = put_decimals(end, b.limbs[i], 9);
    *point += (int)(end - digits);
    return (size_t)(end - digits);
}

/* Rounds to the first 17 digits that count; *first is where they begin. */
static size_t
round_digits(uint8_t *digits, size_t count, size_t *first, int *point)
{
    size_t start = 0, end;
    bool up;

    while (digits[start] == '0') {
        start++;
        --*point;
    }
    end = count - start > 17 ? start + 17 : count;
    up = end < count && digits[end] >= '5';
    while (up && end > start) {
        up = digits[end - 1] == '9';
        if (up)
            end--;
        else
            digits[end - 1]++;
    }
    if (up) { /* 999…: one digit, one place higher */
        digits[start] = '1';
        end = start + 1;
        ++*point;
    }
    while (end > start + 1 && digits[end - 1] == '0')
        end--;
    *first = start;
    return end - start;
}

static uint8_t *
put_exact(uint8_t *dst, double value)
{
    uint8_t digits[DIGITS_MAX] = {0};
    size_t first;
    int point;
    size_t count = expand(value, digits, &point);

    count = round_digits(digits, count, &first, &point);
    *dst++ = digits[first];
    *dst++ = '.';
    if (count == 1)
        *dst++ = '0';
    memcpy(dst, digits + first + 1, count - 1);
    dst += count - 1;
    *dst++ = 'e';
    return marey_number_signed(dst, point - 1);
}

uint8_t *
marey_number_double(uint8_t *dst, double value)
{
    uint8_t *end;

    if (__builtin_signbit(value)) {
        *dst++ = '-';
        value = -value;
    }
    if (value < EXACT_MAX && value == (double)(uint64_t)value) {
        dst = marey_number_unsigned(dst, (uint64_t)value);
        memcpy(dst, ".0", 2);
        return dst + 2;
    }
    end = put_short_decimal(dst, value);
    return end != NULL ? end : put_exact(dst, value);
}
