/* A first picture of a large trace, before there is an index: from a sample.
 *
 * Of each chunk the first events are played, and stretched over the chunk's time. Calls
 * that are open where a chunk begins stand in its snapshot, so what is longer than a
 * chunk (some milliseconds) is where it was; what is shorter is as dense, as deep and
 * of such functions as at the chunk's beginning. Chunks in which someone waits for long
 * are played to their end. The sample has about as many events however many the trace
 * has.
 */
#include "query/lod/part.h"

#define SAMPLE_BYTES_MIN 256
#define SPAN_SHARE 128 /* chunks longer than this part of the trace are played */

static bool
shorten(struct marey_trace *trace, struct marey_extent *extent, uint64_t stride,
        double *stretch)
{
    uint32_t events = extent->payload_size - extent->snapshot_size;
    uint32_t size = (uint32_t)(events / stride);
    struct marey_cursor cursor;
    struct marey_event event;

    if (size < SAMPLE_BYTES_MIN)
        size = SAMPLE_BYTES_MIN;
    if (extent->is_open || size >= events ||
        extent->end_ticks - extent->base_ticks >
            (trace->last_ticks - trace->clock.origin) / SPAN_SHARE)
        return true;
    uint8_t *copy = marey_memory_new((size_t)extent->snapshot_size + size, 1);
    if (copy == NULL)
        return false;
    if (!marey_extent_read_part(trace->directory, extent, 0, copy,
                                (size_t)extent->snapshot_size + size)) {
        marey_memory_free(copy);
        return true; /* whoever reads it says what is wrong */
    }
    marey_cursor_init(&cursor, copy + extent->snapshot_size, size, extent->base_ticks,
                      true);
    while (marey_cursor_next(&cursor, &event))
        ;
    if (cursor.ticks > extent->base_ticks && cursor.ticks < extent->end_ticks)
        *stretch = (double)(extent->end_ticks - extent->base_ticks) /
                   (double)(cursor.ticks - extent->base_ticks);
    extent->copy = copy;
    extent->payload_size = extent->snapshot_size + size;
    extent->is_open = true; /* it may end within an event */
    extent->is_left_out = true;
    return true;
}

static bool
is_large(const struct marey_trace *trace, uint64_t sample_events)
{
    for (size_t i = 0; i < trace->directory->extent_count; i++)
        if (trace->directory->extents[i].kind == MAREY_EXTENT_EVENTS &&
            trace->directory->extents[i].stored_size != 0)
            return false; /* columns have no beginning */
    return trace->event_count / 4 >= sample_events;
}

enum marey_status
marey_lod_build_coarse(struct marey_trace *trace,
                       const struct marey_lod_options *options, uint64_t sample_events,
                       uint8_t **bytes, size_t *size_bytes, struct marey_error *err)
{
    struct marey_directory *directory = trace->directory;
    uint64_t stride = sample_events > 0 ? trace->event_count / sample_events : 1;
    struct marey_lod_builder *builder = NULL;
    enum marey_status status = MAREY_OK;

    if (!is_large(trace, sample_events))
        return marey_fail(err, MAREY_USAGE, "the index is made as quickly");
    double *stretches = marey_memory_new(directory->extent_count, sizeof(*stretches));
    if (stretches == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory for a first picture");
    for (size_t i = 0; i < directory->extent_count && status == MAREY_OK; i++) {
        stretches[i] = 1;
        if (directory->extents[i].kind == MAREY_EXTENT_EVENTS &&
            !shorten(trace, &directory->extents[i], stride, &stretches[i]))
            status = marey_fail(err, MAREY_NOMEM, "no memory for a first picture");
    }
    if (status == MAREY_OK)
        status = marey_lod_builder_new(options, (uint32_t)trace->lane_count, &builder);
    if (status == MAREY_OK) {
        builder->stretches = stretches;
        status = lod_parts_build(trace, builder, err);
        builder->stretches = NULL;
        if (status == MAREY_OK)
            status = marey_lod_finish(builder, bytes, size_bytes, err);
        else
            marey_lod_finish(builder, NULL, NULL, NULL);
    }
    marey_memory_free(stretches);
    return status;
}
