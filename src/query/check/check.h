/* What the parts of marey_trace_check() share.
 *
 * check.c          the file, its extents, streams in order
 * check/events.c   events of a lane: nesting, ids, snapshots
 * check/records.c  definitions, blobs, sources
 */
#ifndef MAREY_QUERY_CHECK_H
#define MAREY_QUERY_CHECK_H

#include "query/trace.h"

struct check_call {
    uint64_t start_ticks;
    uint32_t function; /* id in the process */
    bool is_resumed;
};

struct checker {
    struct marey_trace *trace;
    void (*report)(void *context, uint64_t offset, const char *line);
    void *context;
    uint64_t finding_count;
    enum marey_status status;          /* of the checker itself: memory, reading */
    const struct marey_extent *extent; /* being checked; NULL: none */
    const struct process *process;     /* whose it is */
    uint32_t told;                     /* findings in this extent */
    uint8_t *payload;                  /* owned; of the extent */
    size_t payload_room;
    struct check_call *stack; /* owned */
    size_t stack_capacity;
    uint32_t depth, depth_max;       /* of the lane: now, and at most so far */
    uint64_t open_calls;             /* these at most, of all lanes before it */
    uint64_t blob_count;             /* of the lane, lost ones included */
    uint64_t noted_lost;             /* by LOST notes in this chunk */
    struct marey_table lane_serials; /* of lanes whose definition was seen */
};

/* Reports something at a place in the present extent's payload. Of very many findings
 * in one extent only the first are told, but all are counted. */
void marey_check_find(struct checker *checker, const uint8_t *at, const char *what);
/* The same with a number behind. */
void marey_check_find_number(struct checker *checker, const uint8_t *at,
                             const char *what, uint64_t number);
/* The same where there is no extent. */
void marey_check_find_at(struct checker *checker, uint64_t offset, const char *what);

/* Chunks of the present stream, in order; the payload is there and whole. */
void marey_check_events(struct checker *checker, bool is_next);
void marey_check_definitions(struct checker *checker);
void marey_check_blobs(struct checker *checker);
void marey_check_source(struct checker *checker);

static inline bool
check_knows(const struct checker *checker, enum id_kind kind, uint32_t id)
{
    return trace_resolve(checker->trace, checker->process, kind, id) != MAREY_NO_INDEX;
}

#endif
