/* Opens files of every kind at the numbers that were the library's descriptors. */
#ifndef OWN_FILES_H
#define OWN_FILES_H

#include <stdbool.h>
#include <sys/stat.h>

#define FIRST 3
#define END 64 /* no process of these tests has a higher descriptor */

struct files {
    struct stat stat[END];
};

void close_everything(void);
/* turn chooses which kind gets which number, so that each number is tried with each kind. */
bool open_everything(struct files *files, int turn);
/* True: all are open, are the files that they were, and are empty as before. */
bool are_untouched(const struct files *files);
/* True: no other descriptor is open. */
bool are_all(const struct files *files);
bool fork_has(const struct files *files);

#endif
