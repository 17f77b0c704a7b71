/* Totals and calling contexts of a window. Both are made by adding the sums of parts
 * where the index has some, and are the same to the last digit where it has none. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
#include "query/answer/json.h"
#include "query/sums/sums.h"

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
    uint32_t parent; /* lower than its own number */
    uint32_t function;
    uint64_t call_count;
    int64_t total_ns;
    int64_t children_ns;
    uint32_t own; /* while they are put in order: its number */
    bool is_used;
};

/* What parts of the index add to one of the index's contexts. */
struct added {
    uint64_t call_count;
    int64_t total_ns; /* its own, until all is folded */
    bool is_used;
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
    struct added *added; /* owned; by context of the index; NULL: nothing was added */
    struct sums read;    /* of the part that is added */
    bool is_out_of_memory;
};

static void
tree_free(struct tree *tree)
{
    for (uint32_t i = 0; tree->stacks != NULL && i < tree->lane_count; i++)
        free(tree->stacks[i].calls);
    marey_memory_free(tree->stacks);
    free(tree->contexts);
    free(tree->slots);
    marey_memory_free(tree->added);
    sums_release(&tree->read);
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
    tree->contexts[tree->count] =
        (struct context){.parent = parent, .function = function};
    tree->slots[at] = tree->count;
    return tree->count++;
}

static bool
call_push(struct tree *tree, struct lane_stack *stack, uint32_t function,
          int64_t time_ns)
{
    uint32_t parent = 0;

    if (stack->count > 0)
        parent = stack->calls[stack->count - 1].context;
    if (stack->count >= DEPTH_MAX)
        return false;
    if (stack->count == stack->capacity) {
        uint32_t capacity = stack->capacity ? stack->capacity * 2 : 64;
        struct open_call *calls = realloc(stack->calls, capacity * sizeof(*calls));
        if (calls == NULL)
            return false;
        stack->calls = calls;
        stack->capacity = capacity;
    }
    stack->calls[stack->count].context = context_of(tree, parent, function);
    stack->calls[stack->count].begin_ns = time_ns;
    stack->count++;
    return true;
}

/* What the call at `at` took until then is its context's. */
static void
call_settle(struct tree *tree, struct lane_stack *stack, uint32_t at, int64_t time_ns)
{
    struct open_call *call = &stack->calls[at];
    struct context *context = &tree->contexts[call->context];
    int64_t duration = time_ns - call->begin_ns;

    call->begin_ns = time_ns;
    if (at > 0 && stack->calls[at - 1].context == call->context)
        return; /* too many contexts: the ancestor counts it */
    context->total_ns += duration;
    tree->contexts[context->parent].children_ns += duration;
}

static void
tree_take(struct tree *tree, uint32_t lane, enum marey_step_kind kind,
          uint32_t function, int64_t time_ns)
{
    struct lane_stack *stack;

    if (lane >= tree->lane_count)
        return;
    stack = &tree->stacks[lane];
    if (kind == MAREY_STEP_BEGIN || kind == MAREY_STEP_RESUME) {
        if (call_push(tree, stack, function, time_ns) && kind == MAREY_STEP_BEGIN)
            tree->contexts[stack->calls[stack->count - 1].context].call_count++;
    } else if ((kind == MAREY_STEP_END || kind == MAREY_STEP_SUSPEND) &&
               stack->count > 0) {
        call_settle(tree, stack, stack->count - 1, time_ns);
        stack->count--;
    }
}

/* ---- parts of the index ---- */

/* A call of which the end lies in a part that was skipped. */
static void
take_call(void *context, struct player_lane *lane, struct frame *frame)
{
    struct tree *tree = context;

    (void)frame;
    tree->stacks[lane->index].count--;
}

/* A call that began in a part that was skipped: there it is counted, too. */
static void
give_call(void *context, struct player_lane *lane, struct frame *frame)
{
    struct tree *tree = context;

    call_push(tree, &tree->stacks[lane->index], frame->function, lane->last_ns);
}

/* A player's skip: what the sums say of a part is added by context. */
static bool
skip_part(void *context, struct player *player, struct player_stream *stream)
{
    struct tree *tree = context;
    struct lane_stack *stack = &tree->stacks[stream->home->index];
    uint32_t chunk_count,
        context_count = player->trace->sums->lod.header->context_count;
    struct sums *read = &tree->read;

    if (stack->count != stream->home->depth ||
        !sums_find(player, stream, read, &chunk_count))
        return false;
    if (tree->added == NULL)
        tree->added = marey_memory_new(context_count, sizeof(*tree->added));
    if (tree->added == NULL)
        return false; /* played, then */
    for (uint32_t i = 0; i < stack->count; i++)
        call_settle(tree, stack, i, read->begin_ns);
    tree->is_out_of_memory |=
        !sums_skip(player, stream, read, chunk_count, take_call, give_call, tree);
    for (uint32_t i = 0; i < stack->count; i++)
        stack->calls[i].begin_ns = read->end_ns;
    const uint32_t *numbers = read->numbers.items;
    const struct sums_context *contexts = read->contexts.items;
    for (size_t i = 0; i < read->contexts.count; i++) {
        struct added *added = &tree->added[numbers[i]];
        added->call_count += contexts[i].begun_count;
        added->total_ns = clock_sum(added->total_ns, contexts[i].self_ns);
    }
    return true;
}

/* What was added becomes part of the tree: the time of a context is its own and that of
 * all below it. */
static bool
fold_parts(struct tree *tree, const struct marey_lod *lod)
{
    uint32_t count = lod->header->context_count;
    uint32_t *place = marey_memory_new(count, sizeof(*place));
    struct added *added = tree->added;

    if (place == NULL)
        return false;
    for (uint32_t i = count; i-- > 1;) {
        struct added *parent = &added[lod->contexts[i].parent];
        parent->total_ns = clock_sum(parent->total_ns, added[i].total_ns);
        added[i].is_used |= added[i].call_count > 0 || added[i].total_ns != 0;
        parent->is_used |= added[i].is_used;
    }
    for (uint32_t i = 1; i < count; i++) {
        if (!added[i].is_used)
            continue;
        uint32_t parent = place[lod->contexts[i].parent];
        place[i] = context_of(tree, parent, lod->contexts[i].function);
        struct context *context = &tree->contexts[place[i]];
        context->call_count += added[i].call_count;
        if (place[i] == parent)
            continue; /* too many contexts */
        context->total_ns += added[i].total_ns;
        tree->contexts[parent].children_ns += added[i].total_ns;
    }
    marey_memory_free(place);
    return true;
}

/* ---- the answer ---- */

/* Contexts in an order that does not tell how they were found: parents first, then by
 * parent and function. */
static int
by_parent(const void *a, const void *b)
{
    const struct context *x = a, *y = b;

    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->function > y->function) - (x->function < y->function);
}

/* Those of no call and no time are left out. False: no memory. */
static bool
put_in_order(struct tree *tree)
{
    struct context *all = tree->contexts, *sorted;
    uint32_t count = tree->count, made = 1;
    uint32_t *first = marey_memory_new(count + 1, sizeof(*first));

    sorted = marey_memory_new(count, sizeof(*sorted));
    tree->contexts = malloc(count * sizeof(*tree->contexts));
    if (first == NULL || sorted == NULL || tree->contexts == NULL) {
        marey_memory_free(first);
        marey_memory_free(sorted);
        free(tree->contexts);
        tree->contexts = all;
        return false;
    }
    for (uint32_t i = count; i-- > 1;) {
        all[i].is_used |= all[i].call_count > 0 || all[i].total_ns != 0;
        all[all[i].parent].is_used |= all[i].is_used;
        all[i].own = i;
    }
    memcpy(sorted, all, count * sizeof(*sorted));
    marey_sort(sorted + 1, count - 1, sizeof(*sorted), by_parent);
    for (uint32_t i = count; i-- > 1;)
        first[sorted[i].parent] = i;
    tree->contexts[0] = all[0];
    for (uint32_t parent = 0; parent < made; parent++) {
        uint32_t own = tree->contexts[parent].own, i = first[own];
        for (; i != 0 && i < count && sorted[i].parent == own; i++)
            if (sorted[i].is_used) {
                tree->contexts[made] = sorted[i];
                tree->contexts[made++].parent = parent;
            }
    }
    tree->count = made;
    marey_memory_free(first);
    marey_memory_free(sorted);
    free(all);
    return true;
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

static bool
go_on(const struct marey_question *question, double position, double event_count)
{
    double share = position / (event_count + 1);

    return question->tick == NULL || question->tick(question->tick_context, share);
}

/* Beats, and sums where the index has some. */
static enum marey_status
tree_play(struct tree *tree, struct marey_trace *trace,
          const struct marey_question *question, struct marey_error *err)
{
    static const enum marey_step_kind kinds[] = {
        [BEAT_BEGIN] = MAREY_STEP_BEGIN,
        [BEAT_RESUME] = MAREY_STEP_RESUME,
        [BEAT_END] = MAREY_STEP_END,
        [BEAT_SUSPEND] = MAREY_STEP_SUSPEND,
    };
    struct player player = {0};
    struct beat beat;
    uint64_t beats = 0;
    enum marey_status status =
        marey_player_init(&player, trace, &question->selection, MAREY_ORDER_LANE, err);

    if (status != MAREY_OK)
        return status;
    player.skip = skip_part;
    player.skip_context = tree;
    while (status == MAREY_OK && marey_player_next(&player, &beat)) {
        if (beat.kind <= BEAT_SUSPEND)
            tree_take(tree, beat.lane->index, kinds[beat.kind], beat.frame->function,
                      beat.time_ns);
        if ((++beats & 0x3ffff) == 0 &&
            !go_on(question, (double)player.position, (double)trace->event_count))
            status = MAREY_STOPPED;
    }
    if (status == MAREY_OK && player.status != MAREY_OK) {
        status = player.status;
        if (err != NULL)
            *err = player.error;
    }
    marey_player_release(&player);
    if (status == MAREY_OK && tree->added != NULL)
        tree->is_out_of_memory |= !fold_parts(tree, &trace->sums->lod);
    return status;
}

static enum marey_status
tree_walk(struct tree *tree, struct marey_trace *trace,
          const struct marey_question *question, struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    struct marey_step step;
    uint64_t steps = 0;
    enum marey_status status =
        marey_walk_new(trace, &question->selection, MAREY_ORDER_LANE, &walk, err);

    while (status == MAREY_OK && marey_walk_next(walk, &step)) {
        tree_take(tree, step.lane, step.kind, step.function, step.time_ns);
        if ((++steps & 0x3ffff) == 0 &&
            !go_on(question, (double)marey_walk_position(walk),
                   (double)trace->event_count))
            status = MAREY_STOPPED;
    }
    if (status == MAREY_OK)
        status = marey_walk_status(walk, err);
    marey_walk_free(walk);
    return status;
}

enum marey_status
marey_answer_tree(struct marey_trace *trace, const struct marey_question *question,
                  struct marey_answer *out, struct marey_error *err)
{
    struct tree tree = {.count = 1, .lane_count = marey_trace_lane_count(trace)};
    enum marey_status status;

    tree.stacks = marey_memory_new(tree.lane_count + 1, sizeof(*tree.stacks));
    if (tree.stacks == NULL || !tree_grow(&tree)) {
        tree_free(&tree);
        return marey_fail(err, MAREY_NOMEM, "no memory for the tree of calls");
    }
    tree.contexts[0] = (struct context){.function = MAREY_NO_INDEX};
    status = sums_are_of_use(trace, &question->selection)
                 ? tree_play(&tree, trace, question, err)
                 : tree_walk(&tree, trace, question, err);
    if (status == MAREY_OK && (tree.is_out_of_memory || !put_in_order(&tree)))
        status = marey_fail(err, MAREY_NOMEM, "no memory for the tree of calls");
    if (status == MAREY_OK)
        put_tree(&tree, out);
    tree_free(&tree);
    return status != MAREY_OK ? status : json_status(out, err);
}
