/* One transaction as a tree: all that was recorded inside it, on whichever lanes.
 *
 * A walk from its begin to its end. On a lane where a running part of it is open, what
 * begins there is inside; parts of a call are joined to one node by their activation.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "marey/format_get.h"
#include "query/answer/json.h"
#include "query/answer/transactions.h"

#define NONE UINT32_MAX
#define NODES_MAX 1000000
#define PLACES_MAX 4

struct node {
    uint32_t function;
    uint32_t parent;
    uint32_t depth;
    uint32_t string;
    uint32_t call_line;
    enum marey_ending ending;
    bool is_cancelled;
    bool is_suspended; /* nobody went on with it */
    int64_t begin_ns, end_ns, running_ns;
    uint64_t activation;
    uint32_t process;
    uint32_t place_count;
    struct marey_values_place places[PLACES_MAX];
};

/* Nodes of the calls open on a lane, from the root's on. */
struct inside {
    uint32_t *nodes; /* owned; NONE: a call that found no room */
    size_t count, capacity;
};

struct tree {
    struct marey_trace *trace;
    struct node *nodes; /* owned; the root first */
    size_t node_count, node_capacity;
    size_t limit;
    uint64_t left_out_count;
    struct inside *lanes; /* owned; by lane index */
    uint32_t *lane_process;
    int64_t begin_ns;
    uint32_t lane; /* index */
    bool is_over;
    bool is_out_of_memory;
};

static uint32_t
top_of(const struct inside *inside)
{
    for (size_t i = inside->count; i-- > 0;)
        if (inside->nodes[i] != NONE)
            return inside->nodes[i];
    return NONE;
}

static bool
is_root(const struct tree *tree, const struct marey_step *step)
{
    struct marey_function_info info;

    if (tree->node_count > 0 || step->lane != tree->lane)
        return false;
    marey_trace_function(tree->trace, step->function, &info);
    return info.is_transaction &&
           (step->first_ns == tree->begin_ns || step->begin_ns == tree->begin_ns);
}

/* The node whose activation runs on; NONE: not one of these. */
static uint32_t
find_suspended(const struct tree *tree, const struct marey_step *step)
{
    uint32_t process = tree->lane_process[step->lane];

    for (size_t i = tree->node_count; i-- > 0;) {
        const struct node *node = &tree->nodes[i];
        if (node->is_suspended && node->activation == step->activation &&
            node->process == process && node->function == step->function)
            return (uint32_t)i;
    }
    return NONE;
}

static uint32_t
new_node(struct tree *tree, const struct marey_step *step, uint32_t parent)
{
    if (tree->node_count >= tree->limit) {
        tree->left_out_count++;
        return NONE;
    }
    if (!marey_memory_grow((void **)&tree->nodes, &tree->node_capacity,
                           tree->node_count + 1, sizeof(*tree->nodes))) {
        tree->is_out_of_memory = true;
        return NONE;
    }
    tree->nodes[tree->node_count] = (struct node){
        .function = step->function,
        .parent = parent,
        .depth = parent == NONE ? 0 : tree->nodes[parent].depth + 1,
        .string = MAREY_NO_INDEX,
        .call_line = step->call_line,
        .ending = MAREY_END_OPEN,
        .begin_ns = step->first_ns != MAREY_NO_TIME ? step->first_ns : step->begin_ns,
        .end_ns = step->time_ns,
        .process = tree->lane_process[step->lane],
    };
    return (uint32_t)tree->node_count++;
}

static void
take_begin(struct tree *tree, const struct marey_step *step)
{
    struct inside *inside = &tree->lanes[step->lane];
    uint32_t node = step->kind == MAREY_STEP_RESUME ? find_suspended(tree, step) : NONE;

    if (node == NONE) {
        if (inside->count == 0 && !is_root(tree, step))
            return;
        node = new_node(tree, step, inside->count == 0 ? NONE : top_of(inside));
    } else {
        tree->nodes[node].is_suspended = false;
    }
    if (!marey_memory_grow((void **)&inside->nodes, &inside->capacity,
                           inside->count + 1, sizeof(*inside->nodes))) {
        tree->is_out_of_memory = true;
        return;
    }
    inside->nodes[inside->count++] = node;
}

static void
add_place(struct node *node, uint32_t lane, uint64_t blob)
{
    if (blob != 0 && node->place_count < PLACES_MAX)
        node->places[node->place_count++] = (struct marey_values_place){lane, blob};
}

static void
take_end(struct tree *tree, const struct marey_step *step)
{
    struct inside *inside = &tree->lanes[step->lane];

    if (inside->count == 0)
        return;
    uint32_t index = inside->nodes[--inside->count];
    if (index == NONE)
        return;
    struct node *node = &tree->nodes[index];
    node->end_ns = step->time_ns;
    node->running_ns += step->duration_ns;
    add_place(node, step->lane, step->blob);
    if (step->kind == MAREY_STEP_SUSPEND) {
        node->is_suspended = true;
        node->activation = step->activation;
        return;
    }
    node->ending = step->ending;
    node->string = step->string;
    node->is_cancelled = step->ending == MAREY_END_RAISED &&
                         marey_is_cancellation(tree->trace, step->string);
    if (index == 0)
        tree->is_over = true;
}

static void
take_instant(struct tree *tree, const struct marey_step *step)
{
    struct marey_text name = marey_trace_string(tree->trace, step->string);
    uint32_t index = top_of(&tree->lanes[step->lane]);
    struct marey_function_info info;

    if (name.size_bytes != sizeof(MAREY_ANNOTATE_NAME) - 1 ||
        memcmp(name.bytes, MAREY_ANNOTATE_NAME, name.size_bytes) != 0)
        return;
    for (; index != NONE; index = tree->nodes[index].parent) {
        marey_trace_function(tree->trace, tree->nodes[index].function, &info);
        if (info.is_transaction) {
            add_place(&tree->nodes[index], step->lane, step->blob);
            return;
        }
    }
}

/* ---- the answer ---- */

static void
put_name(void *context, const struct marey_value *value)
{
    if (value->name.size_bytes == 0 && value->tag == MAREY_VALUE_TEXT)
        json_key_text(context, "renamed", value->text);
}

static void
put_node(const struct tree *tree, const struct node *node, struct marey_answer *out)
{
    struct marey_function_info info;
    const char *word = node->is_suspended
                           ? "suspended"
                           : marey_ending_word(node->ending, node->is_cancelled);

    marey_trace_function(tree->trace, node->function, &info);
    json_open(out, '{');
    json_key_int(out, "depth", node->depth);
    json_key_text(out, "name", info.name);
    json_key_text(out, "module", info.module);
    json_key_text(out, "file", info.file);
    json_key_int(out, "line", info.first_line);
    json_key_bool(out, "is_c", info.is_c);
    json_key_bool(out, "is_transaction", info.is_transaction);
    json_key_int(out, "function", node->function);
    json_key_int(out, "call_line", node->call_line);
    json_key_int(out, "begin_ns", node->begin_ns);
    json_key_int(out, "duration_ns", node->end_ns - node->begin_ns);
    json_key_int(out, "running_ns", node->running_ns);
    json_key_text(out, "ended", (struct marey_text){word, strlen(word)});
    if (node->ending == MAREY_END_RAISED)
        json_key_text(out, "exception", marey_trace_string(tree->trace, node->string));
    struct marey_error err;
    for (uint32_t i = 0; info.is_transaction && i < node->place_count; i++)
        (void)marey_trace_values(tree->trace, node->places[i].lane,
                                 node->places[i].blob, put_name, out, &err);
    marey_put_attributes(tree->trace, node->places, node->place_count, out);
    json_close(out, '}');
}

/* Nodes in the order of the tree: each before those inside it. They are made in the
 * order of their begins, which on one lane is that; joined parts may not be. */
static bool
put_nodes(const struct tree *tree, struct marey_answer *out)
{
    uint32_t *first = marey_memory_new(tree->node_count + 1, sizeof(*first));
    uint32_t *next = marey_memory_new(tree->node_count + 1, sizeof(*next));
    bool is_made = first != NULL && next != NULL;

    for (size_t i = 0; is_made && i < tree->node_count; i++)
        first[i] = next[i] = NONE;
    for (size_t i = tree->node_count; is_made && i-- > 1;) {
        uint32_t parent = tree->nodes[i].parent;
        next[i] = first[parent];
        first[parent] = (uint32_t)i;
    }
    uint32_t at = is_made && tree->node_count > 0 ? 0 : NONE;
    while (at != NONE) {
        put_node(tree, &tree->nodes[at], out);
        if (first[at] != NONE) {
            at = first[at];
            continue;
        }
        while (at != NONE && next[at] == NONE)
            at = tree->nodes[at].parent;
        at = at == NONE ? NONE : next[at];
    }
    marey_memory_free(first);
    marey_memory_free(next);
    return is_made;
}

static void
tree_release(struct tree *tree)
{
    uint32_t lane_count = marey_trace_lane_count(tree->trace);

    for (uint32_t i = 0; tree->lanes != NULL && i < lane_count; i++)
        marey_memory_free(tree->lanes[i].nodes);
    marey_memory_free(tree->lanes);
    marey_memory_free(tree->lane_process);
    marey_memory_free(tree->nodes);
}

static bool
find_lane(struct tree *tree, uint32_t serial)
{
    uint32_t lane_count = marey_trace_lane_count(tree->trace);

    tree->lane = NONE;
    tree->lanes = marey_memory_new(lane_count + 1, sizeof(*tree->lanes));
    tree->lane_process = marey_memory_new(lane_count + 1, sizeof(*tree->lane_process));
    if (tree->lanes == NULL || tree->lane_process == NULL)
        return false;
    for (uint32_t i = 0; i < lane_count; i++) {
        struct marey_lane_info info;
        marey_trace_lane(tree->trace, i, &info);
        tree->lane_process[i] = info.process;
        if (info.serial == serial)
            tree->lane = i;
    }
    return true;
}

static enum marey_status
walk(struct tree *tree, const struct marey_question *question, struct marey_error *err)
{
    struct marey_selection selection = MAREY_SELECTION_ALL;
    struct marey_walk *steps = NULL;
    struct marey_step step;
    enum marey_status status;
    uint32_t count = 0;

    selection.from_ns = tree->begin_ns;
    status = marey_walk_new(tree->trace, &selection, MAREY_ORDER_TIME, &steps, err);
    while (status == MAREY_OK && !tree->is_over && !tree->is_out_of_memory &&
           marey_walk_next(steps, &step)) {
        switch (step.kind) {
        case MAREY_STEP_BEGIN:
        case MAREY_STEP_RESUME: take_begin(tree, &step); break;
        case MAREY_STEP_END:
        case MAREY_STEP_SUSPEND: take_end(tree, &step); break;
        case MAREY_STEP_INSTANT: take_instant(tree, &step); break;
        default: break;
        }
        if (tree->node_count == 0 && step.time_ns > tree->begin_ns)
            break; /* it is not there */
        if (++count % 65536 == 0 && question->tick != NULL &&
            !question->tick(question->tick_context, 0))
            status = marey_fail(err, MAREY_STOPPED, "stopped");
    }
    if (status == MAREY_OK)
        status = marey_walk_status(steps, err);
    marey_walk_free(steps);
    if (status == MAREY_OK && tree->is_out_of_memory)
        status = marey_fail(err, MAREY_NOMEM, "no memory for the calls");
    return status;
}

enum marey_status
marey_answer_transaction(struct marey_trace *trace,
                         const struct marey_question *question, uint32_t lane_serial,
                         int64_t begin_ns, uint32_t node_limit,
                         struct marey_answer *out, struct marey_error *err)
{
    struct tree tree = {.trace = trace, .begin_ns = begin_ns};
    enum marey_status status = MAREY_OK;

    tree.limit = node_limit > 0 && node_limit < NODES_MAX ? node_limit : NODES_MAX;
    if (!find_lane(&tree, lane_serial))
        status = marey_fail(err, MAREY_NOMEM, "no memory for the calls");
    if (status == MAREY_OK && tree.lane != NONE)
        status = walk(&tree, question, err);
    if (status == MAREY_OK && tree.node_count == 0)
        status = marey_fail(err, MAREY_USAGE, "no transaction of this id");
    if (status == MAREY_OK) {
        json_open(out, '{');
        json_key_int(out, "lane", tree.lane);
        json_key_int(out, "left_out", (int64_t)tree.left_out_count);
        json_key(out, "calls");
        json_open(out, '[');
        if (!put_nodes(&tree, out))
            status = marey_fail(err, MAREY_NOMEM, "no memory for the calls");
        json_close(out, ']');
        json_close(out, '}');
    }
    tree_release(&tree);
    return status != MAREY_OK ? status : json_status(out, err);
}
