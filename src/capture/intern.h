/* Texts to small numbers, counted from 1. Open addressing; grows by doubling; nothing is
 * ever removed. The caller locks. */
#ifndef MAREY_CAPTURE_INTERN_H
#define MAREY_CAPTURE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct marey_intern {
    struct marey_intern_entry *entries; /* owned */
    uint32_t capacity;                  /* a power of two, or 0 */
    uint32_t count;                     /* also the last number given */
};

/* The number of the text; *is_new says that it was given just now. 0: out of memory. */
uint32_t marey_intern_put(struct marey_intern *table, const void *bytes,
                          size_t size_bytes, bool *is_new);

#endif
