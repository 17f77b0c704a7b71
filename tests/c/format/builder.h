/* Traces made up in memory, event by event, valid ones and others.
 *
 *     struct builder *b = builder_new();
 *     builder_process(b, 1, 0);
 *     builder_function(b, 1, 7, "work");
 *     struct builder_lane *lane = builder_lane(b, 1, 1);
 *     lane_enter(lane, 10, 7);
 *     lane_leave(lane, 10);
 *     struct marey_byte_source source = builder_source(b);
 *
 * A tick is a nanosecond, and the origin is tick 1000. Numbers before an event are the
 * ticks since the one before it.
 */
#ifndef MAREY_TESTS_FORMAT_BUILDER_H
#define MAREY_TESTS_FORMAT_BUILDER_H

#include "marey/format_encode.h"

#define BUILDER_ORIGIN 1000
#define BUILDER_DEPTH_MAX 64

struct builder;
struct builder_lane {
    struct builder *builder;
    struct marey_encoder out; /* the chunk that is being filled */
    uint32_t process, lane;
    uint64_t sequence, first_index, base_ticks, ticks;
    uint32_t snapshot_size, start_depth, count;
    struct marey_snapshot_entry stack[BUILDER_DEPTH_MAX];
    uint32_t depth;
    bool is_begun;
};

struct builder *builder_new(void);
void builder_free(struct builder *builder);
struct marey_file_header *builder_header(struct builder *builder);

/* An extent at the tail; `head` says what it is, sizes and checks are filled in where
 * they are 0. Returns its offset. `slot_size`: bytes of the whole extent, 0: as many as
 * it needs. */
uint64_t builder_put(struct builder *builder, const struct marey_extent_header *head,
                     const void *payload, size_t size_bytes, uint32_t slot_size);
void builder_put_raw(struct builder *builder, const void *bytes, size_t size_bytes);

/* Definitions; written when the file is asked for, or by builder_define_all(). */
void builder_process(struct builder *builder, uint32_t serial, uint32_t parent);
/* The same, sharing the first so many strings and functions of its parent. */
void builder_fork(struct builder *builder, uint32_t serial, uint32_t parent,
                  uint32_t strings, uint32_t functions);
void builder_string(struct builder *builder, uint32_t process, uint32_t id,
                    const char *text);
void builder_function(struct builder *builder, uint32_t process, uint32_t id,
                      const char *name);
void builder_function_of(struct builder *builder, uint32_t process, uint32_t id,
                         const char *name, uint32_t module, uint32_t file,
                         uint32_t line, uint32_t flags);
void builder_record(struct builder *builder, uint32_t process, uint8_t tag,
                    const void *body, size_t size_bytes);
/* Defines the lane, too, as a thread. */
struct builder_lane *builder_lane(struct builder *builder, uint32_t process,
                                  uint32_t serial);
/* Only its definition. */
void builder_define_lane(struct builder *builder, uint32_t process, uint32_t serial,
                         uint32_t kind);
void builder_define_all(struct builder *builder);

/* Events. */
void lane_event(struct builder_lane *lane, uint64_t dt, struct marey_event event);
void lane_enter(struct builder_lane *lane, uint64_t dt, uint32_t function);
void lane_leave(struct builder_lane *lane, uint64_t dt);
void lane_yield(struct builder_lane *lane, uint64_t dt, uint64_t key);
void lane_resume(struct builder_lane *lane, uint64_t dt, uint32_t function,
                 uint64_t key);
void lane_instant(struct builder_lane *lane, uint64_t dt, uint32_t string);
/* Ends the chunk; the next event starts another one. */
void lane_seal(struct builder_lane *lane);
/* The same, but it stays open, in a slot of this size. */
void lane_leave_open(struct builder_lane *lane, uint32_t slot_size);
/* Forgets the present chunk's events: the next chunk follows a gap. */
void lane_lose(struct builder_lane *lane);

/* The whole file; borrowed until the next change. */
const uint8_t *builder_bytes(struct builder *builder, size_t *size_bytes);
uint8_t *builder_at(struct builder *builder, uint64_t offset);

/* The file as a source; the builder stays as it is until that is done with. */
struct marey_byte_source builder_source(struct builder *builder);

#endif
