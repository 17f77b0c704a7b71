/* The builder's inside: lod/build.c takes events, lod/write.c writes leaves and all. */
#ifndef MAREY_QUERY_LOD_BUILD_H
#define MAREY_QUERY_LOD_BUILD_H

#include "query/lod/impl.h"

#define LOD_LEAF_SLICES 131072
#define LOD_DEPTH_MAX 65534 /* a row is 16 bits */
#define LOD_FUNCTION_MAX (UINT32_C(1) << 27)

struct lod_slice {
    int64_t begin_ns;
    union {
        int64_t end_ns;
        uint64_t count; /* of a mark (row 0), which has no length */
    };
    uint32_t function;
    uint16_t flags;
    uint16_t row;
};

struct lod_frame {
    int64_t begin_ns; /* of the piece in this leaf */
    int64_t children_ns;
    uint32_t function;
    uint32_t flags;
    bool is_outermost; /* no caller of the same function */
};

struct lod_function {
    struct marey_lod_hist hist;
    uint32_t open_count;
    bool is_used; /* in this leaf */
};

struct lod_lane {
    struct lod_array slices;    /* of struct lod_slice, of the leaf */
    struct lod_array stack;     /* of struct lod_frame */
    struct lod_array functions; /* of struct lod_function, by function */
    struct lod_array used;      /* of uint32_t: functions of this leaf */
    struct lod_array leaves;    /* of uint32_t: node indices */
    int64_t leaf_begin_ns;
    int64_t last_ns;
    uint64_t slice_count;
    uint64_t too_deep;
    uint32_t row_count; /* of the leaf */
    uint32_t row_max;   /* of the lane */
    bool has_begun;
};

struct lod_pending_series {
    struct lod_array samples; /* of struct marey_lod_sample */
    uint32_t lane;
    uint32_t string;
    uint32_t stride; /* values a sample stands for */
    uint32_t filled; /* values in the last sample */
};

struct lod_pending_flow {
    uint64_t flow;
    struct marey_lod_flow arrow;
};

struct marey_lod_builder {
    struct marey_lod_options options;
    struct lod_store store;
    struct lod_lane *lanes; /* owned, lane_count of them */
    uint32_t lane_count;
    int64_t begin_ns;
    int64_t end_ns;
    const double *stretches; /* by extent, of a sample; borrowed; or NULL */
    bool is_empty;           /* a tile that says nothing, not that there is nothing */
};

/* A tile has a fixed window and one lane, whose index here is 0. */
static inline bool
lod_is_tile(const struct marey_lod_builder *builder)
{
    return builder->options.from_ns != INT64_MIN;
}

/* The same, for builders whose memory is their owner's. False: no memory. */
bool lod_builder_init(struct marey_lod_builder *builder,
                      const struct marey_lod_options *options, uint32_t lane_count);
void lod_builder_release(struct marey_lod_builder *builder);

/* Begins a lane in the midst of things: its first leaf begins at `begin_ns`. */
void lod_lane_start(struct lod_lane *lane, int64_t begin_ns);
/* Ends the leaf at `time_ns`; open calls go on in the next. */
void lod_lane_cut(struct marey_lod_builder *builder, uint32_t lane, int64_t time_ns);
/* Forgets the open calls and all that was counted; memory is kept. */
void lod_lane_reset(struct lod_lane *lane);

/* Writes the slices so far as a leaf that ends at `end_ns`, and empties them. */
bool lod_leaf_write(struct marey_lod_builder *builder, uint32_t lane, int64_t end_ns);

/* Closes what is open and writes the last leaf. */
void lod_lane_finish(struct marey_lod_builder *builder, uint32_t lane);

#endif
