/* Sums of whole parts of a lane, so that totals of any window are made by addition, and
 * only what lies at the window's edges is played.
 *
 *     chunks of a lane   [..][..][..][..][..][..][..][..]
 *     parts of the index |   sums   |   sums   |   sums  |         (lod/part.h)
 *     a window               <------------------->
 *                            play |   add    | play
 *
 * What a part's sums say is exactly what playing it would: of each calling context how
 * often and how long; of each function how many durations of which length; which calls
 * are open at its end; and, in order, what became of generators that were alive before
 * it or are behind it. A player that skips the part is afterwards where it would be.
 *
 * Parts of a process of which something is lost (what a gap hides on one thread may be
 * the end of a generator that another resumes), odd ones, the last part of each lane,
 * and those whose sums would take more than SUMS_SIZE_MAX bytes have none: they are
 * played.
 *
 * sums/make.c  beats of a part -> sums
 * sums/put.c   sums -> bytes of the index
 * sums/get.c   and back, nothing of them trusted
 * sums/skip.c  a player past a part
 */
#ifndef MAREY_QUERY_SUMS_H
#define MAREY_QUERY_SUMS_H

#include "query/histogram.h"
#include "query/lod/impl.h"
#include "query/player.h"

#define SUMS_SIZE_MAX 65536
#define SUMS_CONTEXTS_MAX 32768 /* of a part */
#define SUMS_LOGS_MAX 16384
#define SUMS_ALL_CONTEXTS_MAX (UINT32_C(1) << 19)

/* A calling context: a function and the context it was called in. 0 is outside of all
 * calls. What is counted is counted at the end of a call's first running part, as in
 * totals.c. */
struct sums_context {
    uint32_t parent; /* lower than its own number */
    uint32_t function;
    uint32_t last_child; /* while it is made: the one found last */
    uint64_t begun_count;
    uint64_t call_count;
    uint64_t raised_count;
    int64_t self_ns;
    uint64_t cost_ps; /* of its own events */
    struct durations ended;
};

/* An activation that is not born and over inside the part. */
enum sums_origin {
    SUMS_BEGUN,  /* in the part */
    SUMS_KEY,    /* first seen when it was resumed */
    SUMS_OPEN,   /* ran where the part begins */
    SUMS_FORGET, /* not one: from here on the key means another */
};
enum sums_fate {
    SUMS_ENDED,
    SUMS_FORGOTTEN, /* its key means another */
    SUMS_SUSPENDED,
    SUMS_STILL_OPEN, /* runs where the part ends */
    SUMS_NONE,       /* nothing to say */
};
struct sums_log {
    uint32_t origin, fate;
    bool is_raised;
    bool is_first_due;  /* a first part of it may have ended here, in `first` */
    uint64_t key;       /* KEY, FORGET, SUSPENDED */
    uint32_t first;     /* context */
    uint32_t last;      /* context */
    uint32_t depth_in;  /* OPEN: 1 is the outermost */
    uint32_t depth_out; /* STILL_OPEN */
    int64_t running_ns; /* parts that ended here */
};

/* A call that is open where the part ends, and was not where it began. */
struct sums_open {
    uint32_t context;
    int64_t begin_ns; /* of its running part */
    bool is_resumed;
};

struct sums_bucket {
    uint32_t function;
    uint32_t bucket;
    uint32_t count;
};

/* The sums of one part. Usable when all zero. */
struct sums {
    struct lod_array contexts; /* of struct sums_context; of what is read: used ones */
    struct lod_array numbers;  /* of uint32_t: of what is read, their contexts */
    struct lod_array logs;     /* of struct sums_log */
    struct lod_array opens;    /* of struct sums_open */
    struct lod_array buckets;  /* of struct sums_bucket, by function, bucket */
    uint32_t start;            /* context of the innermost call where it begins */
    uint32_t keep;             /* so many of its calls are still open at the end */
    int64_t begin_ns, end_ns;
    uint64_t event_count;
    bool is_whole; /* false: there is nothing to use */
};
void sums_release(struct sums *sums);

/* ---- making ---- */

struct sums_frame {
    uint32_t context;
    uint32_t alive; /* index of its activation + 1; 0: a plain call so far */
    bool was_open;
};
struct sums_alive {
    uint64_t key;
    int64_t running_ns;
    uint32_t function;
    uint32_t context; /* of its latest part */
    uint32_t log;     /* + 1; 0: begun here */
    uint32_t next_free;
    bool is_suspended;
};
/* Makes sums, part after part. */
struct sums_maker {
    struct sums sums;
    struct lod_array stack;  /* of struct sums_frame */
    struct lod_array alives; /* of struct sums_alive */
    struct marey_table children;
    struct marey_table suspended; /* key -> alives */
    struct marey_table touched;   /* keys */
    uint32_t *histogram_of;       /* owned; by function: + 1 */
    uint32_t function_count;
    struct lod_array histograms; /* of struct histogram */
    struct lod_array used;       /* of uint32_t: functions */
    struct histogram_pool pool;
    uint32_t free_alive; /* + 1 */
    int64_t last_ns;
    uint64_t last_cost;
    bool has_no_keys; /* no memory for `touched` */
    bool has_gap;     /* something was lost in the part */
    bool is_broken;   /* what comes cannot be summed */
};
bool sums_maker_init(struct sums_maker *maker, uint32_t function_count);
void sums_maker_release(struct sums_maker *maker);
void sums_begin(struct sums_maker *maker, int64_t begin_ns);
void sums_beat(struct sums_maker *maker, const struct player *player,
               const struct beat *beat);
/* A key of activations that the part suspends or resumes. */
struct sums_key {
    uint64_t key;
    bool is_left; /* suspended where the part ends */
};
/* Appends all of them, also of a part that cannot be summed. False: no memory. */
bool sums_keys(const struct sums_maker *maker, struct lod_array *out);
/* The part is over, with the lane's calls as they are. Gives *out, which may be not
 * whole. */
void sums_end(struct sums_maker *maker, const struct player_lane *lane, int64_t end_ns,
              struct sums *out);

/* ---- the index ---- */

/* What is known of all parts of a trace while their sums are put together. Usable when
 * all zero. */
struct sums_contexts {
    struct marey_table index;  /* parent, function -> number */
    struct marey_table owners; /* of keys, with their process: lane, or shared */
    struct marey_table left;   /* those that are suspended where a part ends */
    struct marey_table gaps;   /* processes of which something was lost */
    struct lod_array logs; /* of struct sums_part_logs: of the parts that were put */
};
void sums_contexts_release(struct sums_contexts *contexts);

/* Appends the sums of a part to the store; its logs are taken. False: no memory. */
bool sums_put(struct lod_store *store, struct sums_contexts *contexts,
              struct sums *sums, const struct marey_lod_part *where, uint32_t process);

/* Notes the keys of a part, summed or not, and whether something of it was lost.
 * False: no memory. */
bool sums_put_keys(struct sums_contexts *contexts, const struct lod_array *keys,
                   bool has_gap, uint32_t lane, uint32_t process);
/* When all parts are there: what became of activations. Takes out parts with some that
 * other threads may have touched before or after, and those of processes with gaps:
 * that is not told by a lane alone. False: no memory. */
bool sums_put_end(struct lod_store *store, struct sums_contexts *contexts);

/* Sums of a part out of an index. False: they are wrong. */
bool sums_get(const struct marey_lod *lod, const struct marey_lod_part *part,
              uint32_t function_count, struct sums *out);

/* Adds what a part says of a context to what others said. */
static inline void
sums_add(struct sums_context *to, const struct sums_context *from)
{
    to->begun_count += from->begun_count;
    to->call_count += from->call_count;
    to->raised_count += from->raised_count;
    to->self_ns = clock_sum(to->self_ns, from->self_ns);
    to->cost_ps += from->cost_ps;
    durations_add(&to->ended, &from->ended);
}

/* ---- skipping ---- */

/* The index whose sums a trace is read with. */
struct trace_sums {
    struct marey_lod lod;
    uint8_t *owned;       /* NULL: the caller's */
    uint32_t *lane_first; /* owned; parts of each lane, lanes + 1 of them */
};
void sums_trace_release(struct marey_trace *trace);

/* Whether anything of this selection may be taken from sums. */
bool sums_are_of_use(struct marey_trace *trace,
                     const struct marey_selection *selection);
/* The part that begins with the chunk which the stream is about to open, if the player
 * may skip it: fills *out. */
bool sums_find(struct player *player, const struct player_stream *stream,
               struct sums *out, uint32_t *chunk_count);
/* Makes the stream stand behind the part: its lane's calls are those at its end, their
 * times count from there. `taken` is told of each call that is gone, innermost first,
 * then `given` of each that is new. False: no memory. */
bool sums_skip(struct player *player, struct player_stream *stream,
               const struct sums *sums, uint32_t chunk_count,
               void (*taken)(void *context, struct player_lane *lane,
                             struct frame *frame),
               void (*given)(void *context, struct player_lane *lane,
                             struct frame *frame),
               void *context);

#endif
