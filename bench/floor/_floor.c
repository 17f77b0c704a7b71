/* Callbacks that do nothing, as cheaply as the interpreter lets them be called.
 *
 * sys.monitoring calls an object. The cheapest one to call is an instance of a static
 * type that has a vectorcall slot of its own: no method flags to look at, no argument
 * conversion, 2-4 ns an event less than a METH_FASTCALL function. Python 3.11 has no
 * sys.monitoring; there the floor is an empty function for PyEval_SetProfile.
 *
 * Beside the empty callbacks stand some that count, for finding out how many events a
 * workload has, and one that switches off call sites where no C function was called, as
 * a tracer does that wants C calls but gets each Python call announced a second time.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>

static unsigned long long python_count, c_count;

/* What a profiler calls a C function; classes and other callables are not. */
static bool
is_c_function(PyObject *callable)
{
    return PyCFunction_Check(callable) || Py_IS_TYPE(callable, &PyMethodDescr_Type);
}

#if PY_VERSION_HEX >= 0x030C0000

struct callback {
    PyObject_HEAD
    vectorcallfunc call;
};

static PyObject *disable; /* sys.monitoring.DISABLE; new, kept for ever */

/* The first macro ends in a comma of its own, which clang-format cannot know. */
/* clang-format off */
static PyTypeObject callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_floor.callback",
    .tp_basicsize = sizeof(struct callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(struct callback, call),
    .tp_call = PyVectorcall_Call,
};
/* clang-format on */

static PyObject *
nothing(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(args),
        size_t Py_UNUSED(flags), PyObject *Py_UNUSED(names))
{
    Py_RETURN_NONE;
}

/* For CALL (code, offset, callable, first argument). */
static PyObject *
only_c(PyObject *Py_UNUSED(self), PyObject *const *args, size_t Py_UNUSED(flags),
       PyObject *Py_UNUSED(names))
{
    if (is_c_function(args[2]))
        Py_RETURN_NONE;
    return Py_NewRef(disable);
}

static PyObject *
count_python(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(args),
             size_t Py_UNUSED(flags), PyObject *Py_UNUSED(names))
{
    python_count++;
    Py_RETURN_NONE;
}

/* For CALL, C_RETURN and C_RAISE, whose third argument is always the callable. */
static PyObject *
count_c(PyObject *Py_UNUSED(self), PyObject *const *args, size_t Py_UNUSED(flags),
        PyObject *Py_UNUSED(names))
{
    if (is_c_function(args[2]))
        c_count++;
    Py_RETURN_NONE;
}

static int
add_callback(PyObject *module, const char *name, vectorcallfunc call)
{
    struct callback *self = PyObject_New(struct callback, &callback_type);
    if (self == NULL)
        return -1;
    self->call = call;
    int result = PyModule_AddObjectRef(module, name, (PyObject *)self);
    Py_DECREF(self);
    return result;
}

static int
add_hooks(PyObject *module)
{
    PyObject *monitoring = PySys_GetObject("monitoring"); /* borrowed */
    if (monitoring == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "sys.monitoring is missing");
        return -1;
    }
    disable = PyObject_GetAttrString(monitoring, "DISABLE");
    if (disable == NULL || PyType_Ready(&callback_type) < 0)
        return -1;
    if (add_callback(module, "nothing", nothing) < 0 ||
        add_callback(module, "only_c", only_c) < 0 ||
        add_callback(module, "count_python", count_python) < 0 ||
        add_callback(module, "count_c", count_c) < 0)
        return -1;
    return 0;
}

#else /* 3.11 */

static int
profile_nothing(PyObject *Py_UNUSED(self), PyFrameObject *Py_UNUSED(frame),
                int Py_UNUSED(what), PyObject *Py_UNUSED(arg))
{
    return 0;
}

static int
profile_count(PyObject *Py_UNUSED(self), PyFrameObject *Py_UNUSED(frame), int what,
              PyObject *arg)
{
    if (what == PyTrace_CALL || what == PyTrace_RETURN)
        python_count++;
    else if (is_c_function(arg))
        c_count++;
    return 0;
}

static PyObject *
set_profile(PyObject *Py_UNUSED(module), PyObject *counting)
{
    int is_counting = PyObject_IsTrue(counting);
    if (is_counting < 0)
        return NULL;
    PyEval_SetProfile(is_counting ? profile_count : profile_nothing, NULL);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static int
add_hooks(PyObject *Py_UNUSED(module))
{
    return 0;
}

#endif

static PyObject *
counts(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(KK)", python_count, c_count);
}

static PyMethodDef methods[] = {
    {"counts", counts, METH_NOARGS,
     PyDoc_STR("The events counted so far, of Python and of C functions.")},
#if PY_VERSION_HEX < 0x030C0000
    {"set_profile", set_profile, METH_O,
     PyDoc_STR("Installs the empty profile function, or with True one that counts.")},
#endif
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)add_hooks},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_floor",
    .m_doc = PyDoc_STR("Callbacks that do nothing."),
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__floor(void)
{
    return PyModuleDef_Init(&module);
}
