/* Keeps that were asked for and never written, as the process that was to write them
 * was killed: they are written now, from what the trace still holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "marey/format_window.h"
#include "query/trace.h"

static const struct marey_keep_entry *
entry_at(const struct marey_trace *trace, uint32_t index)
{
    return &trace->directory->header.keeps[index];
}

static uint32_t
process_of(const struct marey_trace *trace, uint64_t serial)
{
    for (uint32_t i = 0; i < trace->process_count; i++)
        if (trace->processes[i].serial == serial)
            return i;
    return MAREY_NO_INDEX;
}

bool
marey_trace_keep_due(const struct marey_trace *trace, uint32_t index,
                     struct marey_keep_due *out)
{
    const struct marey_keep_entry *entry = entry_at(trace, index);
    uint32_t rule = (uint32_t)entry->who;
    uint32_t process = process_of(trace, entry->who >> 32);

    if (rule == 0 || rule == MAREY_KEEP_CLAIMED || process == MAREY_NO_INDEX ||
        entry->from_ticks > entry->until_ticks)
        return false;
    *out = (struct marey_keep_due){
        .process = process,
        .rule = rule - 1,
        .from_ns = clock_ns(&trace->clock, entry->from_ticks),
        .until_ns = clock_ns(&trace->clock, entry->until_ticks),
    };
    return true;
}

uint32_t
marey_trace_keep_due_max(void)
{
    return MAREY_KEEP_ENTRIES;
}

static uint64_t
ticks_of(const struct marey_trace *trace, uint64_t ns)
{
    uint64_t second = trace->directory->header.ticks_per_second;

    return (uint64_t)((double)ns * (double)(second == 0 ? 1000000000 : second) / 1e9);
}

/* The process is gone: nobody else writes here. Another reader may have done the same
 * in the meantime; then the entry is free already. */
static void
forget(int fd, const struct marey_keep_entry *entry, uint32_t index)
{
    off_t at = (off_t)(offsetof(struct marey_file_header, keeps) +
                       index * sizeof(struct marey_keep_entry));
    uint64_t who = 0, nobody = 0;

    if (pread(fd, &who, sizeof(who), at) == sizeof(who) && who == entry->who &&
        pwrite(fd, &nobody, sizeof(nobody), at) != sizeof(nobody))
        return; /* a read-only trace says it again */
}

enum marey_status
marey_trace_keep_write(const struct marey_trace *trace, const char *path,
                       uint32_t index, const struct marey_keep_part *part,
                       struct marey_error *err)
{
    const struct marey_keep_entry *entry = entry_at(trace, index);
    uint64_t before = ticks_of(trace, part->before_ns);
    struct marey_window_options options = {
        .to_ticks = entry->until_ticks + ticks_of(trace, part->after_ns),
        .process = (uint32_t)(entry->who >> 32),
        .why = part->why,
    };
    struct marey_window *window = NULL;

    if (before < entry->from_ticks)
        options.from_ticks = entry->from_ticks - before;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return marey_fail(err, MAREY_IO, "cannot open %s: %s", path, strerror(errno));
    enum marey_status status = marey_window_open(fd, &options, &window, err);
    if (status == MAREY_OK)
        status = marey_window_write(window, part->target, err);
    if (status == MAREY_OK)
        forget(fd, entry, index);
    marey_window_close(window);
    close(fd);
    return status;
}
