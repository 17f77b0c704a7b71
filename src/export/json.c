/* JSON for readers that are less forgiving than the standard.
 *
 * Text is written as UTF-8, not as \u escapes, and what is no character becomes U+FFFD.
 * An escaped lone surrogate (\ud800) would keep more, and Python's json reads it; but
 * Perfetto's parser refuses the event or the whole file for any escape between \ud800
 * and \udfff, so one odd name would cost the trace. Control characters are escaped, and
 * so is DEL, which some terminals act upon.
 */
#include "export/json.h"

#include "export/number.h"
#include "export/utf8.h"
#include "export/value.h"

#define INTEGER_MAX                                                                    \
    (INT64_C(1) << 53) /* the last that JavaScript tells from its next */

static bool
is_plain(uint8_t byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* A byte of ASCII that is not plain. */
static void
put_escape(struct marey_out *out, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

    switch (byte) {
    case '"': MAREY_OUT_LITERAL(out, "\\\""); break;
    case '\\': MAREY_OUT_LITERAL(out, "\\\\"); break;
    case '\n': MAREY_OUT_LITERAL(out, "\\n"); break;
    case '\r': MAREY_OUT_LITERAL(out, "\\r"); break;
    case '\t': MAREY_OUT_LITERAL(out, "\\t"); break;
    default: marey_out_put_short(out, escape, sizeof(escape)); break;
    }
}

/* The bytes at `from` that need something done; returns how many were dealt with. */
static size_t
put_special(struct marey_out *out, const uint8_t *from, size_t size)
{
    size_t good;

    if (*from < 0x80) {
        put_escape(out, *from);
        return 1;
    }
    good = marey_utf8_size(from, size);
    if (good != 0) {
        marey_out_put_short(out, (const char *)from, good);
        return good;
    }
    MAREY_OUT_LITERAL(out, MAREY_REPLACEMENT);
    return marey_utf8_skip(from, size);
}

void
marey_json_text_part(struct marey_out *out, struct marey_text text)
{
    const uint8_t *at = (const uint8_t *)text.bytes;
    const uint8_t *end;

    if (text.size_bytes == 0)
        return; /* there may be no bytes to point at */
    end = at + text.size_bytes;
    while (at < end) {
        const uint8_t *run = at;
        while (at < end && is_plain(*at))
            at++;
        marey_out_put(out, run, (size_t)(at - run));
        if (at < end)
            at += put_special(out, at, (size_t)(end - at));
    }
}

void
marey_json_text(struct marey_out *out, struct marey_text text)
{
    MAREY_OUT_LITERAL(out, "\"");
    marey_json_text_part(out, text);
    MAREY_OUT_LITERAL(out, "\"");
}

void
marey_json_integer(struct marey_out *out, int64_t value)
{
    bool is_exact = value >= -INTEGER_MAX && value <= INTEGER_MAX;
    uint8_t *at = marey_out_room(out, MAREY_NUMBER_SIZE_MAX + 2);

    if (!is_exact)
        *at++ = '"';
    at = marey_number_signed(at, value);
    if (!is_exact)
        *at++ = '"';
    marey_out_advance(out, at);
}

void
marey_json_double(struct marey_out *out, double value)
{
    if (value != value)
        MAREY_OUT_LITERAL(out, "\"nan\"");
    else if (value - value != 0)
        marey_out_put_short(out, value > 0 ? "\"inf\"" : "\"-inf\"", value > 0 ? 5 : 6);
    else
        marey_out_advance(out, marey_number_double(
                                   marey_out_room(out, MAREY_DOUBLE_SIZE_MAX), value));
}

void
marey_json_value(struct marey_out *out, const struct marey_value *value)
{
    switch (value->tag) {
    case MAREY_VALUE_NONE: MAREY_OUT_LITERAL(out, "null"); break;
    case MAREY_VALUE_FALSE: MAREY_OUT_LITERAL(out, "false"); break;
    case MAREY_VALUE_TRUE: MAREY_OUT_LITERAL(out, "true"); break;
    case MAREY_VALUE_INT: marey_json_integer(out, value->integer); break;
    case MAREY_VALUE_FLOAT: marey_json_double(out, value->number); break;
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_OBJECT: marey_json_text(out, value->text); break;
    case MAREY_VALUE_BYTES:
        MAREY_OUT_LITERAL(out, "\"");
        marey_value_put_bytes(out, value->text, "\\\\");
        MAREY_OUT_LITERAL(out, "\"");
        break;
    default: marey_json_text(out, marey_value_word(value->tag)); break;
    }
}
