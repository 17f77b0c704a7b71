/* Units of work: which functions are transactions, what is recorded below them, and
 * how those around blocks follow the coroutine they are in.
 *
 * A function that is marked stays the object it is: its code object gets a record of
 * its own whose calls are transactions, so there is no wrapper, and no cost while
 * nothing records. Code that several functions share (what a decorator returns,
 * closures) is copied once for each name, so that only the function that was marked is
 * one.
 *
 * Where only transactions are recorded, the interpreter is asked for events of their
 * code objects alone (hooks_watch), and a block in a coroutine has the coroutine's
 * suspensions watched. For calls below a transaction (`depth=`) the events of all code
 * are switched on while such a transaction runs, which costs some 20 us, and off again
 * after as many events that nobody wanted as cost about the same.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "values/values.h"

#define UNWANTED_MAX 1000 /* events, before those of all code are switched off */

/* ---- marking ---- */

static PyObject *marked; /* owned: address of a code object to (what was said, code) */
static PyObject *copies; /* owned: (address of the original, what was said) to copy */

void
marks_free(struct marks *marks)
{
    if (marks == NULL)
        return;
    Py_XDECREF(marks->parameters);
    Py_XDECREF(marks->names);
    Py_XDECREF(marks->values);
    free(marks);
}

/* All that was said, to compare by; values by identity. New. */
static PyObject *
said(PyObject *module, PyObject *name, const struct marks *marks)
{
    Py_ssize_t count = marks->values == NULL ? 0 : PyTuple_GET_SIZE(marks->values);
    PyObject *addresses = PyTuple_New(count);

    for (Py_ssize_t i = 0; addresses != NULL && i < count; i++) {
        PyObject *address = PyLong_FromVoidPtr(PyTuple_GET_ITEM(marks->values, i));
        if (address == NULL)
            Py_CLEAR(addresses);
        else
            PyTuple_SET_ITEM(addresses, i, address);
    }
    if (addresses == NULL)
        return NULL;
    return Py_BuildValue("OOiOON", module == NULL ? Py_None : module, name,
                         (int)marks->detail,
                         marks->parameters == NULL ? Py_None : marks->parameters,
                         marks->names == NULL ? Py_None : marks->names, addresses);
}

/* What was said of a code object that is marked: new; NULL without exception: it is
 * not. */
static PyObject *
said_of(PyObject *code)
{
    PyObject *address = PyLong_FromVoidPtr(code), *entry = NULL, *result = NULL;

    if (address != NULL && pc_get_item_ref(marked, address, &entry) == 1)
        result = Py_NewRef(PyTuple_GET_ITEM(entry, 0));
    Py_XDECREF(entry);
    Py_XDECREF(address);
    return result;
}

/* The code belongs to one function definition that runs once: no other function has
 * it. */
static bool
is_unshared(const PyCodeObject *code)
{
    PyObject *part = PyUnicode_FromString("<locals>");
    int found = part == NULL ? 1 : PyUnicode_Contains(code->co_qualname, part);

    Py_XDECREF(part);
    return found == 0;
}

/* A copy of the code for what was said, the same each time. Borrowed. */
static PyObject *
copy_for(PyObject *code, PyObject *what)
{
    PyObject *key = Py_BuildValue("NOO", PyLong_FromVoidPtr(code), what, code);
    PyObject *copy = NULL, *found = NULL;

    /* The code itself is in the value, so that its address stays its own. */
    if (key != NULL) {
        PyObject *plain = PyTuple_GetSlice(key, 0, 2);
        Py_SETREF(key, plain);
    }
    if (key == NULL || pc_get_item_ref(copies, key, &found) < 0)
        goto done;
    if (found == NULL) {
        PyObject *replace = PyObject_GetAttrString(code, "replace");
        copy = replace == NULL ? NULL : PyObject_CallNoArgs(replace);
        Py_XDECREF(replace);
        found = copy == NULL ? NULL : PyTuple_Pack(2, copy, code);
        Py_CLEAR(copy);
        if (found == NULL || PyDict_SetItem(copies, key, found) < 0)
            goto done;
    }
    copy = PyTuple_GET_ITEM(found, 0); /* kept by the dictionary */
done:
    Py_XDECREF(found);
    Py_XDECREF(key);
    return copy;
}

static int
mark_code(PyObject *code, PyObject *what, PyObject *module, PyObject *name,
          struct marks *marks)
{
    PyObject *address = PyLong_FromVoidPtr(code);
    PyObject *entry = address == NULL ? NULL : PyTuple_Pack(2, what, code);
    int status = -1;

    if (entry != NULL && codes_mark((PyCodeObject *)code, module, name, marks) != NULL)
        status = PyDict_SetItem(marked, address, entry);
    Py_XDECREF(entry);
    Py_XDECREF(address);
    if (status == 0)
        transactions_watch((PyCodeObject *)code);
    return status;
}

/* Marks the function's code, or a copy of it that then is the function's. */
static int
mark_function(PyFunctionObject *function, PyObject *module, PyObject *name,
              struct marks **marks)
{
    PyObject *what = said(module, name, *marks), *code = function->func_code;
    PyObject *before = what == NULL ? NULL : said_of(code);
    int status = -1;

    if (what == NULL || PyErr_Occurred())
        goto done;
    int is_same = before == NULL ? 0 : PyObject_RichCompareBool(before, what, Py_EQ);
    if (is_same != 0) {
        status = is_same < 0 ? -1 : 0;
        goto done;
    }
    if (before != NULL || !is_unshared((PyCodeObject *)code)) {
        code = copy_for(code, what);
        if (code == NULL ||
            PyObject_SetAttrString((PyObject *)function, "__code__", code) < 0)
            goto done;
        Py_XSETREF(before, said_of(code));
        if (before != NULL) {
            status = 0;
            goto done;
        }
    }
    status = mark_code(code, what, module, name, *marks);
    if (status == 0)
        *marks = NULL; /* they stay with the code */
done:
    Py_XDECREF(before);
    Py_XDECREF(what);
    return status;
}

/* The function behind a static or class method: new; NULL with an exception. */
static PyObject *
function_behind(PyObject *callable)
{
    PyObject *function = Py_NewRef(callable);

    if (Py_IS_TYPE(callable, &PyStaticMethod_Type) ||
        Py_IS_TYPE(callable, &PyClassMethod_Type))
        Py_SETREF(function, PyObject_GetAttrString(callable, "__func__"));
    if (function != NULL && !PyFunction_Check(function)) {
        PyErr_Format(PyExc_TypeError,
                     "marey.transaction marks Python functions, and this is of type "
                     "%.100s: put `with marey.transaction(\"name\"):` around its calls",
                     Py_TYPE(function)->tp_name);
        Py_CLEAR(function);
    }
    return function;
}

int
transactions_mark(PyObject *callable, PyObject *name, struct marks *marks)
{
    PyObject *object = function_behind(callable), *module = NULL, *text = NULL;
    PyFunctionObject *function = (PyFunctionObject *)object;
    int status = -1;

    if (marked == NULL)
        marked = PyDict_New();
    if (copies == NULL)
        copies = PyDict_New();
    if (object == NULL || marked == NULL || copies == NULL || codes_set_up() < 0)
        goto done;
    if (name == NULL && function->func_module != NULL &&
        PyUnicode_Check(function->func_module))
        module = codes_utf8(function->func_module);
    text = codes_utf8(name != NULL ? name : function->func_qualname);
    if (text != NULL && !PyErr_Occurred())
        status = mark_function(function, module, text, &marks);
done:
    marks_free(marks);
    Py_XDECREF(module);
    Py_XDECREF(text);
    Py_XDECREF(object);
    return status;
}

void
transactions_watch(PyCodeObject *code)
{
    if (tracer.is_on && tracer.is_only && !tracer.waits_for_main)
        hooks_watch(code, hooks_call_bits(code));
}

void
transactions_watch_all(void)
{
    PyObject *entry;
    Py_ssize_t at = 0;

    while (marked != NULL && PyDict_Next(marked, &at, NULL, &entry))
        transactions_watch((PyCodeObject *)PyTuple_GET_ITEM(entry, 1));
}

/* ---- calls below a transaction ---- */

static _Atomic int running;  /* parts of transactions that want some, just now */
static _Atomic int unwanted; /* events since the last of them ended */

static void
switch_details(bool is_on)
{
    struct pc_exception saved = pc_exception_take();

    tracer.has_details = is_on;
    atomic_store(&unwanted, 0);
    if (hooks_again() < 0)
        PyErr_Clear();
    pc_exception_give(saved);
}

void
transactions_part_begins(const struct marey_function *function)
{
    if (function->detail == 0 || !tracer.is_only)
        return;
    atomic_fetch_add(&running, 1);
    if (!tracer.has_details)
        switch_details(true);
}

void
transactions_part_ends(const struct marey_function *function)
{
    if (function->detail == 0 || !tracer.is_only)
        return;
    if (atomic_fetch_sub(&running, 1) <= 0)
        atomic_store(&running, 0); /* it had begun before the recording */
    atomic_store(&unwanted, 0);
}

bool
transactions_linger(void)
{
    if (!tracer.has_details)
        return false;
    if (atomic_load_explicit(&running, memory_order_relaxed) > 0 ||
        atomic_fetch_add_explicit(&unwanted, 1, memory_order_relaxed) < UNWANTED_MAX)
        return true;
    switch_details(false);
    return false;
}

bool
transactions_is_inside(const struct marey_lane *lane)
{
    ptrdiff_t below = 0;

    if (!tracer.has_details || lane->stack == NULL || lane->recording == NULL)
        return false;
    for (const struct marey_call *call = lane->top; call > lane->stack; call--) {
        if (marey_call_function(call)->detail > below)
            return true;
        below++;
    }
    return false;
}

/* ---- calls of marked functions ---- */

/* Values of the parameters that were named, as they are at the start. */
static void
put_parameters(struct values *body, PyObject *parameters)
{
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */

    for (Py_ssize_t i = 0; frame != NULL && i < PyTuple_GET_SIZE(parameters); i++) {
        PyObject *name = PyTuple_GET_ITEM(parameters, i);
        PyObject *value = pc_frame_variable(frame, PyUnicode_AsUTF8(name));
        if (value != NULL)
            values_put(body, name, value);
        PyErr_Clear();
        Py_XDECREF(value);
    }
}

void
transactions_enter(struct marey_lane *lane, const struct marey_function *function,
                   const struct marey_function *made, uintptr_t key)
{
    const struct marks *marks = codes_marks(function);
    struct values body;

    transactions_part_begins(function);
    marey_enter_slow(lane, made, key);
    if (marks == NULL)
        return;
    struct pc_exception saved = pc_exception_take();
    lane = marey_lane_attach();
    if (lane != NULL) {
        values_begin(&body);
        for (Py_ssize_t i = 0;
             marks->names != NULL && i < PyTuple_GET_SIZE(marks->names); i++)
            values_put(&body, PyTuple_GET_ITEM(marks->names, i),
                       PyTuple_GET_ITEM(marks->values, i));
        if (marks->parameters != NULL)
            put_parameters(&body, marks->parameters);
        if (body.count > 0)
            marey_values(lane, MAREY_ROLE_ARGUMENTS, values_finish(&body, lane));
    }
    pc_exception_give(saved);
}

/* ---- blocks in coroutines ---- */

#define BUCKETS 4096
#define HANGING_MAX 64 /* blocks on one frame that follow it */
#define FRAMES_UP 4    /* from the block to its coroutine: a helper may be between */

/* What is needed of a block once the lock is given back. */
struct block_view {
    uintptr_t key;
    const struct marey_function *function;
};

static struct block *buckets[BUCKETS];
static pthread_mutex_t buckets_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int hanging;

static struct block **
bucket_of(uintptr_t frame)
{
    return &buckets[((frame >> 4) ^ (frame >> 16)) % BUCKETS];
}

/* The nearest generator or coroutine that runs; NULL: none is near. */
static PyCodeObject *
running_part(uintptr_t *frame)
{
    const struct pc_frame *at = (const void *)pc_current_frame(pc_thread_state());

    for (int i = 0; at != NULL && i < FRAMES_UP; i++, at = at->previous) {
        PyCodeObject *code = pc_frame_code(at);
        if (code == NULL)
            return NULL;
        if ((code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE |
                               CO_ASYNC_GENERATOR)) != 0) {
            *frame = (uintptr_t)at;
            return code;
        }
    }
    return NULL;
}

void
transactions_hang(struct block *block)
{
    uintptr_t frame = 0;
    PyCodeObject *code = running_part(&frame);

    if (code == NULL)
        return;
    struct marey_function *function = codes_get(code);
    if (function == NULL || codes_is_wanted(function))
        return; /* it is on the stack itself, and suspended with what is above it */
    codes_watch(code);
    hooks_watch(code, hooks_part_bits());
    block->frame = frame;
    atomic_store(&block->is_parked, false);
    pthread_mutex_lock(&buckets_lock);
    struct block **bucket = bucket_of(frame);
    block->next = *bucket;
    *bucket = block;
    atomic_fetch_add(&hanging, 1);
    pthread_mutex_unlock(&buckets_lock);
}

void
transactions_unhang(struct block *block)
{
    if (block->frame == 0)
        return;
    pthread_mutex_lock(&buckets_lock);
    struct block **link = bucket_of(block->frame);
    while (*link != NULL && *link != block)
        link = &(*link)->next;
    if (*link != NULL) {
        *link = block->next;
        atomic_fetch_sub(&hanging, 1);
    }
    pthread_mutex_unlock(&buckets_lock);
    block->frame = 0;
}

/* Those on the frame that are parked or are not, innermost first; they then are the
 * opposite. */
static int
turn_hanging(uintptr_t frame, bool was_parked, struct block_view *out)
{
    int count = 0;

    if (atomic_load_explicit(&hanging, memory_order_relaxed) == 0)
        return 0;
    pthread_mutex_lock(&buckets_lock);
    for (struct block *at = *bucket_of(frame); at != NULL; at = at->next) {
        if (at->frame != frame || count >= HANGING_MAX ||
            atomic_load(&at->is_parked) != was_parked)
            continue;
        atomic_store(&at->is_parked, !was_parked);
        out[count++] = (struct block_view){at->key, at->function};
    }
    pthread_mutex_unlock(&buckets_lock);
    return count;
}

void
transactions_park(struct marey_lane *lane, uintptr_t frame)
{
    struct block_view found[HANGING_MAX];
    int count = turn_hanging(frame, false, found);

    for (int i = 0; i < count; i++) {
        marey_yield_slow(lane, found[i].key);
        transactions_part_ends(found[i].function);
    }
}

void
transactions_unpark(struct marey_lane *lane, uintptr_t frame)
{
    struct block_view found[HANGING_MAX];
    int count = turn_hanging(frame, true, found);

    while (count-- > 0) {
        transactions_part_begins(found[count].function);
        marey_resume_slow(lane, found[count].function, found[count].key);
    }
}
