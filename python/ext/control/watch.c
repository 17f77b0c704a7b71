/* What the rules of --keep are about, on the interpreter's side: which functions have
 * their calls watched, which exceptions are looked for, which log records.
 *
 * Watching costs the watched alone. A function that a rule names begins and ends its
 * calls the slow way; exceptions are looked at where one leaves a call; log records
 * where logging.Logger.callHandlers starts, which is a watched function like others.
 */
#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>

#include "marey/capture_keep.h"
#include "tracer.h"

#define ALREADY_ON "a recording is on already in this process; stop it first"

/* Kinds of rules; the same numbers as in _keep.py. */
enum { KIND_CALL = 1, KIND_TRANSACTION, KIND_EXCEPTION, KIND_LOG, KIND_SIGNAL };

struct rule {
    int kind;
    int level;     /* of a log record, at least */
    char *pattern; /* owned */
};

/* What was set, for the next start. */
static struct {
    struct rule rules[MAREY_KEEP_RULES_MAX];
    struct marey_keep_rule asked[MAREY_KEEP_RULES_MAX]; /* texts owned */
    struct marey_keep_options options;                  /* folder owned */
    bool watches_logs;
} watch;

/* Rules by string id of an exception's type, one more than the bits; 0: not known. */
static struct {
    pthread_mutex_t lock;
    uint32_t *known; /* owned */
    uint32_t count;
    PyObject *last; /* not held: compared only, as an exception leaves call by call */
} exceptions = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- setting ---- */

static void
clear(void)
{
    for (uint32_t i = 0; i < watch.options.rule_count; i++) {
        free(watch.rules[i].pattern);
        free((char *)watch.asked[i].text);
    }
    free((char *)watch.options.folder);
    memset(&watch, 0, sizeof(watch));
}

static int
add_rule(PyObject *item)
{
    uint32_t index = watch.options.rule_count;
    struct rule *rule = &watch.rules[index];
    struct marey_keep_rule *asked = &watch.asked[index];
    unsigned long long duration_ns;
    const char *pattern, *text;
    int raises, number;

    if (index == MAREY_KEEP_RULES_MAX - 1) {
        PyErr_SetString(PyExc_RuntimeError, "at most 31 rules of what to keep");
        return -1;
    }
    if (!PyTuple_Check(item) ||
        !PyArg_ParseTuple(item, "iyKpiy", &rule->kind, &pattern, &duration_ns, &raises,
                          &number, &text))
        return -1;
    rule->pattern = strdup(pattern);
    rule->level = number;
    asked->text = strdup(text);
    asked->duration_ns = duration_ns;
    asked->raises = raises;
    asked->signal = rule->kind == KIND_SIGNAL ? number : 0;
    watch.options.rule_count++;
    return rule->pattern == NULL || asked->text == NULL ? -1 : 0;
}

PyObject *
watch_set(PyObject *module, PyObject *args)
{
    unsigned long long before_ns, after_ns, size_max;
    unsigned per_minute;
    PyObject *rules, *folder;
    int status = 0;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!O&KKKI:keep", &PyTuple_Type, &rules,
                          PyUnicode_FSConverter, &folder, &before_ns, &after_ns,
                          &size_max, &per_minute))
        return NULL;
    if (tracer.is_on) {
        Py_DECREF(folder);
        PyErr_SetString(PyExc_RuntimeError, ALREADY_ON);
        return NULL;
    }
    clear();
    for (Py_ssize_t i = 0; status == 0 && i < PyTuple_GET_SIZE(rules); i++)
        status = add_rule(PyTuple_GET_ITEM(rules, i));
    watch.options.folder = strdup(PyBytes_AS_STRING(folder));
    Py_DECREF(folder);
    watch.options.before_ns = before_ns;
    watch.options.after_ns = after_ns;
    watch.options.size_bytes_max = size_max;
    watch.options.per_minute_max = per_minute;
    if (status == 0 && watch.options.folder != NULL)
        Py_RETURN_NONE;
    clear();
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

/* ---- the budget ---- */

static double budget_part;
static char left_out_names[400]; /* of those named since the last note */
static uint32_t left_out_count;

PyObject *
watch_budget(PyObject *module, PyObject *part)
{
    (void)module;
    double value = PyFloat_AsDouble(part);
    if (value == -1.0 && PyErr_Occurred())
        return NULL;
    if (tracer.is_on) {
        PyErr_SetString(PyExc_RuntimeError, ALREADY_ON);
        return NULL;
    }
    budget_part = value;
    Py_RETURN_NONE;
}

static void
let_in(struct marey_function *function, void *context)
{
    (void)context;
    function->is_left_out = false;
}

static void
note_left_out(void)
{
    char note[700];

    snprintf(note, sizeof(note),
             "--max-overhead %g%%: %u function%s left out from here on, so that counts "
             "of calls are lower bounds: %s",
             budget_part * 100, left_out_count, left_out_count == 1 ? "" : "s",
             left_out_names);
    marey_define_note(note);
    left_out_count = 0;
    left_out_names[0] = '\0';
}

/* Switches the function off where its events come from. Spans and transactions, and
 * what --keep is about, were asked for by name and stay. */
static bool
leave_out(struct marey_function *function)
{
    size_t size = strlen(left_out_names);

    if (function == NULL) {
        if (left_out_count == 0)
            return true;
        callers_clear();
        marey_recording_refilter(false);
        hooks_refilter(); /* their calls are to be seen for a while */
        note_left_out();
        return true;
    }
    if (function->is_skipped || function->owner == NULL || function->keep_rules != 0 ||
        (function->flags & (MAREY_FUNCTION_SPAN | MAREY_FUNCTION_TRANSACTION)) != 0)
        return false;
    struct pc_exception saved = pc_exception_take();
    function->is_left_out = function->is_skipped = true;
    bool is_c = (function->flags & MAREY_FUNCTION_C) != 0;
    if (!is_c)
        codes_untag(function);
    marey_define_left_out(function);
    const char *name = is_c ? cfunctions_name(function) : codes_name(function);
    if (size + strlen(name) + 4 < sizeof(left_out_names))
        snprintf(left_out_names + size, sizeof(left_out_names) - size, "%s%s",
                 size > 0 ? ", " : "", name);
    left_out_count++;
    PyErr_Clear();
    pc_exception_give(saved);
    return true;
}

int
watch_start(void)
{
    pthread_mutex_lock(&exceptions.lock);
    free(exceptions.known);
    exceptions.known = NULL;
    exceptions.count = 0;
    exceptions.last = NULL;
    pthread_mutex_unlock(&exceptions.lock);
    marey_each_function(let_in, NULL);
    marey_budget_on_window(hooks_refilter);
    marey_budget_set(budget_part, leave_out);
    tracer.watches_exceptions = tracer.watches_calls = false;
    watch.watches_logs = false;
    for (uint32_t i = 0; i < watch.options.rule_count; i++) {
        tracer.watches_exceptions |= watch.rules[i].kind == KIND_EXCEPTION;
        tracer.watches_calls |= watch.rules[i].kind <= KIND_TRANSACTION;
        watch.watches_logs |= watch.rules[i].kind == KIND_LOG;
    }
    watch.options.rules = watch.asked;
    if (marey_keep_start(&watch.options))
        return 0;
    PyErr_NoMemory();
    return -1;
}

void
watch_stop(void)
{
    tracer.watches_exceptions = false;
    marey_keep_stop();
}

/* ---- functions ---- */

static bool
is_about(const struct rule *rule, const char *module, const char *name,
         const char *file, uint16_t flags)
{
    if (rule->kind != KIND_CALL &&
        (rule->kind != KIND_TRANSACTION || (flags & MAREY_FUNCTION_C) != 0))
        return false;
    if ((flags & MAREY_FUNCTION_SPAN) != 0 && module[0] == '\0')
        return fnmatch(rule->pattern, name, 0) == 0;
    return codes_matches(rule->pattern, module, name, file);
}

uint32_t
watch_rules_of(const char *module, const char *name, const char *file, uint16_t flags)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < watch.options.rule_count; i++)
        if (is_about(&watch.rules[i], module, name, file, flags))
            bits |= UINT32_C(1) << i;
    if (watch.watches_logs && strcmp(module, "logging") == 0 &&
        strcmp(name, "Logger.callHandlers") == 0)
        bits |= WATCH_LOG;
    return bits;
}

struct marey_function *
watch_named(struct marey_function *function, PyObject *name)
{
    const char *text = tracer.watches_calls ? PyUnicode_AsUTF8(name) : NULL;

    if (tracer.watches_calls && text == NULL)
        PyErr_Clear(); /* lone surrogates: no pattern has them */
    if (function != NULL)
        function->keep_rules =
            text == NULL ? 0 : watch_rules_of("", text, "", MAREY_FUNCTION_SPAN);
    return function;
}

/* ---- exceptions ---- */

/* By the name of its type or of one that it derives from, with or without module. */
static bool
is_named(PyTypeObject *type, const char *pattern)
{
    PyObject *order = type->tp_mro;
    char module[256], name[256], whole[520];

    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (!PyType_Check((PyObject *)base) || base == &PyBaseObject_Type)
            continue;
        cfunctions_split_type_name(base, module, name, sizeof(name));
        snprintf(whole, sizeof(whole), "%s.%s", module, name);
        if (fnmatch(pattern, name, 0) == 0 || fnmatch(pattern, whole, 0) == 0)
            return true;
        whole[strlen(module)] = ':';
        if (fnmatch(pattern, whole, 0) == 0)
            return true;
    }
    return false;
}

/* The rules that a type of this name matches, found out at its first sight. */
static uint32_t
rules_of_type(PyTypeObject *type, uint32_t id)
{
    uint32_t bits = 0;

    if (id < exceptions.count && exceptions.known[id] != 0)
        return exceptions.known[id] - 1;
    for (uint32_t i = 0; i < watch.options.rule_count; i++)
        if (watch.rules[i].kind == KIND_EXCEPTION &&
            is_named(type, watch.rules[i].pattern))
            bits |= UINT32_C(1) << i;
    if (id >= exceptions.count) {
        uint32_t count = (id + 1) * 2;
        uint32_t *known = realloc(exceptions.known, count * sizeof(*known));
        if (known == NULL)
            return bits;
        memset(known + exceptions.count, 0,
               (count - exceptions.count) * sizeof(*known));
        exceptions.known = known;
        exceptions.count = count;
    }
    exceptions.known[id] = bits + 1;
    return bits;
}

void
watch_exception(PyObject *exception)
{
    uint32_t id = cfunctions_type_name(Py_TYPE(exception)), bits = 0;
    struct pc_exception saved = pc_exception_take();

    pthread_mutex_lock(&exceptions.lock);
    if (exceptions.last != exception)
        bits = rules_of_type(Py_TYPE(exception), id);
    if (bits != 0)
        exceptions.last = exception;
    pthread_mutex_unlock(&exceptions.lock);
    for (uint32_t rule = 0; bits != 0; rule++, bits >>= 1)
        if ((bits & 1) != 0)
            marey_keep_match(rule, 0, Py_TYPE(exception)->tp_name);
    PyErr_Clear();
    pc_exception_give(saved);
}

/* ---- log records ---- */

/* The level of the record that the calling frame handles; -1: not to be had. */
static long
level_of_record(char *logger, size_t capacity)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyObject *record = frame == NULL ? NULL : pc_frame_variable(frame, "record");
    PyObject *number =
        record == NULL ? NULL : threads_plain_attribute(record, "levelno");
    PyObject *name = record == NULL ? NULL : threads_plain_attribute(record, "name");
    PyObject *bytes = name != NULL && PyUnicode_Check(name) ? codes_utf8(name) : NULL;
    long level = number != NULL && PyLong_Check(number) ? PyLong_AsLong(number) : -1;

    snprintf(logger, capacity, "%.200s", bytes == NULL ? "" : PyBytes_AS_STRING(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(name);
    Py_XDECREF(number);
    Py_XDECREF(record);
    Py_XDECREF(frame);
    PyErr_Clear();
    return level;
}

void
watch_log(void)
{
    struct pc_exception saved = pc_exception_take();
    char logger[256], what[300];
    long level = level_of_record(logger, sizeof(logger));

    snprintf(what, sizeof(what), "level %ld by %s", level, logger);
    for (uint32_t i = 0; i < watch.options.rule_count; i++)
        if (watch.rules[i].kind == KIND_LOG && level >= watch.rules[i].level)
            marey_keep_match(i, 0, what);
    pc_exception_give(saved);
}
