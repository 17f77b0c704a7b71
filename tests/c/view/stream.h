/* Random streams of calls, kept as plain slices beside the index made of them. */
#ifndef MAREY_TESTS_VIEW_STREAM_H
#define MAREY_TESTS_VIEW_STREAM_H

#include <stdlib.h>

#include "marey/lod.h"

struct slice {
    int64_t begin_ns, end_ns;
    uint32_t function, row;
};
struct stream {
    struct slice *slices; /* owned */
    size_t count;
    int64_t end_ns;
    uint8_t *bytes; /* owned: the index */
    size_t size_bytes;
    struct marey_lod index;
};

/* `burst`: long idle stretches between bursts of short calls. */
void stream_make(struct stream *out, uint32_t seed, size_t events, uint32_t leaf_slices,
                 uint32_t resolution, bool burst);
void stream_free(struct stream *stream);
uint32_t stream_random(uint32_t *seed);

#endif
