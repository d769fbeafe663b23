/* HOST: the threads that call, and what the host does to itself meanwhile. */
#include "time_factor.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <forkcall.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define OWN_FILES 6

#ifdef __GLIBC__
typedef __rlimit_resource_t resource_t; /* the compiler expects an enum there */
#else
typedef int resource_t;
#endif

/* Callers hold the lock for reading during a call, so that descriptors are closed and their
 * numbers reused only between calls. A host may do that. Closing a descriptor that a running call
 * uses would be the host's own fault. */
static pthread_rwlock_t quiet = PTHREAD_RWLOCK_INITIALIZER;
/* Callers and the writer take this mutex before the lock. Without it, new callers could keep the
 * writer waiting for ever. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool over;

struct caller {
    const struct host *host;
    int slot;
};

static void begin_call(void)
{
    pthread_mutex_lock(&door);
    pthread_rwlock_rdlock(&quiet);
    pthread_mutex_unlock(&door);
}

static void begin_quiet(void)
{
    pthread_mutex_lock(&door);
    pthread_rwlock_wrlock(&quiet);
    pthread_mutex_unlock(&door);
}

static bool chance(uint64_t *random, uint32_t one_in)
{
    return draw(random, one_in) == 0;
}

static void *call_all_the_time(void *arg)
{
    const struct caller *caller = arg;
    uint64_t random = caller->host->seed * 1000 + (uint64_t)caller->slot;
    const bool is_root = geteuid() == 0;
    while (!atomic_load(&over)) {
        if (is_root && chance(&random, 8))
            setfsuid(chance(&random, 2) ? 0 : lonely_user() + 1); /* changes this thread only */
        begin_call();
        calls_make_one(caller->host, caller->slot, &random);
        pthread_rwlock_unlock(&quiet);
    }
    return NULL;
}

/* ---- What the host does to itself ------------------------------------------------------------ */

/* Lowers a soft limit for a while. */
static void lower_limit(resource_t resource, rlim_t soft, unsigned for_ms)
{
    struct rlimit before;
    if (getrlimit(resource, &before) < 0)
        return;
    struct rlimit lower = {.rlim_cur = soft < before.rlim_max ? soft : before.rlim_max, .rlim_max = before.rlim_max};
    setrlimit(resource, &lower);
    usleep(for_ms * 1000);
    setrlimit(resource, &before);
}

static int answer_7(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 7;
}

/* Forks a child that makes a call: the call must not hang. Havoc decides how it ends, but its
 * outcome must not belong to another call. */
static void fork_a_caller(struct board *board)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        const struct forkcall_options options = {
            .method = FORKCALL_FORK, .allow_unsafe_fork = true, .timeout_ms = 10000 * time_factor()};
        const struct forkcall_report report = forkcall_run(answer_7, NULL, 0, NULL, &options);
        _exit(report.status == FORKCALL_OK || (report.status == FORKCALL_FAILED && report.code != 7) ? 1 : 0);
    }
    if (pid < 0)
        return;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        fprintf(stderr, "WRONG: a call in a fork of the host: status %d\n", status);
        atomic_fetch_add(&board->wrong, 1);
    }
}

/* Closes all descriptors, as daemons do, while a server lives; then opens files of the host at the
 * same numbers. */
static void close_all_and_reuse(struct board *board)
{
    int own[OWN_FILES];
    struct stat before[OWN_FILES];
    struct stat after;
    begin_quiet();
    const long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < most && fd < 1024; fd++)
        close(fd);
    for (int i = 0; i < OWN_FILES; i++) {
        own[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (own[i] >= 0)
            fstat(own[i], &before[i]);
    }
    pthread_rwlock_unlock(&quiet);
    usleep(30000); /* calls run while these numbers are taken */
    forkcall_server_stop();
    for (int i = 0; i < OWN_FILES; i++) {
        if (own[i] < 0)
            continue;
        if (fstat(own[i], &after) < 0 || after.st_rdev != before[i].st_rdev || after.st_ino != before[i].st_ino) {
            fprintf(stderr, "WRONG: the library has closed or replaced a file of the host's\n");
            atomic_fetch_add(&board->wrong, 1);
            continue;
        }
        close(own[i]);
    }
}

static void disturb(const struct host *host, uint64_t *random)
{
    static const mode_t masks[] = {022, 027, 077};
    switch (draw(random, 8)) {
    case 0:
        if (chdir(chance(random, 2) ? "/" : "/tmp") < 0)
            perror("chdir");
        break;
    case 1:
        umask(masks[draw(random, 3)]);
        break;
    case 2:
        lower_limit(RLIMIT_NOFILE, 10 + draw(random, 50), 20 + draw(random, 80));
        break;
    case 3:
        lower_limit(RLIMIT_NPROC, CALLERS + draw(random, 16), 20 + draw(random, 80));
        break;
    case 4:
        fork_a_caller(host->board);
        break;
    case 5:
        close_all_and_reuse(host->board);
        break;
    case 6:
        forkcall_server_stop();
        break;
    default:
        break;
    }
    usleep(draw(random, 40000));
}

/* ---- The end --------------------------------------------------------------------------------- */

/* A child that could not be reaped in time is reaped by a later call. */
static bool nothing_is_left(struct traces before)
{
    const uint64_t deadline_ns = now_ns() + 20000000000U;
    struct traces after = traces_now();
    while (now_ns() < deadline_ns && (after.descriptors > before.descriptors || after.children > before.children)) {
        const struct forkcall_options options = {.method = FORKCALL_FORK, .allow_unsafe_fork = true};
        forkcall_run(answer_7, NULL, 0, NULL, &options);
        usleep(50000);
        after = traces_now();
    }
    if (after.descriptors <= before.descriptors && after.children <= before.children)
        return true;
    fprintf(stderr, "WRONG: left behind: %d descriptors (%d before), %d children (%d before)\n", after.descriptors,
            before.descriptors, after.children, before.children);
    return false;
}

static bool become_user(const struct host *host)
{
    if (geteuid() != 0 || host->seed % 2 == 0)
        return true;
    const unsigned user = lonely_user(); /* to whom limits on processes apply */
    return setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0;
}

/* True: functions began after their calls had ended. */
static bool has_strays(struct board *board)
{
    unsigned possible = 0;
#ifdef TEST_PORTABLE
    possible = atomic_load(&board->lost); /* children that were stopped before their function */
#endif
    return atomic_load(&board->strays) > possible;
}

int host_main(struct host *host, unsigned seconds)
{
    pthread_t threads[CALLERS];
    struct caller callers[CALLERS];
    uint64_t random = host->seed;
    if (!become_user(host))
        return 1;
    const struct traces before = traces_now();
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){host, i};
        if (pthread_create(&threads[i], NULL, call_all_the_time, &callers[i]) != 0)
            return 1;
    }
    atomic_store(&host->board->host, (int)getpid());
    const uint64_t end_ns = now_ns() + (uint64_t)seconds * 1000000000U;
    while (now_ns() < end_ns)
        disturb(host, &random);
    atomic_store(&over, true);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&host->board->over, true);
    while (!atomic_load(&host->board->is_calm))
        usleep(1000);
    const bool work = calls_work_again(host);
    forkcall_server_stop();
    const bool right = nothing_is_left(before) && atomic_load(&host->board->wrong) == 0 && !has_strays(host->board);
    return work && right ? 0 : 1;
}
