/* Rows at a node's grain: exact slices where they are long, dense blocks where not.
 *
 * A block takes neighbours that are shorter than the grain r and nearer than r to each
 * other, until it is 6 r long: longer ones smear coverage, shorter ones save nothing
 * (measured). Its function is the one that took most of the time, by Boyer-Moore vote,
 * so a parent can be built from its children's cells alone.
 */
#include "query/lod/impl.h"

#define BLOCK_GRAINS 6
#define UNITS_MAX 65535

/* Bits that a block takes over from what it swallows. */
#define BLOCK_KEEPS                                                                    \
    (MAREY_LOD_RAISED | MAREY_LOD_OPEN | MAREY_LOD_CUT | MAREY_LOD_SUSPENDED |         \
     MAREY_LOD_MARKS)

void *
lod_array_add(struct lod_array *array, size_t extra, size_t size)
{
    size_t need = array->count + extra;

    if (need < extra)
        return NULL;
    if (need > array->capacity || array->items == NULL) {
        size_t capacity = array->capacity < 64 ? 64 : array->capacity * 2;
        void *items;

        if (capacity < need)
            capacity = need;
        if (capacity > SIZE_MAX / 2 / size)
            return NULL;
        items = realloc(array->items, capacity * size);
        if (items == NULL)
            return NULL;
        array->items = items;
        array->capacity = capacity;
    }
    array->count = need;
    return (char *)array->items + (need - extra) * size;
}

uint8_t
lod_count_code(uint64_t count)
{
    unsigned log2 = 0;

    if (count < 16)
        return (uint8_t)count;
    log2 = 63 - (unsigned)__builtin_clzll(count);
    /* 16 + 4 * (log2 - 4) + the two bits below the highest: 251 at most. */
    return (uint8_t)(16 + 4 * (log2 - 4) + ((count >> (log2 - 2)) & 3));
}

uint64_t
marey_lod_count_of(uint8_t code)
{
    unsigned log2;

    if (code < 16)
        return code;
    log2 = (code - 16U) / 4 + 4;
    if (log2 > 63)
        return UINT64_MAX;
    return (UINT64_C(4) + ((code - 16U) & 3)) << (log2 - 2);
}

void
lod_node_scale(struct marey_lod_node *node, uint32_t resolution)
{
    int64_t span = node->end_ns - node->begin_ns;

    node->unit_ns = (span + UNITS_MAX - 1) / UNITS_MAX;
    if (node->unit_ns < 1)
        node->unit_ns = 1;
    node->grain_ns = span / resolution;
    if (node->grain_ns < node->unit_ns)
        node->grain_ns = node->unit_ns == 1 ? 0 : node->unit_ns;
}

struct lod_item
lod_cell_item(const struct marey_lod_node *node, const struct marey_lod_cell *cell)
{
    struct lod_item item;
    int64_t span = node->end_ns - node->begin_ns;
    int64_t begin = cell->start * node->unit_ns;
    int64_t end = cell->end * node->unit_ns;

    if (cell->flags & MAREY_LOD_CLIP_LEFT)
        begin = 0;
    if (cell->flags & MAREY_LOD_CLIP_RIGHT || end > span)
        end = span;
    if (begin > end)
        begin = end;
    item.begin_ns = node->begin_ns + begin;
    item.end_ns = node->begin_ns + end;
    item.function = cell->function;
    item.flags = cell->flags;
    item.count = 1;
    item.busy_ns = end - begin;
    if (cell->flags & MAREY_LOD_LOSS && cell->count > 0)
        item.count = marey_lod_count_of(cell->count);
    if (cell->flags & MAREY_LOD_DENSE) {
        item.count = marey_lod_count_of(cell->count);
        item.busy_ns = (end - begin) / 255 * cell->coverage +
                       (end - begin) % 255 * cell->coverage / 255;
    }
    return item;
}

static uint16_t
to_units(const struct marey_lod_node *node, int64_t time_ns)
{
    int64_t units;

    if (time_ns <= node->begin_ns)
        return 0;
    units = (time_ns - node->begin_ns) / node->unit_ns;
    return units > UNITS_MAX ? UNITS_MAX : (uint16_t)units;
}

static void
put_cell(void *context, const struct lod_item *item)
{
    const struct lod_cell_sink *sink = context;
    struct lod_store *store = sink->store;
    struct marey_lod_cell *cell = lod_array_add(&store->cells, 1, sizeof(*cell));
    int64_t length = item->end_ns - item->begin_ns;

    if (cell == NULL || store->cells.count >= UINT32_MAX) {
        store->is_out_of_memory = true;
        return;
    }
    cell->start = to_units(sink->node, item->begin_ns);
    cell->end = to_units(sink->node, item->end_ns);
    cell->function = item->function;
    cell->flags = (uint16_t)item->flags;
    /* A half whose other half was swallowed by a block: the border is not ours. */
    if (item->begin_ns > sink->node->begin_ns)
        cell->flags &= (uint16_t)~MAREY_LOD_CLIP_LEFT;
    if (item->end_ns < sink->node->end_ns)
        cell->flags &= (uint16_t)~MAREY_LOD_CLIP_RIGHT;
    cell->coverage = 255;
    cell->count = lod_count_code(item->count);
    if (item->flags & MAREY_LOD_DENSE && length > 0) {
        int64_t share = (int64_t)((double)item->busy_ns * 255.0 / (double)length + 0.5);
        cell->coverage = (uint8_t)(share > 255 ? 255 : share < 1 ? 1 : share);
    }
}

void
lod_merger_to_cells(struct lod_merger *merger, struct lod_cell_sink *sink)
{
    memset(merger, 0, sizeof(*merger));
    merger->put = put_cell;
    merger->context = sink;
    merger->grain_ns = sink->node->grain_ns;
}

void
lod_merger_flush(struct lod_merger *merger)
{
    if (merger->block.count == 0)
        return;
    merger->put(merger->context, &merger->block);
    merger->block.count = 0;
}

/* Takes `item` into the block. Of a block's edge only the outermost clip matters. */
static void
block_take(struct lod_merger *merger, const struct lod_item *item)
{
    struct lod_item *block = &merger->block;

    if (item->function == block->function) {
        merger->vote_ns += item->busy_ns;
    } else if (merger->vote_ns < item->busy_ns) {
        block->function = item->function;
        merger->vote_ns = item->busy_ns - merger->vote_ns;
    } else {
        merger->vote_ns -= item->busy_ns;
    }
    block->flags = (block->flags & (BLOCK_KEEPS | MAREY_LOD_CLIP_LEFT)) |
                   (item->flags & (BLOCK_KEEPS | MAREY_LOD_CLIP_RIGHT)) |
                   MAREY_LOD_DENSE;
    /* A block is "suspended" only when nothing in it ran. */
    if (!(item->flags & MAREY_LOD_SUSPENDED))
        block->flags &= ~(uint32_t)MAREY_LOD_SUSPENDED;
    if (item->end_ns > block->end_ns)
        block->end_ns = item->end_ns;
    block->busy_ns += item->busy_ns;
    block->count += item->count;
}

static void
block_start(struct lod_merger *merger, const struct lod_item *item)
{
    merger->block = *item;
    merger->vote_ns = item->busy_ns;
}

void
lod_merger_item(struct lod_merger *merger, const struct lod_item *item)
{
    struct lod_item *block = &merger->block;
    int64_t grain = merger->grain_ns;
    int64_t length = item->end_ns - item->begin_ns;

    if (block->count != 0) {
        bool is_one = block->flags & MAREY_LOD_CLIP_RIGHT &&
                      item->flags & MAREY_LOD_CLIP_LEFT &&
                      item->function == block->function &&
                      !((block->flags | item->flags) & MAREY_LOD_DENSE);

        if (is_one) { /* the two halves of a call that crossed a node's border */
            uint32_t right = MAREY_LOD_CLIP_RIGHT | MAREY_LOD_RAISED | MAREY_LOD_OPEN |
                             MAREY_LOD_CUT | MAREY_LOD_YIELDED;
            block->end_ns = item->end_ns;
            block->busy_ns += item->busy_ns;
            merger->vote_ns += item->busy_ns;
            block->flags = (block->flags & ~right) | (item->flags & right);
            return;
        }
        if (length < grain && block->end_ns - block->begin_ns < BLOCK_GRAINS * grain &&
            (block->flags & MAREY_LOD_DENSE ||
             block->end_ns - block->begin_ns < grain) &&
            item->begin_ns - block->end_ns < grain &&
            item->end_ns - block->begin_ns <= BLOCK_GRAINS * grain) {
            block_take(merger, item);
            return;
        }
        lod_merger_flush(merger);
    }
    block_start(merger, item);
}

/* ---- levels ---- */

static const struct lod_pending_node *
node_at(const struct lod_store *store, uint32_t index)
{
    return (const struct lod_pending_node *)store->nodes.items + index;
}

static bool
row_start(struct lod_store *store)
{
    uint32_t *row = lod_array_add(&store->rows, 1, sizeof(*row));

    if (row == NULL)
        return false;
    *row = (uint32_t)store->cells.count;
    return true;
}

/* One node from up to MAREY_LOD_FAN_OUT neighbours. */
static bool
parent_build(struct lod_store *store, const uint32_t *children, uint32_t count,
             uint32_t resolution)
{
    struct lod_pending_node *added;
    struct lod_pending_node parent = {0};

    parent.lane = node_at(store, children[0])->lane;
    parent.level = node_at(store, children[0])->level + 1;
    parent.node.begin_ns = node_at(store, children[0])->node.begin_ns;
    parent.node.end_ns = node_at(store, children[count - 1])->node.end_ns;
    parent.node.row_first = (uint32_t)store->rows.count;
    lod_node_scale(&parent.node, resolution);
    for (uint32_t i = 0; i < count; i++)
        if (node_at(store, children[i])->node.row_count > parent.node.row_count)
            parent.node.row_count = node_at(store, children[i])->node.row_count;
    for (uint32_t row = 0; row < parent.node.row_count; row++) {
        struct lod_cell_sink sink = {store, &parent.node};
        struct lod_merger merger;

        if (!row_start(store))
            return false;
        lod_merger_to_cells(&merger, &sink);
        for (uint32_t i = 0; i < count; i++) {
            const struct marey_lod_node child = node_at(store, children[i])->node;
            const uint32_t *rows = (const uint32_t *)store->rows.items;

            if (row >= child.row_count)
                continue;
            uint32_t first = rows[child.row_first + row];
            uint32_t last = rows[child.row_first + row + 1];
            for (uint32_t at = first; at < last; at++) {
                /* The array may move while cells are added: no pointer is kept. */
                struct marey_lod_cell cell =
                    ((const struct marey_lod_cell *)store->cells.items)[at];
                struct lod_item item = lod_cell_item(&child, &cell);
                lod_merger_item(&merger, &item);
            }
        }
        lod_merger_flush(&merger);
    }
    if (!row_start(store) || store->is_out_of_memory)
        return false;
    added = lod_array_add(&store->nodes, 1, sizeof(*added));
    if (added == NULL)
        return false;
    *added = parent;
    return true;
}

bool
lod_levels_build(struct lod_store *store, const uint32_t *leaves, uint32_t count,
                 uint32_t resolution, struct lod_array *order,
                 struct marey_lod_lane *lane)
{
    uint32_t first = (uint32_t)order->count;
    uint32_t *copy;

    if (count == 0)
        return true; /* nothing happened on this lane */
    copy = lod_array_add(order, count, sizeof(*copy));
    if (copy == NULL)
        return false;
    memcpy(copy, leaves, count * sizeof(*copy));
    while (count > 0 && lane->level_count < MAREY_LOD_LEVEL_MAX) {
        uint32_t next = (uint32_t)order->count;

        lane->level_first[lane->level_count] = first;
        lane->level_nodes[lane->level_count] = count;
        lane->level_count++;
        if (count == 1)
            break;
        for (uint32_t i = 0; i < count; i += MAREY_LOD_FAN_OUT) {
            uint32_t group =
                count - i < MAREY_LOD_FAN_OUT ? count - i : MAREY_LOD_FAN_OUT;
            uint32_t *made;

            if (!parent_build(store, (uint32_t *)order->items + first + i, group,
                              resolution))
                return false;
            made = lod_array_add(order, 1, sizeof(*made));
            if (made == NULL)
                return false;
            *made = (uint32_t)store->nodes.count - 1;
        }
        first = next;
        count = (uint32_t)order->count - next;
    }
    return true;
}
