/* The history of a variable: walked, kept as samples, read as pieces of a window.
 *
 * While the block is made samples are thinned whenever there are too many: two become
 * one, and from then on each new one takes twice as many assignments. So memory is
 * bounded at any length, and a short history is exact.
 */
#include "marey/history.h"

#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/table.h"
#include "query/history/impl.h"

#define SAMPLES_MAX 200000
#define VALUES_MAX 50000
#define OTHERS "(other values)"

struct making {
    const struct marey_variable *wanted;
    const struct marey_step *step;
    struct marey_history_sample *samples; /* owned */
    size_t sample_count, capacity;
    uint32_t stride, filled; /* assignments that a sample takes, and the last one has */
    struct marey_intern texts;
    uint64_t assignment_count;
    double low, high;
    uint32_t depth; /* of the last log: open calls around it */
    bool is_held;   /* the last sample goes on */
    bool is_out_of_memory;
};

/* ---- making ---- */

/* Two that follow each other as one: of the longer what it is, of both numbers all. */
static void
join(struct marey_history_sample *one, const struct marey_history_sample *next)
{
    bool is_later = next->end_ns - next->begin_ns > one->end_ns - one->begin_ns;

    if (one->value == MAREY_HISTORY_NUMBER && next->value == MAREY_HISTORY_NUMBER) {
        one->low = next->low < one->low ? next->low : one->low;
        one->high = next->high > one->high ? next->high : one->high;
        one->last = next->last;
    } else if (is_later) {
        one->value = next->value;
        one->low = next->low;
        one->high = next->high;
        one->last = next->last;
    }
    one->end_ns = next->end_ns;
    one->count += next->count;
}

static void
halve(struct making *make)
{
    size_t half = make->sample_count / 2;

    for (size_t i = 0; i < half; i++) {
        struct marey_history_sample joined = make->samples[2 * i];
        join(&joined, &make->samples[2 * i + 1]);
        make->samples[i] = joined;
    }
    make->sample_count = half;
    make->stride *= 2;
    make->filled = make->stride;
}

/* The value that held until now holds no longer. */
static void
let_go(struct making *make, int64_t time_ns)
{
    if (make->is_held && make->sample_count > 0)
        make->samples[make->sample_count - 1].end_ns = time_ns;
    make->is_held = false;
}

static uint32_t
value_index(struct making *make, struct marey_text text)
{
    uint32_t index = marey_intern_get(&make->texts, text.bytes, text.size_bytes);

    if (index == MAREY_TABLE_NONE && make->texts.count >= VALUES_MAX) {
        text = (struct marey_text){OTHERS, strlen(OTHERS)};
        index = marey_intern_get(&make->texts, text.bytes, text.size_bytes);
    }
    if (index == MAREY_TABLE_NONE &&
        !marey_intern_put(&make->texts, text.bytes, text.size_bytes, &index)) {
        make->is_out_of_memory = true;
        return 0;
    }
    return index;
}

static void
add_sample(struct making *make, const struct marey_history_sample *sample)
{
    struct marey_history_sample *last = make->samples + make->sample_count - 1;

    if (make->sample_count > 0 && make->filled < make->stride) {
        join(last, sample);
        make->filled++;
        return;
    }
    if (make->sample_count >= SAMPLES_MAX)
        halve(make);
    if (!marey_memory_grow((void **)&make->samples, &make->capacity,
                           make->sample_count + 1, sizeof(*sample))) {
        make->is_out_of_memory = true;
        return;
    }
    make->samples[make->sample_count++] = *sample;
    make->filled = 1;
}

/* Is it what the variable has already? */
static bool
is_the_last(const struct making *make, const struct history_value *value)
{
    const struct marey_history_sample *last = make->samples + make->sample_count - 1;

    if (!make->is_held || make->sample_count == 0 || value->is_gone)
        return false;
    if (value->is_number)
        return last->value == MAREY_HISTORY_NUMBER && !(last->last < value->number) &&
               !(last->last > value->number);
    return last->value ==
           marey_intern_get(&make->texts, value->text.bytes, value->text.size_bytes);
}

static void
take_value(void *context, const struct history_value *value)
{
    struct making *make = context;
    const struct marey_variable *variable = &value->variable;
    struct marey_text name = make->wanted->name;
    int64_t now_ns = make->step->time_ns;
    struct marey_history_sample sample = {
        .begin_ns = now_ns, .end_ns = now_ns, .count = 1};

    if (variable->function != make->wanted->function ||
        variable->name.size_bytes != name.size_bytes ||
        (name.size_bytes > 0 &&
         memcmp(variable->name.bytes, name.bytes, name.size_bytes) != 0))
        return;
    if (make->step->log_class == MAREY_CLASS_LINE && is_the_last(make, value))
        return; /* the assignment itself was logged, too */
    let_go(make, now_ns);
    if (value->is_gone)
        return;
    make->assignment_count++;
    make->depth = make->step->depth;
    sample.value = MAREY_HISTORY_NUMBER;
    if (value->is_number) {
        sample.low = sample.high = sample.last = value->number;
        make->low = value->number < make->low ? value->number : make->low;
        make->high = value->number > make->high ? value->number : make->high;
    } else
        sample.value = value_index(make, value->text);
    add_sample(make, &sample);
    make->is_held = true;
}

static void
take_step(struct making *make, struct marey_trace *trace, const struct marey_step *step)
{
    bool is_end = step->kind == MAREY_STEP_END && step->ending != MAREY_END_OPEN;

    if (step->lane != make->wanted->lane)
        return;
    make->step = step;
    if (is_end && step->function == make->wanted->function &&
        step->depth + 1 == make->depth)
        let_go(make, step->time_ns);
    else if (step->kind == MAREY_STEP_LOG)
        history_each(trace, step, take_value, make);
}

/* Values no sample has any more stay: they are bounded, too. */
static enum marey_status
lay_out(const struct making *make, uint8_t **bytes, size_t *size_bytes,
        struct marey_error *err)
{
    struct marey_history_header header = {.magic = MAREY_HISTORY_MAGIC,
                                          .assignment_count = make->assignment_count,
                                          .low = make->low,
                                          .high = make->high,
                                          .sample_count = (uint32_t)make->sample_count,
                                          .value_count = (uint32_t)make->texts.count};
    size_t samples_size = make->sample_count * sizeof(*make->samples);
    size_t text_at = 0;
    uint8_t *out;

    header.values_at = sizeof(header) + samples_size;
    header.texts_at =
        header.values_at + header.value_count * sizeof(struct marey_history_value);
    header.size_bytes = header.texts_at;
    for (uint32_t i = 0; i < header.value_count; i++)
        header.size_bytes += make->texts.items[i].size_bytes;
    out = marey_memory_new((size_t)header.size_bytes, 1);
    if (out == NULL)
        return marey_fail(err, MAREY_NOMEM, "making a history");
    memcpy(out, &header, sizeof(header));
    if (samples_size > 0)
        memcpy(out + sizeof(header), make->samples, samples_size);
    for (uint32_t i = 0; i < header.value_count; i++) {
        const struct marey_intern_item *item = &make->texts.items[i];
        struct marey_history_value value = {
            text_at, (uint32_t)item->size_bytes,
            marey_checksum32(item->bytes, item->size_bytes)};
        memcpy(out + header.values_at + i * sizeof(value), &value, sizeof(value));
        if (item->size_bytes > 0)
            memcpy(out + header.texts_at + text_at, item->bytes, item->size_bytes);
        text_at += item->size_bytes;
    }
    *bytes = out;
    *size_bytes = (size_t)header.size_bytes;
    return MAREY_OK;
}

enum marey_status
marey_history_new(struct marey_trace *trace, const struct marey_question *question,
                  const struct marey_variable *variable, uint8_t **bytes,
                  size_t *size_bytes, struct marey_error *err)
{
    struct making make = {.wanted = variable,
                          .stride = 1,
                          .filled = 1,
                          .low = HISTORY_NUMBER_MAX,
                          .high = -HISTORY_NUMBER_MAX};
    struct marey_selection selection = question->selection;
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    struct marey_step step;
    uint64_t steps = 0;
    enum marey_status st = MAREY_OK;
    bool *lanes = marey_memory_new(trace->lane_count, sizeof(bool));

    marey_trace_info(trace, &info);
    if (lanes == NULL)
        st = marey_fail(err, MAREY_NOMEM, "making a history");
    else if (variable->lane >= trace->lane_count)
        st = marey_fail(err, MAREY_USAGE, "no such lane");
    if (st == MAREY_OK) {
        lanes[variable->lane] = true;
        selection.lanes = lanes;
        st = marey_walk_new(trace, &selection, MAREY_ORDER_TIME, &walk, err);
    }
    while (st == MAREY_OK && !make.is_out_of_memory && marey_walk_next(walk, &step)) {
        if ((++steps & 0x3ffff) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            st = marey_fail(err, MAREY_STOPPED, "stopped");
        take_step(&make, trace, &step);
    }
    if (st == MAREY_OK)
        st = marey_walk_status(walk, err);
    if (st == MAREY_OK && make.is_out_of_memory)
        st = marey_fail(err, MAREY_NOMEM, "making a history");
    let_go(&make, info.duration_ns);
    marey_walk_free(walk);
    if (st == MAREY_OK)
        st = lay_out(&make, bytes, size_bytes, err);
    marey_memory_free(make.samples);
    marey_intern_release(&make.texts);
    marey_memory_free(lanes);
    return st;
}

/* ---- reading ---- */

enum marey_status
marey_history_open(const uint8_t *bytes, size_t size_bytes, struct marey_history *out)
{
    const struct marey_history_header *header = (const void *)bytes;
    struct marey_history history = {.header = header};
    uint64_t at = sizeof(*header), texts_size;

    if (size_bytes < sizeof(*header) || ((uintptr_t)bytes & 7) != 0 ||
        header->magic != MAREY_HISTORY_MAGIC || header->size_bytes != size_bytes)
        return MAREY_CORRUPT;
    at += (uint64_t)header->sample_count * sizeof(*history.samples);
    if (header->values_at != at)
        return MAREY_CORRUPT;
    at += (uint64_t)header->value_count * sizeof(*history.values);
    if (header->texts_at != at || at > size_bytes)
        return MAREY_CORRUPT;
    texts_size = size_bytes - at;
    history.samples = (const void *)(bytes + sizeof(*header));
    history.values = (const void *)(bytes + header->values_at);
    history.texts = (const char *)bytes + header->texts_at;
    for (uint32_t i = 0; i < header->sample_count; i++)
        if (history.samples[i].value >= header->value_count &&
            history.samples[i].value != MAREY_HISTORY_NUMBER)
            return MAREY_CORRUPT;
    for (uint32_t i = 0; i < header->value_count; i++)
        if (history.values[i].text_at > texts_size ||
            history.values[i].size_bytes > texts_size - history.values[i].text_at)
            return MAREY_CORRUPT;
    *out = history;
    return MAREY_OK;
}

/* Two of less than a pixel that begin in the same one are one piece. */
static void
join_piece(struct marey_history_piece *one, const struct marey_history_piece *next)
{
    if (one->value == MAREY_HISTORY_NUMBER && next->value == MAREY_HISTORY_NUMBER) {
        one->low = next->low < one->low ? next->low : one->low;
        one->high = next->high > one->high ? next->high : one->high;
        one->last = next->last;
    } else if (next->right - next->left > one->right - one->left) {
        one->value = next->value;
        one->low = next->low;
        one->high = next->high;
        one->last = next->last;
        one->hash = next->hash;
    }
    one->right = next->right;
    one->count += next->count;
}

static bool
is_short(const struct marey_history_piece *piece)
{
    return piece->right - piece->left < 1;
}

size_t
marey_history_query(const struct marey_history *history, int64_t from_ns, int64_t to_ns,
                    uint32_t width, struct marey_history_piece *out, size_t capacity)
{
    const struct marey_history_sample *samples = history->samples;
    uint32_t low = 0, high = history->header->sample_count;
    double scale;
    size_t count = 0;

    if (from_ns >= to_ns || width == 0)
        return 0;
    scale = (double)width / ((double)to_ns - (double)from_ns);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (samples[middle].end_ns < from_ns)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = low; i < history->header->sample_count; i++) {
        const struct marey_history_sample *sample = &samples[i];
        double left = ((double)sample->begin_ns - (double)from_ns) * scale;
        double right = ((double)sample->end_ns - (double)from_ns) * scale;
        struct marey_history_piece piece = {(float)(left > 0 ? left : 0),
                                            (float)(right < width ? right : width),
                                            (float)sample->low,
                                            (float)sample->high,
                                            (float)sample->last,
                                            sample->value,
                                            sample->count,
                                            0};

        if (sample->begin_ns >= to_ns)
            break;
        if (sample->value != MAREY_HISTORY_NUMBER)
            piece.hash = history->values[sample->value].hash;
        if (piece.right < piece.left)
            piece.right = piece.left;
        if (count > 0 && is_short(&out[count - 1]) && is_short(&piece) &&
            (uint32_t)out[count - 1].left == (uint32_t)piece.left) {
            join_piece(&out[count - 1], &piece);
            continue;
        }
        if (count == capacity)
            break;
        out[count++] = piece;
    }
    return count;
}
