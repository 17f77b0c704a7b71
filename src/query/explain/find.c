/* Exceptions of all lanes: who raised, who caught, which reached the top.
 *
 * An exception that leaves calls one by one is a row of ends with equal types, each the
 * caller of the one before. Where the row stops, the next caller has caught it: it is
 * *pending* there until that call ends, too. By the same exception: the row goes on. By
 * another: that one came of it. By a return: it was swallowed.
 *
 *     depth 2  parse ── raised A
 *     depth 1  load ─────────── raised A
 *     depth 0  main ── (pending: A) ────── raised B: A led to B
 *
 * Where exceptions were logged, the log tells the moment of the raise, the message, and
 * what was caught in the very call that raised it.
 */
#include <stdlib.h>
#include <string.h>

#include "query/explain/explain.h"

#define PENDING_MAX 64 /* on a lane; the oldest are forgotten */
#define STEPS_PER_TICK 0x3ffff

struct pending {
    struct explain_chain chain;
    uint32_t at_depth; /* of the call it left last */
    int64_t left_ns;   /* and when */
    bool is_handled;   /* the log said so */
};

struct finding_lane {
    struct pending *pending; /* owned */
    uint32_t pending_count, pending_capacity;
    struct explain_link raised; /* logged last; time_ns 0: none */
    struct explain_failure top; /* the exception that left the outermost call last */
    uint32_t top_function;      /* that call */
    uint32_t open_function;     /* the innermost call that is open at the end */
    bool has_top;
    bool has_more; /* another call was made after it */
    bool has_open;
};

struct finding {
    struct marey_trace *trace;
    struct explain_found *found;
    struct finding_lane *lanes; /* owned; by lane index */
    uint32_t bootstrap;         /* the function of threading that runs threads */
};

bool
explain_is_named(struct marey_text text, const char *name)
{
    return text.size_bytes == strlen(name) &&
           memcmp(text.bytes, name, text.size_bytes) == 0;
}

static bool
is_type(const struct finding *f, uint32_t type, const char *name)
{
    return type != MAREY_NO_INDEX &&
           explain_is_named(marey_trace_string(f->trace, type), name);
}

/* Exceptions that are how generators and iterators end, not that something failed. */
static bool
is_control_flow(const struct finding *f, uint32_t type)
{
    return is_type(f, type, "StopIteration") || is_type(f, type, "GeneratorExit") ||
           is_type(f, type, "StopAsyncIteration");
}

static void
tell_swallowed(struct finding *f, const struct explain_link *link, uint32_t lane,
               uint32_t by, int64_t time_ns)
{
    struct explain_found *found = f->found;

    if (is_control_flow(f, link->type))
        return;
    found->swallowed[found->swallowed_count++ % EXPLAIN_SWALLOWED_MAX] =
        (struct explain_swallowed){*link, lane, by, time_ns};
}

/* A chain that went no further: each link was caught by whom the next one left. */
static void
tell_chain(struct finding *f, const struct pending *pending, uint32_t lane, uint32_t by)
{
    const struct explain_chain *chain = &pending->chain;

    for (uint32_t i = 0; i < chain->link_count; i++) {
        const struct explain_link *next = &chain->links[i + 1];
        bool is_last = i + 1 == chain->link_count;
        tell_swallowed(f, &chain->links[i], lane, is_last ? by : next->function,
                       is_last ? pending->left_ns : next->time_ns);
    }
}

/* ---- what is pending ---- */

static struct pending *
top_of(const struct finding_lane *lane)
{
    return lane->pending_count == 0 ? NULL : &lane->pending[lane->pending_count - 1];
}

static struct pending *
push_pending(struct finding_lane *lane)
{
    if (lane->pending_count == PENDING_MAX) {
        memmove(lane->pending, lane->pending + 1,
                (PENDING_MAX - 1) * sizeof(*lane->pending));
        lane->pending_count--;
    }
    if (lane->pending_count == lane->pending_capacity) {
        uint32_t capacity = lane->pending_capacity ? lane->pending_capacity * 2 : 4;
        struct pending *grown =
            realloc(lane->pending, capacity * sizeof(*lane->pending));
        if (grown == NULL)
            return NULL;
        lane->pending = grown;
        lane->pending_capacity = capacity;
    }
    struct pending *pending = &lane->pending[lane->pending_count++];
    memset(pending, 0, sizeof(*pending));
    return pending;
}

/* Those that the call at `depth` caught, but for the newest `keep`. */
static void
settle(struct finding *f, uint32_t lane_index, uint32_t depth, uint32_t by,
       uint32_t keep)
{
    struct finding_lane *lane = &f->lanes[lane_index];
    uint32_t count = lane->pending_count, first = count;

    while (first > 0 && lane->pending[first - 1].at_depth > depth)
        first--;
    if (count - first <= keep)
        return;
    for (uint32_t i = first; i < count - keep; i++)
        tell_chain(f, &lane->pending[i], lane_index, by);
    memmove(&lane->pending[first], &lane->pending[count - keep],
            keep * sizeof(*lane->pending));
    lane->pending_count = first + keep;
}

static void
add_link(struct explain_chain *chain, const struct explain_link *link)
{
    if (chain->link_count == EXPLAIN_LINKS_MAX) {
        memmove(&chain->links[1], &chain->links[2],
                (EXPLAIN_LINKS_MAX - 2) * sizeof(chain->links[0]));
        chain->link_count--;
        chain->dropped_count++;
    }
    chain->links[chain->link_count++] = *link;
}

/* What is known of the exception that ends this call, which nobody below it raised. */
static struct explain_link
new_link(const struct finding_lane *lane, const struct marey_step *step)
{
    struct explain_link link = {
        .type = step->string,
        .function = step->function,
        .depth = step->depth,
        .time_ns = step->time_ns,
    };

    if (lane->raised.is_logged && lane->raised.type == step->string) {
        link.time_ns = lane->raised.time_ns;
        link.blob = lane->raised.blob;
        link.is_logged = true;
    }
    return link;
}

/* ---- steps ---- */

/* What the same caller caught before is settled: it went on to call again. */
static void
forget_sibling(struct finding *f, const struct marey_step *step)
{
    struct finding_lane *lane = &f->lanes[step->lane];

    if (lane->pending_count < 2)
        return;
    struct pending *older = &lane->pending[lane->pending_count - 2];
    if (older->at_depth != step->depth)
        return;
    tell_chain(f, older, step->lane, step->parent);
    *older = older[1];
    lane->pending_count--;
}

/* A thread is over when nothing is below this call but what runs threads. */
static bool
is_outermost(const struct finding *f, const struct marey_step *step)
{
    return step->depth == 0 ||
           (f->bootstrap != MAREY_NO_INDEX && step->parent == f->bootstrap);
}

static bool
take_raise(struct finding *f, const struct marey_step *step)
{
    struct finding_lane *lane = &f->lanes[step->lane];
    struct pending *pending;

    settle(f, step->lane, step->depth, step->function, 1);
    pending = top_of(lane);
    if (pending == NULL || pending->at_depth != step->depth + 1) {
        pending = push_pending(lane);
        if (pending == NULL)
            return false;
        struct explain_link link = new_link(lane, step);
        add_link(&pending->chain, &link);
    } else {
        struct explain_link *last =
            &pending->chain.links[pending->chain.link_count - 1];
        bool is_new = lane->raised.is_logged && lane->raised.type == last->type;
        bool is_another = last->type != step->string || (is_new && last->is_logged);
        if (is_new && !last->is_logged) /* imports hide where they were in */
            *last = new_link(lane, step);
        if (last->type == MAREY_NO_INDEX) {
            last->type = step->string; /* of a C function, whose type is not told */
        } else if (is_another && step->string != MAREY_NO_INDEX) {
            struct explain_link link = new_link(lane, step);
            link.is_handling = pending->is_handled;
            add_link(&pending->chain, &link);
        }
    }
    pending->at_depth = step->depth;
    pending->left_ns = step->time_ns;
    pending->is_handled = false;
    forget_sibling(f, step);
    pending = top_of(lane);
    lane->raised.is_logged = false;
    if (is_outermost(f, step)) {
        struct marey_lane_info info;
        marey_trace_lane(f->trace, step->lane, &info);
        if (info.kind != MAREY_KIND_THREAD)
            return true; /* whoever waits for a task gets its exception */
        lane->top =
            (struct explain_failure){info.is_main ? EXPLAIN_RAISED : EXPLAIN_THREAD,
                                     step->lane,
                                     info.process,
                                     step->depth,
                                     step->time_ns,
                                     pending->chain};
        lane->top_function = step->function;
        lane->has_top = true;
        lane->has_more = false;
    }
    return true;
}

/* The call that raised an exception caught it itself: it waits there as one would that
 * came from below. */
static bool
take_own(struct finding *f, const struct marey_step *step)
{
    struct finding_lane *lane = &f->lanes[step->lane];
    struct pending *pending = push_pending(lane);

    if (pending == NULL)
        return false;
    lane->raised.depth = step->depth - 1;
    add_link(&pending->chain, &lane->raised);
    pending->at_depth = step->depth;
    pending->left_ns = step->time_ns;
    pending->is_handled = true;
    lane->raised.is_logged = false;
    forget_sibling(f, step);
    return true;
}

static bool
take_log(struct finding *f, const struct marey_step *step)
{
    struct finding_lane *lane = &f->lanes[step->lane];
    struct pending *pending = top_of(lane);
    bool is_pending = pending != NULL && pending->at_depth == step->depth;
    struct explain_link *last =
        is_pending ? &pending->chain.links[pending->chain.link_count - 1] : NULL;
    struct explain_link link = {
        .type = step->string,
        .function = step->parent, /* of a point, the call it is in */
        .depth = step->depth,
        .time_ns = step->time_ns,
        .blob = step->blob,
        .is_logged = true,
    };

    if (step->log_class == MAREY_CLASS_RAISED) {
        if (last != NULL && last->type == MAREY_NO_INDEX) {
            link.function = last->function; /* of C, which told no type */
            link.depth = last->depth;
            *last = link;
        } else {
            lane->raised = link;
        }
    } else if (step->log_class == MAREY_CLASS_HANDLED) {
        if (lane->raised.is_logged && lane->raised.type == step->string &&
            lane->raised.depth == step->depth && step->depth > 0)
            return take_own(f, step);
        if (is_pending)
            pending->is_handled = true;
    } else if (step->log_class == MAREY_CLASS_SWALLOWED) {
        if (last != NULL && last->type == step->string) {
            link = *last;
            lane->pending_count--;
        } else if (lane->raised.is_logged && lane->raised.type == step->string) {
            link = lane->raised;
            lane->raised.is_logged = false;
        }
        tell_swallowed(f, &link, step->lane, step->parent, step->time_ns);
    }
    return true;
}

static bool
take_step(struct finding *f, const struct marey_step *step)
{
    struct finding_lane *lane = &f->lanes[step->lane];

    switch (step->kind) {
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME: lane->has_more |= step->depth == 0; return true;
    case MAREY_STEP_END:
        if (step->ending == MAREY_END_RAISED)
            return take_raise(f, step);
        if (step->ending == MAREY_END_OPEN && !lane->has_open) {
            lane->has_open = true;
            lane->open_function = step->function;
        }
        settle(f, step->lane, step->depth, step->function, 0);
        return true;
    case MAREY_STEP_SUSPEND:
        settle(f, step->lane, step->depth, step->function, 0);
        return true;
    case MAREY_STEP_LOG: return take_log(f, step);
    default: return true;
    }
}

/* ---- how each process ended ---- */

static void
tell_failure(struct explain_found *found, const struct explain_failure *failure)
{
    if (found->failure_count < EXPLAIN_FAILURES_MAX)
        found->failures[found->failure_count++] = *failure;
}

static bool
is_module(const struct finding *f, uint32_t function)
{
    struct marey_function_info info;

    marey_trace_function(f->trace, function, &info);
    return explain_is_named(info.name, "<module>");
}

/* The function that is open is os._exit(): the process went by itself. */
static bool
is_leaving(const struct finding *f, const struct finding_lane *lane)
{
    struct marey_function_info info;

    if (!lane->has_open || lane->open_function == MAREY_NO_INDEX)
        return false;
    marey_trace_function(f->trace, lane->open_function, &info);
    return info.is_c && explain_is_named(info.name, "_exit");
}

/* Whether the exception that left the main thread's outermost call ended the program.
 * Of calls that are not the whole program, something unrecorded may have caught it. */
static bool
is_end_of_program(const struct finding *f, const struct finding_lane *lane,
                  const struct marey_process_info *process)
{
    const struct explain_chain *chain = &lane->top.chain;
    bool is_whole = is_module(f, lane->top_function);

    if (process->has_exit_status && process->exit_status == 0)
        return is_whole &&
               is_type(f, chain->links[chain->link_count - 1].type, "SystemExit");
    if (process->has_exit_status && process->exit_status > 0)
        return true;
    return is_whole || !lane->has_more;
}

/* The lane whose open calls tell most of a process that was cut off: the main one, else
 * the one that was active last. */
static uint32_t
lane_of(const struct finding *f, uint32_t process, const bool *lanes)
{
    uint32_t found = MAREY_NO_INDEX;
    int64_t last_ns = INT64_MIN;

    for (uint32_t i = 0; i < marey_trace_lane_count(f->trace); i++) {
        struct marey_lane_info info;
        marey_trace_lane(f->trace, i, &info);
        if (info.process != process || (lanes != NULL && !lanes[i]) ||
            !f->lanes[i].has_open)
            continue;
        if (info.is_main)
            return i;
        if (info.end_ns >= last_ns) {
            found = i;
            last_ns = info.end_ns;
        }
    }
    return found;
}

static void
judge_process(struct finding *f, uint32_t index, const bool *lanes)
{
    struct marey_process_info process;
    struct explain_failure failure = {.process = index, .lane = MAREY_NO_INDEX};
    uint32_t leaving = MAREY_NO_INDEX; /* the lane that called os._exit() */
    bool has_main = false, is_over;

    marey_trace_process(f->trace, index, &process);
    for (uint32_t i = 0; i < marey_trace_lane_count(f->trace); i++) {
        struct finding_lane *lane = &f->lanes[i];
        struct marey_lane_info info;
        marey_trace_lane(f->trace, i, &info);
        if (info.process != index)
            continue;
        if (is_leaving(f, lane))
            leaving = i;
        if (!lane->has_top)
            continue;
        const struct explain_chain *chain = &lane->top.chain;
        bool is_exit =
            is_type(f, chain->links[chain->link_count - 1].type, "SystemExit");
        if (info.is_main ? !is_end_of_program(f, lane, &process) : is_exit)
            continue;
        has_main |= info.is_main;
        if (info.is_main && is_exit)
            lane->top.outcome = EXPLAIN_EXIT;
        tell_failure(f->found, &lane->top);
    }
    if (has_main)
        return;
    failure.lane = lane_of(f, index, lanes);
    failure.time_ns = process.end_ns;
    is_over = process.has_exit_status ? process.exit_status >= 0
                                      : process.state != MAREY_PROCESS_UNKNOWN;
    failure.outcome =
        is_over || leaving != MAREY_NO_INDEX || failure.lane == MAREY_NO_INDEX
            ? EXPLAIN_RETURNED
            : EXPLAIN_KILLED;
    if (leaving != MAREY_NO_INDEX && process.has_exit_status &&
        process.exit_status > 0) {
        failure.outcome = EXPLAIN_EXIT;
        failure.lane = leaving;
    }
    tell_failure(f->found, &failure);
}

static int
by_outcome(const void *a, const void *b)
{
    const struct explain_failure *x = a, *y = b;

    if (x->outcome != y->outcome)
        return x->outcome > y->outcome ? -1 : 1;
    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* Processes none of whose lanes was asked for are none of ours. */
static bool
is_chosen(const struct marey_trace *trace, uint32_t process, const bool *lanes)
{
    for (uint32_t i = 0; lanes != NULL && i < marey_trace_lane_count(trace); i++) {
        struct marey_lane_info info;
        marey_trace_lane(trace, i, &info);
        if (lanes[i] && info.process == process)
            return true;
    }
    return lanes == NULL;
}

static uint32_t
find_bootstrap(const struct marey_trace *trace)
{
    for (uint32_t i = 0; i < marey_trace_function_count(trace); i++) {
        struct marey_function_info info;
        marey_trace_function(trace, i, &info);
        if (explain_is_named(info.name, "Thread._bootstrap_inner") &&
            explain_is_named(info.module, "threading"))
            return i;
    }
    return MAREY_NO_INDEX;
}

static enum marey_status
find(struct finding *f, const struct marey_question *question, struct marey_error *err)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;
    struct marey_walk *walk = NULL;
    struct marey_trace_info info;
    struct marey_step step;
    uint64_t steps = 0;
    enum marey_status st;

    selection.lanes = question->selection.lanes; /* all else would cut the stacks */
    st = marey_walk_new(f->trace, &selection, MAREY_ORDER_TIME, &walk, err);
    marey_trace_info(f->trace, &info);
    while (st == MAREY_OK && marey_walk_next(walk, &step)) {
        if (!take_step(f, &step))
            st = marey_fail(err, MAREY_NOMEM, "no memory for exceptions");
        if ((++steps & STEPS_PER_TICK) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            st = marey_fail(err, MAREY_STOPPED, "stopped");
    }
    if (st == MAREY_OK)
        st = marey_walk_status(walk, err);
    marey_walk_free(walk);
    return st;
}

enum marey_status
explain_find(struct marey_trace *trace, const struct marey_question *question,
             struct explain_found *out, struct marey_error *err)
{
    struct finding f = {trace, out, NULL, find_bootstrap(trace)};
    uint32_t lane_count = marey_trace_lane_count(trace);
    enum marey_status st;

    memset(out, 0, sizeof(*out));
    f.lanes = calloc((size_t)lane_count + 1, sizeof(*f.lanes));
    if (f.lanes == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
    st = find(&f, question, err);
    for (uint32_t i = 0; st == MAREY_OK && i < marey_trace_process_count(trace); i++) {
        if (is_chosen(trace, i, question->selection.lanes))
            judge_process(&f, i, question->selection.lanes);
    }
    if (out->failure_count > 1)
        qsort(out->failures, out->failure_count, sizeof(out->failures[0]), by_outcome);
    for (uint32_t i = 0; i < lane_count; i++)
        free(f.lanes[i].pending);
    free(f.lanes);
    return st;
}
