/* Calls that start a child, end the process or learn of a child's end.
 *
 * For the parent link, the arrow and the exit status we must act at these calls, also
 * where C functions are filtered out; and a child that is given an environment of its
 * own (`env={}`) must still find the trace. So while a recording is on, the entries of
 * these C functions in the method tables of their modules lead to wrappers here:
 *
 *   fork forkpty                        the child's arrow
 *   _posixsubprocess.fork_exec          MAREY_TRACE in the environment list
 *   posix_spawn posix_spawnp            the same in the mapping
 *   execv execve                        the same; and the process is said to change
 *   system                              the same in the process's own, for the moment
 *   pipe                                of a child that the fork server forks
 *   _exit                               the status
 *   waitpid wait wait3 wait4 waitid     the status of a child
 *   sys.setprofile                      see set_profile()
 *
 * Nothing of this can be seen from Python: the function objects are the same, and so
 * are arguments and results, but for that one variable. stop() puts the entries back.
 * An environment in which the variable has a value that is not ours is left alone; so
 * is a mapping that is no dict and not os.environ, as reading it would run user code.
 * One thing is different: such a function's hash changes with its entry, so a program
 * that had a set of them before it started a recording in code misses them in it.
 *
 * Roads not taken: audit hooks cannot be removed again and make each id() dearer;
 * patching `subprocess` is visible and misses what does not go through it; a child that
 * looks its parent's environment up in /proc pays for it in every Python of the
 * machine, and finds what the parent was started with instead of what it does now.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "marey/capture_keep.h"
#include "tracer.h"

#define VARIABLE "MAREY_TRACE"
#define FORK_EXEC_ENVIRONMENT 5
#define FORK_EXEC_PREEXEC 21
#define ARGUMENTS_MAX 40 /* of a call that is changed; more: it is left as it is */

enum kind { FORK, SPAWN, EXEC, SHELL, PIPE, EXIT, WAIT, WAIT_ID, PROFILE };
static struct method {
    const char *module, *name;
    enum kind kind;
    int environment;  /* which argument; -1: the process's own */
    PyMethodDef *def; /* borrowed: static in its module; NULL: not there */
    PyCFunction original;
} methods[] = {
    {"posix", "fork", FORK, -1, NULL, NULL},
    {"posix", "forkpty", FORK, -1, NULL, NULL},
    {"_posixsubprocess", "fork_exec", SPAWN, FORK_EXEC_ENVIRONMENT, NULL, NULL},
    {"posix", "posix_spawn", SPAWN, 2, NULL, NULL},
    {"posix", "posix_spawnp", SPAWN, 2, NULL, NULL},
    {"posix", "execv", EXEC, -1, NULL, NULL},
    {"posix", "execve", EXEC, 2, NULL, NULL},
    {"posix", "system", SHELL, -1, NULL, NULL},
    {"posix", "_exit", EXIT, -1, NULL, NULL},
    {"posix", "waitpid", WAIT, -1, NULL, NULL},
    {"posix", "wait", WAIT, -1, NULL, NULL},
    {"posix", "wait3", WAIT, -1, NULL, NULL},
    {"posix", "wait4", WAIT, -1, NULL, NULL},
    {"posix", "waitid", WAIT_ID, -1, NULL, NULL},
    {"sys", "setprofile", PROFILE, -1, NULL, NULL},
    {"posix", "pipe", PIPE, -1, NULL, NULL},
};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

/* Serial of the process that started the fork server which this one asks for children;
 * 0: none that knows of the trace. Those that it forks ask the same one. */
static uint32_t server_owner;
static char *base; /* owned: "MAREY_TRACE=" and the options, as a child needs them */

/* A call as it came. */
struct call {
    const struct method *method;
    PyObject *self;
    PyObject *const *args; /* by position, then by name */
    Py_ssize_t count;      /* by position */
    PyObject *names;       /* of the others; NULL: none */
};

static PyObject *
go(const struct call *call)
{
    PyCFunction original = call->method->original;
    PyObject *tuple, *result;

    switch (call->method->def->ml_flags) {
    case METH_NOARGS: return original(call->self, NULL);
    case METH_O: return original(call->self, call->args[0]);
    case METH_FASTCALL:
        return ((_PyCFunctionFast)(void (*)(void))original)(call->self, call->args,
                                                            call->count);
    case METH_FASTCALL | METH_KEYWORDS:
        return ((_PyCFunctionFastWithKeywords)(void (*)(void))original)(
            call->self, call->args, call->count, call->names);
    default: break;
    }
    tuple = PyTuple_New(call->count);
    for (Py_ssize_t i = 0; tuple != NULL && i < call->count; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(call->args[i]));
    result = tuple == NULL ? NULL : original(call->self, tuple);
    Py_XDECREF(tuple);
    return result;
}

/* The argument of this position or name; its place, or -1. */
static Py_ssize_t
find_argument(const struct call *call, int position, const char *name)
{
    Py_ssize_t named = call->names == NULL ? 0 : PyTuple_GET_SIZE(call->names);

    if (position >= 0 && position < call->count)
        return position;
    for (Py_ssize_t i = 0; i < named; i++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(call->names, i), name) ==
            0)
            return call->count + i;
    return -1;
}

/* ---- the variable ---- */

/* "MAREY_TRACE=…;from=SERIAL.FLOW". The caller frees it. NULL: not recording. */
static char *
variable_text(uint64_t flow)
{
    uint32_t process = marey_recording_process();
    size_t size = base == NULL ? 0 : strlen(base) + 48;
    char *text = base == NULL || process == 0 ? NULL : malloc(size);

    if (text != NULL)
        snprintf(text, size, "%s;from=%u.%llu", base, process,
                 (unsigned long long)flow);
    return text;
}

static bool
is_variable(const char *entry)
{
    return strncmp(entry, VARIABLE "=", sizeof(VARIABLE)) == 0;
}

/* Whether a value may be replaced: there is none, or it is ours. */
static bool
is_ours(const char *entry)
{
    return entry == NULL || strcmp(entry, base) == 0;
}

/* The entry in the process's environment, or NULL. */
static char **
own_entry(void)
{
    for (char **at = environ; at != NULL && *at != NULL; at++)
        if (is_variable(*at))
            return at;
    return NULL;
}

/* A list of bytes with the variable in it; new, or NULL without an exception. */
static PyObject *
changed_list(PyObject *entries, const char *text)
{
    PyObject *list = PySequence_List(entries), *bytes = PyBytes_FromString(text);
    Py_ssize_t at = 0;

    if (list == NULL || bytes == NULL)
        goto fail;
    for (; at < PyList_GET_SIZE(list); at++) {
        PyObject *entry = PyList_GET_ITEM(list, at);
        if (!PyBytes_Check(entry))
            goto fail;
        if (is_variable(PyBytes_AS_STRING(entry)))
            break;
    }
    if (at < PyList_GET_SIZE(list)) {
        if (!is_ours(PyBytes_AS_STRING(PyList_GET_ITEM(list, at))))
            goto fail;
        PyList_SetItem(list, at, bytes);
    } else {
        int status = PyList_Append(list, bytes);
        Py_DECREF(bytes);
        if (status < 0) {
            bytes = NULL;
            goto fail;
        }
    }
    return list;
fail:
    Py_XDECREF(list);
    Py_XDECREF(bytes);
    PyErr_Clear();
    return NULL;
}

/* The process's own environment as a list of bytes. New. */
static PyObject *
own_list(void)
{
    PyObject *list = PyList_New(0);

    for (char **at = environ; list != NULL && at != NULL && *at != NULL; at++) {
        PyObject *bytes = PyBytes_FromString(*at);
        if (bytes == NULL || PyList_Append(list, bytes) < 0)
            Py_CLEAR(list);
        Py_XDECREF(bytes);
    }
    return list;
}

#if PY_VERSION_HEX >= 0x030D0000 /* posix_spawn(…, None) means the own one */
/* The same as a dict. New, or NULL. */
static PyObject *
own_dict(void)
{
    PyObject *dict = PyDict_New();

    for (char **at = environ; dict != NULL && at != NULL && *at != NULL; at++) {
        const char *sign = strchr(*at, '=');
        PyObject *key =
            sign == NULL ? NULL : PyBytes_FromStringAndSize(*at, sign - *at);
        PyObject *value = sign == NULL ? NULL : PyBytes_FromString(sign + 1);
        if (key != NULL && value != NULL && !PyDict_Contains(dict, key))
            PyDict_SetItem(dict, key, value);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}
#endif

/* The dict behind a mapping that may be read without running code. New, or NULL. */
static PyObject *
plain_dict(PyObject *mapping)
{
    PyObject *name, *data;

    if (PyDict_CheckExact(mapping))
        return PyDict_Copy(mapping);
#if PY_VERSION_HEX >= 0x030D0000
    if (mapping == Py_None)
        return own_dict();
#endif
    if (strcmp(Py_TYPE(mapping)->tp_name, "_Environ") != 0)
        return NULL;
    name = PyUnicode_FromString("_data");
    data = name == NULL ? NULL : PyObject_GenericGetAttr(mapping, name);
    PyObject *copy = data != NULL && PyDict_CheckExact(data) ? PyDict_Copy(data) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(data);
    return copy;
}

/* A copy of the mapping with the variable in it; new, or NULL without an exception. */
static PyObject *
changed_mapping(PyObject *mapping, const char *text)
{
    PyObject *copy = plain_dict(mapping), *key = PyBytes_FromString(VARIABLE);
    PyObject *name = PyUnicode_FromString(VARIABLE), *old = NULL, *value = NULL;
    bool is_right = copy != NULL && key != NULL && name != NULL;

    if (is_right && pc_get_item_ref(copy, name, &old) > 0)
        Py_SETREF(key, Py_NewRef(name));
    else if (is_right && old == NULL && !PyErr_Occurred())
        pc_get_item_ref(copy, key, &old);
    if (old != NULL) {
        PyObject *bytes =
            PyUnicode_Check(old) ? PyUnicode_EncodeFSDefault(old) : Py_NewRef(old);
        is_right = bytes != NULL && PyBytes_Check(bytes) &&
                   strcmp(PyBytes_AS_STRING(bytes), base + sizeof(VARIABLE)) == 0;
        Py_XDECREF(bytes);
    }
    if (is_right)
        value = PyBytes_FromString(text + sizeof(VARIABLE));
    if (value == NULL || PyDict_SetItem(copy, key, value) < 0)
        Py_CLEAR(copy);
    Py_XDECREF(key);
    Py_XDECREF(name);
    Py_XDECREF(old);
    Py_XDECREF(value);
    PyErr_Clear();
    return copy;
}

/* ---- the process's own environment, for the length of a call ---- */

static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned own_users;
static char *own_before, *own_text; /* own_text owned while there are users */

/* As os.putenv() does. A second call meanwhile takes the arrow off both: none is better
 * than a wrong one. */
static bool
own_environment_change(uint64_t flow)
{
    char **entry = own_entry();
    bool is_changed = false;

    pthread_mutex_lock(&own_lock);
    if (own_users > 0) {
        char *end = own_text + strlen(own_text), *dot = strrchr(own_text, '.');
        if (dot != NULL && end - dot > 1)
            memcpy(dot, ".0", 3);
        own_users++;
        is_changed = true;
    } else if (entry == NULL || is_ours(*entry)) {
        own_text = variable_text(flow);
        own_before = entry == NULL ? NULL : *entry;
        is_changed = own_text != NULL && putenv(own_text) == 0;
        own_users = is_changed;
    }
    pthread_mutex_unlock(&own_lock);
    return is_changed;
}

static void
own_environment_restore(void)
{
    pthread_mutex_lock(&own_lock);
    if (--own_users == 0) {
        char **entry = own_entry();
        bool is_still = entry != NULL && *entry == own_text;
        if (is_still && own_before != NULL)
            putenv(own_before);
        else if (is_still)
            unsetenv(VARIABLE);
        if (own_entry() == NULL || *own_entry() != own_text)
            free(own_text);
        own_text = NULL;
    }
    pthread_mutex_unlock(&own_lock);
}

/* ---- calls that start a child ---- */

static PyObject *
go_changed(struct call *call, Py_ssize_t at, uint64_t flow)
{
    Py_ssize_t named = call->names == NULL ? 0 : PyTuple_GET_SIZE(call->names);
    PyObject *args[ARGUMENTS_MAX], *changed = NULL, *own = NULL, *result;
    char *text = NULL;

    if (at < 0 || call->count + named > ARGUMENTS_MAX)
        return go(call);
    PyObject *environment = call->args[at];
    text = variable_text(flow);
    bool is_list = PyList_CheckExact(environment) || PyTuple_CheckExact(environment);
    if (text != NULL && environment == Py_None &&
        call->method->environment == FORK_EXEC_ENVIRONMENT)
        environment = own = own_list();
    if (text == NULL || environment == NULL)
        PyErr_Clear();
    else if (is_list || own != NULL)
        changed = changed_list(environment, text);
    else
        changed = changed_mapping(environment, text);
    if (changed != NULL) {
        for (Py_ssize_t i = 0; i < call->count + named; i++)
            args[i] = call->args[i];
        args[at] = changed;
        call->args = args;
    }
    result = go(call);
    Py_XDECREF(changed);
    Py_XDECREF(own);
    free(text);
    return result;
}

/* Helpers of multiprocessing are no processes of the trace: no arrow leads there. */
static bool
starts_helper(const struct call *call)
{
    bool is_helper = false;
    PyObject *words =
        call->count > 0 && call->method->environment == FORK_EXEC_ENVIRONMENT
            ? call->args[0]
            : NULL;
    Py_ssize_t count = words == NULL          ? 0
                       : PyList_Check(words)  ? PyList_GET_SIZE(words)
                       : PyTuple_Check(words) ? PyTuple_GET_SIZE(words)
                                              : 0;

    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *word = PyList_Check(words) ? PyList_GET_ITEM(words, i)
                                             : PyTuple_GET_ITEM(words, i);
        const char *text = PyBytes_Check(word)     ? PyBytes_AS_STRING(word)
                           : PyUnicode_Check(word) ? PyUnicode_AsUTF8(word)
                                                   : NULL;
        if (text != NULL && strstr(text, "multiprocessing.forkserver") != NULL)
            server_owner = marey_recording_process();
        else if (text == NULL || strstr(text, "resource_tracker import main") == NULL)
            continue;
        is_helper = true;
    }
    PyErr_Clear();
    return is_helper;
}

/* ---- the fork server of multiprocessing ---- */

/* The arrow to a child that the fork server forks has an id that both sides can tell:
 * the serial of the process that started the server, and the inode of the pipe that
 * the asking process makes for this child and sends to the server. */
static uint64_t
server_flow(uint32_t owner, int descriptor)
{
    const uint64_t half = UINT64_C(1) << (MAREY_FLOW_BITS - 1);
    struct stat status;

    if (owner == 0 || fstat(descriptor, &status) < 0 || !S_ISFIFO(status.st_mode))
        return 0;
    return (uint64_t)owner << MAREY_FLOW_BITS | half |
           ((uint64_t)status.st_ino & (half - 1));
}

PyObject *
children_server_flow(PyObject *module, PyObject *args)
{
    unsigned owner;
    int descriptor;

    (void)module;
    if (!PyArg_ParseTuple(args, "Ii:server_flow", &owner, &descriptor))
        return NULL;
    return PyLong_FromUnsignedLongLong(server_flow(owner, descriptor));
}

/* Whether this is connect_to_new_process() making the first of its two pipes. */
static bool
is_asking_server(void)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyCodeObject *code = frame == NULL ? NULL : PyFrame_GetCode(frame);
    PyObject *locals = NULL, *before = NULL;
    const char *file = NULL;
    bool is_it = code != NULL && PyUnicode_CompareWithASCIIString(
                                     code->co_name, "connect_to_new_process") == 0;

    if (is_it)
        file = PyUnicode_AsUTF8(code->co_filename);
    if (file != NULL && strstr(file, "multiprocessing/forkserver.py") != NULL)
        locals = PyFrame_GetLocals(frame);
    if (locals != NULL)
        before = PyMapping_GetItemString(locals, "parent_r");
    is_it = locals != NULL && before == NULL;
    PyErr_Clear();
    Py_XDECREF(before);
    Py_XDECREF(locals);
    Py_XDECREF(code);
    Py_XDECREF(frame);
    return is_it;
}

static PyObject *
pipe_to_server(struct call *call)
{
    PyObject *ends = go(call);

    if (ends != NULL && server_owner != 0 && PyTuple_Check(ends) &&
        PyTuple_GET_SIZE(ends) == 2 && is_asking_server()) {
        long end = PyLong_AsLong(PyTuple_GET_ITEM(ends, 1));
        uint64_t flow = server_flow(server_owner, (int)end);
        if (flow != 0)
            marey_flow_out_as(marey_this_lane(), flow);
        PyErr_Clear();
    }
    return ends;
}

/* ---- starting ---- */

/* A preexec_fn may change the environment of the child, which then runs with that. */
static bool
runs_in_child(const struct call *call)
{
    return call->method->environment == FORK_EXEC_ENVIRONMENT &&
           call->count > FORK_EXEC_PREEXEC &&
           call->args[FORK_EXEC_ENVIRONMENT] == Py_None &&
           call->args[FORK_EXEC_PREEXEC] != Py_None;
}

static PyObject *
go_with_own(struct call *call, uint64_t flow)
{
    bool is_changed = own_environment_change(flow);
    PyObject *result = go(call);

    if (is_changed)
        own_environment_restore();
    return result;
}

static PyObject *
spawn(struct call *call)
{
    uint64_t flow = starts_helper(call) ? 0 : marey_flow_out(marey_this_lane());

    if (runs_in_child(call))
        return go_with_own(call, flow);
    return go_changed(call, find_argument(call, call->method->environment, "env"),
                      flow);
}

static PyObject *
fork_child(struct call *call)
{
    pid_t parent = getpid();
    bool rests = listen_rest();

    marey_recording_fork_flow(marey_flow_out(marey_this_lane()));
    PyObject *result = go(call);
    if (rests && getpid() == parent)
        listen_go_on();
    marey_recording_adopt();
    marey_recording_fork_flow(0);
    return result;
}

/* os.execvp tries each folder of PATH: only what can be executed starts anything. */
static bool
can_execute(const struct call *call)
{
    Py_ssize_t at = find_argument(call, 0, "path");
    PyObject *bytes = NULL;

    if (at >= 0 && PyUnicode_Check(call->args[at]))
        bytes = PyUnicode_EncodeFSDefault(call->args[at]);
    else if (at >= 0 && PyBytes_Check(call->args[at]))
        bytes = Py_NewRef(call->args[at]);
    else
        return true; /* a path object, or an open file */
    bool can = bytes != NULL && access(PyBytes_AS_STRING(bytes), X_OK) == 0;
    Py_XDECREF(bytes);
    PyErr_Clear();
    return can;
}

static PyObject *
exec(struct call *call)
{
    PyObject *result;

    if (!can_execute(call))
        return go(call);
    uint64_t flow = marey_flow_out(marey_this_lane());
    Py_BEGIN_ALLOW_THREADS
        marey_keep_flush();
    Py_END_ALLOW_THREADS
    marey_define_exec(false);
    if (call->method->environment < 0)
        result = go_with_own(call, flow);
    else
        result = go_changed(call, find_argument(call, 2, "env"), flow);
    marey_define_exec(true);
    return result;
}

static PyObject *
shell(struct call *call)
{
    return go_with_own(call, marey_flow_out(marey_this_lane()));
}

/* ---- ends ---- */

static PyObject *
exit_now(struct call *call)
{
    Py_ssize_t at = find_argument(call, 0, "status");

    if (at >= 0 && PyLong_Check(call->args[at])) {
        int is_over = 0;
        long status = PyLong_AsLongAndOverflow(call->args[at], &is_over);
        if (is_over == 0 && status >= INT_MIN && status <= INT_MAX)
            process_end((int)status & 0xff);
        PyErr_Clear();
    }
    return go(call);
}

static void
child_ended(long long pid, bool has_exited, int status)
{
    if (pid > 0)
        marey_define_child_end((uint64_t)pid, has_exited ? status : -status);
}

static PyObject *
wait_for(struct call *call)
{
    PyObject *result = go(call);

    if (result == NULL || !PyTuple_Check(result) || PyTuple_GET_SIZE(result) < 2 ||
        !PyLong_Check(PyTuple_GET_ITEM(result, 0)) ||
        !PyLong_Check(PyTuple_GET_ITEM(result, 1)))
        return result;
    long long pid = PyLong_AsLongLong(PyTuple_GET_ITEM(result, 0));
    int status = (int)PyLong_AsLong(PyTuple_GET_ITEM(result, 1));
    if (WIFEXITED(status))
        child_ended(pid, true, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        child_ended(pid, false, WTERMSIG(status));
    PyErr_Clear();
    return result;
}

/* A struct of si_pid, si_uid, si_signo, si_status, si_code. */
static PyObject *
wait_id(struct call *call)
{
    PyObject *result = go(call);

    if (result == NULL || !PyTuple_Check(result) || PyTuple_GET_SIZE(result) < 5)
        return result;
    long long pid = PyLong_AsLongLong(PyTuple_GET_ITEM(result, 0));
    int status = (int)PyLong_AsLong(PyTuple_GET_ITEM(result, 3));
    long code = PyLong_AsLong(PyTuple_GET_ITEM(result, 4));
    if (code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED)
        child_ended(pid, code == CLD_EXITED, status);
    PyErr_Clear();
    return result;
}

/* ---- the program's own profiler ---- */

static MAREY_THREAD_LOCAL Py_tracefunc real_profiler;

/* Stands for the program's profiler until its first event, and keeps one from it. */
static int
first_event(PyObject *object, PyFrameObject *frame, int what, PyObject *argument)
{
    Py_tracefunc real = real_profiler;

    PyThreadState_Get()->c_profilefunc = real;
    if (what == PyTrace_C_RETURN && PyCFunction_Check(argument) &&
        strcmp(((PyCFunctionObject *)argument)->m_ml->ml_name, "setprofile") == 0)
        return 0;
    return real(object, frame, what, argument);
}

/* Where C calls are watched, the interpreter tells a profiler that was just set of the
 * return of sys.setprofile() itself, whose call it has not seen: the `profile` module
 * fails on that. Nobody sees it where nothing is recorded. */
static PyObject *
set_profile(struct call *call)
{
    PyThreadState *state = PyThreadState_Get();
    bool was_set = state->c_profilefunc != NULL && !hooks_are(state->c_profilefunc);
    PyObject *result = go(call);

    if (!was_set && (tracer.c_calls || !MAREY_HAS_MONITORING) &&
        state->c_profilefunc != NULL && state->c_profilefunc != first_event &&
        !hooks_are(state->c_profilefunc)) {
        real_profiler = state->c_profilefunc;
        state->c_profilefunc = first_event;
    }
    return result;
}

/* ---- the wrappers ---- */

static PyObject *
intercept(unsigned index, PyObject *self, PyObject *const *args, Py_ssize_t count,
          PyObject *names)
{
    struct call call = {&methods[index], self, args, count, names};

    if (!marey_recording_is_on())
        return go(&call);
    switch (call.method->kind) {
    case FORK: return fork_child(&call);
    case SPAWN: return spawn(&call);
    case EXEC: return exec(&call);
    case SHELL: return shell(&call);
    case PIPE: return pipe_to_server(&call);
    case EXIT: return exit_now(&call);
    case WAIT: return wait_for(&call);
    case PROFILE: return set_profile(&call);
    default: return wait_id(&call);
    }
}

/* One for each method and calling convention. */
#define FORMS(X)                                                                       \
    X(0)                                                                               \
    X(1)                                                                               \
    X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE(index)                                                                  \
    static PyObject *none_##index(PyObject *self, PyObject *unused)                    \
    {                                                                                  \
        (void)unused;                                                                  \
        return intercept(index, self, NULL, 0, NULL);                                  \
    }                                                                                  \
    static PyObject *one_##index(PyObject *self, PyObject *argument)                   \
    {                                                                                  \
        return intercept(index, self, &argument, 1, NULL);                             \
    }                                                                                  \
    static PyObject *tuple_##index(PyObject *self, PyObject *args)                     \
    {                                                                                  \
        return intercept(index, self, &PyTuple_GET_ITEM(args, 0),                      \
                         PyTuple_GET_SIZE(args), NULL);                                \
    }                                                                                  \
    static PyObject *fast_##index(PyObject *self, PyObject *const *args,               \
                                  Py_ssize_t count)                                    \
    {                                                                                  \
        return intercept(index, self, args, count, NULL);                              \
    }                                                                                  \
    static PyObject *names_##index(PyObject *self, PyObject *const *args,              \
                                   Py_ssize_t count, PyObject *names)                  \
    {                                                                                  \
        return intercept(index, self, args, count, names);                             \
    }
FORMS(DEFINE)

static const struct {
    PyCFunction none, one, tuple, fast, names;
} forms[] = {
#define ROW(index)                                                                     \
    {none_##index, one_##index, tuple_##index,                                         \
     (PyCFunction)(void (*)(void))fast_##index,                                        \
     (PyCFunction)(void (*)(void))names_##index},
    FORMS(ROW)};
_Static_assert(sizeof(forms) / sizeof(forms[0]) == METHOD_COUNT, "one for each method");

static PyCFunction
form_of(size_t index)
{
    switch (methods[index].def->ml_flags) {
    case METH_NOARGS: return forms[index].none;
    case METH_O: return forms[index].one;
    case METH_VARARGS: return forms[index].tuple;
    case METH_FASTCALL: return forms[index].fast;
    case METH_FASTCALL | METH_KEYWORDS: return forms[index].names;
    default: return NULL; /* of a version not known yet: it goes unseen */
    }
}

/* ---- on and off ---- */

static PyMethodDef *
find_def(PyObject *module, const char *name)
{
    PyModuleDef *definition = PyModule_GetDef(module);
    PyMethodDef *def = definition == NULL ? NULL : definition->m_methods;

    for (; def != NULL && def->ml_name != NULL; def++)
        if (strcmp(def->ml_name, name) == 0)
            return def;
    PyErr_Clear();
    return NULL;
}

/* A module, which is not seen among those imported if it was not before. New. */
static PyObject *
get_module(const char *name)
{
    PyObject *modules = PyImport_GetModuleDict();
    bool is_there = PyDict_GetItemString(modules, name) != NULL;
    PyObject *module = PyImport_ImportModule(name);

    if (module != NULL && !is_there)
        PyDict_DelItemString(modules, name);
    if (module == NULL || !PyModule_Check(module))
        Py_CLEAR(module);
    PyErr_Clear();
    return module;
}

static void
find_methods(void)
{
    static bool is_done;

    for (size_t i = 0; !is_done && i < METHOD_COUNT; i++) {
        PyObject *module = get_module(methods[i].module);
        if (module != NULL)
            methods[i].def = find_def(module, methods[i].name);
        if (methods[i].def != NULL && form_of(i) != NULL)
            methods[i].original = methods[i].def->ml_meth;
        Py_XDECREF(module);
    }
    is_done = true;
}

/* Puts the entries in. A built-in function's hash is made of its entry, and os keeps
 * one of these functions in a set: it is filled anew. */
static void
set_entries(bool is_on, bool has_starts)
{
    PyObject *set = NULL, *items = NULL;
    PyObject *os = PyDict_GetItemString(PyImport_GetModuleDict(), "os");

    if (os != NULL && PyModule_Check(os))
        set = PyDict_GetItemString(PyModule_GetDict(os), "supports_fd");
    if (set != NULL && PyAnySet_CheckExact(set) && !PyFrozenSet_Check(set))
        items = PySequence_List(set);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        enum kind kind = methods[i].kind;
        bool is_start = kind <= PIPE;
        if (methods[i].original != NULL)
            __atomic_store_n(&methods[i].def->ml_meth,
                             is_on && (has_starts || !is_start) ? form_of(i)
                                                                : methods[i].original,
                             __ATOMIC_RELEASE);
    }
    if (items != NULL && PySet_Clear(set) == 0)
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++)
            PySet_Add(set, PyList_GET_ITEM(items, i));
    Py_XDECREF(items);
    PyErr_Clear();
}

void
children_watch(const char *options, uint64_t flow)
{
    size_t size = strlen(options) + sizeof(VARIABLE) + 1;
    bool is_of_server = (flow >> (MAREY_FLOW_BITS - 1) & 1) != 0;

    server_owner = is_of_server ? (uint32_t)(flow >> MAREY_FLOW_BITS) : 0;
    find_methods();
    free(base);
    base = options[0] == '\0' ? NULL : malloc(size);
    if (base != NULL)
        snprintf(base, size, VARIABLE "=%s", options);
    set_entries(true, base != NULL);
}

void
children_leave(void)
{
    struct pc_exception saved = pc_exception_take();

    set_entries(false, false);
    pc_exception_give(saved);
}
