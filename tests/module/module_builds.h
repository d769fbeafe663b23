/* Helpers for the tests of functions by name: builds of one module, and a directory in which a
 * plugin is built and rebuilt. */
#ifndef MODULE_BUILDS_H
#define MODULE_BUILDS_H

#include "exec_lookup.h"
#include "support.h"

/* Two builds of one module. */
struct pair {
    const char *one, *two;
};
/* Set by module_builds_begin(). */
extern struct pair with_build_id, without_build_id, relocated;
extern const char *incomplete; /* refers to a function that does not exist */

/* Must be called first in main(): in the new process that finds a function (exec_lookup.h) it does
 * not return. Takes the paths of the builds from the program's arguments. False: the arguments are
 * wrong, and a usage line was printed. */
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
/* Replaces the plugin by a new file, as a build does. */
void replace(const struct place *place, const char *file);
/* Overwrites the plugin: the same file gets other content. */
void overwrite(const struct place *place, const char *file);
forkcall_fn *load(const char *path, void **module);
/* Names the function of the module at path. The module is unloaded afterwards, if the system can do
 * this. */
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
