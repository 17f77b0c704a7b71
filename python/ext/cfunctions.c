/* C functions and methods to functions, keyed by their PyMethodDef.
 *
 * The method definition is the one thing that a C function has of its own: bound method
 * objects come and go, definitions are static data of their module. Where they are not
 * (bindings that allocate them), something that keeps the definition alive is held, so
 * that a key never means two functions. Open addressing, read without a lock: entries
 * are published by one store, tables only ever replaced by larger ones.
 */
#include <stdatomic.h>
#include <string.h>

#include "tracer.h"

/* Where there is none yet: one free entry. */
static struct {
    struct cfunctions_table table;
    struct cfunctions_entry entry;
} empty;
struct cfunctions_table *_Atomic cfunctions_table = &empty.table;
struct cfunctions_table *_Atomic cfunctions_unfiltered = &empty.table;

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

static void
choose_table(void)
{
    atomic_store_explicit(&cfunctions_unfiltered,
                          tracer.has_skipped ? &empty.table
                                             : atomic_load(&cfunctions_table),
                          memory_order_release);
}

void
cfunctions_has_skipped(void)
{
    tracer.has_skipped = true;
    choose_table();
}

static bool
has_room(void)
{
    struct cfunctions_table *old = atomic_load(&cfunctions_table);

    uint32_t old_capacity = old->mask + 1;

    if ((old->count + 1) * 4 <= old_capacity)
        return true;
    uint32_t capacity = old_capacity == 1 ? 1024 : old_capacity * 2;
    struct cfunctions_table *table =
        calloc(1, sizeof(*table) + capacity * sizeof(struct cfunctions_entry));
    if (table == NULL)
        return false;
    table->mask = capacity - 1;
    for (uint32_t i = 0; i < old_capacity; i++)
        if (atomic_load(&old->entries[i].key) != NULL)
            insert(table, atomic_load(&old->entries[i].key), old->entries[i].function);
    /* The old one is left as it is: a reader may be in it. Together they are no larger
     * than the new one. */
    atomic_store_explicit(&cfunctions_table, table, memory_order_release);
    choose_table();
    return true;
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

/* Module and name of a type, from its C fields. */
static void
split_type_name(PyTypeObject *type, char *module, char *name, size_t capacity)
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
    PyTypeObject *type = NULL;

    if (PyCFunction_Check(callable)) {
        PyCFunctionObject *function = (PyCFunctionObject *)callable;
        PyObject *self = function->m_self;
        if (self == NULL || PyModule_Check(self)) {
            PyObject *text =
                function->m_module != NULL && PyUnicode_Check(function->m_module)
                    ? codes_utf8(function->m_module)
                    : NULL;
            snprintf(module, 256, "%s", text == NULL ? "" : PyBytes_AS_STRING(text));
            snprintf(name, 512, "%s", key->ml_name);
            Py_XDECREF(text);
            return Py_NewRef(callable);
        }
        type = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
        type = definer(type, key);
    } else {
        type = PyDescr_TYPE(callable);
    }
    split_type_name(type, module, type_name, sizeof(type_name));
    snprintf(name, 512, "%s.%s", type_name, key->ml_name);
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 ? Py_NewRef((PyObject *)type)
                                                       : NULL;
}

static struct marey_function *
first_sight(PyObject *callable, const PyMethodDef *key)
{
    struct pc_exception saved = pc_exception_take();
    char module[256] = "", name[512] = "";
    struct c_names *names = calloc(1, sizeof(*names));
    struct marey_function *function = NULL;

    if (names != NULL && has_room()) {
        names->keeper = name_of(callable, key, module, name);
        names->module = strdup(module);
        names->name = strdup(name);
        function = marey_define_function(name, strlen(name),
                                         marey_define_string(module, strlen(module)), 0,
                                         0, MAREY_FUNCTION_C);
    }
    if (function != NULL) {
        function->is_skipped = strcmp(module, "marey._core") == 0 ||
                               codes_is_excluded(module, name, "", true);
        if (function->is_skipped)
            cfunctions_has_skipped();
        function->owner = names;
        insert(atomic_load(&cfunctions_table), key, function);
    }
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
    if (names != NULL && (function->flags & MAREY_FUNCTION_C) != 0) {
        function->is_skipped = strcmp(names->module, "marey._core") == 0 ||
                               codes_is_excluded(names->module, names->name, "", true);
        tracer.has_skipped |= function->is_skipped;
    }
}

void
cfunctions_refilter(void)
{
    marey_each_function(refilter, NULL);
    choose_table();
}

uint32_t
cfunctions_type_name(PyTypeObject *type)
{
    struct pc_exception saved = pc_exception_take();
    char module[256], name[256], whole[520];

    split_type_name(type, module, name, sizeof(name));
    if (strcmp(module, "builtins") == 0)
        snprintf(whole, sizeof(whole), "%s", name);
    else
        snprintf(whole, sizeof(whole), "%s.%s", module, name);
    uint32_t id = marey_define_string(whole, strlen(whole));
    PyErr_Clear();
    pc_exception_give(saved);
    return id;
}
