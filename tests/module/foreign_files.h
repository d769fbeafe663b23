/* Files of a folder that a child may tell of, and whether the host opens them. */
#ifndef FOREIGN_FILES_H
#define FOREIGN_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FOLDER "/tmp/forkcall-foreign-XXXXXX"

extern char folder[sizeof FOLDER];

/* The setup and teardown of a case: an empty folder, whose files are believed at any age. */
int begin_in_folder(void **state);
int remove_folder(void **state);

/* The path in a buffer of its own until the second call from now. */
const char *path_of(const char *name);
uint64_t inode_of(const char *path);
/* Makes a file, which is believed until its mode, its owner or its age says otherwise. */
const char *make_file(const char *name, mode_t mode);

/* True: the host opens the file if a child tells of it by this path and inode. */
bool opens(const char *path, uint64_t inode);
/* The kernel, an emulator or a filter of system calls may lack openat2(2). */
void skip_if_nothing_is_opened(void);

#endif
