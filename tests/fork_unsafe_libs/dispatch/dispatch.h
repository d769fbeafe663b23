/* The way in which macOS's libdispatch answers a fork, for systems that have no libdispatch: a
 * queue of a process that has used it is of no use to its children, and made to crash there. */
#ifndef DISPATCH_H
#define DISPATCH_H

/* Counts as use. number is what the queue then has. */
void dispatch_push(int number);
int dispatch_pop(void);

/* Reads where it is told: a crash of another kind. */
int dispatch_read(const int *number);

#endif
