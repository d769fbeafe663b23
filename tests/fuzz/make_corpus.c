/* Makes the first inputs of the corpus: valid replies of every kind, and replies with one fault.
 * Each is written to a file in the given directory. */
#include "fuzz_frame.h"

#include "../support/forged_reply.h"
#include "wire/crash_notice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *directory;

static void keep(const char *name, unsigned char limit, unsigned char cancels, struct forkcall_buf *stream)
{
    const unsigned char prefix[FUZZ_PREFIX] = {limit, cancels, 11, 0, 0, 0};
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(prefix, 1, sizeof prefix, file) != sizeof prefix ||
        fwrite(stream->data, 1, stream->size, file) != stream->size || fclose(file) != 0) {
        perror(path);
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    }
    forkcall_buf_truncate(stream, 0);
}

static void done(struct forkcall_buf *stream, enum fc_end end, int code, enum fc_transport transport, uint64_t size)
{
    const struct fc_trailer trailer = forge_trailer(FUZZ_NONCE, end, code, transport, size);
    forge_done(stream, &trailer);
}

static void keep_results(struct forkcall_buf *stream)
{
    static unsigned char bytes[5000];
    forge_ok(stream, FUZZ_NONCE, NULL, 0);
    keep("result-0", 4, 0, stream);
    forge_ok(stream, FUZZ_NONCE, "x", 1);
    keep("result-1", 4, 0, stream);
    forge_ok(stream, FUZZ_NONCE, bytes, 256);
    keep("result-256", 4, 0, stream);
    forge_ok(stream, FUZZ_NONCE, bytes, 257);
    keep("result-257", 4, 0, stream);
    forge_ok(stream, FUZZ_NONCE, bytes, sizeof bytes);
    keep("result-too-big", 4, 0, stream);
    forge_frame(stream, FC_FRAME_RESULT, "ab", 2);
    forge_ok(stream, FUZZ_NONCE, "cd", 2);
    keep("result-twice", 4, 0, stream);
    forge_frame(stream, FC_FRAME_RESULT, "ab", 2);
    done(stream, FC_END_RETURNED, 0, FC_TRANSPORT_PIPE, 3);
    keep("result-size-differs", 4, 0, stream);
    done(stream, FC_END_RETURNED, 0, FC_TRANSPORT_REGION, 4096);
    keep("region", 4, 0, stream);
    done(stream, FC_END_RETURNED, 0, FC_TRANSPORT_NONE, 0);
    keep("dropped", 0, 0, stream);
}

static void keep_failures(struct forkcall_buf *stream)
{
    const struct fc_setup_failure setup = {.step = 2, .error = 24};
    forge_frame(stream, FC_FRAME_MESSAGE, "no such thing", 13);
    done(stream, FC_END_RETURNED, 7, FC_TRANSPORT_NONE, 0);
    keep("failed", 1, 0, stream);
    done(stream, FC_END_EXITED, 300, FC_TRANSPORT_NONE, 0);
    keep("exited", 1, 0, stream);
    done(stream, FC_END_TOO_BIG, 27, FC_TRANSPORT_NONE, 0);
    keep("too-big", 1, 0, stream);
    forge_frame(stream, FC_FRAME_SETUP, &setup, sizeof setup);
    keep("setup", 1, 0, stream);
    forge_frame(stream, FC_FRAME_STARTED, NULL, 0);
    forge_frame(stream, FC_FRAME_SETUP, &setup, sizeof setup);
    keep("setup-after-started", 1, 0, stream);
}

static void keep_progress(struct forkcall_buf *stream)
{
    forge_frame(stream, FC_FRAME_STARTED, NULL, 0);
    forge_progress(stream, 1, 3, "a note");
    forge_progress(stream, 2, 3, "");
    forge_progress(stream, NAN, INFINITY, "no number");
    forge_ok(stream, FUZZ_NONCE, "answer", 6);
    forge_progress(stream, 3, 3, "too late");
    keep("progress", 2, 0, stream);
    forge_progress(stream, 1, 3, "cancel");
    forge_ok(stream, FUZZ_NONCE, "answer", 6);
    keep("progress-cancels", 2, 1, stream);
}

static struct fc_crash_notice forge_notice(uint64_t code)
{
    struct fc_crash_notice notice;
    memset(&notice, 0, sizeof notice);
    notice.signal = 11;
    notice.si_code = 1;
    notice.address = 8;
    notice.stack_address = 0x7ffd00000000;
    notice.registers.pc = code;
    notice.registers.sp = notice.stack_address + 128;
    notice.registers.fp = notice.stack_address + 144;
    return notice;
}

/* Writes a chain of stack frames. */
static void forge_stack(uint64_t stack[32], const struct fc_crash_notice *notice, uint64_t code)
{
    for (uint64_t i = 0; i < 32; i++)
        stack[i] = i % 2 == 0 ? notice->stack_address + (i + 2) * 8 : code + i;
}

static void keep_crash(struct forkcall_buf *stream)
{
    struct {
        struct fc_crash_notice notice;
        uint64_t stack[32];
    } crash;
    crash.notice = forge_notice(0x401000);
    forge_stack(crash.stack, &crash.notice, 0x401000);
    forge_frame(stream, FC_FRAME_CRASH, &crash, sizeof crash);
    keep("crash", 1, 0, stream);
}

/* Keeps crashes with modules that lie elsewhere: as they should, overlapping, past the end of all
 * addresses, and more than there are. The keys of the modules are numbers (fuzz_frame.c). */
static void keep_crash_elsewhere(struct forkcall_buf *stream)
{
    static const struct {
        const char *name;
        uint32_t count;
        struct fc_module_range placements[4];
    } forged[] = {
        {"crash-elsewhere",
         4,
         {{0x401000, 0, 0, 0}, {0x10000000, 0, 1, 0}, {0x20000000, 0, 2, 0}, {0x30000000, 0, 3, 0}}},
        {"crash-overlapping", 4, {{0x401000, 0, 0, 0}, {0x401000, 0, 1, 0}, {0x402000, 0, 1, 0}, {0, 0, 2, 0}}},
        {"crash-past-the-end",
         4,
         {{UINT64_MAX, 0, 0, 0}, {UINT64_MAX - 4096, 0, 1, 0}, {0, UINT64_MAX, 1, 0}, {1, 1, 1, 1}}},
        {"crash-too-many", 5, {{0x401000, 0, 0, 0}}},
        {"crash-far-too-many", UINT32_MAX, {{0x401000, 0, 0, 0}}},
    };
    struct {
        struct fc_crash_notice notice;
        struct fc_module_range placements[4];
        uint64_t stack[32];
    } crash;
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        crash.notice = forge_notice(0x401000);
        crash.notice.range_count = forged[i].count;
        memcpy(crash.placements, forged[i].placements, sizeof crash.placements);
        forge_stack(crash.stack, &crash.notice, 0x401000);
        /* The last two end before the table that they announce. */
        const size_t size = forged[i].count > 4 ? sizeof crash - sizeof crash.stack : sizeof crash;
        forge_frame(stream, FC_FRAME_CRASH, &crash, size);
        keep(forged[i].name, 1, 0, stream);
    }
}

int main(int count, char **arguments)
{
    const struct fc_frame_header huge = {.magic = FC_FRAME_MAGIC, .type = FC_FRAME_RESULT, .size = UINT64_MAX};
    struct forkcall_buf stream = FORKCALL_BUF_INIT;
    if (count != 2)
        return 2;
    directory = arguments[1];
    keep_results(&stream);
    keep_failures(&stream);
    keep_progress(&stream);
    keep_crash(&stream);
    keep_crash_elsewhere(&stream);
    forge_bytes(&stream, &huge, sizeof huge);
    keep("huge", 6, 0, &stream);
    forge_bytes(&stream, "this is no frame at all", 23);
    keep("rubbish", 6, 0, &stream);
    forkcall_buf_free(&stream);
    return 0;
}
