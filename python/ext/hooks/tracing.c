/* The trace function of 3.11, for what --log and marey.watch() need of it.
 *
 * That interpreter tells of lines, instructions and exceptions to a thread's trace
 * function alone, and asks at each instruction of every frame whether there is one. So
 * it is set while a frame runs that something is wanted of, and taken away where that
 * calls another function: the profile function (profile.c) is told of each such change.
 * Code that nothing is wanted of runs without.
 *
 *   lines         LINE events, of functions of --log lines: and of --comments
 *   instructions  OPCODE events, of code with stores that are wanted (assign.c), and
 *                 from an exception on until it is done with, where those are wanted
 *   exceptions    EXCEPTION events
 *
 * What a frame gets is said by two fields of its frame object, which are put back where
 * it stops running. The hook is put into the thread's state by hand: sys.settrace() is
 * not called, sys.gettrace() says None. A debugger or coverage that calls it has the
 * hook from then on; that is written into the log once. */
#include "logs/logs.h"

#if !MAREY_HAS_MONITORING

static uint16_t yielded_in; /* logs_recording in which somebody else took the hook */

bool
tracing_is_needed(void)
{
    return (logs_kinds & (LOGS_VAR | LOGS_ATTR | LOGS_NUMBER | LOGS_BY_LINE |
                          LOGS_PRINT | LOGS_EXCEPTIONS)) != 0 ||
           follow_any;
}

static bool
wants_lines(const struct marey_function *function)
{
    return (function->logs & LOGS_BY_LINE) != 0;
}

static bool
wants_instructions(const struct marey_function *function)
{
    return assign_has_stores(function->plan);
}

static bool
is_wanted(const struct marey_function *function)
{
    return function != NULL && !function->is_skipped &&
           ((function->logs & (LOGS_BY_LINE | LOGS_EXCEPTIONS)) != 0 ||
            wants_instructions(function));
}

static void
set_frame(PyFrameObject *object, bool lines, bool instructions)
{
    struct pc_frame_object *fields = (void *)object;

    if (object == NULL)
        return;
    fields->traces_lines = lines;
    fields->traces_instructions = instructions;
}

static void
set_back(PyFrameObject *object)
{
    set_frame(object, true, false);
}

static void
on_instruction(struct marey_function *function, struct pc_frame *frame)
{
    size_t unit = (size_t)((const uint16_t *)frame->last_instruction -
                           (const uint16_t *)_PyCode_CODE(frame->code));

    assign_at(function, frame->code, frame, unit);
    if ((function->logs & LOGS_EXCEPTIONS) != 0 && exceptions_at(frame) &&
        !wants_instructions(function))
        set_frame(frame->object, wants_lines(function), false);
}

static int
on_trace(PyObject *self, PyFrameObject *object, int what, PyObject *arg)
{
    struct pc_frame *frame = pc_frame_of(object);
    struct marey_function *function = codes_known(frame->code);

    (void)self;
    if (!tracer.is_on || !is_wanted(function))
        return 0;
    if (what == PyTrace_LINE) {
        if (wants_lines(function))
            lines_begin(function, frame, frame->code,
                        ((struct pc_frame_object *)object)->line);
        else /* it ran before anything was wanted of it */
            set_frame(object, false, wants_instructions(function));
    } else if (what == PyTrace_OPCODE) {
        on_instruction(function, frame);
    } else if (what == PyTrace_EXCEPTION && (function->logs & LOGS_EXCEPTIONS) != 0 &&
               PyTuple_CheckExact(arg) && PyTuple_GET_SIZE(arg) == 3 &&
               exceptions_pass(function, frame, PyTuple_GET_ITEM(arg, 1),
                               PyTuple_GET_ITEM(arg, 2))) {
        set_frame(object, wants_lines(function), true);
    }
    return 0;
}

/* Somebody else has the hook: says so, once a recording. */
static void
tell(void)
{
    struct marey_lane *lane = yielded_in == logs_recording ? NULL : logs_lane();
    struct values body;

    if (lane == NULL)
        return;
    yielded_in = logs_recording;
    struct pc_exception saved = pc_exception_take();
    values_begin(&body);
    PyObject *text = PyUnicode_FromString(
        "sys.settrace() was called (a debugger, coverage): variables, lines, prints "
        "and exceptions of this thread are not logged while it has the trace function");
    logs_put_text(&body, "level", "WARNING");
    values_put_named(&body, (struct values_name){0, false}, text);
    Py_XDECREF(text);
    marey_log(lane, logs_name("marey").id, MAREY_LOG_RECORD,
              values_finish(&body, lane));
    PyErr_Clear();
    pc_exception_give(saved);
}

/* The frame runs from here on: again, or (`is_new`) with nothing said about it yet. */
static void
run_on(PyThreadState *state, const struct pc_frame *frame, bool is_new)
{
    const struct marey_function *function =
        frame == NULL ? NULL : codes_known(frame->code);

    if (!is_wanted(function)) {
        state->c_tracefunc = NULL;
        return;
    }
    struct pc_frame_object *fields = (void *)frame->object;
    if (is_new)
        set_frame(frame->object, wants_lines(function), wants_instructions(function));
    else if (fields != NULL && wants_instructions(function))
        fields->traces_instructions = true; /* a watch began in what it called */
    state->c_tracefunc = on_trace;
}

void
tracing_follow(PyFrameObject *object, int what)
{
    PyThreadState *state = PyThreadState_Get();
    const struct pc_frame *frame = pc_frame_of(object);
    bool was_ours = state->c_tracefunc == on_trace;

    if (!was_ours && state->c_tracefunc != NULL) {
        if (is_wanted(codes_known(frame->code))) {
            set_back(object);
            tell();
        }
        return;
    }
    if (what == PyTrace_RETURN) {
        if (was_ours)
            set_back(object);
        run_on(state, frame->previous, false);
    } else if (what == PyTrace_CALL || !was_ours || follow_any) {
        run_on(state, frame, what == PyTrace_CALL);
    }
}

void
tracing_stop(PyThreadState *state)
{
    if (state->c_tracefunc != on_trace)
        return;
    state->c_tracefunc = NULL;
    for (const struct pc_frame *frame = (void *)pc_current_frame(state); frame != NULL;
         frame = frame->previous)
        if (is_wanted(codes_known(frame->code)))
            set_back(frame->object);
}

#endif
