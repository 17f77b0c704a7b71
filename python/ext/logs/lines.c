/* Line by line: each line that a chosen function runs, with the variables that changed
 * since the line before (--log lines:PATTERN).
 *
 * A variable changed if its bytes in a blob did, so what a method put into a list is
 * seen, as far as the bounds of values.h go, and no object is compared, kept or asked.
 * Of each activation that runs a number is kept for each variable, found by the address
 * of its frame: set back where a call starts, given back where it ends. A generator
 * that dies without an event leaves its numbers to the next frame at that address. */
#include "logs/logs.h"

#define BUCKET_COUNT 1024
#define ACTIVATIONS_MAX 65536 /* followed at a time; further ones show no variables */
#define UNBOUND 0             /* a variable's number while it has no value */

struct activation {
    struct activation *next; /* in the bucket, or in the list of free ones */
    uintptr_t frame;
    const PyCodeObject *code; /* compared, not followed */
    uint16_t recording;
    size_t capacity;
    uint64_t *seen; /* owned: a number for each variable; only its thread looks */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static struct activation *buckets[BUCKET_COUNT];
static struct activation *spare;
static size_t activation_count;

static struct activation **
bucket_of(uintptr_t frame)
{
    return &buckets[(frame >> 4 ^ frame >> 14) % BUCKET_COUNT];
}

/* ---- activations ---- */

static struct activation *
find(uintptr_t frame)
{
    struct activation **bucket = bucket_of(frame), *one = *bucket;

    while (one != NULL && one->frame != frame)
        one = one->next;
    if (one != NULL || (spare == NULL && activation_count >= ACTIVATIONS_MAX))
        return one;
    if (spare != NULL) {
        one = spare;
        spare = one->next;
    } else if ((one = calloc(1, sizeof(*one))) == NULL) {
        return NULL;
    } else {
        activation_count++;
    }
    one->frame = frame;
    one->code = NULL;
    one->next = *bucket;
    *bucket = one;
    return one;
}

static bool
set_back(struct activation *one, const PyCodeObject *code, size_t count)
{
    if (one->capacity < count) {
        uint64_t *seen = realloc(one->seen, count * sizeof(*seen));
        if (seen == NULL)
            return false;
        one->seen = seen;
        one->capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        one->seen[i] = UNBOUND;
    one->code = code;
    one->recording = logs_recording;
    return true;
}

static size_t
variable_count(const PyCodeObject *code)
{
    bool has_names = (code->co_flags & CO_OPTIMIZED) == 0;

    return (size_t)code->co_nlocalsplus +
           (has_names ? (size_t)PyTuple_GET_SIZE(code->co_names) : 0);
}

/* The frame's; NULL: there is no room for more. `is_new`: it starts now. */
static struct activation *
activation_of(const struct pc_frame *frame, const PyCodeObject *code, bool is_new)
{
    pthread_mutex_lock(&lock);
    struct activation *one = find((uintptr_t)frame);
    pthread_mutex_unlock(&lock);
    if (one != NULL &&
        (is_new || one->code != code || one->recording != logs_recording) &&
        !set_back(one, code, variable_count(code)))
        return NULL;
    return one;
}

static void
forget(const struct pc_frame *frame)
{
    pthread_mutex_lock(&lock);
    struct activation **place = bucket_of((uintptr_t)frame);
    while (*place != NULL && (*place)->frame != (uintptr_t)frame)
        place = &(*place)->next;
    if (*place != NULL) {
        struct activation *one = *place;
        *place = one->next;
        one->next = spare;
        spare = one;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- variables ---- */

/* Names that the compiler made. */
static bool
is_compilers(PyObject *name, bool is_of_module)
{
    Py_ssize_t size = PyUnicode_GET_LENGTH(name);

    if (size == 0 || PyUnicode_READ_CHAR(name, 0) == '.')
        return true;
    if (!is_of_module)
        return PyUnicode_CompareWithASCIIString(name, "__class__") == 0;
    return size > 4 && PyUnicode_READ_CHAR(name, 0) == '_' &&
           PyUnicode_READ_CHAR(name, 1) == '_' &&
           PyUnicode_READ_CHAR(name, size - 1) == '_';
}

/* Name, borrowed, and value, new or NULL, of a variable; false: it is none to show. The
 * names of modules and classes come behind those that have a place in the frame. */
static bool
variable_at(const struct pc_frame *frame, const PyCodeObject *code, size_t index,
            PyObject **name, PyObject **value)
{
    size_t places = (size_t)code->co_nlocalsplus;

    *value = NULL;
    if (index < places) {
        *name = PyTuple_GET_ITEM(code->co_localsplusnames, (Py_ssize_t)index);
        if (is_compilers(*name, false))
            return false;
        *value = pc_frame_variable_at(frame, code, (int)index);
        return true;
    }
    PyObject *names = frame->locals;
    *name = PyTuple_GET_ITEM(code->co_names, (Py_ssize_t)(index - places));
    if (names == NULL || !PyDict_CheckExact(names) || is_compilers(*name, true))
        return false;
    if (pc_get_item_ref(names, *name, value) < 0)
        PyErr_Clear();
    return true;
}

static void
put_changed(struct values *body, struct activation *one, const struct pc_frame *frame,
            const PyCodeObject *code)
{
    size_t count = variable_count(code);

    for (size_t i = 0; i < count && body->count < VALUES_COUNT_MAX; i++) {
        PyObject *name, *value;
        if (!variable_at(frame, code, i, &name, &value))
            continue;
        struct values_name known = values_name(name);
        uint64_t number = values_number(known, value);
        if (number != one->seen[i]) {
            one->seen[i] = number;
            if (value == NULL)
                values_put_tag(body, known, MAREY_VALUE_UNBOUND);
            else
                values_put_named(body, known, value);
        }
        Py_XDECREF(value);
    }
}

/* Without a name, so that it is none of the variables. */
static void
put_line(struct values *body, int line)
{
    PyObject *number = PyLong_FromLong(line);

    values_put_named(body, (struct values_name){0, false}, number);
    Py_XDECREF(number);
}

/* ---- what happens ---- */

static void
lines_log(const struct marey_function *function, const struct pc_frame *frame,
          PyCodeObject *code, int line)
{
    struct marey_lane *lane =
        function == NULL || function->is_skipped ? NULL : logs_lane();
    struct values body;

    if (lane == NULL)
        return;
    struct pc_exception saved = pc_exception_take();
    struct activation *one =
        pc_has_frame_slots() ? activation_of(frame, code, false) : NULL;
    values_begin(&body);
    if (line > 0)
        put_line(&body, line);
    if (one != NULL)
        put_changed(&body, one, frame, code);
    if (body.count > 0)
        marey_log(lane, values_name(code->co_qualname).id, MAREY_LOG_LINE,
                  values_finish(&body, lane));
    PyErr_Clear();
    pc_exception_give(saved);
}

void
lines_begin(const struct marey_function *function, const struct pc_frame *frame,
            PyCodeObject *code, int line)
{
    if ((function->logs & LOGS_COMMENTS) != 0)
        comments_line(function, frame, code, line);
    if ((function->logs & LOGS_LINES) != 0)
        lines_log(function, frame, code, line);
}

void
lines_start(const struct marey_function *function, const struct pc_frame *frame,
            PyCodeObject *code)
{
    if ((function->logs & LOGS_LINES) != 0)
        activation_of(frame, code, true);
}

void
lines_end(const struct marey_function *function, const struct pc_frame *frame,
          PyCodeObject *code)
{
    if ((function->logs & LOGS_LINES) == 0)
        return;
    lines_log(function, frame, code, 0);
    forget(frame);
}

#if MAREY_HAS_MONITORING

PyObject *
lines_on_line(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    PyCodeObject *code = (PyCodeObject *)args[0];
    const struct marey_function *function = codes_known(code);

    (void)self, (void)nargs, (void)names;
    if (function == NULL || (function->logs & LOGS_BY_LINE) == 0)
        return tracer.disable;
    lines_begin(function, (void *)pc_current_frame(pc_thread_state()), code,
                (int)PyLong_AsLong(args[1]));
    return PC_NONE;
}

#endif
