/* The same work on several cores at once, in threads of our own. */
#ifndef MAREY_BASE_PARALLEL_H
#define MAREY_BASE_PARALLEL_H

#define MAREY_PARALLEL_MAX 16

/* Runs work(context, 0) in the calling thread, work(context, n) in others, as many as
 * there are cores for; returns when all have. Threads that cannot be made are not
 * missed: whoever runs takes what there is to do. The others block all signals. */
void marey_parallel(void (*work)(void *context, unsigned worker), void *context);

#endif
