/* Open files: as sources of bytes, and out of the program's way. Only where there is a
 * file system. */
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

#define MAREY_DESCRIPTOR_HIGH 900 /* ours are not below, where the limit allows */
/* A program that closes "all" descriptors, as daemons do, must not close or, worse,
 * write to ours by accident: moves it out of the low numbers. What fd is now, closed on
 * exec then; -1 stays -1. */
int marey_descriptor_move_high(int fd);

#endif
