/* Nested values as text. */
#ifndef MAREY_QUERY_VALUE_TEXT_H
#define MAREY_QUERY_VALUE_TEXT_H

#include "query/trace.h"

/* What stands for a value that is its tag alone ("None", "<redacted>", …); bytes NULL
 * for those that carry something. */
struct marey_text value_text_word(uint8_t tag);

/* A float as Python writes it. `digits` has room for MAREY_DOUBLE_SIZE_MAX bytes; the
 * text may be in them. */
struct marey_text value_text_number(uint8_t *digits, double number);

/* Writes the value whose tag was just read from `fields` as one line; what memory has
 * no room for is left out. False: the bytes are damaged. */
bool value_text_put(struct value_text *text, const struct marey_trace *trace,
                    uint32_t process, uint8_t tag, struct marey_fields *fields);

#endif
