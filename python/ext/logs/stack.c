/* How deep the evaluation stack is at each instruction.
 *
 * An INSTRUCTION event comes before its instruction, and the value that a store is to
 * take lies on the evaluation stack. Where on it is found once for each code object, by
 * following all its paths and adding up what instructions push and pop, as the compiler
 * did. Frames say it themselves from 3.14 on only.
 *
 * A comprehension that was compiled into its function saves the outer values of its
 * variables on the stack and puts them back at its end. Those stores are no assignments
 * of the program, so saved entries are followed: nothing but SWAP moves them. */
#include "logs/logs.h"

#include <opcode.h>

int
stack_oparg(const uint8_t *units, size_t unit)
{
    int oparg = units[2 * unit + 1];

    for (int shift = 8; unit-- > 0 && shift <= 24; shift += 8) {
        if (units[2 * unit] != EXTENDED_ARG)
            break;
        oparg |= units[2 * unit + 1] << shift;
    }
    return oparg;
}

#if MAREY_HAS_MONITORING

#define SAVED_MAX 64

/* ---- the exception table ---- */

struct handler {
    size_t start, end, target; /* units */
    int32_t depth;             /* at the target */
};

/* Six bits a byte, the highest first; bit 6: more follow. */
static bool
take_number(const uint8_t **at, const uint8_t *end, size_t *out)
{
    size_t value = 0;

    while (*at < end) {
        uint8_t byte = *(*at)++;
        value = value << 6 | (byte & 63);
        if ((byte & 64) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Gives the table's entries: owned, with free(). NULL: none, *count is 0. */
static struct handler *
read_handlers(PyCodeObject *code, size_t *count)
{
    const uint8_t *at = (const uint8_t *)PyBytes_AS_STRING(code->co_exceptiontable);
    size_t size = (size_t)PyBytes_GET_SIZE(code->co_exceptiontable);
    const uint8_t *end = at + size;
    struct handler *handlers = malloc((size / 4 + 1) * sizeof(*handlers));
    size_t length, how;

    *count = 0;
    while (handlers != NULL && at < end) {
        struct handler *handler = &handlers[*count];
        if (!take_number(&at, end, &handler->start) ||
            !take_number(&at, end, &length) ||
            !take_number(&at, end, &handler->target) || !take_number(&at, end, &how))
            break;
        handler->end = handler->start + length;
        handler->depth = (int32_t)((how >> 1) + (how & 1) + 1);
        ++*count;
    }
    return handlers;
}

/* ---- the paths ---- */

struct paths {
    const uint8_t *units;
    size_t count;
    struct stack_state *states;
    size_t *pending; /* units that are yet to be followed */
    size_t pending_count;
};

static void
arrive(struct paths *paths, size_t unit, int32_t depth, uint64_t saved)
{
    if (unit >= paths->count || depth < 0 || paths->states[unit].depth >= 0)
        return;
    if (depth < SAVED_MAX)
        saved &= (UINT64_C(1) << depth) - 1;
    paths->states[unit] = (struct stack_state){depth, saved};
    paths->pending[paths->pending_count++] = unit;
}

static bool
ends_path(int opcode)
{
    switch (opcode) {
    case RETURN_VALUE:
#ifdef RETURN_CONST
    case RETURN_CONST:
#endif
    case RAISE_VARARGS:
    case RERAISE:
    case JUMP_FORWARD:
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT: return true;
    default: return false;
    }
}

/* Units to jump over from the next instruction; 0: no jump. */
static Py_ssize_t
jump_of(int opcode, int oparg)
{
    switch (opcode) {
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT: return -oparg;
    case JUMP_FORWARD:
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
    case FOR_ITER:
    case SEND: return oparg;
    default: return 0;
    }
}

static uint64_t
swapped(uint64_t saved, int32_t depth, int oparg)
{
    int a = depth - 1, b = depth - oparg;

    if (b < 0 || a >= SAVED_MAX)
        return saved;
    uint64_t differ = ((saved >> a) ^ (saved >> b)) & 1;
    return saved ^ (differ << a | differ << b);
}

/* What the instruction leaves. Entries of `saved` above it fall off in arrive(). */
static struct stack_state
after(int opcode, int oparg, struct stack_state state, int effect)
{
    struct stack_state next = {state.depth + effect, state.saved};

    if (opcode == SWAP)
        next.saved = swapped(state.saved, state.depth, oparg);
    else if (opcode == LOAD_FAST_AND_CLEAR && state.depth < SAVED_MAX)
        next.saved |= UINT64_C(1) << state.depth;
    else if (next.depth >= 0 && next.depth < SAVED_MAX)
        next.saved &= (UINT64_C(1) << next.depth) - 1;
    return next;
}

/* One instruction: arrives wherever it may go. False: it is not known. */
static bool
follow(struct paths *paths, size_t unit)
{
    int opcode = paths->units[2 * unit], oparg = stack_oparg(paths->units, unit);
    size_t next = unit + 1;
    Py_ssize_t jump = jump_of(opcode, oparg);

    while (next < paths->count && paths->units[2 * next] == 0)
        next++; /* inline caches */
    if (opcode == EXTENDED_ARG) {
        arrive(paths, next, paths->states[unit].depth, paths->states[unit].saved);
        return true;
    }
    int falls = PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 0);
    if (falls == PY_INVALID_STACK_EFFECT)
        return false;
    struct stack_state state = after(opcode, oparg, paths->states[unit], falls);
    if (!ends_path(opcode))
        arrive(paths, next, state.depth, state.saved);
    if (jump != 0 || opcode == JUMP_FORWARD) {
        int jumps = PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 1);
        if (jumps == PY_INVALID_STACK_EFFECT)
            return false;
        state = after(opcode, oparg, paths->states[unit], jumps);
        arrive(paths, (size_t)((Py_ssize_t)next + jump), state.depth, state.saved);
    }
    return true;
}

/* A generator's first resumption leaves a value on the stack, which versions put down
 * to RETURN_GENERATOR or to the start of the code. */
static int32_t
depth_at_start(const PyCodeObject *code)
{
    int kinds = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;

    return (code->co_flags & kinds) != 0 &&
           PyCompile_OpcodeStackEffectWithJump(RETURN_GENERATOR, 0, 0) == 0;
}

bool
stack_states(PyCodeObject *code, const uint8_t *units, size_t count,
             struct stack_state *out)
{
    struct paths paths = {units, count, out, malloc(count * sizeof(size_t)), 0};
    size_t handler_count;
    struct handler *handlers = read_handlers(code, &handler_count);
    bool is_known = paths.pending != NULL && handlers != NULL;

    for (size_t i = 0; i < count; i++)
        out[i].depth = -1;
    if (is_known)
        arrive(&paths, 0, depth_at_start(code), 0);
    while (is_known && paths.pending_count > 0) {
        size_t unit = paths.pending[--paths.pending_count];
        for (size_t i = 0; i < handler_count; i++)
            if (unit >= handlers[i].start && unit < handlers[i].end)
                arrive(&paths, handlers[i].target, handlers[i].depth,
                       handlers[i].depth <= SAVED_MAX
                           ? out[unit].saved &
                                 ((UINT64_C(1) << (handlers[i].depth - 1)) - 1)
                           : 0);
        is_known = follow(&paths, unit);
    }
    free(handlers);
    free(paths.pending);
    return is_known;
}

#else

/* Frames say it themselves in the events of 3.11, whose comprehensions are functions of
 * their own. Any depth will do but none. */
bool
stack_states(PyCodeObject *code, const uint8_t *units, size_t count,
             struct stack_state *out)
{
    (void)units;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct stack_state){code->co_stacksize, 0};
    return true;
}

#endif
