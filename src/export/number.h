/* Numbers as text, put into what an export writes. */
#ifndef MAREY_EXPORT_NUMBER_H
#define MAREY_EXPORT_NUMBER_H

#include "base/number.h"
#include "export/out.h"

static inline void
marey_number_put(struct marey_out *out, uint64_t value)
{
    marey_out_advance(
        out, marey_number_unsigned(marey_out_room(out, MAREY_NUMBER_SIZE_MAX), value));
}

#endif
