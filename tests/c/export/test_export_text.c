/* The text of `marey show`: whole lines, over the tables of the scenario and steps of
 * their own.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scenario.h"

#define LANE_COUNT 4

/* The scenario's tables, with these steps, and all lanes in use. */
static void
prepare(struct marey_trace *trace, struct marey_lane_info *lanes,
        const struct marey_step *steps, uint64_t step_count)
{
    scenario_init(trace);
    for (uint32_t i = 0; i < LANE_COUNT; i++) {
        lanes[i] = trace->lanes[i];
        lanes[i].event_count = 1;
    }
    trace->lanes = lanes;
    trace->info.duration_ns = 10000;
    trace->steps = steps;
    trace->step_count = step_count;
}

/* Writes the text of one lane's steps into `out`, without the heading; it is the
 * caller's. */
static char *
text_of(const struct marey_step *steps, uint64_t step_count, size_t *size)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_lane_info lanes[LANE_COUNT];
    struct marey_trace trace;
    char *body;

    prepare(&trace, lanes, steps, step_count);
    trace.lane_count = 1;
    trace.process_count = 1;
    CHECK_EQ(fake_export(&trace, "text", &output), MAREY_OK);
    body = memchr(output.bytes, '\n', output.size);
    *size = output.size - (size_t)(body + 1 - output.bytes);
    memmove(output.bytes, body + 1, *size);
    return output.bytes;
}

#define CHECK_STEPS(steps, want)                                                       \
    do {                                                                               \
        size_t size;                                                                   \
        char *text = text_of(steps, sizeof(steps) / sizeof((steps)[0]), &size);        \
        CHECK_TEXT(text, size, want);                                                  \
        free(text);                                                                    \
    } while (0)

#define STEP(what, when, which, deep)                                                  \
    .kind = MAREY_STEP_##what, .time_ns = when, .function = which, .depth = deep
#define BEGIN(when, which, deep)                                                       \
    STEP(BEGIN, when, which, deep), .first_ns = MAREY_NO_TIME
#define RESUME(when, which, deep) STEP(RESUME, when, which, deep)
#define SUSPEND(when, which, deep, took)                                               \
    STEP(SUSPEND, when, which, deep), .duration_ns = took
#define END(when, which, deep, took)                                                   \
    STEP(END, when, which, deep), .duration_ns = took, .running_ns = took

TEST(a_call_without_calls_is_one_line)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_MAIN, 0)},
        {BEGIN(2000, F_LEN, 1)},
        {END(2345, F_LEN, 1, 345)},
        {END(9000, F_MAIN, 0, 8000)},
    };
    CHECK_STEPS(steps, "    0.000001000              | app.main() {\n"
                       "    0.000002000    0.345 us  |   len();\n"
                       "    0.000009000    8.000 us  | }  // app.main\n");
}

TEST(how_a_call_ended_stands_behind_it)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_MAIN, 0)},
        {BEGIN(2000, F_LOAD, 1)},
        {END(2500, F_LOAD, 1, 500), .ending = MAREY_END_RAISED, .string = 0},
        {BEGIN(3000, F_LEN, 1)},
        {END(3500, F_LEN, 1, 500), .ending = MAREY_END_RAISED,
         .string = MAREY_NO_INDEX},
        {BEGIN(4000, F_LEN, 1)},
        {END(4500, F_LEN, 1, 500), .ending = MAREY_END_CUT},
        {END(9000, F_MAIN, 0, 8000), .ending = MAREY_END_OPEN},
    };
    CHECK_STEPS(
        steps,
        "    0.000001000              | app.main() {\n"
        "    0.000002000    0.500 us  |   load();  // raised ValueError\n"
        "    0.000003000    0.500 us  |   len();  // raised an exception\n"
        "    0.000004000    0.500 us  |   len();  // cut: its end was not recorded\n"
        "    0.000009000    8.000 us  | }  // app.main, still open\n");
}

TEST(a_generator_says_where_it_stopped_and_went_on)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_NUMBERS, 0)},
        {SUSPEND(1100, F_NUMBERS, 0, 100)},
        {RESUME(2000, F_NUMBERS, 0)},
        {BEGIN(2100, F_LEN, 1)},
        {END(2200, F_LEN, 1, 100)},
        {SUSPEND(2300, F_NUMBERS, 0, 300)},
        {RESUME(3000, F_NUMBERS, 0), .is_thrown = true},
        {STEP(END, 3100, F_NUMBERS, 0), .duration_ns = 100, .running_ns = 1500,
         .ending = MAREY_END_RAISED},
    };
    CHECK_STEPS(
        steps,
        "    0.000001000    0.100 us  | app.numbers();  // suspended\n"
        "    0.000002000              | app.numbers() {  // resumed\n"
        "    0.000002100    0.100 us  |   len();\n"
        "    0.000002300    0.300 us  | }  // app.numbers, suspended\n"
        "    0.000003000    0.100 us  | app.numbers();  // resumed by a throw of "
        "ValueError, raised ValueError, ran 1.500 us in all its parts\n");
}

TEST(a_call_that_was_open_says_since_when)
{
    static const struct marey_step steps[] = {
        {STEP(BEGIN, 1000, F_MAIN, 0), .was_open = true, .first_ns = 250},
        {BEGIN(1000, F_LOAD, 1), .was_open = true},
        {END(1500, F_LOAD, 1, 500)},
        {END(2000, F_MAIN, 0, 1000), .ending = MAREY_END_OPEN},
    };
    CHECK_STEPS(steps, "    0.000001000              | app.main() {  // open before, "
                       "since 0.000000250\n"
                       "    0.000001000    0.500 us  |   load();  // open before\n"
                       "    0.000002000    1.000 us  | }  // app.main, still open\n");
}

TEST(points_stand_in_their_place)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_MAIN, 0)},
        {.kind = MAREY_STEP_INSTANT, .time_ns = 1100, .depth = 1, .string = 1},
        {.kind = MAREY_STEP_COUNTER,
         .time_ns = 1200,
         .depth = 1,
         .string = 2,
         .value = 2.5},
        {.kind = MAREY_STEP_LOG, .time_ns = 1300, .depth = 1, .string = 3, .blob = 2},
        {.kind = MAREY_STEP_FLOW_OUT, .time_ns = 1400, .depth = 1, .flow = 77},
        {.kind = MAREY_STEP_FLOW_IN, .time_ns = 1500, .depth = 1, .flow = 77},
        {.kind = MAREY_STEP_GAP, .time_ns = 1600, .depth = 1, .lost_count = 12},
        {.kind = MAREY_STEP_GAP, .time_ns = 1700, .depth = 1, .lost_count = 1},
        {END(2000, F_MAIN, 0, 1000)},
    };
    CHECK_STEPS(steps,
                "    0.000001000              | app.main() {\n"
                "    0.000001100              |   * tick\n"
                "    0.000001200              |   * queue = 2.5\n"
                "    0.000001300              |   * total: 3\n"
                "    0.000001400              |   * arrow out 0x4d\n"
                "    0.000001500              |   * arrow in 0x4d\n"
                "    0.000001600              |   ~~~ 12 events were lost here ~~~\n"
                "    0.000001700              |   ~~~ 1 event was lost here ~~~\n"
                "    0.000002000    1.000 us  | }  // app.main\n");
}

TEST(values_stand_in_the_call)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_LEN, 0), .blob = 1},
        {END(1500, F_LEN, 0, 500), .result_blob = 2},
    };
    CHECK_STEPS(
        steps,
        "    0.000001000    0.500 us  | len(n=-7, big=9223372036854775807, x=0.1, "
        "s='a\"b', raw=b'\\x00'', o=[1, 2], none=None, yes=True, key=<redacted>, "
        "False) = 3;\n");
}

TEST(control_characters_and_bad_bytes_are_escaped)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_ODD, 0)},
        {END(1500, F_ODD, 0, 500)},
    };
    CHECK_STEPS(steps, "    0.000001000    0.500 us  | a\\x00b\"\\\xC3\xA9\\ud800\\xff"
                       "\xF0\x9F\x99\x82();\n");
}

TEST(durations_change_their_unit)
{
    static const struct marey_step steps[] = {
        {BEGIN(0, F_LEN, 0)}, {END(0, F_LEN, 0, 0)},
        {BEGIN(0, F_LEN, 0)}, {END(0, F_LEN, 0, 999999)},
        {BEGIN(0, F_LEN, 0)}, {END(0, F_LEN, 0, 1000000)},
        {BEGIN(0, F_LEN, 0)}, {END(0, F_LEN, 0, INT64_C(12345678901))},
        {BEGIN(0, F_LEN, 0)}, {END(0, F_LEN, 0, INT64_C(5000000000000))},
    };
    CHECK_STEPS(steps, "    0.000000000    0.000 us  | len();\n"
                       "    0.000000000  999.999 us  | len();\n"
                       "    0.000000000    1.000 ms  | len();\n"
                       "    0.000000000   12.345 s   | len();\n"
                       "    0.000000000    5.000 ks  | len();\n");
}

TEST(deep_calls_stay_on_the_page)
{
    static const struct marey_step steps[] = {
        {BEGIN(0, F_LEN, 5000)},
        {END(0, F_LEN, 5000, 0)},
    };
    size_t size;
    char *text = text_of(steps, 2, &size);

    CHECK(size < 300);
    CHECK(strstr(text, " [5000] len();\n") != NULL);
    free(text);
}

TEST(values_of_calls_are_left_out_where_asked_for)
{
    static const struct marey_step steps[] = {
        {BEGIN(2000, F_LEN, 0), .blob = 2},
        {END(2345, F_LEN, 0, 345), .result_blob = 2},
        {.kind = MAREY_STEP_LOG,
         .time_ns = 3000,
         .string = 3,
         .log_class = 3,
         .blob = 2},
    };
    CHECK_STEPS(steps, "    0.000002000    0.345 us  | len(3) = 3;\n"
                       "    0.000003000              | * raised total: 3\n");
    fake_options.hides_values = true;
    CHECK_STEPS(steps, "    0.000002000    0.345 us  | len();\n"
                       "    0.000003000              | * raised total: 3\n");
    fake_options.hides_values = false;
}

TEST(only_what_has_the_value_is_told_each_on_a_line)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_MAIN, 0)},
        {BEGIN(2000, F_LEN, 1), .blob = 2},
        {.kind = MAREY_STEP_LOG, .time_ns = 2100, .depth = 2, .string = 3, .blob = 2},
        {.kind = MAREY_STEP_INSTANT, .time_ns = 2200, .depth = 2, .string = 3},
        {END(2345, F_LEN, 1, 345), .begin_ns = 2000, .blob = 2},
        {END(9000, F_MAIN, 0, 8000), .begin_ns = 1000},
    };
    fake_options.value = TEXT("3");
    CHECK_STEPS(steps, "    0.000002100              | * total: 3\n"
                       "    0.000002000    0.345 us  | len(3);\n");
    fake_options.value = TEXT("4");
    CHECK_STEPS(steps, "");
    fake_options.value = (struct marey_text){NULL, 0};
}

TEST(several_lanes_have_a_column)
{
    static const struct marey_step steps[] = {
        {BEGIN(1000, F_MAIN, 0), .lane = LANE_MAIN},
        {BEGIN(2000, F_LEN, 0), .lane = LANE_WORKER},
        {END(2500, F_LEN, 0, 500), .lane = LANE_WORKER},
        {END(3000, F_MAIN, 0, 2000), .lane = LANE_MAIN},
    };
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_lane_info lanes[LANE_COUNT];
    struct marey_trace trace;

    prepare(&trace, lanes, steps, 4);
    trace.lane_count = 3;
    trace.process_count = 1;
    CHECK_EQ(fake_export(&trace, "text", &output), MAREY_OK);
    CHECK_TEXT(output.bytes, output.size,
               "#      time (s)    duration  thread          | call\n"
               "    0.000001000              MainThread      | app.main() {\n"
               "    0.000002000    0.500 us  worker \"1\"\\x0a  | len();\n"
               "    0.000003000    2.000 us  MainThread      | }  // app.main\n");
    fake_output_release(&output);

    output = (struct fake_output){NULL, 0, 0, 0, false};
    prepare(&trace, lanes, steps, 4);
    CHECK_EQ(fake_export(&trace, "text", &output), MAREY_OK);
    CHECK(memmem(output.bytes, output.size, "  100 MainThread      | app.main() {\n",
                 36) != NULL);
    fake_output_release(&output);
}
