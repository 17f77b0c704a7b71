/* Nested values as text. */
#ifndef MAREY_QUERY_VALUE_TEXT_H
#define MAREY_QUERY_VALUE_TEXT_H

#include "query/trace.h"

/* Writes the value whose tag was just read from `fields` as one line; what memory has
 * no room for is left out. False: the bytes are damaged. */
bool value_text_put(struct value_text *text, const struct marey_trace *trace,
                    uint32_t process, uint8_t tag, struct marey_fields *fields);

#endif
