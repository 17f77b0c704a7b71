/* Choosing the clock, and reading all clocks at one moment. */
#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CLOCK_TSC 1
#define CLOCK_MONOTONIC_NS 2

/* Tries of one pair; the one read fastest is kept. */
#define PAIR_TRIES 5

#if defined(__x86_64__)
/* The kernel watches the counter and gives it up when it drifts between cores: what it
 * uses itself is trusted, what it has dropped is not. */
static bool
kernel_trusts_counter(void)
{
    char name[16] = {0};
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                  O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return true; /* hidden in many containers; the CPU's own word must do */
    ssize_t size = read(fd, name, sizeof(name) - 1);
    close(fd);
    return size >= 3 && memcmp(name, "tsc", 3) == 0;
}

static bool
counter_is_invariant(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(0x80000007, &a, &b, &c, &d))
        return false;
    return (d & (1u << 8)) != 0 && kernel_trusts_counter();
}

/* Over a millisecond: near enough to choose a shift; the exact rate is the readers'. */
static uint64_t
measure_rate(void)
{
    uint64_t start_ns = marey_monotonic_ns(), now_ns;
    uint64_t start = marey_counter_read(), now;

    do {
        now_ns = marey_monotonic_ns();
        now = marey_counter_read();
    } while (now_ns - start_ns < 200000);
    return (uint64_t)((double)(now - start) * 1e9 / (double)(now_ns - start_ns));
}
#endif

void
marey_clock_choose(struct marey_clock *out)
{
#if defined(__x86_64__)
    if (counter_is_invariant()) {
        uint64_t rate = measure_rate();
        out->kind = CLOCK_TSC;
        out->shift = MAREY_COUNTER_SHIFT;
        out->ticks_per_second = rate >> out->shift;
        return;
    }
    out->kind = CLOCK_MONOTONIC_NS;
    out->shift = 0;
    out->ticks_per_second = 1000000000;
#elif defined(__aarch64__)
    uint64_t rate;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(rate));
    out->kind = CLOCK_TSC;
    out->shift = MAREY_COUNTER_SHIFT;
    out->ticks_per_second = rate;
#else
    out->kind = CLOCK_MONOTONIC_NS;
    out->shift = 0;
    out->ticks_per_second = 1000000000;
#endif
}

void
marey_clock_pair_read(const struct marey_clock *clock, struct marey_clock_pair *out)
{
    bool is_counter = clock->kind == CLOCK_TSC;
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = marey_ticks(is_counter, clock->shift);
        uint64_t monotonic = marey_clock_ns(CLOCK_MONOTONIC);
        uint64_t after = marey_ticks(is_counter, clock->shift);
        if (after - before >= best)
            continue;
        best = after - before;
        out->ticks = before + (after - before) / 2;
        out->monotonic_ns = monotonic;
        out->boottime_ns = marey_clock_ns(CLOCK_BOOTTIME);
        out->realtime_ns = marey_clock_ns(CLOCK_REALTIME);
    }
}
