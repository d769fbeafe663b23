/* Tests how the caller reads a reply: whatever bytes come, in whatever pieces, only a complete and
 * valid reply counts as done. */
#include "support.h"

#include "call/reply_reader.h"
#include "forged_reply.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define NONCE UINT64_C(0x1122334455667788)
#define NO_LIMIT ((size_t)PTRDIFF_MAX)

struct heard {
    int count;
    double done, total;
    char note[FC_NOTE_MAX + 1];
    int answer;
};

static int hear(void *user, double done, double total, const char *note)
{
    struct heard *heard = user;
    heard->count++;
    heard->done = done;
    heard->total = total;
    memcpy(heard->note, note, strlen(note) + 1);
    return heard->answer;
}

static struct fc_reply_rules rules_of(size_t max_result, struct heard *heard)
{
    return (struct fc_reply_rules){
        .nonce = NONCE, .max_result = max_result, .progress = heard == NULL ? NULL : hear, .user = heard};
}

static void feed(struct fc_reply *reply, const struct fc_reply_rules *rules, const struct forkcall_buf *stream)
{
    fc_reply_feed(reply, rules, stream->data, stream->size);
}

/* Makes a valid reply: STARTED, a report of progress, a result of size bytes, and the trailer. */
static struct forkcall_buf good(size_t size)
{
    static unsigned char bytes[200000];
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    forge_frame(&stream, FC_FRAME_STARTED, NULL, 0);
    forge_progress(&stream, 1, 4, "a quarter");
    forge_ok(&stream, NONCE, bytes, size);
    return stream;
}

static bool is_whole(const struct fc_reply *reply, size_t size)
{
    const unsigned char *data = reply->result.data;
    if (!reply->done || reply->malformed || !reply->has_result || reply->result.size != size ||
        reply->trailer.end != FC_END_RETURNED || reply->trailer.code != 0 ||
        reply->trailer.transport != FC_TRANSPORT_PIPE || reply->trailer.result_size != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char)(i * 7 + i / 251))
            return false;
    return true;
}

static void reply_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 5000};
    uint32_t random = 7;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct forkcall_buf stream = good(sizes[s]);
        for (int round = 0; round < 60; round++) {
            struct heard heard = {.count = 0};
            const struct fc_reply_rules rules = rules_of(NO_LIMIT, &heard);
            struct fc_reply reply;
            fc_reply_init(&reply);
            for (size_t at = 0; at < stream.size;) {
                size_t n = round == 0 ? 1 : round == 1 ? stream.size : forge_random(&random) % 300;
                n = n < stream.size - at ? n : stream.size - at;
                fc_reply_feed(&reply, &rules, (unsigned char *)stream.data + at, n);
                at += n;
            }
            assert_true(is_whole(&reply, sizes[s]));
            assert_true(reply.started);
            assert_int_equal(heard.count, 1);
            assert_string_equal(heard.note, "a quarter");
            fc_reply_free(&reply);
        }
        forkcall_buf_free(&stream);
    }
}

static void reply_cut_at_every_byte_is_never_done(void **state)
{
    (void)state;
    struct forkcall_buf stream = good(300);
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    for (size_t cut = 0; cut < stream.size; cut++) {
        struct fc_reply reply;
        fc_reply_init(&reply);
        fc_reply_feed(&reply, &rules, stream.data, cut);
        assert_false(reply.done);
        assert_false(reply.malformed);
        fc_reply_feed(&reply, &rules, (unsigned char *)stream.data + cut, stream.size - cut);
        assert_true(is_whole(&reply, 300));
        fc_reply_free(&reply);
    }
    forkcall_buf_free(&stream);
}

/* Buffers that cannot grow stand for a host without memory. */
static void reply_is_whole_without_memory_for_words_and_crash(void **state)
{
    static char bytes[3000], small[16];
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    const struct fc_trailer failed = forge_trailer(NONCE, FC_END_RETURNED, 3, FC_TRANSPORT_NONE, 0);
    (void)state;
    forge_frame(&stream, FC_FRAME_CRASH, bytes, sizeof bytes);
    forge_frame(&stream, FC_FRAME_MESSAGE, bytes, sizeof bytes);
    forge_done(&stream, &failed);
    for (size_t piece = 1; piece <= stream.size; piece += piece == 1 ? 996 : stream.size) {
        struct fc_reply reply;
        fc_reply_init(&reply);
        reply.crash = reply.message = forkcall_buf_fixed(small, sizeof small);
        for (size_t at = 0; at < stream.size; at += piece)
            fc_reply_feed(&reply, &rules, (unsigned char *)stream.data + at,
                          piece < stream.size - at ? piece : stream.size - at);
        assert_true(reply.done && !reply.malformed && !reply.no_memory && !reply.has_crash);
        assert_int_equal(reply.message.size, 0);
        assert_int_equal(reply.trailer.code, 3);
    }
    forkcall_buf_free(&stream);
}

/* A changed byte outside of the result may go unnoticed if it does not concern the result, but it
 * must never change the result. */
static void reply_with_a_changed_byte_is_never_wrong(void **state)
{
    (void)state;
    struct forkcall_buf stream = good(40);
    const size_t result_at = stream.size - sizeof(struct fc_trailer) - sizeof(struct fc_frame_header) - 40;
    unsigned char *bytes = stream.data;
    int seen = 0;
    for (size_t at = 0; at < stream.size; at++) {
        if (at >= result_at && at < result_at + 40)
            continue;
        for (unsigned change = 1; change < 256; change++) {
            struct heard heard = {.count = 0};
            const struct fc_reply_rules rules = rules_of(1 << 20, &heard);
            struct fc_reply reply;
            fc_reply_init(&reply);
            bytes[at] ^= (unsigned char)change;
            feed(&reply, &rules, &stream);
            assert_true(!reply.done || is_whole(&reply, 40));
            assert_true(reply.result.size <= 1 << 20);
            seen += !reply.done;
            bytes[at] ^= (unsigned char)change;
            fc_reply_free(&reply);
        }
    }
    /* The reader notices every change to these bytes: all in the frames' headers but three
     * (STARTED, for example, may become an empty MESSAGE), nonce, end, code, transport and size. */
    assert_true(seen > 255 * 60);
    forkcall_buf_free(&stream);
}

/* The state of a reply after a stream was fed. judge() feeds the stream and frees it. */
struct verdict {
    bool done, malformed, no_memory, setup_failed, started, cancel;
    size_t result_size, message_size;
};

static struct verdict judge(struct forkcall_buf *stream, const struct fc_reply_rules *rules)
{
    struct fc_reply reply;
    fc_reply_init(&reply);
    feed(&reply, rules, stream);
    const struct verdict verdict = {reply.done,    reply.malformed, reply.no_memory,   reply.setup_failed,
                                    reply.started, reply.cancel,    reply.result.size, reply.message.size};
    fc_reply_free(&reply);
    forkcall_buf_free(stream);
    return verdict;
}

static bool is_believed(struct fc_trailer trailer, const void *result, size_t size, size_t max_result)
{
    const struct fc_reply_rules rules = rules_of(max_result, NULL);
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    if (result != NULL)
        forge_frame(&stream, FC_FRAME_RESULT, result, size);
    forge_done(&stream, &trailer);
    const struct verdict verdict = judge(&stream, &rules);
    assert_true(verdict.done != verdict.malformed);
    return verdict.done;
}

static void trailer_that_does_not_fit_is_not_believed(void **state)
{
    (void)state;
    const enum fc_transport pipe = FC_TRANSPORT_PIPE;
    const enum fc_transport none = FC_TRANSPORT_NONE;
    const enum fc_transport region = FC_TRANSPORT_REGION;
    /* These trailers fit the result. */
    assert_true(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, pipe, 3), "abc", 3, 3));
    assert_true(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, pipe, 0), "", 0, 0));
    assert_true(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, none, 0), NULL, 0, 3));
    assert_true(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, region, 3), NULL, 0, 3));
    assert_true(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 7, none, 0), NULL, 0, 3));
    assert_true(is_believed(forge_trailer(NONCE, FC_END_EXITED, 7, none, 0), NULL, 0, 3));
    /* These trailers have the nonce of another call. */
    assert_false(is_believed(forge_trailer(NONCE + 1, FC_END_RETURNED, 0, pipe, 3), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(0, FC_END_RETURNED, 7, none, 0), NULL, 0, 3));
    /* These trailers announce another size than the result has. */
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, pipe, 2), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, pipe, 4), "abc", 3, 9));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, none, 1), NULL, 0, 3));
    /* The transport of these trailers brought nothing, or brought what was not announced. */
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, pipe, 0), NULL, 0, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, none, 0), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, region, 3), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, (enum fc_transport)3, 0), NULL, 0, 3));
    /* These results are larger than the limit. */
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, region, 4), NULL, 0, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 0, region, UINT64_MAX), NULL, 0, NO_LIMIT));
    /* These trailers announce a failure although there is a result. */
    assert_false(is_believed(forge_trailer(NONCE, FC_END_RETURNED, 7, pipe, 3), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_EXITED, 0, pipe, 3), "abc", 3, 3));
    assert_false(is_believed(forge_trailer(NONCE, FC_END_TOO_BIG, 0, none, 0), "abc", 3, 3));
    /* These ends do not exist. */
    assert_false(is_believed(forge_trailer(NONCE, (enum fc_end)0, 0, none, 0), NULL, 0, 3));
    assert_false(is_believed(forge_trailer(NONCE, (enum fc_end)(FC_END_NO_MEMORY + 1), 0, none, 0), NULL, 0, 3));
}

static void frames_in_an_order_that_cannot_be(void **state)
{
    (void)state;
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    const struct fc_setup_failure setup = {1, 2};
    const struct fc_trailer failed = forge_trailer(NONCE, FC_END_RETURNED, 7, FC_TRANSPORT_NONE, 0);
    unsigned char crash[sizeof(struct fc_crash_notice)] = {0};
    struct forkcall_buf stream = FORKCALL_BUF_INIT;

    forge_frame(&stream, FC_FRAME_RESULT, "abc", 3); /* two results */
    forge_ok(&stream, NONCE, "def", 3);
    assert_true(judge(&stream, &rules).malformed);

    forge_frame(&stream, FC_FRAME_RESULT, NULL, 0); /* an empty result, then another one */
    forge_ok(&stream, NONCE, "def", 3);
    assert_true(judge(&stream, &rules).malformed);

    /* The child says that its function runs, and then that it could not be made ready. */
    forge_frame(&stream, FC_FRAME_STARTED, NULL, 0);
    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup);
    struct verdict verdict = judge(&stream, &rules);
    assert_true(verdict.malformed && verdict.started && !verdict.setup_failed);

    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup); /* the same failure twice */
    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup);
    assert_true(judge(&stream, &rules).malformed);

    /* The child says that it could not be made ready, and sends a result all the same. */
    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup);
    forge_ok(&stream, NONCE, "abc", 3);
    verdict = judge(&stream, &rules);
    assert_true(verdict.malformed && !verdict.done);

    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup);
    forge_done(&stream, &failed);
    verdict = judge(&stream, &rules);
    assert_true(verdict.malformed && !verdict.done);

    forge_frame(&stream, FC_FRAME_CRASH, crash, sizeof crash); /* two crashes */
    forge_frame(&stream, FC_FRAME_CRASH, crash, sizeof crash);
    assert_true(judge(&stream, &rules).malformed);
}

/* The notice has as many modules and as much stack as a child ever sends. */
static void crash_of_the_largest_size(void **state)
{
    (void)state;
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    unsigned char *crash = malloc(FC_CRASH_NOTICE_MAX + 1);
    assert_non_null(crash);
    for (size_t i = 0; i < FC_CRASH_NOTICE_MAX + 1; i++)
        crash[i] = (unsigned char)(i * 11);
    for (size_t more = 0; more < 2; more++) {
        struct forkcall_buf stream = FORKCALL_BUF_INIT;
        struct fc_reply reply;
        forge_frame(&stream, FC_FRAME_CRASH, crash, FC_CRASH_NOTICE_MAX + more);
        fc_reply_init(&reply);
        feed(&reply, &rules, &stream);
        assert_int_equal(reply.malformed, more);
        assert_int_equal(reply.has_crash, !more);
        if (reply.has_crash) {
            assert_int_equal(reply.crash.size, FC_CRASH_NOTICE_MAX);
            assert_memory_equal(reply.crash.data, crash, FC_CRASH_NOTICE_MAX);
        }
        fc_reply_free(&reply);
        forkcall_buf_free(&stream);
    }
    free(crash);
}

static void frames_after_the_trailer_are_not_read(void **state)
{
    (void)state;
    struct heard heard = {.count = 0};
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, &heard);
    struct fc_reply reply;
    struct forkcall_buf stream = good(10);
    forge_progress(&stream, 2, 4, "too late");
    forge_ok(&stream, NONCE, "another", 7);
    forge_bytes(&stream, "rubbish that is no frame at all", 31);
    fc_reply_init(&reply);
    feed(&reply, &rules, &stream);
    assert_true(is_whole(&reply, 10));
    /* A second piece with the same bytes changes nothing either. */
    feed(&reply, &rules, &stream);
    assert_true(is_whole(&reply, 10));
    assert_int_equal(heard.count, 1);
    fc_reply_free(&reply);
    forkcall_buf_free(&stream);
}

static void result_of_more_than_is_allowed(void **state)
{
    (void)state;
    static const unsigned char bytes[101];
    for (size_t size = 99; size <= 101; size++) {
        const struct fc_reply_rules rules = rules_of(100, NULL);
        struct forkcall_buf stream = FORKCALL_BUF_INIT;
        forge_ok(&stream, NONCE, bytes, size);
        const struct verdict verdict = judge(&stream, &rules);
        assert_int_equal(verdict.done, size <= 100);
        assert_int_equal(verdict.malformed, size > 100);
    }
}

/* An announced length of a tebibyte is only a claim, and must not be allocated in advance. */
static void announced_length_of_a_tebibyte(void **state)
{
    (void)state;
    struct fc_frame_header header = {.magic = FC_FRAME_MAGIC, .type = FC_FRAME_RESULT, .size = (uint64_t)1 << 40};
    for (int limited = 0; limited < 2; limited++) {
        const struct fc_reply_rules rules = rules_of(limited ? 1 << 20 : NO_LIMIT, NULL);
        struct forkcall_buf stream = FORKCALL_BUF_INIT;
        forge_bytes(&stream, &header, sizeof header);
        forge_bytes(&stream, "only a little", 13);
        const struct verdict verdict = judge(&stream, &rules);
        assert_false(verdict.done);
        if (limited)
            assert_true(verdict.malformed);
    }
    /* A 32-bit system may well allocate PTRDIFF_MAX, half of its address space. */
    if (sizeof(void *) < 8)
        return;
    header.size = PTRDIFF_MAX;
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    forge_bytes(&stream, &header, sizeof header);
    const struct verdict verdict = judge(&stream, &rules);
    assert_true(verdict.no_memory && !verdict.done);
}

static void progress_that_is_no_number(void **state)
{
    (void)state;
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    struct heard heard = {.count = 0};
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, &heard);
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        forge_progress(&stream, odd[i], 1, "done");
        forge_progress(&stream, 1, odd[i], "total");
    }
    forge_progress(&stream, -1, 3, "a number");
    const struct verdict verdict = judge(&stream, &rules);
    assert_false(verdict.malformed);
    assert_int_equal(heard.count, 1);
    assert_string_equal(heard.note, "a number");
    assert_true(heard.done == -1.0 && heard.total == 3.0);
}

static void notes_of_every_length(void **state)
{
    (void)state;
    for (size_t size = 0; size <= FC_NOTE_MAX; size++) {
        struct heard heard = {.count = 0};
        const struct fc_reply_rules rules = rules_of(NO_LIMIT, &heard);
        struct forkcall_buf stream = FORKCALL_BUF_INIT;
        char note[FC_NOTE_MAX + 1];
        memset(note, 'x', FC_NOTE_MAX);
        forge_progress(&stream, 1, 2, "a long note before, whose end must not show after a short one");
        note[size] = '\0';
        forge_progress(&stream, 1, 2, note);
        judge(&stream, &rules);
        assert_int_equal(heard.count, 2);
        assert_string_equal(heard.note, note);
    }
}

static void callback_that_cancels_is_not_called_again(void **state)
{
    (void)state;
    struct heard heard = {.answer = 1};
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, &heard);
    struct forkcall_buf stream = good(0);
    struct forkcall_buf twice = FORKCALL_BUF_INIT;
    forge_progress(&twice, 1, 2, "first");
    forge_bytes(&twice, stream.data, stream.size);
    assert_true(judge(&twice, &rules).cancel);
    assert_int_equal(heard.count, 1);
    forkcall_buf_free(&stream);
}

static void endless_messages_keep_the_last_alone(void **state)
{
    (void)state;
    static char text[FC_MESSAGE_MAX];
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    struct fc_reply reply;
    fc_reply_init(&reply);
    forge_frame(&stream, FC_FRAME_MESSAGE, text, sizeof text);
    for (int i = 0; i < 1000; i++)
        feed(&reply, &rules, &stream);
    assert_false(reply.malformed);
    assert_int_equal(reply.message.size, sizeof text);
    assert_true(reply.message.capacity_private <= 4 * sizeof text);
    fc_reply_free(&reply);
    forkcall_buf_free(&stream);
}

/* ---- Through a pipe, where a large payload is read straight into its place ------------------- */

struct writer {
    int fd;
    struct forkcall_buf stream;
    uint32_t random;
};

static void *write_pieces(void *context)
{
    struct writer *writer = context;
    for (size_t at = 0; at < writer->stream.size;) {
        size_t n = 1 + forge_random(&writer->random) % 20000;
        n = n < writer->stream.size - at ? n : writer->stream.size - at;
        const ssize_t written = write(writer->fd, (char *)writer->stream.data + at, n);
        if (written < 0)
            break;
        at += (size_t)written;
    }
    close(writer->fd);
    return NULL;
}

static void result_through_a_pipe_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4000, 4096, 4097, 65536, 200000};
    const struct fc_reply_rules rules = rules_of(NO_LIMIT, NULL);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (uint32_t seed = 1; seed <= 8; seed++) {
            struct writer writer = {.stream = good(sizes[s]), .random = seed};
            struct fc_reply reply;
            pthread_t thread;
            int ends[2];
            assert_int_equal(pipe(ends), 0);
            writer.fd = ends[1];
            assert_int_equal(pthread_create(&thread, NULL, write_pieces, &writer), 0);
            fc_reply_init(&reply);
            while (!reply.done && !reply.malformed && fc_reply_receive(&reply, &rules, ends[0]) > 0) {
            }
            assert_true(is_whole(&reply, sizes[s]));
            assert_int_equal(pthread_join(thread, NULL), 0);
            close(ends[0]);
            fc_reply_free(&reply);
            forkcall_buf_free(&writer.stream);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_in_pieces_of_any_size),
        cmocka_unit_test(reply_cut_at_every_byte_is_never_done),
        cmocka_unit_test(reply_is_whole_without_memory_for_words_and_crash),
        cmocka_unit_test(reply_with_a_changed_byte_is_never_wrong),
        cmocka_unit_test(trailer_that_does_not_fit_is_not_believed),
        cmocka_unit_test(frames_in_an_order_that_cannot_be),
        cmocka_unit_test(crash_of_the_largest_size),
        cmocka_unit_test(frames_after_the_trailer_are_not_read),
        cmocka_unit_test(result_of_more_than_is_allowed),
        cmocka_unit_test(announced_length_of_a_tebibyte),
        cmocka_unit_test(progress_that_is_no_number),
        cmocka_unit_test(notes_of_every_length),
        cmocka_unit_test(callback_that_cancels_is_not_called_again),
        cmocka_unit_test(endless_messages_keep_the_last_alone),
        cmocka_unit_test(result_through_a_pipe_of_any_size),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
