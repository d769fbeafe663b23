/* A chain of calls that ends in a crash. The same source is in the test program and in a plugin:
 * CHAIN(name) is what a name is there. */
#ifndef CRASH_CHAIN_H
#define CRASH_CHAIN_H

#include <forkcall.h>

#ifdef PLUGIN
#define CHAIN(name) plugin_##name
#else
#define CHAIN(name) program_##name
#endif

/* Of what: the argument, an int. */
enum chain_end {
    CHAIN_NULL_POINTER,
    CHAIN_NULL_FUNCTION,
    CHAIN_TRAP,
    CHAIN_IN_CALLBACK,       /* of a library's function */
    CHAIN_ON_STATIC_STACK,   /* in a stack that lies in the module */
    CHAIN_WRITE_TO_CONSTANT, /* of the module */
    CHAIN_ENDS
};

/* Exported, so that they are known by name: the call's function, and what it calls. */
forkcall_fn CHAIN(outer);
int CHAIN(middle)(enum chain_end end);
int CHAIN(inner)(enum chain_end end);
void CHAIN(store)(void);
void *CHAIN(start)(void *unused);
extern const char CHAIN(constant)[];

#endif
