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
};

/* A run of the constructor. */
struct run {
    pid_t pid;
    pid_t child; /* that it has forked; 0: none */
};

#endif
