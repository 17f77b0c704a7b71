/* Rectangles of the index to pixels, in software: the same picture in every browser,
 * on every machine, with and without a graphics card, and in a PNG file.
 *
 * A pixel is 0xAABBGGRR, which in memory is R, G, B, A: what a canvas and a PNG want.
 * Drawing clips to the canvas and never fails.
 */
#ifndef MAREY_RASTER_H
#define MAREY_RASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marey/history.h"
#include "marey/lod.h"
#include "marey/query.h"
#include "marey/status.h"

struct marey_canvas {
    uint32_t *pixels; /* borrowed for the call; width * height */
    uint32_t width;
    uint32_t height;
};

/* How a function is drawn: the palette's states. */
#define MAREY_STATE_PLAIN 0
#define MAREY_STATE_FOUND 1 /* matches the search */
#define MAREY_STATE_DIM 2   /* others do */

struct marey_palette {
    const uint32_t *colours; /* by function index; borrowed for the call */
    const uint8_t *states;   /* same; NULL: all plain */
    uint32_t count;
    bool is_dark;
};

/* Where a lane's rows lie on the canvas. */
struct marey_raster_rows {
    int32_t top;         /* y of row 1 (the outermost calls); row 0 has its own place */
    int32_t marks_top;   /* y of row 0, the marks */
    uint32_t row_height; /* pixels, the gap below included */
    uint32_t marks_height;
    uint32_t bottom; /* nothing is drawn at or below */
    uint32_t upper;  /* nor above */
    uint32_t scale;  /* device pixels per CSS pixel, rounded; at least 1 */
};

/* The stable colour of a function: hue by module, shade by name; code of libraries and
 * of C is paler, so that the program's own stands out. */
uint32_t marey_raster_colour(const struct marey_function_info *function, bool is_dark);
/* Is it of the standard library, of an installed package, or not Python at all? */
bool marey_function_is_library(const struct marey_function_info *function);

uint32_t marey_raster_background(bool is_dark);

void marey_raster_fill(const struct marey_canvas *canvas, int32_t left, int32_t top,
                       int32_t right, int32_t bottom, uint32_t colour);
void marey_raster_rects(const struct marey_canvas *canvas,
                        const struct marey_raster_rows *rows,
                        const struct marey_palette *palette,
                        const struct marey_lod_rect *rects, size_t count);
/* A counter as an area with its low and high, from marey_lod_counter_query(). */
void marey_raster_counter(const struct marey_canvas *canvas, int32_t top,
                          uint32_t height, const float *points, size_t count,
                          double low, double high, bool is_dark);

/* The colour of a value, by the hash of its text. */
uint32_t marey_raster_value_colour(uint32_t hash, bool is_dark);
/* The history of a variable, from marey_history_query(): numbers as steps between the
 * least and the greatest of all, other values as boxes of their colour. `scale` as in
 * marey_raster_rows. */
void marey_raster_history(const struct marey_canvas *canvas, int32_t top,
                          uint32_t height, uint32_t scale,
                          const struct marey_history_piece *pieces, size_t count,
                          double low, double high, bool is_dark);

/* A PNG of the canvas. Gives *bytes: free() it. */
enum marey_status marey_png_write(const struct marey_canvas *canvas, uint8_t **bytes,
                                  size_t *size_bytes);

/* The whole time line of a trace as a PNG of `width` pixels. Gives *bytes: free() it.
 */
enum marey_status marey_picture_make(struct marey_trace *trace, uint32_t width,
                                     bool is_dark, uint8_t **bytes, size_t *size_bytes,
                                     struct marey_error *err);

#endif
