/* Tests the words for addresses: functions, offsets, files and lines.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for RTLD_DEFAULT */
#endif
#include "config.h"

#include "crash/symbol.h"
#include "module/address.h"
#include "time_factor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __ELF__
#include <link.h>
#endif

#include <cmocka.h>

#define NOINLINE __attribute__((noinline))
#define TEXT_MAX 1024

static volatile int sink;

/* Where the names of the tests come from: the tables of the modules alone, or libdw, too. */
static const struct fc_symbols *from = &fc_symbols_tables;

int exported_function(int n);

enum { EXPORTED_LINE = __LINE__ };
__attribute__((visibility("default"))) NOINLINE int exported_function(int n)
{
    sink = n * 3;
    return sink;
}
enum { EXPORTED_END = __LINE__ };

NOINLINE static int static_function(int n)
{
    sink = n * 5;
    return sink;
}

/* Addresses of functions that the compiler cannot know. */
static int (*volatile exported_pointer)(int) = exported_function;
static int (*volatile static_pointer)(int) = static_function;

static uint64_t address_of(int (*function)(int))
{
    return (uint64_t)(uintptr_t)function;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* False for static programs, which have no table of exported names. */
static bool knows_exported_names(void)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    if (fc_symbols_find(from, address_of(exported_pointer), found) > 0)
        return true;
    print_message("no names in this program: built static?\n");
    return false;
}

/* The name of this program, from another source than the code under test uses. */
static const char *program_name(void)
{
    static char path[TEXT_MAX];
    struct fc_module_at image;
    assert_true(fc_address_find_module(address_of(static_pointer), &image));
#ifdef __linux__
    char *real = realpath("/proc/self/exe", NULL);
    if (real != NULL) {
        assert_string_equal(image.path, real);
        free(real);
    }
#endif
    const char *slash = strrchr(image.path, '/');
    (void)snprintf(path, sizeof path, "%s", slash == NULL ? image.path : slash + 1);
    return path;
}

/* Writes the expected text "program+0x…", which addr2line takes. */
static void expect_offset(uint64_t address, char *expected, size_t size)
{
#ifdef __ELF__
    extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
    const uint64_t bias = __ehdr_start.e_type == ET_DYN ? (uint64_t)(uintptr_t)&__ehdr_start : 0;
#else
    struct fc_module_at image;
    assert_true(fc_address_find_module(address, &image));
    const uint64_t bias = image.bias;
#endif
    (void)snprintf(expected, size, "%s+0x%" PRIx64, program_name(), address - bias);
}

/* Checks what follows "name+0x…": " (in program)", or the source line if debug information can be
 * read. */
static void assert_is_in_exported_function(const char *rest)
{
    int line = 0;
    int end = 0;
#ifdef HAVE_LIBDW
    if (sscanf(rest, " at test_symbol.c:%d%n", &line, &end) == 1) { // NOLINT(cert-err34-c): two digits
        assert_in_range(line, EXPORTED_LINE, EXPORTED_END);
        assert_int_equal(rest[end], 0);
        return;
    }
#endif
    (void)line;
    assert_true(begins_with(rest, " (in "));
    end = (int)strlen(rest);
    assert_int_equal(rest[end - 1], ')');
    assert_non_null(strstr(rest, program_name()));
}

static void exported_function_is_told_by_name(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    if (!knows_exported_names())
        skip();
    const int length = fc_symbols_describe(from, address_of(exported_pointer), false, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_true(begins_with(text, "exported_function+0x0 "));
    assert_is_in_exported_function(text + strlen("exported_function+0x0"));
    fc_symbols_function_name(from, address_of(exported_pointer), text, sizeof text);
    assert_string_equal(text, "exported_function");
}

static void return_address_is_that_of_the_call_before_it(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    if (!knows_exported_names())
        skip();
    (void)fc_symbols_describe(from, address_of(exported_pointer) + 1, true, text, sizeof text);
    assert_true(begins_with(text, "exported_function+0x1 "));
    (void)fc_symbols_describe(from, address_of(exported_pointer), true, text, sizeof text);
    assert_false(begins_with(text, "exported_function"));
}

/* Without /proc the program's file is not known. */
static void static_function_is_told_by_name_where_the_file_can_be_read(void **state)
{
    char text[TEXT_MAX];
    char place[TEXT_MAX];
    char name[TEXT_MAX + 32];
    (void)state;
    expect_offset(address_of(static_pointer), place, sizeof place);
    (void)snprintf(name, sizeof name, "function at %s", place);
    (void)fc_symbols_describe(from, address_of(static_pointer), false, text, sizeof text);
#ifdef __ELF__
    if (access("/proc/self/maps", R_OK) < 0) {
        assert_string_equal(text, place);
        fc_symbols_function_name(from, address_of(static_pointer), text, sizeof text);
        assert_string_equal(text, name);
        return;
    }
    assert_true(begins_with(text, "static_function+0x0 "));
    fc_symbols_function_name(from, address_of(static_pointer), text, sizeof text);
    assert_string_equal(text, "static_function");
#else
    print_message("names of static functions depend on how the program was stripped: %s\n", text);
#endif
}

/* ---- Inlined functions ----------------------------------------------------------------------- */

static uint64_t noted;

NOINLINE static void note_return_address(void)
{
    noted = (uint64_t)(uintptr_t)__builtin_return_address(0);
    sink++;
}

enum { INNER_LINE = __LINE__ + 3 };
__attribute__((always_inline)) static inline void inner_inlined(void)
{
    note_return_address();
    sink++;
}

enum { OUTER_LINE = __LINE__ + 3 };
__attribute__((always_inline)) static inline void outer_inlined(void)
{
    inner_inlined();
    sink++;
}

enum { HOLDER_LINE = __LINE__ + 3 };
NOINLINE static int holder(int n)
{
    outer_inlined();
    return sink + n;
}

static int (*volatile holder_pointer)(int) = holder;

static void inlined_functions_are_told_each_with_its_line(void **state)
{
    char text[TEXT_MAX];
    char expected[TEXT_MAX];
    (void)state;
    (void)holder_pointer(1);
    const int length = fc_symbols_describe(from, noted, true, text, sizeof text);
    assert_int_equal(length, strlen(text));
    if (!from->has_libdw) {
        assert_null(strchr(text, '\n'));
        assert_true(begins_with(text, "holder+0x") || strncmp(text, program_name(), strlen(program_name())) == 0);
        return;
    }
    if (strstr(text, " at ") == NULL) {
        print_message("built without debug information\n");
        skip();
    }
    (void)snprintf(expected, sizeof expected,
                   "inner_inlined (inlined) at test_symbol.c:%d\nouter_inlined (inlined) at test_symbol.c:%d\n"
                   "holder+0x%" PRIx64 " at test_symbol.c:%d",
                   INNER_LINE, OUTER_LINE, noted - address_of(holder_pointer), HOLDER_LINE);
    assert_string_equal(text, expected);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void what_compilers_append_to_a_name_is_cut(void **state)
{
    static const char *const names[][2] = {
        {"mid_null.constprop.0", "mid_null"}, {"f.isra.0.cold", "f"},   {"f.part.12", "f"}, {"f", "f"},
        {"memcpy@@GLIBC_2.14", "memcpy"},     {".hidden.0", ".hidden"}, {".", "."},         {"", ""},
    };
    struct fc_symbol symbol;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fc_symbol_set_name(&symbol, names[i][0]);
        assert_string_equal(symbol.name, names[i][1]);
    }
}

/* Each reference of a type's name to a part of itself may double the translation, which would then
 * fill the memory of a host whose child has sent such a name. */
static void type_that_refers_to_itself_too_often_is_not_translated(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL) == NULL) {
        print_message("no C++ runtime that can be loaded\n");
        skip();
    }
    fc_symbol_type_name("St13runtime_error", text, sizeof text);
    assert_string_equal(text, "std::runtime_error");
    fc_symbol_type_name("4pairI1aS0_S0_S0_S0_S0_S0_S0_S0_E", text, sizeof text);
    assert_string_equal(text, "pair<a, a, a, a, a, a, a, a, a>");
    fc_symbol_type_name("4pairI1aS0_S0_S0_S0_S0_S0_S0_S0_S0_E", text, sizeof text);
    assert_string_equal(text, "4pairI1aS0_S0_S0_S0_S0_S0_S0_S0_S0_E");
}

/* The tests are in C, so the name stays as it is unless a C++ runtime is loaded. */
static void names_of_any_length_are_cut(void **state)
{
    static char name[FC_MANGLED_MAX * 2];
    struct fc_symbol symbol;
    (void)state;
    memset(name, 'Z', sizeof name - 1);
    for (size_t length = 0; length < sizeof name; length = length * 2 + 1) {
        name[length] = 0;
        fc_symbol_set_name(&symbol, name);
        assert_int_equal(strlen(symbol.name), length < sizeof symbol.name ? length : sizeof symbol.name - 1);
        name[length] = 'Z';
    }
}

static void library_function_is_told_with_its_library(void **state)
{
    char text[TEXT_MAX];
    void *function = dlsym(RTLD_DEFAULT, "getenv");
    (void)state;
    if (function == NULL || !knows_exported_names())
        skip();
    (void)fc_symbols_describe(from, (uint64_t)(uintptr_t)function, false, text, sizeof text);
    assert_true(begins_with(text, "getenv+0x0 "));
    /* Either its file, or where it is written, if the library's debug information is there. */
    assert_true(strchr(text, '/') != NULL || strstr(text, " at getenv.c:") != NULL);
    assert_null(strstr(text, program_name()));
    fc_symbols_function_name(from, (uint64_t)(uintptr_t)function, text, sizeof text);
    assert_string_equal(text, "getenv");
}

/* An address inside of a function is not its start, so the text must not name the function as if it
 * were. */
static void middle_of_a_function_has_no_function_name(void **state)
{
    char text[TEXT_MAX];
    char place[TEXT_MAX];
    char name[TEXT_MAX + 32];
    (void)state;
    expect_offset(address_of(exported_pointer) + 2, place, sizeof place);
    (void)snprintf(name, sizeof name, "function at %s", place);
    fc_symbols_function_name(from, address_of(exported_pointer) + 2, text, sizeof text);
    assert_string_equal(text, name);
}

static void addresses_of_nothing_are_told_as_numbers(void **state)
{
    char on_stack = 0;
    const uint64_t addresses[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, (uint64_t)(uintptr_t)&on_stack};
    char text[TEXT_MAX];
    char expected[64];
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        (void)snprintf(expected, sizeof expected, "0x%" PRIx64, addresses[i]);
        assert_int_equal(fc_symbols_describe(from, addresses[i], false, text, sizeof text), strlen(expected));
        assert_string_equal(text, expected);
        (void)fc_symbols_describe(from, addresses[i], true, text, sizeof text);
        assert_string_equal(text, expected);
        (void)snprintf(expected, sizeof expected, "function at 0x%" PRIx64, addresses[i]);
        fc_symbols_function_name(from, addresses[i], text, sizeof text);
        assert_string_equal(text, expected);
    }
}

static void text_is_cut_as_by_snprintf(void **state)
{
    char whole[TEXT_MAX];
    const uint64_t addresses[] = {0, address_of(exported_pointer), address_of(static_pointer)};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        const int length = fc_symbols_describe(from, addresses[i], false, whole, sizeof whole);
        assert_int_equal(length, strlen(whole));
        assert_int_equal(fc_symbols_describe(from, addresses[i], false, NULL, 0), length);
        for (size_t size = 1; size <= (size_t)length; size += 7) {
            char *text = malloc(size);
            assert_non_null(text);
            assert_int_equal(fc_symbols_describe(from, addresses[i], false, text, size), length);
            assert_int_equal(strlen(text), size - 1);
            assert_memory_equal(text, whole, size - 1);
            fc_symbols_function_name(from, addresses[i], text, size);
            assert_true(memchr(text, 0, size) != NULL);
            free(text);
        }
    }
}

static void code_is_told_from_data(void **state)
{
    static int data;
    (void)state;
    assert_true(fc_address_is_code(address_of(static_pointer)));
    assert_false(fc_address_is_code((uint64_t)(uintptr_t)&data));
    assert_false(fc_address_is_code(0));
    assert_false(fc_address_is_code(UINT64_MAX));
}

#if defined(__ELF__) && !defined(__arm__)
static int note_program(struct dl_phdr_info *info, size_t size, void *start)
{
    bool has_table = false;
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++)
        has_table = has_table || info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME;
    for (ElfW(Half) i = 0; has_table && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            *(uint64_t *)start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            break;
        }
    return 1; /* Stop: the first module is the program. */
}

/* Each address of a function leads to its start. An address before the first function leads to
 * none. */
static void start_of_a_function_is_found(void **state)
{
    const uint64_t starts[] = {address_of(exported_pointer), address_of(static_pointer)};
    uint64_t program = 0;
    (void)state;
    (void)dl_iterate_phdr(note_program, &program);
    if (program == 0) {
        print_message("linked without a table of functions: built static?\n");
        skip();
    }
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (uint64_t offset = 0; offset <= 4; offset++)
            assert_int_equal(fc_address_function_start(starts[i] + offset), starts[i]);
    assert_int_equal(fc_address_function_start(program), 0);
    assert_int_equal(fc_address_function_start(0), 0);
    assert_int_equal(fc_address_function_start(UINT64_MAX), 0);
}
#endif

static size_t count_descriptors(void)
{
    DIR *directory = opendir("/dev/fd");
    size_t count = 0;
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL) // NOLINT(concurrency-mt-unsafe): each has its own
        count++;
    (void)closedir(directory);
    return count;
}

static void no_descriptor_is_left_behind(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    const size_t before = count_descriptors();
    for (int i = 0; i < 10; i++)
        (void)fc_symbols_describe(from, address_of(static_pointer), false, text, sizeof text);
    assert_int_equal(count_descriptors(), before);
}

/* Modules that are open. A tool may open files of its own in each process. */
static int count_open_modules(void)
{
    char magic[4];
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += pread(fd, magic, sizeof magic, 0) == sizeof magic && memcmp(magic, "\177ELF", sizeof magic) == 0;
    return count;
}

/* A child that another thread forks while addresses are described. */
static void open_symbols_are_not_in_a_fork(void **state)
{
    char text[TEXT_MAX];
    struct fc_symbols symbols;
    int status = 0;
    (void)state;
    const int before = count_open_modules();
    fc_symbols_open(&symbols);
    (void)fc_symbols_describe(&symbols, address_of(static_pointer), false, text, sizeof text);
    (void)fc_symbols_describe(&symbols, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"), false, text, sizeof text);
    (void)fc_symbols_describe(&symbols, (uintptr_t)dlsym(RTLD_DEFAULT, "_cmocka_run_group_tests"), false, text,
                              sizeof text);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(count_open_modules() > before);
    fc_symbols_close(&symbols);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(count_open_modules(), before);
}

/* Takes the place of the C library's pread(2) in the library under test: the process forks while a
 * file is read, as another thread may do. */
#if defined(__GLIBC__) && defined(__LP64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool forks_at_a_read;
static int forks, forks_with_the_file;

ssize_t pread64(int fd, void *to, size_t size, off_t offset) // NOLINT: the C library's declaration has other names
{
    int status = 0;
    if (forks_at_a_read) {
        forks_at_a_read = false;
        const pid_t pid = fork();
        if (pid == 0)
            _exit(fcntl(fd, F_GETFD) >= 0);
        forks += pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
        forks_with_the_file += WEXITSTATUS(status);
    }
    return syscall(SYS_pread64, fd, to, size, offset);
}

static void file_that_is_read_is_not_in_a_fork(void **state)
{
    struct fc_symbol symbol;
    (void)state;
    forks = forks_with_the_file = 0;
    forks_at_a_read = true;
    (void)fc_symbol_find_in_file(address_of(static_pointer), &symbol);
    forks_at_a_read = false;
    assert_int_equal(forks, 1);
    assert_int_equal(forks_with_the_file, 0);
}
#else
static void file_that_is_read_is_not_in_a_fork(void **state)
{
    (void)state;
    print_message("skipped: pread(2) cannot be replaced here\n");
    skip();
}
#endif

#if defined(__ELF__) && defined(__LP64__)

#define TABLE_SIZE ((off_t)1 << 40)

static void copy_self(int to)
{
    char bytes[4096];
    ssize_t n;
    const int from_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(from_fd >= 0);
    while ((n = read(from_fd, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(to, bytes, (size_t)n), n);
    close(from_fd);
}

/* Gives a program a table of symbols that is a hole in the file. False: the file system cannot. */
static bool give_table_of_nothing(int fd)
{
    ElfW(Ehdr) header;
    const off_t end = (lseek(fd, 0, SEEK_END) + 4095) / 4096 * 4096;
    const ElfW(Shdr) sections[2] = {{.sh_type = SHT_SYMTAB,
                                     .sh_offset = (ElfW(Off))end + 4096,
                                     .sh_size = (ElfW(Off))TABLE_SIZE,
                                     .sh_link = 1,
                                     .sh_entsize = sizeof(ElfW(Sym))},
                                    {.sh_type = SHT_STRTAB, .sh_size = 64}};
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    header.e_shoff = (ElfW(Off))end;
    header.e_shnum = 2;
    header.e_shstrndx = SHN_UNDEF;
    header.e_shentsize = sizeof sections[0];
    assert_int_equal(pwrite(fd, &header, sizeof header, 0), sizeof header);
    assert_int_equal(pwrite(fd, sections, sizeof sections, end), sizeof sections);
    return ftruncate(fd, end + 4096 + TABLE_SIZE) == 0;
}

/* What the copy of this program does; the alarm ends one that reads on and on. */
static int look_for_a_name(void)
{
    char text[TEXT_MAX];
    (void)alarm(20 * (unsigned)time_factor());
    (void)fc_symbols_describe(from, address_of(static_pointer), false, text, sizeof text);
    return 0;
}

static void table_that_is_terabytes_of_nothing_is_not_read(void **state)
{
    char path[] = "/tmp/forkcall-symbol-XXXXXX";
    int status = 0;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    copy_self(fd);
    const bool has_table = give_table_of_nothing(fd) && fchmod(fd, 0700) == 0;
    close(fd);
    const pid_t pid = has_table ? fork() : -1;
    if (pid == 0) {
        execl(path, path, "name", (char *)NULL);
        _exit(77);
    }
    const bool has_ended = pid > 0 && waitpid(pid, &status, 0) == pid;
    unlink(path);
    if (!has_ended || (WIFEXITED(status) && WEXITSTATUS(status) == 77)) {
        print_message("no file of a terabyte can be made or run here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

#endif

int main(int argc, char **argv)
{
    (void)argv;
#if defined(__ELF__) && defined(__LP64__)
    if (argc == 2)
        return look_for_a_name();
#endif
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exported_function_is_told_by_name),
        cmocka_unit_test(return_address_is_that_of_the_call_before_it),
        cmocka_unit_test(static_function_is_told_by_name_where_the_file_can_be_read),
        cmocka_unit_test(library_function_is_told_with_its_library),
        cmocka_unit_test(inlined_functions_are_told_each_with_its_line),
        cmocka_unit_test(what_compilers_append_to_a_name_is_cut),
        cmocka_unit_test(names_of_any_length_are_cut),
        cmocka_unit_test(type_that_refers_to_itself_too_often_is_not_translated),
        cmocka_unit_test(middle_of_a_function_has_no_function_name),
        cmocka_unit_test(addresses_of_nothing_are_told_as_numbers),
        cmocka_unit_test(text_is_cut_as_by_snprintf),
        cmocka_unit_test(code_is_told_from_data),
#if defined(__ELF__) && !defined(__arm__)
        cmocka_unit_test(start_of_a_function_is_found),
#endif
#if defined(__ELF__) && defined(__LP64__)
        cmocka_unit_test(table_that_is_terabytes_of_nothing_is_not_read),
#endif
        cmocka_unit_test(no_descriptor_is_left_behind),
        cmocka_unit_test(open_symbols_are_not_in_a_fork),
        cmocka_unit_test(file_that_is_read_is_not_in_a_fork),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    struct fc_symbols opened;
    fc_symbols_open(&opened);
    from = &opened;
    print_message("The same with libdw, which is %s\n", opened.has_libdw ? "here" : "not here");
    const int failed_by_libdw = cmocka_run_group_tests(tests, NULL, NULL);
    fc_symbols_close(&opened);
    return failed + failed_by_libdw;
}
