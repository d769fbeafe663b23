/* Test program: threads of a host call by all methods, while the host's processes are killed,
 * stopped and continued, its limits are lowered and its descriptors closed. Each call must end in
 * bounded time with a true outcome, and its function must run once at most. Afterwards calls must
 * work again, and nothing may be left behind.
 *
 *     chaos [SECONDS [SEED]]     prints the seed, so that a run can be repeated
 *
 * As root, an odd seed makes the host an ordinary user, so that RLIMIT_NPROC applies. With an even
 * seed the host stays root, and its threads change their file system identity. */
#include "havoc.h"
#include "host.h"
#include "not_here.h"

#include <errno.h>
#include <forkcall.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A call has a deadline of 20 s at most, and needs about a second more to end. */
#define STUCK_NS 60000000000U
/* The limit for six calls, the spares and what is about to end. More processes mean that they
 * start each other endlessly. */
#define PROCESSES_AT_MOST 150
#define GONE_NS 20000000000U

static bool board_make(char path[64])
{
    static const struct board empty;
    snprintf(path, 64, "/tmp/forkcall-chaos.XXXXXX");
    const int fd = mkstemp(path);
    const bool made = fd >= 0 && write(fd, &empty, sizeof empty) == sizeof empty && fchmod(fd, 0666) == 0;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !made)
        unlink(path);
    return made;
}

static bool is_stuck(struct board *board)
{
    bool found = false;
    for (int i = 0; i <= CALLERS; i++) {
        const struct slot *slot = &board->slot[i];
        const uint64_t since_ns = atomic_load(&slot->since_ns);
        if (since_ns == 0 || now_ns() < since_ns + STUCK_NS)
            continue;
        fprintf(stderr, "WRONG: a call does not end: slot %d, method %d, kind %d, %s\n", i, atomic_load(&slot->method),
                atomic_load(&slot->kind), atomic_load(&slot->async) != 0 ? "async" : "sync");
        found = true;
    }
    return found;
}

static void reap_others(pid_t host)
{
    siginfo_t info;
    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || info.si_pid == host)
            return;
        waitpid(info.si_pid, NULL, 0);
    }
}

static bool has_ended(pid_t host, int *status)
{
    return waitpid(host, status, WNOHANG) == host;
}

/* Returns the exit status of the host; 1000: the host hung or had too many processes, and was
 * killed. */
static int watch(struct board *board, pid_t host, uint64_t *random)
{
    int status = 0;
    pid_t list[1];
    while (!has_ended(host, &status)) {
        reap_others(host);
        if (is_stuck(board) || havoc_list(host, list, 1) > PROCESSES_AT_MOST) {
            fprintf(stderr, "WRONG: %d processes\n", havoc_list(host, list, 1));
            kill(host, SIGKILL);
            waitpid(host, NULL, 0);
            return 1000;
        }
        if (atomic_load(&board->over)) {
            havoc_end();
            atomic_store(&board->is_calm, true);
        } else if (atomic_load(&board->host) != 0) {
            havoc_once(board, host, random);
        }
        usleep(5000 + draw(random, 20000));
    }
    havoc_end();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#ifdef TEST_PORTABLE
/* In the portable build, a function that never returns outlives its killed server (calls.c). */
static void end_lost_children(struct board *board)
{
    pid_t list[64];
    const int count = havoc_list(0, list, 64);
    for (unsigned i = 0; i < atomic_load(&board->lost) && i < LOST_MAX; i++)
        for (int j = 0; j < count && j < 64; j++)
            if (list[j] == (pid_t)atomic_load(&board->lost_child[i]))
                kill(list[j], SIGKILL);
}
#endif

static bool all_are_gone(void)
{
    pid_t list[64];
    const uint64_t deadline_ns = now_ns() + GONE_NS;
    int count;
    do {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        count = havoc_list(0, list, 64);
        usleep(5000);
    } while (count > 0 && now_ns() < deadline_ns);
    for (int i = 0; i < count && i < 64; i++) {
        fprintf(stderr, "WRONG: process %d outlives the host\n", (int)list[i]);
        kill(list[i], SIGKILL);
    }
    return count == 0;
}

int main(int argc, char **argv)
{
    forkcall_init();
    const unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : now_ns() / 1000 % 1000000;
    char path[64];
    uint64_t random = seed + 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu: %s %u %llu\n", (unsigned long long)seed, argv[0], seconds, (unsigned long long)seed);
    struct board *board = board_make(path) ? board_map(path) : NULL;
    if (board == NULL || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        printf("skipped: no shared file, or no subreaper here: %s\n", strerror(errno));
        if (board != NULL)
            unlink(path);
        return NOT_HERE;
    }
    struct host host = {.board = board, .board_path = path, .seed = seed};
    const pid_t pid = fork();
    if (pid == 0)
        _exit(host_main(&host, seconds));
    const int status = watch(board, pid, &random);
#ifdef TEST_PORTABLE
    end_lost_children(board);
#endif
    const bool gone = all_are_gone();
    unlink(path);
    printf("%llu calls, %llu OK, %llu deeds, %u wrong, %u strays, %u lost; host: %d\n",
           (unsigned long long)atomic_load(&board->calls), (unsigned long long)atomic_load(&board->ok),
           (unsigned long long)atomic_load(&board->havocs), atomic_load(&board->wrong), atomic_load(&board->strays),
           atomic_load(&board->lost), status);
    return status == 0 && gone ? 0 : 1;
}
