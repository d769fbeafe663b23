/* What the tests of forkcall_init, SPAWN and SERVER share. Bodies of host_run each have a server of
 * their own. */
#ifndef SERVERS_H
#define SERVERS_H

#include "support.h"

#include <sys/types.h>

/* Its tool interposes functions of the C library, as some tests do. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define SANITIZED
#endif

/* A patient call. True: it was OK, and its answer has that size; else it is explained on stderr. */
bool ask(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, void *answer,
         size_t answer_size);
/* The same for answers that are text, of at most size - 1 bytes. */
bool ask_text(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, char *text,
              size_t size);
/* A report is as it should be, or is explained on stderr. */
bool ended(const struct forkcall_report *report, enum forkcall_status status, enum forkcall_ran ran);

/* Who runs the function. */
struct who {
    pid_t pid, parent, group;
};
int child_tells_who(const void *args, size_t args_size, struct forkcall_buf *result);
/* The server of this process, which is started if need be; -1: it could not be told. */
pid_t server_pid(void);

/* The children that a process has, zombies too; at most max are listed, all are counted. -1: there
 * is no such process. */
int children_of(pid_t pid, pid_t *list, int max);
/* The state of a process as /proc tells it ('S', 'T', 'Z' …); 0: it is gone. */
char state_of(pid_t pid);
/* Waits until the server has as many children that wait. */
bool spares_are(pid_t server, int count);
bool all_gone(const pid_t *list, int count);

/* For children. */
int child_writes_and_hangs(const void *args, size_t args_size,
                           struct forkcall_buf *result); /* args: a kept descriptor */

/* A call by SERVER whose function tells its number, and waits for a byte: at 'x' it ends with
 * status 3. */
struct waiter {
    int told[2], go[2];
    pid_t child;
    struct forkcall_call *call;
};
int waiter_begin(struct waiter *waiter); /* 0; else it has said why not */

/* ---- Programs -------------------------------------------------------------------------------- */

struct program {
    const char *path;
    const char *const *args;        /* after the name; NULL at the end */
    const char *const *environment; /* beside PATH; NULL at the end; NULL: that of this process */
    int (*before)(void *);          /* in its process, before exec; not 0: an error */
    void *context;
};
/* Runs it; what it writes to stdout and stderr comes into output. Its exit status, or 1000 +
 * signal. */
int program_run(const struct program *program, char *output, size_t size);

/* A fresh directory that all users may enter, and a copy of a program in it. */
bool directory_make(char path[64]);
bool file_copy(const char *from, const char *to, mode_t mode);
/* Both: the copy has this mode, and its path is told. They fail the test where they cannot. */
void program_make(const char *from, mode_t mode, char directory[64], char path[96]);
/* Removes the directory and the files in it. */
void directory_remove(const char *path);
int count_in_file(const char *path, const char *text);
int count_in_text(const char *whole, const char *text);

#endif
