/* Setting up a player, and clearing away: which lanes, functions and streams. */
#include <string.h>

#include "query/player.h"

/* Tasks run on threads: where one is selected, its process's threads must be played. */
static bool
is_needed(const struct player *player, const struct lane *lane, const bool *has_task)
{
    return player->selection.lanes == NULL ||
           player->lanes[lane - player->trace->lanes].is_selected ||
           has_task[lane->process];
}

static void
init_lanes(struct player *player, bool *has_task)
{
    const struct marey_trace *trace = player->trace;

    for (size_t i = 0; i < trace->lane_count; i++) {
        struct player_lane *lane = &player->lanes[i];
        const uint64_t *cost_ps;
        lane->index = (uint32_t)i;
        lane->process = trace->lanes[i].process;
        lane->last_ns = INT64_MIN;
        lane->is_announced = player->selection.from_ns == INT64_MIN;
        lane->is_selected =
            player->selection.lanes == NULL || player->selection.lanes[i];
        cost_ps = trace->processes[lane->process].cost_ps;
        for (int kind = 0; kind < 2; kind++)
            lane->cost_ps[kind] = cost_ps[kind + 1] < UINT32_MAX
                                      ? (uint32_t)cost_ps[kind + 1]
                                      : UINT32_MAX;
        has_task[lane->process] |=
            lane->is_selected && trace->lanes[i].kind != MAREY_LANE_THREAD;
    }
}

static void
init_traits(struct player *player)
{
    for (uint32_t i = 0; i < player->trace->functions.count; i++) {
        const struct function *function = trace_function(player->trace, i);
        bool is_selected =
            (player->selection.functions == NULL || player->selection.functions[i]) &&
            (player->trace->shown == NULL || player->trace->shown[i]);
        player->traits[i] =
            (uint8_t)((function->flags & MAREY_FUNCTION_C ? TRAIT_C : 0) |
                      (is_selected ? TRAIT_SELECTED : 0));
    }
}

static void
init_streams(struct player *player, const bool *has_task)
{
    const struct marey_trace *trace = player->trace;

    for (size_t i = 0; i < trace->lane_count; i++) {
        const struct lane *lane = &trace->lanes[i];
        if (lane->stream == NULL || !is_needed(player, lane, has_task))
            continue;
        uint32_t index = player->stream_count++;
        marey_player_begin(player, &player->streams[index], lane->stream,
                           &player->lanes[i]);
        player->heap[player->heap_count++] = index;
    }
    marey_player_order(player);
}

enum marey_status
marey_trace_fold(struct marey_trace *trace, const bool *functions, uint32_t max_depth,
                 struct marey_error *err)
{
    bool *shown = NULL;

    if (functions != NULL) {
        shown = marey_memory_new(trace->functions.count + 1, sizeof(*shown));
        if (shown == NULL)
            return marey_fail(err, MAREY_NOMEM, "no memory to fold functions");
        memcpy(shown, functions, trace->functions.count * sizeof(*shown));
    }
    marey_memory_free(trace->shown);
    trace->shown = shown;
    trace->fold_depth = max_depth == UINT32_MAX ? 0 : max_depth > 0 ? max_depth : 1;
    return MAREY_OK;
}

enum marey_status
marey_player_init(struct player *player, struct marey_trace *trace,
                  const struct marey_selection *selection, enum marey_order order,
                  struct marey_error *err)
{
    bool *has_task = marey_memory_new(trace->process_count, sizeof(*has_task));

    *player = (struct player){
        .trace = trace, .selection = *selection, .held_max = PLAYER_HELD_MAX};
    if (trace->fold_depth != 0 && trace->fold_depth < player->selection.max_depth)
        player->selection.max_depth = trace->fold_depth;
    player->is_by_lane = order == MAREY_ORDER_LANE;
    player->lanes = marey_memory_new(trace->lane_count, sizeof(*player->lanes));
    player->streams = marey_memory_new(trace->lane_count, sizeof(*player->streams));
    player->heap = marey_memory_new(trace->lane_count, sizeof(*player->heap));
    player->traits = marey_memory_new(trace->functions.count, 1);
    player->gaps =
        marey_memory_new(player->is_by_lane ? trace->lane_count : trace->process_count,
                         sizeof(*player->gaps));
    if (has_task == NULL || player->lanes == NULL || player->streams == NULL ||
        player->heap == NULL || player->traits == NULL || player->gaps == NULL) {
        marey_memory_free(has_task);
        marey_player_release(player);
        return marey_fail(err, MAREY_NOMEM, "no memory to walk the trace");
    }
    init_lanes(player, has_task);
    init_traits(player);
    init_streams(player, has_task);
    marey_memory_free(has_task);
    return MAREY_OK;
}

void
marey_player_release(struct player *player)
{
    for (uint32_t i = 0; i < player->stream_count; i++)
        marey_chunk_give(player, &player->streams[i]);
    marey_chunk_release_free(player);
    for (size_t i = 0; player->lanes != NULL && i < player->trace->lane_count; i++)
        marey_memory_free(player->lanes[i].frames);
    marey_memory_free(player->lanes);
    marey_memory_free(player->streams);
    marey_memory_free(player->heap);
    marey_memory_free(player->traits);
    marey_memory_free(player->gaps);
    marey_memory_free(player->activations);
    marey_table_release(&player->activation_index);
    *player = (struct player){0};
}
