/* Sorting in place, without memory and without a worst case: a heap sort. */
#ifndef MAREY_BASE_SORT_H
#define MAREY_BASE_SORT_H

#include <stddef.h>

/* `compare` says below 0, 0, above 0 as a stands before, beside, after b. Not stable:
 * compare by all that matters. Items of at most 256 bytes. */
void marey_sort(void *items, size_t count, size_t item_size,
                int (*compare)(const void *a, const void *b));

#endif
