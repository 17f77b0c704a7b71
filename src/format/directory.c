/* Finding the chunks of a trace, also in a file that is damaged or still written to.
 *
 * Extents follow each other, so one header each is read, and nothing of closed chunks
 * but that. What is no extent is stepped over in strides of 64 bytes; the cells of a
 * ring stand at known places, so an empty ring costs one look a cell.
 *
 * Open chunks move under our eyes: while we read, a slot fills, and is then emptied for
 * the next chunk. Their payloads are therefore copied when they are found, and hold
 * still from then on; a header that changed meanwhile is read again. What a slot held
 * before was written to the tail first, so the file is read on as far as it has grown.
 * Definitions are copied once more at the very end, as events may use what was defined
 * after we had seen the slot.
 *
 *     file:   | closed | slot: n+1 | closed | ...... | closed: n |  grows
 *     scan:   --------------------------------------> ----------->
 *             then the open definitions again
 */
#include "marey/format_get.h"

#include "base/checksum.h"
#include "base/memory.h"
#include "format/get.h"

#define BLOCK_SIZE 65536       /* read at once where there are no extents */
#define DAMAGES_MAX 4096       /* told one by one; more are only counted */
#define COPIES_MAX (64u << 20) /* bytes of open chunks kept in memory */
#define OPEN_TRIES 16          /* of a chunk that changes while it is read */
#define REFRESH_ROUNDS 8

struct scan {
    struct marey_directory *directory;
    uint8_t *block;   /* owned; BLOCK_SIZE bytes */
    uint8_t *payload; /* owned; of an open chunk */
    size_t payload_room;
    uint64_t at;
    bool only_definitions; /* of what was appended during the scan */
};

/* ---- notes about damage ---- */

void
marey_directory_note(struct marey_directory *directory, uint64_t offset, uint64_t size,
                     enum marey_damage_kind kind)
{
    if (directory->damage_count > 0 && kind <= MAREY_DAMAGE_GARBAGE) {
        struct marey_damage *last = &directory->damages[directory->damage_count - 1];
        if (last->kind == kind && last->offset + last->size_bytes == offset) {
            last->size_bytes += size;
            return;
        }
    }
    if (directory->damage_count >= DAMAGES_MAX ||
        !marey_memory_grow((void **)&directory->damages, &directory->damage_capacity,
                           directory->damage_count + 1, sizeof(*directory->damages)))
        return;
    directory->damages[directory->damage_count++] =
        (struct marey_damage){offset, size, kind};
}

static void
note_damaged_chunk(struct marey_directory *directory, uint64_t offset, uint64_t size,
                   enum marey_damage_kind kind)
{
    directory->damaged_count++;
    marey_directory_note(directory, offset, size, kind);
}

static void
note_skipped(struct marey_directory *directory, uint64_t offset, const uint8_t *bytes,
             size_t size)
{
    size_t at = 0;

    while (at < size && bytes[at] == 0)
        at++;
    directory->skipped_bytes += size;
    marey_directory_note(directory, offset, size,
                         at == size ? MAREY_DAMAGE_HOLE : MAREY_DAMAGE_GARBAGE);
}

/* ---- one extent ---- */

static bool
place_holds(const struct marey_extent_header *header, uint64_t offset)
{
    return header->magic == MAREY_EXTENT_MAGIC && header->offset == offset &&
           header->header_size == sizeof(*header) &&
           header->extent_size >= sizeof(*header) &&
           header->extent_size <= MAREY_EXTENT_SIZE_MAX &&
           header->extent_size % MAREY_EXTENT_ALIGN == 0 &&
           header->place_check == marey_checksum32(header, 28);
}

/* Rows, columns, or none of them: a chunk of the stream of events. */
static bool
has_events(const struct marey_extent_header *header)
{
    return header->kind == MAREY_EXTENT_EVENTS || header->kind == MAREY_EXTENT_PACKED ||
           header->kind == MAREY_EXTENT_LEFT_OUT;
}

static bool
is_kept(const struct scan *scan, const struct marey_extent_header *header)
{
    if (header->sequence == 0 && header->state != MAREY_STATE_CLOSED)
        return false;
    if (scan->only_definitions)
        return header->kind == MAREY_EXTENT_DEFINITIONS;
    return has_events(header) || header->kind == MAREY_EXTENT_DEFINITIONS ||
           header->kind == MAREY_EXTENT_BLOBS || header->kind == MAREY_EXTENT_SOURCE;
}

static bool
is_packed(const struct marey_extent_header *header)
{
    return header->codec != MAREY_CODEC_NONE && header->kind != MAREY_EXTENT_SOURCE;
}

static struct marey_extent
extent_of(const struct marey_extent_header *header)
{
    struct marey_extent extent = {
        .offset = header->offset,
        .sequence = header->sequence,
        .base_ticks = header->base_ticks,
        .end_ticks = header->end_ticks,
        .first_index = header->first_index,
        .payload_check = header->payload_check,
        .process = header->process,
        .lane = header->lane,
        .payload_size = header->payload_size,
        .record_count = header->record_count,
        .snapshot_size = header->snapshot_size,
        .start_depth = header->start_depth,
        .raw_size = header->raw_size,
        .kind = header->kind,
        .codec = header->codec,
        .is_open = header->state == MAREY_STATE_OPEN,
    };

    if (is_packed(header)) { /* behind the directory nobody sees it */
        extent.stored_size = header->payload_size;
        extent.payload_size = header->raw_size;
        extent.raw_size = 0;
        extent.codec = MAREY_CODEC_NONE;
        if (extent.kind == MAREY_EXTENT_PACKED)
            extent.kind = MAREY_EXTENT_EVENTS;
    }
    if (extent.kind == MAREY_EXTENT_LEFT_OUT) {
        extent.kind = MAREY_EXTENT_EVENTS;
        extent.is_left_out = true;
    }
    return extent;
}

static bool
add_extent(struct marey_directory *directory, const struct marey_extent *extent)
{
    if (directory->extent_count >= UINT32_MAX - 1 ||
        !marey_memory_grow((void **)&directory->extents, &directory->extent_capacity,
                           directory->extent_count + 1, sizeof(*directory->extents))) {
        directory->is_short_of_memory = true;
        return false;
    }
    directory->extents[directory->extent_count++] = *extent;
    return true;
}

/* Rows of events are packed as another kind, so that a reader of an older version does
 * not take columns for rows. */
static bool
is_codec_right(const struct marey_extent_header *header)
{
    if (header->kind == MAREY_EXTENT_EVENTS || header->kind == MAREY_EXTENT_LEFT_OUT)
        return header->codec == MAREY_CODEC_NONE;
    if (header->kind == MAREY_EXTENT_PACKED && header->codec == MAREY_CODEC_NONE)
        return false;
    return !is_packed(header) ||
           (header->payload_size > 0 &&
            header->raw_size <= marey_raw_size_max(header->payload_size));
}

/* Whose it is and how much it says to hold, against the limits. */
static bool
makes_sense(const struct marey_extent_header *header)
{
    uint32_t room = header->extent_size - (uint32_t)sizeof(*header);
    bool is_left_out = header->kind == MAREY_EXTENT_LEFT_OUT;
    bool is_lane_right = has_events(header) || header->kind == MAREY_EXTENT_BLOBS
                             ? header->lane >= 1 && header->lane <= MAREY_LANE_MAX
                             : header->lane == 0;

    if (header->process == 0 || header->process > MAREY_PROCESS_MAX || !is_lane_right)
        return false;
    if (header->state == MAREY_STATE_OPEN)
        return header->snapshot_size <= room && header->codec == MAREY_CODEC_NONE &&
               header->kind != MAREY_EXTENT_SOURCE &&
               header->kind != MAREY_EXTENT_PACKED && !is_left_out;
    uint32_t size = is_packed(header) ? header->raw_size : header->payload_size;
    return header->state == MAREY_STATE_CLOSED && header->sequence != 0 &&
           header->payload_size <= room && header->snapshot_size <= size &&
           (is_left_out ? header->snapshot_size == size
                        : header->record_count <= size - header->snapshot_size) &&
           header->raw_size <= MAREY_PAYLOAD_RAW_MAX &&
           header->codec <= MAREY_CODEC_ZSTD && is_codec_right(header);
}

/* An index is only ever a shortcut: one that cannot be is as if it were not there. */
static void
note_index(struct scan *scan, const struct marey_extent_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint32_t room = header->extent_size - (uint32_t)sizeof(*header);

    if (header->state == MAREY_STATE_CLOSED && header->sequence != 0 &&
        header->content_check == marey_checksum32(bytes + 32, 92) &&
        header->payload_size > 0 && header->payload_size <= room &&
        header->snapshot_size == 0 && header->raw_size <= MAREY_PAYLOAD_RAW_MAX &&
        header->codec <= MAREY_CODEC_ZSTD && is_codec_right(header))
        scan->directory->index = extent_of(header);
}

static void
add_closed(struct scan *scan, const struct marey_extent_header *header)
{
    struct marey_directory *directory = scan->directory;
    const uint8_t *bytes = (const uint8_t *)header;

    if (header->content_check != marey_checksum32(bytes + 32, 92) ||
        !makes_sense(header)) {
        note_damaged_chunk(directory, header->offset, header->extent_size,
                           MAREY_DAMAGE_HEADER);
    } else {
        struct marey_extent extent = extent_of(header);
        add_extent(directory, &extent);
    }
}

/* ---- open chunks ---- */

static void
measure_events(struct marey_extent *extent, const uint8_t *payload, size_t room)
{
    struct marey_cursor cursor;
    struct marey_event event;

    marey_cursor_init(&cursor, payload + extent->snapshot_size,
                      room - extent->snapshot_size, extent->base_ticks, true);
    while (marey_cursor_next(&cursor, &event))
        extent->record_count += event.kind < MAREY_EVENT_THROWN;
    extent->payload_size = (uint32_t)(cursor.next - payload);
    extent->end_ticks = cursor.ticks;
}

static void
measure_records(struct marey_extent *extent, const uint8_t *payload, size_t room)
{
    struct marey_records records;
    struct marey_record record;

    marey_records_init(&records, payload, room, true);
    while (marey_records_next(&records, &record))
        extent->record_count++;
    extent->payload_size = (uint32_t)(records.next - payload);
    extent->end_ticks = extent->base_ticks;
}

/* Keeps the payload, as long as there is not too much of it. */
static void
keep_copy(struct marey_directory *directory, struct marey_extent *extent,
          const uint8_t *payload)
{
    if (directory->copied_bytes + extent->payload_size > COPIES_MAX)
        return;
    extent->copy = marey_memory_new(extent->payload_size, 1);
    if (extent->copy == NULL)
        return;
    memcpy(extent->copy, payload, extent->payload_size);
    directory->copied_bytes += extent->payload_size;
}

/* Reads the payload of an open chunk, as much as the file has of it. False: the chunk
 * is another one by now, or there is nothing to read. */
static bool
read_open(struct scan *scan, const struct marey_extent_header *header, size_t *room)
{
    struct marey_directory *directory = scan->directory;
    uint64_t start = header->offset + sizeof(*header);
    uint64_t size = header->extent_size - sizeof(*header);
    struct marey_extent_header now;

    if (size > directory->size_bytes - start)
        size = directory->size_bytes - start;
    if (!marey_memory_grow((void **)&scan->payload, &scan->payload_room, size, 1)) {
        directory->is_short_of_memory = true;
        return false;
    }
    if (!marey_directory_read(directory, start, scan->payload, size) ||
        !marey_directory_read(directory, header->offset, &now, sizeof(now)))
        return false;
    *room = size;
    return memcmp(header, &now, sizeof(now)) == 0;
}

/* Adds the open chunk at this place, whichever it is when it holds still. */
static void
add_open(struct scan *scan, struct marey_extent_header header)
{
    struct marey_directory *directory = scan->directory;
    uint64_t offset = header.offset;
    size_t room = 0;

    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        if (header.sequence == 0 || header.state != MAREY_STATE_OPEN)
            return;
        if (!makes_sense(&header)) {
            note_damaged_chunk(directory, offset, header.extent_size,
                               MAREY_DAMAGE_HEADER);
            return;
        }
        if (read_open(scan, &header, &room)) {
            struct marey_extent extent = extent_of(&header);
            extent.record_count = 0;
            if (extent.snapshot_size > room)
                return;
            if (extent.kind == MAREY_EXTENT_EVENTS)
                measure_events(&extent, scan->payload, room);
            else
                measure_records(&extent, scan->payload, room);
            keep_copy(directory, &extent, scan->payload);
            if (!add_extent(directory, &extent))
                marey_memory_free(extent.copy);
            return;
        }
        if (directory->is_short_of_memory ||
            !marey_directory_read(directory, offset, &header, sizeof(header)) ||
            !place_holds(&header, offset))
            return;
    }
}

/* ---- the walk over extents ---- */

/* How far to step from a place that has no extent. */
static uint64_t
stride_at(const struct marey_directory *directory, uint64_t at)
{
    const struct marey_file_header *header = &directory->header;
    uint64_t cell = header->ring_cell_size;
    uint64_t ring_end = header->ring_offset + cell * header->ring_cell_count;

    if ((header->flags & MAREY_FILE_RING) == 0 ||
        cell < sizeof(struct marey_extent_header) || cell % MAREY_EXTENT_ALIGN != 0 ||
        header->ring_offset % MAREY_EXTENT_ALIGN != 0 || at < header->ring_offset ||
        at >= ring_end || ring_end > directory->size_bytes)
        return MAREY_EXTENT_ALIGN;
    return cell - (at - header->ring_offset) % cell;
}

/* Steps on to the next place that may be an extent. */
static bool
step_over(struct scan *scan)
{
    struct marey_directory *directory = scan->directory;
    uint64_t stride = stride_at(directory, scan->at);

    if (stride > MAREY_EXTENT_ALIGN) {
        /* Of a cell the header is enough: it is written first. */
        size_t head = sizeof(struct marey_extent_header);
        if (!marey_directory_read(directory, scan->at, scan->block, head))
            return false;
        size_t used = head;
        while (used > 0 && scan->block[used - 1] == 0)
            used--;
        if (used == 0)
            marey_directory_note(directory, scan->at, stride, MAREY_DAMAGE_HOLE);
        else {
            note_skipped(directory, scan->at, scan->block, head);
            directory->skipped_bytes += stride - head;
        }
        scan->at += stride;
        return true;
    }
    uint64_t left = directory->size_bytes - scan->at;
    size_t size = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
    size_t at = left < MAREY_EXTENT_ALIGN ? size : MAREY_EXTENT_ALIGN;
    if (!marey_directory_read(directory, scan->at, scan->block, size))
        return false;
    while (at < size &&
           (size - at < MAREY_EXTENT_ALIGN ||
            marey_u32_get(scan->block + at) != MAREY_EXTENT_MAGIC) &&
           stride_at(directory, scan->at + at) == MAREY_EXTENT_ALIGN)
        at += size - at < MAREY_EXTENT_ALIGN ? size - at : MAREY_EXTENT_ALIGN;
    note_skipped(directory, scan->at, scan->block, at);
    scan->at += at;
    return true;
}

/* From scan->at to the end of the file. False: it could not be read. */
static bool
scan_on(struct scan *scan)
{
    struct marey_directory *directory = scan->directory;
    struct marey_extent_header header;

    while (scan->at < directory->size_bytes && !directory->is_short_of_memory) {
        if (directory->size_bytes - scan->at < sizeof(header)) {
            if (!step_over(scan))
                return false;
            continue;
        }
        if (!marey_directory_read(directory, scan->at, &header, sizeof(header)))
            return false;
        if (!place_holds(&header, scan->at)) {
            if (!step_over(scan))
                return false;
            continue;
        }
        if (header.kind == MAREY_EXTENT_INDEX) {
            note_index(scan, &header);
        } else if (is_kept(scan, &header)) {
            if (header.state == MAREY_STATE_OPEN)
                add_open(scan, header);
            else
                add_closed(scan, &header);
        }
        scan->at += header.extent_size;
    }
    return true;
}

static void
see_growth(struct marey_directory *directory)
{
    if (directory->size_now == NULL)
        return;
    uint64_t size = directory->size_now(directory->source.context);
    if (size > directory->size_bytes)
        directory->size_bytes = size;
}

/* Reads the open definition chunks again. True: some were closed meanwhile, so that
 * more stands at the tail. */
static bool
refresh_definitions(struct scan *scan)
{
    struct marey_directory *directory = scan->directory;
    size_t count = directory->extent_count;
    bool is_changed = false;

    for (size_t i = 0; i < count && !directory->is_short_of_memory; i++) {
        struct marey_extent old = directory->extents[i];
        struct marey_extent_header header;
        if (!old.is_open || old.kind != MAREY_EXTENT_DEFINITIONS ||
            !marey_directory_read(directory, old.offset, &header, sizeof(header)) ||
            !place_holds(&header, old.offset))
            continue;
        bool is_same = header.sequence == old.sequence &&
                       header.process == old.process && header.kind == old.kind;
        size_t before = directory->extent_count;
        if (header.state == MAREY_STATE_OPEN && is_kept(scan, &header))
            add_open(scan, header);
        if (is_same && directory->extent_count > before) {
            /* The newer copy takes the place of the older one. */
            marey_memory_free(old.copy);
            directory->extents[i] = directory->extents[--directory->extent_count];
        }
        is_changed |= !is_same;
    }
    return is_changed;
}

/* The counters of the first page as they are now that all else was read. */
static bool
refresh_counters(struct marey_directory *directory)
{
    struct marey_file_header *header = &directory->header;
    struct marey_file_header now;

    if (!marey_directory_read(directory, 0, &now, sizeof(now)))
        return false;
    header->tail = now.tail;
    header->ring_next = now.ring_next;
    header->process_count = now.process_count;
    header->lane_count = now.lane_count;
    header->event_count = now.event_count;
    header->lost_count = now.lost_count;
    return true;
}

/* Forgets what the cells held that were taken from number `since` up to `until`. */
static void
forget_cells(struct marey_directory *directory, uint64_t since, uint64_t until)
{
    const struct marey_file_header *header = &directory->header;
    uint64_t cell = header->ring_cell_size, count = header->ring_cell_count;
    uint64_t first = since % count;
    size_t kept = 0;

    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        uint64_t index = (extent->offset - header->ring_offset) / cell;
        if (extent->offset < header->ring_offset || index >= count ||
            (index + count - first) % count >= until - since)
            directory->extents[kept++] = *extent;
    }
    directory->extent_count = kept;
}

/* The cells stand before the slots, and were looked at before them: a chunk that left
 * its slot for a cell meanwhile was seen in neither. So the cells that were taken since
 * are looked at once more, until none was. */
static bool
refresh_ring(struct scan *scan)
{
    struct marey_directory *directory = scan->directory;
    const struct marey_file_header *header = &directory->header;
    uint64_t since = header->ring_next, count = header->ring_cell_count;

    if (stride_at(directory, header->ring_offset) != header->ring_cell_size)
        return true; /* no ring, or one that cannot be */
    for (int round = 0; round < REFRESH_ROUNDS; round++) {
        struct marey_file_header now;
        if (!marey_directory_read(directory, 0, &now, sizeof(now)))
            return false;
        if (now.ring_next <= since)
            return true;
        if (now.ring_next - since > count)
            since = now.ring_next - count;
        forget_cells(directory, since, now.ring_next);
        for (; since < now.ring_next; since++) {
            struct marey_extent_header cell;
            uint64_t at = header->ring_offset + since % count * header->ring_cell_size;
            if (!marey_directory_read(directory, at, &cell, sizeof(cell)))
                return false;
            if (place_holds(&cell, at) && is_kept(scan, &cell) &&
                cell.state == MAREY_STATE_CLOSED)
                add_closed(scan, &cell);
        }
    }
    return true;
}

static bool
scan_all(struct scan *scan)
{
    struct marey_directory *directory = scan->directory;

    scan->at = MAREY_PAGE_SIZE;
    if (!scan_on(scan))
        return false;
    if (directory->size_now == NULL)
        return true;
    see_growth(directory);
    if (!scan_on(scan) || !refresh_ring(scan))
        return false;
    scan->only_definitions = true;
    for (int round = 0; round < REFRESH_ROUNDS; round++) {
        if (!refresh_definitions(scan))
            break;
        see_growth(directory);
        if (!scan_on(scan))
            return false;
    }
    return refresh_counters(directory);
}

/* ---- opening and closing ---- */

static enum marey_status
read_file_header(struct marey_directory *directory, struct marey_error *err)
{
    struct marey_file_header *header = &directory->header;
    uint64_t magic = 0;

    if (directory->size_bytes < sizeof(magic))
        return marey_fail(err, MAREY_NOT_A_TRACE, "not a Marey trace: too short");
    if (!marey_directory_read(directory, 0, &magic, sizeof(magic)))
        return marey_fail(err, MAREY_IO, "the trace cannot be read");
    if (magic != MAREY_FILE_MAGIC)
        return marey_fail(err, MAREY_NOT_A_TRACE, "not a Marey trace: another magic");
    if (directory->size_bytes < sizeof(*header))
        return marey_fail(err, MAREY_CORRUPT, "the trace ends within its first page");
    if (!marey_directory_read(directory, 0, header, sizeof(*header)))
        return marey_fail(err, MAREY_IO, "the trace cannot be read");
    if (header->version_major != MAREY_VERSION_MAJOR)
        return marey_fail(err, MAREY_VERSION,
                          "the trace has format version %u, this Marey reads %u; "
                          "use a newer one",
                          header->version_major, MAREY_VERSION_MAJOR);
    if (header->header_size != MAREY_PAGE_SIZE)
        return marey_fail(err, MAREY_CORRUPT, "the first page is damaged");
    return MAREY_OK;
}

enum marey_status
marey_directory_open(const struct marey_byte_source *source,
                     uint64_t (*size_now)(void *context), struct marey_directory **out,
                     struct marey_error *err)
{
    struct marey_directory *directory = marey_memory_new(1, sizeof(*directory));
    struct scan scan = {.directory = directory,
                        .block = marey_memory_new(BLOCK_SIZE, 1)};
    enum marey_status status = MAREY_OK;

    if (directory == NULL || scan.block == NULL) {
        status = marey_fail(err, MAREY_NOMEM, "no memory to open a trace");
        goto done;
    }
    directory->source = *source;
    directory->size_now = size_now;
    directory->size_bytes = source->size_bytes;
    status = read_file_header(directory, err);
    if (status != MAREY_OK)
        goto done;
    if (!scan_all(&scan)) {
        status = marey_fail(err, MAREY_IO, "the trace cannot be read");
        goto done;
    }
    marey_directory_make_streams(directory);
    if (directory->is_short_of_memory) {
        status = marey_fail(err, MAREY_NOMEM, "no memory for the chunks of the trace");
        goto done;
    }
    *out = directory;
    directory = NULL;
done:
    marey_memory_free(scan.block);
    marey_memory_free(scan.payload);
    marey_directory_close(directory);
    return status;
}

void
marey_directory_close(struct marey_directory *directory)
{
    if (directory == NULL)
        return;
    for (size_t i = 0; i < directory->extent_count; i++)
        marey_memory_free(directory->extents[i].copy);
    marey_memory_free(directory->extents);
    marey_memory_free(directory->streams);
    marey_memory_free(directory->damages);
    marey_memory_free(directory);
}
