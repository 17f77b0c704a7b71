/* A trace, or a tile of it, into the builder of the index. */
#include "query/lod/part.h"

static unsigned
end_flags(const struct marey_step *step, int64_t to_ns)
{
    switch (step->ending) {
    case MAREY_END_RETURNED: return 0;
    case MAREY_END_RAISED: return MAREY_LOD_RAISED;
    case MAREY_END_CUT: return MAREY_LOD_CUT;
    case MAREY_END_OPEN:
        /* Open because the window ends here, or because the trace does? */
        return step->time_ns >= to_ns ? MAREY_LOD_CLIP_RIGHT : MAREY_LOD_OPEN;
    }
    return 0;
}

static unsigned
begin_flags(const struct marey_step *step, int64_t from_ns)
{
    if (!step->was_open)
        return 0;
    if (from_ns != INT64_MIN && step->time_ns <= from_ns)
        return MAREY_LOD_CLIP_LEFT;
    return MAREY_LOD_EARLIER;
}

static void
take(struct marey_lod_builder *builder, const struct marey_step *step, uint32_t lane,
     const struct marey_lod_options *options)
{
    switch (step->kind) {
    case MAREY_STEP_BEGIN:
        marey_lod_begin(builder, lane, step->depth, step->function, step->time_ns,
                        begin_flags(step, options->from_ns));
        break;
    case MAREY_STEP_RESUME:
        marey_lod_begin(builder, lane, step->depth, step->function, step->time_ns,
                        MAREY_LOD_RESUMED);
        break;
    case MAREY_STEP_END:
        marey_lod_end(builder, lane, step->depth, step->time_ns,
                      end_flags(step, options->to_ns));
        break;
    case MAREY_STEP_SUSPEND:
        marey_lod_end(builder, lane, step->depth, step->time_ns, MAREY_LOD_YIELDED);
        break;
    case MAREY_STEP_INSTANT:
        marey_lod_mark(builder, lane, step->string, step->time_ns, MAREY_LOD_INSTANT,
                       1);
        break;
    case MAREY_STEP_LOG:
        marey_lod_mark(builder, lane, step->string, step->time_ns, MAREY_LOD_LOG, 1);
        break;
    case MAREY_STEP_GAP:
        marey_lod_mark(builder, lane, 0, step->time_ns, MAREY_LOD_LOSS,
                       step->lost_count);
        break;
    case MAREY_STEP_COUNTER:
        marey_lod_counter(builder, lane, step->string, step->time_ns, step->value);
        break;
    case MAREY_STEP_FLOW_OUT:
    case MAREY_STEP_FLOW_IN:
        marey_lod_flow(builder, lane, step->flow, step->time_ns,
                       step->kind == MAREY_STEP_FLOW_OUT);
        break;
    }
}

/* The edges of a tile where short calls are left out. Whether a call that crosses
 * an edge is long enough shows outside, so the walk begins as much earlier and ends as
 * much later; what is over before the tile begins, or begins after it, is not taken. */
struct edges {
    int64_t from_ns, to_ns;
    uint32_t *functions; /* owned; of calls open where the tile begins; by depth */
    uint32_t count, capacity;
    bool is_inside;
    bool is_out_of_memory;
};

static bool
edge_push(struct edges *edges, const struct marey_step *step)
{
    if (step->depth >= edges->capacity) {
        uint32_t capacity = step->depth * 2 + 64;
        uint32_t *functions = realloc(edges->functions, capacity * sizeof(*functions));
        if (functions == NULL) {
            edges->is_out_of_memory = true;
            return false;
        }
        edges->functions = functions;
        edges->capacity = capacity;
    }
    while (edges->count < step->depth) /* not so, but nothing is read unset */
        edges->functions[edges->count++] = step->function;
    edges->functions[step->depth] = step->function;
    edges->count = step->depth + 1;
    return false;
}

static void
edge_enter(struct edges *edges, struct marey_lod_builder *builder)
{
    if (edges->is_inside)
        return;
    for (uint32_t i = 0; i < edges->count; i++)
        marey_lod_begin(builder, 0, i, edges->functions[i], edges->from_ns,
                        MAREY_LOD_CLIP_LEFT);
    edges->is_inside = true;
}

/* True: the step, which may have been moved to the edge, is to be taken. */
static bool
edge_pass(struct edges *edges, struct marey_lod_builder *builder,
          struct marey_step *step)
{
    bool is_begin = step->kind == MAREY_STEP_BEGIN || step->kind == MAREY_STEP_RESUME;
    bool is_end = step->kind == MAREY_STEP_END || step->kind == MAREY_STEP_SUSPEND;

    if (step->time_ns < edges->from_ns) {
        if (is_begin)
            return edge_push(edges, step);
        if (is_end && step->depth < edges->count)
            edges->count = step->depth;
        return false;
    }
    edge_enter(edges, builder);
    if (step->time_ns < edges->to_ns)
        return true;
    if (is_end) {
        step->kind = MAREY_STEP_END;
        step->ending = MAREY_END_OPEN;
        step->time_ns = edges->to_ns;
    }
    return is_end;
}

static enum marey_status
walk_all(struct marey_walk *walk, struct marey_lod_builder *builder,
         const struct marey_lod_options *options, struct edges *edges,
         uint64_t event_count)
{
    struct marey_step step;
    uint64_t steps = 0;

    while (marey_walk_next(walk, &step)) {
        uint32_t lane = step.lane;

        if (options->lane != MAREY_NO_INDEX) {
            if (lane != options->lane)
                continue;
            lane = 0;
        }
        if (edges != NULL && !edge_pass(edges, builder, &step))
            continue;
        take(builder, &step, lane, options);
        if ((++steps & 0x3ffff) == 0 && options->tick != NULL) {
            double done = (double)marey_walk_position(walk);
            double share = event_count ? done / (double)event_count : 0;
            if (!options->tick(options->tick_context, share > 1 ? 1 : share))
                return MAREY_STOPPED;
        }
    }
    return MAREY_OK;
}

/* Where events were left out a tile would show less than the index does. */
static bool
is_tile_whole(const struct marey_trace *trace, const struct marey_lod_options *options)
{
    const struct marey_stream *stream = trace->lanes[options->lane].stream;

    for (uint32_t i = 0; stream != NULL && i < stream->count; i++) {
        const struct marey_extent *extent =
            &trace->directory->extents[stream->first + i];
        if (extent->is_left_out &&
            clock_ns(&trace->clock, extent->base_ticks) < options->to_ns &&
            clock_ns(&trace->clock, extent->end_ticks) >= options->from_ns)
            return false;
    }
    return true;
}

/* Nothing is left out: what is asked for is in each chunk by itself. */
static bool
is_whole(const struct marey_trace *trace, const struct marey_lod_options *options)
{
    return options->lane == MAREY_NO_INDEX && options->min_duration_ns == 0 &&
           options->from_ns == INT64_MIN && options->to_ns == INT64_MAX &&
           trace->shown == NULL && trace->fold_depth == 0;
}

enum marey_status
marey_lod_build(struct marey_trace *trace, const struct marey_lod_options *options,
                uint8_t **bytes, size_t *size_bytes, struct marey_error *err)
{
    uint32_t lane_count = marey_trace_lane_count(trace);
    struct marey_selection selection = MAREY_SELECTION_ALL;
    struct marey_lod_builder *builder = NULL;
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    enum marey_status status;
    bool *lanes = NULL;
    struct edges edges = {options->from_ns, options->to_ns, NULL, 0, 0, false, false};
    bool has_edges = options->lane != MAREY_NO_INDEX && options->min_duration_ns > 0;

    if (lod_stored(trace, options, bytes, size_bytes))
        return MAREY_OK;
    selection.min_duration_ns = options->min_duration_ns;
    if (options->lane != MAREY_NO_INDEX) {
        if (options->lane >= lane_count || options->from_ns >= options->to_ns)
            return marey_fail(err, MAREY_USAGE, "no such lane or window");
        lanes = calloc(lane_count, sizeof(*lanes));
        if (lanes == NULL)
            return marey_fail(err, MAREY_NOMEM, "no memory for a tile");
        lanes[options->lane] = true;
        selection.lanes = lanes;
        selection.from_ns = options->from_ns;
        selection.to_ns = options->to_ns;
    }
    if (has_edges) {
        int64_t more = options->min_duration_ns;
        selection.from_ns = selection.from_ns > more ? selection.from_ns - more : 0;
        selection.to_ns =
            selection.to_ns < INT64_MAX - more ? selection.to_ns + more : INT64_MAX;
    }
    status = marey_lod_builder_new(options, lanes != NULL ? 1 : lane_count, &builder);
    if (status == MAREY_OK && lanes != NULL && !is_tile_whole(trace, options)) {
        free(lanes);
        builder->is_empty = true;
        return marey_lod_finish(builder, bytes, size_bytes, err);
    }
    if (status == MAREY_OK && is_whole(trace, options)) {
        status = lod_parts_build(trace, builder, err);
        if (status == MAREY_OK)
            return marey_lod_finish(builder, bytes, size_bytes, err);
        if (status == MAREY_USAGE)
            status = MAREY_OK; /* one walk, then */
    }
    if (status == MAREY_OK)
        status = marey_walk_new(trace, &selection, MAREY_ORDER_LANE, &walk, err);
    if (status == MAREY_OK) {
        marey_trace_info(trace, &info);
        status = walk_all(walk, builder, options, has_edges ? &edges : NULL,
                          info.event_count);
    }
    if (status == MAREY_OK && edges.is_out_of_memory)
        status = marey_fail(err, MAREY_NOMEM, "no memory for a tile");
    if (status == MAREY_OK)
        status = marey_walk_status(walk, err);
    if (status == MAREY_OK && has_edges)
        edge_enter(&edges, builder);
    marey_walk_free(walk);
    free(lanes);
    free(edges.functions);
    if (status == MAREY_OK)
        return marey_lod_finish(builder, bytes, size_bytes, err);
    if (builder != NULL)
        marey_lod_finish(builder, NULL, NULL, NULL);
    return status;
}
