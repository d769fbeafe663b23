/* A small shared library, one of many: some code, some data, and relocations that are done when a
 * program starts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN(a, b) a##b
#define NAME(prefix, number) JOIN(prefix, number)

static char NAME(text_, NUMBER)[64] = "needed";
char *NAME(needed_texts_, NUMBER)[] = {NAME(text_, NUMBER), NAME(text_, NUMBER) + 8, NAME(text_, NUMBER) + 16};
int NAME(needed_, NUMBER)(int n);

int NAME(needed_, NUMBER)(int n)
{
    snprintf(NAME(text_, NUMBER), sizeof NAME(text_, NUMBER), "%d", n);
    return (int)strtol(NAME(needed_texts_, NUMBER)[n % 3], NULL, 10) + (int)strlen(NAME(text_, NUMBER));
}
