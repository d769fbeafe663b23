/* Processes that measure side by side: each is a host of the library of its own, of its own size
 * and on its own cores, and runs what it is told while the others sleep. So hosts that one process
 * cannot be at once are measured in turn. */
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
    int core; /* that it and all its helpers are kept to; -1: any */
    const struct forkcall_server_options *server;
};

/* Starts its helpers by hand and its server, and then makes it as large as it is to be. False: it
 * cannot be had. */
bool bench_process_open(struct bench_process *process, const struct bench_process_setup *setup);
void bench_process_close(struct bench_process *process);

/* A run that is done by a process. run and context have the same addresses there: they are
 * constant, or were there before the process was opened. */
struct bench_process_job {
    const struct bench_process *process;
    run_fn *run;
    void *context;
};

/* A run: context is a struct bench_process_job. */
int64_t run_in_bench_process(void *context);

#endif
