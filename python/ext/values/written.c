/* Objects of the standard library whose value hides behind methods: written as Python
 * writes them, from fields of C. Classes of the program's own that inherit from these
 * are shown by their attributes, but for structures of ctypes, which have none. */
#include "values/objects.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include <structmember.h>

#include "values/impl.h"

#define ITEMS_MAX 100  /* of an array.array, or fields */
#define PART_MAX 200   /* bytes of one text inside */
#define VALUE_DIGITS 5 /* of 30 bits: the largest, an address of IPv6, has 128 */

struct writing {
    char *text;
    size_t size, capacity;
    bool has_secrets; /* they are shown */
};

static void put(struct writing *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put(struct writing *w, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(w->text + w->size, w->capacity - w->size, format, arguments);
    va_end(arguments);
    if (size > 0)
        w->size += (size_t)size < w->capacity - w->size ? (size_t)size
                                                        : w->capacity - w->size - 1;
}

/* Bytes of UTF-8, cut between characters. */
static void
put_cut(struct writing *w, const char *bytes, size_t size, size_t most)
{
    size_t left = w->capacity - w->size - 1, cut = size;

    most = most < left ? most : left;
    if (cut > most) {
        cut = most > 3 ? most - 3 : 0;
        while (cut > 0 && ((uint8_t)bytes[cut] & 0xC0) == 0x80)
            cut--;
    }
    put(w, "%.*s%s", (int)cut, bytes, cut < size ? "…" : "");
}

/* A new str that C code made; takes it. */
static bool
put_new(struct writing *w, PyObject *str, size_t most)
{
    PyObject *bytes = str == NULL ? NULL : codes_utf8(str);

    PyErr_Clear();
    if (bytes != NULL)
        put_cut(w, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), most);
    Py_XDECREF(bytes);
    Py_XDECREF(str);
    return bytes != NULL;
}

/* A value of a plain built-in type; of others, the type. */
static void
put_plain(struct writing *w, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    char name[200];
    bool is_plain =
        value == Py_None || type == &PyBool_Type || type == &PyFloat_Type ||
        (type == &PyLong_Type && pc_long_digits(value) <= VALUE_DIGITS) ||
        (type == &PyUnicode_Type && PyUnicode_GET_LENGTH(value) <= PART_MAX) ||
        (type == &PyBytes_Type && PyBytes_GET_SIZE(value) <= PART_MAX);

    if (is_plain) {
        put_new(w, type->tp_repr(value), PART_MAX * 2);
        return;
    }
    objects_type_text(type, name, sizeof(name));
    put(w, "<%s>", name);
}

static void
put_named(struct writing *w, PyObject *name, PyObject *value)
{
    PyObject *bytes = codes_utf8(name);

    if (bytes != NULL)
        put_cut(w, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), 40);
    put(w, "=");
    if (bytes == NULL ||
        (!w->has_secrets &&
         values_is_secret(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes))))
        put(w, "<redacted>");
    else
        put_plain(w, value);
    PyErr_Clear();
    Py_XDECREF(bytes);
}

/* An attribute that the object holds, of exactly this type: new, or NULL. */
static PyObject *
held(PyObject *object, const char *name, PyTypeObject *type)
{
    PyObject *key = PyUnicode_FromString(name);
    PyObject *value = key == NULL ? NULL : objects_attribute_of(object, key);

    Py_XDECREF(key);
    PyErr_Clear();
    if (value != NULL && !Py_IS_TYPE(value, type))
        Py_CLEAR(value);
    return value;
}

static const char *
last_name(PyObject *object)
{
    const char *name = Py_TYPE(object)->tp_name, *dot = strrchr(name, '.');

    return dot == NULL ? name : dot + 1;
}

/* ---- pathlib ---- */

/* The parts one behind the other; up to 3.11 the first one has the root in it. */
static bool
put_parts(struct writing *w, PyObject *parts)
{
    bool has_slash = true;

    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts) && i < ITEMS_MAX; i++) {
        PyObject *part = objects_item(parts, i);
        if (part == NULL || !PyUnicode_CheckExact(part)) {
            Py_XDECREF(part);
            return false;
        }
        Py_ssize_t length = PyUnicode_GET_LENGTH(part);
        bool is_root = length > 0 && PyUnicode_READ_CHAR(part, 0) == '/';
        if (is_root && i > 0) /* what came before counts no longer */
            w->size = strlen("PosixPath('");
        put(w, "%s", has_slash || is_root ? "" : "/");
        has_slash =
            length > 0 ? PyUnicode_READ_CHAR(part, length - 1) == '/' : has_slash;
        put_new(w, part, PART_MAX);
    }
    put(w, "')");
    return true;
}

static bool
put_path(struct writing *w, PyObject *object)
{
    PyObject *text = held(object, "_str", &PyUnicode_Type);

    put(w, "%s(", last_name(object));
    if (text != NULL) {
        put_new(w, PyUnicode_Type.tp_repr(text), 2 * PART_MAX);
        Py_DECREF(text);
        put(w, ")");
        return true;
    }
    PyObject *parts = held(object, "_raw_paths", &PyList_Type);
    if (parts == NULL)
        parts = held(object, "_parts", &PyList_Type);
    put(w, "'");
    bool is_put = parts != NULL && put_parts(w, parts);
    Py_XDECREF(parts);
    return is_put;
}

/* ---- numbers with a form of their own ---- */

/* The int that the object holds, as bytes, the highest first. */
static bool
number_of(PyObject *object, const char *name, uint8_t *bytes, size_t size)
{
    PyObject *number = held(object, name, &PyLong_Type);
    PyObject *digits = number == NULL || pc_long_digits(number) > VALUE_DIGITS
                           ? NULL
                           : PyNumber_ToBase(number, 16); /* 0x…; of an exact int */
    bool is_right = false;

    if (digits != NULL) {
        const char *text = (const char *)PyUnicode_1BYTE_DATA(digits);
        size_t count = (size_t)PyUnicode_GET_LENGTH(digits);
        memset(bytes, 0, size);
        is_right = text[0] == '0' && count - 2 <= 2 * size;
        for (size_t i = 0; is_right && i + 2 < count; i++) {
            char digit = text[count - 1 - i];
            unsigned value =
                digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a' + 10);
            bytes[size - 1 - i / 2] |= (uint8_t)(value << (i % 2 * 4));
        }
    }
    PyErr_Clear();
    Py_XDECREF(number);
    Py_XDECREF(digits);
    return is_right;
}

static bool
put_uuid(struct writing *w, PyObject *object)
{
    uint8_t bytes[16];

    if (!number_of(object, "int", bytes, sizeof(bytes)))
        return false;
    put(w, "UUID('");
    for (int i = 0; i < 16; i++)
        put(w, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    put(w, "')");
    return true;
}

static bool
put_digits(struct writing *w, PyObject *object)
{
    bool is_short = strncmp(last_name(object), "IPv4", 4) == 0;
    uint8_t bytes[16];
    char text[INET6_ADDRSTRLEN];

    if (!number_of(object, "_ip", bytes, is_short ? 4 : 16) ||
        inet_ntop(is_short ? AF_INET : AF_INET6, bytes, text, sizeof(text)) == NULL)
        return false;
    put(w, "%s", text);
    return true;
}

static bool
put_address(struct writing *w, PyObject *object)
{
    put(w, "%s('", last_name(object));
    bool is_put = put_digits(w, object);
    put(w, "')");
    return is_put;
}

static bool
put_network(struct writing *w, PyObject *object)
{
    PyObject *key = PyUnicode_FromString("network_address");
    PyObject *address = key == NULL ? NULL : objects_attribute_of(object, key);
    PyObject *prefix = held(object, "_prefixlen", &PyLong_Type);
    bool is_right = address != NULL && prefix != NULL &&
                    strstr(Py_TYPE(address)->tp_name, "Address") != NULL;

    put(w, "%s('", last_name(object));
    is_right = is_right && put_digits(w, address);
    if (is_right)
        put(w, "/%ld')", PyLong_AsLong(prefix));
    PyErr_Clear();
    Py_XDECREF(key);
    Py_XDECREF(address);
    Py_XDECREF(prefix);
    return is_right;
}

/* ---- regular expressions ---- */

static PyMemberDef *
member_of(PyTypeObject *type, const char *name)
{
    PyMemberDef *member = type->tp_members;

    while (member != NULL && member->name != NULL && strcmp(member->name, name) != 0)
        member++;
    return member != NULL && member->name != NULL ? member : NULL;
}

static bool
is_exact_text(PyObject *object, const char *name)
{
    PyMemberDef *member = member_of(Py_TYPE(object), name);
    PyObject *value =
        member == NULL ? NULL : *(PyObject **)((char *)object + member->offset);

    return value != NULL &&
           (Py_IS_TYPE(value, &PyUnicode_Type) || Py_IS_TYPE(value, &PyBytes_Type));
}

static bool
put_pattern(struct writing *w, PyObject *object)
{
    static const char *const names[] = {"TEMPLATE",  "IGNORECASE", "LOCALE",
                                        "MULTILINE", "DOTALL",     NULL, /* str */
                                        "VERBOSE",   "DEBUG",      "ASCII"};
    PyMemberDef *pattern = member_of(Py_TYPE(object), "pattern");
    PyMemberDef *flags = member_of(Py_TYPE(object), "flags");
    const char *between = ", ";

    if (flags == NULL || flags->type != T_INT || !is_exact_text(object, "pattern"))
        return false;
    int set = *(int *)((char *)object + flags->offset);
    put(w, "re.compile(");
    put_plain(w, *(PyObject **)((char *)object + pattern->offset));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((set >> i & 1) == 0 || names[i] == NULL)
            continue;
        put(w, "%sre.%s", between, names[i]);
        between = "|";
    }
    put(w, ")");
    return true;
}

/* Its repr cuts the text that matched out of a plain one. */
static bool
put_match(struct writing *w, PyObject *object)
{
    return is_exact_text(object, "string") &&
           put_new(w, Py_TYPE(object)->tp_repr(object), 2 * PART_MAX);
}

/* ---- memory ---- */

static bool
put_array(struct writing *w, PyObject *object)
{
    const PySequenceMethods *methods = Py_TYPE(object)->tp_as_sequence;
    Py_ssize_t length = methods->sq_length(object), i = 0;

    put(w, "array([");
    for (; i < length && i < ITEMS_MAX && w->size + 64 < w->capacity; i++) {
        PyObject *item = methods->sq_item(object, i);
        if (item == NULL)
            break; /* it became shorter */
        put(w, "%s", i == 0 ? "" : ", ");
        put_plain(w, item);
        Py_DECREF(item);
    }
    PyErr_Clear();
    if (i < length)
        put(w, ", … %zd more", length - i);
    put(w, "])");
    return true;
}

static bool
put_memory(struct writing *w, PyObject *object)
{
    const Py_buffer *view = PyMemoryView_GET_BUFFER(object);

    put(w, "<memoryview of %zd bytes%s>", view->len,
        view->readonly ? ", read-only" : "");
    return true;
}

/* What the getter of a type of C says: new, or NULL. */
static PyObject *
got(PyObject *object, const PyTypeObject *type, const char *name)
{
    PyGetSetDef *item = type->tp_getset;
    PyObject *value = NULL;

    while (item != NULL && item->name != NULL && strcmp(item->name, name) != 0)
        item++;
    if (item != NULL && item->name != NULL)
        value = item->get(object, item->closure);
    PyErr_Clear();
    return value;
}

/* ---- ctypes ---- */

/* Whether values of this type of ctypes are in the object itself: those that point
 * elsewhere may point to what is gone. */
static bool
is_inside(PyObject *type)
{
    PyTypeObject *base = PyType_Check(type) ? ((PyTypeObject *)type)->tp_base : NULL;
    PyObject *code =
        base == NULL ? NULL : objects_type_item((PyTypeObject *)type, "_type_");

    if (code == NULL)
        return false;
    if (objects_is_known(base, "_ctypes._SimpleCData"))
        return PyUnicode_CheckExact(code) && PyUnicode_GET_LENGTH(code) == 1 &&
               PyUnicode_READ_CHAR(code, 0) < 0x80 &&
               strchr("bBhHiIlLqQfd?cu", (int)PyUnicode_READ_CHAR(code, 0)) != NULL;
    return objects_is_known(base, "_ctypes.Array") && is_inside(code);
}

/* Whether a field of this type gives a number or a text: no other object is made. */
static bool
is_scalar(PyObject *type)
{
    if (!is_inside(type))
        return false;
    if (!objects_is_known(((PyTypeObject *)type)->tp_base, "_ctypes.Array"))
        return true;
    PyObject *element = objects_type_item((PyTypeObject *)type, "_type_");
    PyObject *code = objects_type_item((PyTypeObject *)element, "_type_");
    return PyUnicode_CheckExact(code) && PyUnicode_READ_CHAR(code, 0) == 'c';
}

static bool
put_scalar(struct writing *w, PyObject *object)
{
    PyObject *value = is_inside((PyObject *)Py_TYPE(object))
                          ? got(object, Py_TYPE(object)->tp_base, "value")
                          : NULL;

    if (value == NULL)
        return false;
    put(w, "%s(", last_name(object));
    put_plain(w, value);
    put(w, ")");
    Py_DECREF(value);
    return true;
}

static bool
is_field(PyObject *descriptor)
{
    return objects_is_known(Py_TYPE(descriptor), "_ctypes.CField") ||
           objects_is_known(Py_TYPE(descriptor), "ctypes.CField"); /* from 3.14 on */
}

/* One field: its descriptor is of C, and makes a new built-in value. */
static void
put_field(struct writing *w, PyObject *object, PyObject *field)
{
    PyObject *name = objects_item(field, 0), *type = objects_item(field, 1);
    PyObject *value = NULL, *descriptor = NULL;

    if (name != NULL && PyUnicode_CheckExact(name) && PyUnicode_IS_ASCII(name))
        descriptor = objects_type_item(Py_TYPE(object),
                                       (const char *)PyUnicode_1BYTE_DATA(name));
    bool is_simple = type != NULL && is_scalar(type);
    if (descriptor != NULL && is_simple && is_field(descriptor))
        value = Py_TYPE(descriptor)
                    ->tp_descr_get(descriptor, object, (PyObject *)Py_TYPE(object));
    PyErr_Clear();
    if (name != NULL && PyUnicode_CheckExact(name)) {
        if (value != NULL) {
            put_named(w, name, value);
        } else {
            put_new(w, Py_NewRef(name), 40);
            put(w, "=<not shown>");
        }
    }
    Py_XDECREF(name);
    Py_XDECREF(type);
    Py_XDECREF(value);
}

static bool
put_structure(struct writing *w, PyObject *object)
{
    PyObject *fields = objects_type_item(Py_TYPE(object), "_fields_");
    bool is_list = fields != NULL && PyList_CheckExact(fields);

    if (!is_list && (fields == NULL || !PyTuple_CheckExact(fields)))
        return false;
    put(w, "%s(", last_name(object));
    for (Py_ssize_t i = 0; i < ITEMS_MAX && w->size + 64 < w->capacity; i++) {
        PyObject *field = objects_item(fields, i);
        if (field == NULL)
            break;
        put(w, "%s", i == 0 ? "" : ", ");
        if (PyTuple_CheckExact(field))
            put_field(w, object, field);
        Py_DECREF(field);
    }
    put(w, ")");
    return true;
}

/* ---- others ---- */

/* The fields of one, in all versions. */
struct row {
    PyObject ob_base;
    PyObject *data;        /* tuple */
    PyObject *description; /* tuple of tuples: a name and more */
};

static bool
put_row(struct writing *w, PyObject *object)
{
    const struct row *row = (const struct row *)object;

    if (row->data == NULL || !PyTuple_CheckExact(row->data) ||
        row->description == NULL || !PyTuple_CheckExact(row->description))
        return false;
    put(w, "sqlite3.Row(");
    for (Py_ssize_t i = 0;
         i < PyTuple_GET_SIZE(row->data) && i < PyTuple_GET_SIZE(row->description) &&
         w->size + 64 < w->capacity;
         i++) {
        PyObject *column = PyTuple_GET_ITEM(row->description, i);
        PyObject *name = PyTuple_Check(column) ? objects_item(column, 0) : NULL;
        put(w, "%s", i == 0 ? "" : ", ");
        if (name != NULL && PyUnicode_CheckExact(name))
            put_named(w, name, PyTuple_GET_ITEM(row->data, i));
        Py_XDECREF(name);
    }
    put(w, ")");
    return true;
}

static bool
put_own_text(struct writing *w, PyObject *object)
{
    return put_new(w, Py_TYPE(object)->tp_repr(object), PART_MAX);
}

static bool
put_reference(struct writing *w, PyObject *object)
{
    PyObject *to = pc_weak_target(object);
    char name[PART_MAX];

    if (to != NULL)
        objects_type_text(Py_TYPE(to), name, sizeof(name));
    put(w, to == NULL ? "<weakref, dead>" : "<weakref to %s>", name);
    Py_XDECREF(to);
    return true;
}

static bool
put_element(struct writing *w, PyObject *object)
{
    PyObject *tag = got(object, Py_TYPE(object), "tag");
    PyObject *text = got(object, Py_TYPE(object), "text");

    put(w, "<Element ");
    put_plain(w, tag == NULL ? Py_None : tag);
    if (text != NULL && text != Py_None) {
        put(w, " text=");
        put_plain(w, text);
    }
    put(w, " children=%zd>", Py_TYPE(object)->tp_as_sequence->sq_length(object));
    Py_XDECREF(tag);
    Py_XDECREF(text);
    return true;
}

/* Keys, values or items of a dict. */
struct view {
    PyObject ob_base;
    PyObject *dict;
};

/* dict_keys, dict_values, dict_items: what is below secret names is not shown. */
static bool
put_view(struct writing *w, PyObject *object)
{
    PyObject *dict = ((struct view *)object)->dict, *key, *value;
    bool has_keys = !Py_IS_TYPE(object, &PyDictValues_Type);
    bool has_values = !Py_IS_TYPE(object, &PyDictKeys_Type);
    Py_ssize_t at = 0, count = 0;

    put(w, "%s([", last_name(object));
    while (count < ITEMS_MAX && w->size + 500 < w->capacity &&
           objects_dict_next(dict, &at, &key, &value)) {
        bool is_hidden = !w->has_secrets && values_is_secret_key(key);
        put(w, "%s%s", count++ == 0 ? "" : ", ", has_keys && has_values ? "(" : "");
        if (has_keys)
            put_plain(w, key);
        put(w, "%s", has_keys && has_values ? ", " : "");
        if (has_values && is_hidden)
            put(w, "<redacted>");
        else if (has_values)
            put_plain(w, value);
        put(w, "%s", has_keys && has_values ? ")" : "");
        Py_DECREF(key);
        Py_DECREF(value);
    }
    if (count < PyDict_GET_SIZE(dict))
        put(w, "%s… %zd more", count == 0 ? "" : ", ", PyDict_GET_SIZE(dict) - count);
    put(w, "])");
    return true;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    bool (*write)(struct writing *w, PyObject *object);
    bool is_python; /* of Python: told by its module, too */
} known[] = {
    {"pathlib.PosixPath", put_path, true},
    {"pathlib.PurePosixPath", put_path, true},
    {"pathlib._local.PosixPath", put_path, true},
    {"pathlib._local.PurePosixPath", put_path, true},
    {"uuid.UUID", put_uuid, true},
    {"ipaddress.IPv4Address", put_address, true},
    {"ipaddress.IPv6Address", put_address, true},
    {"ipaddress.IPv4Network", put_network, true},
    {"ipaddress.IPv6Network", put_network, true},
    {"re.Pattern", put_pattern, false},
    {"re.Match", put_match, false},
    {"array.array", put_array, false},
    {"memoryview", put_memory, false},
    {"sqlite3.Row", put_row, false},
    {"_thread.lock", put_own_text, false},
    {"_thread.RLock", put_own_text, false},
    {"NotImplementedType", put_own_text, false},
    {"weakref.ReferenceType", put_reference, false},
    {"xml.etree.ElementTree.Element", put_element, false},
    {"dict_keys", put_view, false},
    {"dict_values", put_view, false},
    {"dict_items", put_view, false},
    {"_ctypes._SimpleCData", put_scalar, false}, /* and what inherits from it */
    {"_ctypes.Structure", put_structure, false},
    {"_ctypes.Union", put_structure, false},
};

#define KNOWN_COUNT (int)(sizeof(known) / sizeof(known[0]))

int
objects_written_kind(PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base;
    char name[64] = "";

    for (int i = 0; i < KNOWN_COUNT; i++) {
        bool inherits = strncmp(known[i].name, "_ctypes.", 8) == 0 && base != NULL;
        if (!known[i].is_python &&
            objects_is_known(inherits ? base : type, known[i].name))
            return i;
    }
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0)
        objects_type_text(type, name, sizeof(name));
    for (int i = 0; i < KNOWN_COUNT; i++)
        if (known[i].is_python && strcmp(name, known[i].name) == 0)
            return i;
    return -1;
}

size_t
objects_written(PyObject *object, int index, bool has_secrets, char *text,
                size_t capacity)
{
    struct writing w = {text, 0, capacity, has_secrets};

    text[0] = '\0';
    return known[index].write(&w, object) ? w.size : 0;
}
