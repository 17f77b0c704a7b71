/* Chunks to the tail of a file that nobody else writes. */
#include "query/rewrite/write.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/new_file.h"
#include "marey/format_put.h"

enum marey_status
marey_writer_open(struct trace_writer *writer, const char *path,
                  struct marey_error *err)
{
    struct stat there;
    bool is_there = lstat(path, &there) == 0;

    writer->path = path;
    writer->err = err;
    writer->tail = MAREY_PAGE_SIZE;
    writer->file.fd = -1;
    if (is_there || !marey_new_file_open(&writer->file, path))
        return marey_fail(err, MAREY_IO, "cannot create %s: %s", path,
                          strerror(is_there ? EEXIST : errno));
    return MAREY_OK;
}

static enum marey_status
fail_write(const struct trace_writer *writer)
{
    return marey_fail(writer->err, errno == ENOSPC ? MAREY_FULL : MAREY_IO,
                      "cannot write %s: %s", writer->path, strerror(errno));
}

static enum marey_status
write_at(const struct trace_writer *writer, uint64_t offset, const void *bytes,
         size_t size_bytes)
{
    const uint8_t *at = bytes;

    while (size_bytes > 0) {
        ssize_t size = pwrite(writer->file.fd, at, size_bytes, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return fail_write(writer);
        at += size;
        offset += (uint64_t)size;
        size_bytes -= (size_t)size;
    }
    return MAREY_OK;
}

enum marey_status
marey_writer_copy(struct trace_writer *writer, struct marey_extent_header *header,
                  const uint8_t *payload)
{
    static const uint8_t zeros[MAREY_EXTENT_ALIGN];
    uint64_t size = sizeof(*header) + (uint64_t)header->payload_size;
    uint64_t padded =
        (size + MAREY_EXTENT_ALIGN - 1) / MAREY_EXTENT_ALIGN * MAREY_EXTENT_ALIGN;

    if (padded > MAREY_EXTENT_SIZE_MAX)
        return marey_fail(writer->err, MAREY_FULL, "a chunk grows beyond its limit");
    header->magic = MAREY_EXTENT_MAGIC;
    header->flags = 0;
    header->header_size = sizeof(*header);
    header->offset = writer->tail;
    header->extent_size = (uint32_t)padded;
    header->state = MAREY_STATE_CLOSED;
    marey_extent_seal(header);
    enum marey_status status = write_at(writer, writer->tail, header, sizeof(*header));
    if (status == MAREY_OK)
        status = write_at(writer, writer->tail + sizeof(*header), payload,
                          header->payload_size);
    if (status == MAREY_OK)
        status = write_at(writer, writer->tail + size, zeros, (size_t)(padded - size));
    writer->tail += padded;
    return status;
}

/* True: writer->packer.out is to be written in place of the payload. */
static bool
pack(struct trace_writer *writer, struct marey_extent_header *header,
     const uint8_t *payload)
{
    const struct marey_extent extent = {.base_ticks = header->base_ticks,
                                        .payload_size = header->payload_size,
                                        .snapshot_size = header->snapshot_size};
    bool is_events = header->kind == MAREY_EXTENT_EVENTS;

    if (header->kind == MAREY_EXTENT_LEFT_OUT || header->codec != MAREY_CODEC_NONE)
        return false;
    return is_events
               ? marey_pack_events(&writer->packer, &extent, payload)
               : marey_pack_records(&writer->packer, payload, header->payload_size);
}

/* ---- source texts ---- */

/* The text of the payload, expanded. False: it cannot be told. */
static bool
read_source(struct trace_writer *writer, const struct marey_extent_header *header,
            const uint8_t *payload, struct marey_source_head *head,
            struct marey_span *text)
{
    if (!marey_source_get(payload, header->payload_size, head))
        return false;
    *text = head->stored;
    if (header->codec == MAREY_CODEC_NONE)
        return true;
    if (header->raw_size > marey_raw_size_max(header->payload_size) ||
        !marey_memory_grow((void **)&writer->text, &writer->text_room,
                           (size_t)header->raw_size + 1, 1) ||
        !marey_expand(writer->text, header->raw_size, head->stored.bytes,
                      head->stored.size_bytes))
        return false;
    *text = (struct marey_span){writer->text, header->raw_size};
    return true;
}

/* Does the text stand in the file already? Else it does from now on. */
static bool
is_known_source(struct trace_writer *writer, const struct marey_source_head *head,
                const struct marey_span *text)
{
    uint64_t place = marey_hash(head->path.bytes, head->path.size_bytes, head->key);
    uint64_t number = marey_hash(text->bytes, text->size_bytes, place);

    if (marey_table_get(&writer->sources, number) != MAREY_TABLE_NONE)
        return true;
    marey_table_put(&writer->sources, number, 1); /* or it is written twice */
    return false;
}

static enum marey_status
write_source(struct trace_writer *writer, struct marey_extent_header *header,
             const uint8_t *payload)
{
    struct marey_encoder *out = &writer->packer.out;
    struct marey_source_head head;
    struct marey_span text;

    if (read_source(writer, header, payload, &head, &text)) {
        if (is_known_source(writer, &head, &text))
            return MAREY_OK;
        size_t head_size = (size_t)(head.stored.bytes - payload);
        if (marey_pack_records(&writer->packer, text.bytes, text.size_bytes) &&
            out->size_bytes < head.stored.size_bytes &&
            marey_memory_grow((void **)&writer->text, &writer->text_room,
                              head_size + out->size_bytes, 1)) {
            memcpy(writer->text, payload, head_size);
            memcpy(writer->text + head_size, out->bytes, out->size_bytes);
            payload = writer->text;
            header->codec = MAREY_CODEC_ZSTD;
            header->raw_size = (uint32_t)text.size_bytes;
            header->payload_size = (uint32_t)(head_size + out->size_bytes);
        }
    }
    header->payload_check = marey_checksum64(payload, header->payload_size);
    return marey_writer_copy(writer, header, payload);
}

enum marey_status
marey_writer_chunk(struct trace_writer *writer, struct marey_extent_header *header,
                   const uint8_t *payload)
{
    if (header->kind == MAREY_EXTENT_SOURCE)
        return write_source(writer, header, payload);
    if (pack(writer, header, payload)) {
        payload = writer->packer.out.bytes;
        header->raw_size = header->payload_size;
        header->payload_size = (uint32_t)writer->packer.out.size_bytes;
        header->codec = MAREY_CODEC_ZSTD;
        if (header->kind == MAREY_EXTENT_EVENTS)
            header->kind = MAREY_EXTENT_PACKED;
    }
    header->payload_check = marey_checksum64(payload, header->payload_size);
    return marey_writer_copy(writer, header, payload);
}

enum marey_status
marey_writer_close(struct trace_writer *writer, const struct marey_file_header *header,
                   bool is_safe, enum marey_status status)
{
    if (writer->file.fd >= 0) {
        if (status == MAREY_OK)
            status = write_at(writer, 0, header, sizeof(*header));
        if (status == MAREY_OK && is_safe && fsync(writer->file.fd) != 0)
            status = fail_write(writer);
        if (!marey_new_file_close(&writer->file, status == MAREY_OK) &&
            status == MAREY_OK)
            status = fail_write(writer);
    }
    marey_packer_release(&writer->packer);
    marey_table_release(&writer->sources);
    marey_memory_free(writer->text);
    writer->text = NULL;
    writer->text_room = 0;
    return status;
}
