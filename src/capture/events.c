/* Events on the slow road: a thread's first, those after a long pause or a full chunk,
 * stacks that do not match, filters at capture, and the rare kinds.
 *
 * Duration filter (--min-duration): an enter stays pending on the shadow stack and is
 * written only when the call lived long enough or something was written below it. Any
 * write first writes the pending ancestors, outermost first with their true start; so
 * nothing is ever written later than a pending start, and deltas stay at or above zero.
 * The idea is uftrace's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "capture/recording.h"
#include "capture/watch.h"

/* Larger deltas get an ADVANCE: an event stays below MAREY_EVENT_SIZE_MAX. */
#define DELTA_MAX (UINT64_C(1) << 32)

/* ---- writing ---- */

/* Bytes of one event; the first is stored last, so that a kill leaves whole events. */
static void
put_long(struct marey_lane *lane, const uint8_t *bytes, size_t size_bytes)
{
    memcpy(lane->cursor + 1, bytes + 1, size_bytes - 1);
    __atomic_store_n(lane->cursor, bytes[0], __ATOMIC_RELEASE);
    lane->cursor += size_bytes;
}

static void
put_advance(struct marey_lane *lane, uint64_t now)
{
    uint8_t bytes[10] = {MAREY_TOKEN_EXTENDED, MAREY_OP_ADVANCE};

    memcpy(bytes + 2, &now, sizeof(now));
    put_long(lane, bytes, sizeof(bytes));
    lane->last_ticks = now;
}

/* Room for an event, and a delta that a token can say. Returns the event's delta. */
static uint64_t
prepare(struct marey_lane *lane, uint64_t now)
{
    if (lane->cursor > lane->real_limit ||
        (lane->cursor > lane->limit && lane->limit != NULL) || !lane->has_name)
        marey_lane_room(lane);
    if (now < lane->last_ticks)
        now = lane->last_ticks; /* another core's counter, a few ticks behind */
    if (now - lane->last_ticks >= DELTA_MAX) {
        put_advance(lane, now);
        if (lane->cursor > lane->real_limit)
            marey_lane_room(lane);
    }
    uint64_t delta = now - lane->last_ticks;
    lane->last_ticks = now;
    return delta;
}

static size_t
token(uint8_t *bytes, uint64_t delta, unsigned kind)
{
    return marey_varint_put(bytes, delta << MAREY_TOKEN_BITS | kind);
}

static void
write_enter(struct marey_lane *lane, const struct marey_function *function,
            uint64_t now)
{
    uint8_t bytes[2 * MAREY_VARINT_SIZE_MAX];
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_ENTER);

    size += marey_varint_put(bytes + size, function->id);
    put_long(lane, bytes, size);
    lane->event_count++;
}

static void
write_leave(struct marey_lane *lane, uint64_t now)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX];

    put_long(lane, bytes, token(bytes, prepare(lane, now), MAREY_TOKEN_LEAVE));
    lane->event_count++;
}

static void
write_op(struct marey_lane *lane, uint8_t op, uint64_t now)
{
    uint8_t bytes[MAREY_VARINT_SIZE_MAX + 1];
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);

    bytes[size++] = op;
    put_long(lane, bytes, size);
    lane->event_count++;
}

/* A note belongs to the event beside it and is not counted. */
static void
write_op_number(struct marey_lane *lane, uint8_t op, uint64_t number, uint64_t now,
                bool is_note)
{
    uint8_t bytes[2 * MAREY_VARINT_SIZE_MAX + 1];
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);

    bytes[size++] = op;
    size += marey_varint_put(bytes + size, number);
    put_long(lane, bytes, size);
    lane->event_count += !is_note;
}

/* Has the slot for this activation mean it, in this chunk. */
static unsigned
bind_activation(struct marey_lane *lane, const struct marey_function *function,
                uintptr_t key, uint64_t now)
{
    uint8_t bytes[2 * MAREY_VARINT_SIZE_MAX + 10];

    /* Bind and use must be in one chunk: room for both before either. */
    if (lane->cursor + MAREY_EVENT_SIZE_MAX > lane->real_limit)
        marey_lane_roll(lane);
    uint64_t delta = prepare(lane, now);
    uint64_t place;
    marey_tagged_function what = marey_tag_function(function, true);
    if (marey_is_bound(lane, key, what, &place)) {
        lane->last_ticks -= delta; /* the use takes it */
        return (unsigned)(place / sizeof(struct marey_binding));
    }
    unsigned slot = (unsigned)(marey_bound_place(key) / sizeof(struct marey_binding));
    if (lane->bound[slot].key != key &&
        (lane->bound[slot ^ 1].key == key || lane->bound[slot].key != 0))
        slot ^= 1;
    size_t size = token(bytes, delta, MAREY_TOKEN_EXTENDED);
    bytes[size++] = MAREY_OP_BIND;
    bytes[size++] = (uint8_t)slot;
    size += marey_varint_put(bytes + size, function->id);
    uint64_t wide = key;
    memcpy(bytes + size, &wide, sizeof(wide));
    put_long(lane, bytes, size + sizeof(wide));
    lane->bound[slot] = (struct marey_binding){key, what};
    return slot;
}

static unsigned
write_resume(struct marey_lane *lane, const struct marey_function *function,
             uintptr_t key, uint64_t now)
{
    unsigned slot = bind_activation(lane, function, key, now);

    write_op(lane, (uint8_t)(MAREY_OP_RESUME + slot), now);
    return slot;
}

/* ---- the shadow stack ---- */

static void
write_values(struct marey_lane *lane, uint8_t role, uint64_t blob, uint64_t now)
{
    uint8_t bytes[2 * MAREY_VARINT_SIZE_MAX + 2];
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);

    bytes[size++] = MAREY_OP_VALUES;
    bytes[size++] = role;
    size += marey_varint_put(bytes + size, blob);
    put_long(lane, bytes, size);
}

/* Writes the calls that wait for --min-duration: something is written below them. */
static void
write_pending(struct marey_lane *lane)
{
    struct marey_call *call = lane->top;

    while (call > lane->stack && call->is_pending)
        call--;
    for (call++; call <= lane->top; call++) {
        if (!call->is_pending)
            continue;
        call->is_pending = false;
        if (marey_call_is_resumed(call))
            write_resume(lane, marey_call_function(call), call->key, call->start_ticks);
        else
            write_enter(lane, marey_call_as_made(call), call->start_ticks);
        if (call->arguments != 0)
            write_values(lane, MAREY_ROLE_ARGUMENTS, call->arguments,
                         call->start_ticks);
        call->arguments = 0;
    }
}

/* Ends what lies above `call`: it is over, and its end was not seen. */
static void
cut_above(struct marey_lane *lane, struct marey_call *call, uint64_t now)
{
    while (lane->top > call) {
        bool is_pending = lane->top->is_pending;
        lane->top--;
        if (is_pending)
            continue;
        write_op(lane, MAREY_OP_CUT, now);
    }
}

/* Set in the key of a call that is to end the slow way: a lane's outermost, when the
 * thread is looked at a last time; those that --keep is about, those whose maker wants
 * to be asked at their end, and those right above a call that is to go with them. Low
 * bits of keys are free (frames are aligned; C calls have 1, spans 2). */
#define ENDS_SLOWLY ((uintptr_t)4)

static struct marey_call *
find_call(struct marey_lane *lane, uintptr_t key)
{
    struct marey_call *call = lane->top;

    while (call > lane->stack && (call->key & ~ENDS_SLOWLY) != key)
        call--;
    return call > lane->stack ? call : NULL;
}

/* Calls of functions that are skipped by now: nobody will see them end. Those that are
 * innermost end here, so that what follows is not below them. */
static void
cut_skipped(struct marey_lane *lane, uint64_t now)
{
    struct marey_call *call = lane->top;

    while (call > lane->stack && marey_call_function(call)->is_skipped)
        call--;
    cut_above(lane, call, now);
}

/* Functions are skipped that were not: their calls go off the stack. One with recorded
 * calls inside stays until the first of these ends, for it is what they are in, and a
 * call that is told twice would be counted twice. */
static void
sift(struct marey_lane *lane, uint64_t now)
{
    atomic_store(&lane->must_sift, false);
    marey_lane_room(lane);
    cut_skipped(lane, now);
    for (struct marey_call *call = lane->stack + 1; call < lane->top; call++)
        if (marey_call_function(call)->is_skipped)
            call[1].key |= ENDS_SLOWLY;
}

/* The calling thread's lane, and the time. NULL: nothing to record. */
static struct marey_lane *
arrive(struct marey_lane *lane, uint64_t *now)
{
    if (atomic_load_explicit(&marey_is_forked, memory_order_acquire))
        marey_recording_adopt();
    struct marey_recording *recording =
        atomic_load_explicit(&marey_recording_now, memory_order_acquire);
    if (recording == NULL)
        return NULL;
    if (lane == &marey_idle_lane || lane->recording != recording)
        lane = marey_lane_attach();
    if (lane == NULL || lane->is_ended || lane->ignore_depth > 0)
        return NULL;
    if (lane->serial == 0)
        marey_lane_open(lane);
    if (lane->serial == 0)
        return NULL;
    *now = marey_recording_ticks(recording);
    if (atomic_load_explicit(&lane->must_sift, memory_order_acquire))
        sift(lane, *now);
    return lane;
}

static bool
is_too_deep(const struct marey_lane *lane)
{
    uint32_t most = lane->recording->max_depth;

    return most > 0 && lane->top - lane->stack >= (ptrdiff_t)most;
}

static bool
is_too_short(const struct marey_lane *lane, uint64_t now)
{
    return lane->top->is_pending &&
           now - lane->top->start_ticks < lane->recording->min_duration_ticks;
}

static void
push(struct marey_lane *lane, const struct marey_function *function, uintptr_t key,
     bool is_resumed, uint64_t now)
{
    bool waits = lane->recording->min_duration_ticks > 0;
    unsigned slot = 0;

    if (now < lane->last_ticks)
        now = lane->last_ticks;
    if (lane->top == lane->last && !marey_stack_grow(lane))
        return; /* its leave will find no such call */
    if (!waits && is_resumed)
        slot = write_resume(lane, function, key, now);
    else if (!waits)
        write_enter(lane, function, now);
    bool ends_slowly = lane->top == lane->stack || function->base->is_slow ||
                       function->base->keep_rules != 0;
    *++lane->top = (struct marey_call){
        .key = ends_slowly ? key | ENDS_SLOWLY : key,
        .start_ticks = waits ? now : lane->last_ticks,
        .what = marey_tag_function(function, is_resumed),
        .is_pending = waits,
        .place = (uint16_t)(slot * sizeof(struct marey_binding)),
    };
}

void
marey_enter_slow(struct marey_lane *lane, const struct marey_function *function,
                 uintptr_t key)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || is_too_deep(lane))
        return;
    if (function->base->keep_rules != 0)
        marey_watch_began(key);
    push(lane, function, key, false, now);
}

/* ---- spans of a suspended call ---- */

/* Spans that are open in a generator's or coroutine's call are suspended with it. They
 * wait here for its resume, on whichever thread that comes. Few, and rare. */
struct parked {
    struct parked *next;
    uintptr_t owner; /* key of the call */
    uint32_t count;
    struct marey_call spans[]; /* outermost first */
};
static struct parked *parked_first;
static _Atomic uint32_t parked_count;
static pthread_mutex_t parked_lock = PTHREAD_MUTEX_INITIALIZER;

static struct parked *
take_parked(uintptr_t owner)
{
    struct parked *found = NULL;

    if (atomic_load_explicit(&parked_count, memory_order_acquire) == 0)
        return NULL;
    pthread_mutex_lock(&parked_lock);
    struct parked **link = &parked_first;
    while (*link != NULL && (*link)->owner != owner)
        link = &(*link)->next;
    if (*link != NULL) {
        found = *link;
        *link = found->next;
        atomic_fetch_sub(&parked_count, 1);
    }
    pthread_mutex_unlock(&parked_lock);
    return found;
}

static bool
only_spans_above(const struct marey_lane *lane, const struct marey_call *call)
{
    for (const struct marey_call *above = call + 1; above <= lane->top; above++)
        if ((marey_call_function(above)->flags & MAREY_FUNCTION_SPAN) == 0)
            return false;
    return lane->top > call;
}

/* Suspends the spans above `call`, innermost first, and remembers them. */
static void
park_spans(struct marey_lane *lane, struct marey_call *call, uint64_t now)
{
    uint32_t count = (uint32_t)(lane->top - call);
    struct parked *parked = malloc(sizeof(*parked) + count * sizeof(struct marey_call));

    if (parked == NULL)
        return; /* they will be cut */
    free(take_parked(call->key & ~ENDS_SLOWLY));
    memcpy(parked->spans, call + 1, count * sizeof(struct marey_call));
    parked->owner = call->key & ~ENDS_SLOWLY;
    parked->count = count;
    write_pending(lane);
    while (lane->top > call) {
        unsigned slot =
            bind_activation(lane, marey_call_function(lane->top), lane->top->key, now);
        write_op(lane, (uint8_t)(MAREY_OP_YIELD + slot), now);
        lane->top--;
    }
    pthread_mutex_lock(&parked_lock);
    parked->next = parked_first;
    parked_first = parked;
    atomic_fetch_add(&parked_count, 1);
    pthread_mutex_unlock(&parked_lock);
}

static void
unpark_spans(struct marey_lane *lane, uintptr_t owner, uint64_t now)
{
    struct parked *parked = take_parked(owner);

    for (uint32_t i = 0; parked != NULL && i < parked->count; i++)
        push(lane, marey_call_function(&parked->spans[i]), parked->spans[i].key, true,
             now);
    free(parked);
}

/* Finds the call that ends now and makes it the top. False: none of ours. */
static bool
unearth(struct marey_lane *lane, uintptr_t key, uint64_t now)
{
    struct marey_call *call = find_call(lane, key);

    if (call == NULL)
        return false;
    cut_above(lane, call, now);
    if (call == lane->stack + 1)
        marey_lane_look(lane);
    return true;
}

static void
call_is_over(struct marey_lane *lane, uint64_t now)
{
    lane->top--;
    cut_skipped(lane, now);
}

/* The innermost call ends or pauses. True: its events so far are written, and whoever
 * asks writes this one; else it was too short, and is gone. */
static bool
is_told(struct marey_lane *lane, uint64_t now)
{
    if (is_too_short(lane, now)) {
        call_is_over(lane, now);
        return false;
    }
    write_pending(lane);
    return true;
}

static bool
call_ends(struct marey_lane *lane, uintptr_t key, uint64_t now, bool is_raised)
{
    if (!unearth(lane, key, now))
        return false;
    if (marey_call_function(lane->top)->keep_rules != 0)
        marey_watch_ended(lane->top, key, now, is_raised);
    return is_told(lane, now);
}

void
marey_leave_slow(struct marey_lane *lane, uintptr_t key)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || !call_ends(lane, key, now, false))
        return;
    write_leave(lane, now);
    call_is_over(lane, now);
}

void
marey_unwind(struct marey_lane *lane, uintptr_t key, uint32_t exception)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || !call_ends(lane, key, now, true))
        return;
    write_op_number(lane, MAREY_OP_UNWIND, exception, now, false);
    call_is_over(lane, now);
}

void
marey_yield_slow(struct marey_lane *lane, uintptr_t key)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL)
        return;
    struct marey_call *call = find_call(lane, key);
    if (call != NULL && only_spans_above(lane, call))
        park_spans(lane, call, now);
    if (!unearth(lane, key, now))
        return;
    if (marey_call_function(lane->top)->keep_rules != 0)
        marey_watch_suspended(lane->top, key);
    if (!is_told(lane, now))
        return;
    unsigned slot = bind_activation(lane, marey_call_function(lane->top), key, now);
    write_op(lane, (uint8_t)(MAREY_OP_YIELD + slot), now);
    if (atomic_load(&parked_count) > 0) /* its spans wait: resumed the slow way */
        lane->bound[slot].key = 0;
    call_is_over(lane, now);
}

void
marey_resume_slow(struct marey_lane *lane, const struct marey_function *function,
                  uintptr_t key)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || is_too_deep(lane))
        return;
    push(lane, function, key, true, now);
    unpark_spans(lane, key, now);
}

/* Set in the key that is written for an activation which ends before it ever ran: the
 * frame's address alone may be that of an older one that was dropped unseen. */
#define NEVER_RAN ((uintptr_t)1)

void
marey_resume_thrown(struct marey_lane *lane, const struct marey_function *function,
                    uintptr_t key, uint32_t exception, bool has_run)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || is_too_deep(lane))
        return;
    struct marey_call *below = lane->top;
    push(lane, function, has_run ? key : key | NEVER_RAN, true, now);
    if (lane->top == below)
        return; /* no room on the stack */
    if (lane->top->is_pending)
        write_pending(lane);
    if (!has_run)
        lane->top->key &= ~NEVER_RAN;
    write_op_number(lane, MAREY_OP_THROWN, exception, lane->last_ticks, true);
    unpark_spans(lane, key, now);
}

/* ---- arrows ---- */

/* The arrow of that number begins here; 0: the next number. The number, or 0 where
 * nothing is recorded. */
static uint64_t
flow_out(struct marey_lane *lane, uint64_t flow)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL)
        return 0;
    struct marey_recording *recording = lane->recording;
    if (flow == 0)
        flow = (uint64_t)recording->process << MAREY_FLOW_BITS |
               (atomic_fetch_add(&recording->flow_count, 1) + 1);
    write_pending(lane);
    write_op_number(lane, MAREY_OP_FLOW_OUT, flow, now, false);
    return flow;
}

uint64_t
marey_flow_out(struct marey_lane *lane)
{
    return flow_out(lane, 0);
}

void
marey_flow_out_as(struct marey_lane *lane, uint64_t flow)
{
    flow_out(lane, flow);
}

void
marey_lane_flow_in(struct marey_lane *lane, uint64_t flow)
{
    write_op_number(lane, MAREY_OP_FLOW_IN, flow, lane->last_ticks, false);
}

/* ---- instants, counters, values ---- */

void
marey_instant(struct marey_lane *lane, uint32_t name, uint64_t blob)
{
    uint8_t bytes[3 * MAREY_VARINT_SIZE_MAX + 1];
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL)
        return;
    write_pending(lane);
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);
    bytes[size++] = MAREY_OP_INSTANT;
    size += marey_varint_put(bytes + size, name);
    size += marey_varint_put(bytes + size, blob);
    put_long(lane, bytes, size);
    lane->event_count++;
}

void
marey_counter(struct marey_lane *lane, uint32_t name, double value)
{
    uint8_t bytes[2 * MAREY_VARINT_SIZE_MAX + 9];
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL)
        return;
    write_pending(lane);
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);
    bytes[size++] = MAREY_OP_COUNTER;
    size += marey_varint_put(bytes + size, name);
    memcpy(bytes + size, &value, sizeof(value));
    put_long(lane, bytes, size + sizeof(value));
    lane->event_count++;
}

void
marey_log(struct marey_lane *lane, uint32_t name, uint8_t class, uint64_t blob)
{
    uint8_t bytes[3 * MAREY_VARINT_SIZE_MAX + 2];
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL)
        return;
    write_pending(lane);
    size_t size = token(bytes, prepare(lane, now), MAREY_TOKEN_EXTENDED);
    bytes[size++] = MAREY_OP_LOG;
    size += marey_varint_put(bytes + size, name);
    bytes[size++] = class;
    size += marey_varint_put(bytes + size, blob);
    put_long(lane, bytes, size);
    lane->event_count++;
}

void
marey_values(struct marey_lane *lane, uint8_t role, uint64_t blob)
{
    uint64_t now;

    lane = arrive(lane, &now);
    if (lane == NULL || blob == 0)
        return;
    if (lane->top->is_pending && role == MAREY_ROLE_ARGUMENTS && blob <= UINT32_MAX) {
        lane->top->arguments = (uint32_t)blob;
        return;
    }
    if (role == MAREY_ROLE_RETURN && is_too_short(lane, now))
        return;
    write_pending(lane);
    write_values(lane, role, blob, now);
}

/* ---- blobs ---- */

static bool
start_blobs(struct marey_lane *lane, uint32_t size)
{
    struct marey_chunk chunk = {
        .kind = MAREY_EXTENT_BLOBS,
        .process = lane->recording->process,
        .lane = lane->serial,
        .sequence = ++lane->blob_sequence,
        .base_ticks = lane->last_ticks,
        .first_index = lane->blob_index,
    };

    if (lane->blob_slot.bytes == NULL &&
        !marey_slot_take(lane->recording->file, size, &lane->blob_slot))
        return false;
    lane->blob_size = lane->blob_records = 0;
    marey_slot_begin(&lane->blob_slot, &chunk);
    return true;
}

/* Room for a record of `size` bytes in the lane's blob slot. */
static bool
blob_room(struct marey_lane *lane, size_t size)
{
    size_t header = sizeof(struct marey_extent_header);
    uint32_t most = marey_slot_size_max(lane->recording->file);
    uint32_t next = lane->blob_slot.size_bytes * 4;

    if (header + size > most)
        return false;
    if (next < MAREY_SLOT_SIZE_MIN)
        next = MAREY_SLOT_SIZE_MIN;
    if (lane->blob_slot.bytes != NULL) {
        if (header + lane->blob_size + size <= lane->blob_slot.size_bytes)
            return true;
        marey_slot_flush(lane->recording->file, &lane->blob_slot, lane->blob_size,
                         lane->blob_records, lane->last_ticks);
        marey_slot_give(lane->recording->file, &lane->blob_slot);
    }
    while (next < header + size)
        next *= 4;
    return start_blobs(lane, next > most ? most : next);
}

uint64_t
marey_blob_put(struct marey_lane *lane, const uint8_t *body, size_t size_bytes)
{
    uint8_t head[MAREY_VARINT_SIZE_MAX + 1];
    size_t head_size = marey_varint_put(head, size_bytes + 1);
    uint64_t now;

    lane = arrive(lane, &now);
    head[head_size++] = 1; /* the only kind of record there is */
    if (lane == NULL || !blob_room(lane, head_size + size_bytes))
        return 0;
    uint8_t *at =
        lane->blob_slot.bytes + sizeof(struct marey_extent_header) + lane->blob_size;
    memcpy(at + head_size, body, size_bytes);
    memcpy(at + 1, head + 1, head_size - 1);
    __atomic_store_n(at, head[0], __ATOMIC_RELEASE);
    lane->blob_size += (uint32_t)(head_size + size_bytes);
    lane->blob_records++;
    return ++lane->blob_index;
}
