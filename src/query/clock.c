/* The slope of the clock as a number of 64 and 64 bits. */
#include "query/clock.h"

#define RATIO_MAX (UINT64_C(1) << 60) /* so that remainders fit */
#define SLOPE_MAX (UINT64_C(1) << 32) /* and its inverse: nothing ticks like that */

void
marey_clock_map_init(struct clock_map *map, uint64_t origin, uint64_t numerator,
                     uint64_t denominator)
{
    while (numerator > RATIO_MAX || denominator > RATIO_MAX) {
        numerator >>= 1;
        denominator >>= 1;
    }
    if (numerator == 0 || denominator == 0 || numerator / denominator >= SLOPE_MAX ||
        denominator / numerator >= SLOPE_MAX)
        numerator = denominator = 1;
    map->origin = origin;
    map->numerator = numerator;
    map->denominator = denominator;

    map->whole = numerator / denominator;
    map->part = 0;
    uint64_t rest = numerator % denominator;
    for (int bit = 0; bit < 64; bit++) { /* long division */
        rest <<= 1;
        map->part = map->part << 1 | (rest >= denominator);
        if (rest >= denominator)
            rest -= denominator;
    }
    /* About 2^60 ns. */
    uint64_t most = (UINT64_C(1) << 60) / numerator;
    map->ticks_max =
        most > UINT64_MAX / 4 / denominator ? UINT64_MAX / 4 : most * denominator;
}
