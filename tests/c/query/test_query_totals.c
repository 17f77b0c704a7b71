/* Totals against sums made by hand. */
#include "../export/check.h"
#include "told.h"

enum { MAIN = 1, WORK, INNER, GEN, NATIVE };

static struct builder *
start(void)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_function(builder, 1, MAIN, "main");
    builder_function(builder, 1, WORK, "work");
    builder_function(builder, 1, INNER, "inner");
    builder_function_of(builder, 1, GEN, "gen", 0, 0, 0, MAREY_FUNCTION_GENERATOR);
    builder_function_of(builder, 1, NATIVE, "native", 0, 0, 0, MAREY_FUNCTION_C);
    return builder;
}

static struct marey_totals *
sum(struct marey_trace *trace, const struct marey_selection *selection)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_totals *totals = NULL;

    CHECK_EQ(marey_totals_new(trace, selection != NULL ? selection : &all, NULL, NULL,
                              &totals, NULL),
             MAREY_OK);
    return totals;
}

TEST(times_are_split_between_self_and_children)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_total row;

    lane_enter(lane, 10, MAIN);
    for (uint64_t i = 1; i <= 3; i++) {
        lane_enter(lane, 1, WORK);
        lane_enter(lane, 2, INNER);
        lane_leave(lane, 3 * i);
        lane_event(lane, 4,
                   (struct marey_event){.kind = i == 2 ? MAREY_EVENT_UNWIND
                                                       : MAREY_EVENT_LEAVE});
    }
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, NULL);
    CHECK_EQ(marey_totals_count(totals), 3);
    CHECK(told_row(totals, trace, "work", &row));
    CHECK_EQ(row.call_count, 3);
    CHECK_EQ(row.raised_count, 1);
    CHECK_EQ(row.total_ns, 36);
    CHECK_EQ(row.self_ns, 18);
    CHECK_EQ(row.min_ns, 9);
    CHECK_EQ(row.mean_ns, 12);
    CHECK_EQ(row.max_ns, 15);
    CHECK_EQ(row.p50_ns, 12);
    CHECK_EQ(row.corrected_self_ns, 18);
    CHECK(told_row(totals, trace, "main", &row));
    CHECK_EQ(row.open_count, 1);
    CHECK_EQ(row.total_ns, 39);
    CHECK_EQ(row.self_ns, 3);
    CHECK(told_edge(totals, trace, "work", "inner", &row));
    CHECK_EQ(row.call_count, 3);
    CHECK_EQ(row.total_ns, 18);
    CHECK(told_edge(totals, trace, "", "main", &row));
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(recursion_counts_once)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_total row;

    lane_enter(lane, 10, MAIN); /* main work main work, 10 each way */
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, WORK);
    for (int i = 0; i < 5; i++)
        lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, NULL);
    CHECK(told_row(totals, trace, "main", &row));
    CHECK_EQ(row.call_count, 2);
    CHECK_EQ(row.total_ns, 90);
    CHECK_EQ(row.self_ns, 40);
    CHECK_EQ(row.max_ns, 90);
    CHECK(told_row(totals, trace, "work", &row));
    CHECK_EQ(row.call_count, 3);
    CHECK_EQ(row.total_ns, 70);
    CHECK_EQ(row.self_ns, 50);
    CHECK(told_edge(totals, trace, "main", "work", &row));
    CHECK_EQ(row.call_count, 2);
    CHECK_EQ(row.total_ns, 70);
    CHECK(told_edge(totals, trace, "work", "work", &row));
    CHECK_EQ(row.total_ns, 10);
    CHECK(told_edge(totals, trace, "work", "main", &row));
    CHECK_EQ(row.total_ns, 50);
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(a_generator_is_one_call_however_many_parts_it_has)
{
    struct builder *builder = start();
    struct builder_lane *a = builder_lane(builder, 1, 1);
    struct builder_lane *b = builder_lane(builder, 1, 2);
    struct marey_total row;

    lane_enter(a, 10, GEN);
    lane_yield(a, 5, 77);
    lane_resume(b, 100, GEN, 77);
    lane_yield(b, 5, 77);
    lane_resume(a, 985, GEN, 77);
    lane_leave(a, 7);
    lane_enter(b, 2000, GEN); /* suspended for ever */
    lane_yield(b, 3, 78);
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, NULL);
    CHECK(told_row(totals, trace, "gen", &row));
    CHECK_EQ(row.call_count, 2);
    CHECK_EQ(row.open_count, 1);
    CHECK_EQ(row.total_ns, 20);
    CHECK_EQ(row.min_ns, 3);
    CHECK_EQ(row.max_ns, 17);
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(a_window_counts_what_lies_inside)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection window = MAREY_SELECTION_ALL;
    struct marey_total row;

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 30);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 30);
    window.from_ns = 30;
    window.to_ns = 70;
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, &window);
    CHECK(told_row(totals, trace, "main", &row));
    CHECK_EQ(row.total_ns, 40);
    CHECK_EQ(row.self_ns, 10);
    CHECK(told_row(totals, trace, "work", &row));
    CHECK_EQ(row.call_count, 2);
    CHECK_EQ(row.total_ns, 30);
    CHECK_EQ(row.open_count, 1);
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(filters_choose_what_is_counted)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection pick = MAREY_SELECTION_ALL;
    static const bool functions[] = {true, false, true, true, true};
    struct marey_total row;

    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, INNER);
    lane_leave(lane, 5);
    lane_enter(lane, 10, INNER);
    lane_leave(lane, 50);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    pick.functions = functions;
    pick.min_duration_ns = 20;
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, &pick);
    CHECK_EQ(marey_totals_count(totals), 2);
    CHECK(told_row(totals, trace, "inner", &row));
    CHECK_EQ(row.call_count, 1);
    CHECK_EQ(row.total_ns, 50);
    CHECK(told_edge(totals, trace, "main", "inner", &row));
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(the_cost_of_tracing_is_taken_off)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_total row;

    builder_record(builder, 1, MAREY_DEF_COST, "\1\xd0\x0f", 3); /* 2 ns */
    builder_record(builder, 1, MAREY_DEF_COST, "\2\xe8\7", 3);   /* 1 ns */
    lane_enter(lane, 10, MAIN);
    lane_enter(lane, 10, WORK);
    lane_enter(lane, 10, NATIVE);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, NULL);
    CHECK(told_row(totals, trace, "native", &row));
    CHECK_EQ(row.corrected_total_ns, 10 - 1);
    CHECK_EQ(row.corrected_self_ns, 10 - 1);
    CHECK(told_row(totals, trace, "work", &row));
    CHECK_EQ(row.corrected_total_ns, 30 - 2 - 2 * 1);
    CHECK_EQ(row.corrected_self_ns, 20 - 2 - 1);
    CHECK(told_row(totals, trace, "main", &row));
    CHECK_EQ(row.corrected_total_ns, 50 - 2 - 2 * 2 - 2 * 1);
    CHECK_EQ(row.corrected_self_ns, 20 - 2 - 2);
    marey_totals_free(totals);
    told_close(trace, builder);
}

TEST(losses_are_counted)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);

    lane_enter(lane, 10, MAIN);
    lane_seal(lane);
    lane_enter(lane, 10, WORK);
    lane_leave(lane, 10);
    lane_lose(lane);
    lane_leave(lane, 10);
    struct marey_trace *trace = told_open(builder);
    struct marey_totals *totals = sum(trace, NULL);
    struct marey_trace_info info;
    CHECK_EQ(marey_totals_lost_count(totals), 2);
    marey_trace_info(trace, &info);
    CHECK_EQ(info.lost_count, 2);
    marey_totals_free(totals);
    told_close(trace, builder);
}

static bool
stop(void *context, double share)
{
    *(double *)context = share;
    return false;
}

TEST(a_tick_can_stop_it)
{
    struct builder *builder = start();
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_totals *totals = NULL;
    double share = -1;

    for (int i = 0; i < 50000; i++) {
        lane_enter(lane, 1, WORK);
        lane_leave(lane, 1);
    }
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_totals_new(trace, &all, stop, &share, &totals, NULL), MAREY_STOPPED);
    CHECK(share > 0 && share < 1);
    CHECK(totals == NULL);
    told_close(trace, builder);
}
