/* Processes of a trace: their order, their parents, and what they inherited. */
#include "base/sort.h"
#include "query/trace.h"

static int
compare_serials(const void *a, const void *b)
{
    const struct process *left = a, *right = b;

    return left->serial < right->serial ? -1 : left->serial > right->serial;
}

uint32_t
marey_process_find(const struct marey_trace *trace, uint32_t serial, size_t count)
{
    size_t from = 0, to = count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (trace->processes[middle].serial == serial)
            return (uint32_t)middle;
        if (trace->processes[middle].serial < serial)
            from = middle + 1;
        else
            to = middle;
    }
    return MAREY_NO_INDEX;
}

bool
marey_process_list(struct marey_trace *trace)
{
    const struct marey_directory *directory = trace->directory;
    size_t kept = 0;

    for (size_t i = 0; i < directory->stream_count; i++) {
        uint32_t serial = directory->streams[i].process;
        size_t count = trace->process_count;
        if (count > 0 && trace->processes[count - 1].serial == serial)
            continue;
        if (!marey_memory_grow((void **)&trace->processes, &trace->process_capacity,
                               count + 1, sizeof(*trace->processes)))
            return false;
        trace->processes[trace->process_count++] = (struct process){.serial = serial};
    }
    marey_sort(trace->processes, trace->process_count, sizeof(*trace->processes),
               compare_serials);
    for (size_t i = 0; i < trace->process_count; i++) {
        if (kept == 0 ||
            trace->processes[kept - 1].serial != trace->processes[i].serial)
            trace->processes[kept++] = trace->processes[i];
    }
    trace->process_count = kept;
    for (size_t i = 0; i < kept; i++) {
        struct process *process = &trace->processes[i];
        process->parent = MAREY_NO_INDEX;
        process->jump = (uint32_t)i;
        process->strings.first = process->files.first = process->functions.first = 1;
        process->call_sites.first = 1;
        process->program = process->executable = process->version = process->directory =
            process->options = trace->empty_string;
    }
    return true;
}

/* `jump` leads to an ancestor so chosen that any other is found in a number of steps
 * that grows with the logarithm of the generations (Myers, 1983). */
void
marey_process_set_parent(struct marey_trace *trace, struct process *process,
                         uint32_t index)
{
    const struct process *parent = &trace->processes[index];
    const struct process *jump = &trace->processes[parent->jump];

    process->parent = index;
    process->generation = parent->generation + 1;
    process->jump = parent->generation - jump->generation ==
                            jump->generation - trace->processes[jump->jump].generation
                        ? jump->jump
                        : index;
}

uint32_t
marey_trace_resolve_slow(const struct marey_trace *trace, const struct process *process,
                         enum id_kind kind, uint32_t id)
{
    size_t at = kind == ID_STRING     ? offsetof(struct process, strings)
                : kind == ID_FILE     ? offsetof(struct process, files)
                : kind == ID_FUNCTION ? offsetof(struct process, functions)
                                      : offsetof(struct process, call_sites);
#define MAP_OF(process)                                                                \
    ((const struct id_map *)(const void *)((const char *)(process) + at))

    if (id == 0)
        return MAREY_NO_INDEX;
    while (id < MAP_OF(process)->first && process->parent != MAREY_NO_INDEX) {
        const struct process *far = &trace->processes[process->jump];
        process = id < MAP_OF(far)->first ? far : &trace->processes[process->parent];
    }
    const struct id_map *map = MAP_OF(process);
#undef MAP_OF
    if (id < map->first || id - map->first >= map->count)
        return MAREY_NO_INDEX;
    return map->indices[id - map->first];
}

/* ---- ends ---- */

/* Processes by host, id and start: of two with one id the first ended before the second
 * began, or became it. */
struct incarnation {
    uint64_t pid, start_ticks;
    uint32_t host, process;
};

static int
compare_incarnations(const void *a, const void *b)
{
    const struct incarnation *left = a, *right = b;

    if (left->host != right->host)
        return left->host < right->host ? -1 : 1;
    if (left->pid != right->pid)
        return left->pid < right->pid ? -1 : 1;
    if (left->start_ticks != right->start_ticks)
        return left->start_ticks < right->start_ticks ? -1 : 1;
    return left->process < right->process ? -1 : left->process > right->process;
}

static void
take_over(struct process *first, const struct process *next, uint32_t first_index)
{
    bool is_image =
        next->parent == first_index ||
        (first->is_forked && !next->is_forked && next->parent == first->parent);

    if (first->has_end || (!is_image && first->exec_ticks == 0))
        return;
    first->has_end = first->is_replaced = true;
    first->end_ticks = first->exec_ticks != 0 ? first->exec_ticks : next->start_ticks;
}

/* The last process of that id that had begun. */
static struct process *
find_ended(struct marey_trace *trace, const struct incarnation *all, size_t count,
           const struct child_end *end)
{
    uint32_t host = trace->processes[end->process].host;
    struct incarnation wanted = {end->pid, end->ticks, host, UINT32_MAX};
    size_t from = 0, to = count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_incarnations(&all[middle], &wanted) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0 || all[from - 1].pid != end->pid || all[from - 1].host != host)
        return NULL;
    return &trace->processes[all[from - 1].process];
}

static void
apply_ends(struct marey_trace *trace, struct incarnation *all, size_t count)
{
    marey_sort(all, count, sizeof(*all), compare_incarnations);
    for (size_t i = 0; i + 1 < count; i++)
        if (all[i].host == all[i + 1].host && all[i].pid == all[i + 1].pid)
            take_over(&trace->processes[all[i].process],
                      &trace->processes[all[i + 1].process], all[i].process);
    for (size_t i = 0; i < trace->child_end_count; i++) {
        const struct child_end *end = &trace->child_ends[i];
        struct process *process = find_ended(trace, all, count, end);
        if (process == NULL)
            continue;
        process->exit_status = end->exit_status;
        process->has_exit_status = true;
        if (!process->has_end)
            process->end_ticks =
                process->exec_ticks != 0 ? process->exec_ticks : end->ticks;
        process->is_replaced |= process->exec_ticks != 0;
        process->has_end = true;
    }
}

bool
marey_process_finish(struct marey_trace *trace)
{
    struct incarnation *all = marey_memory_new(trace->process_count + 1, sizeof(*all));
    size_t count = 0;
    bool is_done = all != NULL;

    for (size_t i = 0; i < trace->process_count && is_done; i++) {
        struct process *process = &trace->processes[i];
        if (!process->is_defined) {
            trace->is_definition_lost = true;
            process->start_ticks = trace->clock.origin;
        } else {
            all[count++] = (struct incarnation){process->pid, process->start_ticks,
                                                process->host, (uint32_t)i};
        }
        if (process->last_ticks < process->start_ticks)
            process->last_ticks = process->start_ticks;
        if (process->flow != 0 &&
            marey_table_get(&trace->flow_index, process->flow) == MAREY_TABLE_NONE)
            is_done = marey_table_put(&trace->flow_index, process->flow, (uint32_t)i);
    }
    if (is_done)
        apply_ends(trace, all, count);
    for (size_t i = 0; i < trace->process_count; i++) {
        struct process *process = &trace->processes[i];
        if (process->exec_ticks != 0 && !process->has_end) {
            process->has_end = process->is_replaced = true;
            process->end_ticks = process->exec_ticks;
        }
        if (!process->has_end || process->end_ticks < process->last_ticks)
            process->end_ticks = process->last_ticks;
    }
    marey_memory_free(all);
    return is_done;
}

uint32_t
marey_trace_process_of_flow(const struct marey_trace *trace, uint64_t flow)
{
    uint32_t index = marey_table_get(&trace->flow_index, flow);

    return index == MAREY_TABLE_NONE ? MAREY_NO_INDEX : index;
}
