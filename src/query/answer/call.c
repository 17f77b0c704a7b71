/* One moment, one call, all calls of a function. */
#include <stdlib.h>
#include <string.h>

#include "query/answer/json.h"

#define STACK_MAX 4096 /* entries told; the innermost ones */
#define CHILDREN_MAX 64
#define BACK_FIRST_NS 65536 /* the first window that is searched backwards */
#define SLOWEST_MAX 1000
#define SPAN_BITS 64

struct open_call {
    uint32_t function;
    uint32_t call_line, caller; /* as in a step */
    int64_t begin_ns;           /* true start, or NO_TIME */
    uint64_t blob;
};

struct open_calls {
    struct open_call *calls; /* owned */
    uint32_t count, capacity;
};

static bool
only_lane(struct marey_trace *trace, uint32_t lane, struct marey_selection *selection,
          bool **owned)
{
    uint32_t count = marey_trace_lane_count(trace);

    if (lane >= count)
        return false;
    *owned = calloc(count, sizeof(**owned));
    if (*owned == NULL)
        return false;
    (*owned)[lane] = true;
    selection->lanes = *owned;
    return true;
}

static bool
push(struct open_calls *stack, const struct marey_step *step)
{
    struct open_call *call;

    if (step->depth < stack->count)
        stack->count = step->depth;
    if (stack->count == stack->capacity) {
        uint32_t capacity = stack->capacity ? stack->capacity * 2 : 256;
        struct open_call *calls = realloc(stack->calls, capacity * sizeof(*calls));
        if (calls == NULL)
            return false;
        stack->calls = calls;
        stack->capacity = capacity;
    }
    call = &stack->calls[stack->count++];
    call->function = step->function;
    call->call_line = step->call_line;
    call->caller = step->caller;
    call->begin_ns = step->was_open ? step->first_ns : step->time_ns;
    call->blob = step->blob;
    return true;
}

/* Gives the steps of one lane to `take` until it is done or fails. */
static enum marey_status
walk_lane(struct marey_trace *trace, uint32_t lane, struct marey_selection selection,
          enum marey_status (*take)(void *state, const struct marey_step *step,
                                    bool *is_done),
          void *state, struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    struct marey_step step;
    enum marey_status status;
    bool *lanes = NULL, is_done = false;

    if (!only_lane(trace, lane, &selection, &lanes))
        return marey_fail(err, MAREY_USAGE, "no such lane");
    status = marey_walk_new(trace, &selection, MAREY_ORDER_LANE, &walk, err);
    while (status == MAREY_OK && !is_done && marey_walk_next(walk, &step))
        status = take(state, &step, &is_done);
    if (status == MAREY_OK && !is_done)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    free(lanes);
    return status;
}

static enum marey_status
stack_take(void *state, const struct marey_step *step, bool *is_done)
{
    struct open_calls *stack = state;

    (void)is_done;
    if (step->kind == MAREY_STEP_BEGIN || step->kind == MAREY_STEP_RESUME)
        return push(stack, step) ? MAREY_OK : MAREY_NOMEM;
    if ((step->kind == MAREY_STEP_END && step->ending != MAREY_END_OPEN) ||
        step->kind == MAREY_STEP_SUSPEND) {
        if (step->depth < stack->count)
            stack->count = step->depth;
    }
    return MAREY_OK;
}

/* The calls open on a lane just after `time_ns`. */
static enum marey_status
stack_at(struct marey_trace *trace, uint32_t lane, int64_t time_ns,
         struct open_calls *stack, struct marey_error *err)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;

    selection.from_ns = time_ns;
    selection.to_ns = time_ns + 1;
    return walk_lane(trace, lane, selection, stack_take, stack, err);
}

static void
put_stack(struct marey_answer *out, const struct open_calls *stack, uint32_t count)
{
    uint32_t first = count > STACK_MAX ? count - STACK_MAX : 0;

    json_open(out, '[');
    for (uint32_t i = first; i < count; i++) {
        const struct open_call *call = &stack->calls[i];
        json_open(out, '{');
        json_key_int(out, "depth", i);
        json_key_int(out, "function", json_index(call->function));
        json_key_int(out, "begin_ns",
                     call->begin_ns == MAREY_NO_TIME ? -1 : call->begin_ns);
        json_key_int(out, "line", call->call_line);
        json_key_int(out, "caller", json_index(call->caller));
        json_close(out, '}');
    }
    json_close(out, ']');
}

enum marey_status
marey_answer_stack(struct marey_trace *trace, uint32_t lane, int64_t time_ns,
                   struct marey_answer *out, struct marey_error *err)
{
    struct open_calls stack = {0};
    enum marey_status status = stack_at(trace, lane, time_ns, &stack, err);

    if (status == MAREY_OK)
        put_stack(out, &stack, stack.count);
    free(stack.calls);
    return status != MAREY_OK ? status : json_status(out, err);
}

/* ---- one call ---- */

struct child {
    uint32_t function;
    uint64_t call_count;
    int64_t total_ns;
};

struct call {
    uint32_t depth;
    int64_t from_ns; /* where the walk begins */
    uint64_t steps, step_limit;
    struct marey_step end; /* kind END or SUSPEND once found */
    bool has_end;
    bool is_whole; /* seen from begin to end */
    uint64_t blob;
    struct child children[CHILDREN_MAX];
    uint32_t child_count;
    uint64_t other_calls;
};

static void
child_take(struct call *call, const struct marey_step *step)
{
    uint32_t i = 0;

    while (i < call->child_count && call->children[i].function != step->function)
        i++;
    if (i == CHILDREN_MAX) {
        call->other_calls++;
        return;
    }
    if (i == call->child_count) {
        call->children[i] = (struct child){step->function, 0, 0};
        call->child_count++;
    }
    call->children[i].call_count += step->kind == MAREY_STEP_END;
    call->children[i].total_ns += step->duration_ns;
}

static enum marey_status
call_take(void *state, const struct marey_step *step, bool *is_done)
{
    struct call *call = state;
    bool is_end = step->kind == MAREY_STEP_END || step->kind == MAREY_STEP_SUSPEND;

    if (is_end && step->depth == call->depth && step->time_ns >= call->from_ns) {
        call->end = *step;
        call->has_end = true;
    } else if (is_end && step->depth == call->depth + 1) {
        child_take(call, step);
    } else if (step->kind == MAREY_STEP_BEGIN && step->depth == call->depth) {
        call->blob = step->blob;
    }
    *is_done = call->has_end || ++call->steps >= call->step_limit;
    return MAREY_OK;
}

/* Walks the lane from `from_ns` until the call at call->depth ends. */
static enum marey_status
call_follow(struct marey_trace *trace, uint32_t lane, int64_t from_ns,
            struct call *call, struct marey_error *err)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;

    selection.from_ns = call->from_ns = from_ns;
    selection.max_depth = call->depth + 2;
    call->steps = 0;
    return walk_lane(trace, lane, selection, call_take, call, err);
}

static int
by_total(const void *a, const void *b)
{
    const struct child *x = a, *y = b;

    if (x->total_ns != y->total_ns)
        return x->total_ns > y->total_ns ? -1 : 1;
    return x->function < y->function ? -1 : x->function > y->function;
}

static void
put_call(struct marey_answer *out, struct call *call, const struct open_calls *stack)
{
    static const char *const endings[] = {"returned", "raised", "cut", "open"};
    const struct open_call *self = &stack->calls[call->depth];
    const struct marey_step *end = &call->end;

    json_open(out, '{');
    json_key_int(out, "function", json_index(self->function));
    json_key_int(out, "depth", call->depth);
    json_key_int(out, "begin_ns",
                 self->begin_ns == MAREY_NO_TIME ? -1 : self->begin_ns);
    json_key_int(out, "line", self->call_line);
    json_key_int(out, "caller", json_index(self->caller));
    json_key_bool(out, "whole", call->is_whole && call->has_end);
    json_key_int(out, "arguments", (int64_t)call->blob);
    if (call->has_end) {
        bool is_suspended = end->kind == MAREY_STEP_SUSPEND;
        struct marey_text ending = {"suspended", 9};

        if (!is_suspended) {
            ending.bytes = endings[end->ending & 3];
            ending.size_bytes = strlen(ending.bytes);
        }
        json_key_text(out, "ending", ending);
        json_key_int(out, "exception",
                     end->ending == MAREY_END_RAISED ? json_index(end->string) : -1);
        json_key_int(out, "end_ns", end->time_ns);
        json_key_int(out, "self_ns", call->is_whole ? end->self_ns : -1);
        json_key_int(out, "running_ns", is_suspended ? -1 : end->running_ns);
        json_key_int(out, "descendants", (int64_t)end->descendant_events);
        json_key_int(out, "result", (int64_t)end->result_blob);
    }
    qsort(call->children, call->child_count, sizeof(call->children[0]), by_total);
    json_key(out, "children");
    json_open(out, '[');
    for (uint32_t i = 0; i < call->child_count; i++) {
        json_open(out, '[');
        json_int(out, json_index(call->children[i].function));
        json_int(out, (int64_t)call->children[i].call_count);
        json_int(out, call->children[i].total_ns);
        json_close(out, ']');
    }
    json_close(out, ']');
    json_key(out, "parents");
    put_stack(out, stack, call->depth);
    json_close(out, '}');
}

enum marey_status
marey_answer_call(struct marey_trace *trace, uint32_t lane, uint32_t depth,
                  int64_t time_ns, int64_t end_hint_ns, uint64_t step_limit,
                  struct marey_answer *out, struct marey_error *err)
{
    struct open_calls stack = {0};
    struct call call = {0};
    enum marey_status status = stack_at(trace, lane, time_ns, &stack, err);

    call.depth = depth;
    call.step_limit = step_limit;
    if (status == MAREY_OK && depth < stack.count) {
        int64_t begin_ns = stack.calls[depth].begin_ns;

        call.is_whole = begin_ns != MAREY_NO_TIME;
        if (call.is_whole)
            status = call_follow(trace, lane, begin_ns, &call, err);
        if (status == MAREY_OK && !call.has_end && end_hint_ns > time_ns) {
            /* Too long to be walked: only its end, where the picture has it. */
            call.is_whole = false;
            status = call_follow(trace, lane, end_hint_ns - 1, &call, err);
        }
        if (status == MAREY_OK)
            put_call(out, &call, &stack);
    } else if (status == MAREY_OK) {
        json_word(out, "null");
    }
    free(stack.calls);
    return status != MAREY_OK ? status : json_status(out, err);
}

/* ---- all calls of a function ---- */

struct slow {
    int64_t begin_ns, duration_ns;
    uint32_t lane, depth;
    uint8_t ending;
};

/* A heap whose root is the fastest of the slowest. */
static void
slow_take(struct slow *heap, uint32_t *count, uint32_t limit, struct slow call)
{
    uint32_t at;

    if (*count < limit) {
        at = (*count)++;
        while (at > 0 && heap[(at - 1) / 2].duration_ns > call.duration_ns) {
            heap[at] = heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        heap[at] = call;
        return;
    }
    if (limit == 0 || heap[0].duration_ns >= call.duration_ns)
        return;
    at = 0;
    while (2 * at + 1 < limit) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < limit && heap[child + 1].duration_ns < heap[child].duration_ns)
            child++;
        if (heap[child].duration_ns >= call.duration_ns)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = call;
}

static int
by_duration(const void *a, const void *b)
{
    const struct slow *x = a, *y = b;

    if (x->duration_ns != y->duration_ns)
        return x->duration_ns > y->duration_ns ? -1 : 1;
    return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

static void
put_calls(struct marey_answer *out, uint64_t total, const uint64_t *histogram,
          struct slow *slow, uint32_t count)
{
    if (count > 1)
        qsort(slow, count, sizeof(*slow), by_duration);
    json_open(out, '{');
    json_key_int(out, "count", (int64_t)total);
    json_key(out, "histogram");
    json_open(out, '[');
    for (int i = 0; i < SPAN_BITS; i++)
        json_int(out, (int64_t)histogram[i]);
    json_close(out, ']');
    json_key(out, "slowest");
    json_open(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        json_open(out, '[');
        json_int(out, slow[i].begin_ns);
        json_int(out, slow[i].duration_ns);
        json_int(out, slow[i].lane);
        json_int(out, slow[i].depth);
        json_int(out, slow[i].ending);
        json_close(out, ']');
    }
    json_close(out, ']');
    json_close(out, '}');
}

enum marey_status
marey_answer_calls(struct marey_trace *trace, const struct marey_question *question,
                   uint32_t function, uint32_t limit, struct marey_answer *out,
                   struct marey_error *err)
{
    uint64_t histogram[SPAN_BITS] = {0}, total = 0, steps = 0;
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    struct marey_step step;
    struct slow *slow;
    uint32_t count = 0;
    enum marey_status status;

    limit = limit > SLOWEST_MAX ? SLOWEST_MAX : limit;
    slow = calloc(limit + 1, sizeof(*slow));
    if (slow == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory for the list of calls");
    marey_trace_info(trace, &info);
    status = marey_walk_new(trace, &question->selection, MAREY_ORDER_LANE, &walk, err);
    while (status == MAREY_OK && marey_walk_next(walk, &step)) {
        if ((++steps & 0x3ffff) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            status = MAREY_STOPPED;
        if (step.kind != MAREY_STEP_END || step.function != function)
            continue;
        int64_t duration = step.running_ns > 0 ? step.running_ns : step.duration_ns;
        total++;
        histogram[duration <= 0 ? 0 : 63 - __builtin_clzll((uint64_t)duration)]++;
        slow_take(slow, &count, limit,
                  (struct slow){step.begin_ns, duration, step.lane, step.depth,
                                (uint8_t)step.ending});
    }
    if (status == MAREY_OK)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    if (status == MAREY_OK)
        put_calls(out, total, histogram, slow, count);
    free(slow);
    return status != MAREY_OK ? status : json_status(out, err);
}

/* ---- the event before and after ---- */

struct search {
    const bool *functions;
    struct marey_text value;
    unsigned kinds;
    uint32_t max_depth;
    bool is_backwards;
    uint64_t steps_left;
    bool has;
    struct marey_step found; /* the last fitting one backwards, else the first */
};

/* Is this a step of the kinds that are searched for? */
static bool
is_wanted(const struct search *search, const struct marey_step *step)
{
    bool is_begin = step->kind == MAREY_STEP_BEGIN || step->kind == MAREY_STEP_RESUME;
    bool is_end = step->kind == MAREY_STEP_END || step->kind == MAREY_STEP_SUSPEND;
    bool is_point = step->kind == MAREY_STEP_INSTANT || step->kind == MAREY_STEP_LOG ||
                    step->kind == MAREY_STEP_COUNTER;
    bool is_line = step->kind == MAREY_STEP_LOG && step->log_class == MAREY_CLASS_LINE;
    unsigned kinds = search->kinds;

    if (step->was_open || (is_end && step->ending == MAREY_END_OPEN) ||
        (is_point && step->depth >= search->max_depth))
        return false;
    if (search->functions != NULL && (is_point || !search->functions[step->function]))
        return false;
    return (is_begin && kinds & MAREY_ANSWER_BEGINS) ||
           (is_end && kinds & MAREY_ANSWER_ENDS) ||
           (is_point && kinds & MAREY_ANSWER_POINTS) ||
           (is_line && kinds & MAREY_ANSWER_LINES);
}

/* Searches the selection, for what is later than `after_ns`. */
static enum marey_status
scan(struct marey_trace *trace, const struct marey_selection *selection,
     int64_t after_ns, struct search *search, struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    struct marey_step step;
    enum marey_status status =
        marey_walk_new(trace, selection, MAREY_ORDER_TIME, &walk, err);

    while (status == MAREY_OK && search->steps_left > 0 &&
           marey_walk_next(walk, &step)) {
        bool is_fit = true;

        search->steps_left--;
        if (step.time_ns <= after_ns || !is_wanted(search, &step))
            continue;
        if (search->value.size_bytes > 0)
            status = marey_step_has_value(trace, &step, search->value, &is_fit, err);
        if (status != MAREY_OK || !is_fit)
            continue;
        search->found = step;
        search->has = true;
        if (!search->is_backwards)
            break;
    }
    if (search->is_backwards && search->steps_left == 0)
        search->has = false; /* a later one may be behind what was not looked at */
    if (status == MAREY_OK && !search->has && search->steps_left > 0)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    return status;
}

enum marey_status
marey_answer_event(struct marey_trace *trace, const struct marey_question *question,
                   uint32_t lane, int64_t time_ns, bool is_backwards, unsigned kinds,
                   uint64_t step_limit, struct marey_answer *out,
                   struct marey_error *err)
{
    struct marey_selection selection = question->selection;
    struct search search = {
        .functions = selection.functions, /* not the walk's: depths stay true */
        .value = question->value,
        .kinds = kinds,
        .max_depth = selection.max_depth,
        .is_backwards = is_backwards,
        .steps_left = step_limit > 0 ? step_limit : UINT64_MAX,
    };
    const struct marey_step *found = &search.found;
    enum marey_status status = MAREY_OK;
    bool *lanes = NULL;
    int64_t width = BACK_FIRST_NS,
            limit = selection.from_ns < 0 ? 0 : selection.from_ns;

    selection.functions = NULL;
    if (lane != MAREY_NO_INDEX && !only_lane(trace, lane, &selection, &lanes))
        return marey_fail(err, MAREY_USAGE, "no such lane");
    if (!is_backwards) {
        selection.from_ns = time_ns;
        status = scan(trace, &selection, time_ns, &search, err);
    }
    for (int64_t to = time_ns; is_backwards && status == MAREY_OK && !search.has &&
                               search.steps_left > 0 && to > limit;) {
        int64_t from = to - width < limit ? limit : to - width;
        selection.from_ns = from;
        selection.to_ns = to;
        status = scan(trace, &selection, from - 1, &search, err);
        to = from;
        width = width < INT64_MAX / 8 ? width * 4 : width;
    }
    free(lanes);
    if (status != MAREY_OK)
        return status;
    if (!search.has) {
        json_word(out, "null");
        return json_status(out, err);
    }
    json_open(out, '{');
    json_key_int(out, "time_ns", found->time_ns);
    json_key_int(out, "lane", found->lane);
    json_key_int(out, "depth", found->depth);
    json_key_int(out, "function", json_index(found->function));
    json_key_bool(out, "is_begin",
                  found->kind == MAREY_STEP_BEGIN || found->kind == MAREY_STEP_RESUME);
    json_close(out, '}');
    return json_status(out, err);
}
