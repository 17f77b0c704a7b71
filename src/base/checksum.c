/* Checksums from the header-only form of xxHash. */
#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t
marey_checksum32(const void *bytes, size_t size_bytes)
{
    return XXH32(bytes, size_bytes, 0);
}

uint64_t
marey_checksum64(const void *bytes, size_t size_bytes)
{
    return XXH64(bytes, size_bytes, 0);
}

uint64_t
marey_hash(const void *bytes, size_t size_bytes, uint64_t seed)
{
    return XXH64(bytes, size_bytes, seed);
}
