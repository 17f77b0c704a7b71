/* Values of the program as bytes of a blob (docs/format.md, 4).
 *
 *     struct values body;
 *     values_begin(&body);
 *     values_put(&body, name, value);                     any number of times
 *     marey_log(lane, id, class, values_finish(&body, lane));
 *
 * No code of the program runs: objects are read through fields of C, exact built-in
 * types by value, all else by type, address and the attributes that are there already.
 * Every value is bounded in depth, items, and bytes, and what was left out is said.
 * Values under a name that tells of a secret ("password", "api_key", …) are written as
 * REDACTED, at every level, before anything of them is read.
 *
 * All functions need the thread attached, may be called with an exception set and leave
 * it as it was, and never fail upward: what cannot be read is written as ERROR. */
#ifndef MAREY_EXT_VALUES_H
#define MAREY_EXT_VALUES_H

#include "tracer.h"

#define VALUES_COUNT_MAX 64  /* of one body; more are left out */
#define VALUES_SIZE_MAX 8192 /* bytes of all values of one body */

/* One blob under construction. Lives on the stack of who makes it; needs no release. */
struct values {
    size_t size_bytes;
    unsigned count;
    uint8_t bytes[VALUES_SIZE_MAX];
};

/* What is known of a name. */
struct values_name {
    uint32_t id;    /* string id; 0: no name */
    bool is_secret; /* values under it are redacted */
};

/* The name's id and whether it tells of a secret. `name` is a str, or NULL for none.
 * Interned names (identifiers, keywords) are found again without a lock. */
struct values_name values_name(PyObject *name);
/* Whether names are looked at for secrets at all. */
extern bool values_redact;
/* Further words that do; a tuple of str, as names. -1 with an exception. */
int values_set_words(PyObject *words);
/* Objects are asked for their own repr (user_repr.c). */
extern bool values_user_repr;
/* Whether a name tells of a secret, in UTF-8. */
bool values_is_secret(const char *name, size_t size_bytes);

static inline void
values_begin(struct values *body)
{
    body->size_bytes = 1; /* the count goes there: it is less than 128 */
    body->count = 0;
}

/* One value. `name` as above, `value` borrowed; NULL is UNBOUND. */
void values_put(struct values *body, PyObject *name, PyObject *value);
/* The same under a name that was looked up before. */
void values_put_named(struct values *body, struct values_name name, PyObject *value);
/* A text for people, such as a log message: a str, whose secrets (`password=…`) are
 * left out. What is no str is put as values_put_named() does. */
void values_put_message(struct values *body, struct values_name name, PyObject *text);
/* One value that is only a tag: MAREY_VALUE_UNBOUND, _NOT_RECORDED, _ERROR, _REDACTED,
 * _NONE … */
void values_put_tag(struct values *body, struct values_name name, uint8_t tag);

/* A number for the value as values_put_named() would write it: with another number it
 * has changed. 0 for NULL, and for nothing else. */
uint64_t values_number(struct values_name name, PyObject *value);

/* Stores the blob. Returns its number for the event, 0 for an empty body or a blob that
 * was lost. */
uint64_t values_finish(struct values *body, struct marey_lane *lane);

#endif
