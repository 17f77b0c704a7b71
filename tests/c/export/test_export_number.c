/* Numbers as text, against what the C library reads back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "export/number.h"

static void
check_micros(int64_t value_ns, const char *want)
{
    uint8_t bytes[MAREY_NUMBER_SIZE_MAX];
    uint8_t *end = marey_number_micros(bytes, value_ns);

    CHECK_TEXT((char *)bytes, (size_t)(end - bytes), want);
}

TEST(nanoseconds_are_kept_to_the_last)
{
    check_micros(0, "0.000");
    check_micros(1, "0.001");
    check_micros(999, "0.999");
    check_micros(1000, "1.000");
    check_micros(1234567890123, "1234567890.123");
    check_micros(-1, "-0.001");
    check_micros(-1500, "-1.500");
    check_micros(INT64_MAX, "9223372036854775.807");
    check_micros(INT64_MIN, "-9223372036854775.808");
}

static void
check_integer(int64_t value)
{
    uint8_t bytes[MAREY_NUMBER_SIZE_MAX];
    uint8_t *end = marey_number_signed(bytes, value);
    char want[32];

    snprintf(want, sizeof(want), "%lld", (long long)value);
    CHECK_TEXT((char *)bytes, (size_t)(end - bytes), want);
}

TEST(integers_of_every_length_are_right)
{
    int64_t power = 1;

    check_integer(0);
    check_integer(INT64_MIN);
    check_integer(INT64_MAX);
    for (int i = 0; i < 18; i++) {
        power *= 10;
        check_integer(power);
        check_integer(power - 1);
        check_integer(-power);
        check_integer(power / 7);
    }
}

TEST(hex_has_no_leading_zeros)
{
    uint8_t bytes[MAREY_NUMBER_SIZE_MAX];

    CHECK_TEXT((char *)bytes, (size_t)(marey_number_hex(bytes, 0) - bytes), "0x0");
    CHECK_TEXT((char *)bytes, (size_t)(marey_number_hex(bytes, 0x4d0f) - bytes),
               "0x4d0f");
    CHECK_TEXT((char *)bytes, (size_t)(marey_number_hex(bytes, UINT64_MAX) - bytes),
               "0xffffffffffffffff");
}

static void
check_reads_back(double value)
{
    uint8_t bytes[MAREY_DOUBLE_SIZE_MAX + 1];
    uint8_t *end = marey_number_double(bytes, value);
    double got;

    *end = '\0';
    CHECK((size_t)(end - bytes) <= MAREY_DOUBLE_SIZE_MAX);
    got = strtod((char *)bytes, NULL);
    CHECK(memcmp(&got, &value, sizeof(got)) == 0);
    CHECK(strpbrk((char *)bytes, ".e") != NULL);
}

TEST(doubles_read_back_as_themselves)
{
    static const double odd[] = {
        0.0,
        -0.0,
        1.0,
        0.1,
        1.0 / 3,
        0.30000000000000004,
        1e22,
        1e23,
        5e-324,
        -1.5,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        9007199254740993.0,
        0.99999999999999989,
        9.9999999999999995e22,
        123456.789,
    };
    uint64_t random = 1;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        check_reads_back(odd[i]);
    for (int i = 0; i < 20000; i++) {
        double value;
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        memcpy(&value, &random, sizeof(value));
        if (isfinite(value))
            check_reads_back(value);
        check_reads_back((double)(random >> 44) / 1000);
    }
}

static void
check_double(double value, const char *want)
{
    uint8_t bytes[MAREY_DOUBLE_SIZE_MAX];
    uint8_t *end = marey_number_double(bytes, value);

    CHECK_TEXT((char *)bytes, (size_t)(end - bytes), want);
}

TEST(doubles_that_people_write_stay_short)
{
    check_double(0.0, "0.0");
    check_double(-2.5, "-2.5");
    check_double(0.1, "0.1");
    check_double(3e6, "3000000.0");
    check_double(12.345, "12.345");
    check_double(1e300, "1.0000000000000001e300");
}
