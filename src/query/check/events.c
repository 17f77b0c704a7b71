/* Checking the events of a lane: what they name exists, and calls nest. */
#include "query/check/check.h"

/* Events of one chunk, as far as they were checked. */
struct checking {
    struct checker *checker;
    const struct marey_cursor *cursor;
    uint64_t last_ticks;
    uint64_t counted;
    bool is_away; /* on another lane, whose calls are not known here */
    bool was_resume;
};

static void
find(const struct checking *checking, const char *what)
{
    marey_check_find(checking->checker, checking->cursor->start, what);
}

/* ---- the stack ---- */

static void
push(struct checker *checker, uint32_t function, uint64_t start_ticks, bool is_resumed)
{
    if (checker->depth >= MAREY_DEPTH_MAX) {
        marey_check_find(checker, NULL, "more open calls than there can be");
        return;
    }
    if (!marey_memory_grow((void **)&checker->stack, &checker->stack_capacity,
                           (size_t)checker->depth + 1, sizeof(*checker->stack))) {
        checker->status = MAREY_NOMEM;
        return;
    }
    checker->stack[checker->depth++] =
        (struct check_call){start_ticks, function, is_resumed};
    if (checker->depth_max < checker->depth)
        checker->depth_max = checker->depth;
}

/* The function of an id, which may be that of a call site. */
static uint32_t
function_of(const struct checker *checker, uint32_t id)
{
    return trace_resolve(checker->trace, checker->process, ID_FUNCTION, id);
}

/* The stack becomes what the snapshot says; `must_equal`: it is that already. */
static void
take_snapshot(struct checker *checker, const uint8_t *at,
              struct marey_snapshot *snapshot, bool must_equal)
{
    struct marey_snapshot_entry entry;
    uint32_t old_depth = checker->depth, depth = 0;
    bool is_equal = snapshot->left == old_depth;

    checker->depth = 0;
    while (marey_snapshot_next(snapshot, &entry)) {
        if (!check_knows(checker, ID_FUNCTION, entry.function))
            marey_check_find_number(checker, at, "an open call of undefined function ",
                                    entry.function);
        if (depth < old_depth) {
            const struct check_call *call = &checker->stack[depth];
            is_equal &= call->function == entry.function &&
                        call->start_ticks == entry.start_ticks &&
                        call->is_resumed == entry.is_resumed;
        }
        depth++;
        push(checker, entry.function, entry.start_ticks, entry.is_resumed);
        if (checker->status != MAREY_OK)
            return;
    }
    if (must_equal && !is_equal)
        marey_check_find(checker, at, "its open calls are not those of the last chunk");
}

/* ---- one event ---- */

static void
check_string(const struct checking *checking, uint32_t id)
{
    if (id != 0 && !check_knows(checking->checker, ID_STRING, id))
        marey_check_find_number(checking->checker, checking->cursor->start,
                                "names undefined string ", id);
}

static void
check_blob(const struct checking *checking, uint64_t blob)
{
    if (blob > checking->checker->blob_count)
        marey_check_find_number(checking->checker, checking->cursor->start,
                                "names values that are not there: ", blob - 1);
}

static void
check_begin(const struct checking *checking, const struct marey_event *event)
{
    struct checker *checker = checking->checker;

    if (!check_knows(checker, ID_FUNCTION, event->function))
        marey_check_find_number(checker, checking->cursor->start,
                                "calls undefined function ", event->function);
    if (!checking->is_away)
        push(checker, event->function, event->ticks, event->kind == MAREY_EVENT_RESUME);
}

static void
check_end(const struct checking *checking, const struct marey_event *event)
{
    struct checker *checker = checking->checker;

    if (checking->is_away)
        return;
    if (checker->depth == 0) {
        find(checking, "a call ends where none is open");
        return;
    }
    checker->depth--;
    if (event->kind == MAREY_EVENT_YIELD &&
        function_of(checker, checker->stack[checker->depth].function) !=
            function_of(checker, event->function))
        find(checking, "suspends another function than the innermost call's");
}

static void
check_switch(struct checking *checking, const struct marey_event *event)
{
    const struct checker *checker = checking->checker;
    uint32_t process = (uint32_t)(checker->process - checker->trace->processes);
    uint32_t serial = (uint32_t)event->number;

    if (marey_trace_lane_index(checker->trace, process, serial) == MAREY_NO_INDEX)
        marey_check_find_number(checking->checker, checking->cursor->start,
                                "switches to undefined lane ", serial);
    checking->is_away = serial != checker->extent->lane;
}

static void
check_event(struct checking *checking, struct marey_event *event)
{
    struct checker *checker = checking->checker;

    switch (event->kind) {
    case MAREY_EVENT_ENTER:
    case MAREY_EVENT_RESUME: check_begin(checking, event); break;
    case MAREY_EVENT_UNWIND: check_string(checking, event->string); /* fall through */
    case MAREY_EVENT_LEAVE:
    case MAREY_EVENT_CUT:
    case MAREY_EVENT_YIELD: check_end(checking, event); break;
    case MAREY_EVENT_INSTANT:
    case MAREY_EVENT_LOG: check_blob(checking, event->number); /* fall through */
    case MAREY_EVENT_COUNTER: check_string(checking, event->string); break;
    case MAREY_EVENT_THROWN:
        check_string(checking, event->string);
        if (!checking->was_resume)
            find(checking, "a throw without the resume before it");
        break;
    case MAREY_EVENT_VALUES:
        check_blob(checking, event->number);
        if (event->detail != MAREY_ROLE_ARGUMENTS && event->detail != MAREY_ROLE_RETURN)
            find(checking, "values of a role that is not known");
        if (!checking->is_away && checker->depth == 0)
            find(checking, "values of a call where none is open");
        break;
    case MAREY_EVENT_LOST: checker->noted_lost += event->number; break;
    case MAREY_EVENT_RESYNC:
        if (!checking->is_away)
            take_snapshot(checker, checking->cursor->start, &event->snapshot, false);
        break;
    case MAREY_EVENT_SWITCH: check_switch(checking, event); break;
    default: break;
    }
    checking->was_resume = event->kind == MAREY_EVENT_RESUME;
    checking->counted += event->kind < MAREY_EVENT_THROWN;
    checking->last_ticks = event->ticks;
}

void
marey_check_events(struct checker *checker, bool is_next)
{
    const struct marey_extent *extent = checker->extent;
    const uint8_t *events = checker->payload + extent->snapshot_size;
    struct checking checking = {.checker = checker, .last_ticks = extent->base_ticks};
    struct marey_snapshot snapshot;
    struct marey_cursor cursor;
    struct marey_event event;

    if (!marey_snapshot_init(&snapshot, checker->payload, extent->snapshot_size,
                             extent->base_ticks)) {
        marey_check_find(checker, checker->payload,
                         "the list of open calls is damaged");
        checker->depth = 0;
        return;
    }
    if (snapshot.left != extent->start_depth)
        marey_check_find(checker, checker->payload,
                         "another number of open calls than the header says");
    take_snapshot(checker, checker->payload, &snapshot, is_next);
    if (extent->is_left_out)
        return;
    marey_cursor_init(&cursor, events, extent->payload_size - extent->snapshot_size,
                      extent->base_ticks, extent->is_open);
    checking.cursor = &cursor;
    while (checker->status == MAREY_OK && marey_cursor_next(&cursor, &event))
        check_event(&checking, &event);
    if (cursor.is_bad)
        marey_check_find(checker, cursor.next, "an event that cannot be read");
    else if (checking.counted != extent->record_count)
        marey_check_find(checker, NULL,
                         "another number of events than the header says");
    if (checking.last_ticks > extent->end_ticks)
        marey_check_find(checker, NULL, "its last event lies behind its end");
}
