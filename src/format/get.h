/* What the files of the reading side share. */
#ifndef MAREY_FORMAT_GET_PRIVATE_H
#define MAREY_FORMAT_GET_PRIVATE_H

#include "marey/format_get.h"

static inline bool
marey_directory_read(const struct marey_directory *directory, uint64_t offset,
                     void *dst, size_t size_bytes)
{
    return directory->source.read(directory->source.context, offset, dst, size_bytes);
}

/* Adds to the damages; holes and garbage that follow each other become one. */
void marey_directory_note(struct marey_directory *directory, uint64_t offset,
                          uint64_t size_bytes, enum marey_damage_kind kind);

/* Sorts the extents into streams and drops those that stand in two places. */
void marey_directory_make_streams(struct marey_directory *directory);

#endif
