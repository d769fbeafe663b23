/* Collects what a child writes to its captured streams. */
#ifndef CAPTURED_H
#define CAPTURED_H

#include "support.h"

#include <string.h>
#include <unistd.h>

struct heard {
    struct forkcall_buf bytes[3]; /* by descriptor */
    int calls, wrong;
    int cancel_at; /* number of the output call that cancels; 0: none */
    bool slow;
};

static inline int hear(void *user, int fd, const char *data, size_t size)
{
    struct heard *heard = user;
    heard->calls++;
    if ((fd != 1 && fd != 2) || size == 0) {
        heard->wrong++;
        return 0;
    }
    if (heard->slow && heard->calls % 16 == 0)
        /* The callback is slow at times, so that the child has to wait for room in the pipe. */
        usleep(500);
    heard->wrong += forkcall_buf_append(&heard->bytes[fd], data, size) != 0;
    return heard->calls == heard->cancel_at;
}

enum { OUT = 1, ERR = 2 };

static inline struct forkcall_options capture(int streams, struct heard *heard)
{
    struct forkcall_options options = {.output = hear, .user = heard, .timeout_ms = DEADLINE_S * 1000};
    if ((streams & OUT) != 0)
        options.standard_output = FORKCALL_STREAM_CAPTURE;
    if ((streams & ERR) != 0)
        options.standard_error = FORKCALL_STREAM_CAPTURE;
    return options;
}

static inline void forget(struct heard *heard)
{
    assert_int_equal(heard->wrong, 0);
    for (int i = 0; i < 3; i++)
        forkcall_buf_free(&heard->bytes[i]);
}

static inline void assert_heard(const struct forkcall_buf *bytes, const char *text)
{
    assert_int_equal(bytes->size, strlen(text));
    if (bytes->size > 0)
        assert_memory_equal(bytes->data, text, bytes->size);
}

static inline bool write_text(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static inline unsigned char byte_at(size_t i)
{
    /* Every value occurs, 0 and those above 127 included. */
    return (unsigned char)(i * 7 + i / 255);
}

#endif
