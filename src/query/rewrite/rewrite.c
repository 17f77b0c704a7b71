/* Rewriting chunks for another trace.
 *
 * Traces of one boot share a clock, so their events are taken over as they are. Others
 * are put on the clock of the whole by the wall clock, which each trace knows at one
 * moment: from there its own clock counts on. What was recorded on one boot in several
 * files stays aligned as exactly as it was, as all use the first one's moment.
 */
#include "query/rewrite/rewrite.h"

static bool
has_same_clock(const struct marey_trace *a, const struct marey_trace *b)
{
    const struct marey_file_header *left = &a->directory->header;
    const struct marey_file_header *right = &b->directory->header;

    return memcmp(left->boot_id, right->boot_id, sizeof(left->boot_id)) == 0 &&
           left->clock == right->clock && left->clock_shift == right->clock_shift;
}

bool
marey_rewrite_init(struct rewrite *rewrite, const struct marey_trace *trace,
                   const struct marey_trace *whole, const struct marey_trace *alike)
{
    const struct clock_map *clock = &whole->clock;

    rewrite->trace = trace;
    rewrite->whole = whole;
    rewrite->alike = alike;
    rewrite->is_same_clock = has_same_clock(trace, whole);
    rewrite->is_foreign =
        memcmp(trace->directory->header.boot_id, whole->directory->header.boot_id,
               sizeof(whole->directory->header.boot_id)) != 0;
    marey_clock_map_init(&rewrite->inverse, 0, clock->denominator, clock->numerator);
    rewrite->added = marey_memory_new(trace->process_count, sizeof(*rewrite->added));
    if (rewrite->added == NULL)
        return false;
    for (size_t i = 0; i < trace->lane_count; i++) {
        uint32_t serial = trace->lanes[i].serial;
        if (marey_table_get(&rewrite->lanes, serial) == MAREY_TABLE_NONE &&
            !marey_table_put(&rewrite->lanes, serial, (uint32_t)i))
            return false;
    }
    return true;
}

void
marey_rewrite_release(struct rewrite *rewrite)
{
    marey_memory_free(rewrite->added);
    marey_table_release(&rewrite->lanes);
    marey_encoder_release(&rewrite->body);
}

/* ---- numbers ---- */

uint64_t
marey_rewrite_ticks(const struct rewrite *rewrite, uint64_t ticks)
{
    const struct marey_trace *alike = rewrite->alike, *whole = rewrite->whole;
    uint64_t rest;

    if (rewrite->is_same_clock)
        return ticks;
    int64_t ns = clock_ns(&alike->clock, ticks) + alike->origin_realtime_ns -
                 whole->origin_realtime_ns;
    if (ns >= 0)
        return whole->clock.origin +
               clock_duration_ns(&rewrite->inverse, (uint64_t)ns, &rest);
    uint64_t before = clock_duration_ns(&rewrite->inverse, (uint64_t)-ns, &rest);
    before += rest > 0;
    return before < whole->clock.origin ? whole->clock.origin - before : 0;
}

static uint32_t
process_index(const struct marey_trace *trace, uint32_t serial)
{
    return marey_process_find(trace, serial, trace->process_count);
}

void
marey_rewrite_begin(struct rewrite *rewrite, const struct marey_extent *extent)
{
    rewrite->process = process_index(rewrite->trace, extent->process);
}

uint32_t
marey_rewrite_lane(const struct rewrite *rewrite, uint32_t serial)
{
    uint32_t index = marey_trace_lane_index(rewrite->trace, rewrite->process, serial);

    if (index == MAREY_NO_INDEX)
        index = marey_table_get(&rewrite->lanes, serial);
    return index == MAREY_TABLE_NONE ? 0 : rewrite->lane_base + index + 1;
}

/* ---- definitions ---- */

static void
put_ticks(struct rewrite *rewrite, struct marey_fields *fields)
{
    marey_encode_u64(&rewrite->body,
                     marey_rewrite_ticks(rewrite, marey_fields_u64(fields)));
}

static void
copy_varint(struct rewrite *rewrite, struct marey_fields *fields)
{
    marey_encode_varint(&rewrite->body, marey_fields_varint(fields));
}

static void
put_lane(struct rewrite *rewrite, struct marey_fields *fields)
{
    uint32_t serial = (uint32_t)marey_fields_varint(fields);

    marey_encode_varint(&rewrite->body, marey_rewrite_lane(rewrite, serial));
}

static void
put_place_serial(struct rewrite *rewrite, struct marey_fields *fields)
{
    uint32_t serial = marey_fields_u32(fields);

    marey_encode_u32(&rewrite->body,
                     serial == 0 ? 0 : marey_rewrite_lane(rewrite, serial));
}

/* A lane of a ring, or room for one. */
static void
put_place(struct rewrite *rewrite, struct marey_fields *fields)
{
    marey_encode_u8(&rewrite->body, marey_fields_u8(fields));
    marey_encode_u8(&rewrite->body, marey_fields_u8(fields));
    put_place_serial(rewrite, fields);
    for (int i = 0; i < 2; i++)
        marey_encode_u64(&rewrite->body, marey_fields_u64(fields));
    for (int i = 0; i < 2; i++) { /* start, and end or 0 */
        uint64_t ticks = marey_fields_u64(fields);
        marey_encode_u64(&rewrite->body,
                         ticks == 0 ? 0 : marey_rewrite_ticks(rewrite, ticks));
    }
    if ((size_t)(fields->end - fields->next) < MAREY_PLACE_NAME_MAX) {
        fields->is_bad = true;
        return;
    }
    marey_encode_bytes(&rewrite->body, fields->next, MAREY_PLACE_NAME_MAX);
    fields->next += MAREY_PLACE_NAME_MAX;
    put_place_serial(rewrite, fields);
}

static void
put_process(struct rewrite *rewrite, struct marey_fields *fields)
{
    uint32_t index =
        process_index(rewrite->trace, (uint32_t)marey_fields_varint(fields));

    marey_encode_varint(&rewrite->body, index == MAREY_NO_INDEX
                                            ? 0
                                            : rewrite->process_base + index + 1);
}

/* The arrow's number among those of all traces together. */
static uint64_t
rewrite_flow(const struct rewrite *rewrite, uint64_t flow)
{
    uint64_t serial = flow >> MAREY_FLOW_BITS;
    uint32_t index = serial > MAREY_PROCESS_MAX
                         ? MAREY_NO_INDEX
                         : process_index(rewrite->trace, (uint32_t)serial);

    if (index == MAREY_NO_INDEX)
        return flow;
    return (rewrite->process_base + index + UINT64_C(1)) << MAREY_FLOW_BITS |
           (flow & ((UINT64_C(1) << MAREY_FLOW_BITS) - 1));
}

/* Behind its fixed fields and its texts a process says which arrow leads to it. */
static void
put_born(struct rewrite *rewrite, struct marey_fields *fields,
         const struct marey_record *record)
{
    struct marey_definition def;

    if (!marey_definition_get(record, &def) || def.flow == 0)
        return;
    const uint8_t *end = def.text.bytes + def.text.size_bytes;
    if (def.text.bytes == NULL || end < fields->next)
        return;
    marey_encode_bytes(&rewrite->body, fields->next, (size_t)(end - fields->next));
    marey_encode_varint(&rewrite->body, rewrite_flow(rewrite, def.flow));
    fields->next = end;
    marey_fields_varint(fields);
}

/* A pair of a foreign clock says what the whole's clocks showed at that moment. */
static void
put_clock(struct rewrite *rewrite, struct marey_fields *fields)
{
    const struct marey_trace *whole = rewrite->whole;
    uint64_t ticks = marey_fields_u64(fields);
    uint64_t monotonic_ns = marey_fields_u64(fields);
    uint64_t boottime_ns = marey_fields_u64(fields);

    if (!rewrite->is_same_clock) {
        uint64_t early_ns = boottime_ns - monotonic_ns;
        ticks = marey_rewrite_ticks(rewrite, ticks);
        monotonic_ns = whole->known_monotonic_ns +
                       (uint64_t)(clock_ns(&whole->clock, ticks) -
                                  clock_ns(&whole->clock, whole->known_ticks));
        boottime_ns = monotonic_ns + early_ns;
    }
    marey_encode_u64(&rewrite->body, ticks);
    marey_encode_u64(&rewrite->body, monotonic_ns);
    marey_encode_u64(&rewrite->body, boottime_ns);
}

/* The fields of a record that change, into rewrite->body. What follows them stays. */
static void
put_fields(struct rewrite *rewrite, const struct marey_record *record,
           struct marey_fields *fields)
{
    switch (record->tag) {
    case MAREY_DEF_PROCESS:
        copy_varint(rewrite, fields);
        copy_varint(rewrite, fields);
        put_process(rewrite, fields);
        put_ticks(rewrite, fields);
        put_born(rewrite, fields, record);
        break;
    case MAREY_DEF_PROCESS_END:
    case MAREY_DEF_CHILD_END:
    case MAREY_DEF_EXEC: put_ticks(rewrite, fields); break;
    case MAREY_DEF_LANE:
        put_lane(rewrite, fields);
        for (int i = 0; i < 3; i++)
            copy_varint(rewrite, fields);
        marey_encode_u64(&rewrite->body, marey_fields_u64(fields));
        put_ticks(rewrite, fields);
        put_lane(rewrite, fields);
        break;
    case MAREY_DEF_LANE_PLACE: put_place(rewrite, fields); break;
    case MAREY_DEF_LANE_NAME: put_lane(rewrite, fields); break;
    case MAREY_DEF_LANE_END:
        put_lane(rewrite, fields);
        put_ticks(rewrite, fields);
        break;
    case MAREY_DEF_UNRECORDED:
    case MAREY_DEF_LEFT_OUT:
        copy_varint(rewrite, fields);
        put_ticks(rewrite, fields);
        break;
    case MAREY_DEF_WINDOW:
        put_ticks(rewrite, fields);
        put_ticks(rewrite, fields);
        break;
    case MAREY_DEF_CLOCK: put_clock(rewrite, fields); break;
    default: break;
    }
}

static void
put_host(struct rewrite *rewrite)
{
    const struct marey_file_header *header = &rewrite->trace->directory->header;
    size_t size = 0;

    while (size < sizeof(header->host_name) && header->host_name[size] != '\0')
        size++;
    marey_encoder_clear(&rewrite->body);
    marey_encode_bytes(&rewrite->body, header->boot_id, sizeof(header->boot_id));
    marey_encode_bytes(&rewrite->body, header->host_name, size);
    marey_encode_record(rewrite->out, MAREY_DEF_HOST, rewrite->body.bytes,
                        rewrite->body.size_bytes);
}

bool
marey_rewrite_definitions(struct rewrite *rewrite, const struct marey_extent *extent,
                          const uint8_t *payload, uint32_t *record_count)
{
    uint32_t *added = &rewrite->added[rewrite->process];
    struct marey_records records;
    struct marey_record record;

    *record_count = 0;
    marey_encoder_clear(rewrite->out);
    marey_records_init(&records, payload, extent->payload_size, extent->is_open);
    while (marey_records_next(&records, &record)) {
        struct marey_fields fields = {record.body, record.body + record.size_bytes,
                                      false};
        marey_encoder_clear(&rewrite->body);
        put_fields(rewrite, &record, &fields);
        if (fields.is_bad)
            return false;
        struct marey_span rest = marey_fields_rest(&fields);
        marey_encode_bytes(&rewrite->body, rest.bytes, rest.size_bytes);
        marey_encode_record(rewrite->out, record.tag, rewrite->body.bytes,
                            rewrite->body.size_bytes);
        ++*record_count;
        if (record.tag == MAREY_DEF_PROCESS && rewrite->is_foreign && *added == 0) {
            put_host(rewrite);
            ++*record_count;
            ++*added;
        }
    }
    return !records.is_bad;
}

/* ---- events ---- */

bool
marey_rewrite_is_same(const struct rewrite *rewrite, const struct marey_extent *extent)
{
    if (extent->kind != MAREY_EXTENT_EVENTS)
        return extent->kind != MAREY_EXTENT_DEFINITIONS;
    /* Serials of processes are in the ids of arrows. */
    if (!rewrite->is_same_clock || rewrite->process_base > 0)
        return false;
    /* Serials of lanes are in the events of threads that run tasks. */
    return !rewrite->trace->processes[rewrite->process].has_tasks;
}

/* The entries of a snapshot, in the time of the whole. */
static void
put_snapshot(const struct rewrite *rewrite, struct marey_encoder *out,
             struct marey_snapshot snapshot)
{
    struct marey_snapshot_entry entry;

    marey_encode_varint(out, snapshot.left);
    while (marey_snapshot_next(&snapshot, &entry)) {
        entry.start_ticks = marey_rewrite_ticks(rewrite, entry.start_ticks);
        marey_encode_entry(out, &entry);
    }
}

static void
put_event(struct rewrite *rewrite, struct marey_event *event)
{
    struct marey_encoder *body = &rewrite->body;

    event->ticks = marey_rewrite_ticks(rewrite, event->ticks);
    if (event->kind == MAREY_EVENT_SWITCH) {
        event->number = marey_rewrite_lane(rewrite, (uint32_t)event->number);
    } else if (event->kind == MAREY_EVENT_FLOW_OUT ||
               event->kind == MAREY_EVENT_FLOW_IN) {
        event->number = rewrite_flow(rewrite, event->number);
    } else if (event->kind == MAREY_EVENT_RESYNC) {
        marey_encoder_clear(body);
        marey_encode_chunk(body, event->ticks);
        put_snapshot(rewrite, body, event->snapshot);
        if (body->is_out_of_memory ||
            !marey_snapshot_init(&event->snapshot, body->bytes, body->size_bytes,
                                 event->ticks)) {
            rewrite->out->is_out_of_memory = true;
            return;
        }
    }
    marey_encode_event(rewrite->out, event);
}

bool
marey_rewrite_events(struct rewrite *rewrite, const struct marey_extent *extent,
                     const uint8_t *payload, uint32_t *record_count,
                     uint32_t *snapshot_size)
{
    struct marey_snapshot snapshot;
    struct marey_cursor cursor;
    struct marey_event event;

    if (!marey_snapshot_init(&snapshot, payload, extent->snapshot_size,
                             extent->base_ticks))
        return false;
    *record_count = 0;
    marey_encoder_clear(rewrite->out);
    marey_encode_chunk(rewrite->out, marey_rewrite_ticks(rewrite, extent->base_ticks));
    put_snapshot(rewrite, rewrite->out, snapshot);
    *snapshot_size = (uint32_t)rewrite->out->size_bytes;
    if (extent->is_left_out) {
        *record_count = extent->record_count;
        return true;
    }
    marey_cursor_init(&cursor, payload + extent->snapshot_size,
                      extent->payload_size - extent->snapshot_size, extent->base_ticks,
                      extent->is_open);
    while (marey_cursor_next(&cursor, &event)) {
        *record_count += event.kind < MAREY_EVENT_THROWN;
        put_event(rewrite, &event);
    }
    return true; /* what cannot be read shows as a loss */
}
