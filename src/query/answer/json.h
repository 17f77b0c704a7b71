/* A small JSON writer: commas by itself, text of any bytes. */
#ifndef MAREY_QUERY_ANSWER_JSON_H
#define MAREY_QUERY_ANSWER_JSON_H

#include "marey/answer.h"

void json_bytes(struct marey_answer *out, const char *bytes, size_t size_bytes);
void json_word(struct marey_answer *out, const char *word); /* as it is */
void json_open(struct marey_answer *out, char bracket);     /* { or [ */
void json_close(struct marey_answer *out, char bracket);
void json_key(struct marey_answer *out, const char *name);
void json_int(struct marey_answer *out, int64_t value);
void json_number(struct marey_answer *out, double value);
void json_bool(struct marey_answer *out, bool value);
/* Invalid UTF-8 becomes U+FFFD, lone surrogates stay as \u escapes. */
void json_text(struct marey_answer *out, struct marey_text text);

void json_key_int(struct marey_answer *out, const char *name, int64_t value);
void json_key_text(struct marey_answer *out, const char *name, struct marey_text text);
void json_key_bool(struct marey_answer *out, const char *name, bool value);

/* [{"name", "tag", "text"}] of a blob, values as people read them; what is damaged is
 * missing. */
enum marey_status json_values(struct marey_answer *out, struct marey_trace *trace,
                              uint32_t lane, uint64_t blob);

/* An index, or -1. */
static inline int64_t
json_index(uint32_t index)
{
    return index == MAREY_NO_INDEX ? -1 : (int64_t)index;
}

enum marey_status json_status(const struct marey_answer *out, struct marey_error *err);

#endif
