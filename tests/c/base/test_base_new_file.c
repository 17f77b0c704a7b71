/* Files have their name when they are whole; also where none can be without one. */
#include "base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../export/check.h"

static char folder[64], path[128];

static bool
make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/marey-new-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(path, sizeof(path), "%s/t.marey", folder);
    return true;
}

/* True: nothing else was left in it. */
static bool
remove_folder(void)
{
    unlink(path);
    return rmdir(folder) == 0;
}

static bool
is_there(void)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static bool
appears_if_whole(bool is_whole)
{
    struct marey_new_file file;

    return make_folder() && marey_new_file_open(&file, path) &&
           write(file.fd, "text", 4) == 4 && !is_there() &&
           marey_new_file_close(&file, is_whole) == is_whole &&
           is_there() == is_whole && remove_folder();
}

static bool
takes_nobody_elses_place(void)
{
    struct marey_new_file file;
    char bytes[8];

    if (!make_folder() || !marey_new_file_open(&file, path))
        return false;
    int other = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    bool is_right = write(other, "mine", 4) == 4 && write(file.fd, "text", 4) == 4 &&
                    !marey_new_file_close(&file, true) && errno == EEXIST &&
                    pread(other, bytes, sizeof(bytes), 0) == 4 &&
                    memcmp(bytes, "mine", 4) == 0;
    close(other);
    return remove_folder() && is_right;
}

TEST(a_file_has_its_name_when_it_is_whole)
{
    CHECK(appears_if_whole(true));
    CHECK(appears_if_whole(false));
    CHECK(takes_nobody_elses_place());
}

/* As on a file system without O_TMPFILE: the system refuses that flag from here on. */
static bool
refuse_nameless(void)
{
    const uint32_t flags = offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t);
    const uint32_t only = O_TMPFILE & ~O_DIRECTORY;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, only, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(where_none_can_be_without_a_name_it_has_another_meanwhile)
{
    int status = -1;

    pid_t child = fork();
    if (child == 0) {
        if (!refuse_nameless())
            _exit(0); /* not to be had here */
        bool is_refused = open("/tmp", O_RDWR | O_TMPFILE, 0600) < 0;
        _exit(is_refused && appears_if_whole(true) && appears_if_whole(false) &&
                      takes_nobody_elses_place()
                  ? 0
                  : 1);
    }
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
}
