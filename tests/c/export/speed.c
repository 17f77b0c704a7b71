/* How fast the exporters are by themselves: steps from a table, bytes to nowhere.
 * Prints a line for each format; one event is one BEGIN or END.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fake_query.h"

#define FUNCTION_COUNT 600
#define STEP_COUNT 65536
#define REPEAT_COUNT 256
#define DEPTH 20

static struct marey_function_info functions[FUNCTION_COUNT];
static char names[FUNCTION_COUNT][32];
static struct marey_step steps[STEP_COUNT];

static const struct marey_process_info process = {
    .pid = 1000, .program = {"bench.py", 8}, .version = {"3.13.1", 6}};
static const struct marey_lane_info lane = {.kind = MAREY_KIND_THREAD,
                                            .is_main = true,
                                            .native_id = 1000,
                                            .name = {"MainThread", 10}};

static void
name_functions(void)
{
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        int size = snprintf(names[i], sizeof(names[i]), "Parser.parse_number_%d", i);
        functions[i] = (struct marey_function_info){
            .first_line = (uint32_t)(3 * i + 1),
            .is_c = i % 3 == 0,
            .name = {names[i], (size_t)size},
            .module = {"package.parser", 14},
        };
        if (!functions[i].is_c)
            functions[i].file = TEXT("/usr/lib/python3/package/parser.py");
    }
}

/* Calls up to DEPTH deep, as like a real program as a few lines can be. */
static void
make_steps(void)
{
    uint32_t open[DEPTH], depth = 0, random = 1;

    for (uint32_t i = 0; i < STEP_COUNT; i++) {
        struct marey_step *step = &steps[i];
        random = random * 1664525 + 1013904223;
        bool is_begin = depth == 0 || (depth < DEPTH && random >> 31);
        if (depth >= STEP_COUNT - i)
            is_begin = false;
        if (is_begin)
            open[depth++] = (random >> 8) % FUNCTION_COUNT;
        else
            depth--;
        step->kind = is_begin ? MAREY_STEP_BEGIN : MAREY_STEP_END;
        step->function = is_begin ? open[depth - 1] : open[depth];
        step->depth = is_begin ? depth - 1 : depth;
        step->time_ns = (int64_t)i * 437;
    }
}

int
main(void)
{
    struct marey_trace trace = {
        .info = {.host_name = TEXT("box"), .start_realtime_ns = 1700000000000000000},
        .processes = &process,
        .lanes = &lane,
        .functions = functions,
        .steps = steps,
        .process_count = 1,
        .lane_count = 1,
        .function_count = FUNCTION_COUNT,
        .step_count = STEP_COUNT,
        .repeat_count = REPEAT_COUNT,
        .repeat_ns = (int64_t)STEP_COUNT * 437,
    };
    double event_count = (double)STEP_COUNT * REPEAT_COUNT;

    name_functions();
    make_steps();
    for (unsigned i = 0; marey_export_format(i) != NULL; i++) {
        struct fake_output output = {.is_dropped = true};
        clock_t start = clock();
        enum marey_status st = fake_export(&trace, marey_export_format(i), &output);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (st != MAREY_OK)
            return 1;
        printf("%-10s %6.1f M events/s %6.1f bytes/event\n", marey_export_format(i),
               event_count / seconds / 1e6, (double)output.size / event_count);
    }
    return 0;
}
