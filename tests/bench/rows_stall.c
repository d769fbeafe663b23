/* Measures how calls delay a thread that has nothing to do with them: that thread works in steps
 * of a fixed time on a core of its own, and its longest steps are reported while another thread
 * calls from a large process. */
#include "bench.h"
#include "library_calls.h"
#include "resident_memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEP_NS = 100000, PAGES = 16, STEPS_MOST = 8000, WATCH_NS = 800000000, WATCH_QUICK_NS = 50000000 };

struct scene {
    struct forkcall_options *calls; /* NULL: no calls are made */
    char *memory;                   /* PAGES pages on which the innocent thread works */
    uint64_t watch_ns;
    cpu_set_t others;
    atomic_bool over;
    atomic_size_t made;
    atomic_bool failed;
};

static void *call_until_over(void *context)
{
    struct scene *const scene = context;
    bool good = sched_setaffinity(0, sizeof scene->others, &scene->others) == 0;
    do {
        good = good && library_call(scene->calls) >= 0;
        atomic_fetch_add(&scene->made, 1);
    } while (good && !atomic_load(&scene->over));
    if (!good)
        atomic_store(&scene->failed, true);
    return NULL;
}

static int compare_times(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Returns how long the kernel has let this thread wait for its core because of other programs.
 * This delay is not caused by the calls. 0: the kernel does not tell. */
static int64_t waited_ns(int schedstat)
{
    char text[96];
    const ssize_t size = schedstat < 0 ? 0 : pread(schedstat, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    const char *const second = strchr(text, ' ');
    return second == NULL ? 0 : strtoll(second, NULL, 10);
}

/* Works in steps until the time is over. Returns the duration that 1 of 1000 steps exceeds. */
static int64_t work_on(const struct scene *scene)
{
    static int64_t times[STEPS_MOST];
    const int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    int64_t waited = waited_ns(schedstat);
    const uint64_t start = clock_ns();
    uint64_t last = start;
    size_t steps = 0;
    while (steps < STEPS_MOST && last - start < scene->watch_ns) {
        uint64_t now = 0;
        for (size_t page = 0; page < PAGES; page++)
            *(volatile char *)&scene->memory[page * 4096] = (char)steps;
        do
            now = clock_ns();
        while (now - last < STEP_NS);
        const int64_t waited_now = waited_ns(schedstat);
        times[steps++] = (int64_t)(now - last) - (waited_now - waited);
        waited = waited_now;
        last = now;
    }
    if (schedstat >= 0)
        close(schedstat);
    qsort(times, steps, sizeof *times, compare_times);
    return times[steps - 1 - steps / 1000];
}

static int64_t play(void *context)
{
    struct scene *const scene = context;
    pthread_t caller;
    if (scene->calls == NULL)
        return work_on(scene);
    atomic_store(&scene->over, false);
    atomic_store(&scene->made, 0);
    if (pthread_create(&caller, NULL, call_until_over, scene) != 0)
        return RUN_FAILED;
    while (atomic_load(&scene->made) == 0)
        sched_yield();
    const int64_t time = work_on(scene);
    atomic_store(&scene->over, true);
    pthread_join(caller, NULL);
    return atomic_load(&scene->failed) ? RUN_FAILED : time;
}

/* Finds a core for the innocent thread, and all other cores. */
static bool split_cores(cpu_set_t *own, cpu_set_t *others)
{
    const int core = sched_getcpu();
    if (core < 0 || sched_getaffinity(0, sizeof *others, others) != 0 || CPU_COUNT(others) < 2)
        return false;
    CPU_ZERO(own);
    CPU_SET((size_t)core, own);
    CPU_CLR((size_t)core, others);
    return true;
}

static void print_stall_rows(struct bench *bench, char *memory, const cpu_set_t *others)
{
    static struct forkcall_options fork_anyway = {.method = FORKCALL_FORK, .allow_unsafe_fork = true};
    static struct forkcall_options by_server = {.method = FORKCALL_SERVER};
    static struct scene scenes[3];
    static const char *const names[] = {"stall: no calls", "stall: FORK", "stall: SERVER"};
    struct forkcall_options *const calls[] = {NULL, &fork_anyway, &by_server};
    const struct effort effort = {.warm_up = 1, .min_rounds = 7, .max_rounds = 20, .seconds = 20};
    struct variant variants[3];
    struct summary times[3];
    for (size_t i = 0; i < 3; i++) {
        scenes[i].calls = calls[i];
        scenes[i].memory = memory;
        scenes[i].watch_ns = bench->quick ? WATCH_QUICK_NS : WATCH_NS;
        scenes[i].others = *others;
        variants[i] = (struct variant){names[i], play, &scenes[i]};
    }
    measure(bench, variants, 3, effort, times);
    print_row(bench, &(struct row){"innocent thread, FORK at 1024 MiB", "no calls (p99.9 of steps of 100 us)",
                                   &times[0], &times[1], 0, UNIT_TIME});
    print_row(bench, &(struct row){"innocent thread, SERVER at 1024 MiB", "no calls (p99.9 of steps of 100 us)",
                                   &times[0], &times[2], 1.1, UNIT_TIME});
}

static void run_stall_rows(struct bench *bench)
{
    const size_t size = 1024 * MIB;
    cpu_set_t own;
    cpu_set_t others;
    char *const resident = memory_fits(size) ? make_resident_memory(size) : NULL;
    if (resident == NULL) {
        print_skip(bench, "innocent thread", "not enough free memory");
        return;
    }
    if (!split_cores(&own, &others)) {
        print_skip(bench, "innocent thread", "no second core for the calls");
    } else if (sched_setaffinity(0, sizeof others, &others) != 0 || forkcall_server_start(NULL) != 0 ||
               /* The server stays on the other cores. */
               sched_setaffinity(0, sizeof own, &own) != 0) {
        bench->failures++;
        print_skip(bench, "innocent thread", "no server");
    } else {
        print_stall_rows(bench, resident, &others);
        forkcall_server_stop();
    }
    munmap(resident, size);
}

const struct group stall_group = {"stall", "a thread that computes while others call", run_stall_rows, false};
