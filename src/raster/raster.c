/* Rectangles to pixels. */
#include "marey/raster.h"

#define ALPHA_FLOOR 72       /* of 255: a rare slice never fades to nothing */
#define ALPHA_FLOOR_LONE 150 /* least of all one with nothing around it */
#define ALPHA_DARK 36        /* more of it on dark ground, where dim colours drown */

struct box {
    int32_t left, top, right, bottom;
};

struct colours {
    uint32_t background, raised, loss, instant, log, found, open;
};

static const struct colours light_colours = {
    0xFFFFFFFF, 0xFF2E2ED0, 0xFF4A4AE0, 0xFFB0601E, 0xFF2A7A2A, 0xFF0066FF, 0xFF555555};
static const struct colours dark_colours = {
    0xFF1C1814, 0xFF6A6AFF, 0xFF5C5CF0, 0xFFF0B070, 0xFF80D080, 0xFF30A0FF, 0xFFBBBBBB};

/* alpha of 255 parts of `over`, the rest of `under`. */
static uint32_t
mix(uint32_t under, uint32_t over, uint32_t alpha)
{
    uint32_t rb = under & 0x00FF00FF, g = under & 0x0000FF00;
    uint32_t a = alpha + (alpha >> 7); /* 0..256 */

    rb += (((over & 0x00FF00FF) - rb) * a) >> 8;
    g += (((over & 0x0000FF00) - g) * a) >> 8;
    return 0xFF000000 | (rb & 0x00FF00FF) | (g & 0x0000FF00);
}

static bool
clip(const struct marey_canvas *canvas, struct box *box)
{
    if (box->left < 0)
        box->left = 0;
    if (box->top < 0)
        box->top = 0;
    if (box->right > (int32_t)canvas->width)
        box->right = (int32_t)canvas->width;
    if (box->bottom > (int32_t)canvas->height)
        box->bottom = (int32_t)canvas->height;
    return box->left < box->right && box->top < box->bottom;
}

static void
fill(const struct marey_canvas *canvas, struct box box, uint32_t colour)
{
    if (!clip(canvas, &box))
        return;
    for (int32_t y = box.top; y < box.bottom; y++) {
        uint32_t *line = canvas->pixels + (size_t)y * canvas->width;
        for (int32_t x = box.left; x < box.right; x++)
            line[x] = colour;
    }
}

void
marey_raster_fill(const struct marey_canvas *canvas, int32_t left, int32_t top,
                  int32_t right, int32_t bottom, uint32_t colour)
{
    fill(canvas, (struct box){left, top, right, bottom}, colour);
}

static void
blend(const struct marey_canvas *canvas, struct box box, uint32_t colour,
      uint32_t alpha)
{
    if (!clip(canvas, &box))
        return;
    for (int32_t y = box.top; y < box.bottom; y++) {
        uint32_t *line = canvas->pixels + (size_t)y * canvas->width;
        for (int32_t x = box.left; x < box.right; x++)
            line[x] = mix(line[x], colour, alpha);
    }
}

/* Diagonal lines, `period` apart. */
static void
hatch(const struct marey_canvas *canvas, struct box box, uint32_t colour,
      uint32_t alpha, int32_t period)
{
    if (!clip(canvas, &box))
        return;
    for (int32_t y = box.top; y < box.bottom; y++) {
        uint32_t *line = canvas->pixels + (size_t)y * canvas->width;
        for (int32_t x = box.left; x < box.right; x++)
            if ((x + y) % period == 0)
                line[x] = mix(line[x], colour, alpha);
    }
}

/* A right edge of teeth: the call was still open when the trace ended. */
static void
tear(const struct marey_canvas *canvas, struct box box, uint32_t background,
     int32_t size)
{
    for (int32_t y = box.top; y < box.bottom; y++) {
        int32_t phase = (y - box.top) % (2 * size);
        int32_t depth = phase < size ? phase : 2 * size - phase;
        fill(canvas, (struct box){box.right - depth, y, box.right, y + 1}, background);
    }
}

static int32_t
rounded(float x)
{
    return (int32_t)(x < 0 ? x - 0.5F : x + 0.5F);
}

/* Ends, edges and states of a call that is wide enough to show them. */
static void
decorate(const struct marey_canvas *canvas, struct box box,
         const struct marey_lod_rect *rect, const struct colours *colours,
         uint32_t scale)
{
    int32_t s = (int32_t)scale, width = box.right - box.left;

    if (rect->flags & MAREY_LOD_RAISED) {
        bool is_sure = !(rect->flags & MAREY_LOD_DENSE);
        int32_t edge = width > 8 * s ? 3 * s : width < 2 * s ? width : 2 * s;
        int32_t tall = is_sure && width > 8 * s ? box.bottom - box.top
                                                : (box.bottom - box.top + 3) / 4;
        blend(canvas,
              (struct box){box.right - edge, box.bottom - tall, box.right, box.bottom},
              colours->raised, is_sure ? 255 : 150);
    }
    if (rect->flags & (MAREY_LOD_OPEN | MAREY_LOD_CUT) && width > 6 * s)
        tear(canvas, box, colours->background, 3 * s);
    if (rect->flags & MAREY_LOD_YIELDED && width > 4 * s)
        blend(canvas, (struct box){box.right - s, box.top, box.right, box.bottom},
              colours->open, 140);
    if (rect->flags & MAREY_LOD_EARLIER && width > 6 * s)
        hatch(canvas, (struct box){box.left, box.top, box.left + 6 * s, box.bottom},
              colours->background, 200, 3 * s);
}

static void
draw_call(const struct marey_canvas *canvas, const struct marey_raster_rows *rows,
          const struct marey_palette *palette, const struct colours *colours,
          const struct marey_lod_rect *rect)
{
    int32_t s = (int32_t)rows->scale;
    int32_t height =
        (int32_t)rows->row_height - (rows->row_height > 4 * rows->scale ? s : 0);
    int64_t top = rows->top + ((int64_t)rect->row - 1) * rows->row_height;
    struct box box = {rounded(rect->left), 0, rounded(rect->right), 0};
    float width = rect->right - rect->left;
    uint32_t colour, floor, alpha = 255;
    uint8_t state = MAREY_STATE_PLAIN;

    if (top >= (int64_t)rows->bottom || top + height <= (int64_t)rows->upper)
        return;
    box.top = (int32_t)(top < rows->upper ? rows->upper : top);
    box.bottom = (int32_t)(top + height > rows->bottom ? rows->bottom : top + height);
    colour =
        rect->function < palette->count ? palette->colours[rect->function] : 0xFF888888;
    if (palette->states != NULL && rect->function < palette->count)
        state = palette->states[rect->function];
    if (box.right <= box.left)
        box.right = box.left + 1;
    if (rect->flags & MAREY_LOD_DENSE)
        alpha = rect->coverage;
    if (width < 1)
        alpha = (uint32_t)((float)alpha * (width < 0 ? 0 : width));
    floor = rect->flags & MAREY_LOD_DENSE ? ALPHA_FLOOR : ALPHA_FLOOR_LONE;
    if (palette->is_dark)
        floor += ALPHA_DARK;
    if (alpha < floor)
        alpha = floor;
    if (state == MAREY_STATE_DIM)
        alpha = alpha * 46 / 255 + 8;
    if (rect->flags & MAREY_LOD_SUSPENDED) {
        int32_t middle = (int32_t)(top + height / 2);
        blend(canvas, (struct box){box.left, middle - s, box.right, middle + s}, colour,
              alpha / 2 + 30);
        return;
    }
    if (box.right - box.left > 3 * s && !(rect->flags & MAREY_LOD_CLIP_RIGHT))
        box.right -= s;
    if (alpha >= 255)
        fill(canvas, box, colour);
    else
        blend(canvas, box, colour, alpha);
    if (rect->flags & MAREY_LOD_DENSE && height >= 8 * s && box.right - box.left >= 3)
        hatch(canvas, box, colours->background, 60, 3 * s);
    if (state == MAREY_STATE_FOUND)
        fill(canvas, (struct box){box.left, box.bottom - 2 * s, box.right, box.bottom},
             colours->found);
    decorate(canvas, box, rect, colours, rows->scale);
}

/* Points in time: a diamond each, a bar where they are many, losses over the lane. */
static void
draw_mark(const struct marey_canvas *canvas, const struct marey_raster_rows *rows,
          const struct colours *colours, const struct marey_lod_rect *rect)
{
    int32_t x = rounded(rect->left), s = (int32_t)rows->scale;
    int32_t half = (int32_t)rows->marks_height / 2;
    uint32_t colour = rect->flags & MAREY_LOD_LOG ? colours->log : colours->instant;

    if (rect->flags & MAREY_LOD_LOSS) {
        int32_t right = rounded(rect->right);
        struct box box = {x - 3 * s, (int32_t)rows->upper, right + 3 * s,
                          (int32_t)rows->bottom};
        blend(canvas, box, colours->background, 150);
        hatch(canvas, box, colours->loss, 220, 4 * s);
    }
    if (!(rect->flags & (MAREY_LOD_INSTANT | MAREY_LOD_LOG)) || half == 0)
        return;
    if (rect->right - rect->left > (float)(2 * half)) {
        struct box box = {x, rows->marks_top + half / 2, rounded(rect->right),
                          rows->marks_top + 2 * half - half / 2};
        if (box.top >= (int32_t)rows->upper && box.bottom <= (int32_t)rows->bottom)
            blend(canvas, box, colour, 150);
        return;
    }
    for (int32_t dy = -half; dy <= half; dy++) {
        int32_t reach = half - (dy < 0 ? -dy : dy);
        int32_t y = rows->marks_top + half + dy;
        if (y >= (int32_t)rows->upper && y < (int32_t)rows->bottom)
            fill(canvas, (struct box){x - reach, y, x + reach + 1, y + 1}, colour);
    }
}

void
marey_raster_rects(const struct marey_canvas *canvas,
                   const struct marey_raster_rows *rows,
                   const struct marey_palette *palette,
                   const struct marey_lod_rect *rects, size_t count)
{
    const struct colours *colours = palette->is_dark ? &dark_colours : &light_colours;

    for (size_t i = 0; i < count; i++)
        if (rects[i].row > 0)
            draw_call(canvas, rows, palette, colours, &rects[i]);
    for (size_t i = 0; i < count; i++) /* marks lie over the calls */
        if (rects[i].row == 0)
            draw_mark(canvas, rows, colours, &rects[i]);
}

void
marey_raster_counter(const struct marey_canvas *canvas, int32_t top, uint32_t height,
                     const float *points, size_t count, double low, double high,
                     bool is_dark)
{
    uint32_t line = is_dark ? 0xFFE0B080 : 0xFFB06820;
    double floor = low > 0 ? 0 : low;
    double scale = high > floor ? (double)(height - 1) / (high - floor) : 0;
    int32_t bottom = top + (int32_t)height;

    for (size_t i = 0; i < count; i++) {
        const float *point = points + 4 * i;
        int32_t x = (int32_t)point[0];
        int32_t next = i + 1 < count ? (int32_t)point[4] : (int32_t)canvas->width;
        int32_t y_last = bottom - 1 - (int32_t)(((double)point[3] - floor) * scale);
        int32_t y_low = bottom - 1 - (int32_t)(((double)point[1] - floor) * scale);
        int32_t y_high = bottom - 1 - (int32_t)(((double)point[2] - floor) * scale);

        blend(canvas, (struct box){x, y_last, next, bottom}, line, 70);
        blend(canvas, (struct box){x, y_high, x + 1, y_low + 1}, line, 150);
        fill(canvas, (struct box){x, y_last, next, y_last + 1}, line);
    }
}

/* ---- the history of a variable ---- */

struct scale_of {
    double floor, factor;
    int32_t bottom, height;
};

static int32_t
height_of(const struct scale_of *scale, float number)
{
    double up = ((double)number - scale->floor) * scale->factor;

    if (!(up > 0)) /* nor what is no number */
        up = 0;
    if (up > scale->height - 1)
        up = scale->height - 1;
    return scale->bottom - 1 - (int32_t)up;
}

static void
draw_value(const struct marey_canvas *canvas, struct box box,
           const struct marey_history_piece *piece, uint32_t scale, bool is_dark)
{
    int32_t s = (int32_t)scale;
    uint32_t colour = marey_raster_value_colour(piece->hash, is_dark);

    if (box.right - box.left > 3 * s)
        box.right -= s;
    if (piece->count == 1)
        fill(canvas, box, colour);
    else {
        blend(canvas, box, colour, 150);
        if (box.right - box.left >= 3)
            hatch(canvas, box, marey_raster_background(is_dark), 60, 3 * s);
    }
}

void
marey_raster_history(const struct marey_canvas *canvas, int32_t top, uint32_t height,
                     uint32_t scale, const struct marey_history_piece *pieces,
                     size_t count, double low, double high, bool is_dark)
{
    uint32_t line = is_dark ? 0xFFE0B080 : 0xFFB06820;
    int32_t s = (int32_t)scale, before = 0;
    /* From 0 where that does not press all into one line. */
    struct scale_of of = {low > 0 && low < high / 2 ? 0 : low, 0, top + (int32_t)height,
                          (int32_t)height - s};

    if (high > of.floor)
        of.factor = (double)(of.height - 1) / (high - of.floor);
    for (size_t i = 0; i < count; i++) {
        const struct marey_history_piece *piece = &pieces[i];
        struct box box = {rounded(piece->left), top, rounded(piece->right), of.bottom};
        if (box.right <= box.left)
            box.right = box.left + 1;
        if (piece->value != MAREY_HISTORY_NUMBER) {
            draw_value(canvas, box, piece, scale, is_dark);
            continue;
        }
        int32_t y = height_of(&of, piece->last);
        int32_t upper = height_of(&of, piece->high), lower = height_of(&of, piece->low);
        bool follows = i > 0 && pieces[i - 1].value == MAREY_HISTORY_NUMBER &&
                       piece->left - pieces[i - 1].right < 1;
        if (follows) {
            upper = before < upper ? before : upper;
            lower = before > lower ? before : lower;
        }
        blend(canvas, (struct box){box.left, y, box.right, of.bottom}, line, 50);
        blend(canvas, (struct box){box.left, upper, box.left + s, lower + s}, line,
              follows || piece->count > 1 ? 190 : 0);
        fill(canvas, (struct box){box.left, y, box.right, y + s}, line);
        before = y;
    }
}
