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
 * Where values are searched for, only what has one is told, each call as the one line
 * it would be without calls of its own.
 */
#include "base/memory.h"
#include "export/line.h"
#include "export/number.h"

struct text {
    struct lines lines;
    const struct marey_export_options *options; /* borrowed until text_free() */
    bool has_window; /* the selection ends before the trace does */
    bool has_waiting;
    struct marey_step waiting; /* BEGIN or RESUME, not written yet */
    bool has_note;             /* of the line under way */
};

/* ---- lines ---- */

#define NO_DURATION INT64_MIN

static void
begin_line(struct text *t, int64_t time_ns, int64_t duration_ns, uint32_t lane,
           uint32_t depth)
{
    uint8_t *at = marey_out_room(t->lines.out, 64);

    at = line_put_time(at, time_ns);
    *at++ = ' ';
    *at++ = ' ';
    if (duration_ns == NO_DURATION) {
        memset(at, ' ', 10);
        at += 10;
    } else {
        at = line_put_duration(at, duration_ns);
    }
    marey_out_advance(t->lines.out, at);
    line_lane(&t->lines, lane);
    MAREY_OUT_LITERAL(t->lines.out, "  | ");
    line_indent(t->lines.out, depth);
    t->has_note = false;
}

static void
end_line(struct text *t)
{
    MAREY_OUT_LITERAL(t->lines.out, "\n");
}

/* What is said of a call after its name: ` // raised KeyError, …` */
static void
begin_note(struct text *t)
{
    if (t->has_note)
        MAREY_OUT_LITERAL(t->lines.out, ", ");
    else
        MAREY_OUT_LITERAL(t->lines.out, "  // ");
    t->has_note = true;
}

#define PUT_NOTE(t, literal)                                                           \
    do {                                                                               \
        begin_note(t);                                                                 \
        MAREY_OUT_LITERAL((t)->lines.out, literal);                                    \
    } while (0)

/* ---- calls ---- */

static void
put_start_notes(struct text *t, const struct marey_step *step)
{
    if (step->kind == MAREY_STEP_RESUME && step->is_thrown) {
        PUT_NOTE(t, "resumed by a throw of ");
        line_string(&t->lines, step->string);
    } else if (step->kind == MAREY_STEP_RESUME) {
        PUT_NOTE(t, "resumed");
    }
    if (step->kind == MAREY_STEP_BEGIN && step->was_open) {
        PUT_NOTE(t, "open before");
        if (step->first_ns != MAREY_NO_TIME) {
            uint64_t first_ns = step->first_ns > 0 ? (uint64_t)step->first_ns : 0;
            MAREY_OUT_LITERAL(t->lines.out, ", since ");
            uint8_t *at = marey_out_room(t->lines.out, 64);
            marey_out_advance(t->lines.out, line_put_fixed(at, first_ns, 9, 0));
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
        line_string(&t->lines, step->string);
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
        uint8_t *at = marey_out_room(t->lines.out, 32);
        uint8_t *end = line_put_duration(at, step->running_ns);
        size_t blank = 0;
        while (at[blank] == ' ')
            blank++;
        memmove(at, at + blank, (size_t)(end - at) - blank);
        end -= blank;
        if (end[-1] == ' ')
            end--;
        marey_out_advance(t->lines.out, end);
        MAREY_OUT_LITERAL(t->lines.out, " in all its parts");
    }
}

/* A span's values were put there by hand. */
static bool
shows_values(const struct text *t, const struct marey_step *step)
{
    struct marey_function_info info;

    if (!t->options->hides_values || t->options->value.size_bytes > 0)
        return true;
    if (step->blob == 0 || step->function == MAREY_NO_INDEX)
        return false;
    marey_trace_function(t->lines.trace, step->function, &info);
    return info.is_span;
}

static void
put_call(struct text *t, const struct marey_step *step)
{
    line_function(&t->lines, step->function);
    MAREY_OUT_LITERAL(t->lines.out, "(");
    if (shows_values(t, step))
        line_values(&t->lines, step->lane, step->blob);
    MAREY_OUT_LITERAL(t->lines.out, ")");
}

static void
put_result(struct text *t, const struct marey_step *step)
{
    if (step->kind != MAREY_STEP_END || step->result_blob == 0 ||
        !shows_values(t, step))
        return;
    MAREY_OUT_LITERAL(t->lines.out, " = ");
    line_values(&t->lines, step->lane, step->result_blob);
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
    MAREY_OUT_LITERAL(t->lines.out, " {");
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
    MAREY_OUT_LITERAL(t->lines.out, ";");
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
    MAREY_OUT_LITERAL(t->lines.out, "}");
    put_result(t, step);
    begin_note(t);
    line_function(&t->lines, step->function);
    put_end_notes(t, step);
    end_line(t);
}

/* ---- points ---- */

static void
put_gap(struct text *t, uint64_t lost_count)
{
    uint8_t *at;

    MAREY_OUT_LITERAL(t->lines.out, "~~~ ");
    at = marey_out_room(t->lines.out, MAREY_NUMBER_SIZE_MAX);
    marey_out_advance(t->lines.out, marey_number_unsigned(at, lost_count));
    if (lost_count == 1)
        MAREY_OUT_LITERAL(t->lines.out, " event was lost here ~~~");
    else
        MAREY_OUT_LITERAL(t->lines.out, " events were lost here ~~~");
}

/* The arrow from the call that starts a process to its first event. */
static bool
put_start(struct text *t, const struct marey_step *step)
{
    uint32_t index = marey_trace_process_of_flow(t->lines.trace, step->flow);
    bool is_out = step->kind == MAREY_STEP_FLOW_OUT;
    struct marey_process_info process;
    uint8_t *at;

    if (index == MAREY_NO_INDEX)
        return false;
    marey_trace_process(t->lines.trace, index, &process);
    if (is_out)
        MAREY_OUT_LITERAL(t->lines.out, "* starts process ");
    else if (process.parent == MAREY_NO_INDEX)
        return false;
    else
        MAREY_OUT_LITERAL(t->lines.out, "* started by process ");
    if (!is_out)
        marey_trace_process(t->lines.trace, process.parent, &process);
    at = marey_out_room(t->lines.out, MAREY_NUMBER_SIZE_MAX);
    marey_out_advance(t->lines.out, marey_number_unsigned(at, (uint64_t)process.pid));
    MAREY_OUT_LITERAL(t->lines.out, ", ");
    line_safe(t->lines.out, process.program);
    return true;
}

static void
put_flow(struct text *t, const struct marey_step *step)
{
    if (put_start(t, step))
        return;
    if (step->kind == MAREY_STEP_FLOW_OUT)
        MAREY_OUT_LITERAL(t->lines.out, "* arrow out ");
    else
        MAREY_OUT_LITERAL(t->lines.out, "* arrow in ");
    marey_out_advance(
        t->lines.out,
        marey_number_hex(marey_out_room(t->lines.out, MAREY_NUMBER_SIZE_MAX),
                         step->flow));
}

/* What a logged value is, unless it is a variable's. */
static void
put_class(struct text *t, const struct marey_step *step)
{
    char level[LINE_LEVEL_MAX];

    if (step->kind != MAREY_STEP_LOG || step->log_class <= MAREY_CLASS_ATTRIBUTE)
        return;
    line_safe(t->lines.out, line_class(&t->lines, step, level));
    MAREY_OUT_LITERAL(t->lines.out, " ");
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
        MAREY_OUT_LITERAL(t->lines.out, "* ");
        put_class(t, step);
        line_point(&t->lines, step);
    }
    end_line(t);
}

/* ---- the target ---- */

static void
text_free(void *state)
{
    struct text *t = state;

    lines_release(&t->lines);
    marey_memory_free(t);
}

static void
put_heading(struct text *t)
{
    MAREY_OUT_LITERAL(t->lines.out, "#      time (s)    duration");
    if (t->lines.lane_width > 0) {
        MAREY_OUT_LITERAL(t->lines.out, "  thread");
        if (t->lines.lane_width > 6)
            line_spaces(t->lines.out, t->lines.lane_width - 6);
    }
    MAREY_OUT_LITERAL(t->lines.out, "  | call\n");
}

static enum marey_status
text_begin(const struct marey_job *job, void **state, struct marey_error *err)
{
    struct text *t = marey_memory_new(1, sizeof(*t));
    struct marey_trace_info info;
    enum marey_status st;

    if (t == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to show the trace");
    st = lines_init(&t->lines, job, err);
    if (st != MAREY_OK) {
        marey_memory_free(t);
        return st;
    }
    t->options = job->options;
    marey_trace_info(job->trace, &info);
    t->has_window = job->selection->to_ns <= info.duration_ns;
    put_heading(t);
    *state = t;
    return MAREY_OK;
}

/* Only what has a value that is searched for. */
static void
text_step_found(struct text *t, const struct marey_step *step)
{
    struct marey_step begin = *step;

    if (!line_is_wanted(&t->lines, t->options, step))
        return;
    begin.depth = 0; /* what is around it is not told */
    if (step->kind != MAREY_STEP_END && step->kind != MAREY_STEP_SUSPEND) {
        put_point(t, &begin);
        return;
    }
    begin.kind = MAREY_STEP_BEGIN;
    begin.time_ns = step->begin_ns;
    begin.was_open = false;
    t->waiting = begin;
    put_leaf(t, step);
}

static void
text_step(void *state, const struct marey_step *step)
{
    struct text *t = state;

    if (t->options->value.size_bytes > 0) {
        text_step_found(t, step);
        return;
    }
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
    "text", MAREY_ORDER_TIME, text_begin, text_step, text_end, text_free, NULL,
};
