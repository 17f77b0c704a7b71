/* marey.transaction(): marks a function, or is put around a block.
 *
 *     @marey.transaction                         each call of the function
 *     @marey.transaction("name", depth=2)
 *     with marey.transaction("name", key=value): one block; also `async with`
 *     work = marey.transaction("name").start()   and work.finish() on any thread
 *
 * Around a block it is an open call on the lane's stack, as a span is. suspend() and
 * resume() move it off the stack and onto that of the thread that calls; start() is
 * enter and suspend, finish() is resume and exit.
 */
#include "values/values.h"

#include <structmember.h>

#define BLOCK_KEY 2 /* low bits of the key, as of a span */

struct transaction {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* as a decorator */
    PyObject *name;            /* owned; NULL: a decorator that takes the function's */
    PyObject *parameters;      /* owned: tuple, or NULL */
    PyObject *names, *values;  /* owned: tuples, or NULL */
    struct block block;
    uint16_t depth;
    bool is_open;      /* entered, and not exited */
    bool is_suspended; /* meanwhile */
};

static PyTypeObject *transaction_type, *ready_type; /* owned */
static PyObject *functions; /* owned: (name, depth) to the address of its function */
static PyObject *annotate_name; /* owned */

/* ---- what is awaited of __aenter__ and __aexit__: ready at once ---- */

struct ready {
    PyObject_HEAD
    PyObject *value; /* owned; NULL: None */
};

static PyObject *
ready_new(PyObject *value)
{
    struct ready *ready = PyObject_New(struct ready, ready_type);

    if (ready != NULL)
        ready->value = Py_XNewRef(value);
    return (PyObject *)ready;
}

static PyObject *
ready_next(PyObject *self)
{
    PyObject *value = ((struct ready *)self)->value;

    if (value != NULL)
        PyErr_SetObject(PyExc_StopIteration, value);
    return NULL;
}

static void
ready_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_XDECREF(((struct ready *)self)->value);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot ready_slots[] = {
    {Py_tp_dealloc, ready_dealloc},
    {Py_am_await, PyObject_SelfIter},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, ready_next},
    {0, NULL},
};
static PyType_Spec ready_spec = {
    .name = "marey._core.Ready",
    .basicsize = sizeof(struct ready),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ready_slots,
};

/* ---- around a block ---- */

/* The record of transactions of this name and depth. NULL: out of memory. */
static const struct marey_function *
function_of(PyObject *name, uint16_t depth)
{
    PyObject *key = Py_BuildValue("Oi", name, (int)depth), *found = NULL, *bytes = NULL;
    struct marey_function *function = NULL;

    if (functions == NULL)
        functions = PyDict_New();
    if (functions == NULL || key == NULL || pc_get_item_ref(functions, key, &found) < 0)
        goto done;
    if (found != NULL) {
        function = PyLong_AsVoidPtr(found);
        goto done;
    }
    bytes = codes_utf8(name);
    if (bytes == NULL)
        goto done;
    function = marey_define_function(PyBytes_AS_STRING(bytes),
                                     (size_t)PyBytes_GET_SIZE(bytes), 0, 0, 0,
                                     MAREY_FUNCTION_SPAN | MAREY_FUNCTION_TRANSACTION);
    found = function == NULL ? NULL : PyLong_FromVoidPtr(function);
    if (found != NULL) {
        function->detail = depth;
        PyDict_SetItem(functions, key, found);
    }
done:
    Py_XDECREF(found);
    Py_XDECREF(key);
    Py_XDECREF(bytes);
    return watch_named(function, name);
}

static uint64_t
put_values(struct marey_lane *lane, PyObject *names, PyObject *const *values)
{
    struct values body;

    values_begin(&body);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
        values_put(&body, PyTuple_GET_ITEM(names, i), values[i]);
    return values_finish(&body, lane);
}

static void
begin(struct transaction *self)
{
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    const struct marey_function *function =
        lane == NULL ? NULL : function_of(self->name, self->depth);
    uintptr_t key = (uintptr_t)self | BLOCK_KEY;

    PyErr_Clear();
    if (function == NULL)
        return;
    transactions_part_begins(function);
    marey_enter_slow(lane, function, key);
    if (self->names != NULL)
        marey_values(
            lane, MAREY_ROLE_ARGUMENTS,
            put_values(lane, self->names, ((PyTupleObject *)self->values)->ob_item));
    self->block.key = key;
    self->block.function = function;
    self->is_open = true;
    self->is_suspended = false;
    transactions_hang(&self->block);
}

static void
suspend(struct transaction *self)
{
    if (!self->is_open || self->is_suspended)
        return;
    transactions_unhang(&self->block);
    self->is_suspended = true;
    if (atomic_load(&self->block.is_parked))
        return; /* its coroutine waits already */
    if (tracer.is_on)
        marey_yield_slow(marey_this_lane(), self->block.key);
    transactions_part_ends(self->block.function);
}

static void
resume(struct transaction *self)
{
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;

    if (!self->is_open || (!self->is_suspended && !atomic_load(&self->block.is_parked)))
        return;
    transactions_unhang(&self->block);
    self->is_suspended = false;
    atomic_store(&self->block.is_parked, false);
    transactions_part_begins(self->block.function);
    if (lane == NULL)
        return;
    marey_resume_slow(lane, self->block.function, self->block.key);
    transactions_hang(&self->block);
}

/* `kind` is the type of the exception that ends it, or NULL. */
static void
end(struct transaction *self, PyObject *kind)
{
    if (!self->is_open)
        return;
    resume(self);
    transactions_unhang(&self->block);
    self->is_open = false;
    if (tracer.is_on && kind != NULL && PyType_Check(kind))
        marey_unwind(marey_this_lane(), self->block.key,
                     cfunctions_type_name((PyTypeObject *)kind));
    else if (tracer.is_on)
        marey_leave_slow(marey_this_lane(), self->block.key);
    transactions_part_ends(self->block.function);
}

static int
needs_name(const struct transaction *self)
{
    if (self->name != NULL)
        return 0;
    PyErr_SetString(PyExc_TypeError, "a transaction around a block needs a name: with "
                                     "marey.transaction(\"name\")");
    return -1;
}

static PyObject *
transaction_enter(PyObject *self)
{
    if (needs_name((struct transaction *)self) < 0)
        return NULL;
    begin((struct transaction *)self);
    return Py_NewRef(self);
}

static PyObject *
transaction_exit(PyObject *self, PyObject *kind)
{
    end((struct transaction *)self, kind != Py_None ? kind : NULL);
    Py_RETURN_NONE;
}

static PyObject *
transaction_aenter(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (needs_name((struct transaction *)self) < 0)
        return NULL;
    begin((struct transaction *)self);
    return ready_new(self);
}

static PyObject *
transaction_aexit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    end((struct transaction *)self, nargs >= 1 && args[0] != Py_None ? args[0] : NULL);
    return ready_new(NULL);
}

PyDoc_STRVAR(start_doc,
             "start()\n--\n\nBegins it without a block, waiting; returns it.");
static PyObject *
transaction_start(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (needs_name((struct transaction *)self) < 0)
        return NULL;
    begin((struct transaction *)self);
    suspend((struct transaction *)self);
    return Py_NewRef(self);
}

PyDoc_STRVAR(finish_doc, "finish(error=None)\n--\n\n"
                         "Ends it, on any thread; with an exception, as failed.");
static PyObject *
transaction_finish(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *error = nargs >= 1 && args[0] != Py_None ? args[0] : NULL;

    if (nargs > 1) {
        PyErr_SetString(PyExc_TypeError, "finish() takes one exception, or nothing");
        return NULL;
    }
    if (error != NULL && !PyType_Check(error))
        error = (PyObject *)Py_TYPE(error);
    end((struct transaction *)self, error);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(suspend_doc, "suspend()\n--\n\nIt waits from here on.");
static PyObject *
transaction_suspend(PyObject *self, PyObject *unused)
{
    (void)unused;
    suspend((struct transaction *)self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(resume_doc, "resume()\n--\n\nIt runs on, on the calling thread.");
static PyObject *
transaction_resume(PyObject *self, PyObject *unused)
{
    (void)unused;
    resume((struct transaction *)self);
    Py_RETURN_NONE;
}

/* ---- as a decorator ---- */

static PyObject *
decorate(const struct transaction *self, PyObject *callable)
{
    struct marks *marks = calloc(1, sizeof(*marks));

    if (marks == NULL)
        return PyErr_NoMemory();
    marks->detail = self->depth;
    marks->parameters = Py_XNewRef(self->parameters);
    marks->names = Py_XNewRef(self->names);
    marks->values = Py_XNewRef(self->values);
    if (transactions_mark(callable, self->name, marks) < 0)
        return NULL;
    return Py_NewRef(callable);
}

/* With nothing it is __enter__, with three arguments __exit__: see entrance.c. */
static PyObject *
transaction_call(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    if (PyVectorcall_NARGS(nargs) == 3 && names == NULL)
        return transaction_exit(self, args[0]);
    if (PyVectorcall_NARGS(nargs) == 0 && names == NULL)
        return transaction_enter(self);
    if (PyVectorcall_NARGS(nargs) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a transaction decorates one function");
        return NULL;
    }
    return decorate((const struct transaction *)self, args[0]);
}

/* ---- the type ---- */

static void
transaction_dealloc(PyObject *object)
{
    struct transaction *self = (struct transaction *)object;
    PyTypeObject *type = Py_TYPE(object);

    transactions_unhang(&self->block); /* it stays open in the trace */
    Py_XDECREF(self->name);
    Py_XDECREF(self->parameters);
    Py_XDECREF(self->names);
    Py_XDECREF(self->values);
    type->tp_free(object);
    Py_DECREF(type);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
static PyMethodDef transaction_methods[] = {
    {"__aenter__", transaction_aenter, METH_NOARGS, NULL},
    {"__aexit__", FAST(transaction_aexit), METH_FASTCALL, NULL},
    {"start", transaction_start, METH_NOARGS, start_doc},
    {"finish", FAST(transaction_finish), METH_FASTCALL, finish_doc},
    {"suspend", transaction_suspend, METH_NOARGS, suspend_doc},
    {"resume", transaction_resume, METH_NOARGS, resume_doc},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef transaction_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct transaction, vectorcall),
     READONLY, NULL},
    {"name", T_OBJECT, offsetof(struct transaction, name), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot transaction_slots[] = {
    {Py_tp_doc, "A unit of work: around a block, or of a function."},
    {Py_tp_dealloc, transaction_dealloc},
    {Py_tp_methods, transaction_methods},
    {Py_tp_members, transaction_members},
    {Py_tp_call, PyVectorcall_Call},
    {0, NULL},
};
static PyType_Spec transaction_spec = {
    .name = "marey._core.Transaction",
    .basicsize = sizeof(struct transaction),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = transaction_slots,
};

/* ---- marey.transaction() ---- */

static int
take_depth(struct transaction *self, PyObject *value)
{
    long depth = PyLong_Check(value) ? PyLong_AsLong(value) : -1;

    if (depth < 0 || depth > UINT16_MAX) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError,
                            "depth: how many levels of calls, from 0 to 65535");
        return -1;
    }
    self->depth = (uint16_t)depth;
    return 0;
}

static int
take_parameters(struct transaction *self, PyObject *value)
{
    PyObject *tuple =
        PyUnicode_Check(value) ? PyTuple_Pack(1, value) : PySequence_Tuple(value);

    for (Py_ssize_t i = 0; tuple != NULL && i < PyTuple_GET_SIZE(tuple); i++)
        if (!PyUnicode_Check(PyTuple_GET_ITEM(tuple, i)))
            Py_CLEAR(tuple);
    if (tuple == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "parameters: names of parameters of the function");
        return -1;
    }
    self->parameters = tuple;
    return 0;
}

/* Keywords: depth, parameters, and else values to keep. */
static int
take_keywords(struct transaction *self, PyObject *names, PyObject *const *values)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names), kept = 0;

    self->names = PyTuple_New(count);
    self->values = PyTuple_New(count);
    if (self->names == NULL || self->values == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_CompareWithASCIIString(name, "depth") == 0) {
            if (take_depth(self, values[i]) < 0)
                return -1;
        } else if (PyUnicode_CompareWithASCIIString(name, "parameters") == 0) {
            if (take_parameters(self, values[i]) < 0)
                return -1;
        } else {
            PyTuple_SET_ITEM(self->names, kept, Py_NewRef(name));
            PyTuple_SET_ITEM(self->values, kept++, Py_NewRef(values[i]));
        }
    }
    if (kept == 0) {
        Py_CLEAR(self->names);
        Py_CLEAR(self->values);
        return 0;
    }
    if (kept < count && (_PyTuple_Resize(&self->names, kept) < 0 ||
                         _PyTuple_Resize(&self->values, kept) < 0))
        return -1;
    return 0;
}

static struct transaction *
transaction_new(PyObject *name)
{
    struct transaction *self = PyObject_New(struct transaction, transaction_type);

    if (self == NULL)
        return NULL;
    self->vectorcall = transaction_call;
    self->name = Py_XNewRef(name);
    self->parameters = self->names = self->values = NULL;
    self->block = (struct block){0};
    self->depth = 0;
    self->is_open = self->is_suspended = false;
    return self;
}

PyDoc_STRVAR(transaction_doc,
             "transaction(name=None, /, *, depth=0, parameters=(), **values)\n--\n\n"
             "A unit of work: a decorator of functions, or around a block.");
static PyObject *
transaction(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *name = nargs == 1 ? args[0] : NULL;

    (void)module;
    if (nargs > 1 || (name != NULL && names != NULL && !PyUnicode_Check(name))) {
        PyErr_SetString(PyExc_TypeError,
                        "transaction() takes one name, then depth=, parameters= and "
                        "values by keyword");
        return NULL;
    }
    bool is_decorator = name != NULL && !PyUnicode_Check(name);
    struct transaction *self = transaction_new(is_decorator ? NULL : name);
    if (self == NULL)
        return NULL;
    if (is_decorator) {
        PyObject *result = decorate(self, name);
        Py_DECREF(self);
        return result;
    }
    if (names != NULL && take_keywords(self, names, args + nargs) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

PyDoc_STRVAR(annotate_doc,
             "annotate(name=None, /, **values)\n--\n\n"
             "Values (and a better name) for the innermost open transaction.");
static PyObject *
annotate(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    struct values body;

    (void)module;
    if (nargs > 1 || (nargs == 1 && !PyUnicode_Check(args[0]))) {
        PyErr_SetString(PyExc_TypeError,
                        "annotate() takes one name, or none, then values by keyword");
        return NULL;
    }
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;
    if (lane == NULL)
        Py_RETURN_NONE;
    values_begin(&body);
    if (nargs == 1)
        values_put(&body, NULL, args[0]);
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++)
        values_put(&body, PyTuple_GET_ITEM(names, i), args[nargs + i]);
    marey_instant(lane, values_name(annotate_name).id, values_finish(&body, lane));
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"transaction", FAST(transaction), METH_FASTCALL | METH_KEYWORDS, transaction_doc},
    {"annotate", FAST(annotate), METH_FASTCALL | METH_KEYWORDS, annotate_doc},
    {NULL, NULL, 0, NULL},
};

int
transaction_add(PyObject *module)
{
    if (transaction_type == NULL) {
        transaction_type = (PyTypeObject *)PyType_FromSpec(&transaction_spec);
        if (transaction_type != NULL && entrance_add(transaction_type) < 0)
            Py_CLEAR(transaction_type);
    }
    if (ready_type == NULL)
        ready_type = (PyTypeObject *)PyType_FromSpec(&ready_spec);
    if (annotate_name == NULL)
        annotate_name = PyUnicode_InternFromString(MAREY_ANNOTATE_NAME);
    if (transaction_type == NULL || ready_type == NULL || annotate_name == NULL ||
        PyModule_AddObjectRef(module, "Transaction", (PyObject *)transaction_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, methods);
}
