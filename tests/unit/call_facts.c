/* Holds the facts of a made-up call, and decides it. */
#include "call_facts.h"
#include "support.h"

#include "os/start_gate.h"

#include <stdio.h>
#include <string.h>

struct fc_reply reply;
struct fc_ending ending;
struct forkcall_options options;
struct fc_facts facts;
struct forkcall_report report;
enum fc_decided_by by;

int exited(int status)
{
    return status << 8; /* the format of wait(2) */
}

void has_begun(void)
{
    facts.start_left = 0;
    reply.started = true;
}

void has_not_begun(void)
{
    facts.start_left = (long)FC_START_GATE_WITNESS + 1;
    reply.started = false;
}

int begin_anew(void **state)
{
    (void)state;
    memset(&reply, 0, sizeof reply);
    ending = (struct fc_ending){.wait_status = -1};
    options = (struct forkcall_options){.timeout_ms = 0};
    facts = (struct fc_facts){.options = &options,
                              .reply = &reply,
                              .ending = &ending,
                              .method = FORKCALL_FORK,
                              .start_size = START_SIZE,
                              .max_result = 1000,
                              .shares_addresses = true};
    memset(&report, 0, sizeof report);
    has_begun();
    return 0;
}

void ends_by(int wait_status)
{
    ending.status_known = true;
    ending.wait_status = wait_status;
}

void says(enum fc_end end, int code)
{
    reply.done = true;
    reply.trailer = (struct fc_trailer){.end = (uint32_t)end, .code = code};
}

void says_in_words(const char *words)
{
    static char text[200];
    snprintf(text, sizeof text, "%s", words);
    reply.message = forkcall_buf_fixed(text, sizeof text);
    forkcall_buf_truncate(&reply.message, 0);
    forkcall_buf_append(&reply.message, words, strlen(words));
}

void decide(void)
{
    struct forkcall_crash crash = report.crash;
    memset(&report, 0, sizeof report);
    report.crash = crash;
    report.pid = 77;
    by = fc_outcome_decide(&facts, &report);
    fc_outcome_describe(&facts, by, &report);
}

void expect(enum forkcall_status status, enum forkcall_ran ran, int code, const char *message)
{
    decide();
    assert_int_equal(report.status, status);
    assert_int_equal(report.ran, ran);
    assert_int_equal(report.code, code);
    assert_string_equal(report.message, message);
}
