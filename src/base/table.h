/* Two tables over open addressing: numbers to numbers, and bytes to small indices.
 *
 * Both are usable when all zero. Their hashes are seeded with an address, so that a
 * file cannot be made to fill one run of entries; nothing depends on the order inside.
 */
#ifndef MAREY_BASE_TABLE_H
#define MAREY_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAREY_TABLE_NONE UINT32_MAX

/* ---- numbers to numbers ---- */

struct marey_table_entry {
    uint64_t key;
    uint32_t value; /* MAREY_TABLE_NONE: free */
};
struct marey_table {
    struct marey_table_entry *entries; /* owned; NULL while empty */
    size_t capacity;                   /* a power of two, or 0 */
    size_t count;
};
void marey_table_release(struct marey_table *table);
/* MAREY_TABLE_NONE: not there. */
uint32_t marey_table_get(const struct marey_table *table, uint64_t key);
/* Sets or replaces; `value` is not MAREY_TABLE_NONE. False: no memory. */
bool marey_table_put(struct marey_table *table, uint64_t key, uint32_t value);
/* Removes and returns; MAREY_TABLE_NONE: was not there. */
uint32_t marey_table_take(struct marey_table *table, uint64_t key);

/* ---- bytes to indices ---- */

/* Equal bytes get equal indices, counted from 0; the bytes are kept. */
struct marey_intern_item {
    const uint8_t *bytes; /* in a block of the table */
    size_t size_bytes;
    uint64_t hash;
};
struct marey_intern {
    struct marey_intern_item *items; /* owned */
    size_t count, capacity;
    uint32_t *slots; /* owned; item index + 1, 0 free */
    size_t slot_count;
    struct marey_intern_block *blocks; /* owned; the newest first */
};
void marey_intern_release(struct marey_intern *intern);
/* The index of these bytes, new or known. False: no memory, or 2^32 - 2 items. */
bool marey_intern_put(struct marey_intern *intern, const void *bytes, size_t size_bytes,
                      uint32_t *index);
/* MAREY_TABLE_NONE: not there. */
uint32_t marey_intern_get(const struct marey_intern *intern, const void *bytes,
                          size_t size_bytes);

#endif
