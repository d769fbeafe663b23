/* Makes replies by hand, as a broken or attacking child would send them. */
#ifndef FORGED_REPLY_H
#define FORGED_REPLY_H

#include "wire/frame.h"

#include <forkcall.h>

#include <string.h>

static inline void forge_bytes(struct forkcall_buf *reply, const void *data, size_t size)
{
    forkcall_buf_append(reply, data, size);
}

/* Appends a frame with a true header. */
static inline void forge_frame(struct forkcall_buf *reply, enum fc_frame_type type, const void *payload, size_t size)
{
    const struct fc_frame_header header = fc_frame_header_make(type, size);
    forge_bytes(reply, &header, sizeof header);
    forge_bytes(reply, payload, size);
}

static inline struct fc_trailer forge_trailer(uint64_t nonce, enum fc_end end, int code, enum fc_transport transport,
                                              uint64_t size)
{
    return (struct fc_trailer){
        .nonce = nonce, .end = (uint32_t)end, .code = code, .transport = (uint32_t)transport, .result_size = size};
}

static inline void forge_done(struct forkcall_buf *reply, const struct fc_trailer *trailer)
{
    forge_frame(reply, FC_FRAME_DONE, trailer, sizeof *trailer);
}

/* Appends a complete and valid reply of a function that returned 0. */
static inline void forge_ok(struct forkcall_buf *reply, uint64_t nonce, const void *data, size_t size)
{
    const struct fc_trailer trailer = forge_trailer(nonce, FC_END_RETURNED, 0, FC_TRANSPORT_PIPE, size);
    forge_frame(reply, FC_FRAME_RESULT, data, size);
    forge_done(reply, &trailer);
}

static inline void forge_progress(struct forkcall_buf *reply, double done, double total, const char *note)
{
    const struct fc_progress progress = {.done = done, .total = total};
    const size_t note_size = strlen(note);
    const struct fc_frame_header header = fc_frame_header_make(FC_FRAME_PROGRESS, sizeof progress + note_size);
    forge_bytes(reply, &header, sizeof header);
    forge_bytes(reply, &progress, sizeof progress);
    forge_bytes(reply, note, note_size);
}

/* Returns bytes that look random and are the same in every run. */
static inline uint32_t forge_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
