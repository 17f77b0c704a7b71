/* What one lane did before a moment, as a tree that does not grow with the trace.
 *
 * Every call that is open has a node. One that ends is folded: into the sibling before
 * it, where that is of the same function and ended alike (then the two count as one,
 * and what the newer one called stays); it keeps a few of its last calls, and those a
 * few of theirs. Calls that an exception has left stay whole until their caller ends
 * otherwise: they are what the question is about.
 */
#include <stdlib.h>
#include <string.h>

#include "query/explain/explain.h"

#define CHILDREN_OPEN_MAX 12 /* of a call that is open, or left by an exception */
#define CHILDREN_MAX 4       /* of one that ended */
#define LEVELS_MAX 2         /* below one that ended */
#define NAMES_MAX 32         /* of a call; the oldest are forgotten */
#define NODES_MAX 262144     /* beyond, deeper calls are not looked at */
#define EVENTS_EASY 20000000 /* of the lane; with more, only its end is walked */
#define WINDOW_FIRST_NS 100000000
#define STEPS_ENOUGH 1000

static bool
grow(void **items, size_t *capacity, size_t count, size_t size)
{
    size_t wanted = *capacity < 64 ? 64 : *capacity * 2;
    void *grown;

    if (count <= *capacity)
        return true;
    grown = realloc(*items, wanted * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

/* ---- nodes ---- */

/* 0: no memory, or too many. */
static uint32_t
new_node(struct explain_tree *tree, const struct marey_step *step)
{
    uint32_t index = tree->free_node;

    if (index != 0) {
        tree->free_node = tree->nodes[index].next;
    } else {
        if (tree->node_count >= NODES_MAX ||
            !grow((void **)&tree->nodes, &tree->node_capacity, tree->node_count + 1,
                  sizeof(*tree->nodes)))
            return 0;
        index = (uint32_t)tree->node_count++;
    }
    tree->nodes[index] = (struct explain_node){.step = *step, .count = 1};
    return index;
}

static void
drop_names(struct explain_tree *tree, struct explain_node *node)
{
    while (node->names != 0) {
        struct explain_name *name = &tree->names[node->names];
        uint32_t next = name->next;
        name->next = tree->free_name;
        tree->free_name = node->names;
        node->names = next;
    }
    node->name_count = 0;
}

/* Without recursion: the list of what is to be dropped runs over `next`. */
static void
drop_nodes(struct explain_tree *tree, uint32_t first)
{
    while (first != 0) {
        struct explain_node *node = &tree->nodes[first];
        uint32_t index = first, next = node->next;
        if (node->first != 0) {
            tree->nodes[node->last].next = next;
            next = node->first;
        }
        drop_names(tree, node);
        node->next = tree->free_node;
        tree->free_node = index;
        first = next;
    }
}

static void
drop_oldest(struct explain_tree *tree, struct explain_node *node)
{
    uint32_t index = node->first;
    struct explain_node *oldest = &tree->nodes[index];

    node->first = oldest->next;
    if (node->first == 0)
        node->last = 0;
    node->child_count--;
    node->dropped_count += oldest->count;
    oldest->next = 0;
    drop_nodes(tree, index);
}

/* A call that ended for good keeps a few of what it called. */
static void
trim(struct explain_tree *tree, uint32_t index, int levels)
{
    struct explain_node *node = &tree->nodes[index];
    uint32_t count_max = levels > 0 ? CHILDREN_MAX : 0;

    drop_names(tree, node);
    if (count_max == 0 && node->first != 0) {
        for (uint32_t i = node->first; i != 0; i = tree->nodes[i].next)
            node->dropped_count += tree->nodes[i].count;
        drop_nodes(tree, node->first);
        node->first = node->last = node->child_count = 0;
    }
    while (node->child_count > count_max)
        drop_oldest(tree, node);
    for (uint32_t i = node->first; i != 0; i = tree->nodes[i].next)
        trim(tree, i, levels - 1);
}

static bool
is_alike(const struct marey_step *a, const struct marey_step *b)
{
    if (a->kind != b->kind || a->string != b->string)
        return false;
    if (a->kind == MAREY_STEP_END || a->kind == MAREY_STEP_SUSPEND)
        return a->function == b->function && a->ending == b->ending;
    return a->log_class == b->log_class;
}

/* Hangs a node that has ended, or a point, below its caller. */
static void
hang(struct explain_tree *tree, uint32_t parent_index, uint32_t index)
{
    struct explain_node *parent = &tree->nodes[parent_index];
    struct explain_node *node = &tree->nodes[index];
    struct explain_node *before = &tree->nodes[parent->last];

    if (parent->last != 0 && is_alike(&before->step, &node->step)) {
        uint32_t older = before->first;
        node->count += before->count;
        node->total_ns += before->total_ns;
        /* The place of the older one, with what the newer one has. */
        before->first = 0;
        drop_nodes(tree, older);
        drop_names(tree, before);
        *before = *node;
        before->next = 0;
        node->first = 0;
        node->names = 0;
        node->next = tree->free_node;
        tree->free_node = index;
        return;
    }
    /* Of several calls that were left by an exception, the last is of interest. */
    if (node->is_ended && node->step.ending == MAREY_END_RAISED)
        for (uint32_t i = parent->first; i != 0; i = tree->nodes[i].next)
            trim(tree, i, LEVELS_MAX);
    node->next = 0;
    if (parent->last != 0)
        before->next = index;
    else
        parent->first = index;
    parent->last = index;
    parent->child_count++;
    if (parent->child_count > CHILDREN_OPEN_MAX)
        drop_oldest(tree, parent);
}

/* ---- names ---- */

static void
note_value(struct explain_tree *tree, struct explain_node *node,
           const struct marey_step *step)
{
    uint32_t *link = &node->names;
    uint32_t index = 0;

    for (uint32_t count = 0; *link != 0; link = &tree->names[*link].next, count++) {
        struct explain_name *name = &tree->names[*link];
        bool is_same = name->string == step->string &&
                       name->log_class == step->log_class &&
                       step->log_class != MAREY_CLASS_LINE;
        if (is_same || (count == NAMES_MAX - 1 && name->next == 0)) {
            index = *link;
            *link = name->next;
            node->name_count--;
            break;
        }
    }
    if (index == 0 && tree->free_name != 0) {
        index = tree->free_name;
        tree->free_name = tree->names[index].next;
    } else if (index == 0) {
        if (!grow((void **)&tree->names, &tree->name_capacity, tree->name_count + 1,
                  sizeof(*tree->names)))
            return;
        index = (uint32_t)tree->name_count++;
    }
    tree->names[index] = (struct explain_name){step->string, step->log_class,
                                               step->time_ns, step->blob, node->names};
    node->names = index;
    node->name_count++;
}

/* ---- steps ---- */

static uint32_t
innermost(const struct explain_tree *tree, uint32_t depth)
{
    uint32_t below = depth < tree->depth ? depth : tree->depth;

    return below == 0 ? 0 : tree->open[below - 1];
}

static bool
take_begin(struct explain_tree *tree, const struct marey_step *step)
{
    uint32_t index;

    if (step->depth > tree->depth)
        return true; /* below one that is not looked at */
    if (!grow((void **)&tree->open, &tree->open_capacity, (size_t)step->depth + 1,
              sizeof(*tree->open)))
        return false;
    index = new_node(tree, step);
    if (index == 0)
        return tree->node_count >= NODES_MAX;
    tree->open[step->depth] = index;
    tree->depth = step->depth + 1;
    return true;
}

static void
take_end(struct explain_tree *tree, const struct marey_step *step)
{
    uint32_t index;

    if (step->depth >= tree->depth)
        return;
    if (step->kind == MAREY_STEP_END && step->ending == MAREY_END_OPEN)
        return; /* it stays in the list of open ones */
    index = tree->open[step->depth];
    tree->depth = step->depth;
    struct explain_node *node = &tree->nodes[index];
    uint64_t blob = node->step.blob;
    node->step = *step;
    node->step.blob = step->blob != 0 ? step->blob : blob;
    node->total_ns = step->duration_ns;
    node->is_ended = true;
    if (step->kind == MAREY_STEP_SUSPEND || step->ending != MAREY_END_RAISED)
        trim(tree, index, LEVELS_MAX);
    hang(tree, innermost(tree, step->depth), index);
}

static void
take_point(struct explain_tree *tree, const struct marey_step *step)
{
    uint32_t caller = innermost(tree, step->depth), index;

    if (step->depth > tree->depth)
        return;
    if (step->kind == MAREY_STEP_LOG && (step->log_class <= MAREY_CLASS_ATTRIBUTE ||
                                         step->log_class == MAREY_CLASS_LINE)) {
        note_value(tree, &tree->nodes[caller], step);
        return;
    }
    index = new_node(tree, step);
    if (index != 0)
        hang(tree, caller, index);
}

static bool
take_step(struct explain_tree *tree, const struct marey_step *step)
{
    switch (step->kind) {
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME: return take_begin(tree, step);
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND: take_end(tree, step); return true;
    case MAREY_STEP_FLOW_OUT:
    case MAREY_STEP_FLOW_IN: return true;
    default: take_point(tree, step); return true;
    }
}

/* ---- the walk ---- */

static bool
clear(struct explain_tree *tree)
{
    static const struct marey_step none = {.function = MAREY_NO_INDEX};

    tree->node_count = 0;
    tree->name_count = 1;
    tree->free_node = tree->free_name = tree->depth = 0;
    if (!grow((void **)&tree->names, &tree->name_capacity, 1, sizeof(*tree->names)) ||
        !grow((void **)&tree->nodes, &tree->node_capacity, 1, sizeof(*tree->nodes)))
        return false;
    tree->nodes[0] = (struct explain_node){.step = none};
    tree->node_count = 1;
    return true;
}

/* Up to the end with which the exception left its last call, or all of it. */
static enum marey_status
walk_lane(struct explain_tree *tree, struct marey_trace *trace,
          const struct marey_selection *selection,
          const struct explain_failure *failure, uint64_t *steps,
          struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    struct marey_step step;
    bool is_raise = failure->chain.link_count > 0, is_over = false;
    enum marey_status st;

    if (!clear(tree))
        return marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
    st = marey_walk_new(trace, selection, MAREY_ORDER_TIME, &walk, err);
    for (*steps = 0; st == MAREY_OK && !is_over && marey_walk_next(walk, &step);
         ++*steps) {
        if (!take_step(tree, &step))
            st = marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
        is_over = is_raise && step.kind == MAREY_STEP_END &&
                  step.ending == MAREY_END_RAISED && step.time_ns == failure->time_ns &&
                  step.depth == failure->depth;
    }
    if (st == MAREY_OK && !is_over)
        st = marey_walk_status(walk, err);
    marey_walk_free(walk);
    return st;
}

enum marey_status
explain_tree_grow(struct explain_tree *tree, struct marey_trace *trace,
                  const struct explain_failure *failure, struct marey_error *err)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;
    struct marey_lane_info info;
    int64_t width_ns = WINDOW_FIRST_NS;
    uint64_t steps = 0;
    enum marey_status st;
    bool *lanes = calloc((size_t)marey_trace_lane_count(trace) + 1, sizeof(*lanes));

    memset(tree, 0, sizeof(*tree));
    if (lanes == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to explain the trace");
    lanes[failure->lane] = true;
    selection.lanes = lanes;
    marey_trace_lane(trace, failure->lane, &info);
    for (;;) {
        bool is_whole = info.event_count <= EVENTS_EASY ||
                        failure->time_ns - width_ns <= info.start_ns;
        if (!is_whole)
            selection.from_ns = failure->time_ns - width_ns;
        else
            selection.from_ns = INT64_MIN;
        st = walk_lane(tree, trace, &selection, failure, &steps, err);
        if (st != MAREY_OK || is_whole || steps >= STEPS_ENOUGH)
            break;
        width_ns *= 16;
    }
    free(lanes);
    return st;
}

void
explain_tree_release(struct explain_tree *tree)
{
    free(tree->nodes);
    free(tree->names);
    free(tree->open);
}
