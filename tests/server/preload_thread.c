/* A library for LD_PRELOAD whose constructor starts a thread in every program. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *sit(void *unused)
{
    for (;;)
        pause();
    return unused;
}

__attribute__((constructor)) static void start_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, sit, NULL) != 0)
        abort();
}
