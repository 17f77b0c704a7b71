/* query.h over a struct marey_trace that a test filled in. */
#include "fake_query.h"
#include "marey/transactions.h"

#include <stdlib.h>

struct marey_walk {
    const struct marey_trace *trace;
    uint64_t at, round;
};

/* What an exporter may not ask for. */
static void
must(bool is_true)
{
    if (!is_true)
        abort();
}

/* Texts that a test left out are empty, yet have bytes to point at, as real ones do. */
static void
fill(struct marey_text *text)
{
    if (text->bytes == NULL)
        text->bytes = "";
}

void
marey_trace_info(const struct marey_trace *trace, struct marey_trace_info *out)
{
    *out = trace->info;
    fill(&out->host_name);
}

uint32_t
marey_trace_process_count(const struct marey_trace *trace)
{
    return trace->process_count;
}

void
marey_trace_process(const struct marey_trace *trace, uint32_t index,
                    struct marey_process_info *out)
{
    must(index < trace->process_count);
    *out = trace->processes[index];
    fill(&out->program);
    fill(&out->executable);
    fill(&out->version);
    fill(&out->directory);
    fill(&out->options);
}

struct marey_text
marey_trace_argument(const struct marey_trace *trace, uint32_t process,
                     uint32_t argument)
{
    must(process < trace->process_count);
    must(argument < trace->processes[process].argument_count);
    return trace->arguments[argument];
}

uint32_t
marey_trace_lane_count(const struct marey_trace *trace)
{
    return trace->lane_count;
}

void
marey_trace_lane(const struct marey_trace *trace, uint32_t index,
                 struct marey_lane_info *out)
{
    must(index < trace->lane_count);
    *out = trace->lanes[index];
    fill(&out->name);
}

uint32_t
marey_trace_function_count(const struct marey_trace *trace)
{
    return trace->function_count;
}

void
marey_trace_function(const struct marey_trace *trace, uint32_t index,
                     struct marey_function_info *out)
{
    must(index < trace->function_count);
    *out = trace->functions[index];
    fill(&out->name);
    fill(&out->module);
    fill(&out->file);
}

struct marey_text
marey_trace_string(const struct marey_trace *trace, uint32_t index)
{
    must(index < trace->string_count);
    return trace->strings[index];
}

enum marey_status
marey_walk_new(struct marey_trace *trace, const struct marey_selection *selection,
               enum marey_order order, struct marey_walk **out, struct marey_error *err)
{
    struct marey_walk *walk = calloc(1, sizeof(*walk));

    (void)selection;
    (void)order;
    if (walk == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory");
    walk->trace = trace;
    *out = walk;
    return MAREY_OK;
}

bool
marey_walk_next(struct marey_walk *walk, struct marey_step *out)
{
    const struct marey_trace *trace = walk->trace;

    if (walk->at == trace->step_count) {
        walk->round++;
        walk->at = 0;
        if (walk->round >= trace->repeat_count)
            walk->at = trace->step_count;
    }
    if (walk->at == trace->step_count)
        return false;
    *out = trace->steps[walk->at++];
    out->time_ns += (int64_t)walk->round * trace->repeat_ns;
    return true;
}

enum marey_status
marey_walk_status(const struct marey_walk *walk, struct marey_error *err)
{
    enum marey_status st = walk->trace->walk_status;

    return st == MAREY_OK ? MAREY_OK : marey_fail(err, st, "the walk failed");
}

uint64_t
marey_walk_position(const struct marey_walk *walk)
{
    return walk->round * walk->trace->step_count + walk->at;
}

void
marey_walk_free(struct marey_walk *walk)
{
    free(walk);
}

enum marey_status
marey_trace_values(struct marey_trace *trace, uint32_t lane, uint64_t blob,
                   void (*take)(void *context, const struct marey_value *value),
                   void *context, struct marey_error *err)
{
    const struct fake_blob *b;

    must(lane < trace->lane_count && blob > 0 && blob <= trace->blob_count);
    b = &trace->blobs[blob - 1];
    for (uint32_t i = 0; i < b->count; i++) {
        struct marey_value value = b->values[i];
        fill(&value.name);
        fill(&value.text);
        take(context, &value);
    }
    return b->status == MAREY_OK ? MAREY_OK : marey_fail(err, b->status, "damaged");
}

/* ---- output ---- */

void
fake_output_release(struct fake_output *output)
{
    free(output->bytes);
    memset(output, 0, sizeof(*output));
}

bool
fake_output_write(void *context, const void *bytes, size_t size)
{
    struct fake_output *output = context;
    char *grown;

    if (output->refuse_after != 0 && output->write_count == output->refuse_after)
        return false;
    output->write_count++;
    output->size += size;
    if (output->is_dropped)
        return true;
    grown = realloc(output->bytes, output->size);
    if (grown == NULL)
        return false;
    memcpy(grown + output->size - size, bytes, size);
    output->bytes = grown;
    return true;
}

struct marey_export_options fake_options = {.selection = MAREY_SELECTION_ALL};

enum marey_status
fake_export(struct marey_trace *trace, const char *format, struct fake_output *output)
{
    struct marey_sink sink = {fake_output_write, output};
    struct marey_error err;

    return marey_export(trace, format, &fake_options, &sink, &err);
}

const char *
marey_log_class_name(uint8_t log_class)
{
    static const char *const names[] = {"other", "value", "attribute", "raised"};

    return log_class < 4 ? names[log_class] : "log";
}

/* The value that is searched for is an integer, written out. */
enum marey_status
marey_step_has_value(struct marey_trace *trace, const struct marey_step *step,
                     struct marey_text pattern, bool *out, struct marey_error *err)
{
    uint64_t blobs[] = {step->blob, step->result_blob};
    int64_t wanted = strtoll(pattern.bytes, NULL, 10);

    (void)err;
    *out = false;
    for (int i = 0; i < 2; i++) {
        if (blobs[i] == 0 || blobs[i] > trace->blob_count)
            continue;
        const struct fake_blob *blob = &trace->blobs[blobs[i] - 1];
        for (uint32_t k = 0; k < blob->count; k++)
            *out |= blob->values[k].tag == 4 && blob->values[k].integer == wanted;
    }
    return MAREY_OK;
}

uint32_t
marey_trace_process_of_flow(const struct marey_trace *trace, uint64_t flow)
{
    (void)trace;
    (void)flow;
    return MAREY_NO_INDEX;
}

/* ---- transactions: one for each step ---- */

struct marey_transactions {
    const struct marey_trace *trace;
    uint64_t told;
};

enum marey_status
marey_transactions_new(struct marey_trace *trace,
                       const struct marey_selection *selection,
                       struct marey_transactions **out, struct marey_error *err)
{
    (void)selection, (void)err;
    *out = calloc(1, sizeof(**out));
    must(*out != NULL);
    (*out)->trace = trace;
    return MAREY_OK;
}

bool
marey_transactions_next(struct marey_transactions *all, struct marey_transaction *out)
{
    uint64_t rounds = all->trace->repeat_count > 0 ? all->trace->repeat_count : 1;

    *out = (struct marey_transaction){
        .name = {"work", 4},
        .begin_ns = (int64_t)all->told,
        .end_ns = (int64_t)all->told + 1,
        .exception = MAREY_NO_INDEX,
        .parent_lane = MAREY_NO_INDEX,
    };
    return all->told++ < all->trace->step_count * rounds;
}

enum marey_status
marey_transactions_status(const struct marey_transactions *all, struct marey_error *err)
{
    return all->trace->walk_status == MAREY_OK
               ? MAREY_OK
               : marey_fail(err, all->trace->walk_status, "the walk failed");
}

uint64_t
marey_transactions_position(const struct marey_transactions *all)
{
    return all->told;
}

void
marey_transactions_free(struct marey_transactions *all)
{
    free(all);
}

void
marey_transaction_id(const struct marey_trace *trace, uint32_t lane, int64_t begin_ns,
                     char out[MAREY_TRANSACTION_ID_MAX])
{
    (void)trace, (void)lane, (void)begin_ns;
    out[0] = '\0';
}
