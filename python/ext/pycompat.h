/* Every difference between the versions of CPython, in one place.
 *
 * The hot path needs two things that have no public name: the frame that runs (its
 * address tells one activation from another) and the extra slot of a code object
 * without a call. Both are read through the few fields declared here, which each
 * version's headers were compared with; an unknown newer version is refused at compile
 * time in favour of the public calls.
 */
#ifndef MAREY_EXT_PYCOMPAT_H
#define MAREY_EXT_PYCOMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#if PY_VERSION_HEX < 0x030B0000
#error "Marey needs Python 3.11 or newer"
#endif

#define MAREY_HAS_MONITORING (PY_VERSION_HEX >= 0x030C0000)

/* The first fields of the interpreter's frame. */
#if PY_VERSION_HEX < 0x030C0000
struct pc_frame {
    void *function, *globals, *builtins, *locals;
    PyCodeObject *code;
    PyFrameObject *object;
    struct pc_frame *previous;
    const uint16_t *last_instruction;
};
#else
struct pc_frame {
    uintptr_t executable; /* a code object; from 3.14 on with tag bits */
    struct pc_frame *previous;
};
#endif

/* The head of a frame object, the same in all versions. */
struct pc_frame_object {
    PyObject_HEAD
    PyFrameObject *back;
    struct pc_frame *frame;
};

static inline struct pc_frame *
pc_frame_of(PyFrameObject *object)
{
    return ((struct pc_frame_object *)object)->frame;
}

static inline PyThreadState *
pc_thread_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* The frame that runs in this thread: in a monitoring callback the one the event is
 * about. Its address is the same from start to return, for a generator for life. */
static inline uintptr_t
pc_current_frame(const PyThreadState *state)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (uintptr_t)state->current_frame;
#else
    return (uintptr_t)state->cframe->current_frame;
#endif
}

/* A thread's state for those whose own is not known: its frame is 0. */
static inline PyThreadState *
pc_no_thread_state(void)
{
    static PyThreadState none;
#if PY_VERSION_HEX < 0x030D0000
    static _PyCFrame nothing;
    none.cframe = &nothing;
#endif
    return &none;
}

/* The extra slots of a code object (Objects/codeobject.c, unchanged since 3.6). */
struct pc_code_extra {
    Py_ssize_t size;
    void *slots[1];
};

#if PY_VERSION_HEX >= 0x030C0000
#define pc_request_extra_index PyUnstable_Eval_RequestCodeExtraIndex
#define pc_get_extra PyUnstable_Code_GetExtra
#define pc_set_extra PyUnstable_Code_SetExtra
#else
#define pc_request_extra_index _PyEval_RequestCodeExtraIndex
#define pc_get_extra _PyCode_GetExtra
#define pc_set_extra _PyCode_SetExtra
#endif

static inline void *
pc_code_extra(PyCodeObject *code, Py_ssize_t index)
{
#ifdef Py_GIL_DISABLED
    void *value = NULL;
    pc_get_extra((PyObject *)code, index, &value);
    return value;
#else
    const struct pc_code_extra *extra = code->co_extra;
    return extra != NULL && extra->size > index ? extra->slots[index] : NULL;
#endif
}

/* Keeps the exception that is set, if any, from what happens in between. */
#if PY_VERSION_HEX >= 0x030C0000
struct pc_exception {
    PyObject *value;
};
static inline struct pc_exception
pc_exception_take(void)
{
    return (struct pc_exception){PyErr_GetRaisedException()};
}
static inline void
pc_exception_give(struct pc_exception e)
{
    PyErr_SetRaisedException(e.value);
}
#else
struct pc_exception {
    PyObject *type, *value, *traceback;
};
static inline struct pc_exception
pc_exception_take(void)
{
    struct pc_exception e;
    PyErr_Fetch(&e.type, &e.value, &e.traceback);
    return e;
}
static inline void
pc_exception_give(struct pc_exception e)
{
    PyErr_Restore(e.type, e.value, e.traceback);
}
#endif

/* What a callback returns: None is immortal from 3.12 on, where callbacks exist. */
#define PC_NONE Py_None

#if PY_VERSION_HEX >= 0x030D0000
#define pc_is_finalizing Py_IsFinalizing
#else
#define pc_is_finalizing _Py_IsFinalizing
#endif

/* A local variable of a frame: new, NULL if there is none. */
static inline PyObject *
pc_frame_variable(PyFrameObject *frame, const char *name)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyFrame_GetVarString(frame, name);
#else
    PyObject *locals = PyFrame_GetLocals(frame);
    PyObject *value = locals == NULL ? NULL : PyMapping_GetItemString(locals, name);
    Py_XDECREF(locals);
    return value;
#endif
}

#if PY_VERSION_HEX < 0x030D0000
static inline int
pc_get_item_ref(PyObject *dict, PyObject *key, PyObject **out)
{
    PyObject *value = PyDict_GetItemWithError(dict, key);
    Py_XINCREF(value);
    *out = value;
    return value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}
#else
#define pc_get_item_ref PyDict_GetItemRef
#endif

#endif
