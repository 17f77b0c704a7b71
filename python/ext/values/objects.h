/* Objects of the program, read through fields of C: no code of theirs runs.
 *
 * Nothing here calls a method, a property, __repr__, __len__, __eq__ or __hash__, looks
 * a key up in a dict whose keys may be objects of the program, makes a dict that was
 * not there, or makes an object that the garbage collector tracks. All functions need
 * the thread attached; with free threading, what other threads change meanwhile is read
 * under the object's lock.
 */
#ifndef MAREY_EXT_OBJECTS_H
#define MAREY_EXT_OBJECTS_H

#include "tracer.h"

/* ---- what instances of a type are ---- */

enum objects_kind {
    OBJECTS_PLAIN,
    OBJECTS_DATACLASS,
    OBJECTS_ENUM,
    OBJECTS_NAMED_TUPLE,
    OBJECTS_DEQUE,
    OBJECTS_DECIMAL,
    OBJECTS_DATE,    /* of the datetime module */
    OBJECTS_ARRAY,   /* numpy.ndarray */
    OBJECTS_NUMBER,  /* a scalar of numpy */
    OBJECTS_TENSOR,  /* torch.Tensor */
    OBJECTS_FRAME,   /* pandas.DataFrame */
    OBJECTS_SERIES,  /* pandas.Series, Index */
    OBJECTS_WRITTEN, /* this and all above: see objects_written() */
};
struct objects_type {
    uint32_t name; /* string id of the type's name as the trace spells it */
    enum objects_kind kind;
};
/* Remembered by the type's version; `name` is 0 unless `is_named`. */
struct objects_type objects_type(PyTypeObject *type, bool is_named);
/* "module.qualname", without the module for builtins. Returns its size. */
size_t objects_type_text(PyTypeObject *type, char *text, size_t capacity);
/* Whether it is this type of C, whose code is known, and none that the program made. */
bool objects_is_known(PyTypeObject *type, const char *name);
/* Whether its instances are tuples of C with named fields, such as os.stat_result. */
bool objects_is_struct(PyTypeObject *type);
/* A value of the type's own dict or of those it inherits from: borrowed, or NULL. */
PyObject *objects_type_item(PyTypeObject *type, const char *name);

/* ---- attributes and items ---- */

struct objects_walk {
    PyObject *object; /* borrowed */
    PyObject *dict;   /* owned */
    Py_ssize_t at;    /* in the dict or the instance's own values */
    Py_ssize_t base;  /* in the type's order of resolution */
    PyMemberDef *member;
    bool is_in_slots;
};
struct objects_attribute {
    PyObject *name;   /* owned: any object that is a key; NULL: it is slot */
    const char *slot; /* name of a slot */
    PyObject *value;  /* owned */
};
/* The attributes that an instance holds: those in its dict or in itself, then slots. */
void objects_walk_begin(struct objects_walk *walk, PyObject *object);
bool objects_walk_next(struct objects_walk *walk, struct objects_attribute *out);
void objects_walk_end(struct objects_walk *walk);
void objects_attribute_release(struct objects_attribute *attribute);
/* The value of one: new, or NULL. Of a type, what it or a base has under that name. */
PyObject *objects_attribute_of(PyObject *object, PyObject *name);

/* Of a mappingproxy the dict behind it, else the object: borrowed. */
PyObject *objects_unwrapped(PyObject *object);

/* *at starts at 0. New references. */
bool objects_dict_next(PyObject *dict, Py_ssize_t *at, PyObject **key,
                       PyObject **value);
bool objects_set_next(PyObject *set, Py_ssize_t *at, PyObject **key);
/* An item of a list or tuple (of a subclass, too): new, NULL beyond the end. */
PyObject *objects_item(PyObject *sequence, Py_ssize_t index);

/* Whether nothing but C is needed to write this DATE out: its tzinfo is none or C's. */
bool objects_is_plain_date(PyObject *object);

/* Name of a function, class, module, generator, … as "<function app.f>"; the size, 0:
 * it is none of these. */
size_t objects_named_text(PyObject *object, char *text, size_t capacity);

/* ---- written.c ---- */

#define OBJECTS_WRITTEN_MAX 2048 /* bytes that are enough for any */
/* Which of the types it is whose objects are written as text, from 0 on; -1: none. */
int objects_written_kind(PyTypeObject *type);
/* The text of one (UTF-8, terminated) and its size; 0: it is not as such objects are.
 * Needs no exception set. */
size_t objects_written(PyObject *object, int index, bool has_secrets, char *text,
                       size_t capacity);

/* ---- arrays.c ---- */

#define OBJECTS_DIMENSIONS_MAX 8
struct objects_array {
    int dimension_count; /* as it is; sizes are of the first few */
    Py_ssize_t sizes[OBJECTS_DIMENSIONS_MAX];
    char type[32]; /* of the elements, "" unknown */
};
/* Shape and element type of an ARRAY, TENSOR, FRAME or SERIES. False: not known. */
bool objects_array(PyObject *object, enum objects_kind kind, struct objects_array *out);
/* The value of a NUMBER as an exact built-in: new, or NULL. */
PyObject *objects_number(PyObject *object);
/* The kind by the type's name, for what numpy, pandas and torch define. */
enum objects_kind objects_array_kind(PyTypeObject *type);

#endif
