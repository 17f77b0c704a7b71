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
#include <stdbool.h>
#include <stddef.h>
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
    int stack_top;
    bool is_entry;
    char owner;
    uintptr_t slots[1]; /* variables, then the evaluation stack; see pc_frame_slot() */
};
#else
struct pc_frame {
    uintptr_t executable; /* a code object; from 3.14 on with tag bits */
    struct pc_frame *previous;
    uintptr_t function;
    PyObject *globals, *builtins, *locals;
    PyFrameObject *object;
    void *instruction;
#if PY_VERSION_HEX < 0x030E0000
    int stack_top;
#else
    uintptr_t *stack_pointer;
#ifdef Py_GIL_DISABLED
    int32_t bytecode_index;
#endif
#endif
    uint16_t return_offset;
    char owner;
    uint8_t visited;
    uintptr_t slots[1]; /* variables, then the evaluation stack; see pc_frame_slot() */
};
#endif

/* The head of a frame object, the same in all versions, and what 3.11 goes by when a
 * trace function is set. */
struct pc_frame_object {
    PyObject_HEAD
    PyFrameObject *back;
    struct pc_frame *frame;
#if PY_VERSION_HEX < 0x030C0000
    PyObject *trace;
    int line; /* that an event is about; only then */
    char traces_lines, traces_instructions;
#endif
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

/* The code of a frame; NULL: it is one of the interpreter's own. Borrowed. */
static inline PyCodeObject *
pc_frame_code(const struct pc_frame *frame)
{
#if PY_VERSION_HEX < 0x030C0000
    return frame->code;
#else
    PyObject *executable = (PyObject *)(frame->executable & ~(uintptr_t)7);
    return executable != NULL && PyCode_Check(executable) ? (PyCodeObject *)executable
                                                          : NULL;
#endif
}

/* The interpreter's own frames: between C code and the frames it calls, and (from 3.13
 * on) around an __init__ that is called without C code. */
static inline bool
pc_is_interpreters_own(const struct pc_frame *frame)
{
    enum { OWNED_BY_C = 3 }; /* FRAME_OWNED_BY_*: from here on not of Python code */

    if (frame->owner >= OWNED_BY_C)
        return true;
#ifdef CO_NO_MONITORING_EVENTS
    const PyCodeObject *code = pc_frame_code(frame);
    return code == NULL || (code->co_flags & CO_NO_MONITORING_EVENTS) != 0;
#else
    return false;
#endif
}

/* The frame of Python code around this one; NULL: none. */
static inline const struct pc_frame *
pc_frame_around(const struct pc_frame *frame)
{
    do
        frame = frame == NULL ? NULL : frame->previous;
    while (frame != NULL && pc_is_interpreters_own(frame));
    return frame;
}

/* The address of the instruction the frame is at. */
static inline uintptr_t
pc_frame_place(const struct pc_frame *frame)
{
#if PY_VERSION_HEX < 0x030C0000
    return (uintptr_t)frame->last_instruction;
#else
    return (uintptr_t)frame->instruction;
#endif
}

/* The line the frame of Python code is at; 0 or less: none. */
static inline int
pc_frame_line(const struct pc_frame *frame)
{
#if PY_VERSION_HEX < 0x030C0000
    Py_ssize_t at =
        (const char *)frame->last_instruction - (const char *)_PyCode_CODE(frame->code);
    return PyCode_Addr2Line(frame->code, (int)at);
#else
    /* Without a name of its own in the public headers. */
    return PyUnstable_InterpreterFrame_GetLine(
        (struct _PyInterpreterFrame *)(uintptr_t)frame);
#endif
}

/* Whether the variables of frames can be read: the layout is of these versions. */
static inline bool
pc_has_frame_slots(void)
{
    return PY_VERSION_HEX < 0x03100000;
}

/* What is in a slot of the frame: borrowed; NULL: nothing, or no object. */
static inline PyObject *
pc_frame_slot(const struct pc_frame *frame, int index)
{
#if PY_VERSION_HEX < 0x030E0000
    return (PyObject *)frame->slots[index];
#else
    uintptr_t bits = frame->slots[index];
    return (bits & 2) != 0 ? NULL : (PyObject *)(bits & ~(uintptr_t)3);
#endif
}

/* The mapping behind a mappingproxy: borrowed. */
static inline PyObject *
pc_proxy_mapping(PyObject *proxy)
{
    struct {
        PyObject ob_base;
        PyObject *mapping;
    } *fields = (void *)proxy;

    return fields->mapping;
}

/* What a weak reference leads to: new, or NULL. */
static inline PyObject *
pc_weak_target(PyObject *reference)
{
#if PY_VERSION_HEX < 0x030D0000
    PyObject *target = PyWeakref_GET_OBJECT(reference);
    return target == Py_None ? NULL : Py_NewRef(target);
#else
    PyObject *target = NULL;
    PyWeakref_GetRef(reference, &target);
    return target;
#endif
}

/* What lies on the evaluation stack, so many entries below its top: borrowed. `slot` is
 * where that is, for versions whose frames do not say it in events. */
static inline PyObject *
pc_frame_entry(const struct pc_frame *frame, int slot, int from_top)
{
#if PY_VERSION_HEX < 0x030C0000
    (void)slot;
    return pc_frame_slot(frame, frame->stack_top - 1 - from_top);
#else
    (void)from_top;
    return pc_frame_slot(frame, slot);
#endif
}

/* Slots of the code's variables; the evaluation stack comes behind them. */
static inline int
pc_code_slots(const PyCodeObject *code)
{
    return code->co_nlocalsplus;
}

/* Parameters, which are the first variables. */
static inline int
pc_parameter_count(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount +
           ((code->co_flags & CO_VARARGS) != 0) +
           ((code->co_flags & CO_VARKEYWORDS) != 0);
}

/* A variable of a frame that has begun: new; NULL: unbound. */
static inline PyObject *
pc_frame_variable_at(const struct pc_frame *frame, const PyCodeObject *code, int index)
{
    enum { IS_CELL = 0x40, IS_FREE = 0x80 }; /* CO_FAST_* of pycore_code.h */
    const char *kinds = PyBytes_AS_STRING(code->co_localspluskinds);
    PyObject *value = pc_frame_slot(frame, index);

    if (value != NULL && (kinds[index] & (IS_CELL | IS_FREE)) != 0 &&
        PyCell_Check(value))
        return PyCell_Get(value);
    return Py_XNewRef(value);
}

/* A thread's state for those whose own is not known, in a frame of no code. */
static inline PyThreadState *
pc_no_thread_state(void)
{
    static PyThreadState none;
    static struct pc_frame nowhere, outside;
    nowhere.previous = &outside;
#if PY_VERSION_HEX < 0x030D0000
    static _PyCFrame nothing;
    nothing.current_frame = (void *)&nowhere;
    none.cframe = &nothing;
#else
    none.current_frame = (void *)&nowhere;
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
    /* One that is there has a slot at least. */
    return extra != NULL && (index == 0 || extra->size > index) ? extra->slots[index]
                                                                : NULL;
#endif
}

/* A generator that stands at byte `offset` of its code: has any of its body run? What
 * comes before the first RESUME makes the generator. */
static inline bool
pc_has_run(const PyCodeObject *code, Py_ssize_t offset)
{
    return offset >= code->_co_firsttraceable * (Py_ssize_t)sizeof(uint16_t);
}

/* The interpreter's own makes room for all users of such slots, and then calls each
 * one's function at the code object's end, with NULL where it has put nothing: also
 * functions that are gone by then. So there is only room for ours. */
static inline int
pc_set_code_extra(PyCodeObject *code, Py_ssize_t index, void *value)
{
#ifndef Py_GIL_DISABLED
    if (code->co_extra == NULL) {
        size_t count = (size_t)index + 1;
        struct pc_code_extra *extra = PyMem_Calloc(
            1, offsetof(struct pc_code_extra, slots) + count * sizeof(extra->slots[0]));
        if (extra == NULL)
            return -1;
        extra->size = (Py_ssize_t)count;
        extra->slots[index] = value;
        code->co_extra = extra;
        return 0;
    }
#endif
    return pc_set_extra((PyObject *)code, index, value);
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

/* Takes the exception that is set: new, or NULL. */
static inline PyObject *
pc_exception_value(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

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

/* ---- objects, read without running their code ---- */

#if PY_VERSION_HEX >= 0x030D0000
#define PC_BEGIN_LOCK(object) Py_BEGIN_CRITICAL_SECTION(object)
#define PC_END_LOCK()                                                                  \
    Py_END_CRITICAL_SECTION                                                            \
    ()
#else
#define PC_BEGIN_LOCK(object) {
#define PC_END_LOCK() }
#endif

/* A str of before 3.12 may wait for its characters to be laid out. */
static inline bool
pc_is_ready(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_IS_READY(text);
#else
    (void)text;
    return true;
#endif
}

/* Digits of 30 bits that an int has. */
static inline Py_ssize_t
pc_long_digits(PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    return (Py_ssize_t)(((PyLongObject *)value)->long_value.lv_tag >> 3);
#else
    return Py_ABS(Py_SIZE(value));
#endif
}

/* The code of a generator, coroutine or asynchronous generator: new. */
static inline PyCodeObject *
pc_generator_code(PyObject *generator)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyGen_GetCode((PyGenObject *)generator);
#else
    PyCodeObject *code = ((PyGenObject *)generator)->gi_code;
    Py_XINCREF(code);
    return code;
#endif
}

/* The keys that instances of a class share (Include/internal/pycore_dict.h: the same
 * from 3.11 to 3.15; without the GIL the byte before `version` is a lock). */
struct pc_keys {
    Py_ssize_t reference_count;
    uint8_t log2_size, log2_index_bytes, kind, lock;
    uint32_t version;
    Py_ssize_t usable, entry_count;
};
#define PC_KEYS_SPLIT 2 /* of `kind`: names only, values are with the instances */

/* Attribute `index` of shared keys; NULL: there is none. Borrowed, interned. */
static inline PyObject *
pc_shared_name(PyTypeObject *type, Py_ssize_t index)
{
    const struct pc_keys *keys = (void *)((PyHeapTypeObject *)type)->ht_cached_keys;

    if (keys == NULL || keys->kind != PC_KEYS_SPLIT || index >= keys->entry_count)
        return NULL;
    PyObject *const *entries =
        (void *)((const char *)(keys + 1) + ((size_t)1 << keys->log2_index_bytes));
    return entries[index * 2];
}

/* The dict that the instance has already; NULL: none was made. Borrowed; the object is
 * locked. *values are the attributes that stand in the instance itself, *count the most
 * there can be; NULL: none do. Versions that were not compared say nothing. */
static inline PyObject *
pc_instance_dict(PyObject *object, PyObject ***values, Py_ssize_t *count)
{
    PyTypeObject *type = Py_TYPE(object);

    *values = NULL;
    *count = 0;
    if (type->tp_dictoffset == 0)
        return NULL;
#if PY_VERSION_HEX < 0x03100000
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_DICT) == 0) {
        PyObject **place = _PyObject_GetDictPtr(object);
        return place == NULL ? NULL : *place;
    }
#if PY_VERSION_HEX < 0x030C0000
    PyObject **found = ((PyObject ***)object)[-4];
    if (found != NULL) {
        *values = found;
        *count = 30;
        return NULL;
    }
    return ((PyObject **)object)[-3];
#elif PY_VERSION_HEX < 0x030D0000
    char *found = ((char **)object)[-3];
    if (((uintptr_t)found & 1) != 0) {
        *values = (PyObject **)(found + 1);
        *count = 30;
        return NULL;
    }
    return (PyObject *)found;
#else
#ifdef Py_GIL_DISABLED
    PyObject *dict = ((PyObject **)object)[-1];
#else
    PyObject *dict = ((PyObject **)object)[-3];
#endif
    struct inline_values {
        uint8_t capacity, size, embedded, valid;
        PyObject *values[1];
    } *found = (void *)((char *)object + type->tp_basicsize);
    if (dict == NULL && (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0 &&
        found->valid) {
        *values = found->values;
        *count = found->capacity;
    }
    return dict;
#endif
#else
    return NULL;
#endif
}

#endif
