/* Chunks of events as columns: what is alike stands together, and zstd finds it.
 *
 *   rows     ENTER 7 +12 | ENTER 9 +3 | LEAVE +40 | LEAVE +9 | ...
 *   acts     8 10 0 0 ...      what happened: repeats as the program does
 *   low      +12 | +3 | +40 | +9  four columns, by what this event and the last were
 *   high     0 0 0 0 ...       what of a delta is beyond its low byte
 *   sizes, rest                extended events, as they are
 *
 * Times are most of what is left, and no two are alike; but those of one kind (how long
 * a call takes that makes none, how long from one call's end to the next one's start)
 * are near each other, so each kind has a column and with it a Huffman table of its
 * own.
 *
 * What comes out is unpacked and compared before it is given: bytes that no recorder
 * writes (a number longer than need be) are left as rows.
 */
#include "format/pack.h"
#include "base/memory.h"
#include "marey/format_encode.h"
#include "marey/format_put.h"

void
marey_packer_release(struct marey_packer *packer)
{
    for (size_t i = 0; i < sizeof(packer->columns) / sizeof(packer->columns[0]); i++)
        marey_encoder_release(&packer->columns[i]);
    marey_encoder_release(&packer->out);
    marey_memory_free(packer->scratch);
    *packer = (struct marey_packer){0};
}

static_assert(sizeof(((struct marey_packer *)0)->columns) /
                      sizeof(struct marey_encoder) ==
                  COLUMN_COUNT,
              "a packer has an encoder for each column");

/* One event, from its token to `end`. False: not the bytes a recorder writes. */
static bool
event_put(struct marey_packer *packer, const uint8_t *at, const uint8_t *end,
          bool *was_enter)
{
    struct marey_encoder *columns = packer->columns;
    struct marey_fields fields = {at, end, false};
    uint64_t token = marey_fields_varint(&fields);
    uint64_t delta = token >> MAREY_TOKEN_BITS, act = ACT_EXTENDED;
    unsigned kind = token & ((1u << MAREY_TOKEN_BITS) - 1);

    if (kind == MAREY_TOKEN_ENTER)
        act = marey_fields_varint(&fields) + ACT_ENTER;
    else if (kind == MAREY_TOKEN_LEAVE)
        act = ACT_LEAVE;
    bool is_enter = kind == MAREY_TOKEN_ENTER;
    if (fields.is_bad || (act != ACT_EXTENDED && fields.next != end))
        return false;
    marey_encode_varint(&columns[COLUMN_ACTS], act);
    marey_encode_u8(&columns[pack_context(*was_enter, is_enter)], (uint8_t)delta);
    marey_encode_varint(&columns[COLUMN_HIGH], delta >> PACK_LOW_BITS);
    if (act == ACT_EXTENDED) {
        struct marey_span rest = marey_fields_rest(&fields);
        marey_encode_varint(&columns[COLUMN_SIZES], rest.size_bytes);
        marey_encode_bytes(&columns[COLUMN_REST], rest.bytes, rest.size_bytes);
    }
    *was_enter = is_enter;
    return true;
}

static bool
columns_fill(struct marey_packer *packer, const struct marey_extent *extent,
             const uint8_t *rows)
{
    struct marey_cursor cursor;
    struct marey_event event;
    bool was_enter = false;

    for (int i = 0; i < COLUMN_COUNT; i++)
        marey_encoder_clear(&packer->columns[i]);
    marey_encode_bytes(&packer->columns[COLUMN_SNAPSHOT], rows, extent->snapshot_size);
    marey_cursor_init(&cursor, rows + extent->snapshot_size,
                      extent->payload_size - extent->snapshot_size, extent->base_ticks,
                      false);
    while (marey_cursor_next(&cursor, &event))
        if (!event_put(packer, cursor.start, cursor.next, &was_enter))
            return false;
    return !cursor.is_bad && cursor.next == rows + extent->payload_size;
}

static bool
scratch_grow(struct marey_packer *packer, size_t size)
{
    return marey_memory_grow((void **)&packer->scratch, &packer->scratch_room, size, 1);
}

static void
column_write(struct marey_packer *packer, const struct marey_encoder *column)
{
    struct marey_encoder *out = &packer->out;
    size_t stored = 0;

    if (column->is_out_of_memory || !scratch_grow(packer, column->size_bytes)) {
        out->is_out_of_memory = true;
        return;
    }
    if (column->size_bytes > 0)
        stored = marey_compress_well(packer->scratch, column->size_bytes, column->bytes,
                                     column->size_bytes);
    marey_encode_u8(out, stored > 0 ? MAREY_CODEC_ZSTD : MAREY_CODEC_NONE);
    marey_encode_varint(out, column->size_bytes);
    if (stored > 0) {
        marey_encode_varint(out, stored);
        marey_encode_bytes(out, packer->scratch, stored);
    } else {
        marey_encode_bytes(out, column->bytes, column->size_bytes);
    }
}

static bool
unpacks(struct marey_packer *packer, const struct marey_extent *extent,
        const uint8_t *rows)
{
    const struct marey_encoder *out = &packer->out;

    return out->size_bytes < extent->payload_size &&
           extent->payload_size <= marey_raw_size_max((uint32_t)out->size_bytes) &&
           scratch_grow(packer, extent->payload_size) &&
           marey_unpack_events(packer->scratch, extent->payload_size,
                               extent->snapshot_size, out->bytes, out->size_bytes) &&
           memcmp(packer->scratch, rows, extent->payload_size) == 0;
}

bool
marey_pack_events(struct marey_packer *packer, const struct marey_extent *extent,
                  const uint8_t *rows)
{
    marey_encoder_clear(&packer->out);
    if (!columns_fill(packer, extent, rows))
        return false;
    for (int i = 0; i < COLUMN_COUNT; i++)
        column_write(packer, &packer->columns[i]);
    return !packer->out.is_out_of_memory && unpacks(packer, extent, rows);
}

bool
marey_pack_records(struct marey_packer *packer, const uint8_t *records,
                   size_t size_bytes)
{
    marey_encoder_clear(&packer->out);
    if (!scratch_grow(packer, size_bytes) || size_bytes == 0)
        return false;
    size_t stored =
        marey_compress_well(packer->scratch, size_bytes, records, size_bytes);
    if (stored == 0 || size_bytes > marey_raw_size_max((uint32_t)stored))
        return false;
    marey_encode_bytes(&packer->out, packer->scratch, stored);
    return !packer->out.is_out_of_memory;
}
