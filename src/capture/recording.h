/* The recording of this process, as the files of this folder share it. */
#ifndef MAREY_CAPTURE_RECORDING_H
#define MAREY_CAPTURE_RECORDING_H

#include <pthread.h>
#include <stdatomic.h>

#include "marey/capture.h"

/* Where the lanes of a ring stand (places.c); the lock of the definitions guards it. */
struct places {
    struct place_block *blocks; /* owned; the newest first */
    struct marey_place *free;
    struct marey_place *ended, *last_ended; /* in the order their threads ended */
};

/* The definition stream of the process. */
struct definitions {
    pthread_mutex_t lock; /* of all fields, and of the tables in define.c */
    struct marey_slot slot;
    uint32_t size;         /* bytes of payload so far */
    uint32_t record_count; /* in this chunk */
    uint64_t sequence;
    uint64_t first_index;
    uint64_t source_sequence;
    struct places places;
};

struct marey_recording {
    struct marey_file *file; /* owned */
    struct marey_clock clock;
    uint32_t process; /* serial */
    uint32_t max_depth;
    uint64_t min_duration_ticks;
    bool is_careful; /* every event takes the slow way: filters, or no counter */
    uint64_t start_ticks;
    uint64_t start_ns;
    _Atomic uint64_t next_pair_ticks; /* when the next CLOCK record is due */
    _Atomic uint64_t pair_interval_ticks;
    _Atomic uint64_t
        next_clock_ticks;     /* a CLOCK record before is not worth its bytes */
    struct marey_lane *lanes; /* all lanes of live threads; marey_lanes_lock */
    struct definitions definitions;
    char *options_text; /* owned */
    uint64_t flow;      /* the arrow that leads here; 0: none */
    bool flow_is_due;   /* its end is still to be written */
    bool no_children;
    _Atomic uint32_t flow_count; /* arrows that started here */
};

/* NULL: not recording. Read by the slow path of any thread, written by start and stop,
 * which the interpreter's side calls when no hook is running. */
extern struct marey_recording *_Atomic marey_recording_now;
extern pthread_mutex_t marey_lanes_lock;

/* True in a forked child that has not made itself known yet. */
extern atomic_bool marey_is_forked;
/* Clock records and the caller's tick, when they are due. Called at each roll. */
void marey_recording_housekeep(struct marey_recording *recording, uint64_t now);
/* Has the lane finished when the calling thread ends. */
void marey_thread_watch(struct marey_lane *lane);

/* ---- events.c ---- */

/* The arrow that leads to this process ends here, as the lane's next event. */
void marey_lane_flow_in(struct marey_lane *lane, uint64_t flow);

/* ---- lane.c ---- */

/* Room for one event of at most MAREY_EVENT_SIZE_MAX bytes: rolls the chunk when there
 * is none. */
void marey_lane_room(struct marey_lane *lane);
/* The calls that are open, as a snapshot; at most so many bytes each, and ten. */
#define SNAPSHOT_ENTRY_MAX 15
size_t marey_lane_put_stack(const struct marey_lane *lane, uint8_t *at,
                            uint32_t *depth);
/* Asks for the thread's name again: it may have another now. */
void marey_lane_look(struct marey_lane *lane);
/* Closes the chunk and starts the next. */
void marey_lane_roll(struct marey_lane *lane);
/* Closes what the lane has in memory, events and values, and starts anew. */
void marey_lane_spill(struct marey_lane *lane);
/* Closes the chunk for good, says that the lane ended, gives its slots back. */
void marey_lane_finish(struct marey_lane *lane, uint64_t end_ticks);
void marey_lane_free(struct marey_lane *lane);
/* Room for one more call; false: out of memory or too deep. */
bool marey_stack_grow(struct marey_lane *lane);
/* In a forked child: the lane starts anew in the child's name. */
void marey_lane_forked(struct marey_lane *lane);

/* ---- define.c ---- */

/* Process, options, and all that was defined in earlier recordings. */
void marey_definitions_start(struct marey_recording *recording, uint32_t parent,
                             const struct marey_process_texts *texts,
                             const char *options_text);
void marey_definitions_forked(struct marey_recording *recording, uint32_t parent);
/* Closes the chunk of definitions; the next record starts another. */
void marey_definitions_spill(struct marey_recording *recording);
void marey_definitions_stop(struct marey_recording *recording);
void marey_define_lane(struct marey_recording *recording, struct marey_lane *lane);
void marey_define_lane_name(struct marey_recording *recording, struct marey_lane *lane);
void marey_define_lane_end(struct marey_recording *recording, struct marey_lane *lane,
                           uint64_t ticks);
void marey_define_clock(struct marey_recording *recording);
void marey_define_process_end(struct marey_recording *recording, int exit_status,
                              bool has_exit_status);

/* ---- places.c; with the lock of the definitions held ---- */

/* Lanes have places: the file is a ring, and is mapped. */
bool marey_places_are_used(const struct marey_recording *recording);
bool marey_places_have_room(struct marey_recording *recording);
/* More of them, as a chunk of the stream of definitions with so many records. False: no
 * memory, or no disk. */
bool marey_places_add(struct marey_recording *recording, uint64_t sequence,
                      uint64_t first_index, uint32_t *record_count);
/* A free place becomes the lane's, until marey_place_end(). False: there is none, or
 * the name is too long for one. */
bool marey_place_take(struct marey_recording *recording, struct marey_lane *lane);
/* lane->name is new. False: as marey_place_take(), and nothing was done. */
bool marey_place_rename(struct marey_recording *recording, struct marey_lane *lane);
/* The lane's chunks are all written. */
void marey_place_end(struct marey_recording *recording, struct marey_lane *lane,
                     uint64_t end_ticks);
/* Closes their chunks. */
void marey_places_stop(struct marey_recording *recording);
/* In a forked child, which must not touch them. */
void marey_places_forget(struct places *places);

static inline uint64_t
marey_recording_ticks(const struct marey_recording *recording)
{
    return marey_ticks(recording->clock.kind == MAREY_CLOCK_TSC,
                       recording->clock.shift);
}

#endif
