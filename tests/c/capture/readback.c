/* Recording from a test as the interpreter's hooks would, and reading it back. */
#include "readback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../export/check.h"

const char *
readback_path(void)
{
    static char path[256];
    static int count;
    const char *folder = getenv("TMPDIR");

    snprintf(path, sizeof(path), "%s/marey-test-%d-%d.marey",
             folder == NULL ? "/tmp" : folder, (int)getpid(), count++);
    unlink(path);
    return path;
}

static void
facts(struct marey_lane *lane, struct marey_thread_facts *out)
{
    static char owner;

    (void)lane;
    out->name = "thread";
    out->owner = &owner;
}

void
readback_start(const char *path, const struct marey_recording_options *options)
{
    static const char *const arguments[] = {"test"};
    struct marey_recording_options own = {0};
    struct marey_process_texts texts = {arguments, 1, "test", "0", "/", "test"};
    struct marey_error err = {0};
    static char nobody;

    if (options != NULL)
        own = *options;
    own.path = path;
    marey_lane_ask(facts, &nobody);
    CHECK_EQ(marey_recording_start(&own, &texts, &err), MAREY_OK);
}

const struct marey_function *
readback_function(const char *name)
{
    return marey_define_function(name, strlen(name), marey_define_string("test", 4), 0,
                                 1, 0);
}

void
record_enter(const struct marey_function *function, uintptr_t key)
{
    if (!marey_enter(marey_this_lane(), function, key))
        marey_enter_slow(marey_this_lane(), function, key);
}

void
record_leave(uintptr_t key)
{
    if (!marey_leave(marey_this_lane(), key))
        marey_leave_slow(marey_this_lane(), key);
}

static void
count_end(const struct marey_step *step, struct readback *out)
{
    out->ends += step->ending == MAREY_END_RETURNED;
    out->cuts += step->ending == MAREY_END_CUT;
    out->opens += step->ending == MAREY_END_OPEN;
    out->raised += step->ending == MAREY_END_RAISED;
    if (step->ending != MAREY_END_RETURNED)
        return;
    if (step->duration_ns > out->longest_ns)
        out->longest_ns = step->duration_ns;
    if (step->duration_ns < out->shortest_ns)
        out->shortest_ns = step->duration_ns;
}

void
readback_count(const char *path, struct readback *out)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_trace_info info;
    struct marey_trace *trace = NULL;
    struct marey_walk *walk = NULL;
    struct marey_error err = {0};
    struct marey_step step;

    memset(out, 0, sizeof(*out));
    out->shortest_ns = INT64_MAX;
    CHECK_EQ(marey_trace_open(path, &trace, &err), MAREY_OK);
    marey_trace_info(trace, &info);
    out->damaged = info.damaged_count;
    out->lanes = marey_trace_lane_count(trace);
    out->processes = marey_trace_process_count(trace);
    CHECK_EQ(marey_walk_new(trace, &all, MAREY_ORDER_TIME, &walk, &err), MAREY_OK);
    while (marey_walk_next(walk, &step)) {
        out->begins += step.kind == MAREY_STEP_BEGIN && !step.was_open;
        out->suspends += step.kind == MAREY_STEP_SUSPEND;
        out->resumes += step.kind == MAREY_STEP_RESUME;
        out->gaps += step.kind == MAREY_STEP_GAP;
        if (step.kind == MAREY_STEP_GAP)
            out->lost += step.lost_count;
        if (step.kind == MAREY_STEP_END)
            count_end(&step, out);
        if (step.depth + 1 > out->depth_max)
            out->depth_max = step.depth + 1;
    }
    CHECK_EQ(marey_walk_status(walk, &err), MAREY_OK);
    marey_walk_free(walk);
    marey_trace_close(trace);
}

static void
pass_over(void *context, uint64_t offset, const char *line)
{
    (void)context, (void)offset, (void)line;
}

uint64_t
readback_findings(const char *path)
{
    struct marey_trace *trace;
    struct marey_error err;
    uint64_t count = 0;

    CHECK_EQ(marey_trace_open(path, &trace, &err), MAREY_OK);
    CHECK_EQ(marey_trace_check(trace, pass_over, NULL, &count, &err), MAREY_OK);
    marey_trace_close(trace);
    return count;
}
