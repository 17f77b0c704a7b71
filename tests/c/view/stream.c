/* Random streams: see stream.h. */
#include "stream.h"

#include "../export/check.h"

#define DEPTH_MAX 24

uint32_t
stream_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static int64_t
pause_of(uint32_t *seed, bool burst)
{
    uint32_t dice = stream_random(seed) % 1000;

    if (burst && dice == 0)
        return 5000000 + stream_random(seed) % 100000000;
    if (dice < 30)
        return stream_random(seed) % 200000;
    return stream_random(seed) % 400;
}

void
stream_make(struct stream *out, uint32_t seed, size_t events, uint32_t leaf_slices,
            uint32_t resolution, bool burst)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct marey_lod_builder *builder = NULL;
    size_t open[DEPTH_MAX];
    uint32_t depth = 0;
    int64_t now = 1000;

    options.leaf_slices = leaf_slices;
    options.resolution = resolution;
    out->slices = calloc(events + 1, sizeof(*out->slices));
    out->count = 0;
    CHECK_EQ(marey_lod_builder_new(&options, 1, &builder), MAREY_OK);
    for (size_t i = 0; i < events; i++) {
        bool enters = depth == 0 || (depth < DEPTH_MAX && stream_random(&seed) % 2);

        now += pause_of(&seed, burst);
        if (enters) {
            struct slice *slice = &out->slices[out->count];
            *slice = (struct slice){now, -1, stream_random(&seed) % 50, depth + 1};
            marey_lod_begin(builder, 0, depth, slice->function, now, 0);
            open[depth++] = out->count++;
        } else {
            depth--;
            out->slices[open[depth]].end_ns = now;
            marey_lod_end(builder, 0, depth, now, 0);
        }
    }
    while (depth > 0) {
        depth--;
        out->slices[open[depth]].end_ns = now;
        marey_lod_end(builder, 0, depth, now, 0);
    }
    out->end_ns = now;
    CHECK_EQ(marey_lod_finish(builder, &out->bytes, &out->size_bytes, NULL), MAREY_OK);
    CHECK_EQ(marey_lod_open(out->bytes, out->size_bytes, &out->index), MAREY_OK);
}

void
stream_free(struct stream *stream)
{
    free(stream->slices);
    free(stream->bytes);
}
