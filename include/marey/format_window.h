/* A window of a trace that is being written, as a finished trace of its own.
 *
 *     marey_window_open(fd, &options, &window, &err);
 *     if (marey_window_size(window) <= room)
 *         marey_window_write(window, "kept.marey", &err);
 *     marey_window_close(window);
 *
 * The writers are not stopped nor asked: what they have written so far is read as any
 * reader would, so that this takes time only of the thread that calls. Of each lane the
 * chunks that reach into the window are taken whole, and the last one before it where
 * there is none: the calls that were open then are in it with their true start.
 * Definitions and sources are taken along, but those of lanes that had ended before.
 *
 * Needs no interpreter, no recording and no lock; one thread at a time for one window.
 */
#ifndef MAREY_FORMAT_WINDOW_H
#define MAREY_FORMAT_WINDOW_H

#include <stdint.h>

#include "marey/status.h"

struct marey_window;

struct marey_window_options {
    uint64_t from_ticks; /* chunks that ended before are left out */
    uint64_t to_ticks;   /* chunks that began after are left out; 0: none */
    uint32_t process;    /* serial: who says why */
    const char *why;     /* UTF-8, terminated; borrowed for the call of write */
};

/* Looks through the trace behind `fd`, which is borrowed until close and only read. */
enum marey_status marey_window_open(int fd, const struct marey_window_options *options,
                                    struct marey_window **out, struct marey_error *err);

/* Bytes the new trace will have, give or take a few chunks' padding. */
uint64_t marey_window_size(const struct marey_window *window);

/* Writes the new trace, mode 0600. Nothing may be there yet; until all is written there
 * is nothing under this name. On failure nothing is left. */
enum marey_status marey_window_write(struct marey_window *window, const char *path,
                                     struct marey_error *err);

/* NULL is allowed. */
void marey_window_close(struct marey_window *window);

#endif
