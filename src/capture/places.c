/* Lanes of a ring: each has a place in the file, which another lane takes over when
 * nothing in the ring speaks of the first any more.
 *
 * A recording into a ring runs for weeks while threads come and go; a record for each
 * in the stream of definitions would be all that grows. So there they stand in chunks
 * of their own: records of one size (LANE_PLACE), made free all at once and filled and
 * emptied in place, the serial first and last, so that whoever reads meanwhile, or
 * after a kill, sees the lane that was, the lane that is, or none.
 *
 * A place is taken again when the ring went round twice since its thread ended: once
 * for its last chunk to be gone, once more for those who read while it is written.
 */
#include <stdlib.h>
#include <string.h>

#include "capture/recording.h"

#define TURNS 2

struct marey_place {
    struct marey_lane_place *record; /* in the block's slot */
    uint64_t cell;                   /* the ring's next one when its thread ended */
    struct marey_place *next;        /* in the list of free or of ended ones */
};

struct place_block {
    struct marey_slot slot;
    struct place_block *next;
    uint64_t made_ticks;
    uint32_t count;
    struct marey_place places[];
};

bool
marey_places_are_used(const struct marey_recording *recording)
{
    return marey_file_is_ring(recording->file) && marey_file_is_mapped(recording->file);
}

/* ---- blocks ---- */

static void
push_free(struct places *places, struct marey_place *place)
{
    place->next = places->free;
    places->free = place;
}

bool
marey_places_add(struct marey_recording *recording, uint64_t sequence,
                 uint64_t first_index, uint32_t *record_count)
{
    struct places *places = &recording->definitions.places;
    uint32_t size = places->blocks == NULL ? MAREY_SLOT_SIZE_MIN
                                           : places->blocks->slot.size_bytes * 4;
    struct marey_chunk chunk = {
        .kind = MAREY_EXTENT_DEFINITIONS,
        .process = recording->process,
        .sequence = sequence,
        .base_ticks = marey_recording_ticks(recording),
        .first_index = first_index,
    };
    struct marey_lane_place *record;
    struct marey_slot slot;

    if (size > marey_slot_size_max(recording->file))
        size = marey_slot_size_max(recording->file);
    uint32_t count =
        (size - (uint32_t)sizeof(struct marey_extent_header)) / sizeof(*record);
    struct place_block *block =
        malloc(sizeof(*block) + count * sizeof(block->places[0]));
    if (block == NULL || !marey_slot_take(recording->file, size, &slot)) {
        free(block);
        return false;
    }
    block->slot = slot;
    block->next = places->blocks;
    block->made_ticks = chunk.base_ticks;
    block->count = count;
    record = (void *)(slot.bytes + sizeof(struct marey_extent_header));
    for (uint32_t i = 0; i < count; i++, record++) {
        record->record_size = sizeof(*record) - 1;
        record->tag = MAREY_DEF_LANE_PLACE;
        block->places[i].record = record;
        push_free(places, &block->places[i]);
    }
    marey_slot_begin(&block->slot, &chunk);
    places->blocks = block;
    *record_count = count;
    return true;
}

/* Frees the blocks; with a file, which is then ours, closes them where they stand. */
static void
release(struct places *places, struct marey_file *file)
{
    while (places->blocks != NULL) {
        struct place_block *block = places->blocks;
        uint32_t size = block->count * (uint32_t)sizeof(struct marey_lane_place);
        places->blocks = block->next;
        if (file != NULL)
            marey_slot_settle(file, &block->slot, size, block->count,
                              block->made_ticks);
        free(block);
    }
    *places = (struct places){0};
}

void
marey_places_stop(struct marey_recording *recording)
{
    release(&recording->definitions.places, recording->file);
}

void
marey_places_forget(struct places *places)
{
    release(places, NULL);
}

/* ---- places ---- */

static void
store_serial(uint32_t *at, uint32_t serial)
{
    __atomic_store_n(at, serial, __ATOMIC_RELEASE);
}

static void
empty(struct marey_place *place)
{
    store_serial(&place->record->serial, 0);
    store_serial(&place->record->serial_again, 0);
}

static void
fill(struct marey_place *place, const struct marey_lane *lane, uint64_t start_ticks)
{
    struct marey_lane_place *record = place->record;
    size_t name_size = strlen(lane->name);

    record->flags = (lane->is_main ? MAREY_LANE_MAIN : 0) |
                    (lane->is_earlier ? MAREY_LANE_EARLIER : 0);
    record->name_size = (uint8_t)name_size;
    record->native_id = lane->native_id;
    record->python_id = lane->python_id;
    record->start_ticks = start_ticks;
    record->end_ticks = 0;
    memset(record->name, 0, sizeof(record->name));
    memcpy(record->name, lane->name, name_size);
    store_serial(&record->serial_again, lane->serial);
    store_serial(&record->serial, lane->serial);
}

/* Takes back the one whose thread ended first, if the ring has forgotten it. */
static void
reclaim(struct marey_recording *recording, struct places *places)
{
    struct marey_place *oldest = places->ended;
    uint32_t cells;
    uint64_t next = marey_file_ring_next(recording->file, &cells);

    if (oldest == NULL || next - oldest->cell < (uint64_t)TURNS * cells)
        return;
    places->ended = oldest->next;
    empty(oldest);
    push_free(places, oldest);
}

bool
marey_places_have_room(struct marey_recording *recording)
{
    struct places *places = &recording->definitions.places;

    reclaim(recording, places);
    return places->free != NULL;
}

bool
marey_place_take(struct marey_recording *recording, struct marey_lane *lane)
{
    struct places *places = &recording->definitions.places;
    struct marey_place *place = places->free;

    if (place == NULL || strlen(lane->name) > MAREY_PLACE_NAME_MAX)
        return false;
    places->free = place->next;
    fill(place, lane, lane->last_ticks);
    lane->place = place;
    return true;
}

/* The new name stands before the old one goes. */
bool
marey_place_rename(struct marey_recording *recording, struct marey_lane *lane)
{
    struct places *places = &recording->definitions.places;
    struct marey_place *old = lane->place, *place = places->free;

    if (place == NULL || strlen(lane->name) > MAREY_PLACE_NAME_MAX)
        return false;
    places->free = place->next;
    fill(place, lane, old->record->start_ticks);
    empty(old);
    push_free(places, old);
    lane->place = place;
    return true;
}

void
marey_place_end(struct marey_recording *recording, struct marey_lane *lane,
                uint64_t end_ticks)
{
    struct places *places = &recording->definitions.places;
    struct marey_place *place = lane->place;
    uint32_t cells;

    __atomic_store_n(&place->record->end_ticks, end_ticks, __ATOMIC_RELEASE);
    lane->place = NULL;
    if (lane->is_beyond_ring)
        return;
    place->cell = marey_file_ring_next(recording->file, &cells);
    place->next = NULL;
    if (places->ended == NULL)
        places->ended = place;
    else
        places->last_ended->next = place;
    places->last_ended = place;
}
