/* An open file as a source of bytes. Only where there is a file system. */
#ifndef MAREY_BASE_DESCRIPTOR_H
#define MAREY_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Both take the address of a descriptor (int) open for reading, as the `context` of
 * a byte source. They move no file position, so threads may share the descriptor. */

/* Fills dst with exactly size_bytes from offset, or returns false. */
bool marey_descriptor_read(void *context, uint64_t offset, void *dst,
                           size_t size_bytes);
/* Bytes the file has by now; 0 where that cannot be told. */
uint64_t marey_descriptor_size(void *context);

#endif
