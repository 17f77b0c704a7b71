/* The log: only what was logged, a line each, with the open calls where asked for. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scenario.h"

static const struct marey_value message_values[] = {
    {.tag = 6, .name = {"level", 5}, .text = {"WARNING", 7}},
    {.tag = 6, .text = {"connection\nlost", 15}},
    {.tag = 4, .name = {"attempt", 7}, .integer = 3},
};
static const struct marey_value text_values[] = {{.tag = 6, .text = {"it's", 4}}};
static const struct fake_blob blobs[] = {
    {message_values, 3, MAREY_OK},
    {text_values, 1, MAREY_OK},
};

#define LOG(when, what, which)                                                         \
    .kind = MAREY_STEP_LOG, .time_ns = when, .string = what, .log_class = which

static const struct marey_step steps[] = {
    {.kind = MAREY_STEP_BEGIN, .time_ns = 1000, .function = F_MAIN},
    {LOG(1100, 3, MAREY_CLASS_VALUE), .depth = 1, .blob = 2},
    {.kind = MAREY_STEP_BEGIN, .time_ns = 1200, .function = F_LEN, .depth = 1},
    {LOG(1300, 3, MAREY_CLASS_RECORD), .depth = 2, .blob = 1},
    {.kind = MAREY_STEP_END, .time_ns = 1400, .function = F_LEN, .depth = 1},
    {.kind = MAREY_STEP_COUNTER, .time_ns = 1500, .depth = 1, .string = 2, .value = 2},
    {LOG(1600, 1, MAREY_CLASS_RECORD), .depth = 1, .blob = 2},
    {.kind = MAREY_STEP_END, .time_ns = 2000, .function = F_MAIN},
    {.kind = MAREY_STEP_INSTANT, .time_ns = 2100, .string = 1},
};

static char *
log_of(size_t *size)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace;
    char *body;

    scenario_init(&trace);
    trace.lane_count = 1;
    trace.process_count = 1;
    trace.steps = steps;
    trace.step_count = sizeof(steps) / sizeof(steps[0]);
    trace.blobs = blobs;
    trace.blob_count = 2;
    CHECK_EQ(fake_export(&trace, "log", &output), MAREY_OK);
    body = memchr(output.bytes, '\n', output.size);
    *size = output.size - (size_t)(body + 1 - output.bytes);
    memmove(output.bytes, body + 1, *size);
    return output.bytes;
}

TEST(a_line_for_each_thing_logged_and_for_nothing_else)
{
    size_t size;
    char *text = log_of(&size);

    CHECK_TEXT(text, size,
               "    0.000001100  value     total = 'it's'\n"
               "    0.000001300  WARNING   total: connection\\x0alost, attempt=3\n"
               "    0.000001500  counter   queue = 2.0\n"
               "    0.000001600  log       tick: it's\n"
               "    0.000002100  instant   tick\n");
    free(text);
}

TEST(the_open_calls_stand_below_each_line)
{
    size_t size;
    char *text;

    fake_options.has_stacks = true;
    text = log_of(&size);
    fake_options.has_stacks = false;
    CHECK_TEXT(text, size,
               "    0.000001100  value     total = 'it's'\n"
               "                    in app.main\n"
               "    0.000001300  WARNING   total: connection\\x0alost, attempt=3\n"
               "                    in len\n"
               "                    in app.main\n"
               "    0.000001500  counter   queue = 2.0\n"
               "                    in app.main\n"
               "    0.000001600  log       tick: it's\n"
               "                    in app.main\n"
               "    0.000002100  instant   tick\n");
    free(text);
}

TEST(a_value_that_is_searched_for_leaves_out_the_rest)
{
    size_t size;
    char *text;

    fake_options.value = TEXT("3");
    text = log_of(&size);
    fake_options.value = (struct marey_text){NULL, 0};
    CHECK_TEXT(text, size,
               "    0.000001300  WARNING   total: connection\\x0alost, attempt=3\n");
    free(text);
}
