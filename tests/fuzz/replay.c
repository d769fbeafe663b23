/* Test program: runs the fuzzer's function over the files of a directory, without a fuzzer. */
#include "fuzz_frame.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)1 << 20)

static int replay(const char *directory, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(INPUT_MAX);
    if (file == NULL || bytes == NULL) {
        perror(path);
        free(bytes);
        if (file != NULL)
            fclose(file);
        return 1;
    }
    const size_t size = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    printf("%s: %zu bytes\n", name, size);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, size);
    /* Also runs every beginning of the file. */
    for (size_t cut = 0; cut < size && cut < 2000; cut++)
        LLVMFuzzerTestOneInput(bytes, cut);
    free(bytes);
    return 0;
}

int main(int count, char **arguments)
{
    int files = 0;
    DIR *list = count == 2 ? opendir(arguments[1]) : NULL;
    if (list == NULL) {
        fprintf(stderr, "usage: fuzz_replay directory\n");
        return 2;
    }
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (entry->d_name[0] == '.')
            continue;
        files++;
        if (replay(arguments[1], entry->d_name) != 0)
            return 1;
    }
    closedir(list);
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
