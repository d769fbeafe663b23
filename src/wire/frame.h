/* HOST, CHILD: The reply's wire format: what a child says to its caller, in length-framed messages.
 * Both ends are the same library on the same machine, so numbers are in the machine's own order.
 * Pure functions over bytes.
 *
 * A reply is any number of READY, STARTED, PROGRESS and MESSAGE frames, at most one RESULT, at most
 * one of SETUP and CRASH, and the trailer DONE, before which there may be an ANSWER. What comes
 * after the trailer is not read. */
#ifndef FC_WIRE_FRAME_H
#define FC_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FC_FRAME_MAGIC 0x314c4346U /* "FCL1" */

enum fc_frame_type {
    FC_FRAME_STARTED = 1,  /* no payload: the function is called next */
    FC_FRAME_PROGRESS = 2, /* struct fc_progress and the note, without a terminating 0 */
    FC_FRAME_MESSAGE = 3,  /* text of the failure */
    FC_FRAME_RESULT = 4,   /* the whole result, where it travels in the pipe */
    /* Struct fc_setup_failure: the child could not be made ready; the function did not run. */
    FC_FRAME_SETUP = 5,
    FC_FRAME_CRASH = 6, /* struct fc_crash_notice, where modules lie, and a part of the stack */
    FC_FRAME_DONE = 7,  /* struct fc_trailer */
    /* No payload: a copy of the program has come so far as to wait for its request. */
    FC_FRAME_READY = 8,
    /* A trailer without usage: the function has ended so, and only the same trailer with the usage
     * is to come. Where the process ends before that (a filter of system calls that the function
     * has installed kills it for measuring), this is the trailer. */
    FC_FRAME_ANSWER = 9,
};

struct fc_frame_header {
    uint32_t magic;
    uint32_t type;
    uint64_t size; /* of the payload */
};

#define FC_NOTE_MAX 255U
#define FC_MESSAGE_MAX 32768U
#define FC_CRASH_STACK_MAX 65536U

struct fc_progress {
    double done, total;
};

struct fc_setup_failure {
    uint32_t step; /* enum fc_setup_step in child/run.h */
    int32_t error; /* errno */
};

enum fc_end {
    FC_END_RETURNED = 1, /* or threw: code is the function's */
    FC_END_TOO_BIG = 2,
    FC_END_EXITED = 3, /* code is the exit status */
    FC_END_EXITED_UNKNOWN = 4,
    FC_END_THREAD_EXIT = 5,
    FC_END_NO_MEMORY = 6, /* returned 0 after an append had failed */
};

enum fc_transport { FC_TRANSPORT_NONE = 0, FC_TRANSPORT_PIPE = 1, FC_TRANSPORT_REGION = 2 };

struct fc_trailer {
    uint64_t nonce; /* of the call */
    uint32_t end;
    int32_t code;
    uint32_t transport;
    uint32_t usage_known; /* what follows result_size is */
    uint64_t result_size;
    uint64_t user_ns, system_ns;
    uint64_t max_rss_bytes; /* 0: not known */
};

/* The header of a frame. */
struct fc_frame_header fc_frame_header_make(enum fc_frame_type type, size_t size);

/* Takes a stream of bytes in pieces of any size apart into frames. To be zeroed before use. */
struct fc_decoder {
    unsigned char header_bytes[sizeof(struct fc_frame_header)];
    size_t header_have;
    struct fc_frame_header header; /* of the current frame, once all of it is there */
    /* Where the payload goes: header.size bytes, set by the reader on FC_DECODED_HEADER. */
    void *payload;
    uint64_t payload_have;
    bool told; /* the current frame is complete; the next byte starts a new one */
};

enum fc_decoded {
    FC_DECODED_MORE,   /* all bytes are used up */
    FC_DECODED_HEADER, /* a plausible header: set payload, or give up */
    FC_DECODED_FRAME,  /* header and payload are whole */
    FC_DECODED_BAD,    /* no header of ours, or a size that its type cannot have: give up */
};

/* Uses up bytes until there is something to tell. */
enum fc_decoded fc_decoder_step(struct fc_decoder *decoder, const unsigned char **data, size_t *size);

/* The rest of the current payload, to be read straight into its place: returns the place, NULL
 * where none is due. */
void *fc_decoder_payload_rest(const struct fc_decoder *decoder, size_t *size);
/* So many bytes were put there. True: the frame is whole. */
bool fc_decoder_payload_filled(struct fc_decoder *decoder, size_t size);

#endif
