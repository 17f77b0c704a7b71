/* Snapshots: parts of the recording as finished traces. */
#include "marey/capture_keep.h"

#include <fcntl.h>
#include <unistd.h>

#include "capture/recording.h"
#include "marey/format_window.h"

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
marey_recording_spill(void)
{
    struct marey_recording *recording = atomic_load(&marey_recording_now);

    if (recording == NULL || atomic_load(&marey_is_forked) ||
        marey_file_is_mapped(recording->file))
        return;
    pthread_mutex_lock(&marey_lanes_lock);
    for (struct marey_lane *lane = recording->lanes; lane != NULL; lane = lane->next)
        if (lane->serial != 0 && !lane->is_ended)
            marey_lane_spill(lane);
    marey_definitions_spill(recording);
    pthread_mutex_unlock(&marey_lanes_lock);
}
