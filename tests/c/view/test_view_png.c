/* Pictures: a PNG that any reader takes, and colours that never change. */
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"
#include "marey/raster.h"

static uint32_t
be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

TEST(a_png_has_its_size_and_ends)
{
    uint32_t pixels[7 * 5];
    struct marey_canvas canvas = {pixels, 7, 5};
    uint8_t *bytes = NULL;
    size_t size = 0;

    for (uint32_t i = 0; i < 35; i++)
        pixels[i] = 0xFF000000 | i * 0x010305;
    CHECK_EQ(marey_png_write(&canvas, &bytes, &size), MAREY_OK);
    CHECK_EQ(be32(bytes + 16), 7);
    CHECK_EQ(be32(bytes + 20), 5);
    CHECK(memcmp(bytes + size - 8, "IEND", 4) == 0);
    free(bytes);
}

TEST(drawing_stays_inside_the_canvas)
{
    uint32_t pixels[66 * 40];
    struct marey_canvas canvas = {pixels + 66, 66, 38}; /* a row of guards around */
    uint32_t colours[2] = {0xFF112233, 0xFF445566};
    struct marey_palette palette = {colours, NULL, 2, false};

    for (size_t i = 0; i < 66 * 40; i++)
        pixels[i] = 0xAAAAAAAA;
    for (int i = 0; i < 4000; i++) {
        struct marey_lod_rect rect = {(float)(i % 200) - 70.0F,
                                      (float)(i % 200) - 70.0F + (float)(i % 37),
                                      (uint32_t)i % 3,
                                      (uint16_t)(i % 9),
                                      (uint8_t)i,
                                      (uint8_t)i,
                                      (uint32_t)i * 37 % 8192};
        struct marey_raster_rows rows = {i % 60 - 20,
                                         i % 50 - 20,
                                         1 + (uint32_t)i % 19,
                                         (uint32_t)i % 12,
                                         38,
                                         (uint32_t)i % 30,
                                         1};
        marey_raster_rects(&canvas, &rows, &palette, &rect, 1);
    }
    for (size_t i = 0; i < 66; i++) {
        CHECK_EQ(pixels[i], 0xAAAAAAAA);
        CHECK_EQ(pixels[39 * 66 + i], 0xAAAAAAAA);
    }
}

TEST(a_colour_depends_on_names_alone)
{
    struct marey_function_info function = {0};
    uint32_t first;

    function.module = (struct marey_text){"app.db", 6};
    function.name = (struct marey_text){"Session.get", 11};
    function.file = (struct marey_text){"/x/app/db.py", 12};
    first = marey_raster_colour(&function, false);
    function.first_line = 99;
    CHECK_EQ(marey_raster_colour(&function, false), first);
    CHECK(!marey_function_is_library(&function));
    function.file = (struct marey_text){"/usr/lib/python3.12/json/decoder.py", 35};
    CHECK(marey_function_is_library(&function));
}
