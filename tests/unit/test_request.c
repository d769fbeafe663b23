/* A request: what the host writes is what the child reads, and nothing else is taken for one. */
#include "wire/request.h"

#include "support.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define NAME_SIZE offsetof(struct fc_module_function, path)

static struct fc_caller caller;
static struct fc_module_function name;
static struct fc_task sent, read_back;
static struct fc_request_parts request;
static struct fc_request head;
/* What follows the head, as the child has it. */
static _Alignas(max_align_t) unsigned char rest[FC_REQUEST_REMAINING_MAX];

static int begin_anew(void **state)
{
    (void)state;
    memset(&caller, 0x5a, sizeof caller);
    memset(&name, 0, sizeof name);
    memcpy(name.path, "/usr/bin/program", 17);
    name.path_size = 17;
    sent = (struct fc_task){.args_size = 0, .caller = &caller};
    memset(&read_back, 0xff, sizeof read_back);
    return 0;
}

/* Writes the task's request and takes it apart. Returns how many bytes follow the head. */
static long transfer(bool args_in_file)
{
    unsigned char bytes[sizeof head + sizeof rest + 64] = {0};
    size_t size = 0;
    fc_request_make(&request, &sent, &name, args_in_file);
    assert_true(request.count <= FC_REQUEST_PARTS);
    for (int i = 0; i < request.count; i++) {
        assert_true(size + request.parts[i].iov_len <= sizeof bytes);
        if (request.parts[i].iov_len > 0)
            memcpy(bytes + size, request.parts[i].iov_base, request.parts[i].iov_len);
        size += request.parts[i].iov_len;
    }
    memcpy(&head, bytes, sizeof head);
    const long remaining = fc_request_remaining(&head);
    assert_in_range(remaining, 1, (long)sizeof rest);
    memcpy(rest, bytes + sizeof head, (size_t)remaining);
    /* Only the byte that starts the child and the nonce come behind. */
    assert_int_equal(size, sizeof head + (size_t)remaining + 1 + sizeof sent.nonce);
    assert_int_equal(bytes[size - 1 - sizeof sent.nonce], 'g');
    assert_memory_equal(bytes + size - sizeof sent.nonce, &sent.nonce, sizeof sent.nonce);
    return remaining;
}

static void read_request(void)
{
    const struct fc_module_function *got = fc_request_read(&head, rest, &read_back);
    assert_non_null(got);
    assert_int_equal(got->path_size, name.path_size);
    assert_memory_equal(got, &name, NAME_SIZE + name.path_size);
}

static void every_setting_arrives(void **state)
{
    (void)state;
    sent.nonce = UINT64_C(0x1122334455667788);
    sent.group = 4711;
    sent.max_result = 123456;
    sent.expected = 654321;
    sent.shared = (struct fc_shared_place){.capacity = 11, .huge = 22, .largest = 33};
    sent.limits = (struct forkcall_limits){.cpu_seconds = 3, .file_size_bytes = 99};
    transfer(false);
    read_request();
    assert_true(read_back.nonce == sent.nonce);
    assert_int_equal(read_back.group, 4711);
    assert_int_equal(read_back.max_result, 123456);
    assert_int_equal(read_back.expected, 654321);
    assert_null(read_back.shared.data);
    assert_int_equal(read_back.shared.capacity, 11);
    assert_int_equal(read_back.shared.huge, 22);
    assert_int_equal(read_back.shared.largest, 33);
    assert_memory_equal(&read_back.limits, &sent.limits, sizeof sent.limits);
    assert_memory_equal(read_back.caller, &caller, sizeof caller);
}

static void each_flag_arrives_alone(void **state)
{
    bool *const flags[] = {&sent.drop_result, &sent.want_progress, &sent.own_group, &sent.lifeline,
                           &sent.line_buffered};
    const bool *const got[] = {&read_back.drop_result, &read_back.want_progress, &read_back.own_group,
                               &read_back.lifeline, &read_back.line_buffered};
    const size_t count = sizeof flags / sizeof *flags;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        *flags[i] = true;
        transfer(false);
        read_request();
        for (size_t j = 0; j < count; j++)
            assert_int_equal(*got[j], i == j);
        *flags[i] = false;
    }
}

static void captured_stream_is_inherited_in_the_child(void **state)
{
    (void)state;
    sent.stream[0] = FORKCALL_STREAM_NULL;
    sent.stream[1] = FORKCALL_STREAM_CAPTURE;
    sent.stream[2] = FORKCALL_STREAM_JOIN;
    transfer(false);
    read_request();
    assert_int_equal(read_back.stream[0], FORKCALL_STREAM_NULL);
    assert_int_equal(read_back.stream[1], FORKCALL_STREAM_INHERIT);
    assert_int_equal(read_back.stream[2], FORKCALL_STREAM_INHERIT);
}

static void arguments_arrive_aligned(void **state)
{
    static unsigned char bytes[FC_REQUEST_ARGS_MAX];
    static const size_t sizes[] = {1, 15, 16, 17, 4095, FC_REQUEST_ARGS_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    for (uint32_t path_size = 1; path_size <= 2 * FC_REQUEST_ALIGN; path_size++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            memset(name.path, 'x', path_size);
            name.path_size = path_size;
            sent.args = bytes;
            sent.args_size = sizes[i];
            transfer(false);
            read_request();
            assert_int_equal(read_back.args_size, sizes[i]);
            assert_memory_equal(read_back.args, bytes, sizes[i]);
            assert_int_equal((uintptr_t)read_back.args % _Alignof(max_align_t), 0);
        }
}

static void null_stays_null_and_no_bytes_stay_none(void **state)
{
    (void)state;
    transfer(false);
    read_request();
    assert_null(read_back.args);
    assert_int_equal(read_back.args_size, 0);
    sent.args = &caller;
    transfer(false);
    read_request();
    assert_non_null(read_back.args);
    assert_int_equal(read_back.args_size, 0);
}

static void arguments_in_a_file_do_not_come_with_the_request(void **state)
{
    (void)state;
    sent.args = &caller;
    sent.args_size = (size_t)FC_REQUEST_ARGS_MAX + 1;
    assert_int_equal(transfer(true), NAME_SIZE + name.path_size);
    read_request();
    assert_int_equal(read_back.args_size, (size_t)FC_REQUEST_ARGS_MAX + 1);
}

static void broken_head_is_refused(void **state)
{
    (void)state;
    transfer(false);
    const struct fc_request good = head;
    head.magic ^= 1;
    assert_int_equal(fc_request_remaining(&head), -EPROTO);
    head = good;
    head.name_size = NAME_SIZE; /* no path */
    assert_int_equal(fc_request_remaining(&head), -EPROTO);
    head.name_size = NAME_SIZE + 1;
    assert_int_equal(fc_request_remaining(&head), NAME_SIZE + 1);
    head.name_size = sizeof name;
    assert_int_equal(fc_request_remaining(&head), sizeof name);
    head.name_size = sizeof name + 1;
    assert_int_equal(fc_request_remaining(&head), -EPROTO);
    head = good;
    head.args_size = FC_REQUEST_ARGS_MAX;
    assert_true(fc_request_remaining(&head) > (long)FC_REQUEST_ARGS_MAX);
    head.args_size = (uint64_t)FC_REQUEST_ARGS_MAX + 1;
    assert_int_equal(fc_request_remaining(&head), -EPROTO);
}

static void name_that_contradicts_its_size_is_refused(void **state)
{
    (void)state;
    transfer(false);
    head.name_size--;
    assert_null(fc_request_read(&head, rest, &read_back));
    head.name_size += 2;
    assert_null(fc_request_read(&head, rest, &read_back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_setting_arrives, begin_anew),
        cmocka_unit_test_setup(each_flag_arrives_alone, begin_anew),
        cmocka_unit_test_setup(captured_stream_is_inherited_in_the_child, begin_anew),
        cmocka_unit_test_setup(arguments_arrive_aligned, begin_anew),
        cmocka_unit_test_setup(null_stays_null_and_no_bytes_stay_none, begin_anew),
        cmocka_unit_test_setup(arguments_in_a_file_do_not_come_with_the_request, begin_anew),
        cmocka_unit_test_setup(broken_head_is_refused, begin_anew),
        cmocka_unit_test_setup(name_that_contradicts_its_size_is_refused, begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
