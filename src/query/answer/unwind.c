/* The way of an exception: the calls it left, and which one took it.
 *
 * An end by an exception belongs to the same way as the one before it where it is of
 * that call's caller and of the same type; what the caller called in between (a
 * `finally`, an `__exit__`) does not matter. Where exceptions were logged (--log exc)
 * their records say what was raised, and where it was taken.
 */
#include <string.h>

#include "base/memory.h"
#include "query/answer/json.h"
#include "query/trace.h"

#define FRAMES_MAX 2000
#define LOOK_BACK_NS 20000000 /* how long before its end a call may have raised */
#define STEPS_MAX 300000      /* after it; then nobody else is asked who took it */

struct frame {
    uint32_t function, depth;
    int64_t begin_ns, end_ns;
};

struct way {
    struct frame *frames; /* owned; the innermost first */
    size_t count, capacity;
    uint32_t left_out; /* frames that are not among them */
    uint32_t type;     /* string */
    uint32_t depth;    /* of the outermost frame so far, and who called it */
    uint32_t caller;
    uint64_t raised_blob, taken_blob;
    const char *taken; /* a class of log, or NULL */
    bool has_wanted;   /* the call that was asked for is one of them */
    bool is_over;
    /* The last record of one that was raised. */
    uint64_t log_blob;
    uint32_t log_type, log_depth;
};

static bool
add_frame(struct way *way, const struct marey_step *step)
{
    way->depth = step->depth;
    way->caller = step->parent;
    if (way->count >= FRAMES_MAX) {
        way->left_out++;
        return true;
    }
    if (!marey_memory_grow((void **)&way->frames, &way->capacity, way->count + 1,
                           sizeof(*way->frames)))
        return false;
    way->frames[way->count++] = (struct frame){
        step->function, step->depth,
        step->first_ns != MAREY_NO_TIME ? step->first_ns : step->begin_ns,
        step->time_ns};
    return true;
}

static bool
take_end(struct way *way, const struct marey_step *step)
{
    bool is_callers = way->count > 0 && step->depth + 1 == way->depth;
    bool is_raised = step->ending == MAREY_END_RAISED;

    if (is_raised && is_callers && step->string == way->type)
        return add_frame(way, step);
    if (way->has_wanted) {
        way->is_over = is_raised ? step->depth <= way->depth : is_callers;
        return true;
    }
    if (!is_raised) {
        if (is_callers)
            way->count = 0; /* that one was taken */
        return true;
    }
    way->count = way->left_out = 0;
    way->type = step->string;
    way->raised_blob = 0;
    if (way->log_blob != 0 && way->log_type == step->string &&
        way->log_depth == step->depth + 1)
        way->raised_blob = way->log_blob;
    return add_frame(way, step);
}

static void
take_log(struct way *way, const struct marey_step *step)
{
    if (step->log_class == MAREY_CLASS_RAISED) {
        way->log_blob = step->blob;
        way->log_type = step->string;
        way->log_depth = step->depth;
    } else if ((step->log_class == MAREY_CLASS_HANDLED ||
                step->log_class == MAREY_CLASS_SWALLOWED) &&
               way->has_wanted && step->string == way->type &&
               step->depth == way->depth) {
        way->taken = marey_log_class_name(step->log_class);
        way->taken_blob = step->blob;
        way->is_over = true;
    }
}

static enum marey_status
put_way(struct marey_answer *out, struct marey_trace *trace, uint32_t lane,
        const struct way *way)
{
    enum marey_status st;
    struct marey_text taken = {"", 0};

    if (way->taken != NULL)
        taken = (struct marey_text){way->taken, strlen(way->taken)};
    json_open(out, '{');
    json_key_text(out, "type", marey_trace_string(trace, way->type));
    json_key(out, "frames");
    json_open(out, '[');
    for (size_t i = 0; i < way->count; i++) {
        json_open(out, '{');
        json_key_int(out, "function", way->frames[i].function);
        json_key_int(out, "depth", way->frames[i].depth);
        json_key_int(out, "begin_ns", way->frames[i].begin_ns);
        json_key_int(out, "end_ns", way->frames[i].end_ns);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key_int(out, "left_out", way->left_out);
    json_key(out, "raised");
    st = json_values(out, trace, lane, way->raised_blob);
    json_key_int(out, "handler", json_index(way->caller));
    json_key_text(out, "taken", taken);
    json_key(out, "taken_values");
    if (st == MAREY_OK)
        st = json_values(out, trace, lane, way->taken_blob);
    json_close(out, '}');
    return st;
}

enum marey_status
marey_answer_unwind(struct marey_trace *trace, const struct marey_question *question,
                    uint32_t lane, uint32_t depth, int64_t begin_ns, int64_t end_ns,
                    struct marey_answer *out, struct marey_error *err)
{
    struct marey_selection selection = question->selection;
    struct marey_walk *walk = NULL;
    struct marey_step step;
    struct way way = {.type = MAREY_NO_INDEX};
    uint32_t steps = 0;
    bool has_memory = true;
    enum marey_status st = MAREY_OK;

    bool *lanes = marey_memory_new(trace->lane_count, sizeof(bool));
    if (lanes == NULL || lane >= trace->lane_count) {
        marey_memory_free(lanes);
        return marey_fail(err, lanes == NULL ? MAREY_NOMEM : MAREY_USAGE,
                          "no such lane");
    }
    lanes[lane] = true;
    selection.lanes = lanes;
    selection.from_ns =
        begin_ns > end_ns - LOOK_BACK_NS ? begin_ns : end_ns - LOOK_BACK_NS;
    st = marey_walk_new(trace, &selection, MAREY_ORDER_TIME, &walk, err);
    while (st == MAREY_OK && has_memory && !way.is_over && steps < STEPS_MAX &&
           marey_walk_next(walk, &step)) {
        if (step.lane != lane)
            continue;
        if (step.kind == MAREY_STEP_LOG)
            take_log(&way, &step);
        if (step.kind == MAREY_STEP_END && step.ending != MAREY_END_OPEN)
            has_memory = take_end(&way, &step);
        if (step.kind == MAREY_STEP_END && step.depth == depth &&
            step.time_ns == end_ns)
            way.has_wanted = step.ending == MAREY_END_RAISED;
        if (step.time_ns > end_ns && !way.has_wanted)
            break;
        steps += way.has_wanted;
    }
    if (st == MAREY_OK)
        st = marey_walk_status(walk, err);
    if (st == MAREY_OK && !has_memory)
        st = marey_fail(err, MAREY_NOMEM, "following an exception");
    if (st == MAREY_OK && way.has_wanted)
        st = put_way(out, trace, lane, &way);
    else if (st == MAREY_OK)
        json_word(out, "null");
    marey_walk_free(walk);
    marey_memory_free(way.frames);
    marey_memory_free(lanes);
    return st != MAREY_OK ? st : json_status(out, err);
}
