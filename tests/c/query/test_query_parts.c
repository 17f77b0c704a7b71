/* The index by parts: the same bytes whoever makes them, and no call and no nanosecond
 * more or less than one walk over all, or the totals, know of. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "base/parallel.h"
#include "marey/answer.h"
#include "marey/lod.h"
#include "told.h"

#define LANES 3
#define FUNCTIONS 20
#define DEPTH 12

static uint32_t seed;

static uint32_t
dice(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void
put_point(struct builder_lane *lane, uint64_t dt)
{
    struct marey_event event = {.kind = MAREY_EVENT_COUNTER, .string = 1, .value = dt};

    if (dice(3) == 0) {
        lane_instant(lane, dt, 1);
        return;
    }
    if (dice(2) == 0)
        event = (struct marey_event){.kind = MAREY_EVENT_FLOW_OUT, .number = dice(9)};
    lane_event(lane, dt, event);
}

/* What a lane does next: calls, generators that are resumed at once, points; the end of
 * a chunk, and now and then one that is lost. */
static void
act(struct builder_lane *lane, bool may_lose)
{
    uint64_t dt = dice(50);
    uint32_t what = dice(100);

    if (what < 4) {
        lane_seal(lane);
    } else if (what == 4 && may_lose) {
        lane_lose(lane);
    } else if (what < 10) {
        put_point(lane, dt);
    } else if (what < 16 && lane->depth < DEPTH) {
        lane_resume(lane, dt, FUNCTIONS, lane->lane);
        lane_yield(lane, dice(9), lane->lane);
    } else if (lane->depth == 0 || (what < 58 && lane->depth < DEPTH)) {
        lane_enter(lane, dt, 1 + dice(FUNCTIONS - 1));
    } else {
        lane_leave(lane, dt);
    }
}

/* `lost_at`: there an event says that some are lost, and no header does. */
static struct builder *
make(uint32_t number, bool may_lose, uint32_t lost_at)
{
    struct marey_event lost = {.kind = MAREY_EVENT_LOST, .number = 5};
    struct builder *builder = builder_new();
    struct builder_lane *lanes[LANES];
    char name[] = "f?";

    seed = number * 2654435761u + 1;
    builder_process(builder, 1, 0);
    builder_string(builder, 1, 1, "queue");
    for (uint32_t i = 1; i <= FUNCTIONS; i++) {
        name[1] = (char)('a' + i);
        builder_function(builder, 1, i, name);
    }
    for (uint32_t i = 0; i < LANES; i++)
        lanes[i] = builder_lane(builder, 1, i + 1);
    for (uint32_t i = 0; i < 6000; i++) {
        if (i == lost_at)
            lane_event(lanes[1], 0, lost);
        act(lanes[dice(LANES)], may_lose);
    }
    if (dice(2) == 0)
        lane_leave_open(lanes[0], 65536);
    return builder;
}

struct made {
    uint8_t *bytes;
    size_t size_bytes;
    struct marey_lod lod;
};

static struct made
index_of(struct marey_trace *trace, bool is_parallel)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct made made = {0};

    options.leaf_slices = 60;
    options.resolution = 64;
    if (is_parallel)
        options.parallel = marey_parallel;
    CHECK_EQ(marey_lod_build(trace, &options, &made.bytes, &made.size_bytes, NULL),
             MAREY_OK);
    CHECK_EQ(marey_lod_open(made.bytes, made.size_bytes, &made.lod), MAREY_OK);
    return made;
}

struct sums {
    int64_t self_ns[FUNCTIONS + 2], total_ns[FUNCTIONS + 2];
    uint64_t call_count[FUNCTIONS + 2];
    uint64_t leaf_count;
    uint32_t row_max;
};

static struct sums
sums_of(const struct marey_lod *lod)
{
    struct sums sums = {0};

    for (uint32_t l = 0; l < lod->header->lane_count; l++) {
        const struct marey_lod_lane *lane = &lod->lanes[l];
        sums.row_max += lane->row_max;
        sums.leaf_count += lane->level_nodes[0];
        for (uint32_t i = 0; i < lane->level_nodes[0]; i++) {
            const struct marey_lod_node *node = &lod->nodes[lane->level_first[0] + i];
            if (i > 0)
                CHECK_EQ(node->begin_ns, node[-1].end_ns);
            for (uint32_t h = 0; h < node->hist_count; h++) {
                const struct marey_lod_hist *hist = &lod->hists[node->hist_first + h];
                sums.self_ns[hist->function] += hist->self_ns;
                sums.total_ns[hist->function] += hist->total_ns;
                sums.call_count[hist->function] += hist->call_count;
            }
        }
    }
    return sums;
}

/* Nothing is lost: the totals know it all, too. */
static void
check_totals(struct marey_trace *trace, const struct sums *sums)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_totals *totals = NULL;
    struct marey_total total;

    CHECK_EQ(marey_totals_new(trace, &all, NULL, NULL, &totals, NULL), MAREY_OK);
    for (uint32_t i = 0; i < marey_totals_count(totals); i++) {
        marey_totals_row(totals, i, &total);
        CHECK_EQ(sums->self_ns[total.function], total.self_ns);
        CHECK_EQ(sums->total_ns[total.function], total.total_ns);
        if (total.function + 1 < FUNCTIONS) /* generators begin before what was seen */
            CHECK_EQ(sums->call_count[total.function], total.call_count);
    }
    marey_totals_free(totals);
}

/* Returns how many leaves there are. */
static uint64_t
compare(struct marey_trace *trace, bool has_totals)
{
    bool all[FUNCTIONS + 2];
    struct made one = index_of(trace, false), many = index_of(trace, true);
    struct sums sums = sums_of(&one.lod);

    CHECK_EQ(one.size_bytes, many.size_bytes);
    CHECK(memcmp(one.bytes, many.bytes, one.size_bytes) == 0);
    if (has_totals)
        check_totals(trace, &sums);
    memset(all, 1, sizeof(all));
    CHECK_EQ(marey_trace_fold(trace, all, UINT32_MAX, NULL), MAREY_OK);
    struct made walked = index_of(trace, false); /* what is folded is walked as one */
    struct sums want = sums_of(&walked.lod);
    CHECK(memcmp(sums.self_ns, want.self_ns, sizeof(want.self_ns)) == 0);
    CHECK(memcmp(sums.total_ns, want.total_ns, sizeof(want.total_ns)) == 0);
    CHECK(memcmp(sums.call_count, want.call_count, sizeof(want.call_count)) == 0);
    CHECK_EQ(sums.row_max, want.row_max);
    CHECK_EQ(one.lod.header->begin_ns, walked.lod.header->begin_ns);
    CHECK_EQ(one.lod.header->end_ns, walked.lod.header->end_ns);
    CHECK_EQ(one.lod.header->sample_count, walked.lod.header->sample_count);
    CHECK_EQ(one.lod.header->flow_count, walked.lod.header->flow_count);
    free(one.bytes);
    free(many.bytes);
    free(walked.bytes);
    return sums.leaf_count;
}

/* A sample is drawn, whatever the trace is like. */
static void
check_coarse(struct marey_trace *trace)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct marey_lod lod;
    uint8_t *bytes = NULL;
    size_t size = 0;

    if (marey_lod_build_coarse(trace, &options, 300, &bytes, &size, NULL) != MAREY_OK)
        return;
    CHECK_EQ(marey_lod_open(bytes, size, &lod), MAREY_OK);
    free(bytes);
}

static uint64_t
attempt(uint32_t number, bool may_lose, unsigned flips)
{
    struct builder *builder = make(number, may_lose, UINT32_MAX);
    bool is_whole = !may_lose && flips == 0;
    size_t size;

    builder_bytes(builder, &size);
    for (; flips > 0; flips--)
        *builder_at(builder, 8192 + dice((uint32_t)size - 8192)) ^=
            (uint8_t)(1u << dice(8));
    struct marey_trace *trace = told_open(builder);
    uint64_t leaves = compare(trace, is_whole);
    check_coarse(trace);
    told_close(trace, builder);
    return leaves;
}

/* ---- sums ---- */

/* Totals and trees of a window, as text. */
static struct marey_answer
answer_of(struct marey_trace *trace, int64_t from_ns, int64_t to_ns)
{
    struct marey_question question = {MAREY_SELECTION_ALL, NULL, NULL, {NULL, 0}};
    struct marey_answer answer = {0};

    question.selection.from_ns = from_ns;
    question.selection.to_ns = to_ns;
    CHECK_EQ(marey_answer_totals(trace, &question, &answer, NULL), MAREY_OK);
    CHECK_EQ(marey_answer_tree(trace, &question, &answer, NULL), MAREY_OK);
    return answer;
}

/* Returns how many parts have sums: what is added from these is what is played. */
static uint32_t
check_added(uint32_t number, uint32_t lost_at)
{
    struct builder *builder = make(number, false, lost_at);
    struct marey_trace *played = told_open(builder), *added = NULL;
    struct made made = index_of(played, false);
    struct marey_trace_info info;
    uint8_t *sums = NULL;
    size_t sums_size = 0;
    struct marey_byte_source source = builder_source(builder);
    uint32_t parts = made.lod.header->part_count;

    CHECK(marey_lod_sums(&made.lod, &sums, &sums_size));
    CHECK_EQ(marey_trace_open_source(&source, &added, NULL), MAREY_OK);
    CHECK((sums != NULL) == (parts > 0));
    if (sums != NULL)
        CHECK(sums_size < made.size_bytes && marey_lod_use(added, sums, sums_size));
    marey_trace_info(played, &info);
    for (int i = 0; i < 8; i++) {
        int64_t from_ns = i == 0 ? INT64_MIN : dice((uint32_t)info.duration_ns);
        int64_t to_ns = i == 0 ? INT64_MAX : from_ns + dice((uint32_t)info.duration_ns);
        struct marey_answer want = answer_of(played, from_ns, to_ns);
        struct marey_answer got = answer_of(added, from_ns, to_ns);
        CHECK_EQ(got.size_bytes, want.size_bytes);
        CHECK(memcmp(got.bytes, want.bytes, want.size_bytes) == 0);
        free(want.bytes);
        free(got.bytes);
    }
    marey_trace_close(added);
    told_close(played, builder);
    free(made.bytes);
    free(sums);
    return parts;
}

TEST(what_is_added_is_what_is_played)
{
    uint32_t parts = 0;

    for (uint32_t round = 0; round < 30; round++)
        parts += check_added(round, UINT32_MAX);
    CHECK(parts > 30 * LANES * 4);
    /* What a gap hides on one thread may concern another. */
    for (uint32_t round = 0; round < 10; round++)
        CHECK_EQ(check_added(round, 3000), 0);
}

TEST(parts_count_what_totals_count)
{
    uint64_t leaves = 0;

    for (uint32_t round = 0; round < 30; round++)
        leaves += attempt(round, false, 0);
    CHECK(leaves > 30 * LANES * 4);
}

TEST(losses_are_in_no_border)
{
    uint64_t leaves = 0;

    for (uint32_t round = 0; round < 30; round++)
        leaves += attempt(round, true, 0);
    CHECK(leaves > 30 * LANES * 2);
}

/* What headers promise does not hold: the lane is made anew as one part. */
TEST(damaged_chunks_join_their_neighbours)
{
    uint64_t leaves = 0;

    for (uint32_t round = 0; round < 60; round++)
        leaves += attempt(round, round % 2 == 0, 3);
    CHECK(leaves > 0);
}
