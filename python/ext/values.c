/* Values of the program as bytes: see values.h. */
#include "values.h"

#include "base/varint.h"

#include <ctype.h>
#include <stdio.h>

#define TEXT_SIZE_MAX 1024 /* bytes of one value; longer ones are cut */
#define NAMES_MAX 8192     /* names that are remembered; a power of two */

/* ---- names ---- */

/* Words that make a name a secret's, in lower case without _ and -. */
static const char *const secret_words[] = {
    "password",   "passwd",    "passphrase",    "passcode",   "secret",
    "token",      "apikey",    "authoriz",      "cookie",     "credential",
    "privatekey", "accesskey", "sessionid",     "sessionkey", "csrf",
    "jwt",        "bearer",    "encryptionkey", "signingkey",
};

bool
values_is_secret(const char *name, size_t size_bytes)
{
    char plain[128];
    size_t size = 0;

    for (size_t i = 0; i < size_bytes && size < sizeof(plain) - 1; i++)
        if (name[i] != '_' && name[i] != '-' && name[i] != ' ')
            plain[size++] = (char)tolower((unsigned char)name[i]);
    plain[size] = '\0';
    for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++)
        if (strstr(plain, secret_words[i]) != NULL)
            return true;
    return strcmp(plain, "pwd") == 0 || strcmp(plain, "auth") == 0;
}

/* Interned names that were seen: open addressing, only ever added to, read without a
 * lock. Each holds a reference, so that an address keeps its meaning. */
struct known_name {
    _Atomic(PyObject *) text;
    struct values_name name;
};
static struct known_name known_names[NAMES_MAX];
static atomic_uint known_count;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

static struct values_name
look_up(PyObject *text)
{
    PyObject *bytes = codes_utf8(text);
    struct values_name name = {0, true};

    if (bytes != NULL) {
        name.id = marey_define_string(PyBytes_AS_STRING(bytes),
                                      (size_t)PyBytes_GET_SIZE(bytes));
        name.is_secret =
            values_is_secret(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
        Py_DECREF(bytes);
    }
    return name;
}

static void
remember(PyObject *text, struct values_name name)
{
    unsigned at = (unsigned)((uintptr_t)text >> 4);

    pthread_mutex_lock(&names_lock);
    if (atomic_load(&known_count) < NAMES_MAX / 2) {
        for (;; at++) {
            struct known_name *known = &known_names[at % NAMES_MAX];
            PyObject *found = atomic_load_explicit(&known->text, memory_order_relaxed);
            if (found == text)
                break;
            if (found != NULL)
                continue;
            known->name = name;
            atomic_store_explicit(&known->text, Py_NewRef(text), memory_order_release);
            atomic_fetch_add(&known_count, 1);
            break;
        }
    }
    pthread_mutex_unlock(&names_lock);
}

struct values_name
values_name(PyObject *text)
{
    struct values_name name = {0, false};

    if (text == NULL || !PyUnicode_CheckExact(text))
        return name;
    for (unsigned at = (unsigned)((uintptr_t)text >> 4);; at++) {
        struct known_name *known = &known_names[at % NAMES_MAX];
        PyObject *found = atomic_load_explicit(&known->text, memory_order_acquire);
        if (MAREY_LIKELY(found == text))
            return known->name;
        if (found == NULL)
            break;
    }
    struct pc_exception saved = pc_exception_take();
    name = look_up(text);
    PyErr_Clear();
    pc_exception_give(saved);
    if (name.id != 0 && PyUnicode_CHECK_INTERNED(text))
        remember(text, name);
    return name;
}

/* ---- values ---- */

static void
put_text(struct values *body, uint8_t tag, const char *text, size_t size)
{
    if (size > TEXT_SIZE_MAX)
        size = TEXT_SIZE_MAX;
    body->bytes[body->size_bytes++] = tag;
    body->size_bytes += marey_varint_put(body->bytes + body->size_bytes, size);
    memcpy(body->bytes + body->size_bytes, text, size);
    body->size_bytes += size;
}

static void
put_object(struct values *body, PyObject *value)
{
    char text[300];
    int size = snprintf(text, sizeof(text), "<%.200s at %p>", Py_TYPE(value)->tp_name,
                        (void *)value);

    put_text(body, MAREY_VALUE_OBJECT, text, (size_t)size);
}

static void
put_unicode(struct values *body, PyObject *value)
{
    struct pc_exception saved = pc_exception_take();
    PyObject *part = PyUnicode_GET_LENGTH(value) > TEXT_SIZE_MAX
                         ? PyUnicode_Substring(value, 0, TEXT_SIZE_MAX)
                         : Py_NewRef(value);
    PyObject *bytes = part == NULL ? NULL : codes_utf8(part);

    if (bytes == NULL)
        body->bytes[body->size_bytes++] = MAREY_VALUE_ERROR;
    else
        put_text(body, MAREY_VALUE_TEXT, PyBytes_AS_STRING(bytes),
                 (size_t)PyBytes_GET_SIZE(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(part);
    PyErr_Clear();
    pc_exception_give(saved);
}

static void
put_value(struct values *body, PyObject *value)
{
    if (value == Py_None) {
        body->bytes[body->size_bytes++] = MAREY_VALUE_NONE;
    } else if (PyBool_Check(value)) {
        body->bytes[body->size_bytes++] =
            value == Py_True ? MAREY_VALUE_TRUE : MAREY_VALUE_FALSE;
    } else if (PyLong_CheckExact(value)) {
        int overflow = 0;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow != 0) {
            put_text(body, MAREY_VALUE_OBJECT, "<large int>", 11);
            return;
        }
        body->bytes[body->size_bytes++] = MAREY_VALUE_INT;
        body->size_bytes +=
            marey_varint_put(body->bytes + body->size_bytes, marey_zigzag(number));
    } else if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AS_DOUBLE(value);
        body->bytes[body->size_bytes++] = MAREY_VALUE_FLOAT;
        memcpy(body->bytes + body->size_bytes, &number, sizeof(number));
        body->size_bytes += sizeof(number);
    } else if (PyUnicode_CheckExact(value)) {
        put_unicode(body, value);
    } else if (PyBytes_CheckExact(value)) {
        put_text(body, MAREY_VALUE_BYTES, PyBytes_AS_STRING(value),
                 (size_t)PyBytes_GET_SIZE(value));
    } else {
        put_object(body, value);
    }
}

/* ---- bodies ---- */

/* Starts a value. False: there is no room for it at all. */
static bool
put_name(struct values *body, struct values_name name)
{
    if (body->count >= VALUES_COUNT_MAX)
        return false;
    body->count++;
    body->size_bytes += marey_varint_put(body->bytes + body->size_bytes, name.id);
    return true;
}

void
values_put_tag(struct values *body, struct values_name name, uint8_t tag)
{
    if (put_name(body, name))
        body->bytes[body->size_bytes++] = tag;
}

void
values_put_named(struct values *body, struct values_name name, PyObject *value)
{
    /* The names of all values that may follow have room, too. */
    size_t reserve = (VALUES_COUNT_MAX - body->count) * (MAREY_VARINT_SIZE_MAX + 1);

    if (name.is_secret)
        values_put_tag(body, name, MAREY_VALUE_REDACTED);
    else if (body->size_bytes + TEXT_SIZE_MAX + 32 + reserve > VALUES_SIZE_MAX)
        values_put_tag(body, name, MAREY_VALUE_NOT_RECORDED);
    else if (put_name(body, name))
        put_value(body, value);
}

void
values_put(struct values *body, PyObject *name, PyObject *value)
{
    values_put_named(body, values_name(name), value);
}

uint64_t
values_finish(struct values *body, struct marey_lane *lane)
{
    if (body->count == 0)
        return 0;
    body->bytes[0] = (uint8_t)body->count;
    return marey_blob_put(lane, body->bytes, body->size_bytes);
}
