/* Compressing what is written once: source texts, and traces that are packed. */
#include <zstd.h>

#include "marey/format_put.h"

/* Level 9 of 22: above, columns of 64 KiB shrink by less than 1 % and take twice as
 * long. */
#define LEVEL_FAST 1
#define LEVEL_WELL 9

static size_t
compress_at(int level, void *dst, size_t dst_capacity, const void *src, size_t src_size)
{
    size_t size = ZSTD_compress(dst, dst_capacity, src, src_size, level);

    return ZSTD_isError(size) || size >= src_size ? 0 : size;
}

size_t
marey_compress(void *dst, size_t dst_capacity, const void *src, size_t src_size)
{
    return compress_at(LEVEL_FAST, dst, dst_capacity, src, src_size);
}

size_t
marey_compress_well(void *dst, size_t dst_capacity, const void *src, size_t src_size)
{
    return compress_at(LEVEL_WELL, dst, dst_capacity, src, src_size);
}
