/* Capabilities of this thread, and another identity for it. */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#define SETUID_ 7
#define DAC_OVERRIDE_ 1

struct capabilities {
    uint32_t effective, permitted, inheritable;
};

/* As the system calls: 0, or -1 and errno. */
int get_capabilities(struct capabilities has[2]);
int set_capabilities(const struct capabilities wanted[2]);
/* Root that may become another user. */
bool is_root(void);

/* Takes the file user NOBODY; NOT_HERE where that is not permitted. */
int take_file_user(void);

#endif
