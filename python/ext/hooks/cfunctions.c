/* C functions and methods to functions, keyed by their PyMethodDef.
 *
 * The method definition is the one thing that a C function has of its own: bound method
 * objects come and go, definitions are static data of their module. Where they are not
 * (bindings that allocate them), something that keeps the definition alive is held, so
 * that a key never means two functions. Open addressing, read without a lock: entries
 * are published by one store, tables only ever replaced by larger ones.
 *
 * Most calls find theirs sooner, by where they are made from: see callers.c.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tracer.h"

/* Where there is none yet: one free entry. */
static struct {
    struct cfunctions_table table;
    struct cfunctions_entry entry;
} empty;
struct cfunctions_table *_Atomic cfunctions_table = &empty.table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what writes them */

struct c_names {
    char *module, *name; /* owned */
    PyObject *keeper;    /* owned: keeps the definition alive; may be NULL */
};

static void
insert(struct cfunctions_table *table, const PyMethodDef *key,
       struct marey_function *function)
{
    uint32_t at = cfunctions_hash(key);

    while (atomic_load(&table->entries[at & table->mask].key) != NULL)
        at++;
    struct cfunctions_entry *entry = &table->entries[at & table->mask];
    entry->function = function;
    atomic_store_explicit(&entry->key, key, memory_order_release);
    table->count++;
}

/* A table with room for twice as many functions, holding those of `old`. The old one is
 * never freed: a reader may be in it, and all old ones together are no larger than the
 * new one. NULL: out of memory. */
static struct cfunctions_table *
larger(const struct cfunctions_table *old)
{
    uint32_t capacity = 1024;

    while (capacity < (old->count + 1) * 8)
        capacity *= 2;
    struct cfunctions_table *table =
        calloc(1, sizeof(*table) + capacity * sizeof(struct cfunctions_entry));
    if (table == NULL)
        return NULL;
    table->mask = capacity - 1;
    for (uint32_t i = 0; i <= old->mask; i++) {
        const PyMethodDef *key = atomic_load(&old->entries[i].key);
        if (key != NULL)
            insert(table, key, old->entries[i].function);
    }
    return table;
}

static bool
has_room(const struct cfunctions_table *table)
{
    return (table->count + 1) * 4 <= table->mask + 1;
}

/* Puts a new function where it belongs. The lock is held. */
static bool
put(const PyMethodDef *key, struct marey_function *function)
{
    struct cfunctions_table *all = atomic_load(&cfunctions_table);

    if (!has_room(all)) {
        all = larger(all);
        if (all == NULL)
            return false;
        atomic_store_explicit(&cfunctions_table, all, memory_order_release);
    }
    insert(all, key, function);
    return true;
}

/* ---- calls ---- */

/* A function of a module or a type's method; bound methods come and go. */
static bool
lasts(PyObject *callable)
{
    if (Py_TYPE(callable) == &PyMethodDescr_Type)
        return true;
    if (Py_TYPE(callable) != &PyCFunction_Type)
        return false;
    PyObject *self = ((PyCFunctionObject *)callable)->m_self;
    return self == NULL || PyModule_Check(self);
}

const struct marey_function *
cfunctions_made(const struct pc_frame *frame, PyObject *callable,
                struct marey_function *function, bool is_quick)
{
    if (!lasts(callable))
        return callers_made(frame, cfunctions_key(callable), NULL, function, is_quick);
    return callers_made(frame, callable, callable, function, is_quick);
}

void
cfunctions_has_skipped(void)
{
    if (tracer.has_skipped)
        return;
    tracer.has_skipped = true;
    callers_clear();
}

/* ---- names ---- */

/* The type that defines the method: the first in the order of resolution whose own
 * methods hold the definition. */
static PyTypeObject *
definer(PyTypeObject *type, const PyMethodDef *key)
{
    PyObject *order = type->tp_mro;

    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        const PyMethodDef *method =
            PyType_Check((PyObject *)base) ? base->tp_methods : NULL;
        for (; method != NULL && method->ml_name != NULL; method++)
            if (method == key)
                return base;
    }
    return type;
}

void
cfunctions_split_type_name(PyTypeObject *type, char *module, char *name,
                           size_t capacity)
{
    const char *dot = strrchr(type->tp_name, '.');
    PyObject *text = NULL;

    snprintf(name, capacity, "%s", dot == NULL ? type->tp_name : dot + 1);
    snprintf(module, capacity, "%.*s", dot == NULL ? 8 : (int)(dot - type->tp_name),
             dot == NULL ? "builtins" : type->tp_name);
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
        return;
    PyObject *qualname = ((PyHeapTypeObject *)type)->ht_qualname;
    text = qualname == NULL ? NULL : codes_utf8(qualname);
    if (text != NULL)
        snprintf(name, capacity, "%s", PyBytes_AS_STRING(text));
    Py_XDECREF(text);
    if (dot != NULL || type->tp_dict == NULL)
        return;
    PyObject *value = PyDict_GetItemString(type->tp_dict, "__module__");
    text = value != NULL && PyUnicode_Check(value) ? codes_utf8(value) : NULL;
    if (text != NULL)
        snprintf(module, capacity, "%s", PyBytes_AS_STRING(text));
    Py_XDECREF(text);
}

/* Fills in the names of `callable`; returns what keeps its definition alive (new). */
static PyObject *
name_of(PyObject *callable, const PyMethodDef *key, char module[256], char name[512])
{
    char type_name[256];
    const char *own_name;
    PyTypeObject *type = NULL;

    if (PyCFunction_Check(callable)) {
        PyCFunctionObject *function = (PyCFunctionObject *)callable;
        PyObject *self = function->m_self;
        own_name = function->m_ml->ml_name;
        if (self == NULL || PyModule_Check(self)) {
            PyObject *text =
                function->m_module != NULL && PyUnicode_Check(function->m_module)
                    ? codes_utf8(function->m_module)
                    : NULL;
            snprintf(module, 256, "%s", text == NULL ? "" : PyBytes_AS_STRING(text));
            snprintf(name, 512, "%s", own_name);
            Py_XDECREF(text);
            return Py_NewRef(callable);
        }
        type = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
        if (((uintptr_t)key & 1) == 0)
            type = definer(type, key);
    } else {
        own_name = key->ml_name;
        type = PyDescr_TYPE(callable);
    }
    cfunctions_split_type_name(type, module, type_name, sizeof(type_name));
    snprintf(name, 512, "%s.%s", type_name, own_name);
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 ? Py_NewRef((PyObject *)type)
                                                       : NULL;
}

const char *
cfunctions_name(const struct marey_function *function)
{
    const struct c_names *names = function->owner;

    return names->name;
}

static bool
is_filtered(const struct c_names *names)
{
    return strcmp(names->module, "marey._core") == 0 ||
           codes_is_excluded(names->module, names->name, "", true);
}

static struct marey_function *
define(PyObject *callable, const PyMethodDef *key)
{
    char module[256] = "", name[512] = "";
    struct c_names *names = calloc(1, sizeof(*names));
    struct marey_function *function = NULL;

    if (names == NULL)
        return NULL;
    names->keeper = name_of(callable, key, module, name);
    names->module = strdup(module);
    names->name = strdup(name);
    if (names->module == NULL || names->name == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    function = cfunctions_find(key); /* another thread may have been quicker */
    if (function == NULL)
        function = marey_define_function(name, strlen(name),
                                         marey_define_string(module, strlen(module)), 0,
                                         0, MAREY_FUNCTION_C);
    if (function != NULL && function->owner == NULL) {
        function->owner = names;
        function->is_skipped = is_filtered(names);
        function->keep_rules = watch_rules_of(module, name, "", MAREY_FUNCTION_C);
        put(key, function);
    }
    pthread_mutex_unlock(&lock);
    return function;
}

static struct marey_function *
first_sight(PyObject *callable, const PyMethodDef *key)
{
    struct pc_exception saved = pc_exception_take();
    struct marey_function *function = define(callable, key);

    PyErr_Clear();
    pc_exception_give(saved);
    return function;
}

struct marey_function *
cfunctions_get(PyObject *callable)
{
    const PyMethodDef *key = cfunctions_key(callable);

    if (key == NULL)
        return NULL;
    struct marey_function *function = cfunctions_find(key);
    return MAREY_LIKELY(function != NULL) ? function : first_sight(callable, key);
}

static void
refilter(struct marey_function *function, void *context)
{
    const struct c_names *names = function->owner;

    (void)context;
    if (names == NULL || (function->flags & MAREY_FUNCTION_C) == 0)
        return;
    function->is_skipped = is_filtered(names) || function->is_left_out;
    function->keep_rules =
        watch_rules_of(names->module, names->name, "", MAREY_FUNCTION_C);
}

void
cfunctions_refilter(void)
{
    marey_each_function(refilter, NULL);
    callers_clear();
}

uint32_t
cfunctions_type_name(PyTypeObject *type)
{
    struct pc_exception saved = pc_exception_take();
    char module[256], name[256], whole[520];

    cfunctions_split_type_name(type, module, name, sizeof(name));
    if (strcmp(module, "builtins") == 0)
        snprintf(whole, sizeof(whole), "%s", name);
    else
        snprintf(whole, sizeof(whole), "%s.%s", module, name);
    uint32_t id = marey_define_string(whole, strlen(whole));
    PyErr_Clear();
    pc_exception_give(saved);
    return id;
}
