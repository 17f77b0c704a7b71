/* What export.c and the formats agree on: one `struct marey_target` a format.
 *
 * export.c opens the walk, calls begin, then step for every step, then end; the format
 * writes into job->out and never sees the sink. A format's state is its own; it holds
 * tables of names and lanes, nothing that grows with the number of events.
 *
 * If you add a format: write its file, declare its target here, add its row to the
 * table in export.c, and its name to the comment of marey_export_format().
 */
#ifndef MAREY_EXPORT_TARGET_H
#define MAREY_EXPORT_TARGET_H

#include <stdbool.h>

#include "export/out.h"
#include "marey/export.h"
#include "marey/query.h"
#include "marey/status.h"

/* What a format is given. All of it lives until the format's free() has returned. */
struct marey_job {
    struct marey_trace *trace;
    const struct marey_selection *selection;
    const struct marey_export_options *options;
    struct marey_out *out;
};

/* Whether the call of a BEGIN is known to have begun before it. Of calls that are open
 * where a recording starts it is not. */
static inline bool
marey_began_before(const struct marey_step *step)
{
    return step->was_open && step->first_ns != MAREY_NO_TIME &&
           step->first_ns < step->time_ns;
}

/* The type of an exception, which is not always known. */
static inline struct marey_text
marey_exception_name(const struct marey_trace *trace, uint32_t string)
{
    static const char unknown[] = "<unknown>";

    if (string == MAREY_NO_INDEX)
        return (struct marey_text){unknown, sizeof(unknown) - 1};
    return marey_trace_string(trace, string);
}

struct marey_target {
    const char *name;
    enum marey_order order; /* in which it wants its steps */

    /* Makes the state and writes what stands before the first step. On failure *state
     * is untouched and nothing needs freeing. */
    enum marey_status (*begin)(const struct marey_job *job, void **state,
                               struct marey_error *err);

    /* Called for every step. What fails is latched in job->out, which then drops bytes
     * until export.c sees it. */
    void (*step)(void *state, const struct marey_step *step);

    /* Called once when the walk came to its end: writes what closes the file. */
    void (*end)(void *state);

    /* Called once for every begin() that succeeded, also when the export failed. */
    void (*free)(void *state);

    /* Of a format that is not made of steps: writes it all. The four above are NULL. */
    enum marey_status (*write)(const struct marey_job *job, struct marey_error *err);
};

extern const struct marey_target marey_target_chrome;
extern const struct marey_target marey_target_log;
extern const struct marey_target marey_target_otlp;
extern const struct marey_target marey_target_perfetto;
extern const struct marey_target marey_target_text;

#endif
