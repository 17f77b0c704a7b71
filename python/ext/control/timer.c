/* `record(every=…, for_=…)`: a thread of our own that turns recording on and off.
 *
 * It sleeps, takes the interpreter's lock, calls `turn(on)`, gives the lock back. It
 * blocks all signals and is unknown to `threading`. A forked child has none.
 */
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "tracer.h"

#define STACK_BYTES (1 << 20) /* Python code runs on it */
#define SECOND_NS UINT64_C(1000000000)

static struct {
    bool is_on;
    atomic_bool is_ending;
    pid_t pid; /* whose thread it is */
    pthread_t thread;
    sem_t ends;
    PyObject *turn; /* owned */
    uint64_t on_ns, off_ns;
} timer;

static void
call_turn(bool is_on)
{
    if (pc_is_finalizing())
        return;
    PyGILState_STATE state = PyGILState_Ensure();
    if (!atomic_load(&timer.is_ending)) {
        PyObject *result = PyObject_CallOneArg(timer.turn, is_on ? Py_True : Py_False);
        Py_XDECREF(result);
        PyErr_Clear();
    }
    PyGILState_Release(state);
}

static void *
timer_main(void *unused)
{
    uint64_t due_ns = marey_monotonic_ns();
    bool is_on = false;

    (void)unused;
    pthread_setname_np(pthread_self(), "marey-timer");
    while (!atomic_load(&timer.is_ending)) {
        is_on = !is_on;
        call_turn(is_on);
        due_ns += is_on ? timer.on_ns : timer.off_ns;
        struct timespec until = {(time_t)(due_ns / SECOND_NS),
                                 (long)(due_ns % SECOND_NS)};
        while (!atomic_load(&timer.is_ending) && marey_monotonic_ns() < due_ns)
            sem_clockwait(&timer.ends, CLOCK_MONOTONIC, &until);
    }
    return NULL;
}

PyObject *
timer_start(PyObject *module, PyObject *args)
{
    unsigned long long every_ns, for_ns;
    PyObject *turn;

    (void)module;
    if (!PyArg_ParseTuple(args, "OKK:every", &turn, &every_ns, &for_ns))
        return NULL;
    if (timer.is_on && timer.pid == getpid()) {
        PyErr_SetString(PyExc_RuntimeError, "a recording is on a timer already in this "
                                            "process; stop it first");
        return NULL;
    }
    Py_XSETREF(timer.turn, Py_NewRef(turn));
    timer.on_ns = for_ns;
    timer.off_ns = every_ns - for_ns;
    timer.pid = getpid();
    atomic_store(&timer.is_ending, false);
    sem_init(&timer.ends, 0, 0);
    timer.is_on = marey_thread_start(timer_main, STACK_BYTES, &timer.thread);
    if (timer.is_on)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_OSError, "cannot make a thread for the timer");
    return NULL;
}

PyObject *
timer_stop(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (!timer.is_on)
        Py_RETURN_NONE;
    timer.is_on = false;
    atomic_store(&timer.is_ending, true);
    if (timer.pid == getpid()) {
        sem_post(&timer.ends);
        Py_BEGIN_ALLOW_THREADS /* it may be waiting for the lock */
            pthread_join(timer.thread, NULL);
        Py_END_ALLOW_THREADS
    }
    Py_CLEAR(timer.turn);
    Py_RETURN_NONE;
}
