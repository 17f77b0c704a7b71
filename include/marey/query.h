/* What a trace means: processes, lanes, functions, calls, totals.
 *
 * A program that prints every call longer than 1 ms:
 *
 *     struct marey_trace *trace = NULL;
 *     marey_trace_open("run.marey", &trace, &err);
 *     struct marey_selection pick = MAREY_SELECTION_ALL;
 *     pick.min_duration_ns = 1000000;
 *     struct marey_walk *walk = NULL;
 *     marey_walk_new(trace, &pick, MAREY_ORDER_TIME, &walk, &err);
 *     struct marey_step step;
 *     while (marey_walk_next(walk, &step))
 *         if (step.kind == MAREY_STEP_END)
 *             printf("%d\n", step.function);
 *
 * A trace is never loaded whole: opening reads one header per chunk and the
 * definitions; a walk holds one chunk per lane that is under way. Everything returned
 * by pointer is borrowed until marey_trace_close() (or the walk's end) unless said
 * otherwise. One trace may be read by one thread at a time. Times are nanoseconds
 * since the trace's origin, the start of its first process.
 *
 * Freestanding: no libc beyond `base`, so that the same objects run as wasm.
 */
#ifndef MAREY_QUERY_H
#define MAREY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/byte_source.h"
#include "marey/status.h"
#include "marey/value_tags.h"

struct marey_trace;
struct marey_walk;
struct marey_totals;

#define MAREY_NO_TIME INT64_MIN   /* a time that is not known */
#define MAREY_NO_INDEX UINT32_MAX /* no lane, function, process */
#define MAREY_TIME_MAX INT64_MAX

/* Bytes, not terminated, any content; UTF-8 where the program's names were. */
struct marey_text {
    const char *bytes;
    size_t size_bytes;
};

/* ---- opening ---- */

/* Opens a file. The trace may still be being written: what is there is read. */
enum marey_status marey_trace_open(const char *path, struct marey_trace **out,
                                   struct marey_error *err);

/* The same over any source of bytes. */
enum marey_status marey_trace_open_source(const struct marey_byte_source *source,
                                          struct marey_trace **out,
                                          struct marey_error *err);

/* NULL is allowed. */
void marey_trace_close(struct marey_trace *trace);

/* ---- what it holds ---- */

struct marey_trace_info {
    struct marey_text host_name;
    int64_t start_realtime_ns; /* of the origin, Unix time */
    int64_t duration_ns;       /* origin to the last event */
    uint64_t size_bytes;
    uint64_t event_count;
    uint64_t lost_count;     /* events that are known to be lost */
    uint64_t left_out_count; /* events that only the whole trace has */
    uint64_t call_count;     /* ENTER events; 0 until marey_trace_count() */
    uint32_t host_count;     /* > 1 in a merged trace */
    uint32_t chunk_count;
    uint32_t damaged_count; /* chunks left out because their bytes are wrong */
    uint64_t skipped_bytes; /* stepped over while looking for chunks */
    bool is_window; /* a part of a longer recording: what was before is no loss */
    int64_t window_from_ns, window_to_ns; /* as it was asked for */
    bool is_ring;
    bool is_unmapped;        /* slots were not mapped: a kill loses them */
    uint64_t cost_python_ps; /* cost of one event of a Python function; 0 unknown */
    uint64_t cost_c_ps;      /* the same for a C function */
};
void marey_trace_info(const struct marey_trace *trace, struct marey_trace_info *out);

enum marey_process_state {
    MAREY_PROCESS_ENDED,    /* said so */
    MAREY_PROCESS_UNKNOWN,  /* did not say so: killed, or still running */
    MAREY_PROCESS_REPLACED, /* became another program (exec); if that is in the trace,
                             * it is a process with the same pid */
};
struct marey_process_info {
    uint32_t serial;
    uint32_t parent; /* index; MAREY_NO_INDEX: not in this trace */
    int64_t pid;
    int64_t parent_pid;
    int64_t start_ns;
    int64_t end_ns; /* last event where the end was not seen; when its parent waited for
                     * it, where it could not say so itself */
    enum marey_process_state state;
    int32_t exit_status; /* valid when has_exit_status; -n: killed by signal n */
    bool has_exit_status;
    uint64_t flow;             /* the arrow from the call that started it; 0: none */
    struct marey_text program; /* the script, module or command, as a person names it */
    struct marey_text executable;
    struct marey_text version; /* of Python */
    struct marey_text directory;
    struct marey_text options; /* JSON, as recorded */
    uint32_t argument_count;
};
uint32_t marey_trace_process_count(const struct marey_trace *trace);
void marey_trace_process(const struct marey_trace *trace, uint32_t index,
                         struct marey_process_info *out);
/* The process an arrow leads to, or MAREY_NO_INDEX. */
uint32_t marey_trace_process_of_flow(const struct marey_trace *trace, uint64_t flow);
struct marey_text marey_trace_argument(const struct marey_trace *trace,
                                       uint32_t process, uint32_t argument);

/* Kinds of lane; the same numbers as in the file. */
enum marey_lane_kind { MAREY_KIND_THREAD = 1, MAREY_KIND_TASK, MAREY_KIND_GREENLET };
struct marey_lane_info {
    uint32_t serial;
    uint32_t process; /* index */
    enum marey_lane_kind kind;
    bool is_main;
    bool is_earlier; /* was alive before the recording started */
    bool has_end;
    uint64_t native_id;
    uint64_t python_id; /* threading.get_ident() */
    int64_t start_ns;
    int64_t end_ns; /* of the last event where the end was not seen */
    struct marey_text name;
    uint64_t event_count;
    uint64_t lost_count;
};
uint32_t marey_trace_lane_count(const struct marey_trace *trace);
void marey_trace_lane(const struct marey_trace *trace, uint32_t index,
                      struct marey_lane_info *out);

/* One function, whatever process it ran in: same name, module, file and line. */
struct marey_function_info {
    uint32_t first_line; /* 0: not known */
    bool is_c;
    bool is_generator;      /* generator, coroutine or asynchronous generator */
    bool is_span;           /* a name given with marey.span() */
    bool is_transaction;    /* each call is a unit of work */
    struct marey_text name; /* qualified name */
    struct marey_text module;
    struct marey_text file; /* empty for C functions */
};
uint32_t marey_trace_function_count(const struct marey_trace *trace);
void marey_trace_function(const struct marey_trace *trace, uint32_t index,
                          struct marey_function_info *out);

/* The text of a string the events name (exception types, instants, counters). Empty for
 * MAREY_NO_INDEX. */
struct marey_text marey_trace_string(const struct marey_trace *trace, uint32_t index);

/* Functions whose calls were not recorded any more from some time on (a budget of
 * overhead): how often that was said, and of which. False: of none that is known. */
uint32_t marey_trace_left_out_count(const struct marey_trace *trace);
struct marey_left_out {
    uint32_t function;
    int64_t since_ns;
    uint64_t calls_counted;   /* since then, exactly, */
    uint64_t calls_estimated; /* and about so many more */
    bool is_whole;            /* this was said when the process ended */
};
bool marey_trace_left_out(const struct marey_trace *trace, uint32_t index,
                          struct marey_left_out *out);

/* A part that was to be kept as a trace of its own, and was not written yet: the
 * process still runs, or was killed first. `index` is below marey_trace_keep_due_max().
 */
struct marey_keep_due {
    uint32_t process; /* index */
    uint32_t rule;    /* of its options, from 0 */
    int64_t from_ns;  /* when what matched began, */
    int64_t until_ns; /* and when it matched */
};
uint32_t marey_trace_keep_due_max(void);
bool marey_trace_keep_due(const struct marey_trace *trace, uint32_t index,
                          struct marey_keep_due *out); /* false: nothing there */
/* Writes it; the trace's file, which is `path`, then no longer asks for it, if it can
 * be written to. Nothing may be at `target` yet. */
struct marey_keep_part {
    uint64_t before_ns, after_ns;
    const char *why;
    const char *target;
};
enum marey_status marey_trace_keep_write(const struct marey_trace *trace,
                                         const char *path, uint32_t index,
                                         const struct marey_keep_part *part,
                                         struct marey_error *err);

/* What a person should know about the recording, in the order it was noted. */
uint32_t marey_trace_note_count(const struct marey_trace *trace);
struct marey_text marey_trace_note(const struct marey_trace *trace, uint32_t index);

/* Source text of a file whose functions appear; size 0 when it was not stored. The
 * bytes are borrowed until the next call of this function. */
enum marey_status marey_trace_source(struct marey_trace *trace, struct marey_text file,
                                     struct marey_text *out, struct marey_error *err);

/* ---- choosing ---- */

/* What is filtered out is as if it had not been recorded, but for the times of what is
 * left: a call's callees hang on the nearest caller that is shown, and depths count
 * only calls that are shown. */
struct marey_selection {
    int64_t from_ns;   /* events before are left out; calls that reach in are kept */
    int64_t to_ns;     /* events at or after are left out */
    const bool *lanes; /* by lane index; NULL: all */
    const bool *functions;   /* by function index; NULL: all */
    int64_t min_duration_ns; /* shorter calls make no step, and the BEGIN of a longer
                              * one comes late, yet before all that is inside it; of
                              * generators, running parts */
    uint32_t max_depth;      /* calls at this depth or deeper make no step */
};
#define MAREY_SELECTION_ALL                                                            \
    {                                                                                  \
        INT64_MIN, INT64_MAX, NULL, NULL, 0, UINT32_MAX                                \
    }

/* Folds away, for all that is asked of the trace from here on, the functions that are
 * false in `functions` (by index, copied; NULL: none) and the calls at `max_depth` or
 * deeper (UINT32_MAX: none): as if every selection left them out. So a reader that
 * shows a trace may hide code and still speak of the same depths everywhere. */
enum marey_status marey_trace_fold(struct marey_trace *trace, const bool *functions,
                                   uint32_t max_depth, struct marey_error *err);

/* Shell-style pattern on `module:qualname`, `module.qualname`, `module` (all that is in
 * it, and below with .*) or, when it has a '/' or ends in .py, on the file path. */
bool marey_function_matches(const struct marey_trace *trace, uint32_t function,
                            struct marey_text pattern);

/* ---- walking ---- */

/* MAREY_ORDER_TIME: all lanes interleaved in time; at one moment, by index. With
 * MAREY_ORDER_LANE, lane after lane; what a thread recorded for its tasks then comes
 * with the thread, and the parts of a call that ran on several lanes are not joined. */
enum marey_order { MAREY_ORDER_TIME, MAREY_ORDER_LANE };

enum marey_step_kind {
    MAREY_STEP_BEGIN,   /* a call starts */
    MAREY_STEP_END,     /* a call is over; `ending` says how */
    MAREY_STEP_SUSPEND, /* a generator's or coroutine's call stops running */
    MAREY_STEP_RESUME,  /* and runs again, on this lane */
    MAREY_STEP_INSTANT,
    MAREY_STEP_COUNTER,
    MAREY_STEP_LOG,
    MAREY_STEP_FLOW_OUT,
    MAREY_STEP_FLOW_IN,
    MAREY_STEP_GAP, /* `lost_count` events are missing here */
};
enum marey_ending {
    MAREY_END_RETURNED,
    MAREY_END_RAISED, /* string = type of the exception, MAREY_NO_INDEX unknown */
    MAREY_END_CUT,    /* over, but when and how was not seen */
    MAREY_END_OPEN,   /* still open where the trace (or the selection) ends */
};
struct marey_step {
    enum marey_step_kind kind;
    enum marey_ending ending;
    uint32_t lane;      /* index */
    uint32_t function;  /* index */
    uint32_t parent;    /* function index of the caller on this lane, or NO_INDEX */
    uint32_t depth;     /* open calls around it on its lane */
    uint32_t string;    /* exception type, name of instant or counter */
    uint32_t call_line; /* of a call: the line it was made from; 0: not recorded */
    uint32_t caller;    /* function of that line, recorded or not; or NO_INDEX */
    int64_t time_ns;
    int64_t begin_ns;           /* END, SUSPEND: where this running part began */
    int64_t duration_ns;        /* END, SUSPEND: of this running part; GAP: how long
                                 * nothing is known of the lane */
    int64_t self_ns;            /* END, SUSPEND: the same without the calls it made */
    int64_t first_ns;           /* END: where the call began (first part), or NO_TIME */
    int64_t running_ns;         /* END: all its parts together */
    uint32_t child_count;       /* END, SUSPEND: calls it made in this part */
    uint64_t descendant_events; /* END, SUSPEND: events below it, for cost correction */
    uint64_t activation;        /* SUSPEND, RESUME: key, unique while the call lives */
    bool was_open;  /* BEGIN: true start lies before the window; first_ns holds it */
    bool is_thrown; /* RESUME: by throw(); string = the exception's type */
    bool is_joined; /* RESUME and after: an earlier part of this call is known */
    bool has_gap;   /* END, SUSPEND: events of its own were lost; self_ns, child_count
                     * and running_ns are of what is known, first_ns is right or none */
    double value;   /* COUNTER */
    uint64_t lost_count;  /* GAP */
    uint64_t flow;        /* FLOW_* */
    uint64_t blob;        /* values: give it to marey_trace_values(); 0: none */
    uint64_t result_blob; /* END: return value, same */
    uint8_t log_class;
};

/* The tables of the selection are borrowed until marey_walk_free().
 *
 * On each lane BEGIN and RESUME nest with END and SUSPEND, and time does not go back
 * (but for a BEGIN that comes late). Calls open at the start of the window make a
 * BEGIN with was_open at from_ns; calls open at its end an END with MAREY_END_OPEN at
 * to_ns, or where their process ends. Durations are those of the whole part; self time
 * of a call that reaches into the window counts from from_ns.
 *
 * Where events were lost: a GAP at the last time seen, then an END with MAREY_END_CUT
 * for each call that is not open behind it, then a BEGIN with was_open for each that
 * is new. What lies between is part of durations, but of no call's self time, and
 * has_gap marks the calls of which it is a part. */
enum marey_status marey_walk_new(struct marey_trace *trace,
                                 const struct marey_selection *selection,
                                 enum marey_order order, struct marey_walk **out,
                                 struct marey_error *err);
/* False at the end, and when marey_walk_status() is not MAREY_OK. */
bool marey_walk_next(struct marey_walk *walk, struct marey_step *out);
enum marey_status marey_walk_status(const struct marey_walk *walk,
                                    struct marey_error *err);
/* Events decoded so far, for progress. */
uint64_t marey_walk_position(const struct marey_walk *walk);
void marey_walk_free(struct marey_walk *walk);

/* One named value of a blob. Nested and shortened values are given as OBJECT: text. */
struct marey_value {
    uint8_t tag; /* enum marey_value_tag */
    struct marey_text name;
    int64_t integer;
    double number;
    struct marey_text text; /* TEXT, BYTES, OBJECT; borrowed until the next call */
    uint8_t form;           /* of OBJECT: the tag that was recorded; else `tag` */
    struct marey_text body; /* of OBJECT: for marey_value_parts(); borrowed as `text` */
};
/* Calls `take` for each value of the blob; `context` is passed through. */
enum marey_status marey_trace_values(struct marey_trace *trace, uint32_t lane,
                                     uint64_t blob,
                                     void (*take)(void *context,
                                                  const struct marey_value *value),
                                     void *context, struct marey_error *err);

/* Calls `take` for each part of a value that take() was given by marey_trace_values():
 * items of a list, tuple or set, keys and values of a dict in turn. May be called for
 * parts again; a value's `text` is gone then. False, with nothing taken: it has
 * none, or not all of them were recorded. */
bool marey_value_parts(struct marey_trace *trace, uint32_t lane,
                       const struct marey_value *value,
                       void (*take)(void *context, const struct marey_value *part),
                       void *context);

/* What is known of an object of a class. */
struct marey_value_object {
    struct marey_text type; /* module.name; borrowed while the trace is open */
    uint64_t missing_count; /* items and fields that were not recorded */
};
/* The same for an object of a class: `take` gets its items (arguments of an exception,
 * what a subclass of a built-in holds) without a name, then its fields with theirs; of
 * an enumeration's member that one field, `name`. False, with nothing taken: the value
 * is none, or was recorded as text. */
bool marey_value_object(struct marey_trace *trace, uint32_t lane,
                        const struct marey_value *value, struct marey_value_object *out,
                        void (*take)(void *context, const struct marey_value *part),
                        void *context);

/* Classes of logged values (docs/format.md, 3); those of later versions are above. */
enum marey_log_class {
    MAREY_CLASS_VALUE = 1, /* a variable, or marey.log() */
    MAREY_CLASS_ATTRIBUTE,
    MAREY_CLASS_RAISED,    /* an exception, named by its type */
    MAREY_CLASS_HANDLED,   /* it was caught */
    MAREY_CLASS_SWALLOWED, /* nobody will raise it again */
    MAREY_CLASS_PRINT,
    MAREY_CLASS_RECORD, /* of logging, named by its logger */
    MAREY_CLASS_WARNING,
    MAREY_CLASS_GC,
    MAREY_CLASS_AUDIT,
    MAREY_CLASS_ENTRY,
    MAREY_CLASS_LINE,
};
/* A word for it: "value", "print", … Static, never NULL. */
const char *marey_log_class_name(uint8_t log_class);

/* Shell-style: '*', '?', sets. The whole text has to match. */
bool marey_text_matches(struct marey_text text, struct marey_text pattern);

/* Where functions are chosen, what is logged outside of their calls is not: a log in a
 * function that is left out stays with its nearest caller that is shown, if any. */
static inline bool
marey_step_is_chosen(const struct marey_step *step,
                     const struct marey_selection *selection)
{
    bool is_log = step->kind == MAREY_STEP_INSTANT ||
                  step->kind == MAREY_STEP_COUNTER || step->kind == MAREY_STEP_LOG;

    return !is_log || selection->functions == NULL || step->parent != MAREY_NO_INDEX;
}

/* Whether the step has a value, as one line of text, that matches the pattern: a shell-
 * style one, or NAME=PATTERN. Looks at arguments (begins and ends of calls), return
 * values (their name is `return`), values and names of points, numbers of counters. */
enum marey_status marey_step_has_value(struct marey_trace *trace,
                                       const struct marey_step *step,
                                       struct marey_text pattern, bool *out,
                                       struct marey_error *err);

/* ---- totals ---- */

/* The tracer's cost is taken off by the events that fell into a time, at the cost of
 * one event of its kind (Python or C) as the recording measured it. The two events of a
 * call: about half of each falls into the call and half into its caller, so one event's
 * cost is taken from the call's own time and one from its caller's; what is further
 * below counts whole. So, with c the cost of an event,
 *
 *     corrected total = total - c of itself - 2 c of each call below
 *     corrected self  = self  - c of itself - c of each call it made
 *
 * and a point in time costs one event where it happened. Sums are corrected, not single
 * calls, and are not below 0. Without a measured cost nothing is taken off. */
struct marey_total {
    uint32_t function;   /* index */
    uint32_t other;      /* of an edge: caller or callee; MAREY_NO_INDEX: none */
    uint64_t call_count; /* activations begun in the window, or open at its start */
    uint64_t raised_count;
    uint64_t open_count; /* still open at the end of the window */
    int64_t total_ns;    /* inside it, recursion counted once, suspended parts not */
    int64_t self_ns;
    int64_t min_ns, mean_ns, max_ns; /* of one call, all its running parts together */
    int64_t p50_ns, p90_ns, p99_ns;  /* within 1 %; 0 for edges */
    int64_t corrected_self_ns;       /* self_ns less the tracer's measured cost */
    int64_t corrected_total_ns;
};
/* Walks the selection and sums. `tick`, where given, is called now and then with the
 * share done (0..1); returning false stops (MAREY_STOPPED). */
enum marey_status marey_totals_new(struct marey_trace *trace,
                                   const struct marey_selection *selection,
                                   bool (*tick)(void *context, double share),
                                   void *context, struct marey_totals **out,
                                   struct marey_error *err);
/* Rows of functions that were called, in order of function index. */
uint32_t marey_totals_count(const struct marey_totals *totals);
void marey_totals_row(const struct marey_totals *totals, uint32_t row,
                      struct marey_total *out);
/* Edges: `function` called by `other`. MAREY_NO_INDEX as other: called by nobody. */
uint32_t marey_totals_edge_count(const struct marey_totals *totals);
void marey_totals_edge(const struct marey_totals *totals, uint32_t edge,
                       struct marey_total *out);
uint64_t marey_totals_lost_count(const struct marey_totals *totals);
void marey_totals_free(struct marey_totals *totals);

/* Fills in marey_trace_info.call_count by decoding everything once. */
enum marey_status marey_trace_count(struct marey_trace *trace, struct marey_error *err);

/* ---- checking and rewriting ---- */

/* Verifies every byte: places, checksums, definitions before use, nesting, order.
 * `report` is called once per finding with an offset and one line. MAREY_OK and no
 * findings: the trace is whole. */
enum marey_status marey_trace_check(struct marey_trace *trace,
                                    void (*report)(void *context, uint64_t offset,
                                                   const char *line),
                                    void *context, uint64_t *finding_count,
                                    struct marey_error *err);

/* Writes one trace that holds all of `paths`, serials renumbered, clocks aligned by
 * their recorded pairs. `out_path` must not exist; none is left where merging fails or
 * is stopped. `tick` as for marey_totals_new(). */
enum marey_status marey_merge(const char *const *paths, uint32_t path_count,
                              const char *out_path,
                              bool (*tick)(void *context, double share), void *context,
                              struct marey_error *err);

/* Writes the trace with its chunks packed: the same in all that is read, in a fraction
 * of the bytes. A trace that is being written is packed as far as it is; who asks says
 * first that it is not. `out_path` must not exist; it is on the disk when this returns.
 * A trace of at least `index_from` events also gets the index of the view. `tick` as
 * with marey_totals_new(). */
enum marey_status marey_pack(const char *path, const char *out_path,
                             uint64_t index_from,
                             bool (*tick)(void *context, double share), void *context,
                             struct marey_error *err);

/* The same into a file of at most about `size_bytes`: what matters most of the events
 * (marks, rare exceptions, the slowest calls, then the newest), and of the others when
 * they were and which calls were open. MAREY_USAGE: not even that fits. */
struct marey_part_kept {
    uint64_t events;     /* that are in the file */
    uint64_t all_events; /* that the trace has */
};
enum marey_status marey_pack_part(const char *path, const char *out_path,
                                  uint64_t size_bytes,
                                  bool (*tick)(void *context, double share),
                                  void *context, struct marey_part_kept *kept,
                                  struct marey_error *err);

#endif
