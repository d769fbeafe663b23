/* CHILD: In the child: writes the reply, by any of the function's threads, and from signal
 * handlers.
 *
 * Nothing may be written into another file that has got the reply's number: see base/fd_identity.h.
 * And the function may have left this process few system calls (seccomp(2)): what ends a call needs
 * read(2) and write(2), and nothing else. */
#ifndef FC_CHILD_REPLY_WRITER_H
#define FC_CHILD_REPLY_WRITER_H

#include "wire/frame.h"

#include <stdarg.h>
#include <stdbool.h>
#include <sys/uio.h>

/* A result in storage of the library's has so much room before and behind it for what goes around
 * it in the reply. */
#define FC_REPLY_HEAD sizeof(struct fc_frame_header)
#define FC_REPLY_TAIL (sizeof(struct fc_frame_header) + sizeof(struct fc_trailer))

/* Before the function: nothing is written yet, and the lock is free, whoever had it in an outer
 * call. */
void fc_reply_writer_reset(void);

/* Writes frames to the reply, unless the descriptor is no longer the reply's, another thread has
 * ended the call, or, where wait is false, another thread is in the middle of writing. */
bool fc_child_write(struct iovec *parts, int count, bool wait);

/* One frame, as fc_child_write. */
void fc_child_tell(enum fc_frame_type type, const void *payload, size_t size);

/* Records the message that a failure goes with. */
void fc_reply_set_message(const char *format, va_list arguments);

/* The last words, after which nothing is written any more: at most a message or the result, and the
 * trailer. Where the usage is measured the answer goes first and the trailer follows, because
 * measuring may be forbidden: see FC_FRAME_ANSWER. False: nobody was told. */
bool fc_reply_finish(struct fc_trailer *trailer, bool with_message);

#endif
