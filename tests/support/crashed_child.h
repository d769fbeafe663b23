/* What is left of a child that really crashed: its registers and a copy of its stack. */
#ifndef CRASHED_CHILD_H
#define CRASHED_CHILD_H

#include "os/registers.h"

#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline))
#define DEPTH 4
#define STACK_MAX 65536

/* What a crashed child sends. */
struct crash {
    struct fc_registers registers;
    uint64_t stack_address;
    uint64_t stack_size;
    /* Where each of the functions under test would have returned to, innermost first. */
    uint64_t returns[DEPTH];
    unsigned char stack[STACK_MAX];
};
extern struct crash crash;

/* Fills crash with what a child sends that ends in function, called by level_1. */
void take_crash(void (*function)(void));

void level_1(void);
void read_null(void);

#endif
