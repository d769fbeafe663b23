/* HOST: Checks the options of a call, and reads those of the environment. */
#include "call/options.h"

#include "base/environment.h"
#include "result/buf.h"
#include "result/shared_buf.h"

#include <fcntl.h>
#include <string.h>

#define KEEP_FDS_MAX 65536U

static bool is_open(int fd)
{
    return fd >= 0 && fcntl(fd, F_GETFD) >= 0;
}

static const char *check_arguments(forkcall_fn *fn, const void *args, size_t args_size,
                                   const struct forkcall_buf *result)
{
    if (fn == NULL)
        return "fn: is NULL";
    if (args_size != FORKCALL_BY_POINTER && args_size > PTRDIFF_MAX)
        return "args_size: more than any object has";
    if (args_size != FORKCALL_BY_POINTER && args_size > 0 && args == NULL)
        return "args: is NULL, but args_size is not 0";
    if (result != NULL && !fc_buf_is_valid(result))
        return "result: was not initialised by FORKCALL_BUF_INIT or forkcall_buf_fixed, or its storage is NULL";
    if (result != NULL && fc_shared_buf_is_claimed(result))
        return "result: is a shared buffer that another call uses";
    return NULL;
}

static const char *check_streams(const struct forkcall_options *o)
{
    const bool out = o->standard_output == FORKCALL_STREAM_CAPTURE;
    const bool err = o->standard_error == FORKCALL_STREAM_CAPTURE;
    if ((unsigned)o->standard_input > FORKCALL_STREAM_NULL)
        return "standard_input: neither FORKCALL_STREAM_INHERIT nor FORKCALL_STREAM_NULL";
    if ((unsigned)o->standard_output > FORKCALL_STREAM_CAPTURE)
        return "standard_output: none of FORKCALL_STREAM_INHERIT, FORKCALL_STREAM_NULL and FORKCALL_STREAM_CAPTURE";
    if ((unsigned)o->standard_error > FORKCALL_STREAM_JOIN)
        return "standard_error: no enum forkcall_stream";
    if (o->standard_error == FORKCALL_STREAM_JOIN && !out)
        return "standard_error: FORKCALL_STREAM_JOIN, but standard_output is not captured";
    if (out && o->output == NULL)
        return "standard_output: captured, but output is NULL";
    if (err && o->output == NULL && o->details == NULL)
        return "standard_error: captured, but output and details are NULL";
    if (o->output != NULL && !out && !err)
        return "output: given, but no stream is captured";
    return NULL;
}

static const char *check_keep_fds(const struct forkcall_options *o)
{
    if (o->keep_fds_count > KEEP_FDS_MAX)
        return "keep_fds_count: more than 65536";
    if (o->keep_fds_count > 0 && o->keep_fds == NULL)
        return "keep_fds: is NULL, but keep_fds_count is not 0";
    for (size_t i = 0; i < o->keep_fds_count; i++)
        if (!is_open(o->keep_fds[i]))
            return "keep_fds: holds what is no open descriptor";
    return NULL;
}

static const char *check_fields(const struct forkcall_options *o)
{
    static const uint64_t zero[sizeof o->reserved / sizeof *o->reserved];
    if ((unsigned)o->method > FORKCALL_INLINE)
        return "method: no enum forkcall_method";
    if (o->timeout_ms < 0)
        return "timeout_ms: is negative";
    if (o->grace_ms < 0)
        return "grace_ms: is negative";
    if (o->cancel_fd_plus_one < 0 || (o->cancel_fd_plus_one > 0 && !is_open(o->cancel_fd_plus_one - 1)))
        return "cancel_fd_plus_one: no open descriptor plus one";
    if (memcmp(o->reserved, zero, sizeof zero) != 0 || memcmp(o->reserved_small, zero, sizeof o->reserved_small) != 0)
        return "reserved: is not all 0";
    const char *wrong = check_streams(o);
    return wrong != NULL ? wrong : check_keep_fds(o);
}

const char *fc_options_check(forkcall_fn *fn, const void *args, size_t args_size, const struct forkcall_buf *result,
                             const struct forkcall_options *options)
{
    const char *wrong = check_arguments(fn, args, args_size, result);
    if (wrong == NULL)
        wrong = check_fields(options);
    if (wrong != NULL)
        return wrong;
    if (options->details != NULL && options->details == result)
        return "details: is the same buffer as result";
    if (options->details != NULL && !fc_buf_is_valid(options->details))
        return "details: was not initialised by FORKCALL_BUF_INIT or forkcall_buf_fixed, or its storage is NULL";
    if (args_size == FORKCALL_BY_POINTER && (options->method == FORKCALL_SERVER || options->method == FORKCALL_SPAWN))
        return "args_size: FORKCALL_BY_POINTER means nothing to another program's memory";
    return NULL;
}

static const char *timeout_from_environment(struct forkcall_options *options)
{
    const char *timeout = fc_getenv("FORKCALL_TIMEOUT");
    if (timeout == NULL || *timeout == '\0')
        return NULL;
    if (strcmp(timeout, "off") != 0)
        return "FORKCALL_TIMEOUT: in the environment, is not off";
    options->timeout_ms = 0;
    return NULL;
}

const char *fc_options_from_environment(struct forkcall_options *options)
{
    if (!options->allow_env)
        return NULL;
    const char *wrong = timeout_from_environment(options);
    const char *method = fc_getenv("FORKCALL_METHOD");
    if (wrong != NULL || method == NULL || *method == '\0')
        return wrong;
    static const struct {
        const char *name;
        enum forkcall_method method;
    } known[] = {
        {"fork", FORKCALL_FORK}, {"server", FORKCALL_SERVER}, {"spawn", FORKCALL_SPAWN}, {"inline", FORKCALL_INLINE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(method, known[i].name) != 0)
            continue;
        options->method = known[i].method;
        return NULL;
    }
    return "FORKCALL_METHOD: in the environment, is none of fork, server, spawn and inline";
}

bool fc_options_debug(const struct forkcall_options *options)
{
    const char *debug = options->allow_env ? fc_getenv("FORKCALL_DEBUG") : NULL;
    return debug != NULL && strcmp(debug, "1") == 0;
}
