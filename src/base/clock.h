/* The clock of a trace: the time-stamp counter where it is invariant, CLOCK_MONOTONIC
 * elsewhere. Reading the counter costs 1 to 4 ns inside a hook, clock_gettime 18 to 21.
 */
#ifndef MAREY_BASE_CLOCK_H
#define MAREY_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "base/compiler.h"

/* What a process reads; all processes of one trace use the same. */
struct marey_clock {
    uint32_t kind;             /* MAREY_CLOCK_* of the format */
    uint32_t shift;            /* a tick is the count shifted right by this */
    uint64_t ticks_per_second; /* nominal; 0: not known yet */
};

/* One moment on every clock. */
struct marey_clock_pair {
    uint64_t ticks;
    uint64_t monotonic_ns;
    uint64_t boottime_ns;
    uint64_t realtime_ns;
};

/* Picks the best clock of this machine. */
void marey_clock_choose(struct marey_clock *out);

/* Reads all clocks as near to each other as the machine lets us. */
void marey_clock_pair_read(const struct marey_clock *clock,
                           struct marey_clock_pair *out);

/* What a clock of the system says. */
static inline uint64_t
marey_clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t
marey_monotonic_ns(void)
{
    return marey_clock_ns(CLOCK_MONOTONIC);
}

/* What the counter is shifted right by to give ticks: fixed, so hooks need not ask.
 * On x86-64 (1 to 5 GHz) a tick is 1.6 to 8 ns: most deltas then fit one byte, and
 * nothing is lost that the counter's own latency would not blur. */
#ifndef MAREY_COUNTER_SHIFT
#if defined(__x86_64__)
#define MAREY_COUNTER_SHIFT 3
#else
#define MAREY_COUNTER_SHIFT 0
#endif
#endif

/* The raw count. On aarch64 the virtual counter is invariant by architecture. */
MAREY_INLINE uint64_t
marey_counter_read(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return marey_monotonic_ns();
#endif
}

/* Ticks of the trace. `is_counter` is clock.kind == MAREY_CLOCK_TSC, kept by the caller
 * where it is cheap to reach. */
MAREY_INLINE uint64_t
marey_ticks(bool is_counter, uint32_t shift)
{
    uint64_t count;

    if (MAREY_LIKELY(is_counter))
        count = marey_counter_read();
    else
        count = marey_monotonic_ns();
    return count >> shift;
}

#endif
