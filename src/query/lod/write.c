/* Leaves, counters and flows, and the block of bytes they all end in. */
#include "query/lod/build.h"

#define SAMPLES_MAX 16384 /* of a counter; then two become one, again and again */
#define FLOWS_MAX 262144

static int
by_function(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static bool
hists_write(struct lod_store *store, struct lod_lane *lane, struct marey_lod_node *node)
{
    uint32_t *used = lane->used.items;
    struct marey_lod_hist *hists =
        lod_array_add(&store->hists, lane->used.count, sizeof(*hists));

    if (hists == NULL && lane->used.count > 0)
        return false;
    node->hist_count = (uint32_t)lane->used.count;
    node->hist_first = (uint32_t)(store->hists.count - lane->used.count);
    if (lane->used.count > 1)
        qsort(used, lane->used.count, sizeof(*used), by_function);
    for (size_t i = 0; i < lane->used.count; i++) {
        struct lod_function *entry =
            (struct lod_function *)lane->functions.items + used[i];
        hists[i] = entry->hist;
        memset(&entry->hist, 0, sizeof(entry->hist));
        entry->is_used = false;
    }
    lane->used.count = 0;
    return true;
}

/* Slices by row, in the order in which they ended: in a row that is their order in
 * time. `starts` has row_count + 1 entries. Gives an array of slice indices. */
static uint32_t *
rows_sort(const struct lod_lane *lane, uint32_t *starts)
{
    const struct lod_slice *slices = lane->slices.items;
    size_t count = lane->slices.count;
    uint32_t *sorted = malloc((count ? count : 1) * sizeof(*sorted));

    if (sorted == NULL)
        return NULL;
    memset(starts, 0, (lane->row_count + 1) * sizeof(*starts));
    for (size_t i = 0; i < count; i++)
        starts[slices[i].row + 1]++;
    for (uint32_t row = 0; row < lane->row_count; row++)
        starts[row + 1] += starts[row];
    for (size_t i = 0; i < count; i++)
        sorted[starts[slices[i].row]++] = (uint32_t)i;
    for (uint32_t row = lane->row_count; row > 0; row--)
        starts[row] = starts[row - 1];
    starts[0] = 0;
    return sorted;
}

static bool
rows_write(struct lod_store *store, const struct lod_lane *lane,
           const struct marey_lod_node *node, const uint32_t *starts,
           const uint32_t *sorted)
{
    const struct lod_slice *slices = lane->slices.items;
    uint32_t *rows = lod_array_add(&store->rows, lane->row_count + 1, sizeof(*rows));

    if (rows == NULL)
        return false;
    for (uint32_t row = 0; row < lane->row_count; row++) {
        struct lod_cell_sink sink = {store, node};
        struct lod_merger merger;

        rows[row] = (uint32_t)store->cells.count;
        lod_merger_to_cells(&merger, &sink);
        for (uint32_t i = starts[row]; i < starts[row + 1]; i++) {
            const struct lod_slice *slice = &slices[sorted[i]];
            int64_t end_ns = row > 0 ? slice->end_ns : slice->begin_ns;
            struct lod_item item = {
                slice->begin_ns,          end_ns,
                end_ns - slice->begin_ns, row > 0 ? 1 : slice->count,
                slice->function,          slice->flags,
            };
            lod_merger_item(&merger, &item);
        }
        lod_merger_flush(&merger);
    }
    rows[lane->row_count] = (uint32_t)store->cells.count;
    return !store->is_out_of_memory;
}

bool
lod_leaf_write(struct marey_lod_builder *builder, uint32_t index, int64_t end_ns)
{
    struct lod_store *store = &builder->store;
    struct lod_lane *lane = &builder->lanes[index];
    struct lod_pending_node pending = {0};
    struct lod_pending_node *added;
    uint32_t *starts = calloc(lane->row_count + 1, sizeof(*starts));
    uint32_t *sorted = starts == NULL ? NULL : rows_sort(lane, starts);
    uint32_t *leaf;
    bool ok;

    pending.lane = index;
    pending.node.begin_ns = lane->leaf_begin_ns;
    pending.node.end_ns = end_ns > lane->leaf_begin_ns ? end_ns : lane->leaf_begin_ns;
    pending.node.row_first = (uint32_t)store->rows.count;
    pending.node.row_count = lane->row_count;
    lod_node_scale(&pending.node, builder->options.resolution);
    ok = sorted != NULL && rows_write(store, lane, &pending.node, starts, sorted) &&
         hists_write(store, lane, &pending.node);
    free(sorted);
    free(starts);
    if (!ok)
        return false;
    added = lod_array_add(&store->nodes, 1, sizeof(*added));
    leaf = lod_array_add(&lane->leaves, 1, sizeof(*leaf));
    if (added == NULL || leaf == NULL)
        return false;
    *added = pending;
    *leaf = (uint32_t)store->nodes.count - 1;
    lane->slice_count += lane->slices.count;
    lane->slices.count = 0;
    if (lane->row_count > lane->row_max)
        lane->row_max = lane->row_count;
    lane->row_count = 0;
    return true;
}

/* ---- counters and flows ---- */

static struct lod_pending_series *
series_of(struct marey_lod_builder *builder, uint32_t lane, uint32_t string)
{
    struct lod_array *array = &builder->store.series;
    struct lod_pending_series *all = array->items;
    struct lod_pending_series *added;

    for (size_t i = 0; i < array->count; i++)
        if (all[i].lane == lane && all[i].string == string)
            return &all[i];
    if (array->count >= 4096)
        return NULL; /* so many counters are names that were made up by the thousand */
    added = lod_array_add(array, 1, sizeof(*added));
    if (added == NULL) {
        builder->store.is_out_of_memory = true;
        return NULL;
    }
    memset(added, 0, sizeof(*added));
    added->lane = lane;
    added->string = string;
    added->stride = 1;
    return added;
}

static void
series_halve(struct lod_pending_series *series)
{
    struct marey_lod_sample *samples = series->samples.items;
    size_t half = series->samples.count / 2;

    for (size_t i = 0; i < half; i++) {
        struct marey_lod_sample a = samples[2 * i], b = samples[2 * i + 1];
        a.low = b.low < a.low ? b.low : a.low;
        a.high = b.high > a.high ? b.high : a.high;
        a.last = b.last;
        samples[i] = a;
    }
    series->samples.count = half;
    series->stride *= 2;
    series->filled = series->stride;
}

void
marey_lod_counter(struct marey_lod_builder *builder, uint32_t lane, uint32_t string,
                  int64_t time_ns, double value)
{
    struct lod_pending_series *series;
    struct marey_lod_sample *sample;

    if (builder->store.is_out_of_memory || lane >= builder->lane_count ||
        value != value)
        return;
    if (time_ns > builder->end_ns)
        builder->end_ns = time_ns;
    if (time_ns < builder->begin_ns)
        builder->begin_ns = time_ns;
    series = series_of(builder, lane, string);
    if (series == NULL)
        return;
    if (series->samples.count > 0 && series->filled < series->stride) {
        sample = (struct marey_lod_sample *)series->samples.items +
                 series->samples.count - 1;
        sample->low = value < sample->low ? value : sample->low;
        sample->high = value > sample->high ? value : sample->high;
        sample->last = value;
        series->filled++;
        return;
    }
    if (series->samples.count >= SAMPLES_MAX)
        series_halve(series);
    sample = lod_array_add(&series->samples, 1, sizeof(*sample));
    if (sample == NULL) {
        builder->store.is_out_of_memory = true;
        return;
    }
    sample->time_ns = time_ns;
    sample->low = sample->high = sample->last = value;
    series->filled = 1;
}

/* Ends are kept as halves (the other lane NO_INDEX) and paired when all are known. */
void
marey_lod_flow(struct marey_lod_builder *builder, uint32_t lane, uint64_t flow,
               int64_t time_ns, bool is_out)
{
    struct lod_pending_flow *half;

    if (builder->store.is_out_of_memory || builder->store.flows.count >= FLOWS_MAX)
        return;
    half = lod_array_add(&builder->store.flows, 1, sizeof(*half));
    if (half == NULL) {
        builder->store.is_out_of_memory = true;
        return;
    }
    half->flow = flow;
    half->arrow.out_lane = is_out ? lane : MAREY_NO_INDEX;
    half->arrow.in_lane = is_out ? MAREY_NO_INDEX : lane;
    half->arrow.out_ns = half->arrow.in_ns = time_ns;
}

static int
by_flow(const void *a, const void *b)
{
    const struct lod_pending_flow *x = a, *y = b;

    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    if (x->arrow.out_ns != y->arrow.out_ns)
        return x->arrow.out_ns < y->arrow.out_ns ? -1 : 1;
    return (x->arrow.out_lane == MAREY_NO_INDEX) -
           (y->arrow.out_lane == MAREY_NO_INDEX);
}

static void
flows_pair(struct lod_array *flows)
{
    struct lod_pending_flow *all = flows->items;
    size_t kept = 0;

    if (flows->count > 1)
        qsort(all, flows->count, sizeof(*all), by_flow);
    for (size_t i = 0; i + 1 < flows->count; i++) {
        bool is_pair = all[i].flow == all[i + 1].flow &&
                       all[i].arrow.out_lane != MAREY_NO_INDEX &&
                       all[i + 1].arrow.in_lane != MAREY_NO_INDEX;
        if (!is_pair)
            continue;
        all[kept] = all[i];
        all[kept].arrow.in_lane = all[i + 1].arrow.in_lane;
        all[kept].arrow.in_ns = all[i + 1].arrow.in_ns;
        kept++;
    }
    flows->count = kept;
}

/* ---- the block ---- */

static uint64_t
place(uint64_t *at, uint64_t count, uint64_t size)
{
    uint64_t here = *at;

    *at = (here + count * size + 7) & ~UINT64_C(7);
    return here;
}

static void
series_copy(const struct lod_store *store, uint8_t *bytes,
            const struct marey_lod_header *header)
{
    struct marey_lod_series *out =
        (struct marey_lod_series *)(bytes + header->series_at);
    struct marey_lod_sample *samples =
        (struct marey_lod_sample *)(bytes + header->samples_at);
    const struct lod_pending_series *all = store->series.items;
    uint32_t first = 0;

    for (uint32_t i = 0; i < header->series_count; i++) {
        const struct marey_lod_sample *from = all[i].samples.items;

        out[i] = (struct marey_lod_series){
            all[i].lane, all[i].string,     first, (uint32_t)all[i].samples.count, 0,
            0,           all[i].stride > 1, 0};
        for (uint32_t k = 0; k < out[i].sample_count; k++) {
            samples[first + k] = from[k];
            if (k == 0 || from[k].low < out[i].low)
                out[i].low = from[k].low;
            if (k == 0 || from[k].high > out[i].high)
                out[i].high = from[k].high;
        }
        first += out[i].sample_count;
    }
}

static void
copy(uint8_t *to, const struct lod_array *array, size_t size)
{
    if (array->count > 0)
        memcpy(to, array->items, array->count * size);
}

static uint8_t *
block_write(const struct marey_lod_builder *builder, const struct marey_lod_lane *lanes,
            const struct lod_array *order, size_t *size_bytes)
{
    const struct lod_store *store = &builder->store;
    const struct lod_pending_series *series = store->series.items;
    const struct lod_pending_flow *flows = store->flows.items;
    const struct lod_pending_node *nodes = store->nodes.items;
    struct marey_lod_header header = {0};
    uint64_t at = sizeof(header);
    uint8_t *bytes;

    for (size_t i = 0; i < store->series.count; i++)
        header.sample_count += (uint32_t)series[i].samples.count;
    header.magic = MAREY_LOD_MAGIC;
    header.begin_ns = builder->begin_ns <= builder->end_ns ? builder->begin_ns : 0;
    header.end_ns = builder->begin_ns <= builder->end_ns ? builder->end_ns : 0;
    if (lod_is_tile(builder)) {
        header.begin_ns = builder->options.from_ns;
        header.end_ns = builder->options.to_ns;
        header.lane_first = builder->options.lane;
    }
    header.lane_count = builder->lane_count;
    header.node_count = (uint32_t)order->count;
    header.row_count = (uint32_t)store->rows.count;
    header.cell_count = (uint32_t)store->cells.count;
    header.hist_count = (uint32_t)store->hists.count;
    header.series_count = (uint32_t)store->series.count;
    header.flow_count = (uint32_t)store->flows.count;
    header.lanes_at = place(&at, header.lane_count, sizeof(struct marey_lod_lane));
    header.nodes_at = place(&at, header.node_count, sizeof(struct marey_lod_node));
    header.rows_at = place(&at, header.row_count, sizeof(uint32_t));
    header.cells_at = place(&at, header.cell_count, sizeof(struct marey_lod_cell));
    header.hists_at = place(&at, header.hist_count, sizeof(struct marey_lod_hist));
    header.series_at = place(&at, header.series_count, sizeof(struct marey_lod_series));
    header.samples_at =
        place(&at, header.sample_count, sizeof(struct marey_lod_sample));
    header.flows_at = place(&at, header.flow_count, sizeof(struct marey_lod_flow));
    header.context_count = (uint32_t)store->contexts.count;
    header.part_count = (uint32_t)store->parts.count;
    header.sums_size = store->sums.count;
    header.contexts_at =
        place(&at, header.context_count, sizeof(struct marey_lod_context));
    header.parts_at = place(&at, header.part_count, sizeof(struct marey_lod_part));
    header.sums_at = place(&at, header.sums_size, 1);
    header.size_bytes = at;
    if (at > SIZE_MAX || (bytes = calloc(1, (size_t)at)) == NULL)
        return NULL;
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + header.lanes_at, lanes, header.lane_count * sizeof(*lanes));
    for (size_t i = 0; i < order->count; i++)
        ((struct marey_lod_node *)(bytes + header.nodes_at))[i] =
            nodes[((const uint32_t *)order->items)[i]].node;
    copy(bytes + header.rows_at, &store->rows, sizeof(uint32_t));
    copy(bytes + header.cells_at, &store->cells, sizeof(struct marey_lod_cell));
    copy(bytes + header.hists_at, &store->hists, sizeof(struct marey_lod_hist));
    copy(bytes + header.contexts_at, &store->contexts,
         sizeof(struct marey_lod_context));
    copy(bytes + header.parts_at, &store->parts, sizeof(struct marey_lod_part));
    copy(bytes + header.sums_at, &store->sums, 1);
    series_copy(store, bytes, &header);
    for (uint32_t i = 0; i < header.flow_count; i++)
        ((struct marey_lod_flow *)(bytes + header.flows_at))[i] = flows[i].arrow;
    *size_bytes = (size_t)at;
    return bytes;
}

void
lod_store_release(struct lod_store *store)
{
    struct lod_pending_series *series = store->series.items;

    for (size_t i = 0; i < store->series.count; i++)
        free(series[i].samples.items);
    free(store->nodes.items);
    free(store->rows.items);
    free(store->cells.items);
    free(store->hists.items);
    free(store->series.items);
    free(store->flows.items);
    free(store->contexts.items);
    free(store->parts.items);
    free(store->sums.items);
    *store = (struct lod_store){0};
}

void
lod_builder_release(struct marey_lod_builder *builder)
{
    for (uint32_t i = 0; builder->lanes != NULL && i < builder->lane_count; i++) {
        struct lod_lane *lane = &builder->lanes[i];
        free(lane->slices.items);
        free(lane->stack.items);
        free(lane->functions.items);
        free(lane->used.items);
        free(lane->leaves.items);
    }
    lod_store_release(&builder->store);
    free(builder->lanes);
    *builder = (struct marey_lod_builder){0};
}

enum marey_status
marey_lod_finish(struct marey_lod_builder *builder, uint8_t **bytes, size_t *size_bytes,
                 struct marey_error *err)
{
    struct lod_array order = {0};
    struct marey_lod_lane *lanes =
        calloc(builder->lane_count ? builder->lane_count : 1, sizeof(*lanes));
    uint8_t *block = NULL;
    bool ok = lanes != NULL;

    for (uint32_t i = 0; ok && i < builder->lane_count; i++) {
        struct lod_lane *lane = &builder->lanes[i];

        lod_lane_finish(builder, i);
        ok = !builder->store.is_out_of_memory &&
             lod_levels_build(&builder->store, lane->leaves.items,
                              (uint32_t)lane->leaves.count, builder->options.resolution,
                              &order, &lanes[i]);
        lanes[i].row_max = lane->row_max;
        lanes[i].slice_count = lane->slice_count;
    }
    flows_pair(&builder->store.flows);
    if (ok && !builder->store.is_out_of_memory && bytes != NULL)
        block = block_write(builder, lanes, &order, size_bytes);
    free(lanes);
    free(order.items);
    lod_builder_release(builder);
    free(builder);
    if (bytes == NULL)
        return MAREY_OK; /* given up by the caller */
    if (block == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory for the index of the view");
    *bytes = block;
    return MAREY_OK;
}
