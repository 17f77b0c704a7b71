/* Packing: what is unpacked is what was packed, and wrong bytes are refused. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "builder.h"

struct chunk {
    struct marey_encoder rows;
    struct marey_extent extent;
};

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return *state >> 33;
}

static struct marey_event
random_event(uint64_t *state, uint64_t ticks)
{
    uint64_t what = next_random(state) % 16;
    struct marey_event event = {.ticks = ticks, .kind = MAREY_EVENT_LEAVE};

    if (what < 8)
        event.kind = MAREY_EVENT_ENTER;
    event.function = (uint32_t)(1 + next_random(state) % (what < 2 ? 100000 : 20));
    event.number = next_random(state);
    switch (what) {
    case 9: event.kind = MAREY_EVENT_YIELD; break;
    case 10: event.kind = MAREY_EVENT_RESUME; break;
    case 11: event.kind = MAREY_EVENT_COUNTER; break;
    case 12: event.kind = MAREY_EVENT_UNWIND; break;
    default: break;
    }
    return event;
}

/* Events of every kind, with deltas of all sizes. */
static struct chunk
make(uint64_t seed, uint32_t count)
{
    struct marey_snapshot_entry open = {.start_ticks = 900, .function = 3};
    struct chunk chunk = {.extent = {.base_ticks = 1000}};
    uint64_t ticks = 1000;

    marey_encode_chunk(&chunk.rows, ticks);
    marey_encode_varint(&chunk.rows, 1);
    marey_encode_entry(&chunk.rows, &open);
    chunk.extent.snapshot_size = (uint32_t)chunk.rows.size_bytes;
    for (uint32_t i = 0; i < count; i++) {
        unsigned size = next_random(&seed) % 8 == 0 ? next_random(&seed) % 50 : 7;
        ticks += next_random(&seed) & ((UINT64_C(1) << size) - 1);
        struct marey_event event = random_event(&seed, ticks);
        marey_encode_event(&chunk.rows, &event);
    }
    chunk.extent.payload_size = (uint32_t)chunk.rows.size_bytes;
    chunk.extent.kind = MAREY_EXTENT_EVENTS;
    return chunk;
}

TEST(rows_come_back_to_the_byte)
{
    struct marey_packer packer = {0};

    for (uint32_t seed = 1; seed < 40; seed++) {
        struct chunk chunk = make(seed, 500 + seed * 97);
        CHECK(marey_pack_events(&packer, &chunk.extent, chunk.rows.bytes));
        CHECK(packer.out.size_bytes < chunk.rows.size_bytes);
        uint8_t *back = malloc(chunk.rows.size_bytes);
        CHECK(marey_unpack_events(back, chunk.rows.size_bytes,
                                  chunk.extent.snapshot_size, packer.out.bytes,
                                  packer.out.size_bytes));
        CHECK(memcmp(back, chunk.rows.bytes, chunk.rows.size_bytes) == 0);
        free(back);
        marey_encoder_release(&chunk.rows);
    }
    marey_packer_release(&packer);
}

TEST(rows_that_no_recorder_writes_are_left_alone)
{
    struct marey_packer packer = {0};
    struct chunk chunk = make(5, 500);

    chunk.rows.bytes[chunk.rows.size_bytes - 1] = 0xff; /* a varint without end */
    CHECK(!marey_pack_events(&packer, &chunk.extent, chunk.rows.bytes));
    marey_encoder_release(&chunk.rows);
    marey_packer_release(&packer);
}

TEST(wrong_bytes_are_refused_or_fill_their_room)
{
    struct marey_packer packer = {0};
    struct chunk chunk = make(9, 400);
    size_t size = chunk.rows.size_bytes;
    uint8_t *back = malloc(size);

    CHECK(marey_pack_events(&packer, &chunk.extent, chunk.rows.bytes));
    size_t packed = packer.out.size_bytes;
    for (size_t cut = 0; cut < packed; cut++) {
        uint8_t *part = malloc(cut + 1); /* its end is watched by the sanitizer */
        memcpy(part, packer.out.bytes, cut);
        CHECK(!marey_unpack_events(back, size, chunk.extent.snapshot_size, part, cut));
        free(part);
    }
    for (size_t at = 0; at < packed * 8; at++) {
        packer.out.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
        marey_unpack_events(back, size, chunk.extent.snapshot_size, packer.out.bytes,
                            packed);
        packer.out.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
    }
    CHECK(!marey_unpack_events(back, size - 1, chunk.extent.snapshot_size,
                               packer.out.bytes, packed));
    CHECK(!marey_unpack_events(back, size, chunk.extent.snapshot_size + 1,
                               packer.out.bytes, packed));
    free(back);
    marey_encoder_release(&chunk.rows);
    marey_packer_release(&packer);
}

TEST(records_come_back_too)
{
    struct marey_packer packer = {0};
    uint8_t records[1000], back[1000];

    for (size_t i = 0; i < sizeof(records); i++)
        records[i] = (uint8_t)(i % 10);
    CHECK(marey_pack_records(&packer, records, sizeof(records)));
    CHECK(marey_expand(back, sizeof(back), packer.out.bytes, packer.out.size_bytes));
    CHECK(memcmp(back, records, sizeof(records)) == 0);
    CHECK(!marey_pack_records(&packer, records, 3));
    marey_packer_release(&packer);
}
