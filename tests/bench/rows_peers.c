/* Measures what a user would take instead: the fork of reproc, and the pool of Python, whose worker
 * is reused. Each only where it is installed. */
#include "bench.h"
#include "library_calls.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_REPROC
#include <reproc/reproc.h>
#endif

enum { SMALL_SIZE = 8, LARGE_SIZE = 1 << 20 };

/* ---- Python ---------------------------------------------------------------------------------- */

/* For each size that it reads, it has a worker make so many bytes, checks them, and prints the
 * nanoseconds. */
static const char script[] = "import multiprocessing, sys, time\n"
                             "from concurrent.futures import ProcessPoolExecutor\n"
                             "def answer(byte, size): return bytes([byte]) * size\n"
                             "pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('fork'))\n"
                             "byte = 0\n"
                             "for line in sys.stdin:\n"
                             "    size, byte = int(line), byte % 255 + 1\n"
                             "    start = time.perf_counter_ns()\n"
                             "    got = pool.submit(answer, byte, size).result()\n"
                             "    good = len(got) == size and got.count(byte) == size\n"
                             "    print(time.perf_counter_ns() - start if good else -1, flush=True)\n"
                             "pool.shutdown()\n";

struct python {
    pid_t pid;
    FILE *to, *from;
};

_Noreturn static void become_python(const int in[2], const int out[2])
{
    if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0)
        execlp("python3", "python3", "-c", script, (char *)NULL);
    _exit(127);
}

static bool start_python(struct python *python)
{
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    fflush(NULL);
    python->pid = fork();
    if (python->pid == 0)
        become_python(in, out);
    close(in[0]);
    close(out[1]);
    python->to = fdopen(in[1], "w");
    python->from = fdopen(out[0], "r");
    return python->pid > 0 && python->to != NULL && python->from != NULL;
}

static void end_python(struct python *python)
{
    if (python->to != NULL)
        fclose(python->to);
    if (python->from != NULL)
        fclose(python->from);
    if (python->pid > 0)
        waitpid(python->pid, NULL, 0);
}

struct ask_python {
    struct python *python;
    size_t size;
};

static int64_t python_call(void *context)
{
    const struct ask_python *const ask = context;
    char line[64];
    if (fprintf(ask->python->to, "%zu\n", ask->size) < 0 || fflush(ask->python->to) != 0 ||
        fgets(line, sizeof line, ask->python->from) == NULL)
        return RUN_FAILED;
    const long long elapsed = strtoll(line, NULL, 10);
    return elapsed > 0 ? elapsed : RUN_FAILED;
}

/* ---- reproc ---------------------------------------------------------------------------------- */

#ifdef HAVE_REPROC
static bool read_from_reproc(reproc_t *process, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const int got = reproc_read(process, REPROC_STREAM_OUT, (uint8_t *)data + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static int64_t reproc_call(void *context)
{
    const uint64_t start = clock_ns();
    uint64_t answer = 0;
    (void)context;
    reproc_t *process = reproc_new();
    const int child = process == NULL ? -1 : reproc_start(process, NULL, (reproc_options){.fork = true});
    if (child == 0) {
        answer = trivial_answer(start);
        _exit(write(STDOUT_FILENO, &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
    }
    const bool good = child > 0 && read_from_reproc(process, &answer, sizeof answer) &&
                      reproc_wait(process, REPROC_INFINITE) == 0 && answer == trivial_answer(start);
    reproc_destroy(process);
    return good ? elapsed_since(start) : RUN_FAILED;
}
#endif

/* ---- The library ----------------------------------------------------------------------------- */

static int fill(const void *args, size_t args_size, struct forkcall_buf *result)
{
    void *place = forkcall_buf_extend(result, LARGE_SIZE);
    (void)args_size;
    if (place == NULL)
        return 1;
    memset(place, *(const unsigned char *)args, LARGE_SIZE);
    return 0;
}

static bool is_filled(const struct forkcall_buf *result, unsigned char byte)
{
    const unsigned char *data = result->data;
    return result->size == LARGE_SIZE && data[0] == byte && memcmp(data, data + 1, LARGE_SIZE - 1) == 0;
}

static int64_t library_large(void *context)
{
    const uint64_t start = clock_ns();
    const unsigned char byte = (unsigned char)start;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = forkcall_run(fill, &byte, 1, &result, context);
    const bool good = ended_as(&report, FORKCALL_OK) && is_filled(&result, byte);
    forkcall_buf_free(&result);
    return good ? elapsed_since(start) : RUN_FAILED;
}

/* ---- The rows -------------------------------------------------------------------------------- */

static struct forkcall_options by_server = {.method = FORKCALL_SERVER};
static struct forkcall_options by_plain_fork = {.method = FORKCALL_FORK};
static const struct effort effort = {.warm_up = 5, .min_rounds = 50, .max_rounds = 1000, .seconds = 2};

static void measure_beside_python(struct bench *bench, struct python *python)
{
    static const char peer[] = "ProcessPoolExecutor, worker reused";
    static const char *const sizes[] = {"8 B", "1 MiB"};
    for (size_t i = 0; i < 2; i++) {
        run_fn *const library = i == 0 ? library_call : library_large;
        struct ask_python ask = {python, i == 0 ? SMALL_SIZE : LARGE_SIZE};
        const struct variant variants[] = {
            {"Python", python_call, &ask}, {"FORK", library, &by_plain_fork}, {"SERVER", library, &by_server}};
        struct summary times[3];
        measure(bench, variants, 3, effort, times);
        for (size_t k = 1; k < 3; k++) {
            char what[64];
            snprintf(what, sizeof what, "%s, %s", sizes[i], variants[k].name);
            print_row(bench, &(struct row){what, peer, &times[0], &times[k], 0, UNIT_TIME});
        }
    }
}

static void measure_beside_reproc(struct bench *bench)
{
#ifdef HAVE_REPROC
    const struct variant variants[] = {{"reproc", reproc_call, NULL},
                                       {"8 B, FORK", library_call, &by_plain_fork},
                                       {"8 B, SERVER", library_call, &by_server}};
    struct summary times[3];
    measure(bench, variants, 3, effort, times);
    for (size_t i = 1; i < 3; i++)
        print_row(bench, &(struct row){variants[i].name, "reproc, fork", &times[0], &times[i], 0, UNIT_TIME});
#else
    print_skip(bench, "reproc", "was not there when the benchmark was built");
#endif
}

static void run_peers_rows(struct bench *bench)
{
    struct python python = {.pid = 0};
    struct ask_python first = {&python, SMALL_SIZE};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* python3 may be missing */
    if (forkcall_server_start(NULL) != 0) {
        bench->failures++;
        print_skip(bench, "peers", "no server");
        return;
    }
    measure_beside_reproc(bench);
    if (start_python(&python) && python_call(&first) > 0)
        measure_beside_python(bench, &python);
    else
        print_skip(bench, "ProcessPoolExecutor", "python3 does not run it");
    end_python(&python);
    forkcall_server_stop();
}

const struct group peers_group = {"peers", "reproc and Python's ProcessPoolExecutor, where they are installed",
                                  run_peers_rows, false};
