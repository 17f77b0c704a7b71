/* Percentiles. */
#include "../export/check.h"
#include "base/bits.h"
#include "query/histogram.h"

static bool
is_within_a_percent(int64_t got, int64_t want)
{
    int64_t off = got > want ? got - want : want - got;

    return off * 100 <= want;
}

TEST(short_durations_are_exact)
{
    struct histogram_pool pool = {0};
    struct histogram histogram = {0};

    CHECK_EQ(marey_histogram_percentile(&pool, &histogram, 50), 0);
    for (int64_t i = 1; i <= 50; i++)
        CHECK(marey_histogram_add(&pool, &histogram, i));
    CHECK_EQ(marey_histogram_percentile(&pool, &histogram, 50), 25);
    CHECK_EQ(marey_histogram_percentile(&pool, &histogram, 90), 45);
    CHECK_EQ(marey_histogram_percentile(&pool, &histogram, 99), 50);
    CHECK_EQ(marey_histogram_percentile(&pool, &histogram, 100), 50);
    marey_histogram_pool_release(&pool);
}

TEST(any_duration_is_within_a_percent)
{
    for (unsigned shift = 0; shift < 62; shift++) {
        for (unsigned part = 0; part < 16; part++) {
            int64_t value = (INT64_C(1) << shift) + (INT64_C(1) << shift) / 16 * part;
            struct histogram_pool pool = {0};
            struct histogram histogram = {0};
            CHECK(marey_histogram_add(&pool, &histogram, value));
            CHECK(is_within_a_percent(marey_histogram_percentile(&pool, &histogram, 50),
                                      value));
            marey_histogram_pool_release(&pool);
        }
    }
}

TEST(percentiles_of_many_are_within_a_percent)
{
    struct histogram_pool pool = {0};
    struct histogram histogram = {0};

    for (int64_t i = 100000; i > 0; i--)
        marey_histogram_add(&pool, &histogram, i * 7);
    for (unsigned percent = 1; percent <= 99; percent++) {
        int64_t got = marey_histogram_percentile(&pool, &histogram, percent);
        CHECK(is_within_a_percent(got, (int64_t)percent * 7000));
    }
    CHECK(marey_histogram_add(&pool, &histogram, -5));
    CHECK(marey_histogram_add(&pool, &histogram, INT64_MAX));
    marey_histogram_pool_release(&pool);
}
