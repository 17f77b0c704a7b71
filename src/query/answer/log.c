/* What was logged in a window, for the page's list and for the history of a name. */
#include <string.h>

#include "query/answer/json.h"

#define LOGS_TOLD_MAX 100000

static bool
is_log(const struct marey_step *step)
{
    return step->kind == MAREY_STEP_INSTANT || step->kind == MAREY_STEP_COUNTER ||
           step->kind == MAREY_STEP_LOG;
}

static enum marey_status
put_log(struct marey_trace *trace, const struct marey_step *step,
        struct marey_answer *out)
{
    const char *kind = step->kind == MAREY_STEP_INSTANT   ? "instant"
                       : step->kind == MAREY_STEP_COUNTER ? "counter"
                                                          : NULL;
    enum marey_status st = MAREY_OK;

    if (kind == NULL)
        kind = marey_log_class_name(step->log_class);
    json_open(out, '{');
    json_key_int(out, "time_ns", step->time_ns);
    json_key_int(out, "lane", step->lane);
    json_key_int(out, "depth", step->depth);
    json_key_int(out, "function", json_index(step->parent));
    json_key_text(out, "kind", (struct marey_text){kind, strlen(kind)});
    json_key_text(out, "name", marey_trace_string(trace, step->string));
    if (step->kind == MAREY_STEP_COUNTER) {
        json_key(out, "value");
        json_number(out, step->value);
    } else if (step->blob != 0) {
        json_key(out, "values");
        st = json_values(out, trace, step->lane, step->blob);
    }
    json_close(out, '}');
    return st;
}

enum marey_status
marey_answer_logs(struct marey_trace *trace, const struct marey_question *question,
                  struct marey_text name, struct marey_text value, uint32_t limit,
                  struct marey_answer *out, struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    struct marey_step step;
    uint64_t steps = 0;
    uint32_t count = 0;
    bool has_more = false, is_wanted;
    enum marey_status st =
        marey_walk_new(trace, &question->selection, MAREY_ORDER_TIME, &walk, err);

    limit = limit < LOGS_TOLD_MAX ? limit : LOGS_TOLD_MAX;
    marey_trace_info(trace, &info);
    json_open(out, '{');
    json_key(out, "logs");
    json_open(out, '[');
    while (st == MAREY_OK && !has_more && marey_walk_next(walk, &step)) {
        if ((++steps & 0x3ffff) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            st = marey_fail(err, MAREY_STOPPED, "stopped");
        is_wanted = is_log(&step) &&
                    marey_step_is_chosen(&step, &question->selection) &&
                    (name.size_bytes == 0 ||
                     marey_text_matches(marey_trace_string(trace, step.string), name));
        if (is_wanted && value.size_bytes > 0 &&
            marey_step_has_value(trace, &step, value, &is_wanted, NULL) != MAREY_OK)
            is_wanted = false; /* damaged values match nothing */
        if (st != MAREY_OK || !is_wanted)
            continue;
        has_more = count++ == limit;
        if (!has_more)
            st = put_log(trace, &step, out);
    }
    if (st == MAREY_OK && !has_more)
        st = marey_walk_status(walk, err);
    marey_walk_free(walk);
    json_close(out, ']');
    json_key_bool(out, "more", has_more);
    json_close(out, '}');
    return st != MAREY_OK ? st : json_status(out, err);
}
