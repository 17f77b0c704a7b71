/* Transactions by name: counts, times, where these went, the slowest.
 *
 * One pass; memory for each name (and value grouped by) and its slowest few, whatever
 * the number of transactions.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/table.h"
#include "marey/format_get.h"
#include "marey/transactions.h"
#include "query/answer/json.h"
#include "query/answer/transactions.h"
#include "query/histogram.h"

#define TICK_EVERY 256  /* transactions */
#define ROWS_MAX 100000 /* more names or values: all others in one row */
#define SLOWEST_MAX 100
#define GROUP_SIZE_MAX 200
#define BUCKET_NS_MAX 62

struct row {
    size_t name_size; /* of the key: then a zero byte and the value grouped by */
    bool has_group;   /* the transactions have such a value */
    bool is_the_rest; /* of too many */
    uint64_t count, error_count, cancelled_count, cut_count, open_count, ended_count;
    int64_t total_ns, ended_ns, min_ns, max_ns;
    int64_t own_ns, call_ns, c_ns, child_ns, waiting_ns;
    struct histogram histogram;
    uint64_t doublings[64];            /* ended ones by power of two of a ns */
    struct marey_transaction *slowest; /* owned; slowest first */
    uint32_t slowest_count;
};

struct sums {
    struct marey_trace *trace;
    const struct marey_transaction_question *question;
    struct marey_intern keys;
    struct row *rows; /* owned; by index of the key */
    size_t row_count, row_capacity;
    struct histogram_pool pool;
    bool is_out_of_memory;
};

/* ---- values ---- */

/* The value as one line, not terminated; what does not fit is left out. Its size. */
static size_t
value_line(const struct marey_value *value, char *out, size_t capacity)
{
    uint8_t digits[64];
    struct marey_text text = value->text;

    switch (value->tag) {
    case MAREY_VALUE_NONE: text = (struct marey_text){"None", 4}; break;
    case MAREY_VALUE_FALSE: text = (struct marey_text){"False", 5}; break;
    case MAREY_VALUE_TRUE: text = (struct marey_text){"True", 4}; break;
    case MAREY_VALUE_INT:
        text = (struct marey_text){
            (const char *)digits,
            (size_t)(marey_number_signed(digits, value->integer) - digits)};
        break;
    case MAREY_VALUE_FLOAT: {
        bool is_finite = value->number - value->number == 0;
        text = is_finite ? (struct marey_text){(const char *)digits,
                                               (size_t)(marey_number_double(
                                                            digits, value->number) -
                                                        digits)}
                         : (struct marey_text){"not finite", 10};
        break;
    }
    case MAREY_VALUE_REDACTED: text = (struct marey_text){"(redacted)", 10}; break;
    default: break;
    }
    size_t size = text.size_bytes < capacity ? text.size_bytes : capacity;
    if (size > 0)
        memcpy(out, text.bytes, size);
    return size;
}

struct wanted {
    struct marey_text name;
    char text[GROUP_SIZE_MAX];
    size_t size;
    bool is_found;
};

static void
take_wanted(void *context, const struct marey_value *value)
{
    struct wanted *wanted = context;

    if (value->name.size_bytes != wanted->name.size_bytes ||
        memcmp(value->name.bytes, wanted->name.bytes, value->name.size_bytes) != 0)
        return;
    wanted->is_found = true;
    wanted->size = value_line(value, wanted->text, sizeof(wanted->text));
}

/* Later values count more. */
static void
find_group(struct sums *sums, const struct marey_transaction *one,
           struct wanted *wanted)
{
    struct marey_error err;

    for (uint32_t i = 0; i < one->place_count; i++)
        (void)marey_trace_values(sums->trace, one->places[i].lane, one->places[i].blob,
                                 take_wanted, wanted, &err);
}

/* One [name, text, tag]; `context` is the answer. For marey_trace_values(). */
static void
put_attribute(void *context, const struct marey_value *value)
{
    struct marey_answer *out = context;
    char text[1024];

    if (value->name.size_bytes == 0)
        return; /* a name it goes by */
    json_open(out, '[');
    json_text(out, value->name);
    json_text(out, (struct marey_text){text, value_line(value, text, sizeof(text))});
    json_int(out, value->tag);
    json_close(out, ']');
}

void
marey_put_attributes(struct marey_trace *trace, const struct marey_values_place *places,
                     uint32_t count, struct marey_answer *out)
{
    struct marey_error err;

    json_key(out, "attributes");
    json_open(out, '[');
    for (uint32_t i = 0; i < count; i++)
        (void)marey_trace_values(trace, places[i].lane, places[i].blob, put_attribute,
                                 out, &err);
    json_close(out, ']');
}

/* ---- rows ---- */

static struct row *
row_of(struct sums *sums, const struct marey_transaction *one)
{
    struct wanted wanted = {.name = sums->question->group_by};
    size_t name_size = one->name.size_bytes;
    uint32_t index = 0;

    if (wanted.name.size_bytes > 0)
        find_group(sums, one, &wanted);
    bool is_full = sums->keys.count >= ROWS_MAX;
    if (is_full)
        name_size = wanted.size = 0;
    size_t size = name_size + 2 + wanted.size;
    char *key = marey_memory_new(size, 1);
    if (key == NULL)
        return NULL;
    if (name_size > 0)
        memcpy(key, one->name.bytes, name_size);
    key[name_size + 1] = (char)(is_full ? 2 : wanted.is_found);
    if (wanted.size > 0)
        memcpy(key + name_size + 2, wanted.text, wanted.size);
    bool is_put = marey_intern_put(&sums->keys, key, size, &index);
    marey_memory_free(key);
    if (!is_put)
        return NULL;
    if (index >= sums->row_count) {
        if (!marey_memory_grow((void **)&sums->rows, &sums->row_capacity,
                               (size_t)index + 1, sizeof(*sums->rows)))
            return NULL;
        sums->rows[index] = (struct row){.name_size = name_size,
                                         .has_group = wanted.is_found && !is_full,
                                         .is_the_rest = is_full};
        sums->row_count = (size_t)index + 1;
    }
    return &sums->rows[index];
}

static bool
keep_slow(struct row *row, const struct marey_transaction *one, uint32_t limit)
{
    int64_t duration_ns = one->end_ns - one->begin_ns;
    uint32_t at = row->slowest_count;

    if (limit == 0)
        return true;
    if (row->slowest == NULL) {
        row->slowest = marey_memory_new(limit, sizeof(*row->slowest));
        if (row->slowest == NULL)
            return false;
    }
    while (at > 0 &&
           row->slowest[at - 1].end_ns - row->slowest[at - 1].begin_ns < duration_ns)
        at--;
    if (at >= limit)
        return true;
    uint32_t last = row->slowest_count < limit ? row->slowest_count++ : limit - 1;
    for (; last > at; last--)
        row->slowest[last] = row->slowest[last - 1];
    row->slowest[at] = *one;
    return true;
}

static unsigned
doubling_of(int64_t duration_ns)
{
    unsigned bits = 0;

    while (bits < BUCKET_NS_MAX && duration_ns >> (bits + 1) > 0)
        bits++;
    return bits;
}

static bool
add(struct sums *sums, const struct marey_transaction *one)
{
    struct row *row = row_of(sums, one);
    int64_t duration_ns = one->end_ns - one->begin_ns;

    if (row == NULL)
        return false;
    row->count++;
    row->error_count += one->ending == MAREY_END_RAISED && !one->is_cancelled;
    row->cancelled_count += one->is_cancelled;
    row->cut_count += one->ending == MAREY_END_CUT;
    row->open_count += one->ending == MAREY_END_OPEN;
    row->own_ns += one->own_ns;
    row->call_ns += one->call_ns;
    row->c_ns += one->c_ns;
    row->child_ns += one->child_ns;
    row->waiting_ns += one->waiting_ns;
    if (!one->is_nested)
        row->total_ns += duration_ns;
    if (!keep_slow(row, one, sums->question->slowest_count))
        return false;
    if (one->ending == MAREY_END_OPEN)
        return true;
    if (row->ended_count == 0 || duration_ns < row->min_ns)
        row->min_ns = duration_ns;
    if (duration_ns > row->max_ns)
        row->max_ns = duration_ns;
    row->ended_count++;
    row->ended_ns += duration_ns;
    row->doublings[doubling_of(duration_ns)]++;
    return marey_histogram_add(&sums->pool, &row->histogram, duration_ns);
}

/* ---- the answer ---- */

const char *
marey_ending_word(enum marey_ending ending, bool is_cancelled)
{
    switch (ending) {
    case MAREY_END_RETURNED: return "returned";
    case MAREY_END_RAISED: return is_cancelled ? "cancelled" : "raised";
    case MAREY_END_CUT: return "cut";
    default: return "open";
    }
}

static void
put_word(struct marey_answer *out, const char *name, const char *word)
{
    json_key_text(out, name, (struct marey_text){word, strlen(word)});
}

void
marey_put_transaction(struct marey_trace *trace, const struct marey_transaction *one,
                      struct marey_answer *out)
{
    char id[MAREY_TRANSACTION_ID_MAX];

    marey_transaction_id(trace, one->lane, one->begin_ns, id);
    put_word(out, "id", id);
    json_key_text(out, "name", one->name);
    json_key_int(out, "lane", one->lane);
    json_key_int(out, "begin_ns", one->begin_ns);
    json_key_int(out, "duration_ns", one->end_ns - one->begin_ns);
    json_key_int(out, "own_ns", one->own_ns);
    json_key_int(out, "calls_ns", one->call_ns);
    json_key_int(out, "c_ns", one->c_ns);
    json_key_int(out, "children_ns", one->child_ns);
    json_key_int(out, "waiting_ns", one->waiting_ns);
    put_word(out, "ended", marey_ending_word(one->ending, one->is_cancelled));
    if (one->ending == MAREY_END_RAISED)
        json_key_text(out, "exception", marey_trace_string(trace, one->exception));
    marey_put_attributes(trace, one->places, one->place_count, out);
}

static int64_t
percentile(const struct sums *sums, const struct row *row, unsigned percent)
{
    int64_t found = marey_histogram_percentile(&sums->pool, &row->histogram, percent);

    found = found < row->min_ns ? row->min_ns : found;
    return found < row->max_ns ? found : row->max_ns;
}

static void
put_times(const struct sums *sums, const struct row *row, struct marey_answer *out)
{
    json_key_int(out, "total_ns", row->total_ns);
    json_key_int(out, "min_ns", row->min_ns);
    json_key_int(out, "mean_ns",
                 row->ended_count == 0 ? 0 : row->ended_ns / (int64_t)row->ended_count);
    json_key_int(out, "p50_ns", percentile(sums, row, 50));
    json_key_int(out, "p90_ns", percentile(sums, row, 90));
    json_key_int(out, "p99_ns", percentile(sums, row, 99));
    json_key_int(out, "max_ns", row->max_ns);
    json_key_int(out, "own_ns", row->own_ns);
    json_key_int(out, "calls_ns", row->call_ns);
    json_key_int(out, "c_ns", row->c_ns);
    json_key_int(out, "children_ns", row->child_ns);
    json_key_int(out, "waiting_ns", row->waiting_ns);
    json_key(out, "histogram");
    json_open(out, '[');
    for (unsigned i = 0; i < 64; i++) {
        if (row->doublings[i] == 0)
            continue;
        json_open(out, '[');
        json_int(out, i == 0 ? 0 : INT64_C(1) << i);
        json_int(out, (int64_t)row->doublings[i]);
        json_close(out, ']');
    }
    json_close(out, ']');
}

static void
put_row(const struct sums *sums, size_t index, struct marey_answer *out)
{
    const struct row *row = &sums->rows[index];
    const struct marey_intern_item *key = &sums->keys.items[index];
    const char *text = (const char *)key->bytes;

    json_open(out, '{');
    if (row->is_the_rest)
        put_word(out, "name", "(others)");
    else
        json_key_text(out, "name", (struct marey_text){text, row->name_size});
    if (row->has_group)
        json_key_text(out, "group",
                      (struct marey_text){text + row->name_size + 2,
                                          key->size_bytes - row->name_size - 2});
    json_key_int(out, "count", (int64_t)row->count);
    json_key_int(out, "errors", (int64_t)row->error_count);
    json_key_int(out, "cancelled", (int64_t)row->cancelled_count);
    json_key_int(out, "cut", (int64_t)row->cut_count);
    json_key_int(out, "open", (int64_t)row->open_count);
    put_times(sums, row, out);
    json_key(out, "slowest");
    json_open(out, '[');
    for (uint32_t i = 0; i < row->slowest_count; i++) {
        json_open(out, '{');
        marey_put_transaction(sums->trace, &row->slowest[i], out);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
}

static void
put_answer(const struct sums *sums, uint64_t lost_count, struct marey_answer *out)
{
    const struct marey_selection *selection = &sums->question->selection;
    struct marey_trace_info info;

    marey_trace_info(sums->trace, &info);
    int64_t from_ns = selection->from_ns > 0 ? selection->from_ns : 0;
    int64_t to_ns =
        selection->to_ns < info.duration_ns ? selection->to_ns : info.duration_ns;
    json_open(out, '{');
    json_key_int(out, "from_ns", from_ns);
    json_key_int(out, "to_ns", to_ns);
    json_key_int(out, "lost", (int64_t)lost_count);
    json_key(out, "transactions");
    json_open(out, '[');
    for (size_t i = 0; i < sums->row_count; i++)
        put_row(sums, i, out);
    json_close(out, ']');
    json_close(out, '}');
}

static void
sums_release(struct sums *sums)
{
    for (size_t i = 0; i < sums->row_count; i++)
        marey_memory_free(sums->rows[i].slowest);
    marey_memory_free(sums->rows);
    marey_intern_release(&sums->keys);
    marey_histogram_pool_release(&sums->pool);
}

static enum marey_status
sum_up(struct sums *sums, struct marey_transactions *all, struct marey_error *err)
{
    const struct marey_transaction_question *question = sums->question;
    struct marey_transaction one;
    struct marey_trace_info info;
    uint32_t told = 0;

    marey_trace_info(sums->trace, &info);
    while (marey_transactions_next(all, &one)) {
        if (!add(sums, &one))
            return marey_fail(err, MAREY_NOMEM, "no memory for transactions");
        if (++told % TICK_EVERY != 0 || question->tick == NULL)
            continue;
        double share =
            info.event_count == 0
                ? 1
                : (double)marey_transactions_position(all) / (double)info.event_count;
        if (!question->tick(question->tick_context, share < 1 ? share : 1))
            return marey_fail(err, MAREY_STOPPED, "stopped");
    }
    return marey_transactions_status(all, err);
}

enum marey_status
marey_answer_transactions(struct marey_trace *trace,
                          const struct marey_transaction_question *question,
                          struct marey_answer *out, struct marey_error *err)
{
    struct marey_transaction_question bounded = *question;
    struct sums sums = {.trace = trace, .question = &bounded};
    struct marey_transactions *all = NULL;
    enum marey_status status =
        marey_transactions_new(trace, &question->selection, &all, err);

    if (status != MAREY_OK)
        return status;
    if (bounded.slowest_count > SLOWEST_MAX)
        bounded.slowest_count = SLOWEST_MAX;
    status = sum_up(&sums, all, err);
    /* Names of the slowest are borrowed from `all`. */
    if (status == MAREY_OK)
        put_answer(&sums, marey_transactions_lost_count(all), out);
    sums_release(&sums);
    marey_transactions_free(all);
    return status != MAREY_OK ? status : json_status(out, err);
}
