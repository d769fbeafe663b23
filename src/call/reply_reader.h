/* HOST: The caller's view of a reply: what a child has said so far. Nothing of it is believed
 * without being checked: a hostile child can make its own reply malformed and nothing else. */
#ifndef FC_CALL_REPLY_READER_H
#define FC_CALL_REPLY_READER_H

#include "result/buf.h"
#include "wire/crash_notice.h"
#include "wire/frame.h"

#include <forkcall.h>

struct fc_reply_rules {
    uint64_t nonce;
    size_t max_result;
    forkcall_progress_fn *progress;
    void *user;
    /* Asked before each callback; NULL: always. */
    bool (*may_call_back)(const struct forkcall_call *call);
    const struct forkcall_call *call;
};

struct fc_reply {
    struct fc_decoder decoder;
    bool malformed; /* the rest is not read; done is false */
    bool ready;
    bool started;
    bool setup_failed;
    bool has_result;
    bool has_crash;
    bool answered; /* the next frame is the trailer, or there is none */
    bool done;
    bool no_memory; /* the caller has none for the result */
    bool cancel;    /* the progress callback asked for it */
    struct fc_setup_failure setup;
    struct fc_trailer answer, trailer;
    struct forkcall_buf result;  /* what came through the pipe */
    struct forkcall_buf message; /* of the function, as it came */
    struct forkcall_buf crash;   /* struct fc_crash_notice, then stack bytes */
    /* For a result of that size, in place of memory from the heap. */
    unsigned char small_result[256];
    union {
        struct fc_progress progress;
        unsigned char bytes[sizeof(struct fc_progress) + FC_NOTE_MAX + 1];
    } small; /* payload of the frames that have no place of their own */
};

void fc_reply_init(struct fc_reply *reply);
void fc_reply_free(struct fc_reply *reply);

/* Pure: takes bytes of the stream. The caller's progress callback runs inside. */
void fc_reply_feed(struct fc_reply *reply, const struct fc_reply_rules *rules, const unsigned char *data, size_t size);

/* The child is gone, and its reply was read: an answer without a trailer is the trailer. */
void fc_reply_settle(struct fc_reply *reply);

/* Reads once from fd, which has something to read. 0: end of file; 1; or a negative errno. Reads
 * nothing after the trailer or a malformed frame. */
int fc_reply_receive(struct fc_reply *reply, const struct fc_reply_rules *rules, int fd);

#endif
