/* Merging: one trace out of several, chunk by chunk, in constant memory.
 *
 *   a.marey  b.marey      processes and lanes get new serials, in order of the paths;
 *        \    /           chunks keep their order and numbers; payloads are taken
 *        c.marey          over where nothing in them changes, and packed
 *
 * The clock of the whole is that of the trace that began first. The first page is
 * written last: until then the new file is no trace.
 */
#include "query/rewrite/rewrite.h"
#include "query/rewrite/write.h"

struct merge {
    struct marey_trace **traces; /* owned */
    struct rewrite *rewrites;    /* owned */
    uint32_t count;
    uint32_t whole; /* index of the trace whose clock it is */
    struct trace_writer writer;
    uint32_t process_count, lane_count;
    uint64_t event_count, lost_count;
    uint64_t flags;
    struct marey_intern sources; /* keys that are written */
    uint8_t *payload;            /* owned */
    size_t payload_room;
    struct marey_encoder out;
    const char *out_path;
    size_t extents_done, extents_all; /* of all traces, for tick */
    bool (*tick)(void *context, double share);
    void *tick_context;
    struct marey_error *err;
};

static enum marey_status
fail_memory(struct merge *merge)
{
    return marey_fail(merge->err, MAREY_NOMEM, "no memory to merge traces");
}

/* ---- writing ---- */

static struct marey_file_header
file_header(const struct merge *merge)
{
    const struct marey_trace *whole = merge->traces[merge->whole];
    struct marey_file_header header = whole->directory->header;
    uint32_t slot;

    header.version_minor = MAREY_VERSION_MINOR;
    header.flags = merge->flags;
    header.ring_offset = header.ring_next = 0;
    header.ring_cell_size = header.ring_cell_count = 0;
    memset(header.reserved_a, 0, sizeof(header.reserved_a));
    memset(header.reserved_b, 0, sizeof(header.reserved_b));
    memset(header.reserved_c, 0, sizeof(header.reserved_c));
    memset(header.keeps, 0, sizeof(header.keeps));
    header.tail = merge->writer.tail;
    header.process_count = merge->process_count;
    header.lane_count = merge->lane_count;
    header.event_count = merge->event_count;
    header.lost_count = merge->lost_count;
    memset(header.source_keys, 0, sizeof(header.source_keys));
    for (size_t i = 0; i < merge->sources.count && i < MAREY_SOURCE_KEYS - 1; i++) {
        uint64_t key = marey_u64_get(merge->sources.items[i].bytes);
        slot = (uint32_t)(key % MAREY_SOURCE_KEYS);
        while (header.source_keys[slot] != 0)
            slot = (slot + 1) % MAREY_SOURCE_KEYS;
        header.source_keys[slot] = key;
    }
    return header;
}

/* ---- chunks ---- */

/* True: a source with this key is written already. */
static bool
is_known_source(struct merge *merge, const struct marey_extent *extent)
{
    size_t known = merge->sources.count;
    struct marey_source_head head;
    uint32_t index;

    if (extent->kind != MAREY_EXTENT_SOURCE ||
        !marey_source_get(merge->payload, extent->payload_size, &head) || head.key == 0)
        return false;
    /* Without memory it is written twice. */
    return marey_intern_put(&merge->sources, &head.key, sizeof(head.key), &index) &&
           index < known;
}

static struct marey_extent_header
header_of(const struct rewrite *rewrite, const struct marey_extent *extent)
{
    struct marey_extent_header header = marey_extent_header_of(extent);

    header.process = rewrite->process_base + rewrite->process + 1;
    if (extent->lane != 0)
        header.lane = marey_rewrite_lane(rewrite, extent->lane);
    header.base_ticks = marey_rewrite_ticks(rewrite, extent->base_ticks);
    header.end_ticks = marey_rewrite_ticks(rewrite, extent->end_ticks);
    return header;
}

static enum marey_status
merge_chunk(struct merge *merge, struct rewrite *rewrite,
            const struct marey_extent *extent)
{
    marey_rewrite_begin(rewrite, extent);
    struct marey_extent_header header = header_of(rewrite, extent);
    const uint8_t *payload = merge->payload;
    bool is_whole = true;

    if (extent->lane != 0 && header.lane == 0)
        return MAREY_OK; /* values of a lane without events or definition */
    if (!marey_rewrite_is_same(rewrite, extent)) {
        if (extent->kind == MAREY_EXTENT_DEFINITIONS) {
            header.first_index += rewrite->added[rewrite->process];
            is_whole = marey_rewrite_definitions(rewrite, extent, merge->payload,
                                                 &header.record_count);
        } else {
            is_whole =
                marey_rewrite_events(rewrite, extent, merge->payload,
                                     &header.record_count, &header.snapshot_size);
        }
        if (merge->out.is_out_of_memory || rewrite->body.is_out_of_memory)
            return fail_memory(merge);
        if (merge->out.size_bytes > MAREY_EXTENT_SIZE_MAX)
            return marey_fail(merge->err, MAREY_FULL, "a chunk grows beyond its limit");
        payload = merge->out.bytes;
        header.payload_size = (uint32_t)merge->out.size_bytes;
    }
    if (!is_whole || is_known_source(merge, extent))
        return MAREY_OK; /* damage shows as a loss in the new trace, too */
    return marey_writer_chunk(&merge->writer, &header, payload);
}

static bool
tick(struct merge *merge)
{
    merge->extents_done++;
    return merge->tick == NULL ||
           merge->tick(merge->tick_context,
                       (double)merge->extents_done / (double)merge->extents_all);
}

/* All chunks of one kind. */
static enum marey_status
merge_kind(struct merge *merge, struct rewrite *rewrite, uint8_t kind)
{
    const struct marey_directory *directory = rewrite->trace->directory;
    enum marey_status status = MAREY_OK;

    for (size_t i = 0; i < directory->extent_count && status == MAREY_OK; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        if (extent->kind != kind)
            continue;
        if (!marey_memory_grow((void **)&merge->payload, &merge->payload_room,
                               extent->payload_size, 1))
            return fail_memory(merge);
        status = marey_extent_read(directory, extent, merge->payload);
        if (status == MAREY_OK)
            status = merge_chunk(merge, rewrite, extent);
        else if (status == MAREY_CORRUPT)
            status = MAREY_OK;
        else
            status = marey_fail(merge->err, status, "a trace to merge cannot be read");
        if (status == MAREY_OK && !tick(merge))
            status = marey_fail(merge->err, MAREY_STOPPED, "stopped");
    }
    return status;
}

/* Definitions first: a reader may want them before all else. */
static enum marey_status
merge_trace(struct merge *merge, struct rewrite *rewrite)
{
    static const uint8_t kinds[] = {MAREY_EXTENT_DEFINITIONS, MAREY_EXTENT_SOURCE,
                                    MAREY_EXTENT_EVENTS, MAREY_EXTENT_BLOBS};
    enum marey_status status = MAREY_OK;

    rewrite->out = &merge->out;
    for (size_t i = 0; i < sizeof(kinds) && status == MAREY_OK; i++)
        status = merge_kind(merge, rewrite, kinds[i]);
    merge->event_count += rewrite->trace->event_count;
    merge->lost_count += rewrite->trace->lost_count;
    merge->flags |= rewrite->trace->directory->header.flags & MAREY_FILE_UNMAPPED;
    return status;
}

/* ---- the whole ---- */

static enum marey_status
open_traces(struct merge *merge, const char *const *paths, uint32_t path_count)
{
    merge->traces = marey_memory_new(path_count, sizeof(struct marey_trace *));
    merge->rewrites = marey_memory_new(path_count, sizeof(*merge->rewrites));
    if (merge->traces == NULL || merge->rewrites == NULL)
        return fail_memory(merge);
    for (; merge->count < path_count; merge->count++) {
        enum marey_status status = marey_trace_open(
            paths[merge->count], &merge->traces[merge->count], merge->err);
        if (status != MAREY_OK)
            return status;
        if (merge->traces[merge->count]->origin_realtime_ns <
            merge->traces[merge->whole]->origin_realtime_ns)
            merge->whole = merge->count;
    }
    return MAREY_OK;
}

/* The first trace of the same boot and clock. */
static const struct marey_trace *
first_alike(const struct merge *merge, uint32_t index)
{
    const struct marey_file_header *wanted = &merge->traces[index]->directory->header;

    for (uint32_t i = 0; i < index; i++) {
        const struct marey_file_header *header = &merge->traces[i]->directory->header;
        if (memcmp(header->boot_id, wanted->boot_id, sizeof(header->boot_id)) == 0 &&
            header->clock == wanted->clock &&
            header->clock_shift == wanted->clock_shift)
            return merge->traces[i];
    }
    return merge->traces[index];
}

static enum marey_status
plan(struct merge *merge)
{
    uint64_t process_count = 0, lane_count = 0;

    for (uint32_t i = 0; i < merge->count; i++) {
        struct rewrite *rewrite = &merge->rewrites[i];
        rewrite->process_base = (uint32_t)process_count;
        rewrite->lane_base = (uint32_t)lane_count;
        merge->extents_all += merge->traces[i]->directory->extent_count;
        process_count += merge->traces[i]->process_count;
        lane_count += merge->traces[i]->lane_count;
        if (process_count > MAREY_PROCESS_MAX || lane_count > MAREY_LANE_MAX)
            return marey_fail(merge->err, MAREY_USAGE,
                              "together the traces have too many processes or threads");
        if (!marey_rewrite_init(rewrite, merge->traces[i], merge->traces[merge->whole],
                                first_alike(merge, i)))
            return fail_memory(merge);
    }
    merge->process_count = (uint32_t)process_count;
    merge->lane_count = (uint32_t)lane_count;
    return MAREY_OK;
}

static enum marey_status
write_all(struct merge *merge)
{
    struct marey_file_header header = {0};
    enum marey_status status =
        marey_writer_open(&merge->writer, merge->out_path, merge->err);

    for (uint32_t i = 0; i < merge->count && status == MAREY_OK; i++)
        status = merge_trace(merge, &merge->rewrites[i]);
    if (status == MAREY_OK)
        header = file_header(merge);
    return marey_writer_close(&merge->writer, &header, false, status);
}

enum marey_status
marey_merge(const char *const *paths, uint32_t path_count, const char *out_path,
            bool (*on_tick)(void *context, double share), void *context,
            struct marey_error *err)
{
    struct merge merge = {
        .out_path = out_path, .tick = on_tick, .tick_context = context, .err = err};

    if (path_count == 0)
        return marey_fail(err, MAREY_USAGE, "no traces to merge");
    enum marey_status status = open_traces(&merge, paths, path_count);
    if (status == MAREY_OK)
        status = plan(&merge);
    if (status == MAREY_OK)
        status = write_all(&merge);
    for (uint32_t i = 0; i < merge.count; i++) {
        marey_rewrite_release(&merge.rewrites[i]);
        marey_trace_close(merge.traces[i]);
    }
    marey_memory_free(merge.traces);
    marey_memory_free(merge.rewrites);
    marey_memory_free(merge.payload);
    marey_intern_release(&merge.sources);
    marey_encoder_release(&merge.out);
    return status;
}
