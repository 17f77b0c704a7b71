/* The answer of explain: what was found (explain/find.c, explain/tree.c) as JSON. */
#include <stdlib.h>
#include <string.h>

#include "query/answer/json.h"
#include "query/explain/explain.h"

#define STACK_FIRST 40 /* calls told of a deep stack: the outermost */
#define STACK_LAST 120 /* and the innermost */
#define SWALLOWED_TOLD 40
#define THREADS_TOLD 64

struct explaining {
    struct marey_trace *trace;
    struct marey_answer *out;
    const struct explain_failure *failure;
    struct explain_tree tree;
    uint32_t *path; /* owned; nodes of the calls told, outermost first */
    uint32_t path_count;
    enum marey_status status; /* of values that cannot be read for want of memory */
};

static void
put_type(struct explaining *e, const char *key, uint32_t type)
{
    struct marey_text unknown = {"<unknown>", 9};

    json_key_text(e->out, key,
                  type == MAREY_NO_INDEX ? unknown
                                         : marey_trace_string(e->trace, type));
}

static void
put_values(struct explaining *e, const char *key, uint32_t lane, uint64_t blob)
{
    enum marey_status st;

    if (blob == 0)
        return;
    json_key(e->out, key);
    st = json_values(e->out, e->trace, lane, blob);
    if (e->status == MAREY_OK)
        e->status = st;
}

/* ---- exceptions ---- */

static void
put_link(struct explaining *e, const struct explain_link *link, uint32_t lane)
{
    put_type(e, "type", link->type);
    json_key_int(e->out, "function", json_index(link->function));
    json_key_int(e->out, "depth", link->depth);
    json_key_int(e->out, "time_ns", link->time_ns);
    json_key_bool(e->out, "logged", link->is_logged);
    put_values(e, "values", lane, link->blob);
}

static void
put_chain(struct explaining *e, const struct explain_failure *failure)
{
    json_key(e->out, "exceptions");
    json_open(e->out, '[');
    for (uint32_t i = 0; i < failure->chain.link_count; i++) {
        json_open(e->out, '{');
        put_link(e, &failure->chain.links[i], failure->lane);
        json_key_bool(e->out, "handling", failure->chain.links[i].is_handling);
        json_close(e->out, '}');
    }
    json_close(e->out, ']');
    json_key_int(e->out, "exceptions_left_out", failure->chain.dropped_count);
}

/* Caught in another process, and like what this one failed by. */
static bool
is_elsewhere(const struct explain_failure *failure, uint32_t process, uint32_t type)
{
    const struct explain_chain *chain = &failure->chain;

    return process != failure->process && chain->link_count > 0 &&
           chain->links[chain->link_count - 1].type == type;
}

/* The last of those caught before the failure in this process, or elsewhere; the last
 * one first. */
static void
put_swallowed(struct explaining *e, const struct explain_found *found, const char *key,
              bool elsewhere)
{
    uint64_t count = found->swallowed_count, told = 0;
    uint64_t first = count > EXPLAIN_SWALLOWED_MAX ? count - EXPLAIN_SWALLOWED_MAX : 0;

    json_key(e->out, key);
    json_open(e->out, '[');
    for (uint64_t i = count; i > first && told < SWALLOWED_TOLD; i--) {
        const struct explain_swallowed *one =
            &found->swallowed[(i - 1) % EXPLAIN_SWALLOWED_MAX];
        struct marey_lane_info lane;
        marey_trace_lane(e->trace, one->lane, &lane);
        if (one->time_ns > e->failure->time_ns ||
            (elsewhere ? !is_elsewhere(e->failure, lane.process, one->link.type)
                       : lane.process != e->failure->process))
            continue;
        json_open(e->out, '{');
        if (elsewhere)
            json_key_int(e->out, "process", lane.process);
        put_link(e, &one->link, one->lane);
        json_key_int(e->out, "lane", one->lane);
        json_key_int(e->out, "by", json_index(one->by));
        json_key_int(e->out, "caught_ns", one->time_ns);
        json_close(e->out, '}');
        told++;
    }
    json_close(e->out, ']');
}

/* ---- calls ---- */

static const char *
kind_of(const struct explain_node *node)
{
    switch (node->step.kind) {
    case MAREY_STEP_INSTANT: return "instant";
    case MAREY_STEP_COUNTER: return "counter";
    case MAREY_STEP_LOG: return marey_log_class_name(node->step.log_class);
    case MAREY_STEP_GAP: return "gap";
    default: return "call";
    }
}

static void
put_ending(struct explaining *e, const struct explain_node *node)
{
    static const char *const endings[] = {"returned", "raised", "cut", "open"};
    const struct marey_step *step = &node->step;
    const char *ending = step->kind == MAREY_STEP_SUSPEND ? "suspended"
                         : node->is_ended                 ? endings[step->ending & 3]
                                                          : "open";

    json_key_text(e->out, "ending", (struct marey_text){ending, strlen(ending)});
    if (node->is_ended && step->ending == MAREY_END_RAISED)
        put_type(e, "exception", step->string);
}

static void
put_point(struct explaining *e, const struct explain_node *node)
{
    const struct marey_step *step = &node->step;

    json_key_int(e->out, "time_ns", step->time_ns);
    if (step->kind == MAREY_STEP_GAP) {
        json_key_int(e->out, "lost", (int64_t)step->lost_count);
        return;
    }
    json_key_text(e->out, "name", marey_trace_string(e->trace, step->string));
    if (step->kind == MAREY_STEP_COUNTER) {
        json_key(e->out, "value");
        json_number(e->out, step->value);
    } else {
        put_values(e, "values", step->lane, step->blob);
    }
}

static void put_children(struct explaining *e, const struct explain_node *node,
                         uint32_t but);

/* Calls within calls are few levels deep (explain/tree.c). */
static void
put_node(struct explaining *e, const struct explain_node *node)
{
    const struct marey_step *step = &node->step;
    const char *kind = kind_of(node);

    json_open(e->out, '{');
    json_key_text(e->out, "kind", (struct marey_text){kind, strlen(kind)});
    json_key_int(e->out, "count", (int64_t)node->count);
    if (strcmp(kind, "call") != 0) {
        put_point(e, node);
    } else {
        json_key_int(e->out, "function", json_index(step->function));
        json_key_int(e->out, "time_ns", step->begin_ns);
        json_key_int(e->out, "total_ns", node->total_ns);
        put_ending(e, node);
        put_values(e, "values", step->lane, step->blob);
        put_values(e, "result", step->lane, step->result_blob);
        put_children(e, node, 0);
    }
    json_close(e->out, '}');
}

static void
put_children(struct explaining *e, const struct explain_node *node, uint32_t but)
{
    json_key_int(e->out, "earlier", (int64_t)node->dropped_count);
    json_key(e->out, "calls");
    json_open(e->out, '[');
    for (uint32_t i = node->first; i != 0; i = e->tree.nodes[i].next) {
        if (i != but)
            put_node(e, &e->tree.nodes[i]);
    }
    json_close(e->out, ']');
}

/* ---- the stack ---- */

static void
put_names(struct explaining *e, const struct explain_node *node)
{
    json_key(e->out, "names");
    json_open(e->out, '[');
    for (uint32_t i = node->names; i != 0; i = e->tree.names[i].next) {
        const struct explain_name *name = &e->tree.names[i];
        const char *kind = marey_log_class_name(name->log_class);
        json_open(e->out, '{');
        json_key_text(e->out, "name", marey_trace_string(e->trace, name->string));
        json_key_text(e->out, "kind", (struct marey_text){kind, strlen(kind)});
        json_key_int(e->out, "time_ns", name->time_ns);
        put_values(e, "values", node->step.lane, name->blob);
        json_close(e->out, '}');
    }
    json_close(e->out, ']');
}

static void
put_frame(struct explaining *e, uint32_t at)
{
    const struct explain_node *node = &e->tree.nodes[e->path[at]];
    const struct marey_step *step = &node->step;
    int64_t begin_ns = node->is_ended   ? step->begin_ns
                       : step->was_open ? step->first_ns
                                        : step->time_ns;

    json_open(e->out, '{');
    json_key_int(e->out, "depth", at);
    json_key_int(e->out, "function", json_index(step->function));
    json_key_int(e->out, "begin_ns", begin_ns == MAREY_NO_TIME ? -1 : begin_ns);
    json_key_int(e->out, "called_from_line",
                 step->caller == step->parent ? step->call_line : 0);
    put_ending(e, node);
    put_values(e, "values", step->lane, step->blob);
    put_names(e, node);
    put_children(e, node, at + 1 < e->path_count ? e->path[at + 1] : 0);
    json_close(e->out, '}');
}

/* The call below that the exception came from: the last one that it left. */
static uint32_t
raised_child(const struct explain_tree *tree, uint32_t index)
{
    uint32_t found = 0;

    for (uint32_t i = tree->nodes[index].first; i != 0; i = tree->nodes[i].next) {
        const struct explain_node *node = &tree->nodes[i];
        if (node->is_ended && node->step.kind == MAREY_STEP_END &&
            node->step.ending == MAREY_END_RAISED)
            found = i;
    }
    return found;
}

/* The calls open when the process was killed; or those the exception left, around the
 * ones that were open when it reached the top (of a thread: what runs threads). */
static bool
make_path(struct explaining *e)
{
    const struct explain_chain *chain = &e->failure->chain;
    uint32_t depth_max = chain->link_count > 0 ? chain->links[0].depth : 0;
    uint32_t open_count = e->tree.depth, index = 0;

    e->path = calloc((size_t)open_count + depth_max + 2, sizeof(*e->path));
    if (e->path == NULL)
        return false;
    for (; e->path_count < open_count; e->path_count++)
        index = e->path[e->path_count] = e->tree.open[e->path_count];
    if (chain->link_count == 0)
        return true;
    while (e->path_count <= depth_max) {
        index = raised_child(&e->tree, index);
        if (index == 0)
            break;
        e->path[e->path_count++] = index;
    }
    return true;
}

static enum marey_status
put_stack(struct explaining *e, struct marey_error *err)
{
    bool is_told =
        e->failure->lane != MAREY_NO_INDEX && e->failure->outcome != EXPLAIN_RETURNED;
    enum marey_status st = MAREY_OK;
    uint32_t left_out = 0;

    if (is_told)
        st = explain_tree_grow(&e->tree, e->trace, e->failure, err);
    if (st == MAREY_OK && is_told && !make_path(e))
        st = marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
    if (st != MAREY_OK)
        return st;
    if (e->path_count > STACK_FIRST + STACK_LAST)
        left_out = e->path_count - STACK_FIRST - STACK_LAST;
    json_key_int(e->out, "stack_left_out", left_out);
    json_key(e->out, "stack");
    json_open(e->out, '[');
    for (uint32_t i = 0; i < e->path_count; i++) {
        if (left_out == 0 || i < STACK_FIRST || i >= STACK_FIRST + left_out)
            put_frame(e, i);
    }
    json_close(e->out, ']');
    return MAREY_OK;
}

/* ---- the others ---- */

/* Stacks of the process's other threads at the moment of the failure. */
static enum marey_status
put_threads(struct explaining *e, struct marey_error *err)
{
    const struct explain_failure *failure = e->failure;
    uint32_t told = 0, count = marey_trace_lane_count(e->trace);
    enum marey_status st = MAREY_OK;
    int64_t time_ns = failure->time_ns;

    if (failure->chain.link_count > 0)
        time_ns = failure->chain.links[0].time_ns;
    json_key(e->out, "threads");
    json_open(e->out, '[');
    for (uint32_t i = 0; st == MAREY_OK && i < count && told < THREADS_TOLD; i++) {
        struct marey_lane_info lane;
        marey_trace_lane(e->trace, i, &lane);
        if (i == failure->lane || lane.process != failure->process ||
            failure->outcome == EXPLAIN_RETURNED || lane.start_ns > time_ns ||
            (lane.has_end && lane.end_ns < time_ns))
            continue;
        json_open(e->out, '{');
        json_key_int(e->out, "lane", i);
        json_key(e->out, "stack");
        st = marey_answer_stack(e->trace, i, time_ns, e->out, err);
        json_close(e->out, '}');
        told++;
    }
    json_close(e->out, ']');
    return st;
}

static const char *
outcome_name(enum explain_outcome outcome)
{
    static const char *const names[] = {
        [EXPLAIN_RETURNED] = "returned", [EXPLAIN_EXIT] = "exit",
        [EXPLAIN_THREAD] = "thread",     [EXPLAIN_KILLED] = "killed",
        [EXPLAIN_RAISED] = "raised",
    };

    return names[outcome];
}

static void
put_failure(struct explaining *e, const struct explain_failure *failure)
{
    const char *name = outcome_name(failure->outcome);

    json_key_text(e->out, "outcome", (struct marey_text){name, strlen(name)});
    json_key_int(e->out, "process", failure->process);
    json_key_int(e->out, "lane", json_index(failure->lane));
    json_key_int(e->out, "time_ns", failure->time_ns);
    put_chain(e, failure);
}

static enum marey_status
put_all(struct explaining *e, const struct explain_found *found,
        struct marey_error *err)
{
    enum marey_status st;

    json_open(e->out, '{');
    put_failure(e, e->failure);
    put_swallowed(e, found, "swallowed", false);
    put_swallowed(e, found, "elsewhere", true);
    st = put_stack(e, err);
    if (st == MAREY_OK)
        st = put_threads(e, err);
    json_key(e->out, "others");
    json_open(e->out, '[');
    for (uint32_t i = 1; i < found->failure_count; i++) {
        json_open(e->out, '{');
        put_failure(e, &found->failures[i]);
        json_close(e->out, '}');
    }
    json_close(e->out, ']');
    json_close(e->out, '}');
    if (st == MAREY_OK && e->status != MAREY_OK)
        st = marey_fail(err, e->status, "no memory for values");
    return st != MAREY_OK ? st : json_status(e->out, err);
}

enum marey_status
marey_answer_explain(struct marey_trace *trace, const struct marey_question *question,
                     struct marey_answer *out, struct marey_error *err)
{
    struct explain_found *found = malloc(sizeof(*found));
    struct explaining e = {.trace = trace, .out = out};
    enum marey_status st;

    if (found == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
    st = explain_find(trace, question, found, err);
    if (st == MAREY_OK && found->failure_count == 0) {
        json_word(out, "null");
    } else if (st == MAREY_OK) {
        e.failure = &found->failures[0];
        st = put_all(&e, found, err);
    }
    explain_tree_release(&e.tree);
    free(e.path);
    free(found);
    return st;
}
