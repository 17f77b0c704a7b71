/* The numbers that processes and lanes go by in formats that know only pids and tids.
 *
 * Real numbers where they are free; a made-up one, above all that Linux gives out,
 * where the system used one twice, where it is not known or too large, and for lanes
 * that are no threads (tasks, greenlets). Viewers join what has one number, so no two
 * processes share one, and no two lanes.
 */
#ifndef MAREY_EXPORT_IDS_H
#define MAREY_EXPORT_IDS_H

#include <stdint.h>

#include "marey/query.h"
#include "marey/status.h"

struct marey_ids {
    uint32_t *pids; /* owned; by process index */
    uint32_t *tids; /* owned; by lane index */
};

/* On failure *out is releasable. */
enum marey_status marey_ids_init(struct marey_ids *out,
                                 const struct marey_trace *trace);
void marey_ids_release(struct marey_ids *ids);

/* One more step of a hash of numbers or bytes. Never 0. */
uint64_t marey_hash_number(uint64_t hash, uint64_t value);
uint64_t marey_hash_text(uint64_t hash, struct marey_text text);

#endif
