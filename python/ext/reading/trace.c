/* The type Trace: an open file, its lock, and what it holds. */
#include "reading/trace.h"

#include "reading/impl.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A walk that was let go of while another thread had the trace. */
struct orphan {
    struct marey_walk *walk; /* owned */
    struct pick pick;        /* owned */
    struct orphan *next;
};

/* ---- one thread at a time ---- */

static int
fail_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "the trace is closed");
    return -1;
}

/* The lock is held, or nothing else can use the trace. */
static void
end_walk(struct trace_object *self, struct marey_walk *walk, struct pick *pick)
{
    marey_walk_free(walk);
    pick_release(pick);
    self->walk_count--;
    if (self->is_closed && self->walk_count == 0) {
        marey_trace_close(self->trace);
        self->trace = NULL;
    }
}

static void
free_orphans(struct trace_object *self)
{
    struct orphan *orphan = atomic_exchange(&self->orphans, NULL);

    while (orphan != NULL) {
        struct orphan *next = orphan->next;
        end_walk(self, orphan->walk, &orphan->pick);
        free(orphan);
        orphan = next;
    }
}

int
trace_take(struct trace_object *self)
{
    unsigned long me = PyThread_get_thread_ident();

    if (atomic_load(&self->owner) == me) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the trace is busy: this thread is reading it already");
        return -1;
    }
    if (!PyThread_acquire_lock(self->lock, NOWAIT_LOCK)) {
        Py_BEGIN_ALLOW_THREADS
            PyThread_acquire_lock(self->lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
    free_orphans(self);
    if (self->is_closed) {
        PyThread_release_lock(self->lock);
        return fail_closed();
    }
    atomic_store(&self->owner, me);
    return 0;
}

void
trace_give(struct trace_object *self)
{
    atomic_store(&self->owner, 0);
    PyThread_release_lock(self->lock);
}

/* Whoever has the lock frees it, at the latest with the trace. */
static void
leave_orphan(struct trace_object *self, struct marey_walk *walk, struct pick *pick)
{
    struct orphan *orphan = malloc(sizeof(*orphan));

    if (orphan == NULL)
        return; /* lost: better than to wait, or to free what is in use */
    *orphan = (struct orphan){walk, *pick, atomic_load(&self->orphans)};
    while (!atomic_compare_exchange_weak(&self->orphans, &orphan->next, orphan))
        ;
}

void
trace_free_walk(struct trace_object *self, struct marey_walk *walk, struct pick *pick)
{
    /* A finalizer may run in the middle of this thread's own use of the trace. */
    if (atomic_load(&self->owner) == PyThread_get_thread_ident() ||
        !PyThread_acquire_lock(self->lock, NOWAIT_LOCK)) {
        leave_orphan(self, walk, pick);
        return;
    }
    end_walk(self, walk, pick);
    PyThread_release_lock(self->lock);
}

/* ---- life ---- */

static struct reading *
reading_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModule(type);

    return module == NULL
               ? NULL
               : (struct reading *)PyObject_GetAttrString(module, READING_ATTRIBUTE);
}

static void
trace_dealloc(struct trace_object *self)
{
    PyTypeObject *type = Py_TYPE(self);

    free_orphans(self);
    marey_trace_close(self->trace);
    if (self->lock != NULL)
        PyThread_free_lock(self->lock);
    Py_XDECREF(self->path);
    Py_XDECREF(self->index);
    Py_XDECREF(self->functions);
    Py_XDECREF(self->lanes);
    Py_XDECREF(self->processes);
    Py_XDECREF((PyObject *)self->reading);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
open_file(struct trace_object *self, PyObject *path_bytes)
{
    const char *path = PyBytes_AS_STRING(path_bytes);
    struct marey_error err;
    enum marey_status st;

    Py_BEGIN_ALLOW_THREADS
        st = marey_trace_open(path, &self->trace, &err);
    Py_END_ALLOW_THREADS
    if (st == MAREY_OK)
        return 0;
    raise_error(&err);
    return -1;
}

static PyObject *
trace_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", NULL};
    PyObject *path, *path_bytes = NULL;
    struct trace_object *self = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Trace", names, &path) ||
        !PyUnicode_FSConverter(path, &path_bytes))
        return NULL;
    self = (struct trace_object *)type->tp_alloc(type, 0);
    if (self == NULL)
        goto done;
    self->path = PyUnicode_DecodeFSDefaultAndSize(PyBytes_AS_STRING(path_bytes),
                                                  PyBytes_GET_SIZE(path_bytes));
    self->reading = reading_of(type);
    if (self->path == NULL || self->reading == NULL) {
        Py_CLEAR(self);
        goto done;
    }
    self->lock = PyThread_allocate_lock();
    if (self->lock == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(self);
        goto done;
    }
    if (open_file(self, path_bytes) < 0)
        Py_CLEAR(self);
done:
    Py_XDECREF(path_bytes);
    return (PyObject *)self;
}

static PyObject *
trace_close(struct trace_object *self, PyObject *Py_UNUSED(ignored))
{
    if (self->is_closed)
        Py_RETURN_NONE;
    if (trace_take(self) < 0)
        return NULL;
    self->is_closed = true;
    if (self->walk_count == 0) {
        marey_trace_close(self->trace);
        self->trace = NULL;
    }
    trace_give(self);
    Py_RETURN_NONE;
}

/* ---- what it holds ---- */

static PyObject *
trace_info(struct trace_object *self, PyObject *Py_UNUSED(ignored))
{
    struct marey_trace_info info;

    if (trace_take(self) < 0)
        return NULL;
    marey_trace_info(self->trace, &info);
    PyObject *host = text_to_python(info.host_name);
    trace_give(self);
    if (host == NULL)
        return NULL;
    return Py_BuildValue(
        "{sN sL sL sK sK sK sK sI sI sI sK sN sN sd sd sN sL sL}", "host", host,
        "start_realtime_ns", (long long)info.start_realtime_ns, "duration_ns",
        (long long)info.duration_ns, "size_bytes", (unsigned long long)info.size_bytes,
        "event_count", (unsigned long long)info.event_count, "lost_count",
        (unsigned long long)info.lost_count, "call_count",
        (unsigned long long)info.call_count, "host_count", info.host_count,
        "chunk_count", info.chunk_count, "damaged_count", info.damaged_count,
        "skipped_bytes", (unsigned long long)info.skipped_bytes, "is_ring",
        PyBool_FromLong(info.is_ring), "is_unmapped", PyBool_FromLong(info.is_unmapped),
        "cost_python_ns", (double)info.cost_python_ps / 1000.0, "cost_c_ns",
        (double)info.cost_c_ps / 1000.0, "is_window", PyBool_FromLong(info.is_window),
        "window_from_ns", (long long)info.window_from_ns, "window_to_ns",
        (long long)info.window_to_ns);
}

PyObject *
trace_functions(struct trace_object *self)
{
    if (self->functions == NULL)
        self->functions = make_functions(self->reading, self->trace);
    return self->functions;
}

PyObject *
trace_processes(struct trace_object *self)
{
    if (self->processes == NULL)
        self->processes = make_processes(self->reading, self->trace);
    return self->processes;
}

PyObject *
trace_lanes(struct trace_object *self)
{
    PyObject *processes = trace_processes(self);

    if (processes != NULL && self->lanes == NULL)
        self->lanes = make_lanes(self->reading, self->trace, processes);
    return self->lanes;
}

/* (index of the function, since when, calls counted, estimated, all of them) each. */
static PyObject *
get_left_out(struct trace_object *self, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    struct marey_left_out left;

    if (list == NULL || trace_take(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    for (uint32_t i = 0; i < marey_trace_left_out_count(self->trace); i++) {
        if (!marey_trace_left_out(self->trace, i, &left))
            continue;
        PyObject *one = Py_BuildValue("ILKKN", left.function, (long long)left.since_ns,
                                      (unsigned long long)left.calls_counted,
                                      (unsigned long long)left.calls_estimated,
                                      PyBool_FromLong(left.is_whole));
        if (one == NULL || PyList_Append(list, one) < 0) {
            Py_XDECREF(one);
            Py_CLEAR(list);
            break;
        }
        Py_DECREF(one);
    }
    trace_give(self);
    return list;
}

static PyObject *
get_notes(struct trace_object *self, void *Py_UNUSED(closure))
{
    PyObject *notes = NULL;

    if (trace_take(self) < 0)
        return NULL;
    uint32_t count = marey_trace_note_count(self->trace);
    notes = PyTuple_New(count);
    for (uint32_t i = 0; notes != NULL && i < count; i++) {
        PyObject *note = text_to_python(marey_trace_note(self->trace, i));
        if (note == NULL)
            Py_CLEAR(notes);
        else
            PyTuple_SET_ITEM(notes, i, note);
    }
    trace_give(self);
    return notes;
}

static PyObject *
get_definitions(struct trace_object *self, void *closure)
{
    PyObject *(*get)(struct trace_object *) =
        *(PyObject * (**)(struct trace_object *)) closure;
    PyObject *result;

    if (trace_take(self) < 0)
        return NULL;
    result = Py_XNewRef(get(self));
    trace_give(self);
    return result;
}

static PyObject *
trace_source(struct trace_object *self, PyObject *file)
{
    PyObject *path = NULL, *result = NULL;
    struct marey_text text = {NULL, 0};
    struct marey_error err;

    if (!PyUnicode_Check(file))
        return PyErr_Format(PyExc_TypeError, "a file's path is a str");
    path = PyUnicode_AsEncodedString(file, "utf-8", "surrogatepass");
    if (path == NULL)
        return NULL;
    if (trace_take(self) == 0) {
        struct marey_text name = {PyBytes_AS_STRING(path),
                                  (size_t)PyBytes_GET_SIZE(path)};
        if (marey_trace_source(self->trace, name, &text, &err) != MAREY_OK)
            raise_error(&err);
        else if (text.size_bytes == 0)
            result = Py_NewRef(Py_None);
        else
            result = PyBytes_FromStringAndSize(text.bytes, (Py_ssize_t)text.size_bytes);
        trace_give(self);
    }
    Py_DECREF(path);
    return result;
}

/* ---- choosing ---- */

static void
mark_matches(const struct marey_trace *trace, struct marey_text pattern, char *table,
             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!table[i] && marey_function_matches(trace, i, pattern))
            table[i] = 1;
}

/* match(patterns): one byte a function, 1 where any of the patterns fits. */
static PyObject *
trace_match(struct trace_object *self, PyObject *patterns)
{
    PyObject *list = PySequence_Fast(patterns, "patterns are a sequence");
    PyObject *table = NULL;

    if (list == NULL)
        return NULL;
    if (trace_take(self) < 0)
        goto done;
    uint32_t count = marey_trace_function_count(self->trace);
    table = PyBytes_FromStringAndSize(NULL, count);
    if (table != NULL)
        memset(PyBytes_AS_STRING(table), 0, count);
    for (Py_ssize_t i = 0; table != NULL && i < PySequence_Fast_GET_SIZE(list); i++) {
        PyObject *pattern = PyUnicode_AsEncodedString(PySequence_Fast_GET_ITEM(list, i),
                                                      "utf-8", "surrogatepass");
        if (pattern == NULL) {
            Py_CLEAR(table);
            break;
        }
        struct marey_text text = {PyBytes_AS_STRING(pattern),
                                  (size_t)PyBytes_GET_SIZE(pattern)};
        mark_matches(self->trace, text, PyBytes_AS_STRING(table), count);
        Py_DECREF(pattern);
    }
    trace_give(self);
done:
    Py_DECREF(list);
    return table;
}

static int
get_limit(PyObject *value, int64_t *out)
{
    if (value == Py_None)
        return 0;
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred())
        return -1;
    *out = number;
    return 0;
}

/* The table as C's bool, which must hold 0 or 1 and nothing else. */
static int
get_table(PyObject *value, uint32_t count, const bool **out)
{
    if (value == Py_None)
        return 0;
    if (!PyBytes_Check(value) || PyBytes_GET_SIZE(value) != (Py_ssize_t)count) {
        PyErr_SetString(PyExc_ValueError, "a table of choice has one byte an index");
        return -1;
    }
    const char *bytes = PyBytes_AS_STRING(value);
    for (uint32_t i = 0; i < count; i++)
        if (bytes[i] != 0 && bytes[i] != 1) {
            PyErr_SetString(PyExc_ValueError, "a table of choice holds 0 and 1");
            return -1;
        }
    _Static_assert(sizeof(bool) == 1, "tables are used as they are");
    *out = (const bool *)(const void *)bytes;
    return 0;
}

int
pick_init(struct pick *pick, struct trace_object *self, PyObject *tuple)
{
    static const struct marey_selection all = MAREY_SELECTION_ALL;
    PyObject *from, *to, *depth, *lanes, *functions;
    long long min_duration_ns;
    int64_t max_depth = UINT32_MAX;

    pick->selection = all;
    if (!PyArg_ParseTuple(tuple, "OOLOOO:selection", &from, &to, &min_duration_ns,
                          &depth, &lanes, &functions))
        return -1;
    pick->selection.min_duration_ns = min_duration_ns;
    if (get_limit(from, &pick->selection.from_ns) < 0 ||
        get_limit(to, &pick->selection.to_ns) < 0 || get_limit(depth, &max_depth) < 0 ||
        get_table(lanes, marey_trace_lane_count(self->trace), &pick->selection.lanes) <
            0 ||
        get_table(functions, marey_trace_function_count(self->trace),
                  &pick->selection.functions) < 0)
        return -1;
    if (max_depth < 0 || max_depth > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "max_depth is out of range");
        return -1;
    }
    pick->selection.max_depth = (uint32_t)max_depth;
    pick->lanes = Py_NewRef(lanes);
    pick->functions = Py_NewRef(functions);
    return 0;
}

void
pick_release(struct pick *pick)
{
    Py_CLEAR(pick->lanes);
    Py_CLEAR(pick->functions);
}

/* ---- the type ---- */

static PyObject *(*const functions_getter)(struct trace_object *) = trace_functions;
static PyObject *(*const lanes_getter)(struct trace_object *) = trace_lanes;
static PyObject *(*const processes_getter)(struct trace_object *) = trace_processes;

static PyObject *
get_closed(struct trace_object *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->is_closed);
}

static PyObject *
get_path(struct trace_object *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->path);
}

static PyGetSetDef trace_getset[] = {
    {"path", (getter)get_path, NULL, "the file, as given", NULL},
    {"closed", (getter)get_closed, NULL, "close() was called", NULL},
    {"left_out", (getter)get_left_out, NULL, "functions and since when", NULL},
    {"keeps_due", (getter)trace_keeps_due, NULL, "parts not written yet", NULL},
    {"notes", (getter)get_notes, NULL, "what a person should know", NULL},
    {"functions", (getter)get_definitions, NULL, "all functions",
     (void *)&functions_getter},
    {"lanes", (getter)get_definitions, NULL, "all lanes", (void *)&lanes_getter},
    {"processes", (getter)get_definitions, NULL, "all processes",
     (void *)&processes_getter},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef trace_methods[] = {
    {"close", (PyCFunction)trace_close, METH_NOARGS, "Lets go of the file."},
    {"info", (PyCFunction)trace_info, METH_NOARGS, "What the whole trace holds."},
    {"source", (PyCFunction)trace_source, METH_O, "Bytes of a stored source, or None."},
    {"match", (PyCFunction)trace_match, METH_O, "Table of functions that fit."},
    {"write_keep", (PyCFunction)trace_write_keep, METH_VARARGS, "Writes such a part."},
    {"walk", (PyCFunction)trace_walk, METH_VARARGS, "Calls or events of a selection."},
    {"count", (PyCFunction)trace_count, METH_O, "Counts the calls by reading all."},
    {"totals", (PyCFunction)trace_totals, METH_VARARGS, "Sums by function and edge."},
    {"use_index", (PyCFunction)trace_use_index, METH_O,
     "Totals by the index's sums; False: it is not of this trace."},
    {"transactions", (PyCFunction)trace_transactions, METH_VARARGS,
     "Transactions by name, as JSON."},
    {"transaction", (PyCFunction)trace_transaction, METH_VARARGS,
     "The calls of one transaction, as JSON."},
    {"check", (PyCFunction)trace_check, METH_O, "Verifies every byte."},
    {"explain", (PyCFunction)trace_explain, METH_VARARGS, "How it ended, as JSON."},
    {"export", (PyCFunction)trace_export, METH_VARARGS, "Writes another format."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot trace_slots[] = {
    {Py_tp_doc, "Trace(path)\n--\n\nAn open trace file."},
    {Py_tp_new, trace_new},
    {Py_tp_dealloc, trace_dealloc},
    {Py_tp_methods, trace_methods},
    {Py_tp_getset, trace_getset},
    {0, NULL},
};
static PyType_Spec trace_spec = {
    .name = "marey._core.Trace",
    .basicsize = sizeof(struct trace_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = trace_slots,
};

/* ---- the types and constants of a module ---- */

static int
reading_traverse(struct reading *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->trace_type);
    Py_VISIT(self->walk_type);
    Py_VISIT(self->call_type);
    Py_VISIT(self->event_type);
    Py_VISIT(self->log_type);
    Py_VISIT(self->function_type);
    Py_VISIT(self->lane_type);
    Py_VISIT(self->process_type);
    Py_VISIT(self->total_type);
    Py_VISIT(self->unrecorded_type);
    return 0;
}

static int
reading_clear(struct reading *self)
{
    Py_CLEAR(self->trace_type);
    Py_CLEAR(self->walk_type);
    Py_CLEAR(self->call_type);
    Py_CLEAR(self->event_type);
    Py_CLEAR(self->log_type);
    Py_CLEAR(self->function_type);
    Py_CLEAR(self->lane_type);
    Py_CLEAR(self->process_type);
    Py_CLEAR(self->total_type);
    Py_CLEAR(self->unrecorded_type);
    for (size_t i = 0; i < sizeof(self->ended) / sizeof(self->ended[0]); i++)
        Py_CLEAR(self->ended[i]);
    for (size_t i = 0; i < sizeof(self->kinds) / sizeof(self->kinds[0]); i++)
        Py_CLEAR(self->kinds[i]);
    return 0;
}

static void
reading_dealloc(struct reading *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    reading_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot reading_slots[] = {
    {Py_tp_traverse, reading_traverse},
    {Py_tp_clear, reading_clear},
    {Py_tp_dealloc, reading_dealloc},
    {0, NULL},
};
static PyType_Spec reading_spec = {
    .name = "marey._core._Reading",
    .basicsize = sizeof(struct reading),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reading_slots,
};

static PyMethodDef module_functions[] = {
    {"pack", pack_trace, METH_VARARGS, "Writes a trace anew in fewer bytes."},
    {"pack_part", pack_trace_part, METH_VARARGS, "Writes what matters most of it."},
    {"merge", merge_traces, METH_VARARGS, "Puts traces together in a new file."},
    {"export_formats", export_formats, METH_NOARGS, "Names for Trace.export()."},
    {NULL, NULL, 0, NULL},
};

int
marey_add_trace_types(PyObject *module)
{
    PyTypeObject *type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &reading_spec, NULL);
    struct reading *reading = NULL;
    int result = -1;

    if (type == NULL)
        return -1;
    reading = (struct reading *)type->tp_alloc(type, 0);
    if (reading == NULL)
        goto done;
    reading->trace_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &trace_spec, NULL);
    if (reading->trace_type == NULL ||
        PyModule_AddType(module, reading->trace_type) < 0 ||
        reading_add_records(reading, module) < 0 ||
        reading_add_steps(reading, module) < 0 ||
        reading_add_walk(reading, module) < 0 ||
        PyModule_AddFunctions(module, module_functions) < 0)
        goto done;
    result = PyModule_AddObjectRef(module, READING_ATTRIBUTE, (PyObject *)reading);
done:
    Py_XDECREF((PyObject *)reading);
    Py_DECREF(type);
    return result;
}
