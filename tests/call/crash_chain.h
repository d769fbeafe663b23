/* A chain of calls that ends in a crash. The test program and a plugin are built from the same
 * source: CHAIN(name) gives each its own names. */
#ifndef CRASH_CHAIN_H
#define CRASH_CHAIN_H

#include <forkcall.h>

#ifdef PLUGIN
#define CHAIN(name) plugin_##name
#else
#define CHAIN(name) program_##name
#endif

/* How the chain ends. The function's argument is one of these values, as an int. */
enum chain_end {
    CHAIN_NULL_POINTER,
    CHAIN_NULL_FUNCTION,
    CHAIN_TRAP,
    CHAIN_IN_CALLBACK,       /* in a function that qsort(3) calls */
    CHAIN_ON_STATIC_STACK,   /* on a stack that lies in the module's data */
    CHAIN_WRITE_TO_CONSTANT, /* writes to a constant of the module */
    CHAIN_ENDS
};

/* These functions are exported, so that their names are known: the function of the call, and the
 * functions that it calls. */
forkcall_fn CHAIN(outer);
int CHAIN(middle)(enum chain_end end);
int CHAIN(inner)(enum chain_end end);
void CHAIN(store)(void);
void *CHAIN(start)(void *unused);
extern const char CHAIN(constant)[];

#endif
