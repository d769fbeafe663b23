/* Tests what is remembered of separate debug information: the places that were asked for last, and
 * no place for another. */
#include "support.h"

#include "crash/symbol_cache.h"

#include <stdio.h>
#include <string.h>

static void add(uint64_t build, uint64_t offset, const char *name)
{
    struct fc_symbol symbols[2] = {{.line = 1, .is_inlined = true}, {.line = 2, .start = offset - 1}};
    snprintf(symbols[0].name, sizeof symbols[0].name, "%s", name);
    fc_symbol_cache_add((struct fc_symbol_place){build, offset}, symbols, 2);
}

static size_t find(uint64_t build, uint64_t offset, struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    return fc_symbol_cache_find((struct fc_symbol_place){build, offset}, found);
}

static void place_is_found_by_build_and_offset(void **state)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    (void)state;
    assert_int_equal(find(1, 100, found), 0);
    add(1, 100, "one");
    add(2, 100, "two");
    assert_int_equal(find(1, 100, found), 2);
    assert_string_equal(found[0].name, "one");
    assert_int_equal(found[1].line, 2);
    assert_int_equal(found[1].start, 99);
    assert_int_equal(find(2, 100, found), 2);
    assert_string_equal(found[0].name, "two");
    assert_int_equal(find(2, 101, found), 0);
    assert_int_equal(find(3, 100, found), 0);
}

static void oldest_place_is_forgotten(void **state)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    (void)state;
    for (uint64_t i = 0; i < UINT64_C(3) * FC_SYMBOL_CACHE_MAX; i++)
        add(7, i, "many");
    for (uint64_t i = 0; i < UINT64_C(3) * FC_SYMBOL_CACHE_MAX; i++)
        assert_int_equal(find(7, i, found), i < UINT64_C(2) * FC_SYMBOL_CACHE_MAX ? 0 : 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_is_found_by_build_and_offset),
        cmocka_unit_test(oldest_place_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
