/* --max-overhead: which functions cost more to record than they tell.
 *
 * Nothing is counted on the hot path. When a chunk is full its events are counted as
 * they stand there, of one chunk in a few, so that counting takes a small part of what
 * recording took:
 *
 *     events of the process   x  measured cost of one   =  what recording cost
 *     time on the processors  -  that                   =  what the program took
 *
 * Where the first is more than the agreed part of the second, the functions with the
 * most events are left out, most expensive first, until what is left fits. A function
 * with long calls is never among them: it has few. The interpreter's side switches them
 * off where their events come from; what they call hangs on the nearest call that is
 * still recorded. What is left out stays so for the rest of the recording; tally.c
 * knows how often it is called.
 */
#include "capture/budget.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/tally.h"
#include "marey/format_get.h"

#define FIRST_LOOK_NS UINT64_C(20000000)
#define NEXT_LOOK_NS UINT64_C(100000000)
#define SAMPLE_PARTS 4  /* one chunk in so many is counted, */
#define SAMPLES_FIRST 4 /* but the first few all */
#define AIM 0.6 /* of the agreed part: costs are estimates, and programs change */
/* An event costs more in a program than in the loop that measured it: other caches,
 * other branches. 18 ns there were 49 in a program of small methods. */
#define REAL 2.5
#define EVENTS_MIN 2000 /* in a sample, or it tells too little */
#define SHARE_MIN 200   /* one event in so many, or leaving it out saves nothing */

#define COUNTED 0.25 /* of the agreed part, for counting calls that are left out */

struct share {
    uint64_t event_count;
    uint32_t function;
    bool is_left_out;
};

static struct {
    pthread_mutex_t lock;
    double part; /* of the program's own time; 0: no budget */
    marey_leave_out_function leave_out;
    double cost_ns[3]; /* by MAREY_COST_* */
    uint64_t event_count;
    uint64_t sampled_count;
    uint32_t chunk_count;
    uint64_t *counts; /* owned; by function id, of the sample */
    size_t count_room;
    uint64_t look_ns, cpu_ns; /* since when */
    void (*again)(void);
} budget = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
marey_budget_cost(uint32_t kind, uint64_t picoseconds)
{
    if (kind < 3)
        budget.cost_ns[kind] = (double)picoseconds / 1000;
}

/* ---- counting ---- */

static bool
room_for(uint32_t function)
{
    if (function < budget.count_room)
        return true;
    size_t room = ((size_t)function + 256) * 2;
    uint64_t *counts = realloc(budget.counts, room * sizeof(*counts));
    if (counts == NULL)
        return false;
    memset(counts + budget.count_room, 0, (room - budget.count_room) * sizeof(*counts));
    budget.counts = counts;
    budget.count_room = room;
    return true;
}

/* Each call is two events. Resumed parts of generators are, too. */
static void
count_chunk(const struct marey_lane *lane)
{
    const struct marey_extent_header *header =
        (const struct marey_extent_header *)lane->slot.bytes;
    const uint8_t *events = lane->slot.bytes + sizeof(*header) + header->snapshot_size;
    struct marey_cursor cursor;
    struct marey_event event;

    marey_cursor_init(&cursor, events, (size_t)(lane->cursor - events),
                      header->base_ticks, false);
    while (marey_cursor_next(&cursor, &event)) {
        if (event.kind != MAREY_EVENT_ENTER && event.kind != MAREY_EVENT_RESUME)
            continue;
        uint32_t function = marey_function_of_id(event.function)->base->id;
        if (!room_for(function))
            return;
        budget.counts[function] += 2;
        budget.sampled_count += 2;
    }
}

/* ---- deciding ---- */

static int
compare_shares(const void *a, const void *b)
{
    uint64_t left = ((const struct share *)a)->event_count;
    uint64_t right = ((const struct share *)b)->event_count;

    return left > right ? -1 : left < right;
}

/* Those left out whose calls can be counted for `spare_ns`, cheapest first, and the
 * others. Counting takes one event of two. */
static void
count_calls(const struct share *shares, size_t count, double spare_ns, double scale)
{
    while (count-- > 0) {
        struct marey_function *function = marey_function_of_id(shares[count].function);
        double cost_ns =
            (double)shares[count].event_count * scale / 2 * marey_budget_event_ns();
        if (!shares[count].is_left_out)
            continue;
        bool is_counted =
            (function->flags & MAREY_FUNCTION_C) == 0 && cost_ns <= spare_ns;
        spare_ns -= is_counted ? cost_ns : 0;
        marey_tally_add(function, is_counted);
    }
}

/* The functions to leave out, so that `excess_ns` are saved. */
static void
leave_out(double excess_ns, double event_ns, double spare_ns)
{
    struct share *shares = malloc(budget.count_room * sizeof(*shares));
    size_t count = 0;
    double scale = (double)budget.event_count / (double)budget.sampled_count;
    bool is_any = false;

    for (size_t i = 0; shares != NULL && i < budget.count_room; i++)
        if (budget.counts[i] > 0)
            shares[count++] = (struct share){budget.counts[i], (uint32_t)i, false};
    if (count > 0)
        qsort(shares, count, sizeof(*shares), compare_shares);
    for (size_t i = 0; i < count && excess_ns > 0; i++) {
        if (shares[i].event_count < budget.sampled_count / SHARE_MIN)
            break;
        double saved_ns = (double)shares[i].event_count * scale * event_ns;
        shares[i].is_left_out =
            budget.leave_out(marey_function_of_id(shares[i].function));
        excess_ns -= shares[i].is_left_out ? saved_ns : 0;
        is_any |= shares[i].is_left_out;
    }
    if (is_any) {
        marey_tally_settle();
        count_calls(shares, count, spare_ns, scale);
        budget.leave_out(NULL);
        marey_tally_open();
    }
    free(shares);
}

static void
forget(void)
{
    budget.event_count = budget.sampled_count = 0;
    budget.chunk_count = 0;
    if (budget.counts != NULL)
        memset(budget.counts, 0, budget.count_room * sizeof(*budget.counts));
    budget.cpu_ns = marey_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double
marey_budget_event_ns(void)
{
    double cost_ns = budget.cost_ns[MAREY_COST_PYTHON];

    return (cost_ns > 0 ? cost_ns : 20) * REAL;
}

double
marey_budget_seen_ns(void)
{
    return marey_budget_event_ns() / REAL;
}

double
marey_budget_part(void)
{
    return budget.part * COUNTED;
}

static void
decide(void)
{
    double event_ns = marey_budget_event_ns();
    double took_ns = (double)(marey_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - budget.cpu_ns);
    double cost_ns = (double)budget.event_count * event_ns;
    double own_ns = took_ns - cost_ns;

    /* Recording that seems to take all of the time takes most of it. */
    if (own_ns < took_ns / 10)
        own_ns = took_ns / 10;
    if (cost_ns > own_ns * budget.part)
        leave_out(cost_ns - own_ns * budget.part * AIM, event_ns,
                  (took_ns - cost_ns / REAL) * marey_budget_part());
    forget();
}

void
marey_budget_look(const struct marey_lane *lane)
{
    if (budget.part <= 0 || pthread_mutex_trylock(&budget.lock) != 0)
        return;
    budget.event_count += lane->event_count;
    if (budget.chunk_count++ < SAMPLES_FIRST || budget.chunk_count % SAMPLE_PARTS == 0)
        count_chunk(lane);
    uint64_t now_ns = marey_monotonic_ns();
    if (now_ns >= budget.look_ns && budget.sampled_count >= EVENTS_MIN) {
        budget.look_ns = now_ns + NEXT_LOOK_NS;
        decide();
    }
    pthread_mutex_unlock(&budget.lock);
}

void
marey_budget_forked(void)
{
    pthread_mutex_init(&budget.lock, NULL);
    forget();
    marey_tally_forked();
}

void
marey_budget_on_window(void (*again)(void))
{
    budget.again = again;
}

void
marey_budget_set(double part, marey_leave_out_function function)
{
    pthread_mutex_init(&budget.lock, NULL);
    budget.part = part;
    budget.leave_out = function;
    budget.look_ns = marey_monotonic_ns() + FIRST_LOOK_NS;
    marey_tally_reset(budget.again);
    forget();
}
