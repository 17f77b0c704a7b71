/* The walk around the formats: what can stop an export, and what is told meanwhile. */
#include <string.h>

#include "check.h"
#include "scenario.h"

TEST(formats_are_listed_and_others_refused)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace;
    unsigned count = 0;

    scenario_init(&trace);
    while (marey_export_format(count) != NULL)
        CHECK_EQ(fake_export(&trace, marey_export_format(count++), &output), MAREY_OK);
    CHECK(count >= 2);
    CHECK(marey_export_format(UINT32_MAX) == NULL);
    fake_output_release(&output);

    CHECK_EQ(fake_export(&trace, "no such", &output), MAREY_USAGE);
    CHECK_EQ(output.write_count, 0);
}

TEST(a_sink_that_refuses_stops_every_format)
{
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        for (size_t refuse_after = 1; refuse_after < 4; refuse_after++) {
            struct fake_output output = {NULL, 0, 0, refuse_after, true};
            struct marey_trace trace;
            scenario_init(&trace);
            trace.repeat_count = 30000;
            CHECK_EQ(fake_export(&trace, marey_export_format(i), &output),
                     MAREY_STOPPED);
            CHECK_EQ(output.write_count, refuse_after);
        }
    }
}

static bool
refuse(void *context, const void *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
    return false;
}

TEST(a_sink_that_refuses_all_stops_a_short_export)
{
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        struct marey_export_options options = {.selection = MAREY_SELECTION_ALL};
        struct marey_sink sink = {refuse, NULL};
        struct marey_trace trace;
        struct marey_error err;
        scenario_init(&trace);
        CHECK_EQ(marey_export(&trace, marey_export_format(i), &options, &sink, &err),
                 MAREY_STOPPED);
        CHECK_EQ(err.status, MAREY_STOPPED);
        CHECK(strlen(err.message) > 0);
    }
}

TEST(a_walk_that_fails_fails_the_export)
{
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        struct fake_output output = {NULL, 0, 0, 0, false};
        struct marey_trace trace;
        scenario_init(&trace);
        trace.walk_status = MAREY_CORRUPT;
        CHECK_EQ(fake_export(&trace, marey_export_format(i), &output), MAREY_CORRUPT);
        fake_output_release(&output);
    }
}

struct ticks {
    unsigned count;
    unsigned stop_after;
    double last;
};

static bool
count_tick(void *context, double share)
{
    struct ticks *ticks = context;

    CHECK(share >= ticks->last && share <= 1);
    ticks->last = share;
    return ++ticks->count != ticks->stop_after;
}

static enum marey_status
export_ticking(const char *format, struct ticks *ticks, unsigned repeat_count)
{
    struct fake_output output = {NULL, 0, 0, 0, true};
    struct marey_sink sink = {fake_output_write, &output};
    struct marey_export_options options = {
        .selection = MAREY_SELECTION_ALL, .tick = count_tick, .tick_context = ticks};
    struct marey_step step = {.kind = MAREY_STEP_BEGIN, .lane = LANE_MAIN};
    struct marey_trace trace;

    scenario_init(&trace);
    trace.steps = &step;
    trace.step_count = 1;
    trace.repeat_count = repeat_count;
    trace.repeat_ns = 1;
    trace.info.duration_ns = repeat_count;
    return marey_export(&trace, format, &options, &sink, NULL);
}

TEST(ticks_come_now_and_then_and_can_stop)
{
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        struct ticks ticks = {0, 0, 0};
        CHECK_EQ(export_ticking(marey_export_format(i), &ticks, 1 << 20), MAREY_OK);
        CHECK_EQ(ticks.count, 16);
        CHECK(ticks.last > 0.99);

        ticks = (struct ticks){0, 3, 0};
        CHECK_EQ(export_ticking(marey_export_format(i), &ticks, 1 << 20),
                 MAREY_STOPPED);
        CHECK_EQ(ticks.count, 3);
    }
}

TEST(an_empty_trace_is_a_valid_export)
{
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        struct fake_output output = {NULL, 0, 0, 0, false};
        struct marey_trace trace = {.step_count = 0};
        CHECK_EQ(fake_export(&trace, marey_export_format(i), &output), MAREY_OK);
        fake_output_release(&output);
    }
}
