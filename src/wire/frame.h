/* HOST, CHILD: The format of the reply, which a child sends to its host in frames. Both ends are
 * the same build of the library on the same machine, so numbers are in the machine's byte order.
 * The functions only handle bytes.
 *
 * A reply is any number of READY, STARTED, PROGRESS, ITEMS, MESSAGE and WHERE frames, at most one
 * RESULT, at most one of SETUP and CRASH, and the trailer DONE, before which there may be an
 * ANSWER. The host does not read what comes after the trailer. */
#ifndef FC_WIRE_FRAME_H
#define FC_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FC_FRAME_MAGIC 0x314c4346U /* "FCL1" */

enum fc_frame_type {
    FC_FRAME_STARTED = 1,  /* no payload: the function is called next */
    FC_FRAME_PROGRESS = 2, /* struct fc_progress and the note, without a terminating 0 */
    FC_FRAME_MESSAGE = 3,  /* the text of a failure */
    FC_FRAME_RESULT = 4,   /* the whole result, if it travels in the pipe */
    /* struct fc_setup_failure: the child could not be made ready, and the function did not run. */
    FC_FRAME_SETUP = 5,
    FC_FRAME_CRASH = 6, /* as struct fc_crash_notice says */
    FC_FRAME_DONE = 7,  /* struct fc_trailer */
    /* No payload: a re-executed program has reached forkcall_init() and waits for its request. */
    FC_FRAME_READY = 8,
    /* A trailer without the usage. Only the same trailer with the usage follows. If the process
     * ends before that, this one counts: a seccomp filter that the function has installed may kill
     * the process for measuring its usage. */
    FC_FRAME_ANSWER = 9,
    FC_FRAME_ITEMS = 10, /* no payload: look into the log (wire/items.h) */
    /* No payload, and no part of a reply: a child that was told that it may be kept is as it was
     * handed out, and waits for another request. */
    FC_FRAME_FIT = 11,
    FC_FRAME_WHERE = 12, /* as struct fc_crash_notice says: where a thread of the function is */
};

struct fc_frame_header {
    uint32_t magic; /* FC_FRAME_MAGIC, changed by the mark of the call: fc_frame_magic */
    uint32_t type;
    uint64_t size; /* of the payload */
};

#define FC_NOTE_MAX 255U
#define FC_MESSAGE_MAX 65536U
#define FC_CRASH_STACK_MAX 65536U

struct fc_progress {
    double done, total;
    /* The number of the item in a child that serves items (wire/items.h), plus one; else 0. */
    uint64_t item;
};

struct fc_setup_failure {
    uint32_t step; /* enum fc_setup_step in child/run.h */
    int32_t error; /* errno */
};

enum fc_end {
    FC_END_RETURNED = 1, /* the function returned, or threw; code is its own */
    FC_END_TOO_BIG = 2,
    FC_END_EXITED = 3, /* code is the exit status */
    FC_END_EXITED_UNKNOWN = 4,
    FC_END_THREAD_EXIT = 5,
    FC_END_NO_MEMORY = 6, /* the function returned 0 after an append had failed */
};

enum fc_transport { FC_TRANSPORT_NONE = 0, FC_TRANSPORT_PIPE = 1, FC_TRANSPORT_REGION = 2, FC_TRANSPORT_SHARED = 3 };

struct fc_trailer {
    uint64_t nonce; /* the call's own number, which the host checks */
    uint32_t end;
    int32_t code;
    uint32_t transport;
    uint16_t usage_known; /* not 0: the fields after result_size are valid */
    uint16_t tools;       /* that watch the child: bits of base/tools.h */
    uint64_t result_size;
    uint64_t user_ns, system_ns;
    uint64_t max_rss_bytes; /* 0: not known */
};

/* How a function has ended that has returned code, or has thrown it (then, or if there is a
 * message, in_its_own_words). result_error: of its result, 0 or a negative errno. A result that is
 * too big is reported rather than the code, which usually only repeats what forkcall_buf_append has
 * returned. */
struct fc_trailer fc_trailer_make(int code, int result_error, bool in_its_own_words);

/* The magic of the frames of a call with that mark. A child that serves a second call sends its
 * frames with another mark: what a process of an earlier call still writes is no frame of the later
 * one. 0: the mark of the first call of a child. */
uint32_t fc_frame_magic(uint32_t mark);

/* A header for a frame of that type and payload size, with mark 0. */
struct fc_frame_header fc_frame_header_make(enum fc_frame_type type, size_t size);

/* Splits a stream of bytes, which comes in pieces of any size, into frames. Set all of it to 0
 * before use, and then mark to that of the call. */
struct fc_decoder {
    uint32_t mark;
    unsigned char header_bytes[sizeof(struct fc_frame_header)];
    size_t header_have;
    struct fc_frame_header header; /* of the current frame, once header_have is its size */
    /* Where the payload goes. The reader sets it after FC_DECODED_HEADER to header.size bytes. */
    void *payload;
    bool skips; /* or the payload is read and dropped; set as payload is */
    uint64_t payload_have;
    bool told; /* the current frame is complete; the next byte starts a new one */
};

enum fc_decoded {
    FC_DECODED_MORE,   /* all bytes are used up */
    FC_DECODED_HEADER, /* a plausible header has come: set payload, or give up */
    FC_DECODED_FRAME,  /* a whole frame has come */
    FC_DECODED_BAD,    /* not a header of the library's, or an impossible size: give up */
};

/* Takes bytes from *data until something has happened that the reader must know. */
enum fc_decoded fc_decoder_step(struct fc_decoder *decoder, const unsigned char **data, size_t *size);

/* The place where the rest of the current payload belongs, so that it can be read straight into it,
 * and the size of the rest; NULL: no payload is due. */
void *fc_decoder_payload_rest(const struct fc_decoder *decoder, size_t *size);
/* Notes that size bytes were read into that place. True: the frame is whole. */
bool fc_decoder_payload_filled(struct fc_decoder *decoder, size_t size);

#endif
