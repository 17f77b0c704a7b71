/* What stands in a type as __enter__ and __exit__, so that a `with` block is cheap.
 *
 * The interpreter makes a method object of each of the two, to call it once. An object
 * of these types is both itself instead: what stands in the type gives the object back,
 * and that is called with nothing (enter) or with three arguments (exit).
 */
#include "tracer.h"

struct entrance {
    PyObject_HEAD
    PyTypeObject *type; /* borrowed: it has this in its dict */
    bool is_exit;
};

static PyObject *
entrance_get(PyObject *self, PyObject *object, PyObject *type)
{
    (void)type;
    return Py_NewRef(object != NULL && object != Py_None ? object : self);
}

/* As contextlib calls it: type(span).__exit__(span, ...). */
static PyObject *
entrance_call(PyObject *self, PyObject *args, PyObject *keywords)
{
    const struct entrance *entrance = (const struct entrance *)self;
    PyObject *const *items = ((PyTupleObject *)args)->ob_item;

    if (PyTuple_GET_SIZE(args) != (entrance->is_exit ? 4 : 1) || keywords != NULL ||
        Py_TYPE(items[0]) != entrance->type) {
        PyErr_Format(PyExc_TypeError, "%s takes a %s%s",
                     entrance->is_exit ? "__exit__()" : "__enter__()",
                     entrance->type->tp_name,
                     entrance->is_exit ? " and three values" : "");
        return NULL;
    }
    return PyObject_Vectorcall(items[0], items + 1, entrance->is_exit ? 3 : 0, NULL);
}

static void
entrance_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot entrance_slots[] = {
    {Py_tp_descr_get, entrance_get},
    {Py_tp_call, entrance_call},
    {Py_tp_dealloc, entrance_dealloc},
    {0, NULL},
};
static PyType_Spec entrance_spec = {
    .name = "marey._core.Entrance",
    .basicsize = sizeof(struct entrance),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = entrance_slots,
};

int
entrance_add(PyTypeObject *type)
{
    static const char *const names[] = {"__enter__", "__exit__"};
    PyTypeObject *entrance_type = (PyTypeObject *)PyType_FromSpec(&entrance_spec);
    int status = entrance_type == NULL ? -1 : 0;

    for (int i = 0; status == 0 && i < 2; i++) {
        struct entrance *one = PyObject_New(struct entrance, entrance_type);
        if (one != NULL) {
            one->type = type;
            one->is_exit = i == 1;
        }
        status = one == NULL
                     ? -1
                     : PyDict_SetItemString(type->tp_dict, names[i], (PyObject *)one);
        Py_XDECREF(one);
    }
    PyType_Modified(type);
    Py_XDECREF(entrance_type);
    return status;
}
