/* How many durations of which length: log-linear, so that a percentile is within 1 %.
 *
 * Up to 64 ns a bucket is a nanosecond; above, each doubling has 64 buckets. Blocks of
 * 64 are made when first hit: the durations of one function span few doublings.
 */
#ifndef MAREY_QUERY_HISTOGRAM_H
#define MAREY_QUERY_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/clock.h"

#define HISTOGRAM_BITS 6
#define HISTOGRAM_BUCKETS (1 << HISTOGRAM_BITS)
#define HISTOGRAM_BLOCKS (64 - HISTOGRAM_BITS)

/* How many durations, their sum, and between what they lie. Usable when all zero. */
struct durations {
    uint64_t count;
    int64_t sum_ns;
    int64_t min_ns, max_ns; /* of nothing: 0 */
};

static inline void
durations_add(struct durations *to, const struct durations *from)
{
    if (from->count == 0)
        return;
    if (to->count == 0 || from->min_ns < to->min_ns)
        to->min_ns = from->min_ns;
    if (to->count == 0 || from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    to->sum_ns = clock_sum(to->sum_ns, from->sum_ns);
    to->count += from->count;
}

static inline void
durations_take(struct durations *to, int64_t duration_ns)
{
    const struct durations one = {1, duration_ns, duration_ns, duration_ns};

    durations_add(to, &one);
}

/* Blocks of many histograms. Usable when all zero. */
struct histogram_pool {
    uint32_t (*blocks)[HISTOGRAM_BUCKETS]; /* owned */
    size_t count, capacity;
};
/* Usable when all zero. */
struct histogram {
    uint32_t block_at[HISTOGRAM_BLOCKS]; /* in the pool, + 1; 0: nothing there yet */
};

void marey_histogram_pool_release(struct histogram_pool *pool);

/* Negative durations count as 0. False: no memory. */
bool marey_histogram_add(struct histogram_pool *pool, struct histogram *histogram,
                         int64_t duration_ns);

/* The same for `count` durations of one bucket: block * HISTOGRAM_BUCKETS + bucket. */
bool marey_histogram_add_bucket(struct histogram_pool *pool,
                                struct histogram *histogram, uint32_t bucket,
                                uint32_t count);

/* The duration that `percent` of all do not exceed; 0 where there are none. */
int64_t marey_histogram_percentile(const struct histogram_pool *pool,
                                   const struct histogram *histogram, unsigned percent);

#endif
