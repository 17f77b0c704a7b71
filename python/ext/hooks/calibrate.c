/* What one event costs here: measured at the start of each recording, stored in the
 * trace, so that readers can take it off the times they show.
 *
 * A small loop of calls runs bare and under the hooks, in turn; the fastest of a few
 * rounds each is kept. What the hooks wrote is taken back from the lane. A third of a
 * millisecond in all.
 */
#include "tracer.h"

#define ROUNDS 3
#define CALLS 200 /* in one run: as in the sources below; all fit the first slot */

static const char python_loop[] = "def f():\n"
                                  "    pass\n"
                                  "def run():\n"
                                  "    for _ in range(50):\n"
                                  "        f(); f(); f(); f()\n";
static const char c_loop[] = "def run(f):\n"
                             "    for _ in range(50):\n"
                             "        f(); f(); f(); f()\n";

static PyObject *
compile_loop(const char *source)
{
    PyObject *space = PyDict_New(), *code, *result = NULL, *run = NULL;

    if (space == NULL)
        return NULL;
    code = Py_CompileString(source, CALIBRATION_FILE, Py_file_input);
    if (code != NULL &&
        PyDict_SetItemString(space, "__builtins__", PyEval_GetBuiltins()) == 0)
        result = PyEval_EvalCode(code, space, space);
    if (result != NULL)
        run = Py_XNewRef(PyDict_GetItemString(space, "run"));
    Py_XDECREF(result);
    Py_XDECREF(code);
    Py_DECREF(space);
    return run;
}

static uint64_t
time_once(PyObject *run, PyObject *argument)
{
    uint64_t start = marey_monotonic_ns();
    PyObject *result = argument == NULL ? PyObject_CallNoArgs(run)
                                        : PyObject_CallOneArg(run, argument);

    Py_XDECREF(result);
    return marey_monotonic_ns() - start;
}

/* Picoseconds an event of `run`, or 0. */
static uint64_t
cost_of(struct marey_lane *lane, PyObject *run, PyObject *argument)
{
    uint64_t bare = UINT64_MAX, hooked = UINT64_MAX;
    struct marey_rehearsal before;

    for (int i = 0; i <= ROUNDS; i++) {
        hooks_pause(true);
        time_once(run, argument); /* the code is instrumented anew at its first run */
        uint64_t ns = time_once(run, argument);
        bare = ns < bare ? ns : bare;
        if (!marey_rehearsal_begin(lane, &before))
            return 0;
        hooks_pause(false);
        time_once(run, argument);
        ns = time_once(run, argument);
        hooks_pause(true);
        marey_rehearsal_end(lane, &before);
        hooked = ns < hooked ? ns : hooked;
    }
    return hooked > bare ? (hooked - bare) * 1000 / (2 * CALLS) : 0;
}

/* A C function that is called as most are and does next to nothing. */
static PyObject *
cheap_function(void)
{
    PyObject *empty = PyTuple_New(0), *method = NULL;

    if (empty != NULL)
        method = PyObject_GetAttrString(empty, "__sizeof__");
    Py_XDECREF(empty);
    return method;
}

void
calibrate(void)
{
    struct pc_exception saved = pc_exception_take();
    struct marey_lane *lane = marey_lane_attach();
    hooks_pause(true);
    PyObject *python_run = compile_loop(python_loop), *c_run = compile_loop(c_loop);
    PyObject *function = cheap_function();

    if (lane != NULL && python_run != NULL && c_run != NULL && function != NULL) {
        uint64_t python_ps = cost_of(lane, python_run, NULL);
        uint64_t c_ps = tracer.c_calls ? cost_of(lane, c_run, function) : 0;
        marey_define_cost(MAREY_COST_PYTHON, python_ps);
        if (tracer.c_calls)
            marey_define_cost(MAREY_COST_C, c_ps);
    }
    hooks_pause(false);
    Py_XDECREF(function);
    Py_XDECREF(c_run);
    Py_XDECREF(python_run);
    PyErr_Clear();
    pc_exception_give(saved);
}
