/* The slow half of out.h: what happens when the buffer is full. */
#include "export/out.h"

#include <assert.h>
#include <stdlib.h>

enum marey_status
marey_out_init(struct marey_out *out, const struct marey_sink *sink)
{
    memset(out, 0, sizeof(*out));
    out->sink = sink;
    out->kept = MAREY_OUT_KEEP_NOTHING;
    out->bytes = malloc(MAREY_OUT_CAPACITY);
    if (out->bytes == NULL)
        return MAREY_NOMEM;
    out->capacity = MAREY_OUT_CAPACITY;
    return MAREY_OK;
}

void
marey_out_release(struct marey_out *out)
{
    free(out->bytes);
    out->bytes = NULL;
}

static void
write_out(struct marey_out *out, const void *bytes, size_t size)
{
    if (out->status != MAREY_OK || size == 0)
        return;
    if (!out->sink->write(out->sink->context, bytes, size))
        out->status = MAREY_STOPPED;
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

static bool
grow(struct marey_out *out, size_t size)
{
    size_t capacity = out->capacity;
    uint8_t *bytes;

    while (capacity - out->used < size) {
        if (capacity > SIZE_MAX / 2)
            return false;
        capacity *= 2;
    }
    bytes = realloc(out->bytes, capacity);
    if (bytes == NULL)
        return false;
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

void
marey_out_make_room(struct marey_out *out, size_t size)
{
    assert(size <= MAREY_OUT_ROOM_MAX);

    marey_out_flush(out);
    if (out->capacity - out->used >= size)
        return;
    if (out->status == MAREY_OK && grow(out, size))
        return;
    if (out->status == MAREY_OK)
        out->status = MAREY_NOMEM;
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
