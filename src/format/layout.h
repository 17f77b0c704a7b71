/* The bytes of a trace file: every magic, tag, offset, size and limit, and nothing
 * else.
 *
 * docs/format.md says what they mean and is normative; a change here without one there
 * is refused. All numbers are little endian. Structures are laid out by hand so that no
 * compiler pads them; the static_asserts at the end hold every offset still.
 *
 *   file   = file header (one page), then extents up to the tail
 *   extent = extent header (128 bytes), then its payload, padded to 64 bytes
 *   slot   = an extent that is filled in place through a shared mapping, and used again
 */
#ifndef MAREY_FORMAT_LAYOUT_H
#define MAREY_FORMAT_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "marey/value_tags.h"

/* 89 'M' 'A' 'R' 'E' 'Y' CR LF */
#define MAREY_FILE_MAGIC UINT64_C(0x0A0D594552414D89)
#define MAREY_EXTENT_MAGIC UINT32_C(0x4B48434D) /* 'M' 'C' 'H' 'K' */
#define MAREY_VERSION_MAJOR 1                   /* readers refuse another one */
#define MAREY_VERSION_MINOR 0                   /* readers accept a larger one */

#define MAREY_PAGE_SIZE 4096  /* the file header; slots start at a multiple of it */
#define MAREY_EXTENT_ALIGN 64 /* extents start and end at a multiple of it */
#define MAREY_SOURCE_KEYS 448 /* entries of the shared set of stored sources */
#define MAREY_HOST_NAME_MAX 64

/* What the shared clock counts (marey_file_header.clock). */
#define MAREY_CLOCK_TSC 1 /* the time-stamp counter, shifted right by clock_shift */
#define MAREY_CLOCK_MONOTONIC 2 /* CLOCK_MONOTONIC in nanoseconds, same shift */

/* marey_file_header.flags */
#define MAREY_FILE_RING UINT64_C(1)     /* closed event chunks live in ring cells */
#define MAREY_FILE_UNMAPPED UINT64_C(2) /* slots were not mapped: a kill loses them */
#define MAREY_FILE_WAS_RING UINT64_C(4) /* what a ring held, rewritten as no ring */

/* A keep that was asked for and is not written yet. */
struct marey_keep_entry {
    uint64_t who; /* process serial << 32 | number of the rule, from 1; 0: free */
    uint64_t from_ticks;  /* when what matched began */
    uint64_t until_ticks; /* when it matched */
};
#define MAREY_KEEP_ENTRIES 7
#define MAREY_KEEP_CLAIMED UINT64_C(0xFFFFFFFF) /* for a rule: being filled in */

struct marey_file_header {
    uint64_t magic;
    uint16_t version_major;
    uint16_t version_minor;
    uint32_t header_size;                /* MAREY_PAGE_SIZE */
    uint8_t boot_id[16];                 /* of the host: equal ids share one clock */
    char host_name[MAREY_HOST_NAME_MAX]; /* UTF-8, zero padded */
    uint32_t clock;
    uint32_t clock_shift;
    uint64_t ticks_per_second; /* nominal; the CLOCK records are exact. 0: unknown */
    uint64_t start_ticks;
    uint64_t start_realtime_ns;
    uint64_t flags;
    uint64_t ring_offset;    /* first cell; 0 without a ring */
    uint32_t ring_cell_size; /* bytes, extent header included */
    uint32_t ring_cell_count;
    uint8_t reserved_a[96];
    /* From here on written at run time by every process, with atomic operations. */
    uint64_t tail;      /* where the next extent goes */
    uint64_t ring_next; /* cells taken so far; the cell is this modulo the count */
    uint8_t reserved_b[48];
    uint32_t process_count; /* last process serial given; serials start at 1 */
    uint32_t lane_count;    /* last lane serial given; serials start at 1 */
    uint64_t event_count;   /* in closed chunks, lost ones included */
    uint64_t lost_count;    /* events known to be lost */
    struct marey_keep_entry keeps[MAREY_KEEP_ENTRIES];
    uint8_t reserved_c[8];
    uint64_t source_keys[MAREY_SOURCE_KEYS]; /* a hash set of stored sources; 0: free */
};

/* marey_extent_header.kind */
#define MAREY_EXTENT_PAD 1         /* nothing: fills up to a slot's page */
#define MAREY_EXTENT_EVENTS 2      /* rows: open-stack snapshot, then events */
#define MAREY_EXTENT_DEFINITIONS 3 /* records of a process */
#define MAREY_EXTENT_BLOBS 4       /* values of a lane, referred to by events */
#define MAREY_EXTENT_SOURCE 5      /* the text of one source file */
#define MAREY_EXTENT_PACKED 6      /* events as columns */
#define MAREY_EXTENT_INDEX 7       /* what a reader wrote to open faster */
#define MAREY_EXTENT_LEFT_OUT 8    /* events that were left out: their snapshot */

/* marey_extent_header.flags */
#define MAREY_EXTENT_SLOT 1 /* filled in place, and used again */
#define MAREY_EXTENT_CELL 2 /* a ring cell, and used again */

/* marey_extent_header.state */
#define MAREY_STATE_OPEN 1   /* payload runs to the first zero byte */
#define MAREY_STATE_CLOSED 2 /* payload_size, record_count, checksums hold */

/* marey_extent_header.codec */
#define MAREY_CODEC_NONE 0
#define MAREY_CODEC_ZSTD 1

struct marey_extent_header {
    /* Where and whose: fixed while the extent holds one chunk. */
    uint32_t magic;
    uint8_t kind;
    uint8_t flags;
    uint16_t header_size; /* sizeof(struct marey_extent_header) */
    uint64_t offset; /* of this header in the file: a copy elsewhere is no extent */
    uint32_t extent_size; /* bytes, header included, a multiple of MAREY_EXTENT_ALIGN */
    uint32_t process;     /* serial, 0: none */
    uint32_t lane;        /* serial, 0: none */
    uint32_t place_check; /* XXH32 of the bytes before, seed 0 */
    /* What it holds. */
    uint64_t sequence;      /* of this chunk in its stream, from 1; 0: holds nothing */
    uint64_t base_ticks;    /* where the deltas of the payload start */
    uint64_t end_ticks;     /* of the last event; 0 while open */
    uint64_t first_index;   /* records of the stream before this chunk, lost included */
    uint32_t payload_size;  /* bytes after the header; 0 while open */
    uint32_t record_count;  /* events or records; 0 while open */
    uint32_t snapshot_size; /* bytes of the payload before the events */
    uint32_t raw_size;      /* payload size when decoded, for a codec other than none */
    uint64_t payload_check; /* XXH64 of the payload, seed 0; 0 while open */
    uint8_t codec;
    uint8_t reserved_a[3];
    uint32_t start_depth; /* open calls in the snapshot */
    uint8_t reserved_b[24];
    uint32_t state;
    uint32_t content_check; /* XXH32 of bytes 32..123 as closed, seed 0; 0 while open */
};

/* Events: token = varint(delta_ticks << 2 | kind). No token starts with a zero byte. */
#define MAREY_TOKEN_BITS 2
#define MAREY_TOKEN_ENTER 1    /* then varint function id */
#define MAREY_TOKEN_LEAVE 2    /* ends the innermost open call: returned */
#define MAREY_TOKEN_EXTENDED 3 /* then one op byte, then what the op says */

/* Ops of an extended token. Those marked (o) are notes, not events: not counted. */
#define MAREY_OP_ADVANCE 0x01  /* (o) u64 ticks: the time is now this */
#define MAREY_OP_UNWIND 0x02   /* varint string id of the exception's type, 0 unknown */
#define MAREY_OP_CUT 0x03      /* innermost call is over; when and how was not seen */
#define MAREY_OP_THROWN 0x04   /* (o) varint string id: the resume before was a throw */
#define MAREY_OP_BIND 0x05     /* (o) u8 slot, varint function id, u64 activation key */
#define MAREY_OP_LOST 0x06     /* (o) varint count of events lost just before */
#define MAREY_OP_RESYNC 0x07   /* (o) a snapshot: the stack is now this */
#define MAREY_OP_INSTANT 0x08  /* varint name string id, varint blob + 1 or 0 */
#define MAREY_OP_COUNTER 0x09  /* varint name string id, f64 value */
#define MAREY_OP_VALUES 0x0A   /* (o) u8 role, varint blob: of the innermost call */
#define MAREY_OP_SWITCH 0x0C   /* (o) varint lane serial: that lane runs now */
#define MAREY_OP_FLOW_OUT 0x0D /* varint flow id: an arrow starts here */
#define MAREY_OP_FLOW_IN 0x0E  /* varint flow id: the arrow ends here */
#define MAREY_OP_LOG 0x0F /* varint name string id, u8 class, varint blob + 1 or 0 */
#define MAREY_OP_SIZED_MIN 0x20 /* unknown ops up to _MAX carry varint size, bytes */
#define MAREY_OP_SIZED_MAX 0x3F
#define MAREY_OP_YIELD 0x40  /* + slot: the innermost call is suspended */
#define MAREY_OP_RESUME 0x60 /* + slot: that activation runs again */
#define MAREY_ACTIVATION_SLOTS 32

/* A flow id: serial of the process where it starts << this | a number, from 1. */
#define MAREY_FLOW_BITS 24

/* Roles of MAREY_OP_VALUES. */
#define MAREY_ROLE_ARGUMENTS 1
#define MAREY_ROLE_RETURN 2

/* Classes of MAREY_OP_LOG: what the name is, and which values are in the blob. */
#define MAREY_LOG_VALUE 1     /* a variable, or marey.log(): the value */
#define MAREY_LOG_ATTRIBUTE 2 /* the value, `of` what */
#define MAREY_LOG_RAISED 3    /* type of an exception, where it came to be */
#define MAREY_LOG_HANDLED 4   /* an except clause took it */
#define MAREY_LOG_SWALLOWED 5 /* it is gone: nobody will raise it again */
#define MAREY_LOG_PRINT 6     /* what was printed */
#define MAREY_LOG_RECORD 7    /* of `logging`, by its logger */
#define MAREY_LOG_WARNING 8   /* by its category */
#define MAREY_LOG_GC 9        /* a collection's start or stop */
#define MAREY_LOG_AUDIT 10    /* an audit event, its arguments */
#define MAREY_LOG_ENTRY 11    /* a function began, its arguments */
#define MAREY_LOG_LINE 12     /* a line begins, or the call ends; locals that changed */

/* Snapshot entry: varint(function id << 1 | resumed), varint(base_ticks - start). */
#define MAREY_SNAPSHOT_RESUMED 1

/* Definition records: varint size (of what follows), u8 tag, body. */
#define MAREY_DEF_STRING 1
#define MAREY_DEF_FILE 2
#define MAREY_DEF_FUNCTION 3
#define MAREY_DEF_PROCESS 4
#define MAREY_DEF_PROCESS_END 5
#define MAREY_DEF_LANE 6
#define MAREY_DEF_LANE_NAME 7
#define MAREY_DEF_LANE_END 8
#define MAREY_DEF_CLOCK 9
#define MAREY_DEF_COST 10
#define MAREY_DEF_OPTIONS 11
#define MAREY_DEF_NOTE 12
#define MAREY_DEF_HOST 13
#define MAREY_DEF_CHILD_END 14
#define MAREY_DEF_EXEC 15
#define MAREY_DEF_CALL_SITE 16  /* an id for the calls of a function from one place */
#define MAREY_DEF_LANE_PLACE 17 /* a lane of a ring, or room for one */
#define MAREY_DEF_WINDOW 22     /* this trace is a part of a longer recording */
#define MAREY_DEF_LEFT_OUT 23   /* a function's calls are no longer recorded */
#define MAREY_DEF_UNRECORDED 28 /* how many calls of it there were since */

#define MAREY_PLACE_NAME_MAX 84 /* bytes; lanes with longer names have no place */
/* A definition record that is changed in place: MAREY_DEF_LANE_PLACE. */
struct marey_lane_place {
    uint8_t record_size; /* of what follows, as in all records: a varint of one byte */
    uint8_t tag;
    uint8_t flags;     /* of the lane */
    uint8_t name_size; /* bytes */
    uint32_t serial;   /* of the lane; 0: the place is free */
    uint64_t native_id, python_id, start_ticks;
    uint64_t end_ticks; /* 0: none known */
    char name[MAREY_PLACE_NAME_MAX];
    uint32_t serial_again; /* another one: the place was changing hands */
};

/* MAREY_DEF_FUNCTION flags */
#define MAREY_FUNCTION_C 1
#define MAREY_FUNCTION_GENERATOR 2
#define MAREY_FUNCTION_COROUTINE 4
#define MAREY_FUNCTION_ASYNC_GENERATOR 8
#define MAREY_FUNCTION_SPAN 16        /* a name given by the user, not code */
#define MAREY_FUNCTION_TRANSACTION 32 /* each call is a unit of work */

/* Name of an INSTANT whose values belong to the innermost open transaction. */
#define MAREY_ANNOTATE_NAME "marey.annotate"

/* MAREY_DEF_LANE kinds and flags */
#define MAREY_LANE_THREAD 1
#define MAREY_LANE_TASK 2
#define MAREY_LANE_GREENLET 3
#define MAREY_LANE_MAIN 1    /* the process's main thread */
#define MAREY_LANE_EARLIER 2 /* was alive before the recording started */

/* MAREY_DEF_COST kinds: what one event of this kind cost, in picoseconds */
#define MAREY_COST_PYTHON 1
#define MAREY_COST_C 2

/* Limits. A reader checks every size and count against one of these before use. */
#define MAREY_EXTENT_SIZE_MAX (UINT32_C(1) << 30)
#define MAREY_PAYLOAD_RAW_MAX (UINT32_C(1) << 28)
#define MAREY_PACKED_RAW_BASE 65536 /* a packed payload may unpack to this, and */
#define MAREY_PACKED_RAW_RATIO 256  /* so many times its size, and no more */
#define MAREY_SLOT_SIZE_MIN 4096
#define MAREY_SLOT_SIZE_MAX 65536
#define MAREY_SLOT_SIZE_DEEP 16777216 /* where a deep stack's snapshot needs it */
#define MAREY_VARINT_MAX 10
#define MAREY_EVENT_SIZE_MAX 40 /* of one event but RESYNC and sized ops */
#define MAREY_FUNCTION_ID_MAX ((UINT32_C(1) << 26) - 1)
#define MAREY_STRING_ID_MAX ((UINT32_C(1) << 26) - 1)
#define MAREY_DEPTH_MAX (UINT32_C(1) << 24)
/* Open calls of all lanes, the most of each added; and one a byte of the file. */
#define MAREY_OPEN_CALLS_MAX (UINT32_C(1) << 20)
#define MAREY_PROCESS_MAX (UINT32_C(1) << 20)
#define MAREY_LANE_MAX (UINT32_C(1) << 24)
#define MAREY_NAME_SIZE_MAX (UINT32_C(1) << 21)
#define MAREY_VALUE_DEPTH_MAX 32
#define MAREY_ARGV_MAX (UINT32_C(1) << 16)

#define MAREY_AT(type, field, at)                                                      \
    static_assert(offsetof(struct type, field) == (at), #type "." #field " moved")
MAREY_AT(marey_file_header, version_major, 8);
MAREY_AT(marey_file_header, header_size, 12);
MAREY_AT(marey_file_header, boot_id, 16);
MAREY_AT(marey_file_header, host_name, 32);
MAREY_AT(marey_file_header, clock, 96);
MAREY_AT(marey_file_header, clock_shift, 100);
MAREY_AT(marey_file_header, ticks_per_second, 104);
MAREY_AT(marey_file_header, start_ticks, 112);
MAREY_AT(marey_file_header, start_realtime_ns, 120);
MAREY_AT(marey_file_header, flags, 128);
MAREY_AT(marey_file_header, ring_offset, 136);
MAREY_AT(marey_file_header, ring_cell_size, 144);
MAREY_AT(marey_file_header, ring_cell_count, 148);
MAREY_AT(marey_file_header, tail, 248);
MAREY_AT(marey_file_header, ring_next, 256);
MAREY_AT(marey_file_header, process_count, 312);
MAREY_AT(marey_file_header, lane_count, 316);
MAREY_AT(marey_file_header, event_count, 320);
MAREY_AT(marey_file_header, lost_count, 328);
MAREY_AT(marey_file_header, keeps, 336);
MAREY_AT(marey_file_header, source_keys, 512);
MAREY_AT(marey_extent_header, kind, 4);
MAREY_AT(marey_extent_header, flags, 5);
MAREY_AT(marey_extent_header, header_size, 6);
MAREY_AT(marey_extent_header, offset, 8);
MAREY_AT(marey_extent_header, extent_size, 16);
MAREY_AT(marey_extent_header, process, 20);
MAREY_AT(marey_extent_header, lane, 24);
MAREY_AT(marey_extent_header, place_check, 28);
MAREY_AT(marey_extent_header, sequence, 32);
MAREY_AT(marey_extent_header, base_ticks, 40);
MAREY_AT(marey_extent_header, end_ticks, 48);
MAREY_AT(marey_extent_header, first_index, 56);
MAREY_AT(marey_extent_header, payload_size, 64);
MAREY_AT(marey_extent_header, record_count, 68);
MAREY_AT(marey_extent_header, snapshot_size, 72);
MAREY_AT(marey_extent_header, raw_size, 76);
MAREY_AT(marey_extent_header, payload_check, 80);
MAREY_AT(marey_extent_header, codec, 88);
MAREY_AT(marey_extent_header, start_depth, 92);
MAREY_AT(marey_extent_header, state, 120);
MAREY_AT(marey_extent_header, content_check, 124);
MAREY_AT(marey_lane_place, serial, 4);
MAREY_AT(marey_lane_place, native_id, 8);
MAREY_AT(marey_lane_place, end_ticks, 32);
MAREY_AT(marey_lane_place, name, 40);
MAREY_AT(marey_lane_place, serial_again, 124);
#undef MAREY_AT
static_assert(sizeof(struct marey_file_header) == MAREY_PAGE_SIZE, "header size");
static_assert(offsetof(struct marey_extent_header, state) % 8 == 0,
              "state and content_check are stored as one word");
static_assert(sizeof(struct marey_extent_header) == 128, "extent header size");
static_assert(sizeof(struct marey_lane_place) == 128, "lane place size");

#endif
