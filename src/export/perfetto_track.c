/* The Perfetto exporter's tracks and sequences: what stands before an event. */
#include <string.h>

#include "base/memory.h"
#include "export/number.h"
#include "export/perfetto_impl.h"

static const char *const categories[] = {
    "python", "c", "generator", "span", "instant", "log", "flow", "loss",
};
static const char *const arguments[] = {
    "call_line",    "began_ns",  "resumed",  "suspended", "thrown",    "raised",
    "end_not_seen", "arguments", "returned", "values",    "log_class", "lost_count",
};
_Static_assert(sizeof(categories) / sizeof(categories[0]) == CATEGORY_END - 1, "");
_Static_assert(sizeof(arguments) / sizeof(arguments[0]) == ARGUMENT_END - 1, "");

#define SEEN_SIZE_MAX ((size_t)64 << 20)

void
marey_perfetto_hash(struct perfetto *x, const struct marey_trace_info *info)
{
    x->hash = marey_hash_text(1, info->host_name);
    x->hash = marey_hash_number(x->hash, (uint64_t)info->start_realtime_ns);
    x->processes[x->process_count].uuid = x->hash;
    for (uint32_t i = 0; i < x->process_count; i++) {
        struct marey_process_info process;
        uint64_t hash;
        marey_trace_process(x->trace, i, &process);
        hash = marey_hash_number(x->hash, (uint64_t)process.pid);
        hash = marey_hash_number(hash, (uint64_t)process.start_ns);
        x->processes[i].uuid = marey_hash_number(hash, process.serial);
    }
}

/* ---- starting a sequence ---- */

static size_t
begin_packet(struct perfetto *x, uint32_t lane, unsigned flags)
{
    size_t begun = marey_proto_begin_outermost(x->out, TRACE_PACKET);

    marey_proto_unsigned(x->out, PACKET_SEQUENCE_ID, (uint64_t)lane + 1);
    marey_proto_unsigned(x->out, PACKET_SEQUENCE_FLAGS, flags);
    return begun;
}

static void
put_clock(struct perfetto *x, unsigned id, bool is_incremental)
{
    size_t begun = marey_proto_begin(x->out, SNAPSHOT_CLOCKS);

    marey_proto_unsigned(x->out, CLOCK_ID, id);
    marey_proto_unsigned(x->out, CLOCK_TIMESTAMP, marey_perfetto_time(x, x->latest_ns));
    if (is_incremental)
        marey_proto_unsigned(x->out, CLOCK_IS_INCREMENTAL, 1);
    marey_proto_end(x->out, begun);
}

static void
put_entry(struct perfetto *x, uint32_t kind, uint64_t iid, struct marey_text name)
{
    size_t begun = marey_proto_begin(x->out, kind);

    marey_proto_unsigned(x->out, ENTRY_IID, iid);
    marey_proto_text(x->out, ENTRY_NAME, name);
    marey_proto_end(x->out, begun);
}

static void
put_words(struct perfetto *x, uint32_t kind, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_entry(x, kind, i + 1, (struct marey_text){words[i], strlen(words[i])});
}

static void
start_sequence(struct perfetto *x, uint32_t index, bool is_after_loss)
{
    struct perfetto_lane *lane = &x->lanes[index];
    struct marey_out *out = x->out;
    size_t packet = begin_packet(x, index, FLAG_STATE_CLEARED);
    size_t part, inner;

    if (is_after_loss)
        marey_proto_unsigned(out, PACKET_PREVIOUS_DROPPED, 1);
    if (!lane->is_described)
        marey_proto_unsigned(out, PACKET_FIRST_ON_SEQUENCE, 1);

    part = marey_proto_begin(out, PACKET_DEFAULTS);
    marey_proto_unsigned(out, DEFAULTS_TIMESTAMP_CLOCK, CLOCK_OF_SEQUENCE);
    inner = marey_proto_begin(out, DEFAULTS_TRACK_EVENT);
    marey_proto_unsigned(out, EVENT_TRACK, lane->uuid);
    marey_proto_end(out, inner);
    marey_proto_end(out, part);

    part = marey_proto_begin(out, PACKET_CLOCK_SNAPSHOT);
    put_clock(x, CLOCK_REALTIME, false);
    put_clock(x, CLOCK_OF_SEQUENCE, true);
    marey_proto_unsigned(out, SNAPSHOT_PRIMARY, CLOCK_REALTIME);
    marey_proto_end(out, part);

    part = marey_proto_begin(out, PACKET_INTERNED_DATA);
    put_words(x, INTERNED_CATEGORY, categories, CATEGORY_END - 1);
    put_words(x, INTERNED_ANNOTATION, arguments, ARGUMENT_END - 1);
    marey_proto_end(out, part);
    marey_proto_end_outermost(out, packet);

    lane->last_ns = x->latest_ns;
    if (lane->seen != NULL)
        memset(lane->seen, 0, x->seen_size);
    lane->is_started = true;
}

/* ---- descriptors ---- */

static void
put_process_descriptor(struct perfetto *x, uint32_t process,
                       const struct marey_process_info *info)
{
    struct marey_out *out = x->out;
    size_t part = marey_proto_begin(out, TRACK_PROCESS), label;

    marey_proto_unsigned(out, PROCESS_PID, x->ids.pids[process]);
    for (uint32_t i = 0; i < info->argument_count; i++)
        marey_proto_text(out, PROCESS_CMDLINE,
                         marey_trace_argument(x->trace, process, i));
    marey_proto_text(out, PROCESS_NAME, info->program);
    marey_proto_unsigned(out, PROCESS_START, marey_perfetto_time(x, info->start_ns));
    marey_proto_unsigned(out, PROCESS_SORT_INDEX, process);
    label = marey_proto_begin(out, PROCESS_LABEL);
    MAREY_OUT_LITERAL(out, "Python ");
    marey_proto_text_part(out, info->version);
    marey_proto_end(out, label);
    marey_proto_end(out, part);
}

/* For a made-up number: what the system's was. */
static void
put_real_number(struct perfetto *x, const char *noun, uint64_t number)
{
    size_t begun = marey_proto_begin(x->out, TRACK_DESCRIPTION);

    marey_out_put_short(x->out, noun, strlen(noun));
    marey_number_put(x->out, number);
    marey_proto_end(x->out, begun);
}

static void
describe_process(struct perfetto *x, uint32_t lane, uint32_t process)
{
    struct marey_process_info info;
    size_t packet, track;

    marey_trace_process(x->trace, process, &info);
    packet = begin_packet(x, lane, FLAG_NEEDS_STATE);
    track = marey_proto_begin(x->out, PACKET_TRACK_DESCRIPTOR);
    marey_proto_unsigned(x->out, TRACK_UUID, x->processes[process].uuid);
    put_process_descriptor(x, process, &info);
    if (info.pid > 0 && info.pid != x->ids.pids[process])
        put_real_number(x, "process ", (uint64_t)info.pid);
    marey_proto_end(x->out, track);
    marey_proto_end_outermost(x->out, packet);
}

static void
put_thread_descriptor(struct perfetto *x, uint32_t lane,
                      const struct marey_lane_info *info)
{
    struct marey_out *out = x->out;
    size_t part = marey_proto_begin(out, TRACK_THREAD);

    marey_proto_unsigned(out, THREAD_PID, x->ids.pids[x->lanes[lane].process]);
    marey_proto_unsigned(out, THREAD_TID, x->ids.tids[lane]);
    marey_proto_unsigned(out, THREAD_SORT_INDEX, lane);
    marey_proto_text(out, THREAD_NAME, info->name);
    marey_proto_end(out, part);
    if (info->native_id != 0 && info->native_id != x->ids.tids[lane])
        put_real_number(x, "thread ", info->native_id);
}

/* Tasks and greenlets are tracks below the process, each on its own. */
static void
describe_lane(struct perfetto *x, uint32_t index, const struct marey_lane_info *info)
{
    const struct perfetto_lane *lane = &x->lanes[index];
    struct marey_out *out = x->out;
    size_t packet = begin_packet(x, index, FLAG_NEEDS_STATE);
    size_t track = marey_proto_begin(out, PACKET_TRACK_DESCRIPTOR);

    marey_proto_unsigned(out, TRACK_UUID, lane->uuid);
    marey_proto_unsigned(out, TRACK_PARENT, x->processes[lane->process].uuid);
    if (info->kind == MAREY_KIND_THREAD) {
        put_thread_descriptor(x, index, info);
    } else {
        marey_proto_text(out, TRACK_NAME, info->name);
        marey_proto_unsigned(out, TRACK_MERGE, MERGE_NONE);
    }
    marey_proto_end(out, track);
    marey_proto_end_outermost(out, packet);
}

/* Everything an event of the lane needs before it. */
static void
start_lane(struct perfetto *x, uint32_t index, bool is_after_loss)
{
    struct perfetto_lane *lane = &x->lanes[index];
    struct marey_lane_info info;
    struct perfetto_process *process;

    if (lane->is_described) {
        start_sequence(x, index, is_after_loss);
        return;
    }
    marey_trace_lane(x->trace, index, &info);
    lane->process = info.process < x->process_count ? info.process : x->process_count;
    process = &x->processes[lane->process];
    lane->uuid = marey_hash_number(process->uuid, info.serial);
    start_sequence(x, index, is_after_loss);
    if (!process->is_described && lane->process < x->process_count)
        describe_process(x, index, lane->process);
    process->is_described = true;
    describe_lane(x, index, &info);
    lane->is_described = true;
}

void
marey_perfetto_restart(struct perfetto *x, uint32_t lane)
{
    start_lane(x, lane, true);
}

/* ---- which names a sequence knows ---- */

void
marey_perfetto_forget(struct perfetto *x)
{
    for (uint32_t i = 0; i < x->lane_count; i++) {
        marey_memory_free(x->lanes[i].seen);
        x->lanes[i].seen = NULL;
        x->lanes[i].is_started = false;
    }
    x->seen_total = 0;
}

/* Makes the lane ready for an event that may name a function. False: no memory. */
bool
marey_perfetto_prepare(struct perfetto *x, const struct marey_step *step)
{
    struct perfetto_lane *lane = &x->lanes[step->lane];

    if (step->time_ns > x->latest_ns)
        x->latest_ns = step->time_ns;
    if (lane->seen == NULL) {
        if (x->seen_total + x->seen_size > SEEN_SIZE_MAX)
            marey_perfetto_forget(x);
        lane->seen = marey_memory_new(1, x->seen_size);
        if (lane->seen == NULL) {
            marey_out_fail(x->out, MAREY_NOMEM);
            return false;
        }
        x->seen_total += x->seen_size;
    }
    if (!lane->is_started && step->kind != MAREY_STEP_GAP)
        start_lane(x, step->lane, false);
    return true;
}

void
marey_perfetto_put_names(struct perfetto *x, uint32_t lane, uint32_t index)
{
    struct marey_function_info function;
    struct marey_out *out = x->out;
    size_t data = marey_proto_begin(out, PACKET_INTERNED_DATA), entry, name;

    marey_trace_function(x->trace, index, &function);
    put_entry(x, INTERNED_NAME, (uint64_t)index + 1, function.name);
    entry = marey_proto_begin(out, INTERNED_LOCATION);
    marey_proto_unsigned(out, ENTRY_IID, (uint64_t)index + 1);
    if (function.file.size_bytes != 0)
        marey_proto_text(out, LOCATION_FILE, function.file);
    name = marey_proto_begin(out, LOCATION_FUNCTION);
    marey_proto_text_part(out, function.module);
    if (function.module.size_bytes != 0)
        MAREY_OUT_LITERAL(out, ".");
    marey_proto_text_part(out, function.name);
    marey_proto_end(out, name);
    if (function.first_line != 0)
        marey_proto_unsigned(out, LOCATION_LINE, function.first_line);
    marey_proto_end(out, entry);
    marey_proto_end(out, data);
    x->lanes[lane].seen[index / 8] |= (uint8_t)(1u << (index % 8));
}

/* ---- counters ---- */

/* One track a name and process, whichever lanes count on it. */
uint64_t
marey_perfetto_counter_track(struct perfetto *x, const struct marey_step *step)
{
    uint64_t process = x->processes[x->lanes[step->lane].process].uuid;
    struct marey_text name = marey_trace_string(x->trace, step->string);
    uint64_t uuid = marey_hash_text(process, name);
    size_t packet, track;

    if (marey_table_get(&x->counters, uuid) != MAREY_TABLE_NONE)
        return uuid;
    if (!marey_table_put(&x->counters, uuid, 0))
        marey_out_fail(x->out, MAREY_NOMEM);
    packet = begin_packet(x, step->lane, FLAG_NEEDS_STATE);
    track = marey_proto_begin(x->out, PACKET_TRACK_DESCRIPTOR);
    marey_proto_unsigned(x->out, TRACK_UUID, uuid);
    marey_proto_unsigned(x->out, TRACK_PARENT, process);
    marey_proto_text(x->out, TRACK_NAME, name);
    marey_proto_end(x->out, marey_proto_begin(x->out, TRACK_COUNTER));
    marey_proto_end(x->out, track);
    marey_proto_end_outermost(x->out, packet);
    return uuid;
}
