/* marey._view: the index and the names that the page starts from, and pictures.
 *
 * Everything runs with the thread detached: no Python object is touched in between.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "base/parallel.h"
#include "marey/answer.h"
#include "marey/lod.h"
#include "marey/raster.h"

/* Sets the exception that `marey._errors` has for it. Returns NULL. */
static PyObject *
raise_error(const struct marey_error *err)
{
    const char *name = err->status == MAREY_NOT_A_TRACE ? "NotATraceError"
                       : err->status == MAREY_VERSION   ? "VersionError"
                       : err->status == MAREY_IO        ? "StorageError"
                                                        : "DamagedError";
    PyObject *errors, *type;

    if (err->status == MAREY_NOMEM)
        return PyErr_NoMemory();
    errors = PyImport_ImportModule("marey._errors");
    if (errors == NULL)
        return NULL;
    type = PyObject_GetAttrString(errors, name);
    Py_DECREF(errors);
    if (type == NULL)
        return NULL;
    PyErr_SetString(type, err->message);
    Py_DECREF(type);
    return NULL;
}

struct made {
    struct marey_answer info;
    uint8_t *bytes; /* owned */
    size_t size_bytes;
};

/* What was made: names and bytes, or bytes alone (new); NULL with an exception where it
 * failed. Frees what was made. */
static PyObject *
give(struct made *made, enum marey_status status, struct marey_error *err)
{
    PyObject *result = NULL;

    if (status != MAREY_OK) {
        err->status = status;
        raise_error(err);
    } else if (made->info.bytes != NULL) {
        result =
            Py_BuildValue("y#y#", made->info.bytes, (Py_ssize_t)made->info.size_bytes,
                          made->bytes, (Py_ssize_t)made->size_bytes);
    } else {
        result = PyBytes_FromStringAndSize((const char *)made->bytes,
                                           (Py_ssize_t)made->size_bytes);
    }
    free(made->info.bytes);
    free(made->bytes);
    return result;
}

/* Names and the index; of a sample, unless `sample_events` is 0. */
static enum marey_status
make_index(const char *path, uint64_t sample_events, struct made *out,
           struct marey_error *err)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct marey_trace *trace = NULL;
    enum marey_status status = marey_trace_open(path, &trace, err);

    options.parallel = marey_parallel;
    if (status == MAREY_OK)
        status = marey_answer_info(trace, &out->info);
    if (status == MAREY_OK && sample_events == 0)
        status = marey_lod_build(trace, &options, &out->bytes, &out->size_bytes, err);
    else if (status == MAREY_OK)
        status = marey_lod_build_coarse(trace, &options, sample_events, &out->bytes,
                                        &out->size_bytes, err);
    marey_trace_close(trace);
    return status;
}

static PyObject *
view_open(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    struct marey_error err = {.status = MAREY_NOMEM};
    struct made made = {0};
    enum marey_status status;
    PyObject *path = NULL;

    if (!PyArg_ParseTuple(arguments, "O&:open", PyUnicode_FSConverter, &path))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
        status = make_index(PyBytes_AS_STRING(path), 0, &made, &err);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    return give(&made, status, &err);
}

static PyObject *
view_coarse(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    struct marey_error err = {.status = MAREY_NOMEM};
    struct made made = {0};
    enum marey_status status;
    PyObject *path = NULL, *result;
    unsigned long long sample_events;

    if (!PyArg_ParseTuple(arguments, "O&K:coarse", PyUnicode_FSConverter, &path,
                          &sample_events))
        return NULL;
    if (sample_events == 0)
        sample_events = 1; /* 0 is all of it */
    Py_BEGIN_ALLOW_THREADS
        status = make_index(PyBytes_AS_STRING(path), sample_events, &made, &err);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    result = give(&made, status, &err);
    if (result == NULL && status == MAREY_USAGE) { /* there is none of this trace */
        PyErr_Clear();
        result = Py_NewRef(Py_None);
    }
    return result;
}

static enum marey_status
make_picture(const char *path, unsigned width, bool is_dark, struct made *out,
             struct marey_error *err)
{
    struct marey_trace *trace = NULL;
    enum marey_status status = marey_trace_open(path, &trace, err);

    if (status == MAREY_OK)
        status = marey_picture_make(trace, width, is_dark, &out->bytes,
                                    &out->size_bytes, err);
    marey_trace_close(trace);
    return status;
}

static PyObject *
view_picture(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    struct marey_error err = {.status = MAREY_NOMEM};
    struct made made = {0};
    enum marey_status status;
    PyObject *path = NULL;
    unsigned width;
    int is_dark;

    if (!PyArg_ParseTuple(arguments, "O&Ip:picture", PyUnicode_FSConverter, &path,
                          &width, &is_dark))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
        status =
            make_picture(PyBytes_AS_STRING(path), width, is_dark != 0, &made, &err);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    return give(&made, status, &err);
}

static PyMethodDef methods[] = {
    {"open", view_open, METH_VARARGS, "The names (JSON) and the index of a trace."},
    {"coarse", view_coarse, METH_VARARGS, "The same, of a sample of a large trace."},
    {"picture", view_picture, METH_VARARGS, "The whole time line as a PNG."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "marey._view",
    .m_doc = "What the page and the pictures are made of.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__view(void)
{
    return PyModuleDef_Init(&module);
}
