/* The index that a trace brings along: taken where it fits, else forgotten.
 *
 * Nothing writes into a packed trace, so an index fits when it is the last thing in the
 * file and was made of as many events as are there now.
 */
#include "query/lod/impl.h"

#include "query/trace.h"

static bool
is_current(const struct marey_trace *trace)
{
    const struct marey_directory *directory = trace->directory;
    const struct marey_extent *index = &directory->index;
    uint64_t size =
        sizeof(struct marey_extent_header) + (uint64_t)marey_extent_stored_size(index);

    size = (size + MAREY_EXTENT_ALIGN - 1) / MAREY_EXTENT_ALIGN * MAREY_EXTENT_ALIGN;
    return index->sequence != 0 && index->first_index == trace->event_count &&
           index->offset + size == directory->header.tail &&
           directory->header.tail == directory->size_bytes;
}

static bool
is_of_trace(const struct marey_trace *trace, const uint8_t *bytes, size_t size_bytes)
{
    struct marey_lod lod;

    if (marey_lod_open(bytes, size_bytes, &lod) != MAREY_OK ||
        lod.header->lane_count != trace->lane_count || lod.header->lane_first != 0)
        return false;
    for (uint32_t i = 0; i < lod.header->series_count; i++)
        if (lod.series[i].lane >= trace->lane_count)
            return false;
    for (uint32_t i = 0; i < lod.header->flow_count; i++)
        if (lod.flows[i].out_lane >= trace->lane_count ||
            lod.flows[i].in_lane >= trace->lane_count)
            return false;
    return true;
}

bool
lod_stored(struct marey_trace *trace, const struct marey_lod_options *options,
           uint8_t **bytes, size_t *size_bytes)
{
    const struct marey_extent *index = &trace->directory->index;
    bool is_whole = options->leaf_slices == 0 && options->resolution == 0 &&
                    options->lane == MAREY_NO_INDEX && options->min_duration_ns == 0 &&
                    options->from_ns == INT64_MIN && options->to_ns == INT64_MAX &&
                    trace->shown == NULL && trace->fold_depth == 0;

    if (!is_whole || !is_current(trace))
        return false;
    uint8_t *stored = malloc((size_t)index->payload_size + 1);
    if (stored == NULL)
        return false;
    if (marey_extent_read(trace->directory, index, stored) != MAREY_OK ||
        !is_of_trace(trace, stored, index->payload_size)) {
        free(stored);
        return false;
    }
    *bytes = stored;
    *size_bytes = index->payload_size;
    return true;
}
