/* Walks: what is told, in which order, through losses, windows and filters. */
#include <string.h>

#include "../export/check.h"
#include "told.h"

#define CHECK_TOLD(got, want) CHECK_TEXT(got, strlen(got), want)

enum { MAIN = 1, WORK, INNER, GEN };

static struct builder *
start(void)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_function(builder, 1, MAIN, "main");
    builder_function(builder, 1, WORK, "work");
    builder_function(builder, 1, INNER, "inner");
    builder_function_of(builder, 1, GEN, "gen", 0, 0, 0, MAREY_FUNCTION_GENERATOR);
    builder_string(builder, 1, 1, "ValueError");
    builder_string(builder, 1, 2, "mark");
    return builder;
}

TEST(calls_are_told_with_how_they_ended)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_event(lane, 10, (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = 1});
    lane_enter(lane, 10, WORK);
    lane_event(lane, 10, (struct marey_event){.kind = MAREY_EVENT_CUT});
    lane_instant(lane, 5, 2);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:10 begin main; 0:20 begin work; 0:30 end work!ValueError; "
               "0:40 begin work; 0:50 end work cut; 0:55 instantmark; "
               "0:55 end main open");
    told_close(trace, builder);
}

TEST(an_end_knows_its_times)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_step step;

    lane_enter(lane, 10, MAIN);
    for (int i = 0; i < 3; i++) {
        lane_enter(lane, 1, WORK);
        lane_enter(lane, 2, INNER);
        lane_leave(lane, 3);
        lane_leave(lane, 4);
    }
    lane_leave(lane, 5);
    struct marey_trace *trace = told_open(builder);
    CHECK(told_find(trace, MAREY_STEP_END, "work", &step));
    CHECK_EQ(step.duration_ns, 9);
    CHECK_EQ(step.self_ns, 6);
    CHECK_EQ(step.child_count, 1);
    CHECK_EQ(step.descendant_events, 2);
    CHECK_EQ(step.depth, 1);
    CHECK(told_find(trace, MAREY_STEP_END, "main", &step));
    CHECK_EQ(step.begin_ns, 10);
    CHECK_EQ(step.duration_ns, 35);
    CHECK_EQ(step.self_ns, 8);
    CHECK_EQ(step.child_count, 3);
    CHECK_EQ(step.descendant_events, 12);
    CHECK_EQ(step.parent, MAREY_NO_INDEX);
    told_close(trace, builder);
}

TEST(chunks_follow_each_other_without_a_seam)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_seal(lane);
    lane_enter(lane, 10, WORK);
    lane_seal(lane);
    lane_leave(lane, 10);
    lane_seal(lane);
    lane_leave(lane, 10);
    lane_leave_open(lane, 4096);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:10 begin main; 0:20 begin work; 0:30 end work; 0:40 end main");
    told_close(trace, builder);
}

TEST(lanes_are_interleaved_in_time_or_told_one_by_one)
{
    struct builder *builder = start();
    struct builder_lane *a = builder_lane(builder, 1, 1);
    struct builder_lane *b = builder_lane(builder, 1, 2);
    struct marey_selection all = MAREY_SELECTION_ALL;

    lane_enter(a, 10, WORK);
    lane_leave(a, 20);
    lane_enter(b, 5, INNER);
    lane_leave(b, 10);
    lane_enter(b, 5, INNER);
    lane_leave(b, 20);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "1:5 begin inner; 0:10 begin work; 1:15 end inner; 1:20 begin inner; "
               "0:30 end work; 1:40 end inner");
    CHECK_TOLD(told_steps(trace, &all, MAREY_ORDER_LANE),
               "0:10 begin work; 0:30 end work; 1:5 begin inner; 1:15 end inner; "
               "1:20 begin inner; 1:40 end inner");
    told_close(trace, builder);
}

TEST(a_lost_chunk_is_a_gap_and_the_stack_is_found_again)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_seal(lane);
    lane_leave(lane, 10);
    lane_enter(lane, 10, INNER);
    lane_enter(lane, 10, GEN);
    lane_lose(lane);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:10 begin main; 0:20 begin work; 0:20 gap 3; 0:20 end work cut; "
               "0:50 begin* inner; 0:50 begin* gen; 0:60 end gen; 0:70 end inner; "
               "0:80 end main");
    told_close(trace, builder);
}

TEST(a_damaged_chunk_is_a_gap_even_at_the_end)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    builder_define_all(builder);
    lane_enter(lane, 10, MAIN);
    lane_seal(lane);
    size_t before, after;
    builder_bytes(builder, &before);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 10);
    lane_seal(lane);
    builder_bytes(builder, &after);
    *builder_at(builder, before + 130) ^= 0x40;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace), "0:10 begin main; 0:10 gap 2; 0:30 end main open");
    told_close(trace, builder);
}

TEST(a_ring_begins_with_what_it_forgot)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_lose(lane);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:20 gap 2; 0:20 begin* main; 0:20 begin* work; 0:30 end work; "
               "0:30 end main open");
    told_close(trace, builder);
}

TEST(losses_within_a_chunk_are_gaps_and_resync_sets_the_stack)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_encoder entries = {0};
    struct marey_event resync = {.kind = MAREY_EVENT_RESYNC};

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_LOST, .number = 9});
    marey_encode_chunk(&entries, BUILDER_ORIGIN + 50);
    marey_encode_varint(&entries, 2);
    marey_encode_entry(&entries, &lane->stack[0]);
    marey_encode_entry(
        &entries, &(struct marey_snapshot_entry){BUILDER_ORIGIN + 40, INNER, false});
    CHECK(marey_snapshot_init(&resync.snapshot, entries.bytes, entries.size_bytes,
                              BUILDER_ORIGIN + 50));
    lane_event(lane, 30, resync);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:10 begin main; 0:20 begin work; 0:20 gap 9; 0:20 end work cut; "
               "0:50 begin* inner; 0:60 end inner; 0:70 end main");
    marey_encoder_release(&entries);
    told_close(trace, builder);
}

TEST(parts_of_a_generator_are_one_call)
{
    struct builder *builder = start();
    struct builder_lane *a = builder_lane(builder, 1, 1);
    struct builder_lane *b = builder_lane(builder, 1, 2);
    struct marey_step step;

    lane_enter(a, 10, GEN);
    lane_yield(a, 5, 77);
    lane_resume(b, 20, GEN, 77);
    lane_yield(b, 5, 77);
    lane_resume(a, 85, GEN, 77);
    lane_leave(a, 7);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace),
               "0:10 begin gen; 0:15 suspend gen; 1:20 resume gen; 1:25 suspend gen; "
               "0:100 resume gen; 0:107 end gen");
    CHECK(told_find(trace, MAREY_STEP_END, "gen", &step));
    CHECK_EQ(step.first_ns, 10);
    CHECK_EQ(step.begin_ns, 100);
    CHECK_EQ(step.duration_ns, 7);
    CHECK_EQ(step.running_ns, 17);
    CHECK(told_find(trace, MAREY_STEP_SUSPEND, "gen", &step));
    CHECK_EQ(step.activation, 77);
    told_close(trace, builder);
}

TEST(a_throw_and_values_come_with_their_step)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_step step;

    lane_enter(lane, 10, GEN);
    lane_event(
        lane, 0,
        (struct marey_event){.kind = MAREY_EVENT_VALUES, .detail = 1, .number = 4});
    lane_yield(lane, 5, 77);
    lane_resume(lane, 5, GEN, 77);
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_THROWN, .string = 1});
    lane_event(
        lane, 1,
        (struct marey_event){.kind = MAREY_EVENT_VALUES, .detail = 2, .number = 5});
    lane_leave(lane, 1);
    struct marey_trace *trace = told_open(builder);
    CHECK(told_find(trace, MAREY_STEP_BEGIN, "gen", &step));
    CHECK_EQ(step.blob, 4);
    CHECK(told_find(trace, MAREY_STEP_RESUME, "gen", &step));
    CHECK(step.is_thrown);
    CHECK_TEXT(marey_trace_string(trace, step.string).bytes, 10, "ValueError");
    CHECK(told_find(trace, MAREY_STEP_END, "gen", &step));
    CHECK_EQ(step.result_blob, 5);
    told_close(trace, builder);
}

TEST(a_switch_sends_events_to_another_lane)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    builder_define_lane(builder, 1, 2, MAREY_LANE_TASK);
    lane_enter(lane, 10, MAIN);
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_SWITCH, .number = 2});
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 10);
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_SWITCH, .number = 1});
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace), "0:10 begin main; 1:20 begin work; 1:30 end work; "
                                "0:40 end main");
    told_close(trace, builder);
}

/* ---- windows ---- */

/* main 10..100, in it work 20..40 and 60..80, each with inner in it; chunks of 3. */
static struct marey_trace *
open_window_trace(struct builder **out)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    for (int i = 0; i < 2; i++) {
        lane_enter(lane, i == 0 ? 10 : 20, WORK);
        lane_enter(lane, 5, INNER);
        lane_seal(lane);
        lane_leave(lane, 10);
        lane_leave(lane, 5);
        lane_seal(lane);
    }
    lane_leave(lane, 20);
    *out = builder;
    return told_open(builder);
}

TEST(a_window_tells_the_calls_that_reach_into_it)
{
    struct marey_selection window = MAREY_SELECTION_ALL;
    struct builder *builder;
    struct marey_trace *trace = open_window_trace(&builder);

    window.from_ns = 30;
    window.to_ns = 70;
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME),
               "0:30 begin* main; 0:30 begin* work; 0:30 begin* inner; 0:35 end inner; "
               "0:40 end work; 0:60 begin work; 0:65 begin inner; "
               "0:70 end inner open; 0:70 end work open; 0:70 end main open");
    told_close(trace, builder);
}

TEST(every_window_is_a_part_of_the_whole)
{
    struct builder *builder;
    struct marey_trace *trace = open_window_trace(&builder);

    for (int64_t from_ns = 0; from_ns <= 110; from_ns += 5) {
        for (int64_t to_ns = from_ns + 5; to_ns <= 115; to_ns += 5) {
            struct marey_selection window = MAREY_SELECTION_ALL;
            struct marey_walk *walk = NULL;
            struct marey_step step;
            int64_t inside_ns = 0;
            window.from_ns = from_ns;
            window.to_ns = to_ns;
            marey_walk_new(trace, &window, MAREY_ORDER_TIME, &walk, NULL);
            while (marey_walk_next(walk, &step)) {
                CHECK(step.time_ns >= from_ns && step.time_ns <= to_ns);
                inside_ns += step.kind == MAREY_STEP_END ? step.self_ns : 0;
            }
            marey_walk_free(walk);
            int64_t first = from_ns > 10 ? from_ns : 10,
                    last = to_ns < 100 ? to_ns : 100;
            CHECK_EQ(inside_ns, last > first ? last - first : 0);
        }
    }
    told_close(trace, builder);
}

TEST(a_call_without_events_in_the_window_is_told_all_the_same)
{
    struct builder *builder = start();
    struct builder_lane *a = builder_lane(builder, 1, 1);
    struct builder_lane *b = builder_lane(builder, 1, 2);
    struct marey_selection window = MAREY_SELECTION_ALL;

    lane_enter(a, 10, MAIN);
    lane_enter(b, 5, WORK);
    lane_leave(b, 495);
    window.from_ns = 100;
    window.to_ns = 200;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME),
               "0:100 begin* main; 1:100 begin* work; 0:200 end main open; "
               "1:200 end work open");
    window.from_ns = 600;
    window.to_ns = 700;
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME), "");
    told_close(trace, builder);
}

TEST(a_chunk_behind_the_window_is_not_looked_at)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection window = MAREY_SELECTION_ALL;

    lane_enter(lane, 10, MAIN);
    lane_seal(lane);
    lane_enter(lane, 10, WORK);
    lane_lose(lane);
    lane_enter(lane, 500, INNER);
    window.from_ns = 5;
    window.to_ns = 15;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME),
               "0:10 begin main; 0:10 gap 1; 0:15 end main open");
    window.to_ns = 8;
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME), "");
    told_close(trace, builder);
}

TEST(calls_that_reach_into_a_window_may_be_too_short_as_well)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection window = MAREY_SELECTION_ALL;

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 8, INNER);
    lane_leave(lane, 7);
    lane_enter(lane, 1, INNER);
    lane_leave(lane, 40);
    window.from_ns = 30;
    window.min_duration_ns = 15;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_steps(trace, &window, MAREY_ORDER_TIME),
               "0:30 begin* main; 0:30 begin* work; 0:36 begin inner; 0:76 end inner; "
               "0:76 end work open; 0:76 end main open");
    told_close(trace, builder);
}

/* ---- filters ---- */

TEST(calls_that_are_filtered_out_are_no_parents)
{
    struct marey_selection pick = MAREY_SELECTION_ALL;
    static const bool functions[] = {true, false, true, true, true};
    struct builder *builder;
    struct marey_trace *trace = open_window_trace(&builder);
    struct marey_walk *walk = NULL;
    struct marey_step step;

    pick.functions = functions;
    CHECK_TOLD(told_steps(trace, &pick, MAREY_ORDER_TIME),
               "0:10 begin main; 0:25 begin inner; 0:35 end inner; 0:65 begin inner; "
               "0:75 end inner; 0:100 end main");
    marey_walk_new(trace, &pick, MAREY_ORDER_TIME, &walk, NULL);
    CHECK(marey_walk_next(walk, &step) && marey_walk_next(walk, &step));
    CHECK_EQ(step.parent, 0);
    CHECK_EQ(step.depth, 1);
    marey_walk_free(walk);
    pick.functions = NULL;
    pick.max_depth = 2;
    CHECK_TOLD(told_steps(trace, &pick, MAREY_ORDER_TIME),
               "0:10 begin main; 0:20 begin work; 0:40 end work; 0:60 begin work; "
               "0:80 end work; 0:100 end main");
    told_close(trace, builder);
}

TEST(lanes_can_be_chosen)
{
    struct builder *builder = start();
    struct marey_selection pick = MAREY_SELECTION_ALL;
    static const bool lanes[] = {false, true};

    lane_enter(builder_lane(builder, 1, 1), 10, MAIN);
    lane_enter(builder_lane(builder, 1, 2), 20, WORK);
    pick.lanes = lanes;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_steps(trace, &pick, MAREY_ORDER_TIME),
               "1:20 begin work; 1:20 end work open");
    told_close(trace, builder);
}

TEST(short_calls_are_left_out_and_longer_ones_come_late)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection pick = MAREY_SELECTION_ALL;

    lane_enter(lane, 10, MAIN);
    lane_instant(lane, 1, 2);
    lane_enter(lane, 1, WORK);
    lane_instant(lane, 1, 2);
    lane_enter(lane, 1, INNER);
    lane_instant(lane, 1, 2);
    lane_leave(lane, 1);
    lane_leave(lane, 20);
    lane_enter(lane, 1, WORK);
    lane_instant(lane, 1, 2);
    lane_leave(lane, 1);
    lane_leave(lane, 1);
    pick.min_duration_ns = 10;
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_steps(trace, &pick, MAREY_ORDER_TIME),
               "0:10 begin main; 0:11 instantmark; 0:12 begin work; 0:13 instantmark; "
               "0:15 instantmark; 0:36 end work; 0:38 instantmark; 0:40 end main");
    pick.min_duration_ns = 1000;
    CHECK_TOLD(
        told_steps(trace, &pick, MAREY_ORDER_TIME),
        "0:11 instantmark; 0:13 instantmark; 0:15 instantmark; 0:38 instantmark");
    told_close(trace, builder);
}

/* ---- processes ---- */

TEST(a_forked_process_knows_what_its_parents_defined)
{
    struct builder *builder = start();

    for (uint32_t serial = 2; serial <= 40; serial++) {
        builder_fork(builder, serial, serial - 1, 1, GEN + serial - 2);
        builder_function(builder, serial, GEN + serial - 1, "own");
    }
    struct builder_lane *lane = builder_lane(builder, 40, 1);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, GEN + 5);
    lane_enter(lane, 10, GEN + 39);
    lane_event(lane, 10, (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = 1});
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(
        told_all(trace),
        "0:10 begin work; 0:20 begin own; 0:30 begin own; 0:40 end own!ValueError; "
        "0:40 end own open; 0:40 end work open");
    CHECK_EQ(marey_trace_function_count(trace), 5);
    told_close(trace, builder);
}

TEST(an_unknown_function_ends_what_can_be_read)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, 99);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace), "0:10 begin main; 0:20 gap 2; 0:30 end main open");
    told_close(trace, builder);
}

TEST(where_definitions_are_lost_functions_go_by_a_stand_in)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    builder_define_all(builder);
    *builder_at(builder, MAREY_PAGE_SIZE + 200) ^= 1;
    lane_enter(lane, 10, MAIN);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_all(trace), "0:10 begin ?; 0:20 end ?");
    told_close(trace, builder);
}

TEST(a_thousand_lanes_are_walked_in_order)
{
    struct builder *builder = start();
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_walk *walk = NULL;
    struct marey_step step;
    uint64_t count = 0;
    int64_t last = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        struct builder_lane *lane = builder_lane(builder, 1, i + 1);
        for (int call = 0; call < 10; call++) {
            lane_enter(lane, 1 + (i * 37 + (uint32_t)call * 11) % 50, WORK);
            lane_leave(lane, 7);
            lane_seal(lane);
        }
    }
    struct marey_trace *trace = told_open(builder);
    marey_walk_new(trace, &all, MAREY_ORDER_TIME, &walk, NULL);
    for (; marey_walk_next(walk, &step); count++) {
        CHECK(step.time_ns >= last);
        last = step.time_ns;
    }
    CHECK_EQ(count, 20000);
    CHECK_EQ(marey_walk_position(walk), 20000);
    marey_walk_free(walk);
    told_close(trace, builder);
}
