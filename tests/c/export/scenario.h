/* One trace with everything that exporters have to say: two processes that had the same
 * pid, four lanes (one a task, one with a gap), calls that end in every way, calls that
 * take no time, a generator, values, an arrow, a counter, a log, names of any bytes.
 */
#ifndef MAREY_TESTS_EXPORT_SCENARIO_H
#define MAREY_TESTS_EXPORT_SCENARIO_H

#include "fake_query.h"

enum { LANE_MAIN, LANE_WORKER, LANE_TASK, LANE_SECOND };
enum { F_MAIN, F_LEN, F_NUMBERS, F_LOAD, F_ODD };

#define SCENARIO_START_NS INT64_C(1700000000000000000)

void scenario_init(struct marey_trace *out);

#endif
