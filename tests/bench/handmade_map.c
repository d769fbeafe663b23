/* Maps by hand: reused workers with items in flight, a fork for each item, and Python's Pool. */
#include "handmade_map.h"

#include "handmade.h"
#include "measure.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, IN_FLIGHT = 8 };

struct worker {
    pid_t pid;
    int to, from; /* pipes */
    size_t sent, received;
};

/* Workers that get so many items in a message at most. */
struct team {
    size_t in_message;
    struct worker workers[WORKERS];
};

static struct team singles = {.in_message = 1};
static struct team batches = {.in_message = IN_FLIGHT};

/* ---- Reused workers -------------------------------------------------------------------------- */

/* Answers all items that one read(2) brings by one write(2). */
_Noreturn static void serve(int from, int to, size_t in_message)
{
    uint64_t items[IN_FLIGHT];
    for (;;) {
        const ssize_t n = read(from, items, in_message * sizeof *items);
        if (n <= 0)
            _exit(0);
        for (size_t i = 0; i < (size_t)n / sizeof *items; i++)
            items[i] *= items[i];
        if (!write_whole(to, items, (size_t)n))
            _exit(1);
    }
}

static void close_workers(const struct team *team, const struct worker *end)
{
    for (const struct worker *worker = team->workers; worker < end; worker++) {
        close(worker->to);
        close(worker->from);
    }
}

static bool start_worker(struct team *team, struct worker *worker)
{
    int request[2], reply[2];
    if (pipe(request) < 0 || pipe(reply) < 0)
        return false;
    worker->pid = fork();
    if (worker->pid == 0) {
        if (team == &batches)
            close_workers(&singles, singles.workers + WORKERS);
        close_workers(team, worker);
        close(request[1]);
        close(reply[0]);
        serve(request[0], reply[1], team->in_message);
    }
    close(request[0]);
    close(reply[1]);
    worker->to = request[1];
    worker->from = reply[0];
    return worker->pid > 0;
}

bool handmade_workers_start(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (!start_worker(&singles, &singles.workers[i]))
            return false;
    for (size_t i = 0; i < WORKERS; i++)
        if (!start_worker(&batches, &batches.workers[i]))
            return false;
    return true;
}

static void stop_team(const struct team *team)
{
    close_workers(team, team->workers + WORKERS);
    for (size_t i = 0; i < WORKERS; i++)
        waitpid(team->workers[i].pid, NULL, 0);
}

void handmade_workers_stop(void)
{
    stop_team(&batches);
    stop_team(&singles);
}

struct squares {
    struct team *team;
    size_t count, next, done;
    uint64_t *results;
    size_t index[WORKERS][IN_FLIGHT]; /* of the items in flight, in their order */
};

static bool send_items(struct squares *squares, size_t w)
{
    struct worker *worker = &squares->team->workers[w];
    const size_t in_message = squares->team->in_message;
    uint64_t items[IN_FLIGHT];
    size_t n = 0;
    while (worker->sent - worker->received < IN_FLIGHT && squares->next < squares->count) {
        squares->index[w][worker->sent++ % IN_FLIGHT] = squares->next;
        items[n++] = squares->next++;
    }
    for (size_t i = 0; i < n; i += in_message)
        if (!write_whole(worker->to, items + i, (n - i < in_message ? n - i : in_message) * sizeof *items))
            return false;
    return true;
}

static bool receive_items(struct squares *squares, size_t w)
{
    struct worker *worker = &squares->team->workers[w];
    uint64_t items[IN_FLIGHT];
    const ssize_t n = read(worker->from, items, squares->team->in_message * sizeof *items);
    if (n <= 0 || n % (ssize_t)sizeof *items != 0)
        return false;
    for (size_t i = 0; i < (size_t)n / sizeof *items; i++)
        squares->results[squares->index[w][worker->received++ % IN_FLIGHT]] = items[i];
    squares->done += (size_t)n / sizeof *items;
    return send_items(squares, w);
}

static bool are_right(const uint64_t *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (results[i] != (uint64_t)i * i)
            return false;
    return true;
}

static int64_t map_by(struct team *team, size_t count)
{
    struct squares squares = {.team = team, .count = count};
    squares.results = calloc(squares.count, sizeof *squares.results);
    bool ok = squares.results != NULL;
    const uint64_t start = clock_ns();
    for (size_t w = 0; ok && w < WORKERS; w++)
        ok = send_items(&squares, w);
    while (ok && squares.done < squares.count) {
        struct pollfd fds[WORKERS];
        for (size_t w = 0; w < WORKERS; w++)
            fds[w] = (struct pollfd){.fd = team->workers[w].from, .events = POLLIN};
        ok = poll(fds, WORKERS, -1) > 0;
        for (size_t w = 0; ok && w < WORKERS; w++)
            ok = fds[w].revents == 0 || receive_items(&squares, w);
    }
    const int64_t ns = elapsed_since(start);
    ok = ok && are_right(squares.results, squares.count);
    free(squares.results);
    return ok ? ns / (int64_t)squares.count : RUN_FAILED;
}

int64_t handmade_workers_map(void *items)
{
    return map_by(&singles, *(const size_t *)items);
}

int64_t handmade_batches_map(void *items)
{
    return map_by(&batches, *(const size_t *)items);
}

/* ---- A fork for each item -------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int from;
    size_t index;
};

static bool fork_child(struct child *child, size_t index)
{
    int reply[2];
    if (pipe(reply) < 0)
        return false;
    child->index = index;
    child->pid = fork();
    if (child->pid == 0) {
        const uint64_t square = (uint64_t)index * index;
        _exit(write(reply[1], &square, sizeof square) == (ssize_t)sizeof square ? 0 : 1);
    }
    close(reply[1]);
    child->from = reply[0];
    return child->pid > 0;
}

static bool reap(const struct child *child, uint64_t *results)
{
    int status;
    const bool ok = read_whole(child->from, &results[child->index], sizeof *results);
    close(child->from);
    return waitpid(child->pid, &status, 0) == child->pid && ok && status == 0;
}

int64_t handmade_forks_map(void *items)
{
    const size_t count = *(const size_t *)items;
    uint64_t *results = calloc(count, sizeof *results);
    struct child children[WORKERS];
    size_t running = 0;
    size_t next = 0;
    bool ok = results != NULL;
    const uint64_t start = clock_ns();
    while (ok && (next < count || running > 0)) {
        struct pollfd fds[WORKERS];
        while (ok && running < WORKERS && next < count)
            ok = fork_child(&children[running++], next++);
        for (size_t i = 0; i < running; i++)
            fds[i] = (struct pollfd){.fd = children[i].from, .events = POLLIN};
        ok = ok && poll(fds, running, -1) > 0;
        for (size_t i = running; ok && i-- > 0;)
            if (fds[i].revents != 0) {
                ok = reap(&children[i], results);
                children[i] = children[--running];
            }
    }
    const int64_t ns = elapsed_since(start);
    ok = ok && are_right(results, count);
    free(results);
    return ok ? ns / (int64_t)count : RUN_FAILED;
}

/* ---- Python ---------------------------------------------------------------------------------- */

static const char script[] = "import sys, time, multiprocessing\n"
                             "def square(x): return x * x\n"
                             "if __name__ == '__main__':\n"
                             "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
                             "        for line in sys.stdin:\n"
                             "            items = range(int(line))\n"
                             "            start = time.monotonic_ns()\n"
                             "            results = pool.map(square, items)\n"
                             "            ns = time.monotonic_ns() - start\n"
                             "            print(ns if results[-1] == items[-1] ** 2 else -1, flush=True)\n";

static struct {
    pid_t pid;
    FILE *to, *from;
} python;

bool python_pool_start(void)
{
    size_t one = 1;
    int request[2], reply[2];
    if (pipe(request) < 0 || pipe(reply) < 0)
        return false;
    python.pid = fork();
    if (python.pid == 0) {
        dup2(request[0], STDIN_FILENO);
        dup2(reply[1], STDOUT_FILENO);
        close(request[0]);
        close(request[1]);
        close(reply[0]);
        close(reply[1]);
        execlp("python3", "python3", "-c", script, (char *)NULL);
        _exit(127);
    }
    close(request[0]);
    close(reply[1]);
    python.to = fdopen(request[1], "w");
    python.from = fdopen(reply[0], "r");
    return python.pid > 0 && python.to != NULL && python.from != NULL && python_pool_map(&one) >= 0;
}

void python_pool_stop(void)
{
    fclose(python.to);
    fclose(python.from);
    waitpid(python.pid, NULL, 0);
}

int64_t python_pool_map(void *items)
{
    const size_t count = *(const size_t *)items;
    char line[64];
    if (fprintf(python.to, "%zu\n", count) < 0 || fflush(python.to) != 0 ||
        fgets(line, sizeof line, python.from) == NULL)
        return RUN_FAILED;
    const long long ns = strtoll(line, NULL, 10);
    return ns < 0 ? RUN_FAILED : (int64_t)ns / (int64_t)count;
}
