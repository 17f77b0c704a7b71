/* XXH32 and XXH64 with seed 0, as the file format wants them. */
#ifndef MAREY_BASE_CHECKSUM_H
#define MAREY_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t marey_checksum32(const void *bytes, size_t size_bytes);
uint64_t marey_checksum64(const void *bytes, size_t size_bytes);
/* The same with another seed, for tables. */
uint64_t marey_hash(const void *bytes, size_t size_bytes, uint64_t seed);

#endif
