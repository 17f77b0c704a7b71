/* Windows: what a trace that is being written holds now, copied chunk by chunk.
 *
 *     app.marey (a ring, growing)              kept.marey
 *     | cells … | defs | slots … |    ──>      | defs | sources | events | blobs |
 *
 * The directory has found every chunk and copied the open ones. Closed ones are read
 * when they are written here; a ring that took one back meanwhile leaves a gap, which
 * the new trace shows as events that were lost.
 *
 * Events are taken as they are. Their first_index counts anew from the first chunk that
 * is taken: what was before the window is no loss. Definitions make a new stream for
 * each process, without the records of lanes that are not here, and with the first two
 * and the last of the clock pairs, so that a window of a process that has been running
 * for months is not larger than one of a young one.
 */
#include "marey/format_window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/descriptor.h"
#include "base/memory.h"
#include "base/new_file.h"
#include "base/table.h"
#include "marey/format_encode.h"
#include "marey/format_get.h"
#include "marey/format_put.h"

#define DEFINITIONS_SIZE 262144 /* of one chunk of them, about */
#define CLOCKS_FIRST 2          /* pairs kept from the start of a process */

struct marey_window {
    struct marey_window_options options;
    int fd;                            /* borrowed */
    struct marey_directory *directory; /* owned */
    struct marey_table kept_lanes;     /* serial -> 1 */
    struct marey_table ended_lanes;    /* serial -> 1 */
    bool *is_taken;                    /* owned; by extent */
    uint64_t size_bytes;
    uint8_t *payload; /* owned */
    size_t payload_room;
    /* While it is written. */
    int out;
    uint64_t tail;
    uint64_t event_count;
    struct marey_encoder records; /* of the chunk of definitions to come */
    struct marey_extent_header definitions;
    const char *path;
    struct marey_error *err;
};

/* ---- what is taken ---- */

static bool
grow_payload(struct marey_window *window, size_t size_bytes)
{
    return marey_memory_grow((void **)&window->payload, &window->payload_room,
                             size_bytes, 1);
}

/* Calls `visit` for every record of definitions, process by process, as long as it
 * says true. */
static bool
each_record(struct marey_window *window,
            bool (*visit)(struct marey_window *window, const struct marey_extent *of,
                          const struct marey_record *record))
{
    const struct marey_directory *directory = window->directory;
    struct marey_records records;
    struct marey_record record;

    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        if (extent->kind != MAREY_EXTENT_DEFINITIONS)
            continue;
        if (!grow_payload(window, extent->payload_size))
            return false;
        if (marey_extent_read(directory, extent, window->payload) != MAREY_OK)
            continue;
        marey_records_init(&records, window->payload, extent->payload_size,
                           extent->is_open);
        while (marey_records_next(&records, &record))
            if (!visit(window, extent, &record))
                return false;
    }
    return true;
}

static bool
note_end(struct marey_window *window, const struct marey_extent *of,
         const struct marey_record *record)
{
    struct marey_definition definition;

    (void)of;
    if (record->tag != MAREY_DEF_LANE_END && record->tag != MAREY_DEF_LANE_PLACE)
        return true;
    bool is_end = marey_definition_get(record, &definition) &&
                  (record->tag == MAREY_DEF_LANE_END || definition.key != 0);
    return !is_end || marey_table_put(&window->ended_lanes, definition.id, 1);
}

static void
take(struct marey_window *window, size_t index)
{
    const struct marey_extent *extent = &window->directory->extents[index];
    uint64_t size = sizeof(struct marey_extent_header) + extent->payload_size;

    window->is_taken[index] = true;
    window->size_bytes +=
        (size + MAREY_EXTENT_ALIGN - 1) & ~(uint64_t)(MAREY_EXTENT_ALIGN - 1);
}

static bool
begins_in_time(const struct marey_window *window, const struct marey_extent *extent)
{
    return window->options.to_ticks == 0 ||
           extent->base_ticks <= window->options.to_ticks;
}

/* The chunks of a lane that reach into the window; else, unless it ended before, the
 * last one in front of it. */
static bool
take_events(struct marey_window *window, const struct marey_stream *stream)
{
    const struct marey_extent *extents = &window->directory->extents[stream->first];
    uint32_t before = stream->count;
    bool is_any = false;

    for (uint32_t i = 0; i < stream->count; i++) {
        if (extents[i].end_ticks < window->options.from_ticks) {
            before = i;
        } else if (begins_in_time(window, &extents[i])) {
            take(window, stream->first + i);
            is_any = true;
        }
    }
    if (!is_any && before < stream->count &&
        marey_table_get(&window->ended_lanes, stream->lane) == MAREY_TABLE_NONE) {
        take(window, stream->first + before);
        is_any = true;
    }
    return !is_any || marey_table_put(&window->kept_lanes, stream->lane, 1);
}

/* Values are put just before the event that tells of them: at the lane's time. */
static void
take_blobs(struct marey_window *window, const struct marey_stream *stream)
{
    const struct marey_directory *directory = window->directory;
    const struct marey_stream *events = marey_directory_stream(
        directory, MAREY_EXTENT_EVENTS, stream->process, stream->lane);
    uint64_t from = UINT64_MAX, to = 0;

    for (uint32_t i = 0; events != NULL && i < events->count; i++) {
        const struct marey_extent *extent = &directory->extents[events->first + i];
        if (!window->is_taken[events->first + i])
            continue;
        from = extent->base_ticks < from ? extent->base_ticks : from;
        to = extent->end_ticks > to ? extent->end_ticks : to;
    }
    for (uint32_t i = 0; i < stream->count; i++) {
        const struct marey_extent *extent = &directory->extents[stream->first + i];
        if ((extent->is_open || extent->end_ticks >= from) && extent->base_ticks <= to)
            take(window, stream->first + i);
    }
}

static bool
choose(struct marey_window *window)
{
    const struct marey_directory *directory = window->directory;

    window->is_taken = marey_memory_new(directory->extent_count + 1, sizeof(bool));
    if (window->is_taken == NULL || !each_record(window, note_end))
        return false;
    for (size_t i = 0; i < directory->stream_count; i++)
        if (directory->streams[i].kind == MAREY_EXTENT_EVENTS &&
            !take_events(window, &directory->streams[i]))
            return false;
    for (size_t i = 0; i < directory->stream_count; i++)
        if (directory->streams[i].kind == MAREY_EXTENT_BLOBS)
            take_blobs(window, &directory->streams[i]);
    for (size_t i = 0; i < directory->extent_count; i++) {
        if (directory->extents[i].kind == MAREY_EXTENT_SOURCE)
            take(window, i);
        else if (directory->extents[i].kind == MAREY_EXTENT_DEFINITIONS)
            window->size_bytes += directory->extents[i].payload_size;
    }
    window->size_bytes += MAREY_PAGE_SIZE;
    return true;
}

enum marey_status
marey_window_open(int fd, const struct marey_window_options *options,
                  struct marey_window **out, struct marey_error *err)
{
    struct marey_window *window = marey_memory_new(1, sizeof(*window));

    if (window == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to keep a part of the trace");
    window->options = *options;
    window->fd = fd;
    window->out = -1;
    struct marey_byte_source source = {marey_descriptor_read, &window->fd,
                                       marey_descriptor_size(&window->fd)};
    enum marey_status status =
        marey_directory_open(&source, marey_descriptor_size, &window->directory, err);
    if (status == MAREY_OK && !choose(window))
        status = marey_fail(err, MAREY_NOMEM, "no memory to keep a part of the trace");
    if (status != MAREY_OK) {
        marey_window_close(window);
        return status;
    }
    *out = window;
    return MAREY_OK;
}

uint64_t
marey_window_size(const struct marey_window *window)
{
    return window->size_bytes;
}

void
marey_window_close(struct marey_window *window)
{
    if (window == NULL)
        return;
    marey_directory_close(window->directory);
    marey_table_release(&window->kept_lanes);
    marey_table_release(&window->ended_lanes);
    marey_encoder_release(&window->records);
    marey_memory_free(window->is_taken);
    marey_memory_free(window->payload);
    marey_memory_free(window);
}

/* ---- writing ---- */

static enum marey_status
fail_write(struct marey_window *window)
{
    return marey_fail(window->err, errno == ENOSPC ? MAREY_FULL : MAREY_IO,
                      "cannot write %s: %s", window->path, strerror(errno));
}

static enum marey_status
write_at(struct marey_window *window, uint64_t offset, const void *bytes,
         size_t size_bytes)
{
    const uint8_t *at = bytes;

    while (size_bytes > 0) {
        ssize_t size = pwrite(window->out, at, size_bytes, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return fail_write(window);
        at += size;
        offset += (uint64_t)size;
        size_bytes -= (size_t)size;
    }
    return MAREY_OK;
}

/* A closed chunk at the tail; the header says all but where it stands. */
static enum marey_status
write_chunk(struct marey_window *window, struct marey_extent_header *header,
            const uint8_t *payload)
{
    static const uint8_t zeros[MAREY_EXTENT_ALIGN];
    uint64_t size = sizeof(*header) + (uint64_t)header->payload_size;
    uint64_t padded =
        (size + MAREY_EXTENT_ALIGN - 1) / MAREY_EXTENT_ALIGN * MAREY_EXTENT_ALIGN;

    header->magic = MAREY_EXTENT_MAGIC;
    header->header_size = sizeof(*header);
    header->offset = window->tail;
    header->extent_size = (uint32_t)padded;
    header->state = MAREY_STATE_CLOSED;
    header->payload_check = marey_checksum64(payload, header->payload_size);
    marey_extent_seal(header);
    enum marey_status status = write_at(window, window->tail, header, sizeof(*header));
    if (status == MAREY_OK)
        status = write_at(window, window->tail + sizeof(*header), payload,
                          header->payload_size);
    if (status == MAREY_OK)
        status = write_at(window, window->tail + size, zeros, (size_t)(padded - size));
    window->tail += padded;
    return status;
}

/* ---- definitions ---- */

/* Closes the chunk of definitions that is being made. */
static enum marey_status
end_definitions(struct marey_window *window)
{
    struct marey_extent_header *header = &window->definitions;

    if (window->records.is_out_of_memory)
        return marey_fail(window->err, MAREY_NOMEM,
                          "no memory to keep a part of the trace");
    if (header->record_count == 0)
        return MAREY_OK;
    header->sequence++;
    header->payload_size = (uint32_t)window->records.size_bytes;
    enum marey_status status = write_chunk(window, header, window->records.bytes);
    header->first_index += header->record_count;
    header->record_count = 0;
    marey_encoder_clear(&window->records);
    return status;
}

static bool
is_of_kept_lane(const struct marey_window *window, const struct marey_record *record)
{
    struct marey_definition definition;

    if (record->tag != MAREY_DEF_LANE && record->tag != MAREY_DEF_LANE_NAME &&
        record->tag != MAREY_DEF_LANE_END && record->tag != MAREY_DEF_LANE_PLACE)
        return true;
    return !marey_definition_get(record, &definition) ||
           marey_table_get(&window->kept_lanes, definition.id) != MAREY_TABLE_NONE;
}

static enum marey_status
put_record(struct marey_window *window, uint8_t tag, const uint8_t *body,
           size_t size_bytes)
{
    marey_encode_record(&window->records, tag, body, size_bytes);
    window->definitions.record_count++;
    return window->records.size_bytes < DEFINITIONS_SIZE ? MAREY_OK
                                                         : end_definitions(window);
}

/* Why this trace is here, and which part of the whole it is. */
static enum marey_status
put_why(struct marey_window *window)
{
    const struct marey_window_options *options = &window->options;
    struct marey_encoder body = {0};
    enum marey_status status = MAREY_OK;

    marey_encode_u64(&body, options->from_ticks);
    marey_encode_u64(&body, options->to_ticks);
    marey_encode_bytes(&body, options->why, strlen(options->why));
    if (!body.is_out_of_memory)
        status = put_record(window, MAREY_DEF_WINDOW, body.bytes, body.size_bytes);
    marey_encoder_release(&body);
    return status;
}

/* The records of one process; its extents stand together. */
static enum marey_status
write_process(struct marey_window *window, const struct marey_stream *stream)
{
    const struct marey_directory *directory = window->directory;
    enum marey_status status = MAREY_OK;
    struct marey_records records;
    struct marey_record record;
    struct marey_encoder last_clock = {0};
    uint32_t clock_count = 0;

    window->definitions = (struct marey_extent_header){.kind = MAREY_EXTENT_DEFINITIONS,
                                                       .process = stream->process};
    for (uint32_t i = 0; i < stream->count && status == MAREY_OK; i++) {
        const struct marey_extent *extent = &directory->extents[stream->first + i];
        if (!grow_payload(window, extent->payload_size))
            break;
        if (marey_extent_read(directory, extent, window->payload) != MAREY_OK)
            continue;
        window->definitions.base_ticks = extent->base_ticks;
        window->definitions.end_ticks = extent->end_ticks;
        marey_records_init(&records, window->payload, extent->payload_size,
                           extent->is_open);
        while (status == MAREY_OK && marey_records_next(&records, &record)) {
            if (record.tag == MAREY_DEF_CLOCK && clock_count++ >= CLOCKS_FIRST) {
                marey_encoder_clear(&last_clock);
                marey_encode_bytes(&last_clock, record.body, record.size_bytes);
            } else if (is_of_kept_lane(window, &record)) {
                status = put_record(window, record.tag, record.body, record.size_bytes);
            }
        }
    }
    if (status == MAREY_OK && last_clock.size_bytes > 0)
        status = put_record(window, MAREY_DEF_CLOCK, last_clock.bytes,
                            last_clock.size_bytes);
    if (status == MAREY_OK && stream->process == window->options.process)
        status = put_why(window);
    marey_encoder_release(&last_clock);
    return status == MAREY_OK ? end_definitions(window) : status;
}

/* ---- the rest ---- */

static enum marey_status
write_stream(struct marey_window *window, const struct marey_stream *stream)
{
    const struct marey_directory *directory = window->directory;
    enum marey_status status = MAREY_OK;
    uint64_t before = UINT64_MAX; /* events in front of the first chunk taken */

    for (uint32_t i = 0; i < stream->count && status == MAREY_OK; i++) {
        const struct marey_extent *extent = &directory->extents[stream->first + i];
        if (!window->is_taken[stream->first + i])
            continue;
        if (!grow_payload(window, extent->payload_size))
            return marey_fail(window->err, MAREY_NOMEM,
                              "no memory to keep a part of the trace");
        status = marey_extent_read(directory, extent, window->payload);
        if (status == MAREY_CORRUPT) {
            status = MAREY_OK; /* the ring took it back: a gap */
            continue;
        }
        if (status != MAREY_OK)
            return marey_fail(window->err, status, "the trace cannot be read");
        if (extent->kind != MAREY_EXTENT_EVENTS)
            before = 0;
        else if (before == UINT64_MAX)
            before = extent->first_index;
        struct marey_extent_header header = marey_extent_header_of(extent);
        header.first_index -= before;
        if (extent->kind == MAREY_EXTENT_EVENTS)
            window->event_count += extent->record_count;
        status = write_chunk(window, &header, window->payload);
    }
    return status;
}

static enum marey_status
write_kind(struct marey_window *window, uint8_t kind)
{
    const struct marey_directory *directory = window->directory;
    enum marey_status status = MAREY_OK;

    for (size_t i = 0; i < directory->stream_count && status == MAREY_OK; i++) {
        if (directory->streams[i].kind != kind)
            continue;
        status = kind == MAREY_EXTENT_DEFINITIONS
                     ? write_process(window, &directory->streams[i])
                     : write_stream(window, &directory->streams[i]);
    }
    return status;
}

static enum marey_status
write_all(struct marey_window *window)
{
    static const uint8_t kinds[] = {MAREY_EXTENT_DEFINITIONS, MAREY_EXTENT_SOURCE,
                                    MAREY_EXTENT_EVENTS, MAREY_EXTENT_BLOBS};
    struct marey_file_header header = window->directory->header;
    enum marey_status status = MAREY_OK;

    window->tail = MAREY_PAGE_SIZE;
    window->event_count = 0;
    for (size_t i = 0; i < sizeof(kinds) && status == MAREY_OK; i++)
        status = write_kind(window, kinds[i]);
    header.flags &= MAREY_FILE_UNMAPPED;
    header.ring_offset = header.ring_next = 0;
    header.ring_cell_size = header.ring_cell_count = 0;
    memset(header.keeps, 0, sizeof(header.keeps));
    header.tail = window->tail;
    header.event_count = window->event_count;
    header.lost_count = 0;
    return status == MAREY_OK ? write_at(window, 0, &header, sizeof(header)) : status;
}

enum marey_status
marey_window_write(struct marey_window *window, const char *path,
                   struct marey_error *err)
{
    struct marey_new_file file;

    window->path = path;
    window->err = err;
    if (!marey_new_file_open(&file, path))
        return errno == ENAMETOOLONG
                   ? marey_fail(err, MAREY_USAGE, "%s: the name is too long", path)
                   : marey_fail(err, MAREY_IO, "cannot create %s: %s", path,
                                strerror(errno));
    window->out = file.fd;
    enum marey_status status = write_all(window);
    if (!marey_new_file_close(&file, status == MAREY_OK) && status == MAREY_OK)
        status = fail_write(window);
    window->out = -1;
    return status;
}
