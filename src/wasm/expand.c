#include "marey/format_get.h"

bool
marey_expand(void *dst, size_t dst_size, const void *src, size_t src_size)
{
    (void)dst; (void)dst_size; (void)src; (void)src_size;
    return false;
}
