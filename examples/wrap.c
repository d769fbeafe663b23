/* How do I get a twin of my own function that runs in a child, with my own types?
 *
 * local_clock changes the time zone of the whole process, which no thread-safe function can do for
 * one question only. FORKCALL_WRAP makes local_clock_isolated from it: that function asks the same
 * question in a child, so that the caller's own time zone stays as it is. Exit status 0: the
 * answers are right and the caller's environment is unchanged. */
#define _POSIX_C_SOURCE 200809L
#include <forkcall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Both types travel as bytes: complete, and free of pointers. */
struct question {
    time_t when;
    char zone[64]; /* as in the environment variable TZ */
};
struct answer {
    int hour, minute;
};

static int local_clock(const struct question *question, struct answer *answer)
{
    struct tm local;
    if (question->zone[0] == '\0')
        return forkcall_fail(EINVAL, "which time zone?");
    if (setenv("TZ", question->zone, 1) != 0)
        return forkcall_fail(errno, "setenv: %s", strerror(errno));
    tzset();
    if (localtime_r(&question->when, &local) == NULL)
        return forkcall_fail(errno, "localtime_r: %s", strerror(errno));
    answer->hour = local.tm_hour;
    answer->minute = local.tm_min;
    return 0;
}

FORKCALL_WRAP(local_clock_isolated, local_clock, struct question, struct answer);

int main(void)
{
    static const struct {
        const char *place;
        struct question question; /* noon, 1 July 2024, UTC */
        enum forkcall_status expected;
        struct answer answer;
    } asked[] = {
        {"Tokyo", {1719835200, "JST-9"}, FORKCALL_OK, {21, 0}},
        {"New York", {1719835200, "EST5EDT,M3.2.0,M11.1.0"}, FORKCALL_OK, {8, 0}},
        {"St. John's", {1719835200, "NST3:30NDT,M3.2.0,M11.1.0"}, FORKCALL_OK, {9, 30}},
        {"nowhere", {1719835200, ""}, FORKCALL_FAILED, {0, 0}},
    };
    int unexpected = 0;

    if (setenv("TZ", "UTC0", 1) != 0) {
        perror("setenv");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct answer answer = {0, 0};
        const struct forkcall_report report = local_clock_isolated(&asked[i].question, &answer);

        if (report.status == FORKCALL_OK)
            printf("%-10s  %02d:%02d\n", asked[i].place, answer.hour, answer.minute);
        else
            printf("%-10s  %s: %s\n", asked[i].place, forkcall_status_name(report.status), report.message);
        unexpected += report.status != asked[i].expected || answer.hour != asked[i].answer.hour ||
                      answer.minute != asked[i].answer.minute;
    }
    const char *own_zone = getenv("TZ");
    printf("the caller's own TZ is still %s\n", own_zone != NULL ? own_zone : "unset");
    unexpected += own_zone == NULL || strcmp(own_zone, "UTC0") != 0;
    return unexpected == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
