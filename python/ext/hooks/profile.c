/* The hooks of CPython 3.11: a C profile function on each thread.
 *
 * PyEval_SetProfile is the one hook of that version that sees C functions. It is set on
 * all threads that are alive, on new ones through `threading`'s own profile hook, and
 * on those that C code makes when the next second is rung. What happened is read from
 * the instruction the frame stands at: RESUME with 0 starts a call, with anything else
 * (or none, for throw()) resumes one; YIELD_VALUE suspends it. What --log asks of lines
 * and instructions comes by a trace function, which follows this one: tracing.c.
 */
#include "logs/logs.h"

#if !MAREY_HAS_MONITORING

#include <opcode.h>

static int on_event(PyObject *self, PyFrameObject *frame, int what, PyObject *arg);

static bool is_traced; /* the trace function is to follow */

static inline int
opcode_of(const struct pc_frame *frame)
{
    return *frame->last_instruction & 0xff;
}

static inline int
oparg_of(const struct pc_frame *frame)
{
    return *frame->last_instruction >> 8;
}

/* Whether the frame begins or goes on, not by throw(): then oparg_of() is 0 where it
 * begins. */
static inline bool
is_at_resume(const struct pc_frame *frame)
{
    return opcode_of(frame) == RESUME_QUICK || opcode_of(frame) == RESUME;
}

static inline void
enter(struct marey_lane *lane, const struct marey_function *function, uintptr_t key)
{
    if (MAREY_UNLIKELY(function->base->keep_rules != 0 || function->base->is_slow) ||
        MAREY_UNLIKELY(!marey_enter(lane, function, key)))
        marey_enter_slow(lane, function, key);
}

/* What stands for this call of the code that has just begun. */
static const struct marey_function *
made_here(const struct pc_frame *frame, const struct marey_function *function)
{
    return callers_made(pc_frame_around(frame), frame->code, NULL, function,
                        !tracer.is_only);
}

static void
on_py_call(struct marey_lane *lane, struct pc_frame *frame,
           const struct marey_function *function)
{
    if (is_at_resume(frame)) {
        if (oparg_of(frame) == 0)
            enter(lane, made_here(frame, function), (uintptr_t)frame);
        else
            marey_resume_slow(lane, function, (uintptr_t)frame);
    } else {
        Py_ssize_t at = (const char *)frame->last_instruction -
                        (const char *)_PyCode_CODE(frame->code);
        marey_resume_thrown(lane, function, (uintptr_t)frame, 0,
                            pc_has_run(frame->code, at));
    }
}

static void
on_py_return(struct marey_lane *lane, struct pc_frame *frame, PyObject *value)
{
    if (value == NULL) /* the exception is out of reach of a profile function */
        marey_unwind(lane, (uintptr_t)frame, is_traced ? exceptions_leave(frame) : 0);
    else if (opcode_of(frame) != YIELD_VALUE)
        marey_leave_slow(lane, (uintptr_t)frame);
    else
        marey_yield_slow(lane, (uintptr_t)frame);
}

/* Where only transactions are recorded: whether this call is. */
static bool
is_wanted(const struct marey_lane *lane, const struct marey_function *function,
          int what)
{
    return (what == PyTrace_CALL && codes_is_wanted(function)) ||
           transactions_is_inside(lane);
}

/* Of functions that want to be asked, or whose activations are followed. */
static int
on_followed(struct marey_lane *lane, struct pc_frame *frame,
            struct marey_function *function, int what, PyObject *arg)
{
    uintptr_t key = (uintptr_t)frame;
    bool begins = what == PyTrace_CALL;
    bool is_start = begins && is_at_resume(frame) && oparg_of(frame) == 0;

    if (!begins && function->is_watched && arg != NULL &&
        opcode_of(frame) == YIELD_VALUE)
        transactions_park(lane, key);
    if (!function->is_skipped && is_start && function->is_slow &&
        codes_is_wanted(function)) {
        transactions_enter(lane, function, made_here(frame, function), key);
        if (function->logs != 0)
            logs_start(function, frame, frame->code);
    } else if (!function->is_skipped && begins &&
               (!tracer.is_only || is_wanted(lane, function, what)))
        on_py_call(lane, frame, function);
    else if (!function->is_skipped && !begins) {
        if (arg == NULL && function->logs != 0)
            logs_unwind(function, frame, frame->code);
        else if (arg != NULL && function->is_slow && opcode_of(frame) != YIELD_VALUE)
            logs_return(function, frame, frame->code, arg);
        on_py_return(lane, frame, arg);
    }
    if (begins && !is_start && function->is_watched)
        transactions_unpark(lane, key);
    if (begins && !is_start && function->is_slow)
        transactions_part_begins(function);
    if (!begins && function->is_slow)
        transactions_part_ends(function);
    return 0;
}

static struct marey_function *
function_of(struct pc_frame *frame)
{
    struct marey_function *function = codes_recorded(frame->code, tracer.extra_index);

    return MAREY_LIKELY(function != NULL && !tracer.is_stale)
               ? function
               : codes_now(frame->code, frame->globals);
}

static bool
is_main_module(const struct pc_frame *frame)
{
    PyObject *globals = frame->globals;
    PyObject *name =
        PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;

    return name != NULL && PyUnicode_Check(name) &&
           PyUnicode_CompareWithASCIIString(name, "__main__") == 0 &&
           PyUnicode_CompareWithASCIIString(frame->code->co_name, "<module>") == 0;
}

/* What a C function is known by. 3.11 makes a bound method of each method it calls, so
 * these are known by their definition; but what belongs to a type is none of the quick
 * ones, for all types share one definition of __new__. */
static inline const void *
key_of_callee(PyObject *callable)
{
    const PyCFunctionObject *function = (PyCFunctionObject *)callable;

    return Py_TYPE(callable) == &PyCFunction_Type && function->m_self != NULL &&
                   Py_TYPE(function->m_self) != &PyModule_Type &&
                   !PyType_Check(function->m_self)
               ? (const void *)function->m_ml
               : (const void *)callable;
}

/* All that is common: a call that was seen from here before, and the end of the
 * innermost one. False: nothing was done. What of a function needs to be looked at is
 * not in the table of pairs, or has a key that ends slowly. */
MAREY_INLINE bool
on_quick(struct marey_lane *lane, const struct pc_frame *frame, int what, PyObject *arg)
{
    const struct marey_function *made;
    marey_tagged_function tagged;

    switch (what) {
    case PyTrace_CALL:
        if (!is_at_resume(frame))
            return false;
        if (oparg_of(frame) != 0) {
            tagged = codes_tagged(frame->code, tracer.extra_index);
            return marey_resume(lane, tagged, (uintptr_t)frame);
        }
        if (frame->previous == NULL)
            return false;
        made = callers_quick(frame->previous, frame->code);
        return made != NULL && marey_enter(lane, made, (uintptr_t)frame);
    case PyTrace_RETURN:
        if (arg == NULL)
            return false;
        if (opcode_of(frame) != YIELD_VALUE)
            return marey_leave(lane, (uintptr_t)frame);
        tagged = codes_tagged(frame->code, tracer.extra_index);
        return (tagged & 1) != 0 && marey_yield(lane, (uintptr_t)frame);
    case PyTrace_C_CALL:
        made = callers_quick(frame, key_of_callee(arg));
        return made != NULL &&
               marey_enter(lane, made, cfunctions_call_key((uintptr_t)frame));
    case PyTrace_C_RETURN:
        return marey_leave(lane, cfunctions_call_key((uintptr_t)frame));
    default: return false;
    }
}

static MAREY_NOINLINE int
on_event_slow(PyFrameObject *object, int what, PyObject *arg)
{
    struct pc_frame *frame = pc_frame_of(object);
    struct marey_lane *lane = marey_this_lane();

    if (MAREY_UNLIKELY(tracer.waits_for_main)) {
        if (what != PyTrace_CALL || !is_main_module(frame))
            return 0;
        tracer.waits_for_main = false;
    }
    struct marey_function *function = function_of(frame);
    if (MAREY_UNLIKELY(function == NULL))
        return 0;
    if (MAREY_UNLIKELY((function->keep_rules & WATCH_LOG) != 0) && what == PyTrace_CALL)
        watch_log();
    if (MAREY_UNLIKELY(function->is_slow || function->is_watched) &&
        (what == PyTrace_CALL || what == PyTrace_RETURN))
        return on_followed(lane, frame, function, what, arg);
    if (MAREY_UNLIKELY(function->is_skipped))
        return 0;
    if (MAREY_UNLIKELY(tracer.is_only) && what != PyTrace_RETURN &&
        !is_wanted(lane, function, what))
        return 0;
    if (what == PyTrace_CALL) {
        on_py_call(lane, frame, function);
    } else if (what == PyTrace_RETURN) {
        on_py_return(lane, frame, arg);
    } else if (tracer.c_calls) {
        struct marey_function *callee = cfunctions_get(arg);
        if (callee == NULL || callee->is_skipped)
            return 0;
        uintptr_t key = cfunctions_call_key((uintptr_t)frame);
        if (what == PyTrace_C_CALL)
            enter(lane, cfunctions_made(frame, arg, callee, !tracer.has_skipped), key);
        else if (what == PyTrace_C_RETURN)
            marey_leave_slow(lane, key);
        else if (what == PyTrace_C_EXCEPTION)
            marey_unwind(lane, key, 0);
    }
    return 0;
}

static int
on_event(PyObject *self, PyFrameObject *object, int what, PyObject *arg)
{
    (void)self;
    if (MAREY_LIKELY(on_quick(marey_this_lane(), pc_frame_of(object), what, arg)))
        return 0;
    return on_event_slow(object, what, arg);
}

/* The same where the trace function follows. */
static int
on_event_traced(PyObject *self, PyFrameObject *object, int what, PyObject *arg)
{
    if (what == PyTrace_C_EXCEPTION)
        exceptions_c_raised(arg);
    else if (what == PyTrace_C_RETURN)
        exceptions_c_returned(arg);
    on_event(self, object, what, arg);
    if (follow_any && what == PyTrace_RETURN && arg == NULL)
        follow_frame_ends((uintptr_t)pc_frame_of(object));
    if (what != PyTrace_C_CALL)
        tracing_follow(object, what);
    return 0;
}

static Py_tracefunc
hook(void)
{
    return is_traced ? on_event_traced : on_event;
}

bool
hooks_are(Py_tracefunc profiler)
{
    return profiler == on_event || profiler == on_event_traced;
}

/* Sets or takes the hook on every thread; leaves profile functions of others alone. */
static void
set_on_threads(bool is_on)
{
    PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());

    for (; state != NULL; state = PyThreadState_Next(state)) {
        bool is_ours = hooks_are(state->c_profilefunc);
        if (is_on && (state->c_profilefunc == NULL ||
                      (is_ours && state->c_profilefunc != hook())))
            _PyEval_SetProfile(state, hook(), NULL);
        if (!is_on && is_ours) {
            tracing_stop(state);
            _PyEval_SetProfile(state, NULL, NULL);
        }
    }
}

/* `threading` calls sys.setprofile(this) in each new thread, and the interpreter then
 * calls this at the first event, the call of the thread's run(). The real hook then
 * takes the place of this one, and is told of that event. */
static PyObject *
new_thread(PyObject *module, PyObject *args)
{
    PyThreadState *state = PyThreadState_Get();
    PyObject *frame = PyTuple_GET_SIZE(args) == 3 ? PyTuple_GET_ITEM(args, 0) : NULL;
    PyObject *what = frame == NULL ? NULL : PyTuple_GET_ITEM(args, 1);

    (void)module;
    _PyEval_SetProfile(state, tracer.is_on ? hook() : NULL, NULL);
    if (tracer.is_on && frame != NULL && PyFrame_Check(frame) &&
        PyUnicode_Check(what) && PyUnicode_CompareWithASCIIString(what, "call") == 0)
        hook()(NULL, (PyFrameObject *)frame, PyTrace_CALL, Py_None);
    Py_RETURN_NONE;
}
static PyMethodDef new_thread_method = {"marey_thread", new_thread, METH_VARARGS, NULL};

static int
set_thread_hook(bool is_on)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *hook =
        is_on ? PyCFunction_New(&new_thread_method, NULL) : Py_NewRef(Py_None);
    int status = threading == NULL || hook == NULL
                     ? -1
                     : PyObject_SetAttrString(threading, "_profile_hook", hook);

    Py_XDECREF(hook);
    Py_XDECREF(threading);
    return status;
}

int
hooks_start(void)
{
    if (set_thread_hook(true) < 0)
        return -1;
    is_traced = tracing_is_needed();
    set_on_threads(true);
    return 0;
}

int
hooks_wait(void)
{
    tracer.waits_for_main = true;
    return 0;
}

int
hooks_again(void)
{
    return 0;
}

void
hooks_watch(PyCodeObject *code, int event_bits)
{
    (void)code, (void)event_bits;
}

int
hooks_bit(const char *event)
{
    (void)event;
    return 0;
}

int
hooks_call_bits(const PyCodeObject *code)
{
    (void)code;
    return 0;
}

int
hooks_part_bits(void)
{
    return 0;
}

void
hooks_stop(void)
{
    struct pc_exception saved = pc_exception_take();

    set_on_threads(false);
    set_thread_hook(false);
    PyErr_Clear();
    pc_exception_give(saved);
}

void
hooks_pause(bool is_paused)
{
    PyThreadState *state = PyThreadState_Get();

    if (is_paused)
        tracing_stop(state);
    _PyEval_SetProfile(state, is_paused ? NULL : hook(), NULL);
}

void
hooks_refilter(void)
{
    if (is_traced || !tracer.is_on || !tracing_is_needed())
        return;
    is_traced = true; /* watches may begin at any time */
    set_on_threads(true);
}

void
hooks_tick(void)
{
    set_on_threads(true);
}

#endif
