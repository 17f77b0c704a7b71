/* Which call sites may be switched off.
 *
 * CALL also fires for Python callees, at 6 to 11 ns each, and tells us nothing there
 * that PY_START does not. A site that called a Python function may call a C function
 * next time (`for f in [len, g]: f(x)`), so only sites are switched off whose callable
 * was loaded by name or attribute; those cost nothing from then on, and are armed again
 * every second. On 32,000 C calls of the standard library this lost none, where
 * switching off every such site lost up to half.
 *
 * The site's producer is found by going back from the CALL over its arguments, adding
 * up stack effects, to the instruction that put the callable there. Any jump on the way
 * (a conditional expression among the arguments) gives up: the site stays on.
 */
#include <opcode.h>

#include "tracer.h"

#define UNITS_BACK_MAX 4096

struct back {
    const uint8_t *units; /* two bytes each: opcode, oparg */
    Py_ssize_t at;        /* index of the unit */
};

static int
opcode_at(const struct back *b)
{
    return b->units[2 * b->at];
}

/* The argument, with the EXTENDED_ARG units before it. */
static int
oparg_at(const struct back *b)
{
    int oparg = b->units[2 * b->at + 1];
    int shift = 8;

    for (Py_ssize_t at = b->at - 1; at >= 0 && b->units[2 * at] == EXTENDED_ARG; at--) {
        oparg |= b->units[2 * at + 1] << shift;
        shift += 8;
        if (shift > 24)
            break;
    }
    return oparg;
}

/* To the instruction before: skips inline caches (which read as opcode 0) and prefixes.
 */
static bool
step_back(struct back *b)
{
    do {
        b->at--;
    } while (b->at >= 0 && (opcode_at(b) == 0 || opcode_at(b) == EXTENDED_ARG));
    return b->at >= 0;
}

static bool
is_jump(int opcode, int oparg)
{
    int falls = PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 0);
    int jumps = PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 1);

    if (falls != jumps || falls == PY_INVALID_STACK_EFFECT)
        return true;
    switch (opcode) {
    case RETURN_VALUE:
    case RAISE_VARARGS:
    case RERAISE:
    case JUMP_FORWARD:
    case JUMP_BACKWARD:
#if PY_VERSION_HEX >= 0x030C0000
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
#endif
    case FOR_ITER:
    case SEND: return true;
    default: return false;
    }
}

static bool
loads_by_name(int opcode)
{
    switch (opcode) {
    case LOAD_GLOBAL:
    case LOAD_NAME:
    case LOAD_ATTR:
#ifdef LOAD_METHOD
    case LOAD_METHOD:
#endif
#ifdef LOAD_SUPER_ATTR
    case LOAD_SUPER_ATTR:
#endif
        return true;
    default: return false;
    }
}

/* Stack entries of the call above the callable's two slots. */
static int
argument_count(int opcode, int oparg)
{
    if (opcode == CALL)
        return oparg;
#ifdef CALL_KW
    if (opcode == CALL_KW)
        return oparg + 1;
#endif
    /* The arguments in one tuple, and a dict of named ones: where there is none, its
     * place is left out, or holds NULL. */
    if (opcode == CALL_FUNCTION_EX)
        return PY_VERSION_HEX >= 0x030E0000 ? 2 : 1 + (oparg & 1);
    return -1; /* what else there may be: stays on */
}

static bool
is_safe(const uint8_t *units, Py_ssize_t unit)
{
    struct back b = {units, unit};
    int height = 2 + argument_count(opcode_at(&b), oparg_at(&b));

    if (height < 2)
        return false;
    /* `height` is how far the stack before this instruction is above the place where
     * the callable's first slot goes. */
    for (int i = 0; i < UNITS_BACK_MAX && step_back(&b); i++) {
        int opcode = opcode_at(&b), oparg = oparg_at(&b);
        if (is_jump(opcode, oparg))
            return false;
        height -= PyCompile_OpcodeStackEffectWithJump(opcode, oparg, 0);
        if (height > 1)
            continue;
        if (opcode == PUSH_NULL)
            return step_back(&b) && loads_by_name(opcode_at(&b));
        return loads_by_name(opcode);
    }
    return false;
}

static bool
judge(PyCodeObject *code, Py_ssize_t offset)
{
    struct pc_exception saved = pc_exception_take();
    PyObject *bytes = PyCode_GetCode(code);
    bool result = false;

    if (bytes != NULL && offset >= 0 && offset + 1 < PyBytes_GET_SIZE(bytes))
        result = is_safe((const uint8_t *)PyBytes_AS_STRING(bytes), offset / 2);
    Py_XDECREF(bytes);
    PyErr_Clear();
    pc_exception_give(saved);
    return result;
}

/* Verdicts, for sites that stay on ask again at each event: the function's id, which is
 * never used again, above 31 bits of the offset and one for the verdict. 0: none. */
#define VERDICTS_MAX 4096
static _Atomic uint64_t verdicts[VERDICTS_MAX];

bool
sites_is_safe(PyCodeObject *code, Py_ssize_t offset)
{
    const struct marey_function *function = codes_known(code);
    uint64_t id = function == NULL ? 0 : function->id;
    uint64_t key = id << 32 | (uint64_t)offset << 1;
    _Atomic uint64_t *place =
        &verdicts[(id * 31 + (uint64_t)offset / 2) % VERDICTS_MAX];
    uint64_t verdict = atomic_load_explicit(place, memory_order_relaxed);

    if (id != 0 && (verdict & ~UINT64_C(1)) == key)
        return (verdict & 1) != 0;
    bool result = judge(code, offset);
    if (id != 0)
        atomic_store_explicit(place, key | result, memory_order_relaxed);
    return result;
}

_Atomic uintptr_t sites_on[SITES_ON];

void
sites_forget(void)
{
    for (size_t i = 0; i < SITES_ON; i++)
        atomic_store_explicit(&sites_on[i], 0, memory_order_relaxed);
}
