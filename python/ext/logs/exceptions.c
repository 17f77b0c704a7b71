/* Exceptions: where each was raised, which except clause took it, what swallowed it.
 *
 *   raised     RAISE comes in each frame that an exception passes. It is new where its
 *              traceback has one entry, which the interpreter puts there just before:
 *              so each is told once, also those that C code raised.
 *   handled    at the first instruction of the body of an except clause (or where a
 *              `with` block goes on although it had raised). Such places are looked for
 *              in a code object when an exception is first caught in it, and watched
 *              from then on. EXCEPTION_HANDLED alone cannot tell: it comes for clauses
 *              of other types and for `finally`, too.
 *   swallowed  by C: a frame was left by an exception, and the C function that called
 *              it returned all the same.
 *
 * How it went through frames in between is in the calls, which end as raised. Nothing
 * of the exception is called; values are read through fields of C. */
#include "logs/logs.h"

#include <opcode.h>

/* What a thread was last seen doing. Addresses are compared, not followed. */
struct passage {
    const PyMethodDef *raiser; /* C function that just raised */
    uintptr_t raiser_frame;    /* in this frame */
    PyObject *leaving;         /* exception that left the last frame; not held */
    uint32_t leaving_type;     /* string id; valid while leaving is not NULL */
    uintptr_t left_to;         /* the frame around that one */
    /* Only on 3.11: what passes, or is handled in, a frame, to know what leaves it. */
    uintptr_t passed_frame;
    PyObject *passed;     /* not held */
    uint32_t passed_type; /* string id; 0: not wanted */
};
static MAREY_THREAD_LOCAL struct passage passage;

static inline PyBaseExceptionObject *
fields_of(PyObject *exception)
{
    return (PyBaseExceptionObject *)exception;
}

/* Those that end loops and generators, rather than tell that something went wrong. */
static bool
controls_flow(PyObject *exception)
{
    PyTypeObject *type = Py_TYPE(exception);

    return PyType_IsSubtype(type, (PyTypeObject *)PyExc_StopIteration) ||
           PyType_IsSubtype(type, (PyTypeObject *)PyExc_StopAsyncIteration) ||
           PyType_IsSubtype(type, (PyTypeObject *)PyExc_GeneratorExit);
}

static bool
is_wanted(const struct marey_function *function, PyObject *exception)
{
    if (function == NULL || function->is_skipped ||
        !PyExceptionInstance_Check(exception))
        return false;
    return (function->logs & LOGS_EXC_ALL) != 0 ||
           ((function->logs & LOGS_EXC) != 0 && !controls_flow(exception));
}

static void
put_id(struct values *body, const char *name, PyObject *exception)
{
    logs_put_int(body, name, (long long)(uintptr_t)exception);
}

/* ---- raised ---- */

static void
log_raised(PyObject *exception, PyCodeObject *code, Py_ssize_t offset,
           const PyMethodDef *raiser)
{
    struct marey_lane *lane = logs_lane();
    PyObject *chained;
    struct values body;

    if (lane == NULL)
        return;
    values_begin(&body);
    values_put(&body, NULL, exception);
    if (raiser != NULL)
        logs_put_text(&body, "by", raiser->ml_name);
    if ((chained = PyException_GetCause(exception)) != NULL)
        values_put_named(&body, logs_name("cause"), chained);
    else if (!fields_of(exception)->suppress_context &&
             (chained = PyException_GetContext(exception)) != NULL)
        values_put_named(&body, logs_name("context"), chained);
    if (chained != NULL)
        put_id(&body, "chain", chained);
    Py_XDECREF(chained);
    put_id(&body, "id", exception);
    logs_put_int(&body, "line", PyCode_Addr2Line(code, (int)offset));
    marey_log(lane, cfunctions_type_name(Py_TYPE(exception)), MAREY_LOG_RAISED,
              values_finish(&body, lane));
}

/* An exception is handled in code whose except clauses are not watched yet. */
static void
watch_handlers(PyCodeObject *code, struct marey_function *function)
{
    if (function->has_handlers)
        return;
    function->has_handlers = true;
    assign_add_handlers(code, function);
}

#if MAREY_HAS_MONITORING

static bool
is_new(PyObject *exception)
{
    PyObject *traceback = PyException_GetTraceback(exception);
    bool is_first = traceback == NULL || !PyTraceBack_Check(traceback) ||
                    ((PyTracebackObject *)traceback)->tb_next == NULL;

    Py_XDECREF(traceback);
    return is_first;
}

PyObject *
exceptions_on_raise(PyObject *self, PyObject *const *args, size_t nargs,
                    PyObject *names)
{
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct marey_function *function = codes_known(code);
    uintptr_t frame = pc_current_frame(pc_thread_state());
    const PyMethodDef *raiser = passage.raiser_frame == frame ? passage.raiser : NULL;

    (void)self, (void)nargs, (void)names;
    passage.raiser_frame = 0;
    passage.leaving = NULL;
    if (!is_wanted(function, args[2]))
        return PC_NONE;
    struct pc_exception saved = pc_exception_take();
    if (is_new(args[2]))
        log_raised(args[2], code, PyLong_AsSsize_t(args[1]), raiser);
    PyErr_Clear();
    pc_exception_give(saved);
    return PC_NONE;
}

/* ---- handled ---- */

PyObject *
exceptions_on_handled(PyObject *self, PyObject *const *args, size_t nargs,
                      PyObject *names)
{
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct marey_function *function = codes_known(code);

    (void)self, (void)nargs, (void)names;
    passage.leaving = NULL;
    if (function == NULL || function->is_skipped ||
        (function->logs & LOGS_EXCEPTIONS) == 0 || function->has_handlers)
        return PC_NONE;
    struct pc_exception saved = pc_exception_take();
    watch_handlers(code, function);
    PyErr_Clear();
    pc_exception_give(saved);
    return PC_NONE;
}

#else

/* ---- by the trace function of 3.11 ----
 *
 * It is told of an exception in each frame as that passes, but for one that is raised
 * again as it is (`raise`, the end of `finally`). From an exception on each instruction
 * of the frame is asked about until what is handled is done with. */

static void
remember(const struct pc_frame *frame, const struct marey_function *function,
         PyObject *exception)
{
    bool wanted = exception != NULL && is_wanted(function, exception);

    passage.passed_frame = (uintptr_t)frame;
    passage.passed = exception;
    passage.passed_type = wanted ? cfunctions_type_name(Py_TYPE(exception)) : 0;
}

bool
exceptions_pass(struct marey_function *function, const struct pc_frame *frame,
                PyObject *exception, PyObject *traceback)
{
    const PyMethodDef *raiser =
        passage.raiser_frame == (uintptr_t)frame ? passage.raiser : NULL;
    Py_ssize_t at =
        (const char *)frame->last_instruction - (const char *)_PyCode_CODE(frame->code);

    passage.raiser_frame = 0;
    passage.leaving = NULL;
    remember(frame, function, exception);
    if (!is_wanted(function, exception))
        return false;
    /* The interpreter tells of it twice where a loop ends by it, with the traceback of
     * the frame that it left. */
    if (PyTraceBack_Check(traceback) &&
        ((PyTracebackObject *)traceback)->tb_next == NULL &&
        ((PyTracebackObject *)traceback)->tb_frame == frame->object)
        log_raised(exception, frame->code, at, raiser);
    watch_handlers(frame->code, function);
    return true;
}

bool
exceptions_at(const struct pc_frame *frame)
{
    int opcode = frame->last_instruction[0] & 0xff;

    if (opcode == RERAISE)
        remember(frame, codes_known(frame->code), pc_frame_entry(frame, 0, 0));
    if (opcode != POP_EXCEPT || (frame->last_instruction[1] & 0xff) == RERAISE)
        return false;
    PyObject *before = pc_frame_entry(frame, 0, 0); /* what was handled around it */
    passage.passed_frame = 0;
    return before == NULL || before == Py_None;
}

uint32_t
exceptions_leave(const struct pc_frame *frame)
{
    bool is_known = passage.passed_frame == (uintptr_t)frame;

    passage.passed_frame = 0;
    passage.left_to = (uintptr_t)pc_frame_around(frame);
    passage.leaving = is_known && passage.passed_type != 0 && passage.left_to != 0
                          ? passage.passed
                          : NULL;
    passage.leaving_type = passage.passed_type;
    return is_known ? passage.passed_type : 0;
}

#endif

void
exceptions_log_taken(struct marey_lane *lane, const struct marey_function *function,
                     uint8_t class, PyObject *exception, uint32_t line)
{
    struct values body;

    if (exception == NULL || !is_wanted(function, exception))
        return;
    values_begin(&body);
    put_id(&body, "id", exception);
    if (class == MAREY_LOG_SWALLOWED)
        logs_put_text(&body, "by", "with");
    logs_put_int(&body, "line", line);
    marey_log(lane, cfunctions_type_name(Py_TYPE(exception)), class,
              values_finish(&body, lane));
}

/* ---- swallowed by C ---- */

void
exceptions_c_raised(PyObject *callable)
{
    passage.raiser = cfunctions_key(callable);
    passage.raiser_frame =
        passage.raiser == NULL || ((uintptr_t)passage.raiser & 1) != 0
            ? 0
            : pc_current_frame(pc_thread_state());
}

#if MAREY_HAS_MONITORING

void
exceptions_left(const struct marey_function *function, PyObject *exception)
{
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());
    bool wanted = is_wanted(function, exception);

    passage.left_to = (uintptr_t)pc_frame_around(frame);
    passage.leaving = wanted && passage.left_to != 0 ? exception : NULL;
    passage.leaving_type = wanted ? cfunctions_type_name(Py_TYPE(exception)) : 0;
}

#endif

void
exceptions_c_returned(PyObject *callable)
{
    bool is_same = passage.left_to == pc_current_frame(pc_thread_state());
    PyObject *exception = is_same ? passage.leaving : NULL;
    const PyMethodDef *key = exception == NULL ? NULL : cfunctions_key(callable);
    struct marey_lane *lane = exception == NULL ? NULL : logs_lane();
    struct values body;

    passage.leaving = NULL;
    if (lane == NULL)
        return;
    struct pc_exception saved = pc_exception_take();
    values_begin(&body);
    put_id(&body, "id", exception); /* by its address alone: it may be gone */
    if (key != NULL && ((uintptr_t)key & 1) == 0)
        logs_put_text(&body, "by", key->ml_name);
    marey_log(lane, passage.leaving_type, MAREY_LOG_SWALLOWED,
              values_finish(&body, lane));
    PyErr_Clear();
    pc_exception_give(saved);
}
