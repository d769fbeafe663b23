/* A library that reacts to a fork as macOS's libdispatch does, for systems without libdispatch:
 * children of a process that has used its queue cannot use the queue, and crash if they try. */
#ifndef DISPATCH_H
#define DISPATCH_H

/* Counts as use of the library. Adds number to the queue. */
void dispatch_push(int number);
int dispatch_pop(void);

/* Reads from the given address, and so can crash in another way. */
int dispatch_read(const int *number);

#endif
