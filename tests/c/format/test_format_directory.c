/* Finding chunks, in files that are whole, damaged or still written to. */
#include "../export/check.h"
#include "base/memory.h"
#include "builder.h"

static struct marey_directory *
open_all(struct builder *builder)
{
    struct marey_byte_source source = builder_source(builder);
    struct marey_directory *directory = NULL;

    CHECK_EQ(marey_directory_open(&source, NULL, &directory, NULL), MAREY_OK);
    return directory;
}

static enum marey_status
try_open(struct builder *builder, uint64_t size_bytes)
{
    struct marey_byte_source source = builder_source(builder);
    struct marey_directory *directory = NULL;
    struct marey_error err;

    source.size_bytes = size_bytes;
    enum marey_status status = marey_directory_open(&source, NULL, &directory, &err);
    marey_directory_close(directory);
    return status;
}

static struct marey_extent_header
chunk(uint64_t sequence)
{
    return (struct marey_extent_header){.kind = MAREY_EXTENT_EVENTS,
                                        .process = 1,
                                        .lane = 1,
                                        .sequence = sequence,
                                        .base_ticks = 1000,
                                        .end_ticks = 1000 + sequence,
                                        .record_count = 1,
                                        .snapshot_size = 1};
}

static const uint8_t one_event[] = {0, 1 << 2 | 2};

TEST(chunks_become_streams_in_order)
{
    struct builder *builder = builder_new();

    builder_process(builder, 1, 0);
    for (uint64_t sequence = 3; sequence > 0; sequence--) {
        struct marey_extent_header head = chunk(sequence);
        builder_put(builder, &head, one_event, 2, 0);
    }
    struct marey_directory *directory = open_all(builder);
    CHECK_EQ(directory->extent_count, 4);
    CHECK_EQ(directory->stream_count, 2);
    const struct marey_stream *stream =
        marey_directory_stream(directory, MAREY_EXTENT_EVENTS, 1, 1);
    CHECK_EQ(stream->count, 3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(directory->extents[stream->first + i].sequence, i + 1);
    CHECK(marey_directory_stream(directory, MAREY_EXTENT_EVENTS, 1, 2) == NULL);
    CHECK_EQ(directory->skipped_bytes, 0);
    marey_directory_close(directory);
    builder_free(builder);
}

TEST(of_a_chunk_in_both_places_the_closed_one_counts)
{
    struct builder *builder = builder_new();
    struct marey_extent_header open = chunk(1), closed = chunk(1);

    open.state = MAREY_STATE_OPEN;
    open.end_ticks = open.record_count = 0;
    builder_put(builder, &open, one_event, 2, 4096);
    builder_put(builder, &closed, one_event, 2, 0);
    struct marey_directory *directory = open_all(builder);
    CHECK_EQ(directory->extent_count, 1);
    CHECK(!directory->extents[0].is_open);
    CHECK_EQ(directory->damage_count, 0);
    marey_directory_close(directory);
    builder_free(builder);
}

TEST(an_open_chunk_is_measured_and_kept)
{
    struct builder *builder = builder_new();
    struct marey_extent_header open = chunk(1);
    uint8_t payload[2];

    open.state = MAREY_STATE_OPEN;
    open.end_ticks = open.record_count = 0;
    uint64_t offset = builder_put(builder, &open, one_event, 2, 4096);
    struct marey_directory *directory = open_all(builder);
    const struct marey_extent *extent = &directory->extents[0];
    CHECK(extent->is_open);
    CHECK_EQ(extent->payload_size, 2);
    CHECK_EQ(extent->record_count, 1);
    CHECK_EQ(extent->end_ticks, 1001);
    /* The slot is used for something else: what was seen stays. */
    memset(builder_at(builder, offset), 0, 4096);
    CHECK_EQ(marey_extent_read(directory, extent, payload), MAREY_OK);
    CHECK(memcmp(payload, one_event, 2) == 0);
    marey_directory_close(directory);
    builder_free(builder);
}

TEST(holes_and_garbage_are_stepped_over)
{
    struct builder *builder = builder_new();
    struct marey_extent_header first = chunk(1), second = chunk(2);
    uint8_t hole[6400] = {0}, garbage[128];

    memset(garbage, 'x', sizeof(garbage));
    builder_put(builder, &first, one_event, 2, 0);
    builder_put_raw(builder, hole, sizeof(hole));
    builder_put_raw(builder, garbage, sizeof(garbage));
    builder_put(builder, &second, one_event, 2, 0);
    struct marey_directory *directory = open_all(builder);
    CHECK_EQ(directory->extent_count, 2);
    CHECK_EQ(directory->skipped_bytes, sizeof(hole) + sizeof(garbage));
    CHECK_EQ(directory->damaged_count, 0);
    CHECK(directory->damage_count > 0);
    marey_directory_close(directory);
    builder_free(builder);
}

TEST(every_flipped_bit_of_a_header_is_noticed)
{
    struct builder *builder = builder_new();
    struct marey_extent_header head = chunk(1);
    uint64_t offset = builder_put(builder, &head, one_event, 2, 0);
    uint8_t payload[2];

    for (unsigned bit = 0; bit < 128 * 8; bit++) {
        uint8_t *byte = builder_at(builder, offset + bit / 8);
        *byte ^= (uint8_t)(1 << bit % 8);
        struct marey_directory *directory = open_all(builder);
        /* Bytes 28 to 31 check those before; 32 to 127 check each other. An open
         * chunk has no check: flipping its state leaves an event of it. */
        bool is_open = directory->extent_count == 1 && directory->extents[0].is_open;
        CHECK(directory->extent_count == 0 || is_open);
        if (!is_open)
            CHECK(directory->damage_count > 0);
        else
            CHECK_EQ(marey_extent_read(directory, &directory->extents[0], payload),
                     MAREY_OK);
        marey_directory_close(directory);
        *byte ^= (uint8_t)(1 << bit % 8);
    }
    builder_free(builder);
}

TEST(a_flipped_payload_is_noticed_when_it_is_read)
{
    struct builder *builder = builder_new();
    struct marey_extent_header head = chunk(1);
    uint64_t offset = builder_put(builder, &head, one_event, 2, 0);
    uint8_t payload[2];

    *builder_at(builder, offset + 129) ^= 1;
    struct marey_directory *directory = open_all(builder);
    CHECK_EQ(directory->extent_count, 1);
    CHECK_EQ(marey_extent_read(directory, &directory->extents[0], payload),
             MAREY_CORRUPT);
    marey_directory_close(directory);
    builder_free(builder);
}

TEST(truncation_at_every_size_gives_an_error_or_a_part)
{
    struct builder *builder = builder_new();
    struct marey_extent_header first = chunk(1), second = chunk(2);
    size_t size_bytes;

    builder_put(builder, &first, one_event, 2, 0);
    builder_put(builder, &second, one_event, 2, 0);
    builder_bytes(builder, &size_bytes);
    for (uint64_t size = 0; size <= size_bytes; size += size < 4096 ? 61 : 1) {
        enum marey_status status = try_open(builder, size);
        CHECK_EQ(status, size < 8                 ? MAREY_NOT_A_TRACE
                         : size < MAREY_PAGE_SIZE ? MAREY_CORRUPT
                                                  : MAREY_OK);
    }
    builder_free(builder);
}

TEST(other_files_and_later_versions_are_told_apart)
{
    struct builder *builder = builder_new();

    builder_header(builder)->version_minor = 9;
    CHECK_EQ(try_open(builder, MAREY_PAGE_SIZE), MAREY_OK);
    builder_header(builder)->version_major = 2;
    CHECK_EQ(try_open(builder, MAREY_PAGE_SIZE), MAREY_VERSION);
    builder_header(builder)->magic ^= 1;
    CHECK_EQ(try_open(builder, MAREY_PAGE_SIZE), MAREY_NOT_A_TRACE);
    builder_free(builder);
}

TEST(an_empty_ring_is_stepped_over_cell_by_cell)
{
    struct builder *builder = builder_new();
    static uint8_t cells[3 * 8192];
    struct marey_extent_header head = chunk(7);

    builder_header(builder)->flags = MAREY_FILE_RING;
    builder_header(builder)->ring_offset = MAREY_PAGE_SIZE;
    builder_header(builder)->ring_cell_size = 8192;
    builder_header(builder)->ring_cell_count = 4;
    builder_put_raw(builder, cells, 8192);
    builder_put(builder, &head, one_event, 2, 8192);
    builder_put_raw(builder, cells, 2 * 8192);
    head = chunk(8);
    builder_put(builder, &head, one_event, 2, 0);
    struct marey_directory *directory = open_all(builder);
    CHECK_EQ(directory->extent_count, 2);
    CHECK_EQ(directory->skipped_bytes, 0); /* cells that were never used are no loss */
    marey_directory_close(directory);
    builder_free(builder);
}

/* ---- a file that grows ---- */

struct growing {
    struct builder *builder;
    uint64_t slot; /* of the lane's open chunk */
    int asked;
};

static bool
read_growing(void *context, uint64_t offset, void *dst, size_t size_bytes)
{
    struct growing *growing = context;
    size_t size;
    const uint8_t *bytes = builder_bytes(growing->builder, &size);

    if (offset > size || size_bytes > size - offset)
        return false;
    memcpy(dst, bytes + offset, size_bytes);
    return true;
}

/* While the file was read, chunk 1 went to the tail and its slot took chunk 2. */
static uint64_t
grow(void *context)
{
    struct growing *growing = context;
    size_t size;

    if (growing->asked++ == 0) {
        struct marey_extent_header closed = chunk(1);
        builder_put(growing->builder, &closed, one_event, 2, 0);
    }
    builder_bytes(growing->builder, &size);
    return size;
}

TEST(a_chunk_that_closes_meanwhile_is_found_at_the_tail)
{
    struct growing growing = {.builder = builder_new()};
    struct marey_extent_header open = chunk(2);
    struct marey_directory *directory = NULL;
    size_t size;

    open.state = MAREY_STATE_OPEN;
    open.end_ticks = open.record_count = 0;
    open.first_index = 1;
    growing.slot = builder_put(growing.builder, &open, one_event, 2, 4096);
    builder_bytes(growing.builder, &size);
    struct marey_byte_source source = {read_growing, &growing, size};
    CHECK_EQ(marey_directory_open(&source, grow, &directory, NULL), MAREY_OK);
    CHECK_EQ(directory->extent_count, 2);
    CHECK(!directory->extents[0].is_open);
    CHECK_EQ(directory->extents[0].sequence, 1);
    CHECK(directory->extents[1].is_open);
    marey_directory_close(directory);
    builder_free(growing.builder);
}
