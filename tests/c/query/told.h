/* Walks and totals as text, so that a test can say what they must be. */
#ifndef MAREY_TESTS_QUERY_TOLD_H
#define MAREY_TESTS_QUERY_TOLD_H

#include "../format/builder.h"
#include "marey/answer.h"
#include "marey/query.h"

/* Opens what was built; the trace is closed by told_close(). */
struct marey_trace *told_open(struct builder *builder);
/* Both. */
void told_close(struct marey_trace *trace, struct builder *builder);

/* The steps of a walk, one each as `lane:time what name`, joined by "; ". Times count
 * from the origin. Borrowed until the next call. */
const char *told_steps(struct marey_trace *trace,
                       const struct marey_selection *selection, enum marey_order order);
/* The same for everything in time order. */
const char *told_all(struct marey_trace *trace);

/* The first step of a kind that concerns the function. */
bool told_find(struct marey_trace *trace, enum marey_step_kind kind,
               const char *function, struct marey_step *out);

/* The row of a function, or the edge to it from a caller ("": from nobody). */
bool told_row(const struct marey_totals *totals, const struct marey_trace *trace,
              const char *function, struct marey_total *out);
bool told_edge(const struct marey_totals *totals, const struct marey_trace *trace,
               const char *caller, const char *function, struct marey_total *out);

/* The text of an answer, which is released; free() it. */
char *told_answer(struct marey_answer *answer);

/* How many findings a check makes; the first line is in `line`. */
uint64_t told_check(struct marey_trace *trace, char line[256]);

#endif
