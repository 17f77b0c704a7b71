/* Numbers for processes and lanes, and the set that tells whether one is taken. */
#include "export/ids.h"

#include <stdlib.h>
#include <string.h>

#define MADE_UP_MIN UINT32_C(5000000) /* Linux counts to 4194304 at most */
#define REAL_MAX INT32_MAX            /* what viewers keep of a number */

uint64_t
marey_hash_number(uint64_t hash, uint64_t value)
{
    /* The finalizer of splitmix64. */
    hash ^= value + UINT64_C(0x9E3779B97F4A7C15) + (hash << 6) + (hash >> 2);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94D049BB133111EB);
    hash ^= hash >> 31;
    return hash != 0 ? hash : 1;
}

uint64_t
marey_hash_text(uint64_t hash, struct marey_text text)
{
    size_t at = 0;

    for (; text.size_bytes - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.bytes + at, sizeof(word));
        hash = marey_hash_number(hash, word);
    }
    for (; at < text.size_bytes; at++)
        hash = marey_hash_number(hash, (uint8_t)text.bytes[at]);
    return marey_hash_number(hash, text.size_bytes);
}

void
marey_number_set_release(struct marey_number_set *set)
{
    free(set->slots);
    memset(set, 0, sizeof(*set));
}

/* The slot that holds the value, or the free one where it belongs. */
static uint64_t *
find_slot(const struct marey_number_set *set, uint64_t value)
{
    uint32_t mask = set->slot_count - 1;
    uint32_t at = (uint32_t)marey_hash_number(0, value) & mask;

    while (set->slots[at] != 0 && set->slots[at] != value)
        at = (at + 1) & mask;
    return &set->slots[at];
}

static enum marey_status
double_slots(struct marey_number_set *set)
{
    struct marey_number_set larger = {NULL, 64, set->count};

    if (set->slot_count > UINT32_MAX / 2)
        return MAREY_NOMEM;
    if (set->slot_count != 0)
        larger.slot_count = set->slot_count * 2;
    larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return MAREY_NOMEM;
    for (uint32_t i = 0; i < set->slot_count; i++)
        if (set->slots[i] != 0)
            *find_slot(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
    return MAREY_OK;
}

enum marey_status
marey_number_set_add(struct marey_number_set *set, uint64_t value, bool *is_new)
{
    uint64_t *slot;

    if (set->count >= set->slot_count / 2) {
        enum marey_status st = double_slots(set);
        if (st != MAREY_OK)
            return st;
    }
    slot = find_slot(set, value);
    *is_new = *slot == 0;
    *slot = value;
    set->count += *is_new;
    return MAREY_OK;
}

/* Gives out the real number if it is one and free, else the next made-up one. */
static enum marey_status
take_number(struct marey_number_set *taken, uint64_t real, uint32_t *made_up,
            uint32_t *out)
{
    bool is_new = false;
    enum marey_status st;

    if (real > 0 && real <= REAL_MAX) {
        st = marey_number_set_add(taken, real, &is_new);
        if (st != MAREY_OK)
            return st;
        *out = (uint32_t)real;
    }
    while (!is_new) {
        *out = (*made_up)++;
        st = marey_number_set_add(taken, *out, &is_new);
        if (st != MAREY_OK)
            return st;
    }
    return MAREY_OK;
}

static enum marey_status
number_processes(struct marey_ids *ids, const struct marey_trace *trace)
{
    struct marey_number_set taken = {NULL, 0, 0};
    uint32_t count = marey_trace_process_count(trace), made_up = MADE_UP_MIN;
    enum marey_status st = MAREY_OK;

    for (uint32_t i = 0; i < count && st == MAREY_OK; i++) {
        struct marey_process_info info;
        marey_trace_process(trace, i, &info);
        st = take_number(&taken, info.pid > 0 ? (uint64_t)info.pid : 0, &made_up,
                         &ids->pids[i]);
    }
    marey_number_set_release(&taken);
    return st;
}

/* A main thread's number is its process's, also where that was made up: viewers know a
 * main thread by it. */
static enum marey_status
number_lanes(struct marey_ids *ids, const struct marey_trace *trace)
{
    struct marey_number_set taken = {NULL, 0, 0};
    uint32_t count = marey_trace_lane_count(trace), made_up = MADE_UP_MIN;
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
    marey_number_set_release(&taken);
    return st;
}

enum marey_status
marey_ids_init(struct marey_ids *out, const struct marey_trace *trace)
{
    enum marey_status st;

    /* One more than there are: calloc of nothing may return NULL. */
    out->pids =
        calloc((size_t)marey_trace_process_count(trace) + 1, sizeof(*out->pids));
    out->tids = calloc((size_t)marey_trace_lane_count(trace) + 1, sizeof(*out->tids));
    if (out->pids == NULL || out->tids == NULL)
        return MAREY_NOMEM;
    st = number_processes(out, trace);
    return st == MAREY_OK ? number_lanes(out, trace) : st;
}

void
marey_ids_release(struct marey_ids *ids)
{
    free(ids->pids);
    free(ids->tids);
    memset(ids, 0, sizeof(*ids));
}
