/* How do I share what is slow to load among all calls, and keep children ready?
 *
 *     server [WORD ...]
 *
 * A server is a new instance of this program. Its prepare function runs once (here it makes a
 * table of words), and the child of every call has that table in its memory from the start. The
 * children wait before there is a call, so that a call costs some microseconds and not a fork. A
 * child that spoils the table, or crashes, only affects its own memory.
 *
 * Exit status 0: the answers are right, and the table was made only once. */
#include <forkcall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 10000U

/* Exists in the server and in each of its children; never in this program's own process. */
static struct {
    char (*word)[16];
    unsigned rows;
} table;

/* Runs once, in the server. */
static int load_table(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const unsigned rows = *(const unsigned *)args;
    (void)args_size, (void)result;
    if (table.word != NULL)
        return forkcall_fail(EEXIST, "the table is made a second time");
    table.word = calloc(rows, sizeof *table.word);
    if (table.word == NULL)
        return forkcall_fail(ENOMEM, "no memory for %u rows", rows);
    for (unsigned i = 0; i < rows; i++)
        snprintf(table.word[i], sizeof table.word[i], "word%u", i);
    table.rows = rows;
    return 0;
}

/* Runs in a child for each call. Finds the row of a word. */
static int find_word(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const char *word = args;
    (void)args_size;
    for (unsigned i = 0; i < table.rows; i++) {
        if (strcmp(table.word[i], word) != 0)
            continue;
        /* Spoils only this child's own table. */
        memset(table.word[i], 0, sizeof table.word[i]);
        return forkcall_buf_append(result, &i, sizeof i);
    }
    return forkcall_fail(ENOENT, "there is no word \"%s\"", word);
}

static int find(const char *word, unsigned *row, double *us)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = 60000};
    struct forkcall_buf result = forkcall_buf_fixed(row, sizeof *row);
    const struct forkcall_report report = forkcall_run(find_word, word, strlen(word) + 1, &result, &options);
    forkcall_buf_free(&result);
    *us = (double)report.elapsed_ns / 1000;
    if (report.status == FORKCALL_OK)
        printf("%-12s row %u, %.0f us\n", word, *row, *us);
    else
        printf("%-12s %s: %s\n", word, forkcall_status_name(report.status), report.message);
    return (int)report.status;
}

int main(int argc, char **argv)
{
    const unsigned rows = ROWS;
    const struct forkcall_server_options options = {
        .spares = 4, .prepare = load_table, .prepare_args = &rows, .prepare_args_size = sizeof rows};
    unsigned row = 0;
    double us;

    forkcall_init(); /* before anything else; does not return in the server and its children */

    const int r = forkcall_server_start(&options);
    if (r < 0) {
        printf("the server does not start: %s\n", strerror(-r));
        return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++)
        find(argv[i], &row, &us);

    bool good = find("word7", &row, &us) == FORKCALL_OK && row == 7;
    good = find("word9999", &row, &us) == FORKCALL_OK && row == 9999 && good;
    good = find("word10000", &row, &us) == FORKCALL_FAILED && good;
    /* The table is the same as before. */
    good = find("word7", &row, &us) == FORKCALL_OK && row == 7 && good;
    forkcall_server_stop();
    return good && table.word == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
