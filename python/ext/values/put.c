/* One object as bytes of a value: structure, budgets, cycles.
 *
 * Every function that puts something leaves at least the room that is promised to those
 * around it: a container puts an item only while VALUES_ITEM_ROOM is left, and an item
 * with that much room can always say at least what it is. So nothing is ever taken
 * back,
 * and what is left out shows as a difference of two counts.
 *
 *     [1000 items, 3 shown, 1, 'two', [0 shown of 7]]
 */
#include "values/impl.h"
#include "values/objects.h"

#include "base/varint.h"

#include <stdio.h>

#include <structmember.h>

#define TEXT_SIZE_MAX 1024  /* of a text that is a value itself */
#define NESTED_SIZE_MAX 200 /* of one inside another value */
#define ITEMS_MAX 100       /* of a container that is a value itself; below 128 */
#define NESTED_ITEMS_MAX 16 /* of one inside another value */
#define DEPTH_MAX 6         /* containers in containers; below MAREY_VALUE_DEPTH_MAX */
#define DIGITS_MAX 64       /* of 30 bits, of an int that is written out */
#define COUNTED_MAX 1000    /* attributes that are counted and not shown */

struct encoder {
    struct values *body;
    size_t end; /* where the room of the value ends */
    unsigned depth;
    PyObject *above[DEPTH_MAX + 1]; /* borrowed: what encloses the value */
};

static void put(struct encoder *e, PyObject *value);

/* ---- pieces ---- */

static size_t
room(const struct encoder *e)
{
    return e->end > e->body->size_bytes ? e->end - e->body->size_bytes : 0;
}

static void
put_byte(struct encoder *e, uint8_t byte)
{
    e->body->bytes[e->body->size_bytes++] = byte;
}

static void
put_varint(struct encoder *e, uint64_t value)
{
    e->body->size_bytes +=
        marey_varint_put(e->body->bytes + e->body->size_bytes, value);
}

static void
put_bytes(struct encoder *e, const void *bytes, size_t size)
{
    memcpy(e->body->bytes + e->body->size_bytes, bytes, size);
    e->body->size_bytes += size;
}

/* A count that was put as one zero byte at `at` gets its value. */
static void
set_count(struct encoder *e, size_t at, uint64_t count)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX];
    size_t size = marey_varint_put(bytes, count);
    uint8_t *place = e->body->bytes + at;

    if (size > 1) /* go_in() kept room for it */
        memmove(place + size, place + 1, e->body->size_bytes - at - 1);
    memcpy(place, bytes, size);
    e->body->size_bytes += size - 1;
}

static bool
has_item_room(const struct encoder *e, unsigned count)
{
    return room(e) >= 2 * VALUES_ITEM_ROOM &&
           count < (e->depth <= 1 ? ITEMS_MAX : NESTED_ITEMS_MAX);
}

/* Bytes that a text may have here. */
static size_t
text_room(const struct encoder *e)
{
    size_t most = e->depth == 0 ? TEXT_SIZE_MAX : NESTED_SIZE_MAX;
    size_t left = room(e) > 40 ? room(e) - 40 : 0;

    return most < left ? most : left;
}

/* ---- texts ---- */

static unsigned
utf8_size(Py_UCS4 code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Lone surrogates are kept as three bytes. */
static void
put_utf8(struct encoder *e, Py_UCS4 code)
{
    unsigned size = utf8_size(code);
    static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};

    if (size == 1) {
        put_byte(e, (uint8_t)code);
        return;
    }
    put_byte(e, (uint8_t)(heads[size] | code >> 6 * (size - 1)));
    for (unsigned i = size - 1; i-- > 0;)
        put_byte(e, (uint8_t)(0x80 | ((code >> 6 * i) & 0x3F)));
}

/* Characters of the text that fit into `most` bytes; *size is their bytes. */
static Py_ssize_t
fitting(PyObject *text, size_t most, size_t *size)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(text), at = 0;
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);

    *size = 0;
    if (PyUnicode_IS_ASCII(text)) {
        *size = (size_t)length < most ? (size_t)length : most;
        return (Py_ssize_t)*size;
    }
    for (; at < length; at++) {
        unsigned more = utf8_size(PyUnicode_READ(kind, data, at));
        if (*size + more > most)
            break;
        *size += more;
    }
    return at;
}

static void
put_characters(struct encoder *e, PyObject *text, Py_ssize_t count, size_t size)
{
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);

    put_varint(e, size);
    if (PyUnicode_IS_ASCII(text)) {
        put_bytes(e, data, size);
        return;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        put_utf8(e, PyUnicode_READ(kind, data, i));
}

static void
put_str(struct encoder *e, PyObject *text)
{
    size_t size;

    if (!pc_is_ready(text)) {
        put_byte(e, MAREY_VALUE_ERROR);
        return;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    Py_ssize_t count = fitting(text, text_room(e), &size);
    put_byte(e, count == length ? MAREY_VALUE_TEXT : MAREY_VALUE_CUT_TEXT);
    if (count < length)
        put_varint(e, (uint64_t)length);
    put_characters(e, text, count, size);
}

/* The name of an attribute: size and text, cut to what a name may have here. */
static void
put_name(struct encoder *e, PyObject *name)
{
    size_t size = 1;

    if (!PyUnicode_Check(name) || !pc_is_ready(name)) {
        put_varint(e, 1);
        put_byte(e, '?');
        return;
    }
    Py_ssize_t count = fitting(name, 40, &size);
    put_characters(e, name, count, size);
}

static void
put_binary(struct encoder *e, const char *bytes, Py_ssize_t length)
{
    size_t size = text_room(e);
    bool is_cut = (size_t)length > size;

    if (!is_cut)
        size = (size_t)length;
    put_byte(e, is_cut ? MAREY_VALUE_CUT_BYTES : MAREY_VALUE_BYTES);
    if (is_cut)
        put_varint(e, (uint64_t)length);
    put_varint(e, size);
    put_bytes(e, bytes, size);
}

/* A text of our own: cut silently. */
static void
put_own(struct encoder *e, uint8_t tag, const char *text, size_t size)
{
    size_t most = room(e) > 16 ? room(e) - 16 : 0;

    put_byte(e, tag);
    if (size > most)
        size = most;
    put_varint(e, size);
    put_bytes(e, text, size);
}

/* ---- numbers ---- */

static void
put_text_of(struct encoder *e, PyObject *value, uint8_t tag, reprfunc to_text)
{
    PyObject *text = to_text == NULL ? NULL : to_text(value);

    PyErr_Clear();
    if (text == NULL || !PyUnicode_CheckExact(text) || !PyUnicode_IS_ASCII(text))
        put_byte(e, MAREY_VALUE_ERROR);
    else
        put_own(e, tag, (const char *)PyUnicode_1BYTE_DATA(text),
                (size_t)PyUnicode_GET_LENGTH(text));
    Py_XDECREF(text);
}

static void
put_int(struct encoder *e, PyObject *value)
{
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    char text[64];

    if (overflow == 0) {
        put_byte(e, MAREY_VALUE_INT);
        put_varint(e, marey_zigzag(number));
    } else if (pc_long_digits(value) <= DIGITS_MAX &&
               room(e) > 30 * DIGITS_MAX / 3 + 16) {
        put_text_of(e, value, MAREY_VALUE_NUMBER, PyLong_Type.tp_repr);
    } else {
        int size = snprintf(text, sizeof(text), "<int of about %zd bits>",
                            pc_long_digits(value) * 30);
        put_own(e, MAREY_VALUE_OBJECT, text, (size_t)size);
    }
}

static void
put_double(struct encoder *e, double number)
{
    put_byte(e, MAREY_VALUE_FLOAT);
    put_bytes(e, &number, sizeof(number));
}

/* ---- containers ---- */

/* Goes into a container. False: it is inside itself, or too deep; that is said. */
static bool
go_in(struct encoder *e, PyObject *value)
{
    for (unsigned i = 0; i < e->depth; i++) {
        if (e->above[i] == value) {
            put_byte(e, MAREY_VALUE_SEEN);
            put_varint(e, e->depth - i);
            return false;
        }
    }
    e->above[e->depth++] = value;
    e->end -= MAREY_VARINT_SIZE_MAX;
    return true;
}

static void
go_out(struct encoder *e)
{
    e->end += MAREY_VARINT_SIZE_MAX;
    e->depth--;
}

static bool
may_show(const struct encoder *e)
{
    return e->depth <= DEPTH_MAX;
}

/* Puts the value under the key, redacted if the key tells of a secret. */
static void
put_under(struct encoder *e, PyObject *key, PyObject *value)
{
    if (values_is_secret_key(key))
        put_byte(e, MAREY_VALUE_REDACTED);
    else
        put(e, value);
}

static void
put_sequence(struct encoder *e, PyObject *value, uint8_t tag)
{
    Py_ssize_t length =
        PyTuple_Check(value) ? PyTuple_GET_SIZE(value) : PyList_GET_SIZE(value);
    PyObject *item, *first = NULL;
    unsigned count = 0;

    put_byte(e, tag);
    put_varint(e, (uint64_t)length);
    size_t count_at = e->body->size_bytes;
    put_byte(e, 0);
    while (may_show(e) && count < (size_t)length && has_item_room(e, count) &&
           (item = objects_item(value, count)) != NULL) {
        /* A pair such as ("authorization", …) is an entry of headers or a query. */
        if (length == 2 && count == 1)
            put_under(e, first, item);
        else
            put(e, item);
        Py_XSETREF(first, item);
        count++;
    }
    Py_XDECREF(first);
    e->body->bytes[count_at] = (uint8_t)count;
}

static void
put_set(struct encoder *e, PyObject *value, uint8_t tag)
{
    PyObject *item;
    Py_ssize_t at = 0, length = PySet_GET_SIZE(value);
    unsigned count = 0;

    put_byte(e, tag);
    put_varint(e, (uint64_t)length);
    size_t count_at = e->body->size_bytes;
    put_byte(e, 0);
    /* It may have grown meanwhile: no more than were said to be there. */
    while (may_show(e) && count < (size_t)length && has_item_room(e, count) &&
           objects_set_next(value, &at, &item)) {
        put(e, item);
        Py_DECREF(item);
        count++;
    }
    e->body->bytes[count_at] = (uint8_t)count;
}

static void
put_dict(struct encoder *e, PyObject *value)
{
    PyObject *key, *item;
    Py_ssize_t at = 0, length = PyDict_GET_SIZE(value);
    unsigned count = 0;

    put_byte(e, MAREY_VALUE_DICT);
    put_varint(e, (uint64_t)length);
    size_t count_at = e->body->size_bytes;
    put_byte(e, 0);
    /* Room for a long key and a value behind it. */
    while (may_show(e) && count < (size_t)length && has_item_room(e, count) &&
           room(e) >= NESTED_SIZE_MAX + 3 * VALUES_ITEM_ROOM &&
           objects_dict_next(value, &at, &key, &item)) {
        size_t end = e->end;
        e->end -= VALUES_ITEM_ROOM;
        put(e, key);
        e->end = end;
        put_under(e, key, item);
        Py_DECREF(key);
        Py_DECREF(item);
        count++;
    }
    e->body->bytes[count_at] = (uint8_t)count;
}

/* ---- instances ---- */

static bool
is_secret_attribute(const struct objects_attribute *attribute)
{
    return attribute->name != NULL
               ? values_is_secret_key(attribute->name)
               : values_is_secret(attribute->slot, strlen(attribute->slot));
}

static void
put_attribute(struct encoder *e, const struct objects_attribute *attribute)
{
    if (attribute->name != NULL) {
        put_name(e, attribute->name);
    } else {
        size_t size = strnlen(attribute->slot, 40);
        put_varint(e, size);
        put_bytes(e, attribute->slot, size);
    }
    if (is_secret_attribute(attribute))
        put_byte(e, MAREY_VALUE_REDACTED);
    else
        put(e, attribute->value);
}

/* The attributes that the instance holds. `in_all` and `count` are where their counts
 * are; those put already are `before`. */
static void
put_attributes(struct encoder *e, PyObject *value, size_t count_at, size_t in_all_at,
               uint64_t before, bool has_slots)
{
    struct objects_walk walk;
    struct objects_attribute attribute;
    uint64_t in_all = 0;
    unsigned count = 0;

    objects_walk_begin(&walk, value);
    while (in_all < COUNTED_MAX && objects_walk_next(&walk, &attribute)) {
        bool is_wanted = attribute.slot == NULL || has_slots ||
                         strncmp(attribute.slot, "filename", 8) == 0;
        in_all += is_wanted;
        if (is_wanted && count + 1 == in_all && may_show(e) &&
            has_item_room(e, count)) {
            put_attribute(e, &attribute);
            count++;
        }
        objects_attribute_release(&attribute);
    }
    objects_walk_end(&walk);
    e->body->bytes[count_at] = (uint8_t)count;
    set_count(e, in_all_at, before + in_all);
}

static void
put_instance(struct encoder *e, PyObject *value, struct objects_type what)
{
    put_byte(e, MAREY_VALUE_INSTANCE);
    put_varint(e, what.name);
    put_varint(e, (uintptr_t)value);
    size_t at = e->body->size_bytes;
    put_byte(e, 0);
    put_byte(e, 0);
    put_attributes(e, value, at + 1, at, 0, true);
}

/* The head of a MADE of `positional` values; returns where the counts are: in all, of
 * positional values, of named ones. */
static size_t
begin_made(struct encoder *e, struct objects_type what, unsigned positional)
{
    put_byte(e, MAREY_VALUE_MADE);
    put_varint(e, what.name);
    size_t at = e->body->size_bytes;
    put_byte(e, (uint8_t)positional); /* in all */
    put_byte(e, (uint8_t)positional);
    put_byte(e, 0);
    return at;
}

static void
put_dataclass(struct encoder *e, PyObject *value, struct objects_type what)
{
    size_t at = begin_made(e, what, 0);

    put_attributes(e, value, at + 2, at, 0, true);
}

static void
put_exception(struct encoder *e, PyObject *value, struct objects_type what)
{
    PyObject *args = Py_XNewRef(((PyBaseExceptionObject *)value)->args);
    Py_ssize_t length =
        args != NULL && PyTuple_Check(args) ? PyTuple_GET_SIZE(args) : 0;
    size_t at = begin_made(e, what, 0);
    unsigned count = 0;

    for (; count < (size_t)length && may_show(e) && has_item_room(e, count); count++)
        put(e, PyTuple_GET_ITEM(args, count));
    Py_XDECREF(args);
    e->body->bytes[at + 1] = (uint8_t)count;
    put_attributes(e, value, at + 2, at, (uint64_t)length, false);
}

static void
put_named_tuple(struct encoder *e, PyObject *value, struct objects_type what)
{
    PyObject *fields = objects_type_item(Py_TYPE(value), "_fields");
    Py_ssize_t length = PyTuple_GET_SIZE(value);
    size_t at = begin_made(e, what, 0);
    unsigned count = 0;

    for (; fields != NULL && count < (size_t)length &&
           count < (size_t)PyTuple_GET_SIZE(fields) && may_show(e) &&
           has_item_room(e, count);
         count++) {
        put_name(e, PyTuple_GET_ITEM(fields, count));
        put_under(e, PyTuple_GET_ITEM(fields, count), PyTuple_GET_ITEM(value, count));
    }
    e->body->bytes[at + 2] = (uint8_t)count;
    set_count(e, at, (uint64_t)length);
}

static void
put_enum(struct encoder *e, PyObject *value, struct objects_type what)
{
    struct objects_walk walk;
    struct objects_attribute attribute;
    bool is_put = false;

    objects_walk_begin(&walk, value);
    for (int i = 0; i < 8 && !is_put && objects_walk_next(&walk, &attribute); i++) {
        if (attribute.name != NULL && PyUnicode_CheckExact(attribute.name) &&
            PyUnicode_CompareWithASCIIString(attribute.name, "_name_") == 0 &&
            PyUnicode_Check(attribute.value)) {
            put_byte(e, MAREY_VALUE_ENUM);
            put_varint(e, what.name);
            put_name(e, attribute.value);
            is_put = true;
        }
        objects_attribute_release(&attribute);
    }
    objects_walk_end(&walk);
    if (!is_put)
        put_instance(e, value, what);
}

/* Of a subclass of a built-in type: the built-in's value, then the attributes. */
static void
put_subclass(struct encoder *e, PyObject *value, struct objects_type what,
             void (*put_base)(struct encoder *e, PyObject *value))
{
    size_t at = begin_made(e, what, 1), end = e->end;

    e->end -= VALUES_ITEM_ROOM / 2;
    put_base(e, value);
    e->end = end;
    put_attributes(e, value, at + 2, at, 1, true);
}

static void
put_array(struct encoder *e, PyObject *value, struct objects_type what)
{
    struct objects_array array;

    if (!objects_array(value, what.kind, &array)) {
        put_instance(e, value, what);
        return;
    }
    bool has_type = array.type[0] != '\0';
    unsigned shown = array.dimension_count < OBJECTS_DIMENSIONS_MAX
                         ? (unsigned)array.dimension_count
                         : OBJECTS_DIMENSIONS_MAX;
    put_byte(e, MAREY_VALUE_INSTANCE);
    put_varint(e, what.name);
    put_varint(e, 0);
    if (room(e) < 30 + 11 * OBJECTS_DIMENSIONS_MAX + sizeof(array.type)) {
        put_varint(e, 1 + has_type);
        put_varint(e, 0);
        return;
    }
    put_varint(e, 1 + has_type);
    put_varint(e, 1 + has_type);
    put_varint(e, 5);
    put_bytes(e, "shape", 5);
    put_byte(e, MAREY_VALUE_TUPLE);
    put_varint(e, (uint64_t)array.dimension_count);
    put_varint(e, shown);
    for (unsigned i = 0; i < shown; i++) {
        put_byte(e, array.sizes[i] < 0 ? MAREY_VALUE_NOT_RECORDED : MAREY_VALUE_INT);
        if (array.sizes[i] >= 0)
            put_varint(e, marey_zigzag(array.sizes[i]));
    }
    if (!has_type)
        return;
    put_varint(e, 5);
    put_bytes(e, "dtype", 5);
    put_own(e, MAREY_VALUE_OBJECT, array.type, strlen(array.type));
}

/* ---- by type ---- */

static void
put_list_value(struct encoder *e, PyObject *value)
{
    put_sequence(e, value, MAREY_VALUE_LIST);
}
static void
put_tuple_value(struct encoder *e, PyObject *value)
{
    put_sequence(e, value, MAREY_VALUE_TUPLE);
}
static void
put_set_value(struct encoder *e, PyObject *value)
{
    put_set(e, value,
            PyFrozenSet_Check(value) ? MAREY_VALUE_FROZENSET : MAREY_VALUE_SET);
}
static void
put_bytes_value(struct encoder *e, PyObject *value)
{
    put_binary(e, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
}
static void
put_float_value(struct encoder *e, PyObject *value)
{
    put_double(e, PyFloat_AS_DOUBLE(value));
}

static void
put_bytearray(struct encoder *e, PyObject *value, struct objects_type what)
{
    begin_made(e, what, 1);
    PC_BEGIN_LOCK(value);
    put_binary(e, PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value));
    PC_END_LOCK();
}

static void
put_range(struct encoder *e, PyObject *value, struct objects_type what)
{
    /* start, stop, step: members of the type. */
    PyMemberDef *member = PyRange_Type.tp_members;
    size_t at = begin_made(e, what, 0);
    unsigned count = 0;

    for (; member != NULL && member->name != NULL && has_item_room(e, count);
         member++, count++)
        put(e, *(PyObject **)((char *)value + member->offset));
    e->body->bytes[at] = e->body->bytes[at + 1] = (uint8_t)count;
}

static void
put_slice(struct encoder *e, PyObject *value, struct objects_type what)
{
    const PySliceObject *slice = (const PySliceObject *)value;
    size_t at = begin_made(e, what, 3);

    if (!may_show(e) || room(e) < 5 * VALUES_ITEM_ROOM) {
        e->body->bytes[at + 1] = 0;
        return;
    }
    put(e, slice->start);
    put(e, slice->stop);
    put(e, slice->step);
}

/* A deque as a call of its type with a list. */
static void
put_deque(struct encoder *e, PyObject *value, struct objects_type what)
{
    const PySequenceMethods *methods = Py_TYPE(value)->tp_as_sequence;
    Py_ssize_t length = methods->sq_length(value);
    unsigned count = 0;

    begin_made(e, what, 1);
    put_byte(e, MAREY_VALUE_LIST);
    put_varint(e, (uint64_t)length);
    size_t count_at = e->body->size_bytes;
    put_byte(e, 0);
    for (; may_show(e) && count < (size_t)length && has_item_room(e, count); count++) {
        PyObject *item = methods->sq_item(value, count);
        if (item == NULL)
            break;
        put(e, item);
        Py_DECREF(item);
    }
    PyErr_Clear();
    e->body->bytes[count_at] = (uint8_t)count;
}

/* What is written as text, cut to the room there is. */
static void
put_written(struct encoder *e, PyObject *value, struct objects_type what)
{
    char text[OBJECTS_WRITTEN_MAX];
    size_t capacity = text_room(e) + 1;
    size_t size =
        objects_written(value, (int)(what.kind - OBJECTS_WRITTEN), false, text,
                        capacity < sizeof(text) ? capacity : sizeof(text));

    if (size == 0)
        put_instance(e, value, what);
    else
        put_own(e, MAREY_VALUE_OBJECT, text, size);
}

static void
put_known(struct encoder *e, PyObject *value, struct objects_type what)
{
    PyObject *number;

    if (what.kind >= OBJECTS_WRITTEN) {
        put_written(e, value, what);
        return;
    }
    switch (what.kind) {
    case OBJECTS_ENUM: put_enum(e, value, what); break;
    case OBJECTS_DATACLASS: put_dataclass(e, value, what); break;
    case OBJECTS_NAMED_TUPLE: put_named_tuple(e, value, what); break;
    case OBJECTS_DEQUE: put_deque(e, value, what); break;
    case OBJECTS_DECIMAL:
        put_text_of(e, value, MAREY_VALUE_OBJECT, Py_TYPE(value)->tp_repr);
        break;
    case OBJECTS_DATE:
        if (objects_is_plain_date(value))
            put_text_of(e, value, MAREY_VALUE_OBJECT, Py_TYPE(value)->tp_repr);
        else
            put_instance(e, value, what);
        break;
    case OBJECTS_NUMBER:
        number = objects_number(value);
        begin_made(e, what, 1);
        put(e, number == NULL ? Py_None : number);
        Py_XDECREF(number);
        break;
    default: put_array(e, value, what); break;
    }
}

static void
put_other(struct encoder *e, PyObject *value, struct objects_type what)
{
    if (objects_is_struct(Py_TYPE(value)))
        put_dataclass(e, value, what);
    else if (PyList_Check(value))
        put_subclass(e, value, what, put_list_value);
    else if (PyTuple_Check(value))
        put_subclass(e, value, what, put_tuple_value);
    else if (PyDict_Check(value))
        put_subclass(e, value, what, put_dict);
    else if (PyAnySet_Check(value))
        put_subclass(e, value, what, put_set_value);
    else if (PyUnicode_Check(value))
        put_subclass(e, value, what, put_str);
    else if (PyBytes_Check(value))
        put_subclass(e, value, what, put_bytes_value);
    else if (PyLong_Check(value))
        put_subclass(e, value, what, put_int);
    else if (PyFloat_Check(value))
        put_subclass(e, value, what, put_float_value);
    else if (PyExceptionInstance_Check(value))
        put_exception(e, value, what);
    else if (PyByteArray_CheckExact(value))
        put_bytearray(e, value, what);
    else if (PyRange_Check(value))
        put_range(e, value, what);
    else if (PySlice_Check(value))
        put_slice(e, value, what);
    else
        put_instance(e, value, what);
}

/* What the object says of itself, where that is asked for. */
static bool
put_own_repr(struct encoder *e, PyObject *value, struct objects_type what)
{
    PyObject *text = values_ask_repr(value, what.name);
    char left[TEXT_SIZE_MAX + 64];
    size_t size;

    if (text == NULL)
        return false;
    bool is_right = PyUnicode_Check(text) && pc_is_ready(text);
    Py_ssize_t count = is_right ? fitting(text, text_room(e), &size) : 0;
    PyObject *part = is_right ? PyUnicode_Substring(text, 0, count) : NULL;
    PyObject *bytes = part == NULL ? NULL : codes_utf8(part);
    if (bytes != NULL) {
        size = values_redact_text(
            PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), left,
            TEXT_SIZE_MAX < room(e) - 40 ? TEXT_SIZE_MAX : room(e) - 40);
        if (count < PyUnicode_GET_LENGTH(text)) {
            memcpy(left + size, "…", strlen("…"));
            size += strlen("…");
        }
        put_own(e, MAREY_VALUE_OBJECT, left, size);
    }
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(part);
    Py_DECREF(text);
    return bytes != NULL;
}

static bool
is_container(PyTypeObject *type)
{
    return type == &PyList_Type || type == &PyTuple_Type || type == &PyDict_Type ||
           type == &PySet_Type || type == &PyFrozenSet_Type;
}

static void
put_container(struct encoder *e, PyObject *value, PyTypeObject *type)
{
    if (!go_in(e, value))
        return;
    if (type == &PyList_Type)
        put_list_value(e, value);
    else if (type == &PyTuple_Type)
        put_tuple_value(e, value);
    else if (type == &PyDict_Type)
        put_dict(e, value);
    else
        put_set_value(e, value);
    go_out(e);
}

/* What is not a plain value or an exact built-in container. */
static void
put_foreign(struct encoder *e, PyObject *value)
{
    char text[448];
    size_t size = objects_named_text(value, text, sizeof(text));

    if (size != 0) {
        put_own(e, MAREY_VALUE_OBJECT, text, size);
        return;
    }
    if (objects_unwrapped(value) != value) {
        put_container(e, objects_unwrapped(value), &PyDict_Type);
        return;
    }
    struct objects_type what = objects_type(Py_TYPE(value), true);
    if (MAREY_UNLIKELY(values_user_repr) && put_own_repr(e, value, what))
        return;
    if (!go_in(e, value))
        return;
    if (what.kind != OBJECTS_PLAIN)
        put_known(e, value, what);
    else
        put_other(e, value, what);
    go_out(e);
}

static void
put(struct encoder *e, PyObject *value)
{
    PyTypeObject *type = value == NULL ? NULL : Py_TYPE(value);

    if (value == NULL)
        put_byte(e, MAREY_VALUE_UNBOUND);
    else if (type == &PyUnicode_Type)
        put_str(e, value);
    else if (type == &PyLong_Type)
        put_int(e, value);
    else if (value == Py_None)
        put_byte(e, MAREY_VALUE_NONE);
    else if (type == &PyBool_Type)
        put_byte(e, value == Py_True ? MAREY_VALUE_TRUE : MAREY_VALUE_FALSE);
    else if (type == &PyFloat_Type)
        put_double(e, PyFloat_AS_DOUBLE(value));
    else if (type == &PyBytes_Type)
        put_bytes_value(e, value);
    else if (is_container(type))
        put_container(e, value, type);
    else if (type == &PyComplex_Type) {
        put_byte(e, MAREY_VALUE_COMPLEX);
        put_bytes(e, &((PyComplexObject *)value)->cval, 2 * sizeof(double));
    } else
        put_foreign(e, value);
}

void
values_put_object(struct values *body, PyObject *value, size_t room_bytes)
{
    struct encoder encoder = {.body = body, .end = body->size_bytes + room_bytes};

    put(&encoder, value);
}
