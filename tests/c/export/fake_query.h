/* A trace that a test writes down: tables, and the steps that a walk gives one by one.
 * Exporters see it through query.h, like a real one.
 */
#ifndef MAREY_TESTS_EXPORT_FAKE_QUERY_H
#define MAREY_TESTS_EXPORT_FAKE_QUERY_H

#include <string.h>

#include "marey/export.h"
#include "marey/query.h"

#define TEXT(literal) ((struct marey_text){literal, sizeof(literal) - 1})

/* Blob n of any lane is blobs[n - 1]. */
struct fake_blob {
    const struct marey_value *values;
    uint32_t count;
    enum marey_status status; /* what reading it ends with */
};

/* All borrowed until the trace is no longer used. */
struct marey_trace {
    struct marey_trace_info info;
    const struct marey_process_info *processes;
    const struct marey_text *arguments; /* of every process */
    const struct marey_lane_info *lanes;
    const struct marey_function_info *functions;
    const struct marey_text *strings;
    const struct fake_blob *blobs;
    const struct marey_step *steps;
    uint32_t process_count, lane_count, function_count, string_count, blob_count;
    uint64_t step_count;
    uint64_t repeat_count;         /* the steps are given so often; 0: once */
    int64_t repeat_ns;             /* and each time so much later */
    enum marey_status walk_status; /* what the walk ends with */
};

/* Where an export goes in tests. */
struct fake_output {
    char *bytes; /* owned; NULL while empty */
    size_t size;
    size_t write_count;
    size_t refuse_after; /* that many writes; 0: never */
    bool is_dropped;     /* bytes are counted and forgotten */
};
void fake_output_release(struct fake_output *output);
bool fake_output_write(void *context, const void *bytes, size_t size);

/* Of fake_export(); a test that changes them puts them back. */
extern struct marey_export_options fake_options;
enum marey_status fake_export(struct marey_trace *trace, const char *format,
                              struct fake_output *output);

#endif
