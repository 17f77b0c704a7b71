/* The level-of-detail index: any window of a trace as a few thousand rectangles.
 *
 * Per lane a tree by number of slices, not by time, so that a burst of a second inside
 * an idle hour has nodes of its own. Each node keeps, per row, sorted cells at its own
 * resolution: exact slices, or dense blocks (many short slices: the function that took
 * most of the time, coverage, count). Row 0 holds points in time (instants, logs,
 * losses), row d + 1 the calls at depth d.
 *
 * An index is one block of bytes that holds no pointers: it may be kept in a file, sent
 * to a page, and read by another process. A *tile* is an index of one lane and one
 * window, made when a view is nearer than the index reaches.
 *
 * Reading allocates nothing and trusts nothing: marey_lod_open() checks every offset.
 * Freestanding: the same objects run as wasm, and give the same bytes.
 */
#ifndef MAREY_LOD_H
#define MAREY_LOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marey/query.h"
#include "marey/status.h"

/* Flags of a cell and of a rectangle. */
#define MAREY_LOD_DENSE 1       /* many slices: `function` is what took most of it */
#define MAREY_LOD_CLIP_LEFT 2   /* goes on in the node before */
#define MAREY_LOD_CLIP_RIGHT 4  /* goes on in the node after */
#define MAREY_LOD_RAISED 8      /* ended by an exception (a block: at least one) */
#define MAREY_LOD_OPEN 16       /* was still open where the trace ends */
#define MAREY_LOD_CUT 32        /* over, but when was not seen */
#define MAREY_LOD_YIELDED 64    /* the right end is a suspension, not the call's end */
#define MAREY_LOD_RESUMED 128   /* the left end is a resumption, not the call's start */
#define MAREY_LOD_SUSPENDED 256 /* nothing ran: the time between two running parts */
#define MAREY_LOD_INSTANT 512   /* row 0: `function` is a string index */
#define MAREY_LOD_LOG 1024      /* row 0: the same, with values */
#define MAREY_LOD_LOSS 2048     /* row 0: events were lost here */
#define MAREY_LOD_MARKS (MAREY_LOD_INSTANT | MAREY_LOD_LOG | MAREY_LOD_LOSS)
#define MAREY_LOD_EARLIER 4096 /* began before the recording did */

/* ---- building ---- */

struct marey_lod_options {
    uint32_t leaf_slices; /* a leaf node holds so many; 0: 131072 */
    uint32_t resolution;  /* a node's span has so many columns; 0: 2048 */
    uint32_t lane;        /* index; MAREY_NO_INDEX: all */
    int64_t from_ns;      /* of a tile; INT64_MIN and INT64_MAX: all */
    int64_t to_ns;
    bool (*tick)(void *context, double share); /* may be NULL; false stops */
    void *tick_context;
    int64_t min_duration_ns; /* shorter calls are left out, in tiles as in the index */
    /* marey_parallel(), or NULL: one thread, and the same bytes. */
    void (*parallel)(void (*work)(void *context, unsigned worker), void *context);
};
#define MAREY_LOD_ALL                                                                  \
    {                                                                                  \
        0, 0, MAREY_NO_INDEX, INT64_MIN, INT64_MAX, NULL, NULL, 0, NULL                \
    }

struct marey_lod_builder;

/* Over any stream: per lane, times never go back, and an end is the innermost begin's.
 */
enum marey_status marey_lod_builder_new(const struct marey_lod_options *options,
                                        uint32_t lane_count,
                                        struct marey_lod_builder **out);
void marey_lod_begin(struct marey_lod_builder *builder, uint32_t lane, uint32_t depth,
                     uint32_t function, int64_t time_ns, unsigned flags);
void marey_lod_end(struct marey_lod_builder *builder, uint32_t lane, uint32_t depth,
                   int64_t time_ns, unsigned flags);
void marey_lod_mark(struct marey_lod_builder *builder, uint32_t lane, uint32_t string,
                    int64_t time_ns, unsigned flags, uint64_t count);
void marey_lod_counter(struct marey_lod_builder *builder, uint32_t lane,
                       uint32_t string, int64_t time_ns, double value);
void marey_lod_flow(struct marey_lod_builder *builder, uint32_t lane, uint64_t flow,
                    int64_t time_ns, bool is_out);
/* Failures inside are kept and told here. Gives *bytes: free() it. Ends the builder. */
enum marey_status marey_lod_finish(struct marey_lod_builder *builder, uint8_t **bytes,
                                   size_t *size_bytes, struct marey_error *err);

/* Walks the trace (or a tile of it) into a builder, or takes the index that a packed
 * trace brings along. Gives *bytes: free() it. */
enum marey_status marey_lod_build(struct marey_trace *trace,
                                  const struct marey_lod_options *options,
                                  uint8_t **bytes, size_t *size_bytes,
                                  struct marey_error *err);

/* An index of a sample of about so many events: right in what is longer than some
 * milliseconds, a likeness in what is shorter, and there at once. The trace is good for
 * nothing else afterwards. MAREY_USAGE: marey_lod_build() is as quick. Gives *bytes:
 * free() it.
 */
enum marey_status marey_lod_build_coarse(struct marey_trace *trace,
                                         const struct marey_lod_options *options,
                                         uint64_t sample_events, uint8_t **bytes,
                                         size_t *size_bytes, struct marey_error *err);

/* ---- reading ---- */

/* Views of the block's parts; borrowed from it. Fill it with marey_lod_open(). */
struct marey_lod {
    const uint8_t *bytes; /* borrowed until the reader is done; 8-byte aligned */
    const struct marey_lod_header *header;
    const struct marey_lod_lane *lanes;
    const struct marey_lod_node *nodes;
    const uint32_t *rows;
    const struct marey_lod_cell *cells;
    const struct marey_lod_hist *hists;
    const struct marey_lod_series *series;
    const struct marey_lod_sample *samples;
    const struct marey_lod_flow *flows;
    const struct marey_lod_context *contexts;
    const struct marey_lod_part *parts;
    const uint8_t *sums;
};
enum marey_status marey_lod_open(const uint8_t *bytes, size_t size_bytes,
                                 struct marey_lod *out);

/* Has totals and call trees of the trace made from the sums of its own index, where
 * that is exact: by addition instead of playing. The bytes are borrowed until the trace
 * is closed; an index that is not of this trace is not taken (false). One that a packed
 * trace brings along is found without this. */
bool marey_lod_use(struct marey_trace *trace, const uint8_t *bytes, size_t size_bytes);

/* Only what marey_lod_use() wants of an index: a small fraction of its bytes. Gives
 * *bytes: free() it; NULL where the index has no sums. False: no memory. */
bool marey_lod_sums(const struct marey_lod *lod, uint8_t **bytes, size_t *size_bytes);

struct marey_lod_rect {
    float left; /* pixels from the window's left edge, clipped to the window */
    float right;
    uint32_t function; /* index; of marks: string */
    uint16_t row;
    uint8_t coverage; /* of 255 */
    uint8_t count;    /* of a dense block: marey_lod_count_of() */
    uint32_t flags;
};

struct marey_lod_window {
    int64_t from_ns;
    int64_t to_ns;
    uint32_t width; /* pixels */
    uint32_t lane;
    uint32_t row_first;
    uint32_t row_count;
};

/* What `tiles` may be used for the window: those that cover a part of it more finely
 * than the index does. Writes at most `capacity` rectangles, row after row, in time
 * order, and returns how many. *is_coarse says that nearer detail exists. */
size_t marey_lod_query(const struct marey_lod *index, const struct marey_lod *tiles,
                       uint32_t tile_count, const struct marey_lod_window *window,
                       struct marey_lod_rect *out, size_t capacity, bool *is_coarse);

/* Rows of a lane that hold anything in the window, row 0 included. */
uint32_t marey_lod_row_count(const struct marey_lod *index, uint32_t lane);

/* Slices a code stands for (exact to 15, then within 12 %). */
uint64_t marey_lod_count_of(uint8_t code);

/* Share of time (0..1) that functions with in_set[function] took on the lanes of
 * `lanes` (NULL: all), per bucket of the window. Approximate below a leaf node. */
void marey_lod_density(const struct marey_lod *index, const uint8_t *in_set,
                       uint32_t function_count, const uint8_t *lanes, int64_t from_ns,
                       int64_t to_ns, float *buckets, uint32_t bucket_count);

/* Points of a counter for the window: x, low, high, last per pixel column that has
 * one. Returns how many groups of four floats were written. */
size_t marey_lod_counter_query(const struct marey_lod *index, uint32_t series,
                               int64_t from_ns, int64_t to_ns, uint32_t width,
                               float *out, size_t capacity);

/* ---- the block ---- */

#define MAREY_LOD_MAGIC UINT64_C(0x32444F4C59524D89)
#define MAREY_LOD_LEVEL_MAX 16
#define MAREY_LOD_FAN_OUT 4

struct marey_lod_header {
    uint64_t magic;
    uint64_t size_bytes;
    int64_t begin_ns;
    int64_t end_ns;
    uint32_t lane_count;
    uint32_t node_count;
    uint32_t row_count;
    uint32_t cell_count;
    uint32_t hist_count;
    uint32_t series_count;
    uint32_t sample_count;
    uint32_t flow_count;
    uint32_t
        lane_first; /* lane index of the first entry of lanes; of a tile: its lane */
    uint32_t reserved;
    uint64_t lanes_at; /* all offsets are multiples of 8 */
    uint64_t nodes_at;
    uint64_t rows_at;
    uint64_t cells_at;
    uint64_t hists_at;
    uint64_t series_at;
    uint64_t samples_at;
    uint64_t flows_at;
    uint32_t context_count; /* of sums; 0, or root included */
    uint32_t part_count;
    uint64_t contexts_at;
    uint64_t parts_at;
    uint64_t sums_at;
    uint64_t sums_size;
};
struct marey_lod_lane {
    uint32_t level_first[MAREY_LOD_LEVEL_MAX]; /* node index; level 0 = leaves */
    uint32_t level_nodes[MAREY_LOD_LEVEL_MAX];
    uint32_t level_count; /* 0: nothing happened */
    uint32_t row_max;     /* rows used, row 0 included */
    uint64_t slice_count;
};
struct marey_lod_node {
    int64_t begin_ns;
    int64_t end_ns;
    int64_t unit_ns;    /* of a cell's times */
    int64_t grain_ns;   /* slices shorter than this may be in blocks; 0: all exact */
    uint32_t row_first; /* into rows: row_count + 1 cell indices */
    uint32_t row_count;
    uint32_t hist_first; /* leaves only */
    uint32_t hist_count;
};
struct marey_lod_cell {
    uint16_t start; /* units from the node's begin */
    uint16_t end;
    uint16_t flags;
    uint8_t coverage;
    uint8_t count;
    uint32_t function;
};
struct marey_lod_hist {
    uint32_t function;
    uint32_t call_count;
    int64_t total_ns; /* inside it within the node, recursion counted once */
    int64_t self_ns;
};
struct marey_lod_series {
    uint32_t lane;
    uint32_t string;
    uint32_t sample_first;
    uint32_t sample_count;
    double low, high;
    uint32_t is_thinned; /* samples stand for several */
    uint32_t reserved;
};
struct marey_lod_sample {
    int64_t time_ns;
    double low, high, last;
};
struct marey_lod_flow {
    int64_t out_ns;
    int64_t in_ns;
    uint32_t out_lane;
    uint32_t in_lane;
};

/* A calling context: a function called in another context. Number 0 is outside of all
 * calls; a parent has a lower number. */
struct marey_lod_context {
    uint32_t parent;
    uint32_t function;
};
/* Chunks of a lane that follow each other, and the sums of all that is in them; by lane
 * and time. The bytes are as src/query/sums/put.c says. */
struct marey_lod_part {
    uint32_t lane;
    uint32_t chunk_count;
    uint64_t sequence; /* of the first chunk */
    uint64_t event_count;
    int64_t begin_ns; /* of the first chunk */
    int64_t end_ns;   /* where the chunk behind begins */
    uint64_t sums_at; /* into the sums' bytes */
    uint64_t sums_size;
    uint64_t logs_at; /* the same, of activations that live longer */
    uint64_t logs_size;
};

#endif
