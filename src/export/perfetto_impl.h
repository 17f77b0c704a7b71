/* What the two halves of the Perfetto exporter share: perfetto.c writes events,
 * perfetto_track.c all that has to stand before them.
 */
#ifndef MAREY_EXPORT_PERFETTO_IMPL_H
#define MAREY_EXPORT_PERFETTO_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "export/ids.h"
#include "export/out.h"
#include "export/perfetto_schema.h"
#include "export/proto.h"
#include "marey/query.h"

/* Interned once at the start of a sequence; iid is the number. */
enum category_iid {
    CATEGORY_PYTHON = 1,
    CATEGORY_C,
    CATEGORY_GENERATOR,
    CATEGORY_SPAN,
    CATEGORY_INSTANT,
    CATEGORY_LOG,
    CATEGORY_FLOW,
    CATEGORY_LOSS,
    CATEGORY_END,
};
enum argument_iid {
    ARGUMENT_CALL_LINE = 1,
    ARGUMENT_BEGAN,
    ARGUMENT_RESUMED,
    ARGUMENT_SUSPENDED,
    ARGUMENT_THROWN,
    ARGUMENT_RAISED,
    ARGUMENT_END_NOT_SEEN,
    ARGUMENT_ARGUMENTS,
    ARGUMENT_RETURNED,
    ARGUMENT_VALUES,
    ARGUMENT_LOG_CLASS,
    ARGUMENT_LOST,
    ARGUMENT_END,
};

struct perfetto_process {
    uint64_t uuid; /* of its track */
    bool is_described;
};

struct perfetto_lane {
    uint8_t *seen;   /* owned; a bit a function; NULL: none */
    uint64_t uuid;   /* of its track */
    int64_t last_ns; /* what clock 64 shows */
    uint32_t process;
    bool is_described; /* its descriptor is written, the fields above hold */
    bool is_started;   /* its sequence has state */
};

struct perfetto {
    struct marey_trace *trace; /* borrowed until perfetto_free() */
    struct marey_out *out;     /* borrowed until perfetto_free() */
    struct marey_ids ids;
    struct perfetto_lane *lanes;        /* owned */
    struct perfetto_process *processes; /* owned; and one for lanes that have none */
    struct marey_table counters;        /* uuids of described counter tracks */
    uint32_t lane_count;
    uint32_t process_count;
    size_t seen_size;  /* of one lane's bit set */
    size_t seen_total; /* of all of them */
    uint64_t hash;     /* of the trace: keeps ids apart when files are joined */
    int64_t start_realtime_ns;
    int64_t latest_ns; /* of all events so far: snapshots may not go back */
};

/* What processes and tracks are known by; before any of the functions below. */
void marey_perfetto_hash(struct perfetto *x, const struct marey_trace_info *info);

/* Makes the step's lane ready for its event: its sequence has state, its track and
 * process are described. False: no memory, latched. */
bool marey_perfetto_prepare(struct perfetto *x, const struct marey_step *step);

/* The same with a mark that events were lost, whatever the sequence had before. */
void marey_perfetto_restart(struct perfetto *x, uint32_t lane);

/* Drops what the sequences know; the next event of each starts it anew. */
void marey_perfetto_forget(struct perfetto *x);

/* Brings the function's names along in the packet under way. */
void marey_perfetto_put_names(struct perfetto *x, uint32_t lane, uint32_t function);

/* The track of the step's counter, described if it was not yet. */
uint64_t marey_perfetto_counter_track(struct perfetto *x,
                                      const struct marey_step *step);

static inline bool
marey_perfetto_is_seen(const struct perfetto_lane *lane, uint32_t function)
{
    return lane->seen[function / 8] >> (function % 8) & 1;
}

/* The trace's time on the clock of the file. */
static inline uint64_t
marey_perfetto_time(const struct perfetto *x, int64_t time_ns)
{
    return (uint64_t)x->start_realtime_ns + (uint64_t)time_ns;
}

#endif
