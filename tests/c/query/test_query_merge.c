/* Merging: what two traces tell, one tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../export/check.h"
#include "told.h"

static char paths[3][64];

static void
make_paths(void)
{
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof(paths[i]), "merge-%d-%d.marey", (int)getpid(), i);
        unlink(paths[i]);
    }
}

static void
remove_paths(void)
{
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
}

static void
save(struct builder *builder, const char *path)
{
    size_t size;
    const uint8_t *bytes = builder_bytes(builder, &size);
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL && fwrite(bytes, 1, size, file) == size);
    fclose(file);
    builder_free(builder);
}

/* Two processes, a fork and a generator, a task and a lost chunk. */
static struct builder *
make(const char *name)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, name);
    builder_string(builder, 1, 1, "Error");
    builder_fork(builder, 2, 1, 1, 1);
    struct builder_lane *a = builder_lane(builder, 1, 1);
    struct builder_lane *b = builder_lane(builder, 2, 2);
    builder_define_lane(builder, 1, 3, MAREY_LANE_TASK);
    lane_enter(a, 10, 1);
    lane_event(a, 0, (struct marey_event){.kind = MAREY_EVENT_SWITCH, .number = 3});
    lane_enter(a, 1, 1);
    lane_yield(a, 1, 9);
    lane_event(a, 0, (struct marey_event){.kind = MAREY_EVENT_SWITCH, .number = 1});
    lane_seal(a);
    lane_leave(a, 10);
    lane_lose(a);
    lane_enter(a, 10, 1);
    lane_leave(a, 10);
    lane_enter(b, 20, 1);
    lane_event(b, 10, (struct marey_event){.kind = MAREY_EVENT_UNWIND, .string = 1});
    return builder;
}

static const char make_tells[] =
    "0:10 begin one; 1:11 begin one; 1:12 suspend one; 0:12 gap 1; 0:12 end one cut; "
    "2:20 begin one; 2:30 end one!Error; 0:32 begin one; 0:42 end one";

static struct marey_trace *
merge_and_open(void)
{
    const char *in[] = {paths[0], paths[1]};
    struct marey_trace *trace = NULL;
    struct marey_error err = {.message = ""};
    char line[256];

    CHECK_EQ(marey_merge(in, 2, paths[2], NULL, NULL, &err), MAREY_OK);
    CHECK_TEXT(err.message, strlen(err.message), "");
    CHECK_EQ(marey_trace_open(paths[2], &trace, &err), MAREY_OK);
    CHECK_EQ(told_check(trace, line), 0);
    CHECK_TEXT(line, strlen(line), "");
    return trace;
}

/* Steps of some lanes, which are lanes of one input. */
static const char *
told_lanes(struct marey_trace *trace, uint32_t first, uint32_t count)
{
    struct marey_selection pick = MAREY_SELECTION_ALL;
    bool lanes[16] = {false};

    for (uint32_t i = first; i < first + count; i++)
        lanes[i] = true;
    pick.lanes = lanes;
    return told_steps(trace, &pick, MAREY_ORDER_TIME);
}

TEST(a_trace_of_the_same_boot_keeps_its_times)
{
    struct marey_process_info process;
    struct marey_trace_info info;

    make_paths();
    save(make("one"), paths[0]);
    save(make("two"), paths[1]);
    struct marey_trace *trace = merge_and_open();
    marey_trace_info(trace, &info);
    CHECK_EQ(info.host_count, 1);
    CHECK_EQ(marey_trace_process_count(trace), 4);
    CHECK_EQ(marey_trace_lane_count(trace), 6);
    marey_trace_process(trace, 3, &process);
    CHECK_EQ(process.parent, 2);
    CHECK_EQ(process.serial, 4);
    const char *told = told_lanes(trace, 0, 3);
    CHECK_TEXT(told, strlen(told), make_tells);
    marey_trace_close(trace);
    remove_paths();
}

TEST(a_trace_of_another_host_moves_to_the_first_ones_clock)
{
    struct builder *other = make("one");
    struct marey_trace_info info;
    struct marey_lane_info lane;

    make_paths();
    save(make("one"), paths[0]);
    builder_header(other)->boot_id[0] = 99;
    builder_header(other)->start_realtime_ns += 500;
    builder_header(other)->ticks_per_second = 500000000; /* a tick is 2 ns */
    save(other, paths[1]);
    struct marey_trace *trace = merge_and_open();
    marey_trace_info(trace, &info);
    CHECK_EQ(info.host_count, 2);
    CHECK_EQ(info.event_count, 14);
    marey_trace_lane(trace, 3, &lane);
    CHECK_EQ(lane.start_ns, 500);
    const char *told = told_lanes(trace, 3, 3);
    CHECK_TEXT(told, strlen(told),
               "3:520 begin one; 4:522 begin one; 4:524 suspend one; 3:524 gap 1; "
               "3:524 end one cut; 5:540 begin one; 5:560 end one!Error; "
               "3:564 begin one; 3:584 end one");
    marey_trace_close(trace);
    remove_paths();
}

static bool
stop_at_once(void *context, double share)
{
    *(double *)context = share;
    return false;
}

TEST(nothing_is_overwritten_and_nothing_half_is_left)
{
    const char *in[] = {paths[0], paths[1]};
    struct marey_error err;

    make_paths();
    save(make("one"), paths[0]);
    save(make("two"), paths[2]);
    CHECK_EQ(marey_merge(in, 1, paths[2], NULL, NULL, &err), MAREY_IO);
    CHECK_EQ(access(paths[2], F_OK), 0);
    unlink(paths[2]);
    /* The second is missing. */
    CHECK_EQ(marey_merge(in, 2, paths[2], NULL, NULL, &err), MAREY_IO);
    CHECK(access(paths[2], F_OK) != 0);
    double share = 0;
    CHECK_EQ(marey_merge(in, 1, paths[2], stop_at_once, &share, &err), MAREY_STOPPED);
    CHECK(share > 0 && share < 1);
    CHECK(access(paths[2], F_OK) != 0);
    CHECK_EQ(marey_merge(in, 0, paths[2], NULL, NULL, &err), MAREY_USAGE);
    remove_paths();
}
