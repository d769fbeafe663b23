/* CHILD: Writes the reply. May be called by all threads of the function and from signal handlers.
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

/* A small result lies in the library's memory and has this much room before and behind it, for what
 * surrounds it in the reply. */
#define FC_REPLY_HEAD sizeof(struct fc_frame_header)
#define FC_REPLY_TAIL (sizeof(struct fc_frame_header) + sizeof(struct fc_trailer))

/* Begins a reply. The locks are free from now on, whoever had them in an outer call. */
void fc_reply_writer_reset(void);

/* Writes frames to the reply. Writes nothing and returns false if the descriptor is not the reply's
 * any more, or another thread has ended the call. wait false: also if another thread is writing. */
bool fc_reply_write(struct iovec *parts, int count, bool wait);

/* True: this very thread is writing, or has ended the call: this is a signal handler that has
 * interrupted it. */
bool fc_reply_is_interrupted(void);

/* Writes one frame, waiting for other threads. */
void fc_reply_send_frame(enum fc_frame_type type, const void *payload, size_t size);

/* Keeps the message that is sent if the function fails. */
void fc_reply_set_message(const char *format, va_list arguments);

/* Writes the end of the reply: at most a message or the result, and the trailer. Nothing is written
 * afterwards. If the usage is measured an ANSWER frame goes first and the trailer follows, because
 * measuring may be forbidden: see FC_FRAME_ANSWER. False: nothing could be written. */
bool fc_reply_finish(struct fc_trailer *trailer, bool with_message);

#endif
