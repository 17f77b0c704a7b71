/* Calls, events and logs as Python objects.
 *
 * An object holds one step and the few Python values that go with it; its attributes
 * are made when they are read.
 */
#include "reading/impl.h"
#include "reading/parts.h"

#include <stddef.h>
#include <string.h>

/* A Call, an Event or a Log. */
struct step_object {
    PyObject_HEAD
    struct marey_step step;
    int64_t call_begin_ns;
    int64_t call_duration_ns;
    PyObject *function; /* owned from here on; NULL is None */
    PyObject *parent;
    PyObject *caller;
    PyObject *lane;
    PyObject *text;   /* exception's type; name of an instant, counter or log */
    PyObject *values; /* dict of arguments */
    PyObject *result;
    PyObject *ended; /* text of the enum; NULL where the step ends nothing */
    PyObject *kind;
};

/* ---- values of a blob ---- */

static PyObject *
make_unrecorded(struct reading *reading, const struct marey_value *value)
{
    static const char *const names[] = {"object", "redacted", "not recorded", "unbound",
                                        "error"};
    unsigned which = (unsigned)value->tag - MAREY_VALUE_OBJECT;
    PyObject *items[] = {
        PyUnicode_FromString(which < 5 ? names[which] : "not recorded"),
        text_to_python(value->text),
    };

    return make_record(reading->unrecorded_type, items, 2);
}

/* Sets an attribute that is no item of the tuple; takes the value. */
static bool
set_more(PyObject *unrecorded, Py_ssize_t index, PyObject *value)
{
    if (value != NULL)
        PyStructSequence_SetItem(unrecorded, index, value);
    return value != NULL;
}

/* Where a value is read from. */
struct origin {
    struct reading *reading;
    struct marey_trace *trace;
    uint32_t lane;
};

static PyObject *value_to_python(const struct origin *origin,
                                 const struct marey_value *value);

struct inside {
    const struct origin *origin;
    PyObject *list; /* owned; NULL after a failure */
};

static void
collect_part(void *context, const struct marey_value *part)
{
    struct inside *parts = context;
    PyObject *object =
        parts->list == NULL ? NULL : value_to_python(parts->origin, part);

    if (object == NULL || PyList_Append(parts->list, object) < 0)
        Py_CLEAR(parts->list);
    Py_XDECREF(object);
}

/* Of keys and values in turn. */
static PyObject *
make_dict(PyObject *parts)
{
    PyObject *dict = PyDict_New();
    Py_ssize_t count = PyList_GET_SIZE(parts);

    for (Py_ssize_t i = 0; dict != NULL && i + 1 < count; i += 2)
        if (PyDict_SetItem(dict, PyList_GET_ITEM(parts, i),
                           PyList_GET_ITEM(parts, i + 1)) < 0)
            Py_CLEAR(dict);
    return dict;
}

/* The container of these parts; NULL, perhaps with an exception: they are not all of
 * it, since things that the trace does not tell apart were. */
static PyObject *
make_container(uint8_t form, PyObject *parts)
{
    PyObject *made = form == MAREY_VALUE_LIST        ? Py_NewRef(parts)
                     : form == MAREY_VALUE_TUPLE     ? PyList_AsTuple(parts)
                     : form == MAREY_VALUE_SET       ? PySet_New(parts)
                     : form == MAREY_VALUE_FROZENSET ? PyFrozenSet_New(parts)
                                                     : make_dict(parts);

    if (made != NULL &&
        PyObject_Size(made) != (form == MAREY_VALUE_DICT ? PyList_GET_SIZE(parts) / 2
                                                         : PyList_GET_SIZE(parts)))
        Py_CLEAR(made);
    return made;
}

/* A value of more than a word, as it was; NULL, without an exception: there is less of
 * it. `text` says what it looked like. */
static PyObject *
made_of(const struct origin *origin, const struct marey_value *value, PyObject *text)
{
    struct inside parts = {origin, NULL};
    PyObject *made = NULL;

    if (value->form == MAREY_VALUE_NUMBER)
        made = PyLong_FromUnicodeObject(text, 0);
    else if (value->form == MAREY_VALUE_COMPLEX)
        made = PyObject_CallOneArg((PyObject *)&PyComplex_Type, text);
    else if (value->form >= MAREY_VALUE_LIST && value->form <= MAREY_VALUE_DICT &&
             (parts.list = PyList_New(0)) != NULL &&
             marey_value_parts(origin->trace, origin->lane, value, collect_part,
                               &parts) &&
             parts.list != NULL)
        made = make_container(value->form, parts.list);
    Py_XDECREF(parts.list);
    if (made == NULL)
        PyErr_Clear();
    return made;
}

struct object_parts {
    const struct origin *origin;
    PyObject *items, *fields; /* owned; a NULL after a failure */
};

static void
collect_of_object(void *context, const struct marey_value *part)
{
    struct object_parts *parts = context;
    bool has_name = part->name.size_bytes > 0;
    PyObject *name = has_name ? text_to_python(part->name) : NULL;
    PyObject *value = value_to_python(parts->origin, part);
    bool is_kept = parts->items != NULL && parts->fields != NULL && value != NULL;

    if (is_kept && has_name)
        is_kept = name != NULL && PyDict_SetItem(parts->fields, name, value) == 0;
    else if (is_kept)
        is_kept = PyList_Append(parts->items, value) == 0;
    if (!is_kept)
        Py_CLEAR(parts->items);
    Py_XDECREF(name);
    Py_XDECREF(value);
}

/* What is known of an object of a class, beside its text. False: an exception. */
static bool
add_object(const struct origin *origin, const struct marey_value *value,
           PyObject *unrecorded)
{
    struct object_parts parts = {origin, PyList_New(0), PyDict_New()};
    struct marey_value_object object;
    bool is_right = true;

    if (parts.items != NULL && parts.fields != NULL &&
        marey_value_object(origin->trace, origin->lane, value, &object,
                           collect_of_object, &parts))
        is_right =
            parts.items != NULL &&
            set_more(unrecorded, 2, text_to_python(object.type)) &&
            set_more(unrecorded, 3, PyList_AsTuple(parts.items)) &&
            set_more(unrecorded, 4, Py_NewRef(parts.fields)) &&
            set_more(unrecorded, 5, PyLong_FromUnsignedLongLong(object.missing_count));
    Py_XDECREF(parts.items);
    Py_XDECREF(parts.fields);
    return is_right && !PyErr_Occurred();
}

static PyObject *
make_other(const struct origin *origin, const struct marey_value *value)
{
    /* Parts are written where this is. */
    PyObject *unrecorded = make_unrecorded(origin->reading, value);
    PyObject *made =
        unrecorded == NULL || value->tag != MAREY_VALUE_OBJECT
            ? NULL
            : made_of(origin, value, PyStructSequence_GetItem(unrecorded, 1));

    if (made == NULL) {
        if (unrecorded != NULL && !add_object(origin, value, unrecorded))
            Py_CLEAR(unrecorded);
        return unrecorded;
    }
    Py_DECREF(unrecorded);
    return made;
}

static PyObject *
value_to_python(const struct origin *origin, const struct marey_value *value)
{
    switch (value->tag) {
    case MAREY_VALUE_NONE: Py_RETURN_NONE;
    case MAREY_VALUE_FALSE: Py_RETURN_FALSE;
    case MAREY_VALUE_TRUE: Py_RETURN_TRUE;
    case MAREY_VALUE_INT: return PyLong_FromLongLong(value->integer);
    case MAREY_VALUE_FLOAT: return PyFloat_FromDouble(value->number);
    case MAREY_VALUE_TEXT: return text_to_python(value->text);
    case MAREY_VALUE_BYTES:
        return PyBytes_FromStringAndSize(value->text.bytes,
                                         (Py_ssize_t)value->text.size_bytes);
    default: return make_other(origin, value);
    }
}

struct collector {
    struct origin origin;
    PyObject *values;       /* owned dict; NULL after a failure */
    unsigned unnamed_count; /* so far: "", "1", "2" and so on */
};

static void
collect_value(void *context, const struct marey_value *value)
{
    struct collector *c = context;
    PyObject *name, *object;

    if (c->values == NULL)
        return;
    name = text_to_python(value->name);
    if (name != NULL && PyUnicode_GET_LENGTH(name) == 0 && c->unnamed_count++ > 0)
        Py_SETREF(name, PyUnicode_FromFormat("%u", c->unnamed_count - 1));
    object = value_to_python(&c->origin, value);
    if (name == NULL || object == NULL || PyDict_SetItem(c->values, name, object) < 0)
        Py_CLEAR(c->values);
    Py_XDECREF(name);
    Py_XDECREF(object);
}

/* The values of a blob as a dict; new. The trace is held. */
static PyObject *
read_values(struct trace_object *trace, uint32_t lane, uint64_t blob)
{
    struct collector collector = {
        {trace->reading, trace->trace, lane}, PyDict_New(), 0};
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
    Py_XDECREF(self->caller);
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

PyObject *
make_step(struct trace_object *trace, enum step_form form,
          const struct whole_call *call)
{
    const struct marey_step *step = &call->step;
    struct reading *reading = trace->reading;
    PyTypeObject *type = form == STEP_AS_CALL    ? reading->call_type
                         : form == STEP_AS_EVENT ? reading->event_type
                                                 : reading->log_type;
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
    self->caller = item_of(functions, step->caller);
    self->lane = item_of(lanes, step->lane);
    if (form == STEP_AS_LOG && step->kind == MAREY_STEP_LOG)
        self->kind = PyUnicode_InternFromString(marey_log_class_name(step->log_class));
    else
        self->kind = Py_NewRef(reading->kinds[step->kind]);
    if (step->kind == MAREY_STEP_END)
        self->ended = Py_NewRef(
            reading
                ->ended[call->is_suspended ? ENDED_SUSPENDED : (unsigned)step->ending]);
    self->call_begin_ns = begin_of(step);
    self->call_duration_ns = step->time_ns - self->call_begin_ns;
    if (self->kind == NULL || fill_texts(self, trace) < 0) {
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

/* The class of what was logged, as a word. */
static PyObject *
get_log(PyObject *self, void *Py_UNUSED(closure))
{
    const struct marey_step *step = &((struct step_object *)self)->step;

    if (step->kind != MAREY_STEP_LOG)
        Py_RETURN_NONE;
    return PyUnicode_FromString(marey_log_class_name(step->log_class));
}

/* One of the values by its name; the closure is the name. */
static PyObject *
get_of_values(PyObject *object, void *closure)
{
    PyObject *values = ((struct step_object *)object)->values, *value = NULL;

    if (values != NULL)
        value = PyDict_GetItemString(values, closure);
    return Py_NewRef(value != NULL ? value : Py_None);
}

/* The line of the program. Where lines are logged it has no name, for the names there
 * are the program's. */
static PyObject *
get_line(PyObject *object, void *Py_UNUSED(closure))
{
    const struct marey_step *step = &((const struct step_object *)object)->step;
    bool is_line = step->kind == MAREY_STEP_LOG && step->log_class == MAREY_CLASS_LINE;

    return get_of_values(object, is_line ? "" : "line");
}

/* What was logged: the number of a counter, the value that has no name. */
static PyObject *
get_logged(PyObject *object, void *Py_UNUSED(closure))
{
    const struct step_object *self = (const struct step_object *)object;

    if (self->step.kind == MAREY_STEP_COUNTER)
        return PyFloat_FromDouble(self->step.value);
    return get_of_values(object, "");
}

static PyObject *
log_repr(PyObject *object)
{
    struct step_object *self = (struct step_object *)object;

    return PyUnicode_FromFormat("<marey.Log %U %R time_ns=%lld>", self->kind,
                                self->text != NULL ? self->text : Py_None,
                                (long long)self->step.time_ns);
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
        {"caller", get_object, NULL, "Function of that line", AT(caller)},             \
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
    {"has_gap", get_flag, NULL, "events of its own were lost", AT(step.has_gap)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef event_getset[] = {
    COMMON_ATTRIBUTES,
    {"kind", get_object, NULL, "what happened", AT(kind)},
    {"time_ns", get_time, NULL, "when", AT(step.time_ns)},
    {"text", get_object, NULL, "name, or type of an exception", AT(text)},
    {"value", get_double, NULL, "of a counter", AT(step.value)},
    {"begin_ns", get_time, NULL, "of the running part", AT(step.begin_ns)},
    {"duration_ns", get_time, NULL, "of the running part, or gap",
     AT(step.duration_ns)},
    {"has_gap", get_flag, NULL, "events of its own were lost", AT(step.has_gap)},
    {"running_ns", get_time, NULL, "of all parts", AT(step.running_ns)},
    {"was_open", get_flag, NULL, "began before the window", AT(step.was_open)},
    {"lost_count", get_large_count, NULL, "events of a gap", AT(step.lost_count)},
    {"activation", get_large_count, NULL, "of a generator", AT(step.activation)},
    {"flow", get_large_count, NULL, "of an arrow", AT(step.flow)},
    {"log", get_log, NULL, "class of what was logged", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef log_getset[] = {
    {"kind", get_object, NULL, "what it is", AT(kind)},
    {"time_ns", get_time, NULL, "when", AT(step.time_ns)},
    {"name", get_object, NULL, "name of what was logged", AT(text)},
    {"value", get_logged, NULL, "the value itself", NULL},
    {"values", get_object, NULL, "all that was recorded with it", AT(values)},
    {"line", get_line, NULL, "line of the program", NULL},
    {"level", get_of_values, NULL, "of a record of logging", (void *)"level"},
    {"function", get_object, NULL, "the Function it was logged in", AT(parent)},
    {"lane", get_object, NULL, "the Lane it was logged on", AT(lane)},
    {"process", get_process, NULL, "the Process it was logged in", NULL},
    {"depth", get_count, NULL, "open calls around it", AT(step.depth)},
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

static PyType_Slot log_slots[] = {
    {Py_tp_doc, "Something that was logged."},
    {Py_tp_dealloc, step_dealloc},
    {Py_tp_getset, log_getset},
    {Py_tp_repr, log_repr},
    {0, NULL},
};
static PyType_Spec log_spec = {
    .name = "marey.Log",
    .basicsize = sizeof(struct step_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = log_slots,
};

int
reading_add_steps(struct reading *reading, PyObject *module)
{
    struct {
        PyTypeObject **type;
        PyType_Spec *spec;
    } rows[] = {
        {&reading->call_type, &call_spec},
        {&reading->event_type, &event_spec},
        {&reading->log_type, &log_spec},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].type =
            (PyTypeObject *)PyType_FromModuleAndSpec(module, rows[i].spec, NULL);
        if (*rows[i].type == NULL || PyModule_AddType(module, *rows[i].type) < 0)
            return -1;
    }
    return 0;
}
