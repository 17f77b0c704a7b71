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

#define CLASS_WIDTH 9

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

/* ---- lines ---- */

static void
put_line(struct log *log, const struct marey_step *step)
{
    struct marey_out *out = log->lines.out;
    char level[LINE_LEVEL_MAX];
    struct marey_text kind = line_class(&log->lines, step, level);

    marey_out_advance(out, line_put_time(marey_out_room(out, 64), step->time_ns));
    line_lane(&log->lines, step->lane);
    line_spaces(out, 2);
    line_safe(out, kind);
    if (kind.size_bytes < CLASS_WIDTH)
        line_spaces(out, CLASS_WIDTH - kind.size_bytes);
    MAREY_OUT_LITERAL(out, " ");
    line_point(&log->lines, step);
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
    "log", MAREY_ORDER_TIME, log_begin, log_step, log_end, log_free, NULL,
};
