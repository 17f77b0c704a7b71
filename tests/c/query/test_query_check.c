/* Checking: whole traces have no findings, others do. */
#include <string.h>

#include "../export/check.h"
#include "told.h"

static struct builder *
start(void)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "work");
    builder_function(builder, 1, 2, "gen");
    builder_string(builder, 1, 1, "name");
    return builder;
}

/* One finding that says this; "" for none. */
static void
check_finds(struct builder *builder, const char *what)
{
    struct marey_trace *trace = told_open(builder);
    char line[256];
    uint64_t count = told_check(trace, line);

    if (what[0] == '\0')
        CHECK_TEXT(line, strlen(line), "");
    else
        CHECK(strstr(line, what) != NULL);
    CHECK_EQ(count > 0, what[0] != '\0');
    told_close(trace, builder);
}

static void
check_finds_event(struct marey_event event, const char *what)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_event(lane, 10, event);
    check_finds(builder, what);
}

TEST(a_whole_trace_has_no_findings)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_seal(lane);
    lane_enter(lane, 10, 2);
    lane_yield(lane, 10, 7);
    lane_lose(lane);
    lane_resume(lane, 10, 2, 7);
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_THROWN, .string = 1});
    lane_event(lane, 0, (struct marey_event){.kind = MAREY_EVENT_LOST, .number = 5});
    lane_instant(lane, 10, 1);
    lane_seal(lane);
    lane->first_index += 5;
    lane_leave(lane, 10);
    lane_leave_open(lane, 4096);
    check_finds(builder, "");
}

TEST(names_must_be_defined)
{
    check_finds_event((struct marey_event){.kind = MAREY_EVENT_ENTER, .function = 9},
                      "undefined function 9");
    check_finds_event((struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = 9},
                      "undefined string 9");
    check_finds_event((struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = 0},
                      "");
    check_finds_event((struct marey_event){.kind = MAREY_EVENT_SWITCH, .number = 9},
                      "undefined lane 9");
    check_finds_event(
        (struct marey_event){.kind = MAREY_EVENT_INSTANT, .string = 1, .number = 3},
        "values that are not there: 2");
}

TEST(values_may_be_gone_from_a_ring_before_their_events)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_event(
        lane, 10,
        (struct marey_event){.kind = MAREY_EVENT_INSTANT, .string = 1, .number = 3});
    builder_header(builder)->flags |= MAREY_FILE_WAS_RING;
    check_finds(builder, "");
}

TEST(calls_must_nest)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_leave(lane, 10);
    check_finds(builder, "a call ends where none is open");
    check_finds_event(
        (struct marey_event){.kind = MAREY_EVENT_YIELD, .function = 2, .number = 7},
        "suspends another function");
    check_finds_event((struct marey_event){.kind = MAREY_EVENT_THROWN, .string = 1},
                      "a throw without the resume");
}

TEST(a_snapshot_must_be_the_stack)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_seal(lane);
    lane->stack[0].start_ticks--;
    lane_leave(lane, 10);
    check_finds(builder, "open calls are not those of the last chunk");
}

TEST(chunks_must_follow_each_other)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_seal(lane);
    lane->first_index = 0;
    lane_leave(lane, 10);
    check_finds(builder, "starts before the last chunk ended");

    builder = start();
    lane = builder_lane(builder, 1, 1);
    lane_enter(lane, 10, 1);
    lane_leave(lane, 10);
    lane_seal(lane);
    lane->ticks -= 15;
    lane_enter(lane, 1, 1);
    check_finds(builder, "its time lies before the last chunk's");
}

TEST(counts_of_headers_must_be_true)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, 1);
    lane_leave(lane, 10);
    lane->count = 1;
    check_finds(builder, "another number of events");

    builder = start();
    lane = builder_lane(builder, 1, 1);
    lane_enter(lane, 10, 1);
    lane->start_depth = 3;
    check_finds(builder, "another number of open calls");
}

TEST(processes_and_lanes_must_be_defined_once)
{
    struct builder *builder = start();

    builder_define_lane(builder, 1, 1, MAREY_LANE_THREAD);
    builder_define_lane(builder, 1, 1, MAREY_LANE_THREAD);
    check_finds(builder, "defines once more lane 1");

    builder = builder_new();
    builder_string(builder, 1, 1, "x");
    builder_header(builder)->process_count = 1;
    check_finds(builder, "process 1 is not defined");

    builder = start();
    builder_fork(builder, 2, 1, 5, 1);
    check_finds(builder, "shares more than its parent defined");
}

TEST(texts_must_be_texts)
{
    static const char *const wrong[] = {"\xff", "\xc0\x80", "\xe0\x80\x80", "a\xc3",
                                        "\xf5\x80\x80\x80"};

    for (int i = 0; i < 5; i++) {
        struct builder *builder = start();
        builder_string(builder, 1, 2, wrong[i]);
        check_finds(builder, "not UTF-8");
    }
    struct builder *builder = start();
    builder_string(builder, 1, 2, "\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80");
    check_finds(builder, "");
}

TEST(every_flipped_bit_of_a_payload_is_found)
{
    for (unsigned bit = 0; bit < 3 * 8; bit++) {
        struct builder *builder = start();
        struct builder_lane *lane = builder_lane(builder, 1, 1);
        size_t before;
        builder_define_all(builder);
        builder_bytes(builder, &before);
        lane_enter(lane, 10, 1);
        lane_seal(lane);
        *builder_at(builder, before + 128 + bit / 8) ^= (uint8_t)(1 << bit % 8);
        check_finds(builder, "does not match its checksum");
    }
}
