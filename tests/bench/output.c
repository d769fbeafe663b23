/* Prints the table as text and as CSV. */
#include "bench.h"

#include "needed_libraries.h"

enum { NAME_WIDTH = 54, NAME_SIZE = 128, AGAINST_WIDTH = 34, TIME_WIDTH = 23 };

/* The row's name, which says how many libraries the program has. */
static const char *full_name(char text[NAME_SIZE], const char *what)
{
    if (bench_libraries == 0)
        return what;
    snprintf(text, NAME_SIZE, "%s, %zu libs", what, bench_libraries);
    return text;
}

static double as_unit(double us, enum measure_unit unit)
{
    return unit == UNIT_RATE ? 1e6 / us : us;
}

static void format_summary(char *text, size_t size, const struct summary *summary, enum measure_unit unit)
{
    const double median = as_unit(summary->median_us, unit);
    /* The slow end of a rate is the large time. */
    const double low = as_unit(unit == UNIT_RATE ? summary->p90_us : summary->p10_us, unit);
    const double high = as_unit(unit == UNIT_RATE ? summary->p10_us : summary->p90_us, unit);
    const int digits = median < 100 ? 1 : 0;
    snprintf(text, size, "%.*f (%.*f-%.*f)", digits, median, digits, low, digits, high);
}

static double ratio_of(const struct row *row)
{
    if (row->limit == NULL)
        return row->library->median_us;
    const double times = row->library->median_us / row->limit->median_us;
    return row->unit == UNIT_RATE ? 1 / times : times;
}

static bool is_met(const struct row *row)
{
    return row->unit == UNIT_RATE ? ratio_of(row) >= row->target : ratio_of(row) <= row->target;
}

static const char *mark_of(const struct row *row)
{
    if (row->target <= 0)
        return "";
    if (is_met(row))
        return "ok";
    return row->unit == UNIT_RATE ? "UNDER" : "OVER";
}

void print_heading(const struct bench *bench)
{
    printf("%-*s %-*s %*s %*s %8s  %-8s\n", NAME_WIDTH, "what", AGAINST_WIDTH, "limit", TIME_WIDTH, "limit [us]",
           TIME_WIDTH, "library [us]", "ratio", "target");
    if (bench->csv != NULL)
        fputs("group,what,limit,unit,limit_median,limit_p10,limit_p90,limit_runs,library_median,library_p10,"
              "library_p90,library_runs,ratio,target,mark\n",
              bench->csv);
}

static void print_csv_row(const struct bench *bench, const struct row *row)
{
    char name[NAME_SIZE];
    fprintf(bench->csv, "%s,\"%s\",\"%s\",us/call,", bench->group, full_name(name, row->what), row->against);
    if (row->limit != NULL)
        fprintf(bench->csv, "%.3f,%.3f,%.3f,%zu,", row->limit->median_us, row->limit->p10_us, row->limit->p90_us,
                row->limit->count);
    else
        fputs(",,,,", bench->csv);
    fprintf(bench->csv, "%.3f,%.3f,%.3f,%zu,", row->library->median_us, row->library->p10_us, row->library->p90_us,
            row->library->count);
    if (row->limit != NULL)
        fprintf(bench->csv, "%.4f", ratio_of(row));
    fputc(',', bench->csv);
    if (row->target > 0)
        fprintf(bench->csv, "%s%.2f", row->unit == UNIT_RATE ? ">=" : "<=", row->target);
    fprintf(bench->csv, ",%s\n", mark_of(row));
}

void print_row(const struct bench *bench, const struct row *row)
{
    if ((row->limit != NULL && row->limit->count == 0) || row->library->count == 0) {
        print_skip(bench, row->what, "no run ended with the right answer");
        return;
    }
    char name[NAME_SIZE];
    char limit[64] = "";
    char library[64];
    char ratio[32] = "";
    char target[32] = "";
    format_summary(library, sizeof library, row->library, row->unit);
    if (row->limit != NULL) {
        format_summary(limit, sizeof limit, row->limit, row->unit);
        snprintf(ratio, sizeof ratio, "%.3f", ratio_of(row));
    }
    if (row->target > 0)
        snprintf(target, sizeof target, "%s %.2f%s", row->unit == UNIT_RATE ? ">=" : "<=", row->target,
                 row->limit == NULL ? " us" : "");
    printf("%-*s %-*s %*s %*s %8s  %-8s %s\n", NAME_WIDTH, full_name(name, row->what), AGAINST_WIDTH, row->against,
           TIME_WIDTH, limit, TIME_WIDTH, library, ratio, target, mark_of(row));
    fflush(stdout);
    if (bench->csv != NULL)
        print_csv_row(bench, row);
}

void print_skip(const struct bench *bench, const char *what, const char *why)
{
    char name[NAME_SIZE];
    printf("%-*s skipped: %s\n", NAME_WIDTH, full_name(name, what), why);
    fflush(stdout);
    if (bench->csv != NULL)
        fprintf(bench->csv, "%s,\"%s\",,,,,,,,,,,,,\"skipped: %s\"\n", bench->group, full_name(name, what), why);
}
