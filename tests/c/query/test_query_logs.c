/* What was logged: searched for by name and value, and listed. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/answer.h"
#include "told.h"

#define TEXT(literal) ((struct marey_text){literal, sizeof(literal) - 1})

enum { QUEUE = 1, MISS };

static struct builder *
start(void)
{
    struct builder *builder = builder_new();
    static const double numbers[] = {1, 2.5, -3, 1e300};

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "main");
    builder_string(builder, 1, QUEUE, "queue");
    builder_string(builder, 1, MISS, "cache miss");
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    lane_enter(lane, 10, 1);
    for (int i = 0; i < 4; i++)
        lane_event(lane, 10,
                   (struct marey_event){.kind = MAREY_EVENT_COUNTER,
                                        .string = QUEUE,
                                        .value = numbers[i]});
    lane_instant(lane, 10, MISS);
    lane_leave(lane, 10);
    return builder;
}

/* How many steps have such a value. */
static uint32_t
found(struct marey_trace *trace, struct marey_text pattern)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_walk *walk = NULL;
    struct marey_step step;
    uint32_t count = 0;

    CHECK_EQ(marey_walk_new(trace, &all, MAREY_ORDER_TIME, &walk, NULL), MAREY_OK);
    while (marey_walk_next(walk, &step)) {
        bool has_value = false;
        CHECK_EQ(marey_step_has_value(trace, &step, pattern, &has_value, NULL),
                 MAREY_OK);
        count += has_value;
    }
    marey_walk_free(walk);
    return count;
}

TEST(numbers_are_found_as_people_write_them)
{
    struct builder *builder = start();
    struct marey_trace *trace = told_open(builder);

    CHECK_EQ(found(trace, TEXT("1")), 1);
    CHECK_EQ(found(trace, TEXT("1.0")), 1);
    CHECK_EQ(found(trace, TEXT("queue=2.5")), 1);
    CHECK_EQ(found(trace, TEXT("queue=-3")), 1);
    CHECK_EQ(found(trace, TEXT("qu*=*")), 4);
    CHECK_EQ(found(trace, TEXT("other=1")), 0);
    CHECK_EQ(found(trace, TEXT("2")), 0);
    told_close(trace, builder);
}

TEST(names_of_points_are_found)
{
    struct builder *builder = start();
    struct marey_trace *trace = told_open(builder);

    CHECK_EQ(found(trace, TEXT("queue")), 4);
    CHECK_EQ(found(trace, TEXT("*miss")), 1);
    CHECK_EQ(found(trace, TEXT("")), 0);
    CHECK_EQ(found(trace, TEXT("=")), 0);
    CHECK_EQ(found(trace, TEXT("*")), 5);
    told_close(trace, builder);
}

static char *
listed(struct marey_trace *trace, struct marey_text name, struct marey_text value,
       uint32_t limit)
{
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_answer answer = {0};

    CHECK_EQ(marey_answer_logs(trace, &question, name, value, limit, &answer, NULL),
             MAREY_OK);
    return told_answer(&answer);
}

TEST(a_list_is_of_a_name_a_value_and_a_length)
{
    struct builder *builder = start();
    struct marey_trace *trace = told_open(builder);
    char *text = listed(trace, TEXT("queue"), TEXT("2.5"), 10);

    CHECK_TEXT(text, strlen(text),
               "{\"logs\":[{\"time_ns\":30,\"lane\":0,\"depth\":1,\"function\":0,"
               "\"kind\":\"counter\",\"name\":\"queue\",\"value\":2.500000000}],"
               "\"more\":false}");
    free(text);
    text = listed(trace, TEXT(""), TEXT(""), 4);
    CHECK(strstr(text, "cache miss") == NULL);
    CHECK(strstr(text, "\"more\":true}") != NULL);
    free(text);
    text = listed(trace, TEXT(""), TEXT(""), 5);
    CHECK(strstr(text, "\"more\":false}") != NULL);
    free(text);
    told_close(trace, builder);
}

TEST(classes_have_words)
{
    CHECK(strcmp(marey_log_class_name(MAREY_CLASS_VALUE), "value") == 0);
    CHECK(strcmp(marey_log_class_name(MAREY_CLASS_LINE), "line") == 0);
    CHECK(strcmp(marey_log_class_name(0), "other") == 0);
    CHECK(strcmp(marey_log_class_name(255), "other") == 0);
}
