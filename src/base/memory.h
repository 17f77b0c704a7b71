/* Memory, for code that must also run where there is no C library.
 *
 * Natively these are malloc and string.h. A freestanding build (wasm) gives bodies to
 * the same names; nothing else of the C library is used above them. Counts may come
 * from a file: every size is checked for overflow here.
 */
#ifndef MAREY_BASE_MEMORY_H
#define MAREY_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
#endif

/* An array of zeros. NULL: no memory. Freed by marey_memory_free(). */
void *marey_memory_new(size_t count, size_t item_size);

/* NULL is allowed. */
void marey_memory_free(void *memory);

/* Makes room for `needed` items in *array, which holds *capacity of them: doubles, so
 * that appending is cheap. New room is not cleared; *array is never NULL after it.
 * False: no memory, nothing changed.
 *
 *     if (!marey_memory_grow((void **)&lanes, &capacity, count + 1, sizeof(*lanes)))
 */
bool marey_memory_grow(void **array, size_t *capacity, size_t needed, size_t item_size);

#endif
