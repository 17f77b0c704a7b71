/* The player: plays the events of a trace back, lane by lane or all lanes in order of
 * time, and keeps the calls that are open.
 *
 * A *beat* is one change of a lane: a call begins or ends, a generator is suspended, a
 * point in time, a gap. Walk and totals both live on beats; the player is where chunks,
 * losses, snapshots and activations are dealt with, and only there.
 *
 *   streams (chunks of a thread)        lanes (stacks of open calls)
 *     [chunk][chunk]..[chunk]  --event-->  frames[0..depth]  --> beat
 *          ^ key: time of what comes next; a heap picks the smallest
 *
 * One stream runs on until its time passes the next one's, which under the GIL is for
 * thousands of events. A stream holds a buffer only while it is inside a chunk.
 *
 * Where events were lost, the stack is made what the next snapshot says: calls that are
 * not in it end as cut at the last time seen, calls that are new begin as open before.
 * What lies between counts as no call's own time, and the calls that may have done
 * something there which is lost say so (`has_gap`).
 */
#ifndef MAREY_QUERY_PLAYER_H
#define MAREY_QUERY_PLAYER_H

#include "query/trace.h"

/* A call that is open: one running part of it. */
struct frame {
    int64_t begin_ns;    /* of this part */
    int64_t seen_ns;     /* the same, but not before the window */
    int64_t child_ns;    /* in calls it made, since seen_ns */
    int64_t first_ns;    /* of the whole call; MAREY_NO_TIME: not known */
    int64_t running_ns;  /* of its parts before this one */
    uint64_t activation; /* key; of resumed parts and those just suspended */
    uint64_t events_at;  /* events of the lane when it began */
    uint64_t cost_at;    /* and what they cost, in picoseconds */
    uint64_t child_cost; /* of that, inside the calls it made */
    uint64_t blob;       /* arguments */
    uint64_t result_blob;
    uint32_t function; /* index */
    uint32_t parent;   /* function of the nearest call that is shown, or NO_INDEX */
    uint32_t depth;    /* shown calls around it */
    uint32_t child_count;
    uint32_t made_as; /* id of the event: of the function, or of a call site of it */
    uint32_t cost_ps; /* of one event of its kind */
    uint32_t mark;    /* of whoever listens; 0 at its begin */
    bool is_shown;    /* by the selection's functions and depth */
    bool is_resumed;  /* this part began with a resume */
    bool was_open;    /* its begin was not seen */
    bool is_counted;  /* an earlier part of it was told */
    bool is_joined;   /* resumed: an earlier part of it is known */
    bool has_gap;     /* what it did was lost for some time */
};

struct player_lane {
    struct frame *frames; /* owned; NULL until used; [0] stands below all calls */
    size_t capacity;
    uint32_t index;
    uint32_t process;    /* index */
    uint32_t depth;      /* open calls: frames[depth] is the innermost */
    uint32_t cost_ps[2]; /* of an event: Python, C */
    bool is_selected;
    bool is_announced; /* calls open at the window's start were told */
    int64_t last_ns;
    uint64_t event_count;
    uint64_t cost; /* of these events, in picoseconds */
};

enum beat_kind {
    BEAT_BEGIN,
    BEAT_RESUME,
    BEAT_END,
    BEAT_SUSPEND,
    BEAT_POINT, /* event_kind says which */
    BEAT_GAP,
};
struct beat {
    uint32_t kind;   /* enum beat_kind */
    uint32_t ending; /* enum marey_ending */
    struct player_lane *lane;
    /* BEGIN, RESUME: the new innermost call. END, SUSPEND: the one that was. POINT,
     * GAP: the innermost call or the one below all. Good until the next beat. */
    struct frame *frame;
    int64_t time_ns;
    uint64_t child_events; /* END, SUSPEND: events below it */
    uint64_t child_cost;   /* and what they cost */
    uint64_t number;       /* GAP: how many; POINT: blob or flow */
    int64_t until_ns;      /* GAP: where something is known again */
    double value;
    uint32_t string; /* index, or MAREY_NO_INDEX */
    uint32_t event_kind;
    uint8_t detail;
    bool is_thrown;
};

/* A suspended activation, waiting for its next part. */
struct activation {
    uint64_t key;
    uint32_t owner;    /* process, or lane where lanes are played one by one */
    uint32_t function; /* index */
    uint32_t made_as;
    int64_t first_ns;
    int64_t running_ns;
    bool is_counted; /* a part of it was told */
    bool is_shown;
    bool is_used;
    bool has_gap;
    uint32_t next_free;
    uint32_t gap_count; /* of its owner when it was suspended */
};

/* Gaps of an owner of activations. One that was suspended before a gap may have ended
 * inside it, and its key be another's since: the parts are not joined. */
struct gaps {
    uint32_t count;      /* told so far */
    uint32_t open_count; /* lanes of which nothing is known, from since_ns at most */
    int64_t since_ns;
};

struct chunk_buffer {
    struct chunk_buffer *next; /* in the list of free ones */
    struct marey_cursor cursor;
    uint8_t *bytes; /* owned */
    size_t capacity;
    const struct marey_extent *extent;
    size_t held_at; /* where in the payload `bytes` begins */
    size_t left;    /* of the payload, behind what is held */
};

enum stream_phase {
    PHASE_EVENTS,   /* `event` comes next */
    PHASE_CHUNK,    /* the next chunk is to be opened */
    PHASE_CUT,      /* calls above `keep` are cut */
    PHASE_OPEN,     /* those of the snapshot begin */
    PHASE_PRIME,    /* the part before the window is to be played in silence */
    PHASE_ANNOUNCE, /* the calls that reach into the window begin */
    PHASE_END,      /* calls that are still open end */
    PHASE_OVER,
};
struct player_stream {
    enum stream_phase phase;
    uint32_t next_extent;       /* in the stream */
    struct player_lane *lane;   /* whose events these are now */
    struct chunk_buffer *chunk; /* owned; NULL between chunks */
    struct marey_event event;
    const struct marey_stream *stream;
    struct player_lane *home; /* its own lane */
    uint64_t key;             /* time of what comes next; heap order */
    uint64_t last_ticks;
    uint64_t due;                   /* index of the next event, lost ones included */
    uint64_t expected;              /* the same, by what headers promise */
    struct marey_snapshot snapshot; /* PHASE_CUT, _OPEN: the calls to come */
    uint32_t keep;
    uint64_t open_ticks;
    int64_t unknown_ns; /* PHASE_OPEN: nothing is known of what was done since then */
    bool is_unknown;    /* PHASE_CUT, _OPEN: the snapshot does not follow seamlessly */
    bool is_hidden;     /* the events of the present chunk were left out */
    bool is_in_gap;     /* counted in its owner's open_count */
    struct player_lane *announcing; /* PHASE_ANNOUNCE: whose calls */
    uint32_t announced;             /* how many of them */
    bool is_event_due;              /* behind that an event is loaded */
    bool is_silent;                 /* before the window */
};

struct player {
    struct marey_trace *trace;
    struct marey_selection selection;
    bool is_by_lane;
    struct player_lane *lanes;     /* owned; by lane index */
    uint64_t frame_room;           /* frames there is room for, of all lanes */
    struct player_stream *streams; /* owned; by lane index */
    uint32_t stream_count;
    uint32_t *heap; /* owned; stream indices */
    uint32_t heap_count;
    uint32_t leftover; /* lanes looked at, when all streams are over */
    uint8_t *traits;   /* owned; by function index: TRAIT_* */
    struct gaps *gaps; /* owned; by owner of activations */
    struct marey_table activation_index;
    struct activation *activations; /* owned; a pool */
    size_t activation_count, activation_capacity;
    uint32_t free_activation;
    /* Told of an activation that will not be resumed: its key was used again, or the
     * trace is over. */
    void (*forget)(void *context, const struct activation *activation, bool is_over);
    void *forget_context;
    /* Asked before a chunk is opened: true, and it made the stream stand behind it. */
    bool (*skip)(void *context, struct player *player, struct player_stream *stream);
    void *skip_context;
    struct chunk_buffer *free_buffers; /* owned */
    uint32_t free_buffer_count;
    size_t held_bytes; /* in buffers of streams */
    size_t held_max;   /* more, and streams hold pieces */
    uint8_t *whole;    /* owned; a payload of which a piece is to be held */
    size_t whole_capacity;
    uint64_t position; /* events played */
    enum marey_status status;
    struct marey_error error;
};

#define PLAYER_HELD_MAX (64u << 20)
#define TRAIT_C 1
#define TRAIT_SELECTED 2

/* Zeros are fine for release. */
enum marey_status marey_player_init(struct player *player, struct marey_trace *trace,
                                    const struct marey_selection *selection,
                                    enum marey_order order, struct marey_error *err);
void marey_player_release(struct player *player);
/* False at the end, and when player->status is not MAREY_OK. */
bool marey_player_next(struct player *player, struct beat *out);

/* ---- between the player's files ---- */

/* Opens a chunk: the stream's cursor and snapshot are at its beginning. On failure the
 * stream holds nothing. */
enum marey_status marey_chunk_take(struct player *player, struct player_stream *stream,
                                   const struct marey_extent *extent);
/* Gives back what the stream holds, if anything. */
void marey_chunk_give(struct player *player, struct player_stream *stream);
/* Moves a piece on, to begin at the cursor. False: there is no more, or it cannot be
 * read. */
bool marey_chunk_refill(struct player *player, struct chunk_buffer *chunk);
void marey_chunk_release_free(struct player *player);

/* Sets a stream to its first chunk, or to the one that reaches into the window. */
void marey_player_begin(struct player *player, struct player_stream *stream,
                        const struct marey_stream *source, struct player_lane *home);
/* Plays nothing but some chunks of one stream from here on; the first of the stream if
 * `is_first`, else what was before them is known. */
void marey_player_begin_part(struct player *player, const struct marey_stream *chunks,
                             uint32_t lane, bool is_first);
/* Makes the heap of the streams that have begun. */
void marey_player_order(struct player *player);

/* A new innermost call, which begins at the lane's time. NULL: the player has failed.
 */
struct frame *marey_player_push(struct player *player, struct player_lane *lane,
                                uint32_t function);
/* The stream stands behind so many chunks, which were not played; its lane's calls and
 * time are what they are there. */
void marey_player_pass(struct player *player, struct player_stream *stream,
                       uint32_t chunk_count, uint64_t event_count);

/* Makes room for one more frame. False: no memory, or more frames than a trace of this
 * size may ask for; the player has failed. */
bool marey_player_grow(struct player *player, struct player_lane *lane);
/* The frame takes over what is known of its activation, which is then running. */
void marey_activation_take(struct player *player, const struct player_lane *lane,
                           struct frame *frame);
/* The call of the frame is suspended after a part of part_ns. False: no memory. */
bool marey_activation_put(struct player *player, const struct player_lane *lane,
                          const struct frame *frame, int64_t part_ns);
/* The key means another activation from here on. */
void marey_activation_drop(struct player *player, const struct player_lane *lane,
                           uint64_t key);
void marey_activation_forget_all(struct player *player);
/* On the lane all is lost from then on; and what comes now is seen again. */
void marey_activation_gap_begin(struct player *player, const struct player_lane *lane,
                                int64_t since_ns);
void marey_activation_gap_end(struct player *player, const struct player_lane *lane);

#endif
