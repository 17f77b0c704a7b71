/* What the files of the reading half share: trace.c, reading/records.c,
 * reading/step.c, reading/walk.c and reading/work.c.
 *
 *     struct reading       all types and constants, one a module; an object itself, so
 *          ^               that it needs no room in the module's state
 *          |  owned
 *     struct trace_object  an open file, and its lock
 *          ^  owned
 *          |
 *     walk_object          a walk under way
 *
 * A trace may be used by one thread at a time, so each use of `trace` stands between
 * trace_take() and trace_give(). Closing while walks are alive only marks the trace;
 * the last walk closes it.
 */
#ifndef MAREY_PYTHON_TRACE_IMPL_H
#define MAREY_PYTHON_TRACE_IMPL_H

#include "pycompat.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "marey/query.h"

#define ENDED_SUSPENDED 4            /* of a call whose generator was never resumed */
#define READING_ATTRIBUTE "_reading" /* of the module: its struct reading */

struct reading {
    PyObject_HEAD
    PyTypeObject *trace_type;
    PyTypeObject *walk_type;
    PyTypeObject *call_type;
    PyTypeObject *event_type;
    PyTypeObject *log_type;
    PyTypeObject *function_type; /* from here on: struct sequences */
    PyTypeObject *lane_type;
    PyTypeObject *process_type;
    PyTypeObject *total_type;
    PyTypeObject *unrecorded_type;
    PyObject *ended[5];  /* texts by enum marey_ending, and ENDED_SUSPENDED */
    PyObject *kinds[10]; /* texts by enum marey_step_kind */
};

struct trace_object {
    PyObject_HEAD
    struct reading *reading;          /* owned */
    struct marey_trace *trace;        /* owned; NULL once closed */
    PyThread_type_lock lock;          /* owned */
    atomic_ulong owner;               /* thread that holds the lock, 0 none */
    _Atomic(struct orphan *) orphans; /* owned; walks to be freed by who has the lock */
    bool is_closed;                   /* by close(); walks may keep `trace` alive */
    uint32_t walk_count;
    PyObject *path;      /* owned; as given to open */
    PyObject *index;     /* owned bytes that `trace` reads, or NULL */
    PyObject *functions; /* owned tuples, NULL until first asked for */
    PyObject *lanes;
    PyObject *processes;
};

/* ---- trace.c ---- */

/* Waits for the trace, with the thread detached where it must wait. -1: closed, or this
 * thread has it already (an exception is set). */
int trace_take(struct trace_object *self);
void trace_give(struct trace_object *self);

/* Borrowed tuples of all definitions, made at the first call; the trace is held. */
PyObject *trace_functions(struct trace_object *self);
PyObject *trace_lanes(struct trace_object *self);
PyObject *trace_processes(struct trace_object *self);

/* A selection as Python gives it: (from_ns, to_ns, min_duration_ns, max_depth, lanes,
 * functions), None for no limit; the last two are bytes of 0 and 1 by index. */
struct pick {
    struct marey_selection selection;
    PyObject *lanes; /* owned; keep the tables alive */
    PyObject *functions;
};
/* The trace is held. -1: exception set, nothing to release. */
int pick_init(struct pick *pick, struct trace_object *self, PyObject *tuple);
void pick_release(struct pick *pick);

/* Gives a walk back for good, with the tables it reads. Never waits: whoever holds the
 * trace may be waiting for the very thread that lets go of a walk. Takes both. */
void trace_free_walk(struct trace_object *self, struct marey_walk *walk,
                     struct pick *pick);

/* ---- reading/records.c ---- */

int reading_add_records(struct reading *reading, PyObject *module);

/* Any bytes become text: lone surrogates as they were, other bad bytes replaced. */
PyObject *text_to_python(struct marey_text text);

/* None for MAREY_NO_TIME. */
PyObject *time_to_python(int64_t time_ns);

/* Sets the exception that belongs to the error; returns NULL. */
PyObject *raise_error(const struct marey_error *err);

/* Tuples of definitions: new. */
PyObject *make_functions(struct reading *reading, const struct marey_trace *trace);
PyObject *make_processes(struct reading *reading, const struct marey_trace *trace);
PyObject *make_lanes(struct reading *reading, const struct marey_trace *trace,
                     PyObject *processes);

/* Steals every item, NULL included: then all are dropped and NULL is returned. */
PyObject *make_record(PyTypeObject *type, PyObject **items, Py_ssize_t count);

/* ---- reading/step.c ---- */

/* What a step is made into. */
enum step_form { STEP_AS_EVENT, STEP_AS_CALL, STEP_AS_LOG };

int reading_add_steps(struct reading *reading, PyObject *module);

struct whole_call;
/* New; the trace is held. */
PyObject *make_step(struct trace_object *trace, enum step_form form,
                    const struct whole_call *call);

/* Where the whole call began, as far as it is known. */
static inline int64_t
begin_of(const struct marey_step *step)
{
    return step->first_ns != MAREY_NO_TIME ? step->first_ns : step->begin_ns;
}

/* ---- reading/walk.c ---- */

int reading_add_walk(struct reading *reading, PyObject *module);
PyObject *trace_walk(struct trace_object *self, PyObject *args);

/* ---- reading/work.c ---- */

/* Methods of Trace; see _core.pyi. */
PyObject *trace_count(struct trace_object *self, PyObject *tick);
PyObject *trace_totals(struct trace_object *self, PyObject *args);
PyObject *trace_use_index(struct trace_object *self, PyObject *index);
PyObject *trace_transactions(struct trace_object *self, PyObject *args);
PyObject *trace_transaction(struct trace_object *self, PyObject *args);
PyObject *trace_explain(struct trace_object *self, PyObject *args);
PyObject *trace_check(struct trace_object *self, PyObject *limit);
PyObject *trace_export(struct trace_object *self, PyObject *args);
/* Functions of the module. */
PyObject *merge_traces(PyObject *module, PyObject *args);
PyObject *trace_keeps_due(struct trace_object *self, void *unused);
PyObject *trace_write_keep(struct trace_object *self, PyObject *args);
PyObject *pack_trace(PyObject *module, PyObject *args);
PyObject *pack_trace_part(PyObject *module, PyObject *args);
PyObject *export_formats(PyObject *module, PyObject *unused);

#endif
