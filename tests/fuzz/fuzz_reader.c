/* Any bytes at all, opened, walked, summed, indexed and checked.
 *
 * Checksums would stop nearly every mutation at the door, so they are put right first:
 * what a check would catch is not what we are after. The last byte says how to walk,
 * and whether the checksums are to be left alone.
 *
 * Of what opens an index of many small parts is made: totals added from it are those
 * that were played, and one with a few bytes changed does no harm.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "marey/answer.h"
#include "marey/format_get.h"
#include "marey/lod.h"
#include "marey/query.h"

#define STEPS_MAX 300000
#define LEAF_SLICES 4 /* parts of eight events */

struct bytes {
    const uint8_t *data;
    size_t size_bytes;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_bytes(void *context, uint64_t offset, void *dst, size_t size_bytes)
{
    const struct bytes *bytes = context;

    if (offset > bytes->size_bytes || size_bytes > bytes->size_bytes - offset)
        return false;
    memcpy(dst, bytes->data + offset, size_bytes);
    return true;
}

/* ---- putting checksums right ---- */

static void
mend_extent(uint8_t *data, size_t size, size_t at)
{
    struct marey_extent_header header;

    memcpy(&header, data + at, sizeof(header));
    header.header_size = sizeof(header);
    header.offset = at;
    header.place_check = marey_checksum32(&header, 28);
    if (header.state == MAREY_STATE_CLOSED) {
        if (header.payload_size <= size - at - sizeof(header))
            header.payload_check =
                marey_checksum64(data + at + sizeof(header), header.payload_size);
        header.content_check = marey_checksum32((uint8_t *)&header + 32, 92);
    }
    memcpy(data + at, &header, sizeof(header));
}

static void
mend(uint8_t *data, size_t size)
{
    uint64_t magic = MAREY_FILE_MAGIC;
    uint32_t version = MAREY_VERSION_MAJOR, header_size = MAREY_PAGE_SIZE;

    if (size < MAREY_PAGE_SIZE)
        return;
    memcpy(data, &magic, sizeof(magic));
    memcpy(data + 8, &version, sizeof(version));
    memcpy(data + 12, &header_size, sizeof(header_size));
    for (size_t at = MAREY_PAGE_SIZE; size - at >= sizeof(struct marey_extent_header);
         at += MAREY_EXTENT_ALIGN) {
        if (marey_u32_get(data + at) == MAREY_EXTENT_MAGIC)
            mend_extent(data, size, at);
        if (size - at < MAREY_EXTENT_ALIGN)
            break;
    }
}

/* ---- reading ---- */

static void
take_value(void *context, const struct marey_value *value)
{
    size_t *sum = context;

    for (size_t i = 0; i < value->text.size_bytes; i++)
        *sum += (uint8_t)value->text.bytes[i];
}

static void
take_finding(void *context, uint64_t offset, const char *line)
{
    size_t *sum = context;

    *sum += offset + strlen(line);
}

static bool
tick(void *context, double share)
{
    (void)context;
    if (!(share >= 0 && share <= 1))
        abort();
    return true;
}

static void
look_at_tables(struct marey_trace *trace, size_t *sum)
{
    struct marey_process_info process;
    struct marey_lane_info lane;
    struct marey_function_info function;
    struct marey_trace_info info;
    struct marey_text text;

    marey_trace_info(trace, &info);
    for (uint32_t i = 0; i < marey_trace_process_count(trace); i++) {
        marey_trace_process(trace, i, &process);
        for (uint32_t at = 0; at < process.argument_count; at++)
            *sum += marey_trace_argument(trace, i, at).size_bytes;
    }
    for (uint32_t i = 0; i < marey_trace_lane_count(trace); i++) {
        marey_trace_lane(trace, i, &lane);
        if (lane.process >= marey_trace_process_count(trace))
            abort();
    }
    for (uint32_t i = 0; i < marey_trace_function_count(trace); i++) {
        marey_trace_function(trace, i, &function);
        *sum += marey_function_matches(trace, i, function.name);
        if (marey_trace_source(trace, function.file, &text, NULL) == MAREY_OK)
            *sum += text.size_bytes;
    }
    for (uint32_t i = 0; i < marey_trace_note_count(trace); i++)
        *sum += marey_trace_note(trace, i).size_bytes;
}

/* Calls of a lane nest, and its time does not go back. */
static void
look_at_steps(struct marey_trace *trace, const struct marey_selection *selection,
              enum marey_order order, size_t *sum)
{
    uint32_t *depths = calloc(marey_trace_lane_count(trace) + 1, sizeof(*depths));
    struct marey_walk *walk = NULL;
    struct marey_step step;

    if (marey_walk_new(trace, selection, order, &walk, NULL) != MAREY_OK)
        abort();
    for (int count = 0; count < STEPS_MAX && marey_walk_next(walk, &step); count++) {
        uint32_t *depth = &depths[step.lane];
        if (step.kind == MAREY_STEP_BEGIN || step.kind == MAREY_STEP_RESUME) {
            if (step.depth != (*depth)++)
                abort();
        } else if (step.kind == MAREY_STEP_END || step.kind == MAREY_STEP_SUSPEND) {
            if (step.depth != --*depth || step.duration_ns < 0 || step.self_ns < 0)
                abort();
        } else if (step.depth != *depth) {
            abort();
        }
        *sum += marey_trace_string(trace, step.string).size_bytes;
        marey_trace_values(trace, step.lane, step.blob, take_value, sum, NULL);
    }
    *sum += marey_walk_position(walk);
    marey_walk_free(walk);
    free(depths);
}

/* A number that all of the totals go into. */
static uint64_t
look_at_totals(struct marey_trace *trace, const struct marey_selection *selection)
{
    struct marey_totals *totals = NULL;
    struct marey_total total;
    uint64_t sum = 0;

    if (marey_totals_new(trace, selection, tick, NULL, &totals, NULL) != MAREY_OK)
        return 0;
    for (uint32_t i = 0; i < marey_totals_count(totals); i++) {
        marey_totals_row(totals, i, &total);
        sum = marey_checksum64(&total, sizeof(total)) + sum * 3;
    }
    for (uint32_t i = 0; i < marey_totals_edge_count(totals); i++) {
        marey_totals_edge(totals, i, &total);
        sum = marey_checksum64(&total, sizeof(total)) + sum * 3;
    }
    sum += marey_totals_lost_count(totals);
    marey_totals_free(totals);
    return sum;
}

/* The same of the tree of calls. */
static uint64_t
look_at_tree(struct marey_trace *trace, const struct marey_selection *selection)
{
    struct marey_question question = {*selection, tick, NULL, {NULL, 0}};
    struct marey_answer answer = {0};
    uint64_t sum = 0;

    if (marey_answer_tree(trace, &question, &answer, NULL) == MAREY_OK)
        sum = marey_checksum64(answer.bytes, answer.size_bytes);
    free(answer.bytes);
    return sum;
}

static uint64_t
look_at_sums(struct marey_trace *trace, const struct marey_selection *selection)
{
    return look_at_totals(trace, selection) * 3 + look_at_tree(trace, selection);
}

/* ---- the index ---- */

static void
look_at_view(const struct marey_lod *lod, size_t *sum)
{
    static struct marey_lod_rect rects[256];
    struct marey_lod_window window = {0, 1000, 100, 0, 0, 16};
    float buckets[16] = {0};
    bool is_coarse;

    window.from_ns = lod->header->begin_ns;
    window.to_ns = lod->header->end_ns;
    for (uint32_t i = 0; i < lod->header->lane_count && i < 8; i++) {
        window.lane = i;
        *sum += marey_lod_row_count(lod, i);
        *sum += marey_lod_query(lod, NULL, 0, &window, rects, 256, &is_coarse);
    }
    marey_lod_density(lod, (const uint8_t *)"", 1, NULL, window.from_ns, window.to_ns,
                      buckets, 16);
}

/* Other bytes where the input says so. */
static void
spoil(uint8_t *bytes, size_t size, const uint8_t *how, size_t how_size)
{
    for (size_t i = 0; i + 3 < how_size && i < 64; i += 4) {
        size_t at = (size_t)how[i] << 16 | (size_t)how[i + 1] << 8 | how[i + 2];
        /* Every second one in the last quarter: the sums stand there. */
        at = i & 4 ? at % size : size - 1 - at % (size / 4 + 1);
        bytes[at] ^= how[i + 3];
    }
}

/* Does the trace bring an index? Its sums may say anything. */
static bool
has_index(const struct bytes *bytes)
{
    for (size_t at = 0; at + MAREY_EXTENT_ALIGN <= bytes->size_bytes;
         at += MAREY_EXTENT_ALIGN)
        if (marey_u32_get(bytes->data + at) == MAREY_EXTENT_MAGIC &&
            bytes->data[at + 4] == MAREY_EXTENT_INDEX)
            return true;
    return false;
}

static void
look_at_index(struct marey_trace *trace, const struct marey_selection *selection,
              const uint64_t *played, const uint8_t *how, size_t how_size, size_t *sum)
{
    struct marey_lod_options options = MAREY_LOD_ALL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct marey_lod lod;

    options.leaf_slices = LEAF_SLICES;
    if (marey_lod_build(trace, &options, &bytes, &size, NULL) != MAREY_OK)
        return;
    if (marey_lod_open(bytes, size, &lod) != MAREY_OK)
        abort();
    look_at_view(&lod, sum);
    if (marey_lod_use(trace, bytes, size) && played != NULL &&
        look_at_sums(trace, selection) != *played)
        abort();
    uint8_t *spoilt = malloc(size);
    memcpy(spoilt, bytes, size);
    spoil(spoilt, size, how, how_size);
    if (marey_lod_open(spoilt, size, &lod) == MAREY_OK)
        look_at_view(&lod, sum);
    if (marey_lod_use(trace, spoilt, size))
        *sum += look_at_sums(trace, selection);
    marey_lod_use(trace, bytes, size);
    *sum += look_at_sums(trace, selection);
    free(spoilt);
    free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t how = size > 0 ? data[size - 1] : 0;
    struct marey_selection all = MAREY_SELECTION_ALL, some = MAREY_SELECTION_ALL;
    struct marey_trace *trace = NULL;
    struct bytes bytes = {data, size};
    uint8_t *mended = NULL;
    uint64_t findings;
    size_t sum = 0;

    if ((how & 1) == 0 && size > 0) {
        mended = malloc(size);
        memcpy(mended, data, size);
        mend(mended, size);
        bytes.data = mended;
    }
    struct marey_byte_source source = {read_bytes, &bytes, size};
    if (marey_trace_open_source(&source, &trace, NULL) == MAREY_OK) {
        some.from_ns = (int64_t)(how & 6) * 20;
        some.to_ns = how & 32 ? 400 : INT64_MAX;
        some.min_duration_ns = how & 8 ? 15 : 0;
        some.max_depth = how & 16 ? 3 : UINT32_MAX;
        look_at_tables(trace, &sum);
        look_at_steps(trace, &all, MAREY_ORDER_TIME, &sum);
        look_at_steps(trace, &some, how & 64 ? MAREY_ORDER_LANE : MAREY_ORDER_TIME,
                      &sum);
        const struct marey_selection *selection = how & 128 ? &some : &all;
        uint64_t played = look_at_sums(trace, selection);
        size_t how_size = size < 65 ? size : 65;
        look_at_index(trace, selection, has_index(&bytes) ? NULL : &played,
                      data + size - how_size, how_size - 1, &sum);
        marey_trace_count(trace, NULL);
        marey_trace_check(trace, take_finding, &sum, &findings, NULL);
    }
    marey_trace_close(trace);
    free(mended);
    return 0;
}
