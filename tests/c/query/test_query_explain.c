/* How a program ended: which exception, from where, after what. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/answer.h"
#include "told.h"

enum { MODULE = 1, MAIN, LOAD, PARSE, LEN };
enum { VALUE_ERROR = 1, KEY_ERROR, STOP };

static struct builder *
start(void)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_function(builder, 1, MODULE, "<module>");
    builder_function(builder, 1, MAIN, "main");
    builder_function(builder, 1, LOAD, "load");
    builder_function(builder, 1, PARSE, "parse");
    builder_function(builder, 1, LEN, "len");
    builder_string(builder, 1, VALUE_ERROR, "ValueError");
    builder_string(builder, 1, KEY_ERROR, "KeyError");
    builder_string(builder, 1, STOP, "StopIteration");
    return builder;
}

static void
raise(struct builder_lane *lane, uint32_t type)
{
    lane_event(lane, 10,
               (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = type});
}

/* The answer, as text; free() it. */
static char *
explained(struct marey_trace *trace)
{
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_answer answer = {0};
    struct marey_error err;

    CHECK_EQ(marey_answer_explain(trace, &question, &answer, &err), MAREY_OK);
    return told_answer(&answer);
}

/* What stands in the answer behind the first `before`. */
static bool
has_after(const char *text, const char *before, const char *wanted)
{
    const char *at = strstr(text, before);

    return at != NULL && strncmp(at + strlen(before), wanted, strlen(wanted)) == 0;
}

static uint32_t
count_of(const char *text, const char *wanted)
{
    uint32_t count = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++)
        count++;
    return count;
}

TEST(an_exception_is_followed_from_where_it_was_raised)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MODULE);
    lane_enter(lane, 10, LOAD);
    lane_enter(lane, 10, PARSE);
    for (int i = 0; i < 100; i++) {
        lane_enter(lane, 1, LEN);
        lane_leave(lane, 1);
    }
    raise(lane, VALUE_ERROR);
    raise(lane, VALUE_ERROR);
    raise(lane, KEY_ERROR);
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);
    CHECK(has_after(text, "{\"outcome\":", "\"thread\"")); /* none is the main one */
    CHECK(has_after(text, "\"exceptions\":", "[{\"type\":\"ValueError\""));
    CHECK(strstr(text, "{\"type\":\"KeyError\"") != NULL);
    /* One hundred calls are one. */
    CHECK_EQ(count_of(text, "\"kind\":\"call\""), 1);
    CHECK(has_after(text, "\"kind\":\"call\",", "\"count\":100"));
    CHECK_EQ(count_of(text, "\"ending\":\"raised\""), 3);
    free(text);
    told_close(trace, builder);
}

TEST(what_was_caught_is_swallowed_and_ends_nothing)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MODULE);
    lane_enter(lane, 10, MAIN);
    for (int i = 0; i < 1000; i++) {
        lane_enter(lane, 10, PARSE);
        raise(lane, KEY_ERROR);
    }
    lane_enter(lane, 10, LOAD);
    raise(lane, STOP);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);
    CHECK(has_after(text, "{\"outcome\":", "\"returned\""));
    CHECK(has_after(text, "\"exceptions\":", "[]"));
    CHECK_EQ(count_of(text, "{\"type\":\"KeyError\""), 40);
    CHECK_EQ(count_of(text, "StopIteration"), 0);
    free(text);
    told_close(trace, builder);
}

TEST(calls_made_while_it_passes_do_not_hide_where_it_came_from)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MODULE);
    lane_enter(lane, 10, LOAD);
    lane_enter(lane, 10, PARSE);
    raise(lane, KEY_ERROR);
    lane_enter(lane, 10, LEN);
    lane_leave(lane, 10);
    raise(lane, KEY_ERROR);
    raise(lane, KEY_ERROR);
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);
    CHECK_EQ(count_of(text, "{\"type\":\"KeyError\""), 1);
    CHECK_EQ(count_of(text, "\"ending\":\"raised\""), 3);
    CHECK(strstr(text, "\"swallowed\":[]") != NULL);
    free(text);
    told_close(trace, builder);
}

TEST(an_exception_of_unknown_type_is_that_of_its_caller)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MODULE);
    lane_enter(lane, 10, LEN); /* in C: it ends without a type */
    lane_enter(lane, 10, PARSE);
    lane_enter(lane, 10, LEN);
    raise(lane, 0);
    raise(lane, KEY_ERROR);
    raise(lane, 0);
    raise(lane, KEY_ERROR);
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);
    CHECK_EQ(count_of(text, "\"type\":"), 1);
    CHECK(strstr(text, "\"exceptions\":[{\"type\":\"KeyError\"") != NULL);
    CHECK_EQ(count_of(text, "\"ending\":\"raised\""), 4);
    free(text);
    told_close(trace, builder);
}

TEST(a_process_that_was_cut_off_has_its_open_calls)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct builder_lane *other = builder_lane(builder, 1, 2);

    lane_enter(lane, 10, MODULE);
    lane_enter(lane, 10, PARSE);
    lane_leave(lane, 10);
    lane_enter(lane, 10, LOAD);
    lane_enter(other, 5, MAIN);
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);
    CHECK(has_after(text, "{\"outcome\":", "\"killed\""));
    CHECK_EQ(count_of(text, "\"ending\":\"open\""), 2);
    CHECK(has_after(text, "\"threads\":", "[{\"lane\":1,\"stack\":[{\"depth\":0"));
    free(text);
    told_close(trace, builder);
}

TEST(an_empty_trace_has_nothing_to_explain)
{
    struct builder *builder = builder_new();
    struct marey_trace *trace = told_open(builder);
    char *text = explained(trace);

    CHECK_TEXT(text, strlen(text), "null");
    free(text);
    told_close(trace, builder);
}
