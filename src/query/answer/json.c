/* JSON without printf: wasm has none. */
#include "query/answer/json.h"

#include <stdlib.h>
#include <string.h>

void
json_bytes(struct marey_answer *out, const char *bytes, size_t size_bytes)
{
    if (out->is_out_of_memory)
        return;
    if (size_bytes > out->capacity - out->size_bytes) {
        size_t capacity = out->capacity < 4096 ? 4096 : out->capacity * 2;
        char *grown;

        while (capacity - out->size_bytes < size_bytes && capacity < SIZE_MAX / 4)
            capacity *= 2;
        grown = capacity - out->size_bytes < size_bytes ? NULL
                                                        : realloc(out->bytes, capacity);
        if (grown == NULL) {
            out->is_out_of_memory = true;
            return;
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    memcpy(out->bytes + out->size_bytes, bytes, size_bytes);
    out->size_bytes += size_bytes;
}

void
json_word(struct marey_answer *out, const char *word)
{
    json_bytes(out, word, strlen(word));
}

/* A comma, unless a value starts the text, an object, an array, or follows a key. */
static void
separate(struct marey_answer *out)
{
    char last = out->size_bytes > 0 ? out->bytes[out->size_bytes - 1] : '[';

    if (last != '[' && last != '{' && last != ':')
        json_bytes(out, ",", 1);
}

void
json_open(struct marey_answer *out, char bracket)
{
    separate(out);
    json_bytes(out, &bracket, 1);
}

void
json_close(struct marey_answer *out, char bracket)
{
    json_bytes(out, &bracket, 1);
}

void
json_key(struct marey_answer *out, const char *name)
{
    separate(out);
    json_bytes(out, "\"", 1);
    json_word(out, name);
    json_bytes(out, "\":", 2);
}

static void
put_unsigned(struct marey_answer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    json_bytes(out, digits + at, sizeof(digits) - at);
}

void
json_int(struct marey_answer *out, int64_t value)
{
    separate(out);
    if (value < 0)
        json_bytes(out, "-", 1);
    put_unsigned(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Nine digits behind the point are enough for what a page shows. */
void
json_number(struct marey_answer *out, double value)
{
    char digits[9];
    uint64_t fraction;

    separate(out);
    if (value != value || value > 1e18 || value < -1e18) {
        json_word(out, "null");
        return;
    }
    if (value < 0) {
        json_bytes(out, "-", 1);
        value = -value;
    }
    put_unsigned(out, (uint64_t)value);
    fraction = (uint64_t)((value - (double)(uint64_t)value) * 1e9);
    if (fraction == 0)
        return;
    for (int i = 9; i-- > 0; fraction /= 10)
        digits[i] = (char)('0' + fraction % 10);
    json_bytes(out, ".", 1);
    json_bytes(out, digits, sizeof(digits));
}

void
json_bool(struct marey_answer *out, bool value)
{
    separate(out);
    json_word(out, value ? "true" : "false");
}

static void
put_escape(struct marey_answer *out, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', 0, 0, 0, 0};

    for (int i = 0; i < 4; i++)
        text[2 + i] = hex[(unit >> (12 - 4 * i)) & 15];
    json_bytes(out, text, sizeof(text));
}

/* Bytes that the character at `at` takes; 0 when it is none. *code is its number. */
static size_t
utf8_get(struct marey_text text, size_t at, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text.bytes[at];
    size_t size = first < 0x80   ? 1
                  : first < 0xC2 ? 0
                  : first < 0xE0 ? 2
                  : first < 0xF0 ? 3
                  : first < 0xF5 ? 4
                                 : 0;

    if (size == 0 || size > text.size_bytes - at)
        return 0;
    *code = size == 1 ? first : first & (0x7FU >> size);
    for (size_t i = 1; i < size; i++) {
        uint8_t next = (uint8_t)text.bytes[at + i];
        if ((next & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (next & 0x3F);
    }
    return *code < least[size] || *code > 0x10FFFF ? 0 : size;
}

void
json_text(struct marey_answer *out, struct marey_text text)
{
    size_t at = 0, plain = 0;

    separate(out);
    json_bytes(out, "\"", 1);
    while (at < text.size_bytes) {
        uint32_t code = 0;
        size_t size = utf8_get(text, at, &code);
        bool is_plain = size > 0 && code >= 0x20 && code != '"' && code != '\\' &&
                        (code < 0xD800 || code > 0xDFFF) && code != '<' &&
                        code != 0x2028 && code != 0x2029;

        if (is_plain) {
            at += size;
            continue;
        }
        json_bytes(out, text.bytes + plain, at - plain);
        put_escape(out, size == 0 ? 0xFFFD : code);
        at += size == 0 ? 1 : size;
        plain = at;
    }
    json_bytes(out, text.bytes + plain, at - plain);
    json_bytes(out, "\"", 1);
}

void
json_key_int(struct marey_answer *out, const char *name, int64_t value)
{
    json_key(out, name);
    json_int(out, value);
}

void
json_key_text(struct marey_answer *out, const char *name, struct marey_text text)
{
    json_key(out, name);
    json_text(out, text);
}

void
json_key_bool(struct marey_answer *out, const char *name, bool value)
{
    json_key(out, name);
    json_bool(out, value);
}

enum marey_status
json_status(const struct marey_answer *out, struct marey_error *err)
{
    if (out->is_out_of_memory)
        return marey_fail(err, MAREY_NOMEM, "no memory for the answer");
    return MAREY_OK;
}
