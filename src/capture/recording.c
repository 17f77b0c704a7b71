/* Starting and stopping, threads that end, processes that fork.
 *
 * One recording a process at a time. Hooks reach it through their thread's lane; the
 * lock here guards only the list of lanes. start() and stop() are called while no hook
 * runs (the interpreter holds its lock, or has stopped the world); a thread that ends
 * closes its lane from a thread-exit destructor, without the interpreter.
 *
 * A forked child inherits the mappings of its parent's slots and must not store one
 * byte into them. The fork handler sends the one thread that lives on the slow way;
 * there, at its first event, the child becomes a process of the trace. A child that
 * only calls exec never gets there, and leaves nothing behind.
 */
#include "capture/recording.h"
#include "capture/budget.h"
#include "capture/tally.h"
#include "marey/capture_keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct marey_recording *_Atomic marey_recording_now;
atomic_bool marey_is_forked;

static pthread_key_t thread_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void (*second_tick)(void);
static MAREY_THREAD_LOCAL uint64_t fork_flow; /* of the child this thread forks */
static bool is_child;                         /* of a process that recorded */

/* Of the recording's list of lanes. Outlives recordings, since a thread may end while
 * another stops the recording. */
pthread_mutex_t marey_lanes_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- threads that end ---- */

static void
remove_lane(struct marey_recording *recording, struct marey_lane *lane)
{
    struct marey_lane **link = &recording->lanes;

    while (*link != NULL && *link != lane)
        link = &(*link)->next;
    if (*link == lane)
        *link = lane->next;
}

/* Runs in the thread that ends; stop() may run in another at the same time. A lane that
 * is not in the list was retired by a stop, and only this thread still knows it. */
static void
thread_ended(void *value)
{
    struct marey_lane *lane = value;

    marey_lane_of_thread = &marey_idle_lane;
    if (atomic_load(&marey_is_forked))
        return;
    pthread_mutex_lock(&marey_lanes_lock);
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording != NULL && lane->recording == recording) {
        marey_lane_finish(lane, marey_recording_ticks(recording));
        remove_lane(recording, lane);
    }
    pthread_mutex_unlock(&marey_lanes_lock);
    marey_lane_free(lane);
}

void
marey_thread_watch(struct marey_lane *lane)
{
    pthread_setspecific(thread_key, lane);
}

/* ---- fork ---- */

static void
before_fork(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    pthread_mutex_lock(&marey_lanes_lock);
    pthread_mutex_lock(&recording->definitions.lock);
}

static void
after_fork_in_parent(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    pthread_mutex_unlock(&recording->definitions.lock);
    pthread_mutex_unlock(&marey_lanes_lock);
}

static void
after_fork_in_child(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    pthread_mutex_init(&marey_lanes_lock, NULL);
    pthread_mutex_init(&recording->definitions.lock, NULL);
    if (marey_lane_of_thread != &marey_idle_lane)
        marey_lane_of_thread->limit = NULL;
    is_child = true;
    if (recording->no_children) {
        /* None of the trace's: its slots and lanes are left alone for good. */
        atomic_store(&marey_recording_now, NULL);
        return;
    }
    atomic_store(&marey_is_forked, true);
}

void
marey_recording_adopt(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    bool was_forked = true;

    if (!atomic_compare_exchange_strong(&marey_is_forked, &was_forked, false) ||
        recording == NULL)
        return;
    uint32_t parent = recording->process;
    marey_file_forked(recording->file);
    recording->process = marey_file_take_process(recording->file);
    recording->start_ticks = marey_recording_ticks(recording);
    recording->start_ns = marey_monotonic_ns();
    recording->flow = fork_flow;
    recording->flow_is_due = fork_flow != 0;
    atomic_store(&recording->flow_count, 0);
    fork_flow = 0;
    marey_definitions_forked(recording, parent);
    struct marey_lane *lane = recording->lanes, *own = marey_lane_of_thread;
    recording->lanes = NULL;
    while (lane != NULL) {
        struct marey_lane *next = lane->next;
        if (lane != own)
            marey_lane_free(lane);
        lane = next;
    }
    marey_keep_forked();
    marey_budget_forked();
    if (own != &marey_idle_lane) {
        own->next = NULL;
        recording->lanes = own;
        marey_lane_forked(own);
    }
}

void
marey_recording_fork_flow(uint64_t flow)
{
    fork_flow = flow;
}

static void
set_up_once(void)
{
    pthread_key_create(&thread_key, thread_ended);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- housekeeping ---- */

void
marey_recording_on_second(void (*tick)(void))
{
    second_tick = tick;
}

/* Pairs at 1, 10, 100 ms and every second: a short or killed run has two that are far
 * enough apart to tell the counter's rate. After a minute ever more rarely, so that a
 * recording of weeks does not grow by them. */
void
marey_recording_housekeep(struct marey_recording *recording, uint64_t now)
{
    uint64_t due =
        atomic_load_explicit(&recording->next_pair_ticks, memory_order_relaxed);
    uint64_t second = recording->clock.ticks_per_second;

    if (now < due)
        return;
    uint64_t interval =
        atomic_load_explicit(&recording->pair_interval_ticks, memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&recording->next_pair_ticks, &due,
                                        now + interval))
        return;
    atomic_store_explicit(&recording->pair_interval_ticks,
                          interval * 10 < second ? interval * 10 : second,
                          memory_order_relaxed);
    if (now >=
        atomic_load_explicit(&recording->next_clock_ticks, memory_order_relaxed)) {
        atomic_store_explicit(&recording->next_clock_ticks,
                              now + (now - recording->start_ticks) / 64,
                              memory_order_relaxed);
        marey_define_clock(recording);
    }
    if (interval >= second && second_tick != NULL)
        second_tick();
}

/* ---- start and stop ---- */

static enum marey_status
open_file(const struct marey_recording_options *options, struct marey_file **out,
          struct marey_error *err)
{
    if (options->may_join && access(options->path, F_OK) == 0)
        return marey_file_join(options->path, out, err);
    return marey_file_create(options->path, &options->file, out, err);
}

enum marey_status
marey_recording_start(const struct marey_recording_options *options,
                      const struct marey_process_texts *texts, struct marey_error *err)
{
    struct marey_file *file = NULL;

    pthread_once(&once, set_up_once);
    if (atomic_load(&marey_recording_now) != NULL)
        return marey_fail(err, MAREY_USAGE,
                          "a recording is on already in this process; "
                          "stop it first");
    enum marey_status status = open_file(options, &file, err);
    if (status != MAREY_OK)
        return status;
    struct marey_recording *recording = calloc(1, sizeof(*recording));
    if (recording == NULL) {
        marey_file_close(file);
        return marey_fail(err, MAREY_NOMEM, "starting a recording: out of memory");
    }
    recording->file = file;
    recording->clock = *marey_file_clock(file);
    recording->process = marey_file_take_process(file);
    recording->max_depth = options->max_depth;
    recording->start_ticks = marey_recording_ticks(recording);
    recording->start_ns = marey_monotonic_ns();
    recording->min_duration_ticks =
        (uint64_t)((double)options->min_duration_ns *
                   (double)recording->clock.ticks_per_second / 1e9);
    recording->is_careful = options->is_careful || recording->max_depth > 0 ||
                            recording->min_duration_ticks > 0 ||
                            recording->clock.kind != MAREY_CLOCK_TSC ||
                            recording->clock.shift != MAREY_COUNTER_SHIFT;
    recording->pair_interval_ticks = recording->clock.ticks_per_second / 1000;
    atomic_init(&recording->next_pair_ticks,
                recording->start_ticks + recording->pair_interval_ticks);
    recording->flow = options->flow;
    recording->flow_is_due = options->flow != 0;
    recording->no_children = options->no_children;
    marey_definitions_start(recording, options->parent, texts, options->options_text);
    atomic_store_explicit(&marey_recording_now, recording, memory_order_release);
    return MAREY_OK;
}

void
marey_recording_stop(int exit_status, bool has_exit_status)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    if (atomic_load(&marey_is_forked)) {
        /* A child that never had an event is no process of the trace. */
        atomic_store(&marey_recording_now, NULL);
        return;
    }
    marey_tally_finish();
    pthread_mutex_lock(&marey_lanes_lock);
    atomic_store_explicit(&marey_recording_now, NULL, memory_order_release);
    struct marey_lane *lane = recording->lanes;
    recording->lanes = NULL;
    while (lane != NULL) {
        struct marey_lane *next = lane->next;
        marey_lane_finish(lane, 0);
        lane->recording = NULL;
        lane->next = NULL;
        if (!lane->is_taken)
            marey_lane_free(lane); /* prepared for a thread that never had an event */
        lane = next;
    }
    pthread_mutex_unlock(&marey_lanes_lock);
    marey_define_clock(recording);
    marey_define_process_end(recording, exit_status, has_exit_status);
    marey_definitions_stop(recording);
    marey_file_close(recording->file);
    free(recording);
}

void
marey_recording_finish(int exit_status, struct marey_file_counts *counts)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    memset(counts, 0, sizeof(*counts));
    if (recording == NULL || atomic_load(&marey_is_forked))
        return;
    marey_tally_finish();
    pthread_mutex_lock(&marey_lanes_lock);
    for (struct marey_lane *lane = recording->lanes; lane != NULL; lane = lane->next)
        marey_lane_finish(lane, 0);
    pthread_mutex_unlock(&marey_lanes_lock);
    marey_define_clock(recording);
    marey_define_process_end(recording, exit_status, true);
    marey_definitions_stop(recording);
    atomic_store(&marey_recording_now, NULL);
    marey_file_counts(recording->file, counts);
}

uint32_t
marey_recording_process(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return 0;
    marey_recording_adopt();
    return recording->process;
}

bool
marey_recording_was_forked(void)
{
    return is_child;
}

bool
marey_recording_is_on(void)
{
    return atomic_load_explicit(&marey_recording_now, memory_order_acquire) != NULL;
}

bool
marey_recording_status(struct marey_recording_status *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&marey_lanes_lock); /* a stop closes the file after it */
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording != NULL) {
        const char *path = marey_file_path(recording->file);
        size_t size = strlen(path);
        marey_file_counts(recording->file, &out->counts);
        for (const struct marey_lane *lane = recording->lanes; lane != NULL;
             lane = lane->next)
            out->counts.event_count +=
                __atomic_load_n(&lane->event_count, __ATOMIC_RELAXED);
        out->age_ns = marey_monotonic_ns() - recording->start_ns;
        if (size < sizeof(out->path))
            memcpy(out->path, path, size);
    }
    pthread_mutex_unlock(&marey_lanes_lock);
    return recording != NULL;
}

void
marey_recording_refilter(bool is_careful)
{
    pthread_mutex_lock(&marey_lanes_lock);
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording != NULL) {
        recording->is_careful |= is_careful;
        for (struct marey_lane *lane = recording->lanes; lane != NULL;
             lane = lane->next) {
            atomic_store(&lane->must_sift, true);
            lane->limit = NULL;
        }
    }
    pthread_mutex_unlock(&marey_lanes_lock);
}

uint64_t
marey_recording_age_ns(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    return recording == NULL ? 0 : marey_monotonic_ns() - recording->start_ns;
}
