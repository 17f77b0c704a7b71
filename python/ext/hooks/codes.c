/* Code objects to functions: done once for each, at first sight.
 *
 * The record hangs on the code object's extra slot, so the hot path finds it with two
 * loads and no hash. Ids are never reused; a code object that dies leaves its function
 * behind, for the trace still names it.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs/logs.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SOURCE_SIZE_MAX (8 << 20)

/* What is known of a Python function, kept so that another recording can filter anew.
 */
struct code_names {
    char *module, *name, *file; /* owned, terminated; may hold NUL inside */
    const struct marks *marks;  /* said to be a transaction; NULL: not so */
    bool is_unit;               /* a function of a name: patterns may choose it */
    bool is_chosen;             /* a transaction in this recording */
    bool was_tagged;            /* some slot says that it is recorded */
    PyCodeObject *code; /* borrowed: whose slot this is in; NULL: none any more */
    struct callers_of_code callers;
};

/* Files whose text went into the trace. */
static struct source {
    char *path; /* owned */
    uint64_t key;
} * sources;
static size_t source_count, source_capacity;

/* A code object dies; `value` was in its slot. */
static void
slot_freed(void *value)
{
    struct marey_function *function = (void *)((uintptr_t)value & ~(uintptr_t)1);

    if (function == NULL || function->owner == NULL)
        return;
    struct code_names *names = function->owner;
    names->code = NULL;
    callers_forget(&names->callers);
}

struct callers_of_code *
codes_callers(const struct marey_function *function)
{
    struct code_names *names = function->owner;

    return &names->callers;
}

int
codes_set_up(void)
{
    if (tracer.extra_index >= 0)
        return 0;
    tracer.extra_index = pc_request_extra_index(slot_freed);
    if (tracer.extra_index >= 0)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "no free slot on code objects");
    return -1;
}

PyObject *
codes_utf8(PyObject *text)
{
    return PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
}

/* ---- filters ---- */

/* As a person names a file: whole, from the folder the program began in (`./app.py`,
 * too), or by the end of its path. A folder's name with its slash is all in it. */
static bool
matches_file(const char *pattern, const char *file)
{
    const char *folder = PyBytes_AS_STRING(tracer.folder);
    size_t folder_size = (size_t)PyBytes_GET_SIZE(tracer.folder);

    while (strncmp(pattern, "./", 2) == 0)
        pattern += 2;
    size_t size = strlen(pattern);
    char *anywhere = malloc(size + sizeof("*/*"));
    if (anywhere == NULL)
        return false;
    char *whole = anywhere + 2;
    memcpy(anywhere, "*/", 2);
    memcpy(whole, pattern, size);
    memcpy(whole + size, "*", 2);
    if (size > 0 && whole[size - 1] != '/')
        whole[size] = '\0';
    bool is_match = fnmatch(whole, file, 0) == 0 ||
                    (strncmp(file, folder, folder_size) == 0 &&
                     fnmatch(whole, file + folder_size, 0) == 0) ||
                    (whole[0] != '/' && fnmatch(anywhere, file, 0) == 0);
    free(anywhere);
    return is_match;
}

/* `app.*`, `app.db:Session.*`, `app` (the module itself), or a path. */
bool
codes_matches(const char *pattern, const char *module, const char *name,
              const char *file)
{
    size_t size = strlen(pattern), module_size = strlen(module),
           name_size = strlen(name);
    bool is_match = false;

    if (strchr(pattern, '/') != NULL ||
        (size > 3 && strcmp(pattern + size - 3, ".py") == 0))
        return file[0] != '\0' && matches_file(pattern, file);
    if (fnmatch(pattern, module, 0) == 0)
        return true;
    char *whole = malloc(module_size + name_size + 2);
    if (whole == NULL)
        return false;
    memcpy(whole, module, module_size);
    memcpy(whole + module_size + 1, name, name_size + 1);
    whole[module_size] = ':';
    is_match = fnmatch(pattern, whole, 0) == 0;
    if (!is_match && strchr(pattern, ':') == NULL) {
        whole[module_size] = '.';
        is_match = fnmatch(pattern, whole, 0) == 0;
    }
    free(whole);
    return is_match;
}

static bool
matches_any(PyObject *patterns, const char *module, const char *name, const char *file)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(patterns); i++)
        if (codes_matches(PyBytes_AS_STRING(PyTuple_GET_ITEM(patterns, i)), module,
                          name, file))
            return true;
    return false;
}

bool
codes_is_excluded(const char *module, const char *name, const char *file, bool is_c)
{
    /* A C function belongs to its caller: --include chooses callers. */
    if (!is_c && PyTuple_GET_SIZE(tracer.include) > 0 &&
        !matches_any(tracer.include, module, name, file))
        return true;
    return matches_any(tracer.exclude, module, name, file);
}

static bool
is_own(const char *file)
{
    return strncmp(file, PyBytes_AS_STRING(tracer.own_folder),
                   (size_t)PyBytes_GET_SIZE(tracer.own_folder)) == 0;
}

bool
codes_is_of(const struct marey_function *function, const char *pattern)
{
    const struct code_names *names = function->owner;

    return names != NULL &&
           codes_matches(pattern, names->module, names->name, names->file);
}

bool
codes_is_named(const struct marey_function *function, const char *module,
               const char *name)
{
    const struct code_names *names = function->owner;

    return names != NULL && strcmp(names->module, module) == 0 &&
           strcmp(names->name, name) == 0;
}

const char *
codes_file(const struct marey_function *function)
{
    const struct code_names *names = function->owner;

    return names == NULL ? "" : names->file;
}

/* Whether calls of the function are transactions in this recording. */
static bool
choose(struct code_names *names)
{
    names->is_chosen =
        names->marks != NULL ||
        (names->is_unit && tracer.transactions != NULL &&
         matches_any(tracer.transactions, names->module, names->name, names->file));
    return names->is_chosen;
}

static bool
is_transaction(const struct marey_function *function)
{
    return (function->flags & MAREY_FUNCTION_TRANSACTION) != 0;
}

/* --include does not leave out what was chosen by name. */
static bool
is_skipped(const struct code_names *names)
{
    if (tracer.exclude == NULL)
        return false; /* before the first recording */
    if (names->is_chosen)
        return matches_any(tracer.exclude, names->module, names->name, names->file);
    return is_own(names->file) ||
           codes_is_excluded(names->module, names->name, names->file, false);
}

static bool
is_tagged(const struct marey_function *function)
{
    return codes_is_wanted(function) && !function->is_slow && function->keep_rules == 0;
}

/* Whether its calls are asked about where they begin and end. */
static bool
is_slow(const struct marey_function *function)
{
    const struct code_names *names = function->owner;
    const struct marks *marks = names->marks;

    if (names->is_chosen &&
        (function->detail > 0 ||
         (marks != NULL && (marks->parameters != NULL || marks->names != NULL))))
        return true;
    return logs_is_slow(function);
}

/* What stands in the extra slot: see codes_recorded(). */
static void *
tagged(struct marey_function *function)
{
    return (void *)((uintptr_t)function | is_tagged(function));
}

const char *
codes_name(const struct marey_function *function)
{
    const struct code_names *names = function->owner;

    return names->name;
}

PyCodeObject *
codes_code(const struct marey_function *function)
{
    const struct code_names *names = function->owner;
    bool is_c = (function->flags & MAREY_FUNCTION_C) != 0;

    return names == NULL || is_c ? NULL : names->code;
}

void
codes_untag(struct marey_function *function)
{
    struct code_names *names = function->owner;

    if (names->was_tagged && names->code != NULL && !is_tagged(function) &&
        pc_set_extra((PyObject *)names->code, tracer.extra_index, function) == 0) {
        names->was_tagged = false;
        callers_forget(&names->callers);
    }
}

static void
refilter(struct marey_function *function, void *context)
{
    struct code_names *names = function->owner;

    if (names == NULL || (function->flags & MAREY_FUNCTION_C) != 0)
        return;
    bool chosen = choose(names);
    function->is_skipped = is_skipped(names) || function->is_left_out;
    if (chosen && names->marks == NULL)
        function->detail = tracer.detail;
    function->keep_rules =
        watch_rules_of(names->module, names->name, names->file, function->flags);
    /* Where in its code something is logged is found when it is seen again. */
    function->logs = logs_of_function(function);
    function->plan = NULL;
    function->is_slow = is_slow(function);
    *(bool *)context |= (function->logs & LOGS_IN_CODE) != 0;
    tracer.has_skipped |= function->is_skipped && !is_own(names->file);
    codes_untag(function);
    *(bool *)context |= names->was_tagged &&
                        (!is_tagged(function) || chosen != is_transaction(function));
}

/* ---- sources ---- */

static void
read_and_store(const char *path, uint64_t key)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= SOURCE_SIZE_MAX) {
        char *text = malloc((size_t)status.st_size + 1);
        ssize_t size = text == NULL ? -1 : read(fd, text, (size_t)status.st_size);
        if (size > 0)
            marey_store_source(key, path, strlen(path), text, (size_t)size);
        free(text);
    }
    close(fd);
}

/* The key of the file's text, stored on the way; 0: no such file. */
static uint64_t
store_source(const char *path)
{
    struct stat status;

    if (path[0] == '<' || stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    uint64_t facts[3] = {(uint64_t)status.st_size, (uint64_t)status.st_mtim.tv_sec,
                         (uint64_t)status.st_mtim.tv_nsec};
    uint64_t key = XXH64(path, strlen(path), XXH64(facts, sizeof(facts), 0));
    for (size_t i = source_count; i-- > 0;)
        if (sources[i].key == key)
            return key;
    if (source_count == source_capacity) {
        size_t capacity = source_capacity == 0 ? 64 : source_capacity * 2;
        struct source *more = realloc(sources, capacity * sizeof(*sources));
        if (more == NULL)
            return 0;
        sources = more;
        source_capacity = capacity;
    }
    sources[source_count++] = (struct source){strdup(path), key};
    read_and_store(path, key);
    return key;
}

bool
codes_refilter(void)
{
    bool is_stale = false;

    tracer.has_skipped = tracer.is_only; /* then each C call goes the slow way */
    marey_each_function(refilter, &is_stale);
    tracer.is_stale = is_stale;
    callers_clear();
    return is_stale;
}

void
codes_store_again(void)
{
    for (size_t i = 0; i < source_count; i++)
        if (sources[i].path != NULL)
            read_and_store(sources[i].path, sources[i].key);
}

/* ---- first sight ---- */

static uint16_t
flags_of(const PyCodeObject *code)
{
    if ((code->co_flags & CO_ASYNC_GENERATOR) != 0)
        return MAREY_FUNCTION_ASYNC_GENERATOR;
    if ((code->co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE)) != 0)
        return MAREY_FUNCTION_COROUTINE;
    return (code->co_flags & CO_GENERATOR) != 0 ? MAREY_FUNCTION_GENERATOR : 0;
}

/* `__name__` of the globals, by plain look-ups that run no code of the program. */
static PyObject *
module_name(PyObject *globals)
{
    static PyObject *key;
    PyObject *value = NULL, *bytes = NULL;

    if (key == NULL)
        key = PyUnicode_InternFromString("__name__");
    if (globals == NULL)
        globals = PyEval_GetGlobals();
    if (key == NULL || globals == NULL || !PyDict_Check(globals) ||
        pc_get_item_ref(globals, key, &value) < 0)
        return NULL;
    if (value != NULL && PyUnicode_Check(value))
        bytes = codes_utf8(value);
    Py_XDECREF(value);
    return bytes;
}

/* Names of the code that were not given. False: out of memory. */
static bool
fill_names(struct code_names *names, const PyCodeObject *code, PyObject *module,
           PyObject *name, PyObject *file)
{
    const char *text = PyBytes_AS_STRING(name);
    size_t size = strlen(text);

    *names = (struct code_names){
        .module = strdup(module == NULL ? "" : PyBytes_AS_STRING(module)),
        .name = strdup(text),
        .file = strdup(PyBytes_AS_STRING(file)),
        /* Not modules, classes, lambdas, comprehensions. */
        .is_unit =
            (code->co_flags & CO_OPTIMIZED) != 0 && size > 0 && text[size - 1] != '>',
    };
    return names->module != NULL && names->name != NULL && names->file != NULL;
}

static void
free_names(struct code_names *names)
{
    free(names->module);
    free(names->name);
    free(names->file);
}

/* Makes the function, to which what `given` points to then belongs. */
static struct marey_function *
define(PyCodeObject *code, PyObject *module, PyObject *name, PyObject *file,
       const struct code_names *given)
{
    struct code_names *names = malloc(sizeof(*names));
    const char *path = PyBytes_AS_STRING(file);

    if (names == NULL)
        return NULL;
    *names = *given;
    bool chosen = choose(names);
    bool skipped = is_skipped(names);
    uint64_t key = skipped ? 0 : store_source(path);
    struct marey_function *function = marey_define_function(
        PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name),
        module == NULL ? marey_define_string("", 0)
                       : marey_define_string(PyBytes_AS_STRING(module),
                                             (size_t)PyBytes_GET_SIZE(module)),
        marey_define_file(path, (size_t)PyBytes_GET_SIZE(file), key),
        code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0,
        (uint16_t)(flags_of(code) | (chosen ? MAREY_FUNCTION_TRANSACTION : 0)));
    if (function == NULL)
        return NULL;
    function->is_skipped = skipped;
    function->keep_rules =
        watch_rules_of(names->module, names->name, names->file, function->flags);
    if (skipped && (tracer.own_folder == NULL || !is_own(path)))
        cfunctions_has_skipped();
    if (chosen)
        function->detail = names->marks != NULL ? names->marks->detail : tracer.detail;
    function->owner = names;
    logs_look(function, code);
    function->is_slow = is_slow(function);
    return function;
}

const struct marks *
codes_marks(const struct marey_function *function)
{
    const struct code_names *names = function->owner;

    return names == NULL ? NULL : names->marks;
}

static int
put_in_slot(PyCodeObject *code, struct marey_function *function)
{
    void *before = pc_code_extra(code, tracer.extra_index);
    const struct marey_function *was = (void *)((uintptr_t)before & ~(uintptr_t)1);

    if (was != NULL && was->is_watched && was != function)
        function->is_watched = true;
    if (was != NULL && was != function && was->owner != NULL) {
        ((struct code_names *)was->owner)->code = NULL;
        callers_forget(&((struct code_names *)was->owner)->callers);
    }
    if (function->owner != NULL)
        ((struct code_names *)function->owner)->code = code;
    if (is_tagged(function) && function->owner != NULL)
        ((struct code_names *)function->owner)->was_tagged = true;
    return pc_set_code_extra(code, tracer.extra_index, tagged(function));
}

void
codes_retag(PyCodeObject *code, struct marey_function *function)
{
    if (!is_tagged(function))
        return; /* it goes slowly, each time */
    struct pc_exception saved = pc_exception_take();
    put_in_slot(code, function);
    PyErr_Clear();
    pc_exception_give(saved);
}

struct marey_function *
codes_mark(PyCodeObject *code, PyObject *module, PyObject *name,
           const struct marks *marks)
{
    PyObject *file = codes_utf8(code->co_filename);
    struct marey_function *function = NULL;
    struct code_names names;

    if (file != NULL && fill_names(&names, code, module, name, file)) {
        names.marks = marks;
        function = define(code, module, name, file, &names);
    }
    Py_XDECREF(file);
    if (function == NULL || put_in_slot(code, function) < 0) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    return function;
}

void
codes_watch(PyCodeObject *code)
{
    uintptr_t value = (uintptr_t)pc_code_extra(code, tracer.extra_index);
    struct marey_function *function = (void *)(value & ~(uintptr_t)1);

    if (function == NULL || function->id == 0) {
        /* Not defined: a stand-in of its own, which no event will name. */
        if (function != NULL && function->is_watched)
            return;
        function = calloc(1, sizeof(*function));
        if (function == NULL)
            return;
        function->is_skipped = true;
        if (pc_set_code_extra(code, tracer.extra_index, function) < 0)
            PyErr_Clear();
    }
    function->is_watched = true;
}

/* Stands in the slots of all that is passed over while only transactions count. One a
 * recording, so that the next looks at everything anew; 32 bytes each. */
static struct marey_function *
pass_over(PyCodeObject *code)
{
    if (tracer.unchosen == NULL)
        tracer.unchosen = calloc(1, sizeof(*tracer.unchosen));
    if (tracer.unchosen == NULL)
        return NULL;
    tracer.unchosen->is_skipped = true;
    return pc_set_code_extra(code, tracer.extra_index, tracer.unchosen) == 0
               ? tracer.unchosen
               : NULL;
}

struct marey_function *
codes_first_sight(PyCodeObject *code, PyObject *globals)
{
    struct pc_exception saved = pc_exception_take();
    struct marey_function *function = NULL;
    PyObject *module = module_name(globals);
    PyObject *name = codes_utf8(code->co_qualname);
    PyObject *file = codes_utf8(code->co_filename);
    struct code_names names;

    if (name != NULL && file != NULL && fill_names(&names, code, module, name, file)) {
        if (tracer.is_only && !choose(&names) &&
            !transactions_is_inside(marey_this_lane())) {
            free_names(&names);
            function = pass_over(code);
        } else {
            function = define(code, module, name, file, &names);
            if (function != NULL && put_in_slot(code, function) < 0)
                function = NULL;
            if (function != NULL && is_transaction(function))
                transactions_watch(code);
        }
    }
    Py_XDECREF(module);
    Py_XDECREF(name);
    Py_XDECREF(file);
    PyErr_Clear();
    pc_exception_give(saved);
    return function;
}

struct marey_function *
codes_now(PyCodeObject *code, PyObject *globals)
{
    uintptr_t value = (uintptr_t)pc_code_extra(code, tracer.extra_index);
    struct marey_function *function = (void *)(value & ~(uintptr_t)1);

    if (function == NULL)
        return codes_first_sight(code, globals);
    if (function->id == 0) {
        bool is_known = tracer.is_only &&
                        (function == tracer.unchosen || function->is_watched) &&
                        !transactions_is_inside(marey_this_lane());
        return is_known ? function : codes_first_sight(code, globals);
    }
    const struct code_names *names = function->owner;
    if (names != NULL && names->is_chosen != is_transaction(function))
        return codes_first_sight(code, globals);
    if (names != NULL && function->logs_seen != logs_recording) {
        logs_look(function, code);
        function->is_slow = is_slow(function);
    }
    return function;
}
