/* What `# marey: …` comments in the program ask for (--comments).
 *
 *     # marey: log NAME[, NAME …]       values of variables, or of their attributes
 *     # marey: counter NAME[, NAME …]   the same of numbers, as counters
 *     # marey: instant TEXT             a mark
 *
 * Beside a statement (or behind the last one of a block) this happens when that has
 * run: as the next line of the same call begins, or the call returns. On a line of its
 * own it happens before the statement below. The file is read at the first sight of
 * its code; code that no comment stands in runs as it does without --comments.
 *
 * Files and plans are kept for good: few have such comments, and functions last. */
#include "logs/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs/magic.h"
#include "values/objects.h"

#define BUCKET_COUNT 256
#define DUE_MAX 1024 /* lines that are being run at a time; more are missed */
#define FILE_SIZE_MAX (32 << 20) /* bytes of a source file that is looked at */

enum verb { ASK_LOG, ASK_COUNTER, ASK_INSTANT };

struct request {
    enum verb verb;
    bool is_before;
    int line;        /* of the comment */
    int first, last; /* of the statement */
    PyObject *path;  /* owned: a tuple of str, a variable and attributes; or NULL */
    struct values_name name;
};

struct file {
    struct file *next;
    char *path;
    uint64_t size_bytes, changed_ns; /* of the text that was read */
    struct request *requests;
    size_t count;
};

/* What is asked for in a function. */
struct plan {
    struct plan *next;
    const struct marey_function *function;
    const struct file *file;
    const struct request **requests;
    size_t count;
};

/* A line that is being run. */
struct due {
    uintptr_t frame;
    const PyCodeObject *code; /* compared, not followed */
    int line;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static struct file *files;
static struct plan *plans[BUCKET_COUNT];
static struct due dues[DUE_MAX];
static _Atomic size_t due_count;

/* ---- comments to requests ---- */

static bool
is_of_name(char c)
{
    return c == '_' || (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_gap(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

/* "a.b" as a tuple of str; NULL: it is no such name. */
static PyObject *
parse_path(const char *text, size_t size)
{
    PyObject *whole = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, NULL);
    PyObject *dot = PyUnicode_FromString(".");
    PyObject *list =
        whole == NULL || dot == NULL ? NULL : PyUnicode_Split(whole, dot, -1);
    bool is_good = list != NULL;

    for (Py_ssize_t i = 0; is_good && i < PyList_GET_SIZE(list); i++)
        is_good = PyUnicode_IsIdentifier(PyList_GET_ITEM(list, i)) == 1;
    PyObject *path = is_good ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(dot);
    Py_XDECREF(whole);
    PyErr_Clear();
    return path;
}

static bool
add_request(struct file *file, const struct magic *magic, enum verb verb,
            const char *text, size_t size)
{
    PyObject *name = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
    PyObject *path = verb == ASK_INSTANT ? NULL : parse_path(text, size);
    struct request *more =
        name == NULL || (path == NULL && verb != ASK_INSTANT)
            ? NULL
            : realloc(file->requests, (file->count + 1) * sizeof(*more));

    if (more != NULL) {
        file->requests = more;
        more[file->count++] = (struct request){
            verb,        magic->is_before, magic->line,      magic->first,
            magic->last, Py_XNewRef(path), values_name(name)};
    }
    Py_XDECREF(name);
    Py_XDECREF(path);
    PyErr_Clear();
    return more != NULL;
}

/* Names with commas between them, at least one. */
static bool
parse_names(struct file *file, const struct magic *magic, enum verb verb,
            const char *at, const char *end)
{
    size_t before = file->count;

    while (at < end) {
        const char *name = at;
        while (at < end && (is_of_name(*at) || *at == '.'))
            at++;
        if (at == name || (at < end && !is_gap(*at)) ||
            !add_request(file, magic, verb, name, (size_t)(at - name)))
            return false;
        while (at < end && is_gap(*at))
            at++;
    }
    return file->count > before;
}

static bool
parse(struct file *file, const struct magic *magic)
{
    static const struct {
        const char *word;
        enum verb verb;
    } verbs[] = {{"log", ASK_LOG}, {"counter", ASK_COUNTER}, {"instant", ASK_INSTANT}};
    const char *at = magic->text, *end = at + magic->size;

    while (at < end && is_gap(*at))
        at++;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t size = strlen(verbs[i].word);
        if ((size_t)(end - at) <= size || memcmp(at, verbs[i].word, size) != 0 ||
            !is_gap(at[size]))
            continue;
        for (at += size; at < end && is_gap(*at);)
            at++;
        if (verbs[i].verb == ASK_INSTANT)
            return add_request(file, magic, ASK_INSTANT, at, (size_t)(end - at));
        return parse_names(file, magic, verbs[i].verb, at, end);
    }
    return false;
}

/* Says in the recording that a comment means nothing. */
static void
tell(const struct file *file, const struct magic *magic)
{
    const char *why = magic->first == 0
                          ? "stands behind a block: put it beside a statement"
                          : "is none of log NAME, counter NAME, instant TEXT";
    size_t size = strlen(file->path) + magic->size + 128;
    char *note = malloc(size);

    if (note == NULL)
        return;
    snprintf(note, size, "%s:%d: '# marey:%.*s' %s", file->path, magic->line,
             (int)magic->size, magic->text, why);
    marey_define_note(note);
    free(note);
}

static void
read_requests(struct file *file, const char *text, size_t size)
{
    struct magic *magics = NULL;
    size_t count = 0;

    if (memmem(text, size, "marey:", 6) != NULL)
        count = magic_find(text, size, &magics);
    for (size_t i = 0; i < count; i++) {
        size_t before = file->count;
        if (magics[i].first != 0 && parse(file, &magics[i]))
            continue;
        file->count = before;
        tell(file, &magics[i]);
    }
    free(magics);
}

/* ---- files ---- */

static struct file *
read_file(const char *path, const struct stat *status, int fd)
{
    size_t size = (size_t)status->st_size, filled = 0;
    char *text = malloc(size + 1);
    struct file *file = calloc(1, sizeof(*file));

    while (text != NULL && filled < size) {
        ssize_t count = read(fd, text + filled, size - filled);
        if (count <= 0)
            break;
        filled += (size_t)count;
    }
    if (text != NULL && file != NULL && (file->path = strdup(path)) != NULL) {
        file->size_bytes = size;
        file->changed_ns = (uint64_t)status->st_mtim.tv_sec * 1000000000 +
                           (uint64_t)status->st_mtim.tv_nsec;
        read_requests(file, text, filled);
    } else {
        free(file);
        file = NULL;
    }
    free(text);
    return file;
}

static struct file *
find_file(const char *path, const struct stat *status)
{
    struct file *file = files;
    uint64_t changed_ns = (uint64_t)status->st_mtim.tv_sec * 1000000000 +
                          (uint64_t)status->st_mtim.tv_nsec;

    while (file != NULL && (file->size_bytes != (uint64_t)status->st_size ||
                            file->changed_ns != changed_ns || strcmp(file->path, path)))
        file = file->next;
    return file;
}

/* The file's requests, as it is now. NULL: it cannot be read. */
static const struct file *
file_at(const char *path)
{
    struct stat status;
    struct file *file = NULL;
    int fd = path[0] == '<' ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= FILE_SIZE_MAX) {
        pthread_mutex_lock(&lock);
        file = find_file(path, &status);
        pthread_mutex_unlock(&lock);
        if (file == NULL && (file = read_file(path, &status, fd)) != NULL) {
            pthread_mutex_lock(&lock);
            file->next = files;
            files = file;
            pthread_mutex_unlock(&lock);
        }
    }
    close(fd);
    return file;
}

/* ---- functions to plans ---- */

static struct plan **
bucket_of(const struct marey_function *function)
{
    return &plans[function->id % BUCKET_COUNT];
}

/* The lock is held. */
static struct plan *
plan_of(const struct marey_function *function)
{
    struct plan *plan = *bucket_of(function);

    while (plan != NULL && plan->function != function)
        plan = plan->next;
    return plan;
}

static void
take_line(struct plan *plan, int line)
{
    for (size_t i = 0; i < plan->file->count; i++) {
        const struct request *one = &plan->file->requests[i];
        bool is_in = line >= one->first && line <= one->last;
        for (size_t k = 0; is_in && k < plan->count; k++)
            is_in = plan->requests[k] != one;
        if (is_in)
            plan->requests[plan->count++] = one;
    }
}

/* Chooses the file's requests that stand in lines of the code itself. */
static void
take_requests(struct plan *plan, PyCodeObject *code)
{
    PyObject *lines = PyObject_CallMethod((PyObject *)code, "co_lines", NULL);
    PyObject *row;

    while (lines != NULL && (row = PyIter_Next(lines)) != NULL) {
        PyObject *line = PyTuple_GET_ITEM(row, 2);
        if (PyLong_Check(line))
            take_line(plan, (int)PyLong_AsLong(line));
        Py_DECREF(row);
    }
    Py_XDECREF(lines);
    PyErr_Clear();
}

/* Comprehensions and lambdas stand in statements of others. */
static bool
is_part_of_statement(PyCodeObject *code)
{
    return PyUnicode_READ_CHAR(code->co_name, 0) == '<' &&
           PyUnicode_CompareWithASCIIString(code->co_name, "<module>") != 0;
}

static struct plan *
make_plan(const struct marey_function *function, const struct file *file,
          PyCodeObject *code)
{
    struct plan *plan = calloc(1, sizeof(*plan));

    if (plan == NULL)
        return NULL;
    plan->function = function;
    plan->file = file;
    plan->requests = calloc(file->count, sizeof(struct request *));
    if (plan->requests != NULL)
        take_requests(plan, code);
    pthread_mutex_lock(&lock);
    plan->next = *bucket_of(function);
    *bucket_of(function) = plan;
    pthread_mutex_unlock(&lock);
    return plan;
}

bool
comments_look(const struct marey_function *function, PyCodeObject *code)
{
    const struct file *file = file_at(codes_file(function));
    const struct plan *plan;

    if (file == NULL || file->count == 0 || PyUnicode_GET_LENGTH(code->co_name) == 0 ||
        is_part_of_statement(code))
        return false;
    pthread_mutex_lock(&lock);
    plan = plan_of(function);
    pthread_mutex_unlock(&lock);
    if (plan == NULL || plan->file != file)
        plan = make_plan(function, file, code);
    return plan != NULL && plan->count > 0;
}

/* ---- values ---- */

/* A variable of the frame as its code sees it: new; NULL: it has no value. */
static PyObject *
variable(const struct pc_frame *frame, const PyCodeObject *code, PyObject *name)
{
    PyObject *value = NULL;

    for (int i = 0; i < code->co_nlocalsplus; i++)
        if (PyUnicode_Compare(PyTuple_GET_ITEM(code->co_localsplusnames, i), name) == 0)
            return pc_frame_variable_at(frame, code, i);
    PyObject *const dicts[] = {
        (code->co_flags & CO_OPTIMIZED) == 0 ? frame->locals : NULL, frame->globals};
    for (int i = 0; value == NULL && i < 2; i++)
        if (dicts[i] != NULL && PyDict_CheckExact(dicts[i]) &&
            pc_get_item_ref(dicts[i], name, &value) < 0)
            PyErr_Clear();
    return value;
}

static PyObject *
value_of(const struct request *request, const struct pc_frame *frame,
         const PyCodeObject *code)
{
    PyObject *value = variable(frame, code, PyTuple_GET_ITEM(request->path, 0));

    for (Py_ssize_t i = 1; value != NULL && i < PyTuple_GET_SIZE(request->path); i++) {
        PyObject *owner = value;
        value = objects_attribute_of(owner, PyTuple_GET_ITEM(request->path, i));
        Py_DECREF(owner);
    }
    return value;
}

static void
fulfil(const struct request *request, struct marey_lane *lane,
       const struct pc_frame *frame, const PyCodeObject *code)
{
    bool is_known = pc_has_frame_slots();

    if (request->verb == ASK_INSTANT) {
        marey_instant(lane, request->name.id, 0);
        return;
    }
    PyObject *value = is_known ? value_of(request, frame, code) : NULL;
    if (request->verb == ASK_COUNTER)
        logs_number(lane, request->name, value);
    else
        logs_value(lane, MAREY_LOG_VALUE, request->name, value, is_known,
                   (uint32_t)request->line, NULL);
    Py_XDECREF(value);
}

/* ---- lines ---- */

/* Takes the line that the frame was running; 0: none that matters. */
static int
take_due(const struct pc_frame *frame, const PyCodeObject *code)
{
    int line = 0;

    if (atomic_load(&due_count) == 0)
        return 0;
    pthread_mutex_lock(&lock);
    size_t count = atomic_load(&due_count);
    for (size_t i = 0; i < count; i++)
        if (dues[i].frame == (uintptr_t)frame) {
            line = dues[i].code == code ? dues[i].line : 0;
            dues[i] = dues[count - 1];
            atomic_store(&due_count, count - 1);
            break;
        }
    pthread_mutex_unlock(&lock);
    return line;
}

static void
put_due(const struct pc_frame *frame, const PyCodeObject *code, int line)
{
    pthread_mutex_lock(&lock);
    size_t count = atomic_load(&due_count);
    if (count < DUE_MAX) {
        dues[count] = (struct due){(uintptr_t)frame, code, line};
        atomic_store(&due_count, count + 1);
    }
    pthread_mutex_unlock(&lock);
}

static bool
is_in(const struct request *request, int line)
{
    return line >= request->first && line <= request->last;
}

/* Whether the statement with a line that was run is still running at another. */
static bool
goes_on(const struct request *request, int was, int now)
{
    return is_in(request, was) && is_in(request, now) && request->first < request->last;
}

static void
finish(const struct plan *plan, struct marey_lane *lane, const struct pc_frame *frame,
       PyCodeObject *code, int was, int now)
{
    for (size_t i = 0; was != 0 && i < plan->count; i++)
        if (!plan->requests[i]->is_before && is_in(plan->requests[i], was) &&
            !goes_on(plan->requests[i], was, now))
            fulfil(plan->requests[i], lane, frame, code);
}

static const struct plan *
plan_for(const struct marey_function *function)
{
    pthread_mutex_lock(&lock);
    const struct plan *plan =
        (function->logs & LOGS_COMMENTS) == 0 ? NULL : plan_of(function);
    pthread_mutex_unlock(&lock);
    return plan;
}

void
comments_start(const struct marey_function *function, const struct pc_frame *frame)
{
    if ((function->logs & LOGS_COMMENTS) != 0)
        take_due(frame, NULL);
}

void
comments_line(const struct marey_function *function, const struct pc_frame *frame,
              PyCodeObject *code, int line)
{
    struct marey_lane *lane = function->is_skipped ? NULL : logs_lane();
    const struct plan *plan = lane == NULL ? NULL : plan_for(function);
    bool is_due = false;

    if (plan == NULL)
        return;
    struct pc_exception saved = pc_exception_take();
    finish(plan, lane, frame, code, take_due(frame, code), line);
    for (size_t i = 0; i < plan->count; i++) {
        const struct request *one = plan->requests[i];
        if (one->is_before && line == one->first)
            fulfil(one, lane, frame, code);
        is_due |= !one->is_before && is_in(one, line);
    }
    if (is_due)
        put_due(frame, code, line);
    PyErr_Clear();
    pc_exception_give(saved);
}

void
comments_end(const struct marey_function *function, const struct pc_frame *frame,
             PyCodeObject *code, bool is_done)
{
    if ((function->logs & LOGS_COMMENTS) == 0)
        return;
    struct marey_lane *lane = function->is_skipped ? NULL : logs_lane();
    const struct plan *plan = lane == NULL ? NULL : plan_for(function);
    int was = take_due(frame, code);

    if (plan == NULL || !is_done)
        return;
    struct pc_exception saved = pc_exception_take();
    finish(plan, lane, frame, code, was, 0);
    PyErr_Clear();
    pc_exception_give(saved);
}

void
comments_forget(void)
{
    atomic_store(&due_count, 0);
}
