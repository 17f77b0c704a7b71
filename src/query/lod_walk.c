/* A trace, or a tile of it, into the builder of the index. */
#include "lod_impl.h"

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

static enum marey_status
walk_all(struct marey_walk *walk, struct marey_lod_builder *builder,
         const struct marey_lod_options *options, uint64_t event_count)
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
    status = marey_lod_builder_new(options, lanes != NULL ? 1 : lane_count, &builder);
    if (status == MAREY_OK)
        status = marey_walk_new(trace, &selection, MAREY_ORDER_LANE, &walk, err);
    if (status == MAREY_OK) {
        marey_trace_info(trace, &info);
        status = walk_all(walk, builder, options, info.event_count);
    }
    if (status == MAREY_OK)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    free(lanes);
    if (status == MAREY_OK)
        return marey_lod_finish(builder, bytes, size_bytes, err);
    if (builder != NULL)
        marey_lod_finish(builder, NULL, NULL, NULL);
    return status;
}
