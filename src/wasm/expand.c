/* Zstandard decompression (RFC 8878) for the page: one frame, no dictionary.
 *
 * The native build links libzstd; a decoder of its own keeps 40 kB out of the page and
 * nothing of another project in this tree. The whole output is in memory, so there is
 * no window. Every read and write is checked; wrong bytes give false. Checked against
 * libzstd by tests/c/view/test_view_expand.c.
 */
#include <string.h>

#include "marey/format_get.h"

#define BLOCK_MAX (128 * 1024)
#define FSE_LOG_MAX 9
#define HUFFMAN_LOG_MAX 11

/* ---- bits, read backwards from the end ---- */

struct bits {
    const uint8_t *bytes;
    int64_t left; /* bits not read yet; below 0: more were asked for than there are */
};

static bool
bits_open(struct bits *bits, const uint8_t *bytes, size_t size)
{
    unsigned high = 7;

    if (size == 0 || bytes[size - 1] == 0)
        return false;
    while (!(bytes[size - 1] >> high & 1))
        high--;
    bits->bytes = bytes;
    bits->left = (int64_t)(size - 1) * 8 + high;
    return true;
}

static uint32_t
bits_take(struct bits *bits, unsigned count)
{
    uint64_t value = 0;
    int64_t at = bits->left - count;

    bits->left = at;
    for (unsigned i = 0; i < count; i++, at++) /* what lies before the start is zero */
        if (at >= 0)
            value |= (uint64_t)(bits->bytes[at >> 3] >> (at & 7) & 1) << i;
    return (uint32_t)value;
}

/* ---- FSE tables ---- */

struct fse_cell {
    uint16_t base;
    uint8_t symbol;
    uint8_t bits;
};
struct fse {
    struct fse_cell cells[1 << FSE_LOG_MAX];
    unsigned log;
    bool is_set;
};

static bool
fse_build(struct fse *fse, const int16_t *counts, unsigned symbols, unsigned log)
{
    uint16_t next[256];
    uint32_t size = UINT32_C(1) << log, high = size - 1, at = 0;

    for (unsigned s = 0; s < symbols; s++) {
        next[s] = counts[s] < 0 ? 1 : (uint16_t)counts[s];
        if (counts[s] < 0)
            fse->cells[high--].symbol = (uint8_t)s;
    }
    for (unsigned s = 0; s < symbols; s++)
        for (int i = 0; i < counts[s]; i++) {
            fse->cells[at].symbol = (uint8_t)s;
            do
                at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
            while (at > high);
        }
    if (at != 0)
        return false;
    for (uint32_t i = 0; i < size; i++) {
        uint16_t state = next[fse->cells[i].symbol]++;
        unsigned bits = log;
        while (state >> (log - bits + 1))
            bits--;
        fse->cells[i].bits = (uint8_t)bits;
        fse->cells[i].base = (uint16_t)((state << bits) - size);
    }
    fse->log = log;
    fse->is_set = true;
    return true;
}

/* Bits forwards, for the counts of a table. */
static uint32_t
forward(const uint8_t *bytes, size_t size, size_t at, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++)
        if ((at + i) / 8 < size)
            value |= (uint32_t)(bytes[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
    return value;
}

/* Reads a table's counts. Returns the bytes it took, 0 when it is wrong. */
static size_t
fse_read(struct fse *fse, const uint8_t *bytes, size_t size, unsigned log_max,
         unsigned symbols_max)
{
    int16_t counts[256] = {0};
    unsigned log = forward(bytes, size, 0, 4) + 5, symbol = 0;
    int32_t left = (INT32_C(1) << log) + 1;
    size_t at = 4;

    if (size == 0 || log > log_max)
        return 0;
    while (left > 1 && symbol < symbols_max) {
        unsigned bits = 32 - (unsigned)__builtin_clz((uint32_t)left);
        uint32_t low_mask = (UINT32_C(1) << (bits - 1)) - 1;
        uint32_t threshold = (UINT32_C(1) << bits) - 1 - (uint32_t)left;
        uint32_t value = forward(bytes, size, at, bits);

        if ((value & low_mask) < threshold) {
            value &= low_mask;
            at += bits - 1;
        } else {
            if (value > low_mask)
                value -= threshold;
            at += bits;
        }
        counts[symbol] = (int16_t)value - 1;
        left -= counts[symbol] < 0 ? 1 : counts[symbol];
        symbol++;
        if (value == 1) { /* a count of 0: how many more follow */
            uint32_t repeat;
            do {
                repeat = forward(bytes, size, at, 2);
                at += 2;
                symbol += repeat;
            } while (repeat == 3 && symbol < symbols_max);
        }
    }
    if (left != 1 || symbol > symbols_max || (at + 7) / 8 > size ||
        !fse_build(fse, counts, symbol, log))
        return 0;
    return (at + 7) / 8;
}

/* ---- Huffman ---- */

struct huffman {
    uint8_t symbols[1 << HUFFMAN_LOG_MAX];
    uint8_t bits[1 << HUFFMAN_LOG_MAX];
    unsigned log; /* 0: none yet */
};

static bool
huffman_build(struct huffman *huffman, uint8_t *weights, unsigned count)
{
    uint32_t sum = 0, size, rest, at = 0;
    unsigned log;

    for (unsigned i = 0; i < count; i++) {
        if (weights[i] > HUFFMAN_LOG_MAX)
            return false;
        sum += weights[i] ? UINT32_C(1) << (weights[i] - 1) : 0;
    }
    if (sum == 0 || count > 255)
        return false;
    log = 32 - (unsigned)__builtin_clz(sum);
    if (log > HUFFMAN_LOG_MAX)
        return false;
    size = UINT32_C(1) << log;
    rest = size - sum; /* of the last symbol, whose weight is not written */
    if ((rest & (rest - 1)) != 0)
        return false;
    weights[count++] = (uint8_t)(32 - (unsigned)__builtin_clz(rest));
    for (unsigned weight = 1; weight <= log; weight++)
        for (unsigned s = 0; s < count; s++) {
            if (weights[s] != weight)
                continue;
            for (uint32_t i = 0; i < UINT32_C(1) << (weight - 1); i++) {
                if (at >= size)
                    return false;
                huffman->symbols[at] = (uint8_t)s;
                huffman->bits[at++] = (uint8_t)(log + 1 - weight);
            }
        }
    huffman->log = log;
    return at == size;
}

/* Weights packed by FSE: two states take turns. Returns how many, 0: wrong. */
static unsigned
weights_read(const uint8_t *bytes, size_t size, uint8_t *weights)
{
    static struct fse fse;
    struct bits bits;
    size_t used = fse_read(&fse, bytes, size, 6, 12);
    uint32_t states[2];
    unsigned count = 0;

    if (used == 0 || !bits_open(&bits, bytes + used, size - used))
        return 0;
    states[0] = bits_take(&bits, fse.log);
    states[1] = bits_take(&bits, fse.log);
    for (unsigned turn = 0; count < 254; turn ^= 1) {
        const struct fse_cell *cell = &fse.cells[states[turn]];

        weights[count++] = cell->symbol;
        if (bits.left < cell->bits) {
            weights[count++] = fse.cells[states[turn ^ 1]].symbol;
            return count;
        }
        states[turn] = cell->base + bits_take(&bits, cell->bits);
    }
    return 0;
}

static size_t
huffman_read(struct huffman *huffman, const uint8_t *bytes, size_t size)
{
    uint8_t weights[257] = {0};
    unsigned count, head;
    size_t used;

    if (size == 0)
        return 0;
    head = bytes[0];
    if (head < 128) {
        used = 1 + head;
        if (used > size)
            return 0;
        count = weights_read(bytes + 1, head, weights);
    } else {
        count = head - 127;
        used = 1 + (count + 1) / 2;
        if (used > size)
            return 0;
        for (unsigned i = 0; i < count; i++)
            weights[i] = i % 2 ? bytes[1 + i / 2] & 15 : bytes[1 + i / 2] >> 4;
    }
    return count > 0 && huffman_build(huffman, weights, count) ? used : 0;
}

static bool
huffman_stream(const struct huffman *huffman, const uint8_t *bytes, size_t size,
               uint8_t *out, size_t out_size)
{
    struct bits bits;
    uint32_t mask = (UINT32_C(1) << huffman->log) - 1, state;

    if (!bits_open(&bits, bytes, size))
        return false;
    state = bits_take(&bits, huffman->log);
    for (size_t i = 0; i < out_size; i++) {
        unsigned used = huffman->bits[state];

        out[i] = huffman->symbols[state];
        state = (state << used & mask) | bits_take(&bits, used);
    }
    return bits.left == -(int64_t)huffman->log;
}

/* ---- one frame ---- */

struct decoder {
    struct huffman huffman;
    struct fse tables[3]; /* literal lengths, offsets, match lengths */
    uint8_t literals[BLOCK_MAX];
    size_t literal_count;
    uint32_t repeats[3];
    uint8_t *dst;
    size_t dst_size, done;
};

static bool
streams_read(struct decoder *decoder, const uint8_t *bytes, size_t size, bool four)
{
    size_t each = (decoder->literal_count + 3) / 4, at = 6, out = 0;

    if (!four)
        return huffman_stream(&decoder->huffman, bytes, size, decoder->literals,
                              decoder->literal_count);
    if (size < 6)
        return false;
    for (int i = 0; i < 4; i++) {
        size_t part = i < 3 ? bytes[2 * i] | (size_t)bytes[2 * i + 1] << 8 : size - at;
        size_t count = i < 3 ? each : decoder->literal_count - out;

        if (part > size - at || out > decoder->literal_count ||
            count > decoder->literal_count - out ||
            !huffman_stream(&decoder->huffman, bytes + at, part,
                            decoder->literals + out, count))
            return false;
        at += part;
        out += count;
    }
    return true;
}

/* Fills literals. Returns the bytes it took, 0: wrong. */
static size_t
literals_read(struct decoder *decoder, const uint8_t *bytes, size_t size)
{
    unsigned type = bytes[0] & 3, format = bytes[0] >> 2 & 3;
    unsigned head, width;
    uint64_t word = 0;
    size_t packed, used = 0;

    if (type < 2) {
        head = format == 1 ? 2 : format == 3 ? 3 : 1;
        width = format == 1 ? 12 : format == 3 ? 20 : 5;
    } else {
        head = format == 2 ? 4 : format == 3 ? 5 : 3;
        width = format == 2 ? 14 : format == 3 ? 18 : 10;
    }
    if (size < head)
        return 0;
    for (unsigned i = 0; i < head; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    word >>= type < 2 && format % 2 == 0 ? 3 : 4;
    decoder->literal_count = word & ((UINT64_C(1) << width) - 1);
    if (decoder->literal_count > BLOCK_MAX)
        return 0;
    packed = type < 2 ? (type == 0 ? decoder->literal_count : 1)
                      : word >> width & ((UINT64_C(1) << width) - 1);
    if (packed > size - head)
        return 0;
    bytes += head;
    if (type == 0) {
        memcpy(decoder->literals, bytes, packed);
    } else if (type == 1) {
        memset(decoder->literals, bytes[0], decoder->literal_count);
    } else {
        if (type == 2)
            used = huffman_read(&decoder->huffman, bytes, packed);
        if (decoder->huffman.log == 0 || (type == 2 && used == 0) ||
            !streams_read(decoder, bytes + used, packed - used, format != 0))
            return 0;
    }
    return head + packed;
}

static const int16_t literal_counts[] = {4, 3, 2, 2, 2, 2, 2, 2, 2,  2,  2,  2,
                                         2, 1, 1, 1, 2, 2, 2, 2, 2,  2,  2,  2,
                                         2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
static const int16_t offset_counts[] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};
static const int16_t match_counts[] = {1, 4, 3, 2, 2,  2,  2,  2,  2,  1,  1, 1, 1, 1,
                                       1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1, 1, 1,
                                       1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1, 1, 1,
                                       1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};

/* Sets up one of the three tables. Returns false when it is wrong. */
static bool
table_read(struct fse *fse, unsigned mode, unsigned which, const uint8_t **bytes,
           const uint8_t *end)
{
    static const int16_t *const counts[] = {literal_counts, offset_counts,
                                            match_counts};
    static const uint8_t symbols[] = {36, 29, 53}, logs[] = {6, 5, 6};
    static const uint8_t symbols_max[] = {36, 32, 53}, logs_max[] = {9, 8, 9};
    size_t used;

    if (mode == 0)
        return fse_build(fse, counts[which], symbols[which], logs[which]);
    if (mode == 3)
        return fse->is_set;
    if (*bytes == end)
        return false;
    if (mode == 1) {
        if (**bytes >= symbols_max[which])
            return false;
        fse->cells[0] = (struct fse_cell){0, **bytes, 0};
        fse->log = 0;
        fse->is_set = true;
        *bytes += 1;
        return true;
    }
    used = fse_read(fse, *bytes, (size_t)(end - *bytes), logs_max[which],
                    symbols_max[which]);
    *bytes += used;
    return used > 0;
}

static uint32_t
literal_length(unsigned code, struct bits *bits)
{
    static const uint8_t extra[] = {1, 1, 1, 1,  2,  2,  3,  3,  4,  6,
                                    7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint32_t base[] = {16,   18,   20,   22,    24,    28,   32,
                                    40,   48,   64,   128,   256,   512,  1024,
                                    2048, 4096, 8192, 16384, 32768, 65536};

    return code < 16 ? code : base[code - 16] + bits_take(bits, extra[code - 16]);
}

static uint32_t
match_length(unsigned code, struct bits *bits)
{
    static const uint8_t extra[] = {1, 1, 1, 1,  2,  2,  3,  3,  4,  4, 5,
                                    7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint32_t base[] = {35,   37,   39,   41,   43,    47,    51,
                                    59,   67,   83,   99,   131,   259,   515,
                                    1027, 2051, 4099, 8195, 16387, 32771, 65539};

    return code < 32 ? code + 3 : base[code - 32] + bits_take(bits, extra[code - 32]);
}

/* The offset a value means, and the last three as they then are. */
static uint32_t
offset_of(struct decoder *decoder, uint32_t value, uint32_t literals)
{
    uint32_t *repeats = decoder->repeats, offset, index;

    if (value > 3) {
        offset = value - 3;
        index = 2;
    } else {
        index = value - 1 + (literals == 0);
        offset = index == 3 ? repeats[0] - 1 : repeats[index];
        if (index == 3)
            index = 2;
    }
    if (index >= 2)
        repeats[2] = repeats[1];
    if (index >= 1)
        repeats[1] = repeats[0];
    repeats[0] = offset;
    return offset;
}

static bool
sequence_do(struct decoder *decoder, size_t *literal_at, uint32_t literals,
            uint32_t offset, uint32_t match)
{
    uint8_t *to = decoder->dst + decoder->done;

    if (literals > decoder->literal_count - *literal_at ||
        literals > decoder->dst_size - decoder->done ||
        match > decoder->dst_size - decoder->done - literals || offset == 0 ||
        offset > decoder->done + literals)
        return false;
    memcpy(to, decoder->literals + *literal_at, literals);
    *literal_at += literals;
    to += literals;
    for (uint32_t i = 0; i < match; i++) /* they may overlap */
        to[i] = to[(int64_t)i - offset];
    decoder->done += (size_t)literals + match;
    return true;
}

static bool
sequences_run(struct decoder *decoder, const uint8_t *bytes, size_t size,
              uint32_t count, size_t *literal_at)
{
    const struct fse *tables = decoder->tables;
    struct bits bits;
    uint32_t states[3];

    if (!bits_open(&bits, bytes, size))
        return false;
    for (int i = 0; i < 3; i++)
        states[i] = bits_take(&bits, tables[i].log);
    for (uint32_t n = 0; n < count; n++) {
        const struct fse_cell *cells[3];
        uint32_t offset, match, literals;

        for (int i = 0; i < 3; i++)
            cells[i] = &tables[i].cells[states[i]];
        if (cells[1]->symbol > 31 || cells[0]->symbol > 35 || cells[2]->symbol > 52)
            return false;
        offset = (UINT32_C(1) << cells[1]->symbol) + bits_take(&bits, cells[1]->symbol);
        match = match_length(cells[2]->symbol, &bits);
        literals = literal_length(cells[0]->symbol, &bits);
        if (bits.left < 0 || !sequence_do(decoder, literal_at, literals,
                                          offset_of(decoder, offset, literals), match))
            return false;
        if (n + 1 == count)
            break;
        states[0] = cells[0]->base + bits_take(&bits, cells[0]->bits);
        states[2] = cells[2]->base + bits_take(&bits, cells[2]->bits);
        states[1] = cells[1]->base + bits_take(&bits, cells[1]->bits);
    }
    return bits.left == 0;
}

static bool
block_read(struct decoder *decoder, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    size_t used = size > 0 ? literals_read(decoder, bytes, size) : 0, literal_at = 0,
           rest;
    uint32_t count;

    if (used == 0 || used == size)
        return false;
    bytes += used;
    count = *bytes++;
    if (count > 127) {
        if (end - bytes < (count == 255 ? 2 : 1))
            return false;
        if (count == 255) {
            count = bytes[0] + ((uint32_t)bytes[1] << 8) + 0x7F00;
            bytes += 2;
        } else {
            count = ((count - 128) << 8) + *bytes++;
        }
    }
    if (count > 0) {
        unsigned modes;

        if (bytes == end)
            return false;
        modes = *bytes++;
        for (unsigned i = 0; i < 3; i++)
            if (!table_read(&decoder->tables[i], modes >> (6 - 2 * i) & 3, i, &bytes,
                            end))
                return false;
        if (!sequences_run(decoder, bytes, (size_t)(end - bytes), count, &literal_at))
            return false;
    }
    rest = decoder->literal_count - literal_at;
    if (rest > decoder->dst_size - decoder->done)
        return false;
    memcpy(decoder->dst + decoder->done, decoder->literals + literal_at, rest);
    decoder->done += rest;
    return true;
}

/* Bytes of the frame's header; 0: not one that is read here. */
static size_t
header_size(const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD}, content[] = {0, 2, 4, 8};
    bool is_single;
    size_t head;

    if (size < 6 || memcmp(bytes, magic, 4) != 0 || bytes[4] & 8 || bytes[4] & 3)
        return 0; /* reserved, or with a dictionary */
    is_single = (bytes[4] & 32) != 0;
    head = 5 + !is_single + content[bytes[4] >> 6];
    head += is_single && bytes[4] >> 6 == 0;
    return head <= size ? head : 0;
}

bool
marey_expand(void *dst, size_t dst_size, const void *src, size_t src_size)
{
    static struct decoder decoder; /* 200 kB: too much for the stack */
    const uint8_t *bytes = src;
    size_t at = header_size(bytes, src_size);
    bool is_last = at == 0;

    if (is_last)
        return false;
    decoder.huffman.log = 0;
    for (int i = 0; i < 3; i++)
        decoder.tables[i].is_set = false;
    decoder.repeats[0] = 1;
    decoder.repeats[1] = 4;
    decoder.repeats[2] = 8;
    decoder.dst = dst;
    decoder.dst_size = dst_size;
    decoder.done = 0;
    while (!is_last) {
        uint32_t head, type;
        size_t size;

        if (src_size - at < 3)
            return false;
        head = bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16;
        at += 3;
        is_last = head & 1;
        type = head >> 1 & 3;
        size = head >> 3;
        if ((type == 1 ? 1 : size) > src_size - at)
            return false;
        if (type < 2) {
            if (size > dst_size - decoder.done)
                return false;
            if (type == 0)
                memcpy(decoder.dst + decoder.done, bytes + at, size);
            else
                memset(decoder.dst + decoder.done, bytes[at], size);
            decoder.done += size;
        } else if (type == 3 || size > BLOCK_MAX ||
                   !block_read(&decoder, bytes + at, size)) {
            return false;
        }
        at += type == 1 ? 1 : size;
    }
    return decoder.done == dst_size;
}
