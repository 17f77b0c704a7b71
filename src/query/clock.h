/* Ticks of a trace to nanoseconds since its origin: exact, rounded down. */
#ifndef MAREY_QUERY_CLOCK_H
#define MAREY_QUERY_CLOCK_H

#include <stdint.h>

#include "base/bits.h"
#include "base/compiler.h"

/* ns = floor(ticks * numerator / denominator), by multiplications that come out at most
 * two too low, and a correction. */
struct clock_map {
    uint64_t origin;      /* ticks */
    uint64_t numerator;   /* nanoseconds */
    uint64_t denominator; /* in so many ticks */
    uint64_t whole;       /* of numerator / denominator */
    uint64_t part;        /* what is left of it, in 2^-64 */
    uint64_t ticks_max;   /* more is cut off there: some 2^60 ns */
};

/* The slope is a ratio of two positive numbers; nonsense is taken for 1. */
void marey_clock_map_init(struct clock_map *map, uint64_t origin, uint64_t numerator,
                          uint64_t denominator);

MAREY_INLINE uint64_t
clock_duration_ns(const struct clock_map *map, uint64_t ticks, uint64_t *rest)
{
    if (MAREY_UNLIKELY(ticks > map->ticks_max))
        ticks = map->ticks_max;
    uint64_t ns = ticks * map->whole + marey_product_high(ticks, map->part);
    uint64_t left = ticks * map->numerator - ns * map->denominator;
    while (left >= map->denominator) {
        left -= map->denominator;
        ns++;
    }
    *rest = left;
    return ns;
}

MAREY_INLINE int64_t
clock_ns(const struct clock_map *map, uint64_t ticks)
{
    uint64_t rest;

    if (MAREY_LIKELY(ticks >= map->origin))
        return (int64_t)clock_duration_ns(map, ticks - map->origin, &rest);
    int64_t before = (int64_t)clock_duration_ns(map, map->origin - ticks, &rest);
    return rest > 0 ? -before - 1 : -before;
}

/* Sums and differences of times from a file, which may be nonsense: they wrap. */
static inline int64_t
clock_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t
clock_difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

#endif
