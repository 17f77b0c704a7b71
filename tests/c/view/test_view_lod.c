/* The index against brute force: what is drawn covers what ran. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../export/check.h"
#include "stream.h"

#define WIDTH 640
#define ROWS 26
#define RECTS 65536

static double want[ROWS][WIDTH], got[ROWS][WIDTH];
static struct marey_lod_rect rects[RECTS];
static bool is_coarse; /* of the last window */

static void
cover(double (*grid)[WIDTH], uint32_t row, double left, double right, double share)
{
    if (row >= ROWS || right <= 0 || left >= WIDTH)
        return;
    left = left < 0 ? 0 : left;
    right = right > WIDTH ? WIDTH : right;
    for (int x = (int)left; x < WIDTH && x < right; x++) {
        double a = left > x ? left : x, b = right < x + 1 ? right : x + 1;
        grid[row][x] += (b > a ? b - a : 0) * share;
    }
}

/* Draws a window both ways. Returns how many rectangles the index gave. */
static size_t
both(const struct stream *stream, int64_t from_ns, int64_t to_ns)
{
    struct marey_lod_window window = {from_ns, to_ns, WIDTH, 0, 1, ROWS - 1};
    double scale = (double)WIDTH / (double)(to_ns - from_ns);
    size_t count;

    memset(want, 0, sizeof(want));
    memset(got, 0, sizeof(got));
    for (size_t i = 0; i < stream->count; i++)
        cover(want, stream->slices[i].row,
              (double)(stream->slices[i].begin_ns - from_ns) * scale,
              (double)(stream->slices[i].end_ns - from_ns) * scale, 1);
    count = marey_lod_query(&stream->index, NULL, 0, &window, rects, RECTS, &is_coarse);
    for (size_t i = 0; i < count; i++)
        cover(got, rects[i].row, (double)rects[i].left, (double)rects[i].right,
              rects[i].coverage / 255.0);
    return count;
}

/* Share of cells that differ by more than half, and of the area in all. */
static void
compare(double *wrong_share, double *area_drift)
{
    double wrong = 0, area_want = 0, area_got = 0;

    for (int row = 0; row < ROWS; row++)
        for (int x = 0; x < WIDTH; x++) {
            wrong += fabs(want[row][x] - got[row][x]) > 0.5;
            area_want += want[row][x];
            area_got += got[row][x];
        }
    *wrong_share = wrong / (ROWS * WIDTH);
    *area_drift = area_want > 0 ? fabs(area_got - area_want) / area_want : 0;
}

TEST(any_window_covers_what_ran)
{
    double worst_wrong = 0, worst_drift = 0;
    int windows = 0;

    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct stream stream;
        uint32_t random = seed * 77773;

        stream_make(&stream, seed * 2654435761U, 120000, 2000, 512, seed % 2);
        for (int i = 0; i < 40; i++) {
            int64_t length = stream.end_ns >> (stream_random(&random) % 14);
            int64_t from = (int64_t)((double)(stream.end_ns - length) *
                                     (stream_random(&random) % 1000) / 1000.0);
            double wrong, drift;

            if (length < 1000)
                continue;
            both(&stream, from, from + length);
            compare(&wrong, &drift);
            if (!is_coarse) { /* nearer than a leaf's grain only tiles can tell */
                windows++;
                worst_wrong = wrong > worst_wrong ? wrong : worst_wrong;
                worst_drift = drift > worst_drift ? drift : worst_drift;
            }
        }
        stream_free(&stream);
    }
    CHECK(windows > 60);
    printf("worst cells wrong %.4f, area drift %.4f\n", worst_wrong, worst_drift);
    CHECK(worst_wrong < 0.02);
    CHECK(worst_drift < 0.03);
}

TEST(a_small_index_is_exact)
{
    struct stream stream;
    double wrong, drift;

    stream_make(&stream, 99, 300, 100000, 65535, false);
    both(&stream, 0, stream.end_ns + 1);
    compare(&wrong, &drift);
    CHECK(wrong < 0.001);
    CHECK(drift < 0.01);
    stream_free(&stream);
}

TEST(rows_are_sorted_and_do_not_overlap)
{
    struct stream stream;

    stream_make(&stream, 4242, 200000, 3000, 1024, true);
    for (int zoom = 0; zoom < 10; zoom++) {
        struct marey_lod_window window = {0, stream.end_ns >> zoom, WIDTH, 0, 0, ROWS};
        bool is_coarse;
        size_t count =
            marey_lod_query(&stream.index, NULL, 0, &window, rects, RECTS, &is_coarse);
        for (size_t i = 1; i < count; i++) {
            CHECK(rects[i].row >= rects[i - 1].row);
            if (rects[i].row == rects[i - 1].row)
                CHECK(rects[i].left >= rects[i - 1].right - 0.51F);
        }
        CHECK(count <= (size_t)WIDTH * ROWS);
    }
    stream_free(&stream);
}

TEST(histograms_hold_every_call_and_all_self_time)
{
    struct stream stream;
    uint64_t calls = 0;
    int64_t self = 0, busy = 0;

    stream_make(&stream, 31337, 50000, 700, 256, false);
    for (uint32_t i = 0; i < stream.index.header->hist_count; i++) {
        calls += stream.index.hists[i].call_count;
        self += stream.index.hists[i].self_ns;
    }
    for (size_t i = 0; i < stream.count; i++)
        if (stream.slices[i].row == 1)
            busy += stream.slices[i].end_ns - stream.slices[i].begin_ns;
    CHECK_EQ(calls, stream.count);
    CHECK_EQ(self, busy);
    stream_free(&stream);
}

TEST(a_changed_byte_never_leads_outside)
{
    struct stream stream;
    uint8_t *copy;

    stream_make(&stream, 7, 4000, 300, 128, false);
    copy = malloc(stream.size_bytes);
    for (uint32_t i = 0, seed = 5; i < 6000; i++) {
        struct marey_lod lod;
        struct marey_lod_window window = {0, stream.end_ns, WIDTH, 0, 0, ROWS};
        size_t at = stream_random(&seed) % stream.size_bytes;
        uint8_t set[64] = {1, 1, 1};
        float buckets[32];

        if (i < 600)
            at = i; /* the header and the lanes, each byte */
        memcpy(copy, stream.bytes, stream.size_bytes);
        copy[at] ^= (uint8_t)(1U << (stream_random(&seed) % 8));
        if (marey_lod_open(copy, stream.size_bytes, &lod) != MAREY_OK)
            continue;
        marey_lod_query(&lod, NULL, 0, &window, rects, RECTS, &is_coarse);
        marey_lod_density(&lod, set, 64, NULL, 0, stream.end_ns, buckets, 32);
        CHECK(marey_lod_row_count(&lod, 0) < 65536);
    }
    for (size_t size = 0; size < 600; size++) {
        struct marey_lod lod;
        CHECK(marey_lod_open(stream.bytes, size, &lod) != MAREY_OK);
    }
    free(copy);
    stream_free(&stream);
}

TEST(count_codes_are_near)
{
    uint8_t lod_count_code(uint64_t count);

    for (uint64_t count = 1; count < UINT64_C(1) << 40; count += 1 + count / 3) {
        uint64_t back = marey_lod_count_of(lod_count_code(count));
        CHECK(back <= count && count - back <= count / 4);
    }
}
