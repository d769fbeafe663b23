/* Describes a library that does not survive a fork once it was used, and tests it. Each library
 * has a program of its own, which calls forkcall_init() and then unsafe_library_main(). */
#ifndef UNSAFE_LIBRARY_H
#define UNSAFE_LIBRARY_H

#include <forkcall.h>

struct unsafe_library {
    const char *name;
    forkcall_fn *use; /* its result is the int answer */
    int answer;
    /* dirty brings the library into the state that does not survive a fork, and settle out of it;
     * 0: done. NULL: use has this effect, and nothing must be undone. */
    int (*dirty)(void);
    int (*settle)(void);
    bool has_threads; /* has threads once it was used: a fork is then refused by default */
    bool is_listed;   /* forkcall_hazards() knows the library by name */
    bool survives;    /* works after a fork, although it may have threads */
    /* The outcome of a call that is forked nevertheless. */
    enum forkcall_status status;
    int code;
    uint32_t crash_flags;
};

/* Tests that the method fails as expected (FORK), or does not fail (SERVER, SPAWN). Returns the
 * program's exit status. */
int unsafe_library_main(const struct unsafe_library *unsafe);

#endif
