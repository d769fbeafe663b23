/* Tests items of a map that attack the memory which their child shares with the host. Every item
 * must have a definite outcome, and what ended before must keep its result. */
#include "children.h"
#include "support.h"
#include "wire/frame.h"
#include "wire/items.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT 40
#define ATTACKER 11

enum attack {
    ATTACK_RANDOM_MEMORY,
    ATTACK_RANDOM_LOG,
    ATTACK_FAR_WRITTEN,
    ATTACK_HALF_A_RECORD,
    ATTACK_ANOTHERS_NUMBER,
    ATTACK_ITEMS_NOT_GRANTED,
    ATTACK_HUGE_SIZE,
    ATTACK_LARGER_THAN_MAX_RESULT,
    ATTACK_UNKNOWN_END,
    ATTACK_LONG_MESSAGE,
    ATTACK_BEGUN_ALL,
    ATTACK_BEGUN_NOTHING,
    ATTACK_ENDLESS_LIMIT,
    ATTACK_ENDS_WITHOUT_A_WORD,
    ATTACK_UNFINISHED_RESULT,
    ATTACK_COUNT
};

struct arguments {
    int number;
    enum attack attack;
    uint32_t random;
};

/* The memory that this child shares with its host. */
static struct fc_items_memory *find_memory(size_t *size)
{
    char line[500];
    struct fc_items_memory *memory = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && memory == NULL && fgets(line, sizeof line, maps) != NULL) {
        char *end;
        if (strstr(line, "forkcall-items") == NULL && strstr(line, "/fc-") == NULL)
            continue;
        const unsigned long from = strtoul(line, &end, 16);
        *size = strtoul(end + 1, NULL, 16) - from;
        memory = (struct fc_items_memory *)from;
    }
    if (maps != NULL)
        fclose(maps);
    return memory;
}

static void forge(struct fc_items_memory *memory, struct fc_items_record record, uint32_t more)
{
    const uint32_t at = atomic_load(&memory->written);
    unsigned char *log = (unsigned char *)memory + 4096;
    for (size_t i = 0; i < sizeof record; i++)
        log[(at + i) % 262144] = ((const unsigned char *)&record)[i];
    /* 8 bytes of time follow. */
    atomic_store(&memory->written, at + (uint32_t)sizeof record + 8 + more);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1103515245U + 12345U;
    return *state >> 8;
}

static void attack_memory(struct fc_items_memory *memory, size_t size, const struct arguments *arguments)
{
    struct fc_items_record record = {.number = (uint32_t)arguments->number, .end = FC_END_RETURNED, .has_time = 1};
    uint32_t random = arguments->random;
    const uint32_t begun = atomic_load(&memory->begun);
    record.number = begun - 1;
    switch (arguments->attack) {
    case ATTACK_RANDOM_MEMORY:
        for (size_t i = 0; i < 4096 / sizeof(uint32_t); i++)
            ((uint32_t *)memory)[i] = next_random(&random);
        _exit(0);
    case ATTACK_RANDOM_LOG:
        for (size_t i = 4096 / sizeof(uint32_t); i < size / sizeof(uint32_t); i++)
            ((uint32_t *)memory)[i] = next_random(&random);
        atomic_fetch_add(&memory->written, next_random(&random) % 262144);
        break;
    case ATTACK_FAR_WRITTEN:
        atomic_store(&memory->written, atomic_load(&memory->taken) + 0x7fffffffU);
        break;
    case ATTACK_HALF_A_RECORD:
        atomic_fetch_add(&memory->written, 8);
        break;
    case ATTACK_ANOTHERS_NUMBER:
        record.number += 5;
        forge(memory, record, 0);
        break;
    case ATTACK_ITEMS_NOT_GRANTED:
        for (uint32_t i = 0; i < 100; i++, record.number++)
            forge(memory, record, 0);
        break;
    case ATTACK_HUGE_SIZE:
        record.size_high = 0xffff;
        forge(memory, record, 64);
        break;
    case ATTACK_LARGER_THAN_MAX_RESULT:
        record.size_low = 1001;
        forge(memory, record, 1008);
        break;
    case ATTACK_UNKNOWN_END:
        record.end = FC_END_EXITED;
        forge(memory, record, 0);
        break;
    case ATTACK_LONG_MESSAGE:
        record.code = 1;
        record.size_low = 100000;
        forge(memory, record, 100000);
        break;
    case ATTACK_BEGUN_ALL:
        atomic_store(&memory->begun, 0xffffffffU);
        _exit(3);
    case ATTACK_BEGUN_NOTHING:
        atomic_store(&memory->begun, 0);
        raise(SIGKILL);
        break;
    case ATTACK_ENDLESS_LIMIT:
        atomic_store(&memory->limit, 0xffffffffU);
        break;
    case ATTACK_UNFINISHED_RESULT:
        record.size_low = 900;
        forge(memory, record, 16);
        _exit(4);
    case ATTACK_ENDS_WITHOUT_A_WORD:
    default:
        _exit(0);
    }
    /* Else the child would put its own record in the place of the forged one. */
    if (arguments->attack != ATTACK_ENDLESS_LIMIT)
        raise(SIGKILL);
}

static int child_attacks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct arguments *arguments = args;
    size_t size = 0;
    (void)args_size;
    if (arguments->number == ATTACKER) {
        struct fc_items_memory *memory = find_memory(&size);
        if (memory == NULL)
            abort();
        attack_memory(memory, size, arguments);
    }
    return forkcall_buf_append(result, &arguments->number, sizeof arguments->number);
}

static void attack_a_map(enum attack attack, uint32_t seed)
{
    struct arguments items[COUNT];
    struct forkcall_buf results[COUNT];
    struct forkcall_report reports[COUNT];
    const struct traces before = traces_now();
    const struct forkcall_map_options options = {.call = {.method = tested_method(),
                                                          .max_result = 1000,
                                                          .timeout_ms = PLENTY_MS,
                                                          .allow_unsafe_fork = under_sanitizer()},
                                                 .processes = 2,
                                                 .items_per_child = 1000};
    memset(items, 0, sizeof items); /* the padding, too */
    memset(results, 0, sizeof results);
    for (int i = 0; i < COUNT; i++)
        items[i] = (struct arguments){i, attack, seed + (uint32_t)i};
    const struct forkcall_report report =
        forkcall_map(child_attacks, items, sizeof *items, COUNT, results, reports, &options);
    assert_int_not_equal(report.status, FORKCALL_NOT_STARTED);
    for (int i = 0; i < COUNT; i++) {
        assert_true(reports[i].status <= FORKCALL_LOST);
        assert_int_not_equal(reports[i].status, FORKCALL_TIMED_OUT);
        assert_true(reports[i].status == FORKCALL_OK || reports[i].message[0] != '\0');
        assert_true(reports[i].status == FORKCALL_OK || results[i].size == 0);
        assert_true(results[i].size <= 1000);
        /* What ended before has its result, unless the attack was on results that the host had not
         * taken yet. */
        if (i < ATTACKER && attack > ATTACK_RANDOM_LOG)
            assert_true(reports[i].status != FORKCALL_OK ||
                        (results[i].size == sizeof(int) && *(int *)results[i].data == i));
        forkcall_buf_free(&results[i]);
    }
    /* What the library cannot have written is recognised as such. */
    if (attack >= ATTACK_FAR_WRITTEN && attack <= ATTACK_LONG_MESSAGE && attack != ATTACK_ITEMS_NOT_GRANTED)
        assert_non_null(strstr(reports[ATTACKER].message, "malformed"));
    assert_no_traces(before, false);
}

static void an_item_that_attacks_what_it_shares_with_the_host(void **state)
{
    (void)state;
    assert_true(warm_up());
    for (int attack = 0; attack < ATTACK_COUNT; attack++)
        for (uint32_t seed = 1; seed <= (attack <= ATTACK_RANDOM_LOG ? 20U : 1U); seed++)
            attack_a_map((enum attack)attack, seed);
}

/* Where the attack ends the child, the attacker alone has another outcome than OK. */
static void an_attacker_that_ends_is_the_only_item_that_fails(void **state)
{
    (void)state;
    static const enum attack attacks[] = {ATTACK_BEGUN_NOTHING, ATTACK_BEGUN_ALL, ATTACK_ENDS_WITHOUT_A_WORD,
                                          ATTACK_UNFINISHED_RESULT};
    for (size_t k = 0; k < sizeof attacks / sizeof *attacks; k++) {
        struct arguments items[COUNT];
        struct forkcall_report reports[COUNT];
        struct forkcall_buf results[COUNT];
        const struct forkcall_map_options options = {.call = {.method = tested_method(),
                                                              .max_result = 1000,
                                                              .timeout_ms = PLENTY_MS,
                                                              .allow_unsafe_fork = under_sanitizer()},
                                                     .processes = 1,
                                                     .items_per_child = 1000};
        memset(items, 0, sizeof items);
        memset(results, 0, sizeof results);
        for (int i = 0; i < COUNT; i++)
            items[i] = (struct arguments){i, i == ATTACKER ? attacks[k] : ATTACK_COUNT, 1};
        forkcall_map(child_attacks, items, sizeof *items, COUNT, results, reports, &options);
        for (int i = 0; i < COUNT; i++) {
            if (i == ATTACKER)
                assert_int_not_equal(reports[i].status, FORKCALL_OK);
            else
                assert_status(reports[i], FORKCALL_OK);
            assert_int_equal(results[i].size, i == ATTACKER ? 0 : sizeof(int));
            forkcall_buf_free(&results[i]);
        }
    }
}

/* ---- An attack just before the end ----------------------------------------------------------- */

struct late_attack {
    atomic_int host_has_looked;
    atomic_int attacker;
};

static int child_attacks_once_the_host_has_looked(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct late_attack *late = shared_memory();
    const struct arguments *arguments = args;
    if (arguments->number == 1) {
        size_t size = 0;
        struct fc_items_memory *memory = find_memory(&size);
        atomic_store(&late->attacker, (int)getpid());
        if (memory == NULL || !wait_until(is_set, &late->host_has_looked))
            abort();
        attack_memory(memory, size, arguments);
    }
    return child_echoes(args, args_size, result);
}

/* Called for the first item: the host has looked at what the child has written. Before the host
 * looks again, the attacker has written more, and is dead. */
static int let_the_attack_happen(void *user, size_t index, const struct forkcall_report *report, size_t done,
                                 size_t total)
{
    struct late_attack *late = shared_memory();
    (void)user;
    (void)report;
    (void)done;
    (void)total;
    if (index != 0)
        return 0;
    assert_true(wait_until(is_set, &late->attacker));
    int pid = atomic_load(&late->attacker);
    atomic_store(&late->host_has_looked, 1);
    assert_true(wait_until(process_is_gone, &pid));
    return 0;
}

static void attack_that_the_host_sees_after_the_end_of_the_child_is_told(void **state)
{
    (void)state;
    struct forkcall_report reports[COUNT]; /* so many that the first two are granted at once */
    struct arguments items[COUNT];
    const struct forkcall_map_options options = {
        .call = {.method = tested_method(), .timeout_ms = PLENTY_MS, .allow_unsafe_fork = under_sanitizer()},
        .processes = 1,
        .items_per_child = 1000,
        .item_done = let_the_attack_happen};
    const struct traces before = traces_now();
    memset(items, 0, sizeof items); /* the padding, too */
    for (int i = 0; i < COUNT; i++)
        items[i] = (struct arguments){i, i == 1 ? ATTACK_FAR_WRITTEN : ATTACK_COUNT, 1};
    forkcall_map(child_attacks_once_the_host_has_looked, items, sizeof *items, COUNT, NULL, reports, &options);
    for (int i = 0; i < COUNT; i++)
        assert_status(reports[i], i == 1 ? FORKCALL_SIGNALED : FORKCALL_OK);
    assert_non_null(strstr(reports[1].message, "malformed"));
    assert_no_traces(before, false);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_that_attacks_what_it_shares_with_the_host),
        cmocka_unit_test(an_attacker_that_ends_is_the_only_item_that_fails),
        cmocka_unit_test_setup(attack_that_the_host_sees_after_the_end_of_the_child_is_told, set_up_test),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
