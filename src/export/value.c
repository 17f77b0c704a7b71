/* Words and bytes that the formats show alike. */
#include "export/value.h"

static const char *const words[] = {
    [MAREY_VALUE_NONE] = "None",
    [MAREY_VALUE_FALSE] = "False",
    [MAREY_VALUE_TRUE] = "True",
    [MAREY_VALUE_REDACTED] = "<redacted>",
    [MAREY_VALUE_NOT_RECORDED] = "<not recorded>",
    [MAREY_VALUE_UNBOUND] = "<unbound>",
    [MAREY_VALUE_ERROR] = "<error>",
};

struct marey_text
marey_value_word(uint8_t tag)
{
    const char *word = "<unknown>";

    if (tag < sizeof(words) / sizeof(words[0]) && words[tag] != NULL)
        word = words[tag];
    return (struct marey_text){word, strlen(word)};
}

void
marey_value_put_bytes(struct marey_out *out, struct marey_text bytes,
                      const char *backslash)
{
    static const char hex[] = "0123456789abcdef";

    MAREY_OUT_LITERAL(out, "b'");
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        uint8_t byte = (uint8_t)bytes.bytes[i];
        char escape[3] = {'x', hex[byte >> 4], hex[byte & 15]};

        if (byte >= ' ' && byte <= '~' && byte != '\'' && byte != '"' && byte != '\\') {
            marey_out_put_short(out, bytes.bytes + i, 1);
            continue;
        }
        marey_out_put(out, backslash, strlen(backslash));
        marey_out_put_short(out, escape, sizeof(escape));
    }
    MAREY_OUT_LITERAL(out, "'");
}
