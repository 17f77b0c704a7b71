/* Playing streams: which is next, how chunks follow each other, how a window starts and
 * ends. What an event does to a lane is in play.h.
 */
#include "query/player.h"

#include "query/play.h"

/* An event and the note on it fit into this. */
#define EVENT_ROOM 64

static bool
fail(struct player *player, enum marey_status status, const char *what)
{
    if (player->status == MAREY_OK)
        player->status = marey_fail(&player->error, status, "%s", what);
    return false;
}

/* Room is doubled, so a trace that keeps to the limit never needs more than twice. */
bool
marey_player_grow(struct player *player, struct player_lane *lane)
{
    uint64_t most = marey_open_calls_max(player->trace->directory);
    uint64_t others = player->frame_room - lane->capacity;
    bool is_new = lane->frames == NULL;

    if (lane->depth >= MAREY_DEPTH_MAX || others / 2 + lane->depth > most)
        return fail(player, MAREY_CORRUPT,
                    "more calls are open at once than a trace of this size may hold");
    if (!marey_memory_grow((void **)&lane->frames, &lane->capacity,
                           (size_t)lane->depth + 2, sizeof(*lane->frames)))
        return fail(player, MAREY_NOMEM, "no memory for the open calls");
    player->frame_room = others + lane->capacity;
    if (is_new)
        lane->frames[0] = below_all;
    return true;
}

/* ---- the order of streams ---- */

static void
set_key(const struct player *player, struct player_stream *stream, uint64_t ticks)
{
    stream->key = player->is_by_lane ? 0 : ticks;
}

/* Ties go to the lower lane, so that an order is the same each time. */
static inline bool
is_before(const struct player *player, uint32_t a, uint32_t b)
{
    uint64_t left = player->streams[a].key, right = player->streams[b].key;

    return left < right || (left == right && a < b);
}

static void
sift_down(struct player *player, uint32_t at)
{
    uint32_t *heap = player->heap, moved = heap[at];

    for (uint32_t child = 2 * at + 1; child < player->heap_count; child = 2 * at + 1) {
        if (child + 1 < player->heap_count &&
            is_before(player, heap[child + 1], heap[child]))
            child++;
        if (!is_before(player, heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void
remove_first(struct player *player)
{
    player->heap[0] = player->heap[--player->heap_count];
    if (player->heap_count > 0)
        sift_down(player, 0);
}

/* ---- from chunk to chunk ---- */

static const struct marey_extent *
extent_at(const struct player *player, const struct player_stream *stream,
          uint32_t index)
{
    return &player->trace->directory->extents[stream->stream->first + index];
}

/* When the calls of a lane are over that are open at the end of the window. */
static int64_t
end_of(const struct player *player, const struct player_lane *lane)
{
    const struct lane *known = &player->trace->lanes[lane->index];
    const struct process *process = &player->trace->processes[lane->process];
    uint64_t ticks = known->has_end ? known->end_ticks : process->end_ticks;
    int64_t end_ns = clock_ns(&player->trace->clock, ticks);

    if (end_ns < lane->last_ns)
        end_ns = lane->last_ns;
    return end_ns < player->selection.to_ns ? end_ns : player->selection.to_ns;
}

/* Bytes of the file were not understood: the last chunks of any lane may be there. */
static bool
may_be_cut_short(const struct marey_trace *trace)
{
    return trace->directory->skipped_bytes > 0 || trace->directory->damaged_count > 0;
}

static void
go_to_end(struct player *player, struct player_stream *stream)
{
    const struct process *process = &player->trace->processes[stream->home->process];

    marey_chunk_give(player, stream);
    if (stream->is_hidden || may_be_cut_short(player->trace)) {
        marey_activation_gap_begin(player, stream->home, stream->home->last_ns);
        marey_activation_gap_end(player, stream->home);
    }
    stream->phase = PHASE_END;
    set_key(player, stream,
            process->end_ticks > stream->last_ticks ? process->end_ticks
                                                    : stream->last_ticks);
}

/* Behind a chunk: waits for the next one, or ends. */
static void
go_to_chunk(struct player *player, struct player_stream *stream)
{
    stream->lane = stream->home;
    stream->phase = PHASE_CHUNK;
    if (stream->next_extent >= stream->stream->count) {
        bool is_lost = stream->expected > stream->due;
        if (!is_lost) {
            go_to_end(player, stream);
            return;
        }
        set_key(player, stream, stream->last_ticks); /* its gap is still to be told */
        return;
    }
    const struct marey_extent *next = extent_at(player, stream, stream->next_extent);
    bool has_gap = next->first_index > stream->due && stream->next_extent > 0;
    set_key(player, stream,
            has_gap && stream->last_ticks < next->base_ticks ? stream->last_ticks
                                                             : next->base_ticks);
}

/* Near the end of what is held: reads on, or ends the chunk. */
static MAREY_NOINLINE void
fetch_last(struct player *player, struct player_stream *stream)
{
    struct chunk_buffer *chunk = stream->chunk;
    bool has_event;

    if (chunk->left > 0)
        marey_chunk_refill(player, chunk);
    has_event = marey_cursor_next(&chunk->cursor, &stream->event);
    while (!has_event && chunk->cursor.is_cut_short &&
           marey_chunk_refill(player, chunk))
        has_event = marey_cursor_next(&chunk->cursor, &stream->event);
    if (has_event) {
        stream->phase = PHASE_EVENTS;
        set_key(player, stream, stream->event.ticks);
        return;
    }
    marey_chunk_give(player, stream);
    go_to_chunk(player, stream);
}

/* Loads the event that comes next. */
MAREY_INLINE void
fetch(struct player *player, struct player_stream *stream)
{
    struct chunk_buffer *chunk = stream->chunk;

    if (MAREY_UNLIKELY(chunk->cursor.end - chunk->cursor.next < EVENT_ROOM) ||
        MAREY_UNLIKELY(!marey_cursor_next(&chunk->cursor, &stream->event))) {
        fetch_last(player, stream);
        return;
    }
    stream->phase = PHASE_EVENTS;
    if (!player->is_by_lane)
        stream->key = stream->event.ticks;
}

/* How much of the lane's stack the snapshot leaves as it is. Moves the snapshot behind
 * that. */
static uint32_t
common_calls(const struct player *player, const struct player_lane *lane,
             struct marey_snapshot *snapshot)
{
    struct marey_snapshot ahead = *snapshot;
    struct marey_snapshot_entry entry;
    uint32_t keep = 0;

    while (keep < lane->depth && marey_snapshot_next(&ahead, &entry)) {
        const struct frame *frame = &lane->frames[keep + 1];
        uint32_t function = resolve_function(player, lane, entry.function);
        if (function != frame->function || entry.is_resumed != frame->is_resumed ||
            clock_ns(&player->trace->clock, entry.start_ticks) != frame->begin_ns)
            break;
        keep++;
        *snapshot = ahead;
    }
    return keep;
}

/* Makes the stack of the present lane what the snapshot says, in the next phases. */
static void
go_to_snapshot(struct player *player, struct player_stream *stream, uint64_t open_ticks)
{
    stream->keep = common_calls(player, stream->lane, &stream->snapshot);
    stream->open_ticks = open_ticks;
    stream->unknown_ns = stream->lane->last_ns;
    stream->phase = PHASE_CUT;
}

/* Opens a chunk. False: it is damaged, or (with a status) nothing goes on. */
static bool
read_chunk(struct player *player, struct player_stream *stream,
           const struct marey_extent *extent)
{
    enum marey_status status = marey_chunk_take(player, stream, extent);

    if (status == MAREY_NOMEM)
        return fail(player, status, "no memory for a chunk");
    if (status == MAREY_IO)
        return fail(player, status, "the trace cannot be read");
    return status == MAREY_OK;
}

/* A lane of which nothing was seen yet begins with its first chunk; others are where
 * their stream is. */
static void
begin_lane(const struct player *player, struct player_stream *stream, uint64_t ticks)
{
    observe(player, stream->home,
            stream->home->last_ns == INT64_MIN ? ticks : stream->last_ticks);
    if (stream->last_ticks < ticks)
        stream->last_ticks = ticks;
}

static void
go_into_gap(struct player *player, struct player_stream *stream, int64_t since_ns)
{
    if (stream->is_in_gap)
        return;
    stream->is_in_gap = true;
    marey_activation_gap_begin(player, stream->home, since_ns);
}

/* What comes next on the lane is lost, and nothing follows: any of its calls may have
 * done more, or ended. */
static bool
lose_end(struct player *player, struct player_stream *stream, uint64_t lost,
         struct beat *out)
{
    struct player_lane *lane = stream->home;
    int64_t end_ns = end_of(player, lane);

    for (uint32_t at = 1; lane->frames != NULL && at <= lane->depth; at++)
        lane->frames[at].has_gap = true;
    disown(lane, clock_difference(end_ns, lane->last_ns), true);
    go_into_gap(player, stream, stream->home->last_ns);
    return tell_gap(lane, lost, end_ns, out);
}

/* The next chunk lies behind the window: nothing of it counts, but what was lost before
 * it may have been lost inside. */
static bool
stop_before(struct player *player, struct player_stream *stream,
            const struct marey_extent *extent, struct beat *out)
{
    bool is_seen = stream->home->last_ns != INT64_MIN;
    uint64_t lost = is_seen && extent->first_index > stream->due
                        ? extent->first_index - stream->due
                        : 0;

    go_to_end(player, stream);
    return lost > 0 && lose_end(player, stream, lost, out);
}

/* PHASE_CHUNK: opens the next chunk, and says what was lost before it. */
static bool
open_chunk(struct player *player, struct player_stream *stream, struct beat *out)
{
    const struct marey_extent *extent;
    uint64_t lost = 0;

    if (stream->next_extent >= stream->stream->count) {
        lost = stream->expected - stream->due;
        stream->due = stream->expected;
        begin_lane(player, stream, extent_at(player, stream, 0)->base_ticks);
        go_to_end(player, stream);
        return lose_end(player, stream, lost, out);
    }
    extent = extent_at(player, stream, stream->next_extent);
    if (clock_ns(&player->trace->clock, extent->base_ticks) >= player->selection.to_ns)
        return stop_before(player, stream, extent, out);
    if (player->skip != NULL && player->skip(player->skip_context, player, stream))
        return false;
    stream->next_extent++;
    if (extent->first_index + extent->record_count > stream->expected)
        stream->expected = extent->first_index + extent->record_count;
    if (!read_chunk(player, stream, extent)) {
        go_to_chunk(player, stream);
        return false;
    }
    if (extent->first_index > stream->due)
        lost = extent->first_index - stream->due;
    stream->due = extent->first_index;
    stream->is_unknown = lost > 0 || stream->is_hidden;
    stream->is_hidden = extent->is_left_out;
    if (extent->is_left_out)
        stream->due += extent->record_count;
    begin_lane(player, stream, extent->base_ticks);
    go_to_snapshot(player, stream, extent->base_ticks);
    if (stream->is_unknown)
        go_into_gap(player, stream, stream->home->last_ns);
    return lost > 0 &&
           tell_gap(stream->home, lost,
                    clock_ns(&player->trace->clock, extent->base_ticks), out);
}

struct frame *
marey_player_push(struct player *player, struct player_lane *lane, uint32_t function)
{
    return push_call(player, lane, function);
}

void
marey_player_pass(struct player *player, struct player_stream *stream,
                  uint32_t chunk_count, uint64_t event_count)
{
    stream->next_extent += chunk_count;
    stream->due += event_count;
    if (stream->expected < stream->due)
        stream->expected = stream->due;
    player->position += event_count;
    if (stream->next_extent < stream->stream->count)
        stream->last_ticks = extent_at(player, stream, stream->next_extent)->base_ticks;
    go_to_chunk(player, stream);
}

/* ---- phases without events ---- */

static bool
cut_call(struct player *player, struct player_stream *stream, struct beat *out)
{
    struct player_lane *lane = stream->lane;

    if (lane->depth > stream->keep) {
        stream->is_unknown = true;
        lane->frames[lane->depth].has_gap = true;
        return end_call(lane, MAREY_END_CUT, MAREY_NO_INDEX, out);
    }
    stream->phase = PHASE_OPEN;
    set_key(player, stream, stream->open_ticks);
    return false;
}

/* The calls are again those that are open: what the innermost one did meanwhile, and
 * how long, is not its own. */
static void
end_gap(struct player *player, struct player_stream *stream)
{
    int64_t now_ns = observe(player, stream->lane, stream->open_ticks);

    disown(stream->lane, clock_difference(now_ns, stream->unknown_ns),
           stream->is_in_gap);
    stream->is_unknown = false;
    if (stream->is_in_gap)
        marey_activation_gap_end(player, stream->home);
    stream->is_in_gap = false;
}

static bool
open_call(struct player *player, struct player_stream *stream, struct beat *out)
{
    struct marey_snapshot_entry entry;

    if (!marey_snapshot_next(&stream->snapshot, &entry)) {
        if (stream->is_unknown)
            end_gap(player, stream);
        fetch(player, stream);
        return false;
    }
    uint32_t function = resolve_function(player, stream->lane, entry.function);
    if (function == MAREY_NO_INDEX)
        return false; /* its callees hang on the nearest call that is known */
    observe(player, stream->lane, stream->open_ticks);
    return reopen_call(player, stream, function, &entry, out);
}

/* Before events of a lane are told, the calls that reach into the window are. */
static void
go_to_announce(struct player_stream *stream, struct player_lane *lane)
{
    stream->is_event_due = stream->phase == PHASE_EVENTS;
    stream->phase = PHASE_ANNOUNCE;
    stream->announcing = lane;
    stream->announced = 0;
}

static bool
announce_call(struct player *player, struct player_stream *stream, struct beat *out)
{
    struct player_lane *lane = stream->announcing;

    if (stream->announced < lane->depth)
        return announce(player, lane, ++stream->announced, out);
    lane->is_announced = true;
    if (!stream->is_event_due) {
        go_to_chunk(player, stream);
        return false;
    }
    stream->phase = PHASE_EVENTS;
    set_key(player, stream, stream->event.ticks);
    if (!stream->lane->is_announced)
        go_to_announce(stream, stream->lane);
    return false;
}

static bool
end_open_call(struct player *player, struct player_stream *stream, struct beat *out)
{
    struct player_lane *lane = stream->home;

    if (lane->depth == 0) {
        marey_memory_free(lane->frames);
        lane->frames = NULL;
        player->frame_room -= lane->capacity;
        lane->capacity = 0;
        stream->phase = PHASE_OVER;
        return false;
    }
    int64_t end_ns = end_of(player, lane);
    if (stream->is_hidden || may_be_cut_short(player->trace))
        disown(lane, clock_difference(end_ns, lane->last_ns), true);
    lane->last_ns = end_ns;
    return end_call(lane, MAREY_END_OPEN, MAREY_NO_INDEX, out);
}

/* ---- events ---- */

/* Notes, and events that cannot be understood. */
static MAREY_NOINLINE bool
play_other(struct player *player, struct player_stream *stream, struct beat *out)
{
    const struct marey_event *event = &stream->event;
    int64_t last_ns, now_ns;
    bool is_told = false;

    switch (event->kind) {
    case MAREY_EVENT_RESYNC:
        stream->snapshot = event->snapshot;
        /* The calls that are over ended when the lane was last seen. */
        go_to_snapshot(player, stream, event->ticks);
        stream->is_unknown = false;
        return false;
    case MAREY_EVENT_LOST:
        last_ns = stream->lane->last_ns;
        now_ns = observe(player, stream->lane, event->ticks);
        disown(stream->lane, clock_difference(now_ns, last_ns), true);
        is_told = tell_gap(stream->lane, event->number, now_ns, out);
        stream->due += event->number;
        break;
    case MAREY_EVENT_VALUES:
    case MAREY_EVENT_SWITCH: play_note(player, stream, event); break;
    case MAREY_EVENT_THROWN: break;
    default:
        /* Of a function that is not known: the rest of the chunk is lost. */
        stream->due--;
        marey_chunk_give(player, stream);
        go_to_chunk(player, stream);
        return false;
    }
    fetch(player, stream);
    if (!stream->lane->is_announced && !stream->is_silent)
        go_to_announce(stream, stream->lane);
    return is_told;
}

MAREY_INLINE bool
play(struct player *player, struct player_stream *stream, struct beat *out)
{
    const struct marey_event *event = &stream->event;
    struct player_lane *lane = stream->lane;
    int64_t now_ns = clock_ns(&player->trace->clock, event->ticks);

    if (MAREY_UNLIKELY(now_ns >= player->selection.to_ns)) {
        lane->last_ns = player->selection.to_ns;
        go_to_end(player, stream);
        return false;
    }
    stream->last_ticks = event->ticks;
    if (MAREY_UNLIKELY(event->kind >= MAREY_EVENT_THROWN))
        return play_other(player, stream, out);
    if (MAREY_LIKELY(now_ns > lane->last_ns))
        lane->last_ns = now_ns;
    player->position++;
    stream->due++;
    lane->event_count++;
    enum played played = play_event(player, stream, event, out);
    if (MAREY_UNLIKELY(played == PLAYED_BADLY))
        return play_other(player, stream, out);
    fetch(player, stream);
    return played == PLAYED_BEAT;
}

static MAREY_NOINLINE bool advance(struct player *player, struct player_stream *stream,
                                   struct beat *out);

/* The time of what the stream does next, if it is an event or a chunk. */
static bool
knows_time(const struct player *player, const struct player_stream *stream,
           int64_t *time_ns)
{
    uint64_t ticks;

    if (stream->phase == PHASE_EVENTS)
        ticks = stream->event.ticks;
    else if (stream->phase == PHASE_CHUNK &&
             stream->next_extent < stream->stream->count)
        ticks = extent_at(player, stream, stream->next_extent)->base_ticks;
    else
        return false;
    *time_ns = clock_ns(&player->trace->clock, ticks);
    return true;
}

/* Plays in silence what lies before the window; then the calls that reach into it are
 * told, if the lane lives to see it. */
static bool
prime(struct player *player, struct player_stream *stream, struct beat *out)
{
    int64_t from_ns = player->selection.from_ns, time_ns = 0;

    stream->is_silent = true;
    go_to_chunk(player, stream);
    while (player->status == MAREY_OK && stream->phase != PHASE_END) {
        if (knows_time(player, stream, &time_ns) && time_ns >= from_ns)
            break;
        advance(player, stream, out);
    }
    stream->is_silent = false;
    if (stream->phase == PHASE_END && end_of(player, stream->home) < from_ns)
        stream->home->depth = 0;
    else
        go_to_announce(stream, stream->home);
    set_key(player, stream, 0);
    return false;
}

/* One thing of a stream. True: it is a beat. */
static MAREY_NOINLINE bool
advance(struct player *player, struct player_stream *stream, struct beat *out)
{
    switch (stream->phase) {
    case PHASE_EVENTS: return play(player, stream, out);
    case PHASE_CHUNK: return open_chunk(player, stream, out);
    case PHASE_CUT: return cut_call(player, stream, out);
    case PHASE_OPEN: return open_call(player, stream, out);
    case PHASE_PRIME: return prime(player, stream, out);
    case PHASE_ANNOUNCE: return announce_call(player, stream, out);
    case PHASE_END: return end_open_call(player, stream, out);
    default: return false;
    }
}

/* Calls on lanes that have no stream of their own, when all streams are over. */
static bool
end_leftover(struct player *player, struct beat *out)
{
    for (; player->leftover < player->trace->lane_count; player->leftover++) {
        struct player_lane *lane = &player->lanes[player->leftover];
        if (lane->depth == 0 || !lane->is_announced)
            continue;
        lane->last_ns = end_of(player, lane);
        if (end_call(lane, MAREY_END_OPEN, MAREY_NO_INDEX, out) && lane->is_selected)
            return true;
    }
    if (player->leftover == player->trace->lane_count) {
        player->leftover++;
        marey_activation_forget_all(player);
    }
    return false;
}

bool
marey_player_next(struct player *player, struct beat *out)
{
    while (player->heap_count > 0) {
        uint32_t index = player->heap[0];
        struct player_stream *stream = &player->streams[index];
        bool is_beat = MAREY_LIKELY(stream->phase == PHASE_EVENTS)
                           ? play(player, stream, out)
                           : advance(player, stream, out);
        if (MAREY_UNLIKELY(player->status != MAREY_OK))
            return false;
        if (MAREY_UNLIKELY(stream->phase == PHASE_OVER))
            remove_first(player);
        else if (player->heap_count > 1 &&
                 (is_before(player, player->heap[1], index) ||
                  (player->heap_count > 2 &&
                   is_before(player, player->heap[2], index))))
            sift_down(player, 0);
        if (is_beat && MAREY_LIKELY(out->lane->is_selected))
            return true;
    }
    return player->status == MAREY_OK && end_leftover(player, out);
}

/* ---- beginning ---- */

/* The last chunk that starts before the window, or the first of all. */
static uint32_t
chunk_before(const struct player *player, const struct player_stream *stream)
{
    uint32_t from = 0, to = stream->stream->count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        uint64_t ticks = extent_at(player, stream, middle)->base_ticks;
        if (clock_ns(&player->trace->clock, ticks) <= player->selection.from_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 ? from - 1 : 0;
}

void
marey_player_begin(struct player *player, struct player_stream *stream,
                   const struct marey_stream *source, struct player_lane *home)
{
    stream->stream = source;
    stream->home = stream->lane = home;
    if (player->selection.from_ns != INT64_MIN)
        stream->next_extent = chunk_before(player, stream);
    if (stream->next_extent == 0 && extent_at(player, stream, 0)->first_index > 0)
        go_into_gap(player, stream,
                    clock_ns(&player->trace->clock,
                             player->trace->lanes[home->index].start_ticks));
    if (player->selection.from_ns == INT64_MIN) {
        go_to_chunk(player, stream);
        return;
    }
    stream->phase = PHASE_PRIME;
    /* What was lost before that chunk was lost before the window. */
    if (stream->next_extent > 0)
        stream->due = stream->expected =
            extent_at(player, stream, stream->next_extent)->first_index;
    set_key(player, stream, 0);
}

void
marey_player_begin_part(struct player *player, const struct marey_stream *chunks,
                        uint32_t lane, bool is_first)
{
    struct player_stream *stream = &player->streams[0];
    struct player_lane *home = &player->lanes[lane];

    marey_chunk_give(player, stream);
    *stream = (struct player_stream){0};
    home->depth = 0;
    home->last_ns = INT64_MIN;
    home->event_count = home->cost = 0;
    player->position = 0;
    player->leftover = (uint32_t)player->trace->lane_count + 1;
    player->heap[0] = 0;
    player->heap_count = 1;
    marey_player_begin(player, stream, chunks, home);
    if (!is_first)
        stream->due = stream->expected = extent_at(player, stream, 0)->first_index;
}

void
marey_player_order(struct player *player)
{
    for (uint32_t at = player->heap_count / 2; at-- > 0;)
        sift_down(player, at);
}
