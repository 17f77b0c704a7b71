/* The rules of what is logged: see logs.h. */
#include "logs/logs.h"

#define RULES_MAX 256

struct rule {
    enum logs_kind kind;
    PyObject *name;  /* owned; a str to be equal to, NULL: not so */
    PyObject *match; /* owned; called with a name, None says no; NULL: not so */
    PyObject *scope; /* owned bytes; a pattern of functions; NULL: all */
};
static struct rule rules[RULES_MAX];
static unsigned rule_count;

unsigned logs_kinds;
uint16_t logs_recording;

static const struct {
    const char *name;
    enum logs_kind kind;
} kind_names[] = {
    {"args", LOGS_ARGS},         {"returns", LOGS_RETURNS}, {"var", LOGS_VAR},
    {"attr", LOGS_ATTR},         {"number", LOGS_NUMBER},   {"exc", LOGS_EXC},
    {"exc:all", LOGS_EXC_ALL},   {"print", LOGS_PRINT},     {"logging", LOGS_LOGGING},
    {"warnings", LOGS_WARNINGS}, {"gc", LOGS_GC},           {"audit", LOGS_AUDIT},
    {"entry", LOGS_ENTRY},       {"lines", LOGS_LINES},     {"comments", LOGS_COMMENTS},
};

/* ---- setting ---- */

static void
clear_rules(void)
{
    for (unsigned i = 0; i < rule_count; i++) {
        Py_CLEAR(rules[i].name);
        Py_CLEAR(rules[i].match);
        Py_CLEAR(rules[i].scope);
    }
    rule_count = 0;
    logs_kinds = 0;
}

static int
set_rule(struct rule *rule, PyObject *given)
{
    PyObject *names, *scope;
    const char *kind;

    if (!PyArg_ParseTuple(given, "sOO:rule", &kind, &names, &scope))
        return -1;
    memset(rule, 0, sizeof(*rule));
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(kind, kind_names[i].name) == 0)
            rule->kind = kind_names[i].kind;
    if (rule->kind == 0) {
        PyErr_Format(PyExc_ValueError, "no kind of rule: %s", kind);
        return -1;
    }
    if (PyUnicode_Check(names))
        rule->name = Py_NewRef(names);
    else if (names != Py_None)
        rule->match = Py_NewRef(names);
    if (scope != Py_None)
        rule->scope = PyUnicode_EncodeFSDefault(scope);
    return scope != Py_None && rule->scope == NULL ? -1 : 0;
}

int
logs_set_rules(PyObject *given)
{
    PyObject *list = PySequence_List(given);
    int status = list == NULL ? -1 : 0;

    clear_rules();
    logs_recording++;
    for (Py_ssize_t i = 0;
         status == 0 && i < PyList_GET_SIZE(list) && rule_count < RULES_MAX; i++) {
        status = set_rule(&rules[rule_count], PyList_GET_ITEM(list, i));
        logs_kinds |= rules[rule_count].kind;
        rule_count++; /* what was set of it is cleared with it */
    }
    Py_XDECREF(list);
    return status;
}

/* ---- judging ---- */

static bool
is_in_scope(const struct rule *rule, const struct marey_function *function)
{
    return rule->scope == NULL || codes_is_of(function, PyBytes_AS_STRING(rule->scope));
}

/* What looks for modules: it asks by exceptions, many at each import, and they say
 * nothing about the program. */
static bool
is_import_machinery(const struct marey_function *function)
{
    const char *file = codes_file(function);

    return strncmp(file, "<frozen importlib", 17) == 0 ||
           strncmp(file, "<frozen zipimport", 17) == 0;
}

unsigned
logs_of_function(const struct marey_function *function)
{
    unsigned kinds = 0;

    if (rule_count == 0 || strcmp(codes_file(function), CALIBRATION_FILE) == 0)
        return 0;
    for (unsigned i = 0; !function->is_skipped && i < rule_count; i++)
        if ((kinds & rules[i].kind) == 0 && is_in_scope(&rules[i], function) &&
            !(rules[i].kind == LOGS_EXC && is_import_machinery(function)))
            kinds |= rules[i].kind;
    return kinds | messages_of(function);
}

/* A compiled pattern's fullmatch(): C of the standard library. */
static bool
is_match(const struct rule *rule, PyObject *name)
{
    if (rule->name != NULL)
        return PyUnicode_Compare(rule->name, name) == 0;
    if (rule->match == NULL)
        return true;
    PyObject *found = PyObject_CallOneArg(rule->match, name);
    bool is_found = found != NULL && found != Py_None;
    Py_XDECREF(found);
    PyErr_Clear();
    return is_found;
}

unsigned
logs_wanted(unsigned kinds, const struct marey_function *function, PyObject *name)
{
    unsigned wanted = 0;

    kinds &= function->logs;
    for (unsigned i = 0; kinds != wanted && i < rule_count; i++)
        if ((rules[i].kind & kinds & ~wanted) != 0 &&
            is_in_scope(&rules[i], function) && is_match(&rules[i], name))
            wanted |= rules[i].kind;
    return wanted;
}

void
logs_look(struct marey_function *function, PyCodeObject *code)
{
    const void *plan = NULL;

    function->logs_seen = logs_recording;
    function->has_handlers = false;
    function->logs = logs_of_function(function);
    struct pc_exception saved = pc_exception_take();
    if ((function->logs & ~LOGS_SAYS) != 0 || follow_any)
        plan = assign_plan(code, function);
    if ((function->logs & LOGS_COMMENTS) != 0 && !comments_look(function, code))
        function->logs &= ~(uint32_t)LOGS_COMMENTS;
    if ((function->logs & LOGS_BY_LINE) != 0)
        hooks_watch(code, hooks_bit("LINE"));
    PyErr_Clear();
    pc_exception_give(saved);
    function->plan = plan;
}

bool
logs_is_slow(const struct marey_function *function)
{
    if ((function->logs & LOGS_AT_CALLS) != 0)
        return true;
    return assign_wants_start(function->plan);
}

/* ---- what happens ---- */

bool
logs_has_scope(unsigned kind)
{
    for (unsigned i = 0; i < rule_count; i++)
        if (rules[i].kind == kind && rules[i].scope == NULL)
            return false;
    return true;
}

void
logs_begin(void)
{
    if ((logs_kinds & LOGS_PRINT) != 0)
        messages_set_up();
    around_start();
}

void
logs_end(void)
{
    follow_end();
    comments_forget();
    around_stop();
}

struct marey_lane *
logs_lane(void)
{
    struct marey_lane *lane = tracer.is_on ? marey_lane_attach() : NULL;

    return lane != NULL && lane->ignore_depth == 0 ? lane : NULL;
}

void
logs_start(const struct marey_function *function, const struct pc_frame *frame,
           PyCodeObject *code)
{
    bool is_only_values = (function->logs & ~(unsigned)(LOGS_ARGS | LOGS_RETURNS)) == 0;

    if (is_only_values && !assign_wants_start(function->plan)) {
        arguments_start(function, frame, code);
        return;
    }
    struct pc_exception saved = pc_exception_take();
    if ((function->logs & LOGS_SAYS) != 0)
        messages_start(function, frame, code);
    arguments_start(function, frame, code);
    arguments_entry(function, frame, code);
    lines_start(function, frame, code);
    comments_start(function, frame);
    if (assign_wants_start(function->plan))
        assign_start(function->plan, frame, code);
    pc_exception_give(saved);
}

void
logs_return(const struct marey_function *function, const struct pc_frame *frame,
            PyCodeObject *code, PyObject *value)
{
    lines_end(function, frame, code);
    comments_end(function, frame, code, true);
    arguments_return(function, frame, value);
}

void
logs_unwind(const struct marey_function *function, const struct pc_frame *frame,
            PyCodeObject *code)
{
    lines_end(function, frame, code);
    comments_end(function, frame, code, false);
}

/* ---- small values ---- */

struct values_name
logs_name(const char *text)
{
    return (struct values_name){marey_define_string(text, strlen(text)), false};
}

void
logs_put_int(struct values *body, const char *name, long long value)
{
    PyObject *number = PyLong_FromLongLong(value);

    values_put_named(body, logs_name(name), number);
    Py_XDECREF(number);
}

void
logs_put_text(struct values *body, const char *name, const char *text)
{
    PyObject *value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");

    values_put_named(body, logs_name(name), value);
    Py_XDECREF(value);
}

void
logs_put_type(struct values *body, const char *name, PyTypeObject *type)
{
    logs_put_text(body, name, type->tp_name);
}

/* ---- what is logged ---- */

void
logs_number(struct marey_lane *lane, struct values_name name, PyObject *value)
{
    double number;

    if (name.is_secret || value == NULL)
        return;
    if (PyFloat_Check(value)) {
        number = PyFloat_AS_DOUBLE(value);
    } else if (PyLong_Check(value)) {
        struct pc_exception saved = pc_exception_take();
        number = PyLong_AsDouble(value);
        bool is_too_large = PyErr_Occurred() != NULL;
        PyErr_Clear();
        pc_exception_give(saved);
        if (is_too_large)
            return;
    } else {
        return;
    }
    marey_counter(lane, name.id, number);
}

void
logs_value(struct marey_lane *lane, uint8_t class, struct values_name name,
           PyObject *value, bool is_known, uint32_t line, PyObject *owner)
{
    struct values_name plain = {0, name.is_secret};
    struct values body;

    values_begin(&body);
    if (is_known)
        values_put_named(&body, plain, value);
    else
        values_put_tag(&body, plain, MAREY_VALUE_NOT_RECORDED);
    if (owner != NULL)
        logs_put_type(&body, "of", Py_TYPE(owner));
    logs_put_int(&body, "line", line);
    marey_log(lane, name.id, class, values_finish(&body, lane));
}
