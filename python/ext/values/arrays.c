/* Shape and element type of what numpy, pandas and torch define.
 *
 * They are told by the names of their types, of C where that matters; nothing is looked
 * up in a module and nothing is imported. What is asked of an object are the getters of
 * its type of C, called as C functions; those of a class of Python never are.
 */
#include "values/objects.h"

#include <stdio.h>
#include <stdlib.h>

#include <structmember.h>

/* ---- kinds ---- */

static bool
is_from(PyTypeObject *type, const char *package)
{
    PyObject *module =
        type->tp_dict == NULL ? NULL : objects_type_item(type, "__module__");
    size_t size = strlen(package);
    const char *text = module != NULL && PyUnicode_CheckExact(module) &&
                               pc_is_ready(module) && PyUnicode_IS_ASCII(module)
                           ? (const char *)PyUnicode_1BYTE_DATA(module)
                           : "";

    return strncmp(text, package, size) == 0 &&
           (text[size] == '\0' || text[size] == '.');
}

static enum objects_kind
kind_of_class(PyTypeObject *type)
{
    static const struct {
        const char *name, *package;
        enum objects_kind kind;
    } classes[] = {
        {"DataFrame", "pandas", OBJECTS_FRAME},
        {"Series", "pandas", OBJECTS_SERIES},
        {"Index", "pandas", OBJECTS_SERIES},
        {"Tensor", "torch", OBJECTS_TENSOR},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strcmp(type->tp_name, classes[i].name) == 0 &&
            is_from(type, classes[i].package))
            return classes[i].kind;
    return OBJECTS_PLAIN;
}

static bool
is_number(const char *name)
{
    static const char *const numbers[] = {
        "bool",   "bool_",  "int8",   "int16",   "int32",   "int64",    "uint8",
        "uint16", "uint32", "uint64", "float16", "float32", "longlong", "ulonglong",
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(name, numbers[i]) == 0)
            return true;
    return false;
}

enum objects_kind
objects_array_kind(PyTypeObject *type)
{
    PyObject *order = type->tp_mro;

    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 &&
        strncmp(type->tp_name, "numpy.", 6) == 0 && is_number(type->tp_name + 6))
        return OBJECTS_NUMBER;
    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        if (objects_is_known(base, "numpy.ndarray"))
            return OBJECTS_ARRAY;
        if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
            continue;
        enum objects_kind kind = kind_of_class(base);
        /* A tensor of the program's own class may have a hook that is called. */
        if (kind == OBJECTS_TENSOR && i > 0)
            return OBJECTS_PLAIN;
        if (kind != OBJECTS_PLAIN)
            return kind;
    }
    return OBJECTS_PLAIN;
}

/* ---- fields ---- */

static PyObject *
call_getter(PyTypeObject *base, PyObject *object, const char *name)
{
    PyGetSetDef *getset = base->tp_getset;
    PyMemberDef *member = base->tp_members;

    for (; getset != NULL && getset->name != NULL; getset++)
        if (strcmp(getset->name, name) == 0 && getset->get != NULL)
            return getset->get(object, getset->closure);
    for (; member != NULL && member->name != NULL; member++)
        if (strcmp(member->name, name) == 0 &&
            (member->type == T_OBJECT || member->type == T_OBJECT_EX))
            return Py_XNewRef(*(PyObject **)((char *)object + member->offset));
    return NULL;
}

/* A field of the type of C that begins with `prefix`: new, or NULL. */
static PyObject *
c_field(PyObject *object, const char *prefix, const char *name)
{
    PyObject *order = Py_TYPE(object)->tp_mro;

    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
        /* A class of Python has no getters of C, whatever its name. */
        if (strncmp(base->tp_name, prefix, strlen(prefix)) != 0)
            continue;
        PyObject *value = call_getter(base, object, name);
        PyErr_Clear();
        if (value != NULL)
            return value;
    }
    return NULL;
}

static PyObject *own_field(PyObject *object, const char *name);

/* A field of a manager of pandas, which is of C for frames and of Python for series. */
static PyObject *
manager_field(PyObject *manager, const char *name)
{
    PyObject *value = c_field(manager, "pandas._libs.internals.", name);

    return value != NULL ? value : own_field(manager, name);
}

/* An attribute that the instance holds: new, or NULL. */
static PyObject *
own_field(PyObject *object, const char *name)
{
    struct objects_walk walk;
    struct objects_attribute attribute;
    PyObject *found = NULL;

    objects_walk_begin(&walk, object);
    for (int i = 0; found == NULL && i < 64 && objects_walk_next(&walk, &attribute);
         i++) {
        if (attribute.name != NULL && PyUnicode_CheckExact(attribute.name) &&
            PyUnicode_CompareWithASCIIString(attribute.name, name) == 0)
            found = Py_NewRef(attribute.value);
        objects_attribute_release(&attribute);
    }
    objects_walk_end(&walk);
    return found;
}

static bool
put_shape(PyObject *shape, struct objects_array *out)
{
    if (shape == NULL || !PyTuple_Check(shape))
        return false;
    out->dimension_count = (int)PyTuple_GET_SIZE(shape);
    for (int i = 0; i < out->dimension_count && i < OBJECTS_DIMENSIONS_MAX; i++) {
        PyObject *size = PyTuple_GET_ITEM(shape, i);
        out->sizes[i] = PyLong_CheckExact(size) ? PyLong_AsSsize_t(size) : -1;
    }
    PyErr_Clear();
    return true;
}

/* ---- numpy ---- */

/* "<f8" as "float64"; other codes as they are. */
static void
put_code(const char *code, char *out, size_t capacity)
{
    static const char kinds[] = "biufcMm";
    static const char *const names[] = {"bool",    "int",        "uint",       "float",
                                        "complex", "datetime64", "timedelta64"};
    const char *kind =
        code[0] != '\0' && code[1] != '\0' ? strchr(kinds, code[1]) : NULL;

    if (code[0] != '\0' && code[1] == 'O')
        snprintf(out, capacity, "object");
    else if (kind == NULL || *kind == '\0')
        snprintf(out, capacity, "%s", code);
    else if (*kind == 'b')
        snprintf(out, capacity, "bool");
    else if (*kind == 'M' || *kind == 'm')
        snprintf(out, capacity, "%s%s", names[kind - kinds],
                 strchr(code, '[') == NULL ? "" : strchr(code, '['));
    else
        snprintf(out, capacity, "%s%d", names[kind - kinds],
                 8 * (int)strtol(code + 2, NULL, 10));
}

static bool
ndarray(PyObject *object, struct objects_array *out)
{
    PyObject *shape = c_field(object, "numpy.ndarray", "shape");
    PyObject *type = c_field(object, "numpy.ndarray", "dtype");
    PyObject *code = type == NULL ? NULL : c_field(type, "numpy.dtype", "str");
    bool is_right = put_shape(shape, out);

    if (code != NULL && PyUnicode_CheckExact(code) && PyUnicode_IS_ASCII(code))
        put_code((const char *)PyUnicode_1BYTE_DATA(code), out->type,
                 sizeof(out->type));
    Py_XDECREF(code);
    Py_XDECREF(type);
    Py_XDECREF(shape);
    return is_right;
}

PyObject *
objects_number(PyObject *object)
{
    const PyNumberMethods *methods = Py_TYPE(object)->tp_as_number;
    const char *name = Py_TYPE(object)->tp_name + 6;
    struct pc_exception saved = pc_exception_take();
    PyObject *value = NULL;

    if (methods != NULL && strncmp(name, "bool", 4) == 0 && methods->nb_bool != NULL)
        value = Py_NewRef(methods->nb_bool(object) > 0 ? Py_True : Py_False);
    else if (methods != NULL && strncmp(name, "float", 5) == 0 &&
             methods->nb_float != NULL)
        value = methods->nb_float(object);
    else if (methods != NULL && methods->nb_index != NULL)
        value = methods->nb_index(object);
    PyErr_Clear();
    pc_exception_give(saved);
    if (value != NULL && !PyLong_CheckExact(value) && !PyFloat_CheckExact(value) &&
        !PyBool_Check(value))
        Py_CLEAR(value);
    return value;
}

/* ---- pandas ---- */

/* Items of an axis: of an array, a range, or an array inside an array of pandas. */
static Py_ssize_t
axis_size(PyObject *axis)
{
    PyObject *data = own_field(axis, "_data");
    PyObject *range = data == NULL ? own_field(axis, "_range") : NULL;
    struct objects_array array = {0};
    Py_ssize_t size = -1;

    if (data != NULL && objects_type(Py_TYPE(data), false).kind != OBJECTS_ARRAY)
        Py_SETREF(data, c_field(data, "pandas._libs.", "_ndarray"));
    if (range != NULL && PyRange_Check(range))
        size = PySequence_Size(range);
    else if (data != NULL && objects_type(Py_TYPE(data), false).kind == OBJECTS_ARRAY &&
             ndarray(data, &array) && array.dimension_count > 0)
        size = array.sizes[0];
    Py_XDECREF(data);
    Py_XDECREF(range);
    PyErr_Clear();
    return size;
}

/* The element types of the blocks, as many as fit. */
static void
put_block_types(PyObject *manager, char *out, size_t capacity)
{
    PyObject *blocks = manager_field(manager, "blocks");
    size_t size = 0;

    for (Py_ssize_t i = 0; blocks != NULL && PyTuple_Check(blocks) &&
                           i < PyTuple_GET_SIZE(blocks) && i < 8;
         i++) {
        PyObject *values =
            c_field(PyTuple_GET_ITEM(blocks, i), "pandas._libs.internals.", "values");
        struct objects_array array = {0};
        if (values != NULL &&
            objects_type(Py_TYPE(values), false).kind == OBJECTS_ARRAY &&
            ndarray(values, &array) && size + strlen(array.type) + 2 < capacity)
            size += (size_t)snprintf(out + size, capacity - size, "%s%s",
                                     size > 0 ? "," : "", array.type);
        Py_XDECREF(values);
    }
    Py_XDECREF(blocks);
}

static bool
frame(PyObject *object, struct objects_array *out)
{
    PyObject *manager = own_field(object, "_mgr");
    PyObject *axes = manager == NULL ? NULL : manager_field(manager, "axes");
    bool is_right = axes != NULL && PyList_Check(axes);

    if (is_right) {
        Py_ssize_t count = PyList_GET_SIZE(axes);
        out->dimension_count = count > 2 ? 2 : (int)count;
        for (int i = 0; i < out->dimension_count; i++) {
            PyObject *axis = objects_item(axes, out->dimension_count - 1 - i);
            out->sizes[i] = axis == NULL ? -1 : axis_size(axis);
            Py_XDECREF(axis);
        }
        put_block_types(manager, out->type, sizeof(out->type));
    }
    Py_XDECREF(axes);
    Py_XDECREF(manager);
    return is_right;
}

static bool
series(PyObject *object, struct objects_array *out)
{
    if (frame(object, out))
        return true;
    out->dimension_count = 1; /* an index */
    out->sizes[0] = axis_size(object);
    return out->sizes[0] >= 0;
}

/* ---- torch ---- */

/* Whether a mode is active that would have torch call Python code from its getters;
 * torch itself says so, from C. */
static bool
has_torch_mode(void)
{
    static PyObject *ask; /* owned, once it was found */
    PyObject *modules = PySys_GetObject("modules");
    PyObject *key, *value, *module = NULL;
    Py_ssize_t at = 0;

    if (ask == NULL && modules != NULL && PyDict_CheckExact(modules)) {
        while (module == NULL && objects_dict_next(modules, &at, &key, &value)) {
            if (PyUnicode_CheckExact(key) && PyModule_CheckExact(value) &&
                PyUnicode_CompareWithASCIIString(key, "torch._C") == 0)
                module = Py_NewRef(value);
            Py_DECREF(key);
            Py_DECREF(value);
        }
        at = 0;
        while (ask == NULL && module != NULL &&
               objects_dict_next(PyModule_GetDict(module), &at, &key, &value)) {
            if (PyUnicode_CheckExact(key) && PyCFunction_CheckExact(value) &&
                PyUnicode_CompareWithASCIIString(key, "_len_torch_function_stack") == 0)
                ask = Py_NewRef(value);
            Py_DECREF(key);
            Py_DECREF(value);
        }
        Py_XDECREF(module);
    }
    PyObject *count = ask == NULL ? NULL : PyObject_CallNoArgs(ask);
    bool is_sure = count != NULL && PyLong_CheckExact(count);
    bool has_mode = !is_sure || PyLong_AsLong(count) != 0;
    Py_XDECREF(count);
    return has_mode;
}

static bool
tensor(PyObject *object, struct objects_array *out)
{
    PyObject *shape, *type, *text;

    if (has_torch_mode())
        return false;
    shape = c_field(object, "torch._C.", "shape");
    type = c_field(object, "torch._C.", "dtype");
    text = type != NULL && objects_is_known(Py_TYPE(type), "torch.dtype") &&
                   Py_TYPE(type)->tp_repr != NULL
               ? Py_TYPE(type)->tp_repr(type)
               : NULL;
    bool is_right = put_shape(shape, out);
    if (text != NULL && PyUnicode_CheckExact(text) && PyUnicode_IS_ASCII(text)) {
        const char *name = (const char *)PyUnicode_1BYTE_DATA(text);
        snprintf(out->type, sizeof(out->type), "%s",
                 strncmp(name, "torch.", 6) == 0 ? name + 6 : name);
    }
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(shape);
    return is_right;
}

/* ---- all of them ---- */

bool
objects_array(PyObject *object, enum objects_kind kind, struct objects_array *out)
{
    struct pc_exception saved = pc_exception_take();
    bool is_right = false;

#if PY_VERSION_HEX < 0x030C0000
    int had_gc = PyGC_Disable(); /* the tuple of the shape must not set it off */
#endif
    memset(out, 0, sizeof(*out));
    if (kind == OBJECTS_ARRAY)
        is_right = ndarray(object, out);
    else if (kind == OBJECTS_FRAME)
        is_right = frame(object, out);
    else if (kind == OBJECTS_SERIES)
        is_right = series(object, out);
    else if (kind == OBJECTS_TENSOR)
        is_right = tensor(object, out);
#if PY_VERSION_HEX < 0x030C0000
    if (had_gc)
        PyGC_Enable();
#endif
    PyErr_Clear();
    pc_exception_give(saved);
    return is_right;
}
