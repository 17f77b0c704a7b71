/* Keeps: what matches is written, also early, and asked for until it is. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../export/check.h"
#include "marey/capture_keep.h"
#include "readback.h"

#define HOUR_NS UINT64_C(3600000000000)

static char folder[300];

/* Rule 0 matches calls of 1 ms and more, rule 1 those that raise. */
static void
start(const char *path, uint64_t after_ns, uint32_t per_minute)
{
    static const struct marey_keep_rule rules[] = {
        {.text = "call:slow > 1ms", .duration_ns = 1000000},
        {.text = "call:fails raises", .raises = true},
    };
    struct marey_keep_options options = {
        .rules = rules,
        .rule_count = 2,
        .folder = folder,
        .before_ns = HOUR_NS,
        .after_ns = after_ns,
        .size_bytes_max = 1 << 24,
        .per_minute_max = per_minute,
    };

    snprintf(folder, sizeof(folder), "%s-kept", path);
    CHECK(marey_keep_start(&options));
    readback_start(path, NULL);
}

static void
stop(const char *path)
{
    marey_keep_stop();
    marey_recording_stop(0, true);
    unlink(path);
}

/* Removes the keeps; the last one's calls are in *last. Returns how many there were. */
static int
take_keeps(struct readback *last)
{
    DIR *listing = opendir(folder);
    struct dirent *entry;
    int count = 0;

    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        char path[600];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        readback_count(path, last);
        unlink(path);
        count++;
    }
    if (listing != NULL)
        closedir(listing);
    rmdir(folder);
    return count;
}

static struct marey_function *
watched(const char *name, uint32_t rules)
{
    struct marey_function *function = (struct marey_function *)readback_function(name);

    function->keep_rules = rules;
    return function;
}

static uint32_t
count_due(const char *path)
{
    struct marey_trace *trace = NULL;
    struct marey_keep_due due;
    struct marey_error err;
    uint32_t count = 0;

    CHECK_EQ(marey_trace_open(path, &trace, &err), MAREY_OK);
    for (uint32_t i = 0; i < marey_trace_keep_due_max(); i++)
        if (marey_trace_keep_due(trace, i, &due)) {
            CHECK(due.from_ns <= due.until_ns);
            count++;
        }
    marey_trace_close(trace);
    return count;
}

TEST(a_call_that_takes_too_long_is_kept_and_a_short_one_is_not)
{
    const char *path = readback_path();
    struct marey_function *slow = watched("slow", 1);
    struct readback got = {0};

    start(path, HOUR_NS, 10);
    marey_enter_slow(marey_this_lane(), slow, 16);
    marey_leave_slow(marey_this_lane(), 16);
    CHECK_EQ(count_due(path), 0);
    marey_enter_slow(marey_this_lane(), slow, 16);
    usleep(2000);
    marey_leave_slow(marey_this_lane(), 16);
    CHECK_EQ(count_due(path), 1);
    marey_keep_stop();
    CHECK_EQ(count_due(path), 0);
    CHECK_EQ(take_keeps(&got), 1);
    CHECK_EQ(got.ends, 2);
    stop(path);
}

TEST(a_coroutine_lasts_from_its_first_start)
{
    const char *path = readback_path();
    struct marey_function *slow = watched("slow coroutine", 1);
    struct readback got = {0};

    start(path, HOUR_NS, 10);
    marey_enter_slow(marey_this_lane(), slow, 16);
    marey_yield_slow(marey_this_lane(), 16);
    usleep(2000);
    marey_resume_slow(marey_this_lane(), slow, 16);
    marey_leave_slow(marey_this_lane(), 16);
    marey_keep_stop();
    CHECK_EQ(take_keeps(&got), 1);
    CHECK_EQ(got.suspends, 1);
    stop(path);
}

TEST(only_calls_that_raise_match_a_rule_about_that)
{
    const char *path = readback_path();
    struct marey_function *fails = watched("fails", 2);
    struct readback got = {0};

    start(path, HOUR_NS, 10);
    marey_enter_slow(marey_this_lane(), fails, 16);
    marey_leave_slow(marey_this_lane(), 16);
    CHECK_EQ(count_due(path), 0);
    marey_enter_slow(marey_this_lane(), fails, 16);
    marey_unwind(marey_this_lane(), 16, 0);
    marey_keep_flush();
    CHECK_EQ(take_keeps(&got), 1);
    CHECK_EQ(got.raised, 1);
    stop(path);
    CHECK_EQ(take_keeps(&got), 0);
}

TEST(matches_together_are_one_keep_and_too_many_are_none)
{
    const char *path = readback_path();
    struct readback got = {0};

    start(path, HOUR_NS, 2);
    for (int keep = 0; keep < 5; keep++) {
        for (int i = 0; i < 10; i++)
            marey_keep_match(0, 0, "again");
        CHECK_EQ(count_due(path), keep < 2);
        marey_keep_flush();
    }
    CHECK_EQ(take_keeps(&got), 2);
    stop(path);
}

TEST(what_a_dead_process_left_is_written_later)
{
    const char *path = readback_path();
    struct marey_trace *trace = NULL;
    struct marey_keep_part part = {.before_ns = HOUR_NS, .why = "late"};
    struct marey_error err;
    struct readback got = {0};
    char target[400];

    start(path, HOUR_NS, 10);
    marey_enter_slow(marey_this_lane(), watched("fails late", 2), 16);
    marey_unwind(marey_this_lane(), 16, 0);
    snprintf(target, sizeof(target), "%s.late", path);
    part.target = target;
    CHECK_EQ(marey_trace_open(path, &trace, &err), MAREY_OK);
    CHECK_EQ(marey_trace_keep_write(trace, path, 0, &part, &err), MAREY_OK);
    marey_trace_close(trace);
    CHECK_EQ(count_due(path), 0);
    readback_count(target, &got);
    CHECK_EQ(got.raised, 1);
    unlink(target);
    stop(path);
    take_keeps(&got);
}
