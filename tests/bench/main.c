/* forkcall-bench: compares the time of a call with that of the same thing written by hand. Speed
 * is printed, but never a reason to fail. A measured call with the wrong outcome or wrong bytes
 * is. */
#include "bench.h"

#include "needed_libraries.h"
#include "plot.h"
#include "self_spawn.h"

#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct group *const groups[] = {
    &call_group,           &steps_group,  &parent_group, &crash_group,  &options_group,
    &threads_group,        &result_group, &spawn_group,  &server_group, &reuse_group,
    &server_threads_group, &map_group,    &stall_group,  &peers_group,  NULL};

void measure(struct bench *bench, const struct variant *variants, size_t count, struct effort full,
             struct summary *summaries)
{
    const struct effort quick = {.warm_up = 1, .min_rounds = 3, .max_rounds = 30, .seconds = 0.1};
    bench->failures += measure_in_turn(variants, count, bench->quick ? quick : full, summaries);
}

bool memory_fits(size_t bytes)
{
    FILE *const file = fopen("/proc/meminfo", "re");
    char line[128];
    bool fits = true;
    if (file == NULL)
        return true;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "MemAvailable:", 13) == 0)
            fits = strtoull(line + 13, NULL, 10) * 1024 > (unsigned long long)bytes + bytes / 4;
    fclose(file);
    return fits;
}

static void print_help(FILE *out)
{
    fputs("Usage: forkcall-bench [--quick] [--only GROUP] [--csv FILE] [--plot DIR]\n"
          "Prints what calls cost beside the same thing written by hand: medians (and 10th and 90th percentiles) of\n"
          "runs that take turns.\n"
          "  --quick       every row, few repetitions: checks the program, measures badly\n"
          "  --only GROUP  one group of rows\n"
          "  --csv FILE    the same as comma-separated values, times always in microseconds per call\n"
          "  --plot DIR    pictures (SVG, by gnuplot): cost by the caller's memory, by the result's size, rate by "
          "threads\n"
          "Groups:\n",
          out);
    for (size_t i = 0; groups[i] != NULL; i++)
        fprintf(out, "  %-13s %s\n", groups[i]->name, groups[i]->about);
    fputs("Exit status: 0, or 1 where a call did not end as it should, 2 where an option is wrong.\n", out);
}

static void print_circumstances(void)
{
    if (bench_libraries > 0)
        printf("with %zu shared libraries more than needed; ", bench_libraries);
    struct utsname system;
    const int version = forkcall_version();
    if (uname(&system) == 0)
        printf("%s %s %s, %ld cores; ", system.sysname, system.release, system.machine, sysconf(_SC_NPROCESSORS_ONLN));
    printf("libforkcall %d.%d.%d\n", version / 1000000, version / 1000 % 1000, version % 1000);
#ifndef __OPTIMIZE__
    puts("built without optimisation: the figures mean little");
#endif
}

static const struct group *find_group(const char *name)
{
    for (size_t i = 0; groups[i] != NULL; i++)
        if (strcmp(groups[i]->name, name) == 0)
            return groups[i];
    fprintf(stderr, "forkcall-bench: no group \"%s\"; see --help\n", name);
    exit(2);
}

/* Reads the options and returns the group to run (NULL: all). Ends the program if the options are
 * wrong. */
static const struct group *parse_options(int argc, char **argv, struct bench *bench, const char **plot_directory)
{
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"only", required_argument, NULL, 'o'},
                                            /* used by become_other_program() */
                                            {"csv", required_argument, NULL, 'c'},
                                            {"plot", required_argument, NULL, 'd'},
                                            {"part-to", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const struct group *only = NULL;
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'q') {
            bench->quick = true;
        } else if (option == 'o') {
            only = find_group(optarg);
        } else if (option == 'c') {
            bench->csv = fopen(optarg, "we");
            if (bench->csv == NULL) {
                fprintf(stderr, "forkcall-bench: %s: %s\n", optarg, strerror(errno));
                exit(2);
            }
        } else if (option == 'd') {
            *plot_directory = optarg;
            if (!plot_begin(bench, optarg))
                exit(2);
        } else if (option == 'p') {
            bench->is_part = true;
            bench->csv = strcmp(optarg, "-") == 0 ? NULL : fdopen((int)strtol(optarg, NULL, 10), "we");
        } else {
            print_help(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (optind < argc) {
        print_help(stderr);
        exit(2);
    }
    return only;
}

/* Runs the same group by the program with many libraries, in place of this process. That program
 * continues this one's table. */
_Noreturn static void become_other_program(const struct bench *bench, const struct group *group)
{
    static const char suffix[] = "-libraries";
    char path[PATH_MAX + sizeof suffix];
    char csv[16] = "-";
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length > 0) {
        memcpy(path + length, suffix, sizeof suffix);
        if (bench->csv != NULL) {
            const int fd = fileno(bench->csv);
            snprintf(csv, sizeof csv, "%d", fd);
            fcntl(fd, F_SETFD, 0);
        }
        execl(path, "forkcall-bench-libraries", "--only", group->name, "--part-to", csv,
              bench->quick ? "--quick" : (char *)NULL, (char *)NULL);
    }
    fprintf(stderr, "forkcall-bench: %s: %s\n", path, strerror(errno));
    _exit(1);
}

_Noreturn static void become_group(struct bench *bench, const struct group *group)
{
    bench->group = group->name;
    group->run(bench);
    if (bench->failures > 0)
        fprintf(stderr, "forkcall-bench: %s: %zu runs did not end with the right answer\n", group->name,
                bench->failures);
    const bool written = fflush(stdout) == 0 && (bench->csv == NULL || fflush(bench->csv) == 0) &&
                         (bench->plot == NULL || fflush(bench->plot) == 0);
    _exit(bench->failures == 0 && written ? 0 : 1);
}

/* Runs a group in a process of its own: what a group leaves behind (threads' arenas and stacks, a
 * larger heap) would make every fork of the next group slower. Returns true if all went well. */
static bool run_group(struct bench *bench, const struct group *group, bool other_program)
{
    int how = 0;
    fflush(stdout);
    if (bench->csv != NULL)
        fflush(bench->csv);
    const pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "forkcall-bench: fork: %s\n", strerror(errno));
        return false;
    }
    if (child > 0)
        return waitpid(child, &how, 0) == child && how == 0;
    if (other_program)
        become_other_program(bench, group);
    become_group(bench, group);
}

int main(int argc, char **argv)
{
    struct bench bench = {.quick = false};
    self_begin(argc, argv);
    const char *plot_directory = NULL;
    const struct group *const only = parse_options(argc, argv, &bench, &plot_directory);
    if (!bench.is_part) {
        print_circumstances();
        print_heading(&bench);
    }
    bool good = true;
    for (size_t i = 0; groups[i] != NULL; i++) {
        if (only != NULL && only != groups[i])
            continue;
        good = run_group(&bench, groups[i], false) && good;
        if (groups[i]->with_libraries && bench_libraries == 0)
            good = run_group(&bench, groups[i], true) && good;
    }
    if (bench.plot != NULL)
        good = plot_draw(&bench, plot_directory) && good;
    if (bench.csv != NULL && fclose(bench.csv) != 0) {
        fprintf(stderr, "forkcall-bench: the CSV file could not be written\n");
        return 1;
    }
    return good ? 0 : 1;
}
