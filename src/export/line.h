/* What lines of text for people are made of: columns, names, values.
 *
 * Names are the program's, and a terminal obeys what it is sent, so every control
 * character and every byte that is no character is written as an escape.
 */
#ifndef MAREY_EXPORT_LINE_H
#define MAREY_EXPORT_LINE_H

#include "export/target.h"

/* Bytes ready to be written. */
struct label {
    char *bytes; /* owned; NULL until first used */
    size_t size;
    size_t width; /* in characters */
};

/* The names of a trace as lines show them. Zeros are fine for lines_release(). */
struct lines {
    struct marey_trace *trace; /* borrowed until lines_release() */
    struct marey_out *out;     /* borrowed until lines_release() */
    struct label *functions;   /* owned; by function index */
    struct label *lanes;       /* owned; by lane index */
    uint32_t function_count;
    uint32_t lane_count;
    size_t lane_width; /* 0: one lane, nothing to tell apart */
    bool has_processes;
};

/* MAREY_NOMEM: *lines needs no release. */
enum marey_status lines_init(struct lines *lines, const struct marey_job *job,
                             struct marey_error *err);
void lines_release(struct lines *lines);

/* Text of any size; control characters as escapes. */
void line_safe(struct marey_out *out, struct marey_text text);
void line_spaces(struct marey_out *out, size_t count);

/* Right-aligned in `width`, with `decimals` digits after the point. */
uint8_t *line_put_fixed(uint8_t *at, uint64_t value, int decimals, int width);
/* `123.456 us`, ten characters. */
uint8_t *line_put_duration(uint8_t *at, int64_t duration_ns);
/* Seconds since the origin, 15 characters or more. */
uint8_t *line_put_time(uint8_t *at, int64_t time_ns);
/* Two spaces and the lane's name, in a column; nothing where there is one lane. */
void line_lane(struct lines *lines, uint32_t lane);
/* Indents by the depth of a call. */
void line_indent(struct marey_out *out, uint32_t depth);

/* The name of a function, or of an exception's type. */
void line_function(struct lines *lines, uint32_t function);
void line_string(struct lines *lines, uint32_t string);

/* name=value, … of a blob; nothing for 0. */
void line_values(struct lines *lines, uint32_t lane, uint64_t blob);

#define LINE_LEVEL_MAX 16
/* What a point is, in a word: instant, counter, the class of what was logged, or the
 * level of a record of logging, which is kept in `level`. */
struct marey_text line_class(struct lines *lines, const struct marey_step *step,
                             char level[LINE_LEVEL_MAX]);
/* The name of a point and what it holds: `x = 3  // line 12`. */
void line_point(struct lines *lines, const struct marey_step *step);

/* Whether the step has a value like the one searched for; only ends and points do. */
bool line_is_wanted(struct lines *lines, const struct marey_export_options *options,
                    const struct marey_step *step);

#endif
