/* Walks and totals as text. */
#include "told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../export/check.h"

static char told[65536];

struct marey_trace *
told_open(struct builder *builder)
{
    struct marey_byte_source source = builder_source(builder);
    struct marey_trace *trace = NULL;

    CHECK_EQ(marey_trace_open_source(&source, &trace, NULL), MAREY_OK);
    return trace;
}

void
told_close(struct marey_trace *trace, struct builder *builder)
{
    marey_trace_close(trace);
    builder_free(builder);
}

static struct marey_text
name_of(const struct marey_trace *trace, uint32_t function)
{
    struct marey_function_info info = {.name = {"", 0}};

    if (function != MAREY_NO_INDEX)
        marey_trace_function(trace, function, &info);
    return info.name;
}

static bool
is_named(const struct marey_trace *trace, uint32_t function, const char *name)
{
    struct marey_text text = name_of(trace, function);

    return text.size_bytes == strlen(name) &&
           memcmp(text.bytes, name, text.size_bytes) == 0;
}

/* ---- steps ---- */

static size_t
tell_step(const struct marey_trace *trace, const struct marey_step *step, char *at,
          size_t room)
{
    static const char *const kinds[] = {"begin",   "end",     "suspend", "resume",
                                        "instant", "counter", "log",     "out",
                                        "in",      "gap"};
    static const char *const endings[] = {"", "!", " cut", " open"};
    struct marey_text name = name_of(trace, step->function);
    struct marey_text string = marey_trace_string(trace, step->string);
    int size = snprintf(at, room, "%u:%lld %s%s", step->lane, (long long)step->time_ns,
                        kinds[step->kind], step->was_open ? "*" : "");

    if (name.size_bytes > 0)
        size += snprintf(at + size, room - (size_t)size, " %.*s", (int)name.size_bytes,
                         name.bytes);
    size += snprintf(at + size, room - (size_t)size, "%s", endings[step->ending]);
    if (string.size_bytes > 0)
        size += snprintf(at + size, room - (size_t)size, "%.*s", (int)string.size_bytes,
                         string.bytes);
    if (step->kind == MAREY_STEP_GAP)
        size += snprintf(at + size, room - (size_t)size, " %llu",
                         (unsigned long long)step->lost_count);
    return (size_t)size;
}

const char *
told_steps(struct marey_trace *trace, const struct marey_selection *selection,
           enum marey_order order)
{
    struct marey_walk *walk = NULL;
    struct marey_step step;
    size_t size = 0;

    told[0] = '\0';
    CHECK_EQ(marey_walk_new(trace, selection, order, &walk, NULL), MAREY_OK);
    while (marey_walk_next(walk, &step) && size < sizeof(told) - 256) {
        if (size > 0)
            size += (size_t)snprintf(told + size, sizeof(told) - size, "; ");
        size += tell_step(trace, &step, told + size, sizeof(told) - size);
    }
    CHECK_EQ(marey_walk_status(walk, NULL), MAREY_OK);
    marey_walk_free(walk);
    return told;
}

const char *
told_all(struct marey_trace *trace)
{
    struct marey_selection all = MAREY_SELECTION_ALL;

    return told_steps(trace, &all, MAREY_ORDER_TIME);
}

bool
told_find(struct marey_trace *trace, enum marey_step_kind kind, const char *function,
          struct marey_step *out)
{
    struct marey_selection all = MAREY_SELECTION_ALL;
    struct marey_walk *walk = NULL;
    bool is_found = false;

    CHECK_EQ(marey_walk_new(trace, &all, MAREY_ORDER_TIME, &walk, NULL), MAREY_OK);
    while (!is_found && marey_walk_next(walk, out))
        is_found = out->kind == kind && is_named(trace, out->function, function);
    marey_walk_free(walk);
    return is_found;
}

/* ---- totals ---- */

bool
told_row(const struct marey_totals *totals, const struct marey_trace *trace,
         const char *function, struct marey_total *out)
{
    for (uint32_t i = 0; i < marey_totals_count(totals); i++) {
        marey_totals_row(totals, i, out);
        if (is_named(trace, out->function, function))
            return true;
    }
    return false;
}

bool
told_edge(const struct marey_totals *totals, const struct marey_trace *trace,
          const char *caller, const char *function, struct marey_total *out)
{
    for (uint32_t i = 0; i < marey_totals_edge_count(totals); i++) {
        marey_totals_edge(totals, i, out);
        if (is_named(trace, out->function, function) &&
            is_named(trace, out->other, caller))
            return true;
    }
    return false;
}

/* ---- checks ---- */

static void
keep_first(void *context, uint64_t offset, const char *line)
{
    char *first = context;

    (void)offset;
    if (first[0] == '\0')
        snprintf(first, 256, "%s", line);
}

uint64_t
told_check(struct marey_trace *trace, char line[256])
{
    uint64_t finding_count = 0;

    line[0] = '\0';
    CHECK_EQ(marey_trace_check(trace, keep_first, line, &finding_count, NULL),
             MAREY_OK);
    return finding_count;
}

/* ---- answers ---- */

char *
told_answer(struct marey_answer *answer)
{
    char *text = calloc(answer->size_bytes + 1, 1);

    memcpy(text, answer->bytes, answer->size_bytes);
    free(answer->bytes);
    *answer = (struct marey_answer){0};
    return text;
}
