/* HOST: Takes frames out of the reply, and checks each. */
#include "call/reply_reader.h"

#include "base/io.h"
#include "base/tools.h"
#include "call/told.h"
#include "child/inline.h"

#include <math.h>
#include <string.h>

void fc_reply_init(struct fc_reply *reply)
{
    memset(reply, 0, offsetof(struct fc_reply, small_result));
}

void fc_reply_free(struct fc_reply *reply)
{
    forkcall_buf_free(&reply->result);
    forkcall_buf_free(&reply->message);
    forkcall_buf_free(&reply->crash);
    forkcall_buf_free(&reply->where);
}

/* Makes room in buf for the payload that comes next, and drops what was there. NULL: no memory. */
static void *room(struct forkcall_buf *buf, uint64_t size)
{
    static char nothing;
    forkcall_buf_truncate(buf, 0);
    if (size == 0)
        return &nothing;
    return forkcall_buf_extend(buf, (size_t)size);
}

/* As room, for what a call can do without: its outcome stands, whatever memory the host has. */
static void *room_or_skip(struct fc_reply *reply, struct forkcall_buf *buf)
{
    void *to = room(buf, reply->decoder.header.size);
    reply->decoder.skips = to == NULL;
    return to;
}

/* More threads than were asked must not tell where they are: they would fill the memory. */
static void *place_where(struct fc_reply *reply, uint64_t size)
{
    if (reply->has_where && reply->others_told == reply->others_asked)
        return NULL;
    forkcall_buf_truncate(&reply->where, reply->where_size);
    return fc_told_room(&reply->where, size);
}

/* What came before the child was asked is no answer. */
static void take_where(struct fc_reply *reply)
{
    if (!reply->asked)
        return;
    reply->others_told += reply->has_where;
    reply->has_where = true;
    reply->where_size = reply->where.size;
}

/* Where the payload of the frame goes whose header was read. NULL: the frame is not allowed now, or
 * there is no memory (no_memory). */
static void *place(struct fc_reply *reply, const struct fc_reply_rules *rules)
{
    const uint64_t size = reply->decoder.header.size;
    void *to;
    if (reply->answered && reply->decoder.header.type != FC_FRAME_DONE)
        return NULL;
    switch (reply->decoder.header.type) {
    case FC_FRAME_RESULT:
        if (reply->has_result || size > rules->max_result)
            return NULL;
        if (size <= sizeof reply->small_result)
            reply->result = forkcall_buf_fixed(reply->small_result, sizeof reply->small_result);
        to = room(&reply->result, size);
        reply->no_memory = to == NULL;
        return to;
    case FC_FRAME_MESSAGE:
        return room_or_skip(reply, &reply->message);
    case FC_FRAME_CRASH:
        return reply->has_crash ? NULL : room_or_skip(reply, &reply->crash);
    case FC_FRAME_WHERE:
        return place_where(reply, size);
    case FC_FRAME_SETUP:
        return reply->setup_failed || reply->started ? NULL : &reply->setup;
    case FC_FRAME_ANSWER:
        return &reply->answer;
    case FC_FRAME_DONE:
        return &reply->trailer;
    default:
        return reply->small.bytes;
    }
}

/* Keeps the report as the last one. It counts also if the caller does not want to hear of any. */
static void keep_progress(struct fc_reply *reply)
{
    struct fc_last_progress *last = &reply->progress;
    const size_t size = (size_t)reply->decoder.header.size - sizeof last->numbers;
    last->numbers = reply->small.progress;
    memcpy(last->note, reply->small.bytes + sizeof last->numbers, size);
    last->note[size] = '\0';
    reply->has_progress = true;
}

static void take_progress(struct fc_reply *reply, const struct fc_reply_rules *rules)
{
    const struct fc_progress *p = &reply->small.progress;
    if (!isfinite(p->done) || !isfinite(p->total))
        return;
    keep_progress(reply);
    if (rules->progress == NULL || reply->cancel)
        return;
    if (rules->may_call_back != NULL && !rules->may_call_back(rules->call))
        return;
    fc_callback_enter();
    const int r = rules->progress(rules->user, p->done, p->total, reply->progress.note);
    reply->cancel = fc_callback_leave() || r != 0;
}

static bool trailer_is_valid(const struct fc_trailer *t, const struct fc_reply *reply,
                             const struct fc_reply_rules *rules)
{
    if (t->nonce != rules->nonce || reply->setup_failed)
        return false;
    if (t->end < FC_END_RETURNED || t->end > FC_END_NO_MEMORY)
        return false;
    if (t->end != FC_END_RETURNED || t->code != 0)
        return t->transport == FC_TRANSPORT_NONE && !reply->has_result;
    switch (t->transport) {
    case FC_TRANSPORT_NONE:
        return t->result_size == 0 && !reply->has_result;
    case FC_TRANSPORT_PIPE:
        return reply->has_result && t->result_size == reply->result.size;
    case FC_TRANSPORT_REGION:
        return !reply->has_result && t->result_size <= rules->max_result;
    case FC_TRANSPORT_SHARED:
        return rules->shares_buf && !reply->has_result && t->result_size <= rules->max_result;
    default:
        return false;
    }
}

static bool says_the_same(const struct fc_trailer *a, const struct fc_trailer *b)
{
    return a->end == b->end && a->code == b->code && a->transport == b->transport && a->result_size == b->result_size;
}

/* False: malformed. */
static bool take_frame(struct fc_reply *reply, const struct fc_reply_rules *rules)
{
    switch (reply->decoder.header.type) {
    case FC_FRAME_READY:
        reply->ready = true;
        return true;
    case FC_FRAME_STARTED:
        reply->started = true;
        return true;
    case FC_FRAME_PROGRESS:
        take_progress(reply, rules);
        return true;
    case FC_FRAME_ITEMS: /* has waked the host, which looks */
    case FC_FRAME_MESSAGE:
        return true;
    case FC_FRAME_RESULT:
        reply->has_result = true;
        return true;
    case FC_FRAME_SETUP:
        reply->setup_failed = true;
        return true;
    case FC_FRAME_CRASH:
        reply->has_crash = !reply->decoder.skips;
        return true;
    case FC_FRAME_WHERE:
        take_where(reply);
        return true;
    case FC_FRAME_ANSWER:
        reply->answered = trailer_is_valid(&reply->answer, reply, rules);
        return reply->answered;
    default:
        reply->done = trailer_is_valid(&reply->trailer, reply, rules) &&
                      (!reply->answered || says_the_same(&reply->trailer, &reply->answer));
        return reply->done;
    }
}

void fc_reply_set_mark(struct fc_reply *reply, uint32_t mark)
{
    reply->decoder.mark = mark;
}

static void keep_rest(struct fc_reply *reply, const unsigned char *data, size_t size)
{
    const size_t room = sizeof reply->rest - reply->rest_size;
    const size_t n = size < room ? size : room;
    if (n > 0)
        memcpy(reply->rest + reply->rest_size, data, n);
    reply->rest_size += n;
}

void fc_reply_feed(struct fc_reply *reply, const struct fc_reply_rules *rules, const unsigned char *data, size_t size)
{
    while (!reply->malformed && !reply->done && !reply->no_memory) {
        switch (fc_decoder_step(&reply->decoder, &data, &size)) {
        case FC_DECODED_MORE:
            return;
        case FC_DECODED_HEADER:
            reply->decoder.payload = place(reply, rules);
            reply->malformed = reply->decoder.payload == NULL && !reply->decoder.skips && !reply->no_memory;
            break;
        case FC_DECODED_FRAME:
            reply->malformed = !take_frame(reply, rules) || reply->malformed;
            break;
        case FC_DECODED_BAD:
            reply->malformed = true;
            break;
        }
    }
    if (reply->done)
        keep_rest(reply, data, size);
}

bool fc_reply_tool_speaks_at_end(const struct fc_reply *reply)
{
    const struct fc_trailer *trailer = reply->done ? &reply->trailer : &reply->answer;
    return (reply->done || reply->answered) && (trailer->tools & FC_TOOLS_AT_END) != 0;
}

void fc_reply_settle(struct fc_reply *reply)
{
    if (!reply->answered || reply->done || reply->malformed)
        return;
    reply->trailer = reply->answer;
    reply->done = true;
}

int fc_reply_receive(struct fc_reply *reply, const struct fc_reply_rules *rules, int fd)
{
    unsigned char bytes[1024];
    size_t rest = 0;
    void *place_of_rest = fc_decoder_payload_rest(&reply->decoder, &rest);
    if (place_of_rest != NULL && rest > sizeof bytes) {
        const ssize_t n = fc_read(fd, place_of_rest, rest);
        if (n > 0 && fc_decoder_payload_filled(&reply->decoder, (size_t)n))
            reply->malformed = !take_frame(reply, rules) || reply->malformed;
        return n > 0 ? 1 : (int)n;
    }
    const ssize_t n = fc_read(fd, bytes, sizeof bytes);
    if (n > 0)
        fc_reply_feed(reply, rules, bytes, (size_t)n);
    return n > 0 ? 1 : (int)n;
}
