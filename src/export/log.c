/* The log alone: what the program said and what was logged of it, a line each, as in a
 * log file.
 *
 *     0.000312004  MainThread  value     total = 17
 *     0.000391220  worker-1    WARNING   app.db: connection lost
 *                     in fetch
 *                     in main
 *
 * The stack needs the open calls of each lane, so this walk looks at calls, too.
 */
#include "base/memory.h"
#include "export/line.h"
#include "export/value.h"

#define CLASS_WIDTH 9
#define LEVEL_SIZE_MAX 16

/* The calls that are open on a lane, outermost first. */
struct stack {
    uint32_t *functions; /* owned */
    size_t capacity;
    uint32_t depth;
};

struct log {
    struct lines lines;
    const struct marey_export_options *options; /* borrowed until log_free() */
    struct stack *stacks; /* owned; by lane; NULL where nobody asked */
};

/* ---- stacks ---- */

static void
follow(struct log *log, const struct marey_step *step)
{
    struct stack *stack = &log->stacks[step->lane];

    if (step->kind == MAREY_STEP_END || step->kind == MAREY_STEP_SUSPEND) {
        stack->depth = step->depth;
        return;
    }
    if (!marey_memory_grow((void **)&stack->functions, &stack->capacity,
                           (size_t)step->depth + 1, sizeof(*stack->functions))) {
        marey_out_fail(log->lines.out, MAREY_NOMEM);
        return;
    }
    stack->functions[step->depth] = step->function;
    stack->depth = step->depth + 1;
}

/* Innermost first, one line each. */
static void
put_stack(struct log *log, uint32_t lane)
{
    const struct stack *stack = &log->stacks[lane];

    for (uint32_t i = stack->depth; i-- > 0;) {
        line_spaces(log->lines.out, 20);
        MAREY_OUT_LITERAL(log->lines.out, "in ");
        line_function(&log->lines, stack->functions[i]);
        MAREY_OUT_LITERAL(log->lines.out, "\n");
    }
}

/* ---- values ---- */

/* What a record of logging holds beside other values. */
struct record {
    struct log *log;
    char level[LEVEL_SIZE_MAX];
    size_t level_size;
    uint32_t count; /* of values told */
    bool is_said;   /* texts are told without quotes: someone said them */
};

static bool
is_named(const struct marey_value *value, const char *name)
{
    return value->name.size_bytes == strlen(name) &&
           memcmp(value->name.bytes, name, value->name.size_bytes) == 0;
}

static void
take_level(void *context, const struct marey_value *value)
{
    struct record *record = context;

    if (!is_named(value, "level") || value->tag != VALUE_TEXT)
        return;
    record->level_size = value->text.size_bytes < LEVEL_SIZE_MAX
                             ? value->text.size_bytes
                             : LEVEL_SIZE_MAX;
    memcpy(record->level, value->text.bytes, record->level_size);
}

static void
take_value(void *context, const struct marey_value *value)
{
    struct record *record = context;
    struct marey_out *out = record->log->lines.out;
    bool is_message = value->name.size_bytes == 0 || is_named(value, "message") ||
                      is_named(value, "text");

    if (record->level_size > 0 && is_named(value, "level"))
        return;
    if (record->count++ > 0)
        MAREY_OUT_LITERAL(out, ", ");
    if (record->is_said && is_message && value->tag == VALUE_TEXT) {
        line_safe(out, value->text);
        return;
    }
    if (value->name.size_bytes != 0) {
        line_safe(out, value->name);
        MAREY_OUT_LITERAL(out, "=");
    }
    line_value(out, value);
}

static void
read_blob(struct log *log, const struct marey_step *step, struct record *record,
          void (*take)(void *context, const struct marey_value *value))
{
    if (step->blob == 0)
        return;
    marey_out_fail_unless_corrupt(log->lines.out,
                                  marey_trace_values(log->lines.trace, step->lane,
                                                     step->blob, take, record, NULL));
}

/* ---- lines ---- */

static struct marey_text
class_of(const struct marey_step *step, const struct record *record)
{
    const char *word = step->kind == MAREY_STEP_INSTANT   ? "instant"
                       : step->kind == MAREY_STEP_COUNTER ? "counter"
                                                          : NULL;

    if (word == NULL && record->level_size > 0)
        return (struct marey_text){record->level, record->level_size};
    if (word == NULL)
        word = marey_log_class_name(step->log_class);
    return (struct marey_text){word, strlen(word)};
}

static void
put_line(struct log *log, const struct marey_step *step)
{
    struct marey_out *out = log->lines.out;
    struct record record = {.log = log};
    struct marey_text name = marey_trace_string(log->lines.trace, step->string);
    struct marey_text kind;

    record.is_said = step->kind == MAREY_STEP_LOG &&
                     step->log_class >= MAREY_CLASS_PRINT &&
                     step->log_class <= MAREY_CLASS_WARNING;
    if (record.is_said)
        read_blob(log, step, &record, take_level);
    kind = class_of(step, &record);
    marey_out_advance(out, line_put_time(marey_out_room(out, 64), step->time_ns));
    line_lane(&log->lines, step->lane);
    line_spaces(out, 2);
    line_safe(out, kind);
    if (kind.size_bytes < CLASS_WIDTH)
        line_spaces(out, CLASS_WIDTH - kind.size_bytes);
    MAREY_OUT_LITERAL(out, " ");
    line_safe(out, name);
    if (step->kind == MAREY_STEP_COUNTER) {
        MAREY_OUT_LITERAL(out, " = ");
        line_number(out, step->value);
    } else if (step->blob != 0) {
        if (step->log_class != 0 && step->log_class <= MAREY_CLASS_ATTRIBUTE)
            MAREY_OUT_LITERAL(out, " = ");
        else
            MAREY_OUT_LITERAL(out, ": ");
        read_blob(log, step, &record, take_value);
    }
    MAREY_OUT_LITERAL(out, "\n");
    if (log->stacks != NULL)
        put_stack(log, step->lane);
}

/* ---- the target ---- */

static void
log_step(void *state, const struct marey_step *step)
{
    struct log *log = state;

    switch (step->kind) {
    case MAREY_STEP_INSTANT:
    case MAREY_STEP_COUNTER:
    case MAREY_STEP_LOG:
        if (line_is_wanted(&log->lines, log->options, step))
            put_line(log, step);
        break;
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME:
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND:
        if (log->stacks != NULL)
            follow(log, step);
        break;
    default: break;
    }
}

static void
log_end(void *state)
{
    (void)state;
}

static void
log_free(void *state)
{
    struct log *log = state;

    for (uint32_t i = 0; log->stacks != NULL && i < log->lines.lane_count; i++)
        marey_memory_free(log->stacks[i].functions);
    marey_memory_free(log->stacks);
    lines_release(&log->lines);
    marey_memory_free(log);
}

static void
put_heading(struct log *log)
{
    MAREY_OUT_LITERAL(log->lines.out, "#      time (s)");
    if (log->lines.lane_width > 0) {
        MAREY_OUT_LITERAL(log->lines.out, "  thread");
        if (log->lines.lane_width > 6)
            line_spaces(log->lines.out, log->lines.lane_width - 6);
    }
    MAREY_OUT_LITERAL(log->lines.out, "  class     name and value\n");
}

static enum marey_status
log_begin(const struct marey_job *job, void **state, struct marey_error *err)
{
    struct log *log = marey_memory_new(1, sizeof(*log));
    enum marey_status st;

    if (log == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to show the log");
    st = lines_init(&log->lines, job, err);
    if (st != MAREY_OK) {
        marey_memory_free(log);
        return st;
    }
    log->options = job->options;
    if (job->options->has_stacks) {
        log->stacks =
            marey_memory_new((size_t)log->lines.lane_count + 1, sizeof(*log->stacks));
        if (log->stacks == NULL) {
            log_free(log);
            return marey_fail(err, MAREY_NOMEM, "no memory to show the log");
        }
    }
    put_heading(log);
    *state = log;
    return MAREY_OK;
}

const struct marey_target marey_target_log = {
    "log", MAREY_ORDER_TIME, log_begin, log_step, log_end, log_free,
};
