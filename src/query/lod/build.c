/* Streams of slices become leaf nodes; a lane's leaves become its tree.
 *
 * Each lane has a stack of open calls and the slices of the leaf under way. When the
 * leaf is full every open call is cut there: its piece carries a clip flag, and the
 * next leaf starts with the rest of it. So a leaf knows all that is in its time, and
 * memory is one leaf per lane plus the index itself.
 */
#include "query/lod/build.h"

#define RESOLUTION 2048

bool
lod_builder_init(struct marey_lod_builder *builder,
                 const struct marey_lod_options *options, uint32_t lane_count)
{
    *builder = (struct marey_lod_builder){
        .options = *options,
        .lane_count = lane_count,
        .begin_ns = INT64_MAX,
        .end_ns = INT64_MIN,
    };
    if (builder->options.leaf_slices == 0)
        builder->options.leaf_slices = LOD_LEAF_SLICES;
    if (builder->options.resolution == 0)
        builder->options.resolution = RESOLUTION;
    builder->lanes = calloc(lane_count ? lane_count : 1, sizeof(*builder->lanes));
    return builder->lanes != NULL;
}

enum marey_status
marey_lod_builder_new(const struct marey_lod_options *options, uint32_t lane_count,
                      struct marey_lod_builder **out)
{
    struct marey_lod_builder *builder = calloc(1, sizeof(*builder));

    if (builder == NULL)
        return MAREY_NOMEM;
    if (!lod_builder_init(builder, options, lane_count)) {
        free(builder);
        return MAREY_NOMEM;
    }
    *out = builder;
    return MAREY_OK;
}

static void
fail(struct marey_lod_builder *builder)
{
    builder->store.is_out_of_memory = true;
}

/* NULL when the lane is unknown or memory is out. */
static struct lod_lane *
lane_at(struct marey_lod_builder *builder, uint32_t index, int64_t time_ns)
{
    struct lod_lane *lane;

    if (index >= builder->lane_count || builder->store.is_out_of_memory)
        return NULL;
    lane = &builder->lanes[index];
    if (!lane->has_begun) {
        lane->has_begun = true;
        lane->leaf_begin_ns = time_ns;
        lane->last_ns = time_ns;
        if (lod_is_tile(builder))
            lane->leaf_begin_ns = builder->options.from_ns;
    }
    if (time_ns > lane->last_ns)
        lane->last_ns = time_ns;
    if (time_ns < builder->begin_ns)
        builder->begin_ns = time_ns;
    if (time_ns > builder->end_ns)
        builder->end_ns = time_ns;
    return lane;
}

static struct marey_lod_hist *
hist_of(struct marey_lod_builder *builder, struct lod_lane *lane, uint32_t function)
{
    struct lod_function *entry;

    while (lane->functions.count <= function) {
        size_t extra = function + 1 - lane->functions.count;
        struct lod_function *added =
            lod_array_add(&lane->functions, extra, sizeof(*added));
        if (added == NULL) {
            fail(builder);
            return NULL;
        }
        memset(added, 0, extra * sizeof(*added));
    }
    entry = (struct lod_function *)lane->functions.items + function;
    if (!entry->is_used) {
        uint32_t *used = lod_array_add(&lane->used, 1, sizeof(*used));
        if (used == NULL) {
            fail(builder);
            return NULL;
        }
        *used = function;
        entry->is_used = true;
        entry->hist.function = function;
    }
    return &entry->hist;
}

static struct lod_slice *
slice_add(struct marey_lod_builder *builder, struct lod_lane *lane, uint32_t row,
          uint32_t function, int64_t begin_ns, int64_t end_ns, uint32_t flags)
{
    struct lod_slice *slice = lod_array_one(&lane->slices, sizeof(*slice));

    if (slice == NULL) {
        fail(builder);
        return NULL;
    }
    slice->begin_ns = begin_ns;
    slice->end_ns = end_ns > begin_ns ? end_ns : begin_ns;
    slice->function = function;
    slice->flags = (uint16_t)flags;
    slice->row = (uint16_t)row;
    if (row >= lane->row_count)
        lane->row_count = row + 1;
    return slice;
}

/* Accounts the part of an open call from its piece's begin to `time_ns`. */
static void
frame_close(struct marey_lod_builder *builder, struct lod_lane *lane, size_t at,
            int64_t time_ns, uint32_t flags)
{
    struct lod_frame *frame = (struct lod_frame *)lane->stack.items + at;
    struct marey_lod_hist *hist = hist_of(builder, lane, frame->function);
    int64_t duration = time_ns - frame->begin_ns;

    if (hist != NULL) {
        hist->self_ns += duration - frame->children_ns;
        if (frame->is_outermost)
            hist->total_ns += duration;
    }
    if (at > 0)
        frame[-1].children_ns += duration;
    slice_add(builder, lane, (uint32_t)at + 1, frame->function, frame->begin_ns,
              time_ns, frame->flags | flags);
}

void
lod_lane_start(struct lod_lane *lane, int64_t begin_ns)
{
    lane->has_begun = true;
    lane->leaf_begin_ns = lane->last_ns = begin_ns;
}

void
lod_lane_reset(struct lod_lane *lane)
{
    const struct lod_frame *frames = lane->stack.items;
    struct lod_function *functions = lane->functions.items;

    for (size_t i = 0; i < lane->stack.count; i++)
        functions[frames[i].function].open_count = 0;
    for (size_t i = 0; i < lane->used.count; i++)
        functions[((const uint32_t *)lane->used.items)[i]] = (struct lod_function){0};
    lane->slices.count = lane->stack.count = 0;
    lane->used.count = lane->leaves.count = 0;
    lane->slice_count = lane->too_deep = 0;
    lane->row_count = lane->row_max = 0;
    lane->has_begun = false;
}

void
lod_lane_cut(struct marey_lod_builder *builder, uint32_t index, int64_t time_ns)
{
    struct lod_lane *lane = &builder->lanes[index];

    for (size_t at = lane->stack.count; at-- > 0;) {
        struct lod_frame *frame = (struct lod_frame *)lane->stack.items + at;

        frame_close(builder, lane, at, time_ns, MAREY_LOD_CLIP_RIGHT);
        frame->begin_ns = time_ns;
        frame->flags = MAREY_LOD_CLIP_LEFT;
        frame->children_ns = 0;
    }
    if (!lod_leaf_write(builder, index, time_ns))
        fail(builder);
    lane->leaf_begin_ns = time_ns;
}

static void
leaf_check(struct marey_lod_builder *builder, uint32_t index, int64_t time_ns)
{
    struct lod_lane *lane = &builder->lanes[index];

    if (lane->slices.count + lane->stack.count >= builder->options.leaf_slices &&
        lane->slices.count >= builder->options.leaf_slices / 2 && !lod_is_tile(builder))
        lod_lane_cut(builder, index, time_ns);
}

/* A suspended activation that goes on at the same depth, with nothing between, is
 * drawn as one: the gap becomes a thin slice. */
static void
gap_fill(struct marey_lod_builder *builder, struct lod_lane *lane, uint32_t depth,
         uint32_t function, int64_t time_ns)
{
    struct lod_slice *slices = lane->slices.items;
    size_t left = lane->slices.count < 4 ? lane->slices.count : 4;

    for (size_t i = lane->slices.count; left-- > 0;) {
        struct lod_slice *slice = &slices[--i];
        if (slice->row < depth + 1)
            continue; /* a mark, or a caller that ended: cannot lie between */
        if (slice->row != depth + 1)
            return;
        if (slice->function == function && slice->flags & MAREY_LOD_YIELDED)
            slice_add(builder, lane, depth + 1, function, slice->end_ns, time_ns,
                      MAREY_LOD_SUSPENDED);
        return;
    }
}

void
marey_lod_begin(struct marey_lod_builder *builder, uint32_t lane_index, uint32_t depth,
                uint32_t function, int64_t time_ns, unsigned flags)
{
    struct lod_lane *lane = lane_at(builder, lane_index, time_ns);
    struct lod_frame *frame;
    struct marey_lod_hist *hist;

    if (lane == NULL || function >= LOD_FUNCTION_MAX)
        return;
    if (time_ns < lane->last_ns)
        time_ns = lane->last_ns; /* never back: rows stay sorted */
    while (lane->stack.count > depth)
        marey_lod_end(builder, lane_index, (uint32_t)lane->stack.count - 1, time_ns,
                      MAREY_LOD_CUT);
    if (lane->stack.count < depth)
        depth = (uint32_t)lane->stack.count;
    if (depth >= LOD_DEPTH_MAX) {
        lane->too_deep++;
        return;
    }
    if (flags & MAREY_LOD_RESUMED)
        gap_fill(builder, lane, depth, function, time_ns);
    hist = hist_of(builder, lane, function);
    frame = lod_array_one(&lane->stack, sizeof(*frame));
    if (frame == NULL || hist == NULL) {
        fail(builder);
        return;
    }
    frame->begin_ns = time_ns;
    frame->children_ns = 0;
    frame->function = function;
    frame->flags = flags;
    struct lod_function *entry =
        (struct lod_function *)lane->functions.items + function;
    frame->is_outermost = entry->open_count++ == 0;
    if (!(flags & (MAREY_LOD_RESUMED | MAREY_LOD_CLIP_LEFT)))
        hist->call_count++;
}

void
marey_lod_end(struct marey_lod_builder *builder, uint32_t lane_index, uint32_t depth,
              int64_t time_ns, unsigned flags)
{
    struct lod_lane *lane = lane_at(builder, lane_index, time_ns);

    if (lane == NULL)
        return;
    if (time_ns < lane->last_ns)
        time_ns = lane->last_ns;
    if (depth >= lane->stack.count)
        return; /* deeper than is kept */
    while (lane->stack.count > depth) {
        size_t at = lane->stack.count - 1;
        uint32_t function = ((struct lod_frame *)lane->stack.items + at)->function;

        frame_close(builder, lane, at, time_ns, at == depth ? flags : MAREY_LOD_CUT);
        ((struct lod_function *)lane->functions.items + function)->open_count--;
        lane->stack.count = at;
    }
    leaf_check(builder, lane_index, time_ns);
}

void
marey_lod_mark(struct marey_lod_builder *builder, uint32_t lane_index, uint32_t string,
               int64_t time_ns, unsigned flags, uint64_t count)
{
    struct lod_lane *lane = lane_at(builder, lane_index, time_ns);

    if (lane == NULL)
        return;
    if (time_ns < lane->last_ns)
        time_ns = lane->last_ns;
    struct lod_slice *slice =
        slice_add(builder, lane, 0, string, time_ns, time_ns, flags & MAREY_LOD_MARKS);
    if (slice != NULL)
        slice->count = count > 0 ? count : 1;
    leaf_check(builder, lane_index, time_ns);
}

void
lod_lane_finish(struct marey_lod_builder *builder, uint32_t index)
{
    struct lod_lane *lane = &builder->lanes[index];
    int64_t end_ns;

    if (builder->is_empty)
        return;
    if (!lane->has_begun && lod_is_tile(builder))
        lane_at(builder, index, builder->options.from_ns); /* empty, and known to be */
    if (!lane->has_begun || builder->store.is_out_of_memory)
        return;
    if (lane->stack.count > 0)
        marey_lod_end(builder, index, 0, lane->last_ns, MAREY_LOD_OPEN);
    end_ns = lod_is_tile(builder) ? builder->options.to_ns : lane->last_ns;
    if (lane->slices.count > 0 || lane->leaves.count == 0)
        if (!lod_leaf_write(builder, index, end_ns))
            fail(builder);
}
