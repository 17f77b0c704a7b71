/* Values in answers: each as the one line that a person reads. */
#include <string.h>

#include "answer_json.h"
#include "base/number.h"
#include "marey/format_get.h"

static struct marey_text
text_of_number(uint8_t *digits, double number)
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

static struct marey_text
text_of_word(uint8_t tag)
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
    const char *word =
        tag < sizeof(words) / sizeof(words[0]) && words[tag] != NULL ? words[tag] : "?";

    return (struct marey_text){word, strlen(word)};
}

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
    case MAREY_VALUE_FLOAT: text = text_of_number(digits, value->number); break;
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_BYTES:
    case MAREY_VALUE_OBJECT: break;
    default: text = text_of_word(value->tag); break;
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
