/* A trace as one picture, without a page: every lane from top to bottom. */
#include <stdlib.h>
#include <string.h>

#include "marey/raster.h"

#define WIDTH_MAX 16384
#define HEIGHT_MAX 8192
#define ROW_HEIGHT 12
#define ROWS_MAX 40
#define MARKS_HEIGHT 9
#define LANE_GAP 8
#define RECTS_MAX 65536

struct picture {
    struct marey_lod index;
    struct marey_canvas canvas;
    struct marey_palette palette;
    uint32_t *colours;            /* owned */
    struct marey_lod_rect *rects; /* owned */
};

static uint32_t
lane_rows(const struct marey_lod *index, uint32_t lane)
{
    uint32_t rows = marey_lod_row_count(index, lane);

    return rows > ROWS_MAX ? ROWS_MAX : rows;
}

static uint32_t
lane_height(const struct marey_lod *index, uint32_t lane)
{
    uint32_t rows = lane_rows(index, lane);

    return rows == 0 ? 0 : MARKS_HEIGHT + (rows - 1) * ROW_HEIGHT + LANE_GAP;
}

static void
lane_draw(struct picture *picture, uint32_t lane, uint32_t top)
{
    const struct marey_lod_header *header = picture->index.header;
    struct marey_lod_window window = {header->begin_ns,
                                      header->end_ns + 1,
                                      picture->canvas.width,
                                      lane,
                                      0,
                                      lane_rows(&picture->index, lane)};
    uint32_t bottom = top + lane_height(&picture->index, lane) - LANE_GAP / 2;
    struct marey_raster_rows rows = {.top = (int32_t)(top + MARKS_HEIGHT),
                                     .marks_top = (int32_t)top,
                                     .row_height = ROW_HEIGHT,
                                     .marks_height = MARKS_HEIGHT - 2,
                                     .bottom = bottom,
                                     .upper = top,
                                     .scale = 1};
    bool is_coarse;
    size_t count;

    if (rows.bottom > picture->canvas.height)
        rows.bottom = picture->canvas.height;
    if (rows.upper >= rows.bottom)
        return;
    count = marey_lod_query(&picture->index, NULL, 0, &window, picture->rects,
                            RECTS_MAX, &is_coarse);
    marey_raster_rects(&picture->canvas, &rows, &picture->palette, picture->rects,
                       count);
}

static bool
picture_allocate(struct picture *picture, struct marey_trace *trace, uint32_t width,
                 bool is_dark)
{
    uint32_t functions = marey_trace_function_count(trace);
    uint64_t height = LANE_GAP;

    for (uint32_t lane = 0; lane < picture->index.header->lane_count; lane++)
        height += lane_height(&picture->index, lane);
    picture->canvas.width = width < 16 ? 16 : width > WIDTH_MAX ? WIDTH_MAX : width;
    picture->canvas.height = height > HEIGHT_MAX ? HEIGHT_MAX : (uint32_t)height;
    picture->canvas.pixels =
        malloc((size_t)picture->canvas.width * picture->canvas.height * 4);
    picture->colours = calloc((size_t)functions + 1, sizeof(*picture->colours));
    picture->rects = malloc(RECTS_MAX * sizeof(*picture->rects));
    if (picture->canvas.pixels == NULL || picture->colours == NULL ||
        picture->rects == NULL)
        return false;
    for (uint32_t i = 0; i < functions; i++) {
        struct marey_function_info function;

        marey_trace_function(trace, i, &function);
        picture->colours[i] = marey_raster_colour(&function, is_dark);
    }
    picture->palette.colours = picture->colours;
    picture->palette.count = functions;
    picture->palette.is_dark = is_dark;
    return true;
}

enum marey_status
marey_picture_make(struct marey_trace *trace, uint32_t width, bool is_dark,
                   uint8_t **bytes, size_t *size_bytes, struct marey_error *err)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct picture picture = {0};
    uint8_t *index = NULL;
    size_t index_size = 0;
    uint32_t top = LANE_GAP / 2;
    enum marey_status status =
        marey_lod_build(trace, &options, &index, &index_size, err);

    if (status == MAREY_OK)
        status = marey_lod_open(index, index_size, &picture.index);
    if (status == MAREY_OK && !picture_allocate(&picture, trace, width, is_dark))
        status = marey_fail(err, MAREY_NOMEM, "no memory for the picture");
    if (status == MAREY_OK) {
        marey_raster_fill(&picture.canvas, 0, 0, (int32_t)picture.canvas.width,
                          (int32_t)picture.canvas.height,
                          marey_raster_background(is_dark));
        for (uint32_t lane = 0; lane < picture.index.header->lane_count; lane++) {
            lane_draw(&picture, lane, top);
            top += lane_height(&picture.index, lane);
        }
        status = marey_png_write(&picture.canvas, bytes, size_bytes);
    }
    free(picture.canvas.pixels);
    free(picture.colours);
    free(picture.rects);
    free(index);
    return status;
}
