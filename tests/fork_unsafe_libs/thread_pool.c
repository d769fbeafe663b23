/* A pool of threads as many programs have one: it is made at first use, and a forked child has no
 * thread that does the work. */
#include "unsafe_library.h"

#include <pthread.h>

#define THREADS 2
#define FACTOR 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int jobs, done;
static bool made;

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (jobs == 0)
            pthread_cond_wait(&changed, &lock);
        jobs--;
        done++;
        pthread_cond_broadcast(&changed);
    }
    return NULL;
}

static int make(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        const int r = pthread_create(&thread, NULL, work, NULL);
        if (r != 0)
            return r;
        pthread_detach(thread);
    }
    made = true;
    return 0;
}

static int give_work(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int r = made ? 0 : make();
    if (r != 0)
        return forkcall_fail(r, "pthread_create");
    pthread_mutex_lock(&lock);
    done = 0;
    jobs = FACTOR;
    pthread_cond_broadcast(&changed);
    while (done < FACTOR)
        pthread_cond_wait(&changed, &lock);
    const int value = done;
    pthread_mutex_unlock(&lock);
    return forkcall_buf_append(result, &value, sizeof value);
}

static const struct unsafe_library pool = {
    .name = "a pool of threads",
    .use = give_work,
    .answer = FACTOR,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&pool);
}
