/* The page's side of the query core: numbers in, numbers and blocks of bytes out.
 *
 * Two instances of this module run in the page. The worker's reads the trace (trace_*);
 * the drawing one holds the index and tiles (view_*). 64-bit times and offsets cross
 * the border as doubles, exact to 2^53. Answers lie at answer_at(), answer_size() until
 * the next call.
 */
#include <stdlib.h>
#include <string.h>

#include "marey/answer.h"
#include "marey/history.h"
#include "marey/lod.h"
#include "marey/raster.h"

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("host"), import_name(name)))

#define TILES_MAX 64
#define HISTORIES_MAX 32
#define RECTS_MAX 65536
#define CANVAS_SIDE_MAX 16384

IMPORT("read") int host_read(double offset, void *to, size_t size);
IMPORT("tick") int host_tick(double share);

/* ---- answers ---- */

static struct {
    uint8_t *bytes; /* owned */
    size_t size;
} answer;

static struct marey_error failure;

static void
answer_set(void *bytes, size_t size)
{
    free(answer.bytes);
    answer.bytes = bytes;
    answer.size = size;
}

static int
answer_end(enum marey_status status, struct marey_answer *text)
{
    if (status != MAREY_OK) {
        failure.status = status;
        free(text->bytes);
        return (int)status;
    }
    answer_set(text->bytes, text->size_bytes);
    return 0;
}

EXPORT("answer_at") const uint8_t *answer_at(void)
{
    return answer.bytes;
}

EXPORT("answer_size") size_t answer_size(void)
{
    return answer.size;
}

/* The message of the last failure, terminated. */
EXPORT("failure_at") const char *failure_at(void)
{
    if (failure.message[0] == 0) {
        const char *text = marey_status_text(failure.status);
        size_t size = strlen(text);
        memcpy(failure.message, text, size + 1);
    }
    return failure.message;
}

EXPORT("bytes_new") void *bytes_new(size_t size)
{
    return malloc(size);
}

EXPORT("bytes_free") void bytes_free(void *bytes)
{
    free(bytes);
}

/* ---- the trace (worker) ---- */

static struct marey_trace *trace; /* owned; NULL: none is open */
static uint8_t *trace_sums_bytes; /* owned; NULL: none */
static int64_t shortest_ns;       /* shorter calls are left out */

static bool
source_read(void *context, uint64_t offset, void *to, size_t size)
{
    (void)context;
    return host_read((double)offset, to, size) != 0;
}

static bool
tick(void *context, double share)
{
    (void)context;
    return host_tick(share) != 0;
}

EXPORT("trace_open") int trace_open(double size)
{
    struct marey_byte_source source = {source_read, NULL, (uint64_t)size};

    memset(&failure, 0, sizeof(failure));
    marey_trace_close(trace);
    trace = NULL;
    free(trace_sums_bytes);
    trace_sums_bytes = NULL;
    shortest_ns = 0;
    return (int)marey_trace_open_source(&source, &trace, &failure);
}

/* Totals and trees by addition, from what view_sums() gave of the trace's index. Takes
 * the bytes. Never fails: what cannot be added is played. */
EXPORT("trace_sums") void trace_sums(uint8_t *bytes, size_t size)
{
    if (trace == NULL || !marey_lod_use(trace, bytes, size)) {
        free(bytes);
        return;
    }
    free(trace_sums_bytes);
    trace_sums_bytes = bytes;
}

EXPORT("trace_info") int trace_info(void)
{
    struct marey_answer text = {0};

    return answer_end(marey_answer_info(trace, &text), &text);
}

/* What all later answers leave out. `functions`: bytes 0 or 1 per index, or NULL for
 * all; borrowed. */
EXPORT("trace_filter")
int
trace_filter(const bool *functions, uint32_t max_depth, double min_duration_ns)
{
    shortest_ns = min_duration_ns > 0 ? (int64_t)min_duration_ns : 0;
    return (int)marey_trace_fold(trace, functions, max_depth, &failure);
}

EXPORT("trace_string") int trace_string(uint32_t index)
{
    struct marey_answer text = {0};

    return answer_end(marey_answer_string(trace, index, &text), &text);
}

EXPORT("trace_index") int trace_index(void)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum marey_status status;

    options.tick = tick;
    options.min_duration_ns = shortest_ns;
    status = marey_lod_build(trace, &options, &bytes, &size, &failure);
    if (status == MAREY_OK)
        answer_set(bytes, size);
    return (int)status;
}

EXPORT("trace_tile")
int
trace_tile(uint32_t lane, double from_ns, double to_ns, uint32_t resolution)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum marey_status status;

    options.lane = lane;
    options.from_ns = (int64_t)from_ns;
    options.to_ns = (int64_t)to_ns;
    options.resolution = resolution;
    options.leaf_slices = UINT32_MAX;
    options.min_duration_ns = shortest_ns;
    status = marey_lod_build(trace, &options, &bytes, &size, &failure);
    if (status == MAREY_OK)
        answer_set(bytes, size);
    return (int)status;
}

/* `lanes` and `functions`: bytes 0 or 1 per index, or NULL for all; borrowed. */
static struct marey_question
question_of(double from_ns, double to_ns, const bool *lanes, const bool *functions)
{
    struct marey_question question = {MAREY_SELECTION_ALL, tick, NULL, {NULL, 0}};

    question.selection.from_ns = from_ns < 0 ? INT64_MIN : (int64_t)from_ns;
    question.selection.to_ns = to_ns < 0 ? INT64_MAX : (int64_t)to_ns;
    question.selection.lanes = lanes;
    question.selection.functions = functions;
    question.selection.min_duration_ns = shortest_ns;
    return question;
}

EXPORT("trace_totals") int trace_totals(double from_ns, double to_ns, const bool *lanes)
{
    struct marey_question question = question_of(from_ns, to_ns, lanes, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_totals(trace, &question, &text, &failure), &text);
}

EXPORT("trace_tree") int trace_tree(double from_ns, double to_ns, const bool *lanes)
{
    struct marey_question question = question_of(from_ns, to_ns, lanes, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_tree(trace, &question, &text, &failure), &text);
}

EXPORT("trace_stack") int trace_stack(uint32_t lane, double time_ns)
{
    struct marey_answer text = {0};

    return answer_end(
        marey_answer_stack(trace, lane, (int64_t)time_ns, &text, &failure), &text);
}

EXPORT("trace_call")
int
trace_call(uint32_t lane, uint32_t depth, double time_ns, double end_hint_ns,
           double step_limit)
{
    struct marey_answer text = {0};

    return answer_end(marey_answer_call(trace, lane, depth, (int64_t)time_ns,
                                        (int64_t)end_hint_ns, (uint64_t)step_limit,
                                        &text, &failure),
                      &text);
}

EXPORT("trace_calls")
int
trace_calls(uint32_t function, double from_ns, double to_ns, const bool *lanes,
            uint32_t limit)
{
    struct marey_question question = question_of(from_ns, to_ns, lanes, NULL);
    struct marey_answer text = {0};

    return answer_end(
        marey_answer_calls(trace, &question, function, limit, &text, &failure), &text);
}

EXPORT("trace_event")
int
trace_event(uint32_t lane, double time_ns, int is_backwards, uint32_t kinds,
            const bool *functions, const char *value, uint32_t value_size,
            double from_ns, uint32_t max_depth, double step_limit)
{
    struct marey_question question = question_of(from_ns, -1, NULL, functions);
    struct marey_answer text = {0};

    question.value = (struct marey_text){value, value_size};
    question.selection.min_duration_ns = 0; /* a begin that comes late is no next one */
    if (max_depth > 0)
        question.selection.max_depth = max_depth;
    return answer_end(marey_answer_event(trace, &question, lane, (int64_t)time_ns,
                                         is_backwards != 0, kinds, (uint64_t)step_limit,
                                         &text, &failure),
                      &text);
}

/* `group_by` is borrowed. */
EXPORT("trace_transactions")
int
trace_transactions(double from_ns, double to_ns, const bool *lanes,
                   const char *group_by, uint32_t group_by_size, uint32_t slowest_count)
{
    struct marey_question window = question_of(from_ns, to_ns, lanes, NULL);
    struct marey_transaction_question question = {
        window.selection, {group_by, group_by_size}, slowest_count, tick, NULL};
    struct marey_answer text = {0};

    question.selection.min_duration_ns = 0;
    return answer_end(marey_answer_transactions(trace, &question, &text, &failure),
                      &text);
}

EXPORT("trace_transaction")
int
trace_transaction(uint32_t lane_serial, double begin_ns, uint32_t node_limit)
{
    struct marey_question question = question_of(-1, -1, NULL, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_transaction(trace, &question, lane_serial,
                                               (int64_t)begin_ns, node_limit, &text,
                                               &failure),
                      &text);
}

EXPORT("trace_values") int trace_values(uint32_t lane, double blob)
{
    struct marey_answer text = {0};

    return answer_end(marey_answer_values(trace, lane, (uint64_t)blob, &text, &failure),
                      &text);
}

/* What was logged; `name` and `value` are patterns, of size 0 for all. */
EXPORT("trace_logs")
int
trace_logs(double from_ns, double to_ns, const bool *lanes, const char *name,
           size_t name_size, const char *value, size_t value_size, uint32_t limit)
{
    struct marey_question question = question_of(from_ns, to_ns, lanes, NULL);
    struct marey_text name_pattern = {name, name_size};
    struct marey_text value_pattern = {value, value_size};
    struct marey_answer text = {0};

    return answer_end(marey_answer_logs(trace, &question, name_pattern, value_pattern,
                                        limit, &text, &failure),
                      &text);
}

/* The variables that were logged, of the whole trace. */
EXPORT("trace_variables") int trace_variables(void)
{
    struct marey_question question = question_of(-1, -1, NULL, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_variables(trace, &question, &text, &failure), &text);
}

/* The block of a history. `name` is borrowed. */
EXPORT("trace_history")
int
trace_history(uint32_t lane, uint32_t function, const char *name, size_t name_size)
{
    struct marey_question question = question_of(-1, -1, NULL, NULL);
    struct marey_variable variable = {lane, function, {name, name_size}};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum marey_status status =
        marey_history_new(trace, &question, &variable, &bytes, &size, &failure);

    if (status == MAREY_OK)
        answer_set(bytes, size);
    return (int)status;
}

EXPORT("trace_unwind")
int
trace_unwind(uint32_t lane, uint32_t depth, double begin_ns, double end_ns)
{
    struct marey_question question = question_of(-1, -1, NULL, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_unwind(trace, &question, lane, depth,
                                          (int64_t)begin_ns, (int64_t)end_ns, &text,
                                          &failure),
                      &text);
}

EXPORT("trace_explain") int trace_explain(void)
{
    struct marey_question question = question_of(-1, -1, NULL, NULL);
    struct marey_answer text = {0};

    return answer_end(marey_answer_explain(trace, &question, &text, &failure), &text);
}

EXPORT("trace_source") int trace_source(uint32_t function)
{
    struct marey_answer text = {0};

    return answer_end(marey_answer_source(trace, function, &text, &failure), &text);
}

/* ---- the view ---- */

static struct {
    struct marey_lod index;
    uint8_t *index_bytes; /* owned; NULL: no index */
    struct marey_lod tiles[TILES_MAX];
    uint8_t *tile_bytes[TILES_MAX]; /* owned; NULL: free */
    struct marey_lod used[TILES_MAX];
    struct marey_canvas canvas;   /* pixels owned */
    struct marey_palette palette; /* both arrays owned */
    struct marey_lod_rect *rects; /* owned, RECTS_MAX of them */
    struct marey_history histories[HISTORIES_MAX];
    uint8_t *history_bytes[HISTORIES_MAX]; /* owned; NULL: free */
    uint32_t rect_count;
    uint32_t is_coarse;
} view;

/* Takes the bytes. */
EXPORT("view_index") int view_index(uint8_t *bytes, size_t size)
{
    struct marey_lod lod;
    enum marey_status status = marey_lod_open(bytes, size, &lod);

    if (status != MAREY_OK) {
        free(bytes);
        return (int)status;
    }
    for (int i = 0; i < TILES_MAX; i++) {
        free(view.tile_bytes[i]);
        view.tile_bytes[i] = NULL;
    }
    free(view.index_bytes);
    view.index_bytes = bytes;
    view.index = lod;
    return 0;
}

/* What trace_sums() wants of the index; empty where it has no sums. */
EXPORT("view_sums") int view_sums(void)
{
    uint8_t *bytes = NULL;
    size_t size = 0;

    if (!marey_lod_sums(&view.index, &bytes, &size)) {
        failure.status = MAREY_NOMEM;
        return MAREY_NOMEM;
    }
    answer_set(bytes, size);
    return 0;
}

/* Takes the bytes; the tile that was at `slot` is gone. */
EXPORT("view_tile") int view_tile(uint32_t slot, uint8_t *bytes, size_t size)
{
    struct marey_lod lod;

    if (slot >= TILES_MAX || marey_lod_open(bytes, size, &lod) != MAREY_OK ||
        lod.header->lane_count != 1) {
        free(bytes);
        return MAREY_CORRUPT;
    }
    free(view.tile_bytes[slot]);
    view.tile_bytes[slot] = bytes;
    view.tiles[slot] = lod;
    return 0;
}

/* Space for `count` colours; the page writes them. */
EXPORT("view_palette") uint32_t *view_palette(uint32_t count)
{
    uint32_t *colours = calloc((size_t)count + 1, 4);
    uint8_t *states = calloc((size_t)count + 1, 1);

    if (colours == NULL || states == NULL) {
        free(colours);
        free(states);
        return NULL;
    }
    free((void *)(uintptr_t)view.palette.colours);
    free((void *)(uintptr_t)view.palette.states);
    view.palette.colours = colours;
    view.palette.states = states;
    view.palette.count = count;
    return colours;
}

EXPORT("view_colours") const uint32_t *view_colours(void)
{
    return view.palette.colours;
}

/* The colour of a function whose module, name and file lie behind each other. */
EXPORT("view_colour")
uint32_t
view_colour(const char *texts, uint32_t module_size, uint32_t name_size,
            uint32_t file_size, uint32_t flags, int is_dark)
{
    struct marey_function_info function = {0};

    function.module = (struct marey_text){texts, module_size};
    function.name = (struct marey_text){texts + module_size, name_size};
    function.file = (struct marey_text){texts + module_size + name_size, file_size};
    function.is_c = (flags & 1) != 0;
    function.is_span = (flags & 16) != 0;
    return marey_raster_colour(&function, is_dark != 0);
}

EXPORT("view_states") const uint8_t *view_states(void)
{
    return view.palette.states;
}

/* A canvas of this size, cleared. Returns its pixels. */
EXPORT("view_canvas")
uint32_t *
view_canvas(uint32_t width, uint32_t height, int is_dark)
{
    if (width == 0 || height == 0 || width > CANVAS_SIDE_MAX ||
        height > CANVAS_SIDE_MAX)
        return NULL;
    if (width != view.canvas.width || height != view.canvas.height) {
        free(view.canvas.pixels);
        view.canvas.width = view.canvas.height = 0;
        view.canvas.pixels = malloc((size_t)width * height * 4);
        if (view.canvas.pixels == NULL)
            return NULL;
        view.canvas.width = width;
        view.canvas.height = height;
    }
    if (view.rects == NULL)
        view.rects = malloc(RECTS_MAX * sizeof(*view.rects));
    view.palette.is_dark = is_dark != 0;
    marey_raster_fill(&view.canvas, 0, 0, (int32_t)width, (int32_t)height,
                      marey_raster_background(view.palette.is_dark));
    return view.canvas.pixels;
}

/* Draws one lane and keeps its rectangles at view_rects(). Returns how many. */
EXPORT("view_lane")
uint32_t
view_lane(uint32_t lane, double from_ns, double to_ns, uint32_t row_first,
          uint32_t row_count, int32_t top, int32_t marks_top, uint32_t row_height,
          uint32_t marks_height, uint32_t upper, uint32_t bottom, uint32_t scale)
{
    struct marey_lod_window window = {(int64_t)from_ns,  (int64_t)to_ns,
                                      view.canvas.width, lane,
                                      row_first,         row_count};
    struct marey_lod_window marks = window;
    struct marey_raster_rows rows = {top,    marks_top, row_height, marks_height,
                                     bottom, upper,     scale};
    uint32_t used = 0;
    bool is_coarse = false, ignored;

    view.rect_count = 0;
    view.is_coarse = 0;
    if (view.index_bytes == NULL || view.rects == NULL || row_height == 0 ||
        bottom > view.canvas.height || upper >= bottom)
        return 0;
    for (uint32_t i = 0; i < TILES_MAX; i++)
        if (view.tile_bytes[i] != NULL && view.tiles[i].header->lane_first == lane)
            view.used[used++] = view.tiles[i];
    marks.row_first = 0;
    marks.row_count = 1;
    if (row_first > 0)
        view.rect_count = (uint32_t)marey_lod_query(
            &view.index, view.used, used, &marks, view.rects, RECTS_MAX / 2, &ignored);
    view.rect_count += (uint32_t)marey_lod_query(
        &view.index, view.used, used, &window, view.rects + view.rect_count,
        RECTS_MAX - view.rect_count, &is_coarse);
    view.is_coarse = is_coarse;
    marey_raster_rects(&view.canvas, &rows, &view.palette, view.rects, view.rect_count);
    return view.rect_count;
}

EXPORT("view_rects") const struct marey_lod_rect *view_rects(void)
{
    return view.rects;
}

EXPORT("view_is_coarse") uint32_t view_is_coarse(void)
{
    return view.is_coarse;
}

EXPORT("view_rows") uint32_t view_rows(uint32_t lane)
{
    return view.index_bytes == NULL ? 0 : marey_lod_row_count(&view.index, lane);
}

EXPORT("view_pixels") const uint32_t *view_pixels(void)
{
    return view.canvas.pixels;
}

EXPORT("view_fill")
void
view_fill(int32_t left, int32_t top, int32_t right, int32_t bottom, uint32_t colour)
{
    marey_raster_fill(&view.canvas, left, top, right, bottom, colour);
}

/* Buckets of floats at answer_at(); the palette's FOUND functions are the set. */
EXPORT("view_density")
int
view_density(double from_ns, double to_ns, uint32_t bucket_count)
{
    uint8_t *set = malloc((size_t)view.palette.count + 1);
    float *buckets = malloc((size_t)bucket_count * 4 + 4);

    if (set == NULL || buckets == NULL || view.index_bytes == NULL) {
        free(set);
        free(buckets);
        return MAREY_NOMEM;
    }
    for (uint32_t i = 0; i < view.palette.count; i++)
        set[i] = view.palette.states[i] == MAREY_STATE_FOUND;
    marey_lod_density(&view.index, set, view.palette.count, NULL, (int64_t)from_ns,
                      (int64_t)to_ns, buckets, bucket_count);
    free(set);
    answer_set(buckets, (size_t)bucket_count * 4);
    return 0;
}

/* Series as groups of five doubles: lane, string, low, high, sample count. */
EXPORT("view_series") int view_series(void)
{
    uint32_t count = view.index_bytes == NULL ? 0 : view.index.header->series_count;
    double *out = malloc((size_t)count * 40 + 8);

    if (out == NULL)
        return MAREY_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct marey_lod_series *series = &view.index.series[i];
        out[5 * i] = series->lane;
        out[5 * i + 1] = series->string;
        out[5 * i + 2] = series->low;
        out[5 * i + 3] = series->high;
        out[5 * i + 4] = series->sample_count;
    }
    answer_set(out, (size_t)count * 40);
    return 0;
}

/* Draws a counter; its points stay at answer_at(). */
EXPORT("view_counter")
int
view_counter(uint32_t series, double from_ns, double to_ns, int32_t top,
             uint32_t height)
{
    size_t capacity = (size_t)view.canvas.width + 2, count;
    float *points = malloc(capacity * 16);

    if (points == NULL || view.index_bytes == NULL ||
        series >= view.index.header->series_count || height == 0) {
        free(points);
        return MAREY_NOMEM;
    }
    count =
        marey_lod_counter_query(&view.index, series, (int64_t)from_ns, (int64_t)to_ns,
                                view.canvas.width, points, capacity);
    marey_raster_counter(&view.canvas, top, height, points, count,
                         view.index.series[series].low, view.index.series[series].high,
                         view.palette.is_dark);
    answer_set(points, count * 16);
    return 0;
}

/* Takes the bytes; the history that was at `slot` is gone. NULL: none instead. */
EXPORT("view_history") int view_history(uint32_t slot, uint8_t *bytes, size_t size)
{
    struct marey_history history = {0};

    if (slot >= HISTORIES_MAX ||
        (bytes != NULL && marey_history_open(bytes, size, &history) != MAREY_OK)) {
        free(bytes);
        return MAREY_CORRUPT;
    }
    free(view.history_bytes[slot]);
    view.history_bytes[slot] = bytes;
    view.histories[slot] = history;
    return 0;
}

/* Assignments, least and greatest number (the least above the greatest: none). */
EXPORT("view_history_facts") int view_history_facts(uint32_t slot)
{
    double *out = malloc(3 * sizeof(*out));

    if (out == NULL || slot >= HISTORIES_MAX || view.history_bytes[slot] == NULL) {
        free(out);
        return MAREY_NOMEM;
    }
    out[0] = (double)view.histories[slot].header->assignment_count;
    out[1] = view.histories[slot].header->low;
    out[2] = view.histories[slot].header->high;
    answer_set(out, 3 * sizeof(*out));
    return 0;
}

/* The text of a value, not terminated. */
EXPORT("view_history_text") int view_history_text(uint32_t slot, uint32_t value)
{
    const struct marey_history *history = &view.histories[slot % HISTORIES_MAX];
    char *out;

    if (slot >= HISTORIES_MAX || view.history_bytes[slot] == NULL ||
        value >= history->header->value_count)
        return MAREY_USAGE;
    out = malloc(history->values[value].size_bytes + 1);
    if (out == NULL)
        return MAREY_NOMEM;
    memcpy(out, history->texts + history->values[value].text_at,
           history->values[value].size_bytes);
    answer_set(out, history->values[value].size_bytes);
    return 0;
}

/* Draws a history; its pieces stay at answer_at(). */
EXPORT("view_history_draw")
int
view_history_draw(uint32_t slot, double from_ns, double to_ns, int32_t top,
                  uint32_t height, uint32_t scale)
{
    size_t capacity = 2 * (size_t)view.canvas.width + 2, count;
    struct marey_history_piece *pieces;

    if (slot >= HISTORIES_MAX || view.history_bytes[slot] == NULL || height < 4 * scale)
        return MAREY_USAGE;
    pieces = malloc(capacity * sizeof(*pieces));
    if (pieces == NULL)
        return MAREY_NOMEM;
    count = marey_history_query(&view.histories[slot], (int64_t)from_ns, (int64_t)to_ns,
                                view.canvas.width, pieces, capacity);
    marey_raster_history(&view.canvas, top, height, scale, pieces, count,
                         view.histories[slot].header->low,
                         view.histories[slot].header->high, view.palette.is_dark);
    answer_set(pieces, count * sizeof(*pieces));
    return 0;
}

/* Arrows in the window as groups of four doubles: out, in, out lane, in lane. */
EXPORT("view_flows") int view_flows(double from_ns, double to_ns, uint32_t limit)
{
    uint32_t total = view.index_bytes == NULL ? 0 : view.index.header->flow_count;
    double *out = malloc((size_t)(limit < total ? limit : total) * 32 + 8);
    uint32_t count = 0;

    if (out == NULL)
        return MAREY_NOMEM;
    for (uint32_t i = 0; i < total && count < limit; i++) {
        const struct marey_lod_flow *flow = &view.index.flows[i];
        if ((double)flow->in_ns < from_ns || (double)flow->out_ns > to_ns)
            continue;
        out[4 * count] = (double)flow->out_ns;
        out[4 * count + 1] = (double)flow->in_ns;
        out[4 * count + 2] = flow->out_lane;
        out[4 * count + 3] = flow->in_lane;
        count++;
    }
    answer_set(out, (size_t)count * 32);
    return 0;
}

/* begin, end of the index. */
EXPORT("view_begin") double view_begin(void)
{
    return view.index_bytes == NULL ? 0 : (double)view.index.header->begin_ns;
}

EXPORT("view_end") double view_end(void)
{
    return view.index_bytes == NULL ? 0 : (double)view.index.header->end_ns;
}
