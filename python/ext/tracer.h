/* The bridge from the interpreter's events to capture.h: what its files share.
 *
 *   module.c      start(), stop() and friends: the face to Python
 *   hooks/        the interpreter's events: one file for 3.12 and newer, one for 3.11;
 *                 code objects, C functions, places of calls and threads they name
 *   marks/        what the program itself says: spans, instants, transactions
 *   logs/         what is logged without a change of the code: see logs/logs.h
 *   values/       objects of the program as values of a blob: see values/values.h
 *   control/      from outside: orders by socket or timer, rules of --keep, children
 *   show/         any object as text or JSON; needs no recording
 *   reading/      traces as Python objects; knows nothing of this header
 *
 * All of it needs the thread attached (the GIL held where there is one).
 */
#ifndef MAREY_EXT_TRACER_H
#define MAREY_EXT_TRACER_H

#include "pycompat.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "marey/capture.h"

/* What the hooks of this process go by. One, since there is one recording. */
struct tracer {
    bool is_on;
    bool waits_for_main; /* nothing is recorded before __main__ starts */
    bool c_calls;
    bool is_exact;               /* no call site is ever switched off */
    bool has_skipped;            /* some function that was seen is filtered out */
    bool is_only;                /* transactions only, and what they have below them */
    bool is_stale;               /* slots may say what an earlier recording meant */
    bool has_details;            /* the hooks are on for calls below a transaction */
    int tool;                    /* id in sys.monitoring, -1: none */
    Py_ssize_t extra_index;      /* of code objects */
    PyObject *disable;           /* owned: sys.monitoring.DISABLE */
    bool watches_calls;          /* some rule of --keep is about them */
    bool watches_exceptions;     /* the same */
    PyObject *include, *exclude; /* owned: tuples of bytes, patterns */
    PyObject *transactions;      /* owned: the same, of functions to choose */
    uint16_t detail;             /* levels of calls to record below those */
    struct marey_function *unchosen; /* stands for all that is_only passes over */
    PyObject *own_folder;            /* owned: bytes, the package's folder with a / */
    PyObject *folder;                /* owned: bytes, the working directory with a / */
};
extern struct tracer tracer;

/* ---- codes.c ---- */

int codes_set_up(void);
/* First sight of a code object: makes its function. `globals` may be NULL. Saves and
 * restores an exception that is set. NULL: out of memory. */
struct marey_function *codes_first_sight(PyCodeObject *code, PyObject *globals);
/* After the options have changed: filters anew. True: some code's slot still says that
 * it is recorded though it no longer is; then every event must take the slow way. */
bool codes_refilter(void);
/* Stores the sources that are known into a new recording. */
void codes_store_again(void);
/* The code's function as the present recording sees it: what an earlier one made of it
 * may no longer hold. The slow form of codes_get(). */
struct marey_function *codes_now(PyCodeObject *code, PyObject *globals);
/* What the function is called; it has an owner. */
const char *codes_name(const struct marey_function *function);
const char *cfunctions_name(const struct marey_function *function);
/* Has the slot of its code say so where the function is no longer recorded, or is slow
 * now. Of a Python function; the code may be gone. */
void codes_untag(struct marey_function *function);
/* Has the code's slot say what its function says. */
void codes_retag(PyCodeObject *code, struct marey_function *function);
/* Each call of the code is a transaction from now on. `module` may be NULL; `name` is
 * what the trace calls it. Borrows `marks` for ever. NULL with an exception. */
struct marks;
struct marey_function *codes_mark(PyCodeObject *code, PyObject *module, PyObject *name,
                                  const struct marks *marks);
/* What codes_mark() was given for the function; NULL: nothing. */
const struct marks *codes_marks(const struct marey_function *function);
/* Activations of the code are followed from now on (transactions_park). */
void codes_watch(PyCodeObject *code);
/* Whether calls of the function are recorded at present, whatever the thread does. */
static inline bool codes_is_wanted(const struct marey_function *function);
/* UTF-8 of a string, lone surrogates kept. Gives a new bytes object or NULL. */
PyObject *codes_utf8(PyObject *text);
/* Whether the pattern means this function. */
bool codes_matches(const char *pattern, const char *module, const char *name,
                   const char *file);
/* Whether a function of this name passes --include and --exclude. */
bool codes_is_excluded(const char *module, const char *name, const char *file,
                       bool is_c);

/* Whether the pattern is of this function, by its name or file. */
bool codes_is_of(const struct marey_function *function, const char *pattern);
/* The code whose slot the function is in: borrowed; NULL: it is gone, or of C. */
PyCodeObject *codes_code(const struct marey_function *function);
/* The file of a Python function. Never NULL. */
bool codes_is_named(const struct marey_function *function, const char *module,
                    const char *name);
const char *codes_file(const struct marey_function *function);

/* A slot holds the function's address, plus one if it is recorded: so one test tells
 * those that are from those that are filtered out, or not seen yet. */
static inline marey_tagged_function
codes_tagged(PyCodeObject *code, Py_ssize_t index)
{
    return (marey_tagged_function)pc_code_extra(code, index);
}

/* NULL: not recorded. */
static inline struct marey_function *
codes_recorded(PyCodeObject *code, Py_ssize_t index)
{
    marey_tagged_function value = codes_tagged(code, index);

    if (MAREY_UNLIKELY((value & 1) == 0))
        return NULL;
    struct marey_function *function = (struct marey_function *)(value - 1);
    MAREY_ASSUME(function != NULL);
    return function;
}

/* The code's function, whatever is known of it; NULL: not seen yet. */
static inline struct marey_function *
codes_known(PyCodeObject *code)
{
    uintptr_t value = (uintptr_t)pc_code_extra(code, tracer.extra_index);

    return (struct marey_function *)(value & ~(uintptr_t)1);
}

static inline bool
codes_is_wanted(const struct marey_function *function)
{
    return !function->is_skipped &&
           (!tracer.is_only || (function->flags & MAREY_FUNCTION_TRANSACTION) != 0);
}

static inline struct marey_function *
codes_get(PyCodeObject *code)
{
    uintptr_t value = (uintptr_t)pc_code_extra(code, tracer.extra_index);

    if (MAREY_UNLIKELY(value == 0))
        return codes_first_sight(code, NULL);
    return (struct marey_function *)(value & ~(uintptr_t)1);
}

/* ---- cfunctions.c ---- */

/* C functions by their PyMethodDef: open addressing, read without a lock. */
struct cfunctions_entry {
    _Atomic(const PyMethodDef *) key;
    struct marey_function *function;
};
struct cfunctions_table {
    uint32_t mask; /* capacity - 1; the capacity is a power of two */
    uint32_t count;
    struct cfunctions_entry entries[];
};
extern struct cfunctions_table *_Atomic cfunctions_table; /* never NULL */

/* Definitions stand in arrays of their module, 32 bytes each: neighbours stay so. */
static inline uint32_t
cfunctions_hash(const PyMethodDef *key)
{
    return (uint32_t)((uintptr_t)key >> 5);
}

/* All types share one definition of __new__: theirs is told by the type. Such keys are
 * odd, and never in the place where the quick look searches for the shared one. */
static inline const PyMethodDef *
cfunctions_own_key(const PyCFunctionObject *function)
{
    const char *name = function->m_ml->ml_name;

    if (name[0] == '_' && strcmp(name, "__new__") == 0 && function->m_self != NULL &&
        PyType_Check(function->m_self))
        return (const PyMethodDef *)((uintptr_t)function->m_self | 1);
    return function->m_ml;
}

/* The method definition of a C function or method; NULL for other callables (classes,
 * Python functions, objects with __call__). */
static inline const PyMethodDef *
cfunctions_key(PyObject *callable)
{
    const PyTypeObject *type = Py_TYPE(callable);

    if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type)
        return ((PyMethodDescrObject *)callable)->d_method;
    if (type == &PyCFunction_Type || type == &PyCMethod_Type)
        return cfunctions_own_key((PyCFunctionObject *)callable);
    return NULL;
}

/* The key of an open C call is the frame that made it, made odd: a frame is in one C
 * call at a time, and one that is not recorded ends no call of another. */
static inline uintptr_t
cfunctions_call_key(uintptr_t frame)
{
    return frame | 1;
}

static inline struct marey_function *
cfunctions_find(const PyMethodDef *key)
{
    struct cfunctions_table *table =
        atomic_load_explicit(&cfunctions_table, memory_order_acquire);

    for (uint32_t at = cfunctions_hash(key);; at++) {
        const struct cfunctions_entry *entry = &table->entries[at & table->mask];
        const PyMethodDef *found =
            atomic_load_explicit(&entry->key, memory_order_acquire);
        if (MAREY_LIKELY(found == key))
            return entry->function;
        if (found == NULL)
            return NULL;
    }
}

/* What stands for the call of it that the frame makes now: see callers_made(). */
const struct marey_function *cfunctions_made(const struct pc_frame *frame,
                                             PyObject *callable,
                                             struct marey_function *function,
                                             bool is_quick);

/* The same, made at first sight. */
struct marey_function *cfunctions_get(PyObject *callable);
void cfunctions_refilter(void);
/* From now on some function is filtered out. */
void cfunctions_has_skipped(void);
/* Id of the type's name as the trace spells it (module.qualname). */
uint32_t cfunctions_type_name(PyTypeObject *type);

/* Module and name of a type, from its C fields; buffers of `capacity` bytes. */
void cfunctions_split_type_name(PyTypeObject *type, char *module, char *name,
                                size_t capacity);

/* ---- callers.c ---- */

/* Something calls something. Never freed. */
struct callers_entry {
    uintptr_t place; /* the calling instruction; 0: it or the callee is gone. Read
                      * and written in one piece */
    const void *callee;
    const struct marey_function *function; /* for marey_enter() */
    struct callers_entry *next_made, *next_called;
};
/* The pairs that a code object is part of. */
struct callers_of_code {
    struct callers_entry *made, *called;
};

/* Pairs by their addresses: only of callees that are recorded, and of C functions only
 * while no function of the program is filtered out: then each call goes the slow way
 * and its caller is looked at. */
#define CALLERS_TABLE 16384
extern _Atomic(struct callers_entry *) callers_table[CALLERS_TABLE]; /* never NULL */

static inline size_t
callers_slot(uintptr_t place, const void *callee)
{
    return (place + (uintptr_t)callee) / 8 % CALLERS_TABLE;
}

static inline const struct marey_function *
callers_in_slot(size_t slot, uintptr_t place, const void *callee)
{
    const struct callers_entry *entry =
        atomic_load_explicit(&callers_table[slot], memory_order_acquire);

    if (MAREY_UNLIKELY(entry->place != place) ||
        MAREY_UNLIKELY(entry->callee != callee))
        return NULL;
    MAREY_ASSUME(entry->function != NULL);
    return entry->function;
}

/* What stands for the call of `callee` from where the frame is. NULL: look slowly. */
static inline const struct marey_function *
callers_quick(const struct pc_frame *frame, const void *callee)
{
    uintptr_t place = pc_frame_place(frame);

    return callers_in_slot(callers_slot(place, callee), place, callee);
}

/* The same, where the quick look found another pair. */
static inline const struct marey_function *
callers_near(const struct pc_frame *frame, const void *callee)
{
    uintptr_t place = pc_frame_place(frame);

    return callers_in_slot(callers_slot(place, callee) ^ 1, place, callee);
}

/* The same for any frame (NULL: none) and any callee whose function is known. Made at
 * first sight, and then `keeper` (may be NULL) is held for ever, for the callee to keep
 * its address. Where the place is not known, the function itself. With `is_quick` the
 * next such call finds it by callers_quick(). */
const struct marey_function *callers_made(const struct pc_frame *frame,
                                          const void *callee, PyObject *keeper,
                                          const struct marey_function *function,
                                          bool is_quick);
/* Some functions are recorded no longer: nothing is found quickly until seen again. */
void callers_clear(void);
/* The code object of these pairs is gone. */
void callers_forget(struct callers_of_code *links);
/* In codes.c: those of the function's code. */
struct callers_of_code *codes_callers(const struct marey_function *function);

/* ---- watch.c ---- */

/* Set in marey_function.keep_rules besides the bits of rules: a call is a record. */
#define WATCH_LOG (UINT32_C(1) << 31)

/* What is to be kept from the next start on: a list of (kind, pattern, nanoseconds,
 * raises, number, text), and the rest of marey_keep_options. */
PyObject *watch_set(PyObject *module, PyObject *args);
int watch_start(void);
void watch_stop(void);
/* The rules about this function's calls, as bits. */
uint32_t watch_rules_of(const char *module, const char *name, const char *file,
                        uint16_t flags);
/* The part that recording may cost, from the next start on. */
PyObject *watch_budget(PyObject *module, PyObject *part);
/* Sets the rules about a span's or block's function, which outlives recordings: each
 * has its own. Returns the function; NULL is allowed. */
struct marey_function *watch_named(struct marey_function *function, PyObject *name);
/* An exception of this type leaves a call. */
void watch_exception(PyObject *exception);
/* logging handles a record now: the calling frame's `record`. */
void watch_log(void);

/* ---- listen.c ---- */

/* Listens in this folder, as this process; nothing if it does already. */
PyObject *listen_start(PyObject *module, PyObject *folder);
/* At the end of the process. */
void listen_stop(void);
/* Before a fork: the thread ends, unless it carries out an order. True: it did, and
 * after the fork, in the parent, listen_go_on() makes another. */
bool listen_rest(void);
void listen_go_on(void);

/* ---- timer.c ---- */

/* Calls `turn(on)` now and then from a thread of its own; ends that. */
PyObject *timer_start(PyObject *module, PyObject *args);
PyObject *timer_stop(PyObject *module, PyObject *unused);

/* ---- sites.c ---- */

/* True when what a CALL at this bytecode offset calls was loaded by name or attribute:
 * then a Python callee now means Python callees next time, too, but for monkey
 * patching. */
bool sites_is_safe(PyCodeObject *code, Py_ssize_t offset);

/* Instructions that stay on and called what is none of ours, by their addresses: asked
 * at each such call. One whose code is gone leaves its address to another, which then
 * stays on where it need not; nothing else comes of it. */
#define SITES_ON 1024
extern _Atomic uintptr_t sites_on[SITES_ON];

static inline _Atomic uintptr_t *
sites_slot(uintptr_t place)
{
    return &sites_on[place / 2 % SITES_ON];
}

static inline bool
sites_stays_on(uintptr_t place)
{
    return atomic_load_explicit(sites_slot(place), memory_order_relaxed) == place;
}

static inline void
sites_keep_on(uintptr_t place)
{
    atomic_store_explicit(sites_slot(place), place, memory_order_relaxed);
}

/* What is recorded has changed: each is to be judged again. */
void sites_forget(void);

/* ---- threads.c ---- */

void threads_facts(struct marey_lane *lane, struct marey_thread_facts *out);
/* An attribute of an instance, where reading it runs no code of the program. New. */
PyObject *threads_plain_attribute(PyObject *object, const char *name);
/* Lanes for all threads that are alive, with the calls they have open. */
int threads_prepare(void);

/* ---- monitoring.c, profile.c ---- */

int hooks_start(void);
/* From now on nothing is recorded until __main__ starts. */
int hooks_wait(void);
void hooks_stop(void);
/* Whether a thread's C profile function is ours. */
bool hooks_are(Py_tracefunc profiler);
/* Off and on again, for a moment, in the calling thread at least. */
void hooks_pause(bool is_paused);
/* Called about once a second. */
void hooks_tick(void);
/* Filters have changed: what was switched off may be wanted again. */
void hooks_refilter(void);
/* What is recorded has changed (is_only, has_details): switches events accordingly, and
 * those on again that were switched off where they came. */
int hooks_again(void);
/* Events of this one code object, on top of those of all; until hooks_stop(). Bits as
 * in sys.monitoring.events; nothing happens on 3.11, whose hook sees all. */
void hooks_watch(PyCodeObject *code, int event_bits);
/* The bit of an event; 0: there is none, or it is not one of ours. */
int hooks_bit(const char *event);
/* Bits for hooks_watch(): all there is to the calls of the code; or only where its
 * running parts begin and end. */
int hooks_call_bits(const PyCodeObject *code);
int hooks_part_bits(void);

/* ---- transactions.c ---- */

/* What was said about a function that is a transaction. Lives for ever. */
struct marks {
    uint16_t detail;      /* levels of calls to record below it */
    PyObject *parameters; /* owned: tuple of names of parameters; or NULL */
    PyObject *names;      /* owned: tuple of names of values; or NULL */
    PyObject *values;     /* owned: tuple of them */
};

/* Marks a Python function (or a static or class method of one) as a transaction, called
 * `name` or, where that is NULL, as the function is. Takes `marks`. -1: exception. */
int transactions_mark(PyObject *callable, PyObject *name, struct marks *marks);
void marks_free(struct marks *marks);
/* The code's calls are transactions: where only these are recorded, its own events are
 * switched on, now and at each start. */
void transactions_watch(PyCodeObject *code);
void transactions_watch_all(void);
/* A call of such a function began (`made`: what stands for it, see callers_made()), or
 * runs on; and stopped running. For functions that go slowly. */
void transactions_enter(struct marey_lane *lane, const struct marey_function *function,
                        const struct marey_function *made, uintptr_t key);
void transactions_part_begins(const struct marey_function *function);
void transactions_part_ends(const struct marey_function *function);
/* Whether calls are to be recorded that the thread makes now: some transaction is open
 * that wants so many levels below it. */
bool transactions_is_inside(const struct marey_lane *lane);
/* An event came that nobody wants. True: leave it on, another thread, or this one
 * soon, will want it. */
bool transactions_linger(void);
/* A transaction around a block. One that is open in a generator or coroutine that is
 * not recorded itself hangs on that frame: it is suspended and resumed with it. */
struct block {
    struct block *next; /* hanging in the same bucket; the innermost first */
    uintptr_t frame;    /* it hangs on; 0: on none */
    uintptr_t key;      /* of the open call */
    const struct marey_function *function;
    _Atomic bool is_parked; /* suspended with its frame */
};
/* Hangs it on the frame that runs, if need be. */
void transactions_hang(struct block *block);
void transactions_unhang(struct block *block);
void transactions_park(struct marey_lane *lane, uintptr_t frame);
void transactions_unpark(struct marey_lane *lane, uintptr_t frame);

/* ---- transaction.c ---- */

int transaction_add(PyObject *module);
/* Gives the type, whose objects have a vectorcall slot, __enter__ and __exit__: they
 * are called with nothing, and with three arguments. */
int entrance_add(PyTypeObject *type);

/* ---- children.c ---- */

/* Calls that start children or learn of their end are seen from here on. A child finds
 * the trace by `options`, the value of its MAREY_TRACE; empty: it is not to. `flow` is
 * the arrow that leads to this process; 0: none. */
void children_watch(const char *options, uint64_t flow);
/* server_flow(owner, descriptor): the arrow to a child of the fork server; 0: none. */
PyObject *children_server_flow(PyObject *module, PyObject *args);
void children_leave(void);

/* ---- module.c ---- */

/* The process ends now, with this status: all that is to be written is. */
void process_end(int status);

/* ---- calibrate.c ---- */

/* Measures and stores what an event costs. The hooks are on. */
void calibrate(void);
#define CALIBRATION_FILE "<calibration>" /* of the functions that it calls */

/* ---- marks.c ---- */

int marks_add(PyObject *module);

#endif
