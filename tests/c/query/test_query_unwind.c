/* The way of an exception through calls, told from their ends. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/answer.h"
#include "told.h"

enum { MAIN = 1, OUTER, INNER, HELPER };
enum { ERROR = 1, OTHER };

static void
lane_raise(struct builder_lane *lane, uint64_t dt, uint32_t type)
{
    lane_event(lane, dt,
               (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = type});
}

static struct builder *
start(struct builder_lane **lane)
{
    static const char *const names[] = {"main", "outer", "inner", "helper"};
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    for (uint32_t i = 0; i < 4; i++)
        builder_function(builder, 1, i + 1, names[i]);
    builder_string(builder, 1, ERROR, "Error");
    builder_string(builder, 1, OTHER, "Other");
    *lane = builder_lane(builder, 1, 1);
    lane_enter(*lane, 10, MAIN);
    return builder;
}

static char *
way_of(struct marey_trace *trace, uint32_t depth, int64_t begin_ns, int64_t end_ns)
{
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_answer answer = {0};

    CHECK_EQ(marey_answer_unwind(trace, &question, 0, depth, begin_ns, end_ns, &answer,
                                 NULL),
             MAREY_OK);
    return told_answer(&answer);
}

TEST(an_exception_is_followed_from_where_it_was_raised_to_who_took_it)
{
    struct builder_lane *lane;
    struct builder *builder = start(&lane);

    lane_enter(lane, 10, OUTER);
    lane_enter(lane, 10, INNER);
    lane_raise(lane, 10, ERROR);
    lane_enter(lane, 10, HELPER); /* a finally, in which another one is taken */
    lane_leave(lane, 10);
    lane_raise(lane, 10, ERROR); /* outer, at 70 */
    lane_enter(lane, 10, HELPER);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    const char *want = "{\"type\":\"Error\",\"frames\":["
                       "{\"function\":2,\"depth\":2,\"begin_ns\":30,\"end_ns\":40},"
                       "{\"function\":1,\"depth\":1,\"begin_ns\":20,\"end_ns\":70}],"
                       "\"left_out\":0,\"raised\":[],\"handler\":0,\"taken\":\"\","
                       "\"taken_values\":[]}";
    char *text = way_of(trace, 1, 20, 70);
    CHECK_TEXT(text, strlen(text), want);
    free(text);
    text = way_of(trace, 2, 30, 40); /* the same way, whichever call is asked */
    CHECK_TEXT(text, strlen(text), want);
    free(text);
    text = way_of(trace, 0, 10, 100);
    CHECK_TEXT(text, strlen(text), "null");
    free(text);
    told_close(trace, builder);
}

TEST(one_that_was_taken_is_not_the_next_one)
{
    struct builder_lane *lane;
    struct builder *builder = start(&lane);

    lane_enter(lane, 10, OUTER);
    lane_enter(lane, 10, INNER);
    lane_raise(lane, 10, ERROR); /* at 40: outer takes it, and raises another one */
    lane_raise(lane, 10, OTHER);
    lane_raise(lane, 10, OTHER);
    struct marey_trace *trace = told_open(builder);
    char *text = way_of(trace, 2, 30, 40);
    CHECK(strstr(text, "\"type\":\"Error\"") != NULL);
    CHECK(strstr(text, "\"handler\":1,") != NULL);
    free(text);
    text = way_of(trace, 0, 10, 60); /* nobody took that one */
    CHECK(strstr(text, "\"type\":\"Other\"") != NULL);
    CHECK(strstr(text, "\"handler\":-1,") != NULL);
    CHECK(strstr(text, "\"function\":2") == NULL);
    free(text);
    told_close(trace, builder);
}
