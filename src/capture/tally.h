/* How often functions are called that --max-overhead left out. */
#ifndef MAREY_CAPTURE_TALLY_H
#define MAREY_CAPTURE_TALLY_H

#include "capture/recording.h"

/* When the next window opens; UINT64_MAX: nothing is tallied. */
extern _Atomic uint64_t marey_tally_next;

/* Forgets all; `again` re-arms events that were switched off. */
void marey_tally_reset(void (*again)(void));
/* In a forked child. */
void marey_tally_forked(void);

/* Around leaving functions out: what was seen so far is summed up, those left out are
 * named, and a window opens. Every call of a counted one is told, others only in
 * windows. In a hook. */
void marey_tally_settle(void);
void marey_tally_add(struct marey_function *function, bool is_counted);
void marey_tally_open(void);
/* A window is due. In a hook of the calling thread; not with a lock of ours. */
void marey_tally_pulse(void);
/* Writes what is known into the trace; it is about to end. */
void marey_tally_finish(void);

#endif
