/* A copy of the running program, really exec'ed, that finds a function by name, calls it and tells
 * what it answers. */
#ifndef EXEC_LOOKUP_H
#define EXEC_LOOKUP_H

#include "module/lookup.h"

struct answer {
    int32_t result; /* of fc_module_find */
    int32_t value;  /* of the function */
    char why[600];
};

/* How the copy loads a module. To be set before lookup_serve; static programs do without. */
extern bool (*lookup_preload)(const char *path);

/* First thing in main: does not return in the copy. */
void lookup_serve(int argc, char **argv);

/* preload: a module that the copy loads first, or NULL. False: no answer. */
bool lookup_ask(const struct fc_module_function *name, const char *preload, struct answer *answer);

bool copy_file(const char *from, const char *to);

#endif
