/* A library that a test loads as a module. */
#ifndef MORE_H
#define MORE_H

#include "../unsafe_library.h"

#ifdef __cplusplus
extern "C"
#else
extern
#endif
    const struct unsafe_library the_library;

#endif
