/* Tests a child that serves items, of which the host takes some back: the host's side is what a
 * case does before the child loads a word. */
#include <stdatomic.h>
#include <stddef.h>

static void (*before_load)(const void *word);

static void host_acts(const void *word)
{
    if (before_load != NULL)
        before_load(word);
}

#undef atomic_load
#define atomic_load(word) (host_acts(word), *(word))
#include "child/run_items.c" /* NOLINT(bugprone-suspicious-include): its loads are watched */
#undef atomic_load
#define atomic_load(word) (*(word))

#include "support.h"

#include <sys/mman.h>

#define LOG_SIZE 4096U
#define SIZE 8192U

static struct fc_items_memory *memory;
static unsigned looks;

/* An item is granted, and taken back once the child does not sleep any more. A later look finds
 * that the child is to end. */
static void grant_and_take_back(const void *word)
{
    if (word != &memory->limit)
        return;
    looks++;
    atomic_store(&memory->limit, looks == 2);
    atomic_store(&memory->finish, looks > 3);
}

static void child_whose_items_are_taken_back_waits_for_others(void **state)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    const struct fc_items_setup setup = {
        .layout = {.size = SIZE, .log_at = SIZE - LOG_SIZE, .log_size = LOG_SIZE, .areas_at = SIZE},
        .memory = memory,
        .fn = child_returns_0};
    before_load = grant_and_take_back;
    assert_int_equal(fc_run_items(&setup, sizeof setup, &result), 0);
    before_load = NULL;
    assert_int_equal(atomic_load(&memory->finish), 1);
    assert_int_equal(atomic_load(&memory->written), 0);
    forkcall_buf_free(&result);
    munmap(memory, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_whose_items_are_taken_back_waits_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
