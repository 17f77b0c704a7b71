/* Transactions as they end, in one pass over the beats.
 *
 * Each that is under way has a record: on a lane, where the records of those open there
 * form a stack, or suspended, where its activation leads to it.
 *
 *     lane:  around <- around <- current        time between two beats of the lane
 *                                 own|call|c    goes to the current one, by what runs
 *
 * What a part of one took is added to the one around it as `child`. So each
 * nanosecond of a transaction is in exactly one of its five sums.
 */
#include "marey/transactions.h"

#include <string.h>

#include "base/bits.h"
#include "base/line.h"
#include "query/player.h"

#define NONE UINT32_MAX

struct under_way {
    struct marey_transaction facts;
    uint32_t name;   /* in `names` */
    uint32_t around; /* record of the one it runs inside of; NONE */
    uint32_t process;
    uint64_t activation; /* while suspended */
    int64_t part_ns;     /* where the present part began, or the wait */
    bool is_suspended;
    uint32_t next; /* in the list of free ones, or of those that are over */
};

enum runs { RUNS_OWN, RUNS_CALL, RUNS_C };

struct on_lane {
    uint32_t current;
    enum runs runs;
    int64_t since_ns;
};

struct marey_transactions {
    struct player player;
    struct marey_trace *trace;
    struct marey_selection selection; /* as asked */
    struct under_way *records;        /* owned */
    size_t record_count, record_capacity;
    uint32_t free_first;
    uint32_t over_first, over_last; /* to be told */
    struct on_lane *lanes;          /* owned; by lane index */
    struct marey_table suspended;   /* activation to record */
    struct marey_intern names;
    uint32_t *name_of; /* owned; by function index; NONE: not made yet */
    uint32_t annotate; /* string of the instants that annotate; MAREY_NO_INDEX */
    uint64_t lost_count;
    bool is_out_of_memory;
    bool is_started;
};

/* ---- names ---- */

static uint32_t
intern_name(struct marey_transactions *all, const char *bytes, size_t size_bytes)
{
    uint32_t index = 0;

    if (!marey_intern_put(&all->names, bytes, size_bytes, &index))
        all->is_out_of_memory = true;
    return index;
}

/* `module:name`, or the name alone. */
static uint32_t
name_of(struct marey_transactions *all, uint32_t function)
{
    struct marey_function_info info;

    if (all->name_of[function] != NONE)
        return all->name_of[function];
    marey_trace_function(all->trace, function, &info);
    uint32_t index;
    if (info.module.size_bytes == 0) {
        index = intern_name(all, info.name.bytes, info.name.size_bytes);
    } else {
        size_t size = info.module.size_bytes + 1 + info.name.size_bytes;
        char *whole = marey_memory_new(size, 1);
        if (whole == NULL) {
            all->is_out_of_memory = true;
            return 0;
        }
        memcpy(whole, info.module.bytes, info.module.size_bytes);
        whole[info.module.size_bytes] = ':';
        memcpy(whole + info.module.size_bytes + 1, info.name.bytes,
               info.name.size_bytes);
        index = intern_name(all, whole, size);
        marey_memory_free(whole);
    }
    all->name_of[function] = index;
    return index;
}

/* ---- records ---- */

static uint32_t
take_record(struct marey_transactions *all)
{
    uint32_t index = all->free_first;

    if (index != NONE) {
        all->free_first = all->records[index].next;
        return index;
    }
    if (!marey_memory_grow((void **)&all->records, &all->record_capacity,
                           all->record_count + 1, sizeof(*all->records))) {
        all->is_out_of_memory = true;
        return NONE;
    }
    return (uint32_t)all->record_count++;
}

static bool
is_chosen(const struct marey_transactions *all, const struct marey_transaction *facts)
{
    const bool *functions = all->selection.functions;

    return (functions == NULL || functions[facts->function]) &&
           facts->end_ns - facts->begin_ns >= all->selection.min_duration_ns;
}

/* It is over: it waits to be told. */
static void
finish(struct marey_transactions *all, uint32_t index, int64_t end_ns,
       enum marey_ending ending)
{
    struct under_way *record = &all->records[index];

    record->facts.end_ns = end_ns;
    record->facts.ending = ending;
    record->next = NONE;
    if (all->over_last == NONE)
        all->over_first = index;
    else
        all->records[all->over_last].next = index;
    all->over_last = index;
}

static uint64_t
activation_number(uint32_t process, uint64_t activation)
{
    return activation ^ marey_mix((uint64_t)process + 1);
}

/* ---- time ---- */

/* Gives the time since the lane's last beat to whoever ran. */
static void
settle(struct marey_transactions *all, struct on_lane *lane, int64_t now_ns)
{
    if (lane->current != NONE && now_ns > lane->since_ns) {
        struct marey_transaction *facts = &all->records[lane->current].facts;
        int64_t time_ns = now_ns - lane->since_ns;
        if (lane->runs == RUNS_OWN)
            facts->own_ns += time_ns;
        else if (lane->runs == RUNS_C)
            facts->c_ns += time_ns;
        else
            facts->call_ns += time_ns;
    }
    lane->since_ns = now_ns;
}

/* What runs now on the lane. */
static void
look_at_innermost(struct marey_transactions *all, struct on_lane *lane,
                  const struct player_lane *played)
{
    const struct frame *frame = played->frames == NULL || played->depth == 0
                                    ? NULL
                                    : &played->frames[played->depth];

    if (frame == NULL || lane->current == NONE)
        lane->runs = RUNS_OWN;
    else if (frame->mark == lane->current + 1)
        lane->runs = RUNS_OWN;
    else
        lane->runs =
            (all->player.traits[frame->function] & TRAIT_C) != 0 ? RUNS_C : RUNS_CALL;
}

static bool
is_transaction(const struct marey_transactions *all, uint32_t function)
{
    return (trace_function(all->trace, function)->flags & MAREY_FUNCTION_TRANSACTION) !=
           0;
}

/* ---- parts ---- */

static void
begin_part(struct marey_transactions *all, const struct beat *beat, uint32_t index)
{
    struct on_lane *lane = &all->lanes[beat->lane->index];
    struct under_way *record = &all->records[index];

    beat->frame->mark = index + 1;
    record->around = lane->current;
    record->part_ns = beat->time_ns;
    record->is_suspended = false;
    lane->current = index;
}

static void
begin(struct marey_transactions *all, const struct beat *beat)
{
    const struct on_lane *lane = &all->lanes[beat->lane->index];
    const struct frame *frame = beat->frame;
    uint32_t index = take_record(all), name = name_of(all, frame->function);
    bool is_resumed = beat->kind == BEAT_RESUME;

    if (index == NONE)
        return;
    struct under_way *record = &all->records[index];
    *record = (struct under_way){.name = name, .process = beat->lane->process};
    struct marey_transaction *facts = &record->facts;
    facts->function = frame->function;
    facts->lane = beat->lane->index;
    facts->begin_ns =
        frame->first_ns != MAREY_NO_TIME ? frame->first_ns : frame->begin_ns;
    facts->was_open = frame->was_open || is_resumed;
    facts->exception = MAREY_NO_INDEX;
    facts->parent_lane = MAREY_NO_INDEX;
    facts->root_lane = facts->lane;
    facts->root_begin_ns = facts->begin_ns;
    facts->root_values = (struct marey_values_place){facts->lane, frame->blob};
    if (lane->current != NONE) {
        const struct marey_transaction *around = &all->records[lane->current].facts;
        facts->parent_lane = around->lane;
        facts->parent_begin_ns = around->begin_ns;
        facts->root_lane = around->root_lane;
        facts->root_begin_ns = around->root_begin_ns;
        facts->root_values = around->root_values;
    }
    for (uint32_t at = lane->current; at != NONE && !facts->is_nested;
         at = all->records[at].around)
        facts->is_nested = all->records[at].name == name;
    begin_part(all, beat, index);
    /* What it ran before it was seen is not known; it is counted as its own. */
    if (beat->time_ns > facts->begin_ns)
        facts->own_ns += beat->time_ns - facts->begin_ns;
}

static void
resume(struct marey_transactions *all, const struct beat *beat)
{
    uint64_t number = activation_number(beat->lane->process, beat->frame->activation);
    uint32_t index = marey_table_get(&all->suspended, number);

    if (index == MAREY_TABLE_NONE ||
        all->records[index].activation != beat->frame->activation ||
        all->records[index].process != beat->lane->process ||
        all->records[index].facts.function != beat->frame->function) {
        begin(all, beat);
        return;
    }
    marey_table_take(&all->suspended, number);
    struct under_way *record = &all->records[index];
    if (beat->time_ns > record->part_ns)
        record->facts.waiting_ns += beat->time_ns - record->part_ns;
    begin_part(all, beat, index);
}

static void
add_place(struct marey_transaction *facts, uint32_t lane, uint64_t blob)
{
    if (blob != 0 && facts->place_count < MAREY_TRANSACTION_PLACES_MAX)
        facts->places[facts->place_count++] = (struct marey_values_place){lane, blob};
}

/* The frame's part is over; the one around it runs on. */
static uint32_t
end_part(struct marey_transactions *all, const struct beat *beat)
{
    struct on_lane *lane = &all->lanes[beat->lane->index];
    uint32_t index = beat->frame->mark - 1;
    struct under_way *record = &all->records[index];

    if (lane->current == index)
        lane->current = record->around;
    if (lane->current != NONE && beat->time_ns > record->part_ns)
        all->records[lane->current].facts.child_ns += beat->time_ns - record->part_ns;
    record->facts.end_lane = beat->lane->index;
    add_place(&record->facts, beat->lane->index, beat->frame->blob);
    return index;
}

static void
suspend(struct marey_transactions *all, const struct beat *beat)
{
    uint32_t index = end_part(all, beat);
    struct under_way *record = &all->records[index];

    record->activation = beat->frame->activation;
    record->part_ns = beat->time_ns;
    record->is_suspended = true;
    if (!marey_table_put(&all->suspended,
                         activation_number(record->process, record->activation), index))
        all->is_out_of_memory = true;
}

static bool
ends_with(struct marey_text text, const char *end)
{
    size_t size = strlen(end);

    return text.size_bytes >= size &&
           memcmp(text.bytes + text.size_bytes - size, end, size) == 0;
}

bool
marey_is_cancellation(const struct marey_trace *trace, uint32_t exception)
{
    struct marey_text name = marey_trace_string(trace, exception);

    return ends_with(name, "CancelledError") || ends_with(name, ".Cancelled") ||
           (name.size_bytes == 13 && ends_with(name, "GeneratorExit"));
}

static void
end(struct marey_transactions *all, const struct beat *beat)
{
    uint32_t index = end_part(all, beat);
    struct under_way *record = &all->records[index];

    if (beat->ending == MAREY_END_RAISED) {
        record->facts.exception = beat->string;
        record->facts.is_cancelled = marey_is_cancellation(all->trace, beat->string);
    }
    finish(all, index, beat->time_ns, (enum marey_ending)beat->ending);
}

/* ---- annotations ---- */

struct found_name {
    struct marey_transactions *all;
    uint32_t record;
};

static void
take_name(void *context, const struct marey_value *value)
{
    struct found_name *found = context;

    if (value->name.size_bytes == 0 && value->tag == MAREY_VALUE_TEXT)
        found->all->records[found->record].name =
            intern_name(found->all, value->text.bytes, value->text.size_bytes);
}

static void
annotate(struct marey_transactions *all, const struct beat *beat)
{
    uint32_t index = all->lanes[beat->lane->index].current;
    struct found_name found = {all, index};
    struct marey_error err;

    if (index == NONE)
        return;
    add_place(&all->records[index].facts, beat->lane->index, beat->number);
    /* Values that were lost leave the name as it is. */
    (void)marey_trace_values(all->trace, beat->lane->index, beat->number, take_name,
                             &found, &err);
}

/* ---- the pass ---- */

/* Nobody went on with it: dropped, where its key came again, or still waiting. */
static void
take_forgotten(void *context, const struct activation *activation, bool is_over)
{
    struct marey_transactions *all = context;

    if (!is_transaction(all, activation->function))
        return;
    uint64_t number = activation_number(activation->owner, activation->key);
    uint32_t index = marey_table_get(&all->suspended, number);
    if (index == MAREY_TABLE_NONE || all->records[index].activation != activation->key)
        return;
    marey_table_take(&all->suspended, number);
    struct under_way *record = &all->records[index];
    int64_t end_ns = record->part_ns;
    if (is_over) {
        struct marey_trace_info info;
        marey_trace_info(all->trace, &info);
        int64_t last_ns = info.duration_ns < all->selection.to_ns
                              ? info.duration_ns
                              : all->selection.to_ns;
        if (last_ns > end_ns) {
            record->facts.waiting_ns += last_ns - end_ns;
            end_ns = last_ns;
        }
    }
    finish(all, index, end_ns, is_over ? MAREY_END_OPEN : MAREY_END_CUT);
}

static void
take_beat(struct marey_transactions *all, const struct beat *beat)
{
    struct on_lane *lane = &all->lanes[beat->lane->index];

    if (beat->kind == BEAT_GAP) {
        all->lost_count += beat->number;
        return;
    }
    if (beat->kind == BEAT_POINT) {
        if (beat->event_kind == MAREY_EVENT_INSTANT && beat->string == all->annotate &&
            all->annotate != MAREY_NO_INDEX)
            annotate(all, beat);
        return;
    }
    settle(all, lane, beat->time_ns);
    if (beat->kind == BEAT_BEGIN && is_transaction(all, beat->frame->function))
        begin(all, beat);
    else if (beat->kind == BEAT_RESUME && is_transaction(all, beat->frame->function))
        resume(all, beat);
    else if (beat->kind == BEAT_SUSPEND && beat->frame->mark != 0)
        suspend(all, beat);
    else if (beat->kind == BEAT_END && beat->frame->mark != 0)
        end(all, beat);
    look_at_innermost(all, lane, beat->lane);
}

/* The first of those that are over and chosen. */
static bool
tell(struct marey_transactions *all, struct marey_transaction *out)
{
    while (all->over_first != NONE) {
        uint32_t index = all->over_first;
        struct under_way *record = &all->records[index];
        all->over_first = record->next;
        if (all->over_first == NONE)
            all->over_last = NONE;
        bool is_told = is_chosen(all, &record->facts);
        if (is_told) {
            const struct marey_intern_item *name = &all->names.items[record->name];
            *out = record->facts;
            out->name =
                (struct marey_text){(const char *)name->bytes, name->size_bytes};
        }
        record->next = all->free_first;
        all->free_first = index;
        if (is_told)
            return true;
    }
    return false;
}

bool
marey_transactions_next(struct marey_transactions *all, struct marey_transaction *out)
{
    struct beat beat;

    for (;;) {
        if (tell(all, out))
            return true;
        if (all->is_out_of_memory || !marey_player_next(&all->player, &beat))
            return tell(all, out);
        take_beat(all, &beat);
    }
}

static enum marey_status
set_up(struct marey_transactions *all, struct marey_error *err)
{
    struct marey_selection played = all->selection;
    struct marey_trace *trace = all->trace;

    all->free_first = all->over_first = all->over_last = NONE;
    all->lanes = marey_memory_new(trace->lane_count + 1, sizeof(*all->lanes));
    all->name_of = marey_memory_new(trace->functions.count + 1, sizeof(*all->name_of));
    if (all->lanes == NULL || all->name_of == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory for transactions");
    for (size_t i = 0; i < trace->lane_count; i++)
        all->lanes[i] = (struct on_lane){NONE, RUNS_OWN, INT64_MIN};
    for (size_t i = 0; i < trace->functions.count; i++)
        all->name_of[i] = NONE;
    all->annotate = marey_intern_get(&trace->strings, MAREY_ANNOTATE_NAME,
                                     sizeof(MAREY_ANNOTATE_NAME) - 1);
    played.functions = NULL;
    played.min_duration_ns = 0;
    played.max_depth = UINT32_MAX;
    enum marey_status status =
        marey_player_init(&all->player, trace, &played, MAREY_ORDER_TIME, err);
    all->player.forget = take_forgotten;
    all->player.forget_context = all;
    return status;
}

enum marey_status
marey_transactions_new(struct marey_trace *trace,
                       const struct marey_selection *selection,
                       struct marey_transactions **out, struct marey_error *err)
{
    struct marey_transactions *all = marey_memory_new(1, sizeof(*all));

    if (all == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory for transactions");
    all->trace = trace;
    all->selection = *selection;
    enum marey_status status = set_up(all, err);
    if (status != MAREY_OK) {
        marey_transactions_free(all);
        return status;
    }
    *out = all;
    return MAREY_OK;
}

enum marey_status
marey_transactions_status(const struct marey_transactions *all, struct marey_error *err)
{
    if (all->player.status != MAREY_OK && err != NULL)
        *err = all->player.error;
    if (all->player.status != MAREY_OK)
        return all->player.status;
    return all->is_out_of_memory
               ? marey_fail(err, MAREY_NOMEM, "no memory for transactions")
               : MAREY_OK;
}

uint64_t
marey_transactions_position(const struct marey_transactions *all)
{
    return all->player.position;
}

uint64_t
marey_transactions_lost_count(const struct marey_transactions *all)
{
    return all->lost_count;
}

void
marey_transactions_free(struct marey_transactions *all)
{
    if (all == NULL)
        return;
    marey_player_release(&all->player);
    marey_memory_free(all->records);
    marey_memory_free(all->lanes);
    marey_memory_free(all->name_of);
    marey_table_release(&all->suspended);
    marey_intern_release(&all->names);
    marey_memory_free(all);
}

void
marey_transaction_id(const struct marey_trace *trace, uint32_t lane, int64_t begin_ns,
                     char out[MAREY_TRANSACTION_ID_MAX])
{
    struct marey_line line = {0};

    marey_line_put_number(&line,
                          lane < trace->lane_count ? trace->lanes[lane].serial : 0);
    marey_line_put(&line, begin_ns < 0 ? ".-" : ".");
    marey_line_put_number(&line,
                          begin_ns < 0 ? 0 - (uint64_t)begin_ns : (uint64_t)begin_ns);
    memcpy(out, line.text, MAREY_TRANSACTION_ID_MAX);
    out[MAREY_TRANSACTION_ID_MAX - 1] = '\0';
}
