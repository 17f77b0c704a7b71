/* Histories of variables: blocks as they are read, right ones and others. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/history.h"
#include "told.h"

#define SAMPLES 5

struct block {
    struct marey_history_header header;
    struct marey_history_sample samples[SAMPLES];
    struct marey_history_value values[2];
    char texts[8];
};

/* 1, then 'a' for long, then 7 and 3 in one breath, then nothing, then 'bc'. */
static struct block
made(void)
{
    struct block block = {
        .header = {.magic = MAREY_HISTORY_MAGIC,
                   .size_bytes = sizeof(block),
                   .assignment_count = SAMPLES,
                   .low = 1,
                   .high = 7,
                   .sample_count = SAMPLES,
                   .value_count = 2,
                   .values_at = offsetof(struct block, values),
                   .texts_at = offsetof(struct block, texts)},
        .samples = {{0, 1000, 1, 1, 1, MAREY_HISTORY_NUMBER, 1},
                    {1000, 5000, 0, 0, 0, 0, 1},
                    {5000, 5001, 7, 7, 7, MAREY_HISTORY_NUMBER, 1},
                    {5001, 5002, 3, 3, 3, MAREY_HISTORY_NUMBER, 1},
                    {8000, 9000, 0, 0, 0, 1, 1}},
        .values = {{0, 1, 11}, {1, 2, 22}},
        .texts = "abc",
    };

    return block;
}

TEST(pieces_lie_where_the_values_held)
{
    struct block block = made();
    struct marey_history history;
    struct marey_history_piece pieces[24];

    CHECK_EQ(marey_history_open((const uint8_t *)&block, sizeof(block), &history),
             MAREY_OK);
    CHECK_EQ(marey_history_query(&history, 0, 10000, 10, pieces, 24), 4);
    CHECK(pieces[0].value == MAREY_HISTORY_NUMBER && pieces[0].last == 1);
    CHECK_EQ((int)pieces[1].left, 1);
    CHECK_EQ((int)pieces[1].right, 5);
    CHECK_EQ(pieces[1].hash, 11);
    CHECK_EQ(pieces[2].count, 2); /* two in one pixel: from the least to the greatest */
    CHECK(pieces[2].low == 3 && pieces[2].high == 7 && pieces[2].last == 3);
    CHECK_EQ((int)pieces[3].left, 8);
    CHECK_EQ(pieces[3].value, 1);
}

TEST(a_window_begins_with_the_value_that_holds)
{
    struct block block = made();
    struct marey_history history;
    struct marey_history_piece pieces[24];

    CHECK_EQ(marey_history_open((const uint8_t *)&block, sizeof(block), &history),
             MAREY_OK);
    CHECK_EQ(marey_history_query(&history, 2000, 3000, 10, pieces, 24), 1);
    CHECK(pieces[0].left == 0 && pieces[0].right == 10 && pieces[0].value == 0);
    CHECK_EQ(marey_history_query(&history, 6000, 7000, 10, pieces, 24), 0);
    CHECK_EQ(marey_history_query(&history, 0, 10000, 10, pieces, 1), 1);
    CHECK_EQ(marey_history_query(&history, 10, 10, 10, pieces, 24), 0);
}

TEST(wrong_blocks_are_refused)
{
    struct block block = made();
    struct marey_history history;

    for (size_t size = 0; size < sizeof(block); size++)
        CHECK_EQ(marey_history_open((const uint8_t *)&block, size, &history),
                 MAREY_CORRUPT);
    block.samples[1].value = 2;
    CHECK_EQ(marey_history_open((const uint8_t *)&block, sizeof(block), &history),
             MAREY_CORRUPT);
    block = made();
    block.values[1].text_at = 7;
    CHECK_EQ(marey_history_open((const uint8_t *)&block, sizeof(block), &history),
             MAREY_CORRUPT);
    block = made();
    block.header.sample_count = UINT32_MAX;
    CHECK_EQ(marey_history_open((const uint8_t *)&block, sizeof(block), &history),
             MAREY_CORRUPT);
}

TEST(a_lane_that_is_not_there_has_no_history)
{
    struct builder *builder = builder_new();
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_variable variable = {9, 0, {"x", 1}};
    struct marey_answer answer = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "main");
    lane_enter(builder_lane(builder, 1, 1), 10, 1);
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_history_new(trace, &question, &variable, &bytes, &size, NULL),
             MAREY_USAGE);
    variable.lane = 0;
    CHECK_EQ(marey_history_new(trace, &question, &variable, &bytes, &size, NULL),
             MAREY_OK);
    struct marey_history history;
    CHECK_EQ(marey_history_open(bytes, size, &history), MAREY_OK);
    CHECK_EQ(history.header->sample_count, 0);
    free(bytes);
    CHECK_EQ(marey_answer_variables(trace, &question, &answer, NULL), MAREY_OK);
    CHECK_TEXT(answer.bytes, answer.size_bytes, "{\"variables\":[],\"more\":false}");
    free(answer.bytes);
    told_close(trace, builder);
}
