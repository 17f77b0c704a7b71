/* A hash table of texts. Entries keep a copy of the text and its whole hash, so that
 * growing needs no text and almost every comparison is of one number. */
#include "capture/intern.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct marey_intern_entry {
    uint64_t hash;
    char *bytes; /* owned; NULL: free */
    uint32_t size_bytes;
    uint32_t number;
};

static bool
grow(struct marey_intern *table)
{
    uint32_t capacity = table->capacity == 0 ? 256 : table->capacity * 2;
    struct marey_intern_entry *entries = calloc(capacity, sizeof(*entries));

    if (entries == NULL)
        return false;
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].bytes == NULL)
            continue;
        uint64_t at = table->entries[i].hash & (capacity - 1);
        while (entries[at].bytes != NULL)
            at = (at + 1) & (capacity - 1);
        entries[at] = table->entries[i];
    }
    free(table->entries);
    table->entries = entries;
    table->capacity = capacity;
    return true;
}

uint32_t
marey_intern_put(struct marey_intern *table, const void *bytes, size_t size_bytes,
                 bool *is_new)
{
    *is_new = false;
    if ((table->count + 1) * 2 > table->capacity && !grow(table))
        return 0;
    uint64_t hash = XXH64(bytes, size_bytes, 0);
    uint64_t at = hash & (table->capacity - 1);
    struct marey_intern_entry *entry;
    for (;; at = (at + 1) & (table->capacity - 1)) {
        entry = &table->entries[at];
        if (entry->bytes == NULL)
            break;
        if (entry->hash == hash && entry->size_bytes == size_bytes &&
            memcmp(entry->bytes, bytes, size_bytes) == 0)
            return entry->number;
    }
    char *copy = malloc(size_bytes + 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, bytes, size_bytes);
    *entry =
        (struct marey_intern_entry){hash, copy, (uint32_t)size_bytes, ++table->count};
    *is_new = true;
    return entry->number;
}
