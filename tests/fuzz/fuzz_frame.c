/* The fuzzer's function: takes any bytes as a child's reply. An input is
 *   1 byte   the limit of the result (see limits)
 *   1 byte   1: the progress callback cancels
 *   4 bytes  a seed: where the stream is cut into pieces
 *   the stream
 *
 * The nonce of the call is FUZZ_NONCE, so that inputs can hold valid trailers. */
#include "fuzz_frame.h"

#include "call/reply_reader.h"
#include "crash/crash_decode.h"
#include "module/address.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints what was not true and aborts, as a fuzzer expects. */
#define MUST(condition)                                                               \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

static const size_t limits[] = {0, 1, 100, 300, 4096, 65536, 1 << 20};

static int hear(void *user, double done, double total, const char *note)
{
    MUST(isfinite(done) && isfinite(total));
    MUST(strlen(note) <= FC_NOTE_MAX);
    return *(const int *)user;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* seed 0: the stream is fed in one piece. */
static void feed(struct fc_reply *reply, const struct fc_reply_rules *rules, const uint8_t *data, size_t size,
                 uint32_t seed)
{
    for (size_t at = 0; at < size;) {
        size_t n = seed == 0 ? size : 1 + next(&seed) % (next(&seed) % 4 == 0 ? 400 : 12);
        n = n < size - at ? n : size - at;
        /* A copy of exactly this size lets a sanitizer notice reads past its end. */
        uint8_t *piece = malloc(n);
        MUST(piece != NULL);
        memcpy(piece, data + at, n);
        fc_reply_feed(reply, rules, piece, n);
        free(piece);
        at += n;
    }
}

static void check_trailer(const struct fc_reply *reply, const struct fc_reply_rules *rules)
{
    const struct fc_trailer *t = &reply->trailer;
    MUST(!reply->malformed && !reply->no_memory && !reply->setup_failed);
    MUST(t->nonce == rules->nonce);
    MUST(t->end >= FC_END_RETURNED && t->end <= FC_END_NO_MEMORY);
    MUST(t->transport <= FC_TRANSPORT_REGION);
    if (t->end != FC_END_RETURNED || t->code != 0)
        MUST(t->transport == FC_TRANSPORT_NONE);
    MUST(reply->has_result == (t->transport == FC_TRANSPORT_PIPE));
    if (t->transport == FC_TRANSPORT_PIPE)
        MUST(t->result_size == reply->result.size);
    if (t->transport == FC_TRANSPORT_REGION)
        MUST(t->result_size <= rules->max_result);
}

static void check_crash_by(const struct fc_reply *reply, bool by_fork)
{
    struct forkcall_crash crash;
    memset(&crash, 0, sizeof crash);
    fc_crash_decode(&crash, reply->crash.data, reply->crash.size, by_fork);
    MUST(crash.frame_count <= FORKCALL_CRASH_FRAMES);
    for (uint32_t i = 1; i < crash.frame_count; i++)
        MUST(fc_address_is_code(crash.frames[i]));
}

/* No input can know the keys of this process's modules: a key that is a small number stands for
 * one of them. */
static void give_keys(const struct fc_reply *reply)
{
    static struct fc_module_range ours[FC_MODULE_RANGES_MAX];
    static size_t count;
    struct fc_crash_notice notice;
    struct fc_module_range theirs;
    unsigned char *at = (unsigned char *)reply->crash.data + sizeof notice;
    const unsigned char *end = (unsigned char *)reply->crash.data + reply->crash.size;
    if (count == 0)
        count = fc_module_ranges_list(ours, FC_MODULE_RANGES_MAX);
    memcpy(&notice, reply->crash.data, sizeof notice);
    for (uint32_t i = 0; i < notice.range_count && (size_t)(end - at) >= sizeof theirs; i++, at += sizeof theirs) {
        memcpy(&theirs, at, sizeof theirs);
        if (theirs.key >= count)
            continue;
        theirs.size = theirs.size == 0 ? ours[theirs.key].size : theirs.size;
        theirs.path = ours[theirs.key].path;
        theirs.key = ours[theirs.key].key;
        memcpy(at, &theirs, sizeof theirs);
    }
}

static void check_crash(const struct fc_reply *reply)
{
    MUST(reply->crash.size >= sizeof(struct fc_crash_notice));
    give_keys(reply);
    check_crash_by(reply, true);
    check_crash_by(reply, false);
}

static void check(const struct fc_reply *reply, const struct fc_reply_rules *rules)
{
    MUST(!(reply->done && reply->malformed));
    MUST(reply->result.size <= rules->max_result);
    /* the memory depends on the limits, not on the announced size */
    MUST(reply->result.capacity_private <= 2 * rules->max_result + 512);
    MUST(reply->message.capacity_private <= (size_t)2 * FC_MESSAGE_MAX);
    MUST(reply->crash.capacity_private <= 2 * FC_CRASH_NOTICE_MAX);
    if (reply->done)
        check_trailer(reply, rules);
    if (reply->has_crash)
        check_crash(reply);
}

static void check_same(const struct fc_reply *a, const struct fc_reply *b)
{
    MUST(a->malformed == b->malformed && a->started == b->started && a->setup_failed == b->setup_failed);
    MUST(a->has_result == b->has_result && a->has_crash == b->has_crash && a->done == b->done);
    MUST(a->cancel == b->cancel);
    if (a->has_result)
        MUST(a->result.size == b->result.size &&
             (a->result.size == 0 || memcmp(a->result.data, b->result.data, a->result.size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FUZZ_PREFIX)
        return 0;
    int answer = data[1] == 1;
    const struct fc_reply_rules rules = {.nonce = FUZZ_NONCE,
                                         .max_result = limits[data[0] % (sizeof limits / sizeof *limits)],
                                         .progress = hear,
                                         .user = &answer};
    uint32_t seed;
    memcpy(&seed, data + 2, sizeof seed);
    struct fc_reply whole;
    struct fc_reply pieces;
    fc_reply_init(&whole);
    fc_reply_init(&pieces);
    feed(&whole, &rules, data + FUZZ_PREFIX, size - FUZZ_PREFIX, 0);
    feed(&pieces, &rules, data + FUZZ_PREFIX, size - FUZZ_PREFIX, seed | 1);
    check(&whole, &rules);
    check(&pieces, &rules);
    check_same(&whole, &pieces);
    fc_reply_free(&whole);
    fc_reply_free(&pieces);
    return 0;
}
