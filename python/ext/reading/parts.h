/* The running parts of generators and coroutines, put together to whole calls.
 *
 * A walk tells each part by itself: SUSPEND, RESUME, END, with the key of the
 * activation. Here the parts of one activation become one call. An activation whose
 * last part was a SUSPEND is `suspended`: nobody went on with it. This is known when
 * the trace is over, or when its key is used by another (a key is unique among those
 * that are alive).
 */
#ifndef MAREY_PYTHON_TRACE_PARTS_H
#define MAREY_PYTHON_TRACE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marey/query.h"

/* A call that is over, as an END; `is_suspended` where there was none. */
struct whole_call {
    struct marey_step step;
    bool is_suspended;
};

/* Usable when all zero. */
struct parts {
    struct part *slots; /* owned; open addressing */
    size_t capacity;    /* a power of two */
    size_t count;
    size_t drained; /* slots, by parts_drain() */
    /* The end of any lane may be missing: nothing seems suspended for good. */
    bool is_damaged;
};
void parts_release(struct parts *parts);

#define PARTS_CALLS_MAX 2 /* calls that one step may complete */

/* Takes the next step of a walk; `process` is that of its lane. Writes the calls that
 * are over to `out` and returns how many, or -1: no memory. */
int parts_take(struct parts *parts, const struct marey_step *step, uint32_t process,
               struct whole_call out[PARTS_CALLS_MAX]);

/* After the last step: one that is left, false when there is none. */
bool parts_drain(struct parts *parts, struct whole_call *out);

#endif
