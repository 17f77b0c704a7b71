/* What a trace says of itself: processes, lanes, functions, values, sources, time. */
#include <string.h>

#include "../export/check.h"
#include "marey/format_put.h"
#include "told.h"

#define CHECK_IS(text, want) CHECK_TEXT((text).bytes, (text).size_bytes, want)

TEST(processes_and_lanes_say_what_was_recorded)
{
    struct builder *builder = builder_new();
    struct marey_process_info process;
    struct marey_lane_info lane_info;
    struct marey_trace_info info;

    builder_process(builder, 1, 0);
    builder_process(builder, 2, 1);
    builder_function(builder, 1, 1, "work");
    builder_record(builder, 1, MAREY_DEF_NOTE, "exact", 5);
    builder_record(builder, 2, MAREY_DEF_PROCESS_END, "\x88\x13\0\0\0\0\0\0\x1d\1", 10);
    builder_record(builder, 1, MAREY_DEF_LANE_NAME, "\1renamed", 8);
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    builder_record(builder, 1, MAREY_DEF_LANE_NAME, "\1Main", 5);
    lane_enter(lane, 10, 1);
    lane_leave(lane, 20);
    struct marey_trace *trace = told_open(builder);
    marey_trace_info(trace, &info);
    CHECK_IS(info.host_name, "host");
    CHECK_EQ(info.event_count, 2);
    CHECK_EQ(info.duration_ns, 30);
    CHECK_EQ(info.start_realtime_ns, INT64_C(1700000000000000000));
    CHECK_EQ(info.host_count, 1);
    CHECK_EQ(marey_trace_process_count(trace), 2);
    marey_trace_process(trace, 1, &process);
    CHECK_EQ(process.parent, 0);
    CHECK_EQ(process.pid, 102);
    CHECK_EQ(process.state, MAREY_PROCESS_ENDED);
    CHECK_EQ(process.end_ns, 4000);
    CHECK(process.has_exit_status);
    CHECK_EQ(process.exit_status, (uint64_t)-15);
    CHECK_IS(process.version, "3.13");
    CHECK_EQ(process.argument_count, 2);
    CHECK_IS(marey_trace_argument(trace, 1, 1), "-x");
    marey_trace_process(trace, 0, &process);
    CHECK_EQ(process.state, MAREY_PROCESS_UNKNOWN);
    CHECK_EQ(process.end_ns, 30);
    CHECK_EQ(marey_trace_lane_count(trace), 1);
    marey_trace_lane(trace, 0, &lane_info);
    CHECK_IS(lane_info.name, "Main");
    CHECK_EQ(lane_info.end_ns, 30);
    CHECK_EQ(marey_trace_note_count(trace), 1);
    CHECK_IS(marey_trace_note(trace, 0), "exact");
    CHECK_EQ(marey_trace_count(trace, NULL), MAREY_OK);
    marey_trace_info(trace, &info);
    CHECK_EQ(info.call_count, 1);
    told_close(trace, builder);
}

TEST(equal_functions_of_two_processes_are_one)
{
    struct builder *builder = builder_new();
    struct marey_function_info function;

    for (uint32_t serial = 1; serial <= 2; serial++) {
        builder_process(builder, serial, 0);
        builder_string(builder, serial, 3, "app");
        builder_function_of(builder, serial, serial, "work", 3, 0, 7, 0);
        builder_function_of(builder, serial, serial + 2, "work", 3, 0, 6 + serial,
                            MAREY_FUNCTION_COROUTINE);
    }
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_trace_function_count(trace), 3);
    marey_trace_function(trace, 0, &function);
    CHECK_IS(function.module, "app");
    CHECK_EQ(function.first_line, 7);
    CHECK(!function.is_generator);
    told_close(trace, builder);
}

TEST(time_follows_the_recorded_pairs)
{
    static const uint64_t pairs[3][4] = {
        {2000, 500000, 1, 7000000},
        {2000 + 3000000, 500000 + 1000000, 2, 8000000},
        {2000 + 1000, 500000 + 333, 3, 7000333},
    };
    struct builder *builder = builder_new();
    struct marey_trace_info info;

    builder_process(builder, 1, 0);
    builder_function(builder, 1, 1, "work");
    for (int i = 0; i < 3; i++)
        builder_record(builder, 1, MAREY_DEF_CLOCK, pairs[i], sizeof(pairs[i]));
    struct builder_lane *lane = builder_lane(builder, 1, 1);
    lane_enter(lane, 300, 1);
    lane_leave(lane, 3000);
    struct marey_trace *trace = told_open(builder);
    CHECK_TEXT(told_all(trace), strlen(told_all(trace)),
               "0:100 begin work; 0:1100 end work");
    marey_trace_info(trace, &info);
    CHECK_EQ(info.start_realtime_ns, 7000000 - 333);
    told_close(trace, builder);
}

/* ---- values ---- */

static void
keep_values(void *context, const struct marey_value *value)
{
    char *text = context;
    size_t size = strlen(text);

    text[size++] = (char)('a' + value->tag);
    for (size_t i = 0; i < value->name.size_bytes; i++)
        text[size++] = value->name.bytes[i];
    for (size_t i = 0; i < value->text.size_bytes; i++)
        text[size++] = value->text.bytes[i];
    text[size] = '\0';
}

TEST(values_are_found_by_their_number)
{
    struct builder *builder = builder_new();
    struct marey_extent_header head = {.kind = MAREY_EXTENT_BLOBS,
                                       .process = 1,
                                       .lane = 1,
                                       .sequence = 1,
                                       .base_ticks = 1000,
                                       .end_ticks = 1000,
                                       .record_count = 2};
    char text[64];

    builder_process(builder, 1, 0);
    builder_string(builder, 1, 1, "n");
    builder_lane(builder, 1, 1);
    uint8_t bytes[] = {5, 1, 1, 1, 4, 5, 7, 1, 1, 0, 6, 2, 'a', 'b'};
    builder_put(builder, &head, bytes, sizeof(bytes), 0);
    head.sequence = 2;
    head.first_index = 2;
    head.record_count = 0;
    head.end_ticks = 0;
    head.state = MAREY_STATE_OPEN;
    uint8_t open[] = {4, 1, 1, 0, 1};
    builder_put(builder, &head, open, sizeof(open), 4096);
    struct marey_trace *trace = told_open(builder);
    for (int round = 0; round < 2; round++) {
        text[0] = '\0';
        CHECK_EQ(marey_trace_values(trace, 0, 2, keep_values, text, NULL), MAREY_OK);
        CHECK_EQ(marey_trace_values(trace, 0, 1, keep_values, text, NULL), MAREY_OK);
        CHECK_EQ(marey_trace_values(trace, 0, 3, keep_values, text, NULL), MAREY_OK);
        CHECK_EQ(marey_trace_values(trace, 0, 0, keep_values, text, NULL), MAREY_OK);
        CHECK_TEXT(text, strlen(text), "gabenb");
        CHECK_EQ(marey_trace_values(trace, 0, 4, keep_values, text, NULL),
                 MAREY_CORRUPT);
        CHECK_EQ(marey_trace_values(trace, 5, 1, keep_values, text, NULL), MAREY_USAGE);
    }
    told_close(trace, builder);
}

/* ---- sources ---- */

TEST(a_source_text_is_found_by_its_path)
{
    static const char code[] = "pass\npass\npass\npass\npass\npass\npass\npass\npass\n";
    struct builder *builder = builder_new();
    struct marey_extent_header head = {.kind = MAREY_EXTENT_SOURCE,
                                       .process = 1,
                                       .sequence = 1,
                                       .record_count = 1,
                                       .codec = MAREY_CODEC_ZSTD,
                                       .raw_size = sizeof(code) - 1};
    struct marey_encoder payload = {0}, file = {0};
    struct marey_text text;
    uint8_t packed[128];

    builder_process(builder, 1, 0);
    size_t size = marey_compress(packed, sizeof(packed), code, sizeof(code) - 1);
    marey_encode_u64(&payload, 42);
    marey_encode_bytes(&payload, "\5/a.py", 6);
    marey_encode_bytes(&payload, packed, size);
    builder_put(builder, &head, payload.bytes, payload.size_bytes, 0);
    for (uint32_t i = 1; i <= 2; i++) {
        marey_encoder_clear(&file);
        marey_encode_varint(&file, i);
        marey_encode_u64(&file, i == 1 ? 42 : 0);
        marey_encode_bytes(&file, i == 1 ? "/a.py" : "/b.py", 5);
        builder_record(builder, 1, MAREY_DEF_FILE, file.bytes, file.size_bytes);
    }
    struct marey_trace *trace = told_open(builder);
    CHECK_EQ(marey_trace_source(trace, (struct marey_text){"/a.py", 5}, &text, NULL),
             MAREY_OK);
    CHECK_IS(text, code);
    CHECK_EQ(marey_trace_source(trace, (struct marey_text){"/b.py", 5}, &text, NULL),
             MAREY_OK);
    CHECK_EQ(text.size_bytes, 0);
    CHECK_EQ(marey_trace_source(trace, (struct marey_text){"/c.py", 5}, &text, NULL),
             MAREY_OK);
    CHECK_EQ(text.size_bytes, 0);
    marey_encoder_release(&payload);
    marey_encoder_release(&file);
    told_close(trace, builder);
}

TEST(opening_what_is_no_trace_says_so)
{
    struct marey_trace *trace = NULL;
    struct marey_error err;

    CHECK_EQ(marey_trace_open("/nowhere/at/all", &trace, &err), MAREY_IO);
    CHECK(strstr(err.message, "/nowhere/at/all") != NULL);
    CHECK_EQ(marey_trace_open("/", &trace, &err), MAREY_NOT_A_TRACE);
    CHECK(trace == NULL);
    marey_trace_close(NULL);
}
