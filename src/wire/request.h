/* HOST, CHILD: What a caller says to a child that is no fork of it: which function, with which
 * arguments, and how. Both ends are the same library on the same machine. The go byte comes after
 * it, in the same pipe (os/start_gate.h). */
#ifndef FC_WIRE_REQUEST_H
#define FC_WIRE_REQUEST_H

#include "module/lookup.h"
#include "wire/task.h"

#include <sys/uio.h>

/* Arguments up to this size travel in the pipe, which holds 64 KiB as a rule; larger ones in a file
 * of their own. */
#define FC_REQUEST_ARGS_MAX 32768U

/* The head; then the function's name, and the arguments, each from a multiple of FC_REQUEST_ALIGN
 * on. */
struct fc_request {
    uint32_t magic;
    uint32_t name_size;
    uint8_t stream[3]; /* enum forkcall_stream */
    bool drop_result, want_progress, own_group, lifeline;
    bool has_args, args_in_file;
    bool line_buffered;
    int32_t group; /* 0: none to join */
    uint64_t nonce;
    uint64_t args_size;
    uint64_t max_result;
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

/* In the caller. The parts point to name and to the task's args; the last two are the go byte and
 * the nonce. */
void fc_request_make(struct fc_request_parts *request, const struct fc_task *task,
                     const struct fc_module_function *name, bool args_in_file);

/* In the child: how many bytes follow the head, at most FC_REQUEST_REMAINING_MAX. -EPROTO: it is no
 * head. */
long fc_request_remaining(const struct fc_request *head);

/* In the child: what the request tells of the task but for its function, whose name is returned;
 * caller points into head. rest is aligned for any type and holds what followed the head; args
 * points into it, and is NULL where they lie in a file. NULL: it is no request. */
const struct fc_module_function *fc_request_read(const struct fc_request *head, const unsigned char *rest,
                                                 struct fc_task *task);

#endif
