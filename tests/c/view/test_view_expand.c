/* The page's own Zstandard decoder against libzstd. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../export/check.h"
#include "marey/format_get.h"
#include "stream.h"

#define SIZE_MAX_TESTED 400000

/* Text-like, noise, runs, and mixtures of them. */
static void
fill(uint8_t *bytes, size_t size, uint32_t kind, uint32_t *seed)
{
    static const char words[] = "def return self import for in if else None call ";

    for (size_t i = 0; i < size; i++) {
        uint32_t dice = stream_random(seed);

        if (kind % 4 == 0)
            bytes[i] = (uint8_t)words[(i + dice % 3) % (sizeof(words) - 1)];
        else if (kind % 4 == 1)
            bytes[i] = (uint8_t)dice;
        else if (kind % 4 == 2)
            bytes[i] = (uint8_t)(i / 5000);
        else
            bytes[i] =
                i > 40 && dice % 5 ? bytes[i - 1 - dice % 40] : (uint8_t)(dice % 90);
    }
}

TEST(what_libzstd_packs_is_unpacked)
{
    static const int levels[] = {1, 3, 9, 19, -5};
    uint32_t seed = 77;

    for (uint32_t round = 0; round < 60; round++) {
        size_t size = 1 + stream_random(&seed) % (round < 40 ? 5000 : SIZE_MAX_TESTED);
        size_t bound = ZSTD_compressBound(size);
        uint8_t *plain = malloc(size), *packed = malloc(bound), *out = calloc(1, size);

        fill(plain, size, round, &seed);
        for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
            size_t packed_size = ZSTD_compress(packed, bound, plain, size, levels[l]);
            memset(out, 0, size);
            CHECK(marey_expand(out, size, packed, packed_size));
            CHECK(memcmp(out, plain, size) == 0);
        }
        free(plain);
        free(packed);
        free(out);
    }
}

TEST(wrong_bytes_are_refused_or_stay_inside)
{
    uint32_t seed = 4711;

    for (uint32_t round = 0; round < 400; round++) {
        size_t size = 1 + stream_random(&seed) % 3000, bound = ZSTD_compressBound(size);
        uint8_t *plain = malloc(size), *packed = malloc(bound), *out = malloc(size);
        size_t packed_size, cut;
        uint8_t *part;

        fill(plain, size, round, &seed);
        packed_size = ZSTD_compress(packed, bound, plain, size, 3);
        cut = stream_random(&seed) % packed_size;
        part =
            malloc(cut + 1); /* of its own, so that a checker sees what lies behind */
        memcpy(part, packed, cut);
        CHECK(!marey_expand(out, size, part, cut));
        for (int flips = 0; flips < 20; flips++) {
            packed[stream_random(&seed) % packed_size] ^= (uint8_t)stream_random(&seed);
            marey_expand(out, size, packed, packed_size);
        }
        CHECK(!marey_expand(out, size - 1, plain, size));
        free(plain);
        free(packed);
        free(out);
        free(part);
    }
}
