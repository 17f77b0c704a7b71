/* A trace that is open: its directory, and the tables made of its definitions.
 *
 * Processes, lanes and functions get indices of their own here: processes by serial,
 * lanes by process and serial, functions and strings in the order they were first
 * defined, equal ones of all processes together. An event's ids lead there through the
 * maps of its process; a forked process has a map only of what it defined itself, and
 * for the rest goes to its parent.
 */
#ifndef MAREY_QUERY_TRACE_H
#define MAREY_QUERY_TRACE_H

#include "base/compiler.h"
#include "base/memory.h"
#include "base/table.h"
#include "marey/format_get.h"
#include "marey/query.h"
#include "query/clock.h"

/* Ids `first` and up of one process to indices. */
struct id_map {
    uint32_t *indices; /* owned; MAREY_NO_INDEX: not defined */
    size_t capacity;
    uint32_t first;
    uint32_t count;
};

struct process {
    uint32_t serial;
    uint32_t parent; /* index, lower than its own; MAREY_NO_INDEX */
    uint32_t jump; /* an ancestor farther up, for quick look-ups; itself at the root */
    uint32_t generation; /* ancestors */
    struct id_map strings;
    struct id_map files;      /* to indices into trace->files */
    struct id_map functions;  /* ids of call sites mean what is called there */
    struct id_map call_sites; /* the same ids, to indices into trace->call_sites */
    uint64_t pid, parent_pid;
    uint64_t start_ticks;
    uint64_t end_ticks; /* as said, or of the last event */
    uint64_t last_ticks;
    uint64_t flow;       /* the arrow that leads to it; 0: none */
    uint64_t exec_ticks; /* when it became another program; 0: it did not */
    uint32_t host;       /* index into trace->hosts */
    uint64_t cost_ps[3]; /* by MAREY_COST_* */
    uint32_t program, executable, version, directory, options; /* strings */
    uint32_t first_argument; /* into trace->arguments */
    uint32_t argument_count;
    int32_t exit_status;
    bool is_defined; /* its PROCESS record was seen */
    bool has_tasks;  /* lanes that are no threads */
    bool has_end;
    bool has_exit_status;
    bool is_forked;   /* shares what its parent defined */
    bool is_replaced; /* became another program */
};

/* What a parent saw of the end of a child. */
struct child_end {
    uint64_t pid, ticks;
    uint32_t process; /* index; who saw it */
    int32_t exit_status;
};

struct lane {
    uint32_t serial;
    uint32_t process; /* index */
    uint32_t kind;
    uint32_t flags;
    uint64_t native_id, python_id;
    uint64_t start_ticks;
    uint64_t end_ticks;
    uint32_t name; /* string */
    bool is_defined;
    bool has_end;
    const struct marey_stream *stream; /* of its events; NULL: none of its own */
    uint64_t event_count;
    uint64_t lost_count;
};

/* What two functions must have in common to be one. Hashed as bytes: no padding. */
struct function {
    uint32_t name, module, file; /* strings */
    uint32_t line;
    uint32_t flags; /* MAREY_FUNCTION_* */
};
/* Hashed as bytes, too. */
struct call_site {
    uint32_t caller; /* function index */
    uint32_t line;
};
struct source_file {
    uint64_t key;
    uint32_t path; /* string */
    uint32_t reserved;
};

/* A payload that is kept for the next question. */
struct kept_payload {
    uint8_t *bytes; /* owned */
    size_t capacity;
    size_t extent; /* index; SIZE_MAX: none */
    /* Of blobs: where the last one was found. */
    uint64_t record;
    size_t record_at;
};

/* A nested value, written out. */
struct value_text {
    uint8_t *bytes; /* owned */
    size_t capacity, size;
};

struct marey_trace {
    struct marey_byte_source source;
    void (*close_source)(void *context); /* NULL: the source is the caller's */
    struct marey_directory *directory;   /* owned */
    struct clock_map clock;
    struct marey_intern strings;
    struct marey_intern functions;  /* of struct function */
    struct marey_intern files;      /* of struct source_file */
    struct marey_intern call_sites; /* of struct call_site */
    struct marey_intern hosts;      /* boot ids */
    struct process *processes;      /* owned; by serial */
    size_t process_count, process_capacity;
    struct child_end *child_ends; /* owned; in the order they were read */
    size_t child_end_count, child_end_capacity;
    struct marey_table
        flow_index;     /* id of an arrow -> index of the process it ends at */
    struct lane *lanes; /* owned; by process and serial */
    size_t lane_count, lane_capacity;
    struct marey_table lane_index; /* lane_key() -> index */
    uint32_t *arguments;           /* owned; strings */
    size_t argument_count, argument_capacity;
    struct left_out {
        uint64_t ticks; /* since when */
        uint32_t process, id;
        uint64_t calls_counted, calls_estimated; /* since then */
    } * left_outs;                               /* owned */
    size_t left_out_count, left_out_capacity;
    bool has_window; /* a part of a longer recording */
    uint64_t window_from_ticks, window_to_ticks;
    uint32_t *notes; /* owned; strings */
    size_t note_count, note_capacity;
    uint32_t empty_string;
    uint32_t unknown_function; /* where definitions were lost; else MAREY_NO_INDEX */
    uint64_t last_ticks;       /* of all events */
    uint64_t event_count;
    uint64_t lost_count;
    uint64_t left_out_events; /* of chunks that were left out to save room */
    uint64_t call_count;
    int64_t origin_realtime_ns;
    uint64_t known_ticks; /* the moment that was read on all clocks */
    uint64_t known_monotonic_ns;
    uint32_t damaged_count; /* chunks of definitions whose payload is wrong */
    bool is_definition_lost;
    struct kept_payload blobs;
    struct value_text value_text; /* of the value given last */
    struct kept_payload source_text;
    uint8_t *source_bytes; /* owned; the text given last */
    size_t source_capacity;
    struct marey_table source_index; /* path -> extent index */
    bool has_source_index;
    bool *shown; /* owned; by function: what is not folded away; NULL: all */
    struct trace_sums *sums; /* owned; NULL: none */
    bool has_no_sums;        /* it was looked for what the trace brings along */
    uint32_t fold_depth;     /* calls at this depth or deeper are folded; 0: none are */
};

/* Takes the source when it succeeds: marey_trace_close() then closes it. */
enum marey_status marey_trace_open_owned(const struct marey_byte_source *source,
                                         uint64_t (*size_now)(void *context),
                                         void (*close_source)(void *context),
                                         struct marey_trace **out,
                                         struct marey_error *err);

/* The index of a process by its serial, among the first `count`; or MAREY_NO_INDEX. */
uint32_t marey_process_find(const struct marey_trace *trace, uint32_t serial,
                            size_t count);
/* Makes an entry for each process that has a stream, in order. False: no memory. */
bool marey_process_list(struct marey_trace *trace);
/* Hangs a process below its parent, whose index is lower than its own. */
void marey_process_set_parent(struct marey_trace *trace, struct process *process,
                              uint32_t index);

/* Ends, exit statuses and arrows: what follows from all processes together. Their
 * last_ticks are known. False: no memory. */
bool marey_process_finish(struct marey_trace *trace);

/* Reads all definition streams into the tables. */
enum marey_status marey_trace_define(struct marey_trace *trace,
                                     struct marey_error *err);

/* Reads the payload of an extent into *kept, unless it is there already. */
enum marey_status marey_payload_keep(struct marey_trace *trace,
                                     struct kept_payload *kept, size_t extent,
                                     struct marey_error *err);

/* A blob number whose high bits are not 0 names another lane's blob: 1 + its index. */
#define BLOB_LANE_SHIFT 36

static inline uint64_t
lane_key(uint32_t process, uint32_t serial)
{
    return (uint64_t)process << 32 | serial;
}

/* The lane's index, or MAREY_NO_INDEX. */
uint32_t marey_trace_lane_index(const struct marey_trace *trace, uint32_t process,
                                uint32_t serial);

struct marey_text marey_trace_text(const struct marey_trace *trace, uint32_t string);

static inline const struct function *
trace_function(const struct marey_trace *trace, uint32_t index)
{
    return (const struct function *)(const void *)trace->functions.items[index].bytes;
}

static inline const struct source_file *
trace_file(const struct marey_trace *trace, uint32_t index)
{
    return (const struct source_file *)(const void *)trace->files.items[index].bytes;
}

static inline const struct call_site *
trace_call_site(const struct marey_trace *trace, uint32_t index)
{
    return (const struct call_site *)(const void *)trace->call_sites.items[index].bytes;
}

/* Which map of a process: ids of all kinds are resolved alike. */
enum id_kind { ID_STRING, ID_FILE, ID_FUNCTION, ID_CALL_SITE };

/* The index an id means in a process, or MAREY_NO_INDEX. */
uint32_t marey_trace_resolve_slow(const struct marey_trace *trace,
                                  const struct process *process, enum id_kind kind,
                                  uint32_t id);

MAREY_INLINE uint32_t
trace_resolve(const struct marey_trace *trace, const struct process *process,
              enum id_kind kind, uint32_t id)
{
    const struct id_map *map = kind == ID_STRING     ? &process->strings
                               : kind == ID_FILE     ? &process->files
                               : kind == ID_FUNCTION ? &process->functions
                                                     : &process->call_sites;

    if (MAREY_LIKELY(id - map->first < map->count))
        return map->indices[id - map->first];
    return marey_trace_resolve_slow(trace, process, kind, id);
}

#endif
