/* Is a descriptor still what it was? A function may close every descriptor it finds and open a file that gets the number of
 * its reply; nothing of ours must be written into that. */
#ifndef FC_MARK_H
#define FC_MARK_H

#include <stdbool.h>

/* In the caller, at the child's end of the reply, before the fork. */
void fc_mark(int fd);

/* In the child. */
bool fc_is_marked(int fd);

#endif
