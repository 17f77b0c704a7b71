/* What the interpreter knows of threads: names, ids, and the calls they have open.
 *
 * A thread's name is the `_name` of its Thread object in `threading._active`, read from
 * the instance without running any code of the program; threads that C code made have
 * none there (or a _DummyThread) and get the operating system's name for them.
 */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer.h"

#define OPEN_CALLS_MAX 100000

/* An entry of a module's namespace; borrowed, NULL if there is none. */
static PyObject *
module_entry(const char *module, const char *name)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *found = modules == NULL ? NULL : PyDict_GetItemString(modules, module);

    if (found == NULL || !PyModule_Check(found))
        return NULL;
    return PyDict_GetItemString(PyModule_GetDict(found), name);
}

PyObject *
threads_plain_attribute(PyObject *object, const char *name)
{
    PyObject *key = PyUnicode_InternFromString(name);
    PyObject *value = NULL;

    if (key == NULL)
        return NULL;
    if (Py_TYPE(object)->tp_getattro == PyObject_GenericGetAttr &&
        _PyType_Lookup(Py_TYPE(object), key) == NULL)
        value = PyObject_GenericGetAttr(object, key);
    Py_DECREF(key);
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* Copies the name of a Thread object. */
static bool
copy_name(PyObject *thread, char *name, size_t capacity)
{
    PyObject *text = threads_plain_attribute(thread, "_name");
    PyObject *bytes = text != NULL && PyUnicode_Check(text) ? codes_utf8(text) : NULL;

    if (bytes != NULL)
        snprintf(name, capacity, "%s", PyBytes_AS_STRING(bytes));
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return bytes != NULL;
}

/* A thread's first call is Thread._bootstrap(self), before it is registered anywhere.
 * Copies the name if that is what the calling thread does. */
static bool
bootstrap_name(char *name, size_t capacity)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyCodeObject *code = frame == NULL ? NULL : PyFrame_GetCode(frame);
    PyObject *thread = NULL;
    bool is_found = false;

    if (code != NULL &&
        PyUnicode_CompareWithASCIIString(code->co_qualname, "Thread._bootstrap") == 0)
        thread = pc_frame_variable(frame, "self");
    if (thread != NULL)
        is_found = copy_name(thread, name, capacity);
    Py_XDECREF(thread);
    Py_XDECREF(code);
    Py_XDECREF(frame);
    PyErr_Clear();
    return is_found;
}

/* Finds the name of the Python thread `ident` and copies it. */
static bool
python_name(unsigned long ident, char *name, size_t capacity)
{
    PyObject *active = module_entry("threading", "_active");
    PyObject *key =
        active != NULL && PyDict_Check(active) ? PyLong_FromUnsignedLong(ident) : NULL;
    PyObject *thread = NULL;
    bool is_found = false;

    if (key != NULL && pc_get_item_ref(active, key, &thread) > 0 &&
        strcmp(Py_TYPE(thread)->tp_name, "_DummyThread") != 0)
        is_found = copy_name(thread, name, capacity);
    Py_XDECREF(thread);
    Py_XDECREF(key);
    return is_found;
}

static char found_name[256]; /* of the last look; read at once by the caller */

void
threads_facts(struct marey_lane *lane, struct marey_thread_facts *out)
{
    static MAREY_THREAD_LOCAL char name[256];

    out->python_id = PyThread_get_thread_ident();
    out->is_main = out->native_id == (uint64_t)getpid();
    if (pc_is_finalizing())
        return; /* no modules to look into any more */
    struct pc_exception saved = pc_exception_take();
    if (python_name(out->python_id, name, sizeof(name)) ||
        bootstrap_name(name, sizeof(name)))
        out->name = name;
    else if (out->is_main && module_entry("threading", "_active") == NULL)
        out->name = "MainThread"; /* `threading` will name it so */
    else if (lane->name[0] == '\0' &&
             pthread_getname_np(pthread_self(), lane->name, 16) != 0)
        lane->name[0] = '\0';
    /* A thread that C code made may get another state at each visit. */
    if (out->name != NULL)
        out->owner = pc_thread_state();
    PyErr_Clear();
    pc_exception_give(saved);
}

/* Pushes the calls of a frame and those around it, outermost first. */
static void
push_open(struct marey_lane *lane, PyFrameObject *frame)
{
    PyFrameObject *back = PyFrame_GetBack(frame);
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *globals = PyFrame_GetGlobals(frame);

    if (back != NULL && lane->top - lane->stack < OPEN_CALLS_MAX &&
        Py_EnterRecursiveCall("") == 0) {
        push_open(lane, back);
        Py_LeaveRecursiveCall();
    }
    PyErr_Clear();
    struct marey_function *function = codes_now(code, globals);
    if (function != NULL && codes_is_wanted(function))
        marey_lane_push_open(lane, function, (uintptr_t)pc_frame_of(frame));
    Py_DECREF(globals);
    Py_DECREF(code);
    Py_XDECREF(back);
}

static void
prepare(unsigned long ident, uint64_t native_id, PyFrameObject *frame)
{
    struct marey_thread_facts facts = {
        .native_id = native_id,
        .python_id = ident,
        .is_main = native_id == (uint64_t)getpid(),
        .is_earlier = true,
    };

    if (python_name(ident, found_name, sizeof(found_name)))
        facts.name = found_name;
    struct marey_lane *lane = marey_lane_prepare(&facts);
    if (lane == NULL)
        return;
    if (frame != NULL)
        push_open(lane, frame);
    marey_lane_open(lane);
}

/* The system's id of the thread: the interpreter keeps it in the thread's state. */
static uint64_t
native_id_of(unsigned long ident)
{
    PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());

    for (; state != NULL; state = PyThreadState_Next(state))
        if (state->thread_id == ident)
            return state->native_thread_id;
    return 0;
}

int
threads_prepare(void)
{
    PyObject *current = PySys_GetObject("_current_frames");
    PyObject *frames = current == NULL ? NULL : PyObject_CallNoArgs(current);
    PyObject *ident, *frame;
    Py_ssize_t at = 0;

    if (frames == NULL)
        return -1;
    while (PyDict_Next(frames, &at, &ident, &frame)) {
        unsigned long number = PyLong_AsUnsignedLong(ident);
        uint64_t native_id = native_id_of(number);
        if (native_id != 0 && PyFrame_Check(frame))
            prepare(number, native_id, (PyFrameObject *)frame);
    }
    Py_DECREF(frames);
    PyErr_Clear();
    return 0;
}
