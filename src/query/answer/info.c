/* What a trace holds, for the page: names and places, all it needs before it draws. */
#include "query/answer/json.h"

static void
put_processes(struct marey_trace *trace, struct marey_answer *out)
{
    json_key(out, "processes");
    json_open(out, '[');
    for (uint32_t i = 0; i < marey_trace_process_count(trace); i++) {
        struct marey_process_info process;

        marey_trace_process(trace, i, &process);
        json_open(out, '{');
        json_key_int(out, "serial", process.serial);
        json_key_int(out, "parent", json_index(process.parent));
        json_key_int(out, "pid", process.pid);
        json_key_int(out, "start_ns", process.start_ns);
        json_key_int(out, "end_ns", process.end_ns);
        json_key_bool(out, "ended", process.state != MAREY_PROCESS_UNKNOWN);
        json_key_bool(out, "replaced", process.state == MAREY_PROCESS_REPLACED);
        if (process.has_exit_status)
            json_key_int(out, "exit_status", process.exit_status);
        json_key_text(out, "program", process.program);
        json_key_text(out, "executable", process.executable);
        json_key_text(out, "version", process.version);
        json_key_text(out, "directory", process.directory);
        json_key(out, "arguments");
        json_open(out, '[');
        for (uint32_t k = 0; k < process.argument_count && k < 256; k++)
            json_text(out, marey_trace_argument(trace, i, k));
        json_close(out, ']');
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void
put_lanes(struct marey_trace *trace, struct marey_answer *out)
{
    json_key(out, "lanes");
    json_open(out, '[');
    for (uint32_t i = 0; i < marey_trace_lane_count(trace); i++) {
        struct marey_lane_info lane;

        marey_trace_lane(trace, i, &lane);
        json_open(out, '{');
        json_key_int(out, "serial", lane.serial);
        json_key_int(out, "process", json_index(lane.process));
        json_key_int(out, "kind", (int64_t)lane.kind);
        json_key_bool(out, "is_main", lane.is_main);
        json_key_int(out, "native_id", (int64_t)lane.native_id);
        json_key_int(out, "start_ns", lane.start_ns);
        json_key_int(out, "end_ns", lane.end_ns);
        json_key_text(out, "name", lane.name);
        json_key_int(out, "events", (int64_t)lane.event_count);
        json_key_int(out, "lost", (int64_t)lane.lost_count);
        json_close(out, '}');
    }
    json_close(out, ']');
}

enum column { NAME, MODULE, FILE_PATH, LINE, FLAGS, COLUMN_COUNT };

static void
put_function(struct marey_trace *trace, uint32_t index, enum column column,
             struct marey_answer *out)
{
    struct marey_function_info function;

    marey_trace_function(trace, index, &function);
    switch (column) {
    case NAME: json_text(out, function.name); break;
    case MODULE: json_text(out, function.module); break;
    case FILE_PATH: json_text(out, function.file); break;
    case LINE: json_int(out, function.first_line); break;
    default:
        json_int(out, (function.is_c ? 1 : 0) | (function.is_generator ? 2 : 0) |
                          (function.is_span ? 16 : 0) |
                          (function.is_transaction ? 32 : 0));
    }
}

static void
put_functions(struct marey_trace *trace, struct marey_answer *out)
{
    static const char *const names[] = {"name", "module", "file", "line", "flags"};

    json_key(out, "functions");
    json_open(out, '{');
    for (int column = 0; column < COLUMN_COUNT; column++) {
        json_key(out, names[column]);
        json_open(out, '[');
        for (uint32_t i = 0; i < marey_trace_function_count(trace); i++)
            put_function(trace, i, (enum column)column, out);
        json_close(out, ']');
    }
    json_close(out, '}');
}

/* Whose calls were not recorded from some time on, and how many those were. */
static void
put_left_outs(struct marey_trace *trace, struct marey_answer *out)
{
    struct marey_left_out left;

    json_key(out, "left_out");
    json_open(out, '[');
    for (uint32_t i = 0; i < marey_trace_left_out_count(trace); i++) {
        if (!marey_trace_left_out(trace, i, &left))
            continue;
        json_open(out, '{');
        json_key_int(out, "function", json_index(left.function));
        json_key_int(out, "since_ns", left.since_ns);
        json_key_int(out, "calls_counted", (int64_t)left.calls_counted);
        json_key_int(out, "calls_estimated", (int64_t)left.calls_estimated);
        json_key_bool(out, "is_whole", left.is_whole);
        json_close(out, '}');
    }
    json_close(out, ']');
}

enum marey_status
marey_answer_info(struct marey_trace *trace, struct marey_answer *out)
{
    struct marey_trace_info info;

    marey_trace_info(trace, &info);
    json_open(out, '{');
    json_key_text(out, "host", info.host_name);
    json_key_int(out, "start_realtime_ns", info.start_realtime_ns);
    json_key_int(out, "duration_ns", info.duration_ns);
    json_key_int(out, "size_bytes", (int64_t)info.size_bytes);
    json_key_int(out, "events", (int64_t)info.event_count);
    json_key_int(out, "lost", (int64_t)info.lost_count);
    json_key_int(out, "left_out", (int64_t)info.left_out_count);
    json_key_int(out, "damaged", info.damaged_count);
    json_key_int(out, "skipped_bytes", (int64_t)info.skipped_bytes);
    json_key_int(out, "cost_python_ps", (int64_t)info.cost_python_ps);
    json_key_int(out, "cost_c_ps", (int64_t)info.cost_c_ps);
    put_processes(trace, out);
    put_lanes(trace, out);
    put_functions(trace, out);
    put_left_outs(trace, out);
    json_close(out, '}');
    return json_status(out, NULL);
}

enum marey_status
marey_answer_string(struct marey_trace *trace, uint32_t index, struct marey_answer *out)
{
    json_text(out, marey_trace_string(trace, index));
    return json_status(out, NULL);
}

enum marey_status
marey_answer_source(struct marey_trace *trace, uint32_t function,
                    struct marey_answer *out, struct marey_error *err)
{
    struct marey_function_info info;
    struct marey_text text = {NULL, 0};
    enum marey_status status = MAREY_OK;

    if (function >= marey_trace_function_count(trace))
        return marey_fail(err, MAREY_USAGE, "no such function");
    marey_trace_function(trace, function, &info);
    if (info.file.size_bytes > 0)
        status = marey_trace_source(trace, info.file, &text, err);
    if (status != MAREY_OK)
        return status;
    if (text.size_bytes == 0)
        json_word(out, "null");
    else
        json_text(out, text);
    return json_status(out, err);
}

struct values {
    struct marey_answer *out;
};

static void
put_value(void *context, const struct marey_value *value)
{
    static const struct marey_text names[] = {[1] = {"None", 4},
                                              [2] = {"False", 5},
                                              [3] = {"True", 4},
                                              [9] = {"<redacted>", 10},
                                              [10] = {"<not recorded>", 14},
                                              [11] = {"<unbound>", 9},
                                              [12] = {"<error>", 7}};
    struct marey_answer *out = ((struct values *)context)->out;

    json_open(out, '{');
    json_key_text(out, "name", value->name);
    json_key_int(out, "tag", value->tag);
    if (value->tag < sizeof(names) / sizeof(names[0]) &&
        names[value->tag].bytes != NULL) {
        json_key_text(out, "text", names[value->tag]);
    } else if (value->tag == 4) {
        json_key_int(out, "integer", value->integer);
    } else if (value->tag == 5) {
        json_key(out, "number");
        json_number(out, value->number);
    } else {
        json_key_text(out, "text", value->text);
    }
    json_close(out, '}');
}

enum marey_status
marey_answer_values(struct marey_trace *trace, uint32_t lane, uint64_t blob,
                    struct marey_answer *out, struct marey_error *err)
{
    struct values values = {out};
    enum marey_status status;

    json_open(out, '[');
    status = marey_trace_values(trace, lane, blob, put_value, &values, err);
    json_close(out, ']');
    return status != MAREY_OK ? status : json_status(out, err);
}
