/* Writing a whole trace anew, chunk after chunk: what merge and pack share. */
#ifndef MAREY_QUERY_WRITE_H
#define MAREY_QUERY_WRITE_H

#include "base/new_file.h"
#include "base/table.h"
#include "marey/format_encode.h"
#include "marey/status.h"

/* The first page is written last, and the file has its name when it is whole. */
struct trace_writer {
    struct marey_new_file file;
    uint64_t tail;              /* where the next chunk goes */
    const char *path;           /* borrowed */
    struct marey_error *err;    /* borrowed */
    struct marey_packer packer; /* all zero before the first chunk */
    struct marey_table sources; /* hashes of texts that stand in the file by now */
    uint8_t *text;              /* owned; of the latest one */
    size_t text_room;
};

struct marey_trace;

/* The first page of a trace that holds the chunks of another one, and is no ring. */
struct marey_file_header marey_packed_header(const struct marey_trace *trace,
                                             uint64_t tail);

/* Makes the file, which must not be there yet. */
enum marey_status marey_writer_open(struct trace_writer *writer, const char *path,
                                    struct marey_error *err);
/* A closed chunk, packed where that pays. The header says all but where it stands. A
 * source text that stands in the file already is not written again: each process stores
 * the texts of its own where the set that they share is full. */
enum marey_status marey_writer_chunk(struct trace_writer *writer,
                                     struct marey_extent_header *header,
                                     const uint8_t *payload);
/* A closed chunk as it is, its checks included, whether they hold or not. */
enum marey_status marey_writer_copy(struct trace_writer *writer,
                                    struct marey_extent_header *header,
                                    const uint8_t *payload);
/* Writes the first page, if all went well so far; else takes the file away. `is_safe`:
 * what was written is on the disk when this returns. */
enum marey_status marey_writer_close(struct trace_writer *writer,
                                     const struct marey_file_header *header,
                                     bool is_safe, enum marey_status status);

#endif
