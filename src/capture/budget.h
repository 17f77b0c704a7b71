/* --max-overhead: what recording costs is watched, and what costs too much left out. */
#ifndef MAREY_CAPTURE_BUDGET_H
#define MAREY_CAPTURE_BUDGET_H

#include "capture/recording.h"

/* A chunk of the lane is full and about to be closed. Called in the lane's thread. */
void marey_budget_look(const struct marey_lane *lane);
/* What an event costs in a program, as far as is known. */
double marey_budget_event_ns(void);
/* The same of the start of a call that is only seen, as it was measured. */
double marey_budget_seen_ns(void);
/* What counting calls may cost, of the processor's time. */
double marey_budget_part(void);
/* In a forked child. */
void marey_budget_forked(void);
/* What an event costs, as it was measured. */
void marey_budget_cost(uint32_t kind, uint64_t picoseconds);

#endif
