/* What the files of the level-of-detail index share: growable arrays and items.
 *
 * lod/build.c  streams of slices -> leaf nodes, counters, flows
 * lod/cells.c  slices or cells of one row -> cells at a node's grain; parent nodes
 * lod/walk.c   a trace -> the stream
 * lod/parts.c  a whole trace -> parts that are made apart, on several cores
 * lod/part.c   one of them
 * lod/coarse.c a sample of a trace -> an index for the first moment
 * lod.c        an index -> rectangles
 * lod/hist.c   an index -> density of a search
 * lod/stored.c the index that a trace brings along
 * sums*.c      sums of whole parts, for totals by addition
 */
#ifndef MAREY_QUERY_LOD_IMPL_H
#define MAREY_QUERY_LOD_IMPL_H

#include <stdlib.h>
#include <string.h>

#include "marey/lod.h"

/* A growable array of any type. */
struct lod_array {
    void *items; /* owned */
    size_t count;
    size_t capacity;
};

/* Room for `extra` more items of `size` bytes; NULL when there is no memory. */
void *lod_array_add(struct lod_array *array, size_t extra, size_t size);

/* The same for one, where it is done for each event. */
static inline void *
lod_array_one(struct lod_array *array, size_t size)
{
    if (__builtin_expect(array->count == array->capacity, 0))
        return lod_array_add(array, 1, size);
    return (char *)array->items + array->count++ * size;
}

/* One stretch of a row, at full precision. */
struct lod_item {
    int64_t begin_ns;
    int64_t end_ns;
    int64_t busy_ns;
    uint64_t count;
    uint32_t function;
    uint32_t flags;
};

/* All output of a build; node and cell indices point into these. */
struct lod_store {
    struct lod_array nodes;    /* of struct lod_pending_node */
    struct lod_array rows;     /* of uint32_t */
    struct lod_array cells;    /* of struct marey_lod_cell */
    struct lod_array hists;    /* of struct marey_lod_hist */
    struct lod_array series;   /* of struct lod_pending_series */
    struct lod_array flows;    /* of struct lod_pending_flow */
    struct lod_array contexts; /* of struct marey_lod_context */
    struct lod_array parts;    /* of struct marey_lod_part */
    struct lod_array sums;     /* bytes */
    bool is_out_of_memory;     /* sticky: everything after is dropped */
};

void lod_store_release(struct lod_store *store);

struct lod_pending_node {
    struct marey_lod_node node;
    uint32_t lane;
    uint32_t level;
};

/* Joins the items of one row, given in time order: what is shorter than the grain and
 * near to its neighbours becomes a block. `put` gets what comes out, in order. */
struct lod_merger {
    void (*put)(void *context, const struct lod_item *item);
    void *context; /* borrowed until the last flush */
    int64_t grain_ns;
    struct lod_item block; /* count 0: none */
    int64_t vote_ns;       /* Boyer-Moore: lead of block.function */
};
void lod_merger_item(struct lod_merger *merger, const struct lod_item *item);
void lod_merger_flush(struct lod_merger *merger);

/* A merger whose output becomes cells of a node. */
struct lod_cell_sink {
    struct lod_store *store;
    const struct marey_lod_node *node;
};
void lod_merger_to_cells(struct lod_merger *merger, struct lod_cell_sink *sink);

/* Sets unit and grain of a node from its times. */
void lod_node_scale(struct marey_lod_node *node, uint32_t resolution);

/* The stretch a cell stands for. */
struct lod_item lod_cell_item(const struct marey_lod_node *node,
                              const struct marey_lod_cell *cell);

/* Adds the levels above the leaves of a lane; `leaves` are indices of its nodes in
 * time order. Fills the lane's level table with indices into `order`, to which the node
 * indices are appended level by level. */
bool lod_levels_build(struct lod_store *store, const uint32_t *leaves, uint32_t count,
                      uint32_t resolution, struct lod_array *order,
                      struct marey_lod_lane *lane);

uint8_t lod_count_code(uint64_t count);

/* Gives the index that the trace brings along: free() it. False: it has none for these
 * options, or one that does not fit. */
bool lod_stored(struct marey_trace *trace, const struct marey_lod_options *options,
                uint8_t **bytes, size_t *size_bytes);

#endif
