/* Functions that leave a running recording: by a filter, and by a budget. */
#include <unistd.h>

#include "../export/check.h"
#include "capture/tally.h"
#include "readback.h"

static struct marey_function *
function(const char *name)
{
    return (struct marey_function *)readback_function(name);
}

TEST(a_call_that_is_skipped_by_now_is_cut_before_what_follows)
{
    const char *path = readback_path();
    struct marey_function *outer = function("outer"), *gone = function("gone");
    struct readback got;

    readback_start(path, NULL);
    record_enter(outer, 16);
    record_enter(gone, 32);
    gone->is_skipped = true;
    marey_recording_refilter(false);
    for (int i = 0; i < 1000; i++) {
        record_enter(outer, 48);
        record_leave(48);
    }
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 1002);
    CHECK_EQ(got.cuts, 1);
    CHECK_EQ(got.ends, 1001);
    CHECK_EQ(got.depth_max, 2);
    unlink(path);
}

/* outer > gone > kept > gone > kept: each is told once, and ends as it ended. */
TEST(a_call_inside_a_skipped_one_is_counted_once)
{
    const char *path = readback_path();
    struct marey_function *kept = function("kept"), *gone = function("gone too");
    struct readback got;

    readback_start(path, NULL);
    record_enter(kept, 16);
    record_enter(gone, 32);
    record_enter(kept, 48);
    record_enter(gone, 64);
    record_enter(kept, 80);
    gone->is_skipped = true;
    marey_recording_refilter(false);
    record_enter(kept, 96);
    record_leave(96);
    record_leave(80);
    record_enter(kept, 112); /* in the third, where the second `gone` was */
    record_leave(112);
    marey_unwind(marey_this_lane(), 48, 0);
    record_enter(kept, 128);
    record_leave(128);
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 8);
    CHECK_EQ(got.ends, 5);
    CHECK_EQ(got.raised, 1);
    CHECK_EQ(got.cuts, 2);
    CHECK_EQ(got.opens, 0);
    CHECK_EQ(got.depth_max, 6);
    unlink(path);
}

TEST(one_that_is_let_in_again_while_it_runs_ends_as_it_ends)
{
    const char *path = readback_path();
    struct marey_function *kept = function("inside"), *gone = function("back again");
    struct readback got;

    readback_start(path, NULL);
    record_enter(gone, 16);
    record_enter(kept, 32);
    gone->is_skipped = true;
    marey_recording_refilter(false);
    record_enter(kept, 48);
    record_leave(48);
    gone->is_skipped = false;
    marey_recording_refilter(false);
    record_leave(32);
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 3);
    CHECK_EQ(got.ends, 3);
    CHECK_EQ(got.cuts, 0);
    unlink(path);
}

/* ---- the budget ---- */

static struct marey_function *hot, *rare;
static bool is_hot_out, is_rare_out, is_told;

static bool
leave_out(struct marey_function *one)
{
    if (one == NULL) {
        is_told = true;
        return true;
    }
    is_hot_out |= one == hot;
    is_rare_out |= one == rare;
    one->is_skipped = one->is_left_out = true;
    return true;
}

TEST(what_is_called_all_the_time_is_left_out_and_what_is_rare_stays)
{
    const char *path = readback_path();

    hot = function("hot");
    rare = function("rare");
    is_hot_out = is_rare_out = is_told = false;
    marey_budget_set(0.1, leave_out);
    readback_start(path, NULL);
    marey_define_cost(1, 20000);
    for (int i = 0; i < 20000000 && !is_told; i++) {
        if (i % 10000 == 0)
            record_enter(rare, 16);
        record_enter(hot, 32);
        record_leave(32);
        if (i % 10000 == 9999)
            record_leave(16);
    }
    marey_recording_stop(0, true);
    marey_budget_set(0, NULL);
    CHECK(is_told && is_hot_out && !is_rare_out);
    unlink(path);
}

/* ---- calls of what is left out ---- */

static int opened;

static void
again(void)
{
    opened++;
}

static struct marey_function *
start_without(const char *path, const char *name, bool is_counted)
{
    struct marey_function *gone = function(name);

    marey_tally_reset(again);
    readback_start(path, NULL);
    gone->is_skipped = gone->is_left_out = true;
    marey_define_left_out(gone);
    marey_tally_add(gone, is_counted);
    marey_tally_open();
    return gone;
}

static struct marey_left_out
told(const char *path)
{
    struct marey_left_out left = {0};
    struct marey_trace *trace = NULL;
    struct marey_error err;

    CHECK_EQ(marey_trace_open(path, &trace, &err), MAREY_OK);
    CHECK_EQ(marey_trace_left_out_count(trace), 1);
    CHECK(marey_trace_left_out(trace, 0, &left));
    marey_trace_close(trace);
    return left;
}

TEST(calls_that_are_counted_are_told_exactly)
{
    const char *path = readback_path();
    struct marey_function *gone = start_without(path, "counted", true);

    for (int i = 0; i < 12345; i++)
        CHECK(marey_tally_call(gone));
    marey_recording_stop(0, true);
    CHECK(!marey_tally_call(gone));
    struct marey_left_out left = told(path);
    CHECK_EQ(left.calls_counted, 12345);
    CHECK_EQ(left.calls_estimated, 0);
    CHECK(left.is_whole);
    unlink(path);
}

TEST(calls_that_are_not_counted_are_estimated_from_a_window)
{
    const char *path = readback_path();
    struct marey_function *gone = start_without(path, "estimated", false);
    uint64_t seen = 0;

    while (marey_tally_call(gone))
        seen++;
    CHECK(!marey_tally_call(gone));
    marey_recording_stop(0, true);
    struct marey_left_out left = told(path);
    CHECK_EQ(left.calls_counted, 0);
    CHECK(left.calls_estimated >= seen);
    unlink(path);
}

TEST(windows_open_while_others_are_recorded)
{
    const char *path = readback_path();
    struct marey_function *gone = start_without(path, "now and then", false);
    const struct marey_function *kept = function("all the time");

    opened = 0;
    while (marey_tally_call(gone))
        continue;
    for (int i = 0; i < 100000000 && opened == 0; i++) {
        record_enter(kept, 16);
        record_leave(16);
    }
    CHECK_EQ(opened, 1);
    CHECK(marey_tally_call(gone));
    marey_recording_stop(0, true);
    unlink(path);
}
