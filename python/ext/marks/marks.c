/* Spans, instants, counters, logged values: what the program itself puts on its time
 * line, and what it wants left out.
 *
 * Everything is cheap when nothing records. When recording, values are captured at
 * once (values.h), so that later changes do not rewrite history.
 */
#include "values/values.h"

#include <structmember.h>

#define SPAN_KEY 2 /* low bits of a span's key; frames have 0, C calls 1 */

/* Named values into a blob of the lane; 0: none. `names` is a tuple, `values` as many.
 */
static uint64_t
put_values(struct marey_lane *lane, PyObject *names, PyObject *const *values)
{
    Py_ssize_t count = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    struct values body;

    if (count == 0)
        return 0;
    values_begin(&body);
    for (Py_ssize_t i = 0; i < count; i++)
        values_put(&body, PyTuple_GET_ITEM(names, i), values[i]);
    return values_finish(&body, lane);
}

static uint32_t
string_id(PyObject *text)
{
    return values_name(text).id;
}

/* ---- instants and counters ---- */

static PyObject *
instant(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    (void)module;
    if (nargs != 1 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError,
                        "instant() takes one name, then values by keyword");
        return NULL;
    }
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    if (lane != NULL)
        marey_instant(lane, string_id(args[0]), put_values(lane, names, args + nargs));
    Py_RETURN_NONE;
}

static bool
is_number(PyObject *value)
{
    return PyFloat_Check(value) || PyLong_Check(value);
}

static PyObject *
counter(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    Py_ssize_t count = names == NULL ? 0 : PyTuple_GET_SIZE(names);

    (void)module;
    if (nargs < 1 || nargs > 2 || !PyUnicode_Check(args[0]) || nargs + count < 2) {
        PyErr_SetString(PyExc_TypeError,
                        "counter() takes a name and a number, or numbers "
                        "by keyword");
        return NULL;
    }
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    if (lane == NULL)
        Py_RETURN_NONE;
    if (nargs == 2 && is_number(args[1]))
        marey_counter(lane, string_id(args[0]), PyFloat_AsDouble(args[1]));
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_number(args[nargs + i]))
            continue;
        PyObject *name =
            PyUnicode_FromFormat("%U.%U", args[0], PyTuple_GET_ITEM(names, i));
        if (name == NULL)
            return NULL;
        marey_counter(lane, string_id(name), PyFloat_AsDouble(args[nargs + i]));
        Py_DECREF(name);
    }
    PyErr_Clear(); /* an integer beyond a double: not recorded as a number */
    Py_RETURN_NONE;
}

/* ---- logged values ---- */

static PyObject *
log_value(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    if (nargs != 2 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "log() takes a name and a value");
        return NULL;
    }
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    if (MAREY_UNLIKELY(lane != NULL)) {
        struct values_name name = values_name(args[0]);
        struct values body;
        values_begin(&body);
        values_put_named(&body, (struct values_name){0, name.is_secret}, args[1]);
        marey_log(lane, name.id, MAREY_LOG_VALUE, values_finish(&body, lane));
    }
    return Py_NewRef(args[1]);
}

/* A record of `logging`, or whatever looks like one. */
static PyObject *
log_record(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    static PyObject *level; /* owned: the name of that value */

    (void)module;
    if (nargs < 3 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError,
                        "log_record() takes a logger's name, a level, a message, "
                        "arguments");
        return NULL;
    }
    if (level == NULL && (level = PyUnicode_InternFromString("level")) == NULL)
        return NULL;
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    if (lane != NULL) {
        struct values body;
        struct values_name none = {0, false};
        values_begin(&body);
        values_put(&body, level, args[1]);
        values_put_message(&body, none, args[2]);
        marey_log(lane, values_name(args[0]).id, MAREY_LOG_RECORD,
                  values_finish(&body, lane));
    }
    Py_RETURN_NONE;
}

/* ---- what is not to be recorded ---- */

/* contextlib calls these with the object before what belongs there: it is this one. */
static PyObject *
ignore_enter(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args, (void)nargs;
    if (tracer.is_on)
        marey_lane_ignore(true);
    return Py_NewRef(self);
}

static PyObject *
ignore_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    if (tracer.is_on)
        marey_lane_ignore(false);
    Py_RETURN_NONE;
}

/* `marey.ignore()` is `marey.ignore`; with a function it decorates that. */
static PyObject *
ignore_call(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *module, *result = NULL;

    if (PyTuple_GET_SIZE(args) == 0 &&
        (keywords == NULL || PyDict_GET_SIZE(keywords) == 0))
        return Py_NewRef(self);
    if (PyTuple_GET_SIZE(args) != 1 || keywords != NULL) {
        PyErr_SetString(PyExc_TypeError, "ignore takes one function, or nothing");
        return NULL;
    }
    module = PyImport_ImportModule("marey.spans");
    if (module != NULL)
        result = PyObject_CallMethod(module, "ignore", "O", PyTuple_GET_ITEM(args, 0));
    Py_XDECREF(module);
    return result;
}

static PyMethodDef ignore_functions[] = {
    {"__enter__", (PyCFunction)(void (*)(void))ignore_enter, METH_FASTCALL, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))ignore_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ignore_slots[] = {
    {Py_tp_doc, "Leaves out what the current thread does, in a `with` block or in a "
                "function that is decorated with it."},
    {Py_tp_call, ignore_call},
    {0, NULL},
};
static PyType_Spec ignore_spec = {
    .name = "marey._core.Ignore",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ignore_slots,
};

/* ---- spans ---- */

#define SPAN_VALUES 4 /* kept in the span itself; more are in a tuple */

static PyTypeObject *span_type; /* owned */

struct span {
    PyObject_HEAD
    vectorcallfunc vectorcall;     /* as a decorator, __enter__ and __exit__ */
    PyObject *name;                /* owned */
    PyObject *names;               /* owned: tuple of keywords, or NULL */
    PyObject *tuple;               /* owned: their values, or NULL: they are here */
    PyObject *values[SPAN_VALUES]; /* owned */
};

static PyObject *span_functions; /* owned: name to the address of its function */

static struct marey_function *
span_function(PyObject *name)
{
    PyObject *found = NULL;

    if (span_functions == NULL)
        span_functions = PyDict_New();
    if (span_functions == NULL || pc_get_item_ref(span_functions, name, &found) < 0)
        return NULL;
    if (found != NULL) {
        struct marey_function *function = PyLong_AsVoidPtr(found);
        Py_DECREF(found);
        return watch_named(function, name);
    }
    PyObject *bytes = codes_utf8(name);
    if (bytes == NULL)
        return NULL;
    struct marey_function *function =
        marey_define_function(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes),
                              0, 0, 0, MAREY_FUNCTION_SPAN);
    PyObject *address = function == NULL ? NULL : PyLong_FromVoidPtr(function);
    if (address != NULL)
        PyDict_SetItem(span_functions, name, address);
    Py_XDECREF(address);
    Py_DECREF(bytes);
    return watch_named(function, name);
}

static PyObject *
span_enter(PyObject *self, PyObject *unused)
{
    struct span *span = (struct span *)self;

    (void)unused;
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    struct marey_function *function = lane == NULL ? NULL : span_function(span->name);
    PyErr_Clear();
    if (function != NULL) {
        marey_enter_slow(lane, function, (uintptr_t)self | SPAN_KEY);
        if (span->names != NULL)
            marey_values(lane, MAREY_ROLE_ARGUMENTS,
                         put_values(lane, span->names,
                                    span->tuple == NULL
                                        ? span->values
                                        : ((PyTupleObject *)span->tuple)->ob_item));
    }
    return Py_NewRef(self);
}

static PyObject *
span_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uintptr_t key = (uintptr_t)self | SPAN_KEY;

    if (tracer.is_on && nargs >= 1 && args[0] != Py_None && PyType_Check(args[0]))
        marey_unwind(marey_this_lane(), key,
                     cfunctions_type_name((PyTypeObject *)args[0]));
    else if (tracer.is_on)
        marey_leave_slow(marey_this_lane(), key);
    Py_RETURN_NONE;
}

/* An awaitable that is done already: what `async with` asks for. */
struct done {
    PyObject_HEAD
    PyObject *value; /* owned */
};

static PyObject *
done_next(PyObject *self)
{
    PyObject *value = ((struct done *)self)->value;

    if (value != Py_None)
        PyErr_SetObject(PyExc_StopIteration, value);
    return NULL;
}

static void
done_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_XDECREF(((struct done *)self)->value);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot done_slots[] = {
    {Py_tp_dealloc, done_dealloc},
    {Py_am_await, PyObject_SelfIter},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, done_next},
    {0, NULL},
};
static PyType_Spec done_spec = {
    .name = "marey._core.Done",
    .basicsize = sizeof(struct done),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = done_slots,
};
static PyTypeObject *done_type; /* owned */

/* Steals `value`, which may be NULL after an error. */
static PyObject *
make_done(PyObject *value)
{
    struct done *done = value == NULL ? NULL : PyObject_New(struct done, done_type);

    if (done == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    done->value = value;
    return (PyObject *)done;
}

static PyObject *
span_async_enter(PyObject *self, PyObject *unused)
{
    return make_done(span_enter(self, unused));
}

static PyObject *
span_async_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return make_done(span_exit(self, args, nargs));
}

/* As a decorator: marey.spans wraps the function, plain or asynchronous. With nothing
 * it is __enter__, with three arguments __exit__: see entrance.c. */
static PyObject *
span_called(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct span *span = (struct span *)self;
    PyObject *module, *result = NULL;

    if (PyVectorcall_NARGS(nargs) == 3 && names == NULL)
        return span_exit(self, args, 3);
    if (PyVectorcall_NARGS(nargs) == 0 && names == NULL)
        return span_enter(self, NULL);
    if (PyVectorcall_NARGS(nargs) != 1 || names != NULL || !PyCallable_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "a span decorates one function");
        return NULL;
    }
    module = PyImport_ImportModule("marey.spans");
    if (module != NULL)
        result = PyObject_CallMethod(module, "decorate", "OO", args[0], span->name);
    Py_XDECREF(module);
    return result;
}

/* Spans that are over wait here for the next; with the GIL only. */
#ifdef Py_GIL_DISABLED
#define SPARE_MAX 0
#else
#define SPARE_MAX 16
#endif
static struct span *spare[SPARE_MAX + 1];
static int spare_count;

static struct span *
new_span(PyObject *name)
{
    struct span *span;

    if (SPARE_MAX > 0 && spare_count > 0)
        span =
            (struct span *)PyObject_Init((PyObject *)spare[--spare_count], span_type);
    else if ((span = PyObject_New(struct span, span_type)) == NULL)
        return NULL;
    span->vectorcall = span_called;
    span->name = Py_NewRef(name);
    span->names = span->tuple = NULL;
    return span;
}

static void
span_dealloc(PyObject *self)
{
    struct span *span = (struct span *)self;
    PyTypeObject *type = Py_TYPE(self);

    Py_DECREF(span->name);
    if (span->names != NULL) {
        Py_ssize_t count = PyTuple_GET_SIZE(span->names);
        for (Py_ssize_t i = 0; span->tuple == NULL && i < count; i++)
            Py_DECREF(span->values[i]);
        Py_XDECREF(span->tuple);
        Py_DECREF(span->names);
    }
    if (spare_count < SPARE_MAX)
        spare[spare_count++] = span;
    else
        type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef span_methods[] = {
    {"__aenter__", span_async_enter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))span_async_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef span_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct span, vectorcall), READONLY,
     NULL},
    {"name", T_OBJECT, offsetof(struct span, name), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot span_slots[] = {
    {Py_tp_doc, "A named slice of the current thread's lane, as a context manager or "
                "decorator."},
    {Py_tp_dealloc, span_dealloc},
    {Py_tp_methods, span_methods},
    {Py_tp_members, span_members},
    {Py_tp_call, PyVectorcall_Call},
    {0, NULL},
};
static PyType_Spec span_spec = {
    .name = "marey._core.Span",
    .basicsize = sizeof(struct span),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = span_slots,
};

/* While nothing records a span without values is nothing but its name: one for each
 * name will do. Only interned names, whose address says what they are; the first at its
 * place stays. Should a recording begin meanwhile they are spans as any. */
#define IDLE_SPANS 512
static _Atomic(struct span *) idle_spans[IDLE_SPANS]; /* owned */

static struct span *
idle_span(PyObject *name)
{
    _Atomic(struct span *) *place = &idle_spans[(uintptr_t)name / 16 % IDLE_SPANS];
    struct span *found = atomic_load_explicit(place, memory_order_acquire);

    if (MAREY_LIKELY(found != NULL && found->name == name))
        return (struct span *)Py_NewRef(found);
    struct span *made = new_span(name);
    if (made != NULL && found == NULL && PyUnicode_CHECK_INTERNED(name) &&
        atomic_compare_exchange_strong(place, &found, made))
        Py_INCREF(made);
    return made;
}

static bool
keep_values(struct span *span, PyObject *const *values, PyObject *names)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names);

    if (count > SPAN_VALUES && (span->tuple = PyTuple_New(count)) == NULL)
        return false;
    for (Py_ssize_t i = 0; i < count; i++)
        if (span->tuple != NULL)
            PyTuple_SET_ITEM(span->tuple, i, Py_NewRef(values[i]));
        else
            span->values[i] = Py_NewRef(values[i]);
    span->names = Py_NewRef(names);
    return true;
}

static PyObject *
span(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    (void)module;
    if (nargs != 1 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError,
                        "span() takes one name, then values by keyword");
        return NULL;
    }
    if (!tracer.is_on)
        return (PyObject *)idle_span(args[0]);
    struct span *span = new_span(args[0]);
    if (span != NULL && names != NULL && !keep_values(span, args + nargs, names))
        Py_CLEAR(span);
    return (PyObject *)span;
}

static PyMethodDef methods[] = {
    {"instant", (PyCFunction)(void (*)(void))instant, METH_FASTCALL | METH_KEYWORDS,
     "instant(name, /, **values)\n--\n\nA point on the current thread's lane."},
    {"counter", (PyCFunction)(void (*)(void))counter, METH_FASTCALL | METH_KEYWORDS,
     "counter(name, value=None, /, **values)\n--\n\nA number over time."},
    {"log", (PyCFunction)(void (*)(void))log_value, METH_FASTCALL,
     "log(name, value, /)\n--\n\nPuts the value as it is now on the current thread's "
     "lane. Returns it."},
    {"log_record", (PyCFunction)(void (*)(void))log_record, METH_FASTCALL, NULL},
    {"span", (PyCFunction)(void (*)(void))span, METH_FASTCALL | METH_KEYWORDS,
     "span(name, /, **values)\n--\n\nA named slice of the current thread's lane."},
    {NULL, NULL, 0, NULL},
};

/* The one `ignore` needs no method made for it either: functions that know it stand in
 * its type, which are no descriptors. */
static int
add_ignore(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&ignore_spec);
    PyObject *ignore = type == NULL ? NULL : PyObject_New(PyObject, type);
    int status = ignore == NULL ? -1 : PyModule_AddObjectRef(module, "ignore", ignore);

    for (PyMethodDef *def = ignore_functions; status == 0 && def->ml_name != NULL;
         def++) {
        PyObject *function = PyCFunction_New(def, ignore);
        status = function == NULL
                     ? -1
                     : PyDict_SetItemString(type->tp_dict, def->ml_name, function);
        Py_XDECREF(function);
    }
    if (type != NULL)
        PyType_Modified(type);
    Py_XDECREF(ignore);
    Py_XDECREF(type);
    return status;
}

int
marks_add(PyObject *module)
{
    if (span_type == NULL) {
        span_type = (PyTypeObject *)PyType_FromSpec(&span_spec);
        if (span_type != NULL && entrance_add(span_type) < 0)
            Py_CLEAR(span_type);
    }
    if (done_type == NULL)
        done_type = (PyTypeObject *)PyType_FromSpec(&done_spec);
    if (span_type == NULL || done_type == NULL ||
        PyModule_AddObjectRef(module, "Span", (PyObject *)span_type) < 0 ||
        add_ignore(module) < 0)
        return -1;
    return PyModule_AddFunctions(module, methods);
}
