/* Values in answers: each as the one line that a person reads. */
#include <string.h>

#include "base/number.h"
#include "query/answer/json.h"
#include "query/answer/value_text.h"

static void
put_value(void *context, const struct marey_value *value)
{
    struct marey_answer *out = context;
    uint8_t digits[MAREY_DOUBLE_SIZE_MAX];
    struct marey_text text = value->text;

    json_open(out, '{');
    json_key_text(out, "name", value->name);
    json_key_int(out, "tag", value->tag);
    switch (value->tag) {
    case MAREY_VALUE_INT:
        text.bytes = (const char *)digits;
        text.size_bytes =
            (size_t)(marey_number_signed(digits, value->integer) - digits);
        break;
    case MAREY_VALUE_FLOAT: text = value_text_number(digits, value->number); break;
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_BYTES:
    case MAREY_VALUE_OBJECT: break;
    default:
        text = value_text_word(value->tag);
        if (text.bytes == NULL)
            text = (struct marey_text){"?", 1};
        break;
    }
    json_key_text(out, "text", text);
    json_close(out, '}');
}

enum marey_status
json_values(struct marey_answer *out, struct marey_trace *trace, uint32_t lane,
            uint64_t blob)
{
    enum marey_status st = MAREY_OK;

    json_open(out, '[');
    if (blob != 0)
        st = marey_trace_values(trace, lane, blob, put_value, out, NULL);
    json_close(out, ']');
    return st == MAREY_CORRUPT ? MAREY_OK : st;
}
