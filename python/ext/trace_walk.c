/* Calls and events of a selection, one Python object each, made as they are asked for.
 *
 * Steps are fetched in batches of 1, 2, 4 up to 64: the first comes at once, and the
 * cost of detaching the thread is shared by many later on. An object holds one step and
 * the few Python values that go with it; its attributes are made when they are read.
 */
#include "trace_impl.h"
#include "trace_parts.h"

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
    bool wants_calls;        /* whole calls, as Call; else all steps, as Event */
    bool is_over;            /* the walk came to its end */
    bool is_drained;         /* and all suspended calls were told */
    bool has_no_memory;
    uint32_t batch;    /* to fetch next time */
    uint32_t fetched;  /* how many are in `calls` */
    uint32_t consumed; /* of those */
    struct whole_call calls[BATCH_MAX + PARTS_CALLS_MAX];
};

/* A Call or an Event. */
struct step_object {
    PyObject_HEAD
    struct marey_step step;
    int64_t call_begin_ns;
    int64_t call_duration_ns;
    PyObject *function; /* owned from here on; NULL is None */
    PyObject *parent;
    PyObject *lane;
    PyObject *text;   /* exception's type; name of an instant, counter or log */
    PyObject *values; /* dict of arguments */
    PyObject *result;
    PyObject *ended; /* text of the enum; NULL where the step ends nothing */
    PyObject *kind;
};

/* ---- values of a blob ---- */

/* Tags of values: the numbers of docs/format.md, section 4. */
enum {
    VALUE_NONE = 1,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STR,
    VALUE_BYTES,
    VALUE_OBJECT,
    VALUE_REDACTED,
    VALUE_NOT_RECORDED,
    VALUE_UNBOUND,
    VALUE_ERROR,
};

static PyObject *
make_unrecorded(struct reading *reading, const struct marey_value *value)
{
    static const char *const names[] = {"object", "redacted", "not recorded", "unbound",
                                        "error"};
    unsigned which = (unsigned)value->tag - VALUE_OBJECT;
    PyObject *items[] = {
        PyUnicode_FromString(which < 5 ? names[which] : "not recorded"),
        text_to_python(value->text),
    };

    return make_record(reading->unrecorded_type, items, 2);
}

static PyObject *
value_to_python(struct reading *reading, const struct marey_value *value)
{
    switch (value->tag) {
    case VALUE_NONE: Py_RETURN_NONE;
    case VALUE_FALSE: Py_RETURN_FALSE;
    case VALUE_TRUE: Py_RETURN_TRUE;
    case VALUE_INT: return PyLong_FromLongLong(value->integer);
    case VALUE_FLOAT: return PyFloat_FromDouble(value->number);
    case VALUE_STR: return text_to_python(value->text);
    case VALUE_BYTES:
        return PyBytes_FromStringAndSize(value->text.bytes,
                                         (Py_ssize_t)value->text.size_bytes);
    default: return make_unrecorded(reading, value);
    }
}

struct collector {
    struct reading *reading;
    PyObject *values; /* owned dict; NULL after a failure */
};

static void
collect_value(void *context, const struct marey_value *value)
{
    struct collector *c = context;
    PyObject *name, *object;

    if (c->values == NULL)
        return;
    name = text_to_python(value->name);
    object = value_to_python(c->reading, value);
    if (name == NULL || object == NULL || PyDict_SetItem(c->values, name, object) < 0)
        Py_CLEAR(c->values);
    Py_XDECREF(name);
    Py_XDECREF(object);
}

/* The values of a blob as a dict; new. The trace is held. */
static PyObject *
read_values(struct trace_object *trace, uint32_t lane, uint64_t blob)
{
    struct collector collector = {trace->reading, PyDict_New()};
    struct marey_error err;

    if (collector.values == NULL)
        return NULL;
    if (marey_trace_values(trace->trace, lane, blob, collect_value, &collector, &err) !=
        MAREY_OK) {
        Py_CLEAR(collector.values);
        raise_error(&err);
    }
    return collector.values;
}

/* A result is a blob of one value. */
static PyObject *
read_result(struct trace_object *trace, uint32_t lane, uint64_t blob)
{
    PyObject *values = read_values(trace, lane, blob);
    PyObject *key, *value, *result = NULL;
    Py_ssize_t position = 0;

    if (values == NULL)
        return NULL;
    if (PyDict_Next(values, &position, &key, &value))
        result = value;
    result = Py_NewRef(result != NULL ? result : Py_None);
    Py_DECREF(values);
    return result;
}

/* ---- making calls and events ---- */

static void
step_dealloc(struct step_object *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_XDECREF(self->function);
    Py_XDECREF(self->parent);
    Py_XDECREF(self->lane);
    Py_XDECREF(self->text);
    Py_XDECREF(self->values);
    Py_XDECREF(self->result);
    Py_XDECREF(self->ended);
    Py_XDECREF(self->kind);
    type->tp_free(self);
    Py_DECREF(type);
}

/* New, or NULL without an exception where there is no such index. */
static PyObject *
item_of(PyObject *tuple, uint32_t index)
{
    if (index == MAREY_NO_INDEX || (Py_ssize_t)index >= PyTuple_GET_SIZE(tuple))
        return NULL;
    return Py_NewRef(PyTuple_GET_ITEM(tuple, index));
}

static bool
has_text(const struct marey_step *step)
{
    switch (step->kind) {
    case MAREY_STEP_END: return step->ending == MAREY_END_RAISED;
    case MAREY_STEP_RESUME: return step->is_thrown;
    case MAREY_STEP_INSTANT:
    case MAREY_STEP_COUNTER:
    case MAREY_STEP_LOG: return true;
    default: return false;
    }
}

static int
fill_texts(struct step_object *self, struct trace_object *trace)
{
    const struct marey_step *step = &self->step;

    if (has_text(step) && step->string != MAREY_NO_INDEX) {
        self->text = text_to_python(marey_trace_string(trace->trace, step->string));
        if (self->text == NULL)
            return -1;
    }
    if (step->blob != 0) {
        self->values = read_values(trace, step->lane, step->blob);
        if (self->values == NULL)
            return -1;
    }
    if (step->kind == MAREY_STEP_END && step->result_blob != 0) {
        self->result = read_result(trace, step->lane, step->result_blob);
        if (self->result == NULL)
            return -1;
    }
    return 0;
}

/* Of the whole call, where it is known. */
static int64_t
begin_of(const struct marey_step *step)
{
    return step->first_ns != MAREY_NO_TIME ? step->first_ns : step->begin_ns;
}

/* The trace is held. */
static PyObject *
make_step(struct walk_object *walk, const struct whole_call *call)
{
    const struct marey_step *step = &call->step;
    struct trace_object *trace = walk->trace;
    struct reading *reading = trace->reading;
    PyTypeObject *type = walk->wants_calls ? reading->call_type : reading->event_type;
    PyObject *functions = trace_functions(trace);
    PyObject *lanes = trace_lanes(trace);
    struct step_object *self;

    if (functions == NULL || lanes == NULL)
        return NULL;
    self = (struct step_object *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->step = *step;
    self->function = item_of(functions, step->function);
    self->parent = item_of(functions, step->parent);
    self->lane = item_of(lanes, step->lane);
    self->kind = Py_NewRef(reading->kinds[step->kind]);
    if (step->kind == MAREY_STEP_END)
        self->ended = Py_NewRef(
            reading
                ->ended[call->is_suspended ? ENDED_SUSPENDED : (unsigned)step->ending]);
    self->call_begin_ns = begin_of(step);
    self->call_duration_ns = step->time_ns - self->call_begin_ns;
    if (fill_texts(self, trace) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- their attributes ---- */

/* The closure of each is the field's offset in struct step_object. */
#define FIELD(self, type, closure)                                                     \
    (*(type *)(void *)((char *)(self) + (size_t)(closure)))
#define AT(field) ((void *)offsetof(struct step_object, field))

static PyObject *
get_time(PyObject *self, void *closure)
{
    return time_to_python(FIELD(self, int64_t, closure));
}

static PyObject *
get_count(PyObject *self, void *closure)
{
    return PyLong_FromUnsignedLong(FIELD(self, uint32_t, closure));
}

static PyObject *
get_large_count(PyObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(FIELD(self, uint64_t, closure));
}

static PyObject *
get_flag(PyObject *self, void *closure)
{
    return PyBool_FromLong(FIELD(self, bool, closure));
}

static PyObject *
get_double(PyObject *self, void *closure)
{
    return PyFloat_FromDouble(FIELD(self, double, closure));
}

static PyObject *
get_object(PyObject *self, void *closure)
{
    PyObject *object = FIELD(self, PyObject *, closure);

    return Py_NewRef(object != NULL ? object : Py_None);
}

/* An attribute of the function: the closure is the place in the struct sequence. */
static PyObject *
get_of_function(PyObject *self, void *closure)
{
    PyObject *function = ((struct step_object *)self)->function;

    if (function == NULL)
        Py_RETURN_NONE;
    return Py_NewRef(PyTuple_GET_ITEM(function, (Py_ssize_t)(size_t)closure));
}

static PyObject *
get_process(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *lane = ((struct step_object *)self)->lane;

    return Py_NewRef(lane != NULL ? PyTuple_GET_ITEM(lane, 2) : Py_None);
}

static PyObject *
call_repr(PyObject *object)
{
    struct step_object *self = (struct step_object *)object;
    PyObject *function = self->function;

    return PyUnicode_FromFormat(
        "<marey.Call %U:%U begin_ns=%lld duration_ns=%lld %U>",
        function != NULL ? PyTuple_GET_ITEM(function, 2) : self->kind,
        function != NULL ? PyTuple_GET_ITEM(function, 1) : self->kind,
        (long long)self->call_begin_ns, (long long)self->call_duration_ns,
        self->ended != NULL ? self->ended : self->kind);
}

static PyObject *
event_repr(PyObject *object)
{
    struct step_object *self = (struct step_object *)object;
    PyObject *name = self->text;

    if (self->function != NULL)
        name = PyTuple_GET_ITEM(self->function, 1);
    if (name == NULL)
        return PyUnicode_FromFormat("<marey.Event %U time_ns=%lld>", self->kind,
                                    (long long)self->step.time_ns);
    return PyUnicode_FromFormat("<marey.Event %U %U time_ns=%lld>", self->kind, name,
                                (long long)self->step.time_ns);
}

#define OF_FUNCTION(index) ((void *)(size_t)(index))
#define COMMON_ATTRIBUTES                                                              \
    {"function", get_object, NULL, "the Function", AT(function)},                      \
        {"parent", get_object, NULL, "Function it was called by", AT(parent)},         \
        {"lane", get_object, NULL, "the Lane it ran on", AT(lane)},                    \
        {"process", get_process, NULL, "the Process it ran in", NULL},                 \
        {"depth", get_count, NULL, "open calls around it", AT(step.depth)},            \
        {"call_line", get_count, NULL, "line it was called from", AT(step.call_line)}, \
        {"ended", get_object, NULL, "how the call ended", AT(ended)},                  \
        {"values", get_object, NULL, "recorded values", AT(values)},                   \
        {"result", get_object, NULL, "recorded return value", AT(result)},             \
    {                                                                                  \
        "self_ns", get_time, NULL, "without the calls it made", AT(step.self_ns)       \
    }

static PyGetSetDef call_getset[] = {
    COMMON_ATTRIBUTES,
    {"name", get_of_function, NULL, "qualified name", OF_FUNCTION(1)},
    {"module", get_of_function, NULL, "module of the function", OF_FUNCTION(2)},
    {"file", get_of_function, NULL, "file of the function", OF_FUNCTION(3)},
    {"line", get_of_function, NULL, "first line of the function", OF_FUNCTION(4)},
    {"exception", get_object, NULL, "type of the exception", AT(text)},
    {"begin_ns", get_time, NULL, "where it began", AT(call_begin_ns)},
    {"end_ns", get_time, NULL, "where it ended", AT(step.time_ns)},
    {"duration_ns", get_time, NULL, "from begin to end", AT(call_duration_ns)},
    {"running_ns", get_time, NULL, "without suspended parts", AT(step.running_ns)},
    {"child_count", get_count, NULL, "calls it made", AT(step.child_count)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef event_getset[] = {
    COMMON_ATTRIBUTES,
    {"kind", get_object, NULL, "what happened", AT(kind)},
    {"time_ns", get_time, NULL, "when", AT(step.time_ns)},
    {"text", get_object, NULL, "name, or type of an exception", AT(text)},
    {"value", get_double, NULL, "of a counter", AT(step.value)},
    {"begin_ns", get_time, NULL, "of the running part", AT(step.begin_ns)},
    {"duration_ns", get_time, NULL, "of the running part", AT(step.duration_ns)},
    {"running_ns", get_time, NULL, "of all parts", AT(step.running_ns)},
    {"was_open", get_flag, NULL, "began before the window", AT(step.was_open)},
    {"lost_count", get_large_count, NULL, "events of a gap", AT(step.lost_count)},
    {"activation", get_large_count, NULL, "of a generator", AT(step.activation)},
    {"flow", get_large_count, NULL, "of an arrow", AT(step.flow)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "A call, from its start to its end."},
    {Py_tp_dealloc, step_dealloc},
    {Py_tp_getset, call_getset},
    {Py_tp_repr, call_repr},
    {0, NULL},
};
static PyType_Spec call_spec = {
    .name = "marey.Call",
    .basicsize = sizeof(struct step_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

static PyType_Slot event_slots[] = {
    {Py_tp_doc, "One thing that happened on a lane."},
    {Py_tp_dealloc, step_dealloc},
    {Py_tp_getset, event_getset},
    {Py_tp_repr, event_repr},
    {0, NULL},
};
static PyType_Spec event_spec = {
    .name = "marey.Event",
    .basicsize = sizeof(struct step_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = event_slots,
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

/* Puts the calls that the step completes behind those fetched. */
static void
fetch_calls(struct walk_object *self, const struct marey_step *step)
{
    struct whole_call *calls = &self->calls[self->fetched];
    bool has_parts = step->activation != 0 || step->kind == MAREY_STEP_SUSPEND;
    int count;

    if (step->kind == MAREY_STEP_BEGIN)
        return;
    count =
        parts_take(&self->parts, step, has_parts ? process_of(self, step) : 0, calls);
    self->has_no_memory = count < 0;
    for (int i = 0; i < count; i++) {
        const struct marey_step *end = &calls[i].step;
        if (end->time_ns - begin_of(end) >= self->min_duration_ns)
            self->calls[self->fetched++] = calls[i];
    }
}

/* Calls that were suspended for good are known when all else is. */
static void
fetch_suspended(struct walk_object *self)
{
    while (self->fetched < self->batch && !self->is_drained) {
        struct whole_call *call = &self->calls[self->fetched];
        if (!self->wants_calls || !parts_drain(&self->parts, call))
            self->is_drained = true;
        else if (call->step.time_ns - begin_of(&call->step) >= self->min_duration_ns)
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
        else if (self->wants_calls)
            fetch_calls(self, &step);
        else
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
        return make_step(self, &self->calls[self->consumed++]);
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

PyObject *
trace_walk(struct trace_object *self, PyObject *args)
{
    PyTypeObject *type = self->reading->walk_type;
    struct walk_object *walk = NULL;
    PyObject *selection;
    int by_lane, wants_calls;
    struct marey_error err;

    if (!PyArg_ParseTuple(args, "O!pp:walk", &PyTuple_Type, &selection, &by_lane,
                          &wants_calls) ||
        trace_take(self) < 0)
        return NULL;
    walk = (struct walk_object *)type->tp_alloc(type, 0);
    if (walk == NULL)
        goto done;
    walk->trace = (struct trace_object *)Py_NewRef(self);
    walk->wants_calls = wants_calls != 0;
    walk->batch = 1;
    if (pick_init(&walk->pick, self, selection) < 0) {
        Py_CLEAR(walk);
        goto done;
    }
    if (wants_calls) {
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
    self->walk_count++;
done:
    trace_give(self);
    return (PyObject *)walk;
}

int
reading_add_walk(struct reading *reading, PyObject *module)
{
    struct {
        PyTypeObject **type;
        PyType_Spec *spec;
    } rows[] = {
        {&reading->call_type, &call_spec},
        {&reading->event_type, &event_spec},
        {&reading->walk_type, &walk_spec},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].type =
            (PyTypeObject *)PyType_FromModuleAndSpec(module, rows[i].spec, NULL);
        if (*rows[i].type == NULL || PyModule_AddType(module, *rows[i].type) < 0)
            return -1;
    }
    return 0;
}
