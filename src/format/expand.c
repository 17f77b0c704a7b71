/* The other half of compress.c; apart from it, as readers do not compress. */
#include <zstd.h>

#include "marey/format_get.h"

bool
marey_expand(void *dst, size_t dst_size, const void *src, size_t src_size)
{
    return ZSTD_decompress(dst, dst_size, src, src_size) == dst_size;
}
