/* Perfetto's own format: what ui.perfetto.dev and its SQL engine read natively.
 *
 * A file is packets, each complete in itself but for the state of its sequence. A lane
 * is one sequence and one track:
 *
 *     sequence start   flags = state cleared; clock 64 begins; default clock and track;
 *                      categories and argument names
 *     descriptors      of the process and the lane, once
 *     events           time since the event before, type, ids of names; an event that
 *                      names a function first brings the name along
 *
 * Time. Clock 64 counts from event to event of its sequence. It cannot go back: an
 * event earlier than the one before (a late BEGIN, after another lane's start moved
 * the snapshot) carries its absolute time. The clock of the file is REALTIME, the only
 * one of which a trace says what it showed at the origin.
 *
 * Order. Calls are begin and end events in the order of the walk; readers sort by time
 * and keep the order of what has the same. Calls that are open at the end get no end.
 *
 * Names. Ids are function indices + 1, the same on every sequence; which ones a
 * sequence has already brought is a bit set per lane. The sets together stay below
 * SEEN_SIZE_MAX: beyond, all are forgotten and every sequence starts anew with its
 * next event. A gap in a lane starts its sequence anew in the same way, marked as a
 * loss.
 *
 * Arrows. A flow step is an instant that carries the arrow's id. Parts of a generator's
 * or coroutine's call are joined by arrows from the end of one to the start of the
 * next.
 */
#include "base/memory.h"
#include "export/number.h"
#include "export/perfetto_impl.h"
#include "export/target.h"
#include "export/value.h"

/* A packet of a call without arguments: two tags and sizes, time, sequence, flags,
 * type, and three ids. */
#define PLAIN_EVENT_SIZE_MAX 64

/* ---- arguments (debug annotations) ---- */

static size_t
begin_argument(struct perfetto *x, enum argument_iid argument)
{
    size_t begun = marey_proto_begin(x->out, EVENT_ANNOTATION);

    marey_proto_unsigned(x->out, ANNOTATION_NAME_IID, argument);
    return begun;
}

static void
put_true_argument(struct perfetto *x, enum argument_iid argument)
{
    size_t begun = begin_argument(x, argument);

    marey_proto_unsigned(x->out, ANNOTATION_BOOL, 1);
    marey_proto_end(x->out, begun);
}

static void
put_integer_argument(struct perfetto *x, enum argument_iid argument, int64_t value)
{
    size_t begun = begin_argument(x, argument);

    marey_proto_signed(x->out, ANNOTATION_INT, value);
    marey_proto_end(x->out, begun);
}

static void
put_text_argument(struct perfetto *x, enum argument_iid argument,
                  struct marey_text text)
{
    size_t begun = begin_argument(x, argument);

    marey_proto_text(x->out, ANNOTATION_STRING, text);
    marey_proto_end(x->out, begun);
}

static void
put_exception(struct perfetto *x, enum argument_iid argument, uint32_t string)
{
    put_text_argument(x, argument, marey_exception_name(x->trace, string));
}

struct values {
    struct perfetto *perfetto;
    enum argument_iid argument; /* that holds them all */
    size_t begun;               /* of it; valid when count > 0 */
    uint32_t count;             /* so far */
    bool is_single; /* only the first is wanted, and is the argument itself */
};

static void
put_value(struct marey_out *out, const struct marey_value *value)
{
    size_t begun;

    switch (value->tag) {
    case MAREY_VALUE_FALSE:
    case MAREY_VALUE_TRUE:
        marey_proto_unsigned(out, ANNOTATION_BOOL, value->tag == MAREY_VALUE_TRUE);
        break;
    case MAREY_VALUE_INT:
        marey_proto_signed(out, ANNOTATION_INT, value->integer);
        break;
    case MAREY_VALUE_FLOAT:
        marey_proto_double(out, ANNOTATION_DOUBLE, value->number);
        break;
    case MAREY_VALUE_TEXT:
    case MAREY_VALUE_OBJECT:
        marey_proto_text(out, ANNOTATION_STRING, value->text);
        break;
    case MAREY_VALUE_BYTES:
        begun = marey_proto_begin(out, ANNOTATION_STRING);
        marey_value_put_bytes(out, value->text, "\\");
        marey_proto_end(out, begun);
        break;
    default:
        marey_proto_text(out, ANNOTATION_STRING, marey_value_word(value->tag));
        break;
    }
}

static void
take_value(void *context, const struct marey_value *value)
{
    struct values *v = context;
    struct marey_out *out = v->perfetto->out;
    size_t entry, name;

    if (v->is_single && v->count > 0)
        return;
    if (v->count == 0)
        v->begun = begin_argument(v->perfetto, v->argument);
    if (v->is_single) {
        put_value(out, value);
        v->count++;
        return;
    }
    entry = marey_proto_begin(out, ANNOTATION_ENTRIES);
    name = marey_proto_begin(out, ANNOTATION_NAME);
    if (value->name.size_bytes != 0)
        marey_proto_text_part(out, value->name);
    else
        marey_number_put(out, v->count);
    marey_proto_end(out, name);
    put_value(out, value);
    marey_proto_end(out, entry);
    v->count++;
}

static void
put_values(struct perfetto *x, enum argument_iid argument, uint32_t lane, uint64_t blob,
           bool is_single)
{
    struct values values = {x, argument, 0, 0, is_single};
    enum marey_status st;

    if (blob == 0)
        return;
    st = marey_trace_values(x->trace, lane, blob, take_value, &values, NULL);
    if (values.count > 0)
        marey_proto_end(x->out, values.begun);
    marey_out_fail_unless_corrupt(x->out, st);
}

/* ---- events ---- */

/* Time, sequence and flags of an event's packet, at `at`. */
MAREY_INLINE uint8_t *
put_event_head(struct perfetto *x, uint8_t *at, const struct marey_step *step)
{
    struct perfetto_lane *lane = &x->lanes[step->lane];

    at = marey_proto_put_tag(at, PACKET_TIMESTAMP, PROTO_VARINT);
    if (MAREY_LIKELY(step->time_ns >= lane->last_ns)) {
        at += marey_varint_put(at, (uint64_t)step->time_ns - (uint64_t)lane->last_ns);
        lane->last_ns = step->time_ns;
    } else {
        at += marey_varint_put(at, marey_perfetto_time(x, step->time_ns));
        at = marey_proto_put_tag(at, PACKET_TIMESTAMP_CLOCK, PROTO_VARINT);
        *at++ = CLOCK_REALTIME;
    }
    at = marey_proto_put_tag(at, PACKET_SEQUENCE_ID, PROTO_VARINT);
    at += marey_varint_put(at, (uint64_t)step->lane + 1);
    at = marey_proto_put_tag(at, PACKET_SEQUENCE_FLAGS, PROTO_VARINT);
    *at++ = FLAG_NEEDS_STATE;
    return at;
}

struct event {
    size_t packet;
    size_t body;
};

static struct event
begin_event(struct perfetto *x, const struct marey_step *step, enum event_type type)
{
    struct event event;

    event.packet = marey_proto_begin_outermost(x->out, TRACE_PACKET);
    marey_out_advance(
        x->out, put_event_head(x, marey_out_room(x->out, PLAIN_EVENT_SIZE_MAX), step));
    event.body = marey_proto_begin(x->out, PACKET_TRACK_EVENT);
    marey_proto_unsigned(x->out, EVENT_TYPE, type);
    return event;
}

static void
end_event(struct perfetto *x, const struct event *event)
{
    marey_proto_end(x->out, event->body);
    marey_proto_end_outermost(x->out, event->packet);
}

static enum category_iid
category_of(const struct marey_function_info *function)
{
    if (function->is_span)
        return CATEGORY_SPAN;
    if (function->is_c)
        return CATEGORY_C;
    return function->is_generator ? CATEGORY_GENERATOR : CATEGORY_PYTHON;
}

/* Joins the parts of an activation: the same where one ends and where the next starts.
 * Such an arrow is over when it has arrived, so the next one can have its id. */
static uint64_t
activation_flow(const struct perfetto *x, const struct marey_step *step)
{
    uint32_t process = x->lanes[step->lane].process;

    return marey_hash_number(x->processes[process].uuid, step->activation);
}

/* The event of a call that has nothing to say but its name, or not even that: END. Its
 * sizes fit a byte each, so it needs no begin and end. */
static void
put_plain_event(struct perfetto *x, const struct marey_step *step, enum event_type type,
                unsigned category)
{
    uint8_t *start = marey_out_room(x->out, PLAIN_EVENT_SIZE_MAX), *at, *body;

    at = marey_proto_put_tag(start, TRACE_PACKET, PROTO_SIZED) + 1;
    at = put_event_head(x, at, step);
    at = marey_proto_put_tag(at, PACKET_TRACK_EVENT, PROTO_SIZED);
    body = ++at;
    at = marey_proto_put_tag(at, EVENT_TYPE, PROTO_VARINT);
    *at++ = (uint8_t)type;
    if (type == TYPE_BEGIN) {
        at = marey_proto_put_tag(at, EVENT_NAME_IID, PROTO_VARINT);
        at += marey_varint_put(at, (uint64_t)step->function + 1);
        at = marey_proto_put_tag(at, EVENT_CATEGORY_IID, PROTO_VARINT);
        *at++ = (uint8_t)category;
        at = marey_proto_put_tag(at, EVENT_LOCATION_IID, PROTO_VARINT);
        at += marey_varint_put(at, (uint64_t)step->function + 1);
    }
    body[-1] = (uint8_t)(at - body);
    start[1] = (uint8_t)(at - start - 2);
    marey_out_advance(x->out, at);
}

static bool
is_plain_begin(const struct perfetto *x, const struct marey_step *step)
{
    return step->kind == MAREY_STEP_BEGIN && !step->was_open && step->call_line == 0 &&
           step->blob == 0 &&
           marey_perfetto_is_seen(&x->lanes[step->lane], step->function);
}

static void
put_begin_arguments(struct perfetto *x, const struct marey_step *step)
{
    if (step->call_line != 0)
        put_integer_argument(x, ARGUMENT_CALL_LINE, step->call_line);
    if (marey_began_before(step))
        put_integer_argument(x, ARGUMENT_BEGAN, step->first_ns);
    if (step->kind == MAREY_STEP_RESUME) {
        put_true_argument(x, ARGUMENT_RESUMED);
        if (step->is_thrown)
            put_exception(x, ARGUMENT_THROWN, step->string);
        marey_proto_fixed64(x->out, EVENT_TERMINATING_FLOW, activation_flow(x, step));
    }
    put_values(x, ARGUMENT_ARGUMENTS, step->lane, step->blob, false);
}

static void
put_begin(struct perfetto *x, const struct marey_step *step)
{
    struct perfetto_lane *lane = &x->lanes[step->lane];
    struct marey_function_info function;
    struct event event;

    marey_trace_function(x->trace, step->function, &function);
    if (is_plain_begin(x, step)) {
        put_plain_event(x, step, TYPE_BEGIN, category_of(&function));
        return;
    }
    event = begin_event(x, step, TYPE_BEGIN);
    marey_proto_unsigned(x->out, EVENT_NAME_IID, (uint64_t)step->function + 1);
    marey_proto_unsigned(x->out, EVENT_CATEGORY_IID, category_of(&function));
    marey_proto_unsigned(x->out, EVENT_LOCATION_IID, (uint64_t)step->function + 1);
    put_begin_arguments(x, step);
    marey_proto_end(x->out, event.body);
    if (!marey_perfetto_is_seen(lane, step->function))
        marey_perfetto_put_names(x, step->lane, step->function);
    marey_proto_end_outermost(x->out, event.packet);
}

static void
put_end(struct perfetto *x, const struct marey_step *step)
{
    struct event event;

    if (step->kind == MAREY_STEP_END && step->result_blob == 0) {
        if (step->ending == MAREY_END_RETURNED)
            put_plain_event(x, step, TYPE_END, 0);
        if (step->ending == MAREY_END_RETURNED || step->ending == MAREY_END_OPEN)
            return;
    }
    event = begin_event(x, step, TYPE_END);
    if (step->kind == MAREY_STEP_SUSPEND) {
        put_true_argument(x, ARGUMENT_SUSPENDED);
        marey_proto_fixed64(x->out, EVENT_FLOW, activation_flow(x, step));
    } else if (step->ending == MAREY_END_RAISED) {
        put_exception(x, ARGUMENT_RAISED, step->string);
    } else if (step->ending == MAREY_END_CUT) {
        put_true_argument(x, ARGUMENT_END_NOT_SEEN);
    }
    put_values(x, ARGUMENT_RETURNED, step->lane, step->result_blob, true);
    end_event(x, &event);
}

static void
put_instant(struct perfetto *x, const struct marey_step *step)
{
    bool is_log = step->kind == MAREY_STEP_LOG;
    struct event event = begin_event(x, step, TYPE_INSTANT);

    marey_proto_text(x->out, EVENT_NAME, marey_trace_string(x->trace, step->string));
    marey_proto_unsigned(x->out, EVENT_CATEGORY_IID,
                         is_log ? CATEGORY_LOG : CATEGORY_INSTANT);
    if (is_log) {
        const char *word = marey_log_class_name(step->log_class);
        put_text_argument(x, ARGUMENT_LOG_CLASS,
                          (struct marey_text){word, strlen(word)});
    }
    put_values(x, ARGUMENT_VALUES, step->lane, step->blob, false);
    end_event(x, &event);
}

static void
put_flow(struct perfetto *x, const struct marey_step *step)
{
    bool is_out = step->kind == MAREY_STEP_FLOW_OUT;
    struct event event = begin_event(x, step, TYPE_INSTANT);

    marey_proto_literal(x->out, EVENT_NAME, is_out ? "flow out" : "flow in");
    marey_proto_unsigned(x->out, EVENT_CATEGORY_IID, CATEGORY_FLOW);
    marey_proto_fixed64(x->out, is_out ? EVENT_FLOW : EVENT_TERMINATING_FLOW,
                        marey_hash_number(x->hash, step->flow));
    end_event(x, &event);
}

static void
put_counter(struct perfetto *x, const struct marey_step *step)
{
    uint64_t uuid = marey_perfetto_counter_track(x, step);
    struct event event = begin_event(x, step, TYPE_COUNTER);

    marey_proto_unsigned(x->out, EVENT_TRACK, uuid);
    marey_proto_double(x->out, EVENT_DOUBLE_VALUE, step->value);
    end_event(x, &event);
}

/* The sequence starts anew, so that readers know of the loss and need nothing of what
 * was before. Steps that close and open calls follow by themselves. */
static void
put_gap(struct perfetto *x, const struct marey_step *step)
{
    struct event event;
    size_t name;

    marey_perfetto_restart(x, step->lane);
    event = begin_event(x, step, TYPE_INSTANT);
    name = marey_proto_begin(x->out, EVENT_NAME);
    marey_number_put(x->out, step->lost_count);
    MAREY_OUT_LITERAL(x->out, " events lost");
    marey_proto_end(x->out, name);
    marey_proto_unsigned(x->out, EVENT_CATEGORY_IID, CATEGORY_LOSS);
    put_integer_argument(x, ARGUMENT_LOST, (int64_t)step->lost_count);
    end_event(x, &event);
}

/* ---- the target ---- */

static void
perfetto_step(void *state, const struct marey_step *step)
{
    struct perfetto *x = state;

    if (!marey_perfetto_prepare(x, step))
        return;
    switch (step->kind) {
    case MAREY_STEP_BEGIN:
    case MAREY_STEP_RESUME: put_begin(x, step); break;
    case MAREY_STEP_END:
    case MAREY_STEP_SUSPEND: put_end(x, step); break;
    case MAREY_STEP_INSTANT:
    case MAREY_STEP_LOG: put_instant(x, step); break;
    case MAREY_STEP_COUNTER: put_counter(x, step); break;
    case MAREY_STEP_FLOW_OUT:
    case MAREY_STEP_FLOW_IN: put_flow(x, step); break;
    case MAREY_STEP_GAP: put_gap(x, step); break;
    }
}

static void
perfetto_end(void *state)
{
    (void)state; /* packets are complete as they are */
}

static void
perfetto_free(void *state)
{
    struct perfetto *x = state;

    if (x->lanes != NULL)
        marey_perfetto_forget(x);
    marey_memory_free(x->lanes);
    marey_memory_free(x->processes);
    marey_table_release(&x->counters);
    marey_ids_release(&x->ids);
    marey_memory_free(x);
}

static enum marey_status
perfetto_begin(const struct marey_job *job, void **state, struct marey_error *err)
{
    struct perfetto *x = marey_memory_new(1, sizeof(*x));
    enum marey_status st = MAREY_NOMEM;
    struct marey_trace_info info;

    if (x == NULL)
        return marey_fail(err, MAREY_NOMEM, "no memory to export");
    marey_trace_info(job->trace, &info);
    x->trace = job->trace;
    x->out = job->out;
    x->start_realtime_ns = info.start_realtime_ns;
    x->process_count = marey_trace_process_count(x->trace);
    x->lane_count = marey_trace_lane_count(x->trace);
    x->seen_size = marey_trace_function_count(x->trace) / 8 + 1;
    x->processes =
        marey_memory_new((size_t)x->process_count + 1, sizeof(*x->processes));
    x->lanes = marey_memory_new((size_t)x->lane_count + 1, sizeof(*x->lanes));
    if (x->processes != NULL && x->lanes != NULL)
        st = marey_ids_init(&x->ids, x->trace);
    if (st != MAREY_OK) {
        perfetto_free(x);
        return marey_fail(err, st, "no memory to export");
    }
    marey_perfetto_hash(x, &info);
    *state = x;
    return MAREY_OK;
}

const struct marey_target marey_target_perfetto = {
    "perfetto",   MAREY_ORDER_TIME, perfetto_begin, perfetto_step,
    perfetto_end, perfetto_free,    NULL,
};
