/* Ticks to nanoseconds: exact, whatever the slope. */
#include "../export/check.h"
#include "query/clock.h"

/* floor(ticks * numerator / denominator), the plain way. */
static uint64_t
exact(uint64_t ticks, uint64_t numerator, uint64_t denominator)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)((wide)ticks * numerator / denominator);
}

static void
check_slope(uint64_t numerator, uint64_t denominator)
{
    struct clock_map map;

    marey_clock_map_init(&map, 0, numerator, denominator);
    for (unsigned shift = 0; shift < 62; shift++) {
        for (uint64_t near = 0; near < 5; near++) {
            uint64_t ticks = (UINT64_C(1) << shift) + near - 2;
            if (ticks > map.ticks_max)
                continue;
            CHECK_EQ(clock_ns(&map, ticks), exact(ticks, numerator, denominator));
        }
    }
}

TEST(time_is_exact_and_rounded_down)
{
    check_slope(1, 1);
    check_slope(1, 3);
    check_slope(1000000000, 2994374999);
    check_slope(1000000007, 1000000009);
    check_slope(UINT64_C(3600123456789), UINT64_C(10780123456789));
    check_slope(16, 1);
    check_slope(1000000000, 32768);
    check_slope(1, 4000000000);
}

TEST(time_before_the_origin_is_negative_and_rounded_down)
{
    struct clock_map map;

    marey_clock_map_init(&map, 100, 1, 3);
    CHECK_EQ(clock_ns(&map, 100), 0);
    CHECK_EQ(clock_ns(&map, 99), (uint64_t)-1);
    CHECK_EQ(clock_ns(&map, 97), (uint64_t)-1);
    CHECK_EQ(clock_ns(&map, 96), (uint64_t)-2);
}

TEST(nonsense_is_cut_off_and_never_goes_back)
{
    static const uint64_t slopes[] = {0, 1, 7, UINT64_C(1) << 33, UINT64_MAX};
    struct clock_map map;

    for (unsigned i = 0; i < 25; i++) {
        marey_clock_map_init(&map, UINT64_C(1) << 40, slopes[i / 5], slopes[i % 5]);
        int64_t last = INT64_MIN;
        for (unsigned shift = 0; shift < 64; shift++) {
            int64_t now = clock_ns(&map, UINT64_C(1) << shift);
            CHECK(now >= last);
            last = now;
        }
        CHECK(clock_ns(&map, UINT64_MAX) >= last);
    }
}
