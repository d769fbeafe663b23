/* Tests how functions, places and addresses are named by the headers of Mach-O: module.macho.c and
 * address.macho.c with images that are made here. The test defines the functions of dyld. */
#include "module/address.h"
#include "module/lookup.h"
#include "module/ranges.h"

#include <errno.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>
#include <mach/vm_prot.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Images ---------------------------------------------------------------------------------- */

#define LINKED_AT 0x100000000U
#define TEXT_SIZE 4096U
#define DATA_SIZE 4096U
#define FUNCTION 1024U /* the function's offset in the text */

/* An image as dyld maps it: the text begins with the headers. */
struct image {
    struct mach_header_64 header;
    struct segment_command_64 text, data;
    struct uuid_command uuid;
    unsigned char rest[TEXT_SIZE + DATA_SIZE];
};

static struct loaded {
    _Alignas(TEXT_SIZE) struct image image;
    const char *path;
} loaded[4];
static uint32_t loaded_count;

static struct segment_command_64 segment(const char *name, uint64_t address, uint64_t size, int protection)
{
    struct segment_command_64 made = {.cmd = LC_SEGMENT_64,
                                      .cmdsize = sizeof made,
                                      .vmaddr = address,
                                      .vmsize = size,
                                      .maxprot = protection,
                                      .initprot = protection};
    memcpy(made.segname, name, strlen(name));
    return made;
}

/* Forgets all loaded images, as another process would not know them. */
static void forget_all(void)
{
    memset(loaded, 0, sizeof loaded);
    loaded_count = 0;
}

/* Loads an image. build: the number from which its UUID is made. */
static struct image *load(const char *path, uint32_t type, int build)
{
    struct image *image = &loaded[loaded_count].image;
    loaded[loaded_count++].path = path;
    image->header = (struct mach_header_64){.magic = MH_MAGIC_64, .filetype = type, .ncmds = 3};
    image->text = segment(SEG_TEXT, LINKED_AT, TEXT_SIZE, VM_PROT_READ | VM_PROT_EXECUTE);
    image->data = segment("__DATA", LINKED_AT + TEXT_SIZE, DATA_SIZE, VM_PROT_READ | VM_PROT_WRITE);
    image->uuid = (struct uuid_command){.cmd = LC_UUID, .cmdsize = sizeof image->uuid};
    memset(image->uuid.uuid, build, sizeof image->uuid.uuid);
    return image;
}

static struct loaded *find(const void *address)
{
    for (uint32_t i = 0; i < loaded_count; i++)
        if ((uintptr_t)address - (uintptr_t)&loaded[i].image < TEXT_SIZE + DATA_SIZE)
            return &loaded[i];
    return NULL;
}

int mach_dladdr(const void *address, Dl_info *info)
{
    struct loaded *found = find(address);
    if (found == NULL)
        return 0;
    *info = (Dl_info){.dli_fname = found->path, .dli_fbase = &found->image};
    return 1;
}

uint32_t _dyld_image_count(void)
{
    return loaded_count;
}

const struct mach_header *_dyld_get_image_header(uint32_t index)
{
    return (const struct mach_header *)(const void *)&loaded[index].image;
}

const char *_dyld_get_image_name(uint32_t index)
{
    return loaded[index].path;
}

static uintptr_t address_in(const struct image *image, uintptr_t offset)
{
    return (uintptr_t)image + offset;
}

static forkcall_fn *function_at(const struct image *image, uintptr_t offset)
{
    return (forkcall_fn *)address_in(image, offset);
}

/* ---- Functions by name ----------------------------------------------------------------------- */

#define CACHED "/usr/lib/libof_the_system.dylib" /* lies in dyld's cache and has no file */

static struct fc_module_function name_of(const struct image *image)
{
    struct fc_module_function name;
    memset(&name, 0, sizeof name);
    assert_int_equal(fc_module_name(function_at(image, FUNCTION), &name), 0);
    return name;
}

static void assert_found_in(const struct fc_module_function *name, const struct image *image)
{
    forkcall_fn *fn = NULL;
    assert_true(fc_module_search(name, &fn));
    assert_true(fn == function_at(image, FUNCTION));
}

static void assert_not_found(const struct fc_module_function *name)
{
    forkcall_fn *fn = NULL;
    assert_false(fc_module_search(name, &fn));
    assert_null(fn);
}

static void function_of_a_library_is_found_where_that_lies_elsewhere(void **state)
{
    (void)state;
    forget_all();
    const struct fc_module_function name = name_of(load(CACHED, MH_DYLIB, 7));
    assert_false(name.is_program);
    assert_string_equal(name.path, CACHED);
    forget_all();
    load("/bin/program", MH_EXECUTE, 1);
    load("/usr/lib/libother.dylib", MH_DYLIB, 2);
    assert_found_in(&name, load(CACHED, MH_DYLIB, 7));
}

static void function_of_the_program_is_found_without_a_path(void **state)
{
    (void)state;
    forget_all();
    load(CACHED, MH_DYLIB, 7);
    const struct fc_module_function name = name_of(load("./program", MH_EXECUTE, 7));
    assert_true(name.is_program);
    assert_string_equal(name.path, "");
    forget_all();
    load(CACHED, MH_DYLIB, 7);
    assert_found_in(&name, load("/elsewhere/program", MH_EXECUTE, 7));
}

static void what_lies_in_no_code_has_no_name(void **state)
{
    (void)state;
    struct fc_module_function name;
    forget_all();
    struct image *image = load(CACHED, MH_DYLIB, 7);
    /* Data is no function. */
    assert_int_equal(fc_module_name(function_at(image, TEXT_SIZE), &name), -ENOENT);
    assert_int_equal(fc_module_name(function_at(image, TEXT_SIZE + DATA_SIZE), &name), -ENOENT);
    /* Generated code lies in no image. */
    assert_int_equal(fc_module_name((forkcall_fn *)(uintptr_t)&name, &name), -ENOENT);
    assert_int_equal(fc_module_name(NULL, &name), -ENOENT);
    image->header.magic = 0xfeedfaceU; /* the magic number of a 32-bit image */
    assert_int_equal(fc_module_name(function_at(image, FUNCTION), &name), -ENOENT);
}

static void function_of_another_build_is_not_found(void **state)
{
    (void)state;
    forget_all();
    const struct fc_module_function name = name_of(load(CACHED, MH_DYLIB, 7));
    forget_all();
    load(CACHED, MH_DYLIB, 8);
    assert_not_found(&name);
    forget_all();
    load(CACHED, MH_DYLIB, 7)->data.vmsize = 2 * DATA_SIZE; /* the same UUID, another layout */
    assert_not_found(&name);
    forget_all();
    load(CACHED, MH_EXECUTE, 7);
    assert_not_found(&name);
}

static struct image *load_without_mark(unsigned char code)
{
    struct image *image = load(CACHED, MH_DYLIB, 0);
    image->header.ncmds = 2; /* leaves out the command with the UUID */
    ((unsigned char *)image)[FUNCTION] = code;
    return image;
}

static void build_without_a_mark_is_told_by_its_code(void **state)
{
    (void)state;
    forget_all();
    const struct fc_module_function name = name_of(load_without_mark(1));
    forget_all();
    load_without_mark(2);
    assert_not_found(&name);
    forget_all();
    assert_found_in(&name, load_without_mark(1));
}

/* Two files of the same build, which have separate data. */
static void copy_of_a_library_is_another_library(void **state)
{
    char first[] = "/tmp/forkcall_macho.XXXXXX", second[] = "/tmp/forkcall_macho.XXXXXX";
    (void)state;
    const int fds[] = {mkstemp(first), mkstemp(second)};
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    forget_all();
    const struct fc_module_function name = name_of(load(first, MH_DYLIB, 7));
    forget_all();
    load(second, MH_DYLIB, 7);
    assert_not_found(&name);
    assert_found_in(&name, load(first, MH_DYLIB, 7)); /* the right file was loaded last */
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    unlink(first);
    unlink(second);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static void address_is_told_as_the_file_has_it(void **state)
{
    struct fc_module_at found;
    (void)state;
    forget_all();
    const struct image *image = load("/opt/\nlibodd.dylib", MH_DYLIB, 7);
    assert_true(fc_address_find_module(address_in(image, FUNCTION), &found));
    assert_true(address_in(image, FUNCTION) - found.bias == LINKED_AT + FUNCTION);
    assert_string_equal(found.path, "/opt/?libodd.dylib");
    assert_false(fc_address_find_module(0, &found));
    assert_false(fc_address_find_module((uintptr_t)&found, &found));
}

static void only_code_is_code(void **state)
{
    (void)state;
    forget_all();
    const struct image *image = load(CACHED, MH_DYLIB, 7);
    assert_true(fc_address_is_code(address_in(image, FUNCTION)));
    assert_true(fc_address_is_code(address_in(image, TEXT_SIZE - 1)));
    assert_false(fc_address_is_code(address_in(image, TEXT_SIZE)));
}

static void places_of_two_processes_are_alike_by_key_and_path(void **state)
{
    struct fc_module_range here[4], there[4];
    (void)state;
    forget_all();
    load("/bin/program", MH_EXECUTE, 1);
    load(CACHED, MH_DYLIB, 7);
    load("/copy.dylib", MH_DYLIB, 7);
    assert_int_equal(fc_module_ranges_list(here, 4), 3);
    assert_true(here[1].start == (uintptr_t)&loaded[1].image && here[1].size == TEXT_SIZE);
    assert_true(here[0].path == 0 && here[1].path != 0);
    assert_true(here[1].key == here[2].key && here[1].path != here[2].path);
    assert_true(here[0].key != here[1].key);
    forget_all();
    load("/elsewhere/program", MH_EXECUTE, 1);
    load("/usr/lib/libother.dylib", MH_DYLIB, 2);
    load(CACHED, MH_DYLIB, 7);
    assert_int_equal(fc_module_ranges_list(there, 2), 2);
    assert_int_equal(fc_module_ranges_list(there, 4), 3);
    assert_true(there[0].key == here[0].key && there[0].path == here[0].path);
    assert_true(there[2].key == here[1].key && there[2].path == here[1].path);
    assert_true(there[1].key != here[1].key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_of_a_library_is_found_where_that_lies_elsewhere),
        cmocka_unit_test(function_of_the_program_is_found_without_a_path),
        cmocka_unit_test(what_lies_in_no_code_has_no_name),
        cmocka_unit_test(function_of_another_build_is_not_found),
        cmocka_unit_test(build_without_a_mark_is_told_by_its_code),
        cmocka_unit_test(copy_of_a_library_is_another_library),
        cmocka_unit_test(address_is_told_as_the_file_has_it),
        cmocka_unit_test(only_code_is_code),
        cmocka_unit_test(places_of_two_processes_are_alike_by_key_and_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
