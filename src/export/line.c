/* See line.h. */
#include <math.h>

#include "base/memory.h"
#include "export/line.h"
#include "export/number.h"
#include "export/utf8.h"
#include "export/value.h"

#define INDENT_MAX 100 /* deeper calls are not indented further; the depth is written */
#define LANE_WIDTH_MAX 24
#define VALUE_SIZE_SHOWN 200

/* ---- safe text ---- */

static char *
put_escape(char *to, char kind, unsigned value, int digit_count)
{
    *to++ = '\\';
    *to++ = kind;
    for (int shift = (digit_count - 1) * 4; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

/* C1 control characters are two bytes of UTF-8. */
static bool
is_control(const uint8_t *bytes, size_t size)
{
    return bytes[0] < 0x20 || bytes[0] == 0x7F ||
           (size == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0);
}

static bool
is_surrogate(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xED && bytes[1] >= 0xA0 && bytes[1] < 0xC0 &&
           bytes[2] >> 6 == 2;
}

#define SAFE_GROWTH_MAX 4 /* one byte becomes \xNN */

/* Writes `text` at `to`, which has room for SAFE_GROWTH_MAX times its size; returns the
 * end. Adds to *width the characters written. */
static char *
put_safe(char *to, struct marey_text text, size_t *width)
{
    const uint8_t *at = (const uint8_t *)text.bytes;
    const uint8_t *end = at + text.size_bytes;

    while (at < end) {
        size_t size = marey_utf8_size(at, (size_t)(end - at));
        char *start = to;
        if (size == 0 && is_surrogate(at, (size_t)(end - at))) {
            to = put_escape(to, 'u', 0xD000u | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu),
                            4);
            size = 3;
        } else if (size == 0) {
            to = put_escape(to, 'x', at[0], 2);
            size = 1;
        } else if (is_control(at, size)) {
            to = put_escape(to, 'x', size == 2 ? at[1] : at[0], 2);
        } else {
            memcpy(to, at, size);
            to += size;
            start = to - 1; /* one character, however many bytes */
        }
        *width += (size_t)(to - start);
        at += size;
    }
    return to;
}

void
line_safe(struct marey_out *out, struct marey_text text)
{
    size_t part_max = MAREY_OUT_ROOM_MAX / SAFE_GROWTH_MAX;

    while (text.size_bytes > 0) {
        struct marey_text part = text;
        size_t width = 0;
        if (part.size_bytes > part_max) {
            /* Not inside a character. */
            part.size_bytes = part_max;
            while (part.size_bytes > part_max - 4 &&
                   ((uint8_t)text.bytes[part.size_bytes] & 0xC0) == 0x80)
                part.size_bytes--;
        }
        char *room = (char *)marey_out_room(out, part.size_bytes * SAFE_GROWTH_MAX);
        marey_out_advance(out, (uint8_t *)put_safe(room, part, &width));
        text.bytes += part.size_bytes;
        text.size_bytes -= part.size_bytes;
    }
}

/* ---- labels ---- */

static bool
is_text(struct marey_text text, const char *word)
{
    return text.size_bytes == strlen(word) &&
           memcmp(text.bytes, word, text.size_bytes) == 0;
}

/* `first` + `between` + `second`, safe. False: no memory, and the label is empty. */
static bool
make_label(struct label *label, struct marey_text first, const char *between,
           struct marey_text second)
{
    size_t between_size = strlen(between);
    char *at;

    label->bytes = marey_memory_new(
        (first.size_bytes + second.size_bytes) * SAFE_GROWTH_MAX + between_size + 1, 1);
    if (label->bytes == NULL)
        return false;
    label->width = between_size;
    at = put_safe(label->bytes, first, &label->width);
    memcpy(at, between, between_size);
    at = put_safe(at + between_size, second, &label->width);
    label->size = (size_t)(at - label->bytes);
    return true;
}

/* Functions of the program's own file and of `builtins` go by their bare names. */
static const struct label *
function_label(struct lines *l, uint32_t function)
{
    static const struct label unknown = {(char *)"?", 1, 1};
    struct marey_function_info info;
    struct label *label;

    if (function >= l->function_count)
        return &unknown;
    label = &l->functions[function];
    if (label->bytes != NULL)
        return label;
    marey_trace_function(l->trace, function, &info);
    if (is_text(info.module, "__main__") || is_text(info.module, "builtins"))
        info.module.size_bytes = 0;
    if (make_label(label, info.module, info.module.size_bytes != 0 ? "." : "",
                   info.name))
        return label;
    if (l->out->status == MAREY_OK)
        l->out->status = MAREY_NOMEM;
    return &unknown;
}

static bool
make_lane_label(struct lines *l, uint32_t lane)
{
    struct marey_lane_info info;
    struct marey_process_info process;
    char number[MAREY_NUMBER_SIZE_MAX];
    struct marey_text pid = {number, 0};
    struct label *label = &l->lanes[lane];

    marey_trace_lane(l->trace, lane, &info);
    if (l->has_processes && info.process != MAREY_NO_INDEX) {
        marey_trace_process(l->trace, info.process, &process);
        uint8_t *end = marey_number_signed((uint8_t *)number, process.pid);
        pid.size_bytes = (size_t)(end - (uint8_t *)number);
    }
    if (!make_label(label, pid, pid.size_bytes != 0 ? " " : "", info.name))
        return false;
    if (label->width > l->lane_width && info.event_count > 0)
        l->lane_width = label->width;
    return true;
}

static bool
make_lane_labels(struct lines *l)
{
    uint32_t shown_count = 0;

    for (uint32_t i = 0; i < l->lane_count; i++) {
        struct marey_lane_info info;
        marey_trace_lane(l->trace, i, &info);
        shown_count += info.event_count > 0;
        if (!make_lane_label(l, i))
            return false;
    }
    if (l->lane_width > LANE_WIDTH_MAX)
        l->lane_width = LANE_WIDTH_MAX;
    if (shown_count < 2)
        l->lane_width = 0;
    return true;
}

/* ---- columns ---- */

void
line_spaces(struct marey_out *out, size_t count)
{
    uint8_t *at = marey_out_room(out, count);

    memset(at, ' ', count);
    marey_out_advance(out, at + count);
}

uint8_t *
line_put_fixed(uint8_t *at, uint64_t value, int decimals, int width)
{
    uint8_t digits[MAREY_NUMBER_SIZE_MAX + 1];
    int count = 0;

    do {
        if (count == decimals && decimals > 0)
            digits[count++] = '.';
        digits[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0 || count <= decimals + 1);
    for (; width > count; width--)
        *at++ = ' ';
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

uint8_t *
line_put_duration(uint8_t *at, int64_t duration_ns)
{
    static const char units[][3] = {"us", "ms", "s ", "ks"};
    uint64_t value = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t unit = 0;

    for (; value >= 1000000 && unit < 3; unit++)
        value /= 1000;
    at = line_put_fixed(at, value, 3, 7);
    *at++ = ' ';
    memcpy(at, units[unit], 2);
    return at + 2;
}

uint8_t *
line_put_time(uint8_t *at, int64_t time_ns)
{
    if (time_ns < 0) {
        *at++ = '-';
        return line_put_fixed(at, 0 - (uint64_t)time_ns, 9, 14);
    }
    return line_put_fixed(at, (uint64_t)time_ns, 9, 15);
}

void
line_lane(struct lines *l, uint32_t lane)
{
    const struct label *label;
    size_t size, width;

    if (l->lane_width == 0 || lane >= l->lane_count)
        return;
    label = &l->lanes[lane];
    size = label->size;
    width = label->width;
    /* A name too long is cut where all its characters are single bytes. */
    if (width > l->lane_width && size == width)
        size = width = l->lane_width;
    line_spaces(l->out, 2);
    marey_out_put(l->out, label->bytes, size);
    if (width < l->lane_width)
        line_spaces(l->out, l->lane_width - width);
}

void
line_string(struct lines *l, uint32_t string)
{
    if (string == MAREY_NO_INDEX)
        MAREY_OUT_LITERAL(l->out, "an exception");
    else
        line_safe(l->out, marey_trace_string(l->trace, string));
}

/* ---- values ---- */

struct values {
    struct lines *lines;
    uint32_t count;
};

static void
line_number(struct marey_out *out, double value)
{
    if (isnan(value))
        MAREY_OUT_LITERAL(out, "nan");
    else if (isinf(value))
        marey_out_put_short(out, value < 0 ? "-inf" : "inf", value < 0 ? 4 : 3);
    else
        marey_out_advance(out, marey_number_double(
                                   marey_out_room(out, MAREY_DOUBLE_SIZE_MAX), value));
}

static void
put_shortened(struct marey_out *out, struct marey_text text)
{
    bool is_long = text.size_bytes > VALUE_SIZE_SHOWN;

    if (is_long)
        text.size_bytes = VALUE_SIZE_SHOWN;
    line_safe(out, text);
    if (is_long)
        MAREY_OUT_LITERAL(out, "…");
}

/* One value as Python writes it, without its name. */
static void
line_value(struct marey_out *out, const struct marey_value *value)
{
    struct marey_text word = marey_value_word(value->tag);

    switch (value->tag) {
    case MAREY_VALUE_INT:
        marey_out_advance(
            out, marey_number_signed(marey_out_room(out, MAREY_NUMBER_SIZE_MAX),
                                     value->integer));
        break;
    case MAREY_VALUE_FLOAT: line_number(out, value->number); break;
    case MAREY_VALUE_TEXT:
        MAREY_OUT_LITERAL(out, "'");
        put_shortened(out, value->text);
        MAREY_OUT_LITERAL(out, "'");
        break;
    case MAREY_VALUE_BYTES:
        MAREY_OUT_LITERAL(out, "b'");
        put_shortened(out, value->text);
        MAREY_OUT_LITERAL(out, "'");
        break;
    case MAREY_VALUE_OBJECT: put_shortened(out, value->text); break;
    default: marey_out_put(out, word.bytes, word.size_bytes);
    }
}

static void
take_value(void *context, const struct marey_value *value)
{
    struct values *v = context;
    struct marey_out *out = v->lines->out;

    if (v->count++ > 0)
        MAREY_OUT_LITERAL(out, ", ");
    if (value->name.size_bytes != 0) {
        put_shortened(out, value->name);
        MAREY_OUT_LITERAL(out, "=");
    }
    line_value(out, value);
}

void
line_values(struct lines *l, uint32_t lane, uint64_t blob)
{
    struct values values = {l, 0};

    if (blob == 0)
        return;
    enum marey_status st =
        marey_trace_values(l->trace, lane, blob, take_value, &values, NULL);
    marey_out_fail_unless_corrupt(l->out, st);
}

void
line_function(struct lines *l, uint32_t function)
{
    const struct label *label = function_label(l, function);

    marey_out_put(l->out, label->bytes, label->size);
}

void
line_indent(struct marey_out *out, uint32_t depth)
{
    uint8_t *at;

    line_spaces(out, 2 * (size_t)(depth < INDENT_MAX ? depth : INDENT_MAX));
    if (depth <= INDENT_MAX)
        return;
    at = marey_out_room(out, MAREY_NUMBER_SIZE_MAX + 4);
    *at++ = '[';
    at = marey_number_unsigned(at, depth);
    *at++ = ']';
    *at++ = ' ';
    marey_out_advance(out, at);
}

/* ---- points ---- */

/* What is told of the values of a point. */
struct point {
    struct lines *lines;
    const struct marey_step *step;
    char *level;
    size_t level_size;
    const char *lead; /* before the first */
    int64_t line;     /* of the program; 0: not known */
    uint32_t count;   /* of values told */
    bool has_file;    /* it was told */
    bool is_said;     /* the first text is told without quotes: someone said it */
};

static bool
is_named(const struct marey_value *value, const char *name)
{
    return is_text(value->name, name);
}

static void
take_level(void *context, const struct marey_value *value)
{
    struct point *point = context;

    if (!is_named(value, "level") || value->tag != MAREY_VALUE_TEXT)
        return;
    point->level_size = value->text.size_bytes < LINE_LEVEL_MAX ? value->text.size_bytes
                                                                : LINE_LEVEL_MAX;
    memcpy(point->level, value->text.bytes, point->level_size);
}

/* Whether it is the line of the program: where lines are logged it has no name, for the
 * names there are the program's. */
static bool
is_line(const struct marey_step *step, const struct marey_value *value)
{
    return is_named(value, step->log_class == MAREY_CLASS_LINE ? "" : "line");
}

/* Whether it is the file of the program: what is said by a record or a warning may be
 * of another function than the one that says it. */
static bool
is_file(const struct marey_step *step, const struct marey_value *value)
{
    return step->kind == MAREY_STEP_LOG && value->tag == MAREY_VALUE_TEXT &&
           (step->log_class == MAREY_CLASS_RECORD ||
            step->log_class == MAREY_CLASS_WARNING) &&
           is_named(value, "file");
}

/* Behind all else of its line; the folder is left out. */
static void
put_file(struct marey_out *out, struct marey_text path)
{
    size_t start = path.size_bytes;

    while (start > 0 && path.bytes[start - 1] != '/')
        start--;
    MAREY_OUT_LITERAL(out, "  // ");
    line_safe(out, (struct marey_text){path.bytes + start, path.size_bytes - start});
}

static void
take_point_value(void *context, const struct marey_value *value)
{
    struct point *point = context;
    struct marey_out *out = point->lines->out;
    bool has_name = value->name.size_bytes != 0;

    if (point->step->kind == MAREY_STEP_LOG && value->tag == MAREY_VALUE_INT &&
        is_line(point->step, value)) {
        point->line = value->integer;
        return;
    }
    if (is_file(point->step, value)) {
        put_file(out, value->text);
        point->has_file = true;
        return;
    }
    if (point->is_said && value->tag == MAREY_VALUE_TEXT && is_named(value, "level"))
        return; /* line_class() has told it */
    const char *lead = point->count++ > 0 ? ", " : point->lead;
    marey_out_put_short(out, lead, strlen(lead));
    if (point->is_said && value->tag == MAREY_VALUE_TEXT && !has_name &&
        point->count == 1) {
        line_safe(out, value->text);
        return;
    }
    if (has_name) {
        put_shortened(out, value->name);
        MAREY_OUT_LITERAL(out, "=");
    }
    line_value(out, value);
}

static void
read_point(struct point *point,
           void (*take)(void *context, const struct marey_value *value))
{
    const struct marey_step *step = point->step;

    if (step->blob != 0)
        marey_out_fail_unless_corrupt(
            point->lines->out, marey_trace_values(point->lines->trace, step->lane,
                                                  step->blob, take, point, NULL));
}

struct marey_text
line_class(struct lines *l, const struct marey_step *step, char level[LINE_LEVEL_MAX])
{
    struct point point = {.lines = l, .step = step, .level = level};
    const char *word = step->kind == MAREY_STEP_INSTANT   ? "instant"
                       : step->kind == MAREY_STEP_COUNTER ? "counter"
                                                          : NULL;

    if (word == NULL && step->log_class == MAREY_CLASS_RECORD)
        read_point(&point, take_level);
    if (point.level_size > 0)
        return (struct marey_text){level, point.level_size};
    if (word == NULL)
        word = marey_log_class_name(step->log_class);
    return (struct marey_text){word, strlen(word)};
}

void
line_point(struct lines *l, const struct marey_step *step)
{
    struct point point = {.lines = l, .step = step};
    bool is_log = step->kind == MAREY_STEP_LOG;
    bool is_assignment = is_log && (step->log_class == MAREY_CLASS_VALUE ||
                                    step->log_class == MAREY_CLASS_ATTRIBUTE);

    line_safe(l->out, marey_trace_string(l->trace, step->string));
    if (step->kind == MAREY_STEP_COUNTER) {
        MAREY_OUT_LITERAL(l->out, " = ");
        line_number(l->out, step->value);
        return;
    }
    if (step->blob == 0)
        return;
    point.lead = is_assignment ? " = " : ": ";
    point.is_said = is_log && step->log_class >= MAREY_CLASS_PRINT &&
                    step->log_class <= MAREY_CLASS_WARNING;
    read_point(&point, take_point_value);
    if (point.line > 0) {
        if (point.has_file)
            MAREY_OUT_LITERAL(l->out, ":");
        else
            MAREY_OUT_LITERAL(l->out, "  // line ");
        marey_number_put(l->out, (uint64_t)point.line);
    }
}

bool
line_is_wanted(struct lines *l, const struct marey_export_options *options,
               const struct marey_step *step)
{
    bool is_wanted = false;

    if (options->value.size_bytes == 0)
        return true;
    if (step->kind == MAREY_STEP_BEGIN || step->kind == MAREY_STEP_RESUME)
        return false;
    marey_out_fail_unless_corrupt(
        l->out, marey_step_has_value(l->trace, step, options->value, &is_wanted, NULL));
    return is_wanted;
}

/* ---- a trace's names ---- */

void
lines_release(struct lines *l)
{
    for (uint32_t i = 0; l->functions != NULL && i < l->function_count; i++)
        marey_memory_free(l->functions[i].bytes);
    for (uint32_t i = 0; l->lanes != NULL && i < l->lane_count; i++)
        marey_memory_free(l->lanes[i].bytes);
    marey_memory_free(l->functions);
    marey_memory_free(l->lanes);
}

enum marey_status
lines_init(struct lines *l, const struct marey_job *job, struct marey_error *err)
{
    memset(l, 0, sizeof(*l));
    l->trace = job->trace;
    l->out = job->out;
    l->function_count = marey_trace_function_count(job->trace);
    l->lane_count = marey_trace_lane_count(job->trace);
    l->has_processes = marey_trace_process_count(job->trace) > 1;
    l->functions =
        marey_memory_new((size_t)l->function_count + 1, sizeof(*l->functions));
    l->lanes = marey_memory_new((size_t)l->lane_count + 1, sizeof(*l->lanes));
    if (l->functions != NULL && l->lanes != NULL && make_lane_labels(l))
        return MAREY_OK;
    lines_release(l);
    return marey_fail(err, MAREY_NOMEM, "no memory to show the trace");
}
