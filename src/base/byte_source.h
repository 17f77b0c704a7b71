/* Where the bytes of a file come from: a descriptor, memory, a page's ranged requests.
 */
#ifndef MAREY_BASE_BYTE_SOURCE_H
#define MAREY_BASE_BYTE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `read` fills dst with exactly size_bytes from offset or returns false; it is called
 * by the thread that calls the reader. */
struct marey_byte_source {
    bool (*read)(void *context, uint64_t offset, void *dst, size_t size_bytes);
    void *context;       /* borrowed until the reader is closed */
    uint64_t size_bytes; /* of the file, at the time of opening */
};

#endif
