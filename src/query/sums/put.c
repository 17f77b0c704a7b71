/* Sums of a part as bytes of the index. All numbers are varints, those with a sign in
 * zigzag; contexts are numbers of the index's table.
 *
 *     context where it begins, calls that stay open
 *     count of contexts, then for each: step from the one before, self ns, cost ps,
 *         calls begun, calls counted less these (zigzag), raised, ended; if any ended:
 *         shortest ns, longest less that, all durations less ended times the shortest
 *     count of open calls, then for each: context, ns from its begin to the part's end,
 *         1 if resumed
 *     count of functions with durations, then for each: function, count of buckets,
 *         then for each: step from the bucket before, count of calls
 *
 * and, apart from that:
 *
 *     count of activations, then for each: what is known (origin, fate, raised, first
 *         part due: 2, 3, 1, 1 bits), last context; where it applies key, first
 *         context, depth in, depth out; running ns (zigzag)
 *
 * sums/get.c reads it.
 */
#include "base/varint.h"
#include "query/sums/sums.h"

struct putting {
    struct lod_array *bytes;
    bool is_out_of_memory;
};

static void
put(struct putting *to, uint64_t value)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX];
    size_t size = marey_varint_put(bytes, value);
    uint8_t *room = lod_array_add(to->bytes, size, 1);

    if (room == NULL)
        to->is_out_of_memory = true;
    else
        memcpy(room, bytes, size);
}

/* The part's contexts in the trace's table, in order: parents come first. False: no
 * memory, or too many (then *has_room is false). */
static bool
number_contexts(struct lod_store *store, struct sums_contexts *contexts,
                const struct sums *sums, uint32_t *numbers, bool *has_room)
{
    const struct sums_context *own = sums->contexts.items;

    *has_room = true;
    if (store->contexts.count == 0) {
        struct marey_lod_context *root = lod_array_one(&store->contexts, sizeof(*root));
        if (root == NULL)
            return false;
        *root = (struct marey_lod_context){0, MAREY_NO_INDEX};
    }
    numbers[0] = 0;
    for (size_t i = 1; i < sums->contexts.count; i++) {
        uint64_t key = (uint64_t)numbers[own[i].parent] << 32 | own[i].function;
        uint32_t number = marey_table_get(&contexts->index, key);
        if (number == MAREY_TABLE_NONE) {
            if (store->contexts.count >= SUMS_ALL_CONTEXTS_MAX) {
                *has_room = false;
                return false;
            }
            number = (uint32_t)store->contexts.count;
            struct marey_lod_context *made =
                lod_array_one(&store->contexts, sizeof(*made));
            if (made == NULL || !marey_table_put(&contexts->index, key, number))
                return false;
            *made = (struct marey_lod_context){numbers[own[i].parent], own[i].function};
        }
        numbers[i] = number;
    }
    return true;
}

struct numbered {
    uint32_t number, own;
};

static int
by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct numbered *)a)->number;
    uint32_t y = ((const struct numbered *)b)->number;

    return (x > y) - (x < y);
}

static bool
is_used(const struct sums_context *context)
{
    return context->self_ns != 0 || context->cost_ps != 0 ||
           context->begun_count != 0 || context->call_count != 0 ||
           context->raised_count != 0 || context->ended.count != 0;
}

static bool
put_contexts(struct putting *to, const struct sums *sums, const uint32_t *numbers)
{
    const struct sums_context *own = sums->contexts.items;
    struct numbered *order = malloc(sums->contexts.count * sizeof(*order));
    size_t count = 0;
    uint32_t before = 0;

    if (order == NULL)
        return false;
    for (uint32_t i = 1; i < sums->contexts.count; i++)
        if (is_used(&own[i]))
            order[count++] = (struct numbered){numbers[i], i};
    if (count > 1)
        qsort(order, count, sizeof(*order), by_number);
    put(to, count);
    for (size_t i = 0; i < count; i++) {
        const struct sums_context *context = &own[order[i].own];
        put(to, order[i].number - before);
        before = order[i].number;
        put(to, (uint64_t)context->self_ns);
        put(to, context->cost_ps);
        put(to, context->begun_count);
        put(to, marey_zigzag((int64_t)(context->call_count - context->begun_count)));
        put(to, context->raised_count);
        const struct durations *ended = &context->ended;
        put(to, ended->count);
        if (ended->count > 0) {
            put(to, (uint64_t)ended->min_ns);
            put(to, (uint64_t)ended->max_ns - (uint64_t)ended->min_ns);
            put(to, (uint64_t)ended->sum_ns - ended->count * (uint64_t)ended->min_ns);
        }
    }
    free(order);
    return true;
}

static void
put_buckets(struct putting *to, const struct sums *sums)
{
    const struct sums_bucket *buckets = sums->buckets.items;
    size_t count = sums->buckets.count, functions = 0;

    for (size_t i = 0; i < count; i++)
        functions += i == 0 || buckets[i].function != buckets[i - 1].function;
    put(to, functions);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        uint32_t before = 0;
        while (end < count && buckets[end].function == buckets[i].function)
            end++;
        put(to, buckets[i].function);
        put(to, end - i);
        for (; i < end; i++) {
            put(to, buckets[i].bucket - before);
            before = buckets[i].bucket;
            put(to, buckets[i].count);
        }
    }
}

static bool
put_all(struct putting *to, const struct sums *sums, const uint32_t *numbers)
{
    const struct sums_open *opens = sums->opens.items;

    put(to, numbers[sums->start]);
    put(to, sums->keep);
    if (!put_contexts(to, sums, numbers))
        return false;
    put(to, sums->opens.count);
    for (size_t i = 0; i < sums->opens.count; i++) {
        put(to, numbers[opens[i].context]);
        put(to, (uint64_t)(sums->end_ns - opens[i].begin_ns));
        put(to, opens[i].is_resumed);
    }
    put_buckets(to, sums);
    return !to->is_out_of_memory;
}

/* ---- parts ---- */

struct sums_part_logs {
    struct lod_array logs; /* owned; contexts are the table's numbers */
    uint32_t process;
    uint32_t lane;
};

void
sums_contexts_release(struct sums_contexts *contexts)
{
    struct sums_part_logs *parts = contexts->logs.items;

    for (size_t i = 0; i < contexts->logs.count; i++)
        free(parts[i].logs.items);
    free(contexts->logs.items);
    marey_table_release(&contexts->index);
    marey_table_release(&contexts->owners);
    marey_table_release(&contexts->left);
    marey_table_release(&contexts->gaps);
    *contexts = (struct sums_contexts){0};
}

static bool
keep_logs(struct sums_contexts *contexts, struct sums *sums, const uint32_t *numbers,
          uint32_t lane, uint32_t process)
{
    struct sums_part_logs *kept = lod_array_one(&contexts->logs, sizeof(*kept));
    struct sums_log *logs = sums->logs.items;

    if (kept == NULL)
        return false;
    *kept = (struct sums_part_logs){sums->logs, process, lane};
    for (size_t i = 0; i < sums->logs.count; i++) {
        logs[i].first = numbers[logs[i].first];
        logs[i].last = numbers[logs[i].last];
    }
    sums->logs = (struct lod_array){0};
    return true;
}

bool
sums_put(struct lod_store *store, struct sums_contexts *contexts, struct sums *sums,
         const struct marey_lod_part *where, uint32_t process)
{
    size_t before = store->sums.count;
    struct putting to = {.bytes = &store->sums};
    bool has_room, is_put;

    if (!sums->is_whole)
        return true;
    uint32_t *numbers = malloc(sums->contexts.count * sizeof(*numbers));
    if (numbers == NULL)
        return false;
    is_put = number_contexts(store, contexts, sums, numbers, &has_room);
    if (is_put)
        is_put = put_all(&to, sums, numbers);
    if (is_put && store->sums.count - before > SUMS_SIZE_MAX) {
        store->sums.count = before;
        is_put = has_room = false;
    }
    if (is_put) {
        struct marey_lod_part *part = lod_array_one(&store->parts, sizeof(*part));
        is_put =
            part != NULL && keep_logs(contexts, sums, numbers, where->lane, process);
        if (part != NULL) {
            *part = *where;
            part->event_count = sums->event_count;
            part->begin_ns = sums->begin_ns;
            part->end_ns = sums->end_ns;
            part->sums_at = before;
            part->sums_size = store->sums.count - before;
        }
    }
    free(numbers);
    return is_put || !has_room;
}

/* ---- activations of several threads ---- */

#define SHARED (UINT32_MAX - 1)

static uint64_t
number_of(uint64_t key, uint32_t process)
{
    return key ^ marey_mix((uint64_t)process + 1);
}

bool
sums_put_keys(struct sums_contexts *contexts, const struct lod_array *keys,
              bool has_gap, uint32_t lane, uint32_t process)
{
    const struct sums_key *all = keys->items;

    if (has_gap && !marey_table_put(&contexts->gaps, process, 1))
        return false;
    for (size_t i = 0; i < keys->count; i++) {
        uint64_t number = number_of(all[i].key, process);
        uint32_t owner = marey_table_get(&contexts->owners, number);
        if (owner != lane && owner != SHARED &&
            !marey_table_put(&contexts->owners, number,
                             owner == MAREY_TABLE_NONE ? lane : SHARED))
            return false;
        if (all[i].is_left && !marey_table_put(&contexts->left, number, 1))
            return false;
    }
    return true;
}

/* What is said of a key matters only where the key outlives a part: everywhere else
 * what comes with it is over before it comes again. */
static bool
is_told(const struct sums_contexts *contexts, const struct sums_log *log,
        uint32_t process)
{
    if (log->origin == SUMS_FORGET)
        return marey_table_get(&contexts->left, number_of(log->key, process)) !=
               MAREY_TABLE_NONE;
    return log->fate != SUMS_NONE;
}

static bool
is_shared(const struct sums_contexts *contexts, const struct sums_log *log,
          uint32_t process)
{
    bool has_key = log->origin == SUMS_KEY || log->origin == SUMS_FORGET ||
                   log->fate == SUMS_SUSPENDED;

    return has_key &&
           marey_table_get(&contexts->owners, number_of(log->key, process)) == SHARED;
}

static void
put_log(struct putting *to, const struct sums_log *log)
{
    put(to, log->origin | log->fate << 2 | (uint32_t)log->is_raised << 5 |
                (uint32_t)log->is_first_due << 6);
    put(to, log->last);
    if (log->origin == SUMS_KEY || log->origin == SUMS_FORGET ||
        log->fate == SUMS_SUSPENDED)
        put(to, log->key);
    if (log->is_first_due)
        put(to, log->first);
    if (log->origin == SUMS_OPEN)
        put(to, log->depth_in);
    if (log->fate == SUMS_STILL_OPEN)
        put(to, log->depth_out);
    put(to, marey_zigzag(log->running_ns));
}

/* False: the part cannot be used. */
static bool
put_logs(struct putting *to, const struct sums_contexts *contexts,
         const struct sums_part_logs *part)
{
    const struct sums_log *logs = part->logs.items;
    size_t count = 0;

    if (marey_table_get(&contexts->gaps, part->process) != MAREY_TABLE_NONE)
        return false;
    for (size_t i = 0; i < part->logs.count; i++) {
        if (!is_told(contexts, &logs[i], part->process))
            continue;
        if (is_shared(contexts, &logs[i], part->process))
            return false;
        count++;
    }
    put(to, count);
    for (size_t i = 0; i < part->logs.count; i++)
        if (is_told(contexts, &logs[i], part->process))
            put_log(to, &logs[i]);
    return true;
}

bool
sums_put_end(struct lod_store *store, struct sums_contexts *contexts)
{
    const struct sums_part_logs *logs = contexts->logs.items;
    struct marey_lod_part *parts = store->parts.items;
    struct putting to = {.bytes = &store->sums};
    size_t kept = 0;

    for (size_t i = 0; i < store->parts.count; i++) {
        uint64_t before = store->sums.count;
        if (!put_logs(&to, contexts, &logs[i]) ||
            store->sums.count - before > SUMS_SIZE_MAX) {
            store->sums.count = before;
            continue;
        }
        parts[i].logs_at = before;
        parts[i].logs_size = store->sums.count - before;
        parts[kept++] = parts[i];
    }
    store->parts.count = kept;
    return !to.is_out_of_memory;
}

/* ---- sums alone ---- */

static uint64_t
place_of(uint64_t *end, uint64_t size)
{
    uint64_t at = *end;

    *end = (at + size + 7) & ~UINT64_C(7);
    return at;
}

bool
marey_lod_sums(const struct marey_lod *lod, uint8_t **bytes, size_t *size_bytes)
{
    const struct marey_lod_header *from = lod->header;
    struct marey_lod_header header = {
        .magic = from->magic,
        .begin_ns = from->begin_ns,
        .end_ns = from->end_ns,
        .lane_count = from->lane_count,
        .lane_first = from->lane_first,
        .context_count = from->context_count,
        .part_count = from->part_count,
        .sums_size = from->sums_size,
    };
    size_t contexts_size = from->context_count * sizeof(*lod->contexts);
    size_t parts_size = from->part_count * sizeof(*lod->parts);
    uint64_t end = sizeof(header);

    *bytes = NULL;
    *size_bytes = 0;
    if (from->part_count == 0)
        return true;
    header.lanes_at = place_of(&end, from->lane_count * sizeof(*lod->lanes));
    header.contexts_at = place_of(&end, contexts_size);
    header.parts_at = place_of(&end, parts_size);
    header.sums_at = place_of(&end, from->sums_size);
    header.size_bytes = end;
    uint8_t *out = calloc(1, (size_t)end); /* the lanes: of no nodes */
    if (out == NULL)
        return false;
    memcpy(out, &header, sizeof(header));
    memcpy(out + header.contexts_at, lod->contexts, contexts_size);
    memcpy(out + header.parts_at, lod->parts, parts_size);
    memcpy(out + header.sums_at, lod->sums, (size_t)from->sums_size);
    *bytes = out;
    *size_bytes = (size_t)end;
    return true;
}
