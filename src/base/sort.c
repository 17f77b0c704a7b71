/* Heap sort: n log n on any input, also on one that was made to hurt. */
#include "base/sort.h"

#include <assert.h>
#include <stdint.h>

#include "base/memory.h"

#define ITEM_SIZE_MAX 256

struct heap {
    uint8_t *items;
    size_t size; /* bytes of an item */
    int (*compare)(const void *a, const void *b);
};

/* Puts `item` where it belongs at or below `at`, in a heap of `count`. */
static void
sift_down(const struct heap *heap, const void *item, size_t at, size_t count)
{
    size_t size = heap->size;

    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        uint8_t *larger = heap->items + child * size;
        if (child + 1 < count && heap->compare(larger + size, larger) > 0) {
            larger += size;
            child++;
        }
        if (heap->compare(larger, item) <= 0)
            break;
        memcpy(heap->items + at * size, larger, size);
        at = child;
    }
    memcpy(heap->items + at * size, item, size);
}

void
marey_sort(void *items, size_t count, size_t item_size,
           int (*compare)(const void *a, const void *b))
{
    struct heap heap = {items, item_size, compare};
    uint8_t item[ITEM_SIZE_MAX];

    assert(item_size <= sizeof(item));
    for (size_t at = count / 2; at-- > 0;) {
        memcpy(item, heap.items + at * item_size, item_size);
        sift_down(&heap, item, at, count);
    }
    for (size_t end = count; end-- > 1;) {
        memcpy(item, heap.items + end * item_size, item_size);
        memcpy(heap.items + end * item_size, heap.items, item_size);
        sift_down(&heap, item, 0, end);
    }
}
