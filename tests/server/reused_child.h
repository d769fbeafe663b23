/* Calls with options.reuse_child, and the children that serve them. */
#ifndef REUSED_CHILD_H
#define REUSED_CHILD_H

#include "children.h"
#include "servers.h"

#include "call/call.h"

extern struct forkcall_options reuse; /* by SERVER, with reuse_child */
extern struct forkcall_options fresh; /* by SERVER, without */

/* Makes a call, and waits until its child has looked at itself, and waits or has ended. Else a
 * child that a busy machine lets wait for its turn is passed by, and the next call has a fresh
 * one. */
struct forkcall_report run_settled(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                   const struct forkcall_options *options);

/* A call with reuse_child that must be OK. Returns the child's pid. */
pid_t call_reusing(forkcall_fn *fn);

/* A call that must be OK. Returns how many calls of this function its child has served. */
int count_calls(const struct forkcall_options *options);

/* The number of the reply's descriptor in a child: only the reply is the writing end of a pipe. */
int reply_fd(void);

/* True: this system keeps children. Where it never does each call must still be right, so the tests
 * that need one are skipped. */
bool children_are_kept(void);
bool may_keep_no_children(void);

#define NEED_KEPT_CHILDREN                       \
    do {                                         \
        if (!children_are_kept()) {              \
            assert_true(may_keep_no_children()); \
            SKIP("no child is kept here");       \
        }                                        \
    } while (0)

/* Each test begins without a server, and leaves none. */
int begin_reuse_test(void **state);
int end_reuse_test(void **state);

#define REUSE_TEST(name) cmocka_unit_test_setup_teardown(name, begin_reuse_test, end_reuse_test)

#endif
