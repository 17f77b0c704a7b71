/* Snapshots and keeps: parts of the recording as finished traces.
 *
 *   hooks: a match ──> pending { from, to, why }        keeper: waits until `to`,
 *   signal handler ──> a flag ──────────────────> sem   makes room in the folder,
 *                                                       writes the window
 *
 * One keep is pending at a time. Matches that come until it is written join it: their
 * reasons go into the same trace, whose window reaches back to the earliest of them. So
 * a storm of matches costs one keep in `after_ns`, and no more than the agreed number a
 * minute; what was passed over is counted and told by the next.
 *
 * The lock is held for a few instructions by hooks, and never while files are written.
 * The keeper blocks all signals and knows no interpreter.
 */
#include "marey/capture_keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "capture/recording.h"
#include "capture/watch.h"
#include "marey/format_window.h"

#define WHY_SIZE_MAX 2048
#define SIGNALS_MAX 65
#define STACK_BYTES 262144 /* of the keeper */
#define SECOND_NS UINT64_C(1000000000)

/* ---- a part of the recording ---- */

/* A descriptor of the trace to read from, and what the window is counted in. Holds the
 * lock only for so long: a stop may close the file while we read, and a thread that
 * ends waits for nobody. */
static enum marey_status
look_at(struct marey_clock *clock, uint32_t *process, uint64_t *now, int *fd,
        struct marey_error *err)
{
    enum marey_status status = MAREY_OK;

    pthread_mutex_lock(&marey_lanes_lock);
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording == NULL || atomic_load(&marey_is_forked)) {
        status = marey_fail(err, MAREY_USAGE, "nothing is recorded here now");
    } else {
        marey_define_clock(recording);
        *clock = recording->clock;
        *process = recording->process;
        *now = marey_recording_ticks(recording);
        *fd = marey_file_dup(recording->file);
        if (*fd < 0)
            status = marey_fail(err, MAREY_IO,
                                "the trace cannot be read: it was "
                                "removed, or closed by the program");
    }
    pthread_mutex_unlock(&marey_lanes_lock);
    return status;
}

static uint64_t
ticks_of(const struct marey_clock *clock, uint64_t ns)
{
    return (uint64_t)((double)ns * (double)clock->ticks_per_second / 1e9);
}

enum marey_status
marey_recording_snapshot(const char *path, const char *why, uint64_t before_ns,
                         struct marey_error *err)
{
    struct marey_window *window = NULL;
    struct marey_window_options options = {.why = why};
    struct marey_clock clock = {0};
    int fd = -1;

    enum marey_status status =
        look_at(&clock, &options.process, &options.to_ticks, &fd, err);
    if (status != MAREY_OK)
        return status;
    uint64_t before = ticks_of(&clock, before_ns);
    if (before_ns > 0 && before < options.to_ticks)
        options.from_ticks = options.to_ticks - before;
    status = marey_window_open(fd, &options, &window, err);
    if (status == MAREY_OK)
        status = marey_window_write(window, path, err);
    marey_window_close(window);
    close(fd);
    return status;
}

void
marey_recording_spill(bool is_alone)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL || atomic_load(&marey_is_forked) ||
        marey_file_is_mapped(recording->file))
        return;
    pthread_mutex_lock(&marey_lanes_lock);
    for (struct marey_lane *lane = recording->lanes; lane != NULL; lane = lane->next)
        if (lane->serial != 0 && !lane->is_ended &&
            (is_alone || lane == marey_lane_of_thread))
            marey_lane_spill(lane);
    marey_definitions_spill(recording);
    pthread_mutex_unlock(&marey_lanes_lock);
}

/* ---- what was agreed on, and what is to be kept ---- */

struct pending {
    bool is_set;
    uint64_t from_ticks; /* of the earliest match, `before` not taken off */
    uint64_t due_ns;     /* when it is written */
    uint32_t match_count;
    int note; /* of marey_file_keep_ask() */
    char why[WHY_SIZE_MAX];
};

static struct {
    pthread_mutex_t lock;
    pthread_mutex_t writing; /* one keep at a time; taken without the lock */
    bool is_on, has_thread, is_ending;
    pthread_t thread;
    sem_t wakes;
    struct marey_keep_rule rules[MAREY_KEEP_RULES_MAX];
    uint32_t rule_count;
    char *folder; /* owned */
    uint64_t before_ns, after_ns, size_bytes_max;
    uint32_t per_minute_max;
    struct pending pending;
    double tokens; /* keeps that may be made now */
    uint64_t tokens_ns;
    uint32_t passed_over; /* matches since the last keep that were too many */
    uint32_t keep_count;
    char trouble[256]; /* why the last one could not be written */
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER, .writing = PTHREAD_MUTEX_INITIALIZER};

/* Of signals: read by the handler, so outside of the lock. */
static _Atomic uint32_t signal_count[SIGNALS_MAX]; /* seen and not yet matched */
static struct sigaction signal_before[SIGNALS_MAX];
static bool is_ours[SIGNALS_MAX];

const struct marey_keep_rule *
marey_keep_rule_at(uint32_t rule)
{
    return rule < keeper.rule_count ? &keeper.rules[rule] : NULL;
}

/* ---- the folder ---- */

struct kept {
    char name[256];
    uint64_t size_bytes;
};

static bool
is_keep(const char *name)
{
    size_t size = strlen(name);

    return size < sizeof(((struct kept *)0)->name) && strncmp(name, "keep-", 5) == 0 &&
           size > 6 && strcmp(name + size - 6, ".marey") == 0;
}

/* Names begin with the time, so their order is that of age. */
static int
compare_kept(const void *a, const void *b)
{
    return strcmp(((const struct kept *)a)->name, ((const struct kept *)b)->name);
}

/* The keeps in the folder, oldest first. Gives an array; NULL: none, or no memory. */
static struct kept *
list_kept(size_t *count, uint64_t *size_bytes)
{
    DIR *folder = opendir(keeper.folder);
    struct kept *all = NULL;
    struct dirent *entry;
    struct stat status;
    size_t capacity = 0;

    *count = *size_bytes = 0;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (!is_keep(entry->d_name) ||
            fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        if (*count == capacity) {
            capacity = capacity * 2 + 64;
            struct kept *more = realloc(all, capacity * sizeof(*all));
            if (more == NULL)
                break;
            all = more;
        }
        memcpy(all[*count].name, entry->d_name, strlen(entry->d_name) + 1);
        all[*count].size_bytes = (uint64_t)status.st_size;
        *size_bytes += all[(*count)++].size_bytes;
    }
    if (folder != NULL)
        closedir(folder);
    if (all != NULL)
        qsort(all, *count, sizeof(*all), compare_kept);
    return all;
}

/* Removes the oldest until `needed` more bytes fit. False: they never will. */
static bool
make_room(uint64_t needed)
{
    uint64_t size_bytes;
    size_t count;

    if (needed > keeper.size_bytes_max)
        return false;
    struct kept *all = list_kept(&count, &size_bytes);
    for (size_t i = 0; i < count && size_bytes + needed > keeper.size_bytes_max; i++) {
        char path[4096];
        int size = snprintf(path, sizeof(path), "%s/%s", keeper.folder, all[i].name);
        if (size < (int)sizeof(path) && unlink(path) == 0)
            size_bytes -= all[i].size_bytes;
    }
    free(all);
    return size_bytes + needed <= keeper.size_bytes_max;
}

/* keep-20261123-014512.123-PID-N.marey, in universal time. */
static void
name_keep(char *path, size_t capacity)
{
    struct timespec now;
    struct tm date;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &date);
    snprintf(path, capacity, "%s/keep-%s.%03ld-%d-%u.marey", keeper.folder, text,
             now.tv_nsec / 1000000, (int)getpid(), ++keeper.keep_count);
}

/* ---- writing one ---- */

static enum marey_status
write_window(struct marey_window *window, struct marey_error *err)
{
    char path[4096];

    if (mkdir(keeper.folder, 0700) != 0 && errno != EEXIST)
        return marey_fail(err, MAREY_IO, "cannot make %s: %s", keeper.folder,
                          strerror(errno));
    if (!make_room(marey_window_size(window)))
        return marey_fail(err, MAREY_FULL,
                          "a part of %.1f MB is larger than --keep-max",
                          (double)marey_window_size(window) / 1e6);
    name_keep(path, sizeof(path));
    return marey_window_write(window, path, err);
}

static void
write_keep(const struct pending *pending)
{
    struct marey_window *window = NULL;
    struct marey_window_options options = {.why = pending->why};
    struct marey_clock clock = {0};
    struct marey_error err = {0};
    int fd = -1;

    enum marey_status status =
        look_at(&clock, &options.process, &options.to_ticks, &fd, &err);
    uint64_t before = ticks_of(&clock, keeper.before_ns);
    if (before < pending->from_ticks)
        options.from_ticks = pending->from_ticks - before;
    if (status == MAREY_OK)
        status = marey_window_open(fd, &options, &window, &err);
    if (status == MAREY_OK)
        status = write_window(window, &err);
    marey_window_close(window);
    if (fd >= 0)
        close(fd);
    if (status == MAREY_OK || strncmp(keeper.trouble, err.message, 250) == 0)
        return;
    /* Said once, in the trace: the program's streams are its own. */
    char note[512];
    snprintf(keeper.trouble, sizeof(keeper.trouble), "%.250s", err.message);
    snprintf(note, sizeof(note), "--keep: %s", keeper.trouble);
    if (marey_recording_is_on())
        marey_define_note(note);
}

/* ---- matches ---- */

static bool
may_keep(uint64_t now_ns)
{
    double most = keeper.per_minute_max;

    keeper.tokens += (double)(now_ns - keeper.tokens_ns) / 60e9 * most;
    keeper.tokens_ns = now_ns;
    if (keeper.tokens > most)
        keeper.tokens = most;
    if (keeper.tokens < 1)
        return false;
    keeper.tokens -= 1;
    return true;
}

static void
add_reason(struct pending *pending, const char *rule, const char *what)
{
    size_t size = strlen(pending->why);

    if (sizeof(pending->why) - size < 256)
        return; /* that it matched more often is told at the end */
    snprintf(pending->why + size, 224, "%s%s%s%s", size > 0 ? "; " : "", rule,
             what == NULL ? "" : ": ", what == NULL ? "" : what);
}

static void *keeper_main(void *unused);

/* Starts the keeper. The lock is held. */
static void
start_thread(void)
{
    if (!keeper.has_thread)
        keeper.has_thread =
            marey_thread_start(keeper_main, STACK_BYTES, &keeper.thread);
}

/* The lock is held. */
static void
match(struct marey_recording *recording, uint32_t rule, uint64_t from_ticks,
      const char *what)
{
    struct pending *pending = &keeper.pending;
    uint64_t now_ns = marey_monotonic_ns();

    if (!pending->is_set) {
        if (!may_keep(now_ns)) {
            keeper.passed_over++;
            return;
        }
        *pending = (struct pending){.is_set = true,
                                    .from_ticks = from_ticks,
                                    .due_ns = now_ns + keeper.after_ns};
        pending->note =
            marey_file_keep_ask(recording->file, recording->process, rule + 1,
                                from_ticks, marey_recording_ticks(recording));
        start_thread();
        sem_post(&keeper.wakes);
    }
    if (from_ticks < pending->from_ticks) {
        pending->from_ticks = from_ticks;
        marey_file_keep_widen(recording->file, pending->note, from_ticks);
    }
    pending->match_count++;
    add_reason(pending, keeper.rules[rule].text, what);
}

void
marey_keep_match(uint32_t rule, uint64_t from_ticks, const char *what)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL)
        return;
    if (from_ticks == 0)
        from_ticks = marey_recording_ticks(recording);
    pthread_mutex_lock(&keeper.lock);
    if (keeper.is_on && !keeper.is_ending && rule < keeper.rule_count)
        match(recording, rule, from_ticks, what);
    pthread_mutex_unlock(&keeper.lock);
}

/* ---- signals ---- */

static void
on_signal(int number, siginfo_t *facts, void *context)
{
    const struct sigaction *before = &signal_before[number];
    int saved = errno;

    atomic_fetch_add(&signal_count[number], 1);
    sem_post(&keeper.wakes);
    if ((before->sa_flags & SA_SIGINFO) != 0)
        before->sa_sigaction(number, facts, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(number);
    errno = saved;
}

/* Puts our handler in front of the program's, also of one it has set since. */
static void
watch_signals(void)
{
    for (uint32_t i = 0; i < keeper.rule_count; i++) {
        int number = keeper.rules[i].signal;
        struct sigaction now, own = {.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
        if (number <= 0 || number >= SIGNALS_MAX || sigaction(number, NULL, &now) != 0)
            continue;
        if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_signal)
            continue;
        signal_before[number] = now;
        is_ours[number] = true;
        own.sa_sigaction = on_signal;
        own.sa_mask = now.sa_mask;
        sigaction(number, &own, NULL);
    }
}

static void
leave_signals(void)
{
    struct sigaction now;

    for (int number = 1; number < SIGNALS_MAX; number++) {
        if (is_ours[number] && sigaction(number, NULL, &now) == 0 &&
            (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_signal)
            sigaction(number, &signal_before[number], NULL);
        is_ours[number] = false;
        atomic_store(&signal_count[number], 0);
    }
}

/* The lock is held. */
static void
match_signals(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    for (uint32_t i = 0; i < keeper.rule_count && recording != NULL; i++) {
        int number = keeper.rules[i].signal;
        if (number > 0 && number < SIGNALS_MAX &&
            atomic_exchange(&signal_count[number], 0) > 0)
            match(recording, i, marey_recording_ticks(recording), NULL);
    }
}

static bool
has_signals(void)
{
    for (uint32_t i = 0; i < keeper.rule_count; i++)
        if (keeper.rules[i].signal > 0)
            return true;
    return false;
}

/* ---- the keeper ---- */

/* Takes what is pending and writes it. The lock is held, but not meanwhile. */
static void
keep_pending(void)
{
    struct pending pending = keeper.pending;
    size_t size = strlen(pending.why);

    if (pending.match_count > 1)
        size += (size_t)snprintf(pending.why + size, sizeof(pending.why) - size,
                                 " (%u matches)", pending.match_count);
    if (keeper.passed_over > 0)
        snprintf(pending.why + size, sizeof(pending.why) - size,
                 " (%u matches before were passed over: more than %u keeps a minute)",
                 keeper.passed_over, keeper.per_minute_max);
    keeper.passed_over = 0;
    keeper.pending.is_set = false;
    pthread_mutex_unlock(&keeper.lock);
    pthread_mutex_lock(&keeper.writing);
    write_keep(&pending);
    pthread_mutex_unlock(&keeper.writing);
    struct marey_recording *recording = atomic_load(&marey_recording_now);
    if (recording != NULL)
        marey_file_keep_done(recording->file, pending.note);
    pthread_mutex_lock(&keeper.lock);
}

/* Waits for something to do: until what is pending is due; with signals to watch, a
 * second at most. The lock is held, but not meanwhile. */
static void
wait_for_work(void)
{
    uint64_t until_ns = UINT64_MAX, now_ns = marey_monotonic_ns();

    if (has_signals())
        until_ns = now_ns + SECOND_NS;
    if (keeper.pending.is_set && keeper.pending.due_ns < until_ns)
        until_ns = keeper.pending.due_ns;
    struct timespec until = {(time_t)(until_ns / SECOND_NS),
                             (long)(until_ns % SECOND_NS)};
    pthread_mutex_unlock(&keeper.lock);
    if (until_ns == UINT64_MAX)
        sem_wait(&keeper.wakes);
    else if (until_ns > now_ns)
        sem_clockwait(&keeper.wakes, CLOCK_MONOTONIC, &until);
    pthread_mutex_lock(&keeper.lock);
}

static void *
keeper_main(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "marey-keeper");
    pthread_mutex_lock(&keeper.lock);
    while (!keeper.is_ending) {
        wait_for_work();
        watch_signals();
        match_signals();
        if (keeper.pending.is_set && !keeper.is_ending &&
            marey_monotonic_ns() >= keeper.pending.due_ns)
            keep_pending();
    }
    pthread_mutex_unlock(&keeper.lock);
    return NULL;
}

/* ---- starting and ending ---- */

static void
forget_rules(void)
{
    for (uint32_t i = 0; i < keeper.rule_count; i++)
        free((char *)keeper.rules[i].text);
    keeper.rule_count = 0;
    free(keeper.folder);
    keeper.folder = NULL;
}

bool
marey_keep_start(const struct marey_keep_options *options)
{
    bool is_whole = true;

    marey_keep_stop();
    forget_rules();
    if (options->rule_count == 0)
        return true;
    keeper.folder = strdup(options->folder);
    for (uint32_t i = 0; i < options->rule_count && i < MAREY_KEEP_RULES_MAX; i++) {
        keeper.rules[i] = options->rules[i];
        keeper.rules[i].text = strdup(options->rules[i].text);
        keeper.rule_count = i + 1;
        is_whole &= keeper.rules[i].text != NULL;
    }
    if (!is_whole || keeper.folder == NULL) {
        forget_rules();
        return false;
    }
    keeper.before_ns = options->before_ns;
    keeper.after_ns = options->after_ns;
    keeper.size_bytes_max = options->size_bytes_max;
    keeper.per_minute_max = options->per_minute_max;
    keeper.pending.is_set = false;
    keeper.trouble[0] = '\0';
    keeper.passed_over = keeper.keep_count = 0;
    keeper.tokens = keeper.per_minute_max;
    keeper.tokens_ns = marey_monotonic_ns();
    keeper.is_ending = false;
    sem_init(&keeper.wakes, 0, 0);
    marey_watch_reset();
    pthread_mutex_lock(&keeper.lock);
    keeper.is_on = true;
    watch_signals();
    if (has_signals())
        start_thread();
    pthread_mutex_unlock(&keeper.lock);
    return true;
}

void
marey_keep_stop(void)
{
    if (!keeper.is_on)
        return;
    pthread_mutex_lock(&keeper.lock);
    keeper.is_ending = true;
    bool has_thread = keeper.has_thread;
    keeper.has_thread = false;
    pthread_mutex_unlock(&keeper.lock);
    leave_signals();
    if (has_thread) {
        sem_post(&keeper.wakes);
        pthread_join(keeper.thread, NULL);
    }
    pthread_mutex_lock(&keeper.lock);
    if (keeper.pending.is_set)
        keep_pending();
    keeper.is_on = false;
    pthread_mutex_unlock(&keeper.lock);
}

void
marey_keep_flush(void)
{
    if (!keeper.is_on || atomic_load(&marey_is_forked))
        return;
    pthread_mutex_lock(&keeper.lock);
    match_signals();
    if (keeper.pending.is_set)
        keep_pending();
    pthread_mutex_unlock(&keeper.lock);
    pthread_mutex_lock(&keeper.writing); /* the keeper may be at one */
    pthread_mutex_unlock(&keeper.writing);
}

/* The thread is the parent's, and so is what was pending. */
void
marey_keep_forked(void)
{
    if (!keeper.is_on)
        return;
    pthread_mutex_init(&keeper.lock, NULL);
    pthread_mutex_init(&keeper.writing, NULL);
    sem_init(&keeper.wakes, 0, 0);
    marey_watch_reset();
    keeper.has_thread = keeper.is_ending = keeper.pending.is_set = false;
    keeper.keep_count = keeper.passed_over = 0;
    for (int number = 1; number < SIGNALS_MAX; number++)
        atomic_store(&signal_count[number], 0);
    pthread_mutex_lock(&keeper.lock);
    if (has_signals())
        start_thread();
    pthread_mutex_unlock(&keeper.lock);
}
