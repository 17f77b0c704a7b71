/* Definitions as Python values: struct sequences, made whole and never changed. */
#include "reading/impl.h"

#include <errno.h>
#include <string.h>

/* ---- texts, times, errors ---- */

PyObject *
text_to_python(struct marey_text text)
{
    PyObject *result =
        PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size_bytes, "surrogatepass");

    if (result == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        result =
            PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size_bytes, "replace");
    }
    return result;
}

PyObject *
time_to_python(int64_t time_ns)
{
    if (time_ns == MAREY_NO_TIME)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(time_ns);
}

static const char *
error_class(const struct marey_error *err)
{
    switch (err->status) {
    case MAREY_IO:
    case MAREY_FULL:
        return err->system_errno == ENOENT ? "NotFoundError" : "StorageError";
    case MAREY_CORRUPT: return "DamagedError";
    case MAREY_NOT_A_TRACE: return "NotATraceError";
    case MAREY_VERSION: return "VersionError";
    case MAREY_USAGE: return "UsageError";
    default: return "MareyError";
    }
}

PyObject *
raise_error(const struct marey_error *err)
{
    PyObject *module = NULL, *type = NULL, *text = NULL, *error = NULL;

    if (err->status == MAREY_NOMEM)
        return PyErr_NoMemory();
    module = PyImport_ImportModule("marey._errors");
    if (module != NULL)
        type = PyObject_GetAttrString(module, error_class(err));
    if (type != NULL)
        text = PyUnicode_DecodeUTF8(err->message, (Py_ssize_t)strlen(err->message),
                                    "surrogateescape");
    if (text != NULL)
        error = PyObject_CallOneArg(type, text);
    if (error != NULL && (err->status == MAREY_IO || err->status == MAREY_FULL)) {
        PyObject *number = PyLong_FromLong(err->system_errno);
        if (number == NULL || PyObject_SetAttrString(error, "errno", number) < 0)
            Py_CLEAR(error);
        Py_XDECREF(number);
    }
    if (error != NULL)
        PyErr_SetObject(type, error);
    Py_XDECREF(error);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(module);
    return NULL;
}

/* ---- the types ---- */

static PyStructSequence_Field function_fields[] = {
    {"index", "its place in Trace.functions"},
    {"name", "qualified name"},
    {"module", "module it was defined in; empty where not known"},
    {"file", "path of its source; empty for C functions"},
    {"line", "first line; 0 where not known"},
    {"is_c", "written in C"},
    {"is_generator", "generator, coroutine or asynchronous generator"},
    {"is_span", "a name given with marey.span()"},
    {"is_transaction", "each call is a unit of work"},
    {NULL, NULL},
};
static PyStructSequence_Desc function_desc = {
    "marey.Function", "A function, whatever process it ran in.", function_fields, 9};

static PyStructSequence_Field process_fields[] = {
    {"index", "its place in Trace.processes"},
    {"serial", "its number in the file"},
    {"pid", "process id"},
    {"parent_pid", "process id of its parent"},
    {"parent", "index of its parent in Trace.processes, None: not in this trace"},
    {"start_ns", "since the origin of the trace"},
    {"end_ns", "of its last event where the end was not seen"},
    {"has_ended", "its end was seen; False: killed, or still running"},
    {"exit_status", "None where not known; -n: killed by signal n"},
    {"program", "the script, module or command as a person names it"},
    {"arguments", "its command line"},
    {"executable", "path of the interpreter"},
    {"python", "version of Python"},
    {"directory", "working directory at its start"},
    {"options", "JSON text of what was to be recorded"},
    {"is_replaced", "it became another program (exec), which has the same pid"},
    {"flow", "the arrow from the call that started it, as in Event.flow"},
    {NULL, NULL},
};
static PyStructSequence_Desc process_desc = {
    "marey.Process", "A process of the recorded run.", process_fields, 17};

static PyStructSequence_Field lane_fields[] = {
    {"index", "its place in Trace.lanes"},
    {"serial", "its number in the file"},
    {"process", "the Process it ran in"},
    {"kind", "'thread', 'task' or 'greenlet'"},
    {"name", "as Python names it"},
    {"is_main", "the main thread of its process"},
    {"is_earlier", "was alive before the recording started"},
    {"native_id", "thread id of the system"},
    {"python_id", "threading.get_ident()"},
    {"start_ns", "since the origin of the trace; None where not known"},
    {"end_ns", "of its last event where the end was not seen"},
    {"has_ended", "its end was seen"},
    {"event_count", "events recorded on it"},
    {"lost_count", "events known to be lost"},
    {NULL, NULL},
};
static PyStructSequence_Desc lane_desc = {
    "marey.Lane", "A row of the view: a thread, a task or a greenlet.", lane_fields,
    14};

static PyStructSequence_Field total_fields[] = {
    {"function", "the Function"},
    {"other", "of an edge, its caller, None: called by nobody; of a row, None"},
    {"call_count", "calls begun in the window, or open at its start"},
    {"raised_count", "ended by an exception"},
    {"open_count", "still open at the end of the window"},
    {"total_ns", "inside it; recursion counted once, suspended parts not"},
    {"self_ns", "the same without the calls it made"},
    {"min_ns", "of one call"},
    {"mean_ns", "of one call"},
    {"max_ns", "of one call"},
    {"p50_ns", "median of one call, within 1 %"},
    {"p90_ns", "nine in ten calls were not longer, within 1 %"},
    {"p99_ns", "99 in 100 calls were not longer, within 1 %"},
    {"corrected_self_ns", "self_ns less the tracer's measured cost"},
    {"corrected_total_ns", "total_ns less the tracer's measured cost"},
    {NULL, NULL},
};
static PyStructSequence_Desc total_desc = {
    "marey.Total", "What the calls of one function come to.", total_fields, 15};

static PyStructSequence_Field unrecorded_fields[] = {
    {"kind", "'object', 'redacted', 'not recorded', 'unbound' or 'error'"},
    {"text", "a description, where there is one"},
    {"type_name", "of an object, its class; None where the text is all there is"},
    {"items", "of an object, a tuple of what it was made of, without names"},
    {"fields", "of an object, a dict of its attributes"},
    {"missing_count", "of an object, items and fields that were not recorded"},
    {NULL, NULL},
};
static PyStructSequence_Desc unrecorded_desc = {
    "marey.Unrecorded", "Stands for a value that the trace does not hold itself.",
    unrecorded_fields, 2};

/* Adds a type under its own last name; new, or NULL with an exception set. */
static PyTypeObject *
add_record_type(PyObject *module, PyStructSequence_Desc *desc)
{
    PyTypeObject *type = PyStructSequence_NewType(desc);

    if (type == NULL)
        return NULL;
    if (PyModule_AddObjectRef(module, strrchr(desc->name, '.') + 1, (PyObject *)type) <
        0)
        Py_CLEAR(type);
    return type;
}

int
reading_add_records(struct reading *reading, PyObject *module)
{
    static const char *const ended[] = {"returned", "raised", "cut", "open",
                                        "suspended"};
    static const char *const kinds[] = {"begin",   "end",     "suspend", "resume",
                                        "instant", "counter", "log",     "flow_out",
                                        "flow_in", "gap"};

    reading->function_type = add_record_type(module, &function_desc);
    reading->process_type = add_record_type(module, &process_desc);
    reading->lane_type = add_record_type(module, &lane_desc);
    reading->total_type = add_record_type(module, &total_desc);
    reading->unrecorded_type = add_record_type(module, &unrecorded_desc);
    if (PyErr_Occurred())
        return -1;
    for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
        if ((reading->ended[i] = PyUnicode_InternFromString(ended[i])) == NULL)
            return -1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if ((reading->kinds[i] = PyUnicode_InternFromString(kinds[i])) == NULL)
            return -1;
    return 0;
}

PyObject *
make_record(PyTypeObject *type, PyObject **items, Py_ssize_t count)
{
    PyObject *record = PyStructSequence_New(type);

    for (Py_ssize_t i = 0; i < count; i++) {
        if (items[i] == NULL)
            Py_CLEAR(record);
        else if (record != NULL)
            PyStructSequence_SetItem(record, i, Py_NewRef(items[i]));
    }
    for (Py_ssize_t i = 0; i < count; i++)
        Py_XDECREF(items[i]);
    return record;
}
#define MAKE_RECORD(type, items)                                                       \
    make_record(type, items, (Py_ssize_t)(sizeof(items) / sizeof(items[0])))

/* ---- functions, processes, lanes ---- */

/* A module or a file is shared by many functions, in runs: the one before is enough of
 * a cache to keep each text once. New. */
static PyObject *
text_like(struct marey_text text, struct marey_text before, PyObject *made_before)
{
    if (made_before != NULL && text.size_bytes == before.size_bytes &&
        (text.size_bytes == 0 ||
         memcmp(text.bytes, before.bytes, text.size_bytes) == 0))
        return Py_NewRef(made_before);
    return text_to_python(text);
}

PyObject *
make_functions(struct reading *reading, const struct marey_trace *trace)
{
    uint32_t count = marey_trace_function_count(trace);
    PyObject *all = PyTuple_New(count);
    struct marey_function_info info, before = {0};
    PyObject *module = NULL, *file = NULL; /* borrowed from the function before */

    for (uint32_t i = 0; all != NULL && i < count; i++) {
        marey_trace_function(trace, i, &info);
        module = text_like(info.module, before.module, module);
        file = text_like(info.file, before.file, file);
        PyObject *items[] = {
            PyLong_FromUnsignedLong(i),
            text_to_python(info.name),
            module,
            file,
            PyLong_FromUnsignedLong(info.first_line),
            PyBool_FromLong(info.is_c),
            PyBool_FromLong(info.is_generator),
            PyBool_FromLong(info.is_span),
            PyBool_FromLong(info.is_transaction),
        };
        PyObject *function = MAKE_RECORD(reading->function_type, items);
        if (function == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, function);
        before = info;
    }
    return all;
}

static PyObject *
make_arguments(const struct marey_trace *trace, uint32_t process, uint32_t count)
{
    PyObject *all = PyTuple_New(count);

    for (uint32_t i = 0; all != NULL && i < count; i++) {
        PyObject *text = text_to_python(marey_trace_argument(trace, process, i));
        if (text == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, text);
    }
    return all;
}

PyObject *
make_processes(struct reading *reading, const struct marey_trace *trace)
{
    uint32_t count = marey_trace_process_count(trace);
    PyObject *all = PyTuple_New(count);

    for (uint32_t i = 0; all != NULL && i < count; i++) {
        struct marey_process_info info;
        marey_trace_process(trace, i, &info);
        PyObject *items[] = {
            PyLong_FromUnsignedLong(i),
            PyLong_FromUnsignedLong(info.serial),
            PyLong_FromLongLong(info.pid),
            PyLong_FromLongLong(info.parent_pid),
            info.parent == MAREY_NO_INDEX ? Py_NewRef(Py_None)
                                          : PyLong_FromUnsignedLong(info.parent),
            time_to_python(info.start_ns),
            time_to_python(info.end_ns),
            PyBool_FromLong(info.state != MAREY_PROCESS_UNKNOWN),
            info.has_exit_status ? PyLong_FromLong(info.exit_status)
                                 : Py_NewRef(Py_None),
            text_to_python(info.program),
            make_arguments(trace, i, info.argument_count),
            text_to_python(info.executable),
            text_to_python(info.version),
            text_to_python(info.directory),
            text_to_python(info.options),
            PyBool_FromLong(info.state == MAREY_PROCESS_REPLACED),
            info.flow == 0 ? Py_NewRef(Py_None)
                           : PyLong_FromUnsignedLongLong(info.flow),
        };
        PyObject *process = MAKE_RECORD(reading->process_type, items);
        if (process == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, process);
    }
    return all;
}

static const char *
lane_kind(enum marey_lane_kind kind)
{
    switch (kind) {
    case MAREY_KIND_TASK: return "task";
    case MAREY_KIND_GREENLET: return "greenlet";
    default: return "thread";
    }
}

PyObject *
make_lanes(struct reading *reading, const struct marey_trace *trace,
           PyObject *processes)
{
    uint32_t count = marey_trace_lane_count(trace);
    PyObject *all = PyTuple_New(count);

    for (uint32_t i = 0; all != NULL && i < count; i++) {
        struct marey_lane_info info;
        marey_trace_lane(trace, i, &info);
        PyObject *process = (Py_ssize_t)info.process < PyTuple_GET_SIZE(processes)
                                ? PyTuple_GET_ITEM(processes, info.process)
                                : Py_None;
        PyObject *items[] = {
            PyLong_FromUnsignedLong(i),
            PyLong_FromUnsignedLong(info.serial),
            Py_NewRef(process),
            PyUnicode_InternFromString(lane_kind(info.kind)),
            text_to_python(info.name),
            PyBool_FromLong(info.is_main),
            PyBool_FromLong(info.is_earlier),
            PyLong_FromUnsignedLongLong(info.native_id),
            PyLong_FromUnsignedLongLong(info.python_id),
            time_to_python(info.start_ns),
            time_to_python(info.end_ns),
            PyBool_FromLong(info.has_end),
            PyLong_FromUnsignedLongLong(info.event_count),
            PyLong_FromUnsignedLongLong(info.lost_count),
        };
        PyObject *lane = MAKE_RECORD(reading->lane_type, items);
        if (lane == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, lane);
    }
    return all;
}
