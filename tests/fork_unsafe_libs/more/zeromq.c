/* ZeroMQ: a context has threads, which do all input and output. */
#include "more.h"

#include <zmq.h>

#define ANSWER 19

static int sends_to_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static void *context;
    char address[100];
    size_t size = sizeof address;
    int sent = ANSWER, received = 0;
    (void)args;
    (void)args_size;
    if (context == NULL)
        context = zmq_ctx_new();
    void *pull = zmq_socket(context, ZMQ_PULL);
    void *push = zmq_socket(context, ZMQ_PUSH);
    if (pull == NULL || push == NULL || zmq_bind(pull, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(pull, ZMQ_LAST_ENDPOINT, address, &size) != 0 || zmq_connect(push, address) != 0)
        return forkcall_fail(zmq_errno(), "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    if (zmq_send(push, &sent, sizeof sent, 0) < 0 || zmq_recv(pull, &received, sizeof received, 0) < 0)
        return forkcall_fail(zmq_errno(), "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    zmq_close(push);
    zmq_close(pull);
    return forkcall_buf_append(result, &received, sizeof received);
}

const struct unsafe_library the_library = {
    .name = "ZeroMQ",
    .use = sends_to_itself,
    .answer = ANSWER,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};
