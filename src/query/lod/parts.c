/* A trace cut into parts, and what was made of them put together. */
#include "query/lod/part.h"

#define EVENTS_OF_SLICE 2

struct parts {
    struct marey_trace *trace;
    struct marey_lod_builder *whole;
    struct lod_part *items; /* owned */
    size_t count, capacity;
    size_t next;      /* shared: workers take from it */
    size_t committed; /* worker 0 alone */
    uint64_t events_committed;
    uint32_t is_over;              /* shared: something failed, nobody need go on */
    struct sums_contexts contexts; /* worker 0 alone */
    struct lod_worker own;         /* worker 0 */
    enum marey_status status;
    struct marey_error *err;
};

static bool
is_over(const struct parts *parts)
{
    return __atomic_load_n(&parts->is_over, __ATOMIC_RELAXED) != 0;
}

/* The first to fail says why. */
static void
give_up(struct parts *parts, enum marey_status status, const struct marey_error *error)
{
    if (__atomic_exchange_n(&parts->is_over, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    parts->status = status;
    if (error != NULL && parts->err != NULL)
        *parts->err = *error;
}

/* ---- the plan ---- */

static bool
is_clean_border(const struct marey_extent *before, const struct marey_extent *next)
{
    return !before->is_open && next->sequence == before->sequence + 1 &&
           next->first_index == before->first_index + before->record_count &&
           before->base_ticks <= before->end_ticks &&
           before->end_ticks <= next->base_ticks;
}

static bool
add_part(struct parts *parts, uint32_t lane, const struct marey_stream *stream,
         uint32_t first, uint32_t end)
{
    const struct marey_trace *trace = parts->trace;
    const struct marey_extent *extents = trace->directory->extents + stream->first;

    if (!marey_memory_grow((void **)&parts->items, &parts->capacity, parts->count + 1,
                           sizeof(*parts->items)))
        return false;
    struct lod_part part = {.chunks = *stream, .lane = lane};
    part.chunks.first = stream->first + first;
    part.chunks.count = end - first;
    part.is_first = first == 0;
    part.is_last = end == stream->count;
    if (!part.is_first)
        part.begin_ns = clock_ns(&trace->clock, extents[first].base_ticks);
    if (!part.is_last)
        part.end_ns = clock_ns(&trace->clock, extents[end].base_ticks);
    parts->items[parts->count++] = part;
    return true;
}

static bool
plan_stream(struct parts *parts, uint32_t lane, const struct marey_stream *stream)
{
    const struct marey_extent *extents =
        parts->trace->directory->extents + stream->first;
    uint64_t events_max = (uint64_t)parts->whole->options.leaf_slices * EVENTS_OF_SLICE;
    uint64_t events = 0;
    uint32_t first = 0;

    for (uint32_t i = 0; i < stream->count; i++) {
        if (i > first && events + extents[i].record_count > events_max &&
            is_clean_border(&extents[i - 1], &extents[i])) {
            if (!add_part(parts, lane, stream, first, i))
                return false;
            first = i;
            events = 0;
        }
        events += extents[i].record_count;
    }
    return stream->count == 0 || add_part(parts, lane, stream, first, stream->count);
}

static enum marey_status
plan(struct parts *parts)
{
    const struct marey_trace *trace = parts->trace;

    for (uint32_t i = 0; i < trace->lane_count; i++)
        if (trace->lanes[i].kind != MAREY_LANE_THREAD)
            return MAREY_USAGE; /* its calls stand in the chunks of others */
    for (uint32_t i = 0; i < trace->lane_count; i++)
        if (trace->lanes[i].stream != NULL &&
            !plan_stream(parts, i, trace->lanes[i].stream))
            return MAREY_NOMEM;
    return MAREY_OK;
}

/* ---- putting together ---- */

static bool
append(struct lod_array *to, const struct lod_array *from, size_t size)
{
    void *added = lod_array_add(to, from->count, size);

    if (from->count == 0)
        return true;
    if (added == NULL)
        return false;
    memcpy(added, from->items, from->count * size);
    return true;
}

static bool
append_nodes(struct lod_store *store, struct lod_lane *lane,
             const struct lod_part *part)
{
    const struct lod_pending_node *from = part->store.nodes.items;
    uint32_t rows = (uint32_t)store->rows.count, hists = (uint32_t)store->hists.count;
    uint32_t cells = (uint32_t)store->cells.count;

    for (size_t i = 0; i < part->store.nodes.count; i++) {
        struct lod_pending_node *node = lod_array_add(&store->nodes, 1, sizeof(*node));
        uint32_t *leaf = lod_array_add(&lane->leaves, 1, sizeof(*leaf));

        if (node == NULL || leaf == NULL)
            return false;
        *node = from[i];
        node->lane = part->lane;
        node->node.row_first += rows;
        node->node.hist_first += hists;
        *leaf = (uint32_t)store->nodes.count - 1;
    }
    if (!append(&store->rows, &part->store.rows, sizeof(uint32_t)) ||
        !append(&store->cells, &part->store.cells, sizeof(struct marey_lod_cell)) ||
        !append(&store->hists, &part->store.hists, sizeof(struct marey_lod_hist)) ||
        store->cells.count > UINT32_MAX || store->rows.count > UINT32_MAX)
        return false;
    for (size_t i = rows; i < store->rows.count; i++)
        ((uint32_t *)store->rows.items)[i] += cells;
    return true;
}

static void
replay_points(struct marey_lod_builder *whole, const struct lod_part *part)
{
    const struct lod_point *points = part->points.items;

    for (size_t i = 0; i < part->points.count; i++) {
        const struct lod_point *point = &points[i];
        if (point->kind == MAREY_EVENT_COUNTER)
            marey_lod_counter(whole, part->lane, point->string, point->time_ns,
                              point->value);
        else
            marey_lod_flow(whole, part->lane, point->flow, point->time_ns,
                           point->kind == MAREY_EVENT_FLOW_OUT);
    }
}

static bool
commit(struct parts *parts, struct lod_part *part)
{
    uint32_t process = parts->trace->lanes[part->lane].process;
    struct marey_lod_part where = {
        .lane = part->lane,
        .chunk_count = part->chunks.count,
        .sequence = parts->trace->directory->extents[part->chunks.first].sequence,
    };
    struct marey_lod_builder *whole = parts->whole;
    struct lod_lane *lane = &whole->lanes[part->lane];

    if (!append_nodes(&whole->store, lane, part) ||
        !sums_put_keys(&parts->contexts, &part->keys, part->has_gap, part->lane,
                       process) ||
        !sums_put(&whole->store, &parts->contexts, &part->sums, &where, process)) {
        whole->store.is_out_of_memory = true;
        return false;
    }
    lane->slice_count += part->slice_count;
    if (part->row_max > lane->row_max)
        lane->row_max = part->row_max;
    if (part->seen_from_ns < whole->begin_ns)
        whole->begin_ns = part->seen_from_ns;
    if (part->seen_to_ns > whole->end_ns)
        whole->end_ns = part->seen_to_ns;
    replay_points(whole, part);
    return !whole->store.is_out_of_memory;
}

/* ---- borders that do not hold ---- */

static bool
are_equal(const struct lod_array *before, const struct lod_array *after)
{
    const struct lod_call *a = before->items, *b = after->items;

    if (before->count != after->count)
        return false;
    for (size_t i = 0; i < before->count; i++)
        if (a[i].function != b[i].function || a[i].begin_ns != b[i].begin_ns ||
            a[i].is_resumed != b[i].is_resumed)
            return false;
    return true;
}

/* Makes the part and all that follow it on its lane anew, as one. */
static bool
join(struct parts *parts, size_t at)
{
    struct lod_part *part = &parts->items[at];
    size_t end = at;

    while (!parts->items[end].is_last)
        end++;
    for (size_t i = at + 1; i <= end; i++) {
        part->chunks.count += parts->items[i].chunks.count;
        lod_part_release(&parts->items[i]);
        parts->items[i].state = PART_JOINED;
    }
    part->is_last = true;
    lod_part_release(part);
    if (parts->own.is_ready && lod_part_make(&parts->own, part))
        return true;
    give_up(parts, parts->own.status, &parts->own.error);
    return false;
}

static uint32_t
state_of(const struct lod_part *part)
{
    return __atomic_load_n(&part->state, __ATOMIC_ACQUIRE);
}

/* Takes over what is there, in order. A part waits for the ones behind it on its lane
 * where they do not fit together. */
static void
commit_made(struct parts *parts)
{
    for (; parts->committed < parts->count && !is_over(parts); parts->committed++) {
        size_t at = parts->committed;
        struct lod_part *part = &parts->items[at];

        if (state_of(part) == PART_JOINED)
            continue;
        if (state_of(part) != PART_MADE)
            return;
        if (!part->is_last) {
            const struct lod_part *next = part + 1;
            if (state_of(next) != PART_MADE)
                return;
            if (part->is_torn || next->is_torn ||
                !are_equal(&part->open_last, &next->open_first)) {
                for (size_t i = at; !parts->items[i].is_last; i++)
                    if (state_of(&parts->items[i + 1]) != PART_MADE)
                        return;
                if (!join(parts, at))
                    return;
            }
        }
        if (!commit(parts, part)) {
            give_up(parts, MAREY_NOMEM, NULL);
            return;
        }
        lod_part_release(part);
    }
}

/* ---- workers ---- */

static bool
tick(struct parts *parts)
{
    const struct marey_lod_options *options = &parts->whole->options;
    size_t taken = __atomic_load_n(&parts->next, __ATOMIC_RELAXED);
    double share = parts->count ? (double)taken / (double)parts->count : 1;

    return options->tick == NULL ||
           options->tick(options->tick_context, share > 1 ? 1 : share);
}

static void
work(void *context, unsigned number)
{
    struct parts *parts = context;
    struct lod_worker other;
    struct lod_worker *worker = number == 0 ? &parts->own : &other;

    if (!lod_worker_init(worker, parts->trace, &parts->whole->options)) {
        give_up(parts, worker->status, &worker->error);
    } else {
        worker->stretches = parts->whole->stretches;
        while (!is_over(parts)) {
            size_t at = __atomic_fetch_add(&parts->next, 1, __ATOMIC_RELAXED);
            if (at >= parts->count)
                break;
            struct lod_part *part = &parts->items[at];
            bool is_made = lod_part_make(worker, part);
            __atomic_store_n(&part->state, is_made ? PART_MADE : PART_FAILED,
                             __ATOMIC_RELEASE);
            if (!is_made)
                give_up(parts, worker->status, &worker->error);
            if (number == 0)
                commit_made(parts);
            if (number == 0 && !tick(parts))
                give_up(parts, MAREY_STOPPED, NULL);
        }
    }
    if (number != 0)
        lod_worker_release(worker);
}

enum marey_status
lod_parts_build(struct marey_trace *trace, struct marey_lod_builder *builder,
                struct marey_error *err)
{
    struct parts parts = {.trace = trace, .whole = builder, .err = err};
    enum marey_status status = plan(&parts);

    if (status == MAREY_NOMEM)
        marey_fail(err, status, "no memory for the index");
    if (status == MAREY_OK && parts.count > 0) {
        if (builder->options.parallel != NULL && parts.count > 1)
            builder->options.parallel(work, &parts);
        else
            work(&parts, 0);
        commit_made(&parts);
        status = parts.status;
        if (status == MAREY_OK && !sums_put_end(&builder->store, &parts.contexts))
            status = MAREY_NOMEM;
        lod_worker_release(&parts.own);
    }
    if (status == MAREY_NOMEM || status == MAREY_STOPPED)
        marey_fail(err, status, "%s",
                   status == MAREY_STOPPED ? "stopped" : "no memory for the index");
    for (size_t i = 0; i < parts.count; i++)
        lod_part_release(&parts.items[i]);
    sums_contexts_release(&parts.contexts);
    marey_memory_free(parts.items);
    return status;
}
