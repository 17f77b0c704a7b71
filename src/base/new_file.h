/* A file that gets its name when it is whole. Only where there is a file system. */
#ifndef MAREY_BASE_NEW_FILE_H
#define MAREY_BASE_NEW_FILE_H

#include <stdbool.h>

/* Where the system can, the file has no name until then, and is taken back should the
 * process be killed; else it has a hidden one beside that, `.NAME.PID.part`. */
struct marey_new_file {
    int fd;           /* to write and read through; -1: none */
    const char *path; /* borrowed: the name it is to have */
    char *part;       /* owned: the name it has meanwhile; NULL: none */
};

/* Makes it, mode 0600. False, with errno: it cannot be made. */
bool marey_new_file_open(struct marey_new_file *file, const char *path);
/* Gives it its name, which takes nobody else's place, and closes it. False, with errno:
 * it could not have it; or, not `is_whole`, was not to. The file is gone then. */
bool marey_new_file_close(struct marey_new_file *file, bool is_whole);

#endif
