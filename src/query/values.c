/* Values that events carry: blobs of a lane. */
#include "query/answer/value_text.h"

#define TAG_VALUES 1
#define VALUES_MAX 65536 /* in one blob */

/* The extent of the lane's blob stream that has this record; SIZE_MAX: none. */
static size_t
find_extent(const struct marey_trace *trace, uint32_t lane, uint64_t record)
{
    const struct lane *owner = &trace->lanes[lane];
    const struct marey_stream *stream =
        marey_directory_stream(trace->directory, MAREY_EXTENT_BLOBS,
                               trace->processes[owner->process].serial, owner->serial);

    if (stream == NULL)
        return SIZE_MAX;
    /* The last chunk that starts at or before it. */
    const struct marey_extent *extents = &trace->directory->extents[stream->first];
    size_t from = 0, to = stream->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (extents[middle].first_index <= record)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0 ||
        record - extents[from - 1].first_index >= extents[from - 1].record_count)
        return SIZE_MAX;
    return stream->first + from - 1;
}

/* Goes to the record, from where the last question left off if that is nearer. */
static bool
find_record(struct marey_trace *trace, uint64_t number, struct marey_record *out)
{
    struct kept_payload *kept = &trace->blobs;
    const struct marey_extent *extent = &trace->directory->extents[kept->extent];
    struct marey_records records;

    number -= extent->first_index;
    if (number < kept->record)
        kept->record = kept->record_at = 0;
    marey_records_init(&records, kept->bytes + kept->record_at,
                       extent->payload_size - kept->record_at, extent->is_open);
    while (kept->record <= number) {
        size_t before = (size_t)(records.next - kept->bytes);
        if (!marey_records_next(&records, out))
            return false;
        if (kept->record == number) {
            kept->record_at = before;
            return true;
        }
        kept->record++;
        kept->record_at = (size_t)(records.next - kept->bytes);
    }
    return false;
}

/* A value without its name. */
static bool
get_unnamed(struct marey_trace *trace, uint32_t process, struct marey_fields *fields,
            struct marey_value *out)
{
    *out = (struct marey_value){.name = {"", 0}, .text = {"", 0}, .body = {"", 0}};
    out->tag = out->form = marey_fields_u8(fields);
    const uint8_t *body = fields->next;
    switch (out->tag) {
    case MAREY_VALUE_INT:
        out->integer = marey_unzigzag(marey_fields_varint(fields));
        break;
    case MAREY_VALUE_FLOAT: out->number = marey_fields_f64(fields); break;
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_BYTES:
    case MAREY_VALUE_OBJECT: {
        struct marey_span span = marey_fields_sized(fields, MAREY_EXTENT_SIZE_MAX);
        if (span.size_bytes > 0)
            out->text = (struct marey_text){(const char *)span.bytes, span.size_bytes};
        break;
    }
    default:
        if (out->tag >= MAREY_VALUE_NONE && out->tag <= MAREY_VALUE_ERROR)
            break;
        if (value_text_put(&trace->value_text, trace, process, out->tag, fields))
            out->text = (struct marey_text){(const char *)trace->value_text.bytes,
                                            trace->value_text.size};
        out->tag = MAREY_VALUE_OBJECT;
        out->body =
            (struct marey_text){(const char *)body, (size_t)(fields->next - body)};
        break;
    }
    return !fields->is_bad;
}

static bool
get_value(struct marey_trace *trace, uint32_t process, struct marey_fields *fields,
          struct marey_value *out)
{
    uint32_t name = (uint32_t)marey_fields_varint(fields);
    bool is_good = get_unnamed(trace, process, fields, out);

    if (name != 0)
        out->name = marey_trace_text(
            trace, trace_resolve(trace, &trace->processes[process], ID_STRING, name));
    return is_good;
}

bool
marey_value_parts(struct marey_trace *trace, uint32_t lane,
                  const struct marey_value *value,
                  void (*take)(void *context, const struct marey_value *part),
                  void *context)
{
    const uint8_t *body = (const uint8_t *)value->body.bytes;
    struct marey_fields fields = {body, body + value->body.size_bytes, false};
    struct marey_value part;

    if (lane >= trace->lane_count || value->tag != MAREY_VALUE_OBJECT ||
        value->form < MAREY_VALUE_LIST || value->form > MAREY_VALUE_DICT)
        return false;
    uint64_t in_all = marey_fields_varint(&fields);
    uint64_t count = marey_fields_varint(&fields);
    if (fields.is_bad || count != in_all || count > value->body.size_bytes)
        return false;
    if (value->form == MAREY_VALUE_DICT)
        count *= 2;
    for (uint64_t i = 0; i < count && !fields.is_bad; i++)
        if (get_unnamed(trace, trace->lanes[lane].process, &fields, &part))
            take(context, &part);
    return true;
}

/* A part behind its name. */
static bool
get_named(struct marey_trace *trace, uint32_t process, struct marey_fields *fields,
          struct marey_value *out)
{
    struct marey_span name = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);

    if (!get_unnamed(trace, process, fields, out))
        return false;
    if (name.size_bytes > 0)
        out->name = (struct marey_text){(const char *)name.bytes, name.size_bytes};
    return true;
}

/* A member of an enumeration is its name. */
static void
take_member(struct marey_fields *fields,
            void (*take)(void *context, const struct marey_value *part), void *context)
{
    struct marey_span name = marey_fields_sized(fields, MAREY_NAME_SIZE_MAX);
    struct marey_value part = {.name = {"name", 4},
                               .tag = MAREY_VALUE_TEXT,
                               .form = MAREY_VALUE_TEXT,
                               .text = {"", 0}};

    if (name.size_bytes > 0)
        part.text = (struct marey_text){(const char *)name.bytes, name.size_bytes};
    if (!fields->is_bad)
        take(context, &part);
}

bool
marey_value_object(struct marey_trace *trace, uint32_t lane,
                   const struct marey_value *value, struct marey_value_object *out,
                   void (*take)(void *context, const struct marey_value *part),
                   void *context)
{
    const uint8_t *body = (const uint8_t *)value->body.bytes;
    struct marey_fields fields = {body, body + value->body.size_bytes, false};
    uint64_t items = 0, named = 0, in_all = 0;
    struct marey_value part;

    if (lane >= trace->lane_count || value->tag != MAREY_VALUE_OBJECT ||
        value->form < MAREY_VALUE_INSTANCE || value->form > MAREY_VALUE_ENUM)
        return false;
    uint32_t process = trace->lanes[lane].process;
    uint32_t type = (uint32_t)marey_fields_varint(&fields);
    if (value->form == MAREY_VALUE_INSTANCE)
        marey_fields_varint(&fields); /* its address */
    if (value->form != MAREY_VALUE_ENUM)
        in_all = marey_fields_varint(&fields);
    if (value->form == MAREY_VALUE_MADE)
        items = marey_fields_varint(&fields);
    if (value->form != MAREY_VALUE_ENUM)
        named = marey_fields_varint(&fields);
    if (fields.is_bad || items > value->body.size_bytes ||
        named > value->body.size_bytes || in_all < items + named)
        return false;
    out->type = (struct marey_text){"", 0};
    if (type != 0)
        out->type = marey_trace_text(
            trace, trace_resolve(trace, &trace->processes[process], ID_STRING, type));
    out->missing_count = in_all - items - named;
    if (value->form == MAREY_VALUE_ENUM)
        take_member(&fields, take, context);
    for (uint64_t i = 0; i < items && !fields.is_bad; i++)
        if (get_unnamed(trace, process, &fields, &part))
            take(context, &part);
    for (uint64_t i = 0; i < named && !fields.is_bad; i++)
        if (get_named(trace, process, &fields, &part))
            take(context, &part);
    return true;
}

/* In a ring values may be gone before the events that tell of them, and where events
 * were left out to save room values were, too: no damage. */
static bool
takes_back(const struct marey_trace *trace)
{
    return trace->has_window || trace->left_out_events > 0 ||
           (trace->directory->header.flags & MAREY_FILE_RING) != 0;
}

enum marey_status
marey_trace_values(struct marey_trace *trace, uint32_t lane, uint64_t blob,
                   void (*take)(void *context, const struct marey_value *value),
                   void *context, struct marey_error *err)
{
    struct marey_record record;
    struct marey_value value;

    if (blob == 0)
        return MAREY_OK;
    if (blob >> BLOB_LANE_SHIFT != 0) {
        /* Of an event that was recorded on another lane than the one it belongs to. */
        lane = (uint32_t)(blob >> BLOB_LANE_SHIFT) - 1;
        blob &= (UINT64_C(1) << BLOB_LANE_SHIFT) - 1;
    }
    if (lane >= trace->lane_count)
        return marey_fail(err, MAREY_USAGE, "no such lane");
    size_t extent = find_extent(trace, lane, blob - 1);
    if (extent == SIZE_MAX && takes_back(trace)) {
        value = (struct marey_value){
            .name = {"", 0}, .tag = MAREY_VALUE_NOT_RECORDED, .text = {"", 0}};
        take(context, &value);
        return MAREY_OK;
    }
    if (extent == SIZE_MAX)
        return marey_fail(err, MAREY_CORRUPT, "these values were lost");
    enum marey_status status = marey_payload_keep(trace, &trace->blobs, extent, err);
    if (status != MAREY_OK)
        return status;
    if (!find_record(trace, blob - 1, &record) || record.tag != TAG_VALUES)
        return marey_fail(err, MAREY_CORRUPT, "these values are damaged");
    struct marey_fields fields = {record.body, record.body + record.size_bytes, false};
    uint64_t count = marey_fields_varint(&fields);
    if (count > VALUES_MAX)
        fields.is_bad = true;
    for (uint64_t i = 0; i < count && !fields.is_bad; i++) {
        if (get_value(trace, trace->lanes[lane].process, &fields, &value))
            take(context, &value);
    }
    return fields.is_bad ? marey_fail(err, MAREY_CORRUPT, "these values are damaged")
                         : MAREY_OK;
}
