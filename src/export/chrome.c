/* Chrome JSON: what chrome://tracing, ui.perfetto.dev, speedscope and many others read.
 *
 * The array form, one event a line. A file that ends too early, without the closing
 * bracket, still loads; the object form would not.
 *
 * Calls are pairs of B and E, not X with a duration:
 * - Order decides. B and E nest as they stand, so calls that take no time at all, begin
 *   with their parent and end with it nest right. Of X events with the same time and
 *   duration no reader can tell which is inside which.
 * - Readers multiply microseconds by 1000 and cut. Cut times keep their order; cut
 *   times and cut durations do not add up, and a child can end after its parent.
 * - Nothing waits: a line is written when its event is read, in order of time, in
 *   constant memory, and a call that is still open simply has no E.
 * B and E together are a tenth longer than X; E repeats the name because speedscope
 * ignores an E whose name is not that of the open call.
 *
 * A generator or coroutine is one slice for each part that ran. Its parts have the same
 * `activation` in their arguments, and those after the first have `resumed`.
 */
#include "base/memory.h"
#include "export/ids.h"
#include "export/json.h"
#include "export/number.h"
#include "export/target.h"

struct chrome {
    struct marey_trace *trace; /* borrowed until chrome_free() */
    struct marey_out *out;     /* borrowed until chrome_free() */
    struct marey_ids ids;
    bool *named_processes; /* owned; by index: its metadata is written */
    uint32_t *lane_pids;   /* owned; by lane index; 0: its metadata is not written */
    uint32_t process_count;
    bool is_first_line;
    bool has_args; /* the line under way has an argument */
};

/* ---- pieces of a line ---- */

/* {"ph":"B","pid":1,"tid":2,"ts":3.456 and what stands between two lines. */
static void
begin_line(struct chrome *c, char phase, uint32_t pid, uint32_t tid, int64_t time_ns)
{
    char start[] = ",\n{\"ph\":\"?\",\"pid\":";
    uint8_t *at;

    start[sizeof(",\n{\"ph\":\"") - 1] = phase;
    if (c->is_first_line)
        start[0] = '[';
    c->is_first_line = false;
    c->has_args = false;
    marey_out_put_short(c->out, start, sizeof(start) - 1);
    marey_number_put(c->out, pid);
    MAREY_OUT_LITERAL(c->out, ",\"tid\":");
    marey_number_put(c->out, tid);
    MAREY_OUT_LITERAL(c->out, ",\"ts\":");
    at = marey_out_room(c->out, MAREY_NUMBER_SIZE_MAX);
    marey_out_advance(c->out, marey_number_micros(at, time_ns));
}

static void
end_line(struct chrome *c)
{
    marey_out_put_short(c->out, "}}", c->has_args ? 2 : 1);
}

static void
put_name(struct chrome *c, struct marey_text name)
{
    MAREY_OUT_LITERAL(c->out, ",\"name\":");
    marey_json_text(c->out, name);
}

/* Arguments come last on a line; the value comes next. */
MAREY_INLINE void
begin_arg(struct chrome *c, const char *key)
{
    if (c->has_args)
        MAREY_OUT_LITERAL(c->out, ",\"");
    else
        MAREY_OUT_LITERAL(c->out, ",\"args\":{\"");
    c->has_args = true;
    marey_out_put_short(c->out, key, strlen(key));
    MAREY_OUT_LITERAL(c->out, "\":");
}

static void
put_text_arg(struct chrome *c, const char *key, struct marey_text text)
{
    begin_arg(c, key);
    marey_json_text(c->out, text);
}

static void
put_integer_arg(struct chrome *c, const char *key, int64_t value)
{
    begin_arg(c, key);
    marey_json_integer(c->out, value);
}

static void
put_true_arg(struct chrome *c, const char *key)
{
    begin_arg(c, key);
    MAREY_OUT_LITERAL(c->out, "true");
}

/* Keys of 64 bits: as text, since a reader keeps 53 of a number. */
static void
put_hex(struct marey_out *out, uint64_t value)
{
    uint8_t *at = marey_out_room(out, MAREY_NUMBER_SIZE_MAX);

    *at++ = '"';
    at = marey_number_hex(at, value);
    *at++ = '"';
    marey_out_advance(out, at);
}

/* ---- values ---- */

struct values {
    struct chrome *chrome;
    const char *key; /* of the argument that holds them all */
    uint32_t count;  /* so far */
    bool is_single;  /* only the first is wanted, and is the argument itself */
};

static void
take_value(void *context, const struct marey_value *value)
{
    struct values *v = context;
    struct marey_out *out = v->chrome->out;

    if (v->is_single && v->count > 0)
        return;
    if (v->count == 0)
        begin_arg(v->chrome, v->key);
    if (!v->is_single) {
        marey_out_put_short(out, v->count == 0 ? "{\"" : ",\"", 2);
        if (value->name.size_bytes != 0)
            marey_json_text_part(out, value->name);
        else
            marey_number_put(out, v->count);
        MAREY_OUT_LITERAL(out, "\":");
    }
    marey_json_value(out, value);
    v->count++;
}

static void
put_values(struct chrome *c, const char *key, uint32_t lane, uint64_t blob,
           bool is_single)
{
    struct values values = {c, key, 0, is_single};
    enum marey_status st;

    if (blob == 0)
        return;
    st = marey_trace_values(c->trace, lane, blob, take_value, &values, NULL);
    if (values.count > 0 && !is_single)
        MAREY_OUT_LITERAL(c->out, "}");
    marey_out_fail_unless_corrupt(c->out, st);
}

/* ---- processes and lanes ---- */

static void
begin_metadata(struct chrome *c, uint32_t pid, uint32_t tid, const char *name)
{
    begin_line(c, 'M', pid, tid, 0); /* speedscope wants a time on every event */
    put_name(c, (struct marey_text){name, strlen(name)});
}

static void
describe_process(struct chrome *c, uint32_t process)
{
    struct marey_process_info info;
    uint32_t pid = c->ids.pids[process];

    marey_trace_process(c->trace, process, &info);
    begin_metadata(c, pid, pid, "process_name");
    put_text_arg(c, "name", info.program);
    if (info.pid != pid)
        put_integer_arg(c, "real_pid", info.pid);
    end_line(c);

    begin_metadata(c, pid, pid, "process_labels");
    begin_arg(c, "labels");
    MAREY_OUT_LITERAL(c->out, "\"Python ");
    marey_json_text_part(c->out, info.version);
    MAREY_OUT_LITERAL(c->out, "\"");
    end_line(c);

    begin_metadata(c, pid, pid, "process_sort_index");
    put_integer_arg(c, "sort_index", process);
    end_line(c);
}

static void
describe_lane(struct chrome *c, uint32_t lane)
{
    struct marey_lane_info info;
    uint32_t pid = 1, tid = c->ids.tids[lane];

    marey_trace_lane(c->trace, lane, &info);
    if (info.process < c->process_count) {
        pid = c->ids.pids[info.process];
        if (!c->named_processes[info.process])
            describe_process(c, info.process);
        c->named_processes[info.process] = true;
    }
    c->lane_pids[lane] = pid;

    begin_metadata(c, pid, tid, "thread_name");
    put_text_arg(c, "name", info.name);
    if (info.kind == MAREY_KIND_THREAD && info.native_id != tid)
        put_integer_arg(c, "real_tid", (int64_t)info.native_id);
    end_line(c);

    begin_metadata(c, pid, tid, "thread_sort_index");
    put_integer_arg(c, "sort_index", lane);
    end_line(c);
}

static void
begin_event(struct chrome *c, char phase, const struct marey_step *step)
{
    if (c->lane_pids[step->lane] == 0)
        describe_lane(c, step->lane);
    begin_line(c, phase, c->lane_pids[step->lane], c->ids.tids[step->lane],
               step->time_ns);
}

/* ---- steps ---- */

static const char *
category_of(const struct marey_function_info *function)
{
    if (function->is_span)
        return "span";
    if (function->is_c)
        return "c";
    return function->is_generator ? "generator" : "python";
}

static void
put_category(struct chrome *c, const char *category)
{
    MAREY_OUT_LITERAL(c->out, ",\"cat\":\"");
    marey_out_put_short(c->out, category, strlen(category));
    MAREY_OUT_LITERAL(c->out, "\"");
}

/* Where the function is: file:line, or the module of a C function. */
static void
put_place(struct chrome *c, const struct marey_function_info *function)
{
    if (function->file.size_bytes == 0) {
        if (function->module.size_bytes != 0)
            put_text_arg(c, "module", function->module);
        return;
    }
    begin_arg(c, "file");
    MAREY_OUT_LITERAL(c->out, "\"");
    marey_json_text_part(c->out, function->file);
    if (function->first_line != 0) {
        MAREY_OUT_LITERAL(c->out, ":");
        marey_number_put(c->out, function->first_line);
    }
    MAREY_OUT_LITERAL(c->out, "\"");
}

static void
put_activation(struct chrome *c, uint64_t activation)
{
    begin_arg(c, "activation");
    put_hex(c->out, activation);
}

static void
put_begin(struct chrome *c, const struct marey_step *step)
{
    struct marey_function_info function;

    marey_trace_function(c->trace, step->function, &function);
    begin_event(c, 'B', step);
    put_name(c, function.name);
    put_category(c, category_of(&function));
    put_place(c, &function);
    if (step->call_line != 0)
        put_integer_arg(c, "call_line", step->call_line);
    if (marey_began_before(step))
        put_integer_arg(c, "began_ns", step->first_ns);
    if (step->kind == MAREY_STEP_RESUME) {
        put_true_arg(c, "resumed");
        put_activation(c, step->activation);
        if (step->is_thrown)
            put_text_arg(c, "thrown", marey_exception_name(c->trace, step->string));
    }
    put_values(c, "arguments", step->lane, step->blob, false);
    end_line(c);
}

static void
put_end(struct chrome *c, const struct marey_step *step)
{
    struct marey_function_info function;

    if (step->kind == MAREY_STEP_END && step->ending == MAREY_END_OPEN)
        return;
    marey_trace_function(c->trace, step->function, &function);
    begin_event(c, 'E', step);
    put_name(c, function.name);
    if (step->kind == MAREY_STEP_SUSPEND) {
        put_true_arg(c, "suspended");
        put_activation(c, step->activation);
    } else if (step->ending == MAREY_END_RAISED) {
        put_text_arg(c, "raised", marey_exception_name(c->trace, step->string));
    } else if (step->ending == MAREY_END_CUT) {
        put_true_arg(c, "end_not_seen");
    }
    put_values(c, "returned", step->lane, step->result_blob, true);
    end_line(c);
}

static void
put_instant(struct chrome *c, const struct marey_step *step)
{
    begin_event(c, 'i', step);
    MAREY_OUT_LITERAL(c->out, ",\"s\":\"t\"");
    put_name(c, marey_trace_string(c->trace, step->string));
    put_category(c, step->kind == MAREY_STEP_LOG ? "log" : "instant");
    if (step->kind == MAREY_STEP_LOG) {
        const char *word = marey_log_class_name(step->log_class);
        put_text_arg(c, "log_class", (struct marey_text){word, strlen(word)});
    }
    put_values(c, "values", step->lane, step->blob, false);
    end_line(c);
}

static void
put_counter(struct chrome *c, const struct marey_step *step)
{
    begin_event(c, 'C', step);
    put_name(c, marey_trace_string(c->trace, step->string));
    begin_arg(c, "value");
    marey_json_double(c->out, step->value);
    end_line(c);
}
/* An arrow binds to the call that is open where it stands; where none is, as at the
 * start of a process, to the next one. */
static void
put_flow(struct chrome *c, const struct marey_step *step)
{
    begin_event(c, step->kind == MAREY_STEP_FLOW_OUT ? 's' : 'f', step);
    if (step->kind == MAREY_STEP_FLOW_IN && step->depth > 0)
        MAREY_OUT_LITERAL(c->out, ",\"bp\":\"e\"");
    put_name(c, (struct marey_text){"flow", 4});
    put_category(c, "flow");
    MAREY_OUT_LITERAL(c->out, ",\"id\":");
    put_hex(c->out, step->flow);
    end_line(c);
}

static void
put_gap(struct chrome *c, const struct marey_step *step)
{
    begin_event(c, 'i', step);
    MAREY_OUT_LITERAL(c->out, ",\"s\":\"t\",\"name\":\"");
    marey_number_put(c->out, step->lost_count);
    MAREY_OUT_LITERAL(c->out, " events lost\"");
    put_category(c, "loss");
    end_line(c);
}

/* ---- the target ---- */

static void
chrome_step(void *state, const struct marey_step *step)
{
    struct chrome *c = state;

    switch (step->kind) {
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME: put_begin(c, step); break;
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND: put_end(c, step); break;
    case MAREY_STEP_INSTANT:
    case MAREY_STEP_LOG: put_instant(c, step); break;
    case MAREY_STEP_COUNTER: put_counter(c, step); break;
    case MAREY_STEP_FLOW_OUT:
    case MAREY_STEP_FLOW_IN: put_flow(c, step); break;
    case MAREY_STEP_GAP: put_gap(c, step); break;
    }
}

static void
chrome_end(void *state)
{
    struct chrome *c = state;

    if (c->is_first_line)
        MAREY_OUT_LITERAL(c->out, "[");
    MAREY_OUT_LITERAL(c->out, "\n]\n");
}

static void
chrome_free(void *state)
{
    struct chrome *c = state;

    marey_ids_release(&c->ids);
    marey_memory_free(c->named_processes);
    marey_memory_free(c->lane_pids);
    marey_memory_free(c);
}

static enum marey_status
chrome_begin(const struct marey_job *job, void **state, struct marey_error *err)
{
    struct chrome *c = marey_memory_new(1, sizeof(*c));
    enum marey_status st = MAREY_NOMEM;

    if (c == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to export");
    c->trace = job->trace;
    c->out = job->out;
    c->is_first_line = true;
    c->process_count = marey_trace_process_count(c->trace);
    c->named_processes = marey_memory_new((size_t)c->process_count + 1, sizeof(bool));
    c->lane_pids = marey_memory_new((size_t)marey_trace_lane_count(c->trace) + 1,
                                    sizeof(uint32_t));
    if (c->named_processes != NULL && c->lane_pids != NULL)
        st = marey_ids_init(&c->ids, c->trace);
    if (st != MAREY_OK) {
        chrome_free(c);
        return marey_fail(err, st, "no memory to export");
    }
    *state = c;
    return MAREY_OK;
}

const struct marey_target marey_target_chrome = {
    "chrome",   MAREY_ORDER_TIME, chrome_begin, chrome_step,
    chrome_end, chrome_free,      NULL,
};
