/* Objects as readable text, for people: marey.show(), fmt(), to_json().
 *
 * Reads objects as a recording does (objects.h), so no code of the program runs, with
 * two exceptions that are asked for: registered formatters and `own_repr`. Unlike a
 * recording it may be long; it is bounded all the same.
 */
#ifndef MAREY_EXT_SHOW_H
#define MAREY_EXT_SHOW_H

#include "values/objects.h"

#define SHOW_DEPTH_MAX 200
#define SHOW_SIZE_MAX (8 << 20) /* bytes of a whole text */

struct show_options {
    int depth, indent, width;
    Py_ssize_t elements, characters; /* shown of one container, of one text */
    bool methods, colour, own_repr, secrets, address, qualified;
    PyObject *wanted;     /* borrowed: callable for the name of an attribute, or None */
    PyObject *formatters; /* borrowed: dict of types to callables */
};

/* Text that grows, in UTF-8. */
struct show_text {
    char *bytes; /* owned */
    size_t size, capacity;
    int column;   /* visible characters since the last line break */
    bool is_full; /* nothing more is put */
};
void show_put(struct show_text *text, const char *bytes, size_t size);
void show_puts(struct show_text *text, const char *bytes);
/* What a C function of an exact built-in type says: steals a str, or NULL. */
void show_put_str(struct show_text *text, PyObject *str);

/* ---- what an object is made of ---- */

enum show_kind {
    SHOW_NONE,
    SHOW_SEQUENCE, /* list, tuple and their subclasses */
    SHOW_SET,
    SHOW_DICT,
    SHOW_DEQUE,
    SHOW_ATTRIBUTES,
    SHOW_NAMED_TUPLE,
    SHOW_METHODS,
};
struct show_section {
    enum show_kind kind;
    PyObject *object; /* borrowed */
    bool has_slots;   /* of attributes: those of slots, too */
};
struct show_item {
    PyObject *key;    /* owned: of a dict, or the name of an attribute; NULL: none */
    const char *slot; /* name of an attribute, in place of a key */
    PyObject *value;  /* owned; NULL: a method */
};
struct show_cursor {
    struct show_section section;
    struct objects_walk walk;
    Py_ssize_t at, base;
};
Py_ssize_t show_length(const struct show_section *section); /* -1: not known */
void show_begin(struct show_cursor *cursor, struct show_section section);
bool show_next(struct show_cursor *cursor, struct show_item *out);
void show_end(struct show_cursor *cursor);
void show_release(struct show_item *item);
/* Whether the options want this attribute. */
bool show_is_wanted(const struct show_options *options, const struct show_item *item);
bool show_is_secret(const struct show_options *options, const struct show_item *item);

/* Text for what is not shown by its parts: numbers, texts, functions, arrays … False:
 * it has parts. */
bool show_plain(struct show_text *text, const struct show_options *options,
                PyObject *object);
/* The value of a str, int, float, bytes of a subclass. False: it is none. */
bool show_base(struct show_text *text, const struct show_options *options,
               PyObject *object);
/* The name of a member of an enumeration: new; NULL: it is none. */
PyObject *show_enum_name(PyObject *object);
/* An attribute that the object holds in its dict: new, or NULL. */
PyObject *show_own(PyObject *object, const char *name);
/* What a registered formatter, or its own repr if that is asked for, says of it: a new
 * str; NULL without an exception: nothing. */
PyObject *show_by_user(const struct show_options *options, PyObject *object);
/* The parts; `is_made`: to be written as a call of its type. Returns how many. */
int show_sections(const struct show_options *options, PyObject *object,
                  struct show_section sections[3], bool *is_made);

/* ---- show/json.c ---- */

/* New str. */
PyObject *show_json(PyObject *object, const struct show_options *options);

/* ---- show.c ---- */

int show_add(PyObject *module);

#endif
