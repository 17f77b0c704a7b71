/* marey.watch(): one variable or attribute, logged each time it changes.
 *
 * What is watched lives in one place: an attribute in an object, a variable of a module
 * or class in its dict, one that functions share in a cell, any other in a frame. A
 * store is a watched one if its name and that place are: both are compared by address.
 *
 * Stores are seen where those of --log var are (assign.c). Names that were ever watched
 * in a recording stay known, so that a watch in a loop plans nothing anew; where nobody
 * watches a name any more its stores are switched off after a while.
 *
 * A watch holds its object, dict or cell, so that the address keeps its meaning; not
 * its frame: there the call's end ends the watch. */
#include "logs/logs.h"
#include "values/objects.h"

#include <structmember.h>

#define NAMES_MAX 256
#define MISSES_MAX 1000 /* stores that nobody wanted, before they are switched off */
#define PATH_MAX_SIZE 200

struct follow {
    PyObject_HEAD
    struct follow *next; /* the list holds a reference */
    PyObject *path;      /* owned; "self.state" */
    PyObject *name;      /* owned, interned: its last part */
    PyObject *when;      /* owned, or NULL */
    PyObject *owner;     /* owned: the object, dict or cell; NULL: a frame */
    uintptr_t place;     /* address of that, or of the frame */
    enum follow_kind kind;
    struct values_name shown; /* the path in the trace */
    uint64_t seen;            /* number of the value it had last */
    bool is_on;
    bool has_failed; /* `when` raised, and it was said */
};

/* Names that were watched in this recording, and how. */
static struct followed {
    PyObject *name; /* owned, interned */
    enum follow_kind kind;
    const PyCodeObject *code; /* of a variable in a frame; compared, not followed */
    unsigned misses;
    bool is_off; /* some stores were switched off */
} names[NAMES_MAX];
static unsigned name_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct follow *watches;
static PyTypeObject *follow_type; /* owned */
static PyObject *idle;            /* owned: the watch of nothing */

bool follow_any;

/* ---- which stores ---- */

static struct followed *
find_name(enum follow_kind kind, const PyCodeObject *code, const PyObject *name)
{
    for (unsigned i = 0; i < name_count; i++)
        if (names[i].name == name && names[i].kind == kind &&
            (kind != FOLLOW_FRAME || names[i].code == code))
            return &names[i];
    return NULL;
}

bool
follow_wants(enum follow_kind kind, const PyCodeObject *code, const PyObject *name)
{
    return find_name(kind, code, name) != NULL;
}

bool
follow_wants_end(const PyCodeObject *code)
{
    for (unsigned i = 0; i < name_count; i++)
        if (names[i].kind == FOLLOW_FRAME && names[i].code == code)
            return true;
    return false;
}

static bool
has_name(const PyObject *tuple, const PyObject *name)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        if (PyTuple_GET_ITEM(tuple, i) == name)
            return true;
    return false;
}

/* Whether the code may store under that name. */
static bool
may_store(const PyCodeObject *code, const struct followed *followed)
{
    switch (followed->kind) {
    case FOLLOW_FRAME: return followed->code == code;
    case FOLLOW_CELL: return has_name(code->co_localsplusnames, followed->name);
    default: return has_name(code->co_names, followed->name);
    }
}

bool
follow_wants_any(const PyCodeObject *code)
{
    for (unsigned i = 0; i < name_count; i++)
        if (may_store(code, &names[i]))
            return true;
    return false;
}

/* ---- what is stored ---- */

/* Says once that `when` raised. A ^C that came meanwhile is the program's. */
static void
log_failure(struct follow *watch, struct marey_lane *lane)
{
    PyObject *raised = pc_exception_value();
    struct values body;

    if (raised != NULL && PyErr_GivenExceptionMatches(raised, PyExc_KeyboardInterrupt))
        PyErr_SetInterrupt();
    if (!watch->has_failed) {
        watch->has_failed = true;
        values_begin(&body);
        values_put_tag(&body, (struct values_name){0, false}, MAREY_VALUE_ERROR);
        values_put_named(&body, logs_name("when"), raised);
        marey_log(lane, watch->shown.id, MAREY_LOG_VALUE, values_finish(&body, lane));
    }
    Py_XDECREF(raised);
}

/* Runs code of the program, since it asked for it; the interpreter tells us nothing of
 * that while it is in a callback of ours. */
static bool
is_wanted(struct follow *watch, struct marey_lane *lane, PyObject *value)
{
    if (watch->when == NULL || value == NULL)
        return true;
    PyObject *answer = PyObject_CallOneArg(watch->when, value);
    int is_true = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    if (is_true < 0)
        log_failure(watch, lane);
    return is_true > 0;
}

/* The value changed, or is what the watch begins with. `owner` is what the watch held:
 * `when` may stop it. */
static void
log_change(struct follow *watch, PyObject *owner, struct marey_lane *lane,
           PyObject *value, bool is_known, uint32_t line)
{
    struct values_name plain = {0, watch->shown.is_secret};
    uint64_t number = is_known ? values_number(plain, value) : 0;
    struct values body;

    if (is_known && number == watch->seen && number != 0)
        return;
    watch->seen = number;
    Py_XINCREF(value);
    if (is_wanted(watch, lane, value)) {
        values_begin(&body);
        if (is_known)
            values_put_named(&body, plain, value);
        else
            values_put_tag(&body, plain, MAREY_VALUE_NOT_RECORDED);
        if (watch->kind == FOLLOW_ATTRIBUTE)
            logs_put_type(&body, "of", Py_TYPE(owner));
        logs_put_int(&body, "line", line);
        marey_log(lane, watch->shown.id,
                  watch->kind == FOLLOW_ATTRIBUTE ? MAREY_LOG_ATTRIBUTE
                                                  : MAREY_LOG_VALUE,
                  values_finish(&body, lane));
    }
    Py_XDECREF(value);
}

#define AT_ONCE_MAX 8 /* watches of one place */

bool
follow_stored(struct marey_lane *lane, const struct follow_store *store,
              PyObject *value, bool is_known)
{
    struct follow *found[AT_ONCE_MAX];
    PyObject *owners[AT_ONCE_MAX];
    unsigned count = 0;
    bool is_watched = false;

    pthread_mutex_lock(&lock);
    for (struct follow *one = watches; one != NULL; one = one->next) {
        if (one->name != store->name || one->kind != store->kind)
            continue;
        is_watched = true;
        if (one->place == store->place && count < AT_ONCE_MAX) {
            owners[count] = Py_XNewRef(one->owner);
            found[count++] = (struct follow *)Py_NewRef(one);
        }
    }
    struct followed *followed = find_name(store->kind, store->code, store->name);
    if (followed != NULL)
        followed->misses = is_watched ? 0 : followed->misses + 1;
    bool is_over = followed == NULL || followed->misses > MISSES_MAX;
    if (followed != NULL)
        followed->is_off |= is_over;
    pthread_mutex_unlock(&lock);
    if (count > 0) {
        struct pc_exception saved = pc_exception_take();
        for (unsigned i = 0; i < count; i++) {
            if (found[i]->is_on)
                log_change(found[i], owners[i], lane, value, is_known, store->line);
            Py_XDECREF(owners[i]);
            Py_DECREF(found[i]);
        }
        PyErr_Clear();
        pc_exception_give(saved);
    }
    return !is_over;
}

/* ---- ends ---- */

/* Takes the watch out of the list, and from it what it holds. */
static void
end_watch(struct follow *watch)
{
    struct follow **place = &watches;
    PyObject *owner;
    bool was_on;

    pthread_mutex_lock(&lock);
    while (*place != NULL && *place != watch)
        place = &(*place)->next;
    was_on = *place != NULL;
    if (was_on)
        *place = watch->next;
    watch->is_on = false;
    owner = watch->owner;
    watch->owner = NULL;
    pthread_mutex_unlock(&lock);
    Py_XDECREF(owner);
    if (was_on)
        Py_DECREF(watch);
}

/* One of the frame, or any at all: new, or NULL. */
static struct follow *
some_watch(uintptr_t frame, bool is_any)
{
    struct follow *one;

    pthread_mutex_lock(&lock);
    for (one = watches; one != NULL; one = one->next)
        if (is_any || (one->kind == FOLLOW_FRAME && one->place == frame))
            break;
    Py_XINCREF(one);
    pthread_mutex_unlock(&lock);
    return one;
}

static void
end_all(uintptr_t frame, bool is_any)
{
    struct pc_exception saved = pc_exception_take();
    struct follow *one;

    while ((one = some_watch(frame, is_any)) != NULL) {
        end_watch(one);
        Py_DECREF(one);
    }
    pc_exception_give(saved);
}

void
follow_frame_ends(uintptr_t frame)
{
    if (watches != NULL)
        end_all(frame, false);
}

void
follow_end(void)
{
    end_all(0, true);
    follow_any = false;
    name_count = 0; /* the names themselves are left to plans that compare them */
}

/* ---- where it is ---- */

static PyObject *
item_of(PyObject *dict, PyObject *name)
{
    PyObject *value = NULL;

    if (dict == NULL || !PyDict_CheckExact(dict) ||
        pc_get_item_ref(dict, name, &value) < 0)
        PyErr_Clear();
    return value;
}

/* Where the calling frame has this variable, and its value: new, or NULL. */
static PyObject *
find_variable(struct follow *watch, PyObject *name)
{
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());
    const PyCodeObject *code = pc_frame_code(frame);
    PyObject *locals = code->co_localsplusnames;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(locals); i++) {
        if (PyTuple_GET_ITEM(locals, i) != name)
            continue;
        PyObject *slot = pc_frame_slot(frame, (int)i);
        if (slot != NULL && PyCell_Check(slot)) {
            watch->kind = FOLLOW_CELL;
            watch->owner = Py_NewRef(slot);
        } else {
            watch->kind = FOLLOW_FRAME;
            watch->place = (uintptr_t)frame;
        }
        return pc_frame_variable_at(frame, code, (int)i);
    }
    bool is_local = (code->co_flags & CO_OPTIMIZED) == 0 && frame->locals != NULL &&
                    frame->locals != frame->globals;
    watch->kind = FOLLOW_DICT;
    if (is_local && has_name(code->co_names, name)) {
        PyObject *value = item_of(frame->locals, name);
        if (value != NULL || item_of(frame->globals, name) == NULL) {
            watch->owner = Py_NewRef(frame->locals);
            return value;
        }
    }
    watch->owner = Py_NewRef(frame->globals);
    return item_of(frame->globals, name);
}

static PyObject *
part_of(PyObject *path, Py_ssize_t from, Py_ssize_t to)
{
    PyObject *part = PyUnicode_Substring(path, from, to);

    if (part != NULL)
        PyUnicode_InternInPlace(&part);
    return part;
}

/* Finds out what the path means here. *value is new, or NULL: it has none yet. False:
 * an object on the way is not there. */
static bool
resolve(struct follow *watch, PyObject **value)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(watch->path), from = 0;

    *value = NULL;
    for (int depth = 0; from <= length; depth++) {
        Py_ssize_t to = PyUnicode_FindChar(watch->path, '.', from, length, 1);
        to = to < 0 ? length : to;
        Py_XSETREF(watch->name, part_of(watch->path, from, to));
        if (watch->name == NULL)
            return false;
        if (depth == 0) {
            *value = find_variable(watch, watch->name);
        } else if (*value == NULL) {
            return false;
        } else {
            watch->kind = FOLLOW_ATTRIBUTE;
            Py_XSETREF(watch->owner, *value);
            *value = objects_attribute_of(watch->owner, watch->name);
        }
        from = to + 1;
    }
    if (watch->owner != NULL)
        watch->place = (uintptr_t)watch->owner;
    return true;
}

/* ---- beginning ---- */

static void
look_again(struct marey_function *function, void *context)
{
    PyCodeObject *code = codes_code(function);

    if (code != NULL && may_store(code, context)) {
        Py_INCREF(code);
        logs_look(function, code);
        Py_DECREF(code);
    }
}

/* Has all code that may store under the name watched. False: too many names. */
static bool
follow_name(const struct follow *watch, PyCodeObject *code)
{
    struct followed *followed = find_name(watch->kind, code, watch->name);
    bool was_off = followed != NULL && followed->is_off;

    if (followed == NULL) {
        if (name_count == NAMES_MAX)
            return false;
        pthread_mutex_lock(&lock);
        followed = &names[name_count];
        *followed = (struct followed){
            .name = Py_NewRef(watch->name), .kind = watch->kind, .code = code};
        name_count++;
        pthread_mutex_unlock(&lock);
        follow_any = true;
        codes_get(code);
        marey_each_function(look_again, followed);
        was_off = true; /* other stores may have been, in the same code */
    }
    followed->misses = 0;
    followed->is_off = false;
    if (was_off)
        hooks_refilter();
    return true;
}

static bool
is_path(PyObject *text)
{
    Py_ssize_t size;
    const char *at = PyUnicode_AsUTF8AndSize(text, &size);
    bool is_start = true;

    if (at == NULL || size == 0 || size > PATH_MAX_SIZE)
        return false;
    for (const char *end = at + size; at < end; at++) {
        bool is_letter = *at == '_' || (*at & 0x80) != 0 ||
                         (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        bool is_digit = *at >= '0' && *at <= '9';
        if (*at == '.' ? is_start : !is_letter && (is_start || !is_digit))
            return false;
        is_start = *at == '.';
    }
    return !is_start;
}

static void
begin_watch(struct follow *watch, struct marey_lane *lane)
{
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());
    PyCodeObject *code = pc_frame_code(frame);
    struct values_name none = {0, false};
    PyObject *value = NULL;
    struct values body;

    if (code == NULL || !pc_has_frame_slots() || !resolve(watch, &value) ||
        !follow_name(watch, code)) {
        PyErr_Clear();
        values_begin(&body);
        values_put_tag(&body, none, MAREY_VALUE_ERROR);
        marey_log(lane, watch->shown.id, MAREY_LOG_VALUE, values_finish(&body, lane));
        Py_XDECREF(value);
        return;
    }
    watch->shown.is_secret |= values_name(watch->name).is_secret;
    watch->is_on = true;
    pthread_mutex_lock(&lock);
    watch->next = watches;
    watches = (struct follow *)Py_NewRef(watch);
    pthread_mutex_unlock(&lock);
    if (value != NULL) { /* what it is now is where its history begins */
        int line = PyFrame_GetLineNumber(PyEval_GetFrame());
        PyObject *owner = Py_XNewRef(watch->owner);
        log_change(watch, owner, lane, value, true, (uint32_t)line);
        Py_XDECREF(owner);
    }
    Py_XDECREF(value);
}

static PyObject *
make_watch(PyObject *path, PyObject *when)
{
    struct marey_lane *lane = logs_lane();
    struct follow *watch =
        lane == NULL ? NULL : PyObject_GC_New(struct follow, follow_type);

    if (lane == NULL)
        return Py_NewRef(idle);
    if (watch == NULL)
        return NULL;
    memset((char *)watch + sizeof(PyObject), 0, sizeof(*watch) - sizeof(PyObject));
    watch->path = Py_NewRef(path);
    watch->when = when == Py_None ? NULL : Py_NewRef(when);
    watch->shown = values_name(path);
    PyObject_GC_Track((PyObject *)watch);
    begin_watch(watch, lane);
    return (PyObject *)watch;
}

/* watch(path, /, when=None) */
static PyObject *
watch(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *keywords)
{
    Py_ssize_t count = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    PyObject *when = nargs + count > 1 ? args[1] : Py_None;

    (void)module;
    if (nargs < 1 || nargs + count > 2 || !PyUnicode_Check(args[0]) ||
        (count == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0),
                                                        "when") != 0) ||
        (when != Py_None && !PyCallable_Check(when))) {
        PyErr_SetString(PyExc_TypeError,
                        "watch() takes the name of a variable or attribute, and "
                        "when=, a function of its value");
        return NULL;
    }
    if (!is_path(args[0])) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError,
                     "watch(): %R is no name such as 'total' or 'self.state'", args[0]);
        return NULL;
    }
    return make_watch(args[0], when);
}

/* ---- the type ---- */

static PyObject *
follow_stop(PyObject *self, PyObject *Py_UNUSED(unused))
{
    end_watch((struct follow *)self);
    Py_RETURN_NONE;
}

static PyObject *
follow_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(self);
}

static PyObject *
follow_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args, (void)nargs;
    return follow_stop(self, NULL);
}

static int
follow_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct follow *watch = (struct follow *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(watch->owner);
    Py_VISIT(watch->when);
    return 0;
}

static int
follow_clear(PyObject *self)
{
    struct follow *watch = (struct follow *)self;

    Py_CLEAR(watch->owner);
    Py_CLEAR(watch->when);
    return 0;
}

static void
follow_dealloc(PyObject *self)
{
    struct follow *watch = (struct follow *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    follow_clear(self);
    Py_XDECREF(watch->path);
    Py_XDECREF(watch->name);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef follow_methods[] = {
    {"stop", follow_stop, METH_NOARGS, "Ends it. May be called again."},
    {"__enter__", follow_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))follow_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef follow_members[] = {
    {"name", T_OBJECT, offsetof(struct follow, path), READONLY, "what is watched"},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot follow_slots[] = {
    {Py_tp_doc, "A variable or attribute whose changes are logged, until stop() or the "
                "end of the `with` block."},
    {Py_tp_dealloc, follow_dealloc},
    {Py_tp_traverse, follow_traverse},
    {Py_tp_clear, follow_clear},
    {Py_tp_methods, follow_methods},
    {Py_tp_members, follow_members},
    {0, NULL},
};
static PyType_Spec follow_spec = {
    .name = "marey._core.Watch",
    .basicsize = sizeof(struct follow),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = follow_slots,
};

static PyMethodDef functions[] = {
    {"watch", (PyCFunction)(void (*)(void))watch, METH_FASTCALL | METH_KEYWORDS,
     "watch(name, /, when=None)\n--\n\nLogs a variable of the calling function, or an "
     "attribute such as 'self.state', each time it changes; `when` tells whether a new "
     "value is wanted."},
    {NULL, NULL, 0, NULL},
};

int
follow_add(PyObject *module)
{
    if (follow_type == NULL)
        follow_type = (PyTypeObject *)PyType_FromSpec(&follow_spec);
    if (follow_type != NULL && idle == NULL) {
        struct follow *none = PyObject_GC_New(struct follow, follow_type);
        if (none != NULL)
            memset((char *)none + sizeof(PyObject), 0,
                   sizeof(*none) - sizeof(PyObject));
        idle = (PyObject *)none;
    }
    if (idle == NULL ||
        PyModule_AddObjectRef(module, "Watch", (PyObject *)follow_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
