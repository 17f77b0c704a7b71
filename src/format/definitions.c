/* Records: a size, a tag, a body. Those of definitions, and the head of a source. */
#include "marey/format_get.h"

/* ---- fields ---- */

static const uint8_t *
take(struct marey_fields *fields, uint64_t size_bytes)
{
    const uint8_t *bytes = fields->next;

    if ((uint64_t)(fields->end - fields->next) < size_bytes) {
        fields->is_bad = true;
        fields->next = fields->end;
        return NULL;
    }
    fields->next += size_bytes;
    return bytes;
}

uint64_t
marey_fields_varint(struct marey_fields *fields)
{
    uint64_t value = 0;
    size_t left = (size_t)(fields->end - fields->next);
    size_t size = marey_varint_get(fields->next, left, &value);

    if (size == 0) {
        fields->is_bad = true;
        fields->next = fields->end;
        return 0;
    }
    fields->next += size;
    return value;
}

uint64_t
marey_fields_u64(struct marey_fields *fields)
{
    const uint8_t *bytes = take(fields, 8);

    return bytes == NULL ? 0 : marey_u64_get(bytes);
}

uint32_t
marey_fields_u32(struct marey_fields *fields)
{
    const uint8_t *bytes = take(fields, 4);

    return bytes == NULL ? 0 : marey_u32_get(bytes);
}

double
marey_fields_f64(struct marey_fields *fields)
{
    const uint8_t *bytes = take(fields, 8);

    return bytes == NULL ? 0 : marey_f64_get(bytes);
}

uint8_t
marey_fields_u8(struct marey_fields *fields)
{
    const uint8_t *bytes = take(fields, 1);

    return bytes == NULL ? 0 : *bytes;
}

struct marey_span
marey_fields_sized(struct marey_fields *fields, size_t most)
{
    uint64_t size = marey_fields_varint(fields);

    if (size > most)
        fields->is_bad = true;
    const uint8_t *bytes = take(fields, size);
    return bytes == NULL ? (struct marey_span){0}
                         : (struct marey_span){bytes, (size_t)size};
}

struct marey_span
marey_fields_rest(struct marey_fields *fields)
{
    struct marey_span rest = {fields->next, (size_t)(fields->end - fields->next)};

    fields->next = fields->end;
    return rest;
}

/* A number of at most `most`. */
static uint32_t
below(struct marey_fields *fields, uint64_t most)
{
    uint64_t value = marey_fields_varint(fields);

    if (value > most)
        fields->is_bad = true;
    return (uint32_t)value;
}

/* The same from 1. */
static uint32_t
serial(struct marey_fields *fields, uint64_t most)
{
    uint32_t value = below(fields, most);

    if (value == 0)
        fields->is_bad = true;
    return value;
}

/* ---- records ---- */

void
marey_records_init(struct marey_records *records, const uint8_t *payload,
                   size_t size_bytes, bool is_open)
{
    *records = (struct marey_records){payload, payload + size_bytes, is_open, false};
}

bool
marey_records_next(struct marey_records *records, struct marey_record *out)
{
    size_t left = (size_t)(records->end - records->next);
    uint64_t size = 0;

    if (left == 0 || (records->is_open && *records->next == 0))
        return false;
    size_t head = marey_varint_get(records->next, left, &size);
    if (head == 0 || size == 0 || size > left - head ||
        (head > 1 && records->next[head - 1] == 0)) {
        records->is_bad = !records->is_open;
        return false;
    }
    out->tag = records->next[head];
    out->body = records->next + head + 1;
    out->size_bytes = (size_t)size - 1;
    records->next += head + size;
    return true;
}

/* ---- definitions ---- */

static void
get_process(struct marey_fields *fields, struct marey_definition *out)
{
    out->pid = marey_fields_varint(fields);
    out->parent_pid = marey_fields_varint(fields);
    out->parent = below(fields, MAREY_PROCESS_MAX);
    out->ticks = marey_fields_u64(fields);
    out->string_count = below(fields, MAREY_STRING_ID_MAX);
    out->file_count = below(fields, MAREY_STRING_ID_MAX);
    out->function_count = below(fields, MAREY_FUNCTION_ID_MAX);
    out->argument_count = below(fields, MAREY_ARGV_MAX);
    const uint8_t *start = fields->next;
    for (uint32_t i = 0; i < out->argument_count && !fields->is_bad; i++)
        marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    out->arguments = (struct marey_span){start, (size_t)(fields->next - start)};
    out->executable = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    out->version = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    out->directory = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    out->text = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    if (fields->next < fields->end)
        out->flow = marey_fields_varint(fields);
}

static void
get_lane(struct marey_fields *fields, struct marey_definition *out)
{
    out->id = serial(fields, MAREY_LANE_MAX);
    out->kind = below(fields, UINT32_MAX);
    out->flags = below(fields, UINT32_MAX);
    out->pid = marey_fields_varint(fields);
    out->parent_pid = marey_fields_u64(fields);
    out->ticks = marey_fields_u64(fields);
    out->parent = below(fields, MAREY_LANE_MAX);
    out->text = marey_fields_rest(fields);
}

/* A place that is free, or was caught while it changed hands, has id 0. */
static void
get_lane_place(struct marey_fields *fields, struct marey_definition *out)
{
    out->kind = MAREY_LANE_THREAD;
    out->flags = marey_fields_u8(fields);
    size_t name_size = marey_fields_u8(fields);
    out->id = marey_fields_u32(fields);
    out->pid = marey_fields_u64(fields);
    out->parent_pid = marey_fields_u64(fields);
    out->ticks = marey_fields_u64(fields);
    out->key = marey_fields_u64(fields);
    const uint8_t *name = take(fields, MAREY_PLACE_NAME_MAX);
    if (name_size > MAREY_PLACE_NAME_MAX || out->id > MAREY_LANE_MAX)
        fields->is_bad = true;
    else if (name != NULL)
        out->text = (struct marey_span){name, name_size};
    if (marey_fields_u32(fields) != out->id)
        out->id = 0;
}

static void
get_function(struct marey_fields *fields, struct marey_definition *out)
{
    out->id = serial(fields, MAREY_FUNCTION_ID_MAX);
    out->flags = below(fields, UINT32_MAX);
    out->line = below(fields, UINT32_MAX);
    out->module = below(fields, MAREY_STRING_ID_MAX);
    out->file = below(fields, MAREY_STRING_ID_MAX);
    out->text = marey_fields_rest(fields);
}

static void
get_left_out(struct marey_fields *fields, struct marey_definition *out)
{
    out->id = serial(fields, MAREY_FUNCTION_ID_MAX);
    out->ticks = marey_fields_u64(fields);
    if (out->tag != MAREY_DEF_UNRECORDED)
        return;
    out->key = marey_fields_varint(fields);
    out->pid = marey_fields_varint(fields);
}

static void
get_call_site(struct marey_fields *fields, struct marey_definition *out)
{
    out->id = serial(fields, MAREY_FUNCTION_ID_MAX);
    out->function = serial(fields, MAREY_FUNCTION_ID_MAX);
    out->caller = serial(fields, MAREY_FUNCTION_ID_MAX);
    out->line = below(fields, UINT32_MAX);
}

bool
marey_definition_get(const struct marey_record *record, struct marey_definition *out)
{
    struct marey_fields fields = {record->body, record->body + record->size_bytes,
                                  false};

    *out = (struct marey_definition){.tag = record->tag};
    switch (record->tag) {
    case MAREY_DEF_STRING:
        out->id = serial(&fields, MAREY_STRING_ID_MAX);
        out->text = marey_fields_rest(&fields);
        break;
    case MAREY_DEF_FILE:
        out->id = serial(&fields, MAREY_STRING_ID_MAX);
        out->key = marey_fields_u64(&fields);
        out->text = marey_fields_rest(&fields);
        break;
    case MAREY_DEF_FUNCTION: get_function(&fields, out); break;
    case MAREY_DEF_CALL_SITE: get_call_site(&fields, out); break;
    case MAREY_DEF_PROCESS: get_process(&fields, out); break;
    case MAREY_DEF_PROCESS_END:
        out->ticks = marey_fields_u64(&fields);
        out->exit_status = marey_unzigzag(marey_fields_varint(&fields));
        out->has_exit_status = marey_fields_u8(&fields) == 1;
        break;
    case MAREY_DEF_LANE: get_lane(&fields, out); break;
    case MAREY_DEF_LANE_PLACE: get_lane_place(&fields, out); break;
    case MAREY_DEF_LANE_NAME:
        out->id = serial(&fields, MAREY_LANE_MAX);
        out->text = marey_fields_rest(&fields);
        break;
    case MAREY_DEF_LANE_END:
        out->id = serial(&fields, MAREY_LANE_MAX);
        out->ticks = marey_fields_u64(&fields);
        break;
    case MAREY_DEF_CLOCK:
        out->ticks = marey_fields_u64(&fields);
        out->monotonic_ns = marey_fields_u64(&fields);
        out->boottime_ns = marey_fields_u64(&fields);
        out->realtime_ns = marey_fields_u64(&fields);
        break;
    case MAREY_DEF_COST:
        out->id = below(&fields, UINT32_MAX);
        out->key = marey_fields_varint(&fields);
        break;
    case MAREY_DEF_HOST:
        out->boot_id = take(&fields, 16);
        out->text = marey_fields_rest(&fields);
        break;
    case MAREY_DEF_LEFT_OUT:
    case MAREY_DEF_UNRECORDED: get_left_out(&fields, out); break;
    case MAREY_DEF_WINDOW:
        out->ticks = marey_fields_u64(&fields);
        out->key = marey_fields_u64(&fields);
        out->text = marey_fields_rest(&fields);
        break;
    case MAREY_DEF_CHILD_END:
        out->ticks = marey_fields_u64(&fields);
        out->pid = marey_fields_varint(&fields);
        out->exit_status = marey_unzigzag(marey_fields_varint(&fields));
        break;
    case MAREY_DEF_EXEC:
        out->ticks = marey_fields_u64(&fields);
        out->is_done = marey_fields_u8(&fields) == 1;
        break;
    case MAREY_DEF_OPTIONS:
    case MAREY_DEF_NOTE: out->text = marey_fields_rest(&fields); break;
    default: break;
    }
    return !fields.is_bad && out->text.size_bytes <= MAREY_NAME_SIZE_MAX;
}

/* ---- sources ---- */

bool
marey_source_get(const uint8_t *payload, size_t size_bytes,
                 struct marey_source_head *out)
{
    struct marey_fields fields = {payload, payload + size_bytes, false};

    out->key = marey_fields_u64(&fields);
    out->path = marey_fields_sized(&fields, MAREY_NAME_SIZE_MAX);
    out->stored = marey_fields_rest(&fields);
    return !fields.is_bad;
}
