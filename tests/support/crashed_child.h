/* Registers and a copy of the stack of a child that really crashed, for the tests that unwind. */
#ifndef CRASHED_CHILD_H
#define CRASHED_CHILD_H

#include "os/registers.h"

#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline))
#define DEPTH 4
#define STACK_MAX 65536

/* What a crashed child sends to the test. */
struct crash {
    struct fc_registers registers;
    uint64_t stack_address;
    uint64_t stack_size;
    /* The return addresses of the functions under test, innermost first. */
    uint64_t returns[DEPTH];
    unsigned char stack[STACK_MAX];
};
extern struct crash crash;

/* Fills crash from a child that crashes in function, which level_1 calls. */
void take_crash(void (*function)(void));

void level_1(void);
void read_null(void);

#endif
