/* HOST, CHILD: The request: what a host sends to a child that is no fork of it: which function,
 * which arguments, which settings. Both ends are the same build of the library on the same machine.
 * The go byte follows in the same pipe (os/start_gate.h). */
#ifndef FC_WIRE_REQUEST_H
#define FC_WIRE_REQUEST_H

#include "module/lookup.h"
#include "wire/task.h"

#include <sys/uio.h>

/* Arguments up to this size travel in the pipe, which usually holds 64 KiB. Larger ones travel in a
 * file. */
#define FC_REQUEST_ARGS_MAX 32768U

/* The head of a request. Behind it come the function's name and the arguments, each at a multiple
 * of FC_REQUEST_ALIGN. */
struct fc_request {
    uint32_t magic;
    uint32_t name_size;
    uint8_t stream[3]; /* enum forkcall_stream */
    bool drop_result, want_progress, own_group, lifeline;
    bool has_args, args_in_file;
    bool line_buffered;
    bool keep, no_crash_capture, tell_started;
    uint32_t frame_mark;
    int32_t group; /* the process group to join; 0: none */
    uint64_t nonce;
    uint64_t args_size;
    uint64_t max_result, expected;
    uint64_t shared_capacity, shared_huge, shared_largest; /* struct fc_shared_place */
    uint64_t may_grow;
    struct forkcall_limits limits;
    struct fc_caller caller;
};

#define FC_REQUEST_ALIGN 16U
#define FC_REQUEST_REMAINING_MAX (sizeof(struct fc_module_function) + FC_REQUEST_ALIGN + FC_REQUEST_ARGS_MAX)

#define FC_REQUEST_PARTS 6
struct fc_request_parts {
    struct fc_request head;
    struct iovec parts[FC_REQUEST_PARTS];
    int count;
};

/* In the host: fills in a request. Its parts point to name and to the task's args. The last two
 * parts are the go byte and the nonce. */
void fc_request_make(struct fc_request_parts *request, const struct fc_task *task,
                     const struct fc_module_function *name, bool args_in_file);

/* In the child: how many bytes follow the head, at most FC_REQUEST_REMAINING_MAX. -EPROTO: this is
 * no head of a request. */
long fc_request_remaining(const struct fc_request *head);

/* In the child: fills in the task except the function, and returns the name of the function. rest:
 * what followed the head, aligned for any type. task->caller points into head, task->args into
 * rest, or nowhere of use if the arguments lie in a file. NULL: this is no request. */
const struct fc_module_function *fc_request_read(const struct fc_request *head, const unsigned char *rest,
                                                 struct fc_task *task);

#endif
