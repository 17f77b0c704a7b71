/* What the tags of values mean; the numbers are those of docs/format.md, section 4. The
 * format's own header is not for exporters: a test compares the two.
 */
#ifndef MAREY_EXPORT_VALUE_H
#define MAREY_EXPORT_VALUE_H

#include "export/out.h"
#include "marey/query.h"

enum value_tag {
    VALUE_NONE = 1,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_BYTES,
    VALUE_OBJECT,
    VALUE_REDACTED,
    VALUE_NOT_RECORDED,
    VALUE_UNBOUND,
    VALUE_ERROR,
};

/* What to show for a tag that carries no content: "None", "redacted", … */
struct marey_text marey_value_word(uint8_t tag);

/* Bytes as Python writes them, with a b and quotes: printable ASCII that is neither
 * quote nor backslash, and \xNN for all else. */
void marey_value_put_bytes(struct marey_out *out, struct marey_text bytes,
                           const char *backslash);

#endif
