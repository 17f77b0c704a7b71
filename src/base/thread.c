/* Threads of our own in somebody else's process. */
#include "base/thread.h"

#include <signal.h>

bool
marey_thread_start(void *(*run)(void *unused), size_t stack_bytes, pthread_t *out)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    if (stack_bytes > 0)
        pthread_attr_setstacksize(&attributes, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread begins with its maker's */
    bool is_made = pthread_create(out, &attributes, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return is_made;
}
