/* CHILD: In the child: how the function ended is told to the caller, and the process ends. After
 * the function has returned nothing is called here but what child/reply_writer.h needs, unless it
 * has something to do: bytes in the function's streams, threads that are in the middle of
 * writing. */
#ifndef FC_CHILD_FINISH_H
#define FC_CHILD_FINISH_H

#include <forkcall.h>

_Noreturn void fc_child_returned(int code);

/* forkcall_throw. */
_Noreturn void fc_child_throw(int code);

/* The function's thread is being ended by pthread_exit or pthread_cancel. */
void fc_child_thread_exit(void *unused);

/* Ends the process where it has left the function by longjmp, as far as that can be seen: frame is
 * an address in the caller's frame. */
void fc_child_check_escape(const void *frame);

#endif
