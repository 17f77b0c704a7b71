/* PNG without a library: rows as differences to the row above, which for pictures of
 * lanes are nearly all zero, then runs in the fixed Huffman code of deflate.
 */
#include <stdlib.h>
#include <string.h>

#include "marey/raster.h"

struct out {
    uint8_t *bytes; /* owned */
    size_t count;
    size_t capacity;
    uint32_t bits; /* not yet written, lowest first */
    unsigned bit_count;
    bool is_out_of_memory;
};

static void
put(struct out *out, uint8_t byte)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 65536;
        uint8_t *bytes = realloc(out->bytes, capacity);
        if (bytes == NULL) {
            out->is_out_of_memory = true;
            return;
        }
        out->bytes = bytes;
        out->capacity = capacity;
    }
    out->bytes[out->count++] = byte;
}

static void
put_u32(struct out *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put(out, (uint8_t)(value >> shift));
}

static void
put_bits(struct out *out, uint32_t value, unsigned count)
{
    out->bits |= value << out->bit_count;
    out->bit_count += count;
    while (out->bit_count >= 8) {
        put(out, (uint8_t)out->bits);
        out->bits >>= 8;
        out->bit_count -= 8;
    }
}

/* Huffman codes are written highest bit first. */
static void
put_code(struct out *out, uint32_t code, unsigned count)
{
    for (unsigned i = count; i-- > 0;)
        put_bits(out, (code >> i) & 1, 1);
}

static void
put_symbol(struct out *out, unsigned symbol)
{
    if (symbol < 144)
        put_code(out, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(out, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(out, symbol - 256, 7);
    else
        put_code(out, 0xC0 + symbol - 280, 8);
}

/* A repetition of the byte before: `length` 3..258 at distance 1. */
static void
put_run(struct out *out, unsigned length)
{
    static const uint16_t base[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                    15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                    67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    unsigned i = 28;

    while (base[i] > length)
        i--;
    put_symbol(out, 257 + i);
    put_bits(out, length - base[i], extra[i]);
    put_code(out, 0, 5);
}

static void
deflate(struct out *out, const uint8_t *bytes, size_t count)
{
    size_t i = 0;

    put_bits(out, 3, 3); /* last block, fixed codes */
    while (i < count) {
        size_t run = 0;
        if (i > 0)
            while (run < 258 && i + run < count && bytes[i + run] == bytes[i - 1])
                run++;
        if (run >= 3) {
            put_run(out, (unsigned)run);
            i += run;
        } else {
            put_symbol(out, bytes[i++]);
        }
    }
    put_symbol(out, 256);
    if (out->bit_count > 0)
        put_bits(out, 0, 8 - out->bit_count);
}

static uint32_t
crc(const uint8_t *bytes, size_t count)
{
    static uint32_t table[256];
    uint32_t value = UINT32_MAX;

    if (table[1] == 0)
        for (uint32_t n = 0; n < 256; n++) {
            uint32_t c = n;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? UINT32_C(0xEDB88320) ^ (c >> 1) : c >> 1;
            table[n] = c;
        }
    for (size_t i = 0; i < count; i++)
        value = table[(value ^ bytes[i]) & 255] ^ (value >> 8);
    return ~value;
}

static size_t
section_begin(struct out *out, const char *name)
{
    size_t at = out->count;

    put_u32(out, 0);
    for (int i = 0; i < 4; i++)
        put(out, (uint8_t)name[i]);
    return at;
}

static void
section_end(struct out *out, size_t at)
{
    uint32_t size = (uint32_t)(out->count - at - 8);

    if (out->is_out_of_memory)
        return;
    for (int i = 0; i < 4; i++)
        out->bytes[at + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
    put_u32(out, crc(out->bytes + at + 4, size + 4));
}

/* The rows as PNG filters them, each byte less the one above; and their Adler-32. */
static uint8_t *
filtered(const struct marey_canvas *canvas, size_t *count, uint32_t *adler)
{
    size_t stride = (size_t)canvas->width * 3 + 1;
    uint8_t *rows = malloc(stride * canvas->height + 1);
    uint32_t a = 1, b = 0;

    if (rows == NULL)
        return NULL;
    for (size_t y = 0; y < canvas->height; y++) {
        const uint32_t *line = canvas->pixels + y * canvas->width;
        const uint32_t *above = y > 0 ? line - canvas->width : NULL;
        uint8_t *to = rows + y * stride;

        *to++ = 2;
        for (size_t x = 0; x < canvas->width; x++) {
            uint32_t up = above != NULL ? above[x] : 0;
            for (int shift = 0; shift < 24; shift += 8)
                *to++ = (uint8_t)((line[x] >> shift) - (up >> shift));
        }
    }
    *count = stride * canvas->height;
    for (size_t i = 0; i < *count; i++) {
        a = (a + rows[i]) % 65521;
        b = (b + a) % 65521;
    }
    *adler = b << 16 | a;
    return rows;
}

enum marey_status
marey_png_write(const struct marey_canvas *canvas, uint8_t **bytes, size_t *size_bytes)
{
    static const uint8_t magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    struct out out = {0};
    size_t count = 0, at;
    uint32_t adler = 0;
    uint8_t *rows = filtered(canvas, &count, &adler);

    if (rows == NULL)
        return MAREY_NOMEM;
    for (size_t i = 0; i < sizeof(magic); i++)
        put(&out, magic[i]);
    at = section_begin(&out, "IHDR");
    put_u32(&out, canvas->width);
    put_u32(&out, canvas->height);
    put(&out, 8); /* bits */
    put(&out, 2); /* RGB */
    put(&out, 0);
    put(&out, 0);
    put(&out, 0);
    section_end(&out, at);
    at = section_begin(&out, "IDAT");
    put(&out, 0x78);
    put(&out, 0x01);
    deflate(&out, rows, count);
    put_u32(&out, adler);
    section_end(&out, at);
    at = section_begin(&out, "IEND");
    section_end(&out, at);
    free(rows);
    if (out.is_out_of_memory) {
        free(out.bytes);
        return MAREY_NOMEM;
    }
    *bytes = out.bytes;
    *size_bytes = out.count;
    return MAREY_OK;
}
