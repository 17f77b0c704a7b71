/* The same work on several cores at once, in threads of our own. */
#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct worker {
    void (*work)(void *context, unsigned worker);
    void *context;
    unsigned number;
    pthread_t thread;
};

static void *
run(void *context)
{
    struct worker *worker = context;

    worker->work(worker->context, worker->number);
    return NULL;
}

void
marey_parallel(void (*work)(void *context, unsigned worker), void *context)
{
    struct worker workers[MAREY_PARALLEL_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned started = 1;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread begins with its maker's */
    while (started < MAREY_PARALLEL_MAX && started < cores) {
        struct worker *worker = &workers[started];
        *worker = (struct worker){.work = work, .context = context, .number = started};
        if (pthread_create(&worker->thread, NULL, run, worker) != 0)
            break;
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(context, 0);
    while (started > 1)
        pthread_join(workers[--started].thread, NULL);
}
