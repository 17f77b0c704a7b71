/* How every Marey function that can fail says so.
 *
 * Results leave by pointer; on failure the outputs are untouched. Calls whose failure a
 * person must understand also fill a struct marey_error of the caller's. Bad bytes are
 * data (MAREY_CORRUPT), never an assertion.
 */
#ifndef MAREY_STATUS_H
#define MAREY_STATUS_H

#include <stdint.h>

#define MAREY_STATUS_LIST(X)                                                           \
    X(OK, "success")                                                                   \
    X(NOMEM, "out of memory")                                                          \
    X(IO, "the system refused")                                                        \
    X(CORRUPT, "the file is damaged")                                                  \
    X(NOT_A_TRACE, "not a Marey trace")                                                \
    X(VERSION, "written by a newer Marey")                                             \
    X(FULL, "no space left")                                                           \
    X(USAGE, "wrong use")                                                              \
    X(STOPPED, "stopped by the caller")

#define MAREY_STATUS_ENUM(name, text) MAREY_##name,
enum marey_status { MAREY_STATUS_LIST(MAREY_STATUS_ENUM) MAREY_STATUS_COUNT };
#undef MAREY_STATUS_ENUM

/* Owned by the caller, of fixed size, needs no release. */
struct marey_error {
    enum marey_status status;
    int system_errno;  /* 0: not a system error */
    uint64_t offset;   /* in the file; UINT64_MAX: nowhere in particular */
    char message[480]; /* one line that says what to do; always terminated */
};

/* The text of a status: static, never NULL. */
const char *marey_status_text(enum marey_status status);

/* Fills `err` (may be NULL) and returns `status`, so that a function can end with it.
 */
enum marey_status marey_fail(struct marey_error *err, enum marey_status status,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
