/* Three calls for the programs of this folder: one answers, one crashes, one ends at its
 * deadline. */
#ifndef JOBS_H
#define JOBS_H

#include <forkcall.h>

#define JOBS 3

struct job {
    const char *name;
    forkcall_fn *fn;
    struct forkcall_options options;
    enum forkcall_status expected;
    struct forkcall_call *call;
    long answer;
    struct forkcall_buf result; /* over answer */
    void *source;               /* what the loop knows the job by */
};

extern struct job jobs[JOBS];

/* Starts a job. 0 or a negative errno. */
int job_start(struct job *job);

/* To be called when the job's descriptor is readable. True: the job has ended, and was told. */
bool job_has_ended(struct job *job);

/* The exit status of main: 0 if each job has ended as expected, and the loop has ticked
 * meanwhile. */
int jobs_exit_status(unsigned ticks);

#endif
