/* Memory from the C library. */
#include "base/memory.h"

#include <stdlib.h>

#define CAPACITY_MIN 16

void *
marey_memory_new(size_t count, size_t item_size)
{
    return calloc(count > 0 ? count : 1, item_size);
}

void
marey_memory_free(void *memory)
{
    free(memory);
}

bool
marey_memory_grow(void **array, size_t *capacity, size_t needed, size_t item_size)
{
    size_t most = SIZE_MAX / 2 / item_size;

    if (needed <= *capacity && *array != NULL)
        return true;
    if (needed > most)
        return false;
    size_t more = *capacity < CAPACITY_MIN / 2 ? CAPACITY_MIN : *capacity * 2;
    if (more > most || more < needed)
        more = needed;
    void *grown = realloc(*array, more * item_size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = more;
    return true;
}
