/* Recording: lanes that take events, and what they share.
 *
 * The way of an event: the interpreter's hook finds its thread's lane (one load
 * relative to the thread pointer), the function's record, and calls marey_enter() or
 * marey_leave(). These read the clock, build the event in a register, store eight bytes
 * and advance. Everything rare — a full slot, a pause longer than a token can say, a
 * thread's first event, a stack that does not match — goes to one out-of-line function.
 *
 *     marey_recording_start(&options, &recording, &err);
 *     struct marey_lane *lane = marey_this_lane();
 *     marey_enter(lane, function, key);
 *     ...
 *     marey_leave(lane, key);
 *     marey_recording_stop(recording);
 *
 * Never trust pairing: each open call has a key (who it is: the address of its frame or
 * callable); a leave whose key is not on top ends what lies above it as CUT, and one
 * whose key is nowhere is none of ours.
 *
 * Knows no Python: keys are numbers, functions are records made by the caller.
 */
#ifndef MAREY_CAPTURE_H
#define MAREY_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "marey/format_put.h"
#include "marey/status.h"

struct marey_recording;

/* A function as the hot path needs it. Made once, never freed while the process lives;
 * ids are the process's own and outlast a recording. */
struct marey_function {
    uint64_t enter;      /* the ENTER of it as it is written, for a delta of 0 */
    uint32_t enter_size; /* bytes of that, 2 to 5 */
    uint32_t id;
    bool is_skipped;  /* filtered out */
    bool is_left_out; /* then by the budget; what it calls is recorded */
    bool is_slow;     /* its calls begin and end the slow way, for the maker's sake */
    bool is_watched;  /* of the maker: its activations are followed, recorded or not */
    uint16_t flags;   /* MAREY_FUNCTION_* */
    uint16_t detail;  /* of the maker: levels of calls to record below it */
    uint32_t keep_rules; /* of --keep about its calls; these end the slow way, too */
    uint32_t logs;       /* of the maker: what is logged of it, */
    uint16_t logs_seen;  /* as judged in which recording, */
    bool has_handlers;   /* (its except clauses are watched, too) */
    const void *plan;    /* and where in it */
    void *owner;         /* of the maker of the record */
    /* What is called, where the record stands for the calls of a function from one
     * place; else the function itself. Such a record has an id of its own, and nothing
     * else that counts. */
    const struct marey_function *base;
    /* Of calls while it is left out: see marey_tally_call(). */
    bool is_counted;
    _Atomic uint64_t calls_seen; /* not yet in one of these: */
    uint64_t calls_counted, calls_estimated;
};

/* A function and one bit about it, in a word: records are aligned, so their addresses
 * are even. What the bit says is the holder's to know. */
typedef uintptr_t marey_tagged_function;

MAREY_INLINE marey_tagged_function
marey_tag_function(const struct marey_function *function, bool bit)
{
    return (uintptr_t)function + bit;
}

MAREY_INLINE const struct marey_function *
marey_untag_function(marey_tagged_function tagged)
{
    return (const struct marey_function *)(tagged & ~(uintptr_t)1);
}

/* One open call. */
struct marey_call {
    uintptr_t key;
    uint64_t start_ticks;       /* of the running part */
    marey_tagged_function what; /* the bit: resumed; else entered */
    bool is_pending;    /* not written yet: may turn out shorter than --min-duration */
    uint16_t place;     /* where it was bound when it was resumed; see marey_resume() */
    uint32_t arguments; /* while it is pending: the blob of its arguments; 0: none */
};

MAREY_INLINE const struct marey_function *
marey_call_function(const struct marey_call *call)
{
    return marey_untag_function(call->what)->base;
}

/* The same with the place it was called from, where that is known: what is written. */
MAREY_INLINE const struct marey_function *
marey_call_as_made(const struct marey_call *call)
{
    return marey_untag_function(call->what);
}

MAREY_INLINE bool
marey_call_is_resumed(const struct marey_call *call)
{
    return (call->what & 1) != 0;
}

/* What an activation slot means in this chunk. */
struct marey_binding {
    uintptr_t key;              /* 0: nothing */
    marey_tagged_function what; /* with its bit, as in the call that is resumed */
};

/* What one thread writes into. Only its own thread touches it between attach and
 * detach, but for `limit`, which stop() sets to send the thread the slow way. */
struct marey_lane {
    uint8_t *cursor;         /* where the next event goes */
    uint8_t *limit;          /* the last place an event may start; NULL: ask first */
    uint64_t last_ticks;     /* of the last event */
    struct marey_call *top;  /* innermost open call; the bottom entry is a sentinel */
    struct marey_call *last; /* the last entry the stack has room for */
    uint32_t event_count;    /* in this chunk */
    void *owner;             /* the interpreter's state of this thread, while it is sure
                              * to be that; else what stands for none, and limit NULL */
    struct marey_binding bound[MAREY_ACTIVATION_SLOTS];
    /* Cold from here on. */
    struct marey_recording *recording; /* borrowed; NULL: not recording */
    struct marey_slot slot;
    struct marey_call *stack; /* owned; the sentinel */
    uint8_t *real_limit;
    uint32_t serial; /* 0: not in the trace yet */
    uint32_t payload_start;
    uint64_t sequence;
    uint64_t first_index; /* events before this chunk, lost ones included */
    uint64_t lost_count;  /* not yet said in the trace */
    uint64_t native_id, python_id;
    uint64_t blob_index; /* blobs written so far */
    struct marey_slot blob_slot;
    uint32_t blob_size, blob_records;
    uint64_t blob_sequence;
    uint32_t name_tries;
    uint64_t looked_ticks; /* when marey_lane_look() looked; 0: never */
    uint8_t *name_due; /* where to look again for the thread's name, in this chunk */
    bool is_main, is_earlier, has_name, is_ended;
    bool is_taken;         /* its thread writes to it; prepared lanes wait for theirs */
    atomic_bool must_sift; /* open calls of functions that are skipped by now must go */
    uint32_t ignore_depth; /* > 0: marey.ignore */
    char name[256];
    struct marey_place *place; /* in a ring: where its definition stands; or NULL */
    bool is_beyond_ring;       /* a chunk of it was too large for the ring */
    struct marey_lane *next;   /* in the recording's list */
};

/* The lane of threads that have none: full from birth, so that their first event goes
 * the slow way. Never written to. */
extern struct marey_lane marey_idle_lane;
extern MAREY_THREAD_LOCAL struct marey_lane *marey_lane_of_thread;

MAREY_INLINE struct marey_lane *
marey_this_lane(void)
{
    return marey_lane_of_thread;
}

/* ---- starting and stopping ---- */

struct marey_recording_options {
    const char *path;
    bool may_join; /* the file may be there: another process of this run made it */
    struct marey_file_options file;
    uint32_t max_depth;       /* 0: none */
    uint64_t min_duration_ns; /* 0: none */
    bool is_careful;          /* every event takes the slow way */
    const char *options_text; /* for the trace */
    uint32_t parent;          /* serial of the process that started this; 0: none */
    uint64_t flow;            /* the arrow from the call that did; 0: none */
    bool no_children;         /* a forked child is no process of the trace */
};

/* Texts about this process for its PROCESS record; borrowed for the call. */
struct marey_process_texts {
    const char *const *arguments; /* bytes, terminated */
    uint32_t argument_count;
    const char *executable, *version, *directory, *program;
};

/* Makes or joins the file and becomes the recording of this process; there is at most
 * one. Threads get their lanes at their first event, or by marey_lane_attach(). */
enum marey_status marey_recording_start(const struct marey_recording_options *options,
                                        const struct marey_process_texts *texts,
                                        struct marey_error *err);
/* Closes all chunks. The interpreter must have stopped calling the hooks. */
void marey_recording_stop(int exit_status, bool has_exit_status);
bool marey_recording_is_on(void);
/* At the end of the process: the same, but nothing is freed, for other threads may
 * still be stuck in a hook; *counts is what the file holds by then. */
void marey_recording_finish(int exit_status, struct marey_file_counts *counts);
/* This process was forked from one that recorded. */
bool marey_recording_was_forked(void);
/* Functions are skipped now that were recorded, or the reverse: calls of such
 * that are open leave the stacks. With `is_careful` every event goes the slow way from
 * now on. Any thread. */
void marey_recording_refilter(bool is_careful);
/* Leaves the function out of the recording from now on; false: cannot be. At last
 * called with NULL, when all have been named. In a hook of the calling thread. */
typedef bool (*marey_leave_out_function)(struct marey_function *function);
/* Recording is to cost at most this part of the time the program takes itself; 0: no
 * limit. Called before the recording starts. */
void marey_budget_set(double part, marey_leave_out_function leave_out);
/* Says in the trace that the function's calls are not recorded from now on, and how
 * many there were since. */
void marey_define_left_out(const struct marey_function *function);
void marey_define_unrecorded(const struct marey_function *function);
/* Called in a hook of some thread when events that were switched off are to come again,
 * for calls of functions that are left out to be seen for a while. */
void marey_budget_on_window(void (*again)(void));
/* A call of a function that is left out begins. False: its events may be off. */
bool marey_tally_call(struct marey_function *function);
/* The function of this id; NULL: there is none. */
struct marey_function *marey_function_of_id(uint32_t id);
/* What there is to say about the recording; false: there is none. Any thread. Counted
 * are also the events that this process has in chunks that are open. */
struct marey_recording_status {
    struct marey_file_counts counts;
    uint64_t age_ns;
    char path[4096];
};
bool marey_recording_status(struct marey_recording_status *out);
/* Time since start, for the summary. */
uint64_t marey_recording_age_ns(void);

/* ---- children ---- */

/* The serial of this process; 0: not recording. */
uint32_t marey_recording_process(void);
/* An arrow starts here and now, at the call that starts a child. Its id; 0: none. */
uint64_t marey_flow_out(struct marey_lane *lane);
/* The same, with an id (not 0) that the other end can tell by itself. */
void marey_flow_out_as(struct marey_lane *lane, uint64_t flow);
/* What this thread forks from here on is at the end of the arrow; 0: of none. */
void marey_recording_fork_flow(uint64_t flow);
/* In a forked child: it becomes a process of the trace now, if it is none yet. */
void marey_recording_adopt(void);
/* The child `pid` was waited for: it exited with this status, or was killed by the
 * signal -status. */
void marey_define_child_end(uint64_t pid, int exit_status);
/* The process is about to become another program; or, after all, it has not. */
void marey_define_exec(bool has_failed);

/* ---- definitions: thread safe, not for the hot path ---- */

/* Ids of the process, defined once a recording. Equal texts get equal ids. 0: failed.
 */
uint32_t marey_define_string(const char *bytes, size_t size_bytes);
uint32_t marey_define_file(const char *path, size_t size_bytes, uint64_t source_key);
/* Makes the function's record and defines it. NULL: out of memory. */
struct marey_function *marey_define_function(const char *name, size_t name_size,
                                             uint32_t module, uint32_t file,
                                             uint32_t line, uint16_t flags);
/* What stands for the calls of `function` (no call site itself) from this line of
 * `caller`: give it to marey_enter(). NULL: out of memory, or ids. */
struct marey_function *marey_define_call_site(const struct marey_function *function,
                                              const struct marey_function *caller,
                                              uint32_t line);
void marey_define_note(const char *text);
void marey_define_cost(uint32_t kind, uint64_t picoseconds);
/* Stores a source text (compressed) unless the trace has one with this key. */
void marey_store_source(uint64_t key, const char *path, size_t path_size,
                        const char *text, size_t text_size);
/* Calls `visit` for every function made so far, in order of id. */
void marey_each_function(void (*visit)(struct marey_function *function, void *context),
                         void *context);

/* ---- lanes ---- */

/* What the owner of the threads (the interpreter's side) knows about one. */
struct marey_thread_facts {
    uint64_t native_id, python_id;
    bool is_main, is_earlier;
    const char *name; /* UTF-8, terminated; NULL: not known yet */
    void *owner;      /* for lane.owner: valid as long as the thread lives */
};
/* Asked on the slow path: when a thread has its first event, and again now and then
 * until has_name. Fills in what it knows of the calling thread. */
typedef void (*marey_facts_function)(struct marey_lane *lane,
                                     struct marey_thread_facts *out);
/* `no_owner` stands in lane.owner until the facts hold one; such lanes go slowly. */
void marey_lane_ask(marey_facts_function facts, void *no_owner);
/* Called about once a second from the slow path of some thread. */
void marey_recording_on_second(void (*tick)(void));

/* The calling thread's own lane, made if need be; NULL when not recording. */
struct marey_lane *marey_lane_attach(void);
/* A lane for another thread, with the calls it has open now (outermost first). The
 * thread takes it over at its first event, known by its native id. */
struct marey_lane *marey_lane_prepare(const struct marey_thread_facts *facts);
/* Pushes a call that is open already. Only before the lane's first event. */
void marey_lane_push_open(struct marey_lane *lane,
                          const struct marey_function *function, uintptr_t key);
/* Puts the lane with all that was pushed into the trace. */
void marey_lane_open(struct marey_lane *lane);
/* Events of the calling thread are left out until the matching call. */
void marey_lane_ignore(bool is_ignored);

/* To measure the hooks: what is written between the two is taken back. */
struct marey_rehearsal {
    uint8_t *cursor;
    uint64_t last_ticks;
    struct marey_call *top;
    uint32_t event_count;
    uint64_t sequence;
};
bool marey_rehearsal_begin(struct marey_lane *lane, struct marey_rehearsal *out);
void marey_rehearsal_end(struct marey_lane *lane, const struct marey_rehearsal *from);

/* ---- events, out of line ---- */

void marey_enter_slow(struct marey_lane *lane, const struct marey_function *function,
                      uintptr_t key);
void marey_leave_slow(struct marey_lane *lane, uintptr_t key);
/* An exception ended the call; `exception` is a string id, 0 unknown. */
void marey_unwind(struct marey_lane *lane, uintptr_t key, uint32_t exception);
void marey_yield_slow(struct marey_lane *lane, uintptr_t key);
void marey_resume_slow(struct marey_lane *lane, const struct marey_function *function,
                       uintptr_t key);
/* The activation was resumed by throw(); `has_run`: it had begun before. */
void marey_resume_thrown(struct marey_lane *lane, const struct marey_function *function,
                         uintptr_t key, uint32_t exception, bool has_run);
void marey_instant(struct marey_lane *lane, uint32_t name, uint64_t blob);
void marey_counter(struct marey_lane *lane, uint32_t name, double value);
/* A logged value; `class` is MAREY_LOG_*. */
void marey_log(struct marey_lane *lane, uint32_t name, uint8_t class, uint64_t blob);
/* Values of the innermost call; they share its fate under --min-duration. */
void marey_values(struct marey_lane *lane, uint8_t role, uint64_t blob);
/* Stores a blob (body as docs/format.md 4) and returns 1 + its index, 0: lost. */
uint64_t marey_blob_put(struct marey_lane *lane, const uint8_t *body,
                        size_t size_bytes);

/* ---- events, inline ---- */

/* Only where the recording's clock is the counter; all other lanes go the slow way. */
MAREY_INLINE uint64_t
marey_lane_now(void)
{
    return marey_counter_read() >> MAREY_COUNTER_SHIFT;
}

/* Stores an event at time `now`: its token and more. `bits` is the event as it
 * is for a delta of 0, `size_bytes` its size then; the lowest byte of `bits` is the
 * token's, the event's kind. One store of eight bytes, so a killed process leaves whole
 * events. False, and nothing done, where there is no room or the token needs more than
 * three bytes (some 1.5 ms since the last event, when nobody is in a hurry). */
MAREY_INLINE bool
marey_put_event(struct marey_lane *lane, uint64_t now, uint64_t bits, unsigned kind,
                uint32_t size_bytes)
{
    uint64_t delta = now - lane->last_ticks;
    uint8_t *cursor = lane->cursor;
    uint8_t *end = cursor + size_bytes;

    if (MAREY_UNLIKELY(cursor > lane->limit))
        return false;
    if (MAREY_LIKELY(delta < 0x20)) {
        bits += delta << 2;
    } else if (MAREY_LIKELY(delta < 0x1000)) {
        /* (token & 0x7f) | 0x80 | token >> 7 << 8, the token being delta << 2 | kind */
        bits = (bits << 8) + (delta << 3) - ((delta & 0x1f) << 2) +
               (0x80 + kind - ((uint64_t)kind << 8));
        end += 1;
    } else if (MAREY_LIKELY(delta < 0x80000)) {
        bits = (bits << 16) +
               ((delta & 0x1f) << 2 | (delta & 0xfe0) << 3 | (delta & 0x7f000) << 4) +
               (0x8080 + kind - ((uint64_t)kind << 16));
        end += 2;
    } else {
        return false;
    }
    memcpy(cursor, &bits, sizeof(bits));
    lane->cursor = end;
    lane->last_ticks = now;
    lane->event_count++;
    return true;
}

/* A call of `function` begins; `key` tells it from all other open calls of the thread.
 * This and the three below return false where nothing was done and the slow form must
 * be called; so that a hook can end with that call and needs no frame of its own. */
MAREY_INLINE bool
marey_enter(struct marey_lane *lane, const struct marey_function *function,
            uintptr_t key)
{
    struct marey_call *call = lane->top + 1;

    MAREY_IN_REGISTER(call);
    if (MAREY_UNLIKELY(call > lane->last))
        return false;
    call->key = key;
    call->what = marey_tag_function(function, false);
    uint64_t now = marey_lane_now();
    if (MAREY_UNLIKELY(!marey_put_event(lane, now, function->enter, MAREY_TOKEN_ENTER,
                                        function->enter_size)))
        return false;
    call->start_ticks = now;
    lane->top = call;
    return true;
}

/* The call `key` returned. */
MAREY_INLINE bool
marey_leave(struct marey_lane *lane, uintptr_t key)
{
    uint64_t now = marey_lane_now();
    struct marey_call *call = lane->top;

    if (MAREY_UNLIKELY(call->key != key) ||
        MAREY_UNLIKELY(
            !marey_put_event(lane, now, MAREY_TOKEN_LEAVE, MAREY_TOKEN_LEAVE, 1)))
        return false;
    lane->top = call - 1;
    return true;
}

/* Where an activation is bound: one of two neighbours, so that two busy generators that
 * fall on one place do not push each other out at every turn. The multiplier is 2^32
 * over the golden ratio (Knuth 6.4): the top bits depend on all of what tells one
 * address of a process from another. Counted in bytes, which takes fewer instructions
 * than an index would. */
MAREY_INLINE uint64_t
marey_bound_place(uintptr_t key)
{
    static_assert(MAREY_ACTIVATION_SLOTS == 32 && sizeof(struct marey_binding) == 16,
                  "the top five bits, times 16");
    return (uint64_t)((uint32_t)key * UINT32_C(0x9E3779B1)) >> 23 & 0x1f0;
}

MAREY_INLINE const struct marey_binding *
marey_bound_at(const struct marey_lane *lane, uint64_t place)
{
    const char *bound = (const char *)lane + offsetof(struct marey_lane, bound);

    return (const struct marey_binding *)(const void *)(bound + place);
}

/* The place that means this activation, if one does; `what` as resumed. */
MAREY_INLINE bool
marey_is_bound(const struct marey_lane *lane, uintptr_t key, marey_tagged_function what,
               uint64_t *place)
{
    *place = marey_bound_place(key);
    if (MAREY_UNLIKELY(marey_bound_at(lane, *place)->key != key)) {
        *place ^= sizeof(struct marey_binding);
        if (marey_bound_at(lane, *place)->key != key)
            return false;
    }
    return marey_bound_at(lane, *place)->what == what;
}

/* An event about it as it is written for a delta of 0: its second byte is the slot. */
MAREY_INLINE uint64_t
marey_bound_event(uint8_t op, uint64_t place)
{
    return (MAREY_TOKEN_EXTENDED | (uint64_t)op << 8) + (place << 4);
}

/* The same for a call that is open. One that was resumed knows its place, and has lost
 * it only if another key is there by now: no two that run have the same. */
MAREY_INLINE bool
marey_is_call_bound(const struct marey_lane *lane, const struct marey_call *call,
                    uintptr_t key, uint64_t *place)
{
    if (MAREY_LIKELY(marey_call_is_resumed(call))) {
        *place = call->place;
        return marey_bound_at(lane, *place)->key == key;
    }
    return marey_is_bound(lane, key,
                          marey_tag_function(marey_call_function(call), true), place);
}

/* The generator's or coroutine's call `key` is suspended. */
MAREY_INLINE bool
marey_yield(struct marey_lane *lane, uintptr_t key)
{
    uint64_t now = marey_lane_now();
    struct marey_call *call = lane->top;
    uint64_t place;

    if (MAREY_UNLIKELY(call->key != key) ||
        MAREY_UNLIKELY(!marey_is_call_bound(lane, call, key, &place)) ||
        MAREY_UNLIKELY(!marey_put_event(lane, now,
                                        marey_bound_event(MAREY_OP_YIELD, place),
                                        MAREY_TOKEN_EXTENDED, 2)))
        return false;
    lane->top = call - 1;
    return true;
}

/* It runs again, perhaps on another thread than before. `what`: its function and the
 * bit; anything else is not bound, and goes the slow way. */
MAREY_INLINE bool
marey_resume(struct marey_lane *lane, marey_tagged_function what, uintptr_t key)
{
    struct marey_call *call = lane->top + 1;
    uint64_t place;

    MAREY_IN_REGISTER(call);
    if (MAREY_UNLIKELY(!marey_is_bound(lane, key, what, &place)) ||
        MAREY_UNLIKELY(call > lane->last))
        return false;
    call->key = key;
    call->what = what;
    call->place = (uint16_t)place;
    uint64_t now = marey_lane_now();
    if (MAREY_UNLIKELY(!marey_put_event(lane, now,
                                        marey_bound_event(MAREY_OP_RESUME, place),
                                        MAREY_TOKEN_EXTENDED, 2)))
        return false;
    call->start_ticks = now;
    lane->top = call;
    return true;
}

#endif
