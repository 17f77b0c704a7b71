/* What the files of values share: see values.h. */
#ifndef MAREY_EXT_VALUES_IMPL_H
#define MAREY_EXT_VALUES_IMPL_H

#include "values/values.h"

/* Writes a value's tag and what follows it; at most `room` bytes, which is at least
 * VALUES_ITEM_ROOM. Needs no exception set. */
void values_put_object(struct values *body, PyObject *value, size_t room);
/* Copies a text without what follows a word that tells of a secret; returns the size of
 * what it wrote, at most `capacity`. */
size_t values_redact_text(const char *text, size_t size, char *out, size_t capacity);
/* What the object says of itself: a new str; NULL without an exception: nothing, too
 * late, or its class had its chance. Runs code of the program. */
PyObject *values_ask_repr(PyObject *object, uint32_t type_name);
/* Whether the key or name is a str or bytes that tells of a secret. */
bool values_is_secret_key(PyObject *key);

/* What the smallest value may need: the head of an instance, or a number. */
#define VALUES_ITEM_ROOM 64

#endif
