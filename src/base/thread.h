/* Threads of our own in somebody else's process. */
#ifndef MAREY_BASE_THREAD_H
#define MAREY_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts a thread that runs run(NULL) and blocks all signals: they are the program's to
 * take. With stack_bytes 0 its stack is as large as the system makes them. The caller
 * joins or detaches *out. False: it could not be made. */
bool marey_thread_start(void *(*run)(void *unused), size_t stack_bytes, pthread_t *out);

#endif
