/* What the page asks of a trace, answered as JSON texts.
 *
 * The page draws from the index (lod.h); what a person then wants to know of one call,
 * one moment or one window comes from here, exact, by walking the trace. The same
 * objects run natively and as wasm and give the same bytes.
 *
 * Every function appends one JSON value to `out`. Times are nanoseconds, functions,
 * lanes and strings are indices, -1 is "none" or "not known".
 */
#ifndef MAREY_ANSWER_H
#define MAREY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marey/query.h"
#include "marey/status.h"

/* A growing text. Start with zeros; free(text.bytes) at the end. */
struct marey_answer {
    char *bytes; /* owned */
    size_t size_bytes;
    size_t capacity;
    bool is_out_of_memory; /* what was appended since is missing */
};

struct marey_question {
    struct marey_selection selection;          /* borrowed for the call */
    bool (*tick)(void *context, double share); /* may be NULL; false stops */
    void *tick_context;
    struct marey_text value; /* of events: marey_step_has_value(); size 0: any */
};

/* The trace: program, host, processes, lanes, functions (as columns), losses. */
enum marey_status marey_answer_info(struct marey_trace *trace,
                                    struct marey_answer *out);

/* The text of a string that events name. */
enum marey_status marey_answer_string(struct marey_trace *trace, uint32_t index,
                                      struct marey_answer *out);

/* Totals per function and its callers and callees, as `marey report` has them. */
enum marey_status marey_answer_totals(struct marey_trace *trace,
                                      const struct marey_question *question,
                                      struct marey_answer *out,
                                      struct marey_error *err);

/* The tree of calling contexts of the window, as columns: a flame graph. Times are
 * clipped to the window. */
enum marey_status marey_answer_tree(struct marey_trace *trace,
                                    const struct marey_question *question,
                                    struct marey_answer *out, struct marey_error *err);

/* The calls that are open on a lane at a moment, outermost first. */
enum marey_status marey_answer_stack(struct marey_trace *trace, uint32_t lane,
                                     int64_t time_ns, struct marey_answer *out,
                                     struct marey_error *err);

/* The call at a depth and a moment: when, how it ended, its callers and what it called.
 * `end_hint_ns` is where the picture shows its end (MAREY_NO_TIME: not known). Gives up
 * on exactness after `step_limit` steps, and says so ("whole": false). */
enum marey_status marey_answer_call(struct marey_trace *trace, uint32_t lane,
                                    uint32_t depth, int64_t time_ns,
                                    int64_t end_hint_ns, uint64_t step_limit,
                                    struct marey_answer *out, struct marey_error *err);

/* Calls of one function in the window: how many, a histogram of durations (powers of
 * two of a ns), and the `limit` slowest. */
enum marey_status marey_answer_calls(struct marey_trace *trace,
                                     const struct marey_question *question,
                                     uint32_t function, uint32_t limit,
                                     struct marey_answer *out, struct marey_error *err);

/* The way of the exception that ended the call at this depth and time, as {"type",
 * "frames": the calls it left, innermost first, "left_out": how many more, "raised":
 * its values where it was logged, "handler": the function that took it (-1: nobody on
 * this lane), "taken": how, where that was logged, "taken_values"}; `null` where the
 * call did not end so. */
enum marey_status marey_answer_unwind(struct marey_trace *trace,
                                      const struct marey_question *question,
                                      uint32_t lane, uint32_t depth, int64_t begin_ns,
                                      int64_t end_ns, struct marey_answer *out,
                                      struct marey_error *err);

#define MAREY_ANSWER_BEGINS 1
#define MAREY_ANSWER_ENDS 2
#define MAREY_ANSWER_POINTS 4 /* instants, logs, counters */
#define MAREY_ANSWER_LINES 8  /* of these only logged lines */

/* The next (or previous) begin or end of a call after (before) a moment; `kinds` says
 * which of them, and `functions` of the selection and the question's `value` narrow it;
 * points have no function (-1). Backwards it goes to the selection's start, and
 * what is at its `max_depth` or deeper is passed over. lane MAREY_NO_INDEX: any.
 * `null` when there is none; with `step_limit`, none among so many steps (0: all). */
enum marey_status marey_answer_event(struct marey_trace *trace,
                                     const struct marey_question *question,
                                     uint32_t lane, int64_t time_ns, bool is_backwards,
                                     unsigned kinds, uint64_t step_limit,
                                     struct marey_answer *out, struct marey_error *err);

struct marey_transaction_question {
    struct marey_selection selection; /* functions choose transactions */
    struct marey_text group_by;       /* name of a value; empty: by name alone */
    uint32_t slowest_count;           /* of each row, at most 100 */
    bool (*tick)(void *context, double share);
    void *tick_context;
};

/* Transactions by name (and value): counts, times, where they went, the slowest ones;
 * docs/reference/json.md names the keys. */
enum marey_status marey_answer_transactions(
    struct marey_trace *trace, const struct marey_transaction_question *question,
    struct marey_answer *out, struct marey_error *err);

/* All that was recorded in the transaction which began on this lane at this time, as a
 * list of calls with depths; at most `node_limit` (0: a million). MAREY_USAGE: there
 * is none. */
enum marey_status marey_answer_transaction(struct marey_trace *trace,
                                           const struct marey_question *question,
                                           uint32_t lane_serial, int64_t begin_ns,
                                           uint32_t node_limit,
                                           struct marey_answer *out,
                                           struct marey_error *err);

/* The values of a blob, as [{"name", "text"}]. */
enum marey_status marey_answer_values(struct marey_trace *trace, uint32_t lane,
                                      uint64_t blob, struct marey_answer *out,
                                      struct marey_error *err);

/* Instants, counters and logged values of the window, the first `limit`, as
 * {"logs": [{"time_ns", "lane", "depth", "function", "kind", "name", "value" of a
 * counter or "values"}], "more": whether there are others}. `name` and `value` are
 * patterns (marey_step_has_value()), of size 0 for all: with a name, the history of a
 * variable. */
enum marey_status marey_answer_logs(struct marey_trace *trace,
                                    const struct marey_question *question,
                                    struct marey_text name, struct marey_text value,
                                    uint32_t limit, struct marey_answer *out,
                                    struct marey_error *err);

/* How the program ended, and what led to it: the exceptions in the order in which one
 * came of the other; the calls they left (or that were open when the process was
 * killed) with the last values of their names and what each called before, folded;
 * exceptions that were caught before; the stacks of the other threads at that moment;
 * and what else failed. The lanes of the selection narrow it. */
enum marey_status marey_answer_explain(struct marey_trace *trace,
                                       const struct marey_question *question,
                                       struct marey_answer *out,
                                       struct marey_error *err);

/* Source text as a JSON string; `null` when it was not stored. */
enum marey_status marey_answer_source(struct marey_trace *trace, uint32_t function,
                                      struct marey_answer *out,
                                      struct marey_error *err);

#endif
