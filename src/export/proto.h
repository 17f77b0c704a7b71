/* Protocol buffers, written front to back.
 *
 * A message stands after its size, which is known only when it has been written. Its
 * first byte of size is left free and filled in at the end; a message of 128 bytes and
 * more is then moved up by the bytes its size needs beyond one. Nearly none is.
 *
 *     size_t packet = marey_proto_begin_outermost(out, 1);
 *     size_t event = marey_proto_begin(out, 11);
 *     marey_proto_unsigned(out, 9, 1);
 *     marey_proto_end(out, event);
 *     marey_proto_end_outermost(out, packet);
 *
 * Where an end is missing or out of order the output is broken; nothing checks.
 */
#ifndef MAREY_EXPORT_PROTO_H
#define MAREY_EXPORT_PROTO_H

#include <stdint.h>

#include "base/varint.h"
#include "export/out.h"
#include "marey/query.h"

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_SIZED = 2 };

MAREY_INLINE uint8_t *
marey_proto_put_tag(uint8_t *at, uint32_t field, enum proto_wire wire)
{
    return at + marey_varint_put(at, (uint64_t)field << 3 | wire);
}

static inline void
marey_proto_unsigned(struct marey_out *out, uint32_t field, uint64_t value)
{
    uint8_t *at = marey_out_room(out, (size_t)2 * MAREY_VARINT_SIZE_MAX);

    at = marey_proto_put_tag(at, field, PROTO_VARINT);
    marey_out_advance(out, at + marey_varint_put(at, value));
}

/* int32, int64, enum, bool: negative numbers take ten bytes. */
static inline void
marey_proto_signed(struct marey_out *out, uint32_t field, int64_t value)
{
    marey_proto_unsigned(out, field, (uint64_t)value);
}

void marey_proto_fixed64(struct marey_out *out, uint32_t field, uint64_t value);
void marey_proto_double(struct marey_out *out, uint32_t field, double value);

/* A string field: valid UTF-8 whatever the bytes. */
void marey_proto_text(struct marey_out *out, uint32_t field, struct marey_text text);
void marey_proto_literal(struct marey_out *out, uint32_t field, const char *literal);

/* What stands in a string field, for text made of pieces between begin and end. */
void marey_proto_text_part(struct marey_out *out, struct marey_text text);

/* Give the result to the matching end. Only one outermost message is open at a time. */
size_t marey_proto_begin(struct marey_out *out, uint32_t field);
void marey_proto_end(struct marey_out *out, size_t begun);
size_t marey_proto_begin_outermost(struct marey_out *out, uint32_t field);
void marey_proto_end_outermost(struct marey_out *out, size_t begun);

#endif
