/* Keeping parts of a recording as finished traces of their own.
 *
 * A snapshot is what the file holds now, or the newest part of it. The threads of the
 * program are not stopped for it: the file is read as any reader would.
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
 * cannot map it. Only while no hook runs. */
void marey_recording_spill(void);

#endif
