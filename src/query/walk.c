/* Steps: beats as they are told to others, less what is filtered out.
 *
 * With a shortest duration, the begin of a call waits until the call is known to be
 * long enough, by its lane's time or by its end. What happens at a point in time inside
 * it is held as long, so that the steps of a lane stay in order:
 *
 *     frames:   told | waiting | waiting
 *                       ^ first    ^
 *     points:           [instant][log][instant]
 *                                ^ `held` of the second: told after its begin
 *
 * A call is longer than what it calls, so whoever is told has callers that were.
 */
#include "query/player.h"

#define HELD_MAX 4096 /* points held on a lane; more, and their calls are told */

/* frame.mark */
enum mark { MARK_NONE, MARK_WAITING, MARK_TOLD };

struct waiting_call {
    struct beat beat; /* its begin; the frame is found anew */
    size_t held;      /* points held when it began */
};

/* What waits on a lane. */
struct waiting {
    struct waiting_call *calls; /* owned; by index of frame */
    size_t call_capacity;
    struct beat *points; /* owned */
    size_t point_capacity;
    size_t point_count;
    size_t told;    /* of the points */
    size_t due;     /* points before this one may be told */
    uint32_t first; /* frame of the outermost waiting call; 0: none waits */
};

struct marey_walk {
    struct player player;
    struct waiting *waiting; /* owned; by lane; NULL: no shortest duration */
    struct beat beat;
    bool has_beat; /* it is still to be dealt with */
};

/* ---- steps ---- */

/* Where the call was made, if that is known. */
static inline void
tell_call_site(const struct marey_trace *trace, const struct beat *beat,
               struct marey_step *out)
{
    uint32_t id = beat->frame->made_as;
    uint32_t index = id == 0
                         ? MAREY_NO_INDEX
                         : trace_resolve(trace, &trace->processes[beat->lane->process],
                                         ID_CALL_SITE, id);

    out->call_line = 0;
    out->caller = MAREY_NO_INDEX;
    if (index != MAREY_NO_INDEX) {
        const struct call_site *site = trace_call_site(trace, index);
        out->call_line = site->line;
        out->caller = site->caller;
    }
}

/* Every field is named: what is left out would be cleared by a loop that costs more
 * than all the rest. */
static void
tell_call(const struct marey_trace *trace, const struct beat *beat,
          struct marey_step *out)
{
    static const enum marey_step_kind kinds[] = {
        [BEAT_BEGIN] = MAREY_STEP_BEGIN,
        [BEAT_RESUME] = MAREY_STEP_RESUME,
        [BEAT_END] = MAREY_STEP_END,
        [BEAT_SUSPEND] = MAREY_STEP_SUSPEND,
    };
    const struct frame *frame = beat->frame;
    bool is_over = beat->kind == BEAT_END || beat->kind == BEAT_SUSPEND;
    bool is_begin = beat->kind == BEAT_BEGIN;
    int64_t duration_ns = beat->time_ns - frame->begin_ns;
    int64_t self_ns = clock_difference(beat->time_ns - frame->seen_ns, frame->child_ns);

    out->kind = kinds[beat->kind];
    out->ending = is_over ? (enum marey_ending)beat->ending : MAREY_END_RETURNED;
    out->lane = beat->lane->index;
    out->function = frame->function;
    out->parent = frame->parent;
    out->depth = frame->depth;
    out->string = beat->string;
    tell_call_site(trace, beat, out);
    out->time_ns = beat->time_ns;
    out->begin_ns = frame->begin_ns;
    out->duration_ns = is_over ? duration_ns : 0;
    out->self_ns = is_over && self_ns > 0 ? self_ns : 0;
    out->first_ns = is_begin && frame->first_ns == MAREY_NO_TIME ? frame->begin_ns
                                                                 : frame->first_ns;
    out->running_ns = is_over ? clock_sum(frame->running_ns, duration_ns) : 0;
    out->child_count = is_over ? frame->child_count : 0;
    out->descendant_events = is_over ? beat->child_events : 0;
    out->activation = frame->activation;
    out->was_open = is_begin && frame->was_open;
    out->is_thrown = beat->is_thrown;
    out->is_joined = frame->is_joined;
    out->has_gap = is_over && frame->has_gap;
    out->value = 0;
    out->lost_count = 0;
    out->flow = 0;
    out->blob = frame->blob;
    out->result_blob = is_over ? frame->result_blob : 0;
    out->log_class = 0;
}

static void
fill_point(const struct beat *beat, struct marey_step *out)
{
    switch (beat->event_kind) {
    case MAREY_EVENT_COUNTER:
        out->kind = MAREY_STEP_COUNTER;
        out->value = beat->value;
        break;
    case MAREY_EVENT_LOG:
        out->kind = MAREY_STEP_LOG;
        out->blob = beat->number;
        out->log_class = beat->detail;
        break;
    case MAREY_EVENT_FLOW_OUT:
    case MAREY_EVENT_FLOW_IN:
        out->kind = beat->event_kind == MAREY_EVENT_FLOW_OUT ? MAREY_STEP_FLOW_OUT
                                                             : MAREY_STEP_FLOW_IN;
        out->flow = beat->number;
        break;
    default:
        out->kind = MAREY_STEP_INSTANT;
        out->blob = beat->number;
        break;
    }
}

static void
tell_point(const struct beat *beat, struct marey_step *out)
{
    const struct frame *frame = beat->frame;

    *out = (struct marey_step){
        .lane = beat->lane->index,
        .function = MAREY_NO_INDEX,
        .parent = frame->is_shown ? frame->function : frame->parent,
        .caller = MAREY_NO_INDEX,
        .depth = frame->depth + frame->is_shown,
        .string = beat->string,
        .time_ns = beat->time_ns,
        .first_ns = MAREY_NO_TIME,
    };
    if (beat->kind == BEAT_GAP) {
        out->kind = MAREY_STEP_GAP;
        out->lost_count = beat->number;
        out->duration_ns = beat->until_ns - beat->time_ns;
    } else {
        fill_point(beat, out);
    }
}

static bool
tell(const struct marey_walk *walk, const struct beat *beat, struct marey_step *out)
{
    if (MAREY_LIKELY(beat->kind <= BEAT_SUSPEND))
        tell_call(walk->player.trace, beat, out);
    else
        tell_point(beat, out);
    return true;
}

/* ---- calls that wait ---- */

static bool
fail(struct marey_walk *walk)
{
    walk->player.status =
        marey_fail(&walk->player.error, MAREY_NOMEM, "no memory for calls that wait");
    return false;
}

/* The next waiting frame from `at` up to the innermost one, or 0. */
static uint32_t
next_waiting(const struct player_lane *lane, uint32_t at, uint32_t last)
{
    for (; at <= last; at++) {
        if (lane->frames[at].is_shown && lane->frames[at].mark == MARK_WAITING)
            return at;
    }
    return 0;
}

static bool
hold_call(struct marey_walk *walk, struct waiting *waiting, const struct beat *beat)
{
    uint32_t at = (uint32_t)(beat->frame - beat->lane->frames);

    if (!marey_memory_grow((void **)&waiting->calls, &waiting->call_capacity,
                           (size_t)at + 1, sizeof(*waiting->calls)))
        return fail(walk);
    waiting->calls[at] = (struct waiting_call){*beat, waiting->point_count};
    beat->frame->mark = MARK_WAITING;
    if (waiting->first == 0)
        waiting->first = at;
    return false;
}

static bool
hold_point(struct marey_walk *walk, struct waiting *waiting, const struct beat *beat)
{
    if (!marey_memory_grow((void **)&waiting->points, &waiting->point_capacity,
                           waiting->point_count + 1, sizeof(*waiting->points)))
        return fail(walk);
    waiting->points[waiting->point_count++] = *beat;
    return false;
}

/* Tells the begin of the outermost waiting call. `last` is the innermost frame. */
static bool
tell_first(const struct marey_walk *walk, struct waiting *waiting,
           struct player_lane *lane, uint32_t last, struct marey_step *out)
{
    uint32_t at = waiting->first;
    struct beat beat = waiting->calls[at].beat;

    beat.frame = &lane->frames[at];
    beat.frame->mark = MARK_TOLD;
    waiting->first = next_waiting(lane, at + 1, last);
    waiting->due = waiting->first != 0 ? waiting->calls[waiting->first].held
                                       : waiting->point_count;
    return tell(walk, &beat, out);
}

/* Tells a point that was held; its call is the innermost one told by now. */
static bool
tell_held(const struct marey_walk *walk, struct waiting *waiting,
          struct player_lane *lane, uint32_t last, struct marey_step *out)
{
    struct beat beat = waiting->points[waiting->told++];
    uint32_t at = waiting->first != 0 ? waiting->first - 1 : last;

    while (at > 0 && !(lane->frames[at].is_shown && lane->frames[at].mark == MARK_TOLD))
        at--;
    beat.frame = &lane->frames[at];
    if (waiting->told == waiting->point_count && waiting->first == 0)
        waiting->told = waiting->due = waiting->point_count = 0;
    return tell(walk, &beat, out);
}

/* Deals with the beat where a shortest duration is asked for. True: a step was told;
 * the beat is done with when has_beat is false. */
static bool
take_beat(struct marey_walk *walk, struct marey_step *out)
{
    const struct beat *beat = &walk->beat;
    struct player_lane *lane = beat->lane;
    struct waiting *waiting = &walk->waiting[lane->index];
    bool is_ending = beat->kind == BEAT_END || beat->kind == BEAT_SUSPEND;
    bool is_begin = beat->kind == BEAT_BEGIN || beat->kind == BEAT_RESUME;
    int64_t long_ago = beat->time_ns - walk->player.selection.min_duration_ns;
    uint32_t last =
        lane->depth + is_ending; /* the ending call's frame is still there */

    if (waiting->told < waiting->due)
        return tell_held(walk, waiting, lane, last, out);
    if (waiting->first != 0 && (lane->frames[waiting->first].begin_ns <= long_ago ||
                                waiting->point_count - waiting->told >= HELD_MAX))
        return tell_first(walk, waiting, lane, last, out);
    if (is_ending && beat->frame->mark == MARK_WAITING && waiting->first == last) {
        /* Too short, and the outermost that waited: its points are free. */
        beat->frame->mark = MARK_NONE;
        waiting->first = 0;
        waiting->due = waiting->point_count;
        return false;
    }
    walk->has_beat = false;
    if (beat->kind > BEAT_SUSPEND)
        return waiting->first != 0 ? hold_point(walk, waiting, beat)
                                   : tell(walk, beat, out);
    if (!beat->frame->is_shown)
        return false;
    /* A snapshot may lie: a call that began before the one around it waits for that. */
    if (is_begin && (beat->frame->begin_ns > long_ago || waiting->first != 0))
        return hold_call(walk, waiting, beat);
    if (is_ending && beat->frame->mark != MARK_TOLD)
        return false;
    beat->frame->mark = MARK_TOLD;
    return tell(walk, beat, out);
}

/* ---- the walk ---- */

enum marey_status
marey_walk_new(struct marey_trace *trace, const struct marey_selection *selection,
               enum marey_order order, struct marey_walk **out, struct marey_error *err)
{
    struct marey_walk *walk = marey_memory_new(1, sizeof(*walk));

    if (walk == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to walk the trace");
    enum marey_status status =
        marey_player_init(&walk->player, trace, selection, order, err);
    if (status == MAREY_OK && selection->min_duration_ns > 0) {
        walk->waiting = marey_memory_new(trace->lane_count, sizeof(*walk->waiting));
        if (walk->waiting == NULL)
            status = marey_fail(err, MAREY_NOMEM, "no memory to walk the trace");
    }
    if (status != MAREY_OK) {
        marey_walk_free(walk);
        return status;
    }
    *out = walk;
    return MAREY_OK;
}

bool
marey_walk_next(struct marey_walk *walk, struct marey_step *out)
{
    struct beat *beat = &walk->beat;

    for (;;) {
        if (!walk->has_beat && !marey_player_next(&walk->player, beat))
            return false;
        if (walk->waiting != NULL) {
            walk->has_beat = true;
            if (take_beat(walk, out))
                return true;
            if (MAREY_UNLIKELY(walk->player.status != MAREY_OK))
                return false;
        } else if (beat->kind > BEAT_SUSPEND || beat->frame->is_shown) {
            return tell(walk, beat, out);
        }
    }
}

enum marey_status
marey_walk_status(const struct marey_walk *walk, struct marey_error *err)
{
    if (walk->player.status != MAREY_OK && err != NULL)
        *err = walk->player.error;
    return walk->player.status;
}

uint64_t
marey_walk_position(const struct marey_walk *walk)
{
    return walk->player.position;
}

void
marey_walk_free(struct marey_walk *walk)
{
    if (walk == NULL)
        return;
    struct marey_trace *trace = walk->player.trace;
    for (size_t i = 0; walk->waiting != NULL && i < trace->lane_count; i++) {
        marey_memory_free(walk->waiting[i].calls);
        marey_memory_free(walk->waiting[i].points);
    }
    marey_memory_free(walk->waiting);
    marey_player_release(&walk->player);
    marey_memory_free(walk);
}
