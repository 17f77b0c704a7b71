/* Packing what matters most into a given room.
 *
 * All chunks of events are played once, each is given a rank, and they are written by
 * rank until the room is used up:
 *
 *     marks       points, logs, spans and transactions begin or end in it
 *     exceptions  of types that few chunks have, the rarest first
 *     slowest     the slowest call of a function begins or ends in it
 *     the rest    from the end of the recording backwards
 *
 * Of a chunk without room its header and its snapshot stay: how many events there
 * were, when, and which calls were open. So long calls keep their begins, nothing is
 * lost, and who reads knows where there was more. Definitions and sources are always
 * written; values where events of their time are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/line.h"

#include "query/player.h"
#include "query/rewrite/write.h"

#define TYPES_OF_CHUNK 8
#define ORDINARY_CHUNKS 64 /* a type that more of them have is nothing special */
#define TICK_EVERY 65536   /* beats */
#define NOTE_SIZE 80

enum rank { RANK_REST, RANK_SLOWEST, RANK_EXCEPTION, RANK_MARK };

/* A chunk of events. */
struct choice {
    uint32_t extent;
    enum rank rank;
    uint64_t weight; /* within its rank; the larger first */
    uint32_t types[TYPES_OF_CHUNK];
    uint32_t type_count;
    bool is_chosen;
};

/* The slowest call of a function. */
struct slowest {
    int64_t duration_ns;
    uint32_t first, last; /* extents; first 0: not known */
};

struct part {
    struct marey_trace *trace; /* owned */
    struct trace_writer writer;
    struct choice *choices; /* owned; by extent */
    uint32_t *order;        /* owned; extents of events, by rank */
    uint32_t order_count;
    struct slowest *slowest; /* owned; by function */
    uint32_t *type_chunks;   /* owned; by string: chunks that have it */
    uint8_t *payload;        /* owned */
    size_t payload_room;
    uint64_t room;     /* bytes of the file */
    uint64_t reserved; /* of it, for headers and snapshots of what is left out */
    struct marey_part_kept kept;
    bool (*tick)(void *context, double share);
    void *tick_context;
    struct marey_error *err;
};

static const struct marey_extent *
extent_of(const struct part *part, uint32_t index)
{
    return &part->trace->directory->extents[index];
}

static uint64_t
stored_bytes(uint64_t payload_size)
{
    uint64_t size = sizeof(struct marey_extent_header) + payload_size;

    return (size + MAREY_EXTENT_ALIGN - 1) / MAREY_EXTENT_ALIGN * MAREY_EXTENT_ALIGN;
}

static enum marey_status
no_memory(const struct part *part)
{
    return marey_fail(part->err, MAREY_NOMEM, "no memory to pack a part of a trace");
}

/* ---- ranks ---- */

static void
rank_up(struct choice *choice, enum rank rank)
{
    if (choice->rank < rank)
        choice->rank = rank;
}

static void
take_type(struct part *part, struct choice *choice, uint32_t string)
{
    if (string == MAREY_NO_INDEX || choice->type_count == TYPES_OF_CHUNK)
        return;
    for (uint32_t i = 0; i < choice->type_count; i++)
        if (choice->types[i] == string)
            return;
    choice->types[choice->type_count++] = string;
    part->type_chunks[string]++;
}

static bool
is_marked(const struct part *part, uint32_t function)
{
    const uint32_t marked = MAREY_FUNCTION_SPAN | MAREY_FUNCTION_TRANSACTION;

    return (trace_function(part->trace, function)->flags & marked) != 0;
}

static void
take_beat(struct part *part, uint32_t extent, const struct beat *beat)
{
    struct choice *choice = &part->choices[extent];
    struct frame *frame = beat->frame;

    switch (beat->kind) {
    case BEAT_BEGIN:
        if (!frame->was_open)
            frame->mark = extent + 1;
        MAREY_FALLTHROUGH;
    case BEAT_RESUME:
        if (is_marked(part, frame->function))
            rank_up(choice, RANK_MARK);
        break;
    case BEAT_END:
    case BEAT_SUSPEND: {
        struct slowest *slowest = &part->slowest[frame->function];
        int64_t duration_ns = beat->time_ns - frame->begin_ns;
        if (is_marked(part, frame->function))
            rank_up(choice, RANK_MARK);
        if (beat->kind == BEAT_END && beat->ending == MAREY_END_RAISED)
            take_type(part, choice, beat->string);
        if (duration_ns > slowest->duration_ns)
            *slowest = (struct slowest){duration_ns, frame->mark, extent};
        break;
    }
    case BEAT_POINT:
        if (beat->event_kind != MAREY_EVENT_COUNTER)
            rank_up(choice, RANK_MARK);
        break;
    default: break;
    }
}

static enum marey_status
play(struct part *part)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    double event_count = (double)part->trace->event_count + 1;
    struct player player;
    struct beat beat;
    uint32_t beats = 0;

    enum marey_status status =
        marey_player_init(&player, part->trace, &all, MAREY_ORDER_LANE, part->err);
    if (status != MAREY_OK)
        return status;
    while (marey_player_next(&player, &beat) && player.heap_count > 0) {
        const struct player_stream *stream = &player.streams[player.heap[0]];
        if (stream->next_extent == 0)
            continue;
        take_beat(part, stream->stream->first + stream->next_extent - 1, &beat);
        if (++beats % TICK_EVERY == 0 && part->tick != NULL &&
            !part->tick(part->tick_context,
                        (double)player.position / event_count / 2)) {
            status = marey_fail(part->err, MAREY_STOPPED, "stopped");
            break;
        }
    }
    if (status == MAREY_OK && player.status != MAREY_OK) {
        status = player.status;
        if (part->err != NULL)
            *part->err = player.error;
    }
    marey_player_release(&player);
    return status;
}

static void
rank_slowest(struct part *part, uint32_t extent, int64_t duration_ns)
{
    struct choice *choice = &part->choices[extent];

    if (choice->rank > RANK_SLOWEST)
        return;
    choice->rank = RANK_SLOWEST;
    if ((uint64_t)duration_ns > choice->weight)
        choice->weight = (uint64_t)duration_ns;
}

static void
rank_all(struct part *part)
{
    for (size_t i = 0; i < part->trace->functions.count; i++) {
        const struct slowest *slowest = &part->slowest[i];
        if (slowest->duration_ns <= 0)
            continue;
        rank_slowest(part, slowest->last, slowest->duration_ns);
        if (slowest->first > 0)
            rank_slowest(part, slowest->first - 1, slowest->duration_ns);
    }
    for (uint32_t i = 0; i < part->order_count; i++) {
        struct choice *choice = &part->choices[part->order[i]];
        uint32_t fewest = ORDINARY_CHUNKS + 1;
        for (uint32_t t = 0; t < choice->type_count; t++)
            if (part->type_chunks[choice->types[t]] < fewest)
                fewest = part->type_chunks[choice->types[t]];
        if (fewest <= ORDINARY_CHUNKS && choice->rank < RANK_EXCEPTION) {
            choice->rank = RANK_EXCEPTION;
            choice->weight = ORDINARY_CHUNKS - fewest;
        } else if (choice->rank != RANK_SLOWEST) {
            choice->weight = 0;
        }
    }
}

/* What comes first; equal ones from the end of the recording backwards. Keys of a sort
 * that knows no context: rank and weight, then time, all the other way round. */
struct key {
    uint64_t rank, weight, end_ticks;
    uint32_t extent;
};

static int
by_rank(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    if (x->end_ticks != y->end_ticks)
        return x->end_ticks > y->end_ticks ? -1 : 1;
    return x->extent < y->extent ? -1 : x->extent > y->extent;
}

static enum marey_status
order_all(struct part *part)
{
    struct key *keys = marey_memory_new(part->order_count, sizeof(*keys));

    if (keys == NULL)
        return no_memory(part);
    for (uint32_t i = 0; i < part->order_count; i++) {
        uint32_t extent = part->order[i];
        const struct choice *choice = &part->choices[extent];
        keys[i] = (struct key){choice->rank, choice->weight,
                               extent_of(part, extent)->end_ticks, extent};
    }
    qsort(keys, part->order_count, sizeof(*keys), by_rank);
    for (uint32_t i = 0; i < part->order_count; i++)
        part->order[i] = keys[i].extent;
    marey_memory_free(keys);
    return MAREY_OK;
}

static enum marey_status
choose(struct part *part)
{
    const struct marey_directory *directory = part->trace->directory;

    part->choices = marey_memory_new(directory->extent_count, sizeof(*part->choices));
    part->order = marey_memory_new(directory->extent_count, sizeof(*part->order));
    part->slowest =
        marey_memory_new(part->trace->functions.count, sizeof(*part->slowest));
    part->type_chunks =
        marey_memory_new(part->trace->strings.count, sizeof(*part->type_chunks));
    part->reserved = stored_bytes(NOTE_SIZE);
    if (part->choices == NULL || part->order == NULL || part->slowest == NULL ||
        part->type_chunks == NULL)
        return no_memory(part);
    for (size_t i = 0; i < directory->extent_count; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        if (extent->kind != MAREY_EXTENT_EVENTS)
            continue;
        part->order[part->order_count++] = (uint32_t)i;
        part->reserved += stored_bytes(extent->snapshot_size);
        if (!extent->is_left_out)
            part->kept.all_events += extent->record_count;
    }
    enum marey_status status = play(part);
    if (status != MAREY_OK)
        return status;
    rank_all(part);
    return order_all(part);
}

/* ---- writing ---- */

/* A chunk into the new file. MAREY_CORRUPT: its bytes are wrong, and it is no more. */
static enum marey_status
put(struct part *part, const struct marey_extent *extent)
{
    struct marey_extent_header header = marey_extent_header_of(extent);

    if (!marey_memory_grow((void **)&part->payload, &part->payload_room,
                           extent->payload_size, 1))
        return no_memory(part);
    enum marey_status status =
        marey_extent_read(part->trace->directory, extent, part->payload);
    if (status == MAREY_CORRUPT)
        return MAREY_OK; /* shows as a loss in the part, too */
    if (status != MAREY_OK)
        return marey_fail(part->err, status, "the trace to pack cannot be read");
    return marey_writer_chunk(&part->writer, &header, part->payload);
}

static enum marey_status
put_kind(struct part *part, uint8_t kind)
{
    const struct marey_directory *directory = part->trace->directory;
    enum marey_status status = MAREY_OK;

    for (size_t i = 0; i < directory->extent_count && status == MAREY_OK; i++)
        if (directory->extents[i].kind == kind)
            status = put(part, &directory->extents[i]);
    return status;
}

/* Values of a time and a lane of which an event chunk was chosen. */
static bool
is_wanted(const struct part *part, const struct marey_extent *blobs)
{
    const struct marey_stream *events = marey_directory_stream(
        part->trace->directory, MAREY_EXTENT_EVENTS, blobs->process, blobs->lane);
    uint64_t end = blobs->end_ticks > blobs->base_ticks ? blobs->end_ticks : UINT64_MAX;

    for (uint32_t i = 0; events != NULL && i < events->count; i++) {
        const struct marey_extent *extent = extent_of(part, events->first + i);
        if (part->choices[events->first + i].is_chosen && extent->base_ticks <= end &&
            extent->end_ticks >= blobs->base_ticks)
            return true;
    }
    return false;
}

static enum marey_status
put_values(struct part *part)
{
    const struct marey_directory *directory = part->trace->directory;
    enum marey_status status = MAREY_OK;

    for (size_t i = 0; i < directory->extent_count && status == MAREY_OK; i++) {
        const struct marey_extent *extent = &directory->extents[i];
        if (extent->kind == MAREY_EXTENT_BLOBS && is_wanted(part, extent) &&
            part->writer.tail + part->reserved + stored_bytes(extent->payload_size) <
                part->room)
            status = put(part, extent);
    }
    return status;
}

/* The chunks that matter most. The one that is too much is taken back. */
static enum marey_status
put_chosen(struct part *part)
{
    enum marey_status status = MAREY_OK;
    uint32_t in_vain = 0;

    for (uint32_t i = 0; i < part->order_count && in_vain < 16; i++) {
        const struct marey_extent *extent = extent_of(part, part->order[i]);
        uint64_t before = part->writer.tail;
        uint64_t place = stored_bytes(extent->snapshot_size);

        if (extent->is_left_out)
            continue;
        status = put(part, extent);
        if (status != MAREY_OK)
            return status;
        if (part->writer.tail + part->reserved - place > part->room) {
            part->writer.tail = before; /* a smaller one may still find room */
            in_vain++;
            continue;
        }
        part->reserved -= place;
        part->choices[part->order[i]].is_chosen = true;
        part->kept.events += extent->record_count;
        if (part->tick != NULL &&
            !part->tick(part->tick_context, 0.5 + (double)i / part->order_count / 2))
            return marey_fail(part->err, MAREY_STOPPED, "stopped");
    }
    return MAREY_OK;
}

static enum marey_status
put_left_out(struct part *part)
{
    enum marey_status status = MAREY_OK;

    for (uint32_t i = 0; i < part->order_count && status == MAREY_OK; i++) {
        uint32_t index = part->order[i];
        struct marey_extent extent = *extent_of(part, index);
        if (part->choices[index].is_chosen)
            continue;
        if (!marey_memory_grow((void **)&part->payload, &part->payload_room,
                               extent.snapshot_size + 1, 1))
            return no_memory(part);
        if (!marey_extent_read_part(part->trace->directory, &extent, 0, part->payload,
                                    extent.snapshot_size))
            continue; /* lost, then */
        extent.is_left_out = true;
        struct marey_extent_header header = marey_extent_header_of(&extent);
        header.payload_size = extent.snapshot_size;
        status = marey_writer_chunk(&part->writer, &header, part->payload);
    }
    return status;
}

/* Says so where everybody who asks for the trace's notes sees it. */
static enum marey_status
put_note(struct part *part)
{
    const struct marey_directory *directory = part->trace->directory;
    const struct marey_stream *stream = marey_directory_stream(
        directory, MAREY_EXTENT_DEFINITIONS, part->trace->processes[0].serial, 0);
    struct marey_line line = {0};
    struct marey_encoder out = {0};

    if (stream == NULL || part->kept.events == part->kept.all_events)
        return MAREY_OK;
    const struct marey_extent *last =
        &directory->extents[stream->first + stream->count - 1];
    marey_line_put_number(&line, part->kept.all_events - part->kept.events);
    marey_line_put(&line, " events were left out of this file to save room");
    marey_encode_record(&out, MAREY_DEF_NOTE, line.text, strlen(line.text));
    struct marey_extent_header header = marey_extent_header_of(last);
    header.sequence++;
    if (header.end_ticks > header.base_ticks)
        header.base_ticks = header.end_ticks;
    header.end_ticks = header.base_ticks;
    header.first_index += header.record_count;
    header.record_count = 1;
    header.payload_size = (uint32_t)out.size_bytes;
    header.snapshot_size = 0;
    header.raw_size = 0;
    enum marey_status status =
        out.is_out_of_memory ? no_memory(part)
                             : marey_writer_chunk(&part->writer, &header, out.bytes);
    marey_encoder_release(&out);
    return status;
}

static enum marey_status
write_all(struct part *part)
{
    enum marey_status status = put_kind(part, MAREY_EXTENT_DEFINITIONS);

    if (status == MAREY_OK)
        status = put_kind(part, MAREY_EXTENT_SOURCE);
    if (status == MAREY_OK && part->writer.tail + part->reserved > part->room)
        status = marey_fail(part->err, MAREY_USAGE, "no room for a part of the trace");
    if (status == MAREY_OK)
        status = put_chosen(part);
    if (status == MAREY_OK)
        status = put_left_out(part);
    part->reserved = 0;
    if (status == MAREY_OK)
        status = put_values(part);
    if (status == MAREY_OK)
        status = put_note(part);
    /* Behind the tail may stand what was taken back. */
    if (status == MAREY_OK &&
        ftruncate(part->writer.file.fd, (off_t)part->writer.tail) != 0)
        status = marey_fail(part->err, MAREY_IO, "cannot shorten %s: %s",
                            part->writer.path, strerror(errno));
    return status;
}

enum marey_status
marey_pack_part(const char *path, const char *out_path, uint64_t size_bytes,
                bool (*tick)(void *context, double share), void *context,
                struct marey_part_kept *kept, struct marey_error *err)
{
    struct part part = {
        .room = size_bytes, .tick = tick, .tick_context = context, .err = err};
    struct marey_file_header header = {0};

    enum marey_status status = marey_trace_open(path, &part.trace, err);
    if (status != MAREY_OK)
        return status;
    status = choose(&part);
    if (status == MAREY_OK) {
        status = marey_writer_open(&part.writer, out_path, err);
        if (status == MAREY_OK)
            status = write_all(&part);
        if (status == MAREY_OK)
            header = marey_packed_header(part.trace, part.writer.tail);
        status = marey_writer_close(&part.writer, &header, false, status);
    }
    marey_memory_free(part.choices);
    marey_memory_free(part.order);
    marey_memory_free(part.slowest);
    marey_memory_free(part.type_chunks);
    marey_memory_free(part.payload);
    marey_trace_close(part.trace);
    if (status == MAREY_OK)
        *kept = part.kept;
    return status;
}
