/* HOST: Where a function was that was ended for a timeout or a cancel, told by the frames that
 * stand in its report as those of a crash do. */
#ifndef FC_CALL_WHERE_H
#define FC_CALL_WHERE_H

#include "call/told.h"
#include "crash/symbol.h"

#include <forkcall.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The address lies in a module that is neither the C library, nor the loader, nor this library. */
bool fc_where_is_own(uint64_t address);

/* Finds an address in the innermost function that is not of the C library, the loader or this
 * library; if there is none, in the innermost of all. False: there are no frames. */
bool fc_where_find(const struct forkcall_crash *crash, uint64_t *address);

/* Reads the notice of a function that was ended, which is not trusted, into a crash that is no
 * crash. by_fork: as in fc_crash_decode. Takes the loader's lock. */
void fc_where_decode(struct forkcall_crash *crash, const struct fc_told *told, bool by_fork);

/* Finds the function of that address, which is no inlined one. False: it is not known. */
bool fc_where_symbol(const struct fc_symbols *symbols, const struct forkcall_crash *crash, struct fc_symbol *symbol);

/* What the message of the report ends with, as the tables of the modules tell: ", in read_chunk";
 * "" if nothing is known. */
void fc_where_words(const struct forkcall_report *report, char *words, size_t size);

#endif
