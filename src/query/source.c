/* Source texts that are stored with the trace. */
#include "query/trace.h"

#define KEY_SIZE 8

/* Key of each stored text -> its extent: one short read each. */
static bool
index_keys(const struct marey_directory *directory, struct marey_table *keys)
{
    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        uint8_t key[KEY_SIZE];
        if (extent->kind != MAREY_EXTENT_SOURCE || extent->payload_size < KEY_SIZE ||
            !marey_extent_read_part(directory, extent, 0, key, KEY_SIZE))
            continue;
        uint64_t number = marey_u64_get(key);
        if (marey_table_get(keys, number) == MAREY_TABLE_NONE &&
            !marey_table_put(keys, number, (uint32_t)i))
            return false;
    }
    return true;
}

/* Path of each file -> the extent of its text, made when the first text is asked for. A
 * file that changed while it was recorded has several: the first counts. */
static bool
make_index(struct marey_trace *trace)
{
    struct marey_table keys = {0};
    bool is_done = index_keys(trace->directory, &keys);

    for (uint32_t i = 0; is_done && i < trace->files.count; i++) {
        const struct source_file *file = trace_file(trace, i);
        uint32_t extent = marey_table_get(&keys, file->key);
        if (file->key != 0 && extent != MAREY_TABLE_NONE &&
            marey_table_get(&trace->source_index, file->path) == MAREY_TABLE_NONE)
            is_done = marey_table_put(&trace->source_index, file->path, extent);
    }
    marey_table_release(&keys);
    trace->has_source_index = is_done;
    return is_done;
}

static uint32_t
find_extent(const struct marey_trace *trace, struct marey_text file)
{
    uint32_t path = marey_intern_get(&trace->strings, file.bytes, file.size_bytes);

    if (file.size_bytes == 0 || path == MAREY_TABLE_NONE)
        return MAREY_TABLE_NONE;
    return marey_table_get(&trace->source_index, path);
}

static enum marey_status
expand(struct marey_trace *trace, const struct marey_extent *extent,
       const struct marey_source_head *head, struct marey_text *out,
       struct marey_error *err)
{
    if (extent->codec == MAREY_CODEC_NONE) {
        *out = (struct marey_text){(const char *)head->stored.bytes,
                                   head->stored.size_bytes};
        return MAREY_OK;
    }
    if (!marey_memory_grow((void **)&trace->source_bytes, &trace->source_capacity,
                           (size_t)extent->raw_size + 1, 1))
        return marey_fail(err, MAREY_NOMEM, "no memory for a source text");
    if (!marey_expand(trace->source_bytes, extent->raw_size, head->stored.bytes,
                      head->stored.size_bytes))
        return marey_fail(err, MAREY_CORRUPT, "a source text is damaged");
    *out = (struct marey_text){(const char *)trace->source_bytes, extent->raw_size};
    return MAREY_OK;
}

enum marey_status
marey_trace_source(struct marey_trace *trace, struct marey_text file,
                   struct marey_text *out, struct marey_error *err)
{
    struct marey_source_head head;

    if (!trace->has_source_index && !make_index(trace))
        return marey_fail(err, MAREY_NOMEM, "no memory for the list of sources");
    uint32_t index = find_extent(trace, file);
    if (index == MAREY_TABLE_NONE) {
        *out = (struct marey_text){"", 0};
        return MAREY_OK;
    }
    enum marey_status status =
        marey_payload_keep(trace, &trace->source_text, index, err);
    if (status != MAREY_OK)
        return status;
    const struct marey_extent *extent = &trace->directory->extents[index];
    if (!marey_source_get(trace->source_text.bytes, extent->payload_size, &head))
        return marey_fail(err, MAREY_CORRUPT, "a source text is damaged");
    return expand(trace, extent, &head, out, err);
}
