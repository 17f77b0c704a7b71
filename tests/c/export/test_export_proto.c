/* Protocol buffers: sizes at every edge, also of messages larger than the buffer. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "export/proto.h"
#include "fake_query.h"
#include "proto_reader.h"

static void
fill(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
}

/* A text of that size, three messages deep, between two small neighbours. */
static void
check_nested(size_t size)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_sink sink = {fake_output_write, &output};
    struct marey_out out;
    struct message all;
    struct field packet, middle, text;
    char *bytes = malloc(size + 1);
    size_t a, b;

    if (bytes == NULL)
        return;
    fill(bytes, size);
    CHECK_EQ(marey_out_init(&out, &sink), MAREY_OK);
    for (int i = 0; i < 3; i++) {
        a = marey_proto_begin_outermost(&out, 1);
        marey_proto_unsigned(&out, 2, 5);
        b = marey_proto_begin(&out, 3);
        if (i == 1)
            marey_proto_text(&out, 400, (struct marey_text){bytes, size});
        marey_proto_unsigned(&out, 5, UINT64_MAX);
        marey_proto_end(&out, b);
        marey_proto_fixed64(&out, 6, UINT64_C(0x0123456789abcdef));
        marey_proto_end_outermost(&out, a);
    }
    marey_out_flush(&out);
    CHECK_EQ(out.status, MAREY_OK);

    all = (struct message){(uint8_t *)output.bytes,
                           (uint8_t *)output.bytes + output.size};
    for (int i = 0; i < 3; i++) {
        CHECK(message_next(&all, &packet));
        CHECK_EQ(packet.number, 1);
        CHECK_EQ(message_value(packet.message, 2), 5);
        CHECK_EQ(message_value(packet.message, 6), UINT64_C(0x0123456789abcdef));
        CHECK(message_find(packet.message, 3, &middle));
        CHECK_EQ(message_value(middle.message, 5), UINT64_MAX);
        CHECK_EQ(message_find(middle.message, 400, &text), i == 1);
        if (i == 1) {
            CHECK_EQ(text.message.end - text.message.at, size);
            CHECK(memcmp(text.message.at, bytes, size) == 0);
        }
    }
    CHECK(!message_next(&all, &packet));
    marey_out_release(&out);
    fake_output_release(&output);
    free(bytes);
}

TEST(messages_of_any_size_state_it)
{
    for (size_t size = 0; size < 300; size++)
        check_nested(size);
    check_nested(16382);
    check_nested(16384);
    check_nested(MAREY_OUT_CAPACITY - 30);
    check_nested(MAREY_OUT_CAPACITY);
    check_nested(3 * MAREY_OUT_CAPACITY);
}

TEST(a_message_may_begin_anywhere_in_the_buffer)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_sink sink = {fake_output_write, &output};
    struct marey_out out;
    struct message all;
    struct field packet;
    uint64_t count = 0;

    CHECK_EQ(marey_out_init(&out, &sink), MAREY_OK);
    for (uint64_t i = 0; i < 60000; i++) {
        size_t a = marey_proto_begin_outermost(&out, 1);
        marey_proto_unsigned(&out, 1, i);
        for (uint64_t j = 0; j < i % 40; j++)
            marey_proto_literal(&out, 2, "x");
        marey_proto_end_outermost(&out, a);
    }
    marey_out_flush(&out);
    all = (struct message){(uint8_t *)output.bytes,
                           (uint8_t *)output.bytes + output.size};
    while (message_next(&all, &packet)) {
        uint64_t texts = 0;
        struct field field;
        if (message_value(packet.message, 1) != count)
            break;
        while (message_next(&packet.message, &field))
            texts += field.number == 2;
        if (texts != count % 40)
            break;
        count++;
    }
    CHECK_EQ(count, 60000);
    CHECK(output.write_count > 3);
    marey_out_release(&out);
    fake_output_release(&output);
}

TEST(text_becomes_valid_utf8)
{
    struct fake_output output = {NULL, 0, 0, 0, false};
    struct marey_sink sink = {fake_output_write, &output};
    struct marey_out out;

    CHECK_EQ(marey_out_init(&out, &sink), MAREY_OK);
    marey_out_keep(&out);
    marey_proto_text(&out, 1, TEXT("a\0\xED\xA0\x80|\xFF|\xE2\x82|\xC3\xA9"));
    marey_out_keep_nothing(&out);
    marey_out_flush(&out);
    CHECK_EQ(output.bytes[0], 0x0a);
    CHECK_EQ(output.bytes[1], 16);
    CHECK(memcmp(output.bytes + 2, "a\0\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD|\xC3\xA9",
                 16) == 0);
    marey_out_release(&out);
    fake_output_release(&output);
}

TEST(a_refusing_sink_is_latched_and_writers_go_on)
{
    struct fake_output output = {NULL, 0, 0, 1, true};
    struct marey_sink sink = {fake_output_write, &output};
    struct marey_out out;
    char *bytes = malloc(MAREY_OUT_CAPACITY);

    if (bytes == NULL)
        return;
    fill(bytes, MAREY_OUT_CAPACITY);
    CHECK_EQ(marey_out_init(&out, &sink), MAREY_OK);
    for (int i = 0; i < 10; i++) {
        size_t a = marey_proto_begin_outermost(&out, 1);
        size_t b = marey_proto_begin(&out, 2);
        marey_proto_text(&out, 3, (struct marey_text){bytes, MAREY_OUT_CAPACITY});
        marey_proto_end(&out, b);
        marey_proto_end_outermost(&out, a);
    }
    CHECK_EQ(out.status, MAREY_STOPPED);
    CHECK_EQ(output.write_count, 1);
    marey_out_release(&out);
    free(bytes);
}
