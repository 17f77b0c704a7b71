/* Transactions: one by one, each once, and where the time of each went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/answer.h"
#include "marey/transactions.h"
#include "told.h"

#define CHECK_TOLD(got, want) CHECK_TEXT(got, strlen(got), want)

enum { PLAIN = 1, WORK, INNER, TASK, IN_C };
enum { VALUE_ERROR = 1, CANCELLED, EXIT, APP, ANNOTATE };

static struct builder *
start(void)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_string(builder, 1, VALUE_ERROR, "ValueError");
    builder_string(builder, 1, CANCELLED, "asyncio.exceptions.CancelledError");
    builder_string(builder, 1, EXIT, "GeneratorExit");
    builder_string(builder, 1, APP, "app");
    builder_string(builder, 1, ANNOTATE, "marey.annotate");
    builder_function(builder, 1, PLAIN, "plain");
    builder_function_of(builder, 1, WORK, "work", 0, 0, 0, MAREY_FUNCTION_TRANSACTION);
    builder_function_of(builder, 1, INNER, "inner", APP, 0, 0,
                        MAREY_FUNCTION_TRANSACTION);
    builder_function_of(builder, 1, TASK, "task", 0, 0, 0, MAREY_FUNCTION_TRANSACTION);
    builder_function_of(builder, 1, IN_C, "sort", 0, 0, 0, MAREY_FUNCTION_C);
    return builder;
}

static void
raise(struct builder_lane *lane, uint32_t type)
{
    lane_event(lane, 10,
               (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = type});
}

/* The innermost transaction of the lane has this value; without a key (0) it is what
 * the transaction is called. `blob` counts from 1 in the lane. */
static void
annotate(struct builder_lane *lane, uint64_t blob, uint32_t key, const char *text)
{
    struct marey_encoder value = {0}, record = {0};
    struct marey_extent_header head = {.kind = MAREY_EXTENT_BLOBS,
                                       .process = lane->process,
                                       .lane = lane->lane,
                                       .sequence = blob,
                                       .first_index = blob - 1,
                                       .record_count = 1};

    marey_encode_varint(&value, 1); /* tag: values */
    marey_encode_varint(&value, 1); /* count */
    marey_encode_varint(&value, key);
    marey_encode_varint(&value, MAREY_VALUE_TEXT);
    marey_encode_varint(&value, strlen(text));
    marey_encode_bytes(&value, text, strlen(text));
    marey_encode_varint(&record, value.size_bytes);
    marey_encode_bytes(&record, value.bytes, value.size_bytes);
    builder_put(lane->builder, &head, record.bytes, record.size_bytes, 0);
    marey_encoder_release(&value);
    marey_encoder_release(&record);
    lane_event(lane, 10,
               (struct marey_event){
                   .kind = MAREY_EVENT_INSTANT, .string = ANNOTATE, .number = blob});
}

/* All that are told, joined by "; ": `name lane>lane begin-end how own/call/c/child/
 * waiting`, then what else is true of it. Borrowed until the next call. */
static const char *
told(struct marey_trace *trace, const struct marey_selection *selection)
{
    static const char *const endings[] = {"returned", "raised", "cut", "open"};
    static char text[4096];
    struct marey_transactions *all = NULL;
    struct marey_transaction one;
    size_t size = 0;

    text[0] = '\0';
    CHECK_EQ(marey_transactions_new(trace, selection, &all, NULL), MAREY_OK);
    while (marey_transactions_next(all, &one)) {
        int64_t sum = one.own_ns + one.call_ns + one.c_ns + one.child_ns;
        CHECK_EQ(sum + one.waiting_ns, one.end_ns - one.begin_ns);
        size += (size_t)snprintf(
            text + size, sizeof(text) - size,
            "%s%.*s %u>%u %lld-%lld %s %lld/%lld/%lld/%lld/%lld%s%s%s%s",
            size == 0 ? "" : "; ", (int)one.name.size_bytes, one.name.bytes, one.lane,
            one.end_lane, (long long)one.begin_ns, (long long)one.end_ns,
            one.is_cancelled ? "cancelled" : endings[one.ending], (long long)one.own_ns,
            (long long)one.call_ns, (long long)one.c_ns, (long long)one.child_ns,
            (long long)one.waiting_ns, one.was_open ? " was open" : "",
            one.is_nested ? " nested" : "",
            one.parent_lane == MAREY_NO_INDEX ? "" : " inside",
            one.exception == MAREY_NO_INDEX ? "" : " with type");
    }
    CHECK_EQ(marey_transactions_status(all, NULL), MAREY_OK);
    marey_transactions_free(all);
    return text;
}

static const char *
told_whole(struct marey_trace *trace)
{
    struct marey_selection all = MAREY_SELECTION_ALL;

    return told(trace, &all);
}

static char *
answered(struct marey_trace *trace, uint32_t slowest_count)
{
    struct marey_transaction_question question = {.selection = MAREY_SELECTION_ALL,
                                                  .slowest_count = slowest_count};
    struct marey_answer answer = {0};
    struct marey_error err;

    CHECK_EQ(marey_answer_transactions(trace, &question, &answer, &err), MAREY_OK);
    return told_answer(&answer);
}

TEST(each_nanosecond_is_in_one_of_the_sums)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, PLAIN); /* none of ours */
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 1, PLAIN);
    lane_enter(lane, 2, IN_C);
    lane_leave(lane, 4);
    lane_leave(lane, 8);
    lane_enter(lane, 16, INNER);
    lane_enter(lane, 32, IN_C);
    lane_leave(lane, 64);
    lane_leave(lane, 128);
    lane_leave(lane, 256);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "app:inner 0>0 51-275 returned 160/0/64/0/0 inside; "
                                  "work 0>0 20-531 returned 273/10/4/224/0");
    told_close(trace, builder);
}

TEST(recursion_counts_each_and_marks_the_inner_ones)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, INNER);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "app:inner 0>0 30-40 returned 10/0/0/0/0 inside; "
                                  "work 0>0 20-50 returned 20/0/0/10/0 nested inside; "
                                  "work 0>0 10-60 returned 20/0/0/30/0");
    char *text = answered(trace, 0);
    CHECK(strstr(text, "\"open\":0,\"total_ns\":50,\"min_ns\":30,\"mean_ns\":40,") !=
          NULL);
    free(text);
    told_close(trace, builder);
}

TEST(each_ends_as_it_ended)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, WORK);
    raise(lane, VALUE_ERROR);
    lane_enter(lane, 10, WORK);
    raise(lane, CANCELLED);
    lane_enter(lane, 10, WORK);
    raise(lane, EXIT);
    lane_enter(lane, 10, WORK);
    lane_event(lane, 10, (struct marey_event){.kind = MAREY_EVENT_CUT});
    lane_enter(lane, 10, WORK);
    lane_instant(lane, 10, APP);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "work 0>0 10-20 raised 10/0/0/0/0 with type; "
                                  "work 0>0 30-40 cancelled 10/0/0/0/0 with type; "
                                  "work 0>0 50-60 cancelled 10/0/0/0/0 with type; "
                                  "work 0>0 70-80 cut 10/0/0/0/0; "
                                  "work 0>0 90-100 open 10/0/0/0/0");
    char *text = answered(trace, 0);
    CHECK(
        strstr(text, "\"count\":5,\"errors\":1,\"cancelled\":2,\"cut\":1,\"open\":1") !=
        NULL);
    free(text);
    told_close(trace, builder);
}

TEST(one_that_moves_to_another_thread_is_one_and_waits_between)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct builder_lane *other = builder_lane(builder, 1, 2);

    lane_resume(lane, 10, TASK, 77);
    lane_yield(lane, 5, 77);
    lane_resume(other, 40, TASK, 77);
    lane_enter(other, 1, PLAIN);
    lane_leave(other, 2);
    lane_leave(other, 4);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "task 0>1 10-47 returned 10/2/0/0/25 was open");
    told_close(trace, builder);
}

TEST(one_that_nobody_goes_on_with_waits_until_the_end)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, TASK);
    lane_yield(lane, 5, 77);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace),
               "work 0>0 25-35 returned 10/0/0/0/0; task 0>0 10-35 open 5/0/0/0/20");
    told_close(trace, builder);
}

TEST(a_key_that_comes_again_cuts_the_one_before)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, TASK);
    lane_yield(lane, 5, 77);
    lane_enter(lane, 10, TASK); /* the first was dropped, its frame used again */
    lane_yield(lane, 10, 77);
    lane_resume(lane, 10, TASK, 77);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "task 0>0 10-15 cut 5/0/0/0/0; "
                                  "task 0>0 25-55 returned 20/0/0/0/10");
    told_close(trace, builder);
}

TEST(the_same_key_in_two_processes_is_two)
{
    struct builder *builder = start();
    builder_process(builder, 2, 1);
    builder_function_of(builder, 2, TASK, "task", 0, 0, 0, MAREY_FUNCTION_TRANSACTION);
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct builder_lane *other = builder_lane(builder, 2, 2);

    lane_enter(lane, 10, TASK);
    lane_yield(lane, 10, 77);
    lane_enter(other, 11, TASK);
    lane_yield(other, 10, 77);
    lane_resume(lane, 10, TASK, 77);
    lane_leave(lane, 10);
    lane_resume(other, 20, TASK, 77);
    lane_leave(other, 20);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "task 0>0 10-40 returned 20/0/0/0/10; "
                                  "task 1>1 11-61 returned 30/0/0/0/20");
    told_close(trace, builder);
}

TEST(an_annotation_renames_the_innermost_from_its_begin)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, INNER);
    lane_enter(lane, 10, PLAIN);
    annotate(lane, 1, 0, "GET /");
    annotate(lane, 2, APP, "shop");
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "GET / 0>0 20-70 returned 20/30/0/0/0 inside; "
                                  "work 0>0 10-80 returned 20/0/0/50/0");
    char *text = answered(trace, 1);
    CHECK(strstr(text, "\"attributes\":[[\"app\",\"shop\",6]]") != NULL);
    free(text);
    told_close(trace, builder);
}

TEST(after_a_gap_a_call_that_was_open_keeps_its_true_begin)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_transactions *some = NULL;
    struct marey_transaction one;

    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, PLAIN);
    lane_lose(lane);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    /* What ran before it was seen is its own: nothing else is known. */
    CHECK_TOLD(told_whole(trace), "work 0>0 10-40 returned 20/10/0/0/0 was open");
    CHECK_EQ(marey_transactions_new(trace, &all, &some, NULL), MAREY_OK);
    CHECK(marey_transactions_next(some, &one));
    CHECK_EQ(marey_transactions_lost_count(some), 2);
    marey_transactions_free(some);
    told_close(trace, builder);
}

TEST(a_selection_chooses_by_function_and_duration_and_keeps_the_sums)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    bool functions[5] = {false};

    for (int i = 1; i <= 3; i++) {
        lane_enter(lane, 10, WORK);
        lane_enter(lane, 5, INNER);
        lane_leave(lane, 10 * (uint64_t)i);
        lane_leave(lane, 5);
    }
    struct marey_trace *trace = told_open(builder);
    struct marey_selection some = MAREY_SELECTION_ALL;
    some.min_duration_ns = 30;
    CHECK_TOLD(told(trace, &some), "work 0>0 40-70 returned 10/0/0/20/0; "
                                   "app:inner 0>0 85-115 returned 30/0/0/0/0 inside; "
                                   "work 0>0 80-120 returned 10/0/0/30/0");
    functions[WORK - 1] = true;
    some.functions = functions;
    CHECK_TOLD(told(trace, &some), "work 0>0 40-70 returned 10/0/0/20/0; "
                                   "work 0>0 80-120 returned 10/0/0/30/0");
    told_close(trace, builder);
}

TEST(the_table_has_the_slowest_with_their_ids_first)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 7);

    for (int i = 1; i <= 100; i++) {
        lane_enter(lane, 10, WORK);
        lane_leave(lane, (uint64_t)(i * 37 % 101)); /* each of 1 to 100 once */
    }
    struct marey_trace *trace = told_open(builder);
    char *text = answered(trace, 2);
    CHECK(strstr(text, "\"name\":\"work\"") != NULL);
    CHECK(strstr(text, "\"count\":100,\"errors\":0") != NULL);
    CHECK(strstr(text, "\"total_ns\":5050,\"min_ns\":1,") != NULL);
    CHECK(strstr(text, "\"max_ns\":100,") != NULL);
    const char *slowest = strstr(text, "\"slowest\":[{\"id\":\"7.");
    CHECK(slowest != NULL);
    const char *first =
        slowest == NULL ? NULL : strstr(slowest, "\"duration_ns\":100,");
    const char *second =
        slowest == NULL ? NULL : strstr(slowest, "\"duration_ns\":99,");
    CHECK(first != NULL && second != NULL && first < second);
    CHECK(slowest == NULL || strstr(slowest, "\"duration_ns\":98,") == NULL);
    free(text);
    told_close(trace, builder);
}

TEST(what_is_no_transaction_has_no_tree)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 7);
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_answer answer = {0};
    struct marey_error err;

    lane_enter(lane, 10, PLAIN);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_answer_transaction(trace, &question, 7, 20, 0, &answer, &err),
             MAREY_OK);
    free(answer.bytes);
    answer = (struct marey_answer){0};
    CHECK_EQ(marey_answer_transaction(trace, &question, 7, 10, 0, &answer, &err),
             MAREY_USAGE);
    CHECK_EQ(marey_answer_transaction(trace, &question, 7, 21, 0, &answer, &err),
             MAREY_USAGE);
    CHECK_EQ(marey_answer_transaction(trace, &question, 8, 20, 0, &answer, &err),
             MAREY_USAGE);
    CHECK_EQ(answer.size_bytes, 0);
    free(answer.bytes);
    told_close(trace, builder);
}

TEST(a_trace_without_any_has_an_empty_table)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, PLAIN);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    CHECK_TOLD(told_whole(trace), "");
    char *text = answered(trace, 3);
    CHECK(strstr(text, "\"transactions\":[]") != NULL);
    free(text);
    told_close(trace, builder);
}
