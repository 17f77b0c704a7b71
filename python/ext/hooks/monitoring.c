/* The hooks of CPython 3.12 and newer: sys.monitoring callbacks.
 *
 * Each callback is an object of one static type that has its own vectorcall slot: 2 to
 * 4 ns an event cheaper than a built-in function. Arguments by event (PEP 669):
 *
 *   PY_START, PY_RESUME            code, offset
 *   PY_RETURN, PY_YIELD            code, offset, value
 *   PY_UNWIND, PY_THROW            code, offset, exception
 *   CALL, C_RETURN, C_RAISE        code, offset, callable, first argument
 *
 * Returning DISABLE switches an event off at that one place, for our tool alone.
 */
#include "logs/logs.h"

#if MAREY_HAS_MONITORING

struct callback {
    PyObject_HEAD
    vectorcallfunc vectorcall;
};

static PyTypeObject callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "marey._core.hook",
    .tp_basicsize = sizeof(struct callback),
    .tp_vectorcall_offset = offsetof(struct callback, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
};

static inline PyCodeObject *
code_of(PyObject *const *args)
{
    return (PyCodeObject *)args[0];
}

/* Hooks come in pairs: the fast one does all that is common and ends, if it must, with
 * a call of the slow one, so that it needs no stack frame. */
static inline uintptr_t
frame_of(const struct marey_lane *lane)
{
    return pc_current_frame(lane->owner);
}

/* The same where the lane may not know its thread's state yet. */
static inline uintptr_t
frame_slow(void)
{
    return pc_current_frame(pc_thread_state());
}

/* An event of a function that is not recorded is switched off at its place, unless
 * calls below some transaction are being recorded: then it may be wanted yet. */
static PyObject *
not_recorded(void)
{
    return tracer.has_details && transactions_linger() ? PC_NONE : tracer.disable;
}

/* Whether what the thread calls now is recorded. */
static bool
is_wanted(const struct marey_function *function, const struct marey_lane *lane)
{
    return codes_is_wanted(function) ||
           (!function->is_skipped && transactions_is_inside(lane));
}

/* What stands for this call of the code that has just begun. */
static const struct marey_function *
made_here(PyCodeObject *code, const struct marey_function *function)
{
    const struct pc_frame *frame = (const struct pc_frame *)frame_slow();
    bool is_quick = codes_recorded(code, tracer.extra_index) == function;

    return callers_made(pc_frame_around(frame), code, NULL, function, is_quick);
}

static MAREY_NOINLINE PyObject *
start_slow(PyObject *const *args)
{
    struct marey_function *function = codes_now(code_of(args), NULL);
    struct marey_lane *lane = marey_this_lane();

    if (function == NULL)
        return PC_NONE;
    if (function->keep_rules & WATCH_LOG)
        watch_log();
    if (!is_wanted(function, lane)) {
        bool is_message = (function->logs & LOGS_SAYS) != 0;
        if (is_message)
            logs_start(function, (void *)frame_slow(), code_of(args));
        if (function->is_left_out && marey_tally_call(function))
            return PC_NONE;
        return is_message || (function->keep_rules & WATCH_LOG) ? PC_NONE
                                                                : not_recorded();
    }
    if (MAREY_UNLIKELY(codes_recorded(code_of(args), tracer.extra_index) == NULL))
        codes_retag(code_of(args), function); /* filtered out in an earlier recording */
    if (function->is_slow) {
        transactions_enter(lane, function, made_here(code_of(args), function),
                           frame_slow());
        if (function->logs != 0)
            logs_start(function, (void *)frame_slow(), code_of(args));
    } else
        marey_enter_slow(lane, made_here(code_of(args), function), frame_slow());
    return PC_NONE;
}

/* First sight of a call from here; or C code makes it, and what counts is where that
 * was called. */
static MAREY_NOINLINE PyObject *
start_again(PyObject *const *args)
{
    struct marey_lane *lane = marey_this_lane();
    const struct pc_frame *frame = (const struct pc_frame *)frame_of(lane);
    const struct pc_frame *around = pc_frame_around(frame);
    const struct marey_function *made = NULL;

    if (around != NULL)
        made = around == frame->previous ? callers_near(around, args[0])
                                         : callers_quick(around, args[0]);
    if (made != NULL && marey_enter(lane, made, (uintptr_t)frame))
        return PC_NONE;
    const struct marey_function *function =
        codes_recorded(code_of(args), tracer.extra_index);
    if (function != NULL &&
        marey_enter(lane, made_here(code_of(args), function), frame_of(lane)))
        return PC_NONE;
    return start_slow(args);
}

static PyObject *
on_start(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_lane *lane = marey_this_lane();
    const struct pc_frame *frame = (const struct pc_frame *)frame_of(lane);
    const struct marey_function *made = callers_quick(frame->previous, args[0]);

    (void)self, (void)nargs, (void)names;
    if (MAREY_LIKELY(made != NULL) &&
        MAREY_LIKELY(marey_enter(lane, made, (uintptr_t)frame)))
        return PC_NONE;
    return start_again(args);
}

static MAREY_NOINLINE PyObject *
return_slow(PyObject *const *args)
{
    struct marey_function *function = codes_get(code_of(args));
    struct marey_lane *lane = marey_this_lane();

    if (function != NULL && function->is_skipped)
        return not_recorded();
    if (function != NULL && function->is_slow)
        logs_return(function, (void *)frame_slow(), code_of(args), args[2]);
    marey_leave_slow(lane, frame_slow());
    if (function != NULL && function->is_slow)
        transactions_part_ends(function);
    return PC_NONE;
}

static PyObject *
on_return(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_lane *lane = marey_this_lane();

    (void)self, (void)nargs, (void)names;
    if (MAREY_LIKELY(marey_leave(lane, frame_of(lane))))
        return PC_NONE;
    return return_slow(args);
}

static MAREY_NOINLINE PyObject *
yield_slow(PyObject *const *args)
{
    struct marey_function *function = codes_get(code_of(args));
    struct marey_lane *lane = marey_this_lane();

    if (function != NULL && function->is_watched)
        transactions_park(lane, frame_slow());
    if (function != NULL && function->is_skipped)
        return function->is_watched ? PC_NONE : not_recorded();
    marey_yield_slow(lane, frame_slow());
    if (function != NULL && function->is_slow)
        transactions_part_ends(function);
    return PC_NONE;
}

static PyObject *
on_yield(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_lane *lane = marey_this_lane();

    (void)self, (void)nargs, (void)names;
    if (MAREY_LIKELY(marey_yield(lane, frame_of(lane))))
        return PC_NONE;
    return yield_slow(args);
}

static MAREY_NOINLINE PyObject *
resume_slow(PyObject *const *args)
{
    struct marey_function *function = codes_now(code_of(args), NULL);
    struct marey_lane *lane = marey_this_lane();

    if (function == NULL)
        return PC_NONE;
    if (is_wanted(function, lane))
        marey_resume_slow(lane, function, frame_slow());
    else if (!function->is_watched)
        return not_recorded();
    if (function->is_watched)
        transactions_unpark(lane, frame_slow());
    if (function->is_slow)
        transactions_part_begins(function);
    return PC_NONE;
}

/* `index`: of our slot on code objects. Nearly always 0, then known when compiled. */
MAREY_INLINE PyObject *
resume_at(PyObject *const *args, Py_ssize_t index)
{
    struct marey_lane *lane = marey_this_lane();
    marey_tagged_function what = codes_tagged(code_of(args), index);

    if (MAREY_LIKELY(marey_resume(lane, what, frame_of(lane))))
        return PC_NONE;
    return resume_slow(args);
}

static PyObject *
on_resume(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    (void)self, (void)nargs, (void)names;
    return resume_at(args, 0);
}

static PyObject *
on_resume_elsewhere(PyObject *self, PyObject *const *args, size_t nargs,
                    PyObject *names)
{
    (void)self, (void)nargs, (void)names;
    return resume_at(args, tracer.extra_index);
}

static PyObject *
on_throw(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_function *function = codes_now(code_of(args), NULL);
    struct marey_lane *lane = marey_this_lane();

    (void)self, (void)nargs, (void)names;
    if (function != NULL && is_wanted(function, lane))
        marey_resume_thrown(lane, function, frame_slow(),
                            cfunctions_type_name(Py_TYPE(args[2])),
                            pc_has_run(code_of(args), PyLong_AsSsize_t(args[1])));
    if (function != NULL && function->is_watched)
        transactions_unpark(lane, frame_slow());
    if (function != NULL && function->is_slow)
        transactions_part_begins(function);
    return PC_NONE;
}

static PyObject *
on_unwind(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_function *function = codes_get(code_of(args));
    struct marey_lane *lane = marey_this_lane();

    (void)self, (void)nargs, (void)names;
    if (MAREY_UNLIKELY(tracer.watches_exceptions))
        watch_exception(args[2]);
    if (function != NULL && function->is_slow && !function->is_skipped)
        logs_unwind(function, (void *)frame_slow(), code_of(args));
    if (function != NULL && !function->is_skipped)
        marey_unwind(lane, frame_slow(), cfunctions_type_name(Py_TYPE(args[2])));
    if (MAREY_UNLIKELY(follow_any))
        follow_frame_ends(frame_slow());
    if (MAREY_UNLIKELY((logs_kinds & LOGS_EXCEPTIONS) != 0))
        exceptions_left(function, args[2]);
    if (function != NULL && function->is_slow)
        transactions_part_ends(function);
    return PC_NONE;
}

/* First sight of a C function, one that is filtered out, or a callee that is none. */
static MAREY_NOINLINE PyObject *
call_slow(PyObject *const *args)
{
    if (tracer.is_only && !transactions_is_inside(marey_this_lane()))
        return not_recorded();
    struct marey_function *callee = cfunctions_get(args[2]);
    struct marey_function *caller = codes_get(code_of(args));

    if (callee != NULL && !callee->is_skipped && caller != NULL &&
        (!caller->is_skipped || caller->is_left_out)) {
        uintptr_t frame = frame_slow();
        marey_enter_slow(
            marey_this_lane(),
            cfunctions_made((const struct pc_frame *)frame, args[2], callee, false),
            cfunctions_call_key(frame));
        return PC_NONE;
    }
    if (tracer.is_only)
        return PC_NONE;
    if (caller != NULL && caller->is_skipped && !caller->is_left_out)
        return tracer.disable;
    if (callee != NULL && callee->is_left_out && marey_tally_call(callee))
        return PC_NONE;
    if (callee != NULL && callee->is_left_out)
        return tracer.disable; /* with what else is called from here, for a second */
    if (tracer.is_exact || !sites_is_safe(code_of(args), PyLong_AsSsize_t(args[1]))) {
        if (callee == NULL)
            sites_keep_on(pc_frame_place((const struct pc_frame *)frame_slow()));
        return PC_NONE;
    }
    return tracer.disable;
}

/* First sight of a call from here, one of a callable that comes and goes, or of none
 * of ours from where any may be called. */
static MAREY_NOINLINE PyObject *
call_again(PyObject *const *args)
{
    struct marey_lane *lane = marey_this_lane();
    const struct pc_frame *frame = (const struct pc_frame *)frame_of(lane);
    const PyMethodDef *key = cfunctions_key(args[2]);

    if (key == NULL)
        return sites_stays_on(pc_frame_place(frame)) ? PC_NONE : call_slow(args);
    const struct marey_function *made = callers_near(frame, args[2]);
    if (made != NULL && marey_enter(lane, made, cfunctions_call_key((uintptr_t)frame)))
        return PC_NONE;
    struct marey_function *callee = tracer.has_skipped ? NULL : cfunctions_find(key);
    if (callee == NULL || callee->is_skipped || callee->keep_rules != 0)
        return call_slow(args);
    frame = (const struct pc_frame *)frame_slow();
    if (marey_enter(lane, cfunctions_made(frame, args[2], callee, true),
                    cfunctions_call_key((uintptr_t)frame)))
        return PC_NONE;
    return call_slow(args);
}

static PyObject *
on_call(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_lane *lane = marey_this_lane();
    const struct pc_frame *frame = (const struct pc_frame *)frame_of(lane);
    const struct marey_function *made = callers_quick(frame, args[2]);

    (void)self, (void)nargs, (void)names;
    if (MAREY_LIKELY(made != NULL) &&
        MAREY_LIKELY(marey_enter(lane, made, cfunctions_call_key((uintptr_t)frame))))
        return PC_NONE;
    return call_again(args);
}

static MAREY_NOINLINE PyObject *
c_return_slow(PyObject *const *args)
{
    if (tracer.is_only && !transactions_is_inside(marey_this_lane()))
        return PC_NONE;
    if (cfunctions_get(args[2]) != NULL)
        marey_leave_slow(marey_this_lane(), cfunctions_call_key(frame_slow()));
    return PC_NONE;
}

static PyObject *
on_c_return(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    struct marey_lane *lane = marey_this_lane();

    (void)self, (void)nargs, (void)names;
    if (MAREY_LIKELY(marey_leave(lane, cfunctions_call_key(frame_of(lane)))))
        return PC_NONE;
    return c_return_slow(args);
}

static PyObject *
on_c_raise(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    (void)self, (void)nargs, (void)names;
    if (tracer.is_only && !transactions_is_inside(marey_this_lane()))
        return PC_NONE;
    if (cfunctions_get(args[2]) != NULL)
        marey_unwind(marey_this_lane(), cfunctions_call_key(frame_slow()), 0);
    return PC_NONE;
}

/* In their places where something is logged of C calls. */
static PyObject *
on_call_told(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    bool is_print = (logs_kinds & LOGS_PRINT) != 0 && messages_is_print(args[2]);

    if (is_print)
        messages_printed(code_of(args), PyLong_AsSsize_t(args[1]), args[3]);
    if (tracer.c_calls)
        return on_call(self, args, nargs, names);
    return !is_print && sites_is_safe(code_of(args), PyLong_AsSsize_t(args[1]))
               ? tracer.disable
               : PC_NONE;
}

static PyObject *
on_c_return_told(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    exceptions_c_returned(args[2]);
    return on_c_return(self, args, nargs, names);
}

static PyObject *
on_c_raise_told(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    exceptions_c_raised(args[2]);
    return on_c_raise(self, args, nargs, names);
}

/* Until __main__ starts: everything the interpreter does to get there is not the
 * program. */
static PyObject *on_start_waiting(PyObject *self, PyObject *const *args, size_t nargs,
                                  PyObject *names);

#define HOOK(function)                                                                 \
    {                                                                                  \
        PyObject_HEAD_INIT(&callback_type) function                                    \
    }

/* What is asked of one code object at a time. Exceptions cannot be, before 3.15: they
 * are seen of all code, which costs the code nothing that raises none. */
enum place { NOWHERE, AT_START, AT_END, AT_PART, AT_CALL, WATCHED, EXCEPTIONS };
#if PY_VERSION_HEX >= 0x030F0000
#define AT_THROW AT_PART
#define AT_UNWIND AT_END
#else
#define AT_THROW NOWHERE
#define AT_UNWIND NOWHERE
#endif
#define RUNS_IN_PARTS                                                                  \
    (CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR)

static struct event {
    const char *name;
    struct callback callback;
    bool is_c;
    enum place place;
    int bit; /* in sys.monitoring.events */
} events[] = {
    {"PY_START", HOOK(on_start), false, AT_START, 0},
    {"PY_RETURN", HOOK(on_return), false, AT_END, 0},
    {"PY_YIELD", HOOK(on_yield), false, AT_PART, 0},
    {"PY_RESUME", HOOK(on_resume), false, AT_PART, 0},
    {"PY_THROW", HOOK(on_throw), false, AT_THROW, 0},
    {"PY_UNWIND", HOOK(on_unwind), false, AT_UNWIND, 0},
    {"CALL", HOOK(on_call), true, AT_CALL, 0},
    {"C_RETURN", HOOK(on_c_return), true, AT_CALL, 0},
    {"C_RAISE", HOOK(on_c_raise), true, AT_CALL, 0},
    {"INSTRUCTION", HOOK(assign_on_instruction), false, WATCHED, 0},
    {"LINE", HOOK(lines_on_line), false, WATCHED, 0},
    {"RAISE", HOOK(exceptions_on_raise), false, EXCEPTIONS, 0},
    {"EXCEPTION_HANDLED", HOOK(exceptions_on_handled), false, EXCEPTIONS, 0},
};
#define START_EVENT 0
#define RESUME_EVENT 3
#define EVENT_COUNT (sizeof(events) / sizeof(events[0]))

static struct callback waiting = HOOK(on_start_waiting);
static PyObject *monitoring; /* owned: the sys.monitoring namespace */

static int
call_int(const char *name, const char *format, ...)
{
    PyObject *function = PyObject_GetAttrString(monitoring, name), *arguments, *result;
    va_list values;

    if (function == NULL)
        return -1;
    va_start(values, format);
    arguments = Py_VaBuildValue(format, values);
    va_end(values);
    result = arguments == NULL ? NULL : PyObject_CallObject(function, arguments);
    Py_XDECREF(arguments);
    Py_DECREF(function);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
wanted_events(void)
{
    int set = 0;

    for (size_t i = 0; i < EVENT_COUNT; i++) {
        bool is_for_all = !tracer.is_only || tracer.has_details ||
                          events[i].place == NOWHERE ||
                          (events[i].place == AT_START && tracer.transactions != NULL &&
                           PyTuple_GET_SIZE(tracer.transactions) > 0);
        bool is_on = tracer.c_calls || !events[i].is_c;
        if (events[i].place == EXCEPTIONS)
            is_on = (logs_kinds & LOGS_EXCEPTIONS) != 0;
        if (strcmp(events[i].name, "CALL") == 0)
            is_on |= (logs_kinds & LOGS_PRINT) != 0;
        if (is_on && is_for_all && events[i].place != WATCHED)
            set |= events[i].bit;
    }
    return set;
}

int
hooks_call_bits(const PyCodeObject *code)
{
    int set = 0;

    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (events[i].place == AT_START || events[i].place == AT_END ||
            (events[i].place == AT_PART && (code->co_flags & RUNS_IN_PARTS) != 0))
            set |= events[i].bit;
    return set;
}

int
hooks_bit(const char *event)
{
    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (strcmp(events[i].name, event) == 0)
            return events[i].bit;
    return 0;
}

int
hooks_part_bits(void)
{
    int set = 0;

    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (events[i].place == AT_PART)
            set |= events[i].bit;
    return set;
}

/* Chooses the callbacks that log, where something is to be logged. */
static void
choose_callbacks(void)
{
    bool exceptions = (logs_kinds & LOGS_EXCEPTIONS) != 0;
    bool prints = (logs_kinds & LOGS_PRINT) != 0;

    for (size_t i = 0; i < EVENT_COUNT; i++) {
        vectorcallfunc *callback = &events[i].callback.vectorcall;
        if (strcmp(events[i].name, "CALL") == 0)
            *callback = prints ? on_call_told : on_call;
        else if (strcmp(events[i].name, "C_RETURN") == 0)
            *callback = exceptions ? on_c_return_told : on_c_return;
        else if (strcmp(events[i].name, "C_RAISE") == 0)
            *callback = exceptions ? on_c_raise_told : on_c_raise;
    }
}

static int
register_all(bool is_on)
{
    choose_callbacks();
    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (call_int("register_callback", "(iiO)", tracer.tool, events[i].bit,
                     is_on ? (PyObject *)&events[i].callback : Py_None) < 0)
            return -1;
    return 0;
}

static int
begin(void)
{
    tracer.waits_for_main = false;
    if (register_all(true) < 0 ||
        call_int("set_events", "(ii)", tracer.tool, wanted_events()) < 0)
        return -1;
    if (tracer.is_only)
        transactions_watch_all();
    /* What a tool switched off stays off for its id, even in other hands. */
    return call_int("restart_events", "()");
}

int
hooks_again(void)
{
    if (call_int("set_events", "(ii)", tracer.tool, wanted_events()) < 0)
        return -1;
    return call_int("restart_events", "()");
}

/* ---- events of one code object ---- */

static PyObject *watched; /* owned: list of codes that have some; NULL: none */
static PyObject *unarmed; /* owned: list of (code, bits) that are to have some */

void
hooks_watch(PyCodeObject *code, int event_bits)
{
    struct pc_exception saved = pc_exception_take();
    PyObject *bits;

    if (tracer.tool < 0) { /* of a call that is open at the start: see arm() */
        if (unarmed == NULL)
            unarmed = PyList_New(0);
        PyObject *entry = Py_BuildValue("(Oi)", code, event_bits);
        if (unarmed != NULL && entry != NULL)
            PyList_Append(unarmed, entry);
        Py_XDECREF(entry);
    }
    if (watched == NULL)
        watched = PyList_New(0);
    bits = tracer.tool < 0 || watched == NULL
               ? NULL
               : PyObject_CallMethod(monitoring, "get_local_events", "iO", tracer.tool,
                                     code);
    int before = bits == NULL ? 0 : (int)PyLong_AsLong(bits);
    if (bits != NULL && (before | event_bits) != before &&
        call_int("set_local_events", "(iOi)", tracer.tool, code, before | event_bits) ==
            0 &&
        before == 0) {
        PyList_Append(watched, (PyObject *)code);
        /* Places in it may have been switched off. */
        if (!tracer.is_only)
            call_int("restart_events", "()");
    }
    Py_XDECREF(bits);
    PyErr_Clear();
    pc_exception_give(saved);
}

/* Watches what was asked for before there was a tool. */
static void
arm(void)
{
    PyObject *list = unarmed, *code;
    int bits;

    unarmed = NULL;
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++)
        if (PyArg_ParseTuple(PyList_GET_ITEM(list, i), "Oi", &code, &bits))
            hooks_watch((PyCodeObject *)code, bits);
    Py_XDECREF(list);
    PyErr_Clear();
}

static void
unwatch_all(void)
{
    for (Py_ssize_t i = 0; watched != NULL && i < PyList_GET_SIZE(watched); i++) {
        call_int("set_local_events", "(iOi)", tracer.tool, PyList_GET_ITEM(watched, i),
                 0);
        PyErr_Clear();
    }
    Py_CLEAR(watched);
}

static bool
is_main_module(PyCodeObject *code)
{
    PyObject *globals = PyEval_GetGlobals();
    PyObject *name = globals == NULL || !PyDict_Check(globals)
                         ? NULL
                         : PyDict_GetItemString(globals, "__name__");

    return name != NULL && PyUnicode_Check(name) &&
           PyUnicode_CompareWithASCIIString(name, "__main__") == 0 &&
           PyUnicode_CompareWithASCIIString(code->co_name, "<module>") == 0;
}

static PyObject *
on_start_waiting(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    if (!is_main_module(code_of(args)))
        return tracer.disable;
    struct pc_exception saved = pc_exception_take();
    int status = begin();
    PyErr_Clear();
    pc_exception_give(saved);
    if (status < 0)
        return tracer.disable;
    (void)self, (void)nargs, (void)names;
    return start_again(args);
}

/* A tool id that nobody uses. 2 is cProfile's, 0 and 1 belong to debuggers and
 * coverage: those come last. Never one that is in use. 3 before 4: CPython looks
 * for the highest of an event's tools, and finds those below 4 a few instructions
 * sooner (most_significant_bit() of Python/instrumentation.c). */
static int
take_tool(void)
{
    static const int wishes[] = {3, 4, 5, 2, 1, 0};

    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        if (call_int("use_tool_id", "(is)", wishes[i], "marey") == 0) {
            tracer.tool = wishes[i];
            return 0;
        }
        PyErr_Clear();
    }
    PyErr_SetString(
        PyExc_RuntimeError,
        "all six tool ids of sys.monitoring are in use by other tools; stop "
        "one of them");
    return -1;
}

static int
find_events(void)
{
    PyObject *names = PyObject_GetAttrString(monitoring, "events");

    for (size_t i = 0; names != NULL && i < EVENT_COUNT; i++) {
        PyObject *bit = PyObject_GetAttrString(names, events[i].name);
        events[i].bit = bit == NULL ? 0 : (int)PyLong_AsLong(bit);
        Py_XDECREF(bit);
    }
    Py_XDECREF(names);
    return names == NULL || PyErr_Occurred() ? -1 : 0;
}

int
hooks_start(void)
{
    if (PyType_Ready(&callback_type) < 0)
        return -1;
    if (tracer.extra_index != 0) {
        events[RESUME_EVENT].callback.vectorcall = on_resume_elsewhere;
    }
    if (monitoring == NULL) {
        monitoring = Py_XNewRef(PySys_GetObject("monitoring"));
        if (monitoring == NULL || find_events() < 0)
            return -1;
        tracer.disable = PyObject_GetAttrString(monitoring, "DISABLE");
        if (tracer.disable == NULL)
            return -1;
    }
    if (take_tool() < 0)
        return -1;
    arm();
    return begin();
}

bool
hooks_are(Py_tracefunc profiler)
{
    (void)profiler;
    return false;
}

int
hooks_wait(void)
{
    tracer.waits_for_main = true;
    if (register_all(false) < 0 ||
        call_int("register_callback", "(iiO)", tracer.tool, events[START_EVENT].bit,
                 &waiting) < 0 ||
        call_int("set_events", "(ii)", tracer.tool, events[START_EVENT].bit) < 0)
        return -1;
    return call_int("restart_events", "()");
}

void
hooks_stop(void)
{
    struct pc_exception saved = pc_exception_take();

    if (tracer.tool >= 0) {
        call_int("set_events", "(ii)", tracer.tool, 0);
        PyErr_Clear();
        unwatch_all();
        register_all(false);
        PyErr_Clear();
        call_int("free_tool_id", "(i)", tracer.tool);
        PyErr_Clear();
    }
    tracer.tool = -1;
    pc_exception_give(saved);
}

void
hooks_pause(bool is_paused)
{
    call_int("set_events", "(ii)", tracer.tool, is_paused ? 0 : wanted_events());
}

void
hooks_refilter(void)
{
    struct pc_exception saved = pc_exception_take();

    call_int("restart_events", "()");
    PyErr_Clear();
    pc_exception_give(saved);
}

/* A site that is off for its Python callee may by now call a C function. */
void
hooks_tick(void)
{
    if (!tracer.c_calls || tracer.is_exact || tracer.tool < 0 || tracer.is_only)
        return;
    struct pc_exception saved = pc_exception_take();
    call_int("restart_events", "()");
    PyErr_Clear();
    pc_exception_give(saved);
}

#endif
