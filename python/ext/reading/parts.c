/* See reading/parts.h. One table by (process, key), with one entry for each activation
 * that was suspended and has not ended. */
#include "reading/parts.h"

#include <stdlib.h>

#define CAPACITY_FIRST 64

struct part {
    struct marey_step step; /* its last SUSPEND */
    int64_t self_ns;        /* of all parts so far */
    uint32_t child_count;
    bool has_gap;
    uint32_t process;
    bool is_used;
    bool is_running; /* resumed since, on that lane: */
    uint32_t lane;
};

void
parts_release(struct parts *parts)
{
    free(parts->slots);
    *parts = (struct parts){0};
}

static size_t
home_of(const struct parts *parts, uint32_t process, uint64_t key)
{
    uint64_t hash = (key ^ (uint64_t)process << 48) * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(hash >> 32) & (parts->capacity - 1);
}

/* The entry, or the free one where it would stand. The table has free ones. */
static struct part *
find(const struct parts *parts, uint32_t process, uint64_t key)
{
    size_t at = home_of(parts, process, key);

    while (parts->slots[at].is_used && (parts->slots[at].process != process ||
                                        parts->slots[at].step.activation != key))
        at = (at + 1) & (parts->capacity - 1);
    return &parts->slots[at];
}

static bool
make_room(struct parts *parts)
{
    struct parts larger = {.count = parts->count, .is_damaged = parts->is_damaged};

    if (parts->count * 3 < parts->capacity * 2)
        return true;
    larger.capacity = parts->capacity == 0 ? CAPACITY_FIRST : parts->capacity * 2;
    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < parts->capacity; i++) {
        const struct part *part = &parts->slots[i];
        if (part->is_used)
            *find(&larger, part->process, part->step.activation) = *part;
    }
    free(parts->slots);
    *parts = larger;
    return true;
}

/* Those behind it move up, so that no search ends too early. */
static void
drop(struct parts *parts, struct part *part)
{
    size_t mask = parts->capacity - 1;
    size_t hole = (size_t)(part - parts->slots);

    for (size_t at = (hole + 1) & mask; parts->slots[at].is_used;
         at = (at + 1) & mask) {
        const struct part *other = &parts->slots[at];
        size_t home = home_of(parts, other->process, other->step.activation);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            parts->slots[hole] = *other;
            hole = at;
        }
    }
    parts->slots[hole].is_used = false;
    parts->count--;
}

/* Whether the step ends a part of the same activation. Where ends were lost, the key of
 * one that still seems to run may be another's. */
static bool
is_same(const struct part *part, const struct marey_step *step)
{
    return part->is_used && part->is_running && step->is_joined &&
           part->lane == step->lane;
}

static struct whole_call
left_suspended(const struct parts *parts, const struct part *part)
{
    struct whole_call call = {part->step, true};

    call.step.kind = MAREY_STEP_END;
    call.step.self_ns = part->self_ns;
    call.step.child_count = part->child_count;
    call.step.has_gap = part->has_gap || parts->is_damaged;
    return call;
}

static int
take_suspend(struct parts *parts, const struct marey_step *step, uint32_t process,
             struct whole_call *out)
{
    int count = 0;

    if (!make_room(parts))
        return -1;
    struct part *part = find(parts, process, step->activation);
    if (part->is_used && !part->is_running)
        out[count++] = left_suspended(parts, part); /* the key is another's now */
    if (!part->is_used)
        parts->count++;
    if (!is_same(part, step))
        *part = (struct part){.process = process, .is_used = true};
    part->self_ns += step->self_ns;
    part->child_count += step->child_count;
    part->has_gap |= step->has_gap;
    part->step = *step;
    part->is_running = false;
    return count;
}

static int
take_end(struct parts *parts, const struct marey_step *step, uint32_t process,
         struct whole_call *out)
{
    struct part *part = NULL;
    int count = 0;

    if (step->activation != 0 && parts->count > 0)
        part = find(parts, process, step->activation);
    if (part != NULL && part->is_used && !part->is_running)
        out[count++] = left_suspended(parts, part);
    out[count] = (struct whole_call){*step, false};
    if (part != NULL && part->is_used) {
        if (is_same(part, step)) {
            out[count].step.self_ns += part->self_ns;
            out[count].step.child_count += part->child_count;
            out[count].step.has_gap |= part->has_gap;
        }
        drop(parts, part);
    }
    return count + 1;
}

int
parts_take(struct parts *parts, const struct marey_step *step, uint32_t process,
           struct whole_call out[PARTS_CALLS_MAX])
{
    switch (step->kind) {
    case MAREY_STEP_SUSPEND: return take_suspend(parts, step, process, out);
    case MAREY_STEP_END: return take_end(parts, step, process, out);
    case MAREY_STEP_RESUME:
        if (parts->count > 0) {
            struct part *part = find(parts, process, step->activation);
            /* Behind a gap the key may be another's: what was before is over. */
            part->is_running = part->is_used && step->is_joined;
            part->has_gap |= !step->is_joined;
            part->lane = step->lane;
        }
        return 0;
    case MAREY_STEP_GAP:
        for (size_t i = 0; i < parts->capacity; i++)
            parts->slots[i].has_gap |= parts->slots[i].process == process;
        return 0;
    default: return 0;
    }
}

bool
parts_drain(struct parts *parts, struct whole_call *out)
{
    while (parts->drained < parts->capacity) {
        const struct part *part = &parts->slots[parts->drained++];
        if (part->is_used && !part->is_running) {
            *out = left_suspended(parts, part);
            return true;
        }
    }
    return false;
}
