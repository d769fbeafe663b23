/* Processes that measure side by side: each is a host of the library of its own, of its own size
 * and on its own cores, and runs what it is told while the others sleep. So hosts that one process
 * cannot be at once are measured in turn. */
#ifndef BENCH_STATION_H
#define BENCH_STATION_H

#include "measure.h"

#include <forkcall.h>

#include <stdbool.h>
#include <sys/types.h>

struct station {
    pid_t pid; /* 0: not open */
    int wire;
};

struct station_setup {
    size_t ballast;
    int core; /* that it and all its helpers are kept to; -1: any */
    const struct forkcall_server_options *server;
};

/* Starts its helpers by hand and its server, and then makes it as large as it is to be. False: it
 * cannot be had. */
bool station_open(struct station *station, const struct station_setup *setup);
void station_close(struct station *station);

/* A run that is done by a station. run and context have the same addresses there: they are
 * constant, or were there before the station was opened. */
struct station_job {
    const struct station *station;
    run_fn *run;
    void *context;
};

/* A run: context is a struct station_job. */
int64_t run_at_station(void *context);

#endif
