/* JSON of any bytes and any numbers. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "export/json.h"
#include "export/utf8.h"
#include "fake_query.h"

struct fixture {
    struct fake_output output;
    struct marey_sink sink;
    struct marey_out out;
};

static void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->sink = (struct marey_sink){fake_output_write, &f->output};
    CHECK_EQ(marey_out_init(&f->out, &f->sink), MAREY_OK);
}

static void
fixture_expect(struct fixture *f, const char *want)
{
    marey_out_flush(&f->out);
    CHECK_TEXT(f->output.bytes, f->output.size, want);
    marey_out_release(&f->out);
    fake_output_release(&f->output);
}

static void
check_json_text(struct marey_text text, const char *want)
{
    struct fixture f;

    fixture_init(&f);
    marey_json_text(&f.out, text);
    fixture_expect(&f, want);
}

TEST(text_is_valid_json_whatever_its_bytes)
{
    check_json_text(TEXT(""), "\"\"");
    check_json_text(TEXT("plain"), "\"plain\"");
    check_json_text(TEXT("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    check_json_text(TEXT("\0\x01\x1f\x7f\n\r\t"),
                    "\"\\u0000\\u0001\\u001f\\u007f\\n\\r\\t\"");
    check_json_text(TEXT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82"),
                    "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82\"");
}

TEST(what_is_no_character_is_replaced_once)
{
    check_json_text(TEXT("<\xED\xA0\x80>"), "\"<\xEF\xBF\xBD>\"");
    check_json_text(TEXT("<\xED\xA0\xBD\xED\xB8\x80>"),
                    "\"<\xEF\xBF\xBD\xEF\xBF\xBD>\"");
    check_json_text(TEXT("\xFF"), "\"\xEF\xBF\xBD\"");
    check_json_text(TEXT("\xE2\x82"), "\"\xEF\xBF\xBD\"");
    check_json_text(TEXT("\xE2\x82\x22"), "\"\xEF\xBF\xBD\\\"\"");
    check_json_text(TEXT("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_json_text(TEXT("\xF4\x90\x80\x80"),
                    "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(every_character_is_one_and_every_neighbour_of_one_is_not)
{
    for (uint32_t code = 0; code <= 0x110010; code++) {
        uint8_t bytes[4];
        size_t size;
        bool is_character = code < 0xD800 || (code > 0xDFFF && code <= 0x10FFFF);
        if (code < 0x80) {
            size = 1;
            bytes[0] = (uint8_t)code;
        } else if (code < 0x800) {
            size = 2;
            bytes[0] = (uint8_t)(0xC0 | code >> 6);
        } else if (code < 0x10000) {
            size = 3;
            bytes[0] = (uint8_t)(0xE0 | code >> 12);
        } else {
            size = 4;
            bytes[0] = (uint8_t)(0xF0 | code >> 18);
        }
        for (size_t i = 1; i < size; i++)
            bytes[i] = (uint8_t)(0x80 | (code >> (6 * (size - 1 - i)) & 0x3F));
        if (marey_utf8_size(bytes, size) != (is_character ? size : 0))
            CHECK_EQ(code, UINT32_MAX);
        if (size > 1 && marey_utf8_size(bytes, size - 1) != 0)
            CHECK_EQ(code, UINT32_MAX);
    }
}

static void
check_value(const struct marey_value *value, const char *want)
{
    struct fixture f;

    fixture_init(&f);
    marey_json_value(&f.out, value);
    fixture_expect(&f, want);
}

TEST(numbers_that_a_reader_would_bend_are_text)
{
    check_value(&(struct marey_value){.tag = 4, .integer = INT64_C(1) << 53},
                "9007199254740992");
    check_value(&(struct marey_value){.tag = 4, .integer = (INT64_C(1) << 53) + 1},
                "\"9007199254740993\"");
    check_value(&(struct marey_value){.tag = 4, .integer = INT64_MIN},
                "\"-9223372036854775808\"");
    check_value(&(struct marey_value){.tag = 5, .number = NAN}, "\"nan\"");
    check_value(&(struct marey_value){.tag = 5, .number = -INFINITY}, "\"-inf\"");
    check_value(&(struct marey_value){.tag = 5, .number = INFINITY}, "\"inf\"");
    check_value(&(struct marey_value){.tag = 5, .number = 2}, "2.0");
}

TEST(every_tag_has_a_value)
{
    check_value(&(struct marey_value){.tag = 1}, "null");
    check_value(&(struct marey_value){.tag = 2}, "false");
    check_value(&(struct marey_value){.tag = 3}, "true");
    check_value(&(struct marey_value){.tag = 7, .text = TEXT("a\0\"'\\\xff")},
                "\"b'a\\\\x00\\\\x22\\\\x27\\\\x5c\\\\xff'\"");
    check_value(&(struct marey_value){.tag = 8, .text = TEXT("<T>")}, "\"<T>\"");
    check_value(&(struct marey_value){.tag = 9}, "\"<redacted>\"");
    check_value(&(struct marey_value){.tag = 10}, "\"<not recorded>\"");
    check_value(&(struct marey_value){.tag = 11}, "\"<unbound>\"");
    check_value(&(struct marey_value){.tag = 12}, "\"<error>\"");
    check_value(&(struct marey_value){.tag = 99}, "\"<unknown>\"");
}
