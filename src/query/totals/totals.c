/* Totals: what each function took, and each caller of it.
 *
 * Sums are made where a call's running part ends, by the function's index; nothing is
 * searched for an event but the function's place among the calls open on its lane,
 * which says whether it called itself. Edges (caller, callee) are found by the callee's
 * last one, which is nearly always the same again.
 */
#include "query/totals/totals.h"

#include "base/sort.h"

#define TICK_EVERY 65536 /* beats */
#define OPEN_CAPACITY_MIN 16
#define OPEN_CAPACITY_EASY 256 /* up to here a full table grows, open or not */

/* ---- what is open ---- */

static struct open_entry *
find_open(const struct open_table *table, uint32_t what)
{
    uint32_t mask = table->capacity - 1;
    uint32_t at = (what * UINT32_C(0x9E3779B1)) >> 7 & mask;

    while (table->entries[at].what != 0 && table->entries[at].what != what + 1)
        at = (at + 1) & mask;
    return &table->entries[at];
}

/* Drops what is not open, and doubles where that is not enough. */
static bool
renew(struct open_table *table)
{
    struct open_table old = *table;
    uint32_t open_count = 0;

    for (uint32_t i = 0; i < old.capacity; i++)
        open_count += old.entries[i].count > 0;
    if (table->capacity == 0)
        table->capacity = OPEN_CAPACITY_MIN;
    else if (open_count >= old.capacity / 4 || old.capacity < OPEN_CAPACITY_EASY)
        table->capacity *= 2;
    table->entries = marey_memory_new(table->capacity, sizeof(*table->entries));
    if (table->entries == NULL) {
        *table = old;
        return false;
    }
    table->used = open_count;
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].count > 0)
            *find_open(table, old.entries[i].what - 1) = old.entries[i];
    }
    marey_memory_free(old.entries);
    return true;
}

/* The entry, new with count 0 where there was none; NULL: no memory. */
MAREY_INLINE struct open_entry *
open_entry(struct open_table *table, uint32_t what)
{
    if (MAREY_UNLIKELY(table->used >= table->capacity / 2) && !renew(table))
        return NULL;
    struct open_entry *entry = find_open(table, what);
    if (entry->what == 0) {
        table->used++;
        *entry = (struct open_entry){.what = what + 1};
    }
    return entry;
}

/* ---- edges ---- */

uint32_t
totals_edge(struct marey_totals *totals, uint32_t caller, uint32_t function)
{
    uint64_t key = (uint64_t)caller << 32 | function;
    uint32_t index = marey_table_get(&totals->edge_index, key);

    if (index != MAREY_TABLE_NONE)
        return index;
    if (!marey_memory_grow((void **)&totals->edges, &totals->edge_capacity,
                           totals->edge_count + 1, sizeof(*totals->edges)) ||
        !marey_table_put(&totals->edge_index, key, (uint32_t)totals->edge_count)) {
        totals->is_out_of_memory = true;
        return MAREY_NO_INDEX;
    }
    totals->edges[totals->edge_count] =
        (struct edge){.function = function, .caller = caller};
    return (uint32_t)totals->edge_count++;
}

MAREY_INLINE uint32_t
edge_of(struct marey_totals *totals, struct row *row, const struct frame *frame)
{
    if (MAREY_UNLIKELY(row->last_edge == MAREY_NO_INDEX ||
                       row->last_caller != frame->parent)) {
        row->last_edge = totals_edge(totals, frame->parent, frame->function);
        row->last_caller = frame->parent;
    }
    return row->last_edge;
}

/* ---- sums ---- */

struct histogram *
totals_histogram(struct marey_totals *totals, struct row *row)
{
    if (MAREY_UNLIKELY(row->histogram == 0)) {
        if (!marey_memory_grow((void **)&totals->histograms,
                               &totals->histogram_capacity, totals->histogram_count + 1,
                               sizeof(*totals->histograms))) {
            totals->is_out_of_memory = true;
            return NULL;
        }
        totals->histograms[totals->histogram_count] = (struct histogram){0};
        row->histogram = (uint32_t)++totals->histogram_count;
    }
    return &totals->histograms[row->histogram - 1];
}

void
totals_duration(struct marey_totals *totals, struct row *row, int64_t duration_ns)
{
    struct histogram *histogram = totals_histogram(totals, row);

    if (histogram != NULL &&
        MAREY_UNLIKELY(!marey_histogram_add(&totals->pool, histogram, duration_ns)))
        totals->is_out_of_memory = true;
}

/* A running part that is over. */
struct part {
    int64_t total_ns, self_ns;
    uint64_t total_cost, self_cost;
    bool is_first; /* of its call */
    bool is_last;
    bool is_raised, is_open;
    int64_t call_ns; /* last: all parts of the call */
};

MAREY_INLINE void
add_part(struct counts *sums, const struct part *part, bool is_recursive)
{
    sums->call_count += part->is_first;
    sums->raised_count += part->is_raised;
    sums->open_count += part->is_open;
    sums->self_ns = clock_sum(sums->self_ns, part->self_ns);
    sums->self_cost += part->self_cost;
    if (!is_recursive) {
        sums->total_ns = clock_sum(sums->total_ns, part->total_ns);
        sums->total_cost += part->total_cost;
    }
    if (part->is_last)
        durations_take(&sums->ended, part->call_ns);
}

MAREY_INLINE void
open_call(struct marey_totals *totals, const struct player_lane *lane,
          struct frame *frame)
{
    struct lane_tables *tables = &totals->lanes[lane->index];
    struct row *row = &totals->rows[frame->function];
    struct open_entry *entry = open_entry(&tables->functions, frame->function);

    if (MAREY_UNLIKELY(entry == NULL)) {
        totals->is_out_of_memory = true;
        return;
    }
    uint32_t edge = edge_of(totals, row, frame);
    if (MAREY_LIKELY(entry->count++ == 0)) {
        entry->first_edge = edge;
        frame->mark = 0;
        return;
    }
    frame->mark = MARK_RECURSIVE;
    if (entry->first_edge == edge) {
        frame->mark |= MARK_EDGE_RECURSIVE;
        return;
    }
    struct open_entry *again = open_entry(&tables->edges, edge);
    if (again == NULL) {
        totals->is_out_of_memory = true;
        return;
    }
    frame->mark |= MARK_EDGE_COUNTED;
    if (again->count++ > 0)
        frame->mark |= MARK_EDGE_RECURSIVE;
}

/* Its edge's index, or MAREY_NO_INDEX. */
MAREY_INLINE uint32_t
close_call(struct marey_totals *totals, const struct player_lane *lane,
           const struct frame *frame)
{
    struct lane_tables *tables = &totals->lanes[lane->index];
    uint32_t edge = edge_of(totals, &totals->rows[frame->function], frame);

    if (MAREY_UNLIKELY(edge == MAREY_NO_INDEX))
        return edge;
    find_open(&tables->functions, frame->function)->count--;
    if (MAREY_UNLIKELY(frame->mark & MARK_EDGE_COUNTED))
        find_open(&tables->edges, edge)->count--;
    return edge;
}

void
totals_open(struct marey_totals *totals, struct player_lane *lane, struct frame *frame)
{
    open_call(totals, lane, frame);
}

void
totals_close(struct marey_totals *totals, struct player_lane *lane, struct frame *frame)
{
    close_call(totals, lane, frame);
}

MAREY_INLINE void
take_end(struct marey_totals *totals, const struct beat *beat, int64_t min_ns)
{
    const struct frame *frame = beat->frame;
    struct row *row = &totals->rows[frame->function];
    uint32_t edge_index = close_call(totals, beat->lane, frame);
    int64_t part_ns = beat->time_ns - frame->begin_ns;

    if (MAREY_UNLIKELY(edge_index == MAREY_NO_INDEX))
        return;
    struct edge *edge = &totals->edges[edge_index];
    if (part_ns < min_ns)
        return;
    struct part part = {
        .total_ns = beat->time_ns - frame->seen_ns,
        .total_cost = beat->child_cost + frame->cost_ps,
        .is_first = !frame->is_counted,
        .is_last = beat->kind == BEAT_END,
        .call_ns = clock_sum(frame->running_ns, part_ns),
    };
    part.self_ns = clock_difference(part.total_ns, frame->child_ns);
    part.self_ns = part.self_ns > 0 ? part.self_ns : 0;
    part.self_cost = part.total_cost - frame->child_cost;
    part.is_raised = part.is_last && beat->ending == MAREY_END_RAISED;
    part.is_open = part.is_last && beat->ending == MAREY_END_OPEN;
    row->is_called = true;
    add_part(&row->sums, &part, (frame->mark & MARK_RECURSIVE) != 0);
    add_part(&edge->sums, &part, (frame->mark & MARK_EDGE_RECURSIVE) != 0);
    if (part.is_last)
        totals_duration(totals, row, part.call_ns);
}

/* An activation that was suspended for the last time: dropped, or still waiting. */
static void
take_forgotten(void *context, const struct activation *activation, bool is_over)
{
    struct marey_totals *totals = context;
    struct row *row = &totals->rows[activation->function];

    if (!activation->is_counted || !activation->is_shown)
        return;
    row->sums.open_count += is_over;
    durations_take(&row->sums.ended, activation->running_ns);
    totals_duration(totals, row, activation->running_ns);
}

/* ---- the walk ---- */

static enum marey_status
sum_up(struct marey_totals *totals, struct player *player,
       bool (*tick)(void *context, double share), void *context,
       struct marey_error *err)
{
    double event_count = (double)player->trace->event_count;
    int64_t min_ns = player->selection.min_duration_ns;
    struct beat beat;
    uint32_t beats = 0;

    while (marey_player_next(player, &beat)) {
        switch (beat.kind) {
        case BEAT_BEGIN:
        case BEAT_RESUME:
            if (MAREY_LIKELY(beat.frame->is_shown))
                open_call(totals, beat.lane, beat.frame);
            break;
        case BEAT_END:
        case BEAT_SUSPEND:
            if (MAREY_LIKELY(beat.frame->is_shown))
                take_end(totals, &beat, min_ns);
            break;
        case BEAT_GAP: totals->lost_count += beat.number; break;
        default: break;
        }
        if (MAREY_UNLIKELY(++beats == TICK_EVERY)) {
            beats = 0;
            double share = event_count > 0 ? (double)player->position / event_count : 1;
            if (tick != NULL && !tick(context, share < 1 ? share : 1))
                return marey_fail(err, MAREY_STOPPED, "stopped");
        }
        if (MAREY_UNLIKELY(totals->is_out_of_memory))
            break;
    }
    if (player->status != MAREY_OK && err != NULL)
        *err = player->error;
    if (player->status != MAREY_OK)
        return player->status;
    return totals->is_out_of_memory
               ? marey_fail(err, MAREY_NOMEM, "no memory for totals")
               : MAREY_OK;
}

static void
free_lanes(struct marey_totals *totals)
{
    for (uint32_t i = 0; totals->lanes != NULL && i < totals->lane_count; i++) {
        marey_memory_free(totals->lanes[i].functions.entries);
        marey_memory_free(totals->lanes[i].edges.entries);
    }
    marey_memory_free(totals->lanes);
    totals->lanes = NULL;
}

/* The same order however they were found. */
static int
by_function(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return (x->caller > y->caller) - (x->caller < y->caller);
}

static bool
list_called(struct marey_totals *totals)
{
    totals->called = marey_memory_new(totals->row_count, sizeof(*totals->called));
    if (totals->called == NULL)
        return false;
    for (uint32_t i = 0; i < totals->row_count; i++) {
        if (totals->rows[i].is_called)
            totals->called[totals->called_count++] = i;
    }
    /* Edges of calls that were all too short to count. */
    size_t kept = 0;
    for (size_t i = 0; i < totals->edge_count; i++) {
        const struct counts *sums = &totals->edges[i].sums;
        if (sums->call_count > 0 || sums->ended.count > 0 || sums->total_ns > 0)
            totals->edges[kept++] = totals->edges[i];
    }
    totals->edge_count = kept;
    marey_sort(totals->edges, kept, sizeof(*totals->edges), by_function);
    return true;
}

enum marey_status
marey_totals_new(struct marey_trace *trace, const struct marey_selection *selection,
                 bool (*tick)(void *context, double share), void *context,
                 struct marey_totals **out, struct marey_error *err)
{
    struct marey_totals *totals = marey_memory_new(1, sizeof(*totals));
    struct player player = {0};
    enum marey_status status = MAREY_NOMEM;

    if (totals == NULL)
        return marey_fail(err, status, "no memory for totals");
    totals->row_count = (uint32_t)trace->functions.count;
    totals->lane_count = (uint32_t)trace->lane_count;
    totals->rows = marey_memory_new(totals->row_count, sizeof(*totals->rows));
    totals->lanes = marey_memory_new(totals->lane_count, sizeof(*totals->lanes));
    if (totals->rows == NULL || totals->lanes == NULL) {
        marey_totals_free(totals);
        return marey_fail(err, status, "no memory for totals");
    }
    for (uint32_t i = 0; i < totals->row_count; i++)
        totals->rows[i].last_edge = MAREY_NO_INDEX;
    status = marey_player_init(&player, trace, selection, MAREY_ORDER_TIME, err);
    if (status == MAREY_OK) {
        player.forget = take_forgotten;
        player.forget_context = totals;
        if (sums_are_of_use(trace, selection)) {
            player.skip = totals_skip;
            player.skip_context = totals;
        }
        status = sum_up(totals, &player, tick, context, err);
        marey_player_release(&player);
    }
    free_lanes(totals);
    if (status == MAREY_OK && totals->added != NULL && !totals_fold(totals, trace))
        status = marey_fail(err, MAREY_NOMEM, "no memory for totals");
    if (status == MAREY_OK && !list_called(totals))
        status = marey_fail(err, MAREY_NOMEM, "no memory for totals");
    if (status != MAREY_OK) {
        marey_totals_free(totals);
        return status;
    }
    *out = totals;
    return MAREY_OK;
}

/* ---- asking ---- */

static int64_t
corrected(int64_t time_ns, uint64_t cost_ps)
{
    int64_t rest = clock_difference(time_ns, (int64_t)(cost_ps / 1000));

    return rest > 0 ? rest : 0;
}

static void
fill_total(const struct counts *sums, struct marey_total *out)
{
    out->call_count = sums->call_count;
    out->raised_count = sums->raised_count;
    out->open_count = sums->open_count;
    out->total_ns = sums->total_ns;
    out->self_ns = sums->self_ns;
    out->min_ns = sums->ended.min_ns;
    out->max_ns = sums->ended.max_ns;
    if (sums->ended.count > 0)
        out->mean_ns = sums->ended.sum_ns / (int64_t)sums->ended.count;
    out->corrected_self_ns = corrected(sums->self_ns, sums->self_cost);
    out->corrected_total_ns = corrected(sums->total_ns, sums->total_cost);
}

uint32_t
marey_totals_count(const struct marey_totals *totals)
{
    return totals->called_count;
}

static int64_t
percentile(const struct marey_totals *totals, const struct row *row, unsigned percent)
{
    if (row->histogram == 0)
        return 0;
    int64_t found = marey_histogram_percentile(
        &totals->pool, &totals->histograms[row->histogram - 1], percent);
    if (found < row->sums.ended.min_ns)
        return row->sums.ended.min_ns;
    return found < row->sums.ended.max_ns ? found : row->sums.ended.max_ns;
}

void
marey_totals_row(const struct marey_totals *totals, uint32_t row,
                 struct marey_total *out)
{
    const struct row *found = &totals->rows[totals->called[row]];

    *out = (struct marey_total){
        .function = totals->called[row],
        .other = MAREY_NO_INDEX,
        .p50_ns = percentile(totals, found, 50),
        .p90_ns = percentile(totals, found, 90),
        .p99_ns = percentile(totals, found, 99),
    };
    fill_total(&found->sums, out);
}

uint32_t
marey_totals_edge_count(const struct marey_totals *totals)
{
    return (uint32_t)totals->edge_count;
}

void
marey_totals_edge(const struct marey_totals *totals, uint32_t edge,
                  struct marey_total *out)
{
    const struct edge *found = &totals->edges[edge];

    *out = (struct marey_total){.function = found->function, .other = found->caller};
    fill_total(&found->sums, out);
}

uint64_t
marey_totals_lost_count(const struct marey_totals *totals)
{
    return totals->lost_count;
}

void
marey_totals_free(struct marey_totals *totals)
{
    if (totals == NULL)
        return;
    free_lanes(totals);
    marey_memory_free(totals->rows);
    marey_memory_free(totals->called);
    marey_memory_free(totals->edges);
    marey_memory_free(totals->histograms);
    marey_memory_free(totals->added);
    sums_release(&totals->read);
    marey_table_release(&totals->edge_index);
    marey_histogram_pool_release(&totals->pool);
    marey_memory_free(totals);
}
