/* Builds of one module, and a directory in which a plugin is built and rebuilt: what the tests of
 * functions by name share. */
#ifndef MODULE_BUILDS_H
#define MODULE_BUILDS_H

#include "exec_lookup.h"
#include "support.h"

/* Two builds of one module. */
struct pair {
    const char *one, *two;
};
/* Set by module_builds_begin. */
extern struct pair with_build_id, without_build_id, relocated;
extern const char *incomplete; /* refers to what does not exist */

/* First thing in main: does not return in the exec'ed process that finds a function
 * (exec_lookup.h). Takes the program's arguments, the paths of the builds. False: they are wrong,
 * which is told. */
bool module_builds_begin(int argc, char **argv);

#define PATH_SIZE 128

/* A directory of the test's own, in which a plugin is built and rebuilt. */
struct place {
    char directory[64];
    char plugin[PATH_SIZE];
    char other[PATH_SIZE];
};

void make_place(struct place *place);
void remove_place(const struct place *place);
/* As a build does it: a new file takes the place of the old one. */
void replace(const struct place *place, const char *file);
/* The same file gets another content. */
void overwrite(const struct place *place, const char *file);
forkcall_fn *load(const char *path, void **module);
/* The function of this module, by name; the module is not loaded any more, where that is
 * possible. */
struct fc_module_function name_plugin(const char *path);
void assert_answers(const struct fc_module_function *name, const char *from, int value);
void assert_refused(const struct fc_module_function *name, const char *from, int result, const char *why);
void assert_found_here(forkcall_fn *fn, const struct fc_module_function *name);
bool same_layout(const struct fc_module_id *a, const struct fc_module_id *b);

#define NOT_WITHOUT_EXEC                                             \
    do {                                                             \
        if (under_emulator() || under_valgrind())                    \
            SKIP("here /proc/self/exe is not this program to exec"); \
    } while (0)

#endif
