/* Libraries that do not survive a fork once they were used: what each is, and what is shown of it.
 * Each is a program of its own, which calls forkcall_init() and then unsafe_library_main(). */
#ifndef UNSAFE_LIBRARY_H
#define UNSAFE_LIBRARY_H

#include <forkcall.h>

struct unsafe_library {
    const char *name;
    forkcall_fn *use; /* answers with the int that is answer */
    int answer;
    /* Bring the library into the state that does not survive a fork, and out of it again; 0: done.
     * NULL: use does it, and it need not be ended. */
    int (*dirty)(void);
    int (*settle)(void);
    bool has_threads; /* once it was used: a fork is then refused by default */
    bool is_listed;   /* forkcall_hazards knows it by name */
    /* The outcome of a call that is forked all the same. */
    enum forkcall_status status;
    int code;
    uint32_t crash_flags;
};

/* Shows of the tested method that it fails as known (FORK) or does not (SERVER, SPAWN). Returns the
 * program's exit status. */
int unsafe_library_main(const struct unsafe_library *unsafe);

#endif
