/* Lanes: how a thread comes to one, how its chunks roll, how it ends.
 *
 * A lane's slot is mapped memory of the trace file:
 *
 *   | extent header | snapshot | events …            | zeros        |
 *                                          ^cursor    ^real_limit
 *
 * `limit` is `real_limit` on the fast road and NULL where every event must take the
 * slow way (filters at capture, no cheap counter, a fork, a stop). A chunk that is full
 * goes to the file's tail, the stack as it is now becomes the next chunk's snapshot,
 * and the same slot, or a larger one, is filled again. Slots start small and grow by
 * four, so that ten thousand short threads do not cost a gigabyte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/varint.h"
#include "capture/budget.h"
#include "capture/recording.h"
#include "capture/tally.h"

#define STACK_START 128   /* calls; doubles */
#define NAME_TRIES_MAX 6  /* early looks for a thread's name; then once a roll */
#define PULSE_BYTES 256   /* events between looks whether a tally is due */
#define NAME_TRY_BYTES 96 /* events between the first two of them */

/* A stack that no call matches, full from birth. */
static struct marey_call idle_stack[1];
struct marey_lane marey_idle_lane = {
    .top = idle_stack,
    .last = idle_stack,
    .stack = idle_stack,
    .cursor = (uint8_t *)1,
};
MAREY_THREAD_LOCAL struct marey_lane *marey_lane_of_thread = &marey_idle_lane;

static marey_facts_function ask_facts;
static void *no_owner;

void
marey_lane_ask(marey_facts_function facts, void *owner)
{
    ask_facts = facts;
    no_owner = owner;
    marey_idle_lane.owner = owner;
}

/* ---- chunks ---- */

size_t
marey_lane_put_stack(const struct marey_lane *lane, uint8_t *at, uint32_t *depth)
{
    uint8_t *start = at;
    uint32_t count = 0;

    for (const struct marey_call *call = lane->stack + 1; call <= lane->top; call++)
        count += !call->is_pending;
    at += marey_varint_put(at, count);
    for (const struct marey_call *call = lane->stack + 1; call <= lane->top; call++) {
        if (call->is_pending)
            continue;
        bool is_resumed = marey_call_is_resumed(call);
        at += marey_varint_put(at, (uint64_t)marey_call_as_made(call)->id << 1 |
                                       (is_resumed ? MAREY_SNAPSHOT_RESUMED : 0));
        at += marey_varint_put(at, lane->last_ticks - call->start_ticks);
    }
    *depth = count;
    return (size_t)(at - start);
}

static uint32_t
slot_size_for(const struct marey_lane *lane)
{
    size_t depth = (size_t)(lane->top - lane->stack);
    size_t need = 2 * (depth * SNAPSHOT_ENTRY_MAX + 64) + MAREY_SLOT_SIZE_MIN / 2;
    uint32_t most = marey_slot_size_max(lane->recording->file);
    uint32_t size =
        lane->slot.size_bytes == 0 ? MAREY_SLOT_SIZE_MIN : lane->slot.size_bytes * 4;

    if (size > most)
        size = most;
    while (size < need && size < MAREY_SLOT_SIZE_DEEP)
        size *= 4;
    return size;
}

/* Starts a chunk in the lane's slot, which is empty. */
static void
start_chunk(struct marey_lane *lane)
{
    size_t header = sizeof(struct marey_extent_header);
    struct marey_chunk chunk = {
        .kind = MAREY_EXTENT_EVENTS,
        .process = lane->recording->process,
        .lane = lane->serial,
        .sequence = ++lane->sequence,
        .base_ticks = lane->last_ticks,
        .first_index = lane->first_index,
    };

    chunk.snapshot_size = (uint32_t)marey_lane_put_stack(
        lane, lane->slot.bytes + header, &chunk.start_depth);
    lane->cursor = lane->slot.bytes + header + chunk.snapshot_size;
    lane->real_limit = lane->slot.bytes + lane->slot.size_bytes - MAREY_EVENT_SIZE_MAX;
    lane->event_count = 0;
    lane->name_due = lane->cursor;
    memset(lane->bound, 0, sizeof(lane->bound));
    marey_slot_begin(&lane->slot, &chunk);
}

/* Ends the chunk: at the file's tail, or, with `settles`, where it stands. */
static void
end_chunk(struct marey_lane *lane, struct marey_slot *slot, bool settles)
{
    uint32_t size =
        (uint32_t)(lane->cursor - slot->bytes - sizeof(struct marey_extent_header));
    bool (*end)(struct marey_file *, struct marey_slot *, uint32_t, uint32_t,
                uint64_t) = settles ? marey_slot_settle : marey_slot_flush;

    lane->is_beyond_ring |=
        slot->size_bytes > marey_slot_size_max(lane->recording->file);
    bool is_written =
        end(lane->recording->file, slot, size, lane->event_count, lane->last_ticks);

    /* A chunk that could not be written shows as a gap in first_index. */
    lane->first_index += lane->event_count;
    marey_file_count(lane->recording->file, lane->event_count,
                     is_written ? 0 : lane->event_count);
    lane->event_count = 0;
}

/* Memory of our own when the disk gives no slot: what it takes is counted and may still
 * be written when there is room again. */
static bool
take_slot(struct marey_lane *lane, uint32_t size)
{
    if (marey_slot_take(lane->recording->file, size, &lane->slot))
        return true;
    void *bytes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    lane->slot = (struct marey_slot){bytes, 0, size};
    return true;
}

/* A new name, or the same one. */
static void
rename_lane(struct marey_lane *lane, const char *name)
{
    if (strncmp(lane->name, name, sizeof(lane->name) - 1) == 0)
        return;
    strncpy(lane->name, name, sizeof(lane->name) - 1);
    if (lane->serial != 0)
        marey_define_lane_name(lane->recording, lane);
}

static void
find_name(struct marey_lane *lane)
{
    struct marey_thread_facts facts = {.native_id = lane->native_id};

    if (ask_facts == NULL)
        return;
    ask_facts(lane, &facts);
    lane->python_id = facts.python_id;
    if (facts.owner != NULL)
        lane->owner = facts.owner;
    if (facts.name != NULL) {
        lane->has_name = true;
        rename_lane(lane, facts.name);
    }
}

/* Where only transactions are recorded each is an outermost call: one look in some
 * milliseconds is enough, and costs as much as ten of them. */
#define LOOK_TICKS (UINT64_C(1) << 22)

void
marey_lane_look(struct marey_lane *lane)
{
    if (lane->looked_ticks != 0 && lane->last_ticks - lane->looked_ticks < LOOK_TICKS)
        return;
    lane->looked_ticks = lane->last_ticks;
    find_name(lane);
}

/* The thread's Thread object is registered a few events after its first: look again
 * soon, and then ever more rarely. */
static void
set_limit(struct marey_lane *lane)
{
    if (lane->recording->is_careful || lane->owner == no_owner ||
        atomic_load_explicit(&lane->must_sift, memory_order_relaxed)) {
        lane->limit = NULL;
        return;
    }
    lane->limit = lane->real_limit;
    if (atomic_load_explicit(&marey_tally_next, memory_order_relaxed) != UINT64_MAX &&
        lane->cursor + PULSE_BYTES < lane->limit)
        lane->limit = lane->cursor + PULSE_BYTES;
    if (!lane->has_name && lane->name_due < lane->real_limit)
        lane->limit = lane->name_due;
    /* A refilter between the two looks has its NULL overwritten; this one sees it. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&lane->must_sift))
        lane->limit = NULL;
}

void
marey_lane_roll(struct marey_lane *lane)
{
    uint32_t size = slot_size_for(lane);
    struct marey_slot full = lane->slot;

    if (size <= full.size_bytes || !take_slot(lane, size)) {
        lane->slot = full;
        end_chunk(lane, &lane->slot, false);
    } else {
        /* The small slot has done its service: its chunk stays where it is. */
        end_chunk(lane, &full, !marey_file_is_ring(lane->recording->file));
        marey_slot_give(lane->recording->file, &full);
    }
    start_chunk(lane);
    if (!lane->has_name)
        find_name(lane);
    set_limit(lane);
    marey_recording_housekeep(lane->recording, lane->last_ticks);
}

void
marey_lane_room(struct marey_lane *lane)
{
    if (lane->cursor > lane->real_limit) {
        marey_budget_look(lane);
        marey_lane_roll(lane);
        return;
    }
    if (lane->last_ticks >=
        atomic_load_explicit(&marey_tally_next, memory_order_relaxed))
        marey_tally_pulse();
    if (!lane->has_name && lane->cursor >= lane->name_due) {
        find_name(lane);
        lane->name_due = lane->cursor + (NAME_TRY_BYTES << (++lane->name_tries / 16));
    }
    set_limit(lane);
}

/* ---- threads ---- */

static struct marey_lane *
new_lane(struct marey_recording *recording)
{
    struct marey_lane *lane = calloc(1, sizeof(*lane));

    if (lane == NULL)
        return NULL;
    lane->stack = calloc(STACK_START, sizeof(*lane->stack));
    if (lane->stack == NULL) {
        free(lane);
        return NULL;
    }
    lane->top = lane->stack;
    lane->last = lane->stack + STACK_START - 1;
    lane->recording = recording;
    lane->owner = no_owner;
    lane->last_ticks = marey_recording_ticks(recording);
    lane->cursor = (uint8_t *)1;
    return lane;
}

static void
link_lane(struct marey_lane *lane)
{
    struct marey_recording *recording = lane->recording;

    pthread_mutex_lock(&marey_lanes_lock);
    lane->next = recording->lanes;
    recording->lanes = lane;
    pthread_mutex_unlock(&marey_lanes_lock);
}

/* Makes the lane part of the trace: serial, definition, first chunk. */
static bool
open_lane(struct marey_lane *lane)
{
    if (!take_slot(lane, slot_size_for(lane)))
        return false;
    lane->serial = marey_file_take_lane(lane->recording->file);
    marey_define_lane(lane->recording, lane);
    start_chunk(lane);
    set_limit(lane);
    if (lane->is_main && lane->recording->flow_is_due) {
        lane->recording->flow_is_due = false;
        marey_lane_flow_in(lane, lane->recording->flow);
    }
    return true;
}

static struct marey_lane *
find_prepared(struct marey_recording *recording, uint64_t native_id)
{
    struct marey_lane *lane;

    pthread_mutex_lock(&marey_lanes_lock);
    for (lane = recording->lanes; lane != NULL; lane = lane->next)
        if (lane->native_id == native_id && !lane->is_taken)
            break;
    pthread_mutex_unlock(&marey_lanes_lock);
    return lane;
}

struct marey_lane *
marey_lane_attach(void)
{
    struct marey_recording *recording =
        atomic_load_explicit(&marey_recording_now, memory_order_acquire);
    struct marey_lane *lane = marey_lane_of_thread;

    if (recording == NULL)
        return NULL;
    if (lane != &marey_idle_lane && lane->recording == recording)
        return lane;
    uint64_t native_id = (uint64_t)syscall(SYS_gettid);
    lane = find_prepared(recording, native_id);
    if (lane == NULL) {
        lane = new_lane(recording);
        if (lane == NULL)
            return NULL;
        struct marey_thread_facts facts = {.native_id = native_id};
        if (ask_facts != NULL)
            ask_facts(lane, &facts);
        lane->native_id = native_id;
        lane->python_id = facts.python_id;
        lane->is_main = facts.is_main;
        lane->owner = facts.owner != NULL ? facts.owner : no_owner;
        if (facts.name != NULL) {
            strncpy(lane->name, facts.name, sizeof(lane->name) - 1);
            lane->has_name = true;
        }
        if (!open_lane(lane)) {
            marey_lane_free(lane);
            return NULL;
        }
        link_lane(lane);
    }
    if (marey_lane_of_thread != &marey_idle_lane)
        marey_lane_free(marey_lane_of_thread); /* of an earlier recording */
    lane->is_taken = true;
    marey_lane_of_thread = lane;
    marey_thread_watch(lane);
    return lane;
}

struct marey_lane *
marey_lane_prepare(const struct marey_thread_facts *facts)
{
    struct marey_recording *recording =
        atomic_load_explicit(&marey_recording_now, memory_order_acquire);
    struct marey_lane *lane = recording == NULL ? NULL : new_lane(recording);

    if (lane == NULL)
        return NULL;
    lane->native_id = facts->native_id;
    lane->python_id = facts->python_id;
    lane->is_main = facts->is_main;
    lane->is_earlier = true;
    if (facts->name != NULL) {
        strncpy(lane->name, facts->name, sizeof(lane->name) - 1);
        lane->has_name = true;
    }
    link_lane(lane);
    return lane;
}

void
marey_lane_push_open(struct marey_lane *lane, const struct marey_function *function,
                     uintptr_t key)
{
    if (lane->top == lane->last && !marey_stack_grow(lane))
        return;
    *++lane->top = (struct marey_call){
        .key = key,
        .start_ticks = lane->last_ticks,
        .what = marey_tag_function(function, false),
    };
}

void
marey_lane_open(struct marey_lane *lane)
{
    if (lane->serial == 0)
        open_lane(lane);
}

bool
marey_stack_grow(struct marey_lane *lane)
{
    size_t depth = (size_t)(lane->top - lane->stack);
    size_t count = 2 * (size_t)(lane->last - lane->stack + 1);
    struct marey_call *stack;

    if (count > MAREY_DEPTH_MAX)
        return false;
    stack = calloc(count, sizeof(*stack));
    if (stack == NULL)
        return false;
    memcpy(stack, lane->stack, (depth + 1) * sizeof(*stack));
    free(lane->stack);
    lane->stack = stack;
    lane->top = stack + depth;
    lane->last = stack + count - 1;
    return true;
}

void
marey_lane_ignore(bool is_ignored)
{
    struct marey_lane *lane = marey_lane_attach();

    if (lane == NULL)
        return;
    if (is_ignored)
        lane->ignore_depth++;
    else if (lane->ignore_depth > 0) /* else it began before the recording did */
        lane->ignore_depth--;
    if (lane->ignore_depth > 0)
        lane->limit = NULL;
    else
        set_limit(lane);
}

/* In a ring the values go to a cell, as events do, and the slot to the next lane. */
static void
finish_blobs(struct marey_lane *lane)
{
    struct marey_file *file = lane->recording->file;

    if (lane->blob_slot.bytes == NULL)
        return;
    if (!marey_file_is_ring(file)) {
        marey_slot_settle(file, &lane->blob_slot, lane->blob_size, lane->blob_records,
                          lane->last_ticks);
        return;
    }
    marey_slot_flush(file, &lane->blob_slot, lane->blob_size, lane->blob_records,
                     lane->last_ticks);
    marey_slot_give(file, &lane->blob_slot);
}

/* ---- rehearsal ---- */

bool
marey_rehearsal_begin(struct marey_lane *lane, struct marey_rehearsal *out)
{
    *out = (struct marey_rehearsal){lane->cursor, lane->last_ticks, lane->top,
                                    lane->event_count, lane->sequence};
    return lane->recording != NULL && lane->serial != 0;
}

/* Nothing of it was flushed as long as the chunk is the same; then zeros take its
 * place, last byte first, so that what is there is a whole trace all the time. */
void
marey_rehearsal_end(struct marey_lane *lane, const struct marey_rehearsal *from)
{
    if (lane->sequence != from->sequence)
        return;
    while (lane->cursor > from->cursor)
        *--lane->cursor = 0;
    lane->last_ticks = from->last_ticks;
    lane->top = from->top;
    lane->event_count = from->event_count;
    memset(lane->bound, 0, sizeof(lane->bound));
    set_limit(lane);
}

void
marey_lane_spill(struct marey_lane *lane)
{
    finish_blobs(lane);
    marey_lane_roll(lane);
}

/* ---- ends ---- */

void
marey_lane_finish(struct marey_lane *lane, uint64_t end_ticks)
{
    bool is_thread_end = end_ticks != 0;

    if (lane->is_ended)
        return;
    lane->is_ended = true;
    lane->limit = NULL;
    if (lane->serial == 0)
        return;
    finish_blobs(lane);
    /* The next thread can use the slot of one that ends; at the end of all, nobody. */
    end_chunk(lane, &lane->slot, !is_thread_end);
    marey_slot_give(lane->recording->file, &lane->slot);
    if (is_thread_end)
        marey_define_lane_end(lane->recording, lane, end_ticks);
    lane->place = NULL; /* its thread may still be stuck in a hook, the places go */
}

void
marey_lane_free(struct marey_lane *lane)
{
    free(lane->stack);
    free(lane);
}

/* The child writes nothing into the parent's slots: it drops them unflushed. What was
 * open at the fork is open in the child, from the fork on. */
void
marey_lane_forked(struct marey_lane *lane)
{
    uint64_t now = marey_recording_ticks(lane->recording);

    lane->slot = lane->blob_slot = (struct marey_slot){0};
    lane->place = NULL;
    lane->is_beyond_ring = false;
    lane->sequence = lane->first_index = 0;
    lane->blob_sequence = lane->blob_index = 0;
    lane->native_id = (uint64_t)syscall(SYS_gettid);
    lane->is_main = true;
    lane->is_earlier = true;
    lane->last_ticks = now;
    for (struct marey_call *call = lane->stack + 1; call <= lane->top; call++) {
        call->start_ticks = now;
        call->is_pending = false;
        call->arguments = 0; /* they are with the parent */
    }
    lane->serial = 0;
    if (!open_lane(lane))
        lane->recording = NULL;
}
