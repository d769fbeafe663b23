/* Another process with this program's image, made by exec and so without a trace of this one's memory: the children of SPAWN,
 * and the server. It is told what it is by a socket and a mark that no other program can have by inheritance. */
#ifndef FC_COPY_H
#define FC_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How a copy ends that must not go on: the kernel has given it more rights than its user has; its socket is gone; its program called the library before forkcall_init; something of what it was started with
 * is not as it must be. */
#define FC_COPY_PRIVILEGED 121
#define FC_COPY_ROBBED 122
#define FC_COPY_UNFINISHED 123
#define FC_COPY_REFUSED 124

enum fc_copy_role { FC_COPY_SPARE = 1, FC_COPY_SERVER = 2, FC_COPY_SPARE_OF_SERVER = 3 };

/* In every program, by forkcall_init: is this process such a copy? False: no. Else *fd is the socket to its maker. Ends the
 * process where it is one that must not go on: its maker is gone, or it runs with more rights than its maker. */
bool fc_copy_is_this(enum fc_copy_role *role, int *fd);

/* This process is a copy that has not come to forkcall_init yet: it may not call anything of the library. */
bool fc_copy_is_unfinished(void);

/* Starts a copy. fd: the maker's hello was written to the other end of it. 0 or a negative errno; *why is what could not be done.
 * -EPERM: it would have other rights. */
int fc_copy_start(int fd, uint64_t nonce, bool own_group, pid_t *pid, const char **why);

/* Writes the hello that a copy looks for into a pair's end of the maker. nonce: for fc_copy_start. */
int fc_copy_hello(int fd, enum fc_copy_role role, uint64_t *nonce);

/* How it ended that it did not come to forkcall_init, in words. */
void fc_copy_explain_ending(int wait_status, char *why, size_t why_size);

/* ---- What the platform's file (image_path.*.c) gives --------------------------------------------------------- */

struct fc_image_path {
    const char *path;
    bool tells; /* an image that was started by this very path knows it: fc_image_path_is_this */
};

/* By forkcall_init, at once: what only the start of the program tells. */
void fc_image_path_note(void);
/* The path of the image that runs, also where its file was replaced or deleted. 0 or a negative errno. */
int fc_image_path_get(struct fc_image_path *image);
/* This process was started by the path that tells. */
bool fc_image_path_is_this(void);
/* It has served its purpose: for another instance of this library, in a plugin, this is a program like any other. */
void fc_image_path_forget(void);
/* This process has more rights than its user (AT_SECURE). */
bool fc_image_is_privileged(void);
/* Starting the image's file again gives rights that this process has not, and why so, in words; NULL: no. */
const char *fc_image_path_raises(const struct fc_image_path *image);

#endif
