/* Bytes on their way to a sink: one buffer, made once, written when it is full.
 *
 *       0         kept        used         capacity
 *       |----------|-----------|--------------|
 *        may leave   may still    room
 *                    be patched
 *
 * Formats that store the size of a thing before the thing (protobuf) hold it with
 * marey_out_keep() until the size is known. Only then, and only for a thing larger than
 * the buffer, does the buffer grow.
 *
 * Writers do not check anything: a sink that refuses is latched in `status`, and from
 * then on bytes are dropped. Whoever drives the writers looks at `status` now and then.
 */
#ifndef MAREY_EXPORT_OUT_H
#define MAREY_EXPORT_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "marey/export.h"

#define MAREY_OUT_CAPACITY ((size_t)1 << 20)
#define MAREY_OUT_ROOM_MAX                                                             \
    ((size_t)4096) /* the most one marey_out_room() may ask for */
#define MAREY_OUT_KEEP_NOTHING SIZE_MAX

struct marey_out {
    const struct marey_sink *sink; /* borrowed until marey_out_release() */
    uint8_t *bytes;                /* owned */
    size_t used;
    size_t capacity;
    size_t kept;              /* MAREY_OUT_KEEP_NOTHING: all may leave */
    enum marey_status status; /* MAREY_OK, or why bytes are dropped */
};

/* MAREY_NOMEM leaves *out releasable. */
enum marey_status marey_out_init(struct marey_out *out, const struct marey_sink *sink);
void marey_out_release(struct marey_out *out);

/* Makes room for `size` more bytes by writing, moving or growing. */
void marey_out_make_room(struct marey_out *out, size_t size);

/* Writes out all that may leave. */
void marey_out_flush(struct marey_out *out);

/* Any number of bytes, also more than the buffer holds. */
void marey_out_put(struct marey_out *out, const void *bytes, size_t size);

/* Where the next bytes go; there is room for `size`, at most MAREY_OUT_ROOM_MAX, even
 * after a failure. Call marey_out_advance() with what was written. */
MAREY_INLINE uint8_t *
marey_out_room(struct marey_out *out, size_t size)
{
    if (MAREY_UNLIKELY(out->capacity - out->used < size))
        marey_out_make_room(out, size);
    return out->bytes + out->used;
}

MAREY_INLINE void
marey_out_advance(struct marey_out *out, const uint8_t *end)
{
    out->used = (size_t)(end - out->bytes);
}

/* From here on bytes stay until marey_out_keep_nothing(). */
MAREY_INLINE void
marey_out_keep(struct marey_out *out)
{
    out->kept = out->used;
}

MAREY_INLINE void
marey_out_keep_nothing(struct marey_out *out)
{
    out->kept = MAREY_OUT_KEEP_NOTHING;
}

/* Latches the first failure. */
static inline void
marey_out_fail(struct marey_out *out, enum marey_status status)
{
    if (out->status == MAREY_OK)
        out->status = status;
}

/* The same for values read from the trace: damaged ones are only missing. */
static inline void
marey_out_fail_unless_corrupt(struct marey_out *out, enum marey_status status)
{
    if (status != MAREY_CORRUPT)
        marey_out_fail(out, status);
}

/* A constant of known size. */
#define MAREY_OUT_LITERAL(out, literal)                                                \
    marey_out_put_short(out, "" literal, sizeof(literal) - 1)

/* At most MAREY_OUT_ROOM_MAX bytes. */
MAREY_INLINE void
marey_out_put_short(struct marey_out *out, const char *bytes, size_t size)
{
    memcpy(marey_out_room(out, size), bytes, size);
    out->used += size;
}

#endif
