/* Values of a call: its arguments when it begins, and what it returns.
 *
 * Written as notes of the call (VALUES), behind its start and before its end. Functions
 * whose values are wanted go the slow way (`is_slow`); all others are as they were. */
#include "logs/logs.h"

/* The lane, if the frame that runs is the innermost call that is recorded on it: a note
 * belongs to that. NULL: the call was left out (--max-depth, marey.ignore). */
static struct marey_lane *
lane_of_call(const struct pc_frame *frame)
{
    struct marey_lane *lane = logs_lane();

    return lane != NULL && (lane->top->key & ~(uintptr_t)7) == (uintptr_t)frame ? lane
                                                                                : NULL;
}

static void
put_arguments(struct values *body, const struct pc_frame *frame, PyCodeObject *code)
{
    int count = pc_parameter_count(code);

    for (int i = 0; i < count; i++) {
        PyObject *value = pc_frame_variable_at(frame, code, i);
        values_put(body, PyTuple_GET_ITEM(code->co_localsplusnames, i), value);
        Py_XDECREF(value);
    }
}

void
arguments_start(const struct marey_function *function, const struct pc_frame *frame,
                PyCodeObject *code)
{
    struct marey_lane *lane = lane_of_call(frame);
    struct values body;

    if ((function->logs & LOGS_ARGS) == 0 || lane == NULL || !pc_has_frame_slots())
        return;
    values_begin(&body);
    put_arguments(&body, frame, code);
    if (body.count > 0)
        marey_values(lane, MAREY_ROLE_ARGUMENTS, values_finish(&body, lane));
}

void
arguments_entry(const struct marey_function *function, const struct pc_frame *frame,
                PyCodeObject *code)
{
    struct marey_lane *lane = logs_lane();
    struct values body;

    if ((function->logs & LOGS_ENTRY) == 0 || lane == NULL ||
        logs_wanted(LOGS_ENTRY, function, code->co_qualname) == 0)
        return;
    values_begin(&body);
    if (pc_has_frame_slots())
        put_arguments(&body, frame, code);
    logs_put_int(&body, "line", (uint32_t)code->co_firstlineno);
    marey_log(lane, values_name(code->co_qualname).id, MAREY_LOG_ENTRY,
              values_finish(&body, lane));
}

void
arguments_return(const struct marey_function *function, const struct pc_frame *frame,
                 PyObject *value)
{
    struct marey_lane *lane = lane_of_call(frame);
    struct values body;

    if ((function->logs & LOGS_RETURNS) == 0 || lane == NULL)
        return;
    values_begin(&body);
    values_put(&body, NULL, value);
    marey_values(lane, MAREY_ROLE_RETURN, values_finish(&body, lane));
}
