/* Reading a trace: its extents, the chunks of its streams, the events in a chunk.
 *
 *     struct marey_directory *directory;
 *     marey_directory_open(&source, &directory, &err);
 *     for each stream of kind MAREY_EXTENT_EVENTS, for each of its extents:
 *         marey_extent_read(directory, extent, payload);
 *         marey_cursor_init(&cursor, extent, payload);
 *         while (marey_cursor_next(&cursor, &event)) ...
 *
 * Bytes are never trusted: whatever they are, nothing here crashes, hangs, or takes
 * memory that is not in proportion to the file. docs/format.md describes the bytes.
 */
#ifndef MAREY_FORMAT_GET_H
#define MAREY_FORMAT_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/byte_source.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/varint.h"
#include "format/layout.h"
#include "marey/status.h"

/* Bytes within a payload. */
struct marey_span {
    const uint8_t *bytes;
    size_t size_bytes;
};

/* ---- the directory ---- */

/* A chunk that is there. Of open ones the sizes, count and end are those that were
 * found when the directory was made. */
struct marey_extent {
    uint64_t offset; /* of its header in the file */
    uint64_t sequence;
    uint64_t base_ticks;
    uint64_t end_ticks;
    uint64_t first_index;
    uint64_t payload_check; /* 0: open */
    uint8_t *copy;          /* owned; the payload of an open chunk, or NULL */
    uint32_t process;
    uint32_t lane;
    uint32_t payload_size; /* as marey_extent_read() gives it */
    uint32_t record_count; /* events or records */
    uint32_t snapshot_size;
    uint32_t start_depth;
    uint32_t raw_size;
    uint32_t stored_size; /* of a packed payload in the file; 0: not packed */
    uint8_t kind;         /* packed events, and those left out, are EVENTS here */
    uint8_t codec;
    bool is_open;
    bool is_left_out; /* only the snapshot is there, the events are elsewhere */
};

/* The header of the same chunk anywhere else: all of it but where it stands and whether
 * it is whole. */
MAREY_INLINE struct marey_extent_header
marey_extent_header_of(const struct marey_extent *extent)
{
    return (struct marey_extent_header){
        .kind = extent->is_left_out ? MAREY_EXTENT_LEFT_OUT : extent->kind,
        .process = extent->process,
        .lane = extent->lane,
        .sequence = extent->sequence,
        .base_ticks = extent->base_ticks,
        .end_ticks = extent->end_ticks,
        .first_index = extent->first_index,
        .payload_size = extent->payload_size,
        .record_count = extent->record_count,
        .snapshot_size = extent->snapshot_size,
        .raw_size = extent->raw_size,
        .codec = extent->codec,
        .start_depth = extent->start_depth,
    };
}

/* All chunks of one (kind, process, lane), in order of sequence, each once. */
struct marey_stream {
    uint32_t process;
    uint32_t lane;
    uint32_t first; /* index of its first extent */
    uint32_t count;
    uint8_t kind;
};

/* What is wrong with a place in the file. */
enum marey_damage_kind {
    MAREY_DAMAGE_HOLE,    /* zeros: reserved and never written; no fault */
    MAREY_DAMAGE_GARBAGE, /* bytes that belong to no extent */
    MAREY_DAMAGE_HEADER,  /* a header whose check does not hold, or that makes no sense
                           */
    MAREY_DAMAGE_TRUNCATED, /* reaches beyond the end of the file */
    MAREY_DAMAGE_TWICE,     /* a second closed chunk with the same number */
};
struct marey_damage {
    uint64_t offset;
    uint64_t size_bytes;
    enum marey_damage_kind kind;
};

struct marey_directory {
    struct marey_byte_source source;
    uint64_t (*size_now)(void *context); /* NULL: the file does not grow */
    struct marey_file_header header;
    uint64_t size_bytes;          /* of the file, as far as it was read */
    struct marey_extent *extents; /* owned; stream by stream */
    size_t extent_count, extent_capacity;
    struct marey_stream *streams; /* owned; sorted by kind, process, lane */
    size_t stream_count, stream_capacity;
    struct marey_damage *damages; /* owned; in no order; the first of very many */
    size_t damage_count, damage_capacity;
    uint64_t skipped_bytes;    /* stepped over while looking for extents */
    uint32_t damaged_count;    /* chunks left out; with DAMAGE_HEADER, _TRUNCATED */
    uint64_t copied_bytes;     /* payloads of open chunks that are kept */
    struct marey_extent index; /* the last one there is; sequence 0: none */
    bool is_short_of_memory;
};

/* Open calls that a trace of this size may have, the most of each lane added. */
static inline uint64_t
marey_open_calls_max(const struct marey_directory *directory)
{
    return MAREY_OPEN_CALLS_MAX + directory->size_bytes;
}

/* Finds all extents. `size_now` says the size of a file that may grow while it is read
 * (with the source's context); NULL: it does not grow. MAREY_NOT_A_TRACE, MAREY_VERSION
 * or MAREY_CORRUPT where the file header says so; damage further on is told in the
 * directory. */
enum marey_status marey_directory_open(const struct marey_byte_source *source,
                                       uint64_t (*size_now)(void *context),
                                       struct marey_directory **out,
                                       struct marey_error *err);
/* NULL is allowed. */
void marey_directory_close(struct marey_directory *directory);

/* NULL: no such stream. */
const struct marey_stream *marey_directory_stream(
    const struct marey_directory *directory, uint8_t kind, uint32_t process,
    uint32_t lane);

/* The payload into dst, which holds extent->payload_size bytes. MAREY_CORRUPT: its
 * check does not hold, or the chunk was overwritten since (a ring, a slot). */
enum marey_status marey_extent_read(const struct marey_directory *directory,
                                    const struct marey_extent *extent, uint8_t *dst);

/* False: the place holds another chunk by now, or nothing (a ring, a slot). */
bool marey_extent_is_there(const struct marey_directory *directory,
                           const struct marey_extent *extent);

/* Bytes at `at` of the payload, without a check. */
bool marey_extent_read_part(const struct marey_directory *directory,
                            const struct marey_extent *extent, size_t at, uint8_t *dst,
                            size_t size_bytes);

/* ---- snapshots ---- */

/* The calls that were open at one moment, outermost first. */
struct marey_snapshot {
    const uint8_t *next; /* borrowed: bytes of the chunk */
    const uint8_t *end;
    uint64_t base_ticks;
    uint32_t left; /* entries not read yet */
};
struct marey_snapshot_entry {
    uint64_t start_ticks; /* of the running part */
    uint32_t function;    /* id in the process */
    bool is_resumed;
};
/* False: these bytes are none. *size_bytes is how many it takes. */
bool marey_snapshot_init(struct marey_snapshot *snapshot, const uint8_t *bytes,
                         size_t size_bytes, uint64_t base_ticks);
/* False at its end. Entries were checked by init. */
bool marey_snapshot_next(struct marey_snapshot *snapshot,
                         struct marey_snapshot_entry *out);

/* ---- events ---- */

enum marey_event_kind {
    MAREY_EVENT_ENTER,    /* function (or an id for its calls from one place) */
    MAREY_EVENT_LEAVE,    /* returned */
    MAREY_EVENT_UNWIND,   /* string: type of the exception */
    MAREY_EVENT_CUT,      /* over, but when and how was not seen */
    MAREY_EVENT_YIELD,    /* function, number: key */
    MAREY_EVENT_RESUME,   /* function, number: key */
    MAREY_EVENT_INSTANT,  /* string, number: blob */
    MAREY_EVENT_COUNTER,  /* string, value */
    MAREY_EVENT_LOG,      /* string, detail: class, number: blob */
    MAREY_EVENT_FLOW_OUT, /* number: flow id */
    MAREY_EVENT_FLOW_IN,  /* number: flow id */
    MAREY_EVENT_OTHER,    /* of a later version; detail: op, other: what it carries */
    /* Notes; from here on none counts. */
    MAREY_EVENT_THROWN, /* string */
    MAREY_EVENT_LOST,   /* number: how many */
    MAREY_EVENT_RESYNC, /* snapshot */
    MAREY_EVENT_VALUES, /* detail: role, number: blob */
    MAREY_EVENT_SWITCH, /* number: lane serial */
};

struct marey_event {
    uint64_t ticks;
    uint32_t kind;     /* enum marey_event_kind */
    uint32_t function; /* id in the process */
    uint32_t string;   /* id in the process; 0: unknown */
    uint64_t number;
    double value;
    uint8_t detail;
    struct marey_snapshot snapshot;
    struct marey_span other;
};

struct marey_cursor {
    const uint8_t *next; /* borrowed until the next init; the event to come */
    const uint8_t *end;
    uint64_t ticks;       /* of the last event */
    uint32_t bound;       /* bit n: slot n is bound */
    bool is_open;         /* the data may end anywhere */
    bool is_bad;          /* it ended where no writer would end it */
    bool is_cut_short;    /* the bytes end within an event (then is_bad, too) */
    const uint8_t *start; /* of the event last taken, its BINDs and ADVANCE included */
    struct {
        uint64_t key;
        uint32_t function;
    } slots[MAREY_ACTIVATION_SLOTS];
};

/* Events of a chunk, from behind the snapshot. `is_open`: the payload is everything up
 * to the end of the extent, and the data ends somewhere in it. */
void marey_cursor_init(struct marey_cursor *cursor, const uint8_t *events,
                       size_t size_bytes, uint64_t base_ticks, bool is_open);

/* The general form of marey_cursor_next(). */
bool marey_cursor_next_slow(struct marey_cursor *cursor, struct marey_event *out);

/* A varint at bytes that may be read eight at a time; *bytes moves behind it. False:
 * longer than eight bytes, or its last byte is a superfluous zero. */
MAREY_INLINE bool
marey_varint_get_fast(const uint8_t **bytes, uint64_t *out)
{
    uint64_t word = marey_u64_get(*bytes);
    uint64_t last = ~word & UINT64_C(0x8080808080808080);

    if (MAREY_LIKELY((last & 0x80) != 0)) {
        *out = word & 0x7f;
        *bytes += 1;
        return true;
    }
    if (MAREY_LIKELY((last & 0x8000) != 0)) {
        *out = (word & 0x7f) | (word & 0x7f00) >> 1;
        *bytes += 2;
        return MAREY_LIKELY((word & 0x7f00) != 0);
    }
    if (MAREY_UNLIKELY(last == 0))
        return false;
    unsigned size = (marey_low_zeros(last) + 1) / 8;
    if (MAREY_UNLIKELY((*bytes)[size - 1] == 0))
        return false;
    word &= last ^ (last - 1); /* nothing behind the last byte */
    word &= UINT64_C(0x7f7f7f7f7f7f7f7f);
    word = (word & UINT64_C(0x007f007f007f007f)) |
           (word & UINT64_C(0x7f007f007f007f00)) >> 1;
    word = (word & UINT64_C(0x00003fff00003fff)) |
           (word & UINT64_C(0x3fff00003fff0000)) >> 2;
    *out = (word & 0x0fffffff) | (word >> 32) << 28;
    *bytes += size;
    return true;
}

/* The next event or note (BIND and ADVANCE are taken care of inside). False at the end
 * of the data, and where it cannot be read on; the cursor then says which. */
MAREY_INLINE bool
marey_cursor_next(struct marey_cursor *cursor, struct marey_event *out)
{
    const uint8_t *at = cursor->next;
    uint64_t token, function;

    if (MAREY_UNLIKELY(cursor->end - at < 2 * MAREY_VARINT_SIZE_MAX) ||
        MAREY_UNLIKELY(!marey_varint_get_fast(&at, &token)))
        return marey_cursor_next_slow(cursor, out);
    uint64_t ticks = cursor->ticks + (token >> MAREY_TOKEN_BITS);
    if (MAREY_UNLIKELY(ticks < cursor->ticks))
        return marey_cursor_next_slow(cursor, out);
    switch (token & 3) {
    case MAREY_TOKEN_ENTER:
        if (MAREY_UNLIKELY(!marey_varint_get_fast(&at, &function)) ||
            MAREY_UNLIKELY(function - 1 >= MAREY_FUNCTION_ID_MAX))
            return marey_cursor_next_slow(cursor, out);
        out->kind = MAREY_EVENT_ENTER;
        out->function = (uint32_t)function;
        break;
    case MAREY_TOKEN_LEAVE: out->kind = MAREY_EVENT_LEAVE; break;
    default: return marey_cursor_next_slow(cursor, out);
    }
    out->ticks = ticks;
    cursor->ticks = ticks;
    cursor->start = cursor->next;
    cursor->next = at;
    return true;
}

/* True when what comes next may be a note on the event just taken. */
static inline bool
marey_cursor_may_note(const struct marey_cursor *cursor)
{
    return cursor->next < cursor->end && (*cursor->next & 3) == MAREY_TOKEN_EXTENDED;
}

/* Takes the next thing if it is this kind of note; else leaves the cursor alone. */
bool marey_cursor_take_note(struct marey_cursor *cursor, enum marey_event_kind kind,
                            struct marey_event *out);

/* ---- records: definitions and blobs ---- */

struct marey_records {
    const uint8_t *next; /* borrowed */
    const uint8_t *end;
    bool is_open;
    bool is_bad; /* ended where no writer would end it */
};
struct marey_record {
    const uint8_t *body;
    size_t size_bytes;
    uint8_t tag;
};
void marey_records_init(struct marey_records *records, const uint8_t *payload,
                        size_t size_bytes, bool is_open);
bool marey_records_next(struct marey_records *records, struct marey_record *out);

/* Bytes that are read one field after the other; `is_bad` is for good. */
struct marey_fields {
    const uint8_t *next; /* borrowed */
    const uint8_t *end;
    bool is_bad; /* a field was not there: all that was got since is 0 or empty */
};
uint64_t marey_fields_varint(struct marey_fields *fields);
uint32_t marey_fields_u32(struct marey_fields *fields);
uint64_t marey_fields_u64(struct marey_fields *fields);
double marey_fields_f64(struct marey_fields *fields);
uint8_t marey_fields_u8(struct marey_fields *fields);
/* Varint size, bytes; at most `most` of them. */
struct marey_span marey_fields_sized(struct marey_fields *fields, size_t most);
/* All that is left. */
struct marey_span marey_fields_rest(struct marey_fields *fields);

/* A definition record; which fields count depends on the tag (MAREY_DEF_*). */
struct marey_definition {
    uint8_t tag;
    uint32_t id;       /* STRING, FILE, FUNCTION, CALL_SITE, LEFT_OUT, UNRECORDED;
                              LANE* (LANE_PLACE: 0: nobody's); COST: kind */
    uint32_t flags;    /* FUNCTION, LANE */
    uint32_t kind;     /* LANE */
    uint32_t line;     /* FUNCTION, CALL_SITE */
    uint32_t function; /* CALL_SITE: id of what is called */
    uint32_t caller;   /* CALL_SITE: id of the function that calls it */
    uint32_t module;   /* FUNCTION: string id */
    uint32_t file;     /* FUNCTION: file id */
    uint32_t parent;   /* LANE: lane serial; PROCESS: process serial */
    uint64_t key;   /* FILE: of its source; COST: picoseconds; WINDOW: to; UNRECORDED:
                            counted; LANE_PLACE: end, 0: none yet */
    uint64_t ticks; /* PROCESS, LANE: start; *_END; CLOCK; EXEC; WINDOW: from */
    uint64_t pid;   /* PROCESS; LANE: native id; CHILD_END; UNRECORDED: estimated */
    uint64_t parent_pid;                             /* PROCESS; LANE: Python's id */
    uint64_t monotonic_ns, boottime_ns, realtime_ns; /* CLOCK */
    int64_t exit_status;                             /* PROCESS_END, CHILD_END */
    bool has_exit_status;
    bool is_done;  /* EXEC: false: it failed */
    uint64_t flow; /* PROCESS: the arrow that leads to it; 0: none */
    uint32_t string_count, file_count, function_count; /* PROCESS: inherited */
    uint32_t argument_count;                           /* PROCESS */
    struct marey_span arguments; /* PROCESS: argument_count times varint size, bytes */
    struct marey_span text;      /* name, path, options, note */
    const uint8_t *boot_id;      /* HOST: 16 bytes */
    struct marey_span executable, version, directory; /* PROCESS; program is `text` */
};
/* False: the body does not hold what its tag promises, or goes beyond a limit. Tags
 * that are not known are true, with nothing but the tag. */
bool marey_definition_get(const struct marey_record *record,
                          struct marey_definition *out);

/* ---- sources ---- */

struct marey_source_head {
    uint64_t key;
    struct marey_span path;
    struct marey_span stored; /* the file's bytes, as they are stored */
};
bool marey_source_get(const uint8_t *payload, size_t size_bytes,
                      struct marey_source_head *out);

/* What a packed payload of so many bytes may unpack to at most: a file of a few bytes
 * does not ask for gigabytes. */
static inline uint64_t
marey_raw_size_max(uint32_t stored_size)
{
    return MAREY_PACKED_RAW_BASE + (uint64_t)stored_size * MAREY_PACKED_RAW_RATIO;
}

/* Bytes of its payload in the file. */
static inline uint32_t
marey_extent_stored_size(const struct marey_extent *extent)
{
    return extent->stored_size != 0 ? extent->stored_size : extent->payload_size;
}

/* The rows of a packed chunk; true when exactly size_bytes came out. */
bool marey_unpack_events(uint8_t *rows, size_t size_bytes, size_t snapshot_size,
                         const uint8_t *packed, size_t packed_size);

/* Decompresses zstd; true when exactly dst_size bytes came out. */
bool marey_expand(void *dst, size_t dst_size, const void *src, size_t src_size);

#endif
