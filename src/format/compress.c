/* Compressing what is written once and read rarely: source texts. */
#include <zstd.h>

#include "marey/format_put.h"

size_t
marey_compress(void *dst, size_t dst_capacity, const void *src, size_t src_size)
{
    size_t size = ZSTD_compress(dst, dst_capacity, src, src_size, 1);

    return ZSTD_isError(size) || size >= src_size ? 0 : size;
}
