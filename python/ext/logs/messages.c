/* What the program says: print(), records of `logging`, warnings.
 *
 * Nothing is put in anybody's way: no handler, no stream, no other print. Arguments of
 * print() are read from the evaluation stack of the calling frame when the call event
 * comes; records where Logger.handle() starts, warnings where they are about to be
 * shown, from the parameters of those functions.
 *
 * Texts are written by people and may tell secrets: what follows a word for one is left
 * out of each text (values_redact_text), and all values behind a text that has one. */
#include "logs/logs.h"
#include "values/impl.h"

#define TEXT_SIZE_MAX 2000 /* bytes of a message */
#define FRAMES_MAX 64      /* to look for the caller in */

/* ---- texts ---- */

/* Puts a text without the secrets in it. True: it has a word for one. */
static bool
put_message(struct values *body, struct values_name name, PyObject *text)
{
    char clean[TEXT_SIZE_MAX];
    PyObject *bytes = codes_utf8(text), *value = NULL;
    bool is_secret = true;

    if (bytes != NULL) {
        const char *given = PyBytes_AS_STRING(bytes);
        size_t size = (size_t)PyBytes_GET_SIZE(bytes);
        is_secret = values_is_secret(given, size);
        size =
            values_redact ? values_redact_text(given, size, clean, sizeof(clean)) : 0;
        value = values_redact ? PyUnicode_DecodeUTF8(clean, (Py_ssize_t)size, "replace")
                              : Py_NewRef(text);
    }
    values_put_named(body, name, value);
    Py_XDECREF(value);
    Py_XDECREF(bytes);
    return is_secret;
}

/* The same for any value. */
static bool
put_said(struct values *body, struct values_name name, PyObject *value)
{
    if (value != NULL && PyUnicode_CheckExact(value))
        return put_message(body, name, value);
    values_put_named(body, name, value);
    return false;
}

static void
put_all_said(struct values *body, PyObject *const *items, Py_ssize_t count,
             bool is_secret)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        struct values_name name = {0, is_secret};
        is_secret |= put_said(body, name, items[i]) && values_redact;
    }
}

/* ---- who says it ---- */

/* The innermost function around the frame that is none of these files'; *line is where
 * it stands. NULL: none that is known. */
static const struct marey_function *
caller_of(const struct pc_frame *frame, const char *const *files, PyCodeObject **code)
{
    for (int i = 0; frame != NULL && i < FRAMES_MAX; i++, frame = frame->previous) {
        *code = pc_frame_code(frame);
        const struct marey_function *function =
            *code == NULL ? NULL : codes_known(*code);
        if (function == NULL || function->owner == NULL)
            continue;
        const char *file = codes_file(function);
        size_t size = strlen(file);
        bool is_own = false;
        for (const char *const *one = files; *one != NULL; one++) {
            size_t length = strlen(*one);
            is_own |= size >= length && strcmp(file + size - length, *one) == 0;
        }
        if (!is_own)
            return function;
    }
    return NULL;
}

/* Whether what this frame says is wanted of who said it. */
static bool
is_wanted(unsigned kind, const struct pc_frame *frame, const char *const *files)
{
    PyCodeObject *code;

    if (!logs_has_scope(kind))
        return true;
    const struct marey_function *function = caller_of(frame, files, &code);
    return function != NULL && (function->logs & kind) != 0;
}

/* ---- logging ---- */

static PyObject *
attribute(PyObject *object, const char *name)
{
    return threads_plain_attribute(object, name);
}

static void
log_record(const struct pc_frame *frame, PyCodeObject *code)
{
    static const char *const own[] = {"/logging/__init__.py", NULL};
    struct marey_lane *lane = logs_lane();
    PyObject *record = NULL;
    struct values body;

    if (lane == NULL || !is_wanted(LOGS_LOGGING, frame->previous, own))
        return;
    if (pc_parameter_count(code) >= 2)
        record = pc_frame_variable_at(frame, code, 1);
    if (record == NULL)
        return;
    PyObject *name = attribute(record, "name"), *level = attribute(record, "levelname"),
             *message = attribute(record, "msg"), *args = attribute(record, "args"),
             *line = attribute(record, "lineno"), *file = attribute(record, "pathname");
    values_begin(&body);
    values_put_named(&body, logs_name("level"), level);
    bool is_secret = put_said(&body, (struct values_name){0, false}, message);
    if (args != NULL && PyTuple_CheckExact(args))
        put_all_said(&body, ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args),
                     is_secret && values_redact);
    else if (args != NULL && args != Py_None)
        values_put_named(&body, (struct values_name){0, is_secret}, args);
    if (file != NULL && PyUnicode_CheckExact(file))
        values_put_named(&body, logs_name("file"), file);
    if (line != NULL && PyLong_CheckExact(line))
        values_put_named(&body, logs_name("line"), line);
    marey_log(lane,
              name != NULL && PyUnicode_CheckExact(name) ? values_name(name).id
                                                         : logs_name("logging").id,
              MAREY_LOG_RECORD, values_finish(&body, lane));
    Py_XDECREF(file);
    Py_XDECREF(line);
    Py_XDECREF(args);
    Py_XDECREF(message);
    Py_XDECREF(level);
    Py_XDECREF(name);
    Py_DECREF(record);
}

/* ---- warnings ---- */

static void
log_warning(const struct pc_frame *frame, PyCodeObject *code)
{
    static const char *const own[] = {"/warnings.py", "/_py_warnings.py", NULL};
    struct marey_lane *lane = logs_lane();
    PyObject *given = NULL;
    struct values body;

    if (lane == NULL || !is_wanted(LOGS_WARNINGS, frame->previous, own))
        return;
    if (pc_parameter_count(code) >= 1)
        given = pc_frame_variable_at(frame, code, 0);
    if (given == NULL)
        return;
    PyObject *message = attribute(given, "message"),
             *category = attribute(given, "category"),
             *file = attribute(given, "filename"), *line = attribute(given, "lineno");
    uint32_t name = logs_name("Warning").id;
    values_begin(&body);
    if (category != NULL && PyType_Check(category))
        name = cfunctions_type_name((PyTypeObject *)category);
    /* The message is an instance of the category, made of the text. */
    PyObject *args = message != NULL && PyExceptionInstance_Check(message)
                         ? ((PyBaseExceptionObject *)message)->args
                         : NULL;
    if (args != NULL && PyTuple_CheckExact(args))
        put_all_said(&body, ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args),
                     false);
    else
        put_said(&body, (struct values_name){0, false}, message);
    values_put_named(&body, logs_name("file"), file);
    values_put_named(&body, logs_name("line"), line);
    marey_log(lane, name, MAREY_LOG_WARNING, values_finish(&body, lane));
    Py_XDECREF(line);
    Py_XDECREF(file);
    Py_XDECREF(category);
    Py_XDECREF(message);
    Py_DECREF(given);
}

/* ---- the functions that say it ---- */

unsigned
messages_of(const struct marey_function *function)
{
    if ((logs_kinds & LOGS_LOGGING) != 0 &&
        codes_is_named(function, "logging", "Logger.handle"))
        return LOGS_SAYS_RECORD;
    if ((logs_kinds & LOGS_WARNINGS) != 0 &&
        (codes_is_named(function, "warnings", "_showwarnmsg") ||
         codes_is_named(function, "_py_warnings", "_showwarnmsg")))
        return LOGS_SAYS_WARNING;
    return 0;
}

void
messages_start(const struct marey_function *function, const struct pc_frame *frame,
               PyCodeObject *code)
{
    if ((function->logs & LOGS_SAYS_RECORD) != 0)
        log_record(frame, code);
    if ((function->logs & LOGS_SAYS_WARNING) != 0)
        log_warning(frame, code);
}

/* ---- print ---- */

#include <opcode.h>

static const PyMethodDef *print_method;

void
messages_set_up(void)
{
    PyObject *builtins = PyEval_GetBuiltins();
    PyObject *print = builtins == NULL ? NULL : PyDict_GetItemString(builtins, "print");

    print_method = print != NULL && PyCFunction_CheckExact(print)
                       ? ((PyCFunctionObject *)print)->m_ml
                       : NULL;
}

bool
messages_is_print(PyObject *callable)
{
    return callable != NULL && PyCFunction_CheckExact(callable) &&
           print_method != NULL &&
           ((PyCFunctionObject *)callable)->m_ml == print_method;
}

static Py_ssize_t
size_of_names(PyObject *names)
{
    return names != NULL && PyTuple_CheckExact(names) ? PyTuple_GET_SIZE(names) : 0;
}

bool
messages_has_print(const PyCodeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_names); i++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(code->co_names, i),
                                             "print") == 0)
            return true;
    return false;
}

bool
messages_may_print(int opcode)
{
    return opcode == CALL_FUNCTION_EX || (!MAREY_HAS_MONITORING && opcode == CALL);
}

/* Keywords among the arguments of the call at `unit`, the stack ending at `top`. */
static Py_ssize_t
keyword_count(const PyCodeObject *code, const struct pc_frame *frame,
              const uint8_t *units, size_t unit, int top)
{
#ifdef CALL_KW
    (void)code;
    return units[2 * unit] == CALL_KW ? size_of_names(pc_frame_slot(frame, top - 1))
                                      : 0;
#else
    (void)frame, (void)top;
    if (unit == 0 || units[2 * (unit - 1)] != KW_NAMES)
        return 0;
    int which = stack_oparg(units, unit - 1);
    return which < PyTuple_GET_SIZE(code->co_consts)
               ? size_of_names(PyTuple_GET_ITEM(code->co_consts, which))
               : 0;
#endif
}

/* Positional arguments of the call at `unit`. False: they are not on the stack, one by
 * one (`print(*lines)`). */
static bool
put_arguments(struct values *body, const PyCodeObject *code,
              const struct pc_frame *frame, const uint8_t *units, size_t unit, int top)
{
    PyObject *items[VALUES_COUNT_MAX];
    int opcode = units[2 * unit], oparg = stack_oparg(units, unit);
    int depth = top - pc_code_slots(code), names = 0;

#ifdef CALL_KW
    names = opcode == CALL_KW;
#endif
    if (depth < oparg + names || (opcode != CALL && names == 0))
        return false;
    Py_ssize_t count = oparg - keyword_count(code, frame, units, unit, top);
    for (Py_ssize_t i = 0; i < count && i < VALUES_COUNT_MAX; i++)
        items[i] = pc_frame_slot(frame, top - names - oparg + (int)i);
    put_all_said(body, items, count < VALUES_COUNT_MAX ? count : VALUES_COUNT_MAX,
                 false);
    return true;
}

/* print(*many), before it runs: the interpreter then makes a tuple of them, and what is
 * on the stack may be gone when it tells of the call. */
static bool
put_spread(struct values *body, const struct pc_frame *frame, int top, int oparg)
{
    bool has_names = PY_VERSION_HEX >= 0x030E0000 || (oparg & 1) != 0;
    PyObject *callable, *given = pc_frame_slot(frame, top - 1 - has_names);

#if PY_VERSION_HEX >= 0x030D0000
    callable = pc_frame_slot(frame, top - 3 - has_names);
#else
    callable = pc_frame_slot(frame, top - 2 - has_names);
#endif
    if (!messages_is_print(callable) || given == NULL ||
        !(PyTuple_CheckExact(given) || PyList_CheckExact(given)))
        return false;
    PyObject *items = PySequence_Tuple(given);
    Py_ssize_t count = items == NULL ? 0 : PyTuple_GET_SIZE(items);
    if (items != NULL)
        put_all_said(body, ((PyTupleObject *)items)->ob_item,
                     count < VALUES_COUNT_MAX ? count : VALUES_COUNT_MAX, false);
    Py_XDECREF(items);
    return items != NULL;
}

#if MAREY_HAS_MONITORING

/* The call that was told of by messages_called(). */
static MAREY_THREAD_LOCAL struct {
    uintptr_t frame;
    size_t unit;
} told;

/* What is printed; of a call that spreads its arguments the first alone. */
static void
put_printed(struct values *body, PyCodeObject *code, const struct pc_frame *frame,
            size_t unit, PyObject *first)
{
    PyObject *bytes = PyCode_GetCode(code);
    size_t count = bytes == NULL ? 0 : (size_t)PyBytes_GET_SIZE(bytes) / 2;
    struct stack_state *states = calloc(count + 1, sizeof(*states));
    const uint8_t *units =
        bytes == NULL ? NULL : (const uint8_t *)PyBytes_AS_STRING(bytes);
    bool is_put = states != NULL && unit < count &&
                  stack_states(code, units, count, states) &&
                  put_arguments(body, code, frame, units, unit,
                                pc_code_slots(code) + states[unit].depth);

    if (!is_put) {
        put_all_said(body, &first, 1, false);
        values_put_tag(body, (struct values_name){0, false}, MAREY_VALUE_NOT_RECORDED);
    }
    free(states);
    Py_XDECREF(bytes);
}

void
messages_printed(PyCodeObject *code, Py_ssize_t offset, PyObject *first)
{
    const struct marey_function *function = codes_known(code);
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());
    struct marey_lane *lane = logs_lane();
    struct values body;

    bool is_told = told.frame == (uintptr_t)frame && told.unit == (size_t)offset / 2;
    told.frame = 0;
    if (lane == NULL || function == NULL || (function->logs & LOGS_PRINT) == 0 ||
        !pc_has_frame_slots() || is_told)
        return;
    struct pc_exception saved = pc_exception_take();
    values_begin(&body);
    put_printed(&body, code, frame, (size_t)offset / 2, first);
    logs_put_int(&body, "line", PyCode_Addr2Line(code, (int)offset));
    marey_log(lane, logs_name("print").id, MAREY_LOG_PRINT, values_finish(&body, lane));
    PyErr_Clear();
    pc_exception_give(saved);
}

#else

/* The callable at the bottom of a call of so many arguments lies under a NULL. */
static bool
calls_print(const struct pc_frame *frame, int top, int oparg)
{
    return pc_frame_slot(frame, top - oparg - 2) == NULL &&
           messages_is_print(pc_frame_slot(frame, top - oparg - 1));
}

#endif

/* Puts what the call at `unit` prints. False: it does not print, or it is not known. */
static bool
put_called(struct values *body, const PyCodeObject *code, const struct pc_frame *frame,
           const uint8_t *units, size_t unit, int top)
{
    while (units[2 * unit] == EXTENDED_ARG)
        unit++;
    int opcode = units[2 * unit], oparg = stack_oparg(units, unit);
    if (opcode == CALL_FUNCTION_EX)
        return put_spread(body, frame, top, oparg);
#if MAREY_HAS_MONITORING
    (void)code;
    return false;
#else
    return calls_print(frame, top, oparg) &&
           put_arguments(body, code, frame, units, unit, top);
#endif
}

void
messages_called(const struct marey_function *function, PyCodeObject *code,
                const struct pc_frame *frame, size_t unit, int top)
{
    struct marey_lane *lane = logs_lane();
    struct values body;

    if (lane == NULL || (function->logs & LOGS_PRINT) == 0)
        return;
    struct pc_exception saved = pc_exception_take();
    PyObject *bytes = PyCode_GetCode(code);
    values_begin(&body);
#if !MAREY_HAS_MONITORING
    top = frame->stack_top;
#endif
    if (bytes != NULL &&
        put_called(&body, code, frame, (const uint8_t *)PyBytes_AS_STRING(bytes), unit,
                   top)) {
        logs_put_int(&body, "line", PyCode_Addr2Line(code, (int)unit * 2));
        marey_log(lane, logs_name("print").id, MAREY_LOG_PRINT,
                  values_finish(&body, lane));
#if MAREY_HAS_MONITORING
        told.frame = (uintptr_t)frame;
        told.unit = unit;
#endif
    }
    Py_XDECREF(bytes);
    PyErr_Clear();
    pc_exception_give(saved);
}
