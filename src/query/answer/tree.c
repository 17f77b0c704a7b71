/* Totals and calling contexts of a window. */
#include <stdlib.h>
#include <string.h>

#include "query/answer/json.h"

#define CONTEXTS_MAX 400000 /* then calls are counted with their nearest ancestor */
#define DEPTH_MAX 100000

static void
put_total(struct marey_answer *out, const struct marey_total *total, bool is_edge)
{
    json_open(out, '[');
    json_int(out, json_index(total->function));
    if (is_edge)
        json_int(out, json_index(total->other));
    json_int(out, (int64_t)total->call_count);
    json_int(out, total->total_ns);
    json_int(out, total->self_ns);
    if (!is_edge) {
        json_int(out, total->min_ns);
        json_int(out, total->max_ns);
        json_int(out, total->p50_ns);
        json_int(out, total->p90_ns);
        json_int(out, total->p99_ns);
        json_int(out, (int64_t)total->raised_count);
        json_int(out, (int64_t)total->open_count);
        json_int(out, total->corrected_total_ns);
        json_int(out, total->corrected_self_ns);
    }
    json_close(out, ']');
}

enum marey_status
marey_answer_totals(struct marey_trace *trace, const struct marey_question *question,
                    struct marey_answer *out, struct marey_error *err)
{
    struct marey_totals *totals = NULL;
    enum marey_status status =
        marey_totals_new(trace, &question->selection, question->tick,
                         question->tick_context, &totals, err);
    struct marey_total total;

    if (status != MAREY_OK)
        return status;
    json_open(out, '{');
    json_key(out, "rows");
    json_open(out, '[');
    for (uint32_t i = 0; i < marey_totals_count(totals); i++) {
        marey_totals_row(totals, i, &total);
        put_total(out, &total, false);
    }
    json_close(out, ']');
    json_key(out, "edges");
    json_open(out, '[');
    for (uint32_t i = 0; i < marey_totals_edge_count(totals); i++) {
        marey_totals_edge(totals, i, &total);
        put_total(out, &total, true);
    }
    json_close(out, ']');
    json_key_int(out, "lost", (int64_t)marey_totals_lost_count(totals));
    json_close(out, '}');
    marey_totals_free(totals);
    return json_status(out, err);
}

/* ---- contexts ---- */

struct context {
    uint32_t parent;
    uint32_t function;
    uint64_t call_count;
    int64_t total_ns;
    int64_t children_ns;
};

struct open_call {
    uint32_t context;
    int64_t begin_ns;
};

struct lane_stack {
    struct open_call *calls; /* owned */
    uint32_t count, capacity;
};

struct tree {
    struct context *contexts; /* owned; 0 is the root */
    uint32_t *slots;          /* owned; hash of (parent, function), 0 free */
    uint32_t count, capacity, slot_count;
    struct lane_stack *stacks; /* owned, one a lane */
    uint32_t lane_count;
};

static void
tree_free(struct tree *tree)
{
    for (uint32_t i = 0; tree->stacks != NULL && i < tree->lane_count; i++)
        free(tree->stacks[i].calls);
    free(tree->stacks);
    free(tree->contexts);
    free(tree->slots);
}

static uint32_t
slot_of(const struct tree *tree, uint32_t parent, uint32_t function)
{
    uint64_t key = ((uint64_t)parent << 32 | function) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t at = (uint32_t)(key >> 32) & (tree->slot_count - 1);

    while (tree->slots[at] != 0) {
        const struct context *context = &tree->contexts[tree->slots[at]];
        if (context->parent == parent && context->function == function)
            break;
        at = (at + 1) & (tree->slot_count - 1);
    }
    return at;
}

static bool
tree_grow(struct tree *tree)
{
    uint32_t capacity = tree->capacity ? tree->capacity * 2 : 4096;
    struct context *contexts = realloc(tree->contexts, capacity * sizeof(*contexts));
    uint32_t *slots = calloc((size_t)capacity * 2, sizeof(*slots));

    if (contexts != NULL)
        tree->contexts = contexts;
    if (contexts == NULL || slots == NULL) {
        free(slots);
        return false;
    }
    free(tree->slots);
    tree->slots = slots;
    tree->slot_count = capacity * 2;
    tree->capacity = capacity;
    for (uint32_t i = 1; i < tree->count; i++)
        slots[slot_of(tree, contexts[i].parent, contexts[i].function)] = i;
    return true;
}

/* The child of `parent` for `function`; the parent itself when there are too many. */
static uint32_t
context_of(struct tree *tree, uint32_t parent, uint32_t function)
{
    uint32_t at = slot_of(tree, parent, function);

    if (tree->slots[at] != 0)
        return tree->slots[at];
    if (tree->count >= CONTEXTS_MAX)
        return parent;
    if (tree->count == tree->capacity) {
        if (!tree_grow(tree))
            return parent;
        at = slot_of(tree, parent, function);
    }
    tree->contexts[tree->count] = (struct context){parent, function, 0, 0, 0};
    tree->slots[at] = tree->count;
    return tree->count++;
}

static void
call_begin(struct tree *tree, struct lane_stack *stack, const struct marey_step *step)
{
    uint32_t parent = 0;

    if (stack->count > 0)
        parent = stack->calls[stack->count - 1].context;
    if (stack->count >= DEPTH_MAX)
        return;
    if (stack->count == stack->capacity) {
        uint32_t capacity = stack->capacity ? stack->capacity * 2 : 64;
        struct open_call *calls = realloc(stack->calls, capacity * sizeof(*calls));
        if (calls == NULL)
            return;
        stack->calls = calls;
        stack->capacity = capacity;
    }
    stack->calls[stack->count].context = context_of(tree, parent, step->function);
    stack->calls[stack->count].begin_ns = step->time_ns;
    if (step->kind == MAREY_STEP_BEGIN)
        tree->contexts[stack->calls[stack->count].context].call_count++;
    stack->count++;
}

static void
call_end(struct tree *tree, struct lane_stack *stack, int64_t time_ns)
{
    const struct open_call *call = &stack->calls[--stack->count];
    struct context *context = &tree->contexts[call->context];
    int64_t duration = time_ns - call->begin_ns;

    if (stack->count > 0 && stack->calls[stack->count - 1].context == call->context)
        return; /* too many contexts: the ancestor counts it */
    context->total_ns += duration;
    tree->contexts[context->parent].children_ns += duration;
}

static void
tree_take(struct tree *tree, const struct marey_step *step)
{
    struct lane_stack *stack;

    if (step->lane >= tree->lane_count)
        return;
    stack = &tree->stacks[step->lane];
    if (step->kind == MAREY_STEP_BEGIN || step->kind == MAREY_STEP_RESUME)
        call_begin(tree, stack, step);
    else if ((step->kind == MAREY_STEP_END || step->kind == MAREY_STEP_SUSPEND) &&
             stack->count > 0)
        call_end(tree, stack, step->time_ns);
}

static void
put_tree(const struct tree *tree, struct marey_answer *out)
{
    static const char *const names[] = {"parent", "function", "calls", "total", "self"};

    json_open(out, '{');
    for (int column = 0; column < 5; column++) {
        json_key(out, names[column]);
        json_open(out, '[');
        for (uint32_t i = 1; i < tree->count; i++) {
            const struct context *context = &tree->contexts[i];
            int64_t values[] = {context->parent, context->function,
                                (int64_t)context->call_count, context->total_ns,
                                context->total_ns - context->children_ns};
            json_int(out, values[column]);
        }
        json_close(out, ']');
    }
    json_close(out, '}');
}

enum marey_status
marey_answer_tree(struct marey_trace *trace, const struct marey_question *question,
                  struct marey_answer *out, struct marey_error *err)
{
    struct tree tree = {0};
    struct marey_walk *walk = NULL;
    struct marey_step step;
    struct marey_trace_info info;
    enum marey_status status;
    uint64_t steps = 0;

    marey_trace_info(trace, &info);
    tree.count = 1;
    tree.lane_count = marey_trace_lane_count(trace);
    tree.stacks = calloc(tree.lane_count + 1, sizeof(*tree.stacks));
    if (tree.stacks == NULL || !tree_grow(&tree)) {
        tree_free(&tree);
        return marey_fail(err, MAREY_NOMEM, "no memory for the tree of calls");
    }
    tree.contexts[0] = (struct context){0, MAREY_NO_INDEX, 0, 0, 0};
    status = marey_walk_new(trace, &question->selection, MAREY_ORDER_LANE, &walk, err);
    while (status == MAREY_OK && marey_walk_next(walk, &step)) {
        tree_take(&tree, &step);
        if ((++steps & 0x3ffff) == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, (double)marey_walk_position(walk) /
                                                        ((double)info.event_count + 1)))
            status = MAREY_STOPPED;
    }
    if (status == MAREY_OK)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    if (status == MAREY_OK)
        put_tree(&tree, out);
    tree_free(&tree);
    return status != MAREY_OK ? status : json_status(out, err);
}
