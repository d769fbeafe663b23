/* Tests modules whose files are broken before or after they are loaded: whatever they contain, the
 * host and its server go on. */
#include "exec_lookup.h"
#include "module/address.h"
#include "module/elf_module.h"
#include "module/proc_maps.h"
#include "module/ranges.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The paths of a module with a build-id and of one without. Each has a function that returns 1. */
static char good[2][PATH_MAX];

static char directory[] = "/tmp/forkcall-broken-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

static uint32_t seed;

static uint32_t any(void)
{
    seed = seed * 1664525U + 1013904223U;
    return seed >> 8;
}

/* ---- Headers --------------------------------------------------------------------------------- */

enum { SEGMENTS_MAX = 32 };

struct headers {
    struct dl_phdr_info info;
    ElfW(Phdr) segments[SEGMENTS_MAX];
};

static int take_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct headers *headers = arg;
    (void)size;
    if (info->dlpi_name == NULL || strstr(info->dlpi_name, "forkcall-broken") == NULL ||
        info->dlpi_phnum > SEGMENTS_MAX)
        return 0;
    headers->info = *info;
    memcpy(headers->segments, info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr);
    headers->info.dlpi_phdr = headers->segments;
    return 1;
}

static uint64_t any_value(uint64_t now)
{
    const uint64_t edges[] = {0, 1, 2, 3, 4, UINT32_MAX, UINT64_MAX, UINT64_MAX - 4095, (uint64_t)1 << 63};
    const uint32_t how = any() % 4;
    if (how == 0)
        return edges[any() % (sizeof edges / sizeof *edges)];
    if (how == 1)
        return now ^ (uint64_t)1 << any() % 64;
    return how == 2 ? now + any() % 8192 - 4096 : (uint64_t)any() << 40 ^ (uint64_t)any() << 20 ^ any();
}

static void change(ElfW(Phdr) * segment)
{
    switch (any() % 7) {
    case 0:
        segment->p_type = (ElfW(Word))(any() % 8);
        break;
    case 1:
        segment->p_flags ^= (ElfW(Word))(any() % 8);
        break;
    case 2:
        segment->p_vaddr = (ElfW(Addr))any_value(segment->p_vaddr);
        break;
    case 3:
        segment->p_memsz = any_value(segment->p_memsz) & (ElfW(Addr)) - 1;
        break;
    case 4:
        segment->p_filesz = any_value(segment->p_filesz) & (ElfW(Addr)) - 1;
        break;
    case 5:
        segment->p_align = any_value(segment->p_align) & (ElfW(Addr)) - 1;
        break;
    default:
        segment->p_offset = any_value(segment->p_offset) & (ElfW(Addr)) - 1;
        break;
    }
}

static void check_headers(const struct headers *headers)
{
    struct fc_module_id id;
    const struct fc_elf_module module = fc_elf_module(&headers->info, false);
    const int r = fc_elf_identify_memory(&module, &id);
    assert_true(r == 0 || r == -ENODATA);
    assert_in_range(id.size, sizeof(uint64_t), sizeof id.bytes);
    for (size_t i = id.size; r == 0 && i < sizeof id.bytes; i++)
        assert_int_equal(id.bytes[i], 0);
    (void)fc_elf_find_code(&module, headers->info.dlpi_addr + any());
}

static void headers_of_any_content_are_read(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("what is read is the sanitizer's own memory");
    for (int which = 0; which < 2; which++) {
        struct headers whole = {0};
        char path[128];
        snprintf(path, sizeof path, "%s/plugin.so", directory);
        assert_true(copy_file(good[which], path));
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        assert_non_null(module);
        assert_int_equal(dl_iterate_phdr(take_module, &whole), 1);
        for (seed = 1; seed < 3000; seed++) {
            const uint32_t before = seed;
            struct headers broken = whole;
            broken.info.dlpi_phdr = broken.segments;
            for (uint32_t changes = any() % 3; changes < 3; changes++)
                change(&broken.segments[any() % broken.info.dlpi_phnum]);
            check_headers(&broken);
            seed = before;
        }
        whole.info.dlpi_phdr = (const ElfW(Phdr) *)4096; // NOLINT(performance-no-int-to-ptr): nothing is there
        check_headers(&whole);
        dlclose(module);
        unlink(path);
    }
}

/* ---- Files that are broken while they are in use --------------------------------------------- */

/* How a file is broken: cut to a size, or with some bits of its headers flipped. The tables behind
 * the headers stay, because dladdr(3) trusts them. */
struct damage {
    long size; /* -1: not cut */
    uint32_t seed;
};

static bool break_file(const char *path, const struct damage *damage)
{
    unsigned char bytes[sizeof(ElfW(Ehdr)) + SEGMENTS_MAX * sizeof(ElfW(Phdr))];
    ElfW(Ehdr) header;
    if (damage->size >= 0)
        return truncate(path, damage->size) == 0;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    bool done = fd >= 0 && pread(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes;
    memcpy(&header, bytes, sizeof header);
    const size_t size = header.e_phoff + header.e_phnum * sizeof(ElfW(Phdr));
    done = done && size <= sizeof bytes;
    seed = damage->seed;
    for (int flips = 0; flips < 4 && done; flips++) {
        const size_t place = any() % (size * 8);
        bytes[place / 8] ^= (unsigned char)(1U << place % 8);
    }
    done = done && pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes;
    close(fd);
    return done;
}

/* A way to break a file. is_named: a call has named the file's function before. */
struct trial {
    const char *from;
    struct damage damage;
    bool is_named;
};

/* Checks that the same server can still call the program's own functions. */
static int check_server(void)
{
    const struct forkcall_report report = run_tested(child_fails_7, NULL, 0, NULL, NULL);
    CHECK(report.status == FORKCALL_FAILED && report.code == 7);
    if (tested_method() == FORKCALL_SERVER)
        CHECK(forkcall_server_start(NULL) == -EALREADY);
    return 0;
}

static int check_outcome(const struct forkcall_report *report)
{
    char text[4096];
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "%s ran %d: %s\n", forkcall_status_name(report->status), (int)report->ran, report->message);
    CHECK(report->status != FORKCALL_OK && report->status != FORKCALL_TIMED_OUT);
    /* The function may answer correctly, if the damage did no harm. */
    CHECK(report->status != FORKCALL_FAILED || report->code == 1);
    CHECK(report->message[0] != '\0');
    if (report->ran == FORKCALL_RAN_NO) /* The loader may crash or exit in the child. */
        CHECK(strstr(report->message, "returned") == NULL);
    CHECK(forkcall_explain(report, text, sizeof text) > 0);
    return 0;
}

/* Runs in a host of its own, and ends it by _exit(2): the loader may crash in later calls, because
 * of the broken file. */
static int run_trial(void *arg)
{
    const struct trial *trial = arg;
    char path[128];
    forkcall_fn *(*get)(void) = NULL;
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    snprintf(path, sizeof path, "%s/plugin.so", directory);
    CHECK(copy_file(trial->from, path));
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(module != NULL);
    *(void **)&get = dlsym(module, "answer_function");
    CHECK(get != NULL);
    forkcall_fn *const fn = get();
    CHECK(warm_up());
    struct forkcall_report report;
    if (trial->is_named) {
        report = run_tested(fn, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_FAILED && report.code == 1);
    }
    CHECK(break_file(path, &trial->damage));
    report = run_tested(fn, NULL, 0, NULL, &options);
    CHECK(check_outcome(&report) == 0);
    return check_server();
}

static void try(const struct damage *damage)
{
    char path[128];
    snprintf(path, sizeof path, "%s/plugin.so", directory);
    for (int which = 0; which < 2; which++) {
        for (int is_named = 0; is_named < 2; is_named++) {
            struct trial trial = {good[which], *damage, is_named != 0};
            const int r = host_run(run_trial, &trial);
            unlink(path);
            if (r != 0)
                fail_msg("file %d, cut to %ld, seed %u, named %d: the host ended with %d", which, damage->size,
                         (unsigned)damage->seed, is_named, r);
        }
    }
}

static void files_cut_short_under_the_host(void **state)
{
    struct stat status;
    (void)state;
    if (under_emulator())
        SKIP("the emulator itself dies where a page of a file is gone");
    assert_int_equal(stat(good[0], &status), 0);
    const long size = (long)status.st_size;
    const long sizes[] = {0, 1, 63, 64, 500, 4096, 4097, 8192, size / 4, size / 2, size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct damage damage = {.size = sizes[i]};
        try(&damage);
    }
}

/* The rest of the table describes some segments correctly, and others not at all or wrongly. */
static void files_cut_short_in_the_table_of_segments(void **state)
{
    const long headers = sizeof(ElfW(Ehdr));
    const long segment = sizeof(ElfW(Phdr));
    (void)state;
    if (under_emulator())
        SKIP("the emulator itself dies where a page of a file is gone");
    for (long size = headers + 4; size <= headers + 5 * segment; size += segment / 2) {
        const struct damage damage = {.size = size};
        try(&damage);
    }
}

static void headers_changed_under_the_host(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 16; i++) {
        const struct damage damage = {.size = -1, .seed = i};
        try(&damage);
    }
}

static void *load(const char *from, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", directory, name);
    return copy_file(from, path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static uint64_t answer_of(void *module)
{
    return (uintptr_t)dlsym(module, "answer_function");
}

/* The module that is loaded first is cut, because the search through the loaded modules begins with
 * it. */
static int ask_beside_a_cut_module(void *unused)
{
    char cut_path[128], whole_path[128];
    void *cut = load(good[0], "cut.so", cut_path);
    void *whole = load(good[0], "whole.so", whole_path);
    (void)unused;
    CHECK(cut != NULL && whole != NULL);
    const uint64_t in_cut = answer_of(cut);
    const uint64_t in_whole = answer_of(whole);
    CHECK(fc_address_can_be_asked(in_cut) && fc_address_can_be_asked(in_whole));
    CHECK(truncate(cut_path, 0) == 0);
    const bool cut_can = fc_address_can_be_asked(in_cut);
    const bool whole_can = fc_address_can_be_asked(in_whole);
    unlink(cut_path);
    unlink(whole_path);
    CHECK(!cut_can && whole_can);
    return 0;
}

static void whole_module_can_be_asked_beside_a_cut_one(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator itself dies where a page of a file is gone");
    assert_int_equal(host_run(ask_beside_a_cut_module, NULL), 0);
}

/* ---- The file behind an address -------------------------------------------------------------- */

/* Maps a file. is_deleted: the file is deleted afterwards. */
static const char *map_file(const char *path, bool is_deleted, struct stat *status)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(fstat(fd, status), 0);
    const char *memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    close(fd);
    if (is_deleted)
        assert_int_equal(unlink(path), 0);
    return memory;
}

/* For a deleted file the kernel adds "(deleted)" to the path. Another file may really be called
 * so. */
static void mapped_file_is_told_by_its_own_name(void **state)
{
    static const char *const names[] = {"file", "file (deleted)"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const bool is_deleted = i % 2 == 1;
        char path[PATH_MAX];
        struct stat status;
        struct fc_mapping mapping;
        snprintf(path, sizeof path, "%s/%s", directory, names[i / 2]);
        const char *memory = map_file(path, is_deleted, &status);
        const int r = fc_mapping_find((uintptr_t)memory, &mapping);
        struct fc_mapped mapped[] = {
            {.address = (uintptr_t)memory}, {.address = (uintptr_t)&i}, {.address = (uintptr_t)map_file}};
        fc_mapping_list(mapped, 3);
        munmap((void *)(uintptr_t)memory, 1);
        if (!is_deleted)
            assert_int_equal(unlink(path), 0);
        if (r == -ENOENT)
            SKIP("this system does not tell what is mapped");
        assert_int_equal(r, 0);
        assert_string_equal(mapping.path, path);
        assert_true(mapping.inode == status.st_ino);
        assert_true(mapped[0].inode == status.st_ino && mapped[0].device == mapping.device);
        assert_int_equal(mapped[1].inode, 0);
        assert_int_not_equal(mapped[2].inode, 0);
    }
}

int main(int argc, char **argv)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_any_content_are_read),
        cmocka_unit_test(files_cut_short_under_the_host),
        cmocka_unit_test(files_cut_short_in_the_table_of_segments),
        cmocka_unit_test(headers_changed_under_the_host),
        cmocka_unit_test(whole_module_can_be_asked_beside_a_cut_one),
        cmocka_unit_test(mapped_file_is_told_by_its_own_name),
    };
    if (argc != 3 || realpath(argv[1], good[0]) == NULL || realpath(argv[2], good[1]) == NULL) {
        fprintf(stderr, "usage: %s WITH-BUILD-ID WITHOUT\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
