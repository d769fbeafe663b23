/* Tests that the line of a crash is told where the module has no table of the addresses that its
 * compilation units hold (.debug_aranges), as clang writes none.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "crash_chain.h"

#include <dlfcn.h>
#include <string.h>

static const char *plugin_path; /* of a plugin from which the table was removed */

static void line_is_told(void **state)
{
    const enum chain_end end = CHAIN_NULL_POINTER;
    char text[8192];
    void *plugin = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
    forkcall_fn *fn = NULL;
    (void)state;
    assert_non_null(plugin);
    *(void **)&fn = dlsym(plugin, "plugin_outer");
    assert_non_null(fn);
    const struct forkcall_report report = run_tested(fn, &end, sizeof end, NULL, NULL);
    assert_int_equal(report.status, FORKCALL_SIGNALED);
    assert_true(forkcall_explain(&report, text, sizeof text) > 0);
    if (strstr(text, "install libdw") != NULL)
        SKIP("libdw is not installed");
    if (strstr(text, "#0 plugin_inner+") == NULL || strstr(text, " at crash_chain.c:") == NULL)
        fail_msg("%s", text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_told),
    };
    (void)argc;
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
