/* The tables of scenario.h. */
#include "scenario.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static const struct marey_text command[] = {{"python", 6}, {"app.py", 6}, {"\xFF", 1}};

static const struct marey_process_info processes[] = {
    {.serial = 1,
     .parent = MAREY_NO_INDEX,
     .pid = 100,
     .program = {"app.py", 6},
     .version = {"3.13.1", 6},
     .argument_count = COUNT(command)},
    {.serial = 2,
     .parent = 0,
     .pid = 100,
     .start_ns = 5000,
     .program = {"app.py", 6},
     .version = {"3.13.1", 6}},
};

static const struct marey_lane_info lanes[] = {
    {.serial = 1,
     .process = 0,
     .kind = MAREY_KIND_THREAD,
     .is_main = true,
     .native_id = 100,
     .name = {"MainThread", 10}},
    {.serial = 2,
     .process = 0,
     .kind = MAREY_KIND_THREAD,
     .native_id = 101,
     .name = {"worker \"1\"\n", 11}},
    {.serial = 3, .process = 0, .kind = MAREY_KIND_TASK, .name = {"Task-1", 6}},
    {.serial = 1,
     .process = 1,
     .kind = MAREY_KIND_THREAD,
     .is_main = true,
     .native_id = 100,
     .name = {"MainThread", 10}},
};

/* A NUL, a quote, a backslash, é, a lone surrogate, a byte that is nothing, 🙂. */
#define ODD "a\0b\"\\\xC3\xA9\xED\xA0\x80\xFF\xF0\x9F\x99\x82"

static const struct marey_function_info functions[] = {
    {.first_line = 3,
     .name = {"main", 4},
     .module = {"app", 3},
     .file = {"/src/app.py", 11}},
    {.is_c = true, .name = {"len", 3}, .module = {"builtins", 8}},
    {.first_line = 9,
     .is_generator = true,
     .name = {"numbers", 7},
     .module = {"app", 3},
     .file = {"/src/app.py", 11}},
    {.is_span = true, .name = {"load", 4}},
    {.first_line = 12, .name = {ODD, sizeof(ODD) - 1}, .file = {"x\ty.py", 6}},
};

static const struct marey_text strings[] = {
    {"ValueError", 10}, {"tick", 4}, {"queue", 5}, {"total", 5}};
enum { S_VALUE_ERROR, S_TICK, S_QUEUE, S_TOTAL };

static const struct marey_value argument_values[] = {
    {.tag = 4, .name = {"n", 1}, .integer = -7},
    {.tag = 4, .name = {"big", 3}, .integer = INT64_MAX},
    {.tag = 5, .name = {"x", 1}, .number = 0.1},
    {.tag = 6, .name = {"s", 1}, .text = {"a\"b", 3}},
    {.tag = 7, .name = {"raw", 3}, .text = {"\0'", 2}},
    {.tag = 8, .name = {"o", 1}, .text = {"[1, 2]", 6}},
    {.tag = 1, .name = {"none", 4}},
    {.tag = 3, .name = {"yes", 3}},
    {.tag = 9, .name = {"key", 3}},
    {.tag = 2, .name = {NULL, 0}},
};
static const struct marey_value result_values[] = {{.tag = 4, .integer = 3}};

static const struct fake_blob blobs[] = {
    {argument_values, COUNT(argument_values), MAREY_OK},
    {result_values, COUNT(result_values), MAREY_OK},
    {result_values, COUNT(result_values), MAREY_CORRUPT},
};
enum { NO_BLOB, BLOB_ARGUMENTS, BLOB_RESULT, BLOB_DAMAGED };

#define STEP(what, where, when)                                                        \
    .kind = MAREY_STEP_##what, .lane = where, .time_ns = when
#define BEGIN(where, when, which) STEP(BEGIN, where, when), .function = which
#define END(where, when, which, how)                                                   \
    STEP(END, where, when), .function = which, .ending = MAREY_END_##how
#define KEY UINT64_C(0x7f0012345678)

static const struct marey_step steps[] = {
    {BEGIN(LANE_MAIN, 0, F_MAIN), .was_open = true, .first_ns = -250},
    {BEGIN(LANE_MAIN, 1000, F_LEN), .call_line = 4, .blob = BLOB_ARGUMENTS},
    {END(LANE_MAIN, 1001, F_LEN, RETURNED), .result_blob = BLOB_RESULT},
    /* Three calls on one tick, one in the other. */
    {BEGIN(LANE_MAIN, 2000, F_LOAD)},
    {BEGIN(LANE_MAIN, 2000, F_LEN)},
    {END(LANE_MAIN, 2000, F_LEN, RETURNED)},
    {END(LANE_MAIN, 2000, F_LOAD, RETURNED)},
    /* A generator that another lane goes on with. */
    {BEGIN(LANE_MAIN, 3000, F_NUMBERS)},
    {STEP(SUSPEND, LANE_MAIN, 3100), .function = F_NUMBERS, .activation = KEY},
    {STEP(FLOW_OUT, LANE_MAIN, 3200), .function = MAREY_NO_INDEX, .flow = 77},
    {BEGIN(LANE_WORKER, 3250, F_ODD)},
    {STEP(FLOW_IN, LANE_WORKER, 3300), .function = MAREY_NO_INDEX, .depth = 1,
     .flow = 77},
    {STEP(RESUME, LANE_WORKER, 3400), .function = F_NUMBERS, .activation = KEY,
     .is_thrown = true, .string = S_VALUE_ERROR},
    {END(LANE_WORKER, 3500, F_NUMBERS, RAISED), .string = S_VALUE_ERROR},
    {END(LANE_WORKER, 3600, F_ODD, RAISED), .string = MAREY_NO_INDEX},
    {STEP(INSTANT, LANE_TASK, 4000), .function = MAREY_NO_INDEX, .string = S_TICK,
     .blob = BLOB_DAMAGED},
    {STEP(COUNTER, LANE_TASK, 4100), .function = MAREY_NO_INDEX, .string = S_QUEUE,
     .value = 2.5},
    {STEP(COUNTER, LANE_MAIN, 4200), .function = MAREY_NO_INDEX, .string = S_QUEUE,
     .value = 3},
    {STEP(LOG, LANE_TASK, 4300), .function = MAREY_NO_INDEX, .string = S_TOTAL,
     .log_class = 2, .blob = BLOB_RESULT},
    /* A call that another lane's later event has overtaken. */
    {BEGIN(LANE_SECOND, 4250, F_MAIN), .was_open = true, .first_ns = 4250},
    {BEGIN(LANE_SECOND, 5000, F_ODD)},
    {STEP(GAP, LANE_SECOND, 5500), .function = MAREY_NO_INDEX, .lost_count = 12},
    {END(LANE_SECOND, 5500, F_ODD, CUT)},
    {BEGIN(LANE_SECOND, 5500, F_LEN)},
    {END(LANE_SECOND, 6000, F_LEN, OPEN)},
    {END(LANE_SECOND, 6000, F_MAIN, OPEN)},
    {END(LANE_MAIN, 1234567890123, F_MAIN, RETURNED)},
};

void
scenario_init(struct marey_trace *out)
{
    *out = (struct marey_trace){
        .info = {.host_name = TEXT("box"), .start_realtime_ns = SCENARIO_START_NS},
        .processes = processes,
        .arguments = command,
        .lanes = lanes,
        .functions = functions,
        .strings = strings,
        .blobs = blobs,
        .steps = steps,
        .process_count = COUNT(processes),
        .lane_count = COUNT(lanes),
        .function_count = COUNT(functions),
        .string_count = COUNT(strings),
        .blob_count = COUNT(blobs),
        .step_count = COUNT(steps),
    };
}
