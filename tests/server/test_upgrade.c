/* Tests a program that runs while another build of libforkcall replaces the library's file: no
 * answer is ever wrong. Arguments: the paths of upgraded_program and of the shared library. */
#include "servers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLACED "the file of libforkcall, or of this program, was replaced while the program runs: restart the program"

#define LOADER "the re-executed program was ended by the dynamic loader (exit status 127)"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define ESTALE_TEXT TEXT(ESTALE)

static const char *upgraded_program, *library;

static char output[16384];

/* ---- Builds of the library ------------------------------------------------------------------- */

static unsigned char *read_all(const char *path, size_t *size)
{
    struct stat file;
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    assert_int_equal(fstat(fileno(stream), &file), 0);
    *size = (size_t)file.st_size;
    unsigned char *data = malloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, stream), *size);
    fclose(stream);
    return data;
}

static void write_all(const char *path, const unsigned char *data, size_t size)
{
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_int_equal(fwrite(data, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

/* Finds the note with the linker's build id (elf(5)): three words and the name. NULL: the linker
 * gave none. */
static unsigned char *find_build_id(unsigned char *data, size_t size)
{
    for (size_t i = 0; i + 32 < size; i += 4) {
        uint32_t words[3];
        memcpy(words, data + i, sizeof words);
        if (words[0] == 4 && words[1] >= 8 && words[1] <= 64 && words[2] == 3 && memcmp(data + i + 12, "GNU", 4) == 0)
            return data + i;
    }
    return NULL;
}

static unsigned char *find_text(unsigned char *data, size_t size)
{
    static const char text[] = "posix_spawn of this program";
    for (size_t i = 0; i + sizeof text <= size; i++)
        if (memcmp(data + i, text, sizeof text) == 0)
            return data + i;
    return NULL;
}

enum build { BY_ID, BY_CONTENT };

struct builds {
    char directory[64], program[96], file[96], new_file[96], old_file[96], count[96];
};

/* Writes the library as it is, and another build of it. The builds differ in their build id; or
 * neither has a build id, and they differ in a constant. */
static void builds_make(struct builds *builds, enum build kind)
{
    size_t size;
    unsigned char *data = read_all(library, &size);
    unsigned char *note = find_build_id(data, size), *text = find_text(data, size);
    /* The program finds the library only by LD_LIBRARY_PATH, not by its own run path. */
    program_make(upgraded_program, 0755, builds->directory, builds->program);
    snprintf(builds->file, sizeof builds->file, "%s/libforkcall.so.0", builds->directory);
    snprintf(builds->new_file, sizeof builds->new_file, "%s/new", builds->directory);
    snprintf(builds->old_file, sizeof builds->old_file, "%s/old", builds->directory);
    snprintf(builds->count, sizeof builds->count, "%s/count", builds->directory);
    if (note != NULL && kind == BY_CONTENT)
        note[8] = 77; /* a type of note without a meaning */
    write_all(builds->file, data, size);
    write_all(builds->old_file, data, size);
    if (note != NULL && kind == BY_ID)
        note[16] ^= 1;
    else if (text != NULL)
        text[0] = 'P';
    else
        fail_msg("%s", "nothing in this library can be changed");
    write_all(builds->new_file, data, size);
    free(data);
}

static void run(const struct builds *builds, const char *const *args)
{
    char path[128], old_file[128], new_file[128], file[128], counted[128];
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s", builds->directory);
    snprintf(old_file, sizeof old_file, "UPGRADE_OLD=%s", builds->old_file);
    snprintf(new_file, sizeof new_file, "UPGRADE_NEW=%s", builds->new_file);
    snprintf(file, sizeof file, "UPGRADE_LIBRARY=%s", builds->file);
    snprintf(counted, sizeof counted, "UPGRADE_COUNT=%s", builds->count);
    const char *const environment[] = {path, old_file, new_file, file, counted, NULL};
    const struct program program = {.path = builds->program, .args = args, .environment = environment};
    const int status = program_run(&program, output, sizeof output);
    print_message("%s", output);
    assert_int_equal(status, 0);
}

static int count_in_output(const char *text)
{
    return count_in_text(output, text);
}

#define SKIP_UNDER_TOOLS                                                \
    do {                                                                \
        if (under_emulator())                                           \
            SKIP("the emulator does not exec the program's own image"); \
        if (under_valgrind())                                           \
            SKIP("the program is not run under valgrind here");         \
    } while (0)

static void check_new_build(enum build kind)
{
    static const char *const args[] = {"spawn",  "server", "change", "server", "spawn",  "stop",
                                       "server", "auto",   "back",   "spawn",  "server", NULL};
    struct builds builds;
    SKIP_UNDER_TOOLS;
    builds_make(&builds, kind);
    run(&builds, args);
    directory_remove(builds.directory);
    assert_int_equal(count_in_output("spawn: OK ran 2 code 0 right"), 2);
    /* The server that was there before has served one call. */
    assert_int_equal(count_in_output("server: OK ran 2 code 0 right"), 3);
    assert_int_equal(count_in_output("spawn: NOT_STARTED ran 1 code " ESTALE_TEXT ": " REPLACED), 1);
    assert_int_equal(count_in_output("server: NOT_STARTED ran 1 code " ESTALE_TEXT ": server: " REPLACED), 1);
    assert_int_equal(count_in_output("auto: NOT_STARTED ran 1 code " ESTALE_TEXT ": server: " REPLACED), 1);
}

static void another_build_of_the_library_is_told(void **state)
{
    (void)state;
    check_new_build(BY_ID);
}

static void another_build_is_told_where_the_linker_gives_no_identity(void **state)
{
    (void)state;
    check_new_build(BY_CONTENT);
}

static void exec_ed_children_of_an_old_server(void **state)
{
    static const char *const args[] = {"start_exec", "server", "change", "server", "server", "server", "server", NULL};
    struct builds builds;
    (void)state;
    SKIP_UNDER_TOOLS;
    builds_make(&builds, BY_ID);
    run(&builds, args);
    struct stat count;
    assert_int_equal(stat(builds.count, &count), 0);
    directory_remove(builds.directory);
    print_message("%d processes came to main\n", (int)count.st_size);
    const int good = count_in_output("server: OK ran 2 code 0 right");
    assert_in_range(good, 1, 4); /* children that had loaded the old library */
    assert_int_equal(count_in_output("server: NOT_STARTED ran 1 code " ESTALE_TEXT ": " REPLACED), 5 - good);
    /* Each call replaces the spares that have died, which are two at most, and the one it takes. */
    assert_in_range(count.st_size, 3, 1 + 1 + 2 + 5 * (2 + 1));
}

/* The loader's exit status if a library is missing. */
static void library_that_is_gone(void **state)
{
    static const char *const args[] = {"spawn", "remove", "spawn", "server", "back", "spawn", NULL};
    struct builds builds;
    (void)state;
    SKIP_UNDER_TOOLS;
    builds_make(&builds, BY_ID);
    run(&builds, args);
    directory_remove(builds.directory);
    assert_int_equal(count_in_output("spawn: OK ran 2 code 0 right"), 2);
    assert_int_equal(count_in_output("spawn: NOT_STARTED ran 1 code 8: " LOADER), 1);
    assert_int_equal(count_in_output("server: NOT_STARTED ran 1 code 8: server: " LOADER), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_that_is_gone),
        cmocka_unit_test(another_build_of_the_library_is_told),
        cmocka_unit_test(another_build_is_told_where_the_linker_gives_no_identity),
        cmocka_unit_test(exec_ed_children_of_an_old_server),
    };
    forkcall_init();
    if (argc < 3)
        return 2;
    upgraded_program = realpath(argv[1], NULL);
    library = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
