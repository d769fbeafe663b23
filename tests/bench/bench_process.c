/* Processes that take turns in measuring. */
#include "bench_process.h"

#include "handmade_server.h"
#include "resident_memory.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPARES = 2 };

struct order {
    run_fn *run; /* NULL: the process must end */
    void *context;
};

static bool keep_to(int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static bool prepare(const struct bench_process_setup *setup)
{
    if (setup->core >= 0 && !keep_to(setup->core))
        return false;
    if (!handmade_ping_start() || !handmade_spares_start(SPARES))
        return false;
    const int error = setup->server != NULL ? forkcall_server_start(setup->server) : 0;
    if (error != 0)
        fprintf(stderr, "forkcall-bench: forkcall_server_start: %s\n", strerror(-error));
    return error == 0 && (setup->resident == 0 || make_resident_memory(setup->resident) != NULL);
}

_Noreturn static void work(const struct bench_process_setup *setup, pid_t parent, int wire)
{
    struct order order;
    int64_t answer = 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || !prepare(setup))
        _exit(1);
    while (send(wire, &answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer &&
           recv(wire, &order, sizeof order, 0) == sizeof order && order.run != NULL)
        answer = order.run(order.context);
    forkcall_server_stop();
    _exit(0);
}

bool bench_process_open(struct bench_process *process, const struct bench_process_setup *setup)
{
    int ends[2];
    int64_t ready = 0;
    const pid_t self = getpid();
    *process = (struct bench_process){.pid = 0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        work(setup, self, ends[1]);
    }
    close(ends[1]);
    *process = (struct bench_process){.pid = pid, .wire = ends[0]};
    if (pid > 0 && recv(ends[0], &ready, sizeof ready, 0) == sizeof ready)
        return true;
    bench_process_close(process);
    return false;
}

void bench_process_close(struct bench_process *process)
{
    const struct order end = {.run = NULL};
    if (process->pid == 0)
        return;
    /* If the process has died, MSG_NOSIGNAL keeps SIGPIPE from killing this one. */
    send(process->wire, &end, sizeof end, MSG_NOSIGNAL);
    close(process->wire);
    if (process->pid > 0)
        waitpid(process->pid, NULL, 0);
    process->pid = 0;
}

int64_t run_in_bench_process(void *context)
{
    const struct bench_process_job *const job = context;
    const struct order order = {.run = job->run, .context = job->context};
    int64_t answer = RUN_FAILED;
    if (job->process->pid <= 0 || send(job->process->wire, &order, sizeof order, MSG_NOSIGNAL) != sizeof order ||
        recv(job->process->wire, &answer, sizeof answer, 0) != sizeof answer)
        return RUN_FAILED;
    return answer;
}
