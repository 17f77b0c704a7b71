/* Log-linear histograms. */
#include "query/histogram.h"

#include "base/bits.h"
#include "base/memory.h"

void
marey_histogram_pool_release(struct histogram_pool *pool)
{
    marey_memory_free(pool->blocks);
    *pool = (struct histogram_pool){0};
}

/* The block of the pool, + 1; 0: no memory. */
static uint32_t
block_of(struct histogram_pool *pool, struct histogram *histogram, unsigned block)
{
    uint32_t *at = &histogram->block_at[block];

    if (*at == 0) {
        if (!marey_memory_grow((void **)&pool->blocks, &pool->capacity, pool->count + 1,
                               sizeof(*pool->blocks)))
            return 0;
        memset(pool->blocks[pool->count], 0, sizeof(*pool->blocks));
        *at = (uint32_t)++pool->count;
    }
    return *at;
}

bool
marey_histogram_add_bucket(struct histogram_pool *pool, struct histogram *histogram,
                           uint32_t bucket, uint32_t count)
{
    uint32_t at = block_of(pool, histogram, bucket / HISTOGRAM_BUCKETS);

    if (at == 0)
        return false;
    uint32_t *sum = &pool->blocks[at - 1][bucket % HISTOGRAM_BUCKETS];
    *sum = count < UINT32_MAX - *sum ? *sum + count : UINT32_MAX;
    return true;
}

bool
marey_histogram_add(struct histogram_pool *pool, struct histogram *histogram,
                    int64_t duration_ns)
{
    uint64_t value = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    unsigned block = 0, bucket = (unsigned)value & (HISTOGRAM_BUCKETS - 1);

    if (value >= HISTOGRAM_BUCKETS) {
        block = 63 - marey_high_zeros(value) - HISTOGRAM_BITS + 1;
        bucket = (unsigned)(value >> (block - 1)) & (HISTOGRAM_BUCKETS - 1);
    }
    uint32_t at = block_of(pool, histogram, block);
    if (at == 0)
        return false;
    uint32_t *count = &pool->blocks[at - 1][bucket];
    *count += *count < UINT32_MAX;
    return true;
}

/* The middle of a bucket. */
static int64_t
value_of(unsigned block, unsigned bucket)
{
    if (block == 0)
        return bucket;
    uint64_t width = UINT64_C(1) << (block - 1);
    return (int64_t)((HISTOGRAM_BUCKETS + bucket) * width + width / 2);
}

int64_t
marey_histogram_percentile(const struct histogram_pool *pool,
                           const struct histogram *histogram, unsigned percent)
{
    uint64_t total = 0, seen = 0;

    for (unsigned block = 0; block < HISTOGRAM_BLOCKS; block++) {
        uint32_t at = histogram->block_at[block];
        for (unsigned bucket = 0; at != 0 && bucket < HISTOGRAM_BUCKETS; bucket++)
            total += pool->blocks[at - 1][bucket];
    }
    uint64_t wanted = total / 100 * percent + (total % 100 * percent + 99) / 100;
    for (unsigned block = 0; block < HISTOGRAM_BLOCKS; block++) {
        uint32_t at = histogram->block_at[block];
        for (unsigned bucket = 0; at != 0 && bucket < HISTOGRAM_BUCKETS; bucket++) {
            seen += pool->blocks[at - 1][bucket];
            if (seen >= wanted)
                return value_of(block, bucket);
        }
    }
    return 0;
}
