/* HOST: What a child has said so far. Each frame is checked: all that a hostile child can do is to
 * make its own reply malformed. */
#ifndef FC_CALL_REPLY_READER_H
#define FC_CALL_REPLY_READER_H

#include "result/buf.h"
#include "wire/crash_notice.h"
#include "wire/frame.h"

#include <forkcall.h>

struct fc_reply_rules {
    uint64_t nonce;
    size_t max_result;
    bool shares_buf; /* the result may lie in a shared buffer */
    forkcall_progress_fn *progress;
    void *user;
    /* Whether the progress callback may be called now. NULL: always. */
    bool (*may_call_back)(const struct forkcall_call *call);
    const struct forkcall_call *call;
};

/* What the function has reported last. */
struct fc_last_progress {
    struct fc_progress numbers; /* finite */
    char note[FC_NOTE_MAX + 1]; /* unchecked bytes, and a terminating 0 */
};

struct fc_reply {
    struct fc_decoder decoder;
    bool malformed; /* the rest is not read; done is false */
    bool ready;
    bool started;
    bool setup_failed;
    bool has_result;
    bool has_crash;
    bool has_progress;
    bool asked;           /* where the function is: what the child answers now is no result */
    bool has_where;       /* a thread has answered */
    uint8_t others_asked; /* of the child's threads, after the first one has answered */
    uint8_t others_told;
    bool answered; /* the next frame is the trailer, or there is none */
    bool done;
    bool no_memory; /* the host has no memory for the result */
    bool cancel;    /* the progress callback has asked to cancel */
    /* What has come behind the trailer, for who uses the child again. No more than one byte more
     * than may come is kept. */
    unsigned char rest[sizeof(struct fc_frame_header) + 1];
    size_t rest_size;
    struct fc_setup_failure setup;
    struct fc_trailer answer, trailer;
    struct forkcall_buf result;  /* what came through the pipe */
    struct forkcall_buf message; /* of the function, unchecked bytes */
    struct forkcall_buf crash;   /* struct fc_crash_notice, then stack bytes */
    struct forkcall_buf where;   /* the same for each thread that was asked (call/told.h) */
    size_t where_size;           /* of those that are whole */
    /* Holds a result of up to that size, so that it needs no memory from the heap. */
    unsigned char small_result[256];
    union {
        struct fc_progress progress;
        unsigned char bytes[sizeof(struct fc_progress) + FC_NOTE_MAX + 1];
    } small; /* payload of frames that have no other place */
    struct fc_last_progress progress;
};

void fc_reply_init(struct fc_reply *reply);
void fc_reply_free(struct fc_reply *reply);

/* The mark of the call that the child serves: see fc_frame_magic. */
void fc_reply_set_mark(struct fc_reply *reply, uint32_t mark);

/* Takes bytes of the stream, in pieces of any size. Calls the progress callback, and has no other
 * effect than on reply. */
void fc_reply_feed(struct fc_reply *reply, const struct fc_reply_rules *rules, const unsigned char *data, size_t size);

/* True: the child has answered, and is watched by a tool that says at its end what it has found. */
bool fc_reply_tool_speaks_at_end(const struct fc_reply *reply);

/* Called when the child is gone and its reply was read: an ANSWER without a trailer becomes the
 * trailer. */
void fc_reply_settle(struct fc_reply *reply);

/* Reads once from fd. Returns 1; 0: end of file; or a negative errno. Nothing that follows the
 * trailer or a malformed frame is taken for a part of the reply. */
int fc_reply_receive(struct fc_reply *reply, const struct fc_reply_rules *rules, int fd);

#endif
