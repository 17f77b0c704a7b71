/* Source texts that are stored with the trace. */
#include "query/trace.h"

#define KEY_SIZE 8

/* Key of each stored text -> its extent. Made when the first text is asked for: one
 * short read each. */
static bool
make_index(struct marey_trace *trace)
{
    const struct marey_directory *directory = trace->directory;

    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        uint8_t key[KEY_SIZE];
        if (extent->kind != MAREY_EXTENT_SOURCE || extent->payload_size < KEY_SIZE ||
            !directory->source.read(directory->source.context,
                                    extent->offset + sizeof(struct marey_extent_header),
                                    key, KEY_SIZE))
            continue;
        uint64_t number = marey_u64_get(key);
        if (marey_table_get(&trace->source_index, number) == MAREY_TABLE_NONE &&
            !marey_table_put(&trace->source_index, number, (uint32_t)i))
            return false;
    }
    trace->has_source_index = true;
    return true;
}

/* The extent that holds the text of a file, or MAREY_NO_INDEX. A file that changed
 * while it was recorded has several: the first is given. */
static uint32_t
find_extent(const struct marey_trace *trace, struct marey_text file)
{
    uint32_t path = marey_intern_get(&trace->strings, file.bytes, file.size_bytes);

    if (path == MAREY_TABLE_NONE)
        return MAREY_NO_INDEX;
    for (uint32_t i = 0; i < trace->files.count; i++) {
        const struct source_file *known = trace_file(trace, i);
        if (known->path != path || known->key == 0)
            continue;
        uint32_t extent = marey_table_get(&trace->source_index, known->key);
        if (extent != MAREY_TABLE_NONE)
            return extent;
    }
    return MAREY_NO_INDEX;
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
    uint32_t index = file.size_bytes == 0 ? MAREY_NO_INDEX : find_extent(trace, file);
    if (index == MAREY_NO_INDEX) {
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
