/* A player past a part of which there are sums. */
#include "query/sums/sums.h"

/* ---- the index a trace is read with ---- */

void
sums_trace_release(struct marey_trace *trace)
{
    if (trace->sums == NULL)
        return;
    free(trace->sums->owned);
    marey_memory_free(trace->sums->lane_first);
    marey_memory_free(trace->sums);
    trace->sums = NULL;
}

static bool
are_valid(const struct marey_lod *lod, const struct marey_trace *trace)
{
    const struct marey_lod_header *header = lod->header;

    for (uint32_t i = 1; i < header->context_count; i++)
        if (lod->contexts[i].parent >= i ||
            lod->contexts[i].function >= trace->functions.count)
            return false;
    if (header->context_count > 0 && lod->contexts[0].parent != 0)
        return false;
    for (uint32_t i = 0; i < header->part_count; i++) {
        const struct marey_lod_part *part = &lod->parts[i];
        if (part->lane >= trace->lane_count || part->chunk_count == 0 ||
            part->begin_ns > part->end_ns || part->sums_at > header->sums_size ||
            part->sums_size > header->sums_size - part->sums_at ||
            part->logs_at > header->sums_size ||
            part->logs_size > header->sums_size - part->logs_at ||
            (i > 0 &&
             (part->lane < part[-1].lane ||
              (part->lane == part[-1].lane && part->sequence <= part[-1].sequence))))
            return false;
    }
    return true;
}

/* Takes `owned` when it succeeds. */
static bool
attach(struct marey_trace *trace, const uint8_t *bytes, size_t size_bytes,
       uint8_t *owned)
{
    struct marey_lod lod;

    if (marey_lod_open(bytes, size_bytes, &lod) != MAREY_OK ||
        lod.header->lane_count != trace->lane_count || lod.header->lane_first != 0 ||
        !are_valid(&lod, trace))
        return false;
    sums_trace_release(trace);
    struct trace_sums *sums = marey_memory_new(1, sizeof(*sums));
    uint32_t *first = marey_memory_new(trace->lane_count + 1, sizeof(*first));
    if (sums == NULL || first == NULL) {
        marey_memory_free(sums);
        marey_memory_free(first);
        return false;
    }
    for (uint32_t i = 0; i < lod.header->part_count; i++)
        first[lod.parts[i].lane + 1]++;
    for (size_t i = 0; i < trace->lane_count; i++)
        first[i + 1] += first[i];
    *sums = (struct trace_sums){.lod = lod, .owned = owned, .lane_first = first};
    trace->sums = sums;
    return true;
}

bool
marey_lod_use(struct marey_trace *trace, const uint8_t *bytes, size_t size_bytes)
{
    return attach(trace, bytes, size_bytes, NULL);
}

bool
sums_are_of_use(struct marey_trace *trace, const struct marey_selection *selection)
{
    static const struct marey_lod_options all = MAREY_LOD_ALL;
    const struct marey_directory *directory = trace->directory;

    if (selection->functions != NULL || selection->min_duration_ns > 0 ||
        selection->max_depth != UINT32_MAX || trace->shown != NULL ||
        trace->fold_depth != 0 || trace->lost_count > 0 || trace->damaged_count > 0 ||
        trace->is_definition_lost || trace->left_out_events > 0 ||
        directory->skipped_bytes > 0 || directory->damaged_count > 0)
        return false;
    if (trace->sums == NULL && !trace->has_no_sums) {
        uint8_t *bytes = NULL;
        size_t size = 0;
        trace->has_no_sums = true;
        if (lod_stored(trace, &all, &bytes, &size) &&
            !attach(trace, bytes, size, bytes))
            free(bytes);
    }
    return trace->sums != NULL && trace->sums->lod.header->part_count > 0;
}

/* ---- finding ---- */

static const struct marey_lod_part *
part_at(const struct trace_sums *sums, uint32_t lane, uint64_t sequence)
{
    uint32_t from = sums->lane_first[lane], to = sums->lane_first[lane + 1];
    uint32_t end = to;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (sums->lod.parts[middle].sequence < sequence)
            from = middle + 1;
        else
            to = middle;
    }
    return from < end && sums->lod.parts[from].sequence == sequence
               ? &sums->lod.parts[from]
               : NULL;
}

/* The chunks are those that were summed. */
static bool
is_same_part(const struct player *player, const struct player_stream *stream,
             const struct marey_lod_part *part)
{
    const struct marey_trace *trace = player->trace;
    const struct marey_stream *chunks = stream->stream;
    uint64_t first = stream->next_extent, end = first + part->chunk_count;

    if (end >= chunks->count) /* the last part of a lane is always played */
        return false;
    const struct marey_extent *extents = trace->directory->extents + chunks->first;
    return extents[end].sequence == part->sequence + part->chunk_count &&
           extents[first].first_index == stream->due &&
           extents[end].first_index == stream->due + part->event_count &&
           clock_ns(&trace->clock, extents[first].base_ticks) == part->begin_ns &&
           clock_ns(&trace->clock, extents[end].base_ticks) == part->end_ns;
}

/* The lane's calls are those that were open where the part begins. */
static bool
are_same_calls(const struct marey_lod *lod, const struct player_lane *lane,
               uint32_t context)
{
    uint32_t depth = lane->depth;

    for (; context != 0 && depth > 0; context = lod->contexts[context].parent, depth--)
        if (lane->frames[depth].function != lod->contexts[context].function)
            return false;
    return context == 0 && depth == 0;
}

bool
sums_find(struct player *player, const struct player_stream *stream, struct sums *out,
          uint32_t *chunk_count)
{
    const struct marey_trace *trace = player->trace;
    const struct player_lane *lane = stream->home;
    const struct marey_extent *extent =
        &trace->directory->extents[stream->stream->first + stream->next_extent];
    const struct marey_lod_part *part =
        part_at(trace->sums, lane->index, extent->sequence);

    if (part == NULL || stream->is_silent || stream->is_in_gap || stream->is_hidden ||
        stream->lane != lane || !lane->is_selected || !lane->is_announced ||
        part->begin_ns < player->selection.from_ns ||
        part->end_ns >= player->selection.to_ns || lane->last_ns > part->begin_ns ||
        !is_same_part(player, stream, part) ||
        !sums_get(&trace->sums->lod, part, (uint32_t)trace->functions.count, out) ||
        !are_same_calls(&trace->sums->lod, lane, out->start))
        return false;
    *chunk_count = part->chunk_count;
    return true;
}

/* ---- skipping ---- */

/* Times of the lane's calls count from `now_ns`. */
static void
restart(struct player_lane *lane, int64_t now_ns)
{
    for (uint32_t i = 1; i <= lane->depth; i++) {
        struct frame *frame = &lane->frames[i];
        frame->seen_ns = now_ns;
        frame->child_ns = 0;
        frame->child_cost = 0;
        frame->cost_at = lane->cost;
        frame->events_at = lane->event_count;
    }
}

bool
sums_skip(struct player *player, struct player_stream *stream, const struct sums *sums,
          uint32_t chunk_count,
          void (*taken)(void *context, struct player_lane *lane, struct frame *frame),
          void (*given)(void *context, struct player_lane *lane, struct frame *frame),
          void *context)
{
    const struct sums_open *opens = sums->opens.items;
    const struct marey_lod *lod = &player->trace->sums->lod;
    struct player_lane *lane = stream->home;

    for (; lane->depth > sums->keep; lane->depth--)
        taken(context, lane, &lane->frames[lane->depth]);
    lane->last_ns = sums->end_ns;
    lane->event_count += sums->event_count;
    restart(lane, sums->end_ns);
    for (uint32_t i = 0; i < sums->opens.count; i++) {
        uint32_t function = lod->contexts[opens[i].context].function;
        struct frame *frame = marey_player_push(player, lane, function);
        if (frame == NULL)
            return false;
        frame->begin_ns = opens[i].begin_ns;
        frame->is_resumed = opens[i].is_resumed;
        frame->first_ns = opens[i].is_resumed ? MAREY_NO_TIME : opens[i].begin_ns;
        given(context, lane, frame);
    }
    marey_player_pass(player, stream, chunk_count, sums->event_count);
    return true;
}
