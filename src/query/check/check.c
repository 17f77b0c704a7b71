/* Checking a trace against docs/format.md: everything a writer promises.
 *
 * Unlike the player, which makes the best of what is there, this says what is not as it
 * should be. Losses are no findings: a trace that says what it lost is whole.
 */
#include "query/check/check.h"

#include "base/line.h"

#define TOLD_MAX 8 /* findings told of one extent */

/* ---- findings ---- */

static void
begin_line(const struct checker *checker, struct marey_line *line)
{
    static const char *const kinds[] = {
        [MAREY_EXTENT_EVENTS] = "events",
        [MAREY_EXTENT_DEFINITIONS] = "definitions",
        [MAREY_EXTENT_BLOBS] = "values",
        [MAREY_EXTENT_SOURCE] = "source",
    };
    const struct marey_extent *extent = checker->extent;

    marey_line_put(line, kinds[extent->kind]);
    marey_line_put(line, " of process ");
    marey_line_put_number(line, extent->process);
    if (extent->lane != 0) {
        marey_line_put(line, ", lane ");
        marey_line_put_number(line, extent->lane);
    }
    marey_line_put(line, ", chunk ");
    marey_line_put_number(line, extent->sequence);
    marey_line_put(line, ": ");
}

static void
tell(struct checker *checker, const uint8_t *at, const struct marey_line *line)
{
    uint64_t offset = checker->extent->offset;

    checker->finding_count++;
    if (checker->told++ >= TOLD_MAX)
        return;
    if (at != NULL)
        offset +=
            sizeof(struct marey_extent_header) + (uint64_t)(at - checker->payload);
    checker->report(checker->context, offset, line->text);
}

void
marey_check_find(struct checker *checker, const uint8_t *at, const char *what)
{
    struct marey_line line = {0};

    begin_line(checker, &line);
    marey_line_put(&line, what);
    tell(checker, at, &line);
}

void
marey_check_find_number(struct checker *checker, const uint8_t *at, const char *what,
                        uint64_t number)
{
    struct marey_line line = {0};

    begin_line(checker, &line);
    marey_line_put(&line, what);
    marey_line_put_number(&line, number);
    tell(checker, at, &line);
}

void
marey_check_find_at(struct checker *checker, uint64_t offset, const char *what)
{
    checker->finding_count++;
    checker->report(checker->context, offset, what);
}

/* ---- the file ---- */

static void
check_file_header(struct checker *checker)
{
    const struct marey_file_header *header = &checker->trace->directory->header;
    uint64_t known = MAREY_FILE_RING | MAREY_FILE_UNMAPPED | MAREY_FILE_WAS_RING;
    bool is_ring = (header->flags & MAREY_FILE_RING) != 0;

    if (header->clock != MAREY_CLOCK_TSC && header->clock != MAREY_CLOCK_MONOTONIC)
        marey_check_find_at(checker, offsetof(struct marey_file_header, clock),
                            "file header: a clock that is not known");
    if (header->clock_shift >= 64)
        marey_check_find_at(checker, offsetof(struct marey_file_header, clock_shift),
                            "file header: a clock shift of 64 or more");
    if (header->version_minor <= MAREY_VERSION_MINOR && (header->flags & ~known) != 0)
        marey_check_find_at(checker, offsetof(struct marey_file_header, flags),
                            "file header: flags that are not known");
    if (is_ring && (header->ring_cell_count == 0 ||
                    header->ring_cell_size < sizeof(struct marey_extent_header) ||
                    header->ring_cell_size % MAREY_EXTENT_ALIGN != 0 ||
                    header->ring_offset < MAREY_PAGE_SIZE ||
                    header->ring_offset % MAREY_EXTENT_ALIGN != 0))
        marey_check_find_at(checker, offsetof(struct marey_file_header, ring_offset),
                            "file header: a ring that cannot be");
    if (header->tail < MAREY_PAGE_SIZE || header->tail % MAREY_EXTENT_ALIGN != 0)
        marey_check_find_at(checker, offsetof(struct marey_file_header, tail),
                            "file header: a tail that cannot be");
}

static void
check_damages(struct checker *checker)
{
    static const char *const texts[] = {
        [MAREY_DAMAGE_GARBAGE] = "bytes that belong to no chunk",
        [MAREY_DAMAGE_HEADER] = "a chunk's header is damaged",
        [MAREY_DAMAGE_TRUNCATED] = "a chunk ends beyond the end of the file",
        [MAREY_DAMAGE_TWICE] = "a second chunk with the same number",
    };
    const struct marey_directory *directory = checker->trace->directory;

    for (size_t i = 0; i < directory->damage_count; i++) {
        const struct marey_damage *damage = &directory->damages[i];
        if (damage->kind != MAREY_DAMAGE_HOLE)
            marey_check_find_at(checker, damage->offset, texts[damage->kind]);
    }
}

/* What the counters of the first page promise of all extents. */
static void
check_counters(struct checker *checker)
{
    const struct marey_directory *directory = checker->trace->directory;
    const struct marey_file_header *header = &directory->header;
    uint32_t process = 0, lane = 0;
    uint64_t end = 0;

    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        uint64_t extent_end = extent->offset + sizeof(struct marey_extent_header) +
                              marey_extent_stored_size(extent);
        process = extent->process > process ? extent->process : process;
        lane = extent->lane > lane ? extent->lane : lane;
        end = extent_end > end ? extent_end : end;
    }
    if (process > header->process_count)
        marey_check_find_at(checker, offsetof(struct marey_file_header, process_count),
                            "file header: there are processes with higher serials");
    if (lane > header->lane_count)
        marey_check_find_at(checker, offsetof(struct marey_file_header, lane_count),
                            "file header: there are lanes with higher serials");
    if (end > header->tail)
        marey_check_find_at(checker, offsetof(struct marey_file_header, tail),
                            "file header: there are chunks behind the tail");
}

/* Its older chunks may be gone. */
static bool
is_from_ring(const struct marey_file_header *header)
{
    return (header->flags & (MAREY_FILE_RING | MAREY_FILE_WAS_RING)) != 0;
}

/* A file may end before its tail: what a killed process had reserved was never written.
 * But chunks that are counted were. */
static void
check_length(struct checker *checker)
{
    const struct marey_directory *directory = checker->trace->directory;
    const struct marey_file_header *header = &directory->header;
    uint64_t written = header->event_count - header->lost_count, found = 0;
    struct marey_line line = {0};

    if (is_from_ring(header) || directory->size_bytes >= header->tail ||
        header->event_count < header->lost_count)
        return;
    for (size_t i = 0; i < directory->extent_count; i++)
        if (directory->extents[i].kind == MAREY_EXTENT_EVENTS)
            found += directory->extents[i].record_count;
    if (found >= written)
        return;
    marey_line_put(&line, "the file was cut short: it ends before its tail, and ");
    marey_line_put_number(&line, written - found);
    marey_line_put(&line, " events are missing");
    marey_check_find_at(checker, directory->size_bytes, line.text);
}

/* ---- streams ---- */

/* False: the payload is not to be looked at. */
static bool
load(struct checker *checker)
{
    const struct marey_extent *extent = checker->extent;

    if (!marey_memory_grow((void **)&checker->payload, &checker->payload_room,
                           extent->payload_size, 1)) {
        checker->status = MAREY_NOMEM;
        return false;
    }
    enum marey_status status =
        marey_extent_read(checker->trace->directory, extent, checker->payload);
    if (status == MAREY_IO)
        checker->status = status;
    else if (status == MAREY_CORRUPT &&
             marey_extent_is_there(checker->trace->directory, extent))
        marey_check_find(checker, NULL, "the payload does not match its checksum");
    return status == MAREY_OK;
}

/* The order of a chunk after the one before it. True: nothing lies between them. */
static bool
check_order(struct checker *checker, const struct marey_extent *before, uint64_t due)
{
    const struct marey_extent *extent = checker->extent;

    if (extent->kind == MAREY_EXTENT_SOURCE)
        return false; /* each stands for itself */
    if (extent->first_index < due)
        marey_check_find(checker, NULL, "starts before the last chunk ended");
    if (before != NULL && extent->base_ticks < before->end_ticks)
        marey_check_find(checker, NULL, "its time lies before the last chunk's");
    if (!extent->is_open && extent->end_ticks < extent->base_ticks)
        marey_check_find(checker, NULL, "ends before it begins");
    return before != NULL && extent->first_index == due;
}

static void
check_stream(struct checker *checker, const struct marey_stream *stream)
{
    const struct marey_extent *extents =
        &checker->trace->directory->extents[stream->first];
    const struct marey_extent *before = NULL; /* NULL: none, or none that was whole */
    uint64_t due = 0;

    checker->depth = checker->depth_max = 0;
    for (uint32_t i = 0; i < stream->count && checker->status == MAREY_OK; i++) {
        checker->extent = &extents[i];
        checker->told = 0;
        bool is_next = check_order(checker, before, due);
        due = extents[i].first_index + extents[i].record_count;
        before = NULL;
        if (!load(checker))
            continue;
        before = extents[i].is_left_out ? NULL : &extents[i];
        switch (stream->kind) {
        case MAREY_EXTENT_EVENTS: marey_check_events(checker, is_next); break;
        case MAREY_EXTENT_DEFINITIONS: marey_check_definitions(checker); break;
        case MAREY_EXTENT_BLOBS: marey_check_blobs(checker); break;
        default: marey_check_source(checker); break;
        }
        due += checker->noted_lost;
        checker->noted_lost = 0;
    }
    checker->extent = NULL;
    checker->open_calls += checker->depth_max;
}

static uint64_t
count_blobs(const struct marey_trace *trace, const struct marey_stream *events)
{
    const struct marey_stream *blobs = marey_directory_stream(
        trace->directory, MAREY_EXTENT_BLOBS, events->process, events->lane);

    if (is_from_ring(&trace->directory->header))
        return UINT64_MAX; /* the newest of a lane may have gone before its events */
    if (blobs == NULL)
        return 0;
    const struct marey_extent *last =
        &trace->directory->extents[blobs->first + blobs->count - 1];
    return last->first_index + last->record_count;
}

/* ---- processes ---- */

static void
check_processes(struct checker *checker)
{
    const struct marey_trace *trace = checker->trace;

    for (size_t i = 0; i < trace->process_count; i++) {
        struct marey_line line = {0};
        if (trace->processes[i].is_defined)
            continue;
        marey_line_put(&line, "process ");
        marey_line_put_number(&line, trace->processes[i].serial);
        marey_line_put(&line, " is not defined");
        marey_check_find_at(checker, 0, line.text);
    }
    for (size_t i = 0; i < trace->lane_count; i++) {
        struct marey_line line = {0};
        if (trace->lanes[i].is_defined)
            continue;
        marey_line_put(&line, "lane ");
        marey_line_put_number(&line, trace->lanes[i].serial);
        marey_line_put(&line, " is not defined");
        marey_check_find_at(checker, 0, line.text);
    }
}

enum marey_status
marey_trace_check(struct marey_trace *trace,
                  void (*report)(void *context, uint64_t offset, const char *line),
                  void *context, uint64_t *finding_count, struct marey_error *err)
{
    const struct marey_directory *directory = trace->directory;
    struct checker checker = {.trace = trace, .report = report, .context = context};
    size_t process = 0;

    check_file_header(&checker);
    check_counters(&checker);
    check_length(&checker);
    check_damages(&checker);
    check_processes(&checker);
    for (size_t i = 0; i < directory->stream_count; i++) {
        const struct marey_stream *stream = &directory->streams[i];
        if (i > 0 && stream->kind != stream[-1].kind)
            process = 0;
        while (trace->processes[process].serial != stream->process)
            process++; /* streams of a kind are in the same order */
        checker.process = &trace->processes[process];
        if (stream->kind == MAREY_EXTENT_EVENTS)
            checker.blob_count = count_blobs(trace, stream);
        check_stream(&checker, stream);
    }
    if (checker.open_calls > marey_open_calls_max(directory))
        marey_check_find_at(&checker, 0, "more open calls than its size allows");
    marey_memory_free(checker.payload);
    marey_memory_free(checker.stack);
    marey_table_release(&checker.lane_serials);
    *finding_count = checker.finding_count;
    if (checker.status != MAREY_OK)
        return marey_fail(err, checker.status, "the trace could not be checked: %s",
                          marey_status_text(checker.status));
    return MAREY_OK;
}
