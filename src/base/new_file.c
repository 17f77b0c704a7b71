/* New files, without a name (O_TMPFILE, and a link to what /proc shows) or with one for
 * the time being. */
#include "base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE_MAX 4096

static int
folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (int)(slash + 1 - path);
}

static int
open_nameless(const char *path)
{
    char folder[PATH_SIZE_MAX];
    int size = snprintf(folder, sizeof(folder), "%.*s.", folder_size(path), path);

    if (size >= (int)sizeof(folder) || access("/proc/self/fd", X_OK) != 0)
        return -1;
    return open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

bool
marey_new_file_open(struct marey_new_file *file, const char *path)
{
    char part[PATH_SIZE_MAX];
    int size = folder_size(path);

    *file = (struct marey_new_file){-1, path, NULL};
    if (snprintf(part, sizeof(part), "%.*s.%s.%d.part", size, path, path + size,
                 (int)getpid()) >= (int)sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    file->fd = open_nameless(path);
    if (file->fd >= 0)
        return true;
    file->part = strdup(part);
    if (file->part == NULL)
        return false;
    file->fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd >= 0)
        return true;
    free(file->part);
    file->part = NULL;
    return false;
}

/* A link, unlike a rename, takes nobody else's place. */
static bool
name_file(const struct marey_new_file *file)
{
    char here[64];

    if (file->part != NULL)
        return link(file->part, file->path) == 0 ||
               (errno != EEXIST && rename(file->part, file->path) == 0);
    snprintf(here, sizeof(here), "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, here, AT_FDCWD, file->path, AT_SYMLINK_FOLLOW) == 0;
}

bool
marey_new_file_close(struct marey_new_file *file, bool is_whole)
{
    bool is_named = is_whole && name_file(file);
    int error = errno;

    if (close(file->fd) != 0 && is_named) {
        error = errno;
        unlink(file->path);
        is_named = false;
    }
    if (file->part != NULL)
        unlink(file->part);
    free(file->part);
    *file = (struct marey_new_file){-1, NULL, NULL};
    errno = error;
    return is_named;
}
