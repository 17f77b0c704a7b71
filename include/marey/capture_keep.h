/* Keeping parts of a recording as finished traces of their own.
 *
 * A snapshot is what the file holds now, or the newest part of it. A keep is a snapshot
 * that a rule asked for: a call that took too long, an exception, a log record, a
 * signal. The window around the match is written into a folder, of which no more than
 * an agreed size is used: the oldest keeps make way.
 *
 * The threads of the program are not stopped for either: the file is read as any reader
 * would. Keeps are written by a thread of our own that never touches the interpreter;
 * it begins with the first match (with a rule about a signal: at once).
 */
#ifndef MAREY_CAPTURE_KEEP_H
#define MAREY_CAPTURE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "marey/status.h"

/* Writes what this process's recording holds now into a new file, which must not be
 * there yet. `before_ns`: only so much before now; 0: everything. `why` goes into it.
 * Any thread; the interpreter may be detached. MAREY_USAGE: nothing is recorded. */
enum marey_status marey_recording_snapshot(const char *path, const char *why,
                                           uint64_t before_ns, struct marey_error *err);

/* Writes what is only in this process's memory into the file, where the file system
 * cannot map it: of the calling thread alone, or, while no hook runs, of all. */
void marey_recording_spill(bool is_alone);

/* ---- keeps ---- */

#define MAREY_KEEP_RULES_MAX 32 /* each has a bit of marey_function.keep_rules */

/* A rule as the hot side needs it; whom it is about is the caller's to find out. */
struct marey_keep_rule {
    const char *text;     /* as it was given: goes into what is kept */
    uint64_t duration_ns; /* of a call: only those that take longer */
    bool raises;          /* of a call: only those that end by an exception */
    int signal;           /* number; 0: not about a signal */
};
struct marey_keep_options {
    const struct marey_keep_rule *rules; /* copied */
    uint32_t rule_count;
    const char *folder;           /* is made when there is something to keep */
    uint64_t before_ns, after_ns; /* around the match */
    uint64_t size_bytes_max;      /* of all keeps in the folder */
    uint32_t per_minute_max;
};

/* From now on matches are kept; ends what was agreed on before. Called before the
 * recording starts. False: out of memory. */
bool marey_keep_start(const struct marey_keep_options *options);
/* Writes what is still to be written, and ends. Called before the recording stops. */
void marey_keep_stop(void);
/* Writes what is still to be written, now: this process may become another program. */
void marey_keep_flush(void);
/* In a forked child, when it becomes a process of the trace. */
void marey_keep_forked(void);

/* Something matches rule number `rule`: keep the window around it. `from_ticks` is when
 * it began, 0: now. `what` says more, or is NULL. */
void marey_keep_match(uint32_t rule, uint64_t from_ticks, const char *what);

#endif
