/* JSON, written as it comes: the caller says where commas go by asking for keys. */
#ifndef MAREY_EXPORT_JSON_H
#define MAREY_EXPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "export/out.h"
#include "marey/query.h"

/* The text in quotes: valid JSON and valid UTF-8 whatever the bytes. */
void marey_json_text(struct marey_out *out, struct marey_text text);

/* What stands between the quotes, for text made of several pieces. */
void marey_json_text_part(struct marey_out *out, struct marey_text text);

/* Numbers that JavaScript cannot hold exactly are written as text: integers past 2^53,
 * and the doubles that are no numbers. */
void marey_json_integer(struct marey_out *out, int64_t value);
void marey_json_double(struct marey_out *out, double value);

/* The value of a blob, without its name. */
void marey_json_value(struct marey_out *out, const struct marey_value *value);

#endif
