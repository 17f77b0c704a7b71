/* The slope of the clock as a factor of 63 bits. */
#include "query/clock.h"

#define RATIO_MAX (UINT64_C(1) << 60)  /* so that remainders fit */
#define SLOPE_MAX (UINT64_C(1) << 32)  /* and its inverse: nothing ticks like that */
#define FACTOR_MIN (UINT64_C(1) << 62) /* 63 significant bits */

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

    /* Long division, a bit at a time, until the factor is full. */
    uint64_t factor = numerator / denominator, rest = numerator % denominator;
    unsigned shift = 0;
    for (; factor < FACTOR_MIN; shift++) {
        rest <<= 1;
        factor = factor << 1 | (rest >= denominator);
        if (rest >= denominator)
            rest -= denominator;
    }
    map->factor = factor;
    map->shift_before = shift < 64 ? 64 - shift : 0;
    map->shift_after = shift < 64 ? 0 : shift - 64;

    /* About 2^60 ns, and never more ticks than the shifts leave room for. */
    uint64_t most = (UINT64_C(1) << 60) / numerator;
    map->ticks_max =
        most > UINT64_MAX / 4 / denominator ? UINT64_MAX / 4 : most * denominator;
}
