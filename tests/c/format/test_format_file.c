/* The writing end: where slots and chunks come to lie in a file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../export/check.h"
#include "marey/format_get.h"
#include "marey/format_put.h"

static bool
read_file(void *context, uint64_t offset, void *dst, size_t size_bytes)
{
    return pread(*(int *)context, dst, size_bytes, (off_t)offset) ==
           (ssize_t)size_bytes;
}

/* Closed chunks of `payload_size` bytes, then a slot, which lies on a page of its own.
 * Returns how many bytes of the file a reader cannot make sense of. */
static uint64_t
unexplained_bytes(int chunk_count, size_t payload_size)
{
    const char *folder = getenv("TMPDIR");
    static const uint8_t payload[MAREY_PAGE_SIZE];
    char path[256];
    struct marey_file *file;
    struct marey_error err;
    struct marey_slot slot;
    struct marey_directory *directory;
    struct marey_file_options options = {0};

    snprintf(path, sizeof(path), "%s/file-%d.marey", folder ? folder : "/tmp",
             (int)getpid());
    unlink(path);
    CHECK_EQ(marey_file_create(path, &options, &file, &err), MAREY_OK);
    for (int i = 0; i < chunk_count; i++) {
        struct marey_chunk chunk = {.kind = MAREY_EXTENT_BLOBS,
                                    .process = 1,
                                    .lane = 1,
                                    .sequence = 1 + (uint64_t)i};
        CHECK(marey_chunk_append(file, &chunk, NULL, 0, payload, payload_size, 0, 0));
    }
    CHECK(marey_slot_take(file, MAREY_SLOT_SIZE_MIN, &slot));
    CHECK_EQ(slot.offset % MAREY_PAGE_SIZE, 0);
    struct marey_chunk chunk = {
        .kind = MAREY_EXTENT_BLOBS, .process = 1, .lane = 2, .sequence = 1};
    marey_slot_begin(&slot, &chunk);
    int fd = open(path, O_RDONLY);
    struct marey_byte_source source = {read_file, &fd,
                                       (uint64_t)lseek(fd, 0, SEEK_END)};
    CHECK_EQ(marey_directory_open(&source, NULL, &directory, &err), MAREY_OK);
    CHECK_EQ(marey_directory_stream(directory, MAREY_EXTENT_BLOBS, 1, 1)->count,
             chunk_count);
    uint64_t skipped = directory->skipped_bytes;
    marey_directory_close(directory);
    close(fd);
    marey_slot_give(file, &slot);
    marey_file_close(file);
    unlink(path);
    return skipped;
}

TEST(whatever_lies_before_a_slot_there_is_no_hole)
{
    const int most = MAREY_PAGE_SIZE / MAREY_EXTENT_ALIGN;

    for (int size = 3; size <= most + 2; size++) /* in steps of what extents align to */
        CHECK_EQ(unexplained_bytes(1, (size_t)size * MAREY_EXTENT_ALIGN -
                                          sizeof(struct marey_extent_header)),
                 0);
}
