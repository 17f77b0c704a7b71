/* Writing a trace: the shared file, its slots, its chunks and definition records.
 *
 * A process opens the file once (`create` or `join`), takes a slot for each stream it
 * writes, fills it, and closes it when it is full: the chunk then goes to the tail of
 * the file and the slot is used again. All processes share the counters of the first
 * page and nothing else. What is written is in the kernel's hands at once, so a killed
 * process loses nothing. docs/format.md describes the bytes.
 *
 * Threads: space and slots may be taken by several threads at a time; one slot belongs
 * to one thread at a time. Nothing here allocates memory except create and join.
 */
#ifndef MAREY_FORMAT_PUT_H
#define MAREY_FORMAT_PUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "format/layout.h"
#include "marey/status.h"

struct marey_file;

struct marey_file_options {
    uint64_t ring_bytes; /* keep about the newest so many bytes of events; 0: all */
    bool no_mapping;     /* as on a file system that cannot map: slots in memory */
};

/* A place to write in. `bytes` starts with the extent header. */
struct marey_slot {
    uint8_t *bytes;      /* mapped; NULL: no slot */
    uint64_t offset;     /* in the file; 0 when the file cannot be mapped */
    uint32_t size_bytes; /* header included */
};

/* What a chunk is; the rest of its header follows from its content. */
struct marey_chunk {
    uint8_t kind; /* MAREY_EXTENT_* */
    uint32_t process;
    uint32_t lane;
    uint64_t sequence; /* from 1 */
    uint64_t base_ticks;
    uint64_t first_index;
    uint32_t snapshot_size; /* bytes */
    uint32_t start_depth;
};

/* Makes a new trace, mode 0600. An existing file is never followed nor overwritten. */
enum marey_status marey_file_create(const char *path,
                                    const struct marey_file_options *options,
                                    struct marey_file **out, struct marey_error *err);

/* Opens a trace that another process of this host made, to write into it, too. */
enum marey_status marey_file_join(const char *path, struct marey_file **out,
                                  struct marey_error *err);

/* Gives back what the process holds of the file; slots must have been given back.
 * NULL is allowed. */
void marey_file_close(struct marey_file *file);

/* The path it was opened by. */
const char *marey_file_path(const struct marey_file *file);

/* A descriptor of the trace of its own, to read from; -1: none can be had. */
int marey_file_dup(struct marey_file *file);

/* After a fork, in the child: forgets the slots that belong to the parent. */
void marey_file_forked(struct marey_file *file);

/* The clock all writers of this file use. */
const struct marey_clock *marey_file_clock(const struct marey_file *file);

/* The counters in the first page. */
uint32_t marey_file_take_process(struct marey_file *file);
uint32_t marey_file_take_lane(struct marey_file *file);

/* True when a source with this key is stored already; else notes it as stored. */
bool marey_file_has_source(struct marey_file *file, uint64_t key);

struct marey_file_counts {
    uint64_t event_count, lost_count, size_bytes;
    uint32_t process_count;
};
void marey_file_counts(struct marey_file *file, struct marey_file_counts *out);
/* Adds to the shared counts. */
void marey_file_count(struct marey_file *file, uint64_t event_count,
                      uint64_t lost_count);

/* Notes in the first page that a keep is asked for, until it is said to be done: so
 * that a reader knows of it when the process is killed before it was written. `rule`
 * counts from 1. Returns which note it is; -1: there is no place, or no mapping. */
int marey_file_keep_ask(struct marey_file *file, uint32_t process, uint32_t rule,
                        uint64_t from_ticks, uint64_t until_ticks);
/* It began earlier than was known. */
void marey_file_keep_widen(struct marey_file *file, int note, uint64_t from_ticks);
void marey_file_keep_done(struct marey_file *file, int note);

/* Takes a slot of at least size_bytes (a power of four from MAREY_SLOT_SIZE_MIN to the
 * largest of this file). False when the disk is full. The slot is zero behind its
 * header and holds nothing. */
bool marey_slot_take(struct marey_file *file, uint32_t size_bytes,
                     struct marey_slot *out);
/* Gives it back for the next taker; it then holds nothing. */
void marey_slot_give(struct marey_file *file, struct marey_slot *slot);
uint32_t marey_slot_size_max(const struct marey_file *file);
/* Slots are pieces of the file; else they are memory, and a kill loses them. */
bool marey_file_is_mapped(const struct marey_file *file);
/* Closed event chunks go to ring cells. */
bool marey_file_is_ring(const struct marey_file *file);
/* Cells taken so far by all processes, and how many the ring has. */
uint64_t marey_file_ring_next(const struct marey_file *file, uint32_t *cell_count);

/* Starts a chunk in a slot that holds nothing. The payload before `payload_size` is
 * already in place (the snapshot); the rest must be zero. */
void marey_slot_begin(struct marey_slot *slot, const struct marey_chunk *chunk);

/* Ends the chunk: writes it to the tail (or a ring cell) and empties the slot, zero
 * bytes and all. False when it could not be written: the chunk is lost, the slot is
 * empty all the same. */
bool marey_slot_flush(struct marey_file *file, struct marey_slot *slot,
                      uint32_t payload_size, uint32_t record_count, uint64_t end_ticks);

/* Ends the chunk where it stands and gives the slot's space to it for good: nothing is
 * copied. The slot is then gone (bytes NULL). Where that cannot be (a slot in memory),
 * as marey_slot_flush() and marey_slot_give(). */
bool marey_slot_settle(struct marey_file *file, struct marey_slot *slot,
                       uint32_t payload_size, uint32_t record_count,
                       uint64_t end_ticks);

/* Appends a chunk that never was in a slot; two pieces of payload for convenience. */
bool marey_chunk_append(struct marey_file *file, const struct marey_chunk *chunk,
                        const void *head, size_t head_size, const void *body,
                        size_t body_size, uint8_t codec, uint32_t raw_size);

/* zstd at its fastest level into dst; 0 when it does not fit or does not pay. */
size_t marey_compress(void *dst, size_t dst_capacity, const void *src, size_t src_size);
/* The same at a level that takes its time. */
size_t marey_compress_well(void *dst, size_t dst_capacity, const void *src,
                           size_t src_size);

/* Fills in place_check, and content_check for a closed header. */
void marey_extent_seal(struct marey_extent_header *header);

#endif
