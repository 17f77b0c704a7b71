/* Calls, events and logs of a selection, made into objects as they are asked for.
 *
 * Steps are fetched in batches of 1, 2, 4 up to 64: the first comes at once, and the
 * cost of detaching the thread is shared by many later on.
 */
#include "reading/impl.h"
#include "reading/parts.h"

#include <stddef.h>
#include <string.h>

#define BATCH_MAX 64
#define STEPS_MAX (1 << 20) /* between two looks at signals */

struct walk_object {
    PyObject_HEAD
    struct trace_object *trace; /* owned */
    struct marey_walk *walk;    /* owned */
    struct pick pick;
    struct parts parts;
    int64_t min_duration_ns; /* of whole calls; of events the walk sees to it */
    enum step_form form;
    PyObject *value; /* owned bytes: a pattern that a value has to match */
    PyObject *name;  /* owned bytes: the same of a log's name */
    PyObject *kind;  /* owned bytes: and of what it is */
    bool is_over;    /* the walk came to its end */
    bool is_drained; /* and all suspended calls were told */
    bool has_no_memory;
    uint32_t batch;    /* to fetch next time */
    uint32_t fetched;  /* how many are in `calls` */
    uint32_t consumed; /* of those */
    struct whole_call calls[BATCH_MAX + PARTS_CALLS_MAX];
};

/* ---- the walk ---- */

static void
walk_dealloc(struct walk_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct trace_object *trace = self->trace;

    if (self->walk != NULL)
        trace_free_walk(trace, self->walk, &self->pick);
    else
        pick_release(&self->pick);
    parts_release(&self->parts);
    Py_XDECREF(self->value);
    Py_XDECREF(self->name);
    Py_XDECREF(self->kind);
    Py_XDECREF((PyObject *)trace);
    type->tp_free(self);
    Py_DECREF(type);
}

static uint32_t
process_of(const struct walk_object *self, const struct marey_step *step)
{
    struct marey_lane_info info;

    marey_trace_lane(self->trace->trace, step->lane, &info);
    return info.process;
}

static struct marey_text
text_of(PyObject *bytes)
{
    return (struct marey_text){PyBytes_AS_STRING(bytes),
                               (size_t)PyBytes_GET_SIZE(bytes)};
}

static struct marey_text
kind_of(const struct marey_step *step)
{
    const char *word = step->kind == MAREY_STEP_INSTANT   ? "instant"
                       : step->kind == MAREY_STEP_COUNTER ? "counter"
                                                          : NULL;

    if (word == NULL)
        word = marey_log_class_name(step->log_class);
    return (struct marey_text){word, strlen(word)};
}

/* By what it is, its name and its values. The thread may be detached. */
static bool
is_wanted(struct walk_object *self, const struct marey_step *step)
{
    bool has_value = false;

    if (!marey_step_is_chosen(step, &self->pick.selection))
        return false;
    if (self->form == STEP_AS_LOG) {
        if (step->kind != MAREY_STEP_INSTANT && step->kind != MAREY_STEP_COUNTER &&
            step->kind != MAREY_STEP_LOG)
            return false;
        if (self->kind != NULL &&
            !marey_text_matches(kind_of(step), text_of(self->kind)))
            return false;
        if (self->name != NULL &&
            !marey_text_matches(marey_trace_string(self->trace->trace, step->string),
                                text_of(self->name)))
            return false;
    }
    if (self->value == NULL)
        return true;
    /* Values that are damaged match nothing. */
    return marey_step_has_value(self->trace->trace, step, text_of(self->value),
                                &has_value, NULL) == MAREY_OK &&
           has_value;
}

/* Puts the calls that the step completes behind those fetched. */
static void
fetch_calls(struct walk_object *self, const struct marey_step *step)
{
    struct whole_call *calls = &self->calls[self->fetched];
    bool has_parts = step->activation != 0 || step->kind == MAREY_STEP_SUSPEND ||
                     step->kind == MAREY_STEP_GAP;
    int count;

    if (step->kind == MAREY_STEP_BEGIN)
        return;
    count =
        parts_take(&self->parts, step, has_parts ? process_of(self, step) : 0, calls);
    self->has_no_memory = count < 0;
    for (int i = 0; i < count; i++) {
        const struct marey_step *end = &calls[i].step;
        if (end->time_ns - begin_of(end) >= self->min_duration_ns &&
            is_wanted(self, end))
            self->calls[self->fetched++] = calls[i];
    }
}

/* Calls that were suspended for good are known when all else is. */
static void
fetch_suspended(struct walk_object *self)
{
    while (self->fetched < self->batch && !self->is_drained) {
        struct whole_call *call = &self->calls[self->fetched];
        if (self->form != STEP_AS_CALL || !parts_drain(&self->parts, call))
            self->is_drained = true;
        else if (call->step.time_ns - begin_of(&call->step) >= self->min_duration_ns &&
                 is_wanted(self, &call->step))
            self->fetched++;
    }
}

static void
fetch(struct walk_object *self)
{
    self->consumed = self->fetched = 0;
    for (int i = 0; i < STEPS_MAX && self->fetched < self->batch; i++) {
        struct marey_step step;
        if (self->is_over || self->has_no_memory)
            break;
        if (!marey_walk_next(self->walk, &step))
            self->is_over = true;
        else if (self->form == STEP_AS_CALL)
            fetch_calls(self, &step);
        else if (is_wanted(self, &step))
            self->calls[self->fetched++] = (struct whole_call){step, false};
    }
    if (self->is_over && marey_walk_status(self->walk, NULL) == MAREY_OK)
        fetch_suspended(self);
    if (self->batch < BATCH_MAX)
        self->batch *= 2;
}

/* The trace is held. NULL without an exception at the end. */
static PyObject *
next_step(struct walk_object *self)
{
    struct marey_error err;

    while (self->consumed == self->fetched && !self->is_drained) {
        Py_BEGIN_ALLOW_THREADS
            fetch(self);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (self->has_no_memory || marey_walk_status(self->walk, NULL) != MAREY_OK)
            break;
    }
    if (self->consumed < self->fetched)
        return make_step(self->trace, self->form, &self->calls[self->consumed++]);
    if (self->has_no_memory)
        return PyErr_NoMemory();
    if (marey_walk_status(self->walk, &err) != MAREY_OK)
        return raise_error(&err);
    return NULL;
}

static PyObject *
walk_iternext(struct walk_object *self)
{
    PyObject *result;

    if (trace_take(self->trace) < 0)
        return NULL;
    result = next_step(self);
    trace_give(self->trace);
    return result;
}

static PyType_Slot walk_slots[] = {
    {Py_tp_dealloc, walk_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, walk_iternext},
    {0, NULL},
};
static PyType_Spec walk_spec = {
    .name = "marey._core.Walk",
    .basicsize = sizeof(struct walk_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = walk_slots,
};

/* None is no pattern. -1: exception set. */
static int
take_pattern(PyObject *object, PyObject **out)
{
    if (object == Py_None)
        return 0;
    if (!PyBytes_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "patterns are bytes");
        return -1;
    }
    *out = Py_NewRef(object);
    return 0;
}

/* walk(selection, by_lane, form, value, name, kind): form 0 Event, 1 Call, 2 Log. */
PyObject *
trace_walk(struct trace_object *self, PyObject *args)
{
    PyTypeObject *type = self->reading->walk_type;
    struct walk_object *walk = NULL;
    PyObject *selection, *value = Py_None, *name = Py_None, *kind = Py_None;
    int by_lane, form;
    struct marey_trace_info info;
    struct marey_error err;

    if (!PyArg_ParseTuple(args, "O!pi|OOO:walk", &PyTuple_Type, &selection, &by_lane,
                          &form, &value, &name, &kind) ||
        trace_take(self) < 0)
        return NULL;
    walk = (struct walk_object *)type->tp_alloc(type, 0);
    if (walk == NULL)
        goto done;
    walk->trace = (struct trace_object *)Py_NewRef(self);
    walk->form = (enum step_form)form;
    walk->batch = 1;
    if (take_pattern(value, &walk->value) < 0 || take_pattern(name, &walk->name) < 0 ||
        take_pattern(kind, &walk->kind) < 0 ||
        pick_init(&walk->pick, self, selection) < 0) {
        Py_CLEAR(walk);
        goto done;
    }
    if (walk->form == STEP_AS_CALL) {
        /* A walk would judge each part of a generator by itself. */
        walk->min_duration_ns = walk->pick.selection.min_duration_ns;
        walk->pick.selection.min_duration_ns = 0;
    }
    if (marey_walk_new(self->trace, &walk->pick.selection,
                       by_lane ? MAREY_ORDER_LANE : MAREY_ORDER_TIME, &walk->walk,
                       &err) != MAREY_OK) {
        raise_error(&err);
        Py_CLEAR(walk);
        goto done;
    }
    marey_trace_info(self->trace, &info);
    walk->parts.is_damaged = info.damaged_count > 0 || info.skipped_bytes > 0;
    self->walk_count++;
done:
    trace_give(self);
    return (PyObject *)walk;
}

int
reading_add_walk(struct reading *reading, PyObject *module)
{
    reading->walk_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &walk_spec, NULL);
    if (reading->walk_type == NULL)
        return -1;
    return PyModule_AddType(module, reading->walk_type);
}
