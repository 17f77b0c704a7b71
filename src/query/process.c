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
    size_t at = kind == ID_STRING ? offsetof(struct process, strings)
                : kind == ID_FILE ? offsetof(struct process, files)
                                  : offsetof(struct process, functions);
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
