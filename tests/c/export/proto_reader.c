/* A reader of protocol buffers for tests. */
#include "proto_reader.h"

#include "check.h"

static uint64_t
take_varint(struct message *message)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 70 && message->at < message->end; shift += 7) {
        uint8_t byte = *message->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    CHECK(!"a varint ends");
    message->at = message->end;
    return 0;
}

bool
message_next(struct message *message, struct field *out)
{
    uint64_t tag, size;

    if (message->at == message->end)
        return false;
    tag = take_varint(message);
    *out = (struct field){(uint32_t)(tag >> 3), 0, {NULL, NULL}};
    switch (tag & 7) {
    case 0: out->value = take_varint(message); return true;
    case 1: size = 8; break;
    case 2: size = take_varint(message); break;
    default: CHECK(!"a known wire type"); return false;
    }
    if (size > (size_t)(message->end - message->at)) {
        CHECK(!"a field ends inside its message");
        return false;
    }
    out->message = (struct message){message->at, message->at + size};
    message->at += size;
    for (int i = 0; (tag & 7) == 1 && i < 8; i++)
        out->value |= (uint64_t)out->message.at[i] << (8 * i);
    return true;
}

bool
message_find(struct message message, uint32_t number, struct field *out)
{
    while (message_next(&message, out))
        if (out->number == number)
            return true;
    return false;
}

uint64_t
message_value(struct message message, uint32_t number)
{
    struct field field;

    return message_find(message, number, &field) ? field.value : 0;
}
