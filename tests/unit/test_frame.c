/* Tests the decoder of frames by itself. The reader here accepts every payload. */
#include "support.h"

#include "forged_reply.h"
#include "wire/crash_notice.h"
#include "wire/frame.h"

#define FRAMES_MAX 64

struct seen {
    struct {
        uint32_t type;
        uint64_t size;
        uint32_t sum;
    } frame[FRAMES_MAX];
    size_t count;
    bool bad;
};

static uint32_t sum(const unsigned char *data, size_t size)
{
    uint32_t n = 17;
    for (size_t i = 0; i < size; i++)
        n = n * 31 + data[i];
    return n;
}

/* Feeds data to the decoder, and notes the frames that it finds. */
static void decode(struct fc_decoder *decoder, struct seen *seen, const unsigned char *data, size_t size)
{
    static unsigned char payload[1 << 17];
    for (;;) {
        const enum fc_decoded what = fc_decoder_step(decoder, &data, &size);
        if (what == FC_DECODED_HEADER) {
            assert_true(decoder->header.size <= sizeof payload);
            decoder->payload = payload;
        } else if (what == FC_DECODED_FRAME) {
            assert_true(seen->count < FRAMES_MAX);
            seen->frame[seen->count].type = decoder->header.type;
            seen->frame[seen->count].size = decoder->header.size;
            seen->frame[seen->count++].sum = sum(payload, (size_t)decoder->header.size);
        } else {
            seen->bad = what == FC_DECODED_BAD;
            if (!seen->bad)
                assert_int_equal(size, 0);
            return;
        }
    }
}

/* Makes one frame of each type, with a size that the type allows. */
static struct forkcall_buf all_types(void)
{
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    unsigned char bytes[4096];
    const struct fc_setup_failure setup = {1, 2};
    const struct fc_trailer trailer = forge_trailer(1, FC_END_RETURNED, 0, FC_TRANSPORT_PIPE, 100);
    memset(bytes, 0x5a, sizeof bytes);
    forge_frame(&stream, FC_FRAME_STARTED, NULL, 0);
    forge_progress(&stream, 1, 2, "half");
    forge_progress(&stream, 2, 2, "");
    forge_frame(&stream, FC_FRAME_MESSAGE, "oh", 2);
    forge_frame(&stream, FC_FRAME_MESSAGE, NULL, 0);
    forge_frame(&stream, FC_FRAME_RESULT, bytes, 100);
    forge_frame(&stream, FC_FRAME_RESULT, NULL, 0);
    forge_frame(&stream, FC_FRAME_SETUP, &setup, sizeof setup);
    forge_frame(&stream, FC_FRAME_CRASH, bytes, sizeof(struct fc_crash_notice) + 5);
    forge_done(&stream, &trailer);
    return stream;
}

#define TYPES_COUNT 10

static void assert_same(const struct seen *a, const struct seen *b)
{
    assert_int_equal(a->bad, b->bad);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->frame, b->frame, a->count * sizeof *a->frame);
}

static void frame_of_0_bytes_is_told_once(void **state)
{
    (void)state;
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    struct seen seen = {.count = 0};
    struct fc_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    for (int i = 0; i < 3; i++)
        forge_frame(&stream, FC_FRAME_RESULT, NULL, 0);
    decode(&decoder, &seen, stream.data, stream.size);
    assert_int_equal(seen.count, 3);
    assert_false(seen.bad);
    forkcall_buf_free(&stream);
}

static void frames_cut_at_every_byte(void **state)
{
    (void)state;
    struct forkcall_buf stream = all_types();
    struct seen whole = {.count = 0};
    struct fc_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    decode(&decoder, &whole, stream.data, stream.size);
    assert_int_equal(whole.count, TYPES_COUNT);
    assert_false(whole.bad);
    for (size_t cut = 0; cut <= stream.size; cut++) {
        struct seen seen = {.count = 0};
        memset(&decoder, 0, sizeof decoder);
        decode(&decoder, &seen, stream.data, cut);
        decode(&decoder, &seen, (unsigned char *)stream.data + cut, stream.size - cut);
        assert_same(&seen, &whole);
    }
    forkcall_buf_free(&stream);
}

static void frames_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct forkcall_buf stream = all_types();
    struct seen whole = {.count = 0};
    struct fc_decoder decoder;
    uint32_t random = 42;
    memset(&decoder, 0, sizeof decoder);
    decode(&decoder, &whole, stream.data, stream.size);
    for (int round = 0; round < 500; round++) {
        struct seen seen = {.count = 0};
        memset(&decoder, 0, sizeof decoder);
        for (size_t at = 0; at < stream.size;) {
            size_t n = round == 0 ? 1 : forge_random(&random) % 70;
            n = n < stream.size - at ? n : stream.size - at;
            decode(&decoder, &seen, (unsigned char *)stream.data + at, n);
            at += n;
        }
        assert_same(&seen, &whole);
    }
    forkcall_buf_free(&stream);
}

static bool header_is_taken(uint32_t magic, uint32_t type, uint64_t size)
{
    const struct fc_frame_header header = {.magic = magic, .type = type, .size = size};
    const unsigned char *data = (const unsigned char *)&header;
    size_t rest = sizeof header;
    struct fc_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    const enum fc_decoded what = fc_decoder_step(&decoder, &data, &rest);
    assert_int_equal(rest, 0);
    assert_true(what == FC_DECODED_HEADER || what == FC_DECODED_BAD);
    return what == FC_DECODED_HEADER;
}

static void sizes_that_a_type_cannot_have(void **state)
{
    (void)state;
    static const struct {
        enum fc_frame_type type;
        uint64_t least, most;
    } range[] = {
        {FC_FRAME_STARTED, 0, 0},
        {FC_FRAME_PROGRESS, sizeof(struct fc_progress), sizeof(struct fc_progress) + FC_NOTE_MAX},
        {FC_FRAME_MESSAGE, 0, FC_MESSAGE_MAX},
        {FC_FRAME_RESULT, 0, PTRDIFF_MAX},
        {FC_FRAME_SETUP, sizeof(struct fc_setup_failure), sizeof(struct fc_setup_failure)},
        {FC_FRAME_CRASH, sizeof(struct fc_crash_notice), FC_CRASH_NOTICE_MAX},
        {FC_FRAME_DONE, sizeof(struct fc_trailer), sizeof(struct fc_trailer)},
    };
    for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
        const uint32_t type = (uint32_t)range[i].type;
        assert_true(header_is_taken(FC_FRAME_MAGIC, type, range[i].least));
        assert_true(header_is_taken(FC_FRAME_MAGIC, type, range[i].most));
        if (range[i].least > 0)
            assert_false(header_is_taken(FC_FRAME_MAGIC, type, range[i].least - 1));
        assert_false(header_is_taken(FC_FRAME_MAGIC, type, range[i].most + 1));
        assert_false(header_is_taken(FC_FRAME_MAGIC, type, UINT64_MAX));
        assert_false(header_is_taken(FC_FRAME_MAGIC, type, (uint64_t)1 << 63));
    }
}

static void types_and_magics_that_are_not_ours(void **state)
{
    (void)state;
    assert_true(header_is_taken(FC_FRAME_MAGIC, FC_FRAME_STARTED, 0));
    for (int bit = 0; bit < 32; bit++)
        assert_false(header_is_taken(FC_FRAME_MAGIC ^ (1U << bit), FC_FRAME_STARTED, 0));
    assert_false(header_is_taken(FC_FRAME_MAGIC, 0, 0));
    for (uint32_t type = FC_FRAME_READY + 1; type != 0; type = type * 2)
        assert_false(header_is_taken(FC_FRAME_MAGIC, type, 0));
    assert_false(header_is_taken(FC_FRAME_MAGIC, UINT32_MAX, 0));
}

static void reader_that_gave_up_and_comes_back(void **state)
{
    (void)state;
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    struct fc_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    forge_frame(&stream, FC_FRAME_MESSAGE, "text", 4);
    const unsigned char *data = stream.data;
    size_t size = stream.size;
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_HEADER);
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_BAD);
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_BAD);
    forkcall_buf_free(&stream);
}

/* Some bytes of a payload are read directly into their place, and the others are fed to the
 * decoder. */
static void payload_filled_in_place(void **state)
{
    (void)state;
    static const char text[] = "0123456789";
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    struct fc_decoder decoder;
    char place[10];
    size_t rest = 0;
    memset(&decoder, 0, sizeof decoder);
    assert_null(fc_decoder_payload_rest(&decoder, &rest));
    forge_frame(&stream, FC_FRAME_MESSAGE, text, 10);
    const unsigned char *data = stream.data;
    size_t size = sizeof(struct fc_frame_header) + 3;
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_HEADER);
    assert_null(fc_decoder_payload_rest(&decoder, &rest));
    decoder.payload = place;
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_MORE);
    assert_ptr_equal(fc_decoder_payload_rest(&decoder, &rest), place + 3);
    assert_int_equal(rest, 7);
    memcpy(place + 3, text + 3, 6);
    assert_false(fc_decoder_payload_filled(&decoder, 6));
    assert_ptr_equal(fc_decoder_payload_rest(&decoder, &rest), place + 9);
    assert_int_equal(rest, 1);
    place[9] = text[9];
    assert_true(fc_decoder_payload_filled(&decoder, 1));
    assert_null(fc_decoder_payload_rest(&decoder, &rest));
    assert_memory_equal(place, text, 10);
    /* The next frame begins where the payload ends. */
    data = stream.data;
    size = stream.size;
    assert_int_equal(fc_decoder_step(&decoder, &data, &size), FC_DECODED_HEADER);
    forkcall_buf_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_of_0_bytes_is_told_once),
        cmocka_unit_test(frames_cut_at_every_byte),
        cmocka_unit_test(frames_in_pieces_of_any_size),
        cmocka_unit_test(sizes_that_a_type_cannot_have),
        cmocka_unit_test(types_and_magics_that_are_not_ours),
        cmocka_unit_test(reader_that_gave_up_and_comes_back),
        cmocka_unit_test(payload_filled_in_place),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
