/* Text to read: every call on a line of its own, indented, as a function-graph tracer
 * prints it.
 *
 *          0.000081233              | main() {
 *          0.000085002    1.284 us  |   load();
 *          0.000091770   12.500 us  | } // main, raised KeyError
 *
 * Times are seconds since the start of the trace; a duration stands where a call ends.
 * A call that makes no other shown one is a line; so the BEGIN read last waits for the
 * step after it. Only one waits, whatever the lane: lines stay in order of time.
 *
 * Names are the program's, and a terminal obeys what it is sent, so every control
 * character and every byte that is no character is written as an escape.
 */
#include <math.h>

#include "base/memory.h"
#include "export/number.h"
#include "export/target.h"
#include "export/utf8.h"
#include "export/value.h"

#define INDENT_MAX 100 /* deeper calls are not indented further; the depth is written */
#define LANE_WIDTH_MAX 24
#define VALUE_SIZE_SHOWN 200
#define NS_PER_SECOND INT64_C(1000000000)

/* Bytes ready to be written. */
struct label {
    char *bytes; /* owned; NULL until first used */
    size_t size;
    size_t width; /* in characters */
};

struct text {
    struct marey_trace *trace; /* borrowed until text_free() */
    struct marey_out *out;     /* borrowed until text_free() */
    struct label *functions;   /* owned; by function index */
    struct label *lanes;       /* owned; by lane index */
    uint32_t function_count;
    uint32_t lane_count;
    size_t lane_width; /* 0: one lane, nothing to tell apart */
    bool has_processes;
    bool has_window; /* the selection ends before the trace does */
    bool has_waiting;
    struct marey_step waiting; /* BEGIN or RESUME, not written yet */
    bool has_note;             /* of the line under way */
};

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

/* Text of any size, straight to the output. */
static void
write_safe(struct marey_out *out, struct marey_text text)
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
function_label(struct text *t, uint32_t function)
{
    static const struct label unknown = {(char *)"?", 1, 1};
    struct marey_function_info info;
    struct label *label;

    if (function >= t->function_count)
        return &unknown;
    label = &t->functions[function];
    if (label->bytes != NULL)
        return label;
    marey_trace_function(t->trace, function, &info);
    if (is_text(info.module, "__main__") || is_text(info.module, "builtins"))
        info.module.size_bytes = 0;
    if (make_label(label, info.module, info.module.size_bytes != 0 ? "." : "",
                   info.name))
        return label;
    if (t->out->status == MAREY_OK)
        t->out->status = MAREY_NOMEM;
    return &unknown;
}

static bool
make_lane_label(struct text *t, uint32_t lane)
{
    struct marey_lane_info info;
    struct marey_process_info process;
    char number[MAREY_NUMBER_SIZE_MAX];
    struct marey_text pid = {number, 0};
    struct label *label = &t->lanes[lane];

    marey_trace_lane(t->trace, lane, &info);
    if (t->has_processes && info.process != MAREY_NO_INDEX) {
        marey_trace_process(t->trace, info.process, &process);
        uint8_t *end = marey_number_signed((uint8_t *)number, process.pid);
        pid.size_bytes = (size_t)(end - (uint8_t *)number);
    }
    if (!make_label(label, pid, pid.size_bytes != 0 ? " " : "", info.name))
        return false;
    if (label->width > t->lane_width && info.event_count > 0)
        t->lane_width = label->width;
    return true;
}

static bool
make_lane_labels(struct text *t)
{
    uint32_t shown_count = 0;

    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct marey_lane_info info;
        marey_trace_lane(t->trace, i, &info);
        shown_count += info.event_count > 0;
        if (!make_lane_label(t, i))
            return false;
    }
    if (t->lane_width > LANE_WIDTH_MAX)
        t->lane_width = LANE_WIDTH_MAX;
    if (shown_count < 2)
        t->lane_width = 0;
    return true;
}

/* ---- columns ---- */

static void
put_spaces(struct marey_out *out, size_t count)
{
    uint8_t *at = marey_out_room(out, count);

    memset(at, ' ', count);
    marey_out_advance(out, at + count);
}

/* Right-aligned in `width`, with `decimals` digits after the point. */
static uint8_t *
put_fixed(uint8_t *at, uint64_t value, int decimals, int width)
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

/* `123.456 us`, ten characters. */
static uint8_t *
put_duration(uint8_t *at, int64_t duration_ns)
{
    static const char units[][3] = {"us", "ms", "s ", "ks"};
    uint64_t value = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t unit = 0;

    for (; value >= 1000000 && unit < 3; unit++)
        value /= 1000;
    at = put_fixed(at, value, 3, 7);
    *at++ = ' ';
    memcpy(at, units[unit], 2);
    return at + 2;
}

static uint8_t *
put_time(uint8_t *at, int64_t time_ns)
{
    if (time_ns < 0) {
        *at++ = '-';
        return put_fixed(at, 0 - (uint64_t)time_ns, 9, 14);
    }
    return put_fixed(at, (uint64_t)time_ns, 9, 15);
}

static void
put_lane(struct text *t, uint32_t lane)
{
    const struct label *label = &t->lanes[lane];
    size_t size = label->size, width = label->width;

    /* A name too long is cut where all its characters are single bytes. */
    if (width > t->lane_width && size == width)
        size = width = t->lane_width;
    put_spaces(t->out, 2);
    marey_out_put(t->out, label->bytes, size);
    if (width < t->lane_width)
        put_spaces(t->out, t->lane_width - width);
}

#define NO_DURATION INT64_MIN

static void
begin_line(struct text *t, int64_t time_ns, int64_t duration_ns, uint32_t lane,
           uint32_t depth)
{
    uint8_t *at = marey_out_room(t->out, 64);

    at = put_time(at, time_ns);
    *at++ = ' ';
    *at++ = ' ';
    if (duration_ns == NO_DURATION) {
        memset(at, ' ', 10);
        at += 10;
    } else {
        at = put_duration(at, duration_ns);
    }
    marey_out_advance(t->out, at);
    if (t->lane_width > 0 && lane < t->lane_count)
        put_lane(t, lane);
    MAREY_OUT_LITERAL(t->out, "  | ");
    put_spaces(t->out, 2 * (size_t)(depth < INDENT_MAX ? depth : INDENT_MAX));
    if (depth > INDENT_MAX) {
        at = marey_out_room(t->out, MAREY_NUMBER_SIZE_MAX + 4);
        *at++ = '[';
        at = marey_number_unsigned(at, depth);
        *at++ = ']';
        *at++ = ' ';
        marey_out_advance(t->out, at);
    }
    t->has_note = false;
}

static void
end_line(struct text *t)
{
    MAREY_OUT_LITERAL(t->out, "\n");
}

/* What is said of a call after its name: ` // raised KeyError, …` */
static void
begin_note(struct text *t)
{
    if (t->has_note)
        MAREY_OUT_LITERAL(t->out, ", ");
    else
        MAREY_OUT_LITERAL(t->out, "  // ");
    t->has_note = true;
}

#define PUT_NOTE(t, literal)                                                           \
    do {                                                                               \
        begin_note(t);                                                                 \
        MAREY_OUT_LITERAL((t)->out, literal);                                          \
    } while (0)

static void
put_string(struct text *t, uint32_t string)
{
    if (string == MAREY_NO_INDEX)
        MAREY_OUT_LITERAL(t->out, "an exception");
    else
        write_safe(t->out, marey_trace_string(t->trace, string));
}

/* ---- values ---- */

struct values {
    struct text *text;
    uint32_t count;
};

static void
put_number(struct marey_out *out, double value)
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
    write_safe(out, text);
    if (is_long)
        MAREY_OUT_LITERAL(out, "…");
}

static void
put_value(struct marey_out *out, const struct marey_value *value)
{
    struct marey_text word = marey_value_word(value->tag);

    switch (value->tag) {
    case VALUE_INT:
        marey_out_advance(
            out, marey_number_signed(marey_out_room(out, MAREY_NUMBER_SIZE_MAX),
                                     value->integer));
        break;
    case VALUE_FLOAT: put_number(out, value->number); break;
    case VALUE_TEXT:
        MAREY_OUT_LITERAL(out, "'");
        put_shortened(out, value->text);
        MAREY_OUT_LITERAL(out, "'");
        break;
    case VALUE_BYTES:
        MAREY_OUT_LITERAL(out, "b'");
        put_shortened(out, value->text);
        MAREY_OUT_LITERAL(out, "'");
        break;
    case VALUE_OBJECT: put_shortened(out, value->text); break;
    default: marey_out_put(out, word.bytes, word.size_bytes);
    }
}

static void
take_value(void *context, const struct marey_value *value)
{
    struct values *v = context;
    struct marey_out *out = v->text->out;

    if (v->count++ > 0)
        MAREY_OUT_LITERAL(out, ", ");
    if (value->name.size_bytes != 0) {
        put_shortened(out, value->name);
        MAREY_OUT_LITERAL(out, "=");
    }
    put_value(out, value);
}

static void
put_values(struct text *t, uint32_t lane, uint64_t blob)
{
    struct values values = {t, 0};

    if (blob == 0)
        return;
    enum marey_status st =
        marey_trace_values(t->trace, lane, blob, take_value, &values, NULL);
    marey_out_fail_unless_corrupt(t->out, st);
}

/* ---- calls ---- */

static void
put_name(struct text *t, uint32_t function)
{
    const struct label *label = function_label(t, function);

    marey_out_put(t->out, label->bytes, label->size);
}

static void
put_start_notes(struct text *t, const struct marey_step *step)
{
    if (step->kind == MAREY_STEP_RESUME && step->is_thrown) {
        PUT_NOTE(t, "resumed by a throw of ");
        put_string(t, step->string);
    } else if (step->kind == MAREY_STEP_RESUME) {
        PUT_NOTE(t, "resumed");
    }
    if (step->kind == MAREY_STEP_BEGIN && step->was_open) {
        PUT_NOTE(t, "open before");
        if (step->first_ns != MAREY_NO_TIME) {
            uint64_t first_ns = step->first_ns > 0 ? (uint64_t)step->first_ns : 0;
            MAREY_OUT_LITERAL(t->out, ", since ");
            uint8_t *at = marey_out_room(t->out, 64);
            marey_out_advance(t->out, put_fixed(at, first_ns, 9, 0));
        }
    }
}

static void
put_end_notes(struct text *t, const struct marey_step *step)
{
    if (step->kind == MAREY_STEP_SUSPEND) {
        PUT_NOTE(t, "suspended");
        return;
    }
    switch (step->ending) {
    case MAREY_END_RETURNED: break;
    case MAREY_END_RAISED:
        PUT_NOTE(t, "raised ");
        put_string(t, step->string);
        break;
    case MAREY_END_CUT: PUT_NOTE(t, "cut: its end was not recorded"); break;
    case MAREY_END_OPEN:
        if (t->has_window)
            PUT_NOTE(t, "goes on");
        else
            PUT_NOTE(t, "still open");
        break;
    }
    if (step->running_ns > step->duration_ns) {
        PUT_NOTE(t, "ran ");
        uint8_t *at = marey_out_room(t->out, 32);
        uint8_t *end = put_duration(at, step->running_ns);
        size_t blank = 0;
        while (at[blank] == ' ')
            blank++;
        memmove(at, at + blank, (size_t)(end - at) - blank);
        end -= blank;
        if (end[-1] == ' ')
            end--;
        marey_out_advance(t->out, end);
        MAREY_OUT_LITERAL(t->out, " in all its parts");
    }
}

static void
put_call(struct text *t, const struct marey_step *step)
{
    put_name(t, step->function);
    MAREY_OUT_LITERAL(t->out, "(");
    put_values(t, step->lane, step->blob);
    MAREY_OUT_LITERAL(t->out, ")");
}

static void
put_result(struct text *t, const struct marey_step *step)
{
    if (step->kind != MAREY_STEP_END || step->result_blob == 0)
        return;
    MAREY_OUT_LITERAL(t->out, " = ");
    put_values(t, step->lane, step->result_blob);
}

/* The one that waits turns out to have something inside it. */
static void
put_waiting(struct text *t)
{
    const struct marey_step *step = &t->waiting;

    if (!t->has_waiting)
        return;
    t->has_waiting = false;
    begin_line(t, step->time_ns, NO_DURATION, step->lane, step->depth);
    put_call(t, step);
    MAREY_OUT_LITERAL(t->out, " {");
    put_start_notes(t, step);
    end_line(t);
}

static void
put_leaf(struct text *t, const struct marey_step *end)
{
    const struct marey_step *start = &t->waiting;

    t->has_waiting = false;
    begin_line(t, start->time_ns, end->duration_ns, start->lane, start->depth);
    put_call(t, start);
    put_result(t, end);
    MAREY_OUT_LITERAL(t->out, ";");
    put_start_notes(t, start);
    put_end_notes(t, end);
    end_line(t);
}

static void
put_end(struct text *t, const struct marey_step *step)
{
    if (t->has_waiting && t->waiting.lane == step->lane &&
        t->waiting.function == step->function && t->waiting.depth == step->depth) {
        put_leaf(t, step);
        return;
    }
    put_waiting(t);
    begin_line(t, step->time_ns, step->duration_ns, step->lane, step->depth);
    MAREY_OUT_LITERAL(t->out, "}");
    put_result(t, step);
    begin_note(t);
    put_name(t, step->function);
    put_end_notes(t, step);
    end_line(t);
}

/* ---- points ---- */

static void
put_gap(struct text *t, uint64_t lost_count)
{
    uint8_t *at;

    MAREY_OUT_LITERAL(t->out, "~~~ ");
    at = marey_out_room(t->out, MAREY_NUMBER_SIZE_MAX);
    marey_out_advance(t->out, marey_number_unsigned(at, lost_count));
    if (lost_count == 1)
        MAREY_OUT_LITERAL(t->out, " event was lost here ~~~");
    else
        MAREY_OUT_LITERAL(t->out, " events were lost here ~~~");
}

static void
put_flow(struct text *t, const struct marey_step *step)
{
    if (step->kind == MAREY_STEP_FLOW_OUT)
        MAREY_OUT_LITERAL(t->out, "* arrow out ");
    else
        MAREY_OUT_LITERAL(t->out, "* arrow in ");
    marey_out_advance(
        t->out,
        marey_number_hex(marey_out_room(t->out, MAREY_NUMBER_SIZE_MAX), step->flow));
}

static void
put_point(struct text *t, const struct marey_step *step)
{
    put_waiting(t);
    begin_line(t, step->time_ns, NO_DURATION, step->lane, step->depth);
    switch (step->kind) {
    case MAREY_STEP_GAP: put_gap(t, step->lost_count); break;
    case MAREY_STEP_FLOW_OUT:
    case MAREY_STEP_FLOW_IN: put_flow(t, step); break;
    default:
        MAREY_OUT_LITERAL(t->out, "* ");
        write_safe(t->out, marey_trace_string(t->trace, step->string));
        if (step->kind == MAREY_STEP_COUNTER) {
            MAREY_OUT_LITERAL(t->out, " = ");
            put_number(t->out, step->value);
        } else if (step->blob != 0) {
            MAREY_OUT_LITERAL(t->out, ": ");
            put_values(t, step->lane, step->blob);
        }
    }
    end_line(t);
}

/* ---- the target ---- */

static void
text_free(void *state)
{
    struct text *t = state;

    for (uint32_t i = 0; t->functions != NULL && i < t->function_count; i++)
        marey_memory_free(t->functions[i].bytes);
    for (uint32_t i = 0; t->lanes != NULL && i < t->lane_count; i++)
        marey_memory_free(t->lanes[i].bytes);
    marey_memory_free(t->functions);
    marey_memory_free(t->lanes);
    marey_memory_free(t);
}

static void
put_heading(struct text *t)
{
    MAREY_OUT_LITERAL(t->out, "#      time (s)    duration");
    if (t->lane_width > 0) {
        MAREY_OUT_LITERAL(t->out, "  thread");
        if (t->lane_width > 6)
            put_spaces(t->out, t->lane_width - 6);
    }
    MAREY_OUT_LITERAL(t->out, "  | call\n");
}

static enum marey_status
text_begin(const struct marey_job *job, void **state, struct marey_error *err)
{
    struct text *t = marey_memory_new(1, sizeof(*t));
    struct marey_trace_info info;

    if (t == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to show the trace");
    t->trace = job->trace;
    t->out = job->out;
    t->function_count = marey_trace_function_count(job->trace);
    t->lane_count = marey_trace_lane_count(job->trace);
    t->has_processes = marey_trace_process_count(job->trace) > 1;
    marey_trace_info(job->trace, &info);
    t->has_window = job->selection->to_ns <= info.duration_ns;
    t->functions =
        marey_memory_new((size_t)t->function_count + 1, sizeof(*t->functions));
    t->lanes = marey_memory_new((size_t)t->lane_count + 1, sizeof(*t->lanes));
    if (t->functions == NULL || t->lanes == NULL || !make_lane_labels(t)) {
        text_free(t);
        return marey_fail(err, MAREY_NOMEM, "no memory to show the trace");
    }
    put_heading(t);
    *state = t;
    return MAREY_OK;
}

static void
text_step(void *state, const struct marey_step *step)
{
    struct text *t = state;

    switch (step->kind) {
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME:
        put_waiting(t);
        t->waiting = *step;
        t->has_waiting = true;
        break;
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND: put_end(t, step); break;
    default: put_point(t, step);
    }
}

static void
text_end(void *state)
{
    put_waiting(state);
}

const struct marey_target marey_target_text = {
    "text", MAREY_ORDER_TIME, text_begin, text_step, text_end, text_free,
};
