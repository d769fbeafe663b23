/* Collects points in a file, because each group of rows runs in a process of its own, and has
 * gnuplot draw them as SVG. */
#include "plot.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES_MOST = 12, POINTS_MOST = 16, NAME_SIZE = 64 };

struct line {
    char name[NAME_SIZE];
    size_t count;
    double x[POINTS_MOST], y[POINTS_MOST];
};

struct lines {
    size_t count;
    struct line line[LINES_MOST];
};

static const struct {
    const char *file, *title, *x, *y, *settings;
} pictures[PICTURE_COUNT] = {
    [PICTURE_MEMORY] = {"cost-by-memory", "A trivial call", "memory of the caller, touched in pages of 4 KiB [MiB]",
                        "microseconds per call", "set logscale y"},
    [PICTURE_RESULT] = {"cost-by-result", "A call with a result that is filled and read", "size of the result [KiB]",
                        "microseconds per call", "set logscale xy; set format x \"%g\""},
    [PICTURE_RATE] = {"rate-by-threads", "Trivial calls from many threads", "threads", "calls per second",
                      "set logscale x 2; set yrange [0:*]"},
};

bool plot_begin(struct bench *bench, const char *directory)
{
    if ((mkdir(directory, 0777) == 0 || errno == EEXIST) && access(directory, W_OK | X_OK) == 0)
        bench->plot = tmpfile();
    if (bench->plot == NULL)
        fprintf(stderr, "forkcall-bench: %s: %s\n", directory, strerror(errno));
    return bench->plot != NULL;
}

void plot_point(const struct bench *bench, enum picture picture, const char *line, double x, const struct summary *time)
{
    if (bench->plot == NULL || time->count == 0)
        return;
    const double y = picture == PICTURE_RATE ? 1e6 / time->median_us : time->median_us;
    fprintf(bench->plot, "%d %.9g %.9g %s\n", (int)picture, x, y, line);
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static void add(struct lines *lines, const char *name, double x, double y)
{
    size_t i = 0;
    while (i < lines->count && strcmp(lines->line[i].name, name) != 0)
        i++;
    if (i == LINES_MOST)
        return;
    struct line *const line = &lines->line[i];
    if (i == lines->count) {
        snprintf(line->name, sizeof line->name, "%s", name);
        lines->count++;
    }
    if (line->count == POINTS_MOST)
        return;
    line->x[line->count] = x;
    line->y[line->count++] = y;
}

static void read_points(FILE *file, struct lines lines[PICTURE_COUNT])
{
    char text[160];
    rewind(file);
    while (fgets(text, sizeof text, file) != NULL) {
        char *at = text;
        const unsigned long picture = strtoul(at, &at, 10);
        const double x = strtod(at, &at);
        const double y = strtod(at, &at);
        text[strcspn(text, "\n")] = '\0';
        if (picture < PICTURE_COUNT && *at == ' ')
            add(&lines[picture], at + 1, x, y);
    }
}

static bool write_script(const char *path, enum picture picture, const struct lines *lines)
{
    FILE *const file = fopen(path, "we");
    if (file == NULL)
        return false;
    fprintf(file,
            "set terminal svg size 960,440 dynamic background rgb 'white' linewidth 1.5\nset output '%s.svg'\n"
            "set title \"%s\"\nset xlabel \"%s\"\nset ylabel \"%s\"\n%s\nset grid\n"
            "set format y \"%%g\"\nset colorsequence podo\nset key outside right top\n",
            pictures[picture].file, pictures[picture].title, pictures[picture].x, pictures[picture].y,
            pictures[picture].settings);
    for (size_t i = 0; i < lines->count; i++) {
        fprintf(file, "$line%zu << END\n", i);
        for (size_t k = 0; k < lines->line[i].count; k++)
            fprintf(file, "%.9g %.9g\n", lines->line[i].x[k], lines->line[i].y[k]);
        fputs("END\n", file);
    }
    for (size_t i = 0; i < lines->count; i++)
        fprintf(file, "%s $line%zu using 1:2 with linespoints title \"%s\"", i == 0 ? "plot" : ",", i,
                lines->line[i].name);
    fputc('\n', file);
    return fclose(file) == 0;
}

/* Runs gnuplot in the directory. Returns its exit status, or 127 where there is no gnuplot. */
static int run_gnuplot(const char *directory, const char *script)
{
    int how = 0;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        if (chdir(directory) == 0)
            execlp("gnuplot", "gnuplot", script, (char *)NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child < 0 || waitpid(child, &how, 0) != child || !WIFEXITED(how))
        return 126;
    return WEXITSTATUS(how);
}

static bool draw(const char *directory, enum picture picture, const struct lines *lines)
{
    char script[NAME_SIZE];
    char path[PATH_MAX];
    snprintf(script, sizeof script, "%s.gp", pictures[picture].file);
    snprintf(path, sizeof path, "%s/%s", directory, script);
    if (!write_script(path, picture, lines)) {
        fprintf(stderr, "forkcall-bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    const int status = run_gnuplot(directory, script);
    if (status == 127)
        fprintf(stderr, "forkcall-bench: gnuplot is not installed; \"gnuplot %s\" in %s draws the picture\n", script,
                directory);
    else if (status != 0)
        fprintf(stderr, "forkcall-bench: gnuplot could not draw %s (status %d)\n", path, status);
    else
        printf("picture: %s/%s.svg\n", directory, pictures[picture].file);
    return status == 0;
}

bool plot_draw(struct bench *bench, const char *directory)
{
    static struct lines lines[PICTURE_COUNT];
    bool good = true;
    read_points(bench->plot, lines);
    fclose(bench->plot);
    bench->plot = NULL;
    for (int picture = 0; picture < PICTURE_COUNT; picture++)
        if (lines[picture].count > 0)
            good = draw(directory, (enum picture)picture, &lines[picture]) && good;
    return good;
}
