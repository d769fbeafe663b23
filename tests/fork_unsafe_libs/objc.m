/* The GCC Objective-C runtime: a thread in a class's +initialize holds a lock, which the first
 * message to any other class takes. A child that is forked meanwhile waits for that lock for
 * ever. */
#include "unsafe_library.h"

#include <pthread.h>
#include <semaphore.h>

#define ANSWER 99

/* Classes whose +initialize waits. A class is initialised once in a process, so each use of the
 * library has a class of its own. */
static sem_t entered, leave;

#define SLOW_CLASS(name)                             \
    __attribute__((objc_root_class)) @interface name \
    +(int)touch;                                     \
    @end                                             \
    @implementation name                             \
    +(void)initialize                                \
    {                                                \
        sem_post(&entered);                          \
        sem_wait(&leave);                            \
    }                                                \
    +(int)touch                                      \
    {                                                \
        return 1;                                    \
    }                                                \
    @end

SLOW_CLASS(SlowFirst)
SLOW_CLASS(SlowSecond)
SLOW_CLASS(SlowThird)

/* Set by the class that the calls use. */
static int value;

__attribute__((objc_root_class)) @interface Answer
+ (int)get;
@end

@implementation Answer
+ (void)initialize
{
    value = ANSWER;
}
+ (int)get
{
    return value;
}
@end

static int ask(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = [Answer get];
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static int uses;
static pthread_t thread;

static void *touch(void *unused)
{
    (void)unused;
    switch (++uses) {
    case 1:
        [SlowFirst touch];
        break;
    case 2:
        [SlowSecond touch];
        break;
    default:
        [SlowThird touch];
        break;
    }
    return NULL;
}

static int begin(void)
{
    const int r = pthread_create(&thread, NULL, touch, NULL);
    if (r == 0)
        sem_wait(&entered);
    return r;
}

static int end(void)
{
    sem_post(&leave);
    return pthread_join(thread, NULL);
}

static const struct unsafe_library runtime = {
    .name = "Objective-C's +initialize",
    .use = ask,
    .answer = ANSWER,
    .dirty = begin,
    .settle = end,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};

#ifdef __SANITIZE_ADDRESS__
/* The runtime never frees what it allocates at load time. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libobjc.so";
}
#endif

int main(void)
{
    forkcall_init();
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    return unsafe_library_main(&runtime);
}
