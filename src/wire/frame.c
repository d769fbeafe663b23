/* HOST, CHILD: Splits a stream of bytes into frames. */
#include "wire/frame.h"

#include "wire/crash_notice.h"

#include <errno.h>
#include <string.h>

uint32_t fc_frame_magic(uint32_t mark)
{
    return FC_FRAME_MAGIC ^ mark * 0x9e3779b1U; /* an odd factor: no two marks give the same */
}

struct fc_frame_header fc_frame_header_make(enum fc_frame_type type, size_t size)
{
    return (struct fc_frame_header){.magic = FC_FRAME_MAGIC, .type = (uint32_t)type, .size = size};
}

struct fc_trailer fc_trailer_make(int code, int result_error, bool in_its_own_words)
{
    if (result_error == -EFBIG && !in_its_own_words)
        return (struct fc_trailer){.end = FC_END_TOO_BIG, .code = EFBIG};
    if (result_error != 0 && code == 0)
        return (struct fc_trailer){.end = FC_END_NO_MEMORY, .code = -result_error};
    return (struct fc_trailer){.end = FC_END_RETURNED, .code = code};
}

static bool size_is_plausible(const struct fc_frame_header *header)
{
    const uint64_t size = header->size;
    switch (header->type) {
    case FC_FRAME_READY:
    case FC_FRAME_STARTED:
    case FC_FRAME_ITEMS:
        return size == 0;
    case FC_FRAME_PROGRESS:
        return size >= sizeof(struct fc_progress) && size <= sizeof(struct fc_progress) + FC_NOTE_MAX;
    case FC_FRAME_MESSAGE:
        return size <= FC_MESSAGE_MAX;
    case FC_FRAME_RESULT:
        return size <= PTRDIFF_MAX;
    case FC_FRAME_SETUP:
        return size == sizeof(struct fc_setup_failure);
    case FC_FRAME_CRASH:
    case FC_FRAME_WHERE:
        return size >= sizeof(struct fc_crash_notice) && size <= FC_CRASH_NOTICE_MAX;
    case FC_FRAME_ANSWER:
    case FC_FRAME_DONE:
        return size == sizeof(struct fc_trailer);
    default:
        return false;
    }
}

static void next_frame(struct fc_decoder *decoder)
{
    decoder->header_have = 0;
    decoder->payload_have = 0;
    decoder->payload = NULL;
    decoder->skips = false;
    decoder->told = false;
}

static bool header_is_whole(const struct fc_decoder *decoder)
{
    return decoder->header_have == sizeof decoder->header_bytes;
}

static bool frame_is_whole(const struct fc_decoder *decoder)
{
    return header_is_whole(decoder) && decoder->payload_have == decoder->header.size;
}

/* to NULL: they are dropped. */
static size_t take(void *to, uint64_t wanted, const unsigned char **data, size_t *size)
{
    const size_t n = wanted < *size ? (size_t)wanted : *size;
    if (n > 0 && to != NULL)
        memcpy(to, *data, n);
    *data += n;
    *size -= n;
    return n;
}

enum fc_decoded fc_decoder_step(struct fc_decoder *decoder, const unsigned char **data, size_t *size)
{
    if (decoder->told)
        next_frame(decoder);
    if (!header_is_whole(decoder)) {
        decoder->header_have += take(decoder->header_bytes + decoder->header_have,
                                     sizeof decoder->header_bytes - decoder->header_have, data, size);
        if (!header_is_whole(decoder))
            return FC_DECODED_MORE;
        memcpy(&decoder->header, decoder->header_bytes, sizeof decoder->header);
        if (decoder->header.magic != fc_frame_magic(decoder->mark) || !size_is_plausible(&decoder->header))
            return FC_DECODED_BAD;
        return FC_DECODED_HEADER;
    }
    if (decoder->payload == NULL && !decoder->skips)
        return FC_DECODED_BAD; /* the reader had given up, and called again */
    decoder->payload_have += take(decoder->skips ? NULL : (unsigned char *)decoder->payload + decoder->payload_have,
                                  decoder->header.size - decoder->payload_have, data, size);
    decoder->told = frame_is_whole(decoder);
    return decoder->told ? FC_DECODED_FRAME : FC_DECODED_MORE;
}

void *fc_decoder_payload_rest(const struct fc_decoder *decoder, size_t *size)
{
    if (!header_is_whole(decoder) || decoder->payload == NULL || frame_is_whole(decoder))
        return NULL;
    *size = (size_t)(decoder->header.size - decoder->payload_have);
    return (unsigned char *)decoder->payload + decoder->payload_have;
}

bool fc_decoder_payload_filled(struct fc_decoder *decoder, size_t size)
{
    decoder->payload_have += size;
    decoder->told = frame_is_whole(decoder);
    return decoder->told;
}
