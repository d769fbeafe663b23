/* CHILD: Why this process aborts: the text that glibc keeps of assert, stack smashing, double free
 * and FORTIFY, or the type of the C++ exception that nobody has caught. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include "child/abort_reason.h"

#include "child/exception_text.h"
#include "os/memory_probe.h"

#include <dlfcn.h>
#include <string.h>

#define PAGE 4096U /* a page, or a part of one */

#pragma weak dlsym /* absent in a static program */

/* glibc's own note for debuggers. The symbol is private to glibc, so it is only looked up. */
struct abort_text {
    unsigned mapped_size;
    char text[];
};

/* The start of std::type_info in the Itanium C++ ABI. */
struct type_info {
    const void *functions;
    const char *name;
};

static struct abort_text **abort_text;
static const struct type_info *(*current_exception_type)(void);

/* Runs when the library is loaded, because in a child another thread may have left the loader
 * locked. */
__attribute__((constructor)) static void find_reasons(void)
{
    if (dlsym == NULL)
        return;
    void *symbol = dlsym(RTLD_DEFAULT, "__abort_msg");
    memcpy(&abort_text, &symbol, sizeof symbol);
    symbol = dlsym(RTLD_DEFAULT, "__cxa_current_exception_type");
    memcpy(&current_exception_type, &symbol, sizeof symbol);
}

/* Copies a text that a broken process may have written over. Returns its length. */
static size_t copy(char *to, size_t size, const char *text)
{
    bool is_readable = text != NULL && fc_memory_is_readable(text);
    size_t i = 0;
    while (is_readable && i < size - 1 && text[i] != 0) {
        to[i] = text[i];
        i++;
        if ((uintptr_t)(text + i) % PAGE == 0)
            is_readable = fc_memory_is_readable(text + i);
    }
    return i;
}

static void set_reason(struct fc_crash_notice *notice, uint32_t kind, const char *text)
{
    if (copy(notice->abort_text, sizeof notice->abort_text, text) > 0)
        notice->abort_kind = kind;
}

static const char *exception_name(void)
{
    if (current_exception_type == NULL)
        return NULL;
    const struct type_info *type = current_exception_type();
    if (type == NULL || !fc_memory_is_readable(&type->name) || type->name == NULL)
        return NULL;
    return type->name[0] == '*' ? type->name + 1 : type->name; /* '*': compared by address */
}

void fc_abort_reason_get(struct fc_crash_notice *notice)
{
    /* A function that handles an exception may well fail an assertion, but not the other way
     * round. */
    if (abort_text != NULL && *abort_text != NULL)
        set_reason(notice, FC_ABORT_TEXT, (*abort_text)->text);
    const char *name = notice->abort_kind == FC_ABORT_UNKNOWN ? exception_name() : NULL;
    if (name == NULL)
        return;
    set_reason(notice, FC_ABORT_EXCEPTION, name);
    (void)copy(notice->exception_text, sizeof notice->exception_text, fc_exception_text());
}
