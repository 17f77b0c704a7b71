/* Decoding the events of a chunk.
 *
 * ENTER and LEAVE with short numbers are decoded inline (marey/format_get.h); this is
 * everything else: extended tokens, the last bytes of a chunk, long numbers, and all
 * that is malformed. A cursor that cannot go on stays where the event begins, so that a
 * caller who holds only a part of the payload can go on from there.
 */
#include "marey/format_get.h"

/* Numbers taken in order from bytes that may end anywhere. */
struct taker {
    const uint8_t *at;
    const uint8_t *end;
    bool is_short; /* the bytes ran out */
    bool is_torn;  /* a varint ends in a zero that was not written yet */
    bool is_bad;   /* no writer writes this */
};

static bool
may_go_on(const struct taker *in)
{
    return !(in->is_short || in->is_torn || in->is_bad);
}

static uint64_t
take_varint(struct taker *in)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < MAREY_VARINT_SIZE_MAX; i++) {
        if (in->at == in->end) {
            in->is_short = true;
            return 0;
        }
        uint8_t byte = *in->at++;
        if (i > 0 && byte == 0) {
            in->is_torn = true;
            return 0;
        }
        if (i == MAREY_VARINT_SIZE_MAX - 1 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return value;
    }
    in->is_bad = true;
    return 0;
}

static const uint8_t *
take_bytes(struct taker *in, uint64_t size_bytes)
{
    const uint8_t *bytes = in->at;

    if ((uint64_t)(in->end - in->at) < size_bytes) {
        in->is_short = true;
        return NULL;
    }
    in->at += size_bytes;
    return bytes;
}

static uint64_t
take_u64(struct taker *in)
{
    const uint8_t *bytes = take_bytes(in, 8);

    return bytes == NULL ? 0 : marey_u64_get(bytes);
}

static uint8_t
take_u8(struct taker *in)
{
    const uint8_t *bytes = take_bytes(in, 1);

    return bytes == NULL ? 0 : *bytes;
}

static uint32_t
take_below(struct taker *in, uint64_t most)
{
    uint64_t value = take_varint(in);

    if (value > most)
        in->is_bad = true;
    return (uint32_t)value;
}

static uint32_t
take_function(struct taker *in)
{
    uint32_t function = take_below(in, MAREY_FUNCTION_ID_MAX);

    if (function == 0 && may_go_on(in))
        in->is_bad = true;
    return function;
}

/* ---- snapshots ---- */

static void
take_entry(struct taker *in, uint64_t base_ticks, struct marey_snapshot_entry *out)
{
    uint64_t code = take_varint(in);
    uint64_t age = take_varint(in);

    if (may_go_on(in) &&
        (code >> 1 == 0 || code >> 1 > MAREY_FUNCTION_ID_MAX || age > base_ticks))
        in->is_bad = true;
    out->function = (uint32_t)(code >> 1);
    out->is_resumed = (code & MAREY_SNAPSHOT_RESUMED) != 0;
    out->start_ticks = base_ticks - age;
}

/* Takes a whole snapshot and leaves *snapshot before its first entry. */
static void
take_snapshot(struct taker *in, uint64_t base_ticks, struct marey_snapshot *snapshot)
{
    struct marey_snapshot_entry entry;
    uint32_t count = take_below(in, MAREY_DEPTH_MAX);

    *snapshot = (struct marey_snapshot){in->at, in->at, base_ticks, count};
    for (uint32_t i = 0; i < count && may_go_on(in); i++)
        take_entry(in, base_ticks, &entry);
    snapshot->end = in->at;
}

bool
marey_snapshot_init(struct marey_snapshot *snapshot, const uint8_t *bytes,
                    size_t size_bytes, uint64_t base_ticks)
{
    struct taker in = {.at = bytes, .end = bytes + size_bytes};
    struct marey_snapshot found = {bytes, bytes, base_ticks, 0};

    if (size_bytes > 0)
        take_snapshot(&in, base_ticks, &found);
    if (!may_go_on(&in) || in.at != in.end)
        return false;
    *snapshot = found;
    return true;
}

bool
marey_snapshot_next(struct marey_snapshot *snapshot, struct marey_snapshot_entry *out)
{
    struct taker in = {.at = snapshot->next, .end = snapshot->end};

    if (snapshot->left == 0)
        return false;
    take_entry(&in, snapshot->base_ticks, out);
    snapshot->next = in.at;
    snapshot->left--;
    return true;
}

/* ---- events ---- */

void
marey_cursor_init(struct marey_cursor *cursor, const uint8_t *events, size_t size_bytes,
                  uint64_t base_ticks, bool is_open)
{
    cursor->next = cursor->start = events;
    cursor->end = events + size_bytes;
    cursor->ticks = base_ticks;
    cursor->bound = 0;
    cursor->is_open = is_open;
    cursor->is_bad = cursor->is_cut_short = false;
}

static void
take_activation(const struct marey_cursor *cursor, struct taker *in, unsigned slot,
                struct marey_event *out)
{
    if ((cursor->bound >> slot & 1) == 0) {
        in->is_bad = true;
        return;
    }
    out->function = cursor->slots[slot].function;
    out->number = cursor->slots[slot].key;
}

static void
take_bind(struct marey_cursor *cursor, struct taker *in)
{
    uint8_t slot = take_u8(in);
    uint32_t function = take_function(in);
    uint64_t key = take_u64(in);

    if (slot >= MAREY_ACTIVATION_SLOTS)
        in->is_bad = true;
    if (!may_go_on(in))
        return;
    cursor->slots[slot].key = key;
    cursor->slots[slot].function = function;
    cursor->bound |= UINT32_C(1) << slot;
}

/* Ops that come in ranges: slots of activations, and what a later version may add. */
static void
take_range(const struct marey_cursor *cursor, struct taker *in, uint8_t op,
           struct marey_event *out)
{
    if (op >= MAREY_OP_YIELD && op < MAREY_OP_RESUME + MAREY_ACTIVATION_SLOTS) {
        bool is_yield = op < MAREY_OP_RESUME;
        out->kind = is_yield ? MAREY_EVENT_YIELD : MAREY_EVENT_RESUME;
        take_activation(cursor, in, op % MAREY_ACTIVATION_SLOTS, out);
    } else if (op >= MAREY_OP_SIZED_MIN && op <= MAREY_OP_SIZED_MAX) {
        uint64_t size_bytes = take_varint(in);
        out->kind = MAREY_EVENT_OTHER;
        out->detail = op;
        out->other.bytes = take_bytes(in, size_bytes);
        out->other.size_bytes = (size_t)size_bytes;
    } else {
        in->is_bad = true;
    }
}

/* What follows an extended token. False for what is not told to the caller. */
static bool
take_extended(struct marey_cursor *cursor, struct taker *in, uint64_t *ticks,
              struct marey_event *out)
{
    uint8_t op = take_u8(in);
    uint64_t advanced;

    if (in->is_short)
        return true;
    switch (op) {
    case MAREY_OP_ADVANCE:
        advanced = take_u64(in);
        if (!in->is_short && advanced < *ticks)
            in->is_bad = true;
        *ticks = advanced;
        return false;
    case MAREY_OP_BIND: take_bind(cursor, in); return false;
    case MAREY_OP_UNWIND:
    case MAREY_OP_THROWN:
        out->kind = op == MAREY_OP_UNWIND ? MAREY_EVENT_UNWIND : MAREY_EVENT_THROWN;
        out->string = take_below(in, MAREY_STRING_ID_MAX);
        return true;
    case MAREY_OP_CUT: out->kind = MAREY_EVENT_CUT; return true;
    case MAREY_OP_LOST:
    case MAREY_OP_FLOW_OUT:
    case MAREY_OP_FLOW_IN:
        out->kind = op == MAREY_OP_LOST       ? MAREY_EVENT_LOST
                    : op == MAREY_OP_FLOW_OUT ? MAREY_EVENT_FLOW_OUT
                                              : MAREY_EVENT_FLOW_IN;
        out->number = take_varint(in);
        return true;
    case MAREY_OP_RESYNC:
        out->kind = MAREY_EVENT_RESYNC;
        take_snapshot(in, *ticks, &out->snapshot);
        return true;
    case MAREY_OP_INSTANT:
        out->kind = MAREY_EVENT_INSTANT;
        out->string = take_below(in, MAREY_STRING_ID_MAX);
        out->number = take_varint(in);
        return true;
    case MAREY_OP_COUNTER:
        out->kind = MAREY_EVENT_COUNTER;
        out->string = take_below(in, MAREY_STRING_ID_MAX);
        advanced = take_u64(in);
        memcpy(&out->value, &advanced, sizeof(out->value));
        return true;
    case MAREY_OP_VALUES:
        out->kind = MAREY_EVENT_VALUES;
        out->detail = take_u8(in);
        out->number = take_varint(in);
        return true;
    case MAREY_OP_SWITCH:
        out->kind = MAREY_EVENT_SWITCH;
        out->number = take_below(in, MAREY_LANE_MAX);
        return true;
    case MAREY_OP_LOG:
        out->kind = MAREY_EVENT_LOG;
        out->string = take_below(in, MAREY_STRING_ID_MAX);
        out->detail = take_u8(in);
        out->number = take_varint(in);
        return true;
    default: break;
    }
    take_range(cursor, in, op, out);
    return true;
}

static bool
take_event(struct marey_cursor *cursor, struct taker *in, struct marey_event *out)
{
    bool is_told = true;
    uint64_t token = take_varint(in);
    uint64_t ticks = cursor->ticks + (token >> MAREY_TOKEN_BITS);

    if (!may_go_on(in))
        return true;
    if (ticks < cursor->ticks)
        in->is_bad = true;
    switch (token & 3) {
    case MAREY_TOKEN_ENTER:
        out->kind = MAREY_EVENT_ENTER;
        out->function = take_function(in);
        break;
    case MAREY_TOKEN_LEAVE: out->kind = MAREY_EVENT_LEAVE; break;
    case MAREY_TOKEN_EXTENDED: is_told = take_extended(cursor, in, &ticks, out); break;
    default: in->is_bad = true; break;
    }
    if (may_go_on(in)) {
        cursor->next = in->at;
        cursor->ticks = out->ticks = ticks;
    }
    return is_told;
}

bool
marey_cursor_next_slow(struct marey_cursor *cursor, struct marey_event *out)
{
    cursor->start = cursor->next;
    for (;;) {
        struct taker in = {.at = cursor->next, .end = cursor->end};

        if (in.at == in.end || (cursor->is_open && *in.at == 0))
            return false;
        bool is_told = take_event(cursor, &in, out);
        if (!may_go_on(&in)) {
            /* An open chunk may end within an event; a closed one may not. */
            cursor->is_bad = in.is_bad || !cursor->is_open;
            cursor->is_cut_short = in.is_short && !in.is_bad;
            return false;
        }
        if (is_told)
            return true;
    }
}

bool
marey_cursor_take_note(struct marey_cursor *cursor, enum marey_event_kind kind,
                       struct marey_event *out)
{
    struct taker in = {.at = cursor->next, .end = cursor->end};
    uint8_t wanted = kind == MAREY_EVENT_THROWN ? MAREY_OP_THROWN : MAREY_OP_VALUES;

    take_varint(&in);
    uint8_t op = take_u8(&in);
    if (!may_go_on(&in) || op != wanted)
        return false;
    const uint8_t *start = cursor->start;
    bool is_taken = marey_cursor_next_slow(cursor, out);
    cursor->start = start;
    return is_taken;
}
