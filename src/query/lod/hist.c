/* What the index knows besides rectangles: where functions ran, and counters. */
#include "query/lod/impl.h"

/* Adds `busy_ns`, spread over [begin, end), to the buckets of [from, to). */
static void
spread(float *buckets, uint32_t bucket_count, int64_t from_ns, int64_t to_ns,
       int64_t begin_ns, int64_t end_ns, double busy_ns)
{
    double bucket_ns = (double)(to_ns - from_ns) / bucket_count;
    double length = (double)(end_ns - begin_ns);
    double left = (double)(begin_ns - from_ns) / bucket_ns;
    double right = (double)(end_ns - from_ns) / bucket_ns;
    uint32_t first, last;

    if (right < 0 || left >= bucket_count)
        return;
    first = left <= 0 ? 0 : (uint32_t)left;
    last = right >= bucket_count ? bucket_count - 1 : (uint32_t)right;
    if (length <= 0) {
        buckets[first] += (float)(busy_ns / bucket_ns);
        return;
    }
    for (uint32_t i = first; i <= last; i++) {
        double a = left > i ? left : i;
        double b = right < i + 1.0 ? right : i + 1.0;
        if (b > a)
            buckets[i] += (float)((b - a) * busy_ns / length);
    }
}

static void
leaf_density(const struct marey_lod *index, const struct marey_lod_node *node,
             const uint8_t *in_set, uint32_t function_count, int64_t from_ns,
             int64_t to_ns, float *buckets, uint32_t bucket_count)
{
    const uint32_t *rows = index->rows + node->row_first;
    double known = 0, seen = 0;

    for (uint32_t i = 0; i < node->hist_count; i++) {
        const struct marey_lod_hist *hist = &index->hists[node->hist_first + i];
        if (hist->function < function_count && in_set[hist->function])
            known += (double)(hist->total_ns > 0 ? hist->total_ns : 0) + 1;
    }
    if (known == 0)
        return; /* most leaves of most searches */
    for (uint32_t row = 1; row < node->row_count; row++)
        for (uint32_t at = rows[row]; at < rows[row + 1]; at++) {
            const struct marey_lod_cell *cell = &index->cells[at];
            struct lod_item item;

            if (cell->function >= function_count || !in_set[cell->function] ||
                cell->flags & MAREY_LOD_SUSPENDED)
                continue;
            item = lod_cell_item(node, cell);
            seen += (double)item.busy_ns;
            spread(buckets, bucket_count, from_ns, to_ns, item.begin_ns, item.end_ns,
                   (double)item.busy_ns + 1);
        }
    if (known > seen) /* what is hidden in blocks of others */
        spread(buckets, bucket_count, from_ns, to_ns, node->begin_ns, node->end_ns,
               known - seen);
}

void
marey_lod_density(const struct marey_lod *index, const uint8_t *in_set,
                  uint32_t function_count, const uint8_t *lanes, int64_t from_ns,
                  int64_t to_ns, float *buckets, uint32_t bucket_count)
{
    for (uint32_t i = 0; i < bucket_count; i++)
        buckets[i] = 0;
    if (from_ns >= to_ns || bucket_count == 0)
        return;
    for (uint32_t l = 0; l < index->header->lane_count; l++) {
        const struct marey_lod_lane *lane = &index->lanes[l];

        if (lane->level_count == 0 || (lanes != NULL && !lanes[l]))
            continue;
        for (uint32_t i = 0; i < lane->level_nodes[0]; i++) {
            const struct marey_lod_node *node = &index->nodes[lane->level_first[0] + i];
            if (node->end_ns >= from_ns && node->begin_ns < to_ns)
                leaf_density(index, node, in_set, function_count, from_ns, to_ns,
                             buckets, bucket_count);
        }
    }
}

size_t
marey_lod_counter_query(const struct marey_lod *index, uint32_t series_index,
                        int64_t from_ns, int64_t to_ns, uint32_t width, float *out,
                        size_t capacity)
{
    const struct marey_lod_series *series;
    const struct marey_lod_sample *samples;
    double scale;
    size_t count = 0;
    uint32_t low = 0, high;

    if (series_index >= index->header->series_count || from_ns >= to_ns || width == 0)
        return 0;
    series = &index->series[series_index];
    samples = index->samples + series->sample_first;
    scale = (double)width / (double)(to_ns - from_ns);
    high = series->sample_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (samples[middle].time_ns < from_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        low--; /* the value that holds at the left edge */
    for (uint32_t i = low; i < series->sample_count; i++) {
        double x = ((double)samples[i].time_ns - (double)from_ns) * scale;
        float *last = out + 4 * count - 4;

        if (samples[i].time_ns >= to_ns)
            break;
        x = x < 0 ? 0 : (double)(uint32_t)x;
        if (count > 0 && last[0] == (float)x) {
            last[1] = (float)samples[i].low < last[1] ? (float)samples[i].low : last[1];
            last[2] =
                (float)samples[i].high > last[2] ? (float)samples[i].high : last[2];
            last[3] = (float)samples[i].last;
            continue;
        }
        if (count == capacity)
            break;
        out[4 * count] = (float)x;
        out[4 * count + 1] = (float)samples[i].low;
        out[4 * count + 2] = (float)samples[i].high;
        out[4 * count + 3] = (float)samples[i].last;
        count++;
    }
    return count;
}
