/* Opening a trace, and what it holds. */
#include "query/trace.h"
#include "query/sums/sums.h"

#define PARENTS_TRIED 4096 /* processes before this one */

/* ---- opening ---- */

enum marey_status
marey_trace_open_owned(const struct marey_byte_source *source,
                       uint64_t (*size_now)(void *context),
                       void (*close_source)(void *context), struct marey_trace **out,
                       struct marey_error *err)
{
    struct marey_trace *trace = marey_memory_new(1, sizeof(*trace));

    if (trace == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to open a trace");
    trace->source = *source;
    trace->unknown_function = MAREY_NO_INDEX;
    trace->blobs.extent = trace->source_text.extent = SIZE_MAX;
    enum marey_status status =
        marey_directory_open(source, size_now, &trace->directory, err);
    if (status == MAREY_OK)
        status = marey_trace_define(trace, err);
    if (status != MAREY_OK) {
        marey_trace_close(trace);
        return status;
    }
    trace->close_source = close_source;
    *out = trace;
    return MAREY_OK;
}

enum marey_status
marey_trace_open_source(const struct marey_byte_source *source,
                        struct marey_trace **out, struct marey_error *err)
{
    return marey_trace_open_owned(source, NULL, NULL, out, err);
}

void
marey_trace_close(struct marey_trace *trace)
{
    if (trace == NULL)
        return;
    for (size_t i = 0; i < trace->process_count; i++) {
        marey_memory_free(trace->processes[i].strings.indices);
        marey_memory_free(trace->processes[i].files.indices);
        marey_memory_free(trace->processes[i].functions.indices);
        marey_memory_free(trace->processes[i].call_sites.indices);
    }
    sums_trace_release(trace);
    marey_directory_close(trace->directory);
    marey_intern_release(&trace->strings);
    marey_intern_release(&trace->functions);
    marey_intern_release(&trace->files);
    marey_intern_release(&trace->call_sites);
    marey_intern_release(&trace->hosts);
    marey_table_release(&trace->lane_index);
    marey_table_release(&trace->flow_index);
    marey_memory_free(trace->child_ends);
    marey_table_release(&trace->source_index);
    marey_memory_free(trace->processes);
    marey_memory_free(trace->lanes);
    marey_memory_free(trace->arguments);
    marey_memory_free(trace->notes);
    marey_memory_free(trace->left_outs);
    marey_memory_free(trace->blobs.bytes);
    marey_memory_free(trace->value_text.bytes);
    marey_memory_free(trace->source_text.bytes);
    marey_memory_free(trace->source_bytes);
    marey_memory_free(trace->shown);
    if (trace->close_source != NULL)
        trace->close_source(trace->source.context);
    marey_memory_free(trace);
}

/* ---- the whole ---- */

struct marey_text
marey_trace_text(const struct marey_trace *trace, uint32_t string)
{
    if (string >= trace->strings.count)
        return (struct marey_text){"", 0};
    const struct marey_intern_item *item = &trace->strings.items[string];
    return (struct marey_text){(const char *)item->bytes, item->size_bytes};
}

static struct marey_text
host_name(const struct marey_file_header *header)
{
    size_t size = 0;

    while (size < sizeof(header->host_name) && header->host_name[size] != '\0')
        size++;
    return (struct marey_text){header->host_name, size};
}

void
marey_trace_info(const struct marey_trace *trace, struct marey_trace_info *out)
{
    const struct marey_directory *directory = trace->directory;

    *out = (struct marey_trace_info){
        .host_name = host_name(&directory->header),
        .start_realtime_ns = trace->origin_realtime_ns,
        .size_bytes = directory->size_bytes,
        .event_count = trace->event_count,
        .lost_count = trace->lost_count,
        .left_out_count = trace->left_out_events,
        .call_count = trace->call_count,
        .host_count = (uint32_t)trace->hosts.count,
        .chunk_count = (uint32_t)directory->extent_count,
        .damaged_count = directory->damaged_count + trace->damaged_count,
        .skipped_bytes = directory->skipped_bytes,
        .is_ring =
            (directory->header.flags & (MAREY_FILE_RING | MAREY_FILE_WAS_RING)) != 0,
        .is_unmapped = (directory->header.flags & MAREY_FILE_UNMAPPED) != 0,
    };
    if (trace->has_window) {
        out->is_window = true;
        out->window_to_ns = clock_ns(&trace->clock, trace->window_to_ticks);
        if (trace->window_from_ticks > trace->clock.origin)
            out->window_from_ns = clock_ns(&trace->clock, trace->window_from_ticks);
    }
    if (trace->last_ticks > trace->clock.origin)
        out->duration_ns = clock_ns(&trace->clock, trace->last_ticks);
    for (size_t i = trace->process_count; i-- > 0;) {
        const uint64_t *cost_ps = trace->processes[i].cost_ps;
        if (cost_ps[MAREY_COST_PYTHON] != 0)
            out->cost_python_ps = cost_ps[MAREY_COST_PYTHON];
        if (cost_ps[MAREY_COST_C] != 0)
            out->cost_c_ps = cost_ps[MAREY_COST_C];
    }
}

/* ---- processes ---- */

uint32_t
marey_trace_process_count(const struct marey_trace *trace)
{
    return (uint32_t)trace->process_count;
}

/* A process that was not forked by a recorded one names its parent by pid alone: the
 * last one of that pid that had started by then. Looks so far back and no farther, that
 * a hostile file cannot make it slow. */
static uint32_t
parent_of(const struct marey_trace *trace, uint32_t index)
{
    const struct process *process = &trace->processes[index];
    uint32_t last = index > PARENTS_TRIED ? index - PARENTS_TRIED : 0;

    if (process->parent != MAREY_NO_INDEX || process->parent_pid == 0)
        return process->parent;
    for (uint32_t i = index; i-- > last;) {
        const struct process *other = &trace->processes[i];
        if (other->pid == process->parent_pid &&
            other->start_ticks <= process->start_ticks)
            return i;
    }
    return MAREY_NO_INDEX;
}

void
marey_trace_process(const struct marey_trace *trace, uint32_t index,
                    struct marey_process_info *out)
{
    const struct process *process = &trace->processes[index];

    *out = (struct marey_process_info){
        .serial = process->serial,
        .parent = parent_of(trace, index),
        .pid = (int64_t)process->pid,
        .parent_pid = (int64_t)process->parent_pid,
        .start_ns = clock_ns(&trace->clock, process->start_ticks),
        .end_ns = clock_ns(&trace->clock, process->end_ticks),
        .state = process->is_replaced ? MAREY_PROCESS_REPLACED
                 : process->has_end   ? MAREY_PROCESS_ENDED
                                      : MAREY_PROCESS_UNKNOWN,
        .flow = process->flow,
        .exit_status = process->exit_status,
        .has_exit_status = process->has_exit_status,
        .program = marey_trace_text(trace, process->program),
        .executable = marey_trace_text(trace, process->executable),
        .version = marey_trace_text(trace, process->version),
        .directory = marey_trace_text(trace, process->directory),
        .options = marey_trace_text(trace, process->options),
        .argument_count = process->argument_count,
    };
}

struct marey_text
marey_trace_argument(const struct marey_trace *trace, uint32_t process,
                     uint32_t argument)
{
    uint32_t first = trace->processes[process].first_argument;

    return marey_trace_text(trace, trace->arguments[first + argument]);
}

/* ---- lanes ---- */

uint32_t
marey_trace_lane_count(const struct marey_trace *trace)
{
    return (uint32_t)trace->lane_count;
}

uint32_t
marey_trace_lane_index(const struct marey_trace *trace, uint32_t process,
                       uint32_t serial)
{
    return marey_table_get(&trace->lane_index, lane_key(process, serial));
}

void
marey_trace_lane(const struct marey_trace *trace, uint32_t index,
                 struct marey_lane_info *out)
{
    const struct lane *lane = &trace->lanes[index];

    *out = (struct marey_lane_info){
        .serial = lane->serial,
        .process = lane->process,
        .kind = lane->kind == MAREY_LANE_TASK       ? MAREY_KIND_TASK
                : lane->kind == MAREY_LANE_GREENLET ? MAREY_KIND_GREENLET
                                                    : MAREY_KIND_THREAD,
        .is_main = (lane->flags & MAREY_LANE_MAIN) != 0,
        .is_earlier = (lane->flags & MAREY_LANE_EARLIER) != 0,
        .has_end = lane->has_end,
        .native_id = lane->native_id,
        .python_id = lane->python_id,
        .start_ns = clock_ns(&trace->clock, lane->start_ticks),
        .end_ns = clock_ns(&trace->clock, lane->end_ticks),
        .name = marey_trace_text(trace, lane->name),
        .event_count = lane->event_count,
        .lost_count = lane->lost_count,
    };
}

/* ---- functions and strings ---- */

uint32_t
marey_trace_function_count(const struct marey_trace *trace)
{
    return (uint32_t)trace->functions.count;
}

void
marey_trace_function(const struct marey_trace *trace, uint32_t index,
                     struct marey_function_info *out)
{
    const struct function *function = trace_function(trace, index);
    const uint32_t generators = MAREY_FUNCTION_GENERATOR | MAREY_FUNCTION_COROUTINE |
                                MAREY_FUNCTION_ASYNC_GENERATOR;

    *out = (struct marey_function_info){
        .first_line = function->line,
        .is_c = (function->flags & MAREY_FUNCTION_C) != 0,
        .is_generator = (function->flags & generators) != 0,
        .is_span = (function->flags & MAREY_FUNCTION_SPAN) != 0,
        .is_transaction = (function->flags & MAREY_FUNCTION_TRANSACTION) != 0,
        .name = marey_trace_text(trace, function->name),
        .module = marey_trace_text(trace, function->module),
        .file = marey_trace_text(trace, function->file),
    };
}

struct marey_text
marey_trace_string(const struct marey_trace *trace, uint32_t index)
{
    return marey_trace_text(trace, index);
}

uint32_t
marey_trace_left_out_count(const struct marey_trace *trace)
{
    return (uint32_t)trace->left_out_count;
}

bool
marey_trace_left_out(const struct marey_trace *trace, uint32_t index,
                     struct marey_left_out *out)
{
    if (index >= trace->left_out_count)
        return false;
    const struct left_out *one = &trace->left_outs[index];
    const struct process *process = &trace->processes[one->process];
    *out = (struct marey_left_out){
        .function = trace_resolve(trace, process, ID_FUNCTION, one->id),
        .since_ns = clock_ns(&trace->clock, one->ticks),
        .calls_counted = one->calls_counted,
        .calls_estimated = one->calls_estimated,
        .is_whole = process->has_end,
    };
    return out->function != MAREY_NO_INDEX;
}

uint32_t
marey_trace_note_count(const struct marey_trace *trace)
{
    return (uint32_t)trace->note_count;
}

struct marey_text
marey_trace_note(const struct marey_trace *trace, uint32_t index)
{
    return marey_trace_text(trace, index < trace->note_count ? trace->notes[index]
                                                             : MAREY_NO_INDEX);
}

/* ---- payloads ---- */

enum marey_status
marey_payload_keep(struct marey_trace *trace, struct kept_payload *kept, size_t extent,
                   struct marey_error *err)
{
    const struct marey_extent *wanted = &trace->directory->extents[extent];

    if (kept->extent == extent)
        return MAREY_OK;
    kept->extent = SIZE_MAX;
    if (!marey_memory_grow((void **)&kept->bytes, &kept->capacity, wanted->payload_size,
                           1))
        return marey_fail(err, MAREY_NOMEM, "no memory for a chunk");
    enum marey_status status = marey_extent_read(trace->directory, wanted, kept->bytes);
    if (status != MAREY_OK)
        return marey_fail(err, status, "the chunk at offset %llu cannot be read",
                          (unsigned long long)wanted->offset);
    kept->extent = extent;
    kept->record = 0;
    kept->record_at = 0;
    return MAREY_OK;
}

/* ---- counting ---- */

enum marey_status
marey_trace_count(struct marey_trace *trace, struct marey_error *err)
{
    const struct marey_directory *directory = trace->directory;
    struct kept_payload payload = {.extent = SIZE_MAX};
    struct marey_cursor cursor;
    struct marey_event event;
    enum marey_status status = MAREY_OK;
    uint64_t count = 0;

    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        if (extent->kind != MAREY_EXTENT_EVENTS)
            continue;
        status = marey_payload_keep(trace, &payload, i, err);
        if (status == MAREY_CORRUPT)
            continue; /* its calls are lost; the walk says so */
        if (status != MAREY_OK)
            break;
        marey_cursor_init(&cursor, payload.bytes + extent->snapshot_size,
                          extent->payload_size - extent->snapshot_size,
                          extent->base_ticks, extent->is_open);
        while (marey_cursor_next(&cursor, &event))
            count += event.kind == MAREY_EVENT_ENTER;
    }
    marey_memory_free(payload.bytes);
    if (status != MAREY_OK && status != MAREY_CORRUPT)
        return status;
    trace->call_count = count;
    return MAREY_OK;
}
