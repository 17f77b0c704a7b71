/* Sums of a part out of the bytes of an index: every number is checked against what it
 * counts before it is used. The layout is told in sums/put.c.
 */
#include "base/varint.h"
#include "query/sums/sums.h"

struct getting {
    const uint8_t *next, *end;
    uint32_t context_count, function_count;
    bool is_wrong;
};

static uint64_t
get(struct getting *from)
{
    uint64_t value = 0;
    size_t size =
        marey_varint_get(from->next, (size_t)(from->end - from->next), &value);

    from->is_wrong |= size == 0;
    from->next += size;
    return value;
}

/* A number below `limit`; 0 where it is not. */
static uint32_t
get_below(struct getting *from, uint64_t limit)
{
    uint64_t value = get(from);

    if (value >= limit) {
        from->is_wrong = true;
        return 0;
    }
    return (uint32_t)value;
}

/* How many things follow: each takes a byte at least. */
static uint32_t
get_count(struct getting *from)
{
    return get_below(from, (uint64_t)(from->end - from->next) + 1);
}

static bool
get_contexts(struct getting *from, struct sums *out)
{
    uint32_t count = get_count(from);
    uint64_t number = 0;

    out->contexts.count = out->numbers.count = 0;
    for (uint32_t i = 0; i < count && !from->is_wrong; i++) {
        struct sums_context *context = lod_array_one(&out->contexts, sizeof(*context));
        uint32_t *at = lod_array_one(&out->numbers, sizeof(*at));
        if (context == NULL || at == NULL)
            return false;
        *context = (struct sums_context){0};
        number += get_below(from, from->context_count);
        from->is_wrong |= number == 0 || number >= from->context_count;
        *at = (uint32_t)number;
        context->self_ns = (int64_t)get(from);
        context->cost_ps = get(from);
        context->begun_count = get(from);
        context->call_count =
            context->begun_count + (uint64_t)marey_unzigzag(get(from));
        context->raised_count = get(from);
        context->ended.count = get(from);
        if (context->ended.count > 0) {
            uint64_t min_ns = get(from);
            context->ended.min_ns = (int64_t)min_ns;
            context->ended.max_ns = (int64_t)(min_ns + get(from));
            context->ended.sum_ns =
                (int64_t)(get(from) + context->ended.count * min_ns);
        }
    }
    return true;
}

static bool
get_opens(struct getting *from, const struct marey_lod *lod, struct sums *out)
{
    uint32_t count = get_count(from);

    out->opens.count = 0;
    for (uint32_t i = 0; i < count && !from->is_wrong; i++) {
        struct sums_open *open = lod_array_one(&out->opens, sizeof(*open));
        if (open == NULL)
            return false;
        open->context = get_below(from, from->context_count);
        open->begin_ns = clock_difference(out->end_ns, (int64_t)get(from));
        open->is_resumed = get_below(from, 2) != 0;
        from->is_wrong |= open->context == 0 || open->begin_ns > out->end_ns;
        if (i > 0)
            from->is_wrong |= lod->contexts[open->context].parent != open[-1].context;
    }
    return true;
}

static bool
get_logs(struct getting *from, struct sums *out)
{
    uint32_t count = get_count(from);

    out->logs.count = 0;
    for (uint32_t i = 0; i < count && !from->is_wrong; i++) {
        struct sums_log *log = lod_array_one(&out->logs, sizeof(*log));
        if (log == NULL)
            return false;
        uint32_t bits = get_below(from, 128);
        *log = (struct sums_log){
            .origin = bits & 3,
            .fate = bits >> 2 & 7,
            .is_raised = (bits >> 5 & 1) != 0,
            .is_first_due = (bits >> 6 & 1) != 0,
        };
        log->last = get_below(from, from->context_count);
        if (log->origin == SUMS_KEY || log->origin == SUMS_FORGET ||
            log->fate == SUMS_SUSPENDED)
            log->key = get(from);
        if (log->is_first_due)
            log->first = get_below(from, from->context_count);
        if (log->origin == SUMS_OPEN)
            log->depth_in = get_below(from, MAREY_DEPTH_MAX);
        if (log->fate == SUMS_STILL_OPEN)
            log->depth_out = get_below(from, MAREY_DEPTH_MAX);
        log->running_ns = marey_unzigzag(get(from));
        from->is_wrong |= log->fate > SUMS_NONE;
        if (log->origin != SUMS_FORGET)
            from->is_wrong |= log->last == 0 || (log->is_first_due && log->first == 0);
    }
    return true;
}

static bool
get_buckets(struct getting *from, struct sums *out)
{
    uint32_t count = get_count(from);

    out->buckets.count = 0;
    for (uint32_t i = 0; i < count && !from->is_wrong; i++) {
        uint32_t function = get_below(from, from->function_count);
        uint32_t buckets = get_count(from), at = 0;
        for (uint32_t k = 0; k < buckets && !from->is_wrong; k++) {
            struct sums_bucket *bucket = lod_array_one(&out->buckets, sizeof(*bucket));
            if (bucket == NULL)
                return false;
            at += get_below(from, HISTOGRAM_BLOCKS * HISTOGRAM_BUCKETS);
            from->is_wrong |= at >= HISTOGRAM_BLOCKS * HISTOGRAM_BUCKETS;
            *bucket = (struct sums_bucket){function, at,
                                           get_below(from, (uint64_t)UINT32_MAX + 1)};
        }
    }
    return true;
}

static uint32_t
depth_of(const struct marey_lod *lod, uint32_t context)
{
    uint32_t depth = 0;

    for (; context != 0; context = lod->contexts[context].parent)
        depth++;
    return depth;
}

/* The calls behind the part hang on those that stay. */
static bool
fits_together(const struct marey_lod *lod, const struct sums *sums)
{
    const struct sums_open *opens = sums->opens.items;
    const struct sums_log *logs = sums->logs.items;
    uint32_t depth = depth_of(lod, sums->start), at = sums->start;

    if (sums->keep > depth)
        return false;
    for (uint32_t i = 0; i < sums->logs.count; i++)
        if ((logs[i].origin == SUMS_OPEN &&
             (logs[i].depth_in <= sums->keep || logs[i].depth_in > depth)) ||
            (logs[i].fate == SUMS_STILL_OPEN &&
             (logs[i].depth_out <= sums->keep ||
              logs[i].depth_out > sums->keep + sums->opens.count)))
            return false;
    for (; depth > sums->keep; depth--)
        at = lod->contexts[at].parent;
    return sums->opens.count == 0 || lod->contexts[opens[0].context].parent == at;
}

bool
sums_get(const struct marey_lod *lod, const struct marey_lod_part *part,
         uint32_t function_count, struct sums *out)
{
    struct getting from = {
        .next = lod->sums + part->sums_at,
        .end = lod->sums + part->sums_at + part->sums_size,
        .context_count = lod->header->context_count,
        .function_count = function_count,
    };

    out->begin_ns = part->begin_ns;
    out->end_ns = part->end_ns;
    out->event_count = part->event_count;
    out->start = get_below(&from, from.context_count);
    out->keep = get_below(&from, MAREY_DEPTH_MAX);
    if (!get_contexts(&from, out) || !get_opens(&from, lod, out) ||
        !get_buckets(&from, out) || from.is_wrong || from.next != from.end)
        return false;
    from.next = lod->sums + part->logs_at;
    from.end = from.next + part->logs_size;
    if (!get_logs(&from, out))
        return false;
    return !from.is_wrong && from.next == from.end && fits_together(lod, out);
}
