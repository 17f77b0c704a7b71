/* Objects of the program, read through fields of C: see objects.h. */
#include "values/objects.h"

#include <stdio.h>

#include <datetime.h>
#include <structmember.h>

#define SCAN_MAX 4096  /* entries of a type's dict */
#define TYPES_MAX 1024 /* types that are remembered; a power of two */

/* ---- types ---- */

bool
objects_is_known(PyTypeObject *type, const char *name)
{
    unsigned long flags = type->tp_flags;

    return ((flags & Py_TPFLAGS_HEAPTYPE) == 0 ||
            (flags & Py_TPFLAGS_IMMUTABLETYPE) != 0) &&
           strcmp(type->tp_name, name) == 0;
}

bool
objects_is_struct(PyTypeObject *type)
{
    return PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS) &&
           type->tp_members != NULL && type->tp_members[0].name != NULL;
}

static PyObject *
scan(PyObject *dict, const char *name)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    for (int i = 0; i < SCAN_MAX && PyDict_Next(dict, &at, &key, &value); i++)
        if (PyUnicode_CheckExact(key) &&
            PyUnicode_CompareWithASCIIString(key, name) == 0)
            return value;
    return NULL;
}

PyObject *
objects_type_item(PyTypeObject *type, const char *name)
{
    PyObject *order = type->tp_mro, *found = NULL;

    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (!PyType_Check((PyObject *)base) || base->tp_dict == NULL ||
            (base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
            continue;
        PC_BEGIN_LOCK(base->tp_dict);
        found = scan(base->tp_dict, name);
        PC_END_LOCK();
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* Whether the class of the class is enum's. */
static bool
is_enum(PyTypeObject *type)
{
    PyObject *order = Py_TYPE(type)->tp_mro;

    if (Py_TYPE(type) == &PyType_Type)
        return false;
    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (strcmp(base->tp_name, "EnumType") == 0 ||
            strcmp(base->tp_name, "EnumMeta") == 0)
            return true;
    }
    return false;
}

static enum objects_kind
kind_of(PyTypeObject *type)
{
    static const struct {
        const char *name;
        enum objects_kind kind;
    } known[] = {
        {"collections.deque", OBJECTS_DEQUE}, {"decimal.Decimal", OBJECTS_DECIMAL},
        {"datetime.date", OBJECTS_DATE},      {"datetime.datetime", OBJECTS_DATE},
        {"datetime.timedelta", OBJECTS_DATE}, {"datetime.time", OBJECTS_DATE},
        {"datetime.timezone", OBJECTS_DATE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (objects_is_known(type, known[i].name))
            return known[i].kind;
    int written = objects_written_kind(type);
    if (written >= 0)
        return (enum objects_kind)(OBJECTS_WRITTEN + written);
    enum objects_kind kind = objects_array_kind(type);
    if (kind != OBJECTS_PLAIN || (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
        return kind;
    if (is_enum(type))
        return OBJECTS_ENUM;
    if (objects_type_item(type, "__dataclass_fields__") != NULL)
        return OBJECTS_DATACLASS;
    PyObject *fields = PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS)
                           ? objects_type_item(type, "_fields")
                           : NULL;
    return fields != NULL && PyTuple_CheckExact(fields) ? OBJECTS_NAMED_TUPLE
                                                        : OBJECTS_PLAIN;
}

/* Types that were seen, by address and version: a type that is changed or freed takes
 * its version with it. An entry is read while others may write: its turn is odd while
 * it is written, and another one after it. */
struct known_type {
    atomic_uint turn;
    _Atomic(uint32_t) version, name;
    _Atomic(PyTypeObject *) type;
    _Atomic(int) kind;
};
static struct known_type known_types[TYPES_MAX];

static uint32_t
version_of(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030C0000
    if ((type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG) == 0)
        return 0;
#endif
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_RELAXED);
}

static void
remember(struct known_type *known, PyTypeObject *type, uint32_t version,
         struct objects_type what)
{
    unsigned turn = atomic_load_explicit(&known->turn, memory_order_relaxed);

    if ((turn & 1) != 0 ||
        !atomic_compare_exchange_strong(&known->turn, &turn, turn + 1))
        return;
    atomic_store(&known->type, type);
    atomic_store(&known->version, version);
    atomic_store(&known->name, what.name);
    atomic_store(&known->kind, (int)what.kind);
    atomic_store(&known->turn, turn + 2);
}

struct objects_type
objects_type(PyTypeObject *type, bool is_named)
{
    uintptr_t address = (uintptr_t)type;
    struct known_type *known =
        &known_types[((address >> 4) ^ (address >> 12)) % TYPES_MAX];
    uint32_t version = version_of(type);
    unsigned turn = atomic_load_explicit(&known->turn, memory_order_acquire);
    struct objects_type what = {
        atomic_load_explicit(&known->name, memory_order_relaxed),
        (enum objects_kind)atomic_load_explicit(&known->kind, memory_order_relaxed)};
    bool is_hit =
        version != 0 && (turn & 1) == 0 &&
        atomic_load_explicit(&known->type, memory_order_relaxed) == type &&
        atomic_load_explicit(&known->version, memory_order_relaxed) == version;

    atomic_thread_fence(memory_order_acquire);
    if (MAREY_LIKELY(is_hit && (what.name != 0 || !is_named) &&
                     atomic_load_explicit(&known->turn, memory_order_relaxed) == turn))
        return what;
    what.kind = kind_of(type);
    what.name = is_named ? cfunctions_type_name(type) : 0;
    if (version != 0)
        remember(known, type, version, what);
    return what;
}

/* ---- names ---- */

/* UTF-8 of a str, cut, terminated. */
static void
copy_text(PyObject *text, char *out, size_t capacity)
{
    struct pc_exception saved = pc_exception_take();
    PyObject *bytes =
        text != NULL && PyUnicode_CheckExact(text) ? codes_utf8(text) : NULL;

    out[0] = '\0';
    if (bytes != NULL)
        snprintf(out, capacity, "%s", PyBytes_AS_STRING(bytes));
    Py_XDECREF(bytes);
    PyErr_Clear();
    pc_exception_give(saved);
}

size_t
objects_type_text(PyTypeObject *type, char *text, size_t capacity)
{
    char module[256] = "", name[256];

    snprintf(name, sizeof(name), "%s", type->tp_name);
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
        PyObject *item =
            type->tp_dict == NULL ? NULL : scan(type->tp_dict, "__module__");
        if (strchr(name, '.') == NULL) {
            copy_text(((PyHeapTypeObject *)type)->ht_qualname, name, sizeof(name));
            copy_text(item, module, sizeof(module));
        }
    }
    bool is_plain = module[0] == '\0' || strcmp(module, "builtins") == 0;
    int size = snprintf(text, capacity, "%s%s%s", is_plain ? "" : module,
                        is_plain ? "" : ".", name);
    return size < 0 ? 0 : (size_t)size < capacity ? (size_t)size : capacity - 1;
}

static void
function_name(PyObject *object, char *name, size_t capacity)
{
    char module[200], own[200];

    copy_text(((PyFunctionObject *)object)->func_qualname, own, sizeof(own));
    copy_text(((PyFunctionObject *)object)->func_module, module, sizeof(module));
    snprintf(name, capacity, "%s%s%s", module, module[0] == '\0' ? "" : ".", own);
}

static void
module_name(PyObject *object, char *name, size_t capacity)
{
    PyObject *dict = PyModule_GetDict(object);
    PyObject *key, *value;
    Py_ssize_t at = 0;

    snprintf(name, capacity, "?");
    PC_BEGIN_LOCK(dict);
    for (int i = 0; i < 16 && PyDict_Next(dict, &at, &key, &value); i++)
        if (PyUnicode_CheckExact(key) &&
            PyUnicode_CompareWithASCIIString(key, "__name__") == 0) {
            copy_text(value, name, capacity);
            break;
        }
    PC_END_LOCK();
}

static const char *
name_of(PyObject *object, char *name, size_t capacity)
{
    if (PyFunction_Check(object)) {
        function_name(object, name, capacity);
        return "function";
    }
    if (PyMethod_Check(object) && PyFunction_Check(PyMethod_GET_FUNCTION(object))) {
        function_name(PyMethod_GET_FUNCTION(object), name, capacity);
        return "method";
    }
    if (Py_IS_TYPE(object, &PyCFunction_Type)) {
        PyObject *self = PyCFunction_GET_SELF(object);
        bool has_self = self != NULL && !PyModule_Check(self);
        size_t size = has_self ? objects_type_text(Py_TYPE(self), name, capacity) : 0;
        snprintf(name + size, capacity - size, "%s%s", has_self ? "." : "",
                 ((PyCFunctionObject *)object)->m_ml->ml_name);
        return "builtin";
    }
    if (PyType_Check(object)) {
        objects_type_text((PyTypeObject *)object, name, capacity);
        return "class";
    }
    if (Py_IS_TYPE(object, &PyModule_Type)) {
        module_name(object, name, capacity);
        return "module";
    }
    if (PyCode_Check(object)) {
        copy_text(((PyCodeObject *)object)->co_qualname, name, capacity);
        return "code";
    }
    if (PyGen_CheckExact(object) || PyCoro_CheckExact(object) ||
        PyAsyncGen_CheckExact(object)) {
        PyCodeObject *code = pc_generator_code(object);
        copy_text(code == NULL ? NULL : code->co_qualname, name, capacity);
        Py_XDECREF(code);
        return PyGen_CheckExact(object)    ? "generator"
               : PyCoro_CheckExact(object) ? "coroutine"
                                           : "async generator";
    }
    return NULL;
}

size_t
objects_named_text(PyObject *object, char *text, size_t capacity)
{
    char name[420];
    const char *kind = name_of(object, name, sizeof(name));

    if (kind == NULL)
        return 0;
    int size = snprintf(text, capacity, "<%s %s>", kind, name);
    return size < 0 ? 0 : (size_t)size < capacity ? (size_t)size : capacity - 1;
}

bool
objects_is_plain_date(PyObject *object)
{
    const char *name = Py_TYPE(object)->tp_name;
    PyObject *zone = NULL;

    (void)PyDateTimeAPI; /* only the layout is used: types are told by their names */
    if (strcmp(name, "datetime.datetime") == 0)
        zone = PyDateTime_DATE_GET_TZINFO(object);
    else if (strcmp(name, "datetime.time") == 0)
        zone = PyDateTime_TIME_GET_TZINFO(object);
    return zone == NULL || zone == Py_None ||
           objects_is_known(Py_TYPE(zone), "datetime.timezone");
}

/* ---- items ---- */

PyObject *
objects_unwrapped(PyObject *object)
{
    bool is_proxy = Py_IS_TYPE(object, &PyDictProxy_Type) &&
                    PyDict_CheckExact(pc_proxy_mapping(object));

    return is_proxy ? pc_proxy_mapping(object) : object;
}

bool
objects_dict_next(PyObject *dict, Py_ssize_t *at, PyObject **key, PyObject **value)
{
    int is_there;

    PC_BEGIN_LOCK(dict);
    is_there = PyDict_Next(dict, at, key, value);
    if (is_there) {
        Py_INCREF(*key);
        Py_INCREF(*value);
    }
    PC_END_LOCK();
    return is_there;
}

bool
objects_set_next(PyObject *set, Py_ssize_t *at, PyObject **key)
{
    const PySetObject *fields = (const PySetObject *)set;
    bool is_there = false;

    PC_BEGIN_LOCK(set);
    while (!is_there && *at <= fields->mask) {
        const setentry *entry = &fields->table[(*at)++];
        if (entry->key == NULL || entry->hash == -1) /* -1: one that was removed */
            continue;
        *key = Py_NewRef(entry->key);
        is_there = true;
    }
    PC_END_LOCK();
    return is_there;
}

PyObject *
objects_item(PyObject *sequence, Py_ssize_t index)
{
    if (PyTuple_Check(sequence))
        return index < PyTuple_GET_SIZE(sequence)
                   ? Py_NewRef(PyTuple_GET_ITEM(sequence, index))
                   : NULL;
    PyObject *item = NULL;
    PC_BEGIN_LOCK(sequence);
    if (index < PyList_GET_SIZE(sequence))
        item = Py_XNewRef(PyList_GET_ITEM(sequence, index));
    PC_END_LOCK();
    return item;
}

/* ---- attributes ---- */

void
objects_walk_begin(struct objects_walk *walk, PyObject *object)
{
    PyObject **values;
    Py_ssize_t count;

    memset(walk, 0, sizeof(*walk));
    walk->object = object;
    PC_BEGIN_LOCK(object);
    PyObject *dict = pc_instance_dict(object, &values, &count);
    if (dict != NULL && PyDict_Check(dict))
        walk->dict = Py_NewRef(dict);
    PC_END_LOCK();
}

/* The next attribute that stands in the instance itself. */
static bool
next_inline(struct objects_walk *walk, struct objects_attribute *out)
{
    PyObject *object = walk->object, **values;
    Py_ssize_t count;
    bool is_there = false;

    PC_BEGIN_LOCK(object);
    pc_instance_dict(object, &values, &count);
    while (!is_there && values != NULL && walk->at < count) {
        Py_ssize_t index = walk->at++;
        PyObject *name = pc_shared_name(Py_TYPE(object), index);
        if (name == NULL)
            break; /* no more are named */
        if (values[index] == NULL)
            continue;
        out->name = Py_NewRef(name);
        out->value = Py_NewRef(values[index]);
        is_there = true;
    }
    PC_END_LOCK();
    return is_there;
}

/* The next slot, of the class itself, then of those it inherits from. */
static bool
next_slot(struct objects_walk *walk, struct objects_attribute *out)
{
    PyObject *order = Py_TYPE(walk->object)->tp_mro, *object = walk->object;

    for (;;) {
        if (walk->member == NULL || walk->member->name == NULL) {
            if (order == NULL || walk->base >= PyTuple_GET_SIZE(order))
                return false;
            walk->member =
                ((PyTypeObject *)PyTuple_GET_ITEM(order, walk->base++))->tp_members;
            continue;
        }
        const PyMemberDef *member = walk->member++;
        if ((member->type != T_OBJECT_EX && member->type != T_OBJECT) ||
            strcmp(member->name, "__dict__") == 0)
            continue;
        PyObject *value;
        PC_BEGIN_LOCK(object);
        value = Py_XNewRef(*(PyObject **)((char *)object + member->offset));
        PC_END_LOCK();
        if (value == NULL)
            continue;
        out->slot = member->name;
        out->value = value;
        return true;
    }
}

bool
objects_walk_next(struct objects_walk *walk, struct objects_attribute *out)
{
    *out = (struct objects_attribute){NULL, NULL, NULL};
    if (!walk->is_in_slots) {
        if (walk->dict != NULL
                ? objects_dict_next(walk->dict, &walk->at, &out->name, &out->value)
                : next_inline(walk, out))
            return true;
        walk->is_in_slots = true;
    }
    return next_slot(walk, out);
}

void
objects_walk_end(struct objects_walk *walk)
{
    Py_CLEAR(walk->dict);
}

void
objects_attribute_release(struct objects_attribute *attribute)
{
    Py_CLEAR(attribute->name);
    Py_CLEAR(attribute->value);
}

PyObject *
objects_attribute_of(PyObject *object, PyObject *name)
{
    struct objects_walk walk;
    struct objects_attribute one;
    PyObject *value = NULL;

    if (PyType_Check(object))
        return Py_XNewRef(
            objects_type_item((PyTypeObject *)object, PyUnicode_AsUTF8(name)));
    objects_walk_begin(&walk, object);
    while (value == NULL && objects_walk_next(&walk, &one)) {
        bool is_it = one.name == NULL
                         ? PyUnicode_CompareWithASCIIString(name, one.slot) == 0
                         : PyUnicode_CheckExact(one.name) &&
                               PyUnicode_Compare(name, one.name) == 0;
        if (is_it)
            value = Py_XNewRef(one.value);
        objects_attribute_release(&one);
    }
    objects_walk_end(&walk);
    return value;
}
