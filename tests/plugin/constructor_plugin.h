/* What the plugin with a constructor tells. */
#ifndef CONSTRUCTOR_PLUGIN_H
#define CONSTRUCTOR_PLUGIN_H

#include <forkcall.h>

#include <stdint.h>
#include <sys/types.h>

struct loaded {
    uint64_t at_ns; /* when its constructor ran */
    pid_t by;       /* in which process */
    pid_t runs_in;  /* where the function runs */
    int calls;      /* of the function, in this process */
    int got_lock;   /* 1: its constructor got the lock that it did not wait for; 0: it did not */
    int read;       /* what its constructor read from the file; -1: nothing */
};

/* A run of the constructor. */
struct run {
    pid_t pid;
    pid_t child; /* that it has forked; 0: none */
};

#endif
