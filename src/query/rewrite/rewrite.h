/* Chunks of one trace as chunks of another: other serials, perhaps another clock. */
#ifndef MAREY_QUERY_REWRITE_H
#define MAREY_QUERY_REWRITE_H

#include "marey/format_encode.h"
#include "query/trace.h"

/* How one of several traces becomes a part of the whole. */
struct rewrite {
    const struct marey_trace *trace; /* borrowed */
    const struct marey_trace *whole; /* borrowed; whose clock it is to have */
    const struct marey_trace *alike; /* borrowed; the first trace of this one's boot */
    struct clock_map inverse;        /* nanoseconds of `whole` to ticks */
    struct marey_table lanes;        /* serial -> index, whatever the process */
    uint32_t process_base;           /* new serials are index + base + 1 */
    uint32_t lane_base;
    uint32_t process; /* index; of the chunk that is rewritten */
    uint32_t *added;  /* owned; by process: records put in besides its own */
    bool is_same_clock;
    bool is_foreign;           /* from another host, or another boot */
    struct marey_encoder body; /* of one record, of a snapshot */
    struct marey_encoder *out; /* borrowed; the payload of the new chunk */
};

/* False: no memory. `process_base` and `lane_base` are set before. */
bool marey_rewrite_init(struct rewrite *rewrite, const struct marey_trace *trace,
                        const struct marey_trace *whole,
                        const struct marey_trace *alike);
void marey_rewrite_release(struct rewrite *rewrite);

/* Ticks of its clock on the clock of the whole: rounded down, never going back. */
uint64_t marey_rewrite_ticks(const struct rewrite *rewrite, uint64_t ticks);
/* The new serial of a lane of the present process, or of another; 0: there is none. */
uint32_t marey_rewrite_lane(const struct rewrite *rewrite, uint32_t serial);

/* Goes to a chunk: whose serials are meant from here on. */
void marey_rewrite_begin(struct rewrite *rewrite, const struct marey_extent *extent);

/* True: the payload may be taken over as it is. */
bool marey_rewrite_is_same(const struct rewrite *rewrite,
                           const struct marey_extent *extent);

/* The payload of a chunk into rewrite->out; *record_count and *snapshot_size are those
 * of the new chunk. False: the payload is damaged. */
bool marey_rewrite_events(struct rewrite *rewrite, const struct marey_extent *extent,
                          const uint8_t *payload, uint32_t *record_count,
                          uint32_t *snapshot_size);
bool marey_rewrite_definitions(struct rewrite *rewrite,
                               const struct marey_extent *extent,
                               const uint8_t *payload, uint32_t *record_count);

#endif
