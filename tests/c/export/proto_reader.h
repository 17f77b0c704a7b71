/* Reads what src/export/proto.c writes, field by field; written from the encoding
 * alone.
 */
#ifndef MAREY_TESTS_EXPORT_PROTO_READER_H
#define MAREY_TESTS_EXPORT_PROTO_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message, or what is left of it. */
struct message {
    const uint8_t *at;
    const uint8_t *end;
};

struct field {
    uint32_t number;
    uint64_t value;         /* of a varint or fixed64 */
    struct message message; /* of a sized one */
};

/* False at the end. A message that is not well-formed fails the test. */
bool message_next(struct message *message, struct field *out);

/* The first field of that number; false: there is none. */
bool message_find(struct message message, uint32_t number, struct field *out);

/* Its value, or 0. */
uint64_t message_value(struct message message, uint32_t number);

#endif
