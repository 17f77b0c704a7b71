/* Parts of the index that are made apart from each other.
 *
 *     chunks of a lane   [..][..][..][..][..][..][..][..]
 *     parts               ------------  ------------  --
 *                         |  part 0  |  |  part 1  |       each: its leaves, and what
 *                         play, leaf |  play, leaf |       order matters for (counters)
 *     commit              0, then 1, then ...              appended in this order
 *
 * Every chunk decodes alone, so a part needs nothing of those before. It begins where
 * headers say that nothing was lost; that its open calls are those with which the part
 * before ended shows when both are there, and where it is not so the two are made anew
 * as one. So the index is the same bytes, however many workers there are.
 */
#ifndef MAREY_QUERY_LOD_PART_H
#define MAREY_QUERY_LOD_PART_H

#include "query/lod/build.h"
#include "query/player.h"
#include "query/sums/sums.h"

/* A call that was open where a part begins or ends. */
struct lod_call {
    int64_t begin_ns;
    uint32_t function;
    bool is_resumed;
};

/* A counter or one end of an arrow. */
struct lod_point {
    int64_t time_ns;
    uint64_t flow;
    double value;
    uint32_t string;
    uint32_t kind; /* MAREY_EVENT_* */
};

enum lod_part_state {
    PART_WAITING,
    PART_MADE,
    PART_FAILED, /* the worker knows why */
    PART_JOINED, /* is in another one now */
};

struct lod_part {
    struct marey_stream chunks;
    uint32_t lane;
    bool is_first; /* of its lane */
    bool is_last;
    int64_t begin_ns; /* unless it is the first */
    int64_t end_ns;   /* unless it is the last */
    uint32_t state;   /* enum lod_part_state; shared: its worker writes */
    /* What was made. */
    struct lod_store store;      /* owned: nodes, rows, cells, hists */
    struct lod_array points;     /* of struct lod_point */
    struct lod_array open_first; /* of struct lod_call */
    struct lod_array open_last;
    uint64_t slice_count;
    uint32_t row_max;
    int64_t seen_from_ns, seen_to_ns;
    struct sums sums;      /* owned */
    struct lod_array keys; /* of struct sums_key */
    bool has_gap;
    bool is_torn; /* something is lost or odd at one of its ends */
};

/* Who makes parts, one after the other. */
struct lod_worker {
    struct player player;
    const double *stretches; /* by extent; borrowed; NULL: times are as they are */
    struct marey_lod_builder builder; /* of one lane */
    struct sums_maker maker;
    enum marey_status status;
    struct marey_error error;
    bool is_ready;
};

bool lod_worker_init(struct lod_worker *worker, struct marey_trace *trace,
                     const struct marey_lod_options *options);
void lod_worker_release(struct lod_worker *worker);

/* Makes the part. False: worker->status says why. */
bool lod_part_make(struct lod_worker *worker, struct lod_part *part);
void lod_part_release(struct lod_part *part);

/* Walks the whole trace by parts into the builder. MAREY_USAGE: it cannot be done so,
 * and nothing was done. */
enum marey_status lod_parts_build(struct marey_trace *trace,
                                  struct marey_lod_builder *builder,
                                  struct marey_error *err);

#endif
