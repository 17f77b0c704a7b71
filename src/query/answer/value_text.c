/* Nested values as text, the way Python writes them.
 *
 * The blob holds structure (docs/format.md, 4); those who print want one line. What was
 * left out at capture is said here: a list of 1000 of which 2 were recorded reads
 * [1, 2, … 998 more]. Freestanding, as all of query.
 */
#include "query/answer/value_text.h"

#include <string.h>

#include "base/number.h"
#include "base/varint.h"

#define TEXT_SIZE_MAX 65536 /* of one value; type names come again and again */
#define HEX "0123456789abcdef"

static void
put(struct value_text *text, const void *bytes, size_t size)
{
    size_t room = TEXT_SIZE_MAX - text->size;

    if (size > room)
        size = room;
    if (size == 0 || !marey_memory_grow((void **)&text->bytes, &text->capacity,
                                        text->size + size, 1))
        return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void
put_string(struct value_text *text, const char *string)
{
    while (*string != '\0')
        put(text, string++, 1);
}

#define PUT_LITERAL(text, literal) put(text, literal, sizeof(literal) - 1)

static void
put_number(struct value_text *text, uint64_t number)
{
    uint8_t digits[MAREY_NUMBER_SIZE_MAX];

    put(text, digits, (size_t)(marey_number_unsigned(digits, number) - digits));
}

struct marey_text
value_text_number(uint8_t *digits, double number)
{
    const char *word = number != number       ? "nan"
                       : number - number == 0 ? NULL
                       : number > 0           ? "inf"
                                              : "-inf";

    if (word != NULL)
        return (struct marey_text){word, strlen(word)};
    return (struct marey_text){(const char *)digits,
                               (size_t)(marey_number_double(digits, number) - digits)};
}

static void
put_double(struct value_text *text, double number)
{
    uint8_t digits[MAREY_DOUBLE_SIZE_MAX];
    struct marey_text written = value_text_number(digits, number);

    put(text, written.bytes, written.size_bytes);
}

static void
put_complex(struct value_text *text, double real, double imaginary)
{
    PUT_LITERAL(text, "(");
    put_double(text, real);
    if (!(imaginary < 0))
        PUT_LITERAL(text, "+");
    put_double(text, imaginary);
    PUT_LITERAL(text, "j)");
}

/* A character that is not to be shown as it is, as an escape. */
static void
put_escape(struct value_text *text, uint8_t byte)
{
    const char *named = byte == '\n'   ? "\\n"
                        : byte == '\t' ? "\\t"
                        : byte == '\r' ? "\\r"
                                       : NULL;
    char hex[4] = {'\\', 'x', HEX[byte >> 4], HEX[byte & 15]};

    if (named != NULL)
        put(text, named, 2);
    else
        put(text, hex, sizeof(hex));
}

/* A lone surrogate: three bytes of UTF-8 from ED A0 80 to ED BF BF. */
static bool
is_surrogate(const uint8_t *at, const uint8_t *end)
{
    return end - at >= 3 && at[0] == 0xED && at[1] >= 0xA0;
}

static void
put_surrogate(struct value_text *text, const uint8_t *at)
{
    unsigned code = 0xD000u | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    char escape[6] = {
        '\\',          'u', HEX[code >> 12], HEX[code >> 8 & 15], HEX[code >> 4 & 15],
        HEX[code & 15]};

    put(text, escape, sizeof(escape));
}

/* The quote that needs fewer escapes, as repr() chooses it. */
static char
quote_of(struct marey_span span)
{
    bool has_single = span.size_bytes > 0 && memchr(span.bytes, '\'', span.size_bytes);
    bool has_double = span.size_bytes > 0 && memchr(span.bytes, '"', span.size_bytes);

    return has_single && !has_double ? '"' : '\'';
}

/* With quotes; bytes escape all that is not ASCII. */
static void
put_quoted(struct value_text *text, struct marey_span span, bool is_bytes)
{
    const uint8_t *at = span.bytes, *end = at + span.size_bytes, *run = at;
    const char quote = quote_of(span);

    put(text, &quote, 1);
    while (at < end) {
        bool is_plain = *at >= ' ' && *at != (uint8_t)quote && *at != '\\' &&
                        *at != 0x7F &&
                        (*at < 0x80 || (!is_bytes && !is_surrogate(at, end)));
        if (is_plain) {
            at++;
            continue;
        }
        put(text, run, (size_t)(at - run));
        if (*at == (uint8_t)quote || *at == '\\') {
            char pair[2] = {'\\', (char)*at++};
            put(text, pair, 2);
        } else if (!is_bytes && *at >= 0x80) {
            put_surrogate(text, at);
            at += 3;
        } else {
            put_escape(text, *at++);
        }
        run = at;
    }
    put(text, run, (size_t)(at - run));
    put(text, &quote, 1);
}

/* ---- structure ---- */

/* What reads one value: one at a time, each with its own depth. */
struct reading {
    const struct marey_trace *trace;
    uint32_t process;
    struct marey_fields *fields;
    struct value_text *text;
};

static void put_any(const struct reading *r, uint8_t tag, unsigned depth);

static void
put_next(const struct reading *r, unsigned depth)
{
    put_any(r, marey_fields_u8(r->fields), depth);
}

static void
put_type(const struct reading *r)
{
    uint32_t id = (uint32_t)marey_fields_varint(r->fields);
    struct marey_text name = {"?", 1};

    if (id != 0)
        name = marey_trace_text(
            r->trace,
            trace_resolve(r->trace, &r->trace->processes[r->process], ID_STRING, id));
    put(r->text, name.bytes, name.size_bytes);
}

/* A count of things that follow, each of at least one byte. */
static uint64_t
get_count(const struct reading *r)
{
    uint64_t count = marey_fields_varint(r->fields);

    if (count > (uint64_t)(r->fields->end - r->fields->next))
        r->fields->is_bad = true;
    return r->fields->is_bad ? 0 : count;
}

static void
put_separator(const struct reading *r, uint64_t before)
{
    if (before > 0)
        PUT_LITERAL(r->text, ", ");
}

static void
put_rest(const struct reading *r, uint64_t in_all, uint64_t shown)
{
    if (in_all <= shown)
        return;
    put_separator(r, shown);
    PUT_LITERAL(r->text, "… ");
    put_number(r->text, in_all - shown);
    PUT_LITERAL(r->text, " more");
}

static void
put_cut(const struct reading *r, bool is_bytes)
{
    uint64_t in_all = marey_fields_varint(r->fields);
    struct marey_span span = marey_fields_sized(r->fields, MAREY_EXTENT_SIZE_MAX);

    if (is_bytes)
        PUT_LITERAL(r->text, "b");
    put_quoted(r->text, span, is_bytes);
    PUT_LITERAL(r->text, "… (");
    put_number(r->text, in_all);
    if (is_bytes)
        PUT_LITERAL(r->text, " bytes)");
    else
        PUT_LITERAL(r->text, " characters)");
}

static void
put_items(const struct reading *r, uint8_t tag, unsigned depth)
{
    static const char *const begins[] = {"[", "(", "{", "frozenset({", "{"};
    static const char *const ends[] = {"]", ")", "}", "})", "}"};
    unsigned which = tag - MAREY_VALUE_LIST;
    bool is_dict = tag == MAREY_VALUE_DICT;
    uint64_t in_all = marey_fields_varint(r->fields), count = get_count(r);

    if (in_all == 0 && tag == MAREY_VALUE_SET) {
        PUT_LITERAL(r->text, "set()");
        return;
    }
    put_string(r->text, begins[which]);
    for (uint64_t i = 0; i < count && !r->fields->is_bad; i++) {
        put_separator(r, i);
        put_next(r, depth + 1);
        if (is_dict) {
            PUT_LITERAL(r->text, ": ");
            put_next(r, depth + 1);
        }
    }
    put_rest(r, in_all, count);
    if (tag == MAREY_VALUE_TUPLE && in_all == 1)
        PUT_LITERAL(r->text, ",");
    put_string(r->text, ends[which]);
}

/* name=value, `count` times. */
static void
put_named(const struct reading *r, uint64_t count, const char *separator,
          unsigned depth)
{
    for (uint64_t i = 0; i < count && !r->fields->is_bad; i++) {
        struct marey_span name = marey_fields_sized(r->fields, MAREY_NAME_SIZE_MAX);
        if (i > 0)
            put_string(r->text, separator);
        put(r->text, name.bytes, name.size_bytes);
        PUT_LITERAL(r->text, "=");
        put_next(r, depth + 1);
    }
}

static void
put_instance(const struct reading *r, unsigned depth)
{
    PUT_LITERAL(r->text, "<");
    put_type(r);
    uint64_t address = marey_fields_varint(r->fields);
    uint64_t in_all = marey_fields_varint(r->fields), count = get_count(r);
    if (address != 0) {
        uint8_t digits[MAREY_NUMBER_SIZE_MAX];
        PUT_LITERAL(r->text, " at ");
        put(r->text, digits, (size_t)(marey_number_hex(digits, address) - digits));
    }
    if (count > 0)
        PUT_LITERAL(r->text, " ");
    put_named(r, count, " ", depth);
    if (in_all > count) {
        PUT_LITERAL(r->text, " ");
        put_rest(r, in_all - count, 0);
    }
    PUT_LITERAL(r->text, ">");
}

static void
put_made(const struct reading *r, unsigned depth)
{
    put_type(r);
    uint64_t in_all = marey_fields_varint(r->fields);
    uint64_t positional = get_count(r), named = get_count(r);
    PUT_LITERAL(r->text, "(");
    for (uint64_t i = 0; i < positional && !r->fields->is_bad; i++) {
        put_separator(r, i);
        put_next(r, depth + 1);
    }
    if (named > 0)
        put_separator(r, positional);
    put_named(r, named, ", ", depth);
    put_rest(r, in_all, positional + named);
    PUT_LITERAL(r->text, ")");
}

struct marey_text
value_text_word(uint8_t tag)
{
    static const char *const words[] = {
        [MAREY_VALUE_NONE] = "None",
        [MAREY_VALUE_FALSE] = "False",
        [MAREY_VALUE_TRUE] = "True",
        [MAREY_VALUE_REDACTED] = "<redacted>",
        [MAREY_VALUE_NOT_RECORDED] = "<not recorded>",
        [MAREY_VALUE_UNBOUND] = "<unbound>",
        [MAREY_VALUE_ERROR] = "<error>",
    };
    const char *word = tag < sizeof(words) / sizeof(words[0]) ? words[tag] : NULL;

    return (struct marey_text){word, word == NULL ? 0 : strlen(word)};
}

static void
put_word(struct value_text *text, uint8_t tag)
{
    struct marey_text word = value_text_word(tag);

    put(text, word.bytes, word.size_bytes);
}

static void
put_plain(const struct reading *r, uint8_t tag)
{
    uint8_t digits[MAREY_NUMBER_SIZE_MAX];
    struct marey_fields *fields = r->fields;
    struct marey_span span;
    int64_t integer;

    switch (tag) {
    case MAREY_VALUE_INT:
        integer = marey_unzigzag(marey_fields_varint(fields));
        put(r->text, digits, (size_t)(marey_number_signed(digits, integer) - digits));
        break;
    case MAREY_VALUE_FLOAT: put_double(r->text, marey_fields_f64(fields)); break;
    case MAREY_VALUE_BYTES: PUT_LITERAL(r->text, "b"); /* fall through */
    case MAREY_VALUE_TEXT:
        span = marey_fields_sized(fields, MAREY_EXTENT_SIZE_MAX);
        put_quoted(r->text, span, tag == MAREY_VALUE_BYTES);
        break;
    case MAREY_VALUE_OBJECT:
    case MAREY_VALUE_NUMBER:
        span = marey_fields_sized(fields, MAREY_EXTENT_SIZE_MAX);
        put(r->text, span.bytes, span.size_bytes);
        break;
    default: put_word(r->text, tag); break;
    }
}

static void
put_any(const struct reading *r, uint8_t tag, unsigned depth)
{
    struct marey_span name;
    double real;

    if (depth > MAREY_VALUE_DEPTH_MAX || tag < MAREY_VALUE_NONE ||
        tag > MAREY_VALUE_SEEN)
        r->fields->is_bad = true;
    if (r->fields->is_bad)
        return;
    switch (tag) {
    case MAREY_VALUE_CUT_TEXT:
    case MAREY_VALUE_CUT_BYTES: put_cut(r, tag == MAREY_VALUE_CUT_BYTES); break;
    case MAREY_VALUE_COMPLEX:
        real = marey_fields_f64(r->fields);
        put_complex(r->text, real, marey_fields_f64(r->fields));
        break;
    case MAREY_VALUE_LIST:
    case MAREY_VALUE_TUPLE:
    case MAREY_VALUE_SET:
    case MAREY_VALUE_FROZENSET:
    case MAREY_VALUE_DICT: put_items(r, tag, depth); break;
    case MAREY_VALUE_INSTANCE: put_instance(r, depth); break;
    case MAREY_VALUE_MADE: put_made(r, depth); break;
    case MAREY_VALUE_ENUM:
        put_type(r);
        name = marey_fields_sized(r->fields, MAREY_NAME_SIZE_MAX);
        PUT_LITERAL(r->text, ".");
        put(r->text, name.bytes, name.size_bytes);
        break;
    case MAREY_VALUE_SEEN:
        marey_fields_varint(r->fields);
        PUT_LITERAL(r->text, "<cycle>");
        break;
    default: put_plain(r, tag); break;
    }
}

bool
value_text_put(struct value_text *text, const struct marey_trace *trace,
               uint32_t process, uint8_t tag, struct marey_fields *fields)
{
    struct reading reading = {trace, process, fields, text};

    text->size = 0;
    put_any(&reading, tag, 0);
    return !fields->is_bad;
}
