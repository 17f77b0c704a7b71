/* Words and bytes of values that the formats show alike. */
#ifndef MAREY_EXPORT_VALUE_H
#define MAREY_EXPORT_VALUE_H

#include "export/out.h"
#include "marey/query.h"

/* What to show for a tag that carries no content: "None", "redacted", … */
struct marey_text marey_value_word(uint8_t tag);

/* Bytes as Python writes them, with a b and quotes: printable ASCII that is neither
 * quote nor backslash, and \xNN for all else. */
void marey_value_put_bytes(struct marey_out *out, struct marey_text bytes,
                           const char *backslash);

#endif
