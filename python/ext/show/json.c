/* Objects as JSON text.
 *
 * Lists, tuples, sets and deques become arrays, dicts objects (a key that is no str is
 * written as it would be shown), anything else with parts an object that says its type
 * first: {"$type": "app.Point", "x": 1, "y": 2}; what is positional is under "$value".
 * What JSON has no word for is a string, as show() writes it. */
#include "show/show.h"

#include <stdio.h>
#include <stdlib.h>

struct writer {
    const struct show_options *options;
    struct show_text text;
    int depth;
    bool is_failed;
    PyObject *above[SHOW_DEPTH_MAX + 1]; /* borrowed */
};

static void put(struct writer *w, PyObject *object);

/* ---- texts ---- */

static void
put_escaped(struct show_text *text, const uint8_t *bytes, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *end = bytes + size, *run = bytes, *at = bytes;
    char escape[8] = "\\u0000";

    show_puts(text, "\"");
    while (at < end) {
        bool is_surrogate = *at == 0xED && end - at >= 3 && at[1] >= 0xA0;
        if (*at >= ' ' && *at != '"' && *at != '\\' && *at != 0x7F && !is_surrogate) {
            at++;
            continue;
        }
        show_put(text, (const char *)run, (size_t)(at - run));
        unsigned code =
            is_surrogate ? 0xD000u | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu) : *at;
        if (*at == '"' || *at == '\\') {
            char pair[3] = {'\\', (char)*at, '\0'};
            show_puts(text, pair);
        } else {
            for (int i = 0; i < 4; i++)
                escape[2 + i] = hex[code >> (12 - 4 * i) & 15];
            show_puts(text, escape);
        }
        at += is_surrogate ? 3 : 1;
        run = at;
    }
    show_put(text, (const char *)run, (size_t)(at - run));
    show_puts(text, "\"");
}

static void
put_utf8(struct writer *w, const struct show_text *from)
{
    put_escaped(&w->text, (const uint8_t *)from->bytes, from->size);
}

/* A str of the user: cut where it is too long. Steals. */
static void
put_str(struct writer *w, PyObject *str)
{
    Py_ssize_t length = str == NULL ? 0 : PyUnicode_GET_LENGTH(str);
    bool is_cut = w->options->characters >= 0 && length > w->options->characters;
    PyObject *part =
        str == NULL
            ? NULL
            : PyUnicode_Substring(str, 0, is_cut ? w->options->characters : length);
    PyObject *bytes = part == NULL ? NULL : codes_utf8(part);
    struct show_text text = {0};

    PyErr_Clear();
    if (bytes != NULL)
        show_put(&text, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    if (is_cut)
        show_puts(&text, "…");
    put_utf8(w, &text);
    free(text.bytes);
    Py_XDECREF(bytes);
    Py_XDECREF(part);
    Py_XDECREF(str);
}

/* What show() would write, as a string. */
static bool
put_shown(struct writer *w, PyObject *object)
{
    struct show_text text = {0};
    bool is_plain = show_plain(&text, w->options, object);

    if (is_plain)
        put_utf8(w, &text);
    free(text.bytes);
    return is_plain;
}

static void
new_line(struct writer *w)
{
    if (w->options->indent < 0)
        return;
    show_puts(&w->text, "\n");
    for (int i = 0; i < w->depth * w->options->indent; i++)
        show_puts(&w->text, " ");
}

/* ---- parts ---- */

static void
put_key(struct writer *w, const struct show_item *item)
{
    struct show_text text = {0};

    if (item->slot != NULL) {
        show_puts(&text, item->slot);
    } else if (PyUnicode_Check(item->key)) {
        put_str(w, PyUnicode_FromObject(item->key));
        return;
    } else if (!show_plain(&text, w->options, item->key)) {
        show_puts(&text, "<");
        char name[400];
        objects_type_text(Py_TYPE(item->key), name, sizeof(name));
        show_puts(&text, name);
        show_puts(&text, ">");
    }
    put_utf8(w, &text);
    free(text.bytes);
}

static void
put_section(struct writer *w, const struct show_section *section, Py_ssize_t *put_count)
{
    struct show_cursor cursor;
    struct show_item item;
    PyObject *first = NULL;
    Py_ssize_t length = show_length(section), most = w->options->elements, count = 0;
    bool is_named = section->kind == SHOW_DICT || section->kind >= SHOW_ATTRIBUTES;

    show_begin(&cursor, *section);
    while (!w->is_failed && !w->text.is_full &&
           (most < 0 || count < most || section->kind >= SHOW_ATTRIBUTES) &&
           show_next(&cursor, &item)) {
        struct show_item pair = {length == 2 && count == 1 ? first : NULL, NULL, NULL};
        bool is_wanted =
            section->kind < SHOW_ATTRIBUTES || show_is_wanted(w->options, &item);
        w->is_failed |= PyErr_Occurred() != NULL;
        if (is_wanted && !w->is_failed) {
            if ((*put_count)++ > 0)
                show_puts(&w->text, w->options->indent < 0 ? ", " : ",");
            new_line(w);
            if (is_named) {
                put_key(w, &item);
                show_puts(&w->text, ": ");
            }
            if (show_is_secret(w->options, &item) ||
                (section->kind == SHOW_SEQUENCE && pair.key != NULL &&
                 show_is_secret(w->options, &pair)))
                show_puts(&w->text, "\"<redacted>\"");
            else
                put(w, item.value);
            count++;
        }
        Py_XSETREF(first, Py_XNewRef(item.value));
        show_release(&item);
    }
    Py_XDECREF(first);
    show_end(&cursor);
    if (length > count && !w->is_failed) {
        char text[64];
        snprintf(text, sizeof(text), "\"… %zd more\"%s", length - count,
                 is_named ? ": null" : "");
        if ((*put_count)++ > 0)
            show_puts(&w->text, w->options->indent < 0 ? ", " : ",");
        new_line(w);
        show_puts(&w->text, text);
    }
}

/* One section in its brackets. */
static void
put_container(struct writer *w, const struct show_section *section)
{
    bool is_object = section->kind == SHOW_DICT || section->kind >= SHOW_ATTRIBUTES;
    Py_ssize_t count = 0;

    show_puts(&w->text, is_object ? "{" : "[");
    if (w->depth <= w->options->depth) {
        put_section(w, section, &count);
    } else if (show_length(section) != 0) {
        show_puts(&w->text, is_object ? "\"…\": null" : "\"…\"");
    }
    if (count > 0) {
        w->depth--;
        new_line(w);
        w->depth++;
    }
    show_puts(&w->text, is_object ? "}" : "]");
}

static void
put_typed(struct writer *w, PyObject *object, const struct show_section *sections,
          int section_count)
{
    char name[448];
    Py_ssize_t count = 1;

    show_puts(&w->text, "{");
    new_line(w);
    objects_type_text(Py_TYPE(object), name, sizeof(name));
    show_puts(&w->text, "\"$type\": ");
    put_escaped(&w->text, (const uint8_t *)name, strlen(name));
    for (int i = 0; i < section_count && w->depth <= w->options->depth; i++) {
        if (sections[i].kind >= SHOW_ATTRIBUTES && sections[i].kind != SHOW_METHODS) {
            put_section(w, &sections[i], &count);
        } else if (sections[i].kind != SHOW_METHODS) {
            show_puts(&w->text, w->options->indent < 0 ? ", " : ",");
            new_line(w);
            show_puts(&w->text, "\"$value\": ");
            w->depth++;
            put_container(w, &sections[i]);
            w->depth--;
            count++;
        }
    }
    w->depth--;
    new_line(w);
    w->depth++;
    show_puts(&w->text, "}");
}

static void
put_parts(struct writer *w, PyObject *object)
{
    struct show_section sections[3];
    bool is_made;
    int count = show_sections(w->options, object, sections, &is_made);
    bool is_exact = count == 1 && !is_made && sections[0].kind < SHOW_ATTRIBUTES;

    if (is_exact)
        put_container(w, &sections[0]);
    else if (PyUnicode_Check(object))
        put_str(w, PyUnicode_FromObject(object));
    else if (PyFloat_Check(object) || PyLong_Check(object))
        show_put_str(&w->text, PyFloat_Check(object) ? PyFloat_Type.tp_repr(object)
                                                     : PyLong_Type.tp_repr(object));
    else
        put_typed(w, object, sections, count);
}

/* ---- objects ---- */

static void
put_number(struct writer *w, PyObject *object)
{
    double value = PyFloat_CheckExact(object) ? PyFloat_AS_DOUBLE(object) : 0;

    if (value - value != 0 ||
        (PyLong_CheckExact(object) && pc_long_digits(object) > 70))
        put_shown(w, object);
    else
        show_plain(&w->text, w->options, object);
}

static bool
put_simple(struct writer *w, PyObject *object)
{
    PyObject *said = show_by_user(w->options, object);

    if (said != NULL) {
        put_str(w, said);
        return true;
    }
    w->is_failed |= PyErr_Occurred() != NULL;
    if (w->is_failed)
        return true;
    said = show_enum_name(object);
    if (said != NULL)
        put_str(w, said);
    else if (object == Py_None)
        show_puts(&w->text, "null");
    else if (PyBool_Check(object))
        show_puts(&w->text, object == Py_True ? "true" : "false");
    else if (PyUnicode_CheckExact(object))
        put_str(w, Py_NewRef(object));
    else if (PyLong_CheckExact(object) || PyFloat_CheckExact(object))
        put_number(w, object);
    else
        return put_shown(w, object);
    return true;
}

static void
put(struct writer *w, PyObject *object)
{
    object = objects_unwrapped(object);
    if (put_simple(w, object))
        return;
    for (int i = 0; i < w->depth; i++) {
        if (w->above[i] == object) {
            show_puts(&w->text, "\"<cycle>\"");
            return;
        }
    }
    if (w->depth >= SHOW_DEPTH_MAX - 1) {
        show_puts(&w->text, "\"…\"");
        return;
    }
    w->above[w->depth++] = object;
    int depth = w->depth;
    put_parts(w, object);
    w->depth = depth - 1;
}

PyObject *
show_json(PyObject *object, const struct show_options *options)
{
    struct writer *w = calloc(1, sizeof(*w));
    PyObject *result = NULL;

    if (w == NULL)
        return PyErr_NoMemory();
    w->options = options;
    put(w, object);
    if (w->text.is_full && !w->is_failed)
        PyErr_SetString(PyExc_ValueError,
                        "too large for JSON text: lower depth or elements");
    else if (!w->is_failed)
        result =
            PyUnicode_DecodeUTF8(w->text.bytes, (Py_ssize_t)w->text.size, "strict");
    free(w->text.bytes);
    free(w);
    return result;
}
