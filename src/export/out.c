/* The slow half of out.h: what happens when the buffer is full. */
#include "export/out.h"

#include <assert.h>

enum marey_status
marey_out_init(struct marey_out *out, const struct marey_sink *sink)
{
    memset(out, 0, sizeof(*out));
    out->sink = sink;
    out->kept = MAREY_OUT_KEEP_NOTHING;
    out->bytes = marey_memory_new(MAREY_OUT_CAPACITY, 1);
    if (out->bytes == NULL)
        return MAREY_NOMEM;
    out->capacity = MAREY_OUT_CAPACITY;
    return MAREY_OK;
}

void
marey_out_release(struct marey_out *out)
{
    marey_memory_free(out->bytes);
    out->bytes = NULL;
}

static void
write_out(struct marey_out *out, const void *bytes, size_t size)
{
    if (out->status != MAREY_OK || size == 0)
        return;
    if (!out->sink->write(out->sink->context, bytes, size))
        marey_out_fail(out, MAREY_STOPPED);
}

void
marey_out_flush(struct marey_out *out)
{
    size_t leaving = out->kept == MAREY_OUT_KEEP_NOTHING ? out->used : out->kept;

    write_out(out, out->bytes, leaving);
    memmove(out->bytes, out->bytes + leaving, out->used - leaving);
    out->used -= leaving;
    if (out->kept != MAREY_OUT_KEEP_NOTHING)
        out->kept = 0;
}

void
marey_out_make_room(struct marey_out *out, size_t size)
{
    assert(size <= MAREY_OUT_ROOM_MAX);

    marey_out_flush(out);
    if (out->capacity - out->used >= size)
        return;
    if (out->status == MAREY_OK &&
        marey_memory_grow((void **)&out->bytes, &out->capacity, out->used + size, 1))
        return;
    marey_out_fail(out, MAREY_NOMEM);
    out->used = 0; /* dropped; there is room again for writers that do not look */
}

void
marey_out_put(struct marey_out *out, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    while (size > 0) {
        size_t part = size < MAREY_OUT_ROOM_MAX ? size : MAREY_OUT_ROOM_MAX;
        memcpy(marey_out_room(out, part), from, part);
        out->used += part;
        from += part;
        size -= part;
    }
}
