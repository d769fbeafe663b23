/* The functions of node_host.js, by Node-API. */
#include "real_host.h"

#include <node_api.h>

static napi_value text(napi_env env, const char *said)
{
    napi_value value = NULL;
    napi_create_string_utf8(env, said, NAPI_AUTO_LENGTH, &value);
    return value;
}

static napi_value begin(napi_env env, napi_callback_info info)
{
    char helper[4096];
    size_t length;
    size_t count = 1;
    napi_value argument;
    if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
        napi_get_value_string_utf8(env, argument, helper, sizeof helper, &length) != napi_ok)
        return text(env, "no path");
    return text(env, real_host_begin(helper));
}

static napi_value calls(napi_env env, napi_callback_info info)
{
    (void)info;
    return text(env, real_host_calls());
}

static napi_value end(napi_env env, napi_callback_info info)
{
    (void)info;
    return text(env, real_host_end());
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } all[] = {{"begin", begin}, {"calls", calls}, {"end", end}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        napi_value function;
        if (napi_create_function(env, all[i].name, NAPI_AUTO_LENGTH, all[i].function, NULL, &function) != napi_ok ||
            napi_set_named_property(env, exports, all[i].name, function) != napi_ok)
            return NULL;
    }
    return exports;
}
