/* Lanes: what threads record is what is read, whatever the slots and chunks between. */
#include <unistd.h>

#include "../export/check.h"
#include "readback.h"

static void
nest(const struct marey_function *function, int depth)
{
    for (int i = 1; i <= depth; i++)
        record_enter(function, (uintptr_t)i * 16);
    for (int i = depth; i >= 1; i--)
        record_leave((uintptr_t)i * 16);
}

TEST(calls_over_many_chunks_are_all_there)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("many");
    struct readback got;

    readback_start(path, NULL);
    for (int i = 0; i < 40000; i++)
        nest(function, 5);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 200000);
    CHECK_EQ(got.ends, 200000);
    CHECK_EQ(got.depth_max, 5);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(a_stack_deeper_than_a_slot_is_kept)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("deep");
    struct readback got;

    readback_start(path, NULL);
    nest(function, 100000);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.ends, 100000);
    CHECK_EQ(got.depth_max, 100000);
    unlink(path);
}

TEST(a_leave_that_does_not_match_cuts_what_lies_above)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("cut");
    struct readback got;

    readback_start(path, NULL);
    record_enter(function, 16);
    record_enter(function, 32);
    record_enter(function, 48);
    record_leave(16);
    record_leave(64); /* nobody's */
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.ends, 1);
    CHECK_EQ(got.cuts, 2);
    CHECK_EQ(got.opens, 0);
    unlink(path);
}

TEST(short_calls_are_left_out_and_their_long_ancestors_kept)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("slow");
    struct marey_recording_options options = {.min_duration_ns = 2000000};
    struct readback got;

    readback_start(path, &options);
    record_enter(function, 16);
    nest(function, 3);
    record_enter(function, 32);
    usleep(5000);
    record_leave(32);
    nest(function, 3);
    record_leave(16);
    nest(function, 2);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 2);
    CHECK_EQ(got.ends, 2);
    CHECK(got.shortest_ns >= 2000000);
    unlink(path);
}

TEST(calls_beyond_the_depth_are_left_out)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("depth");
    struct marey_recording_options options = {.max_depth = 3};
    struct readback got;

    readback_start(path, &options);
    nest(function, 10);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.ends, 3);
    CHECK_EQ(got.depth_max, 3);
    unlink(path);
}

TEST(a_generator_is_one_call_with_parts)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("generator");
    struct readback got;
    uintptr_t keys[] = {0x1000, 0x1010, 0x3000, 0x5000}; /* some share a place */

    readback_start(path, NULL);
    for (int i = 0; i < 4; i++) {
        record_enter(function, keys[i]);
        marey_yield_slow(marey_this_lane(), keys[i]);
    }
    for (int round = 0; round < 5000; round++) {
        for (int i = 0; i < 4; i++) {
            if (!marey_resume(marey_this_lane(), marey_tag_function(function, true),
                              keys[i]))
                marey_resume_slow(marey_this_lane(), function, keys[i]);
            if (!marey_yield(marey_this_lane(), keys[i]))
                marey_yield_slow(marey_this_lane(), keys[i]);
        }
    }
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 4);
    CHECK_EQ(got.resumes, 20000);
    CHECK_EQ(got.suspends, 20004);
    CHECK_EQ(got.damaged, 0);
    unlink(path);
}

TEST(a_rehearsal_leaves_nothing)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("rehearsal");
    struct marey_rehearsal before;
    struct readback got;

    readback_start(path, NULL);
    struct marey_lane *lane = marey_lane_attach();
    CHECK(marey_rehearsal_begin(lane, &before));
    nest(function, 50);
    marey_rehearsal_end(lane, &before);
    nest(function, 2);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.begins, 2);
    unlink(path);
}

TEST(a_span_is_suspended_with_the_call_around_it)
{
    const char *path = readback_path();
    const struct marey_function *function = readback_function("coroutine");
    const struct marey_function *span =
        marey_define_function("span", 4, 0, 0, 0, MAREY_FUNCTION_SPAN);
    struct readback got;

    readback_start(path, NULL);
    record_enter(function, 16);
    record_enter(span, 18);
    marey_yield_slow(marey_this_lane(), 16);
    nest(function, 2); /* somebody else runs */
    marey_resume_slow(marey_this_lane(), function, 16);
    record_leave(18);
    record_leave(16);
    marey_recording_stop(0, true);
    readback_count(path, &got);
    CHECK_EQ(got.suspends, 2);
    CHECK_EQ(got.resumes, 2);
    CHECK_EQ(got.ends, 4);
    CHECK_EQ(got.cuts, 0);
    unlink(path);
}
