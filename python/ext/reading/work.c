/* Long work over a whole trace: counting, totals, checking, exporting, merging.
 *
 * All of it runs with the thread detached. Now and then it comes back, which shows
 * progress and lets Ctrl-C through: an exception that is set then ends the work.
 */
#include "reading/impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "marey/answer.h"
#include "marey/export.h"
#include "marey/lod.h"

#define TICK_NS INT64_C(50000000)

/* ---- coming back to Python ---- */

struct work {
    PyThreadState *saved; /* the detached thread */
    PyObject *tick;       /* borrowed; callable of the share, or None */
    int64_t next_ns;
    bool is_raised; /* an exception is set */
};

static void
work_begin(struct work *work, PyObject *tick)
{
    work->tick = tick;
    work->is_raised = false;
    work->next_ns = (int64_t)marey_monotonic_ns() + TICK_NS;
    work->saved = PyEval_SaveThread();
}

static void
work_end(struct work *work)
{
    PyEval_RestoreThread(work->saved);
}

/* Called by the C libraries with the thread detached. */
static bool
work_tick(void *context, double share)
{
    struct work *work = context;
    int64_t now = (int64_t)marey_monotonic_ns();

    if (work->is_raised)
        return false;
    if (now < work->next_ns)
        return true;
    work->next_ns = now + TICK_NS;

    PyEval_RestoreThread(work->saved);
    if (PyErr_CheckSignals() < 0)
        work->is_raised = true;
    if (!work->is_raised && work->tick != Py_None) {
        PyObject *result = PyObject_CallFunction(work->tick, "d", share);
        work->is_raised = result == NULL;
        Py_XDECREF(result);
    }
    work->saved = PyEval_SaveThread();
    return !work->is_raised;
}

/* The exception of failed work: the one that stopped it, or that of the error. */
static PyObject *
work_raise(const struct work *work, const struct marey_error *err)
{
    return work->is_raised ? NULL : raise_error(err);
}

/* ---- counting ---- */

PyObject *
trace_count(struct trace_object *self, PyObject *tick)
{
    struct marey_trace_info info;
    struct marey_error err;
    struct work work;
    enum marey_status st;

    if (trace_take(self) < 0)
        return NULL;
    work_begin(&work, tick);
    st = marey_trace_count(self->trace, &err);
    work_end(&work);
    marey_trace_info(self->trace, &info);
    trace_give(self);
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    return PyLong_FromUnsignedLongLong(info.call_count);
}

/* ---- totals ---- */

static PyObject *
make_total(struct reading *reading, PyObject *functions,
           const struct marey_total *total)
{
    PyObject *function = Py_None, *other = Py_None;

    if ((Py_ssize_t)total->function < PyTuple_GET_SIZE(functions))
        function = PyTuple_GET_ITEM(functions, total->function);
    if (total->other != MAREY_NO_INDEX &&
        (Py_ssize_t)total->other < PyTuple_GET_SIZE(functions))
        other = PyTuple_GET_ITEM(functions, total->other);
    PyObject *items[] = {
        Py_NewRef(function),
        Py_NewRef(other),
        PyLong_FromUnsignedLongLong(total->call_count),
        PyLong_FromUnsignedLongLong(total->raised_count),
        PyLong_FromUnsignedLongLong(total->open_count),
        PyLong_FromLongLong(total->total_ns),
        PyLong_FromLongLong(total->self_ns),
        PyLong_FromLongLong(total->min_ns),
        PyLong_FromLongLong(total->mean_ns),
        PyLong_FromLongLong(total->max_ns),
        PyLong_FromLongLong(total->p50_ns),
        PyLong_FromLongLong(total->p90_ns),
        PyLong_FromLongLong(total->p99_ns),
        PyLong_FromLongLong(total->corrected_self_ns),
        PyLong_FromLongLong(total->corrected_total_ns),
    };
    return make_record(reading->total_type, items, sizeof(items) / sizeof(items[0]));
}

/* A tuple of all rows, or of all edges; new. */
static PyObject *
make_total_rows(struct trace_object *self, const struct marey_totals *totals,
                uint32_t count,
                void (*get)(const struct marey_totals *, uint32_t,
                            struct marey_total *))
{
    PyObject *functions = trace_functions(self);
    PyObject *rows = functions != NULL ? PyTuple_New(count) : NULL;

    for (uint32_t i = 0; rows != NULL && i < count; i++) {
        struct marey_total total;
        get(totals, i, &total);
        PyObject *row = make_total(self->reading, functions, &total);
        if (row == NULL)
            Py_CLEAR(rows);
        else
            PyTuple_SET_ITEM(rows, i, row);
    }
    return rows;
}

/* The trace is held. */
static PyObject *
run_totals(struct trace_object *self, const struct pick *pick, PyObject *tick)
{
    struct marey_totals *totals = NULL;
    PyObject *rows, *edges = NULL, *result = NULL;
    struct marey_error err;
    struct work work;
    enum marey_status st;

    work_begin(&work, tick);
    st = marey_totals_new(self->trace, &pick->selection, work_tick, &work, &totals,
                          &err);
    work_end(&work);
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    rows = make_total_rows(self, totals, marey_totals_count(totals), marey_totals_row);
    if (rows != NULL)
        edges = make_total_rows(self, totals, marey_totals_edge_count(totals),
                                marey_totals_edge);
    if (edges != NULL)
        result = Py_BuildValue("OOK", rows, edges,
                               (unsigned long long)marey_totals_lost_count(totals));
    marey_totals_free(totals);
    Py_XDECREF(rows);
    Py_XDECREF(edges);
    return result;
}

PyObject *
trace_totals(struct trace_object *self, PyObject *args)
{
    PyObject *selection, *tick, *result = NULL;
    struct pick pick;

    if (!PyArg_ParseTuple(args, "O!O:totals", &PyTuple_Type, &selection, &tick) ||
        trace_take(self) < 0)
        return NULL;
    if (pick_init(&pick, self, selection) == 0) {
        result = run_totals(self, &pick, tick);
        pick_release(&pick);
    }
    trace_give(self);
    return result;
}

PyObject *
trace_use_index(struct trace_object *self, PyObject *index)
{
    bool is_used;

    if (!PyBytes_Check(index))
        return PyErr_Format(PyExc_TypeError, "the bytes of an index are needed");
    if (trace_take(self) < 0)
        return NULL;
    is_used = marey_lod_use(self->trace, (const uint8_t *)PyBytes_AS_STRING(index),
                            (size_t)PyBytes_GET_SIZE(index));
    if (is_used)
        Py_XSETREF(self->index, Py_NewRef(index)); /* the one before is not read now */
    trace_give(self);
    return PyBool_FromLong(is_used);
}

/* ---- transactions ---- */

/* The JSON text as bytes; new. Takes the text. */
static PyObject *
give_answer(const struct work *work, enum marey_status st, struct marey_answer *answer,
            const struct marey_error *err)
{
    PyObject *result =
        st != MAREY_OK
            ? work_raise(work, err)
            : PyBytes_FromStringAndSize(answer->bytes, (Py_ssize_t)answer->size_bytes);

    free(answer->bytes);
    return result;
}

/* transactions(selection, group_by, slowest, tick): JSON. */
PyObject *
trace_transactions(struct trace_object *self, PyObject *args)
{
    struct marey_transaction_question question = {.tick = work_tick};
    struct marey_answer answer = {0};
    PyObject *selection, *tick, *result = NULL;
    const char *group_by;
    Py_ssize_t group_by_size;
    struct marey_error err;
    struct work work;
    struct pick pick;

    if (!PyArg_ParseTuple(args, "O!s#IO:transactions", &PyTuple_Type, &selection,
                          &group_by, &group_by_size, &question.slowest_count, &tick) ||
        trace_take(self) < 0)
        return NULL;
    if (pick_init(&pick, self, selection) == 0) {
        question.selection = pick.selection;
        question.group_by = (struct marey_text){group_by, (size_t)group_by_size};
        question.tick_context = &work;
        work_begin(&work, tick);
        enum marey_status st =
            marey_answer_transactions(self->trace, &question, &answer, &err);
        work_end(&work);
        result = give_answer(&work, st, &answer, &err);
        pick_release(&pick);
    }
    trace_give(self);
    return result;
}

/* transaction(lane_serial, begin_ns, limit, tick): JSON of its calls. */
PyObject *
trace_transaction(struct trace_object *self, PyObject *args)
{
    struct marey_question question = {.tick = work_tick};
    struct marey_answer answer = {0};
    unsigned serial, limit;
    long long begin_ns;
    PyObject *tick;
    struct marey_error err;
    struct work work;

    if (!PyArg_ParseTuple(args, "ILIO:transaction", &serial, &begin_ns, &limit,
                          &tick) ||
        trace_take(self) < 0)
        return NULL;
    question.tick_context = &work;
    work_begin(&work, tick);
    enum marey_status st = marey_answer_transaction(self->trace, &question, serial,
                                                    begin_ns, limit, &answer, &err);
    work_end(&work);
    trace_give(self);
    return give_answer(&work, st, &answer, &err);
}

/* ---- explaining ---- */

/* explain(selection, tick): JSON; of the selection only the lanes count. */
PyObject *
trace_explain(struct trace_object *self, PyObject *args)
{
    PyObject *selection, *tick, *result = NULL;
    struct marey_answer answer = {0};
    struct marey_error err;
    struct work work;
    struct pick pick;

    if (!PyArg_ParseTuple(args, "O!O:explain", &PyTuple_Type, &selection, &tick) ||
        trace_take(self) < 0)
        return NULL;
    if (pick_init(&pick, self, selection) == 0) {
        struct marey_question question = {pick.selection, work_tick, &work, {NULL, 0}};
        work_begin(&work, tick);
        enum marey_status st =
            marey_answer_explain(self->trace, &question, &answer, &err);
        work_end(&work);
        result = give_answer(&work, st, &answer, &err);
        pick_release(&pick);
    }
    trace_give(self);
    return result;
}

/* ---- checking ---- */

struct findings {
    struct work *work;
    PyObject *list; /* owned; of (offset, line) */
    Py_ssize_t limit;
};

static void
add_finding(void *context, uint64_t offset, const char *line)
{
    struct findings *found = context;
    struct work *work = found->work;
    PyObject *item;

    if (work->is_raised || PyList_GET_SIZE(found->list) >= found->limit)
        return;
    PyEval_RestoreThread(work->saved);
    item =
        Py_BuildValue("KN", (unsigned long long)offset,
                      PyUnicode_DecodeUTF8(line, (Py_ssize_t)strlen(line), "replace"));
    if (item == NULL || PyList_Append(found->list, item) < 0)
        work->is_raised = true;
    Py_XDECREF(item);
    work->saved = PyEval_SaveThread();
}

/* check(limit): (findings, count), of which at most `limit` are kept. */
PyObject *
trace_check(struct trace_object *self, PyObject *limit)
{
    struct findings found = {NULL, NULL, PyLong_AsSsize_t(limit)};
    struct marey_error err;
    struct work work;
    enum marey_status st;
    uint64_t count = 0;

    if (found.limit == -1 && PyErr_Occurred())
        return NULL;
    found.list = PyList_New(0);
    if (found.list == NULL || trace_take(self) < 0) {
        Py_XDECREF(found.list);
        return NULL;
    }
    found.work = &work;
    work_begin(&work, Py_None);
    st = marey_trace_check(self->trace, add_finding, &found, &count, &err);
    work_end(&work);
    trace_give(self);
    if (st == MAREY_OK && !work.is_raised)
        return Py_BuildValue("NK", found.list, (unsigned long long)count);
    Py_DECREF(found.list);
    return work_raise(&work, &err);
}

/* ---- exporting ---- */

/* Where an export goes: a descriptor, written without Python, or a callable. */
struct output {
    struct work *work;
    int fd;          /* -1: there is a callable */
    PyObject *write; /* borrowed */
    int system_errno;
};

/* False with system_errno set. A signal that comes meanwhile may raise. */
static bool
write_to_fd(struct output *output, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(output->fd, bytes, size);
        if (written < 0 && errno == EINTR) {
            output->work->next_ns = 0;
            if (!work_tick(output->work, 0))
                return false;
            continue;
        }
        if (written < 0) {
            output->system_errno = errno;
            return false;
        }
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool
write_to_callable(struct output *output, const char *bytes, size_t size)
{
    struct work *work = output->work;
    PyObject *result;

    PyEval_RestoreThread(work->saved);
    result = PyObject_CallFunction(output->write, "y#", bytes, (Py_ssize_t)size);
    work->is_raised = result == NULL;
    Py_XDECREF(result);
    work->saved = PyEval_SaveThread();
    return !work->is_raised;
}

static bool
write_output(void *context, const void *bytes, size_t size)
{
    struct output *output = context;

    if (output->work->is_raised)
        return false;
    return output->fd >= 0 ? write_to_fd(output, bytes, size)
                           : write_to_callable(output, bytes, size);
}

static PyObject *
run_export(struct trace_object *self, struct marey_export_options *options,
           const char *format, struct output *output, PyObject *tick)
{
    struct marey_sink sink = {write_output, output};
    struct marey_error err;
    struct work work;
    enum marey_status st;

    options->tick = work_tick;
    options->tick_context = &work;

    output->work = &work;
    work_begin(&work, tick);
    st = marey_export(self->trace, format, options, &sink, &err);
    work_end(&work);
    if (work.is_raised)
        return NULL;
    if (output->system_errno != 0) {
        errno = output->system_errno;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    Py_RETURN_NONE;
}

/* export(selection, format, target, tick[, values, stacks, value]): target is a
 * descriptor or a callable; `value` is bytes, empty for all. */
PyObject *
trace_export(struct trace_object *self, PyObject *args)
{
    PyObject *selection, *target, *tick, *result = NULL;
    const char *format, *value = "";
    Py_ssize_t value_size = 0;
    int has_values = 1, has_stacks = 0;
    struct output output = {NULL, -1, NULL, 0};
    struct pick pick;

    if (!PyArg_ParseTuple(args, "O!sOO|ppy#:export", &PyTuple_Type, &selection, &format,
                          &target, &tick, &has_values, &has_stacks, &value,
                          &value_size))
        return NULL;
    if (PyLong_Check(target)) {
        output.fd = PyObject_AsFileDescriptor(target);
        if (output.fd < 0)
            return NULL;
    }
    output.write = target;
    if (trace_take(self) < 0)
        return NULL;
    if (pick_init(&pick, self, selection) == 0) {
        struct marey_export_options options = {
            .selection = pick.selection,
            .hides_values = !has_values,
            .has_stacks = has_stacks != 0,
            .value = {value, (size_t)value_size},
        };
        result = run_export(self, &options, format, &output, tick);
        pick_release(&pick);
    }
    trace_give(self);
    return result;
}

PyObject *
export_formats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    PyObject *names = PyList_New(0);
    const char *name;

    for (unsigned i = 0; names != NULL && (name = marey_export_format(i)) != NULL;
         i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (text == NULL || PyList_Append(names, text) < 0)
            Py_CLEAR(names);
        Py_XDECREF(text);
    }
    return names;
}

/* ---- merging ---- */

/* The bytes objects keep the paths alive. */
static int
get_paths(PyObject *encoded, const char **paths)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(encoded); i++) {
        PyObject *item = PyTuple_GET_ITEM(encoded, i);
        if (!PyBytes_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "paths are bytes");
            return -1;
        }
        paths[i] = PyBytes_AS_STRING(item);
    }
    return 0;
}

/* merge(paths, out_path, tick), paths as os.fsencode() gives them. */
PyObject *
merge_traces(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *encoded, *tick;
    const char *out_path, **paths;
    struct marey_error err;
    struct work work;
    enum marey_status st;

    if (!PyArg_ParseTuple(args, "O!yO:merge", &PyTuple_Type, &encoded, &out_path,
                          &tick))
        return NULL;
    paths = PyMem_Calloc((size_t)PyTuple_GET_SIZE(encoded) + 1, sizeof(*paths));
    if (paths == NULL)
        return PyErr_NoMemory();
    if (get_paths(encoded, paths) < 0) {
        PyMem_Free(paths);
        return NULL;
    }
    work_begin(&work, tick);
    st = marey_merge(paths, (uint32_t)PyTuple_GET_SIZE(encoded), out_path, work_tick,
                     &work, &err);
    work_end(&work);
    PyMem_Free(paths);
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    Py_RETURN_NONE;
}

/* (index, process, rule, from, until) each. */
PyObject *
trace_keeps_due(struct trace_object *self, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    struct marey_keep_due due;

    if (list == NULL || trace_take(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    for (uint32_t i = 0; list != NULL && i < marey_trace_keep_due_max(); i++) {
        if (!marey_trace_keep_due(self->trace, i, &due))
            continue;
        PyObject *one = Py_BuildValue("IIILL", i, due.process, due.rule,
                                      (long long)due.from_ns, (long long)due.until_ns);
        if (one == NULL || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    trace_give(self);
    return list;
}

/* write_keep(index, before_ns, after_ns, why, target) */
PyObject *
trace_write_keep(struct trace_object *self, PyObject *args)
{
    unsigned long long before_ns, after_ns;
    struct marey_keep_part part;
    struct marey_keep_due due;
    struct marey_error err;
    struct work work;
    unsigned index;

    if (!PyArg_ParseTuple(args, "IKKyy:write_keep", &index, &before_ns, &after_ns,
                          &part.why, &part.target))
        return NULL;
    PyObject *path = PyUnicode_EncodeFSDefault(self->path);
    if (path == NULL || trace_take(self) < 0) {
        Py_XDECREF(path);
        return NULL;
    }
    part.before_ns = before_ns;
    part.after_ns = after_ns;
    work_begin(&work, Py_None);
    enum marey_status status =
        index < marey_trace_keep_due_max() &&
                marey_trace_keep_due(self->trace, index, &due)
            ? marey_trace_keep_write(self->trace, PyBytes_AS_STRING(path), index, &part,
                                     &err)
            : marey_fail(&err, MAREY_USAGE, "the trace asks for no such part");
    work_end(&work);
    trace_give(self);
    Py_DECREF(path);
    if (status != MAREY_OK)
        return work_raise(&work, &err);
    Py_RETURN_NONE;
}

/* pack_part(path, out_path, size_bytes, tick): how many events it took of how many, or
 * None where there is room for none. */
PyObject *
pack_trace_part(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *path, *out_path;
    struct marey_part_kept kept = {0};
    struct marey_error err;
    struct work work;
    enum marey_status st;
    PyObject *tick;
    unsigned long long size_bytes;

    if (!PyArg_ParseTuple(args, "yyKO:pack_part", &path, &out_path, &size_bytes, &tick))
        return NULL;
    work_begin(&work, tick);
    st = marey_pack_part(path, out_path, size_bytes, work_tick, &work, &kept, &err);
    work_end(&work);
    if (st == MAREY_USAGE)
        Py_RETURN_NONE;
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    return Py_BuildValue("KK", (unsigned long long)kept.events,
                         (unsigned long long)kept.all_events);
}

/* pack(path, out_path, index_from, tick), paths as os.fsencode() gives them. */
PyObject *
pack_trace(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *path, *out_path;
    struct marey_error err;
    struct work work;
    enum marey_status st;
    PyObject *tick;
    unsigned long long index_from;

    if (!PyArg_ParseTuple(args, "yyKO:pack", &path, &out_path, &index_from, &tick))
        return NULL;
    work_begin(&work, tick);
    st = marey_pack(path, out_path, index_from, work_tick, &work, &err);
    work_end(&work);
    if (st != MAREY_OK)
        return work_raise(&work, &err);
    Py_RETURN_NONE;
}
