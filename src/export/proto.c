/* The parts of proto.h that are not worth inlining. */
#include "export/proto.h"

#include "export/utf8.h"

void
marey_proto_fixed64(struct marey_out *out, uint32_t field, uint64_t value)
{
    uint8_t *at = marey_out_room(out, MAREY_VARINT_SIZE_MAX + sizeof(value));

    at = marey_proto_put_tag(at, field, PROTO_FIXED64);
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    marey_out_advance(out, at);
}

void
marey_proto_double(struct marey_out *out, uint32_t field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    marey_proto_fixed64(out, field, bits);
}

void
marey_proto_text_part(struct marey_out *out, struct marey_text text)
{
    const uint8_t *at = (const uint8_t *)text.bytes;
    const uint8_t *end;

    if (text.size_bytes == 0)
        return; /* there may be no bytes to point at */
    end = at + text.size_bytes;
    while (at < end) {
        const uint8_t *run = at;
        size_t size = 1;
        while (at < end && size != 0) {
            size = *at < 0x80 ? 1 : marey_utf8_size(at, (size_t)(end - at));
            at += size;
        }
        marey_out_put(out, run, (size_t)(at - run));
        if (at < end) {
            MAREY_OUT_LITERAL(out, MAREY_REPLACEMENT);
            at += marey_utf8_skip(at, (size_t)(end - at));
        }
    }
}

void
marey_proto_text(struct marey_out *out, uint32_t field, struct marey_text text)
{
    size_t begun = marey_proto_begin(out, field);

    marey_proto_text_part(out, text);
    marey_proto_end(out, begun);
}

void
marey_proto_literal(struct marey_out *out, uint32_t field, const char *literal)
{
    marey_proto_text(out, field, (struct marey_text){literal, strlen(literal)});
}

/* A place in the buffer is counted from what is kept, so that it stays right when the
 * buffer moves down. */
size_t
marey_proto_begin(struct marey_out *out, uint32_t field)
{
    uint8_t *at = marey_out_room(out, MAREY_VARINT_SIZE_MAX + 1);

    at = marey_proto_put_tag(at, field, PROTO_SIZED);
    marey_out_advance(out, at + 1);
    return out->used - out->kept;
}

void
marey_proto_end(struct marey_out *out, size_t begun)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX];
    uint8_t *message;
    size_t size, size_size;

    marey_out_room(out, MAREY_VARINT_SIZE_MAX);
    if (MAREY_UNLIKELY(out->status != MAREY_OK))
        return; /* bytes are being dropped: the place may be gone */
    message = out->bytes + out->kept + begun;
    size = out->used - out->kept - begun;
    size_size = marey_varint_put(bytes, size);
    if (size_size > 1)
        memmove(message + size_size - 1, message, size);
    memcpy(message - 1, bytes, size_size);
    out->used += size_size - 1;
}

size_t
marey_proto_begin_outermost(struct marey_out *out, uint32_t field)
{
    marey_out_room(out, MAREY_VARINT_SIZE_MAX + 1);
    marey_out_keep(out);
    return marey_proto_begin(out, field);
}

void
marey_proto_end_outermost(struct marey_out *out, size_t begun)
{
    marey_proto_end(out, begun);
    marey_out_keep_nothing(out);
}
