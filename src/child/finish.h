/* CHILD: Tells the host how the function ended, and ends the process. After the function has
 * returned only functions of child/reply_writer.h are called, unless streams of the function hold
 * bytes, or its threads are writing. */
#ifndef FC_CHILD_FINISH_H
#define FC_CHILD_FINISH_H

#include <forkcall.h>

/* The function has returned. Returns only if the child may be kept: the host has the trailer. */
void fc_child_returned(int code);

/* Ends this process, which serves no call any more. */
_Noreturn void fc_child_leave(int status);

/* Called before the process ends, or serves another call: tells leaks on standard error, if
 * LeakSanitizer is there. Returns status; 23: there are some. */
int fc_child_check_leaks(int status);

/* Ends the call as forkcall_throw does, with that code. */
_Noreturn void fc_child_throw(int code);

/* A cleanup handler: the function's thread is ended by pthread_exit or pthread_cancel. */
void fc_child_thread_exit(void *unused);

/* Ends the process if the function was left by longjmp, as far as that can be seen. frame: an
 * address in the frame of the function that called into the library. */
void fc_child_check_escape(const void *frame);

#endif
