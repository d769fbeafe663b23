/* Executes the running program again as a new process, which finds a function by name, calls it,
 * and sends the answer. */
#ifndef EXEC_LOOKUP_H
#define EXEC_LOOKUP_H

#include "module/lookup.h"

struct answer {
    int32_t result; /* of fc_module_find() */
    int32_t value;  /* what the function returned */
    char why[600];
};

/* Loads a module in the new process. Set it before lookup_serve(). Static programs, which load
 * nothing, leave it NULL. */
extern bool (*lookup_preload)(const char *path);

/* Must be called first in main(): in the new process it does not return. */
void lookup_serve(int argc, char **argv);

/* Asks a new process to find the function. preload: a module that the new process loads first, or
 * NULL. False: no answer came. */
bool lookup_ask(const struct fc_module_function *name, const char *preload, struct answer *answer);

bool copy_file(const char *from, const char *to);

#endif
