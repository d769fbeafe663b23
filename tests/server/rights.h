/* Reads and drops capabilities of the calling thread, and changes its user. */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#define SETUID_ 7
#define DAC_OVERRIDE_ 1

struct capabilities {
    uint32_t effective, permitted, inheritable;
};

/* Return as the system calls do: 0, or -1 and errno. */
int get_capabilities(struct capabilities has[2]);
int set_capabilities(const struct capabilities wanted[2]);
/* True: this process is root and may become another user. */
bool is_root(void);

/* Takes the file user NOBODY. NOT_HERE: not permitted. */
int take_file_user(void);

#endif
