/* The beats of one part become its sums. */
#include "query/sums/sums.h"

#define BUCKETS_OF_BLOCK HISTOGRAM_BUCKETS

void
sums_release(struct sums *sums)
{
    free(sums->contexts.items);
    free(sums->numbers.items);
    free(sums->logs.items);
    free(sums->opens.items);
    free(sums->buckets.items);
    *sums = (struct sums){0};
}

bool
sums_maker_init(struct sums_maker *maker, uint32_t function_count)
{
    *maker = (struct sums_maker){.function_count = function_count};
    maker->histogram_of =
        marey_memory_new(function_count, sizeof(*maker->histogram_of));
    return maker->histogram_of != NULL;
}

void
sums_maker_release(struct sums_maker *maker)
{
    sums_release(&maker->sums);
    free(maker->stack.items);
    free(maker->alives.items);
    free(maker->histograms.items);
    free(maker->used.items);
    marey_table_release(&maker->children);
    marey_table_release(&maker->suspended);
    marey_table_release(&maker->touched);
    marey_memory_free(maker->histogram_of);
    marey_histogram_pool_release(&maker->pool);
    *maker = (struct sums_maker){0};
}

void
sums_begin(struct sums_maker *maker, int64_t begin_ns)
{
    struct sums *sums = &maker->sums;
    const uint32_t *used = maker->used.items;

    sums->contexts.count = sums->logs.count = sums->opens.count = 0;
    sums->buckets.count = 0;
    sums->begin_ns = maker->last_ns = begin_ns;
    sums->start = 0;
    sums->keep = 0;
    maker->stack.count = maker->alives.count = 0;
    maker->free_alive = 0;
    for (size_t i = 0; i < maker->used.count; i++)
        maker->histogram_of[used[i]] = 0;
    maker->used.count = maker->histograms.count = 0;
    maker->pool.count = 0;
    marey_table_release(&maker->children);
    marey_table_release(&maker->suspended);
    marey_table_release(&maker->touched);
    maker->last_cost = 0;
    maker->has_no_keys = maker->has_gap = false;
    struct sums_context *root = lod_array_one(&sums->contexts, sizeof(*root));
    maker->is_broken = root == NULL;
    if (root != NULL)
        *root = (struct sums_context){.function = MAREY_NO_INDEX};
}

/* ---- contexts ---- */

static inline struct sums_context *
context_at(const struct sums_maker *maker, uint32_t number)
{
    return (struct sums_context *)maker->sums.contexts.items + number;
}

static inline struct sums_frame *
top(const struct sums_maker *maker)
{
    return (struct sums_frame *)maker->stack.items + maker->stack.count - 1;
}

static inline uint32_t
top_context(const struct sums_maker *maker)
{
    return maker->stack.count > 0 ? top(maker)->context : 0;
}

static MAREY_NOINLINE uint32_t
find_child(struct sums_maker *maker, uint32_t parent, uint32_t function)
{
    struct lod_array *contexts = &maker->sums.contexts;
    uint64_t key = (uint64_t)parent << 32 | function;
    uint32_t number = marey_table_get(&maker->children, key);

    if (number == MAREY_TABLE_NONE) {
        number = (uint32_t)contexts->count;
        struct sums_context *made =
            number < SUMS_CONTEXTS_MAX ? lod_array_one(contexts, sizeof(*made)) : NULL;
        if (made == NULL || !marey_table_put(&maker->children, key, number)) {
            maker->is_broken = true;
            return 0;
        }
        *made = (struct sums_context){.parent = parent, .function = function};
    }
    context_at(maker, parent)->last_child = number;
    return number;
}

static inline uint32_t
child_of(struct sums_maker *maker, uint32_t parent, uint32_t function)
{
    uint32_t last = context_at(maker, parent)->last_child;

    if (MAREY_LIKELY(last != 0 && context_at(maker, last)->function == function))
        return last;
    return find_child(maker, parent, function);
}

/* ---- durations ---- */

static void
add_duration(struct sums_maker *maker, uint32_t number, int64_t duration_ns)
{
    struct sums_context *context = context_at(maker, number);
    uint32_t *at = &maker->histogram_of[context->function];

    durations_take(&context->ended, duration_ns);
    if (MAREY_UNLIKELY(*at == 0)) {
        struct histogram *made = lod_array_one(&maker->histograms, sizeof(*made));
        uint32_t *used = lod_array_one(&maker->used, sizeof(*used));
        if (made == NULL || used == NULL) {
            maker->is_broken = true;
            return;
        }
        *made = (struct histogram){0};
        *used = context->function;
        *at = (uint32_t)maker->histograms.count;
    }
    struct histogram *histograms = maker->histograms.items;
    if (!marey_histogram_add(&maker->pool, &histograms[*at - 1], duration_ns))
        maker->is_broken = true;
}

/* ---- activations ---- */

static struct sums_alive *
alive_at(const struct sums_maker *maker, uint32_t number)
{
    return (struct sums_alive *)maker->alives.items + number - 1;
}

static struct sums_log *
log_at(const struct sums_maker *maker, uint32_t number)
{
    return (struct sums_log *)maker->sums.logs.items + number - 1;
}

/* Number + 1 of a new entry of the log; 0: there are too many. */
static uint32_t
add_log(struct sums_maker *maker, uint32_t origin, uint32_t context)
{
    struct lod_array *logs = &maker->sums.logs;
    struct sums_log *made =
        logs->count < SUMS_LOGS_MAX ? lod_array_one(logs, sizeof(*made)) : NULL;

    if (made == NULL) {
        maker->is_broken = true;
        return 0;
    }
    *made = (struct sums_log){.origin = origin, .fate = SUMS_NONE, .last = context};
    return (uint32_t)logs->count;
}

static uint32_t
add_alive(struct sums_maker *maker, uint32_t context, uint32_t log)
{
    uint32_t number = maker->free_alive;

    if (number != 0) {
        maker->free_alive = alive_at(maker, number)->next_free;
    } else {
        if (lod_array_one(&maker->alives, sizeof(struct sums_alive)) == NULL) {
            maker->is_broken = true;
            return 0;
        }
        number = (uint32_t)maker->alives.count;
    }
    *alive_at(maker, number) = (struct sums_alive){
        .function = context_at(maker, context)->function,
        .context = context,
        .log = log,
    };
    return number;
}

/* What became of it goes into the log, or is summed where nothing else knows of it. */
static void
end_alive(struct sums_maker *maker, uint32_t number, uint32_t fate, bool is_raised,
          uint32_t depth)
{
    struct sums_alive *alive = alive_at(maker, number);

    if (alive->log == 0 && fate == SUMS_ENDED) {
        context_at(maker, alive->context)->raised_count += is_raised;
        add_duration(maker, alive->context, alive->running_ns);
    } else {
        if (alive->log == 0)
            alive->log = add_log(maker, SUMS_BEGUN, alive->context);
        if (alive->log == 0)
            return;
        struct sums_log *log = log_at(maker, alive->log);
        log->fate = fate;
        log->is_raised = is_raised;
        log->last = alive->context;
        log->depth_out = depth;
        log->running_ns = alive->running_ns;
        if (log->origin != SUMS_KEY)
            log->key = alive->key;
    }
    alive->is_suspended = false;
    alive->next_free = maker->free_alive;
    maker->free_alive = number;
}

/* A part of it is over: the first one counts the call. */
static void
end_first_part(struct sums_maker *maker, const struct sums_alive *alive,
               uint32_t context)
{
    if (alive->log == 0)
        return;
    struct sums_log *log = log_at(maker, alive->log);
    if (!log->is_first_due) {
        log->is_first_due = true;
        log->first = context;
    }
}

static void
suspend(struct sums_maker *maker, struct sums_frame *frame, const struct frame *played,
        int64_t part_ns)
{
    uint64_t key = played->activation;

    if (frame->alive == 0) {
        uint32_t log = 0;
        if (frame->was_open) {
            log = add_log(maker, SUMS_OPEN, frame->context);
            if (log != 0)
                log_at(maker, log)->depth_in = (uint32_t)maker->stack.count;
        } else {
            context_at(maker, frame->context)->call_count++;
        }
        frame->alive = add_alive(maker, frame->context, log);
    }
    if (maker->is_broken)
        return;
    struct sums_alive *alive = alive_at(maker, frame->alive);
    end_first_part(maker, alive, frame->context);
    alive->running_ns = clock_sum(alive->running_ns, part_ns);
    alive->context = frame->context;
    maker->is_broken |= alive->key != 0 && alive->key != key;
    alive->key = key;
    uint32_t older = marey_table_get(&maker->suspended, key);
    if (older != MAREY_TABLE_NONE)
        end_alive(maker, older, SUMS_FORGOTTEN, false, 0);
    if (marey_table_get(&maker->touched, key) == MAREY_TABLE_NONE) {
        uint32_t log = add_log(maker, SUMS_FORGET, 0);
        if (log != 0)
            log_at(maker, log)->key = key;
        maker->is_broken |= !marey_table_put(&maker->touched, key, 1);
    }
    alive = alive_at(maker, frame->alive);
    alive->is_suspended = true;
    maker->is_broken |= !marey_table_put(&maker->suspended, key, frame->alive);
}

static uint32_t
resume(struct sums_maker *maker, const struct frame *played, uint32_t context)
{
    uint64_t key = played->activation;
    uint32_t number = marey_table_get(&maker->suspended, key);

    if (number != MAREY_TABLE_NONE &&
        alive_at(maker, number)->function == played->function) {
        marey_table_take(&maker->suspended, key);
        alive_at(maker, number)->is_suspended = false;
        alive_at(maker, number)->context = context;
        return number;
    }
    maker->is_broken |= !marey_table_put(&maker->touched, key, 1);
    uint32_t log = add_log(maker, SUMS_KEY, context);
    if (log == 0)
        return 0;
    log_at(maker, log)->key = key;
    number = add_alive(maker, context, log);
    if (number != 0)
        alive_at(maker, number)->key = key;
    return number;
}

/* ---- beats ---- */

static void
begin(struct sums_maker *maker, const struct player *player, const struct beat *beat)
{
    const struct frame *played = beat->frame;
    uint32_t context = child_of(maker, top_context(maker), played->function);
    bool was_open = beat->kind == BEAT_BEGIN && played->was_open;
    struct sums_frame *frame = lod_array_one(&maker->stack, sizeof(*frame));

    if (frame == NULL || maker->is_broken || (was_open && player->position > 0)) {
        maker->is_broken = true;
        return;
    }
    *frame = (struct sums_frame){.context = context, .was_open = was_open};
    if (beat->kind == BEAT_RESUME) {
        frame->alive = resume(maker, played, context);
    } else if (!was_open) {
        context_at(maker, context)->begun_count++;
    } else if (played->is_resumed) {
        uint32_t log = add_log(maker, SUMS_OPEN, context);
        if (log != 0) {
            log_at(maker, log)->depth_in = (uint32_t)maker->stack.count;
            top(maker)->alive = add_alive(maker, context, log);
        }
    }
    if (was_open) {
        maker->sums.start = context;
        maker->sums.keep = (uint32_t)maker->stack.count;
    }
}

static void
end(struct sums_maker *maker, const struct player *player, const struct beat *beat)
{
    const struct frame *played = beat->frame;
    int64_t part_ns = clock_difference(beat->time_ns, played->begin_ns);
    bool is_raised = beat->kind == BEAT_END && beat->ending == MAREY_END_RAISED;

    if (maker->stack.count == 0 || player->streams[0].phase == PHASE_CUT ||
        context_at(maker, top(maker)->context)->function != played->function) {
        maker->is_broken = true;
        return;
    }
    struct sums_frame *frame = top(maker);
    uint32_t depth = (uint32_t)maker->stack.count;
    if (depth - 1 < maker->sums.keep)
        maker->sums.keep = depth - 1;
    if (beat->kind == BEAT_SUSPEND) {
        suspend(maker, frame, played, part_ns);
    } else if (frame->alive == 0) {
        struct sums_context *context = context_at(maker, frame->context);
        context->call_count++;
        context->raised_count += is_raised;
        add_duration(maker, frame->context, part_ns);
    } else {
        struct sums_alive *alive = alive_at(maker, frame->alive);
        end_first_part(maker, alive, frame->context);
        alive->running_ns = clock_sum(alive->running_ns, part_ns);
        end_alive(maker, frame->alive, SUMS_ENDED, is_raised, 0);
    }
    maker->stack.count--;
}

/* All time and all cost until now are the innermost call's. */
static inline void
pass(struct sums_maker *maker, const struct player_lane *lane, int64_t now_ns)
{
    struct sums_context *context = context_at(maker, top_context(maker));

    context->self_ns += now_ns - maker->last_ns;
    context->cost_ps += lane->cost - maker->last_cost;
    maker->last_ns = now_ns;
    maker->last_cost = lane->cost;
}

/* Which keys are suspended is told of every part. */
static void
follow_key(struct sums_maker *maker, const struct beat *beat)
{
    uint64_t key = beat->frame->activation;

    maker->has_no_keys |= !marey_table_put(&maker->touched, key, 1);
    if (beat->kind == BEAT_RESUME)
        marey_table_take(&maker->suspended, key);
    else
        maker->has_no_keys |= !marey_table_put(&maker->suspended, key, 1);
}

void
sums_beat(struct sums_maker *maker, const struct player *player,
          const struct beat *beat)
{
    if (MAREY_UNLIKELY(beat->kind == BEAT_GAP))
        maker->has_gap = maker->is_broken = true;
    if (MAREY_UNLIKELY(maker->is_broken)) {
        if (beat->kind == BEAT_SUSPEND || beat->kind == BEAT_RESUME)
            follow_key(maker, beat);
        return;
    }
    pass(maker, beat->lane, beat->time_ns);
    switch (beat->kind) {
    case BEAT_BEGIN:
    case BEAT_RESUME: begin(maker, player, beat); break;
    case BEAT_END:
    case BEAT_SUSPEND: end(maker, player, beat); break;
    default: break;
    }
}

/* ---- the end ---- */

static void
end_frames(struct sums_maker *maker, const struct player_lane *lane)
{
    const struct sums_frame *frames = maker->stack.items;
    uint32_t depth = (uint32_t)maker->stack.count;

    if (depth != lane->depth) {
        maker->is_broken = true;
        return;
    }
    for (uint32_t i = 0; i < depth && !maker->is_broken; i++) {
        const struct frame *played = &lane->frames[i + 1];
        if (i >= maker->sums.keep) {
            struct sums_open *open = lod_array_one(&maker->sums.opens, sizeof(*open));
            if (open == NULL) {
                maker->is_broken = true;
                return;
            }
            *open = (struct sums_open){.context = frames[i].context,
                                       .begin_ns = played->begin_ns,
                                       .is_resumed = played->is_resumed};
        }
        if (frames[i].alive != 0 && !frames[i].was_open)
            end_alive(maker, frames[i].alive, SUMS_STILL_OPEN, false, i + 1);
    }
}

static bool
list_buckets(struct sums_maker *maker)
{
    const uint32_t *used = maker->used.items;
    const struct histogram *histograms = maker->histograms.items;

    for (size_t i = 0; i < maker->used.count; i++)
        for (uint32_t block = 0; block < HISTOGRAM_BLOCKS; block++) {
            uint32_t at = histograms[i].block_at[block];
            for (uint32_t k = 0; at != 0 && k < BUCKETS_OF_BLOCK; k++) {
                uint32_t count = maker->pool.blocks[at - 1][k];
                if (count == 0)
                    continue;
                struct sums_bucket *made =
                    lod_array_one(&maker->sums.buckets, sizeof(*made));
                if (made == NULL)
                    return false;
                *made =
                    (struct sums_bucket){used[i], block * BUCKETS_OF_BLOCK + k, count};
            }
        }
    return true;
}

bool
sums_keys(const struct sums_maker *maker, struct lod_array *out)
{
    for (size_t i = 0; i < maker->touched.capacity; i++) {
        if (maker->touched.entries[i].value == MAREY_TABLE_NONE)
            continue;
        struct sums_key *made = lod_array_one(out, sizeof(*made));
        if (made == NULL)
            return false;
        made->key = maker->touched.entries[i].key;
        made->is_left =
            marey_table_get(&maker->suspended, made->key) != MAREY_TABLE_NONE;
    }
    return !maker->has_no_keys;
}

void
sums_end(struct sums_maker *maker, const struct player_lane *lane, int64_t end_ns,
         struct sums *out)
{
    *out = (struct sums){0};
    if (maker->is_broken || lane->last_ns > end_ns) /* a header lied */
        return;
    pass(maker, lane, end_ns);
    end_frames(maker, lane);
    for (uint32_t i = 1; i <= maker->alives.count && !maker->is_broken; i++)
        if (alive_at(maker, i)->is_suspended)
            end_alive(maker, i, SUMS_SUSPENDED, false, 0);
    if (maker->is_broken || !list_buckets(maker))
        return;
    *out = maker->sums;
    out->end_ns = end_ns;
    out->is_whole = true;
    maker->sums = (struct sums){0};
}
