/* Tests a module with holes between its segments. Modules are linked so for pages larger than the
 * system's, as on arm64. A fault in a hole must not be told as a fault in the module. */
#include "module/ranges.h"
#include "support.h"

#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* A hole in the program: its first and its last address. */
struct hole {
    uintptr_t start, last;
};

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct hole *hole = arg;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = 0; /* end of the previous segment's pages */
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum && hole->start == 0; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t start = (info->dlpi_addr + segment->p_vaddr) / page * page;
        if (segment->p_type != PT_LOAD)
            continue;
        if (end != 0 && start > end) {
            hole->start = end;
            hole->last = start - 1;
        }
        end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) / page * page;
    }
    return 1; /* Stop: the first module is the program. */
}

static struct hole find_hole(void)
{
    struct hole hole = {0};
    (void)dl_iterate_phdr(visit, &hole);
    return hole;
}

/* Writes to the middle of the program's hole, where no memory is mapped. It first tells the address
 * by forkcall_progress(). */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static int
child_writes_into_its_hole(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct hole hole = find_hole();
    const uintptr_t address = hole.start + (hole.last - hole.start) / 2;
    char told[32];
    (void)args;
    (void)args_size;
    (void)result;
    snprintf(told, sizeof told, "%" PRIxPTR, address);
    forkcall_progress(0, 0, told);
    *(volatile char *)address = 1; // NOLINT(performance-no-int-to-ptr): an address, as a number
    return 0;
}

static int take_note(void *user, double done, double total, const char *note)
{
    uint64_t *address = user;
    (void)done;
    (void)total;
    return sscanf(note, "%" SCNx64, address) == 1 ? 0 : 1; // NOLINT(cert-err34-c): this program has written it
}

static void fault_in_a_hole_is_told_as_it_is(void **state)
{
    uint64_t told = 0;
    const struct forkcall_options options = {.progress = take_note, .user = &told};
    (void)state;
    if (find_hole().start == 0)
        SKIP("this linker left no hole");
    const struct forkcall_report report = run_tested(child_writes_into_its_hole, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_not_equal(told, 0);
#if defined(__s390__) /* The processor tells only the page. */
    told &= ~(uint64_t)4095;
#endif
    assert_int_equal(report.crash.address, told);
    assert_int_not_equal(report.crash.program_counter, 0);
}

static void holes_are_not_among_the_placements(void **state)
{
    static struct fc_module_range placements[FC_MODULE_RANGES_MAX];
    const size_t count = fc_module_ranges_list(placements, FC_MODULE_RANGES_MAX);
    const struct hole hole = find_hole();
    const uint64_t function = (uint64_t)(uintptr_t)fault_in_a_hole_is_told_as_it_is;
    const uint64_t data = (uint64_t)(uintptr_t)placements;
    unsigned holds_function = 0;
    unsigned holds_data = 0;
    (void)state;
    if (hole.start == 0)
        SKIP("this linker left no hole");
    for (size_t i = 0; i < count; i++) {
        holds_function += function - placements[i].start < placements[i].size;
        holds_data += data - placements[i].start < placements[i].size;
        assert_true(placements[i].start > hole.last || placements[i].start + placements[i].size <= hole.start);
        for (size_t k = 0; k < i; k++) /* The key and the path of a module are unique. */
            assert_true(placements[i].key != placements[k].key || placements[i].path != placements[k].path);
    }
    assert_int_equal(holds_function, 1);
    assert_int_equal(holds_data, 1);
}

static struct fc_module_range ranges[FC_MODULE_RANGES_MAX];
static size_t range_count;

static unsigned holders_of(uint64_t address)
{
    unsigned holders = 0;
    for (size_t i = 0; i < range_count; i++)
        holders += address - ranges[i].start < ranges[i].size;
    return holders;
}

static bool one_ends_at(uint64_t end)
{
    for (size_t i = 0; i < range_count; i++)
        if (ranges[i].start + ranges[i].size == end)
            return true;
    return false;
}

static int look_at_module(struct dl_phdr_info *info, size_t size, void *modules)
{
    uint64_t end = 0; /* of the module */
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uint64_t start = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type != PT_LOAD || segment->p_memsz == 0)
            continue;
        assert_int_equal(holders_of(start), 1);
        assert_int_equal(holders_of(start + segment->p_memsz - 1), 1);
        end = start + segment->p_memsz;
    }
    assert_true(end == 0 || one_ends_at(end));
    ++*(unsigned *)modules;
    return 0;
}

static void modules_are_listed_to_their_last_byte_and_no_further(void **state)
{
    unsigned modules = 0;
    (void)state;
    range_count = fc_module_ranges_list(ranges, FC_MODULE_RANGES_MAX);
    assert_int_equal(dl_iterate_phdr(look_at_module, &modules), 0);
    assert_true(modules > 0);
}

static void no_more_is_listed_than_there_is_room_for(void **state)
{
    struct fc_module_range few[3] = {{0}};
    (void)state;
    range_count = fc_module_ranges_list(ranges, FC_MODULE_RANGES_MAX);
    assert_int_equal(fc_module_ranges_list(few, 0), 0);
    for (size_t room = 1; room < 3 && room < range_count; room++) {
        assert_int_equal(fc_module_ranges_list(few, room), room);
        assert_memory_equal(few, ranges, room * sizeof *few);
        assert_true(few[room].size == 0);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_in_a_hole_is_told_as_it_is),
        cmocka_unit_test(holes_are_not_among_the_placements),
        cmocka_unit_test(modules_are_listed_to_their_last_byte_and_no_further),
        cmocka_unit_test(no_more_is_listed_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
