/* Totals by addition: parts of which the index has sums are not played.
 *
 * What the lane's open calls did until then is summed first, and their times start anew
 * behind the part; in between counts what the sums say, by context. A context becomes
 * part of rows and edges when all is added: its time is its own and that of all below
 * it, and counts where no caller is the same function (the same edge).
 */
#include "query/totals/totals.h"

/* What is known of an activation before the part. */
struct before {
    int64_t running_ns;
    bool is_counted;
};

/* ---- until the part ---- */

static void
add_time(struct counts *sums, int64_t total_ns, int64_t self_ns, uint64_t total_cost,
         uint64_t self_cost, bool is_recursive)
{
    sums->self_ns = clock_sum(sums->self_ns, self_ns);
    sums->self_cost += self_cost;
    if (is_recursive)
        return;
    sums->total_ns = clock_sum(sums->total_ns, total_ns);
    sums->total_cost += total_cost;
}

static void
settle(struct marey_totals *totals, const struct player_lane *lane, int64_t now_ns)
{
    for (uint32_t i = 1; i <= lane->depth; i++) {
        const struct frame *frame = &lane->frames[i];
        int64_t total_ns = now_ns - frame->seen_ns, child_ns = frame->child_ns;
        uint64_t total_cost = lane->cost - frame->cost_at;
        uint64_t child_cost = frame->child_cost;

        if (i < lane->depth) {
            child_ns = clock_sum(child_ns, now_ns - frame[1].seen_ns);
            child_cost += lane->cost - frame[1].cost_at;
        }
        int64_t self_ns = clock_difference(total_ns, child_ns);
        uint32_t edge = totals_edge(totals, frame->parent, frame->function);
        if (edge == MAREY_NO_INDEX)
            return;
        self_ns = self_ns > 0 ? self_ns : 0;
        add_time(&totals->rows[frame->function].sums, total_ns, self_ns, total_cost,
                 total_cost - child_cost, (frame->mark & MARK_RECURSIVE) != 0);
        add_time(&totals->edges[edge].sums, total_ns, self_ns, total_cost,
                 total_cost - child_cost, (frame->mark & MARK_EDGE_RECURSIVE) != 0);
    }
}

/* ---- activations ---- */

static void
take_before(struct player *player, const struct player_lane *lane,
            const struct marey_lod *lod, const struct sums_log *log, struct before *out)
{
    struct frame frame = {.activation = log->key,
                          .function = lod->contexts[log->last].function};

    if (log->origin == SUMS_OPEN) {
        out->running_ns = lane->frames[log->depth_in].running_ns;
        out->is_counted = lane->frames[log->depth_in].is_counted;
    } else if (log->origin == SUMS_KEY) {
        marey_activation_take(player, lane, &frame);
        out->running_ns = frame.running_ns;
        out->is_counted = frame.is_counted;
    } else if (log->origin == SUMS_BEGUN) {
        out->is_counted = true;
    }
    if (log->origin == SUMS_KEY || log->origin == SUMS_FORGET)
        marey_activation_drop(player, lane, log->key);
}

static uint32_t
edge_of_context(struct marey_totals *totals, const struct marey_lod *lod, uint32_t at)
{
    const struct marey_lod_context *context = &lod->contexts[at];

    return totals_edge(totals, lod->contexts[context->parent].function,
                       context->function);
}

static void
end_call(struct marey_totals *totals, const struct marey_lod *lod,
         const struct sums_log *log, int64_t running_ns)
{
    struct row *row = &totals->rows[lod->contexts[log->last].function];

    durations_take(&row->sums.ended, running_ns);
    totals_duration(totals, row, running_ns);
    if (log->fate == SUMS_FORGOTTEN)
        return;
    uint32_t edge = edge_of_context(totals, lod, log->last);
    if (edge == MAREY_NO_INDEX)
        return;
    durations_take(&totals->edges[edge].sums.ended, running_ns);
    totals->edges[edge].sums.raised_count += log->is_raised;
    row->sums.raised_count += log->is_raised;
}

static void
apply(struct marey_totals *totals, struct player *player, struct player_lane *lane,
      const struct sums_log *log, struct before before)
{
    const struct marey_lod *lod = &player->trace->sums->lod;
    struct frame frame = {.activation = log->key,
                          .first_ns = MAREY_NO_TIME,
                          .function = lod->contexts[log->last].function,
                          .is_shown = true};

    if (log->is_first_due && !before.is_counted) {
        struct row *row = &totals->rows[frame.function];
        uint32_t edge = edge_of_context(totals, lod, log->first);
        if (edge == MAREY_NO_INDEX)
            return;
        row->is_called = true;
        row->sums.call_count++;
        totals->edges[edge].sums.call_count++;
        before.is_counted = true;
    }
    frame.running_ns = clock_sum(before.running_ns, log->running_ns);
    frame.is_counted = before.is_counted;
    switch (log->fate) {
    case SUMS_ENDED:
    case SUMS_FORGOTTEN: end_call(totals, lod, log, frame.running_ns); break;
    case SUMS_SUSPENDED:
        totals->is_out_of_memory |= !marey_activation_put(player, lane, &frame, 0);
        break;
    case SUMS_STILL_OPEN:
        lane->frames[log->depth_out].running_ns = frame.running_ns;
        lane->frames[log->depth_out].is_counted = frame.is_counted;
        break;
    default: break;
    }
}

/* ---- the part ---- */

static void
add_counts(struct counts *to, const struct sums_context *from)
{
    to->call_count += from->call_count;
    to->raised_count += from->raised_count;
    durations_add(&to->ended, &from->ended);
}

static bool
add_buckets(struct marey_totals *totals, const struct sums *read)
{
    const struct sums_bucket *buckets = read->buckets.items;

    for (size_t i = 0; i < read->buckets.count; i++) {
        struct histogram *histogram =
            totals_histogram(totals, &totals->rows[buckets[i].function]);
        if (histogram == NULL ||
            !marey_histogram_add_bucket(&totals->pool, histogram, buckets[i].bucket,
                                        buckets[i].count))
            return false;
    }
    return true;
}

static void
close_call(void *context, struct player_lane *lane, struct frame *frame)
{
    totals_close(context, lane, frame);
}

static void
open_call(void *context, struct player_lane *lane, struct frame *frame)
{
    totals_open(context, lane, frame);
}

bool
totals_skip(void *context, struct player *player, struct player_stream *stream)
{
    struct marey_totals *totals = context;
    const struct marey_lod *lod = &player->trace->sums->lod;
    struct player_lane *lane = stream->home;
    struct sums *read = &totals->read;
    uint32_t chunk_count;

    if (!sums_find(player, stream, read, &chunk_count))
        return false;
    const struct sums_log *logs = read->logs.items;
    struct before *befores = marey_memory_new(read->logs.count + 1, sizeof(*befores));
    if (totals->added == NULL)
        totals->added =
            marey_memory_new(lod->header->context_count, sizeof(*totals->added));
    if (befores == NULL || totals->added == NULL) {
        marey_memory_free(befores);
        totals->is_out_of_memory = true;
        return false;
    }
    settle(totals, lane, read->begin_ns);
    for (size_t i = 0; i < read->logs.count; i++)
        take_before(player, lane, lod, &logs[i], &befores[i]);
    if (sums_skip(player, stream, read, chunk_count, close_call, open_call, totals))
        for (size_t i = 0; i < read->logs.count; i++)
            if (logs[i].origin != SUMS_FORGET)
                apply(totals, player, lane, &logs[i], befores[i]);
    marey_memory_free(befores);
    const uint32_t *numbers = read->numbers.items;
    const struct sums_context *contexts = read->contexts.items;
    for (size_t i = 0; i < read->contexts.count; i++)
        sums_add(&totals->added[numbers[i]], &contexts[i]);
    totals->is_out_of_memory |= !add_buckets(totals, read);
    return true;
}

/* ---- when all is added ---- */

/* A context is visited with how often its function and its edge are open above it. */
struct folding {
    struct marey_totals *totals;
    const struct marey_lod *lod;
    int64_t *inclusive_ns;    /* owned; by context */
    uint64_t *inclusive_cost; /* owned */
    uint32_t *first_child;    /* owned; by context; 0: none */
    uint32_t *next_sibling;   /* owned */
    uint32_t *edges;          /* owned; by context */
    uint32_t *open_functions; /* owned; by function */
    uint32_t *open_edges;     /* owned; by edge */
};

static void
folding_release(struct folding *folding)
{
    marey_memory_free(folding->inclusive_ns);
    marey_memory_free(folding->inclusive_cost);
    marey_memory_free(folding->first_child);
    marey_memory_free(folding->next_sibling);
    marey_memory_free(folding->edges);
    marey_memory_free(folding->open_functions);
    marey_memory_free(folding->open_edges);
}

static bool
folding_init(struct folding *folding)
{
    const struct marey_lod *lod = folding->lod;
    struct marey_totals *totals = folding->totals;
    uint32_t count = lod->header->context_count;

    folding->inclusive_ns = marey_memory_new(count, sizeof(*folding->inclusive_ns));
    folding->inclusive_cost = marey_memory_new(count, sizeof(*folding->inclusive_cost));
    folding->first_child = marey_memory_new(count, sizeof(*folding->first_child));
    folding->next_sibling = marey_memory_new(count, sizeof(*folding->next_sibling));
    folding->edges = marey_memory_new(count, sizeof(*folding->edges));
    folding->open_functions =
        marey_memory_new(totals->row_count, sizeof(*folding->open_functions));
    if (folding->inclusive_ns == NULL || folding->inclusive_cost == NULL ||
        folding->first_child == NULL || folding->next_sibling == NULL ||
        folding->edges == NULL || folding->open_functions == NULL)
        return false;
    for (uint32_t i = count; i-- > 1;) {
        uint32_t parent = lod->contexts[i].parent;
        folding->inclusive_ns[i] =
            clock_sum(folding->inclusive_ns[i], totals->added[i].self_ns);
        folding->inclusive_cost[i] += totals->added[i].cost_ps;
        folding->inclusive_ns[parent] =
            clock_sum(folding->inclusive_ns[parent], folding->inclusive_ns[i]);
        folding->inclusive_cost[parent] += folding->inclusive_cost[i];
        folding->next_sibling[i] = folding->first_child[parent];
        folding->first_child[parent] = i;
    }
    for (uint32_t i = 1; i < count; i++) {
        folding->edges[i] = edge_of_context(totals, lod, i);
        if (folding->edges[i] == MAREY_NO_INDEX)
            return false;
    }
    folding->open_edges =
        marey_memory_new(totals->edge_count, sizeof(*folding->open_edges));
    return folding->open_edges != NULL;
}

static void
enter(struct folding *folding, uint32_t at)
{
    const struct sums_context *added = &folding->totals->added[at];
    uint32_t function = folding->lod->contexts[at].function;
    struct row *row = &folding->totals->rows[function];
    struct edge *edge = &folding->totals->edges[folding->edges[at]];

    add_time(&row->sums, folding->inclusive_ns[at], added->self_ns,
             folding->inclusive_cost[at], added->cost_ps,
             folding->open_functions[function]++ > 0);
    add_time(&edge->sums, folding->inclusive_ns[at], added->self_ns,
             folding->inclusive_cost[at], added->cost_ps,
             folding->open_edges[folding->edges[at]]++ > 0);
    row->is_called |= added->call_count > 0;
    add_counts(&row->sums, added);
    add_counts(&edge->sums, added);
}

bool
totals_fold(struct marey_totals *totals, const struct marey_trace *trace)
{
    struct folding folding = {.totals = totals, .lod = &trace->sums->lod};
    bool has_memory = folding_init(&folding);
    uint32_t at = 0;

    while (has_memory) {
        uint32_t next = folding.first_child[at];
        if (next == 0) {
            for (; at != 0; at = folding.lod->contexts[at].parent) {
                folding.open_functions[folding.lod->contexts[at].function]--;
                folding.open_edges[folding.edges[at]]--;
                next = folding.next_sibling[at];
                if (next != 0)
                    break;
            }
            if (at == 0)
                break;
        }
        enter(&folding, next);
        at = next;
    }
    folding_release(&folding);
    return has_memory;
}
