/* Processes that take turns in measuring. Each is a host of the library with its own size and its
 * own cores, and runs its measurement while the others sleep. Hosts of different sizes, which one
 * process cannot be at the same time, are measured in turn by them. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "measure.h"

#include <forkcall.h>

#include <stdbool.h>
#include <sys/types.h>

struct bench_process {
    pid_t pid; /* 0: not open */
    int wire;
};

struct bench_process_setup {
    size_t resident;
    int core; /* the core for the process and all its helpers; -1: any */
    const struct forkcall_server_options *server;
};

/* Starts the process, which starts its handmade helpers and its server, and then grows to its
 * size. False: it cannot be started. */
bool bench_process_open(struct bench_process *process, const struct bench_process_setup *setup);
void bench_process_close(struct bench_process *process);

/* A run that a process does. run and context must have the same addresses in that process: they
 * must be constant, or exist before the process was opened. */
struct bench_process_job {
    const struct bench_process *process;
    run_fn *run;
    void *context;
};

/* A run: context is a struct bench_process_job. */
int64_t run_in_bench_process(void *context);

#endif
