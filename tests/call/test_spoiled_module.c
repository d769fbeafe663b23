/* Tests that a host survives what a function does to the file of a module that the host has loaded,
 * too, and tells of the crash what can be told.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "config.h"
#include "crash/symbol.h"
#include "crash_chain.h"
#include "module/foreign_file.h"
#include "module/lookup.h"
#include "module/module_file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *plugin_path, *packed_plugin_path;
static char directory[] = "/tmp/forkcall-spoiled-XXXXXX";
static char copy_path[sizeof directory + 8];

/* Copies a plugin, so that it can be spoiled. False: it cannot be copied. */
static bool copy_plugin(const char *from)
{
    char bytes[4096];
    unlink(copy_path);
    FILE *in = fopen(from, "rbe");
    FILE *out = fopen(copy_path, "wbe");
    bool copied = in != NULL && out != NULL;
    for (size_t n = copied ? fread(bytes, 1, sizeof bytes, in) : 0; n > 0; n = fread(bytes, 1, sizeof bytes, in))
        copied = copied && fwrite(bytes, 1, n, out) == n;
    if (in != NULL)
        (void)fclose(in);
    return out != NULL && fclose(out) == 0 && copied;
}

static void *find(const char *name)
{
    void *plugin = dlopen(copy_path, RTLD_NOW | RTLD_LOCAL);
    return plugin == NULL ? NULL : dlsym(plugin, name);
}

/* ---- By a call ------------------------------------------------------------------------------- */

enum spoiling { EMPTIED, CUT_IN_THE_MIDDLE, REPLACED_BY_A_FIFO, REPLACED_BY_A_LINK };

struct task {
    enum spoiling spoiling;
    char path[sizeof copy_path];
};

static int spoil(const struct task *task)
{
    switch (task->spoiling) {
    case EMPTIED:
        return truncate(task->path, 0);
    case CUT_IN_THE_MIDDLE:
        return truncate(task->path, 8192);
    case REPLACED_BY_A_FIFO:
        return unlink(task->path) == 0 ? mkfifo(task->path, 0600) : -1;
    case REPLACED_BY_A_LINK:
        return unlink(task->path) == 0 ? symlink("/dev/zero", task->path) : -1;
    }
    return -1;
}

static int child_spoils_a_module_and_crashes_in_it(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct task *task = args;
    const enum chain_end end = CHAIN_NULL_POINTER;
    forkcall_fn *fn = NULL;
    (void)args_size;
    memcpy(copy_path, task->path, sizeof copy_path);
    *(void **)&fn = find("plugin_outer");
    return fn == NULL || spoil(task) != 0 ? 1 : fn(&end, sizeof end, result);
}

static int host_of_a_spoiler(void *of_task)
{
    const struct task *task = of_task;
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    char text[4096];
    CHECK(find("plugin_outer") != NULL);
    const struct forkcall_report r =
        run_tested(child_spoils_a_module_and_crashes_in_it, task, sizeof *task, NULL, &options);
    forkcall_explain(&r, text, sizeof text);
    if (under_sanitizer() && r.status == FORKCALL_EXITED)
        _exit(0); /* the sanitizer has told of the crash */
    if (r.status != FORKCALL_SIGNALED)
        print_message("%s\n", text);
    CHECK(r.status == FORKCALL_SIGNALED);
    /* The code is as it was, and so are the names that are loaded with it. Another process than a
     * fork has loaded the module only now. */
    if (task->spoiling == REPLACED_BY_A_FIFO || task->spoiling == REPLACED_BY_A_LINK)
        CHECK(strstr(text, method_shares_memory() ? "plugin_inner+" : "copy.so") != NULL);
    _exit(0); /* the loader may look for destructors in what is gone */
}

static void crash_in_a_module_whose_file_was_spoiled_is_told(void **state)
{
    (void)state;
    for (int spoiling = EMPTIED; spoiling <= REPLACED_BY_A_LINK; spoiling++) {
        struct task task = {.spoiling = (enum spoiling)spoiling};
        memcpy(task.path, copy_path, sizeof task.path);
        assert_true(copy_plugin(plugin_path));
        const int r = host_run(host_of_a_spoiler, &task);
        unlink(copy_path);
        assert_int_equal(r, 0);
    }
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int host_of_a_module_that_changes(void *unused)
{
    struct fc_opened_file file;
    struct fc_fds fds;
    const uint64_t address = (uintptr_t)find("plugin_outer");
    (void)unused;
    CHECK(fc_fds_open(&fds) == 0);
    fc_foreign_believed_before = (int64_t)time(NULL) + 1000;
    CHECK(address != 0 && fc_module_file_open(address, &fds, FC_FD_ARGS, &file));
    CHECK(fds.fd[FC_FD_ARGS] == file.fd);
    CHECK(file.may_be_cut && !file.may_be_forged && fc_module_file_is_unchanged(&file));
    const int fd = open(copy_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(fd >= 0 && write(fd, "", 1) == 1);
    CHECK(!fc_module_file_is_unchanged(&file));
    fc_fds_close(&fds, FC_FD_ARGS);
    fc_foreign_believed_before = 0;
    CHECK(fc_module_file_open(address, &fds, FC_FD_ARGS, &file));
    CHECK(file.may_be_cut && file.may_be_forged);
    fc_fds_close(&fds, FC_FD_ARGS);
    CHECK(copy_plugin(plugin_path)); /* another file of the same name */
    CHECK(!fc_module_file_open(address, &fds, FC_FD_ARGS, &file) && fds.fd[FC_FD_ARGS] < 0);
    CHECK(fc_module_file_open((uintptr_t)child_spoils_a_module_and_crashes_in_it, &fds, FC_FD_ARGS, &file));
    CHECK(!file.may_be_cut && !file.may_be_forged); /* the program that runs */
    return 0;
}

static void only_the_file_that_is_loaded_is_opened(void **state)
{
    (void)state;
    assert_true(copy_plugin(plugin_path));
    const int r = host_run(host_of_a_module_that_changes, NULL);
    unlink(copy_path);
    assert_int_equal(r, 0);
}

/* Paths that a child may have led to a process that never answers (FUSE). */
static const char *paths_of_a_child;
static unsigned waits;

/* Stands for the system's. */
int stat(const char *restrict path, struct stat *restrict status) // NOLINT
{
    waits += paths_of_a_child != NULL && strncmp(path, paths_of_a_child, strlen(paths_of_a_child)) == 0;
    return fstatat(AT_FDCWD, path, status, 0);
}

static int host_of_a_module_that_is_gone(void *unused)
{
    struct fc_opened_file file;
    struct fc_fds fds;
    const uint64_t address = (uintptr_t)find("plugin_outer");
    (void)unused;
    CHECK(fc_fds_open(&fds) == 0);
    CHECK(address != 0 && fc_module_file_open(address, &fds, FC_FD_ARGS, &file));
    fc_fds_close(&fds, FC_FD_ARGS);
    CHECK(unlink(copy_path) == 0);
    paths_of_a_child = directory;
    CHECK(!fc_module_file_open(address, &fds, FC_FD_ARGS, &file));
    CHECK(waits == 0);
    return 0;
}

static void no_path_is_followed_to_a_process_for_a_deleted_file(void **state)
{
#ifndef HAVE_FOREIGN_FILES
    SKIP("this system cannot look a path up without waiting");
#endif
    (void)state;
    assert_true(copy_plugin(plugin_path));
    const int r = host_run(host_of_a_module_that_is_gone, NULL);
    unlink(copy_path);
    assert_int_equal(r, 0);
}

static int host_that_names_a_function_of_a_module_that_is_gone(void *unused)
{
    struct fc_module_function name;
    forkcall_fn *fn = NULL;
    char why[256];
    (void)unused;
    *(void **)&fn = find("plugin_outer");
    CHECK(fn != NULL);
    paths_of_a_child = directory;
    CHECK(fc_module_name(fn, &name) == 0);
    CHECK(name.file.inode != 0 && strcmp(name.path, copy_path) == 0);
    CHECK(fc_module_name(fn, &name) == 0);
    CHECK(unlink(copy_path) == 0);
    CHECK(fc_module_name(fn, &name) == 0);
    CHECK(name.file.inode == 0 && name.file.mapped_inode != 0 && strcmp(name.path, copy_path) == 0);
    name.offset++; /* no function of a loaded module */
    name.id.bytes[0]++;
    CHECK(fc_module_find(&name, &fn, why, sizeof why) < 0);
    CHECK(waits == 0);
    return 0;
}

static void naming_a_function_follows_no_path_to_a_process(void **state)
{
#ifndef HAVE_FOREIGN_FILES
    SKIP("this system cannot look a path up without waiting");
#endif
    (void)state;
    assert_true(copy_plugin(plugin_path));
    const int r = host_run(host_that_names_a_function_of_a_module_that_is_gone, NULL);
    unlink(copy_path);
    assert_int_equal(r, 0);
}

/* ---- While it is read ------------------------------------------------------------------------ */

#ifdef HAVE_LIBDW

/* The number of a line of the function that debug information tells of; 0: it tells none. */
static int line_of(const struct fc_symbols *symbols, const void *function)
{
    struct fc_symbol found[FC_SYMBOLS_AT_MAX];
    const size_t count = fc_symbols_find(symbols, (uintptr_t)function, found);
    return count > 0 ? found[count - 1].line : 0;
}

/* is_old: the file was there before the host has begun. */
static int host_whose_module_is_cut(const void *is_old)
{
    struct fc_symbols symbols;
    const void *function = find("plugin_outer");
    Dl_info info;
    fc_foreign_believed_before = is_old != NULL ? (int64_t)time(NULL) + 1000 : 0;
    CHECK(function != NULL && dladdr(function, &info) != 0);
    fc_symbols_open(&symbols);
    if (!symbols.has_libdw)
        return NOT_HERE;
    CHECK(line_of(&symbols, info.dli_fbase) == 0); /* opens the file */
    CHECK(truncate(copy_path, 0) == 0);
    CHECK(is_old != NULL || line_of(&symbols, function) > 0);
    (void)line_of(&symbols, function);
    fc_symbols_close(&symbols);
    _exit(0);
}

static int host_whose_new_module_is_cut(void *unused)
{
    (void)unused;
    return host_whose_module_is_cut(NULL);
}

static int host_whose_old_module_is_cut(void *unused)
{
    (void)unused;
    return host_whose_module_is_cut("old");
}

static void file_that_is_cut_while_it_is_read_does_no_harm(void **state)
{
    (void)state;
    assert_true(copy_plugin(plugin_path));
    const int r = host_run(host_whose_new_module_is_cut, NULL);
    assert_true(copy_plugin(plugin_path));
    const int r2 = r == 0 ? host_run(host_whose_old_module_is_cut, NULL) : r;
    unlink(copy_path);
    if (r2 == NOT_HERE)
        SKIP("libdw is not to be had here");
    assert_int_equal(r2, 0);
}

static int host_of_a_packed_module(void *unused)
{
    struct fc_symbols symbols;
    const void *function = find("plugin_outer");
    (void)unused;
    CHECK(function != NULL);
    fc_foreign_believed_before = (int64_t)time(NULL) + 1000;
    fc_symbols_open(&symbols);
    const bool has_lines = symbols.has_libdw && line_of(&symbols, function) > 0;
    fc_symbols_close(&symbols);
    fc_foreign_believed_before = 0;
    fc_symbols_open(&symbols);
    CHECK(line_of(&symbols, function) == 0);
    fc_symbols_close(&symbols);
    return has_lines ? 0 : NOT_HERE;
}

/* What is unpacked from a file may be a thousand times as large. */
static void packed_lines_of_a_file_that_a_child_may_have_written_are_not_read(void **state)
{
    (void)state;
    assert_true(copy_plugin(packed_plugin_path));
    const int r = host_run(host_of_a_packed_module, NULL);
    unlink(copy_path);
    if (r == NOT_HERE)
        SKIP("there is no libdw, or the compiler packs no lines");
    assert_int_equal(r, 0);
}

#endif

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(copy_path, sizeof copy_path, "%s/copy.so", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_in_a_module_whose_file_was_spoiled_is_told),
        cmocka_unit_test(only_the_file_that_is_loaded_is_opened),
        cmocka_unit_test(no_path_is_followed_to_a_process_for_a_deleted_file),
        cmocka_unit_test(naming_a_function_follows_no_path_to_a_process),
#ifdef HAVE_LIBDW
        cmocka_unit_test(file_that_is_cut_while_it_is_read_does_no_harm),
        cmocka_unit_test(packed_lines_of_a_file_that_a_child_may_have_written_are_not_read),
#endif
    };
    forkcall_init();
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGIN PACKED_PLUGIN\n", argv[0]);
        return 2;
    }
    if (under_emulator()) {
        print_message("skipped: qemu-user has files of its own for a program that is emulated\n");
        return NOT_HERE;
    }
    plugin_path = argv[1];
    packed_plugin_path = argv[2];
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
