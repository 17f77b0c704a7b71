/* Traces made up in memory. */
#include "builder.h"

#include <stdlib.h>

#include "base/checksum.h"

#define PROCESSES_MAX 64
#define LANES_MAX 1024

struct process_parts {
    struct marey_encoder records;
    uint32_t count;
    uint64_t first_index, sequence;
};
struct builder {
    struct marey_encoder file;
    struct process_parts processes[PROCESSES_MAX];
    struct builder_lane *lanes[LANES_MAX];
    uint32_t lane_count;
};

struct builder *
builder_new(void)
{
    struct builder *builder = calloc(1, sizeof(*builder));
    struct marey_file_header header = {
        .magic = MAREY_FILE_MAGIC,
        .version_major = MAREY_VERSION_MAJOR,
        .header_size = MAREY_PAGE_SIZE,
        .boot_id = {1, 2, 3},
        .host_name = "host",
        .clock = MAREY_CLOCK_MONOTONIC,
        .ticks_per_second = 1000000000,
        .start_ticks = BUILDER_ORIGIN,
        .start_realtime_ns = UINT64_C(1700000000000000000),
    };

    marey_encode_bytes(&builder->file, &header, sizeof(header));
    return builder;
}

void
builder_free(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->lane_count; i++) {
        marey_encoder_release(&builder->lanes[i]->out);
        free(builder->lanes[i]);
    }
    for (int i = 0; i < PROCESSES_MAX; i++)
        marey_encoder_release(&builder->processes[i].records);
    marey_encoder_release(&builder->file);
    free(builder);
}

struct marey_file_header *
builder_header(struct builder *builder)
{
    return (struct marey_file_header *)(void *)builder->file.bytes;
}

uint8_t *
builder_at(struct builder *builder, uint64_t offset)
{
    return builder->file.bytes + offset;
}

/* ---- extents ---- */

void
builder_put_raw(struct builder *builder, const void *bytes, size_t size_bytes)
{
    marey_encode_bytes(&builder->file, bytes, size_bytes);
}

uint64_t
builder_put(struct builder *builder, const struct marey_extent_header *head,
            const void *payload, size_t size_bytes, uint32_t slot_size)
{
    static const uint8_t zeros[65536];
    struct marey_extent_header header = *head;
    uint64_t offset = builder->file.size_bytes;
    size_t size = sizeof(header) + size_bytes;

    header.magic = MAREY_EXTENT_MAGIC;
    header.header_size = sizeof(header);
    header.offset = offset;
    header.extent_size = slot_size > 0 ? slot_size : (uint32_t)(size + 63) / 64 * 64;
    header.place_check = marey_checksum32(&header, 28);
    if (header.state == 0)
        header.state = MAREY_STATE_CLOSED;
    if (header.state == MAREY_STATE_CLOSED) {
        header.payload_size = (uint32_t)size_bytes;
        header.payload_check = marey_checksum64(payload, size_bytes);
        header.content_check = marey_checksum32((uint8_t *)&header + 32, 92);
    }
    builder_put_raw(builder, &header, sizeof(header));
    builder_put_raw(builder, payload, size_bytes);
    builder_put_raw(builder, zeros, header.extent_size - size);
    return offset;
}

/* ---- definitions ---- */

void
builder_record(struct builder *builder, uint32_t process, uint8_t tag, const void *body,
               size_t size_bytes)
{
    struct process_parts *parts = &builder->processes[process];

    marey_encode_record(&parts->records, tag, body, size_bytes);
    parts->count++;
}

void
builder_fork(struct builder *builder, uint32_t serial, uint32_t parent,
             uint32_t strings, uint32_t functions)
{
    struct marey_encoder body = {0};

    marey_encode_varint(&body, 100 + serial);
    marey_encode_varint(&body, parent == 0 ? 1 : 100 + parent);
    marey_encode_varint(&body, parent);
    marey_encode_u64(&body, BUILDER_ORIGIN);
    marey_encode_varint(&body, strings);
    marey_encode_varint(&body, 0);
    marey_encode_varint(&body, functions);
    marey_encode_varint(&body, 2);
    marey_encode_bytes(&body, "\6app.py\2-x", 10);
    marey_encode_bytes(&body, "\6python\0043.13\1/\6app.py", 21);
    builder_record(builder, serial, MAREY_DEF_PROCESS, body.bytes, body.size_bytes);
    marey_encoder_release(&body);
    if (builder_header(builder)->process_count < serial)
        builder_header(builder)->process_count = serial;
}

void
builder_process(struct builder *builder, uint32_t serial, uint32_t parent)
{
    builder_fork(builder, serial, parent, 0, 0);
}

void
builder_string(struct builder *builder, uint32_t process, uint32_t id, const char *text)
{
    struct marey_encoder body = {0};

    marey_encode_varint(&body, id);
    marey_encode_bytes(&body, text, strlen(text));
    builder_record(builder, process, MAREY_DEF_STRING, body.bytes, body.size_bytes);
    marey_encoder_release(&body);
}

void
builder_function_of(struct builder *builder, uint32_t process, uint32_t id,
                    const char *name, uint32_t module, uint32_t file, uint32_t line,
                    uint32_t flags)
{
    struct marey_encoder body = {0};

    marey_encode_varint(&body, id);
    marey_encode_varint(&body, flags);
    marey_encode_varint(&body, line);
    marey_encode_varint(&body, module);
    marey_encode_varint(&body, file);
    marey_encode_bytes(&body, name, strlen(name));
    builder_record(builder, process, MAREY_DEF_FUNCTION, body.bytes, body.size_bytes);
    marey_encoder_release(&body);
}

void
builder_function(struct builder *builder, uint32_t process, uint32_t id,
                 const char *name)
{
    builder_function_of(builder, process, id, name, 0, 0, 0, 0);
}

void
builder_define_lane(struct builder *builder, uint32_t process, uint32_t serial,
                    uint32_t kind)
{
    struct marey_encoder body = {0};

    marey_encode_varint(&body, serial);
    marey_encode_varint(&body, kind);
    marey_encode_varint(&body, 0);
    marey_encode_varint(&body, 5000 + serial);
    marey_encode_u64(&body, 0);
    marey_encode_u64(&body, BUILDER_ORIGIN);
    marey_encode_varint(&body, 0);
    marey_encode_bytes(&body, "lane", 4);
    builder_record(builder, process, MAREY_DEF_LANE, body.bytes, body.size_bytes);
    marey_encoder_release(&body);
    if (builder_header(builder)->lane_count < serial)
        builder_header(builder)->lane_count = serial;
}

void
builder_define_all(struct builder *builder)
{
    for (uint32_t serial = 1; serial < PROCESSES_MAX; serial++) {
        struct process_parts *parts = &builder->processes[serial];
        struct marey_extent_header head = {
            .kind = MAREY_EXTENT_DEFINITIONS,
            .process = serial,
            .sequence = parts->sequence + 1,
            .base_ticks = BUILDER_ORIGIN,
            .end_ticks = BUILDER_ORIGIN,
            .first_index = parts->first_index,
            .record_count = parts->count,
        };
        if (parts->count == 0)
            continue;
        builder_put(builder, &head, parts->records.bytes, parts->records.size_bytes, 0);
        parts->sequence++;
        parts->first_index += parts->count;
        parts->count = 0;
        marey_encoder_clear(&parts->records);
    }
}

/* ---- lanes ---- */

struct builder_lane *
builder_lane(struct builder *builder, uint32_t process, uint32_t serial)
{
    struct builder_lane *lane = calloc(1, sizeof(*lane));

    lane->builder = builder;
    lane->process = process;
    lane->lane = serial;
    lane->ticks = BUILDER_ORIGIN;
    builder->lanes[builder->lane_count++] = lane;
    builder_define_lane(builder, process, serial, MAREY_LANE_THREAD);
    return lane;
}

static void
begin_chunk(struct builder_lane *lane)
{
    if (lane->is_begun)
        return;
    lane->is_begun = true;
    lane->base_ticks = lane->ticks;
    lane->start_depth = lane->depth;
    lane->count = 0;
    marey_encoder_clear(&lane->out);
    marey_encode_chunk(&lane->out, lane->ticks);
    marey_encode_varint(&lane->out, lane->depth);
    for (uint32_t i = 0; i < lane->depth; i++)
        marey_encode_entry(&lane->out, &lane->stack[i]);
    lane->snapshot_size = (uint32_t)lane->out.size_bytes;
}

void
lane_event(struct builder_lane *lane, uint64_t dt, struct marey_event event)
{
    begin_chunk(lane);
    lane->ticks += dt;
    event.ticks = lane->ticks;
    marey_encode_event(&lane->out, &event);
    lane->count += event.kind < MAREY_EVENT_THROWN;
    if (event.kind == MAREY_EVENT_ENTER || event.kind == MAREY_EVENT_RESUME)
        lane->stack[lane->depth++] = (struct marey_snapshot_entry){
            lane->ticks, event.function, event.kind == MAREY_EVENT_RESUME};
    else if (event.kind <= MAREY_EVENT_YIELD && lane->depth > 0)
        lane->depth--;
}

void
lane_enter(struct builder_lane *lane, uint64_t dt, uint32_t function)
{
    lane_event(lane, dt,
               (struct marey_event){.kind = MAREY_EVENT_ENTER, .function = function});
}

void
lane_leave(struct builder_lane *lane, uint64_t dt)
{
    lane_event(lane, dt, (struct marey_event){.kind = MAREY_EVENT_LEAVE});
}

void
lane_yield(struct builder_lane *lane, uint64_t dt, uint64_t key)
{
    uint32_t function = lane->stack[lane->depth - 1].function;

    lane_event(lane, dt,
               (struct marey_event){
                   .kind = MAREY_EVENT_YIELD, .function = function, .number = key});
}

void
lane_resume(struct builder_lane *lane, uint64_t dt, uint32_t function, uint64_t key)
{
    lane_event(lane, dt,
               (struct marey_event){
                   .kind = MAREY_EVENT_RESUME, .function = function, .number = key});
}

void
lane_instant(struct builder_lane *lane, uint64_t dt, uint32_t string)
{
    lane_event(lane, dt,
               (struct marey_event){.kind = MAREY_EVENT_INSTANT, .string = string});
}

static void
end_chunk(struct builder_lane *lane, uint32_t state, uint32_t slot_size)
{
    struct marey_extent_header head = {
        .kind = MAREY_EXTENT_EVENTS,
        .process = lane->process,
        .lane = lane->lane,
        .sequence = ++lane->sequence,
        .base_ticks = lane->base_ticks,
        .end_ticks = state == MAREY_STATE_OPEN ? 0 : lane->ticks,
        .first_index = lane->first_index,
        .record_count = state == MAREY_STATE_OPEN ? 0 : lane->count,
        .snapshot_size = lane->snapshot_size,
        .start_depth = lane->start_depth,
        .state = state,
    };

    builder_put(lane->builder, &head, lane->out.bytes, lane->out.size_bytes, slot_size);
    lane->first_index += lane->count;
    lane->is_begun = false;
}

void
lane_seal(struct builder_lane *lane)
{
    begin_chunk(lane);
    end_chunk(lane, MAREY_STATE_CLOSED, 0);
}

void
lane_leave_open(struct builder_lane *lane, uint32_t slot_size)
{
    begin_chunk(lane);
    end_chunk(lane, MAREY_STATE_OPEN, slot_size);
}

void
lane_lose(struct builder_lane *lane)
{
    lane->first_index += lane->count;
    lane->sequence++;
    lane->is_begun = false;
}

/* ---- the file ---- */

const uint8_t *
builder_bytes(struct builder *builder, size_t *size_bytes)
{
    builder_define_all(builder);
    for (uint32_t i = 0; i < builder->lane_count; i++) {
        if (builder->lanes[i]->is_begun)
            lane_seal(builder->lanes[i]);
    }
    builder_header(builder)->tail = builder->file.size_bytes;
    *size_bytes = builder->file.size_bytes;
    return builder->file.bytes;
}

static bool
read_bytes(void *context, uint64_t offset, void *dst, size_t size_bytes)
{
    const struct builder *builder = context;

    if (offset > builder->file.size_bytes ||
        size_bytes > builder->file.size_bytes - offset)
        return false;
    memcpy(dst, builder->file.bytes + offset, size_bytes);
    return true;
}

struct marey_byte_source
builder_source(struct builder *builder)
{
    struct marey_byte_source source = {read_bytes, builder, 0};
    size_t size_bytes;

    builder_bytes(builder, &size_bytes);
    source.size_bytes = size_bytes;
    return source;
}
