/* What a variable held, over time: from what was logged of it (assignments, attributes,
 * lines, watches, marey.log()), as pieces of a lane of the view.
 *
 * A history is one block of bytes without pointers, made where the trace is and drawn
 * where it is not. It holds at most some 200,000 samples: of more than that neighbours
 * stand together, with their least, greatest and last number, or the value that lasted
 * longest. Numbers and other values may alternate. Where a variable is gone (its call
 * ended, or it was deleted) there is no piece.
 *
 * Reading allocates nothing and trusts nothing. Freestanding, as all of query.
 */
#ifndef MAREY_HISTORY_H
#define MAREY_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "marey/answer.h"
#include "marey/query.h"
#include "marey/status.h"

/* Which variable: a name in one function on one lane; of attributes `Type.name`, and
 * MAREY_NO_INDEX as function, for objects outlive calls. */
struct marey_variable {
    uint32_t lane;     /* index */
    uint32_t function; /* index */
    struct marey_text name;
};

/* The variables of which something was logged in the selection, as {"variables":
 * [{"name", "lane", "function", "count", "numbers": how many of these are}], "more":
 * whether there are others}, those that changed most first. */
enum marey_status marey_answer_variables(struct marey_trace *trace,
                                         const struct marey_question *question,
                                         struct marey_answer *out,
                                         struct marey_error *err);

/* Walks the variable's lane. Gives *bytes: free() it. */
enum marey_status marey_history_new(struct marey_trace *trace,
                                    const struct marey_question *question,
                                    const struct marey_variable *variable,
                                    uint8_t **bytes, size_t *size_bytes,
                                    struct marey_error *err);

/* ---- reading ---- */

/* Views of the block's parts, borrowed from it. Fill it with marey_history_open(). */
struct marey_history {
    const struct marey_history_header *header;
    const struct marey_history_sample *samples;
    const struct marey_history_value *values;
    const char *texts;
};
enum marey_status marey_history_open(const uint8_t *bytes, size_t size_bytes,
                                     struct marey_history *out);

#define MAREY_HISTORY_NUMBER UINT32_MAX /* as value: low, high and last hold */

struct marey_history_piece {
    float left; /* pixels from the window's left edge, clipped to the window */
    float right;
    float low, high, last;
    uint32_t value; /* index of the one that lasted longest, or MAREY_HISTORY_NUMBER */
    uint32_t count; /* assignments that it stands for */
    uint32_t hash;  /* of the value's text */
};
/* Pieces of the window in order of time; those of less than a pixel that begin in the
 * same one are one. Returns how many of at most `capacity` there are: 2 * width + 2 is
 * enough. */
size_t marey_history_query(const struct marey_history *history, int64_t from_ns,
                           int64_t to_ns, uint32_t width,
                           struct marey_history_piece *out, size_t capacity);

/* ---- the block ---- */

#define MAREY_HISTORY_MAGIC UINT64_C(0x3153494859524D89)

struct marey_history_header {
    uint64_t magic;
    uint64_t size_bytes;
    uint64_t assignment_count;
    double low, high; /* of all numbers; low > high: there are none */
    uint32_t sample_count;
    uint32_t value_count;
    uint64_t values_at; /* samples lie right behind the header */
    uint64_t texts_at;
};
struct marey_history_sample {
    int64_t begin_ns;
    int64_t end_ns;
    double low, high, last;
    uint32_t value;
    uint32_t count;
};
struct marey_history_value {
    uint64_t text_at; /* from texts_at */
    uint32_t size_bytes;
    uint32_t hash;
};

#endif
