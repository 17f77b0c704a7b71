/* Packed payloads back to what was packed, byte for byte.
 *
 * All readers see rows, so nothing behind this file knows of columns. Sizes are checked
 * against what rows of that size can give, so that a small chunk of wrong bytes cannot
 * ask for much memory.
 */
#include "base/memory.h"
#include "format/pack.h"

/* Columns together hold at most this times the rows: a LEAVE of one byte gives an act,
 * a low byte and a high one. */
#define COLUMNS_TO_ROWS 3

struct columns {
    struct marey_fields at[COLUMN_COUNT];
    uint8_t *expanded; /* owned */
    size_t used, room;
};

static bool
column_read(struct columns *columns, struct marey_fields *packed, size_t raw_max,
            struct marey_fields *out)
{
    uint8_t method = marey_fields_u8(packed);
    uint64_t size = marey_fields_varint(packed);

    if (packed->is_bad || method > MAREY_CODEC_ZSTD || size > raw_max)
        return false;
    if (method == MAREY_CODEC_NONE) {
        if (size > (uint64_t)(packed->end - packed->next))
            return false;
        out->next = packed->next;
        packed->next += size;
    } else {
        struct marey_span stored = marey_fields_sized(packed, MAREY_EXTENT_SIZE_MAX);
        uint8_t *to = columns->expanded + columns->used;
        if (packed->is_bad || size > columns->room - columns->used ||
            !marey_expand(to, (size_t)size, stored.bytes, stored.size_bytes))
            return false;
        columns->used += (size_t)size;
        out->next = to;
    }
    out->end = out->next + size;
    out->is_bad = false;
    return true;
}

/* A varint of a column, most often one byte. */
MAREY_INLINE uint64_t
column_varint(struct marey_fields *column)
{
    if (MAREY_LIKELY(column->next < column->end) && MAREY_LIKELY(*column->next < 0x80))
        return *column->next++;
    return marey_fields_varint(column);
}

MAREY_INLINE bool
put_varint(uint8_t **next, const uint8_t *end, uint64_t value)
{
    if (MAREY_UNLIKELY(end - *next < MAREY_VARINT_SIZE_MAX)) {
        uint8_t bytes[MAREY_VARINT_SIZE_MAX];
        size_t size = marey_varint_put(bytes, value);
        if (size > (size_t)(end - *next))
            return false;
        memcpy(*next, bytes, size);
        *next += size;
        return true;
    }
    while (value >= 0x80) {
        *(*next)++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *(*next)++ = (uint8_t)value;
    return true;
}

static bool
put_rest(struct columns *columns, uint8_t **next, const uint8_t *end)
{
    struct marey_fields *rest = &columns->at[COLUMN_REST];
    uint64_t size = column_varint(&columns->at[COLUMN_SIZES]);

    if (size > (uint64_t)(rest->end - rest->next) || size > (uint64_t)(end - *next))
        return false;
    memcpy(*next, rest->next, (size_t)size);
    rest->next += size;
    *next += size;
    return true;
}

/* The events, from `next` to exactly `end`. */
static bool
rows_put(struct columns *columns, uint8_t *next, const uint8_t *end)
{
    struct marey_fields *acts = &columns->at[COLUMN_ACTS];
    struct marey_fields *high = &columns->at[COLUMN_HIGH];
    bool was_enter = false;

    while (acts->next < acts->end) {
        uint64_t act = column_varint(acts);
        bool is_enter = act > ACT_EXTENDED;
        struct marey_fields *low = &columns->at[pack_context(was_enter, is_enter)];
        if (MAREY_UNLIKELY(low->next == low->end))
            return false;
        uint64_t delta = *low->next++ | column_varint(high) << PACK_LOW_BITS;
        unsigned kind = is_enter           ? MAREY_TOKEN_ENTER
                        : act == ACT_LEAVE ? MAREY_TOKEN_LEAVE
                                           : MAREY_TOKEN_EXTENDED;
        if (!put_varint(&next, end, delta << MAREY_TOKEN_BITS | kind) ||
            (is_enter && !put_varint(&next, end, act - ACT_ENTER)) ||
            (act == ACT_EXTENDED && !put_rest(columns, &next, end)))
            return false;
        was_enter = is_enter;
    }
    return next == end;
}

static bool
columns_read(struct columns *columns, struct marey_fields *packed, size_t raw_max)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (!column_read(columns, packed, raw_max, &columns->at[i]))
            return false;
    return packed->next == packed->end;
}

bool
marey_unpack_events(uint8_t *rows, size_t size_bytes, size_t snapshot_size,
                    const uint8_t *packed, size_t packed_size)
{
    struct marey_fields fields = {packed, packed + packed_size, false};
    struct columns columns = {.room = size_bytes * COLUMNS_TO_ROWS};
    const struct marey_fields *snapshot = &columns.at[COLUMN_SNAPSHOT];

    columns.expanded = marey_memory_new(columns.room + 1, 1);
    bool is_whole = columns.expanded != NULL && snapshot_size <= size_bytes &&
                    columns_read(&columns, &fields, size_bytes) &&
                    (size_t)(snapshot->end - snapshot->next) == snapshot_size;
    if (is_whole) {
        if (snapshot_size > 0)
            memcpy(rows, snapshot->next, snapshot_size);
        is_whole = rows_put(&columns, rows + snapshot_size, rows + size_bytes);
    }
    for (int i = COLUMN_ACTS; i < COLUMN_COUNT && is_whole; i++)
        is_whole = !columns.at[i].is_bad && columns.at[i].next == columns.at[i].end;
    marey_memory_free(columns.expanded);
    return is_whole;
}
