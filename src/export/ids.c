/* Numbers for processes and lanes, in the order in which they started. */
#include "export/ids.h"

#include "base/bits.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "base/table.h"

/* Linux counts to 4194304 at most. Processes and lanes are apart, so that the main lane
 * of a process with a made-up number can have the same. */
#define MADE_UP_PROCESS_MIN UINT32_C(5000000)
#define MADE_UP_LANE_MIN UINT32_C(10000000)
#define REAL_MAX INT32_MAX /* what viewers keep of a number */

uint64_t
marey_hash_number(uint64_t hash, uint64_t value)
{
    hash = marey_mix(hash * UINT64_C(0x9E3779B97F4A7C15) ^ marey_mix(value));
    return hash != 0 ? hash : 1;
}

uint64_t
marey_hash_text(uint64_t hash, struct marey_text text)
{
    return marey_hash_number(hash, marey_hash(text.bytes, text.size_bytes, 0));
}

/* Gives out the real number if it is one and free, else the next made-up one. */
static enum marey_status
take_number(struct marey_table *taken, uint64_t real, uint32_t *made_up, uint32_t *out)
{
    uint64_t number = real;

    if (real == 0 || real > REAL_MAX)
        number = (*made_up)++;
    while (marey_table_get(taken, number) != MAREY_TABLE_NONE)
        number = (*made_up)++;
    *out = (uint32_t)number;
    return marey_table_put(taken, number, 0) ? MAREY_OK : MAREY_NOMEM;
}

static enum marey_status
number_processes(struct marey_ids *ids, const struct marey_trace *trace)
{
    struct marey_table taken = {NULL, 0, 0};
    uint32_t count = marey_trace_process_count(trace), made_up = MADE_UP_PROCESS_MIN;
    enum marey_status st = MAREY_OK;

    for (uint32_t i = 0; i < count && st == MAREY_OK; i++) {
        struct marey_process_info info;
        marey_trace_process(trace, i, &info);
        st = take_number(&taken, info.pid > 0 ? (uint64_t)info.pid : 0, &made_up,
                         &ids->pids[i]);
    }
    marey_table_release(&taken);
    return st;
}

/* A main thread's number is its process's, also where that was made up: viewers know a
 * main thread by it. */
static enum marey_status
number_lanes(struct marey_ids *ids, const struct marey_trace *trace)
{
    struct marey_table taken = {NULL, 0, 0};
    uint32_t count = marey_trace_lane_count(trace), made_up = MADE_UP_LANE_MIN;
    uint32_t process_count = marey_trace_process_count(trace);
    enum marey_status st = MAREY_OK;

    for (uint32_t i = 0; i < count && st == MAREY_OK; i++) {
        struct marey_lane_info info;
        uint64_t real = 0;
        marey_trace_lane(trace, i, &info);
        if (info.kind == MAREY_KIND_THREAD)
            real = info.native_id;
        if (info.is_main && info.process < process_count)
            real = ids->pids[info.process];
        st = take_number(&taken, real, &made_up, &ids->tids[i]);
    }
    marey_table_release(&taken);
    return st;
}

enum marey_status
marey_ids_init(struct marey_ids *out, const struct marey_trace *trace)
{
    enum marey_status st;

    /* One more than there are: a lane without a process finds it there. */
    out->pids = marey_memory_new((size_t)marey_trace_process_count(trace) + 1,
                                 sizeof(*out->pids));
    out->tids =
        marey_memory_new((size_t)marey_trace_lane_count(trace) + 1, sizeof(*out->tids));
    if (out->pids == NULL || out->tids == NULL)
        return MAREY_NOMEM;
    st = number_processes(out, trace);
    return st == MAREY_OK ? number_lanes(out, trace) : st;
}

void
marey_ids_release(struct marey_ids *ids)
{
    marey_memory_free(ids->pids);
    marey_memory_free(ids->tids);
    memset(ids, 0, sizeof(*ids));
}
