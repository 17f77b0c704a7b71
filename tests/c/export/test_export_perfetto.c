/* Perfetto packets of the scenario, read back as a viewer reads them: clocks added up,
 * names looked up in what the sequence brought. tests/python/test_export.py does the
 * same for real traces with the schema itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "export/perfetto_schema.h"
#include "proto_reader.h"
#include "scenario.h"

#define SEQUENCES_MAX 8
#define NAMES_MAX 16
#define LINES_SIZE 8192

struct sequence {
    struct message names[NAMES_MAX]; /* by iid */
    uint64_t time;
    bool has_state;
};

struct reading {
    struct sequence sequences[SEQUENCES_MAX];
    char lines[LINES_SIZE];
    size_t size;
};

static void
put_line(struct reading *r, const char *line)
{
    r->size += (size_t)snprintf(r->lines + r->size, LINES_SIZE - r->size, "%s\n", line);
    CHECK(r->size < LINES_SIZE);
}

static void
read_clocks(struct sequence *sequence, struct message packet)
{
    struct field snapshot, clock;

    if (!message_find(packet, PACKET_CLOCK_SNAPSHOT, &snapshot))
        return;
    CHECK_EQ(message_value(snapshot.message, SNAPSHOT_PRIMARY), CLOCK_REALTIME);
    while (message_next(&snapshot.message, &clock))
        if (clock.number == SNAPSHOT_CLOCKS &&
            message_value(clock.message, CLOCK_ID) == CLOCK_OF_SEQUENCE)
            sequence->time = message_value(clock.message, CLOCK_TIMESTAMP);
}

static void
read_names(struct sequence *sequence, struct message packet)
{
    struct field data, entry, name;

    if (!message_find(packet, PACKET_INTERNED_DATA, &data))
        return;
    while (message_next(&data.message, &entry)) {
        uint64_t iid = message_value(entry.message, ENTRY_IID);
        if (entry.number != INTERNED_NAME)
            continue;
        CHECK(iid > 0 && iid < NAMES_MAX);
        CHECK(message_find(entry.message, ENTRY_NAME, &name));
        if (iid < NAMES_MAX)
            sequence->names[iid] = name.message;
    }
}

static int64_t
read_time(struct sequence *sequence, struct message packet)
{
    uint64_t time = message_value(packet, PACKET_TIMESTAMP);

    if (message_value(packet, PACKET_TIMESTAMP_CLOCK) != CLOCK_REALTIME)
        time = sequence->time += time;
    return (int64_t)(time - (uint64_t)SCENARIO_START_NS);
}

static void
read_event(struct reading *r, uint64_t id, struct message packet, struct message event)
{
    static const char kinds[] = "?BEIC";
    struct sequence *sequence = &r->sequences[id];
    uint64_t type = message_value(event, EVENT_TYPE);
    uint64_t iid = message_value(event, EVENT_NAME_IID);
    int64_t time = read_time(sequence, packet);
    struct message name = {NULL, NULL};
    struct field field;
    char line[128];
    int size;

    CHECK(type >= TYPE_BEGIN && type <= TYPE_COUNTER);
    CHECK(iid < NAMES_MAX);
    if (iid != 0 && iid < NAMES_MAX) {
        name = sequence->names[iid];
        CHECK(name.at != NULL);
        CHECK_EQ(message_value(event, EVENT_LOCATION_IID), iid);
    } else if (message_find(event, EVENT_NAME, &field)) {
        name = field.message;
    }
    size = snprintf(line, sizeof(line), "%" PRIu64 " %" PRId64 " %c %.*s", id, time,
                    kinds[type], (int)(name.end - name.at), (const char *)name.at);
    while (message_next(&event, &field))
        if (field.number == EVENT_FLOW || field.number == EVENT_TERMINATING_FLOW)
            size += snprintf(line + size, sizeof(line) - (size_t)size, " %s",
                             field.number == EVENT_FLOW ? "->" : "<-");
    put_line(r, line);
}

static void
read_packet(struct reading *r, struct message packet)
{
    uint64_t id = message_value(packet, PACKET_SEQUENCE_ID);
    uint64_t flags = message_value(packet, PACKET_SEQUENCE_FLAGS);
    struct sequence *sequence = &r->sequences[id];
    struct field field;

    CHECK(id > 0 && id < SEQUENCES_MAX);
    if (flags & FLAG_STATE_CLEARED) {
        memset(sequence, 0, sizeof(*sequence));
        sequence->has_state = true;
        put_line(r, message_value(packet, PACKET_PREVIOUS_DROPPED) ? "loss" : "start");
    }
    CHECK(sequence->has_state);
    read_clocks(sequence, packet);
    read_names(sequence, packet);
    if (message_find(packet, PACKET_TRACK_EVENT, &field))
        read_event(r, id, packet, field.message);
}

/* As lines: sequence, time since the origin, Begin/End/Instant/Counter, name, arrows.
 * */
static void
read_export(struct reading *r, struct fake_output *output)
{
    struct message file = {(uint8_t *)output->bytes,
                           (uint8_t *)output->bytes + output->size};
    struct field packet;

    memset(r, 0, sizeof(*r));
    while (message_next(&file, &packet)) {
        CHECK_EQ(packet.number, TRACE_PACKET);
        read_packet(r, packet.message);
    }
}

TEST(packets_say_what_the_steps_said)
{
    static struct reading reading;
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace;

    scenario_init(&trace);
    CHECK_EQ(fake_export(&trace, "perfetto", &output), MAREY_OK);
    read_export(&reading, &output);
    CHECK_TEXT(reading.lines, reading.size,
               "start\n"
               "1 0 B main\n"
               "1 1000 B len\n"
               "1 1001 E \n"
               "1 2000 B load\n"
               "1 2000 B len\n"
               "1 2000 E \n"
               "1 2000 E \n"
               "1 3000 B numbers\n"
               "1 3100 E  ->\n"
               "1 3200 I flow out ->\n"
               "start\n"
               "2 3250 B a\n" /* and a NUL, where %s stops */
               "2 3300 I flow in <-\n"
               "2 3400 B numbers <-\n"
               "2 3500 E \n"
               "2 3600 E \n"
               "start\n"
               "3 4000 I tick\n"
               "3 4100 C \n"
               "1 4200 C \n"
               "3 4300 I total\n"
               "start\n"
               "4 4250 B main\n" /* though the sequence starts at 4300 */
               "4 5000 B a\n"
               "loss\n"
               "4 5500 I 12 events lost\n"
               "4 5500 E \n"
               "4 5500 B len\n"
               "1 1234567890123 E \n");
    fake_output_release(&output);
}

/* The track descriptors of the scenario, in order. */
static uint32_t
read_tracks(const struct fake_output *output, struct message *tracks, uint32_t most)
{
    struct message file = {(uint8_t *)output->bytes,
                           (uint8_t *)output->bytes + output->size};
    struct field packet, track;
    uint32_t count = 0;

    while (message_next(&file, &packet))
        if (message_find(packet.message, PACKET_TRACK_DESCRIPTOR, &track) &&
            count < most)
            tracks[count++] = track.message;
    return count;
}

TEST(every_track_has_its_own_uuid_below_its_process)
{
    enum { PROCESS_1, MAIN, WORKER, TASK, COUNTER, PROCESS_2, SECOND, COUNT };
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct message tracks[COUNT + 1];
    struct marey_trace trace;

    scenario_init(&trace);
    CHECK_EQ(fake_export(&trace, "perfetto", &output), MAREY_OK);
    CHECK_EQ(read_tracks(&output, tracks, COUNT + 1), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t parent = i < PROCESS_2 ? PROCESS_1 : PROCESS_2;
        uint64_t uuid = message_value(tracks[i], TRACK_UUID);
        CHECK(uuid != 0);
        for (uint32_t j = 0; j < i; j++)
            CHECK(message_value(tracks[j], TRACK_UUID) != uuid);
        CHECK_EQ(message_value(tracks[i], TRACK_PARENT),
                 parent == i ? 0 : message_value(tracks[parent], TRACK_UUID));
    }
    fake_output_release(&output);
}

TEST(uuids_stay_the_same_from_export_to_export)
{
    struct fake_output output[2] = {{NULL, 0, 0, 0, false}, {NULL, 0, 0, 0, false}};
    struct marey_trace trace;

    scenario_init(&trace);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(fake_export(&trace, "perfetto", &output[i]), MAREY_OK);
    CHECK_EQ(output[0].size, output[1].size);
    CHECK(memcmp(output[0].bytes, output[1].bytes, output[0].size) == 0);
    fake_output_release(&output[0]);
    fake_output_release(&output[1]);
}

/* How often a sequence started. */
static uint32_t
count_starts(const struct fake_output *output)
{
    struct message file = {(uint8_t *)output->bytes,
                           (uint8_t *)output->bytes + output->size};
    struct field packet;
    uint32_t count = 0;

    while (message_next(&file, &packet))
        count +=
            message_value(packet.message, PACKET_SEQUENCE_FLAGS) == FLAG_STATE_CLEARED;
    return count;
}

/* 10,000 lanes that know 16 KB of names each would be 160 MB, so that every lane is
 * made to forget and starts its sequence twice. */
TEST(many_lanes_and_functions_do_not_pile_up)
{
    enum { LANES = 10000, FUNCTIONS = 131072, STEPS = 2 * LANES };
    struct marey_lane_info *lanes = calloc(LANES, sizeof(*lanes));
    struct marey_function_info *functions = calloc(FUNCTIONS, sizeof(*functions));
    struct marey_step *steps = calloc(STEPS, sizeof(*steps));
    struct marey_process_info process = {.pid = 1};
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_trace trace = {.processes = &process,
                                .lanes = lanes,
                                .functions = functions,
                                .steps = steps,
                                .process_count = 1,
                                .lane_count = LANES,
                                .function_count = FUNCTIONS,
                                .step_count = STEPS};

    if (lanes == NULL || functions == NULL || steps == NULL)
        abort();
    for (uint32_t i = 0; i < STEPS; i++) {
        lanes[i % LANES].kind = MAREY_KIND_THREAD;
        lanes[i % LANES].native_id = i % LANES + 1;
        steps[i] = (struct marey_step){
            .lane = i % LANES,
            .kind = i < LANES ? MAREY_STEP_BEGIN : MAREY_STEP_END,
            .function = i % FUNCTIONS,
            .time_ns = i,
        };
    }
    CHECK_EQ(fake_export(&trace, "perfetto", &output), MAREY_OK);
    CHECK_EQ(count_starts(&output), 2 * LANES);
    fake_output_release(&output);
    free(lanes);
    free(functions);
    free(steps);
}
