/* Which variables were logged, and the values in a log. */
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/sort.h"
#include "base/table.h"
#include "query/answer/json.h"
#include "query/answer/value_text.h"
#include "query/history/impl.h"

#define VARIABLES_MAX 20000
#define VARIABLES_TOLD_MAX 2000

/* ---- the values of a log ---- */

static struct marey_text
name_of(struct marey_text name)
{
    if (name.size_bytes > HISTORY_TEXT_MAX)
        name.size_bytes = HISTORY_TEXT_MAX;
    return name;
}

struct line {
    char bytes[HISTORY_TEXT_MAX];
    size_t size;
};

static void
line_put(struct line *line, const char *bytes, size_t size)
{
    size_t room = sizeof(line->bytes) - line->size;

    if (size > room) {
        size = room;
        while (size > 0 && ((uint8_t)bytes[size] & 0xC0) == 0x80)
            size--; /* not in the middle of a character */
    }
    if (size > 0)
        memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

struct log_reading {
    const struct marey_step *step;
    history_take *take;
    void *context;
    struct history_value value;
    struct line text;
    struct line type;
    bool has_value;
};

static void
render(struct log_reading *log, const struct marey_value *value)
{
    uint8_t digits[MAREY_DOUBLE_SIZE_MAX];
    struct marey_text text = value->text;
    struct marey_text word = value_text_word(value->tag);
    struct history_value *out = &log->value;

    out->is_number = value->tag == MAREY_VALUE_INT || value->tag == MAREY_VALUE_FLOAT;
    out->is_gone = value->tag == MAREY_VALUE_UNBOUND;
    out->number = 0;
    if (value->tag == MAREY_VALUE_INT) {
        out->number = (double)value->integer;
        text.bytes = (const char *)digits;
        text.size_bytes =
            (size_t)(marey_number_signed(digits, value->integer) - digits);
    } else if (value->tag == MAREY_VALUE_FLOAT) {
        out->number = value->number;
        out->is_number =
            value->number >= -HISTORY_NUMBER_MAX && value->number <= HISTORY_NUMBER_MAX;
        text = value_text_number(digits, value->number);
    } else if (word.bytes != NULL)
        text = word;
    log->text.size = 0;
    if (value->tag == MAREY_VALUE_TEXT)
        line_put(&log->text, "'", 1);
    line_put(&log->text, text.bytes, text.size_bytes);
    if (value->tag == MAREY_VALUE_TEXT)
        line_put(&log->text, "'", 1);
    out->text = (struct marey_text){log->text.bytes, log->text.size};
}

static void
look(void *context, const struct marey_value *value)
{
    struct log_reading *log = context;
    bool is_line = log->step->log_class == MAREY_CLASS_LINE;
    bool is_named = value->name.size_bytes != 0;

    if (is_line && is_named) {
        log->value.variable.name = name_of(value->name);
        render(log, value);
        log->take(log->context, &log->value);
    } else if (!is_line && !is_named && !log->has_value) {
        render(log, value);
        log->has_value = true;
    } else if (!is_line && is_named && value->name.size_bytes == 2 &&
               memcmp(value->name.bytes, "of", 2) == 0) {
        log->type.size = 0;
        line_put(&log->type, value->text.bytes, value->text.size_bytes);
    }
}

void
history_each(struct marey_trace *trace, const struct marey_step *step,
             history_take *take, void *context)
{
    struct log_reading log = {.step = step, .take = take, .context = context};
    bool is_attribute = step->log_class == MAREY_CLASS_ATTRIBUTE;

    if (step->kind != MAREY_STEP_LOG ||
        (step->log_class != MAREY_CLASS_VALUE && !is_attribute &&
         step->log_class != MAREY_CLASS_LINE))
        return;
    log.value.variable.lane = step->lane;
    log.value.variable.function = is_attribute ? MAREY_NO_INDEX : step->parent;
    if (marey_trace_values(trace, step->lane, step->blob, look, &log, NULL) !=
            MAREY_OK ||
        !log.has_value)
        return;
    struct marey_text name = marey_trace_string(trace, step->string);
    if (is_attribute) {
        line_put(&log.type, ".", 1);
        line_put(&log.type, name.bytes, name.size_bytes);
        name = (struct marey_text){log.type.bytes, log.type.size};
    }
    log.value.variable.name = name_of(name);
    take(context, &log.value);
}

/* ---- the list ---- */

struct counted {
    uint32_t lane, function;
    uint32_t key; /* of the interned place and name */
    uint64_t count, numbers;
};

struct listing {
    struct marey_intern keys; /* lane, function, name */
    struct counted *items;    /* owned; by key */
    size_t capacity;
    bool has_more, is_out_of_memory;
};

static void
count_value(void *context, const struct history_value *value)
{
    struct listing *list = context;
    const struct marey_variable *variable = &value->variable;
    char bytes[8 + HISTORY_TEXT_MAX];
    size_t size = variable->name.size_bytes;
    uint32_t key;

    memcpy(bytes, &variable->lane, 4);
    memcpy(bytes + 4, &variable->function, 4);
    if (size > 0)
        memcpy(bytes + 8, variable->name.bytes, size);
    key = marey_intern_get(&list->keys, bytes, 8 + size);
    if (key == MAREY_TABLE_NONE && list->keys.count >= VARIABLES_MAX) {
        list->has_more = true;
        return;
    }
    if (key == MAREY_TABLE_NONE) {
        if (!marey_intern_put(&list->keys, bytes, 8 + size, &key) ||
            !marey_memory_grow((void **)&list->items, &list->capacity, (size_t)key + 1,
                               sizeof(*list->items))) {
            list->is_out_of_memory = true;
            return;
        }
        list->items[key] =
            (struct counted){variable->lane, variable->function, key, 0, 0};
    }
    list->items[key].count++;
    list->items[key].numbers += value->is_number;
}

static int
most_changes_first(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

static void
put_list(struct marey_answer *out, const struct listing *list)
{
    size_t count = list->keys.count;

    json_open(out, '{');
    json_key(out, "variables");
    json_open(out, '[');
    for (size_t i = 0; i < count && i < VARIABLES_TOLD_MAX; i++) {
        const struct counted *one = &list->items[i];
        const struct marey_intern_item *key = &list->keys.items[one->key];
        json_open(out, '{');
        json_key_text(
            out, "name",
            (struct marey_text){(const char *)key->bytes + 8, key->size_bytes - 8});
        json_key_int(out, "lane", one->lane);
        json_key_int(out, "function", json_index(one->function));
        json_key_int(out, "count", (int64_t)one->count);
        json_key_int(out, "numbers", (int64_t)one->numbers);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key_bool(out, "more", list->has_more || count > VARIABLES_TOLD_MAX);
    json_close(out, '}');
}

enum marey_status
marey_answer_variables(struct marey_trace *trace, const struct marey_question *question,
                       struct marey_answer *out, struct marey_error *err)
{
    struct listing list = {0};
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    struct marey_step step;
    uint64_t steps = 0;
    enum marey_status st =
        marey_walk_new(trace, &question->selection, MAREY_ORDER_TIME, &walk, err);

    marey_trace_info(trace, &info);
    while (st == MAREY_OK && !list.is_out_of_memory && marey_walk_next(walk, &step)) {
        if ((++steps & 0x3ffff) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            st = marey_fail(err, MAREY_STOPPED, "stopped");
        if (step.kind == MAREY_STEP_LOG)
            history_each(trace, &step, count_value, &list);
    }
    if (st == MAREY_OK)
        st = marey_walk_status(walk, err);
    if (st == MAREY_OK && list.is_out_of_memory)
        st = marey_fail(err, MAREY_NOMEM, "listing variables");
    marey_walk_free(walk);
    if (st == MAREY_OK) {
        marey_sort(list.items, list.keys.count, sizeof(*list.items),
                   most_changes_first);
        put_list(out, &list);
    }
    marey_intern_release(&list.keys);
    marey_memory_free(list.items);
    return st != MAREY_OK ? st : json_status(out, err);
}
