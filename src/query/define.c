/* From definition records to the tables of a trace.
 *
 * Processes are read in order of serial: a parent's comes before its children's, so
 * what a child shares is known when the child is read. Nothing here is fatal but a lack
 * of memory: a record that makes no sense is left out, and `is_definition_lost` then
 * says that an event may name what is not known.
 */
#include "base/sort.h"
#include "query/trace.h"

/* Ids are given out in order, so a large one means that records are missing. More than
 * this many at once is not believed. */
#define IDS_MISSING_MAX 1024
#define IDS_PER_RECORD_MAX 16
#define BOOT_ID_SIZE sizeof(((struct marey_file_header *)0)->boot_id)

struct defining {
    struct marey_trace *trace;
    uint32_t process; /* index */
    uint64_t ids_max; /* of its own, in any map */
    uint8_t *payload; /* owned */
    size_t payload_room;
    uint64_t first_pair[3], last_pair[2]; /* ticks, monotonic, realtime of a CLOCK */
    bool has_pair;
    bool is_out_of_memory;
};

static void
forget(struct defining *defining)
{
    defining->trace->is_definition_lost = true;
}

/* ---- ids ---- */

static void
map_put(struct defining *defining, struct id_map *map, uint32_t id, uint32_t index)
{
    if (id < map->first || id - map->first >= defining->ids_max) {
        forget(defining);
        return;
    }
    uint32_t at = id - map->first;
    if (at >= map->count) {
        if (!marey_memory_grow((void **)&map->indices, &map->capacity, (size_t)at + 1,
                               sizeof(*map->indices))) {
            defining->is_out_of_memory = true;
            return;
        }
        while (map->count <= at)
            map->indices[map->count++] = MAREY_NO_INDEX;
    }
    if (map->indices[at] == MAREY_NO_INDEX)
        map->indices[at] = index;
}

static uint32_t
intern(struct defining *defining, struct marey_span text)
{
    uint32_t index = defining->trace->empty_string;

    if (text.size_bytes > 0 && !marey_intern_put(&defining->trace->strings, text.bytes,
                                                 text.size_bytes, &index))
        defining->is_out_of_memory = true;
    return index;
}

/* The string an id means; empty where it is 0 or not known. */
static uint32_t
string_of(struct defining *defining, const struct process *process, uint32_t id)
{
    uint32_t index = trace_resolve(defining->trace, process, ID_STRING, id);

    if (id != 0 && index == MAREY_NO_INDEX)
        forget(defining);
    return index == MAREY_NO_INDEX ? defining->trace->empty_string : index;
}

static void
define_file(struct defining *defining, struct process *process,
            const struct marey_definition *def)
{
    struct source_file file = {.key = def->key, .path = intern(defining, def->text)};
    uint32_t index;

    if (!marey_intern_put(&defining->trace->files, &file, sizeof(file), &index))
        defining->is_out_of_memory = true;
    else
        map_put(defining, &process->files, def->id, index);
}

static void
define_function(struct defining *defining, struct process *process,
                const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;
    struct function function = {
        .name = intern(defining, def->text),
        .module = string_of(defining, process, def->module),
        .file = trace->empty_string,
        .line = def->line,
        .flags = def->flags,
    };
    uint32_t file = trace_resolve(trace, process, ID_FILE, def->file), index;

    if (file != MAREY_NO_INDEX)
        function.file = trace_file(trace, file)->path;
    else if (def->file != 0)
        forget(defining);
    if (!marey_intern_put(&trace->functions, &function, sizeof(function), &index))
        defining->is_out_of_memory = true;
    else
        map_put(defining, &process->functions, def->id, index);
}

/* The id means the function itself, and besides where it was called from. */
static void
define_call_site(struct defining *defining, struct process *process,
                 const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;
    uint32_t function = trace_resolve(trace, process, ID_FUNCTION, def->function);
    struct call_site site = {
        .caller = trace_resolve(trace, process, ID_FUNCTION, def->caller),
        .line = def->line,
    };
    uint32_t index;

    if (function == MAREY_NO_INDEX || site.caller == MAREY_NO_INDEX) {
        forget(defining);
    } else if (!marey_intern_put(&trace->call_sites, &site, sizeof(site), &index)) {
        defining->is_out_of_memory = true;
    } else {
        map_put(defining, &process->functions, def->id, function);
        map_put(defining, &process->call_sites, def->id, index);
    }
}

/* ---- the process itself ---- */

static bool
push(uint32_t **array, size_t *count, size_t *capacity, uint32_t value)
{
    if (!marey_memory_grow((void **)array, capacity, *count + 1, sizeof(**array)))
        return false;
    (*array)[(*count)++] = value;
    return true;
}

static void
define_process(struct defining *defining, struct process *process,
               const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;
    struct marey_fields arguments = {
        def->arguments.bytes, def->arguments.bytes + def->arguments.size_bytes, false};

    if (process->is_defined)
        return;
    process->is_defined = true;
    process->pid = def->pid;
    process->parent_pid = def->parent_pid;
    process->start_ticks = def->ticks;
    process->flow = def->flow;
    process->is_forked =
        def->string_count > 0 || def->file_count > 0 || def->function_count > 0;
    process->executable = intern(defining, def->executable);
    process->version = intern(defining, def->version);
    process->directory = intern(defining, def->directory);
    process->program = intern(defining, def->text);
    process->first_argument = (uint32_t)trace->argument_count;
    for (uint32_t i = 0; i < def->argument_count; i++) {
        uint32_t text =
            intern(defining, marey_fields_sized(&arguments, MAREY_NAME_SIZE_MAX));
        if (!push(&trace->arguments, &trace->argument_count, &trace->argument_capacity,
                  text)) {
            defining->is_out_of_memory = true;
            return;
        }
        process->argument_count++;
    }
    uint32_t parent = marey_process_find(trace, def->parent, defining->process);
    if (parent != MAREY_NO_INDEX)
        marey_process_set_parent(trace, process, parent);
    /* What it defined before it said what it shares would not fit behind that. */
    if (process->strings.count + process->files.count + process->functions.count > 0) {
        forget(defining);
        return;
    }
    process->strings.first = def->string_count + 1;
    process->files.first = def->file_count + 1;
    process->functions.first = process->call_sites.first = def->function_count + 1;
}

/* Few functions are left out, and this is said some dozen times. */
static void
take_unrecorded(struct defining *defining, const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;

    for (size_t i = trace->left_out_count; i-- > 0;) {
        struct left_out *one = &trace->left_outs[i];
        if (one->process != (uint32_t)defining->process || one->id != def->id)
            continue;
        one->calls_counted = def->key;
        one->calls_estimated = def->pid;
        return;
    }
}

static void
take_child_end(struct defining *defining, const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;

    if (!marey_memory_grow((void **)&trace->child_ends, &trace->child_end_capacity,
                           trace->child_end_count + 1, sizeof(*trace->child_ends))) {
        defining->is_out_of_memory = true;
        return;
    }
    trace->child_ends[trace->child_end_count++] = (struct child_end){
        .pid = def->pid,
        .ticks = def->ticks,
        .process = defining->process,
        .exit_status = (int32_t)def->exit_status,
    };
}

/* ---- lanes ---- */

/* The lane, made where it is not there yet. NULL: no memory. */
static struct lane *
lane_of(struct marey_trace *trace, uint32_t process, uint32_t serial)
{
    uint32_t index = marey_trace_lane_index(trace, process, serial);

    if (index != MAREY_NO_INDEX)
        return &trace->lanes[index];
    if (!marey_memory_grow((void **)&trace->lanes, &trace->lane_capacity,
                           trace->lane_count + 1, sizeof(*trace->lanes)) ||
        !marey_table_put(&trace->lane_index, lane_key(process, serial),
                         (uint32_t)trace->lane_count))
        return NULL;
    struct lane *lane = &trace->lanes[trace->lane_count++];
    *lane = (struct lane){
        .serial = serial,
        .process = process,
        .kind = MAREY_LANE_THREAD,
        .name = trace->empty_string,
        .start_ticks = UINT64_MAX, /* not known yet */
    };
    return lane;
}

/* Of a ring's lanes all is in one record, and the last one counts. */
static void
define_lane(struct defining *defining, const struct marey_definition *def)
{
    bool is_place = def->tag == MAREY_DEF_LANE_PLACE;

    if (is_place && def->id == 0)
        return; /* nobody's */
    struct lane *lane = lane_of(defining->trace, defining->process, def->id);
    if (lane == NULL) {
        defining->is_out_of_memory = true;
        return;
    }
    if (def->tag == MAREY_DEF_LANE_NAME) {
        lane->name = intern(defining, def->text);
    } else if (def->tag == MAREY_DEF_LANE_END) {
        lane->has_end = true;
        lane->end_ticks = def->ticks;
    } else if (is_place || !lane->is_defined) {
        lane->is_defined = true;
        lane->kind = def->kind;
        lane->flags = def->flags;
        lane->native_id = def->pid;
        lane->python_id = def->parent_pid;
        lane->start_ticks = def->ticks;
        if (def->text.size_bytes > 0)
            lane->name = intern(defining, def->text);
    }
    if (is_place) {
        lane->has_end = def->key != 0;
        lane->end_ticks = def->key;
    }
}

/* ---- all records ---- */

static void
take_clock(struct defining *defining, const struct marey_definition *def)
{
    if (!defining->has_pair || def->ticks < defining->first_pair[0]) {
        defining->first_pair[0] = def->ticks;
        defining->first_pair[1] = def->monotonic_ns;
        defining->first_pair[2] = def->realtime_ns;
    }
    if (!defining->has_pair || def->ticks > defining->last_pair[0]) {
        defining->last_pair[0] = def->ticks;
        defining->last_pair[1] = def->monotonic_ns;
    }
    defining->has_pair = true;
}

static void
define(struct defining *defining, const struct marey_definition *def)
{
    struct marey_trace *trace = defining->trace;
    struct process *process = &trace->processes[defining->process];
    uint32_t index;

    switch (def->tag) {
    case MAREY_DEF_STRING:
        map_put(defining, &process->strings, def->id, intern(defining, def->text));
        break;
    case MAREY_DEF_FILE: define_file(defining, process, def); break;
    case MAREY_DEF_FUNCTION: define_function(defining, process, def); break;
    case MAREY_DEF_CALL_SITE: define_call_site(defining, process, def); break;
    case MAREY_DEF_PROCESS: define_process(defining, process, def); break;
    case MAREY_DEF_PROCESS_END:
        process->has_end = true;
        process->end_ticks = def->ticks;
        process->exit_status = (int32_t)def->exit_status;
        process->has_exit_status = def->has_exit_status;
        break;
    case MAREY_DEF_LANE:
    case MAREY_DEF_LANE_NAME:
    case MAREY_DEF_LANE_END:
    case MAREY_DEF_LANE_PLACE: define_lane(defining, def); break;
    case MAREY_DEF_CLOCK: take_clock(defining, def); break;
    case MAREY_DEF_COST:
        if (def->id == MAREY_COST_PYTHON || def->id == MAREY_COST_C)
            process->cost_ps[def->id] = def->key;
        break;
    case MAREY_DEF_HOST:
        if (!marey_intern_put(&trace->hosts, def->boot_id, BOOT_ID_SIZE, &index))
            defining->is_out_of_memory = true;
        else
            process->host = index;
        break;
    case MAREY_DEF_CHILD_END: take_child_end(defining, def); break;
    case MAREY_DEF_EXEC: process->exec_ticks = def->is_done ? def->ticks : 0; break;
    case MAREY_DEF_OPTIONS: process->options = intern(defining, def->text); break;
    case MAREY_DEF_LEFT_OUT:
        if (!marey_memory_grow((void **)&trace->left_outs, &trace->left_out_capacity,
                               trace->left_out_count + 1, sizeof(*trace->left_outs)))
            defining->is_out_of_memory = true;
        else
            trace->left_outs[trace->left_out_count++] = (struct left_out){
                def->ticks, (uint32_t)defining->process, def->id, 0, 0};
        break;
    case MAREY_DEF_UNRECORDED: take_unrecorded(defining, def); break;
    case MAREY_DEF_WINDOW:
        trace->has_window = true;
        trace->window_from_ticks = def->ticks;
        trace->window_to_ticks = def->key;
        MAREY_FALLTHROUGH;
    case MAREY_DEF_NOTE:
        if (!push(&trace->notes, &trace->note_count, &trace->note_capacity,
                  intern(defining, def->text)))
            defining->is_out_of_memory = true;
        break;
    default: break;
    }
}

/* One chunk. False: it could not be read, or is damaged. */
static bool
define_chunk(struct defining *defining, const struct marey_extent *extent)
{
    struct marey_records records;
    struct marey_record record;
    struct marey_definition def;

    if (!marey_memory_grow((void **)&defining->payload, &defining->payload_room,
                           extent->payload_size, 1)) {
        defining->is_out_of_memory = true;
        return false;
    }
    if (marey_extent_read(defining->trace->directory, extent, defining->payload) !=
        MAREY_OK)
        return false;
    marey_records_init(&records, defining->payload, extent->payload_size,
                       extent->is_open);
    while (marey_records_next(&records, &record) && !defining->is_out_of_memory) {
        if (marey_definition_get(&record, &def))
            define(defining, &def);
        else
            forget(defining);
    }
    if (records.is_bad)
        forget(defining);
    return true;
}

static void
define_stream(struct defining *defining, const struct marey_stream *stream)
{
    const struct marey_extent *extents =
        &defining->trace->directory->extents[stream->first];
    uint64_t record_count = 0, due = 0;

    for (uint32_t i = 0; i < stream->count; i++)
        record_count += extents[i].record_count;
    defining->ids_max = record_count * IDS_PER_RECORD_MAX + IDS_MISSING_MAX;
    for (uint32_t i = 0; i < stream->count && !defining->is_out_of_memory; i++) {
        if (extents[i].first_index != due)
            forget(defining);
        due = extents[i].first_index + extents[i].record_count;
        if (!define_chunk(defining, &extents[i])) {
            defining->trace->damaged_count++;
            forget(defining);
        }
    }
}

/* ---- what follows from them ---- */

static void
set_clock(struct defining *defining)
{
    struct marey_trace *trace = defining->trace;
    const struct marey_file_header *header = &trace->directory->header;
    uint64_t origin = UINT64_MAX, ticks = 0, ns = 0;

    for (size_t i = 0; i < trace->process_count; i++) {
        const struct process *process = &trace->processes[i];
        if (process->is_defined && process->start_ticks < origin)
            origin = process->start_ticks;
    }
    if (origin == UINT64_MAX)
        origin = header->start_ticks;
    if (defining->has_pair) {
        ticks = defining->last_pair[0] - defining->first_pair[0];
        ns = defining->last_pair[1] - defining->first_pair[1];
    }
    if (ticks == 0 || ns < 1000000 ||
        defining->last_pair[1] < defining->first_pair[1]) {
        ticks = header->ticks_per_second;
        ns = 1000000000;
    }
    if (ticks == 0)
        ticks = ns;
    marey_clock_map_init(&trace->clock, origin, ns, ticks);
    uint64_t known_ticks = header->start_ticks, known_ns = header->start_realtime_ns;
    if (defining->has_pair) {
        known_ticks = defining->first_pair[0];
        known_ns = defining->first_pair[2];
    }
    trace->known_ticks = known_ticks;
    trace->known_monotonic_ns = defining->has_pair ? defining->first_pair[1] : 0;
    trace->origin_realtime_ns =
        (int64_t)(known_ns - (uint64_t)clock_ns(&trace->clock, known_ticks));
}

static int
compare_lanes(const void *a, const void *b)
{
    const struct lane *left = a, *right = b;
    uint64_t left_key = lane_key(left->process, left->serial);
    uint64_t right_key = lane_key(right->process, right->serial);

    return left_key < right_key ? -1 : left_key > right_key;
}

/* Sums over the chunks of a lane's events. */
static void
add_stream(struct marey_trace *trace, struct lane *lane,
           const struct marey_stream *stream)
{
    const struct marey_extent *extents = &trace->directory->extents[stream->first];
    struct process *process = &trace->processes[lane->process];
    uint64_t due = 0, last = 0;

    lane->stream = stream;
    for (uint32_t i = 0; i < stream->count; i++) {
        const struct marey_extent *extent = &extents[i];
        if (extent->first_index > due)
            lane->lost_count += extent->first_index - due;
        due = extent->first_index + extent->record_count;
        if (extent->is_left_out)
            trace->left_out_events += extent->record_count;
        else
            lane->event_count += extent->record_count;
        if (extent->end_ticks > last)
            last = extent->end_ticks;
        if (extent->base_ticks > last)
            last = extent->base_ticks;
    }
    if (lane->start_ticks > extents[0].base_ticks)
        lane->start_ticks = extents[0].base_ticks;
    if (!lane->has_end)
        lane->end_ticks = last;
    if (process->last_ticks < last)
        process->last_ticks = last;
    if (trace->last_ticks < last)
        trace->last_ticks = last;
    trace->event_count += lane->event_count;
    trace->lost_count += lane->lost_count;
}

/* Lanes of which nothing is known but their events, the order of all, their sums. */
static bool
finish_lanes(struct marey_trace *trace)
{
    const struct marey_directory *directory = trace->directory;

    for (size_t i = 0; i < directory->stream_count; i++) {
        const struct marey_stream *stream = &directory->streams[i];
        uint32_t process =
            marey_process_find(trace, stream->process, trace->process_count);
        if (stream->kind != MAREY_EXTENT_EVENTS)
            continue;
        struct lane *lane = lane_of(trace, process, stream->lane);
        if (lane == NULL)
            return false;
        trace->is_definition_lost |= !lane->is_defined;
    }
    marey_sort(trace->lanes, trace->lane_count, sizeof(*trace->lanes), compare_lanes);
    for (size_t i = 0; i < trace->lane_count; i++) {
        struct lane *lane = &trace->lanes[i];
        struct process *process = &trace->processes[lane->process];
        uint64_t key = lane_key(lane->process, lane->serial);
        if (!marey_table_put(&trace->lane_index, key, (uint32_t)i))
            return false;
        const struct marey_stream *stream = marey_directory_stream(
            directory, MAREY_EXTENT_EVENTS, process->serial, lane->serial);
        process->has_tasks |= lane->kind != MAREY_LANE_THREAD;
        if (stream != NULL)
            add_stream(trace, lane, stream);
        if (lane->start_ticks == UINT64_MAX)
            lane->start_ticks = process->start_ticks;
        if (lane->end_ticks < lane->start_ticks)
            lane->end_ticks = lane->start_ticks;
    }
    return true;
}

/* A stand-in for functions whose definition is lost. */
static bool
add_unknown(struct marey_trace *trace)
{
    struct function function = {
        .module = trace->empty_string,
        .file = trace->empty_string,
    };

    return marey_intern_put(&trace->strings, "?", 1, &function.name) &&
           marey_intern_put(&trace->functions, &function, sizeof(function),
                            &trace->unknown_function);
}

enum marey_status
marey_trace_define(struct marey_trace *trace, struct marey_error *err)
{
    struct defining defining = {.trace = trace};
    uint32_t host;
    bool is_done = marey_intern_put(&trace->strings, "", 0, &trace->empty_string) &&
                   marey_intern_put(&trace->hosts, trace->directory->header.boot_id,
                                    BOOT_ID_SIZE, &host) &&
                   marey_process_list(trace);

    for (size_t i = 0; is_done && i < trace->process_count; i++) {
        const struct marey_stream *stream = marey_directory_stream(
            trace->directory, MAREY_EXTENT_DEFINITIONS, trace->processes[i].serial, 0);
        defining.process = (uint32_t)i;
        if (stream != NULL)
            define_stream(&defining, stream);
        is_done = !defining.is_out_of_memory;
    }
    if (is_done) {
        set_clock(&defining);
        is_done = finish_lanes(trace);
    }
    if (is_done)
        is_done = marey_process_finish(trace);
    if (is_done) {
        trace->is_definition_lost |= trace->directory->damaged_count > 0;
        is_done = !trace->is_definition_lost || add_unknown(trace);
    }
    marey_memory_free(defining.payload);
    return is_done
               ? MAREY_OK
               : marey_fail(err, MAREY_NOMEM, "no memory for the tables of the trace");
}
