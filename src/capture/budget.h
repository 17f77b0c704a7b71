/* --max-overhead: what recording costs is watched, and what costs too much left out. */
#ifndef MAREY_CAPTURE_BUDGET_H
#define MAREY_CAPTURE_BUDGET_H

#include "capture/recording.h"

/* A chunk of the lane is full and about to be closed. Called in the lane's thread. */
void marey_budget_look(const struct marey_lane *lane);
/* In a forked child. */
void marey_budget_forked(void);
/* What an event costs, as it was measured. */
void marey_budget_cost(uint32_t kind, uint64_t picoseconds);

#endif
