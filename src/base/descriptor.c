/* An open file as a source of bytes. */
#include "base/descriptor.h"

#include <errno.h>
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
