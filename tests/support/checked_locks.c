/* Put by the linker in the place of the C library's functions: ends a process that unlocks a mutex
 * which the calling thread has not locked. So a test notices that a lock is not taken, though
 * nothing else comes in between. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

#define HELD_MAX 16

/* A child keeps what the thread that has forked it held. */
static _Thread_local pthread_mutex_t *held[HELD_MAX];

/* Puts `with` where `what` stands, in the first such place. */
static void replace(const pthread_mutex_t *what, pthread_mutex_t *with, const char *otherwise, size_t size)
{
    for (int i = 0; i < HELD_MAX; i++)
        if (held[i] == what) {
            held[i] = with;
            return;
        }
    if (write(STDERR_FILENO, otherwise, size) < 0)
        _exit(1);
    abort();
}

static void note_locked(pthread_mutex_t *mutex)
{
    static const char text[] = "more mutexes are locked than checked_locks.c has room for\n";
    replace(NULL, mutex, text, sizeof text - 1);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    const int r = __real_pthread_mutex_lock(mutex);
    if (r == 0)
        note_locked(mutex);
    return r;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    const int r = __real_pthread_mutex_trylock(mutex);
    if (r == 0)
        note_locked(mutex);
    return r;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static const char text[] = "a mutex is unlocked that this thread has not locked\n";
    replace(mutex, NULL, text, sizeof text - 1);
    return __real_pthread_mutex_unlock(mutex);
}
