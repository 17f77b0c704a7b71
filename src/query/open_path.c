/* Traces from the file system: the only file of query that knows one, and the only one
 * that is left out where there is none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "query/trace.h"

static void
close_descriptor(void *context)
{
    int *fd = context;

    close(*fd);
    marey_memory_free(fd);
}

enum marey_status
marey_trace_open(const char *path, struct marey_trace **out, struct marey_error *err)
{
    struct stat file;
    /* Does not wait for a named pipe, which is no trace either, to be written to. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return marey_fail(err, MAREY_IO, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
        close(fd);
        return marey_fail(err, MAREY_NOT_A_TRACE, "%s is not a file", path);
    }
    int *context = marey_memory_new(1, sizeof(*context));
    if (context == NULL) {
        close(fd);
        return marey_fail(err, MAREY_NOMEM, "no memory to open %s", path);
    }
    *context = fd;
    struct marey_byte_source source = {marey_descriptor_read, context,
                                       (uint64_t)file.st_size};
    struct marey_error inner;
    enum marey_status status = marey_trace_open_owned(&source, marey_descriptor_size,
                                                      close_descriptor, out, &inner);
    if (status != MAREY_OK) {
        close_descriptor(context);
        return marey_fail(err, status, "%s: %s", path, inner.message);
    }
    return MAREY_OK;
}
