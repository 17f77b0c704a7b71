/* Bytes of the format into memory that grows. */
#include "marey/format_encode.h"

#include "base/memory.h"

/* Deltas from here on are said by ADVANCE: shifted, they would not fit 64 bits. */
#define DELTA_MAX (UINT64_C(1) << 61)

void
marey_encoder_release(struct marey_encoder *encoder)
{
    marey_memory_free(encoder->bytes);
    *encoder = (struct marey_encoder){0};
}

void
marey_encoder_clear(struct marey_encoder *encoder)
{
    encoder->size_bytes = 0;
    encoder->is_out_of_memory = false;
}

/* ---- numbers ---- */

void
marey_encode_bytes(struct marey_encoder *encoder, const void *bytes, size_t size_bytes)
{
    if (size_bytes == 0)
        return;
    if (!marey_memory_grow((void **)&encoder->bytes, &encoder->capacity,
                           encoder->size_bytes + size_bytes, 1)) {
        encoder->is_out_of_memory = true;
        return;
    }
    memcpy(encoder->bytes + encoder->size_bytes, bytes, size_bytes);
    encoder->size_bytes += size_bytes;
}

void
marey_encode_u8(struct marey_encoder *encoder, uint8_t value)
{
    marey_encode_bytes(encoder, &value, sizeof(value));
}

void
marey_encode_u32(struct marey_encoder *encoder, uint32_t value)
{
    marey_encode_bytes(encoder, &value, sizeof(value));
}

void
marey_encode_u64(struct marey_encoder *encoder, uint64_t value)
{
    marey_encode_bytes(encoder, &value, sizeof(value));
}

void
marey_encode_varint(struct marey_encoder *encoder, uint64_t value)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX];

    marey_encode_bytes(encoder, bytes, marey_varint_put(bytes, value));
}

void
marey_encode_record(struct marey_encoder *encoder, uint8_t tag, const void *body,
                    size_t size_bytes)
{
    marey_encode_varint(encoder, size_bytes + 1);
    marey_encode_u8(encoder, tag);
    marey_encode_bytes(encoder, body, size_bytes);
}

/* ---- events ---- */

void
marey_encode_chunk(struct marey_encoder *encoder, uint64_t base_ticks)
{
    encoder->ticks = base_ticks;
    encoder->bound = 0;
}

void
marey_encode_entry(struct marey_encoder *encoder,
                   const struct marey_snapshot_entry *entry)
{
    marey_encode_varint(encoder, (uint64_t)entry->function << 1 |
                                     (entry->is_resumed ? MAREY_SNAPSHOT_RESUMED : 0));
    marey_encode_varint(encoder, encoder->ticks - entry->start_ticks);
}

static void
put_token(struct marey_encoder *encoder, uint64_t ticks, unsigned kind)
{
    uint64_t delta = ticks - encoder->ticks;

    if (delta >= DELTA_MAX) {
        marey_encode_varint(encoder, MAREY_TOKEN_EXTENDED);
        marey_encode_u8(encoder, MAREY_OP_ADVANCE);
        marey_encode_u64(encoder, ticks);
        delta = 0;
    }
    encoder->ticks = ticks;
    marey_encode_varint(encoder, delta << MAREY_TOKEN_BITS | kind);
}

static void
put_op(struct marey_encoder *encoder, uint64_t ticks, uint8_t op)
{
    put_token(encoder, ticks, MAREY_TOKEN_EXTENDED);
    marey_encode_u8(encoder, op);
}

/* The slot that means the event's activation, bound if need be. */
static uint8_t
bind_slot(struct marey_encoder *encoder, const struct marey_event *event)
{
    uint8_t slot = (uint8_t)(marey_mix(event->number) % MAREY_ACTIVATION_SLOTS);
    bool is_bound = (encoder->bound >> slot & 1) != 0 &&
                    encoder->slots[slot].key == event->number &&
                    encoder->slots[slot].function == event->function;

    if (is_bound)
        return slot;
    put_op(encoder, event->ticks, MAREY_OP_BIND);
    marey_encode_u8(encoder, slot);
    marey_encode_varint(encoder, event->function);
    marey_encode_u64(encoder, event->number);
    encoder->bound |= UINT32_C(1) << slot;
    encoder->slots[slot].key = event->number;
    encoder->slots[slot].function = event->function;
    return slot;
}

static void
put_activation(struct marey_encoder *encoder, const struct marey_event *event)
{
    uint8_t first = event->kind == MAREY_EVENT_YIELD ? MAREY_OP_YIELD : MAREY_OP_RESUME;
    uint8_t slot = bind_slot(encoder, event);

    put_op(encoder, event->ticks, (uint8_t)(first + slot));
}

static void
put_enter(struct marey_encoder *encoder, const struct marey_event *event)
{
    put_token(encoder, event->ticks, MAREY_TOKEN_ENTER);
    marey_encode_varint(encoder, event->function);
}

static void
put_resync(struct marey_encoder *encoder, const struct marey_event *event)
{
    struct marey_snapshot snapshot = event->snapshot;
    struct marey_snapshot_entry entry;

    put_op(encoder, event->ticks, MAREY_OP_RESYNC);
    marey_encode_varint(encoder, snapshot.left);
    while (marey_snapshot_next(&snapshot, &entry))
        marey_encode_entry(encoder, &entry);
}

/* An op, then one number. */
static void
put_number(struct marey_encoder *encoder, const struct marey_event *event, uint8_t op,
           uint64_t number)
{
    put_op(encoder, event->ticks, op);
    marey_encode_varint(encoder, number);
}

void
marey_encode_event(struct marey_encoder *encoder, const struct marey_event *event)
{
    switch ((enum marey_event_kind)event->kind) {
    case MAREY_EVENT_ENTER: put_enter(encoder, event); break;
    case MAREY_EVENT_LEAVE: put_token(encoder, event->ticks, MAREY_TOKEN_LEAVE); break;
    case MAREY_EVENT_UNWIND:
        put_number(encoder, event, MAREY_OP_UNWIND, event->string);
        break;
    case MAREY_EVENT_CUT: put_op(encoder, event->ticks, MAREY_OP_CUT); break;
    case MAREY_EVENT_YIELD:
    case MAREY_EVENT_RESUME: put_activation(encoder, event); break;
    case MAREY_EVENT_INSTANT:
        put_number(encoder, event, MAREY_OP_INSTANT, event->string);
        marey_encode_varint(encoder, event->number);
        break;
    case MAREY_EVENT_COUNTER:
        put_number(encoder, event, MAREY_OP_COUNTER, event->string);
        marey_encode_bytes(encoder, &event->value, sizeof(event->value));
        break;
    case MAREY_EVENT_LOG:
        put_number(encoder, event, MAREY_OP_LOG, event->string);
        marey_encode_u8(encoder, event->detail);
        marey_encode_varint(encoder, event->number);
        break;
    case MAREY_EVENT_FLOW_OUT:
        put_number(encoder, event, MAREY_OP_FLOW_OUT, event->number);
        break;
    case MAREY_EVENT_FLOW_IN:
        put_number(encoder, event, MAREY_OP_FLOW_IN, event->number);
        break;
    case MAREY_EVENT_THROWN:
        put_number(encoder, event, MAREY_OP_THROWN, event->string);
        break;
    case MAREY_EVENT_LOST:
        put_number(encoder, event, MAREY_OP_LOST, event->number);
        break;
    case MAREY_EVENT_RESYNC: put_resync(encoder, event); break;
    case MAREY_EVENT_VALUES:
        put_op(encoder, event->ticks, MAREY_OP_VALUES);
        marey_encode_u8(encoder, event->detail);
        marey_encode_varint(encoder, event->number);
        break;
    case MAREY_EVENT_SWITCH:
        put_number(encoder, event, MAREY_OP_SWITCH, event->number);
        break;
    case MAREY_EVENT_OTHER:
        put_number(encoder, event, event->detail, event->other.size_bytes);
        marey_encode_bytes(encoder, event->other.bytes, event->other.size_bytes);
        break;
    }
}
