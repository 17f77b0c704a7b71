/* Packing: the same trace in fewer bytes.
 *
 * Every chunk keeps its serials, number and first_index, so what is read is the same to
 * the last byte: calls, losses, damage. Chunks that were still open are closed as far
 * as they went. What is packed already, or whose payload is damaged, is copied with its
 * checks; what no reader could see (holes, garbage, second copies) is left out. Source
 * texts are compressed better, and stand there once. At the end stands the index of the
 * view, so that who gets the trace sees it at once.
 */
#include <stdlib.h>

#include "base/parallel.h"
#include "marey/lod.h"
#include "query/rewrite/write.h"
#include "query/trace.h"

struct packing {
    struct marey_trace *trace; /* owned */
    struct trace_writer writer;
    uint8_t *payload; /* owned */
    size_t payload_room;
    uint64_t index_from; /* events from which on an index is stored */
    bool (*tick)(void *context, double share);
    void *tick_context;
    bool is_indexing; /* the second half */
    struct marey_error *err;
};

static bool
tick(void *context, double share)
{
    struct packing *packing = context;

    return packing->tick == NULL ||
           packing->tick(packing->tick_context,
                         share / 2 + (packing->is_indexing ? 0.5 : 0));
}

static enum marey_status
read_failed(struct packing *packing, enum marey_status status)
{
    return marey_fail(packing->err, status, "the trace to pack cannot be read");
}

/* The chunk as it stands in the file. */
static enum marey_status
copy_chunk(struct packing *packing, const struct marey_extent *extent)
{
    const struct marey_byte_source *source = &packing->trace->directory->source;
    struct marey_extent_header header;
    uint32_t size = marey_extent_stored_size(extent);

    if (!marey_memory_grow((void **)&packing->payload, &packing->payload_room, size, 1))
        return marey_fail(packing->err, MAREY_NOMEM, "no memory to pack a trace");
    if (!source->read(source->context, extent->offset, &header, sizeof(header)) ||
        header.payload_size != size ||
        !source->read(source->context, extent->offset + sizeof(header),
                      packing->payload, size))
        return read_failed(packing, MAREY_IO);
    return marey_writer_copy(&packing->writer, &header, packing->payload);
}

static enum marey_status
pack_chunk(struct packing *packing, const struct marey_extent *extent)
{
    struct marey_extent_header header = marey_extent_header_of(extent);

    if (extent->stored_size != 0)
        return copy_chunk(packing, extent);
    if (!marey_memory_grow((void **)&packing->payload, &packing->payload_room,
                           extent->payload_size, 1))
        return marey_fail(packing->err, MAREY_NOMEM, "no memory to pack a trace");
    enum marey_status status =
        marey_extent_read(packing->trace->directory, extent, packing->payload);
    if (status == MAREY_CORRUPT && !extent->is_open)
        return copy_chunk(packing, extent);
    if (status != MAREY_OK)
        return read_failed(packing, status);
    return marey_writer_chunk(&packing->writer, &header, packing->payload);
}

/* Definitions first: a reader wants them before all else. */
static enum marey_status
pack_all(struct packing *packing)
{
    static const uint8_t kinds[] = {MAREY_EXTENT_DEFINITIONS, MAREY_EXTENT_SOURCE,
                                    MAREY_EXTENT_EVENTS, MAREY_EXTENT_BLOBS};
    const struct marey_directory *directory = packing->trace->directory;
    enum marey_status status = MAREY_OK;
    size_t done = 0;

    for (size_t k = 0; k < sizeof(kinds); k++)
        for (size_t i = 0; i < directory->extent_count && status == MAREY_OK; i++) {
            if (directory->extents[i].kind != kinds[k])
                continue;
            status = pack_chunk(packing, &directory->extents[i]);
            double share = (double)++done / (double)directory->extent_count;
            if (status == MAREY_OK && !tick(packing, share))
                status = marey_fail(packing->err, MAREY_STOPPED, "stopped");
        }
    return status;
}

/* The index of what was written: of the same events in the same order. */
static enum marey_status
write_index(struct packing *packing)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    struct marey_extent_header header = {.kind = MAREY_EXTENT_INDEX,
                                         .sequence = 1,
                                         .first_index = packing->trace->event_count};
    uint8_t *bytes = NULL;
    size_t size = 0;

    if (packing->trace->event_count < packing->index_from)
        return MAREY_OK;
    packing->is_indexing = true;
    options.tick = tick;
    options.tick_context = packing;
    options.parallel = marey_parallel;
    enum marey_status status =
        marey_lod_build(packing->trace, &options, &bytes, &size, packing->err);
    if (status == MAREY_OK && size <= MAREY_PAYLOAD_RAW_MAX) {
        header.payload_size = (uint32_t)size;
        status = marey_writer_chunk(&packing->writer, &header, bytes);
    }
    free(bytes);
    return status;
}

struct marey_file_header
marey_packed_header(const struct marey_trace *trace, uint64_t tail)
{
    struct marey_file_header header = trace->directory->header;

    if ((header.flags & MAREY_FILE_RING) != 0)
        header.flags = (header.flags & ~MAREY_FILE_RING) | MAREY_FILE_WAS_RING;
    header.ring_offset = header.ring_next = 0;
    header.ring_cell_size = header.ring_cell_count = 0;
    header.tail = tail;
    return header;
}

enum marey_status
marey_pack(const char *path, const char *out_path, uint64_t index_from,
           bool (*on_tick)(void *context, double share), void *context,
           struct marey_error *err)
{
    struct packing packing = {
        .index_from = index_from, .tick = on_tick, .tick_context = context, .err = err};
    struct marey_file_header header = {0};

    enum marey_status status = marey_trace_open(path, &packing.trace, err);
    if (status != MAREY_OK)
        return status;
    status = marey_writer_open(&packing.writer, out_path, err);
    if (status == MAREY_OK)
        status = pack_all(&packing);
    if (status == MAREY_OK)
        status = write_index(&packing);
    if (status == MAREY_OK)
        header = marey_packed_header(packing.trace, packing.writer.tail);
    status = marey_writer_close(&packing.writer, &header, true, status);
    marey_memory_free(packing.payload);
    marey_trace_close(packing.trace);
    return status;
}
