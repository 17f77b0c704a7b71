/* Assignments to variables and attributes, whatever statement makes them.
 *
 * The code objects that store under a wanted name are watched by local INSTRUCTION
 * events. All instructions but those stores are switched off when they come by first,
 * so a loop costs one callback for each assignment that is logged. The event comes
 * before the instruction: the value lies on the evaluation stack, at a place that is
 * found beforehand (stack.c), and is read from there. So nothing of the program is
 * evaluated, not even a second time, and targets like `f().x` are no harder than `x`.
 * On 3.11 a trace function gets these events, for the code that has such stores alone
 * (tracing.c), and the frame says how deep its stack is.
 *
 * Stores that the compiler makes of its own accord are left out: a name that `except …
 * as` forgets, and variables that a comprehension puts back. */
#include "logs/logs.h"

#include <opcode.h>

#ifndef POP_JUMP_IF_TRUE /* 3.11 */
#define POP_JUMP_IF_TRUE POP_JUMP_FORWARD_IF_TRUE
#define POP_JUMP_IF_NONE POP_JUMP_FORWARD_IF_NONE
#define POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NOT_NONE
#endif

#define PAIR_MAX 2 /* variables that one instruction stores */
#define NOWHERE (-1)

struct store {
    struct values_name name;
    unsigned kinds;   /* of LOGS_* */
    int32_t slot;     /* of the frame, where the value is; NOWHERE: not known */
    int32_t from_top; /* entries of the stack above the value */
    uint32_t line;
    /* MAREY_LOG_HANDLED, _SWALLOWED: the body of an except clause; _PRINT: a call that
     * may be of print() */
    uint8_t class;
    bool has_more;      /* the next entry is of the same instruction */
    bool ends;          /* the call: what is watched in its frame is no longer */
    PyObject *followed; /* borrowed from the code: a watched name; NULL: none */
    enum follow_kind follow;
    int32_t cell; /* slot of the frame, where that is in a cell */
};

struct parameter {
    struct values_name name;
    unsigned kinds;
    int32_t slot;
};

struct assign_plan {
    size_t unit_count;
    uint16_t *at;         /* owned; by unit: 1 + index into stores; 0: nothing */
    struct store *stores; /* owned */
    size_t store_count;
    bool has_stores;              /* or calls; not only except clauses */
    struct parameter *parameters; /* owned */
    size_t parameter_count;
    uint32_t first_line;
};

/* ---- logging one value ---- */

/* The object whose attribute is stored: it lies above the value. */
static PyObject *
object_of(const struct store *store, const struct pc_frame *frame)
{
    return pc_frame_entry(frame, store->slot + 1, store->from_top - 1);
}

/* A store under a name that is watched; see follow_stored(). */
static bool
log_followed(struct marey_lane *lane, const struct store *store,
             const struct pc_frame *frame, PyCodeObject *code, PyObject *value)
{
    struct follow_store given = {code, store->followed, store->follow, 0, store->line};

    switch (store->follow) {
    case FOLLOW_FRAME: given.place = (uintptr_t)frame; break;
    case FOLLOW_CELL: given.place = (uintptr_t)pc_frame_slot(frame, store->cell); break;
    case FOLLOW_DICT:
        given.place = (uintptr_t)(store->cell != 0 ? frame->globals : frame->locals);
        break;
    case FOLLOW_ATTRIBUTE:
        if (store->slot != NOWHERE)
            given.place = (uintptr_t)object_of(store, frame);
        break;
    }
    return follow_stored(lane, &given, value, store->slot != NOWHERE);
}

/* Logs one entry. False: nobody has wanted it for a while. */
static bool
log_entry(struct marey_lane *lane, const struct marey_function *function,
          PyCodeObject *code, const struct pc_frame *frame, size_t unit,
          const struct store *store)
{
    bool is_known = store->slot != NOWHERE;
    bool is_needed = store->class != 0 || store->kinds != 0 || store->ends;
    PyObject *value =
        is_known ? pc_frame_entry(frame, store->slot, store->from_top) : NULL;

    if (store->class == MAREY_LOG_PRINT)
        messages_called(function, code, frame, unit, store->slot + 1);
    else if (store->class != 0)
        exceptions_log_taken(lane, function, store->class, value, store->line);
    if ((store->kinds & LOGS_NUMBER) != 0)
        logs_number(lane, store->name, value);
    if ((store->kinds & LOGS_VAR) != 0)
        logs_value(lane, MAREY_LOG_VALUE, store->name, value, is_known, store->line,
                   NULL);
    if ((store->kinds & LOGS_ATTR) != 0)
        logs_value(lane, MAREY_LOG_ATTRIBUTE, store->name, value, is_known, store->line,
                   is_known ? object_of(store, frame) : NULL);
    if (store->followed != NULL)
        is_needed |= log_followed(lane, store, frame, code, value);
    if (store->ends)
        follow_frame_ends((uintptr_t)frame);
    return is_needed;
}

bool
assign_at(const struct marey_function *function, PyCodeObject *code,
          const struct pc_frame *frame, size_t unit)
{
    const struct assign_plan *plan = function == NULL ? NULL : function->plan;

    if (plan == NULL || unit >= plan->unit_count || plan->at[unit] == 0)
        return false;
    const struct store *store = &plan->stores[plan->at[unit] - 1];
    struct marey_lane *lane = logs_lane();
    bool is_needed = lane == NULL;
    for (bool has_more = lane != NULL; has_more; has_more = store++->has_more)
        is_needed |= log_entry(lane, function, code, frame, unit, store);
    return is_needed;
}

bool
assign_has_stores(const struct assign_plan *plan)
{
    return plan != NULL && plan->has_stores;
}

#if MAREY_HAS_MONITORING

PyObject *
assign_on_instruction(PyObject *self, PyObject *const *args, size_t nargs,
                      PyObject *names)
{
    PyCodeObject *code = (PyCodeObject *)args[0];
    const struct pc_frame *frame = (void *)pc_current_frame(pc_thread_state());

    (void)self, (void)nargs, (void)names;
    return assign_at(codes_known(code), code, frame,
                     (size_t)PyLong_AsSsize_t(args[1]) / 2)
               ? PC_NONE
               : tracer.disable;
}

#endif

/* ---- parameters ---- */

bool
assign_wants_start(const struct assign_plan *plan)
{
    return plan != NULL && plan->parameter_count > 0;
}

void
assign_start(const struct assign_plan *plan, const struct pc_frame *frame,
             PyCodeObject *code)
{
    struct marey_lane *lane = logs_lane();

    for (size_t i = 0; lane != NULL && i < plan->parameter_count; i++) {
        const struct parameter *parameter = &plan->parameters[i];
        PyObject *value = pc_frame_variable_at(frame, code, parameter->slot);
        if ((parameter->kinds & LOGS_NUMBER) != 0)
            logs_number(lane, parameter->name, value);
        if ((parameter->kinds & LOGS_VAR) != 0)
            logs_value(lane, MAREY_LOG_VALUE, parameter->name, value, true,
                       plan->first_line, NULL);
        Py_XDECREF(value);
    }
}

static bool
find_parameters(struct assign_plan *plan, PyCodeObject *code,
                const struct marey_function *function)
{
    int count = pc_parameter_count(code);

    plan->parameters = calloc((size_t)count + 1, sizeof(*plan->parameters));
    for (int i = 0; plan->parameters != NULL && i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_localsplusnames, i);
        unsigned kinds = logs_wanted(LOGS_VAR | LOGS_NUMBER, function, name);
        if (kinds != 0)
            plan->parameters[plan->parameter_count++] =
                (struct parameter){values_name(name), kinds, i};
    }
    return plan->parameters != NULL;
}

/* ---- stores ---- */

struct search {
    PyCodeObject *code;
    const struct marey_function *function;
    struct assign_plan *plan;
    const uint8_t *units;
    size_t count;
    struct stack_state *states;
    size_t capacity; /* of plan->stores */
    bool may_print;  /* calls are looked at */
    uint8_t
        *bodies; /* owned; by unit: class of the clause that begins there; or NULL */
};

/* What an instruction stores under. */
struct target {
    PyObject *name; /* borrowed */
    int from_top;   /* entries of the stack above the value */
    enum follow_kind kind;
    int32_t cell; /* see struct store; of FOLLOW_DICT: 1 if it is the globals */
};

static PyObject *
item(PyObject *tuple, int index)
{
    return index < PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, index) : NULL;
}

/* Fills in what the instruction stores; returns how many. */
static int
targets_of(const PyCodeObject *code, int opcode, int oparg, struct target *out)
{
    PyObject *locals = code->co_localsplusnames;

    switch (opcode) {
    case STORE_FAST:
        out[0] = (struct target){item(locals, oparg), 0, FOLLOW_FRAME, 0};
        return 1;
    case STORE_DEREF:
        out[0] = (struct target){item(locals, oparg), 0, FOLLOW_CELL, oparg};
        return 1;
    case STORE_NAME:
    case STORE_GLOBAL:
        out[0] = (struct target){item(code->co_names, oparg), 0, FOLLOW_DICT,
                                 opcode == STORE_GLOBAL};
        return 1;
    case STORE_ATTR:
        out[0] = (struct target){item(code->co_names, oparg), 1, FOLLOW_ATTRIBUTE, 0};
        return 1;
#ifdef STORE_FAST_STORE_FAST
    case STORE_FAST_LOAD_FAST:
        out[0] = (struct target){item(locals, oparg >> 4), 0, FOLLOW_FRAME, 0};
        return 1;
    case STORE_FAST_STORE_FAST:
        out[0] = (struct target){item(locals, oparg >> 4), 0, FOLLOW_FRAME, 0};
        out[1] = (struct target){item(locals, oparg & 15), 1, FOLLOW_FRAME, 0};
        return 2;
#endif
    default: return 0;
    }
}

/* What the compiler gives a module or class of its own accord. */
static bool
is_compilers_name(PyObject *name)
{
    static const char *const names[] = {
        "__module__",
        "__qualname__",
        "__firstlineno__",
        "__static_attributes__",
        "__classcell__",
        "__classdictcell__",
        "__annotate__",
        "__annotate_func__",
        "__conditional_annotations__",
        "__type_params__",
        "__classdict__",
        ".generic_base",
        ".type_params",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return true;
    return false;
}

struct place {
    int line, column, end_line, end_column;
};

static struct place
place_of(PyCodeObject *code, size_t unit)
{
    struct place place = {-1, -1, -1, -1};

    PyCode_Addr2Location(code, (int)unit * 2, &place.line, &place.column,
                         &place.end_line, &place.end_column);
    return place;
}

/* `except … as x` ends with `x = None; del x`, in one place of the source; where the
 * program says so itself each has a place of its own. */
static bool
is_forgotten(const struct search *search, size_t unit, int oparg)
{
    size_t next = unit + 1;

    while (next < search->count && (search->units[2 * next] == EXTENDED_ARG))
        next++;
    if (next >= search->count)
        return false;
    switch (search->units[2 * next]) {
    case DELETE_FAST:
    case DELETE_NAME:
    case DELETE_GLOBAL:
    case DELETE_DEREF: break;
    default: return false;
    }
    struct place a = place_of(search->code, unit), b = place_of(search->code, next);
    return stack_oparg(search->units, next) == oparg && memcmp(&a, &b, sizeof(a)) == 0;
}

/* The unit that the event of this instruction names: on 3.11 its first prefix. */
static size_t
event_of(const struct search *search, size_t unit)
{
    while (!MAREY_HAS_MONITORING && unit > 0 &&
           search->units[2 * unit - 2] == EXTENDED_ARG)
        unit--;
    return unit;
}

/* Adds an entry for the instruction; the value is `from_top` below the stack's top. */
static bool
add_entry(struct search *search, size_t unit, struct store entry, int from_top)
{
    struct assign_plan *plan = search->plan;
    int32_t place = search->states[unit].depth - 1 - from_top;
    int line = PyCode_Addr2Line(search->code, (int)unit * 2);

    if (plan->store_count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 8 : search->capacity * 2;
        struct store *stores = realloc(plan->stores, capacity * sizeof(*stores));
        if (stores == NULL)
            return false;
        plan->stores = stores;
        search->capacity = capacity;
    }
    if (plan->store_count == UINT16_MAX)
        return true; /* a function of 65,535 of them: enough is seen */
    entry.slot = place < 0 ? NOWHERE : pc_code_slots(search->code) + place;
    plan->has_stores |=
        entry.class != MAREY_LOG_HANDLED && entry.class != MAREY_LOG_SWALLOWED;
    entry.from_top = from_top;
    entry.line = line > 0 ? (uint32_t)line : 0;
    unit = event_of(search, unit);
    if (plan->at[unit] != 0)
        plan->stores[plan->store_count - 1].has_more = true;
    plan->stores[plan->store_count++] = entry;
    if (plan->at[unit] == 0)
        plan->at[unit] = (uint16_t)plan->store_count;
    return true;
}

static bool
add_store(struct search *search, size_t unit, const struct target *target)
{
    bool is_attribute = target->kind == FOLLOW_ATTRIBUTE;
    unsigned kinds = is_attribute ? LOGS_ATTR : LOGS_VAR | LOGS_NUMBER;
    struct stack_state state = search->states[unit];
    int32_t place = state.depth - 1 - target->from_top;

    if (target->name == NULL)
        return true;
    kinds = logs_wanted(kinds, search->function, target->name);
    bool is_followed =
        follow_any && follow_wants(target->kind, search->code, target->name);
    if ((kinds == 0 && !is_followed) ||
        (place >= 0 && place < 64 && ((state.saved >> place) & 1) != 0) ||
        (!is_attribute && is_compilers_name(target->name)))
        return true;
    struct store entry = {
        .name = values_name(target->name),
        .kinds = kinds,
        .followed = is_followed ? target->name : NULL,
        .follow = target->kind,
        .cell = target->cell,
    };
    return add_entry(search, unit, entry, target->from_top);
}

/* ---- except clauses ---- */

/* The instruction behind the one at `unit`. */
static size_t
next_of(const struct search *search, size_t unit)
{
    for (unit++; unit < search->count; unit++) {
        int opcode = search->units[2 * unit];
        bool is_filler = opcode == 0 || opcode == EXTENDED_ARG;
#ifdef NOT_TAKEN
        is_filler |= opcode == NOT_TAKEN;
#endif
        if (!is_filler)
            break;
    }
    return unit;
}

/* From `unit` on to the next instruction of this kind; the end: none before the code
 * raises again. */
static size_t
seek(const struct search *search, size_t unit, int opcode)
{
    while (unit < search->count && search->units[2 * unit] != opcode) {
        if (search->units[2 * unit] == RERAISE)
            return search->count;
        unit = next_of(search, unit);
    }
    return unit;
}

/* Where the conditional jump at `unit` leads to. */
static size_t
target_of(const struct search *search, size_t unit)
{
    size_t next = unit + 1;

    while (next < search->count && search->units[2 * next] == 0)
        next++;
    next += (size_t)stack_oparg(search->units, unit);
    while (next < search->count && search->units[2 * next] == EXTENDED_ARG)
        next++;
    return next;
}

/* Where a `with` block goes on that swallowed what was raised in it. */
static size_t
swallowed_at(const struct search *search, size_t unit)
{
    unit = seek(search, unit, POP_JUMP_IF_TRUE);
    return unit < search->count ? target_of(search, unit) : unit;
}

/* Where the body of an `except*` clause begins whose match is made before `unit`: the
 * code jumps past it, or to it (early releases of 3.11). */
static size_t
group_body(const struct search *search, size_t unit)
{
    size_t past = seek(search, unit, POP_JUMP_IF_NONE);
    size_t to = seek(search, unit, POP_JUMP_IF_NOT_NONE);

    return to < past ? target_of(search, to) : next_of(search, past);
}

static void
mark_body(struct search *search, size_t unit, uint8_t class)
{
    if (unit < search->count)
        search->bodies[unit] = class;
}

/* Marks where the bodies of except clauses begin. */
static void
find_bodies(struct search *search)
{
    for (size_t unit = 0; unit < search->count; unit = next_of(search, unit)) {
        size_t next = next_of(search, unit);
        switch (search->units[2 * unit]) {
        case PUSH_EXC_INFO: /* except: */
            if (next < search->count && search->units[2 * next] == POP_TOP)
                mark_body(search, next, MAREY_LOG_HANDLED);
            break;
        case CHECK_EXC_MATCH: /* then a jump past the body */
            mark_body(search, next_of(search, next), MAREY_LOG_HANDLED);
            break;
        case CHECK_EG_MATCH:
            mark_body(search, group_body(search, next), MAREY_LOG_HANDLED);
            break;
        case WITH_EXCEPT_START:
            mark_body(search, swallowed_at(search, unit), MAREY_LOG_SWALLOWED);
            break;
        default: break;
        }
    }
}

static bool
is_return(int opcode)
{
#ifdef RETURN_CONST
    if (opcode == RETURN_CONST)
        return true;
#endif
    return opcode == RETURN_VALUE;
}

static bool
find_stores(struct search *search)
{
    bool has_ends = follow_any && follow_wants_end(search->code);
    struct target targets[PAIR_MAX];

    for (size_t unit = 0; unit < search->count; unit++) {
        int opcode = search->units[2 * unit];
        int oparg = stack_oparg(search->units, unit);
        int count = opcode == 0 ? 0 : targets_of(search->code, opcode, oparg, targets);
        if (search->bodies != NULL && search->bodies[unit] != 0 &&
            !add_entry(search, unit, (struct store){.class = search->bodies[unit]}, 0))
            return false;
        if (has_ends && is_return(opcode) &&
            !add_entry(search, unit, (struct store){.ends = true}, 0))
            return false;
        if (search->may_print && messages_may_print(opcode) &&
            !add_entry(search, unit, (struct store){.class = MAREY_LOG_PRINT}, 0))
            return false;
        if (count == 1 && is_forgotten(search, unit, oparg))
            continue;
        for (int i = 0; i < count; i++)
            if (!add_store(search, unit, &targets[i]))
                return false;
    }
    return true;
}

static void
free_plan(struct assign_plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->at);
    free(plan->stores);
    free(plan->parameters);
    free(plan);
}

/* Whether a name of the code is wanted at all; most have none. */
static bool
has_wanted_name(PyObject *names, unsigned kinds, const struct marey_function *function)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
        if (logs_wanted(kinds, function, PyTuple_GET_ITEM(names, i)) != 0)
            return true;
    return false;
}

static struct assign_plan *
make_plan(PyCodeObject *code, const struct marey_function *function, PyObject *bytes,
          bool has_handlers)
{
    struct assign_plan *plan = calloc(1, sizeof(*plan));
    struct search search = {
        .code = code,
        .function = function,
        .plan = plan,
        .units = (const uint8_t *)PyBytes_AS_STRING(bytes),
        .count = (size_t)PyBytes_GET_SIZE(bytes) / 2,
    };

    search.states = calloc(search.count + 1, sizeof(*search.states));
    if (plan != NULL && search.states != NULL) {
        plan->unit_count = search.count;
        plan->at = calloc(search.count + 1, sizeof(*plan->at));
        plan->first_line =
            code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0;
    }
    bool is_made = plan != NULL && plan->at != NULL;
    search.may_print = (function->logs & LOGS_PRINT) != 0 && messages_has_print(code);
    if (is_made && has_handlers)
        search.bodies = calloc(search.count + 1, 1);
    if (search.bodies != NULL)
        find_bodies(&search);
    if (is_made && !stack_states(code, search.units, search.count, search.states))
        for (size_t i = 0; i < search.count; i++)
            search.states[i] = (struct stack_state){-1, 0};
    is_made = is_made && find_parameters(plan, code, function) && find_stores(&search);
    free(search.states);
    free(search.bodies);
    if (is_made && plan->store_count + plan->parameter_count > 0)
        return plan;
    free_plan(plan);
    return NULL;
}

const struct assign_plan *
assign_plan(PyCodeObject *code, const struct marey_function *function)
{
    unsigned kinds = function->logs & (LOGS_VAR | LOGS_ATTR | LOGS_NUMBER);
    struct assign_plan *plan = NULL;

    bool is_followed = follow_any && follow_wants_any(code);
    bool may_print = (function->logs & LOGS_PRINT) != 0 && messages_has_print(code);
    if (!pc_has_frame_slots() ||
        (!is_followed && !may_print &&
         (kinds == 0 || (!has_wanted_name(code->co_localsplusnames, kinds, function) &&
                         !has_wanted_name(code->co_names, kinds, function)))))
        return NULL;
    PyObject *bytes = PyCode_GetCode(code);
    if (bytes != NULL)
        plan = make_plan(code, function, bytes, false);
    Py_XDECREF(bytes);
    PyErr_Clear();
    if (plan != NULL && plan->store_count > 0)
        hooks_watch(code, hooks_bit("INSTRUCTION"));
    return plan;
}

/* The plan that was goes on to be read by others, and is left to them. */
void
assign_add_handlers(PyCodeObject *code, struct marey_function *function)
{
    PyObject *bytes = pc_has_frame_slots() ? PyCode_GetCode(code) : NULL;
    struct assign_plan *plan =
        bytes == NULL ? NULL : make_plan(code, function, bytes, true);

    Py_XDECREF(bytes);
    if (plan == NULL)
        return;
    function->plan = plan;
    hooks_watch(code, hooks_bit("INSTRUCTION"));
}
