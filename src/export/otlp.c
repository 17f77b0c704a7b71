/* Transactions as OpenTelemetry spans: OTLP in its JSON encoding (opentelemetry-proto,
 * trace.proto and the JSON mapping of the OTLP specification). Never single calls.
 *
 * One span a transaction, in the order of their ends; a new resource whenever the
 * process changes, so that nothing is kept. Ids are made from where a transaction
 * stands in the trace, the same at each export; one that came with a `traceparent`, and
 * all inside it, are part of that trace.
 */
#include <string.h>

#include "base/bits.h"
#include "export/json.h"
#include "export/number.h"
#include "export/target.h"
#include "marey/transactions.h"

#define TICK_EVERY 65536    /* transactions */
#define TRACEPARENT_SIZE 55 /* 00-TRACE-SPAN-FLAGS in hex */
#define TAG_TEXT 6

/* What is learned of a transaction's values before they are written. */
struct known {
    char traceparent[TRACEPARENT_SIZE];
    bool has_traceparent, has_method, has_path;
};

struct otlp {
    const struct marey_job *job;
    struct marey_out *out;
    struct marey_trace_info info;
    uint32_t process; /* of the open resource; MAREY_NO_INDEX: none is open */
    bool has_span;    /* in the open resource */
    bool has_attribute;
    bool is_server;
};

static void
put(struct marey_out *out, const char *text)
{
    marey_out_put(out, text, strlen(text));
}

/* ---- ids ---- */

static uint64_t
number_of(const struct otlp *o, uint32_t lane, int64_t begin_ns, uint64_t salt)
{
    struct marey_lane_info info;

    marey_trace_lane(o->job->trace, lane, &info);
    uint64_t number = marey_mix((uint64_t)o->info.start_realtime_ns + salt);
    number = marey_mix(number ^ info.serial);
    number = marey_mix(number ^ (uint64_t)begin_ns);
    return number != 0 ? number : 1;
}

static void
put_hex(struct marey_out *out, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    char text[16];

    for (int i = 0; i < 16; i++)
        text[i] = digits[number >> (60 - 4 * i) & 15];
    marey_out_put_short(out, text, sizeof(text));
}

static void
put_span_id(struct otlp *o, uint32_t lane, int64_t begin_ns)
{
    put_hex(o->out, number_of(o, lane, begin_ns, 0));
}

/* Version 00, lower case hex, ids that are not all zero. */
static bool
is_traceparent(struct marey_text text)
{
    bool is_trace = false, is_span = false;

    if (text.size_bytes != TRACEPARENT_SIZE || memcmp(text.bytes, "00-", 3) != 0)
        return false;
    for (size_t i = 3; i < TRACEPARENT_SIZE; i++) {
        char c = text.bytes[i];
        if (i == 35 || i == 52) {
            if (c != '-')
                return false;
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        is_trace |= i < 35 && c != '0';
        is_span |= i > 35 && i < 52 && c != '0';
    }
    return is_trace && is_span;
}

static bool
is_named(const struct marey_value *value, const char *name)
{
    return value->name.size_bytes == strlen(name) &&
           memcmp(value->name.bytes, name, value->name.size_bytes) == 0;
}

static void
learn(void *context, const struct marey_value *value)
{
    struct known *known = context;

    known->has_method |= is_named(value, "method");
    known->has_path |= is_named(value, "path");
    if (value->tag == TAG_TEXT && is_named(value, "traceparent") &&
        is_traceparent(value->text)) {
        memcpy(known->traceparent, value->text.bytes, TRACEPARENT_SIZE);
        known->has_traceparent = true;
    }
}

static void
put_ids(struct otlp *o, const struct marey_transaction *one)
{
    struct known root = {0};
    struct marey_error err;
    bool is_root = one->parent_lane == MAREY_NO_INDEX;

    if (one->root_values.blob != 0)
        (void)marey_trace_values(o->job->trace, one->root_values.lane,
                                 one->root_values.blob, learn, &root, &err);
    put(o->out, "\"traceId\":\"");
    if (root.has_traceparent) {
        marey_out_put_short(o->out, root.traceparent + 3, 32);
    } else {
        put_hex(o->out, number_of(o, one->root_lane, one->root_begin_ns, 1));
        put_hex(o->out, number_of(o, one->root_lane, one->root_begin_ns, 2));
    }
    put(o->out, "\",\"spanId\":\"");
    put_span_id(o, one->lane, one->begin_ns);
    put(o->out, "\"");
    if (is_root && root.has_traceparent) {
        put(o->out, ",\"parentSpanId\":\"");
        marey_out_put_short(o->out, root.traceparent + 36, 16);
        put(o->out, "\"");
    } else if (!is_root) {
        put(o->out, ",\"parentSpanId\":\"");
        put_span_id(o, one->parent_lane, one->parent_begin_ns);
        put(o->out, "\"");
    }
}

/* ---- attributes ---- */

static void
put_signed(struct marey_out *out, int64_t value)
{
    marey_out_advance(
        out, marey_number_signed(marey_out_room(out, MAREY_NUMBER_SIZE_MAX), value));
}

static void
put_key(struct otlp *o, struct marey_text key)
{
    put(o->out, o->has_attribute ? ",{\"key\":" : "{\"key\":");
    o->has_attribute = true;
    marey_json_text(o->out, key);
    put(o->out, ",\"value\":{");
}

static void
put_text(struct otlp *o, const char *key, struct marey_text text)
{
    put_key(o, (struct marey_text){key, strlen(key)});
    put(o->out, "\"stringValue\":");
    marey_json_text(o->out, text);
    put(o->out, "}}");
}

static void
put_int(struct otlp *o, const char *key, int64_t value)
{
    put_key(o, (struct marey_text){key, strlen(key)});
    put(o->out, "\"intValue\":\""); /* 64 bits are text in protobuf's JSON */
    put_signed(o->out, value);
    put(o->out, "\"}}");
}

/* The middleware's values have names of their own in OpenTelemetry. */
static struct marey_text
name_of(const struct otlp *o, const struct marey_value *value)
{
    static const char *const names[][2] = {
        {"method", "http.request.method"},
        {"path", "url.path"},
        {"status", "http.response.status_code"},
    };

    for (size_t i = 0; o->is_server && i < sizeof(names) / sizeof(names[0]); i++)
        if (is_named(value, names[i][0]))
            return (struct marey_text){names[i][1], strlen(names[i][1])};
    return value->name;
}

static void
put_value(void *context, const struct marey_value *value)
{
    struct otlp *o = context;
    bool is_number = value->number - value->number == 0;

    if (value->name.size_bytes == 0)
        return; /* a name it goes by */
    put_key(o, name_of(o, value));
    if (value->tag == 2 || value->tag == 3) {
        put(o->out, value->tag == 3 ? "\"boolValue\":true" : "\"boolValue\":false");
    } else if (value->tag == 4) {
        put(o->out, "\"intValue\":\"");
        put_signed(o->out, value->integer);
        put(o->out, "\"");
    } else if (value->tag == 5 && is_number) {
        put(o->out, "\"doubleValue\":");
        marey_json_double(o->out, value->number);
    } else if (value->tag == TAG_TEXT || value->text.size_bytes > 0) {
        put(o->out, "\"stringValue\":");
        marey_json_text(o->out, value->text);
    } else {
        put(o->out, "\"stringValue\":");
        marey_json_value(o->out, value);
    }
    put(o->out, "}}");
}

static void
put_attributes(struct otlp *o, const struct marey_transaction *one)
{
    static const char *const words[] = {"returned", "raised", "cut", "open"};
    char id[MAREY_TRANSACTION_ID_MAX];
    struct marey_error err;

    put(o->out, ",\"attributes\":[");
    o->has_attribute = false;
    for (uint32_t i = 0; i < one->place_count; i++)
        (void)marey_trace_values(o->job->trace, one->places[i].lane,
                                 one->places[i].blob, put_value, o, &err);
    marey_transaction_id(o->job->trace, one->lane, one->begin_ns, id);
    put_text(o, "marey.transaction", (struct marey_text){id, strlen(id)});
    put_int(o, "marey.waiting_ns", one->waiting_ns);
    if (one->ending != MAREY_END_RETURNED) {
        const char *word = one->is_cancelled ? "cancelled" : words[one->ending];
        put_text(o, "marey.ended", (struct marey_text){word, strlen(word)});
    }
    put(o->out, "]");
}

/* ---- spans and resources ---- */

static void
put_time(struct otlp *o, const char *key, int64_t time_ns)
{
    put(o->out, key);
    put_signed(o->out, o->info.start_realtime_ns + time_ns);
    put(o->out, "\"");
}

static void
put_exception(struct otlp *o, const struct marey_transaction *one)
{
    struct marey_text name = marey_exception_name(o->job->trace, one->exception);

    put_time(o, ",\"events\":[{\"timeUnixNano\":\"", one->end_ns);
    put(o->out, ",\"name\":\"exception\",\"attributes\":[");
    o->has_attribute = false;
    put_text(o, "exception.type", name);
    put(o->out, "]}]");
    if (one->is_cancelled)
        return;
    put(o->out, ",\"status\":{\"code\":2,\"message\":");
    marey_json_text(o->out, name);
    put(o->out, "}");
}

static void
put_span(struct otlp *o, const struct marey_transaction *one)
{
    struct known known = {0};
    struct marey_error err;

    for (uint32_t i = 0; i < one->place_count; i++)
        (void)marey_trace_values(o->job->trace, one->places[i].lane,
                                 one->places[i].blob, learn, &known, &err);
    o->is_server = known.has_method && known.has_path;
    put(o->out, o->has_span ? ",\n{" : "\n{");
    o->has_span = true;
    put_ids(o, one);
    put(o->out, ",\"name\":");
    marey_json_text(o->out, one->name);
    put(o->out, o->is_server ? ",\"kind\":2" : ",\"kind\":1"); /* SERVER, INTERNAL */
    put_time(o, ",\"startTimeUnixNano\":\"", one->begin_ns);
    put_time(o, ",\"endTimeUnixNano\":\"", one->end_ns);
    put_attributes(o, one);
    if (one->ending == MAREY_END_RAISED)
        put_exception(o, one);
    put(o->out, "}");
}

static void
end_resource(struct otlp *o)
{
    if (o->process != MAREY_NO_INDEX)
        put(o->out, "]}]}");
}

static void
begin_resource(struct otlp *o, uint32_t index)
{
    struct marey_process_info process;

    put(o->out, o->process == MAREY_NO_INDEX ? "\n" : ",\n");
    marey_trace_process(o->job->trace, index, &process);
    put(o->out, "{\"resource\":{\"attributes\":[");
    o->has_attribute = false;
    put_text(o, "service.name", process.program);
    put_int(o, "process.pid", process.pid);
    put_text(o, "process.executable.path", process.executable);
    put_text(o, "process.runtime.version", process.version);
    put_text(o, "host.name", o->info.host_name);
    put_text(o, "telemetry.sdk.name", (struct marey_text){"marey", 5});
    put_text(o, "telemetry.sdk.language", (struct marey_text){"python", 6});
    put(o->out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"marey\"},\"spans\":[");
    o->process = index;
    o->has_span = false;
}

static bool
tick(const struct otlp *o, const struct marey_transactions *all)
{
    const struct marey_export_options *options = o->job->options;
    double share = o->info.event_count == 0 ? 1
                                            : (double)marey_transactions_position(all) /
                                                  (double)o->info.event_count;

    return options->tick == NULL ||
           options->tick(options->tick_context, share < 1 ? share : 1);
}

static enum marey_status
write_otlp(const struct marey_job *job, struct marey_error *err)
{
    struct otlp o = {.job = job, .out = job->out, .process = MAREY_NO_INDEX};
    struct marey_transactions *all = NULL;
    struct marey_transaction one;
    uint32_t count = 0;
    enum marey_status st =
        marey_transactions_new(job->trace, job->selection, &all, err);

    if (st != MAREY_OK)
        return st;
    marey_trace_info(job->trace, &o.info);
    put(o.out, "{\"resourceSpans\":[");
    while (st == MAREY_OK && job->out->status == MAREY_OK &&
           marey_transactions_next(all, &one)) {
        struct marey_lane_info lane;
        marey_trace_lane(job->trace, one.lane, &lane);
        if (lane.process != o.process) {
            end_resource(&o);
            begin_resource(&o, lane.process);
        }
        put_span(&o, &one);
        if (++count % TICK_EVERY == 0 && !tick(&o, all))
            st = marey_fail(err, MAREY_STOPPED, "the export was stopped");
    }
    end_resource(&o);
    put(o.out, "\n]}\n");
    if (st == MAREY_OK)
        st = marey_transactions_status(all, err);
    marey_transactions_free(all);
    return st;
}

const struct marey_target marey_target_otlp = {.name = "otlp", .write = write_otlp};
