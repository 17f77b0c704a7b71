/* The player where streams hold pieces of their chunks: nothing changes but memory. */
#include <string.h>

#include "../export/check.h"
#include "base/checksum.h"
#include "query/player.h"
#include "told.h"

#define LANES 8

/* Chunks far larger than a piece, with notes, activations and deep resyncs in them. */
static struct marey_trace *
open_large(struct builder **out)
{
    struct builder *builder = builder_new();
    struct builder_lane *lanes[LANES];

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "work");
    builder_function(builder, 1, 300, "gen");
    builder_string(builder, 1, 1, "Error");
    for (uint32_t i = 0; i < LANES; i++)
        lanes[i] = builder_lane(builder, 1, i + 1);
    for (uint32_t round = 0; round < 40000; round++) {
        struct builder_lane *lane = lanes[round % LANES];
        uint64_t dt = round * 7919 % 1000;
        if (round < 30 * LANES) {
            lane_enter(lane, dt, 1);
            continue;
        }
        lane_resume(lane, dt, 300, round % 100);
        lane_event(lane, 0,
                   (struct marey_event){.kind = MAREY_EVENT_THROWN, .string = 1});
        lane_enter(lane, dt, 1);
        lane_event(
            lane, 0,
            (struct marey_event){.kind = MAREY_EVENT_VALUES, .detail = 1, .number = 5});
        lane_leave(lane, dt);
        lane_yield(lane, 1, round % 100);
    }
    *out = builder;
    return told_open(builder);
}

/* One number for all that is told. */
static uint64_t
play(struct marey_trace *trace, size_t held_max, size_t *held_most)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct player player;
    struct beat beat;
    uint64_t sum = 0;

    CHECK_EQ(marey_player_init(&player, trace, &all, MAREY_ORDER_TIME, NULL), MAREY_OK);
    player.held_max = held_max;
    *held_most = 0;
    while (marey_player_next(&player, &beat)) {
        uint64_t facts[] = {sum,
                            beat.kind,
                            beat.lane->index,
                            (uint64_t)beat.time_ns,
                            beat.string,
                            beat.is_thrown,
                            beat.frame->blob,
                            (uint64_t)beat.frame->running_ns};
        sum = marey_checksum64(facts, sizeof(facts));
        if (player.held_bytes > *held_most)
            *held_most = player.held_bytes;
    }
    CHECK_EQ(player.status, MAREY_OK);
    CHECK_EQ(player.held_bytes, 0);
    marey_player_release(&player);
    return sum;
}

TEST(pieces_tell_the_same_as_whole_chunks)
{
    struct builder *builder;
    struct marey_trace *trace = open_large(&builder);
    size_t whole, pieces;
    uint64_t want = play(trace, SIZE_MAX, &whole);

    CHECK_EQ(play(trace, 0, &pieces), want);
    CHECK(pieces < whole / 2);
    told_close(trace, builder);
}

TEST(a_damaged_chunk_is_left_out_also_in_pieces)
{
    struct builder *builder = builder_new();
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct player player;
    struct beat beat;
    size_t size;
    uint64_t begins = 0, lost = 0;

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "work");
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    for (int i = 0; i < 20000; i++) {
        lane_enter(lane, 1, 1);
        lane_leave(lane, 1);
    }
    builder_bytes(builder, &size);
    *builder_at(builder, size - 200) ^= 1;
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_player_init(&player, trace, &all, MAREY_ORDER_TIME, NULL), MAREY_OK);
    player.held_max = 0;
    while (marey_player_next(&player, &beat)) {
        begins += beat.kind == BEAT_BEGIN;
        lost += beat.kind == BEAT_GAP ? beat.number : 0;
    }
    CHECK_EQ(begins, 0);
    CHECK_EQ(lost, 40000);
    marey_player_release(&player);
    told_close(trace, builder);
}
