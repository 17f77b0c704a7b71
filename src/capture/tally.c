/* How often functions are called that --max-overhead left out: counted, or estimated.
 *
 * A call that is not recorded costs nothing, so nobody counts it. Two ways to know:
 *
 *   counted     the event of a call's start stays on, and adds one: less than half of
 *               what recording costs. For functions that the budget has room for.
 *   estimated   the events are on for a millisecond now and then:
 *
 *       window      window            window                  window
 *       |--|........|--|..............|--|....................|--|...
 *       what it saw stands for the time up to the next, as the processor counts it,
 *       what seeing it cost taken off
 *
 * A window ends with the first call behind its end; the time is taken there.
 * The first window opens when the function is left out, the next after 100 ms, then
 * after twice as long, up to a second: to open one the interpreter looks at all code
 * again. The sums are told in the trace ever more rarely, and at the end.
 */
#include "capture/tally.h"

#include <stdlib.h>
#include <time.h>

#include "capture/budget.h"

#define WINDOW_NS 1000000
#define FIRST_PAUSE_NS UINT64_C(100000000)
#define PAUSE_MAX_NS UINT64_C(1000000000)
#define TELL_NS UINT64_C(1000000000)
#define TELL_PARTS 16       /* of the recording's age, between two times that we tell */
#define PULSE_CALLS 0x10000 /* counted calls between two looks at what they cost */

_Atomic uint64_t marey_tally_next = UINT64_MAX;
static _Atomic uint64_t window_end;  /* ticks */
static _Atomic uint64_t seen_cpu_ns; /* of the process at its end; 0: not yet */

static struct {
    pthread_mutex_t lock;
    struct marey_function **functions; /* owned; their records outlast us */
    size_t count, capacity;
    void (*again)(void);
    uint64_t begin_ns, cpu_ns; /* of the window, by the clock and of the process */
    uint64_t pause_ns;
    uint64_t tell_ns; /* when to tell next */
} tally = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool
marey_tally_call(struct marey_function *function)
{
    struct marey_recording *recording =
        atomic_load_explicit(&marey_recording_now, memory_order_acquire);

    if (recording == NULL || !function->is_left_out)
        return false;
    if (!function->is_counted &&
        marey_recording_ticks(recording) >
            atomic_load_explicit(&window_end, memory_order_relaxed)) {
        if (atomic_load_explicit(&seen_cpu_ns, memory_order_relaxed) == 0)
            atomic_store(&seen_cpu_ns, marey_clock_ns(CLOCK_PROCESS_CPUTIME_ID));
        return false;
    }
    uint64_t count =
        atomic_fetch_add_explicit(&function->calls_seen, 1, memory_order_relaxed);
    if (function->is_counted && (count + 1) % PULSE_CALLS == 0)
        marey_tally_pulse();
    return true;
}

/* The most expensive of those that are counted is only estimated from here on, if all
 * of them together cost more than their part. The lock is held. */
static void
relieve(double cost_ns, double most_ns, struct marey_function *dearest)
{
    if (dearest != NULL && cost_ns > most_ns)
        dearest->is_counted = false;
}

/* What one call that was seen in the window stands for. The lock is held. */
static double
rest_of(double busy_ns, uint64_t seen_until_ns)
{
    uint64_t seen_count = 0;

    if (seen_until_ns <= tally.cpu_ns)
        return 1; /* no call was missed */
    for (size_t i = 0; i < tally.count; i++)
        if (!tally.functions[i]->is_counted)
            seen_count += atomic_load_explicit(&tally.functions[i]->calls_seen,
                                               memory_order_relaxed);
    double seen_ns = (double)(seen_until_ns - tally.cpu_ns);
    double own_ns = seen_ns - (double)seen_count * marey_budget_seen_ns();
    if (own_ns < seen_ns / 10)
        own_ns = seen_ns / 10;
    return 1 + (busy_ns > seen_ns ? busy_ns - seen_ns : 0) / own_ns;
}

/* The lock is held. */
static void
settle(void)
{
    uint64_t now_ns = marey_monotonic_ns();
    uint64_t cpu_ns = marey_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t seen_until_ns = atomic_exchange(&seen_cpu_ns, 0);
    double busy_ns = (double)(cpu_ns - tally.cpu_ns) + 1;
    double factor = rest_of(busy_ns, seen_until_ns);
    double counted_ns = 0;
    struct marey_function *dearest = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < tally.count; i++) {
        struct marey_function *function = tally.functions[i];
        uint64_t count =
            atomic_exchange_explicit(&function->calls_seen, 0, memory_order_relaxed);
        if (!function->is_counted) {
            function->calls_estimated += (uint64_t)((double)count * factor);
            continue;
        }
        function->calls_counted += count;
        counted_ns += (double)count * marey_budget_event_ns();
        if (count > most) {
            most = count;
            dearest = function;
        }
    }
    relieve(counted_ns, busy_ns * marey_budget_part(), dearest);
    tally.begin_ns = now_ns;
    tally.cpu_ns = cpu_ns;
}

/* The lock is held. */
static void
tell(void)
{
    uint64_t age_ns = marey_recording_age_ns();
    uint64_t pause_ns = age_ns / TELL_PARTS;

    for (size_t i = 0; i < tally.count; i++)
        marey_define_unrecorded(tally.functions[i]);
    tally.tell_ns = tally.begin_ns + (pause_ns > TELL_NS ? pause_ns : TELL_NS);
}

/* The lock is held. */
static void
open_window(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    double ticks_per_ns = (double)recording->clock.ticks_per_second / 1e9;
    uint64_t now = marey_recording_ticks(recording);
    atomic_store(&seen_cpu_ns, 0);
    atomic_store(&window_end, now + (uint64_t)(WINDOW_NS * ticks_per_ns));
    atomic_store(&marey_tally_next,
                 now + (uint64_t)((double)tally.pause_ns * ticks_per_ns));
    tally.pause_ns =
        tally.pause_ns * 2 < PAUSE_MAX_NS ? tally.pause_ns * 2 : PAUSE_MAX_NS;
}

void
marey_tally_settle(void)
{
    pthread_mutex_lock(&tally.lock);
    if (tally.count > 0)
        settle();
    pthread_mutex_unlock(&tally.lock);
}

void
marey_tally_add(struct marey_function *function, bool is_counted)
{
    pthread_mutex_lock(&tally.lock);
    if (tally.count == tally.capacity) {
        size_t capacity = tally.capacity * 2 + 16;
        struct marey_function **more =
            realloc(tally.functions, capacity * sizeof(struct marey_function *));
        if (more != NULL) {
            tally.functions = more;
            tally.capacity = capacity;
        }
    }
    if (tally.count < tally.capacity) {
        function->is_counted = is_counted;
        function->calls_counted = function->calls_estimated = 0;
        atomic_store(&function->calls_seen, 0);
        tally.functions[tally.count++] = function;
    }
    pthread_mutex_unlock(&tally.lock);
}

void
marey_tally_open(void)
{
    pthread_mutex_lock(&tally.lock);
    if (tally.count > 0) {
        tally.begin_ns = marey_monotonic_ns();
        tally.cpu_ns = marey_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        tally.pause_ns = FIRST_PAUSE_NS;
        open_window();
        tell();
    }
    pthread_mutex_unlock(&tally.lock);
}

void
marey_tally_pulse(void)
{
    bool is_open = false;

    if (pthread_mutex_trylock(&tally.lock) != 0)
        return;
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording != NULL && tally.count > 0 && tally.again != NULL &&
        marey_recording_ticks(recording) >= atomic_load(&marey_tally_next)) {
        settle();
        if (tally.begin_ns >= tally.tell_ns)
            tell();
        open_window();
        is_open = true;
    }
    pthread_mutex_unlock(&tally.lock);
    if (is_open)
        tally.again();
}

void
marey_tally_finish(void)
{
    pthread_mutex_lock(&tally.lock);
    atomic_store(&marey_tally_next, UINT64_MAX);
    if (tally.count > 0) {
        settle();
        tell();
    }
    tally.count = 0;
    pthread_mutex_unlock(&tally.lock);
}

void
marey_tally_forked(void)
{
    pthread_mutex_init(&tally.lock, NULL);
    for (size_t i = 0; i < tally.count; i++) {
        tally.functions[i]->calls_counted = tally.functions[i]->calls_estimated = 0;
        atomic_store(&tally.functions[i]->calls_seen, 0);
    }
    marey_tally_open();
}

void
marey_tally_reset(void (*again)(void))
{
    pthread_mutex_lock(&tally.lock);
    atomic_store(&marey_tally_next, UINT64_MAX);
    tally.count = 0;
    tally.again = again;
    pthread_mutex_unlock(&tally.lock);
}
