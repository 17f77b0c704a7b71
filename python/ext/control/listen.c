/* `marey ctl`: a socket of the user's own, on which a process takes orders.
 *
 *     marey ctl PID status        ──>  FOLDER/PID.sock  ──>  this thread
 *
 * The folder is XDG_RUNTIME_DIR/marey or /tmp/marey-UID: a folder (no link) of this
 * user, mode 0700. The socket has mode 0600, and who connects must be this user or the
 * superuser, as the kernel says. One connection at a time, one line each way, five
 * seconds at most for either.
 *
 * The thread is made by us, blocks all signals, and is unknown to `threading`. Status
 * and snapshots need no interpreter; for other orders it takes the interpreter's lock,
 * asks marey._ctl, and gives it back. A forked child has no such thread until it makes
 * its own (listen_again). Around a fork the thread rests, unless an order is just being
 * carried out: from 3.12 on os.fork() warns of every thread that there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/thread.h"
#include "marey/capture_keep.h"
#include "tracer.h"

#define REQUEST_SIZE_MAX 65536
#define PATIENCE_MS 5000
#define STACK_BYTES (1 << 20) /* Python code runs on it */
#define REST_TRIES 50 /* a millisecond each: how long a fork waits for an order */

static struct {
    int socket; /* -1: not listening */
    int rests;  /* an eventfd: the thread is to end */
    pid_t pid;  /* whose they are */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    pthread_t thread;
    pthread_mutex_t lock; /* of the two below */
    bool is_serving, is_resting;
} listener = {.socket = -1, .rests = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- one request ---- */

static bool
wait_for(int fd, short what)
{
    struct pollfd one = {.fd = fd, .events = what};

    return poll(&one, 1, PATIENCE_MS) > 0;
}

/* One line, without its end. Gives the text; NULL: there is none. */
static char *
read_line(int fd)
{
    char *text = malloc(REQUEST_SIZE_MAX);
    size_t size = 0;

    while (text != NULL && size < REQUEST_SIZE_MAX - 1 && wait_for(fd, POLLIN)) {
        ssize_t got = read(fd, text + size, REQUEST_SIZE_MAX - 1 - size);
        if (got <= 0)
            break;
        size += (size_t)got;
        if (text[size - 1] == '\n') {
            text[size - 1] = '\0';
            return text;
        }
    }
    free(text);
    return NULL;
}

static void
answer(int fd, const char *text)
{
    size_t size = strlen(text);

    while (size > 0 && wait_for(fd, POLLOUT)) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        size -= (size_t)sent;
    }
}

/* The text as the inside of a JSON string; cut where it does not fit. */
static void
quote(char *at, size_t capacity, const char *text)
{
    for (; *text != '\0' && capacity > 8; text++) {
        unsigned char c = (unsigned char)*text;
        int size = c < 0x20 || c == '"' || c == '\\'
                       ? snprintf(at, capacity, "\\u%04x", c)
                       : snprintf(at, capacity, "%c", c);
        at += size;
        capacity -= (size_t)size;
    }
    *at = '\0';
}

static void
answer_error(int fd, const char *message)
{
    char text[2048], quoted[1900];

    quote(quoted, sizeof(quoted), message);
    snprintf(text, sizeof(text), "{\"error\": \"%s\"}\n", quoted);
    answer(fd, text);
}

static void
answer_status(int fd)
{
    struct marey_recording_status status;
    char text[16384], path[12288] = "";

    bool is_on = marey_recording_status(&status);
    quote(path, sizeof(path), status.path);
    snprintf(text, sizeof(text),
             "{\"pid\": %d, \"recording\": %s, \"trace\": \"%s\", \"seconds\": %.3f, "
             "\"events\": %llu, \"lost\": %llu, \"size_bytes\": %llu, "
             "\"processes\": %u}\n",
             (int)getpid(), is_on ? "true" : "false", path, (double)status.age_ns / 1e9,
             (unsigned long long)status.counts.event_count,
             (unsigned long long)status.counts.lost_count,
             (unsigned long long)status.counts.size_bytes, status.counts.process_count);
    answer(fd, text);
}

/* snapshot TAB path TAB nanoseconds before TAB why */
static void
answer_snapshot(int fd, char *fields)
{
    char *path = fields, *before = strchr(fields, '\t');
    char *why = before == NULL ? NULL : strchr(before + 1, '\t');
    char text[16384], quoted[12288];
    struct marey_error err = {0};

    if (why == NULL) {
        answer_error(fd, "a snapshot needs a path, a time and a reason");
        return;
    }
    *before++ = *why++ = '\0';
    if (marey_recording_snapshot(path, why, strtoull(before, NULL, 10), &err) !=
        MAREY_OK) {
        answer_error(fd, err.message);
        return;
    }
    quote(quoted, sizeof(quoted), path);
    snprintf(text, sizeof(text), "{\"snapshot\": \"%s\"}\n", quoted);
    answer(fd, text);
}

/* Everything else is Python's to do; marey._ctl answers in JSON. */
static void
answer_from_python(int fd, const char *line)
{
    if (!Py_IsInitialized() || pc_is_finalizing()) {
        answer_error(fd, "the program is ending");
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("marey._ctl");
    PyObject *result =
        module == NULL ? NULL : PyObject_CallMethod(module, "handle", "y", line);
    PyObject *bytes = result != NULL && PyUnicode_Check(result)
                          ? PyUnicode_AsEncodedString(result, "utf-8", "replace")
                          : NULL;
    char *text = bytes == NULL ? NULL : strdup(PyBytes_AS_STRING(bytes));
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(result);
    Py_XDECREF(module);
    PyGILState_Release(state);
    if (text == NULL)
        answer_error(fd, "the order could not be carried out");
    else
        answer(fd, text);
    free(text);
}

static bool
is_welcome(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void
serve(int fd)
{
    char *line = is_welcome(fd) ? read_line(fd) : NULL;

    if (line == NULL)
        return;
    if (strcmp(line, "status") == 0)
        answer_status(fd);
    else if (strncmp(line, "snapshot\t", 9) == 0)
        answer_snapshot(fd, line + 9);
    else
        answer_from_python(fd, line);
    free(line);
}

/* Whether the thread is to go on; then as one that carries out an order, or not. */
static bool
goes_on(bool is_serving)
{
    pthread_mutex_lock(&listener.lock);
    listener.is_serving = is_serving && !listener.is_resting;
    bool is_resting = listener.is_resting;
    pthread_mutex_unlock(&listener.lock);
    return !is_resting;
}

/* Waits for a connection. False: the thread is to end. A connection then waits where it
 * is, and the next thread takes it. */
static bool
may_serve(int socket, int rests)
{
    struct pollfd both[] = {{.fd = socket, .events = POLLIN},
                            {.fd = rests, .events = POLLIN}};

    if (!goes_on(false))
        return false;
    while (poll(both, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return both[1].revents == 0 && goes_on(true);
}

static void *
listen_main(void *unused)
{
    int socket = listener.socket, rests = listener.rests;

    (void)unused;
    pthread_setname_np(pthread_self(), "marey-ctl");
    while (may_serve(socket, rests)) {
        int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
        bool is_closed = fd < 0 && errno != EINTR && errno != ECONNABORTED;
        if (fd >= 0) {
            serve(fd);
            close(fd);
        }
        if (is_closed)
            break; /* by the program */
    }
    goes_on(false);
    return NULL;
}

/* ---- the socket ---- */

/* Makes the folder, or finds that it is ours alone. */
static bool
is_own_folder(const char *folder)
{
    struct stat status;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        PyErr_Format(PyExc_OSError, "cannot make %s: %s", folder, strerror(errno));
        return false;
    }
    if (lstat(folder, &status) == 0 && S_ISDIR(status.st_mode) &&
        status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        return true;
    PyErr_Format(PyExc_OSError,
                 "%s is not a folder that only this user can enter; remove it", folder);
    return false;
}

static bool
bind_socket(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, listener.path, sizeof(listener.path));
    unlink(listener.path); /* of a process that was killed: the number is ours now */
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
           chmod(listener.path, 0600) == 0 && listen(fd, 8) == 0;
}

static void
close_all(void)
{
    close(listener.socket);
    if (listener.rests >= 0)
        close(listener.rests);
    listener.socket = listener.rests = -1;
}

/* Which process this is stands in the name of its socket. */
static int
listen_here(const char *folder)
{
    if (!is_own_folder(folder))
        return -1;
    int size = snprintf(listener.path, sizeof(listener.path), "%s/%d.sock", folder,
                        (int)getpid());
    if (size >= (int)sizeof(listener.path)) {
        PyErr_Format(PyExc_OSError, "%s: too long a name for a socket", folder);
        return -1;
    }
    int fd = marey_descriptor_move_high(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd < 0 || !bind_socket(fd)) {
        PyErr_Format(PyExc_OSError, "cannot listen at %s: %s", listener.path,
                     strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    listener.socket = fd;
    listener.rests = marey_descriptor_move_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    listener.pid = getpid();
    pthread_mutex_init(&listener.lock, NULL); /* a parent's may be held */
    listener.is_serving = listener.is_resting = false;
    if (listener.rests >= 0 &&
        marey_thread_start(listen_main, STACK_BYTES, &listener.thread))
        return 0;
    PyErr_SetString(PyExc_OSError, "cannot make a thread to listen");
    unlink(listener.path);
    close_all();
    return -1;
}

/* ---- for module.c ---- */

PyObject *
listen_start(PyObject *module, PyObject *folder)
{
    PyObject *bytes = NULL;

    (void)module;
    if (listener.socket >= 0 && listener.pid == getpid())
        Py_RETURN_NONE;
    if (!PyUnicode_FSConverter(folder, &bytes))
        return NULL;
    if (listener.socket >= 0)
        close_all(); /* the parent's */
    int status = listen_here(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static bool
is_listening(void)
{
    return listener.socket >= 0 && listener.pid == getpid();
}

/* Tells the thread to end. With `if_idle` only where it carries out no order; true: it
 * was told. */
static bool
tell_to_end(bool if_idle)
{
    pthread_mutex_lock(&listener.lock);
    bool is_told = !listener.is_resting && !(if_idle && listener.is_serving);
    listener.is_resting |= is_told;
    pthread_mutex_unlock(&listener.lock);
    return is_told && eventfd_write(listener.rests, 1) == 0;
}

/* Carrying out an order may take the interpreter's lock, and a snapshot its time. */
bool
listen_rest(void)
{
    struct timespec pause = {.tv_nsec = 1000000};
    bool is_told = false;

    if (!is_listening())
        return false;
    Py_BEGIN_ALLOW_THREADS
        for (int i = 0; !is_told && i < REST_TRIES; i++) {
            is_told = tell_to_end(true);
            if (!is_told)
                nanosleep(&pause, NULL);
        }
        if (is_told)
            pthread_join(listener.thread, NULL);
    Py_END_ALLOW_THREADS
    return is_told;
}

void
listen_go_on(void)
{
    eventfd_t count;

    eventfd_read(listener.rests, &count);
    pthread_mutex_lock(&listener.lock);
    listener.is_resting = false;
    pthread_mutex_unlock(&listener.lock);
    if (!marey_thread_start(listen_main, STACK_BYTES, &listener.thread))
        close_all(); /* nobody would answer */
}

void
listen_stop(void)
{
    if (!is_listening())
        return;
    unlink(listener.path);
    shutdown(listener.socket, SHUT_RDWR); /* who waits to be heard is told */
    if (tell_to_end(false))
        pthread_detach(listener.thread); /* it may be at an order */
    close_all();
}
