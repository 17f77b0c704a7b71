/* One part of the index: some chunks of a lane, played into a builder of its own. */
#include "query/lod/part.h"

/* Parts are cut by events, so that a leaf has at most so many slices: it never ends
 * before its part, but in chunks that no recording makes. */
#define LEAF_SLACK 4

bool
lod_worker_init(struct lod_worker *worker, struct marey_trace *trace,
                const struct marey_lod_options *options)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;
    struct marey_lod_options own = *options;

    if (own.leaf_slices == 0)
        own.leaf_slices = LOD_LEAF_SLICES;
    own.leaf_slices = own.leaf_slices < UINT32_MAX / LEAF_SLACK
                          ? own.leaf_slices * LEAF_SLACK
                          : UINT32_MAX;
    *worker = (struct lod_worker){0};
    worker->status = marey_player_init(&worker->player, trace, &selection,
                                       MAREY_ORDER_LANE, &worker->error);
    if (worker->status == MAREY_OK && !lod_builder_init(&worker->builder, &own, 1))
        worker->status =
            marey_fail(&worker->error, MAREY_NOMEM, "no memory for the index");
    if (worker->status == MAREY_OK &&
        !sums_maker_init(&worker->maker, (uint32_t)trace->functions.count))
        worker->status =
            marey_fail(&worker->error, MAREY_NOMEM, "no memory for the index");
    worker->is_ready = worker->status == MAREY_OK;
    return worker->is_ready;
}

void
lod_worker_release(struct lod_worker *worker)
{
    if (worker->player.lanes != NULL)
        marey_player_release(&worker->player);
    lod_builder_release(&worker->builder);
    sums_maker_release(&worker->maker);
}

void
lod_part_release(struct lod_part *part)
{
    lod_store_release(&part->store);
    sums_release(&part->sums);
    free(part->points.items);
    free(part->keys.items);
    free(part->open_first.items);
    free(part->open_last.items);
    part->points = part->keys = part->open_first = part->open_last =
        (struct lod_array){0};
}

static bool
note_call(struct lod_array *calls, const struct frame *frame)
{
    struct lod_call *call = lod_array_add(calls, 1, sizeof(*call));

    if (call == NULL)
        return false;
    call->begin_ns = frame->begin_ns;
    call->function = frame->function;
    call->is_resumed = frame->is_resumed;
    return true;
}

/* ---- beats ---- */

static bool
take_begin(struct lod_worker *worker, struct lod_part *part, const struct beat *beat)
{
    const struct frame *frame = beat->frame;
    unsigned flags = beat->kind == BEAT_RESUME ? MAREY_LOD_RESUMED : 0;

    if (beat->kind == BEAT_BEGIN && frame->was_open) {
        bool is_known = !part->is_first && worker->player.position == 0;
        flags = is_known ? MAREY_LOD_CLIP_LEFT : MAREY_LOD_EARLIER;
        if (is_known && !note_call(&part->open_first, frame))
            return false;
    }
    marey_lod_begin(&worker->builder, 0, frame->depth, frame->function, beat->time_ns,
                    flags);
    return true;
}

static void
take_end(struct lod_worker *worker, const struct beat *beat)
{
    static const unsigned endings[] = {
        [MAREY_END_RETURNED] = 0,
        [MAREY_END_RAISED] = MAREY_LOD_RAISED,
        [MAREY_END_CUT] = MAREY_LOD_CUT,
        [MAREY_END_OPEN] = MAREY_LOD_OPEN,
    };
    unsigned flags =
        beat->kind == BEAT_SUSPEND ? MAREY_LOD_YIELDED : endings[beat->ending];

    marey_lod_end(&worker->builder, 0, beat->frame->depth, beat->time_ns, flags);
}

static bool
take_point(struct lod_worker *worker, struct lod_part *part, const struct beat *beat)
{
    bool is_ordered = beat->event_kind == MAREY_EVENT_COUNTER ||
                      beat->event_kind == MAREY_EVENT_FLOW_OUT ||
                      beat->event_kind == MAREY_EVENT_FLOW_IN;

    if (!is_ordered) {
        marey_lod_mark(
            &worker->builder, 0, beat->string, beat->time_ns,
            beat->event_kind == MAREY_EVENT_LOG ? MAREY_LOD_LOG : MAREY_LOD_INSTANT, 1);
        return true;
    }
    struct lod_point *point = lod_array_add(&part->points, 1, sizeof(*point));
    if (point == NULL)
        return false;
    *point = (struct lod_point){beat->time_ns, beat->number, beat->value, beat->string,
                                beat->event_kind};
    return true;
}

static bool
take_beat(struct lod_worker *worker, struct lod_part *part, const struct beat *beat)
{
    sums_beat(&worker->maker, &worker->player, beat);
    switch (beat->kind) {
    case BEAT_BEGIN:
    case BEAT_RESUME: return take_begin(worker, part, beat);
    case BEAT_END:
    case BEAT_SUSPEND: take_end(worker, beat); return true;
    case BEAT_GAP:
        part->is_torn |= !part->is_first && worker->player.position == 0;
        marey_lod_mark(&worker->builder, 0, 0, beat->time_ns, MAREY_LOD_LOSS,
                       beat->number);
        return true;
    default: return take_point(worker, part, beat);
    }
}

/* Of a sample: a time within the events that were played, in the chunk they stand
 * for. */
static void
stretch_beat(const struct lod_worker *worker, struct beat *beat)
{
    const struct player *player = &worker->player;
    const struct player_stream *stream = &player->streams[0];

    if (stream->next_extent == 0)
        return;
    uint32_t index = stream->stream->first + stream->next_extent - 1;
    const struct marey_extent *extent = &player->trace->directory->extents[index];
    int64_t base_ns = clock_ns(&player->trace->clock, extent->base_ticks);
    int64_t end_ns = clock_ns(&player->trace->clock, extent->end_ticks);
    if (worker->stretches[index] <= 1 || beat->time_ns <= base_ns)
        return;
    double later = (double)(beat->time_ns - base_ns) * worker->stretches[index];
    beat->time_ns =
        later < (double)(end_ns - base_ns) ? base_ns + (int64_t)later : end_ns;
}

/* ---- the part ---- */

/* What goes on in the next part, and whether nothing is missing before it. */
static bool
take_open(struct lod_worker *worker, struct lod_part *part)
{
    const struct player_lane *lane = &worker->player.lanes[part->lane];
    const struct player_stream *stream = &worker->player.streams[0];

    part->is_torn |= stream->due != stream->expected || lane->last_ns > part->end_ns;
    for (uint32_t i = 1; i <= lane->depth; i++)
        if (!note_call(&part->open_last, &lane->frames[i]))
            return false;
    return true;
}

static void
take_made(struct lod_worker *worker, struct lod_part *part)
{
    struct marey_lod_builder *builder = &worker->builder;
    struct lod_lane *lane = &builder->lanes[0];

    part->store = builder->store;
    part->slice_count = lane->slice_count;
    part->row_max = lane->row_max;
    part->seen_from_ns = builder->begin_ns;
    part->seen_to_ns = builder->end_ns;
    builder->store = (struct lod_store){0};
    builder->begin_ns = INT64_MAX;
    builder->end_ns = INT64_MIN;
    lod_lane_reset(lane);
}

/* What a lane did before it was seen is not in its first part's sums; its last part
 * ends with its process; and a sample is not all. */
static void
begin_sums(struct lod_worker *worker, const struct lod_part *part)
{
    const struct marey_trace *trace = worker->player.trace;
    const struct marey_extent *first = &trace->directory->extents[part->chunks.first];

    sums_begin(&worker->maker, clock_ns(&trace->clock, first->base_ticks));
    worker->maker.is_broken |=
        worker->stretches != NULL || part->is_last ||
        (part->is_first && (first->start_depth > 0 || first->first_index > 0));
}

static void
end_sums(struct lod_worker *worker, struct lod_part *part)
{
    const struct player *player = &worker->player;
    const struct marey_extent *first =
        &player->trace->directory->extents[part->chunks.first];

    worker->maker.is_broken |= part->is_torn;
    sums_end(&worker->maker, &player->lanes[part->lane], part->end_ns, &part->sums);
    part->sums.event_count = first[part->chunks.count].first_index - first->first_index;
}

bool
lod_part_make(struct lod_worker *worker, struct lod_part *part)
{
    struct player *player = &worker->player;
    const struct player_stream *stream = &player->streams[0];
    struct marey_lod_builder *builder = &worker->builder;
    bool has_memory = true;
    struct beat beat;

    part->is_torn = false;
    begin_sums(worker, part);
    marey_player_begin_part(player, &part->chunks, part->lane, part->is_first);
    if (!part->is_first)
        lod_lane_start(&builder->lanes[0], part->begin_ns);
    while (has_memory && (part->is_last || stream->phase != PHASE_END) &&
           marey_player_next(player, &beat)) {
        if (MAREY_UNLIKELY(worker->stretches != NULL) && stream->phase != PHASE_END)
            stretch_beat(worker, &beat);
        if (MAREY_UNLIKELY(beat.lane->index != part->lane))
            part->is_torn = true;
        else
            has_memory = take_beat(worker, part, &beat);
    }
    if (!part->is_last && player->status == MAREY_OK) {
        has_memory = has_memory && take_open(worker, part);
        end_sums(worker, part);
        lod_lane_cut(builder, 0, part->end_ns);
    } else {
        lod_lane_finish(builder, 0);
    }
    has_memory = has_memory && sums_keys(&worker->maker, &part->keys);
    part->has_gap = worker->maker.has_gap;
    has_memory = has_memory && !builder->store.is_out_of_memory;
    take_made(worker, part);
    if (player->status != MAREY_OK) {
        worker->status = player->status;
        worker->error = player->error;
    } else if (!has_memory) {
        worker->status =
            marey_fail(&worker->error, MAREY_NOMEM, "no memory for the index");
    }
    return worker->status == MAREY_OK;
}
