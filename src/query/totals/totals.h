/* What totals are made of: totals.c plays events, totals/add.c adds sums of parts. */
#ifndef MAREY_QUERY_TOTALS_H
#define MAREY_QUERY_TOTALS_H

#include "query/histogram.h"
#include "query/player.h"
#include "query/sums/sums.h"

/* frame.mark */
#define MARK_RECURSIVE 1      /* the function was open already */
#define MARK_EDGE_RECURSIVE 2 /* and called by the same one */
#define MARK_EDGE_COUNTED 4   /* in the lane's table of edges */

/* What is summed for a function and for an edge alike. */
struct counts {
    uint64_t call_count;
    uint64_t raised_count;
    uint64_t open_count;
    int64_t total_ns;
    int64_t self_ns;
    struct durations ended;         /* of recursive calls, too */
    uint64_t total_cost, self_cost; /* picoseconds */
};
struct row {
    struct counts sums;
    uint32_t last_caller;
    uint32_t last_edge; /* index; MAREY_NO_INDEX: none yet */
    uint32_t histogram; /* index + 1; 0: none yet */
    bool is_called;
};
struct edge {
    struct counts sums;
    uint32_t function;
    uint32_t caller;
};

/* How often something is open on a lane. Entries stay when their count is 0, until the
 * table is full. */
struct open_entry {
    uint32_t what; /* + 1; 0: free */
    uint32_t count;
    uint32_t first_edge; /* of the outermost */
};
struct open_table {
    struct open_entry *entries; /* owned */
    uint32_t capacity;          /* a power of two, or 0 */
    uint32_t used;
};
struct lane_tables {
    struct open_table functions;
    struct open_table edges; /* of recursive calls only */
};

struct marey_totals {
    struct row *rows; /* owned; by function index */
    uint32_t row_count;
    uint32_t *called; /* owned; function indices */
    uint32_t called_count;
    struct edge *edges; /* owned */
    size_t edge_count, edge_capacity;
    struct marey_table edge_index; /* caller, callee -> edge */
    struct histogram *histograms;  /* owned */
    size_t histogram_count, histogram_capacity;
    struct histogram_pool pool;
    struct lane_tables *lanes; /* owned; by lane index; gone when the walk is over */
    uint32_t lane_count;
    uint64_t lost_count;
    struct sums_context *added; /* owned; by number of the index's contexts; or NULL */
    struct sums read;           /* of the part that is added */
    bool is_out_of_memory;
};

/* The edge's index, made where it is new; MAREY_NO_INDEX: no memory. */
uint32_t totals_edge(struct marey_totals *totals, uint32_t caller, uint32_t function);
/* The durations of the row's calls, by length. NULL: no memory. */
struct histogram *totals_histogram(struct marey_totals *totals, struct row *row);
/* Counts a call of the row that lasted so long among its durations. */
void totals_duration(struct marey_totals *totals, struct row *row, int64_t duration_ns);
/* The call is no longer, or newly, among those that are open on the lane. */
void totals_close(struct marey_totals *totals, struct player_lane *lane,
                  struct frame *frame);
void totals_open(struct marey_totals *totals, struct player_lane *lane,
                 struct frame *frame);

/* A player's skip: adds the part that comes, if there are sums of it. */
bool totals_skip(void *context, struct player *player, struct player_stream *stream);
/* Sums by context become rows and edges. False: no memory. */
bool totals_fold(struct marey_totals *totals, const struct marey_trace *trace);

#endif
