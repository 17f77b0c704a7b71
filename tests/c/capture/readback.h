/* What a test recorded, read back through the query library. */
#ifndef MAREY_TESTS_CAPTURE_READBACK_H
#define MAREY_TESTS_CAPTURE_READBACK_H

#include <stdint.h>

#include "marey/capture.h"
#include "marey/query.h"

/* A fresh path in the temporary folder; borrowed until the next call. */
const char *readback_path(void);

/* Starts a recording into `path`; checks that it started. */
void readback_start(const char *path, const struct marey_recording_options *options);

/* What a walk over the whole trace met. */
struct readback {
    uint64_t begins, ends, cuts, opens, raised, suspends, resumes, gaps, lost;
    uint32_t depth_max, lanes, processes, damaged;
    int64_t longest_ns, shortest_ns; /* of calls that returned */
};
void readback_count(const char *path, struct readback *out);
/* What a check of the file finds fault with. */
uint64_t readback_findings(const char *path);

/* A function named `name` that outlasts the recording. */
const struct marey_function *readback_function(const char *name);

/* The inline form where it will do, as hooks call it. */
void record_enter(const struct marey_function *function, uintptr_t key);
void record_leave(uintptr_t key);

#endif
