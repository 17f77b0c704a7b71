/* What happens around the program: garbage collections, audit events.
 *
 * Collections are told by a callback in gc.callbacks, which is taken out again when the
 * recording stops. Audit hooks cannot be: ours is put in once, when it is first asked
 * for, and is quiet while nothing wants it. */
#include "logs/logs.h"

/* ---- garbage collection ---- */

static PyObject *gc_callback; /* owned */

static void
put_count(struct values *body, PyObject *facts, const char *name)
{
    PyObject *value =
        PyDict_CheckExact(facts) ? PyDict_GetItemString(facts, name) : NULL;

    if (value != NULL && PyLong_CheckExact(value))
        values_put_named(body, logs_name(name), value);
}

static PyObject *
on_collection(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct marey_lane *lane =
        (logs_kinds & LOGS_GC) != 0 && !tracer.waits_for_main ? logs_lane() : NULL;
    struct values body;

    (void)module;
    if (lane == NULL || nargs < 2 || !PyUnicode_Check(args[0]))
        Py_RETURN_NONE;
    values_begin(&body);
    values_put_named(&body, logs_name("phase"), args[0]);
    put_count(&body, args[1], "generation");
    put_count(&body, args[1], "collected");
    put_count(&body, args[1], "uncollectable");
    marey_log(lane, logs_name("gc").id, MAREY_LOG_GC, values_finish(&body, lane));
    Py_RETURN_NONE;
}
static PyMethodDef gc_method = {"marey_gc", (PyCFunction)(void (*)(void))on_collection,
                                METH_FASTCALL, NULL};

static PyObject *
gc_callbacks(void)
{
    PyObject *module = PyImport_ImportModule("gc");
    PyObject *list =
        module == NULL ? NULL : PyObject_GetAttrString(module, "callbacks");

    Py_XDECREF(module);
    if (list != NULL && !PyList_CheckExact(list))
        Py_CLEAR(list);
    return list;
}

static void
watch_collections(bool is_on)
{
    PyObject *list = gc_callbacks();

    if (is_on && list != NULL) {
        if (gc_callback == NULL)
            gc_callback = PyCFunction_New(&gc_method, NULL);
        if (gc_callback != NULL)
            PyList_Append(list, gc_callback);
    }
    for (Py_ssize_t i = 0; !is_on && list != NULL && i < PyList_GET_SIZE(list); i++)
        if (PyList_GET_ITEM(list, i) == gc_callback) {
            PyList_SetSlice(list, i, i + 1, NULL);
            break;
        }
    Py_XDECREF(list);
    PyErr_Clear();
}

/* ---- audit events ---- */

static MAREY_THREAD_LOCAL bool is_auditing;

static void
log_audit(const char *event, PyObject *args)
{
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());
    PyCodeObject *code = frame == NULL ? NULL : pc_frame_code(frame);
    const struct marey_function *function = code == NULL ? NULL : codes_known(code);
    PyObject *name;
    struct values body;

    if (function == NULL || (function->logs & LOGS_AUDIT) == 0)
        return;
    name = PyUnicode_FromString(event);
    struct marey_lane *lane =
        name != NULL && logs_wanted(LOGS_AUDIT, function, name) != 0 ? logs_lane()
                                                                     : NULL;
    if (lane != NULL) {
        values_begin(&body);
        for (Py_ssize_t i = 0; PyTuple_CheckExact(args) && i < PyTuple_GET_SIZE(args);
             i++)
            values_put(&body, NULL, PyTuple_GET_ITEM(args, i));
        marey_log(lane, values_name(name).id, MAREY_LOG_AUDIT,
                  values_finish(&body, lane));
    }
    Py_XDECREF(name);
}

static int
on_audit(const char *event, PyObject *args, void *unused)
{
    (void)unused;
    if ((logs_kinds & LOGS_AUDIT) == 0 || !tracer.is_on || tracer.waits_for_main ||
        is_auditing || pc_is_finalizing())
        return 0;
    is_auditing = true;
    struct pc_exception saved = pc_exception_take();
    log_audit(event, args);
    PyErr_Clear();
    pc_exception_give(saved);
    is_auditing = false;
    return 0;
}

/* ---- on and off ---- */

void
around_start(void)
{
    static bool has_hook;

    if ((logs_kinds & LOGS_GC) != 0)
        watch_collections(true);
    if ((logs_kinds & LOGS_AUDIT) != 0 && !has_hook)
        has_hook = PySys_AddAuditHook(on_audit, NULL) == 0;
    PyErr_Clear();
}

void
around_stop(void)
{
    struct pc_exception saved = pc_exception_take();

    if (gc_callback != NULL && !pc_is_finalizing())
        watch_collections(false);
    PyErr_Clear();
    pc_exception_give(saved);
}
