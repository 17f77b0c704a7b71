/* What an event does to the calls of a lane. Part of player.c, in a file of its own:
 * inline, as it runs for each event.
 */
#ifndef MAREY_QUERY_PLAY_H
#define MAREY_QUERY_PLAY_H

#include "query/player.h"

enum played {
    PLAYED_SILENTLY,
    PLAYED_BEAT,
    PLAYED_BADLY, /* the event cannot be understood */
};

/* Stands for the innermost call where none was ever open. Never written. */
static struct frame below_all = {.function = MAREY_NO_INDEX, .parent = MAREY_NO_INDEX};

static inline struct frame *
innermost(const struct player_lane *lane)
{
    return lane->frames == NULL ? &below_all : &lane->frames[lane->depth];
}

/* The time of an event on a lane; never before the one seen last. */
MAREY_INLINE int64_t
observe(const struct player *player, struct player_lane *lane, uint64_t ticks)
{
    int64_t now_ns = clock_ns(&player->trace->clock, ticks);

    if (MAREY_UNLIKELY(now_ns < lane->last_ns))
        return lane->last_ns;
    lane->last_ns = now_ns;
    return now_ns;
}

MAREY_INLINE uint32_t
resolve_function(const struct player *player, const struct player_lane *lane,
                 uint32_t id)
{
    const struct marey_trace *trace = player->trace;
    uint32_t function =
        trace_resolve(trace, &trace->processes[lane->process], ID_FUNCTION, id);

    return MAREY_LIKELY(function != MAREY_NO_INDEX) ? function
                                                    : trace->unknown_function;
}

static inline uint32_t
resolve_string(const struct player *player, const struct player_lane *lane, uint32_t id)
{
    const struct marey_trace *trace = player->trace;

    return trace_resolve(trace, &trace->processes[lane->process], ID_STRING, id);
}

/* Values lie with the thread that wrote the event, which may not be its lane. */
static inline uint64_t
blob_of(const struct player_stream *stream, uint64_t blob)
{
    if (blob == 0 || blob >> BLOB_LANE_SHIFT != 0)
        return 0;
    if (stream->lane == stream->home)
        return blob;
    return ((uint64_t)stream->home->index + 1) << BLOB_LANE_SHIFT | blob;
}

/* ---- beats ---- */

MAREY_INLINE void
fill_beat(struct beat *out, enum beat_kind kind, struct player_lane *lane,
          struct frame *frame)
{
    out->kind = kind;
    out->lane = lane;
    out->frame = frame;
    out->time_ns = lane->last_ns;
    out->string = MAREY_NO_INDEX;
    out->is_thrown = false;
}

static inline bool
tell_gap(struct player_lane *lane, uint64_t lost, int64_t until_ns, struct beat *out)
{
    fill_beat(out, BEAT_GAP, lane, innermost(lane));
    out->number = lost;
    out->until_ns = until_ns > lane->last_ns ? until_ns : lane->last_ns;
    return true;
}

/* What the innermost call did for this long is not known: it is not its own time. */
static inline void
disown(struct player_lane *lane, int64_t duration_ns, bool is_loss)
{
    if (lane->frames == NULL)
        return;
    struct frame *frame = innermost(lane);
    frame->has_gap |= is_loss;
    if (duration_ns > 0)
        frame->child_ns = clock_sum(frame->child_ns, duration_ns);
}

/* ---- calls ---- */

/* A new innermost call that begins now; NULL: the player has failed. */
MAREY_INLINE struct frame *
push_call(struct player *player, struct player_lane *lane, uint32_t function)
{
    if (MAREY_UNLIKELY(lane->depth + 1 >= lane->capacity) &&
        !marey_player_grow(player, lane))
        return NULL;
    const struct frame *caller = &lane->frames[lane->depth];
    struct frame *frame = &lane->frames[++lane->depth];
    uint8_t traits = player->traits[function];

    frame->function = function;
    frame->parent = caller->is_shown ? caller->function : caller->parent;
    frame->depth = caller->depth + caller->is_shown;
    frame->is_shown =
        (traits & TRAIT_SELECTED) != 0 && frame->depth < player->selection.max_depth;
    frame->begin_ns = frame->seen_ns = frame->first_ns = lane->last_ns;
    frame->child_ns = frame->running_ns = 0;
    frame->activation = 0;
    frame->cost_ps = lane->cost_ps[traits & TRAIT_C];
    frame->events_at = lane->event_count;
    frame->cost_at = lane->cost;
    frame->child_cost = 0;
    frame->blob = frame->result_blob = 0;
    frame->child_count = 0;
    frame->made_as = 0;
    frame->mark = 0;
    frame->is_resumed = frame->was_open = frame->is_counted = false;
    frame->is_joined = frame->has_gap = false;
    return frame;
}

/* The innermost call's running part is over. Events of its own end are counted by the
 * caller, so `events_below` says what came before. */
MAREY_INLINE struct frame *
pop_call(struct player_lane *lane, uint64_t events_below, struct beat *out)
{
    struct frame *frame = &lane->frames[lane->depth];
    struct frame *caller = &lane->frames[--lane->depth];
    uint64_t cost_below = lane->cost - frame->cost_at;

    caller->child_ns = clock_sum(caller->child_ns, lane->last_ns - frame->seen_ns);
    caller->child_count += !frame->is_resumed;
    caller->child_cost += cost_below + frame->cost_ps;
    out->child_events = events_below;
    out->child_cost = cost_below;
    return frame;
}

/* Ends the innermost call without an event of its own. */
static inline bool
end_call(struct player_lane *lane, enum marey_ending ending, uint32_t string,
         struct beat *out)
{
    uint64_t events_below = lane->event_count - innermost(lane)->events_at;
    struct frame *frame = pop_call(lane, events_below, out);

    fill_beat(out, BEAT_END, lane, frame);
    out->ending = ending;
    out->string = string;
    return true;
}

/* A call of a snapshot that was not known to be open. What its caller did before, and
 * what it did itself so far, was not seen. */
static inline bool
reopen_call(struct player *player, struct player_stream *stream, uint32_t function,
            const struct marey_snapshot_entry *entry, struct beat *out)
{
    struct player_lane *lane = stream->lane;
    struct frame *frame = push_call(player, lane, function);

    if (frame == NULL)
        return false;
    frame->made_as = entry->function;
    frame->begin_ns = clock_ns(&player->trace->clock, entry->start_ticks);
    frame->seen_ns = frame->begin_ns > player->selection.from_ns
                         ? frame->begin_ns
                         : player->selection.from_ns;
    frame->is_resumed = entry->is_resumed;
    frame->first_ns = entry->is_resumed ? MAREY_NO_TIME : frame->begin_ns;
    frame->was_open = true;
    struct frame *caller = &lane->frames[lane->depth - 1];
    caller->has_gap |= stream->is_in_gap;
    if (frame->seen_ns > stream->unknown_ns)
        caller->child_ns = clock_sum(
            caller->child_ns, clock_difference(frame->seen_ns, stream->unknown_ns));
    stream->unknown_ns = frame->seen_ns;
    stream->is_unknown = true;
    fill_beat(out, BEAT_BEGIN, lane, frame);
    return true;
}

/* Tells of the call at `depth`, which reaches into the window; its time counts from
 * there. */
static inline bool
announce(const struct player *player, struct player_lane *lane, uint32_t depth,
         struct beat *out)
{
    struct frame *frame = &lane->frames[depth];

    if (lane->last_ns < player->selection.from_ns)
        lane->last_ns = player->selection.from_ns;
    frame->seen_ns = player->selection.from_ns;
    frame->child_ns = 0;
    frame->child_cost = 0;
    frame->child_count = 0;
    frame->events_at = lane->event_count;
    frame->cost_at = lane->cost;
    frame->was_open = true;
    frame->has_gap = false;
    fill_beat(out, BEAT_BEGIN, lane, frame);
    return true;
}

/* ---- events ---- */

MAREY_INLINE enum played
play_enter(struct player *player, struct player_stream *stream,
           const struct marey_event *event, struct beat *out)
{
    struct player_lane *lane = stream->lane;
    uint32_t function = resolve_function(player, lane, event->function);
    struct marey_event note;

    if (MAREY_UNLIKELY(function == MAREY_NO_INDEX))
        return PLAYED_BADLY;
    lane->cost += lane->cost_ps[player->traits[function] & TRAIT_C];
    struct frame *frame = push_call(player, lane, function);
    if (MAREY_UNLIKELY(frame == NULL))
        return PLAYED_SILENTLY;
    frame->made_as = event->function;
    fill_beat(out, BEAT_BEGIN, lane, frame);
    if (MAREY_UNLIKELY(marey_cursor_may_note(&stream->chunk->cursor)) &&
        marey_cursor_take_note(&stream->chunk->cursor, MAREY_EVENT_VALUES, &note)) {
        if (note.detail == MAREY_ROLE_RETURN)
            frame->result_blob = blob_of(stream, note.number);
        else
            frame->blob = blob_of(stream, note.number);
    }
    return PLAYED_BEAT;
}

static inline enum played
play_resume(struct player *player, struct player_stream *stream,
            const struct marey_event *event, struct beat *out)
{
    struct player_lane *lane = stream->lane;
    uint32_t function = resolve_function(player, lane, event->function);
    struct marey_event note;

    if (MAREY_UNLIKELY(function == MAREY_NO_INDEX))
        return PLAYED_BADLY;
    lane->cost += lane->cost_ps[player->traits[function] & TRAIT_C];
    struct frame *frame = push_call(player, lane, function);
    if (MAREY_UNLIKELY(frame == NULL))
        return PLAYED_SILENTLY;
    frame->is_resumed = true;
    frame->first_ns = MAREY_NO_TIME;
    frame->activation = event->number;
    marey_activation_take(player, lane, frame);
    fill_beat(out, BEAT_RESUME, lane, frame);
    if (marey_cursor_may_note(&stream->chunk->cursor) &&
        marey_cursor_take_note(&stream->chunk->cursor, MAREY_EVENT_THROWN, &note)) {
        out->is_thrown = true;
        out->string = resolve_string(player, lane, note.string);
    }
    return PLAYED_BEAT;
}

/* The innermost call ends with an event of its own. One that no call is open for is no
 * beat: marey_trace_check() finds it. */
MAREY_INLINE enum played
play_end(struct player_lane *lane, enum beat_kind kind, enum marey_ending ending,
         struct beat *out)
{
    if (MAREY_UNLIKELY(lane->depth == 0))
        return PLAYED_SILENTLY;
    const struct frame *ending_frame = &lane->frames[lane->depth];
    struct frame *frame =
        pop_call(lane, lane->event_count - 1 - ending_frame->events_at, out);
    lane->cost += frame->cost_ps;
    fill_beat(out, kind, lane, frame);
    out->ending = ending;
    return PLAYED_BEAT;
}

static inline enum played
play_yield(struct player *player, struct player_lane *lane,
           const struct marey_event *event, struct beat *out)
{
    enum played played = play_end(lane, BEAT_SUSPEND, MAREY_END_RETURNED, out);

    if (played != PLAYED_BEAT)
        return played;
    struct frame *frame = out->frame;
    int64_t part_ns = lane->last_ns - frame->begin_ns;
    frame->activation = event->number;
    if (!marey_activation_put(player, lane, frame, part_ns))
        player->status =
            marey_fail(&player->error, MAREY_NOMEM, "no memory for suspended calls");
    return PLAYED_BEAT;
}

static inline enum played
play_point(struct player *player, struct player_stream *stream,
           const struct marey_event *event, struct beat *out)
{
    struct player_lane *lane = stream->lane;
    bool has_string = event->kind == MAREY_EVENT_INSTANT ||
                      event->kind == MAREY_EVENT_COUNTER ||
                      event->kind == MAREY_EVENT_LOG;
    bool has_blob =
        event->kind == MAREY_EVENT_INSTANT || event->kind == MAREY_EVENT_LOG;

    lane->cost += lane->cost_ps[0];
    if (event->kind == MAREY_EVENT_OTHER)
        return PLAYED_SILENTLY;
    fill_beat(out, BEAT_POINT, lane, innermost(lane));
    out->event_kind = event->kind;
    if (has_string)
        out->string = resolve_string(player, lane, event->string);
    out->number = has_blob ? blob_of(stream, event->number) : event->number;
    out->value = event->value;
    out->detail = event->detail;
    return PLAYED_BEAT;
}

MAREY_INLINE enum played
play_event(struct player *player, struct player_stream *stream,
           const struct marey_event *event, struct beat *out)
{
    struct player_lane *lane = stream->lane;
    enum played played;

    switch (event->kind) {
    case MAREY_EVENT_ENTER: return play_enter(player, stream, event, out);
    case MAREY_EVENT_LEAVE: return play_end(lane, BEAT_END, MAREY_END_RETURNED, out);
    case MAREY_EVENT_UNWIND:
        played = play_end(lane, BEAT_END, MAREY_END_RAISED, out);
        if (played == PLAYED_BEAT)
            out->string = resolve_string(player, lane, event->string);
        return played;
    case MAREY_EVENT_CUT: return play_end(lane, BEAT_END, MAREY_END_CUT, out);
    case MAREY_EVENT_YIELD: return play_yield(player, lane, event, out);
    case MAREY_EVENT_RESUME: return play_resume(player, stream, event, out);
    default: return play_point(player, stream, event, out);
    }
}

/* Notes that make no beat. */
static inline void
play_note(struct player *player, struct player_stream *stream,
          const struct marey_event *event)
{
    struct player_lane *lane = stream->lane;

    if (event->kind == MAREY_EVENT_VALUES && lane->depth > 0) {
        struct frame *frame = innermost(lane);
        if (event->detail == MAREY_ROLE_RETURN)
            frame->result_blob = blob_of(stream, event->number);
        else
            frame->blob = blob_of(stream, event->number);
    } else if (event->kind == MAREY_EVENT_SWITCH) {
        uint32_t index = marey_trace_lane_index(player->trace, stream->home->process,
                                                (uint32_t)event->number);
        stream->lane = index == MAREY_NO_INDEX ? stream->home : &player->lanes[index];
    }
}

#endif
