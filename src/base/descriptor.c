/* Open files: as sources of bytes, and out of the program's way. */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool
marey_descriptor_read(void *context, uint64_t offset, void *dst, size_t size_bytes)
{
    const int *fd = context;
    uint8_t *at = dst;

    while (size_bytes > 0) {
        ssize_t size = pread(*fd, at, size_bytes, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return false;
        at += size;
        offset += (uint64_t)size;
        size_bytes -= (size_t)size;
    }
    return true;
}

uint64_t
marey_descriptor_size(void *context)
{
    const int *fd = context;
    struct stat status;

    return fstat(*fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

int
marey_descriptor_move_high(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, MAREY_DESCRIPTOR_HIGH);

    if (high < 0)
        return fd;
    close(fd);
    return high;
}
