/* The columns of a packed chunk: what pack.c writes and unpack.c reads. */
#ifndef MAREY_FORMAT_PACK_H
#define MAREY_FORMAT_PACK_H

#include "marey/format_get.h"

/* In the order of the payload. */
enum pack_column {
    COLUMN_SNAPSHOT,
    COLUMN_ACTS,      /* varint by event: 0 LEAVE, 1 extended, n + 1 ENTER of n */
    COLUMN_LOW_FIRST, /* four: low bytes of deltas, by what this event and the last are
                       */
    COLUMN_HIGH = COLUMN_LOW_FIRST + 4, /* varint: the rest of the delta */
    COLUMN_SIZES, /* varint by extended event: bytes behind its token */
    COLUMN_REST,  /* those bytes */
    COLUMN_COUNT,
};

#define ACT_LEAVE 0
#define ACT_EXTENDED 1
#define ACT_ENTER 1 /* + function id */

#define PACK_LOW_BITS 8

/* Which of the four columns of low bytes: after an ENTER a LEAVE tells how long a call
 * took that made none, another ENTER how long it is to the first call made. */
static inline unsigned
pack_context(bool was_enter, bool is_enter)
{
    return COLUMN_LOW_FIRST + (was_enter ? 2u : 0u) + (is_enter ? 1u : 0u);
}

#endif
