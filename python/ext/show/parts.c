/* What an object is made of, for show.c and show/json.c: see show.h. */
#include "show/show.h"

#include "values/impl.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- text ---- */

static bool
make_room(struct show_text *text, size_t more)
{
    if (text->is_full || text->size + more > SHOW_SIZE_MAX) {
        text->is_full = true;
        return false;
    }
    if (text->size + more <= text->capacity)
        return true;
    size_t capacity = (text->size + more) * 2;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->is_full = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void
show_put(struct show_text *text, const char *bytes, size_t size)
{
    if (!make_room(text, size))
        return;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            text->column = 0;
        else if (((uint8_t)bytes[i] & 0xC0) != 0x80)
            text->column++;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

void
show_puts(struct show_text *text, const char *bytes)
{
    show_put(text, bytes, strlen(bytes));
}

void
show_put_str(struct show_text *text, PyObject *str)
{
    PyObject *bytes = str != NULL && PyUnicode_Check(str) ? codes_utf8(str) : NULL;

    PyErr_Clear();
    if (bytes != NULL)
        show_put(text, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    else
        show_puts(text, "<error>");
    Py_XDECREF(bytes);
    Py_XDECREF(str);
}

/* ---- plain objects ---- */

static void
put_cut(struct show_text *text, Py_ssize_t length, const char *unit)
{
    char note[64];

    snprintf(note, sizeof(note), "… (%zd %s)", length, unit);
    show_puts(text, note);
}

static void
put_string(struct show_text *text, const struct show_options *options, PyObject *object)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(object);
    bool is_cut = options->characters >= 0 && length > options->characters;
    PyObject *part =
        PyUnicode_Substring(object, 0, is_cut ? options->characters : length);

    show_put_str(text, part == NULL ? NULL : PyUnicode_Type.tp_repr(part));
    Py_XDECREF(part);
    if (is_cut)
        put_cut(text, length, "characters");
}

static void
put_bytes(struct show_text *text, const struct show_options *options, const char *bytes,
          Py_ssize_t length)
{
    bool is_cut = options->characters >= 0 && length > options->characters;
    PyObject *part =
        PyBytes_FromStringAndSize(bytes, is_cut ? options->characters : length);

    show_put_str(text, part == NULL ? NULL : PyBytes_Type.tp_repr(part));
    Py_XDECREF(part);
    if (is_cut)
        put_cut(text, length, "bytes");
}

static void
put_int(struct show_text *text, PyObject *object)
{
    char note[64];

    if (pc_long_digits(object) <= 70) { /* within any limit on digits */
        show_put_str(text, PyLong_Type.tp_repr(object));
        return;
    }
    snprintf(note, sizeof(note), "<int of about %zd bits>",
             pc_long_digits(object) * 30);
    show_puts(text, note);
}

static void
put_array(struct show_text *text, PyObject *object, const struct objects_array *array)
{
    char name[400];

    objects_type_text(Py_TYPE(object), name, sizeof(name));
    show_puts(text, "<");
    show_puts(text, name);
    show_puts(text, " shape=(");
    for (int i = 0; i < array->dimension_count && i < OBJECTS_DIMENSIONS_MAX; i++) {
        snprintf(name, sizeof(name), array->sizes[i] < 0 ? "%s?" : "%s%zd",
                 i > 0 ? ", " : "", array->sizes[i]);
        show_puts(text, name);
    }
    show_puts(text, array->dimension_count == 1 ? ",)" : ")");
    if (array->type[0] != '\0') {
        show_puts(text, " dtype=");
        show_puts(text, array->type);
    }
    show_puts(text, ">");
}

static bool
put_of_kind(struct show_text *text, const struct show_options *options,
            PyObject *object)
{
    struct objects_array array;
    PyObject *number;

    enum objects_kind kind = objects_type(Py_TYPE(object), false).kind;
    if (kind >= OBJECTS_WRITTEN) {
        char written[OBJECTS_WRITTEN_MAX];
        size_t size = objects_written(object, (int)(kind - OBJECTS_WRITTEN),
                                      options->secrets, written, sizeof(written));
        show_put(text, written, size);
        return size > 0;
    }
    switch (kind) {
    case OBJECTS_DECIMAL: show_put_str(text, Py_TYPE(object)->tp_repr(object)); break;
    case OBJECTS_DATE:
        if (!objects_is_plain_date(object))
            return false;
        show_put_str(text, Py_TYPE(object)->tp_repr(object));
        break;
    case OBJECTS_NUMBER:
        number = objects_number(object);
        show_puts(text, Py_TYPE(object)->tp_name);
        show_puts(text, "(");
        show_plain(text, options, number == NULL ? Py_None : number);
        show_puts(text, ")");
        Py_XDECREF(number);
        break;
    case OBJECTS_ARRAY:
    case OBJECTS_TENSOR:
    case OBJECTS_FRAME:
    case OBJECTS_SERIES:
        if (!objects_array(object, kind, &array))
            return false;
        put_array(text, object, &array);
        break;
    default: return false;
    }
    return true;
}

bool
show_plain(struct show_text *text, const struct show_options *options, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    char name[448];

    if (type == &PyUnicode_Type)
        put_string(text, options, object);
    else if (type == &PyLong_Type)
        put_int(text, object);
    else if (object == Py_None || type == &PyBool_Type)
        show_puts(text, object == Py_None   ? "None"
                        : object == Py_True ? "True"
                                            : "False");
    else if (type == &PyFloat_Type || type == &PyComplex_Type ||
             type == &PyEllipsis_Type)
        show_put_str(text, type->tp_repr(object));
    else if (type == &PyBytes_Type)
        put_bytes(text, options, PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
    else if (type == &PyByteArray_Type) {
        show_puts(text, "bytearray(");
        PC_BEGIN_LOCK(object);
        put_bytes(text, options, PyByteArray_AS_STRING(object),
                  PyByteArray_GET_SIZE(object));
        PC_END_LOCK();
        show_puts(text, ")");
    } else if (type == &PyRange_Type)
        show_put_str(text, type->tp_repr(object));
    else {
        size_t size = objects_named_text(object, name, sizeof(name));
        if (size == 0)
            return put_of_kind(text, options, object);
        show_put(text, name, size);
    }
    return true;
}

bool
show_base(struct show_text *text, const struct show_options *options, PyObject *object)
{
    if (PyUnicode_Check(object))
        put_string(text, options, object);
    else if (PyFloat_Check(object))
        show_put_str(text, PyFloat_Type.tp_repr(object));
    else if (PyLong_Check(object))
        put_int(text, object);
    else if (PyBytes_Check(object))
        put_bytes(text, options, PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
    else
        return false;
    return true;
}

PyObject *
show_own(PyObject *object, const char *name)
{
    struct show_cursor cursor;
    struct show_item item;
    PyObject *found = NULL;

    show_begin(&cursor, (struct show_section){SHOW_ATTRIBUTES, object, false});
    while (found == NULL && show_next(&cursor, &item)) {
        if (item.key != NULL && PyUnicode_CheckExact(item.key) &&
            PyUnicode_CompareWithASCIIString(item.key, name) == 0)
            found = Py_NewRef(item.value);
        show_release(&item);
    }
    show_end(&cursor);
    return found;
}

PyObject *
show_enum_name(PyObject *object)
{
    PyObject *name = objects_type(Py_TYPE(object), false).kind == OBJECTS_ENUM
                         ? show_own(object, "_name_")
                         : NULL;

    if (name != NULL && !PyUnicode_CheckExact(name))
        Py_CLEAR(name);
    return name;
}

/* The value of a subclass of a built-in that has no parts of its own. */
static bool
is_scalar(PyObject *object)
{
    return PyUnicode_Check(object) || PyLong_Check(object) || PyFloat_Check(object) ||
           PyBytes_Check(object);
}

/* ---- what the user registered ---- */

PyObject *
show_by_user(const struct show_options *options, PyObject *object)
{
    PyObject *order = Py_TYPE(object)->tp_mro, *result = NULL;

    for (Py_ssize_t i = 0;
         options->formatters != NULL && PyDict_GET_SIZE(options->formatters) > 0 &&
         order != NULL && i < PyTuple_GET_SIZE(order) && result == NULL;
         i++) {
        /* Keys are types, told by their address: a class of the program may compare. */
        PyObject *key, *entry, *type = PyTuple_GET_ITEM(order, i);
        Py_ssize_t at = 0;
        while (objects_dict_next(options->formatters, &at, &key, &entry)) {
            bool is_it = key == type && PyTuple_CheckExact(entry) &&
                         PyTuple_GET_SIZE(entry) == 2 &&
                         (i == 0 || PyTuple_GET_ITEM(entry, 1) == Py_True);
            if (is_it)
                result = PyObject_CallOneArg(PyTuple_GET_ITEM(entry, 0), object);
            Py_DECREF(key);
            Py_DECREF(entry);
            if (is_it)
                break;
        }
        if (PyErr_Occurred())
            return NULL;
    }
    if (result == NULL && options->own_repr && !PyType_Check(object) &&
        (Py_TYPE(object)->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 &&
        Py_TYPE(object)->tp_repr != PyBaseObject_Type.tp_repr)
        result = PyObject_Repr(object);
    if (result != NULL && !PyUnicode_Check(result)) {
        PyErr_Format(PyExc_TypeError, "a formatter returns a str, not %.100s",
                     Py_TYPE(result)->tp_name);
        Py_CLEAR(result);
    }
    return result;
}

/* ---- parts ---- */

Py_ssize_t
show_length(const struct show_section *section)
{
    PyObject *object = section->object;

    switch (section->kind) {
    case SHOW_SEQUENCE:
    case SHOW_NAMED_TUPLE:
        return PyTuple_Check(object) ? PyTuple_GET_SIZE(object)
                                     : PyList_GET_SIZE(object);
    case SHOW_SET: return PySet_GET_SIZE(object);
    case SHOW_DICT: return PyDict_GET_SIZE(object);
    case SHOW_DEQUE: return Py_TYPE(object)->tp_as_sequence->sq_length(object);
    default: return -1;
    }
}

void
show_begin(struct show_cursor *cursor, struct show_section section)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->section = section;
    if (section.kind == SHOW_ATTRIBUTES)
        objects_walk_begin(&cursor->walk, section.object);
}

static bool
next_attribute(struct show_cursor *cursor, struct show_item *out)
{
    struct objects_attribute attribute;

    while (objects_walk_next(&cursor->walk, &attribute)) {
        if (attribute.slot != NULL && !cursor->section.has_slots &&
            strncmp(attribute.slot, "filename", 8) != 0) {
            objects_attribute_release(&attribute);
            continue;
        }
        *out = (struct show_item){attribute.name, attribute.slot, attribute.value};
        return true;
    }
    return false;
}

/* Functions that the classes define, without those with two underscores. */
static bool
next_method(struct show_cursor *cursor, struct show_item *out)
{
    PyObject *order = Py_TYPE(cursor->section.object)->tp_mro, *value;

    for (; order != NULL && cursor->base < PyTuple_GET_SIZE(order);
         cursor->base++, cursor->at = 0) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(order, cursor->base);
        if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 || base->tp_dict == NULL)
            continue;
        while (objects_dict_next(base->tp_dict, &cursor->at, &out->key, &value)) {
            bool is_method = PyUnicode_CheckExact(out->key) &&
                             PyFunction_Check(value) &&
                             !(PyUnicode_GET_LENGTH(out->key) > 1 &&
                               PyUnicode_READ_CHAR(out->key, 0) == '_' &&
                               PyUnicode_READ_CHAR(out->key, 1) == '_');
            if (is_method) {
                out->value = value;
                return true;
            }
            Py_DECREF(value);
            Py_CLEAR(out->key);
        }
    }
    return false;
}

bool
show_next(struct show_cursor *cursor, struct show_item *out)
{
    PyObject *object = cursor->section.object, *fields;

    *out = (struct show_item){NULL, NULL, NULL};
    switch (cursor->section.kind) {
    case SHOW_SEQUENCE:
        out->value = objects_item(object, cursor->at++);
        return out->value != NULL;
    case SHOW_NAMED_TUPLE:
        fields = objects_type_item(Py_TYPE(object), "_fields");
        out->value = objects_item(object, cursor->at);
        if (fields != NULL && PyTuple_Check(fields) && out->value != NULL)
            out->key = objects_item(fields, cursor->at);
        cursor->at++;
        return out->value != NULL;
    case SHOW_SET: return objects_set_next(object, &cursor->at, &out->value);
    case SHOW_DICT:
        return objects_dict_next(object, &cursor->at, &out->key, &out->value);
    case SHOW_DEQUE:
        if (cursor->at < show_length(&cursor->section))
            out->value = Py_TYPE(object)->tp_as_sequence->sq_item(object, cursor->at++);
        PyErr_Clear();
        return out->value != NULL;
    case SHOW_ATTRIBUTES: return next_attribute(cursor, out);
    case SHOW_METHODS: return next_method(cursor, out);
    default: return false;
    }
}

void
show_end(struct show_cursor *cursor)
{
    if (cursor->section.kind == SHOW_ATTRIBUTES)
        objects_walk_end(&cursor->walk);
}

void
show_release(struct show_item *item)
{
    Py_CLEAR(item->key);
    Py_CLEAR(item->value);
}

bool
show_is_wanted(const struct show_options *options, const struct show_item *item)
{
    PyObject *name, *answer;

    if (options->wanted == NULL || options->wanted == Py_None)
        return true;
    name = item->key != NULL ? Py_NewRef(item->key) : PyUnicode_FromString(item->slot);
    answer = name == NULL || !PyUnicode_CheckExact(name)
                 ? NULL
                 : PyObject_CallOneArg(options->wanted, name);
    Py_XDECREF(name);
    Py_XDECREF(answer);
    return answer == Py_True;
}

bool
show_is_secret(const struct show_options *options, const struct show_item *item)
{
    if (options->secrets)
        return false;
    return item->key != NULL    ? values_is_secret_key(item->key)
           : item->slot != NULL ? values_is_secret(item->slot, strlen(item->slot))
                                : false;
}

/* Of an exact built-in container, or what the subclass of one holds. */
static enum show_kind
container_kind(PyObject *object)
{
    return PyList_Check(object) || PyTuple_Check(object) ? SHOW_SEQUENCE
           : PyDict_Check(object)                        ? SHOW_DICT
           : PyAnySet_Check(object)                      ? SHOW_SET
                                                         : SHOW_NONE;
}

int
show_sections(const struct show_options *options, PyObject *object,
              struct show_section sections[3], bool *is_made)
{
    PyTypeObject *type = Py_TYPE(object);
    enum show_kind container = container_kind(object);
    int count = 0;

    *is_made = false;
    if (type == &PyList_Type || type == &PyTuple_Type || type == &PyDict_Type ||
        type == &PySet_Type || type == &PyFrozenSet_Type) {
        sections[count++] = (struct show_section){container, object, false};
        return count;
    }
    enum objects_kind kind = objects_type(type, false).kind;
    *is_made = kind == OBJECTS_DATACLASS || kind == OBJECTS_DEQUE ||
               container != SHOW_NONE || is_scalar(object) ||
               PyExceptionInstance_Check(object);
    if (objects_is_struct(type))
        container = SHOW_NONE;
    else if (kind == OBJECTS_NAMED_TUPLE)
        container = SHOW_NAMED_TUPLE;
    else if (kind == OBJECTS_DEQUE)
        container = SHOW_DEQUE;
    if (container != SHOW_NONE)
        sections[count++] = (struct show_section){container, object, false};
    else if (PyExceptionInstance_Check(object))
        sections[count++] = (struct show_section){
            SHOW_SEQUENCE, ((PyBaseExceptionObject *)object)->args, false};
    if (container != SHOW_NAMED_TUPLE)
        sections[count++] = (struct show_section){SHOW_ATTRIBUTES, object,
                                                  !PyExceptionInstance_Check(object)};
    if (options->methods)
        sections[count++] = (struct show_section){SHOW_METHODS, object, false};
    return count;
}
