/* Where calls are made from: an id for what one instruction calls.
 *
 * A place is an instruction of the calling frame; what it calls is a code object or a C
 * callable. Each such pair that is seen gets a record of its own, which stands for the
 * function in the events, so that a call and the line it was made from take no more
 * bytes than the call. The hook finds the pair by its two addresses in a table of fixed
 * size, and need not look at the callee at all; where another pair has the place in
 * that table, in one that holds them all. Both are read without a lock.
 *
 * Addresses are used again. A code object that dies takes with it the pairs it made and
 * those it was called in; C callables are held for ever.
 */
#include <pthread.h>

#include "tracer.h"

#define ENTRIES_MAX (1 << 17) /* further calls are of no known place */

/* All pairs: open addressing. */
struct pairs {
    uint32_t mask; /* capacity - 1; the capacity is a power of two */
    uint32_t count;
    _Atomic(struct callers_entry *) entries[];
};

struct callers_entry callers_nothing;
#define NOTHING_8                                                                      \
    &callers_nothing, &callers_nothing, &callers_nothing, &callers_nothing,            \
        &callers_nothing, &callers_nothing, &callers_nothing, &callers_nothing
#define NOTHING_64                                                                     \
    NOTHING_8, NOTHING_8, NOTHING_8, NOTHING_8, NOTHING_8, NOTHING_8, NOTHING_8,       \
        NOTHING_8
#define NOTHING_512                                                                    \
    NOTHING_64, NOTHING_64, NOTHING_64, NOTHING_64, NOTHING_64, NOTHING_64,            \
        NOTHING_64, NOTHING_64
#define NOTHING_4096                                                                   \
    NOTHING_512, NOTHING_512, NOTHING_512, NOTHING_512, NOTHING_512, NOTHING_512,      \
        NOTHING_512, NOTHING_512
_Atomic(struct callers_entry *) callers_table[CALLERS_TABLE] = {
    NOTHING_4096, NOTHING_4096, NOTHING_4096, NOTHING_4096};
static_assert(CALLERS_TABLE == 4 * 4096, "as many as there are");

static struct pairs *_Atomic all; /* NULL: none yet; replaced by larger ones */
static uint32_t entry_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what writes them */

/* The multiplier is 2^64 over the golden ratio (Knuth 6.4). */
static uint32_t
hash(uintptr_t place, const void *callee)
{
    return (uint32_t)((place * 2 + (uintptr_t)callee) * UINT64_C(0x9E3779B97F4A7C15) >>
                      32);
}

static uintptr_t
place_of(const struct callers_entry *entry)
{
    return __atomic_load_n(&entry->place, __ATOMIC_RELAXED);
}

static struct callers_entry *
find(uintptr_t place, const void *callee)
{
    struct pairs *pairs = atomic_load_explicit(&all, memory_order_acquire);

    for (uint32_t at = hash(place, callee); pairs != NULL; at++) {
        struct callers_entry *entry = atomic_load_explicit(
            &pairs->entries[at & pairs->mask], memory_order_acquire);
        if (entry == NULL)
            break;
        if (place_of(entry) == place && entry->callee == callee)
            return entry;
    }
    return NULL;
}

static void
insert(struct pairs *pairs, struct callers_entry *entry)
{
    uint32_t at = hash(place_of(entry), entry->callee);

    while (atomic_load(&pairs->entries[at & pairs->mask]) != NULL)
        at++;
    atomic_store_explicit(&pairs->entries[at & pairs->mask], entry,
                          memory_order_release);
    pairs->count++;
}

/* Makes room for one more. The old table is never freed: a reader may be in it, and all
 * old ones together are no larger than the new one. NULL: out of memory. */
static struct pairs *
with_room(struct pairs *old)
{
    uint32_t capacity = old == NULL ? 1024 : (old->mask + 1) * 2;

    if (old != NULL && (old->count + 1) * 2 <= old->mask + 1)
        return old;
    struct pairs *pairs =
        calloc(1, sizeof(*pairs) + capacity * sizeof(pairs->entries[0]));
    if (pairs == NULL)
        return NULL;
    pairs->mask = capacity - 1;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        struct callers_entry *entry = atomic_load(&old->entries[i]);
        if (entry != NULL && place_of(entry) != 0)
            insert(pairs, entry);
    }
    atomic_store_explicit(&all, pairs, memory_order_release);
    return pairs;
}

/* What stands for calls of the function from where the frame is now: the function
 * itself where the caller is not known, or that has no line. */
static const struct marey_function *
made_by(const struct pc_frame *frame, const struct marey_function *caller,
        const struct marey_function *function)
{
    int line = caller == NULL ? 0 : pc_frame_line(frame);
    const struct marey_function *made =
        line > 0 ? marey_define_call_site(function, caller, (uint32_t)line) : NULL;

    return made != NULL ? made : function;
}

/* The function of the code that runs in the frame; NULL: the trace does not know it. */
static struct marey_function *
function_of(const struct pc_frame *frame)
{
    PyCodeObject *code = pc_frame_code(frame);
    struct marey_function *function = code == NULL ? NULL : codes_known(code);

    if (code != NULL && function == NULL)
        function = codes_first_sight(code, frame->globals);
    return function == NULL || function->id == 0 || function->owner == NULL ? NULL
                                                                            : function;
}

static struct callers_entry *
add(const struct pc_frame *frame, uintptr_t place, const void *callee, PyObject *keeper,
    const struct marey_function *function)
{
    struct marey_function *caller = function_of(frame);
    struct callers_entry *entry = NULL;

    pthread_mutex_lock(&lock);
    struct pairs *pairs =
        entry_count < ENTRIES_MAX ? with_room(atomic_load(&all)) : NULL;
    if (pairs != NULL)
        entry = calloc(1, sizeof(*entry));
    if (entry != NULL) {
        entry->callee = callee;
        Py_XINCREF(keeper);
        entry->function = made_by(frame, caller, function);
        __atomic_store_n(&entry->place, place, __ATOMIC_RELEASE);
        if (caller != NULL) {
            struct callers_of_code *links = codes_callers(caller);
            entry->next_made = links->made;
            links->made = entry;
        }
        if ((function->flags & MAREY_FUNCTION_C) == 0) {
            struct callers_of_code *links = codes_callers(function);
            entry->next_called = links->called;
            links->called = entry;
        }
        insert(pairs, entry);
        entry_count++;
    }
    pthread_mutex_unlock(&lock);
    return entry;
}

/* Two that fall on one slot share it and its neighbour. */
static void
put_in_table(struct callers_entry *entry, const struct marey_function *function)
{
    size_t slot = callers_slot(entry->place, entry->callee);

    pthread_mutex_lock(&lock);
    if (!function->is_skipped && !function->is_slow && function->keep_rules == 0) {
        struct callers_entry *before = atomic_load(&callers_table[slot]);
        if (before->place != 0)
            atomic_store_explicit(&callers_table[slot ^ 1], before,
                                  memory_order_release);
        atomic_store_explicit(&callers_table[slot], entry, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
}

const struct marey_function *
callers_made(const struct pc_frame *frame, const void *callee, PyObject *keeper,
             const struct marey_function *function, bool is_quick)
{
    uintptr_t place = frame == NULL ? 0 : pc_frame_place(frame);
    const struct marey_function *made =
        place == 0 ? NULL : callers_quick(frame, callee);

    if (made == NULL && place != 0)
        made = callers_near(frame, callee);
    if (made != NULL && made->base == function)
        return made;
    struct callers_entry *entry = place == 0 ? NULL : find(place, callee);

    if (entry != NULL && entry->function->base != function) {
        /* The callee became another function. */
        __atomic_store_n(&entry->place, 0, __ATOMIC_RELEASE);
        entry = NULL;
    }
    if (entry == NULL && place != 0)
        entry = add(frame, place, callee, keeper, function);
    if (entry == NULL)
        return function;
    if (is_quick)
        put_in_table(entry, function);
    return entry->function;
}

void
callers_clear(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CALLERS_TABLE; i++)
        atomic_store_explicit(&callers_table[i], &callers_nothing,
                              memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    sites_forget();
}

void
callers_forget(struct callers_of_code *links)
{
    pthread_mutex_lock(&lock);
    for (struct callers_entry *entry = links->made; entry != NULL;
         entry = entry->next_made)
        __atomic_store_n(&entry->place, 0, __ATOMIC_RELEASE);
    for (struct callers_entry *entry = links->called; entry != NULL;
         entry = entry->next_called)
        __atomic_store_n(&entry->place, 0, __ATOMIC_RELEASE);
    *links = (struct callers_of_code){NULL, NULL};
    pthread_mutex_unlock(&lock);
}
