/* HOST: Checks the options of a call, and reads those of the environment. */
#include "call/options.h"

#include "base/environment.h"
#include "base/report_message.h"
#include "result/buf.h"
#include "result/shared_buf.h"

#include <fcntl.h>
#include <string.h>

#define KEEP_FDS_MAX 65536U

static bool is_open(int fd)
{
    return fd >= 0 && fcntl(fd, F_GETFD) >= 0;
}

static bool check_arguments(forkcall_fn *fn, const void *args, size_t args_size, const struct forkcall_buf *result,
                            struct forkcall_report *report)
{
    if (fn == NULL)
        return fc_report_wrong(report, "fn: is NULL");
    if (args_size != FORKCALL_BY_POINTER && args_size > PTRDIFF_MAX)
        return fc_report_wrong(report, "args_size: %zu bytes are more than any object has", args_size);
    if (args_size != FORKCALL_BY_POINTER && args_size > 0 && args == NULL)
        return fc_report_wrong(report, "args: is NULL, but args_size is %zu", args_size);
    if (result != NULL && !fc_buf_is_valid(result))
        return fc_report_wrong(report, "result" FC_NOT_INITIALISED);
    if (result != NULL && fc_shared_buf_is_claimed(result))
        return fc_report_wrong(report, "result: is a shared buffer that another call uses");
    return true;
}

static bool check_streams(const struct forkcall_options *o, struct forkcall_report *report)
{
    const bool out = o->standard_output == FORKCALL_STREAM_CAPTURE;
    const bool err = o->standard_error == FORKCALL_STREAM_CAPTURE;
    if ((unsigned)o->standard_input > FORKCALL_STREAM_NULL)
        return fc_report_wrong(report, "standard_input: %d is neither FORKCALL_STREAM_INHERIT nor FORKCALL_STREAM_NULL",
                               (int)o->standard_input);
    if ((unsigned)o->standard_output > FORKCALL_STREAM_CAPTURE)
        return fc_report_wrong(report,
                               "standard_output: %d is none of FORKCALL_STREAM_INHERIT, FORKCALL_STREAM_NULL and "
                               "FORKCALL_STREAM_CAPTURE",
                               (int)o->standard_output);
    if ((unsigned)o->standard_error > FORKCALL_STREAM_JOIN)
        return fc_report_wrong(report, "standard_error: %d is no enum forkcall_stream", (int)o->standard_error);
    if (o->standard_error == FORKCALL_STREAM_JOIN && !out)
        return fc_report_wrong(report, "standard_error: FORKCALL_STREAM_JOIN needs FORKCALL_STREAM_CAPTURE as "
                                       "standard_output");
    if (out && o->output == NULL)
        return fc_report_wrong(report, "standard_output: FORKCALL_STREAM_CAPTURE needs output, which is NULL");
    if (err && o->output == NULL && o->details == NULL)
        return fc_report_wrong(report,
                               "standard_error: FORKCALL_STREAM_CAPTURE needs output or details, which are NULL");
    if (o->output != NULL && !out && !err)
        return fc_report_wrong(report, "output: needs FORKCALL_STREAM_CAPTURE as standard_output or standard_error");
    return true;
}

static bool check_keep_fds(const struct forkcall_options *o, struct forkcall_report *report)
{
    if (o->keep_fds_count > KEEP_FDS_MAX)
        return fc_report_wrong(report, "keep_fds_count: %zu is more than 65536", o->keep_fds_count);
    if (o->keep_fds_count > 0 && o->keep_fds == NULL)
        return fc_report_wrong(report, "keep_fds: is NULL, but keep_fds_count is %zu", o->keep_fds_count);
    for (size_t i = 0; i < o->keep_fds_count; i++)
        if (!is_open(o->keep_fds[i]))
            return fc_report_wrong(report, "keep_fds: %d is no open descriptor", o->keep_fds[i]);
    return true;
}

static bool check_fields(const struct forkcall_options *o, struct forkcall_report *report)
{
    static const uint64_t zero[sizeof o->reserved / sizeof *o->reserved];
    if ((unsigned)o->method > FORKCALL_INLINE)
        return fc_report_wrong(report, "method: %d is no enum forkcall_method", (int)o->method);
    if (o->timeout_ms < 0)
        return fc_report_wrong(report, "timeout_ms: %d is negative (0: no deadline)", o->timeout_ms);
    if (o->grace_ms < 0)
        return fc_report_wrong(report, "grace_ms: %d is negative", o->grace_ms);
    if (o->cancel_fd_plus_one < 0)
        return fc_report_wrong(report, "cancel_fd_plus_one: %d is negative (0: none)", o->cancel_fd_plus_one);
    if (o->cancel_fd_plus_one > 0 && !is_open(o->cancel_fd_plus_one - 1))
        return fc_report_wrong(report, "cancel_fd_plus_one: is %d, but %d is no open descriptor", o->cancel_fd_plus_one,
                               o->cancel_fd_plus_one - 1);
    if (memcmp(o->reserved_small, zero, sizeof o->reserved_small) != 0)
        return fc_report_wrong(report, "reserved_small: is not all 0; options begin as {0}");
    if (memcmp(o->reserved, zero, sizeof zero) != 0)
        return fc_report_wrong(report, "reserved: is not all 0; options begin as {0}");
    return check_streams(o, report) && check_keep_fds(o, report);
}

bool fc_options_check(forkcall_fn *fn, const void *args, size_t args_size, const struct forkcall_buf *result,
                      const struct forkcall_options *options, struct forkcall_report *report)
{
    if (!check_arguments(fn, args, args_size, result, report) || !check_fields(options, report))
        return false;
    if (options->details != NULL && options->details == result)
        return fc_report_wrong(report, "details: is the same buffer as result");
    if (options->details != NULL && !fc_buf_is_valid(options->details))
        return fc_report_wrong(report, "details" FC_NOT_INITIALISED);
    if (args_size == FORKCALL_BY_POINTER && (options->method == FORKCALL_SERVER || options->method == FORKCALL_SPAWN)) {
        fc_report_message(report, "args_size" FC_BY_POINTER_NEEDS);
        fc_options_blame_environment(options, report);
        return false;
    }
    return true;
}

static bool timeout_from_environment(struct forkcall_options *options, struct forkcall_report *report)
{
    const char *timeout = fc_getenv("FORKCALL_TIMEOUT");
    if (timeout == NULL || *timeout == '\0')
        return true;
    if (strcmp(timeout, "off") != 0)
        return fc_report_wrong(report, "FORKCALL_TIMEOUT: in the environment is %.40s, which is not off", timeout);
    options->timeout_ms = 0;
    return true;
}

/* NULL: the environment says nothing, or is not asked. */
static const char *method_from_environment(const struct forkcall_options *options)
{
    const char *method = options->allow_env ? fc_getenv("FORKCALL_METHOD") : NULL;
    return method != NULL && *method != '\0' ? method : NULL;
}

void fc_options_blame_environment(const struct forkcall_options *options, struct forkcall_report *report)
{
    const char *method = method_from_environment(options);
    if (method != NULL)
        fc_report_append(report, "; the environment has FORKCALL_METHOD=%.40s", method);
}

bool fc_options_from_environment(struct forkcall_options *options, struct forkcall_report *report)
{
    if (!options->allow_env)
        return true;
    if (!timeout_from_environment(options, report))
        return false;
    const char *method = method_from_environment(options);
    if (method == NULL)
        return true;
    static const struct {
        const char *name;
        enum forkcall_method method;
    } known[] = {
        {"fork", FORKCALL_FORK}, {"server", FORKCALL_SERVER}, {"spawn", FORKCALL_SPAWN}, {"inline", FORKCALL_INLINE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(method, known[i].name) != 0)
            continue;
        options->method = known[i].method;
        return true;
    }
    return fc_report_wrong(
        report, "FORKCALL_METHOD: in the environment is %.40s, which is none of fork, server, spawn and inline",
        method);
}

bool fc_options_debug(const struct forkcall_options *options)
{
    const char *debug = options->allow_env ? fc_getenv("FORKCALL_DEBUG") : NULL;
    return debug != NULL && strcmp(debug, "1") == 0;
}
