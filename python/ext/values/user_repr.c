/* --repr=user: what objects say of themselves, within a limit of time each.
 *
 * The one place where a recording runs code of the program, because it was asked to.
 * Events of that code are left out. A repr that takes longer than the limit gets an
 * exception from a thread that watches the clock (Python code ends at once, a call
 * into C when it comes back); its class, like one whose repr raises, is not asked
 * again in this process, and its objects are recorded by what they hold.
 */
#include "values/impl.h"
#include "values/objects.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"

#define LIMIT_NS 10000000 /* of one repr */
#define WATCHES_MAX 64    /* threads that are inside one at a time */
#define REFUSED_MAX 512   /* classes that are not asked again; more than that: none */

bool values_user_repr;

/* ---- classes that had their chance ---- */

static _Atomic(uint32_t) refused[REFUSED_MAX]; /* string ids of their names */

static bool
is_refused(uint32_t name)
{
    for (unsigned i = 0; i < REFUSED_MAX; i++) {
        uint32_t found = atomic_load_explicit(&refused[i], memory_order_relaxed);
        if (found == name)
            return true;
        if (found == 0)
            return false;
    }
    return true;
}

static void
refuse(uint32_t name)
{
    for (unsigned i = 0; i < REFUSED_MAX; i++) {
        uint32_t none = 0;
        if (atomic_compare_exchange_strong(&refused[i], &none, name) || none == name)
            return;
    }
}

/* ---- the watch ---- */

struct watch {
    unsigned long thread; /* 0: free */
    uint64_t deadline_ns;
    bool has_fired;
};
static struct watch watches[WATCHES_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool is_watching;
static PyObject *timeout_type; /* owned */

/* The watch that is due first and was not told yet; NULL: none. */
static struct watch *
first_due(void)
{
    struct watch *first = NULL;

    for (unsigned i = 0; i < WATCHES_MAX; i++)
        if (watches[i].thread != 0 && !watches[i].has_fired &&
            (first == NULL || watches[i].deadline_ns < first->deadline_ns))
            first = &watches[i];
    return first;
}

/* Raises in the thread, if it is still in the repr it was in. Unlocks meanwhile. */
static void
fire(const struct watch *due)
{
    struct watch was = *due;

    pthread_mutex_unlock(&lock);
    PyGILState_STATE state = PyGILState_Ensure();
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < WATCHES_MAX; i++) {
        if (watches[i].thread == was.thread &&
            watches[i].deadline_ns == was.deadline_ns) {
            watches[i].has_fired = true;
            PyThreadState_SetAsyncExc(was.thread, timeout_type);
        }
    }
    pthread_mutex_unlock(&lock);
    PyGILState_Release(state);
    pthread_mutex_lock(&lock);
}

static void *
watch_clock(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        const struct watch *due = first_due();
        if (due == NULL) {
            pthread_cond_wait(&changed, &lock);
        } else if (due->deadline_ns <= marey_monotonic_ns()) {
            fire(due);
        } else {
            struct timespec until = {(time_t)(due->deadline_ns / 1000000000),
                                     (long)(due->deadline_ns % 1000000000)};
            pthread_cond_timedwait(&changed, &lock, &until);
        }
    }
    return NULL;
}

static void
forget_watches(void)
{
    pthread_mutex_init(&lock, NULL);
    memset(watches, 0, sizeof(watches));
    is_watching = false;
}

/* The lock is held. */
static bool
start_watching(void)
{
    static bool has_handler;
    pthread_condattr_t attributes;
    pthread_t thread;

    if (is_watching)
        return true;
    if (!has_handler)
        pthread_atfork(NULL, NULL, forget_watches);
    has_handler = true;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
    is_watching = marey_thread_start(watch_clock, 0, &thread);
    if (is_watching)
        pthread_detach(thread);
    return is_watching;
}

static struct watch *
begin_watch(void)
{
    struct watch *watch = NULL;

    pthread_mutex_lock(&lock);
    if (start_watching())
        for (unsigned i = 0; watch == NULL && i < WATCHES_MAX; i++)
            if (watches[i].thread == 0)
                watch = &watches[i];
    if (watch != NULL) {
        *watch = (struct watch){PyThread_get_thread_ident(),
                                marey_monotonic_ns() + LIMIT_NS, false};
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
    return watch;
}

/* Has the exception raised, here, that was too late for the repr. It is not taken back
 * by PyThreadState_SetAsyncExc(…, NULL): on 3.11 that leaves the interpreter asking for
 * it for ever, and under a profile function in an endless loop. */
static void
receive(void)
{
    struct pc_exception saved = pc_exception_take();
    PyObject *names = PyDict_New();
    PyObject *result =
        names == NULL ? NULL : PyRun_String("0", Py_eval_input, names, names);

    Py_XDECREF(result);
    Py_XDECREF(names);
    PyErr_Clear();
    pc_exception_give(saved);
}

/* Whether the time was over. */
static bool
end_watch(struct watch *watch)
{
    pthread_mutex_lock(&lock);
    bool has_fired = watch->has_fired;
    watch->thread = 0;
    pthread_mutex_unlock(&lock);
    if (has_fired && PyThreadState_Get()->async_exc != NULL)
        receive();
    return has_fired;
}

/* ---- asking ---- */

static MAREY_THREAD_LOCAL bool is_inside;

/* Whether a class of the program says how its objects are written. */
static bool
has_own_repr(PyTypeObject *type)
{
    PyTypeObject *base = type;

    while (base != NULL && (base->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 &&
           (base->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) == 0)
        base = base->tp_base;
    return base != type && base != NULL && type->tp_repr != base->tp_repr &&
           type->tp_repr != PyBaseObject_Type.tp_repr;
}

PyObject *
values_ask_repr(PyObject *object, uint32_t type_name)
{
    if (is_inside || !has_own_repr(Py_TYPE(object)) || is_refused(type_name))
        return NULL;
    if (timeout_type == NULL)
        timeout_type =
            PyErr_NewException("marey._core.ReprTimeout", PyExc_BaseException, NULL);
    struct watch *watch = timeout_type == NULL ? NULL : begin_watch();
    if (watch == NULL) {
        PyErr_Clear();
        return NULL;
    }
    is_inside = true;
    marey_lane_ignore(true);
    PyObject *text = PyObject_Repr(object);
    bool was_late = end_watch(watch);
    marey_lane_ignore(false);
    is_inside = false;
    if (text == NULL && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        PyErr_SetInterrupt(); /* the program is to have it */
    else if (text == NULL || was_late)
        refuse(type_name);
    PyErr_Clear();
    return text;
}
