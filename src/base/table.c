/* Open addressing with linear probing, at most two thirds full. Entries that are taken
 * out close their gap, so that there are no tombstones. */
#include "base/table.h"

#include "base/bits.h"
#include "base/checksum.h"
#include "base/memory.h"

#define CAPACITY_MIN 16
#define BLOCK_SIZE 65536

struct marey_intern_block {
    struct marey_intern_block *next;
    size_t used, size;
    uint8_t bytes[];
};

/* ---- numbers to numbers ---- */

static size_t
home_of(const struct marey_table *table, uint64_t key)
{
    return (size_t)marey_mix(key ^ (uintptr_t)table) & (table->capacity - 1);
}

/* The entry of the key, or the free one where it would go. */
static struct marey_table_entry *
find(const struct marey_table *table, uint64_t key)
{
    size_t at = home_of(table, key);

    while (table->entries[at].value != MAREY_TABLE_NONE &&
           table->entries[at].key != key)
        at = (at + 1) & (table->capacity - 1);
    return &table->entries[at];
}

void
marey_table_release(struct marey_table *table)
{
    marey_memory_free(table->entries);
    *table = (struct marey_table){0};
}

uint32_t
marey_table_get(const struct marey_table *table, uint64_t key)
{
    return table->count == 0 ? MAREY_TABLE_NONE : find(table, key)->value;
}

static bool
enlarge(struct marey_table *table)
{
    struct marey_table_entry *old = table->entries;
    size_t old_capacity = table->capacity;
    size_t capacity = old_capacity == 0 ? CAPACITY_MIN : 2 * old_capacity;
    struct marey_table_entry *entries = marey_memory_new(capacity, sizeof(*entries));

    if (entries == NULL)
        return false;
    for (size_t i = 0; i < capacity; i++)
        entries[i].value = MAREY_TABLE_NONE;
    table->entries = entries;
    table->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].value != MAREY_TABLE_NONE)
            *find(table, old[i].key) = old[i];
    }
    marey_memory_free(old);
    return true;
}

bool
marey_table_put(struct marey_table *table, uint64_t key, uint32_t value)
{
    if (table->count >= table->capacity / 3 * 2 && !enlarge(table))
        return false;
    struct marey_table_entry *entry = find(table, key);
    table->count += entry->value == MAREY_TABLE_NONE;
    *entry = (struct marey_table_entry){key, value};
    return true;
}

uint32_t
marey_table_take(struct marey_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1;

    if (table->count == 0)
        return MAREY_TABLE_NONE;
    struct marey_table_entry *entry = find(table, key);
    uint32_t value = entry->value;
    if (value == MAREY_TABLE_NONE)
        return MAREY_TABLE_NONE;
    table->count--;
    /* Move up those that had to step over this entry. */
    size_t hole = (size_t)(entry - table->entries);
    for (size_t at = (hole + 1) & mask; table->entries[at].value != MAREY_TABLE_NONE;
         at = (at + 1) & mask) {
        size_t home = home_of(table, table->entries[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].value = MAREY_TABLE_NONE;
    return value;
}

/* ---- bytes to indices ---- */

void
marey_intern_release(struct marey_intern *intern)
{
    struct marey_intern_block *block = intern->blocks;

    while (block != NULL) {
        struct marey_intern_block *next = block->next;
        marey_memory_free(block);
        block = next;
    }
    marey_memory_free(intern->items);
    marey_memory_free(intern->slots);
    *intern = (struct marey_intern){0};
}

/* The slot of these bytes, or the free one where they would go. */
static uint32_t *
find_slot(const struct marey_intern *intern, const void *bytes, size_t size,
          uint64_t hash)
{
    size_t mask = intern->slot_count - 1;
    size_t at = (size_t)hash & mask;

    for (; intern->slots[at] != 0; at = (at + 1) & mask) {
        const struct marey_intern_item *item = &intern->items[intern->slots[at] - 1];
        if (item->hash == hash && item->size_bytes == size &&
            memcmp(item->bytes, bytes, size) == 0)
            break;
    }
    return &intern->slots[at];
}

uint32_t
marey_intern_get(const struct marey_intern *intern, const void *bytes,
                 size_t size_bytes)
{
    if (intern->count == 0)
        return MAREY_TABLE_NONE;
    uint64_t hash = marey_hash(bytes, size_bytes, (uintptr_t)intern);
    return *find_slot(intern, bytes, size_bytes, hash) - 1; /* 0 - 1 is NONE */
}

static bool
enlarge_slots(struct marey_intern *intern)
{
    size_t slot_count = intern->slot_count == 0 ? CAPACITY_MIN : 2 * intern->slot_count;
    uint32_t *slots = marey_memory_new(slot_count, sizeof(*slots));

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < intern->count; i++) {
        size_t at = (size_t)intern->items[i].hash & (slot_count - 1);
        while (slots[at] != 0)
            at = (at + 1) & (slot_count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    marey_memory_free(intern->slots);
    intern->slots = slots;
    intern->slot_count = slot_count;
    return true;
}

/* A copy of the bytes in one of the blocks; NULL: no memory. */
static uint8_t *
keep(struct marey_intern *intern, const void *bytes, size_t size)
{
    struct marey_intern_block *block = intern->blocks;

    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = marey_memory_new(1, sizeof(*block) + room);
        if (block == NULL)
            return NULL;
        block->size = room;
        block->next = intern->blocks;
        intern->blocks = block;
    }
    uint8_t *copy = block->bytes + block->used;
    memcpy(copy, bytes, size);
    block->used += (size + 7) & ~(size_t)7; /* items may be structures */
    if (block->used > block->size)
        block->used = block->size;
    return copy;
}

bool
marey_intern_put(struct marey_intern *intern, const void *bytes, size_t size_bytes,
                 uint32_t *index)
{
    if (intern->count >= intern->slot_count / 3 * 2 && !enlarge_slots(intern))
        return false;
    uint64_t hash = marey_hash(bytes, size_bytes, (uintptr_t)intern);
    uint32_t *slot = find_slot(intern, bytes, size_bytes, hash);
    if (*slot == 0) {
        if (intern->count >= MAREY_TABLE_NONE - 1 ||
            !marey_memory_grow((void **)&intern->items, &intern->capacity,
                               intern->count + 1, sizeof(*intern->items)))
            return false;
        uint8_t *copy = keep(intern, bytes, size_bytes);
        if (copy == NULL)
            return false;
        intern->items[intern->count++] =
            (struct marey_intern_item){copy, size_bytes, hash};
        *slot = (uint32_t)intern->count;
    }
    *index = *slot - 1;
    return true;
}
