/* How long the calls take that a rule of --keep is about. Slow path only: the functions
 * of such calls have bits set in `keep_rules`, and their calls end the slow way. */
#ifndef MAREY_CAPTURE_WATCH_H
#define MAREY_CAPTURE_WATCH_H

#include "capture/recording.h"

/* The call on top was suspended; its activation goes on. */
void marey_watch_suspended(const struct marey_call *call, uintptr_t key);
/* A new activation has this key. */
void marey_watch_began(uintptr_t key);
/* The call ends now; matches what it matches. */
void marey_watch_ended(const struct marey_call *call, uintptr_t key, uint64_t now,
                       bool is_raised);
/* The rules have changed: what was known of activations is void. */
void marey_watch_reset(void);

/* ---- keep.c ---- */

/* Rule number `rule` as it was agreed on; NULL: there is none. */
struct marey_keep_rule;
const struct marey_keep_rule *marey_keep_rule_at(uint32_t rule);

#endif
