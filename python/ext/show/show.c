/* The printer: objects as text of a given width.
 *
 * Every group (a container, an object with its attributes) is first tried on the rest
 * of the line; the try ends as soon as the line is full, so it costs at most a line.
 * What does not fit is written again, one item a line, deeper by one indent.
 */
#include "show/show.h"

#include <stdio.h>
#include <stdlib.h>

struct printer {
    const struct show_options *options;
    struct show_text text;
    int depth;
    bool is_failed;                      /* a formatter raised */
    PyObject *above[SHOW_DEPTH_MAX + 1]; /* borrowed */
};

enum colour { TYPE, TEXT, NUMBER, WORD, NAME, FAINT };

static bool put_object(struct printer *p, PyObject *object, int limit);

/* ---- pieces ---- */

static void
put_colour(struct printer *p, int colour)
{
    static const char *const codes[] = {"\033[36m", "\033[32m", "\033[33m",
                                        "\033[35m", "\033[34m", "\033[90m"};
    int column = p->text.column;

    if (!p->options->colour)
        return;
    show_puts(&p->text, colour < 0 ? "\033[0m" : codes[colour]);
    p->text.column = column;
}

static void
put_in(struct printer *p, enum colour colour, const char *bytes)
{
    put_colour(p, colour);
    show_puts(&p->text, bytes);
    put_colour(p, -1);
}

static void
new_line(struct printer *p, int depth)
{
    show_puts(&p->text, "\n");
    for (int i = 0; i < depth * p->options->indent; i++)
        show_puts(&p->text, " ");
}

/* limit < 0: no limit, for lines of their own. */
static bool
fits(const struct printer *p, int limit)
{
    return !p->is_failed &&
           (limit < 0 || (p->text.column <= limit && !p->text.is_full));
}

static void
put_type(struct printer *p, PyTypeObject *type)
{
    char name[448];
    char *start = name;

    objects_type_text(type, name, sizeof(name));
    if (!p->options->qualified && strncmp(name, "__main__.", 9) == 0)
        start += 9;
    put_in(p, TYPE, start);
}

static enum colour
colour_of(PyObject *object)
{
    return PyUnicode_Check(object) || PyBytes_Check(object) ? TEXT
           : object == Py_None || PyBool_Check(object)      ? WORD
           : PyLong_Check(object) || PyFloat_Check(object) || PyComplex_Check(object)
               ? NUMBER
               : TYPE;
}

/* ---- items ---- */

static void
put_signature(struct printer *p, const struct show_item *item)
{
    const PyCodeObject *code = (const PyCodeObject *)PyFunction_GET_CODE(item->value);
    PyObject *names = PyCode_GetVarnames((PyCodeObject *)code);

    put_in(p, WORD, "def ");
    show_put_str(&p->text, Py_NewRef(item->key));
    show_puts(&p->text, "(");
    for (Py_ssize_t i = 0;
         names != NULL && i < code->co_argcount && i < PyTuple_GET_SIZE(names); i++) {
        if (i > 0)
            show_puts(&p->text, ", ");
        show_put_str(&p->text, Py_NewRef(PyTuple_GET_ITEM(names, i)));
    }
    show_puts(&p->text, ")");
    Py_XDECREF(names);
    PyErr_Clear();
}

static void
put_name(struct printer *p, const struct show_item *item)
{
    put_colour(p, NAME);
    if (item->slot != NULL)
        show_puts(&p->text, item->slot);
    else if (PyUnicode_Check(item->key))
        show_put_str(&p->text, PyUnicode_Substring(item->key, 0, 200));
    else
        show_plain(&p->text, p->options, item->key);
    put_colour(p, -1);
    show_puts(&p->text, "=");
}

/* One item with what stands before its value. */
static bool
put_item(struct printer *p, const struct show_section *section,
         const struct show_item *item, PyObject *before, int limit)
{
    struct show_item pair = {before, NULL, NULL};

    if (section->kind == SHOW_METHODS) {
        put_signature(p, item);
        return fits(p, limit);
    }
    if (section->kind == SHOW_DICT) {
        if (!put_object(p, item->key, limit))
            return false;
        show_puts(&p->text, ": ");
    } else if (section->kind == SHOW_ATTRIBUTES || item->key != NULL) {
        put_name(p, item);
    }
    if (show_is_secret(p->options, item) ||
        (before != NULL && show_is_secret(p->options, &pair))) {
        put_in(p, FAINT, "<redacted>");
        return fits(p, limit);
    }
    return put_object(p, item->value, limit);
}

static void
put_rest(struct printer *p, Py_ssize_t rest)
{
    char text[48];

    if (rest > 0)
        snprintf(text, sizeof(text), "… %zd more", rest);
    else
        snprintf(text, sizeof(text), "…");
    put_in(p, FAINT, text);
}

/* ---- groups ---- */

/* What stands around the items, and between them. */
struct frame {
    const char *begin, *separator, *end;
    bool is_lines;  /* one item a line */
    int limit;      /* of the line */
    Py_ssize_t put; /* items so far */
    bool was_small; /* the last of them */
};

/* Numbers and short texts of a long container share a line. */
static bool
is_small(const struct show_section *section, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);

    return section->kind <= SHOW_DEQUE && section->kind != SHOW_DICT &&
           (type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type ||
            value == Py_None ||
            (type == &PyUnicode_Type && PyUnicode_GET_LENGTH(value) <= 16));
}

/* Puts a small item behind the one before, if both are and the line has room. */
static bool
put_on_line(struct printer *p, const struct show_section *section,
            const struct show_item *item, struct frame *f)
{
    size_t size = p->text.size;
    int column = p->text.column;

    if (!f->is_lines || f->put == 0 || !f->was_small || !is_small(section, item->value))
        return false;
    show_puts(&p->text, f->separator);
    show_puts(&p->text, " ");
    if (put_object(p, item->value, p->options->width - 2)) {
        f->put++;
        return true;
    }
    p->text.size = size;
    p->text.column = column;
    return false;
}

static void
separate(struct printer *p, struct frame *f)
{
    if (f->put > 0)
        show_puts(&p->text, f->separator);
    if (f->is_lines)
        new_line(p, p->depth);
    else if (f->put > 0 || f->separator[0] == '\0')
        show_puts(&p->text, " ");
    f->put++;
}

/* The key of a pair such as ("password", …), or NULL: borrowed. */
static PyObject *
pair_key(const struct show_section *section, PyObject *first, Py_ssize_t index)
{
    return section->kind == SHOW_SEQUENCE && index == 1 && show_length(section) == 2
               ? first
               : NULL;
}

static bool
put_section(struct printer *p, const struct show_section *section, struct frame *f)
{
    struct show_cursor cursor;
    struct show_item item;
    PyObject *first = NULL;
    Py_ssize_t length = show_length(section), most = p->options->elements, count = 0;
    bool is_right = true, is_cut = false;

    show_begin(&cursor, *section);
    while (is_right && !is_cut && !p->text.is_full && show_next(&cursor, &item)) {
        bool is_named = section->kind >= SHOW_ATTRIBUTES;
        if (is_named && !show_is_wanted(p->options, &item)) {
            show_release(&item);
            is_right = !PyErr_Occurred();
            p->is_failed |= !is_right;
            continue;
        }
        PyObject *before = pair_key(section, first, count);
        is_cut = most >= 0 && count >= most && !is_named;
        if (is_cut) {
            separate(p, f);
            put_rest(p, length - count);
        } else if (before != NULL || !put_on_line(p, section, &item, f)) {
            separate(p, f);
            is_right = put_item(p, section, &item, before, f->is_lines ? -1 : f->limit);
        }
        f->was_small = item.value != NULL && is_small(section, item.value);
        Py_XSETREF(first, Py_XNewRef(item.value));
        show_release(&item);
        count++;
    }
    Py_XDECREF(first);
    show_end(&cursor);
    if (length == 1 && PyTuple_Check(section->object) && !f->is_lines &&
        section->kind == SHOW_SEQUENCE && p->above[p->depth - 1] == section->object)
        show_puts(&p->text, ","); /* a tuple of one */
    return is_right && fits(p, f->limit);
}

static struct frame
frame_of(PyObject *object, bool is_made, bool has_items)
{
    PyTypeObject *type = Py_TYPE(object);

    if (type == &PyList_Type)
        return (struct frame){"[", ",", "]", false, 0, 0, false};
    if (type == &PyTuple_Type)
        return (struct frame){"(", ",", ")", false, 0, 0, false};
    if (type == &PyFrozenSet_Type)
        return (struct frame){has_items ? "frozenset({" : "frozenset(",
                              ",",
                              has_items ? "})" : ")",
                              false,
                              0,
                              0};
    if (type == &PySet_Type && !has_items)
        return (struct frame){"set(", ",", ")", false, 0, 0, false};
    if (type == &PyDict_Type || type == &PySet_Type)
        return (struct frame){"{", ",", "}", false, 0, 0, false};
    return is_made ? (struct frame){"(", ",", ")", false, 0, 0, false}
                   : (struct frame){"<", "", ">", false, 0, 0, false};
}

/* Brackets of a container that is the first part of a call of its type. */
static struct frame
inner_frame(const struct show_section *section, const struct frame *outer)
{
    struct frame inner = *outer;

    inner.put = 0;
    inner.separator = ",";
    switch (section->kind) {
    case SHOW_DICT:
    case SHOW_SET: inner.begin = "{", inner.end = "}"; break;
    case SHOW_DEQUE: inner.begin = "[", inner.end = "]"; break;
    default:
        inner.begin = PyTuple_Check(section->object) ? "((" : "[";
        inner.end = PyTuple_Check(section->object) ? ")" : "]";
    }
    if (inner.begin[0] == '(')
        inner.begin = "(";
    return inner;
}

static void
put_head(struct printer *p, PyObject *object, const struct frame *f, bool is_made)
{
    char text[40];
    PyTypeObject *type = Py_TYPE(object);
    bool is_exact = f->begin[0] != '<' && !is_made;

    if (!is_made)
        show_puts(&p->text, f->begin);
    if (!is_exact)
        put_type(p, type);
    if (is_made)
        show_puts(&p->text, f->begin);
    else if (!is_exact && p->options->address) {
        snprintf(text, sizeof(text), " at %p", (void *)object);
        put_in(p, FAINT, text);
    }
}

static bool
has_items(const struct show_section *section)
{
    return show_length(section) != 0;
}

/* The value of a str, int … whose type is a subclass. */
static bool
put_base(struct printer *p, PyObject *object)
{
    put_colour(p, colour_of(object));
    bool is_put = show_base(&p->text, p->options, object);
    put_colour(p, -1);
    return is_put;
}

static bool
put_group(struct printer *p, PyObject *object, bool is_lines, int limit)
{
    struct show_section sections[3];
    bool is_made, is_right = true;
    int count = show_sections(p->options, object, sections, &is_made);
    struct frame f = frame_of(object, is_made, has_items(&sections[0]));

    f.is_lines = is_lines;
    f.limit = limit;
    put_head(p, object, &f, is_made);
    if (p->depth > p->options->depth) {
        if (has_items(&sections[0]))
            put_rest(p, show_length(&sections[0]));
        show_puts(&p->text, f.end);
        return fits(p, limit);
    }
    if (is_made && put_base(p, object))
        f.put = 1;
    for (int i = 0; is_right && i < count; i++) {
        bool is_inner = is_made && sections[i].kind <= SHOW_DEQUE &&
                        !PyExceptionInstance_Check(object);
        if (!is_inner) {
            is_right = put_section(p, &sections[i], &f);
            continue;
        }
        struct frame inner = inner_frame(&sections[i], &f);
        show_puts(&p->text, inner.begin);
        is_right = put_section(p, &sections[i], &inner);
        if (is_lines && inner.put > 0)
            new_line(p, p->depth - 1);
        show_puts(&p->text, inner.end);
        f.put = 1;
    }
    if (is_lines && f.put > 0 && p->text.bytes != NULL && p->text.size > 0 &&
        !(is_made && f.put == 1 && sections[0].kind <= SHOW_DEQUE &&
          sections[0].kind != SHOW_NONE && !PyExceptionInstance_Check(object)))
        new_line(p, p->depth - 1);
    show_puts(&p->text, f.end);
    return is_right && fits(p, limit);
}

/* ---- objects ---- */

static bool
is_above(const struct printer *p, PyObject *object)
{
    for (int i = 0; i < p->depth; i++)
        if (p->above[i] == object)
            return true;
    return false;
}

/* What has no parts, or is said by the user. */
static bool
put_simple(struct printer *p, PyObject *object)
{
    PyObject *said = show_by_user(p->options, object);

    if (said != NULL) {
        show_put_str(&p->text, said);
        return true;
    }
    if (PyErr_Occurred()) {
        p->is_failed = true;
        return true;
    }
    size_t size = p->text.size;
    int column = p->text.column;
    put_colour(p, colour_of(object));
    if (show_plain(&p->text, p->options, object)) {
        put_colour(p, -1);
        return true;
    }
    p->text.size = size;
    p->text.column = column;
    said = show_enum_name(object);
    if (said == NULL)
        return false;
    PyObject *value = show_own(object, "_value_");
    show_puts(&p->text, "<");
    put_type(p, Py_TYPE(object));
    show_puts(&p->text, ".");
    show_put_str(&p->text, said);
    if (value != NULL) {
        show_puts(&p->text, ": ");
        if (!show_plain(&p->text, p->options, value))
            show_puts(&p->text, "…");
        Py_DECREF(value);
    }
    show_puts(&p->text, ">");
    return true;
}

static bool
put_object(struct printer *p, PyObject *object, int limit)
{
    object = objects_unwrapped(object);
    if (put_simple(p, object))
        return fits(p, limit);
    if (is_above(p, object) || p->depth >= SHOW_DEPTH_MAX) {
        put_in(p, FAINT, is_above(p, object) ? "<cycle>" : "…");
        return fits(p, limit);
    }
    p->above[p->depth++] = object;
    size_t size = p->text.size;
    int column = p->text.column;
    bool is_right =
        put_group(p, object, false, limit >= 0 ? limit : p->options->width - 1);
    if (!is_right && limit < 0 && !p->is_failed) {
        p->text.size = size;
        p->text.column = column;
        put_group(p, object, true, -1);
        is_right = !p->is_failed;
    }
    p->depth--;
    return is_right;
}

/* ---- the face to Python ---- */

static PyObject *
format(PyObject *object, const struct show_options *options)
{
    struct printer *p = calloc(1, sizeof(*p));
    PyObject *result = NULL;

    if (p == NULL)
        return PyErr_NoMemory();
    p->options = options;
    put_object(p, object, -1);
    if (p->text.is_full && !p->is_failed) {
        p->text.is_full = false;
        p->text.size -= p->text.size > 64 ? 64 : p->text.size;
        show_puts(&p->text, "\n… (cut)");
    }
    if (!p->is_failed)
        result = PyUnicode_DecodeUTF8(p->text.bytes, (Py_ssize_t)p->text.size,
                                      "surrogatepass");
    if (result == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear(); /* cut inside a character */
        result =
            PyUnicode_DecodeUTF8(p->text.bytes, (Py_ssize_t)p->text.size, "replace");
    }
    free(p->text.bytes);
    free(p);
    return result;
}

static bool
parse(PyObject *args, PyObject *keywords, PyObject **object,
      struct show_options *options)
{
    static char *names[] = {"",         "depth",      "indent",  "width",
                            "elements", "characters", "methods", "colour",
                            "own_repr", "secrets",    "address", "qualified",
                            "wanted",   "formatters", NULL};
    int methods, colour, own_repr, secrets, address, qualified;

    memset(options, 0, sizeof(*options));
    if (!PyArg_ParseTupleAndKeywords(
            args, keywords, "O$iiinnppppppOO!", names, object, &options->depth,
            &options->indent, &options->width, &options->elements, &options->characters,
            &methods, &colour, &own_repr, &secrets, &address, &qualified,
            &options->wanted, &PyDict_Type, &options->formatters))
        return false;
    options->methods = methods;
    options->colour = colour;
    options->own_repr = own_repr;
    options->secrets = secrets;
    options->address = address;
    options->qualified = qualified;
    return true;
}

static PyObject *
format_object(PyObject *module, PyObject *args, PyObject *keywords)
{
    struct show_options options;
    PyObject *object;

    (void)module;
    return parse(args, keywords, &object, &options) ? format(object, &options) : NULL;
}

static PyObject *
format_json(PyObject *module, PyObject *args, PyObject *keywords)
{
    struct show_options options;
    PyObject *object;

    (void)module;
    return parse(args, keywords, &object, &options) ? show_json(object, &options)
                                                    : NULL;
}

static PyMethodDef methods[] = {
    {"format_object", (PyCFunction)(void (*)(void))format_object,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"format_json", (PyCFunction)(void (*)(void))format_json,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

int
show_add(PyObject *module)
{
    return PyModule_AddFunctions(module, methods);
}
