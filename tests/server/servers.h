/* Helpers of the tests of forkcall_init(), SPAWN and SERVER. Each body of host_run() has a server
 * of its own. */
#ifndef SERVERS_H
#define SERVERS_H

#include "sanitized.h"
#include "support.h"

#include <sys/types.h>

/* Calls with a long timeout. True: the call was OK, and its answer has that size. Else the report
 * is printed to stderr. */
bool ask(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, void *answer,
         size_t answer_size);
/* The same as ask() for text answers of at most size - 1 bytes. */
bool ask_text(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, char *text,
              size_t size);
/* True: the report has this status and this ran. Else the report is printed to stderr. */
bool ended(const struct forkcall_report *report, enum forkcall_status status, enum forkcall_ran ran);

/* The process that runs the function. */
struct who {
    pid_t pid, parent, group;
};
int child_tells_who(const void *args, size_t args_size, struct forkcall_buf *result);
/* The pid of this process's server, which is started if need be. -1: the call for it failed. */
pid_t server_pid(void);

/* Counts the children of a process, zombies included, and lists max of them at most. -1: there is
 * no such process. */
int children_of(pid_t pid, pid_t *list, int max);
/* The state of a process as /proc shows it ('S', 'T', 'Z' …). 0: the process is gone. */
char state_of(pid_t pid);
/* Waits until the server has this number of waiting children. */
bool spares_are(pid_t server, int count);
bool all_gone(const pid_t *list, int count);

/* Functions for children. */
int child_writes_and_hangs(const void *args, size_t args_size,
                           struct forkcall_buf *result); /* args: a kept descriptor */

/* A call by SERVER whose function sends its pid and waits for a byte: at 'x' it exits with status
 * 3. */
struct waiter {
    int told[2], go[2];
    pid_t child;
    struct forkcall_call *call;
};
int waiter_begin(struct waiter *waiter); /* Returns 0. Else it has printed what failed. */

/* ---- Programs -------------------------------------------------------------------------------- */

struct program {
    const char *path;
    const char *const *args; /* the arguments after the name; NULL at the end */
    /* The environment besides PATH, with NULL at the end. NULL: the environment of this process. */
    const char *const *environment;
    int (*before)(void *); /* runs in the program's process before exec; not 0: an error */
    void *context;
};
/* Runs a program and puts what it prints to stdout and stderr into output. Returns its exit
 * status, or 1000 + the signal. */
int program_run(const struct program *program, char *output, size_t size);

/* Makes a new directory that all users may enter. */
bool directory_make(char path[64]);
bool file_copy(const char *from, const char *to, mode_t mode);
/* Makes a new directory and copies a program into it with this mode. Both functions fail the test
 * if they cannot. */
void program_make(const char *from, mode_t mode, char directory[64], char path[96]);
/* Removes the directory and the files in it. */
void directory_remove(const char *path);
int count_in_file(const char *path, const char *text);
int count_in_text(const char *whole, const char *text);

#endif
