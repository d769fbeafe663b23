/* How do I call CoreFoundation in a child, from a program that uses CoreFoundation itself?
 *
 *     corefoundation [LOCALE ...]
 *
 * Once a process has used some of CoreFoundation, its forked children must not: "The process has
 * forked and you cannot use this CoreFoundation functionality safely. You MUST exec()." With
 * forkcall_init() as the first line of main the library does exec: a new instance of this program
 * answers each question about locales and dates, although this process runs a run loop of its own.
 * Exit status 0: every locale has an answer, and the date in American English is right. */
#include <forkcall.h>

#include <CoreFoundation/CoreFoundation.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    char locale[64]; /* as CoreFoundation calls it */
    char date[128];  /* the first day of 2001 in that locale */
};

static CFLocaleRef copy_locale(const char *name)
{
    if (name[0] == '\0')
        return CFLocaleCopyCurrent();
    CFStringRef identifier = CFStringCreateWithCString(kCFAllocatorDefault, name, kCFStringEncodingUTF8);
    if (identifier == NULL)
        return NULL;
    CFLocaleRef locale = CFLocaleCreate(kCFAllocatorDefault, identifier);
    CFRelease(identifier);
    return locale;
}

/* Returns the date as text, which the caller releases; NULL if it failed. */
static CFStringRef copy_date(CFLocaleRef locale, CFAbsoluteTime when)
{
    CFStringRef date = NULL;
    CFTimeZoneRef greenwich = CFTimeZoneCreateWithTimeIntervalFromGMT(kCFAllocatorDefault, 0.0);
    CFDateFormatterRef formatter =
        CFDateFormatterCreate(kCFAllocatorDefault, locale, kCFDateFormatterLongStyle, kCFDateFormatterNoStyle);
    if (greenwich != NULL && formatter != NULL) {
        CFDateFormatterSetProperty(formatter, kCFDateFormatterTimeZone, greenwich);
        date = CFDateFormatterCreateStringWithAbsoluteTime(kCFAllocatorDefault, formatter, when);
    }
    if (formatter != NULL)
        CFRelease(formatter);
    if (greenwich != NULL)
        CFRelease(greenwich);
    return date;
}

/* Runs in the child. args is the name of a locale; empty: the user's own. */
static int long_date(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct answer answer = {"", ""};
    bool whole = false;
    (void)args_size;

    /* Guarded, as everything about a run loop: in a forked child of this process the call would
     * write the warning above and do nothing. */
    CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.0, true);
    CFLocaleRef locale = copy_locale(args);
    if (locale == NULL)
        return forkcall_fail(EINVAL, "no locale %s", (const char *)args);
    /* The date is given in seconds since the first instant of 2001 in Greenwich. */
    CFStringRef date = copy_date(locale, 0.0);
    if (date != NULL) {
        whole = CFStringGetCString(CFLocaleGetIdentifier(locale), answer.locale, sizeof answer.locale,
                                   kCFStringEncodingUTF8) &&
                CFStringGetCString(date, answer.date, sizeof answer.date, kCFStringEncodingUTF8);
        CFRelease(date);
    }
    CFRelease(locale);
    if (!whole)
        return forkcall_fail(EILSEQ, "CoreFoundation made no date for %s", (const char *)args);
    return forkcall_buf_append(result, &answer, sizeof answer);
}

/* Asks in a child and prints the answer. True: there was an answer, and it is the expected one
 * (NULL: any). */
static bool ask(const char *locale, const char *expected)
{
    const struct forkcall_options options = {.timeout_ms = 20000};
    struct answer answer = {"", ""};
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_report report = forkcall_run(long_date, locale, strlen(locale) + 1, &result, &options);
    forkcall_buf_free(&result);

    if (report.status != FORKCALL_OK) {
        printf("%s: %s: %s\n", locale, forkcall_status_name(report.status), report.message);
        return false;
    }
    printf("%-12s %s\n", answer.locale, answer.date);
    return expected == NULL || strcmp(answer.date, expected) == 0;
}

int main(int argc, char **argv)
{
    int unexpected = 0;

    forkcall_init(); /* before anything else; does not return in an instance */

    /* From here on a fork of this process must not use CoreFoundation any more. */
    CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.0, true);

    for (int i = 1; i < argc; i++)
        unexpected += !ask(argv[i], NULL);
    if (argc < 2) {
        unexpected += !ask("", NULL);
        unexpected += !ask("en_US", "January 1, 2001");
        unexpected += !ask("de_DE", NULL);
        unexpected += !ask("ja_JP", NULL);
    }
    return unexpected == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
