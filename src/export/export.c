/* The table of formats, and the one walk that feeds whichever was asked for. */
#include "marey/export.h"

#include <string.h>

#include "export/target.h"

/* One row a format. */
static const struct marey_target *const targets[] = {
    &marey_target_chrome,   &marey_target_log,  &marey_target_otlp,
    &marey_target_perfetto, &marey_target_text,
};
#define TARGET_COUNT (sizeof(targets) / sizeof(targets[0]))

#define STEPS_PER_TICK UINT32_C(65536)

const char *
marey_export_format(unsigned index)
{
    return index < TARGET_COUNT ? targets[index]->name : NULL;
}

static const struct marey_target *
find_target(const char *format)
{
    for (size_t i = 0; i < TARGET_COUNT; i++)
        if (strcmp(targets[i]->name, format) == 0)
            return targets[i];
    return NULL;
}

/* How far the walk is, told to the caller. Steps come nearly in order of time, so the
 * share is that of the window's time: right also where only a part is exported. */
struct progress {
    const struct marey_export_options *options;
    int64_t from_ns;
    int64_t to_ns;
    double share; /* the largest told so far: it never goes back */
    uint32_t step_count;
};

static void
progress_init(struct progress *p, const struct marey_export_options *options,
              struct marey_trace *trace)
{
    struct marey_trace_info info;

    marey_trace_info(trace, &info);
    memset(p, 0, sizeof(*p));
    p->options = options;
    p->from_ns = options->selection.from_ns > 0 ? options->selection.from_ns : 0;
    p->to_ns = options->selection.to_ns < info.duration_ns ? options->selection.to_ns
                                                           : info.duration_ns;
}

/* False: the caller wants no more. */
static bool
progress_tick(struct progress *p, int64_t time_ns)
{
    if (p->options->tick == NULL)
        return true;
    if (p->to_ns > p->from_ns && time_ns > p->from_ns) {
        double share = (double)(time_ns - p->from_ns) / (double)(p->to_ns - p->from_ns);
        if (share > p->share)
            p->share = share < 1.0 ? share : 1.0;
    }
    return p->options->tick(p->options->tick_context, p->share);
}

/* What became of the bytes, where all else went well. */
static enum marey_status
flush(enum marey_status st, struct marey_out *out, struct marey_error *err)
{
    if (st == MAREY_OK && out->status == MAREY_OK)
        marey_out_flush(out);
    if (st == MAREY_OK && out->status == MAREY_STOPPED)
        return marey_fail(err, MAREY_STOPPED, "the export's bytes were refused");
    if (st == MAREY_OK && out->status != MAREY_OK)
        return marey_fail(err, out->status, "exporting: %s",
                          marey_status_text(out->status));
    return st;
}

static enum marey_status
feed(const struct marey_target *target, void *state, struct marey_walk *walk,
     struct marey_out *out, struct progress *progress, struct marey_error *err)
{
    struct marey_step step;
    enum marey_status st;

    while (marey_walk_next(walk, &step)) {
        if (!marey_step_is_chosen(&step, &progress->options->selection))
            continue;
        target->step(state, &step);
        if (out->status != MAREY_OK)
            break;
        if (++progress->step_count % STEPS_PER_TICK == 0 &&
            !progress_tick(progress, step.time_ns))
            return marey_fail(err, MAREY_STOPPED, "the export was stopped");
    }
    st = marey_walk_status(walk, err);
    if (st == MAREY_OK && out->status == MAREY_OK)
        target->end(state);
    return flush(st, out, err);
}

static enum marey_status
run(const struct marey_job *job, const struct marey_target *target,
    struct progress *progress, struct marey_error *err)
{
    struct marey_walk *walk = NULL;
    void *state = NULL;
    enum marey_status st;

    if (target->write != NULL)
        return flush(target->write(job, err), job->out, err);
    st = marey_walk_new(job->trace, job->selection, target->order, &walk, err);
    if (st != MAREY_OK)
        return st;
    st = target->begin(job, &state, err);
    if (st == MAREY_OK) {
        st = feed(target, state, walk, job->out, progress, err);
        target->free(state);
    }
    marey_walk_free(walk);
    return st;
}

enum marey_status
marey_export(struct marey_trace *trace, const char *format,
             const struct marey_export_options *options, const struct marey_sink *sink,
             struct marey_error *err)
{
    const struct marey_target *target = find_target(format);
    struct marey_out out;
    struct marey_job job = {trace, &options->selection, options, &out};
    struct progress progress;
    enum marey_status st;

    if (target == NULL)
        return marey_fail(err, MAREY_USAGE, "no such format: %s", format);
    progress_init(&progress, options, trace);
    st = marey_out_init(&out, sink);
    if (st == MAREY_OK)
        st = run(&job, target, &progress, err);
    else
        marey_fail(err, st, "no memory to export");
    marey_out_release(&out);
    return st;
}
