/* marey._core: start and stop a recording, put marks on it, read traces back. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logs/logs.h"
#include "marey/capture_keep.h"
#include "reading/trace.h"
#include "show/show.h"
#include "tracer.h"
#include "values/values.h"

struct tracer tracer = {.tool = -1, .extra_index = -1};

static bool prints_summary; /* at the end of this process */
static char *trace_path;    /* owned; as the summary names it */
static const char *chooser; /* the option that says what is recorded; NULL: all is */

/* ---- the end of the process ---- */

static void
print_summary(const struct marey_file_counts *counts, double seconds)
{
    char line[512];
    int size = snprintf(line, sizeof(line),
                        "marey: %llu events, %u process%s, %.2f s, %.1f MB",
                        (unsigned long long)counts->event_count, counts->process_count,
                        counts->process_count == 1 ? "" : "es", seconds,
                        (double)counts->size_bytes / 1e6);

    if (counts->lost_count > 0)
        size += snprintf(line + size, sizeof(line) - (size_t)size, ", %llu LOST",
                         (unsigned long long)counts->lost_count);
    if (counts->event_count == 0 && chooser != NULL)
        size += snprintf(line + size, sizeof(line) - (size_t)size,
                         "; nothing that ran matches %s", chooser);
    size += snprintf(line + size, sizeof(line) - (size_t)size,
                     "; next: marey view %.300s\n", trace_path);
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written; /* the program may have closed it */
}

void
process_end(int status)
{
    struct marey_file_counts counts;

    marey_recording_adopt();
    listen_stop();
    if (!marey_recording_is_on())
        return;
    double seconds = (double)marey_recording_age_ns() / 1e9;
    watch_stop();
    marey_recording_finish(status, &counts);
    if (prints_summary && !marey_recording_was_forked())
        print_summary(&counts, seconds);
}

/* Runs when all of Python is gone; what kills leave out is nothing that the trace
 * needs. */
static void
at_process_end(int status, void *unused)
{
    (void)unused;
    process_end(status);
}

/* Once a process. */
static void
end_at_process_end(void)
{
    static bool is_registered;

    if (!is_registered)
        on_exit(at_process_end, NULL);
    is_registered = true;
}

/* ---- start ---- */

static PyObject *
bytes_tuple(PyObject *sequence, PyObject *(*encode)(PyObject *text))
{
    PyObject *list = PySequence_List(sequence), *tuple = NULL;

    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *bytes = encode(PyList_GET_ITEM(list, i));
        if (bytes == NULL)
            goto done;
        PyList_SetItem(list, i, bytes);
    }
    if (list != NULL)
        tuple = PyList_AsTuple(list);
done:
    Py_XDECREF(list);
    return tuple;
}

/* Asked before anything is touched: by now another interpreter of this process may be
 * here. */
static int
refuse(void)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        PyErr_SetString(PyExc_RuntimeError,
                        "recording starts in the main interpreter only");
    else if (marey_recording_is_on())
        PyErr_SetString(PyExc_RuntimeError,
                        "a recording is on already in this process; stop it first");
    return PyErr_Occurred() ? -1 : 0;
}

static int
set_filters(PyObject *include, PyObject *exclude, PyObject *own_folder)
{
    char folder[4096];
    PyObject *includes = bytes_tuple(include, PyUnicode_EncodeFSDefault),
             *excludes = bytes_tuple(exclude, PyUnicode_EncodeFSDefault);
    if (includes == NULL || excludes == NULL) {
        Py_XDECREF(includes);
        Py_XDECREF(excludes);
        return -1;
    }
    if (getcwd(folder, sizeof(folder) - 1) == NULL)
        folder[0] = '\0';
    Py_XSETREF(tracer.include, includes);
    Py_XSETREF(tracer.exclude, excludes);
    Py_XSETREF(tracer.own_folder,
               PyBytes_FromFormat("%s/", PyBytes_AS_STRING(own_folder)));
    Py_XSETREF(tracer.folder, PyBytes_FromFormat("%s/", folder));
    return tracer.own_folder == NULL || tracer.folder == NULL ? -1 : 0;
}

/* Which functions are transactions; whether nothing else is recorded, but `detail`
 * levels of calls below them. */
static int
set_transactions(PyObject *patterns, bool is_only, unsigned detail)
{
    PyObject *chosen = bytes_tuple(patterns, PyUnicode_EncodeFSDefault);

    if (chosen == NULL)
        return -1;
    Py_XSETREF(tracer.transactions, chosen);
    tracer.is_only = is_only;
    tracer.has_details = false;
    tracer.detail = (uint16_t)(detail < UINT16_MAX ? detail : UINT16_MAX);
    tracer.unchosen = NULL; /* what was passed over is looked at anew */
    return 0;
}

/* What is recorded, unless a recording is on. */
static int
choose(PyObject *include, PyObject *exclude, PyObject *own_folder,
       PyObject *transactions, bool is_only, unsigned detail)
{
    if (refuse() < 0 || set_filters(include, exclude, own_folder) < 0)
        return -1;
    chooser = PyTuple_GET_SIZE(tracer.include) > 0 ? "--include" : NULL;
    if (chooser == NULL && is_only)
        chooser = "--transactions";
    return set_transactions(transactions, is_only, detail);
}

static PyObject *
raise_error(const struct marey_error *err)
{
    PyObject *type = err->status == MAREY_USAGE ? PyExc_RuntimeError : PyExc_OSError;

    PyErr_SetString(type, err->message);
    return NULL;
}

/* Texts of this process: argv as the system started it, and so on. */
struct texts {
    struct marey_process_texts view;
    PyObject *argv; /* owned: tuple of bytes, UTF-8 */
    PyObject *executable, *directory, *program, *options; /* owned: UTF-8 */
    const char *arguments[1024];
};

static void
texts_release(struct texts *texts)
{
    Py_XDECREF(texts->argv);
    Py_XDECREF(texts->executable);
    Py_XDECREF(texts->directory);
    Py_XDECREF(texts->program);
    Py_XDECREF(texts->options);
}

/* A path or a name as the system spells it, in the trace's spelling of texts. New. */
static PyObject *
text_of(const char *bytes)
{
    PyObject *text = PyUnicode_DecodeFSDefault(bytes);
    PyObject *result = text == NULL ? NULL : codes_utf8(text);

    Py_XDECREF(text);
    return result;
}

static const char *
bytes_or_none(PyObject *bytes)
{
    return bytes == NULL ? "" : PyBytes_AS_STRING(bytes);
}

static void
texts_fill(struct texts *texts, PyObject *argv, const char *program,
           const char *options)
{
    char directory[4096];
    PyObject *executable = PySys_GetObject("executable");

    memset(texts, 0, sizeof(*texts));
    texts->argv = bytes_tuple(argv, codes_utf8);
    for (Py_ssize_t i = 0;
         texts->argv != NULL && i < PyTuple_GET_SIZE(texts->argv) && i < 1024; i++) {
        texts->arguments[i] = PyBytes_AS_STRING(PyTuple_GET_ITEM(texts->argv, i));
        texts->view.argument_count++;
    }
    if (executable != NULL && PyUnicode_Check(executable))
        texts->executable = codes_utf8(executable);
    if (getcwd(directory, sizeof(directory)) == NULL)
        directory[0] = '\0';
    texts->directory = text_of(directory);
    texts->program = text_of(program);
    texts->options = text_of(options);
    texts->view.arguments = texts->arguments;
    texts->view.executable = bytes_or_none(texts->executable);
    texts->view.version = PY_VERSION;
    texts->view.directory = bytes_or_none(texts->directory);
    texts->view.program = bytes_or_none(texts->program);
    PyErr_Clear();
}

static int
start_hooks(bool waits_for_main)
{
    if (codes_set_up() < 0)
        return -1;
    end_at_process_end();
    codes_store_again();
    marey_lane_ask(threads_facts, pc_no_thread_state());
    marey_recording_on_second(hooks_tick);
    if (!waits_for_main && threads_prepare() < 0)
        return -1;
    tracer.is_on = true;
    /* What an event costs is measured with the hooks on for all code. */
    bool is_only = tracer.is_only;
    tracer.is_only = false;
    int status = hooks_start();
    if (status == 0)
        calibrate();
    tracer.is_only = is_only;
    if (status == 0)
        logs_begin();
    if (status < 0 || waits_for_main)
        return status < 0 ? -1 : hooks_wait();
    transactions_watch_all();
    return is_only ? hooks_again() : 0;
}

static void
end_recording(void)
{
    tracer.is_on = false;
    children_leave();
    logs_end();
    hooks_stop();
    tracer.is_only = tracer.has_details = false;
    watch_stop();
    marey_recording_stop(0, false);
}

PyDoc_STRVAR(start_doc,
             "start(path, *, join, argv, program, include, exclude, max_depth, "
             "min_duration_ns, c_calls, exact, ring_bytes, options, own_folder, "
             "wait_for_main, summary, unmapped, chosen, chosen_only, detail, "
             "children, parent, flow)\n--\n\n"
             "Starts recording this process into the file.");
static PyObject *
start(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {
        "path",       "join",          "argv",       "program",
        "include",    "exclude",       "max_depth",  "min_duration_ns",
        "c_calls",    "exact",         "ring_bytes", "options",
        "own_folder", "wait_for_main", "summary",    "unmapped",
        "chosen",     "chosen_only",   "detail",     "children",
        "parent",     "flow",          NULL};
    struct marey_recording_options options = {0};
    struct marey_error err = {0};
    struct texts texts;
    PyObject *path, *argv, *include, *exclude, *own_folder, *transactions;
    const char *program, *text;
    unsigned max_depth, detail, parent;
    unsigned long long min_duration_ns, ring_bytes, flow;
    int join, c_calls, exact, waits, summary, unmapped, is_only, children;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "O&$pOyOOIKppKyO&pppOpIpIK:start", names,
            PyUnicode_FSConverter, &path, &join, &argv, &program, &include, &exclude,
            &max_depth, &min_duration_ns, &c_calls, &exact, &ring_bytes, &text,
            PyUnicode_FSConverter, &own_folder, &waits, &summary, &unmapped,
            &transactions, &is_only, &detail, &children, &parent, &flow))
        return NULL;
    int is_failed = choose(include, exclude, own_folder, transactions, is_only, detail);
    Py_DECREF(own_folder);
    if (is_failed < 0) {
        Py_DECREF(path);
        return NULL;
    }
    tracer.c_calls = c_calls;
    tracer.is_exact = exact;
    prints_summary = summary;
    options.path = PyBytes_AS_STRING(path);
    options.may_join = join;
    options.file.ring_bytes = ring_bytes;
    options.file.no_mapping = unmapped;
    options.max_depth = max_depth;
    options.min_duration_ns = min_duration_ns;
    options.no_children = !children;
    options.parent = parent;
    options.flow = flow;
    texts_fill(&texts, argv, program, text);
    options.options_text = bytes_or_none(texts.options);
    if (watch_start() < 0) {
        Py_DECREF(path);
        return NULL;
    }
    options.is_careful = codes_refilter();
    cfunctions_refilter();
    enum marey_status status = marey_recording_start(&options, &texts.view, &err);
    texts_release(&texts);
    if (status == MAREY_OK) {
        free(trace_path);
        trace_path = strdup(options.path);
    }
    Py_DECREF(path);
    if (status != MAREY_OK) {
        watch_stop();
        return raise_error(&err);
    }
    if (start_hooks(waits) < 0) {
        struct pc_exception saved = pc_exception_take();
        end_recording();
        pc_exception_give(saved);
        return NULL;
    }
    children_watch(children ? text : "", flow);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc, "stop()\n--\n\nStops the recording of this process.");
static PyObject *
stop(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (!tracer.is_on)
        Py_RETURN_NONE;
    end_recording();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(snapshot_doc,
             "snapshot(path, why, before_ns)\n--\n\n"
             "Writes what the recording holds now into a trace of its own.");
static PyObject *
snapshot(PyObject *module, PyObject *args)
{
    struct marey_error err = {0};
    enum marey_status status;
    unsigned long long before_ns;
    PyObject *path, *why;

    (void)module;
    if (!PyArg_ParseTuple(args, "O&OK:snapshot", PyUnicode_FSConverter, &path, &why,
                          &before_ns))
        return NULL;
    PyObject *text = codes_utf8(why);
    if (text == NULL) {
        Py_DECREF(path);
        return NULL;
    }
#ifdef Py_GIL_DISABLED
    marey_recording_spill(false);
#else
    marey_recording_spill(true); /* no hook runs while we hold the lock */
#endif
    Py_BEGIN_ALLOW_THREADS
        status = marey_recording_snapshot(PyBytes_AS_STRING(path),
                                          PyBytes_AS_STRING(text), before_ns, &err);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    Py_DECREF(text);
    if (status != MAREY_OK)
        return raise_error(&err);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(listen_doc, "listen(folder)\n--\n\nTakes orders from marey ctl.");
static PyObject *
listen(PyObject *module, PyObject *folder)
{
    end_at_process_end();
    return listen_start(module, folder);
}

PyDoc_STRVAR(filter_doc, "filter(include, exclude)\n--\n\n"
                         "Other filters for the recording that is on.");
static PyObject *
filter(PyObject *module, PyObject *args)
{
    PyObject *include, *exclude;

    (void)module;
    if (!PyArg_ParseTuple(args, "OO:filter", &include, &exclude))
        return NULL;
    PyObject *own_folder = PyBytes_FromStringAndSize(
        PyBytes_AS_STRING(tracer.own_folder), PyBytes_GET_SIZE(tracer.own_folder) - 1);
    int status = own_folder == NULL ? -1 : set_filters(include, exclude, own_folder);
    Py_XDECREF(own_folder);
    if (status < 0)
        return NULL;
    bool is_stale = codes_refilter();
    cfunctions_refilter();
    marey_recording_refilter(is_stale);
    hooks_refilter();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(budget_doc, "budget(part)\n--\n\n"
                         "What the next recording may cost, of the program's time.");
PyDoc_STRVAR(keep_doc,
             "keep(rules, folder, before_ns, after_ns, size_max, per_minute)\n--\n\n"
             "What the next recording keeps as traces of their own.");

PyDoc_STRVAR(recording_path_doc,
             "recording_path()\n--\n\nThe trace this process records into, or None.");
static PyObject *
recording_path(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (!tracer.is_on || trace_path == NULL)
        Py_RETURN_NONE;
    return PyUnicode_DecodeFSDefault(trace_path);
}

PyDoc_STRVAR(forked_doc, "forked()\n--\n\nEnds what a forked child is not to record.");
static PyObject *
forked(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (tracer.is_on && !marey_recording_is_on()) {
        tracer.is_on = false;
        children_leave();
        hooks_stop();
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_recording_doc, "is_recording()\n--\n\nWhether this process records.");
static PyObject *
is_recording(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyBool_FromLong(tracer.is_on);
}

PyDoc_STRVAR(note_doc, "note(text)\n--\n\nPuts a note about the recording into it.");
static PyObject *
note(PyObject *module, PyObject *text)
{
    (void)module;
    PyObject *bytes = PyUnicode_Check(text) ? codes_utf8(text) : NULL;
    if (bytes == NULL)
        return NULL;
    if (tracer.is_on)
        marey_define_note(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_values_doc, "set_values(*, redact, words, user_repr)\n--\n\n"
                             "How values are recorded from now on.");
static PyObject *
set_values(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"redact", "words", "user_repr", NULL};
    PyObject *words;
    int redact, user_repr;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "$pO!p:set_values", names, &redact,
                                     &PyTuple_Type, &words, &user_repr))
        return NULL;
    values_redact = redact;
    values_user_repr = user_repr;
    if (values_set_words(words) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(log_rules_doc,
             "log_rules(rules, /)\n--\n\n"
             "What the next recording logs: tuples of kind, names, scope.");
static PyObject *
log_rules(PyObject *module, PyObject *rules)
{
    (void)module;
    if (logs_set_rules(rules) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"set_values", (PyCFunction)(void (*)(void))set_values,
     METH_VARARGS | METH_KEYWORDS, set_values_doc},
    {"start", (PyCFunction)(void (*)(void))start, METH_VARARGS | METH_KEYWORDS,
     start_doc},
    {"stop", stop, METH_NOARGS, stop_doc},
    {"listen", listen, METH_O, listen_doc},
    {"filter", filter, METH_VARARGS, filter_doc},
    {"budget", watch_budget, METH_O, budget_doc},
    {"every", timer_start, METH_VARARGS, "every(turn, every_ns, for_ns)\n--\n\n"},
    {"every_stop", timer_stop, METH_NOARGS, "every_stop()\n--\n\n"},
    {"keep", watch_set, METH_VARARGS, keep_doc},
    {"snapshot", snapshot, METH_VARARGS, snapshot_doc},
    {"recording_path", recording_path, METH_NOARGS, recording_path_doc},
    {"forked", forked, METH_NOARGS, forked_doc},
    {"log_rules", log_rules, METH_O, log_rules_doc},
    {"server_flow", children_server_flow, METH_VARARGS,
     "server_flow(owner, descriptor)\n--\n\nThe arrow to a child of the fork server."},
    {"is_recording", is_recording, METH_NOARGS, is_recording_doc},
    {"note", note, METH_O, note_doc},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    if (PyModule_AddFunctions(module, methods) < 0 || marks_add(module) < 0 ||
        follow_add(module) < 0 || transaction_add(module) < 0 || show_add(module) < 0)
        return -1;
    return marey_add_trace_types(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    /* One recording a process, and hooks that are static objects. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "marey._core",
    .m_doc = "The core of Marey, in C.",
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
