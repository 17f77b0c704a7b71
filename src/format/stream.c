/* The streams of a directory: chunks that belong together, in order, each once. */
#include "marey/format_get.h"

#include "base/checksum.h"
#include "base/memory.h"
#include "base/sort.h"
#include "format/get.h"

#define BY(field)                                                                      \
    if (left->field != right->field)                                                   \
    return left->field < right->field ? -1 : 1

static int
compare_extents(const void *a, const void *b)
{
    const struct marey_extent *left = a, *right = b;

    BY(kind);
    BY(process);
    BY(lane);
    BY(sequence);
    BY(is_open); /* the closed one first */
    BY(offset);
    return 0;
}

static int
compare_streams(const void *a, const void *b)
{
    const struct marey_stream *left = a, *right = b;

    BY(kind);
    BY(process);
    BY(lane);
    return 0;
}
#undef BY

static bool
is_same_stream(const struct marey_extent *a, const struct marey_extent *b)
{
    return a->kind == b->kind && a->process == b->process && a->lane == b->lane;
}

static bool
reaches_beyond(const struct marey_directory *directory,
               const struct marey_extent *extent)
{
    return !extent->is_open && extent->offset + sizeof(struct marey_extent_header) +
                                       marey_extent_stored_size(extent) >
                                   directory->size_bytes;
}

/* A process that is killed while it copies a slot to the tail leaves half a chunk
 * there; the whole one still stands in the slot. */
static bool
is_half_written(const struct marey_directory *directory,
                const struct marey_extent *closed)
{
    if (closed->is_open)
        return false;
    if (reaches_beyond(directory, closed))
        return true;
    uint8_t *payload = marey_memory_new(closed->payload_size, 1);
    bool is_half = payload != NULL &&
                   marey_extent_read(directory, closed, payload) == MAREY_CORRUPT;
    marey_memory_free(payload);
    return is_half;
}

/* Chunks whose bytes are not all there. */
static void
drop_truncated(struct marey_directory *directory)
{
    struct marey_extent *extents = directory->extents;
    size_t kept = 0;

    for (size_t i = 0; i < directory->extent_count; i++) {
        if (!reaches_beyond(directory, &extents[i])) {
            extents[kept++] = extents[i];
            continue;
        }
        directory->damaged_count++;
        marey_directory_note(directory, extents[i].offset,
                             marey_extent_stored_size(&extents[i]),
                             MAREY_DAMAGE_TRUNCATED);
    }
    directory->extent_count = kept;
}

/* Of chunks that stand in two places, keeps the first: it is the closed one; or the
 * open one, while the closed one is half written. */
static void
drop_doubles(struct marey_directory *directory)
{
    struct marey_extent *extents = directory->extents;
    size_t kept = 0;

    for (size_t i = 0; i < directory->extent_count; i++) {
        if (kept > 0 && is_same_stream(&extents[kept - 1], &extents[i]) &&
            extents[kept - 1].sequence == extents[i].sequence) {
            if (extents[i].is_open && is_half_written(directory, &extents[kept - 1])) {
                extents[kept - 1] = extents[i];
                extents[i].copy = NULL;
                continue;
            }
            if (!extents[i].is_open)
                marey_directory_note(directory, extents[i].offset,
                                     marey_extent_stored_size(&extents[i]),
                                     MAREY_DAMAGE_TWICE);
            marey_memory_free(extents[i].copy);
            extents[i].copy = NULL;
            continue;
        }
        struct marey_extent extent = extents[i];
        extents[i].copy = NULL; /* one owner */
        extents[kept++] = extent;
    }
    directory->extent_count = kept;
}

void
marey_directory_make_streams(struct marey_directory *directory)
{
    const struct marey_extent *extents = directory->extents;

    marey_sort(directory->extents, directory->extent_count, sizeof(*extents),
               compare_extents);
    drop_doubles(directory);
    drop_truncated(directory);
    for (size_t i = 0; i < directory->extent_count; i++) {
        if (i > 0 && is_same_stream(&extents[i - 1], &extents[i])) {
            directory->streams[directory->stream_count - 1].count++;
            continue;
        }
        if (!marey_memory_grow((void **)&directory->streams,
                               &directory->stream_capacity, directory->stream_count + 1,
                               sizeof(*directory->streams))) {
            directory->is_short_of_memory = true;
            return;
        }
        directory->streams[directory->stream_count++] = (struct marey_stream){
            extents[i].process, extents[i].lane, (uint32_t)i, 1, extents[i].kind};
    }
}

const struct marey_stream *
marey_directory_stream(const struct marey_directory *directory, uint8_t kind,
                       uint32_t process, uint32_t lane)
{
    struct marey_stream wanted = {.kind = kind, .process = process, .lane = lane};
    size_t from = 0, to = directory->stream_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare_streams(&wanted, &directory->streams[middle]);
        if (order == 0)
            return &directory->streams[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

/* ---- payloads ---- */

bool
marey_extent_is_there(const struct marey_directory *directory,
                      const struct marey_extent *extent)
{
    struct marey_extent_header now;

    return marey_directory_read(directory, extent->offset, &now, sizeof(now)) &&
           now.sequence == extent->sequence && now.process == extent->process &&
           now.lane == extent->lane && now.kind == extent->kind &&
           (now.state == MAREY_STATE_OPEN) == extent->is_open;
}

static enum marey_status
read_packed(const struct marey_directory *directory, const struct marey_extent *extent,
            uint8_t *dst)
{
    uint64_t start = extent->offset + sizeof(struct marey_extent_header);
    uint32_t size = extent->stored_size;
    uint8_t *stored = marey_memory_new(size, 1);
    enum marey_status status = MAREY_OK;

    if (stored == NULL)
        return MAREY_NOMEM;
    if (!marey_directory_read(directory, start, stored, size))
        status = MAREY_IO;
    else if (marey_checksum64(stored, size) != extent->payload_check)
        status = MAREY_CORRUPT;
    else if (!(extent->kind == MAREY_EXTENT_EVENTS
                   ? marey_unpack_events(dst, extent->payload_size,
                                         extent->snapshot_size, stored, size)
                   : marey_expand(dst, extent->payload_size, stored, size)))
        status = MAREY_CORRUPT;
    marey_memory_free(stored);
    return status;
}

enum marey_status
marey_extent_read(const struct marey_directory *directory,
                  const struct marey_extent *extent, uint8_t *dst)
{
    uint64_t start = extent->offset + sizeof(struct marey_extent_header);
    bool is_whole;

    if (extent->copy != NULL) {
        memcpy(dst, extent->copy, extent->payload_size);
        return MAREY_OK;
    }
    if (extent->stored_size != 0)
        return read_packed(directory, extent, dst);
    if (!marey_directory_read(directory, start, dst, extent->payload_size))
        return MAREY_IO;
    is_whole = extent->is_open ? marey_extent_is_there(directory, extent)
                               : marey_checksum64(dst, extent->payload_size) ==
                                     extent->payload_check;
    return is_whole ? MAREY_OK : MAREY_CORRUPT;
}

/* A packed payload is a few slots large at most, so it is unpacked anew. */
static bool
read_packed_part(const struct marey_directory *directory,
                 const struct marey_extent *extent, size_t at, uint8_t *dst,
                 size_t size_bytes)
{
    uint8_t *whole = marey_memory_new(extent->payload_size, 1);
    bool is_read = whole != NULL && read_packed(directory, extent, whole) == MAREY_OK;

    if (is_read)
        memcpy(dst, whole + at, size_bytes);
    marey_memory_free(whole);
    return is_read;
}

bool
marey_extent_read_part(const struct marey_directory *directory,
                       const struct marey_extent *extent, size_t at, uint8_t *dst,
                       size_t size_bytes)
{
    if (at > extent->payload_size || size_bytes > extent->payload_size - at)
        return false;
    if (extent->stored_size != 0)
        return read_packed_part(directory, extent, at, dst, size_bytes);
    if (extent->copy == NULL)
        return marey_directory_read(
            directory, extent->offset + sizeof(struct marey_extent_header) + at, dst,
            size_bytes);
    memcpy(dst, extent->copy + at, size_bytes);
    return true;
}
