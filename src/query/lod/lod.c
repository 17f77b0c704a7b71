/* Reading the index: a window becomes rectangles.
 *
 * First the window is cut into pieces, each with the node (or tile) to read it from:
 * the coarsest whose grain is below a pixel, or the finest there is. Then each row is
 * read from piece to piece through one merger, whose grain is the pixel, so that the
 * halves of a call that crosses a border become one rectangle again.
 */
#include "query/lod/impl.h"

#define PIECES_MAX 512
#define TIME_LIMIT (INT64_C(1) << 61)

static bool
part_fits(uint64_t at, uint64_t count, uint64_t size, uint64_t size_bytes)
{
    return (at & 7) == 0 && at <= size_bytes && count <= (size_bytes - at) / size;
}

static bool
node_is_valid(const struct marey_lod *lod, const struct marey_lod_node *node)
{
    const struct marey_lod_header *header = lod->header;

    if (node->begin_ns < -TIME_LIMIT || node->end_ns > TIME_LIMIT ||
        node->begin_ns > node->end_ns || node->unit_ns < 1 ||
        node->unit_ns > TIME_LIMIT / 32768 || node->grain_ns < 0 ||
        node->row_count > 65535 || node->row_first >= header->row_count ||
        node->row_count >= header->row_count - node->row_first ||
        node->hist_first > header->hist_count ||
        node->hist_count > header->hist_count - node->hist_first)
        return false;
    for (uint32_t row = 0; row < node->row_count; row++)
        if (lod->rows[node->row_first + row] > lod->rows[node->row_first + row + 1])
            return false;
    return lod->rows[node->row_first + node->row_count] <= header->cell_count;
}

static bool
lane_is_valid(const struct marey_lod *lod, const struct marey_lod_lane *lane)
{
    if (lane->level_count > MAREY_LOD_LEVEL_MAX || lane->row_max > 65535)
        return false;
    for (uint32_t i = 0; i < lane->level_count; i++) {
        if (lane->level_nodes[i] == 0 ||
            lane->level_first[i] > lod->header->node_count ||
            lane->level_nodes[i] > lod->header->node_count - lane->level_first[i])
            return false;
        if (i > 0 &&
            lane->level_nodes[i] !=
                (lane->level_nodes[i - 1] + MAREY_LOD_FAN_OUT - 1) / MAREY_LOD_FAN_OUT)
            return false;
    }
    return true;
}

enum marey_status
marey_lod_open(const uint8_t *bytes, size_t size_bytes, struct marey_lod *out)
{
    const struct marey_lod_header *header = (const struct marey_lod_header *)bytes;
    struct marey_lod lod = {0};

    if (size_bytes < sizeof(*header) || ((uintptr_t)bytes & 7) != 0)
        return MAREY_CORRUPT;
    if (header->magic != MAREY_LOD_MAGIC || header->size_bytes != size_bytes ||
        header->begin_ns < -TIME_LIMIT || header->end_ns > TIME_LIMIT ||
        !part_fits(header->lanes_at, header->lane_count, sizeof(*lod.lanes),
                   size_bytes) ||
        !part_fits(header->nodes_at, header->node_count, sizeof(*lod.nodes),
                   size_bytes) ||
        !part_fits(header->rows_at, header->row_count, sizeof(*lod.rows), size_bytes) ||
        !part_fits(header->cells_at, header->cell_count, sizeof(*lod.cells),
                   size_bytes) ||
        !part_fits(header->hists_at, header->hist_count, sizeof(*lod.hists),
                   size_bytes) ||
        !part_fits(header->series_at, header->series_count, sizeof(*lod.series),
                   size_bytes) ||
        !part_fits(header->samples_at, header->sample_count, sizeof(*lod.samples),
                   size_bytes) ||
        !part_fits(header->flows_at, header->flow_count, sizeof(*lod.flows),
                   size_bytes) ||
        !part_fits(header->contexts_at, header->context_count, sizeof(*lod.contexts),
                   size_bytes) ||
        !part_fits(header->parts_at, header->part_count, sizeof(*lod.parts),
                   size_bytes) ||
        !part_fits(header->sums_at, header->sums_size, 1, size_bytes))
        return MAREY_CORRUPT;
    lod.bytes = bytes;
    lod.header = header;
    lod.lanes = (const struct marey_lod_lane *)(bytes + header->lanes_at);
    lod.nodes = (const struct marey_lod_node *)(bytes + header->nodes_at);
    lod.rows = (const uint32_t *)(bytes + header->rows_at);
    lod.cells = (const struct marey_lod_cell *)(bytes + header->cells_at);
    lod.hists = (const struct marey_lod_hist *)(bytes + header->hists_at);
    lod.series = (const struct marey_lod_series *)(bytes + header->series_at);
    lod.samples = (const struct marey_lod_sample *)(bytes + header->samples_at);
    lod.flows = (const struct marey_lod_flow *)(bytes + header->flows_at);
    lod.contexts = (const struct marey_lod_context *)(bytes + header->contexts_at);
    lod.parts = (const struct marey_lod_part *)(bytes + header->parts_at);
    lod.sums = bytes + header->sums_at;
    for (uint32_t i = 0; i < header->node_count; i++)
        if (!node_is_valid(&lod, &lod.nodes[i]))
            return MAREY_CORRUPT;
    for (uint32_t i = 0; i < header->lane_count; i++)
        if (!lane_is_valid(&lod, &lod.lanes[i]))
            return MAREY_CORRUPT;
    for (uint32_t i = 0; i < header->series_count; i++)
        if (lod.series[i].sample_first > header->sample_count ||
            lod.series[i].sample_count >
                header->sample_count - lod.series[i].sample_first)
            return MAREY_CORRUPT;
    *out = lod;
    return MAREY_OK;
}

/* ---- pieces ---- */

struct piece {
    const struct marey_lod *lod;
    const struct marey_lod_node *node;
    int64_t from_ns;
    int64_t to_ns;
};

struct plan {
    const struct marey_lod *index;
    const struct marey_lod *tiles;
    const struct marey_lod_window *window;
    int64_t pixel_ns; /* at least 1 */
    uint32_t tile_count;
    uint32_t count;
    bool is_coarse;
    struct piece pieces[PIECES_MAX];
};

static void
plan_add(struct plan *plan, const struct marey_lod *lod,
         const struct marey_lod_node *node, int64_t from_ns, int64_t to_ns)
{
    struct piece *piece;

    if (from_ns >= to_ns && !(from_ns == to_ns && node->begin_ns == node->end_ns))
        return;
    if (node->grain_ns > plan->pixel_ns)
        plan->is_coarse = true;
    if (plan->count == PIECES_MAX)
        return;
    piece = &plan->pieces[plan->count++];
    *piece = (struct piece){lod, node, from_ns, to_ns};
}

/* The finest tile over `time_ns` that is finer than `grain_ns`; *until_ns is where to
 * look again. */
static const struct marey_lod *
tile_at(const struct plan *plan, int64_t time_ns, int64_t grain_ns, int64_t *until_ns)
{
    const struct marey_lod *best = NULL;

    for (uint32_t i = 0; i < plan->tile_count; i++) {
        const struct marey_lod *tile = &plan->tiles[i];
        const struct marey_lod_header *header = tile->header;

        if (header->lane_first != plan->window->lane || header->lane_count != 1 ||
            tile->lanes[0].level_count == 0)
            continue;
        const struct marey_lod_node *node = &tile->nodes[tile->lanes[0].level_first[0]];
        if (node->grain_ns >= grain_ns)
            continue;
        if (node->begin_ns <= time_ns && time_ns < node->end_ns) {
            best = tile;
            grain_ns = node->grain_ns;
            if (node->end_ns < *until_ns)
                *until_ns = node->end_ns;
        } else if (node->begin_ns > time_ns && node->begin_ns < *until_ns) {
            *until_ns = node->begin_ns;
        }
    }
    return best;
}

/* Adds what the window has of a leaf, from tiles where they are finer. */
static void
plan_leaf(struct plan *plan, const struct marey_lod_node *node, int64_t from_ns,
          int64_t to_ns)
{
    if (node->grain_ns <= plan->pixel_ns || plan->tile_count == 0) {
        plan_add(plan, plan->index, node, from_ns, to_ns);
        return;
    }
    while (from_ns < to_ns && plan->count < PIECES_MAX) {
        int64_t until_ns = to_ns;
        const struct marey_lod *tile =
            tile_at(plan, from_ns, node->grain_ns, &until_ns);

        if (tile != NULL)
            plan_add(plan, tile, &tile->nodes[tile->lanes[0].level_first[0]], from_ns,
                     until_ns);
        else
            plan_add(plan, plan->index, node, from_ns, until_ns);
        from_ns = until_ns;
    }
}

static void
plan_node(struct plan *plan, const struct marey_lod_lane *lane, uint32_t level,
          uint32_t at)
{
    const struct marey_lod_node *node =
        &plan->index->nodes[lane->level_first[level] + at];
    int64_t from_ns = plan->window->from_ns, to_ns = plan->window->to_ns;

    if (node->begin_ns >= to_ns || node->end_ns < from_ns)
        return;
    if (node->begin_ns > from_ns)
        from_ns = node->begin_ns;
    if (node->end_ns < to_ns)
        to_ns = node->end_ns;
    if (level == 0) {
        plan_leaf(plan, node, from_ns, to_ns);
        return;
    }
    if (node->grain_ns <= plan->pixel_ns) {
        plan_add(plan, plan->index, node, from_ns, to_ns);
        return;
    }
    for (uint32_t i = 0; i < MAREY_LOD_FAN_OUT; i++)
        if (at * MAREY_LOD_FAN_OUT + i < lane->level_nodes[level - 1])
            plan_node(plan, lane, level - 1, at * MAREY_LOD_FAN_OUT + i);
}

/* ---- rows ---- */

struct rect_sink {
    struct marey_lod_rect *out;
    size_t capacity;
    size_t count;
    int64_t from_ns;
    double pixels_per_ns;
    double width;
    uint16_t row;
};

static void
put_rect(void *context, const struct lod_item *item)
{
    struct rect_sink *sink = context;
    struct marey_lod_rect *rect;
    double left = (double)(item->begin_ns - sink->from_ns) * sink->pixels_per_ns;
    double right = (double)(item->end_ns - sink->from_ns) * sink->pixels_per_ns;
    int64_t length = item->end_ns - item->begin_ns;

    if (sink->count == sink->capacity)
        return;
    rect = &sink->out[sink->count++];
    rect->left = (float)(left < -8 ? -8 : left);
    rect->right = (float)(right > sink->width + 8 ? sink->width + 8 : right);
    rect->function = item->function;
    rect->row = sink->row;
    rect->coverage = 255;
    if (item->flags & MAREY_LOD_DENSE && length > 0) {
        double share = (double)item->busy_ns * 255.0 / (double)length + 0.5;
        rect->coverage = (uint8_t)(share > 255 ? 255 : share < 1 ? 1 : share);
    }
    rect->count = lod_count_code(item->count);
    rect->flags = item->flags;
}

static void
row_read(const struct piece *piece, uint32_t row, struct lod_merger *merger)
{
    const struct marey_lod_node *node = piece->node;
    const uint32_t *rows = piece->lod->rows + node->row_first;
    uint32_t low, high;
    int64_t from_units = (piece->from_ns - node->begin_ns) / node->unit_ns;

    if (row >= node->row_count)
        return;
    low = rows[row];
    high = rows[row + 1];
    while (low < high) { /* the first cell that ends at or after the piece's begin */
        uint32_t middle = low + (high - low) / 2;
        if (piece->lod->cells[middle].end < from_units)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < rows[row + 1]; low++) {
        struct lod_item item = lod_cell_item(node, &piece->lod->cells[low]);

        if (item.begin_ns >= piece->to_ns &&
            !(item.begin_ns == piece->to_ns && piece->to_ns == node->end_ns))
            return;
        if (item.end_ns < piece->from_ns ||
            (item.end_ns == piece->from_ns && item.begin_ns < item.end_ns))
            continue;
        if (item.begin_ns < piece->from_ns) {
            item.begin_ns = piece->from_ns;
            item.flags |= MAREY_LOD_CLIP_LEFT;
        }
        if (item.end_ns > piece->to_ns) {
            item.end_ns = piece->to_ns;
            item.flags |= MAREY_LOD_CLIP_RIGHT;
        }
        if (item.busy_ns > item.end_ns - item.begin_ns)
            item.busy_ns = item.end_ns - item.begin_ns;
        lod_merger_item(merger, &item);
    }
}

size_t
marey_lod_query(const struct marey_lod *index, const struct marey_lod *tiles,
                uint32_t tile_count, const struct marey_lod_window *window,
                struct marey_lod_rect *out, size_t capacity, bool *is_coarse)
{
    const struct marey_lod_lane *lane;
    struct plan plan;
    struct rect_sink sink = {out, capacity, 0, window->from_ns, 0, window->width, 0};
    struct lod_merger merger = {put_rect, &sink, 0, {0}, 0};
    uint32_t row_end;

    *is_coarse = false;
    if (window->lane >= index->header->lane_count || window->width == 0 ||
        window->from_ns < -TIME_LIMIT || window->to_ns > TIME_LIMIT ||
        window->from_ns >= window->to_ns)
        return 0;
    lane = &index->lanes[window->lane];
    if (lane->level_count == 0)
        return 0;
    plan.index = index;
    plan.tiles = tiles;
    plan.tile_count = tile_count;
    plan.window = window;
    plan.count = 0;
    plan.is_coarse = false;
    plan.pixel_ns = (window->to_ns - window->from_ns) / window->width;
    if (plan.pixel_ns < 1)
        plan.pixel_ns = 1;
    for (uint32_t i = 0; i < lane->level_nodes[lane->level_count - 1]; i++)
        plan_node(&plan, lane, lane->level_count - 1, i);
    sink.pixels_per_ns =
        (double)window->width / (double)(window->to_ns - window->from_ns);
    merger.grain_ns = plan.pixel_ns > 1 ? plan.pixel_ns : 0;
    row_end = lane->row_max;
    if (window->row_first < row_end && window->row_count < row_end - window->row_first)
        row_end = window->row_first + window->row_count;
    for (uint32_t row = window->row_first; row < row_end; row++) {
        sink.row = (uint16_t)row;
        for (uint32_t i = 0; i < plan.count; i++)
            row_read(&plan.pieces[i], row, &merger);
        lod_merger_flush(&merger);
    }
    *is_coarse = plan.is_coarse;
    return sink.count;
}

uint32_t
marey_lod_row_count(const struct marey_lod *index, uint32_t lane)
{
    return lane < index->header->lane_count ? index->lanes[lane].row_max : 0;
}
