/* Tests the places that the host gives to modules which only a child has loaded: it remembers no
 * module that cannot be, and has room for true ones whatever a child tells.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "sanitized.h"
#include "support.h"

#include "module/address.h"
#include "module/foreign.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifdef HAVE_FOREIGN_FILES
#include "foreign_files.h"

#include <fcntl.h>
#include <link.h>
#include <unistd.h>

/* ---- True files ------------------------------------------------------------------------------ */

/* Makes a module whose code lies from its second page on, two pages long. */
static const char *make_module(const char *name)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct {
        ElfW(Ehdr) header;
        ElfW(Phdr) segments[2];
    } module = {.header = {.e_ident = ELFMAG, .e_phentsize = sizeof(ElfW(Phdr)), .e_phnum = 2}};
    module.header.e_phoff = offsetof(__typeof__(module), segments);
    module.segments[0] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = sizeof module};
    module.segments[1] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_flags = PF_R | PF_X};
    module.segments[1].p_offset = module.segments[1].p_vaddr = (ElfW(Addr))page;
    module.segments[1].p_filesz = (ElfW(Addr))(page + 1);
    const char *path = make_file(name, 0644);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &module, sizeof module), sizeof module);
    close(fd);
    return path;
}

/* What a child tells of that module. */
static struct fc_mapped_file told(const char *path)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct fc_mapped_file file = {.base = 0x70000000, .offset = page, .device = 7, .inode = inode_of(path)};
    file.start = file.base + page;
    file.end = file.start + 2 * page;
    (void)snprintf(file.path, sizeof file.path, "%s", path);
    return file;
}

/* Makes a module that has the same code, and before it such as goes round all addresses. */
static const char *make_impossible_module(const char *name)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const char *path = make_module(name);
    struct {
        ElfW(Ehdr) header;
        ElfW(Phdr) segments[3];
    } module;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &module, sizeof module - sizeof module.segments[0], 0),
                     sizeof module - sizeof module.segments[0]);
    module.header.e_phnum = 3;
    module.segments[2] = module.segments[1];
    module.segments[1].p_vaddr = (ElfW(Addr))(5 * page);
    module.segments[1].p_filesz = (ElfW(Addr))(0 - 3 * page);
    assert_int_equal(pwrite(fd, &module, sizeof module, 0), sizeof module);
    close(fd);
    return path;
}

static size_t count_true_files(void)
{
    size_t count = 0;
    struct fc_foreign module;
    for (size_t i = 0; i < FC_FOREIGN_TRUE_MAX; i++)
        count += fc_foreign_get(i, &module);
    return count;
}

/* Makes up files, large ones, too, and lies about a true one. */
static void tell_lies(const char *of_true_file)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (uint64_t i = 1; i <= UINT64_C(2) * FC_FOREIGN_MAX; i++) {
        struct fc_mapped_file lie = told(of_true_file);
        lie.inode += i;
        lie.end = lie.base + (UINT64_C(20) << 20);
        (void)fc_foreign_place(&lie);
        lie = told(of_true_file);
        lie.offset += i * page;
        (void)fc_foreign_place(&lie);
        lie = told(of_true_file);
        lie.start += 2 * i * page; /* behind all code */
        lie.end += 2 * i * page;
        (void)fc_foreign_place(&lie);
        lie = told(of_true_file);
        lie.end += i * page;
        (void)fc_foreign_place(&lie);
    }
}

static int host_that_is_lied_to(void *unused)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char first[sizeof folder + 32];
    struct fc_mapped_file file;
    (void)unused;
    (void)snprintf(first, sizeof first, "%s", path_of("module"));
    tell_lies(first);
    CHECK(count_true_files() == 0);
    file = told(first);
    const uint64_t here = fc_foreign_place(&file);
    CHECK(here != 0 && count_true_files() == 1);
    CHECK(!fc_foreign_is_code(here + page - 1) && fc_foreign_is_code(here + page));
    CHECK(fc_foreign_is_code(here + 3 * page - 1) && !fc_foreign_is_code(here + 3 * page));
    /* Once for each file: wherever it lies, by whatever path, device and part of its code. */
    for (uint64_t i = 1; i <= UINT64_C(2) * FC_FOREIGN_MAX; i++) {
        file = told(first);
        file.base += i * page;
        file.start += i * page;
        file.end += i * page;
        file.device += i;
        (void)snprintf(file.path, sizeof file.path, "%.*s%s", (int)(i % 100),
                       "//////////////////////////////////////////"
                       "//////////////////////////////////////////////////////////////",
                       first);
        CHECK(fc_foreign_place(&file) == here);
        file.start += page;
        file.offset += page;
        CHECK(fc_foreign_place(&file) == here);
    }
    CHECK(count_true_files() == 1);
    file = told(path_of("another module"));
    const uint64_t there = fc_foreign_place(&file);
    CHECK(there != 0 && there != here && count_true_files() == 2);
    return 0;
}

static int host_of_an_impossible_module(void *unused)
{
    const struct fc_mapped_file file = told(path_of("module"));
    (void)unused;
    struct fc_foreign module;
    const uint64_t here = fc_foreign_place(&file);
    CHECK(count_true_files() == 0);
    CHECK(here != 0 && fc_foreign_find(here, &module) && module.file.start < module.file.end);
    return 0;
}

static void file_whose_code_cannot_be_is_no_true_one(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    (void)make_impossible_module("module");
    assert_int_equal(host_run(host_of_an_impossible_module, NULL), 0);
}

/* What a child makes up takes only the places of what is made up. */
static void lies_keep_no_true_file_from_its_place(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    (void)make_module("module");
    (void)make_module("another module");
    assert_int_equal(host_run(host_that_is_lied_to, NULL), 0);
}

/* True: the module that holds the address has that path. */
static bool is_named(uint64_t address, const char *path)
{
    struct fc_module_at module;
    return fc_address_find_module(address, &module) && strcmp(module.path, path) == 0;
}

static const char *path_of_old_file(unsigned i)
{
    char name[32];
    (void)snprintf(name, sizeof name, "old%u", i);
    return path_of(name);
}

/* Tells of so many true files that lie here already, and of each only once. False: one has got no
 * place, or is not named. */
static bool tell_of_old_files(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct fc_mapped_file file = told(path_of_old_file(i));
        const uint64_t here = fc_foreign_place(&file);
        if (here == 0 || !is_named(here, file.path))
            return false;
    }
    return true;
}

/* True: the explanation of a crash at the address contains the text. */
static bool explains(uint64_t address, uint64_t places_given, const char *text)
{
    struct forkcall_report report = {.status = FORKCALL_SIGNALED};
    char explanation[4096];
    report.crash.program_counter = report.crash.frames[0] = address;
    report.crash.frame_count = 1;
    report.crash.reserved[0] = places_given;
    (void)forkcall_explain(&report, explanation, sizeof explanation);
    return strstr(explanation, text) != NULL;
}

static int host_of_children_that_tell_of_true_files(void *unused)
{
    const uint64_t code = (uint64_t)sysconf(_SC_PAGESIZE);
    (void)unused;
    const struct fc_mapped_file first = told(path_of("module"));
    const uint64_t here = fc_foreign_place(&first);
    const uint64_t given = fc_foreign_count();
    CHECK(count_true_files() == 1 && explains(here + code, given, "module+0x"));
    CHECK(tell_of_old_files(FC_FOREIGN_TRUE_MAX));
    CHECK(count_true_files() == FC_FOREIGN_TRUE_MAX && !is_named(here, first.path));
    const struct fc_mapped_file later = told(path_of("another module"));
    const uint64_t there = fc_foreign_place(&later);
    CHECK(there != 0 && is_named(there, later.path) && explains(there + code, fc_foreign_count(), "another module+0x"));
    const uint64_t again = fc_foreign_place(&first);
    CHECK(again != 0 && again != there && is_named(again, first.path));
    return 0;
}

/* Children that harm tell of true files until all places are taken. */
static void true_files_keep_no_true_file_from_a_place(void **state)
{
    (void)state;
    skip_if_nothing_is_opened();
    (void)make_module("module");
    (void)make_module("another module");
    for (unsigned i = 0; i < FC_FOREIGN_TRUE_MAX; i++)
        (void)make_module(strrchr(path_of_old_file(i), '/') + 1);
    assert_int_equal(host_run(host_of_children_that_tell_of_true_files, NULL), 0);
}

#endif

/* ---- Places ---------------------------------------------------------------------------------- */

static struct fc_mapped_file some_file(uint64_t inode)
{
    struct fc_mapped_file file = {.start = 0x7000001000, .end = 0x7000003000, .base = 0x7000000000, .inode = inode};
    (void)snprintf(file.path, sizeof file.path, "/lib/x\n.so");
    return file;
}

static void module_that_cannot_be_gets_no_place(void **state)
{
    struct fc_mapped_file file = some_file(1);
    const struct traces before = traces_now();
    (void)state;
    file.end = file.start;
    assert_int_equal(fc_foreign_place(&file), 0);
    file = some_file(1);
    file.base = file.start + 0x1000;
    assert_int_equal(fc_foreign_place(&file), 0);
    file = some_file(1);
    file.base++;
    assert_int_equal(fc_foreign_place(&file), 0);
    file = some_file(1);
    file.end = UINT64_MAX;
    assert_int_equal(fc_foreign_place(&file), 0);
    file.end = file.base + (sizeof(void *) > 4 ? UINT64_C(2) << 30 : UINT64_C(64) << 20);
    assert_int_equal(fc_foreign_place(&file), 0);
    file = some_file(1);
    file.path[0] = '.';
    assert_int_equal(fc_foreign_place(&file), 0);
    memset(file.path, '/', sizeof file.path);
    assert_int_equal(fc_foreign_place(&file), 0);
    assert_no_traces(before, true);
}

static void module_keeps_its_place_wherever_a_child_has_it(void **state)
{
    struct fc_mapped_file file = some_file(2);
    struct fc_module_at module;
    (void)state;
    const uint64_t here = fc_foreign_place(&file);
    assert_true(here != 0);
    file.start += 0x5000000;
    file.end += 0x5000000;
    file.base += 0x5000000;
    assert_int_equal(fc_foreign_place(&file), here);
    assert_false(fc_foreign_is_code(here + 0xfff));
    assert_true(fc_foreign_is_code(here + 0x1000));
    assert_true(fc_foreign_is_code(here + 0x2fff));
    assert_false(fc_foreign_is_code(here + 0x3000));
    assert_true(fc_address_is_code(here + 0x1000));
    assert_true(fc_address_find_module(here + 0x1234, &module));
    assert_string_equal(module.path, "/lib/x?.so");
    assert_int_equal(here + 0x1234 - module.bias, 0x1234);
    file.inode++;
    assert_int_not_equal(fc_foreign_place(&file), here);
}

/* The memory of the place is nobody's. */
static void place_is_not_given_to_anything_else(void **state)
{
    const struct fc_mapped_file file = some_file(2);
    const uint64_t here = fc_foreign_place(&file);
    (void)state;
    for (int i = 0; i < 20; i++) {
        void *other = mmap(NULL, 0x3000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(other != MAP_FAILED);
        assert_false((uintptr_t)other - here < 0x3000 || here - (uintptr_t)other < 0x3000);
    }
}

static int host_of_many_modules(void *unused)
{
    struct fc_foreign module;
    uint64_t here = 0;
    size_t count = 0;
    (void)unused;
    for (uint64_t i = 0; i < 1000; i++) {
        const struct fc_mapped_file file = some_file(1000 + i);
        here = fc_foreign_place(&file);
        CHECK(here != 0 && fc_foreign_find(here, &module) && module.file.inode == file.inode);
        CHECK(fc_foreign_place(&file) == here);
    }
    for (size_t i = 0; i < FC_FOREIGN_MAX; i++)
        count += fc_foreign_get(i, &module);
    CHECK(count == FC_FOREIGN_OTHERS_MAX);
    return 0;
}

static void host_remembers_a_limited_number_of_modules(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_of_many_modules, NULL), 0);
}

/* A child may tell of many large ones. What was noted of a module is not taken for another that has
 * its addresses since. */
static int host_of_large_modules(void *unused)
{
    const uint64_t large = UINT64_C(20) << 20;
    const uint64_t most = UINT64_C(1) << (sizeof(void *) > 4 ? 28 : 25);
    const struct fc_mapped_file small = some_file(1);
    struct fc_foreign module;
    uint64_t lowest = UINT64_MAX, highest = 0;
    (void)unused;
    const uint64_t first = fc_foreign_place(&small);
    const uint64_t given = fc_foreign_count();
    CHECK(first != 0 && !fc_foreign_is_later(first, given) && fc_foreign_is_later(first, given - 1));
    for (uint64_t i = 0; i < FC_FOREIGN_MAX; i++) {
        struct fc_mapped_file file = some_file(100 + i);
        file.end = file.base + large;
        const uint64_t here = fc_foreign_place(&file);
        CHECK(here != 0 && fc_foreign_find(here + large - 1, &module));
        CHECK(module.here == here && module.file.inode == file.inode);
        lowest = here < lowest ? here : lowest;
        highest = here > highest ? here : highest;
    }
    CHECK(highest - lowest <= most - large);
    CHECK(!fc_foreign_find(first, &module) || (module.file.inode != 1 && fc_foreign_is_later(first, given)));
    CHECK(fc_foreign_place(&small) != 0);
    return 0;
}

static void modules_do_not_take_the_addresses_of_the_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_of_large_modules, NULL), 0);
}

static int host_of_an_old_report(void *unused)
{
    struct forkcall_report report = {.status = FORKCALL_SIGNALED};
    char text[4096];
    const struct fc_mapped_file other = some_file(1);
    (void)unused;
    const uint64_t here = fc_foreign_place(&other);
    CHECK(here != 0);
    report.crash.program_counter = report.crash.frames[0] = here + 0x1000;
    report.crash.frame_count = 1;
    report.crash.reserved[0] = fc_foreign_count();
    CHECK(forkcall_explain(&report, text, sizeof text) > 0 && strstr(text, "x?.so+0x1000") != NULL);
    report.crash.reserved[0]--;
    CHECK(forkcall_explain(&report, text, sizeof text) > 0 && strstr(text, "x?.so") == NULL);
    report.status = FORKCALL_TIMED_OUT;
    CHECK(forkcall_explain(&report, text, sizeof text) > 0 && strstr(text, "x?.so") == NULL);
    return 0;
}

static void old_report_does_not_name_a_later_module(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_of_an_old_report, NULL), 0);
}

/* Where few addresses are left, modules share fewer. */
static int host_with_few_addresses(void *unused)
{
    const struct fc_mapped_file file = some_file(1);
    struct rlimit limit;
    (void)unused;
    if (sizeof(void *) == 4 || getrlimit(RLIMIT_AS, &limit) < 0)
        return NOT_HERE;
    limit.rlim_cur = (rlim_t)1 << 30;
    if (setrlimit(RLIMIT_AS, &limit) < 0)
        return NOT_HERE; /* a sanitizer needs more */
    while (mmap(NULL, 100 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        continue;
    CHECK(fc_foreign_place(&file) != 0);
    return 0;
}

static void limit_of_addresses_leaves_places(void **state)
{
    (void)state;
#ifdef SANITIZED
    SKIP("a sanitizer has more addresses than the limit");
#endif
    if (under_emulator())
        SKIP("the emulator itself needs addresses");
    const int status = host_run(host_with_few_addresses, NULL);
    if (status == NOT_HERE)
        SKIP("addresses cannot be limited here");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef HAVE_FOREIGN_FILES
        cmocka_unit_test_setup_teardown(file_whose_code_cannot_be_is_no_true_one, begin_in_folder, remove_folder),
        cmocka_unit_test_setup_teardown(lies_keep_no_true_file_from_its_place, begin_in_folder, remove_folder),
        cmocka_unit_test_setup_teardown(true_files_keep_no_true_file_from_a_place, begin_in_folder, remove_folder),
#endif
        cmocka_unit_test(limit_of_addresses_leaves_places), /* before there is any place */
        cmocka_unit_test(module_that_cannot_be_gets_no_place),
        cmocka_unit_test(module_keeps_its_place_wherever_a_child_has_it),
        cmocka_unit_test(place_is_not_given_to_anything_else),
        cmocka_unit_test(modules_do_not_take_the_addresses_of_the_host),
        cmocka_unit_test(old_report_does_not_name_a_later_module),
        cmocka_unit_test(host_remembers_a_limited_number_of_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
