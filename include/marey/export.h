/* A trace in the formats of other tools: one file a target, one row in the table.
 *
 * Writers stream: memory does not grow with the trace, except that a format's own
 * tables (names) are kept.
 */
#ifndef MAREY_EXPORT_H
#define MAREY_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "marey/query.h"
#include "marey/status.h"

/* Takes the bytes of an export in order; false stops it (the caller knows why). */
struct marey_sink {
    bool (*write)(void *context, const void *bytes, size_t size_bytes);
    void *context; /* borrowed for the call */
};

struct marey_export_options {
    struct marey_selection selection;
    bool (*tick)(void *context, double share); /* may be NULL; false stops */
    void *tick_context;
    /* Of the formats "text" and "log"; zeros are fine. */
    bool hides_values;       /* of arguments and returns */
    bool has_stacks;         /* "log": the open calls, below each line */
    struct marey_text value; /* tell only what has a value like this, see
                              * marey_step_has_value(); size 0: all */
};

/* Format names: "chrome", "log", "otlp", "perfetto", "text". NULL past the last one. */
const char *marey_export_format(unsigned index);

/* Writes the whole export. MAREY_USAGE for a format that is not known. */
enum marey_status marey_export(struct marey_trace *trace, const char *format,
                               const struct marey_export_options *options,
                               const struct marey_sink *sink, struct marey_error *err);

#endif
