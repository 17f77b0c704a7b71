/* Values of the program as bytes: see values.h. */
#include "values/impl.h"

#include "base/varint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define VALUE_SIZE_MAX 2048   /* bytes of one value */
#define MESSAGE_SIZE_MAX 4096 /* of a message; a character takes up to 4 */
#define SLACK_SIZE 256        /* what the last value may need beyond its room */
#define NAMES_MAX 8192        /* names that are remembered; a power of two */

bool values_redact = true;

/* ---- names ---- */

/* Words that make a name a secret's, in lower case without _, - and blanks. */
static const char *const secret_words[] = {
    "password",   "passwd",    "passphrase", "passcode",      "secret",
    "token",      "apikey",    "authoriz",   "cookie",        "credential",
    "privatekey", "accesskey", "sessionid",  "sessionkey",    "csrf",
    "jwt",        "bearer",    "signingkey", "encryptionkey",
};
#define NAME_LOOKED_AT 128 /* characters */

#define OWN_WORDS_MAX 32
static char own_words[OWN_WORDS_MAX][NAME_LOOKED_AT + 1];
static unsigned own_word_count;

static void forget_names(void);

/* A name on its way to be judged. */
struct plain_name {
    char text[NAME_LOOKED_AT + 1];
    size_t size;
};

static inline void
plain_put(struct plain_name *plain, Py_UCS4 code)
{
    if (code == '_' || code == '-' || code == ' ' || plain->size >= NAME_LOOKED_AT)
        return;
    if (code >= 'A' && code <= 'Z')
        code += 'a' - 'A';
    plain->text[plain->size++] = code < 0x80 && code != 0 ? (char)code : '?';
}

static bool
plain_is_secret(struct plain_name *plain)
{
    plain->text[plain->size] = '\0';
    for (const char *at = plain->text; *at != '\0'; at++) {
        if (strchr("pstacjbe", *at) == NULL)
            continue;
        for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++)
            if (secret_words[i][0] == *at &&
                strncmp(at, secret_words[i], strlen(secret_words[i])) == 0)
                return true;
    }
    for (unsigned i = 0; i < own_word_count; i++)
        if (strstr(plain->text, own_words[i]) != NULL)
            return true;
    return strcmp(plain->text, "pwd") == 0 || strcmp(plain->text, "auth") == 0;
}

int
values_set_words(PyObject *words)
{
    own_word_count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(words); i++) {
        PyObject *word = PyTuple_GET_ITEM(words, i);
        struct plain_name plain = {.size = 0};
        if (i >= OWN_WORDS_MAX || !PyUnicode_Check(word)) {
            PyErr_Format(PyExc_ValueError, "at most %d words, each a str",
                         OWN_WORDS_MAX);
            return -1;
        }
        for (Py_ssize_t k = 0; k < PyUnicode_GET_LENGTH(word); k++)
            plain_put(&plain, PyUnicode_READ_CHAR(word, k));
        plain.text[plain.size] = '\0';
        if (plain.size > 0)
            memcpy(own_words[own_word_count++], plain.text, plain.size + 1);
    }
    forget_names();
    return 0;
}

bool
values_is_secret(const char *name, size_t size_bytes)
{
    struct plain_name plain = {.size = 0};

    if (!values_redact)
        return false;
    for (size_t i = 0; i < size_bytes && i < 2 * NAME_LOOKED_AT; i++)
        plain_put(&plain, (unsigned char)name[i]);
    return plain_is_secret(&plain);
}

bool
values_is_secret_key(PyObject *key)
{
    struct plain_name plain = {.size = 0};

    if (PyBytes_Check(key))
        return values_is_secret(PyBytes_AS_STRING(key), (size_t)PyBytes_GET_SIZE(key));
    if (!values_redact || !PyUnicode_Check(key) || !pc_is_ready(key))
        return false;
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(key) && i < 2 * NAME_LOOKED_AT; i++)
        plain_put(&plain, PyUnicode_READ_CHAR(key, i));
    return plain_is_secret(&plain);
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

/* Names are judged anew. They stay known, so that readers may go on meanwhile. */
static void
forget_names(void)
{
    pthread_mutex_lock(&names_lock);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        PyObject *text = atomic_load(&known_names[i].text);
        if (text != NULL)
            known_names[i].name.is_secret = values_is_secret_key(text);
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

/* ---- bodies ---- */

static void
put_number(struct values *body, uint64_t number)
{
    body->size_bytes += marey_varint_put(body->bytes + body->size_bytes, number);
}

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

/* Whether nothing that can fail is needed to put it. */
static bool
is_simple(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);

    return value == Py_None || type == &PyBool_Type || type == &PyFloat_Type ||
           (type == &PyLong_Type && pc_long_digits(value) <= 2) ||
           (type == &PyUnicode_Type && pc_is_ready(value));
}

void
values_put_named(struct values *body, struct values_name name, PyObject *value)
{
    /* The names of all values that may follow have room, too. */
    size_t reserve = (VALUES_COUNT_MAX - body->count) * (MAREY_VARINT_SIZE_MAX + 1);
    size_t room = VALUES_SIZE_MAX - SLACK_SIZE - reserve - body->size_bytes;

    if (name.is_secret) {
        values_put_tag(body, name, MAREY_VALUE_REDACTED);
        return;
    }
    if (body->size_bytes + SLACK_SIZE + reserve + 2 * VALUES_ITEM_ROOM >
        VALUES_SIZE_MAX) {
        values_put_tag(body, name, MAREY_VALUE_NOT_RECORDED);
        return;
    }
    if (!put_name(body, name))
        return;
    if (room > VALUE_SIZE_MAX)
        room = VALUE_SIZE_MAX;
    if (value != NULL && is_simple(value)) {
        values_put_object(body, value, room);
    } else {
        struct pc_exception saved = pc_exception_take();
        values_put_object(body, value, room);
        pc_exception_give(saved); /* in place of what was raised meanwhile */
    }
    assert(body->size_bytes <= VALUES_SIZE_MAX);
}

void
values_put(struct values *body, PyObject *name, PyObject *value)
{
    values_put_named(body, values_name(name), value);
}

void
values_put_message(struct values *body, struct values_name name, PyObject *text)
{
    char plain[MESSAGE_SIZE_MAX], left[MESSAGE_SIZE_MAX];
    size_t size = 0;

    if (!values_redact || name.is_secret || !PyUnicode_Check(text) ||
        !pc_is_ready(text)) {
        values_put_named(body, name, text);
        return;
    }
    struct pc_exception saved = pc_exception_take();
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    PyObject *part = PyUnicode_Substring(text, 0, MESSAGE_SIZE_MAX / 4);
    PyObject *bytes = part == NULL ? NULL : codes_utf8(part);
    PyErr_Clear();
    pc_exception_give(saved);
    if (bytes != NULL && PyBytes_GET_SIZE(bytes) <= MESSAGE_SIZE_MAX) {
        size = (size_t)PyBytes_GET_SIZE(bytes);
        memcpy(plain, PyBytes_AS_STRING(bytes), size);
        size = values_redact_text(plain, size, left, sizeof(left));
    }
    Py_XDECREF(bytes);
    Py_XDECREF(part);
    size_t reserve = (VALUES_COUNT_MAX - body->count) * (MAREY_VARINT_SIZE_MAX + 1);
    if (body->size_bytes + SLACK_SIZE + reserve + size > VALUES_SIZE_MAX) {
        values_put_tag(body, name, MAREY_VALUE_NOT_RECORDED);
        return;
    }
    if (!put_name(body, name))
        return;
    bool is_cut = length > MESSAGE_SIZE_MAX / 4;
    body->bytes[body->size_bytes++] = is_cut ? MAREY_VALUE_CUT_TEXT : MAREY_VALUE_TEXT;
    if (is_cut)
        put_number(body, (uint64_t)length);
    put_number(body, size);
    memcpy(body->bytes + body->size_bytes, left, size);
    body->size_bytes += size;
}

uint64_t
values_number(struct values_name name, PyObject *value)
{
    struct values body;

    if (value == NULL)
        return 0;
    values_begin(&body);
    values_put_named(&body, (struct values_name){0, name.is_secret}, value);
    uint64_t number = XXH64(body.bytes + 1, body.size_bytes - 1, 0);
    return number == 0 ? 1 : number;
}

uint64_t
values_finish(struct values *body, struct marey_lane *lane)
{
    if (body->count == 0)
        return 0;
    body->bytes[0] = (uint8_t)body->count;
    return marey_blob_put(lane, body->bytes, body->size_bytes);
}
