/* A library for LD_PRELOAD that locks as glibc 2.28 to 2.35 does (posix/register-atfork.c,
 * stdlib/cxa_finalize.c): fork() holds a lock while it runs the handlers of pthread_atfork(3), and
 * __cxa_finalize() of a module takes the same lock. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t atfork_lock = PTHREAD_MUTEX_INITIALIZER;
atomic_uint old_fork_locks_taken; /* how often __cxa_finalize() has taken the lock */

/* Finds the next function of this name. ISO C has no conversion from an object pointer to a
 * function pointer, so the bytes of the pointer are copied. */
static void next(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof symbol);
}

pid_t fork(void)
{
    pid_t (*real)(void);
    next("fork", &real);
    pthread_mutex_lock(&atfork_lock);
    const pid_t pid = real();
    if (pid == 0)
        pthread_mutex_init(&atfork_lock, NULL);
    else
        pthread_mutex_unlock(&atfork_lock);
    return pid;
}

void __cxa_finalize(void *module);

void __cxa_finalize(void *module)
{
    void (*real)(void *);
    next("__cxa_finalize", &real);
    real(module);
    if (module == NULL)
        return;
    pthread_mutex_lock(&atfork_lock);
    pthread_mutex_unlock(&atfork_lock);
    atomic_fetch_add(&old_fork_locks_taken, 1);
}
